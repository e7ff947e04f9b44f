"""The ground truth file: what really happened in the plant, as JSON lines, for `verify` and for consumers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterable, Mapping
from io import BufferedWriter, RawIOBase
from itertools import filterfalse
from pathlib import Path

import orjson

from edge.background_writer import locked, written_to
from edge.labels.label import label
from edge.runtime.run_options import UsageError
from edge.timestamps import rfc3339
from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.telemetry import MachineOee, MachineSnapshot, MachineTypeInfo
from plant.truth.energy import Baseline, EnergySpan, EnergyTotals
from plant.truth.events import DispatchedOrder, FaultEpisode, FinishedJob, PlacedOrder, StateInterval, TruthEvent


class GroundTruthLost(Exception):
    """The file cannot be written to any more; the text says why."""


class GroundTruth:
    """The ground truth of a run: listens to the plant, and writes to the file.

    plant_file: the plant's YAML, which must not be overwritten.
    Raises UsageError where the file cannot be written to.
    """

    def __init__(self, path: Path, plant: FactoryMessageGenerator, plant_file: Path) -> None:
        if path.exists() and plant_file.exists() and path.samefile(plant_file):
            raise UsageError(f"--truth: {path} is the plant's file")
        try:
            self._file = GroundTruthFile(path, round(plant.start * 1000), plant.seed)
        except OSError as error:
            raise UsageError(f"--truth: cannot write {path}: {error.strerror}") from None
        self._plant, self._described = plant, plant.config
        plant.listen(self._file, self._file.order, self._record)
        plant.read_meters(self._file.energy)

    def begin(self) -> None:
        """Empty the file, and write the run, its machine types and its machines."""
        self._file.begin()
        self.describe_machines()

    async def run(self) -> None:
        """Wait until the file cannot be written to any more, and raise GroundTruthLost."""
        await self._file.run()

    def describe_machines(self) -> None:
        """Write the machines that exist from now on, after what is new of their types."""
        self._described = self._plant.config
        self._file.machine_types(self._plant.machine_types())
        self._file.machines(self._plant.oee(), self._plant.machines(), self._now_ms)

    def record_reload(self, config: PlantConfig) -> None:
        """Write that another configuration is in force from now on, and the machines that then exist."""
        if config.content is not None:
            self._file.command(self._now_ms, {"command": "reload", "content": config.content.decode()})
        self.describe_machines()

    def _record(self, time_ms: int, command: Mapping[str, object]) -> None:
        """Write a command that has been executed, and the machines that then exist, if they are others."""
        self._file.command(time_ms, command)
        if self._plant.config is not self._described:
            self.describe_machines()

    def close(self) -> GroundTruthLost | None:
        """Close all intervals, write totals and the end of the run; return the error that made the file incomplete."""
        self._plant.close_truth()
        self._file.totals(self._plant.oee(), self._now_ms)
        self._file.energy_totals(self._plant.energy_totals(), self._now_ms)
        return self._file.end(self._now_ms)

    @property
    def _now_ms(self) -> int:
        return round(self._plant.now * 1000)


class GroundTruthFile:
    """Writes machines, intervals, jobs and orders to a file, and the run around them.

    start_ms: where the run begins, in milliseconds of plant time since 1970.
    Raises OSError where the file cannot be opened, or another run writes to it. Its content stays until `begin`.
    """

    def __init__(self, path: Path, start_ms: int, seed: int | str) -> None:
        self._path = path
        self._file: BufferedWriter[RawIOBase] | None = written_to(locked(path))
        self._lost: asyncio.Future[str] | None = None
        self._why_lost: str | None = None
        self._run: dict[str, object] = {"type": "run", "start": rfc3339(start_ms), "seed": seed}
        self._types: dict[str, MachineTypeInfo] = {}
        self._machines: list[str] = []

    def begin(self) -> None:
        """Empty the file, and write where the run begins."""
        if self._file is not None and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.truncate(0)
        self._write(self._run)

    async def run(self) -> None:
        """Wait until the file cannot be written to any more, and raise GroundTruthLost; nothing is written after."""
        self._lost = asyncio.get_running_loop().create_future()
        raise GroundTruthLost(self._why_lost or await self._lost)

    def machine_types(self, types: Iterable[MachineTypeInfo]) -> None:
        """Write what each machine type's messages have, and which results are good, unless it is as before."""
        for each in (its for its in types if self._types.get(its.kind) != its):
            self._types[each.kind] = each
            self._write({"type": "machine_type", "machine_type": each.kind, **each.described()})

    def machines(self, machines: Iterable[MachineOee], views: Iterable[MachineSnapshot], now_ms: int) -> None:
        """Write all machines that exist from now on, and those that are gone since the last time.

        machines: how their figures are measured.  views: at which stations they are.
        """
        at, stations = rfc3339(now_ms), {view.machine_id: view.station for view in views}
        for machine_id in filterfalse(stations.__contains__, self._machines):
            self._write({"type": "gone", "at": at, "machine_id": machine_id})
        self._machines = [*stations]
        for machine in machines:
            described: dict[str, object] = {"machine_id": machine.machine_id, "machine_type": machine.kind}
            described |= {name: getattr(machine, name) for name in _DESCRIBED}
            if machine.ideal_cycles is not None:
                described["ideal_cycles"] = machine.ideal_cycles
            self._write({"type": "machine", "at": at, **described, "station_id": stations[machine.machine_id]})

    def __call__(self, event: TruthEvent) -> None:
        """Write an interval, a job or a fault of a machine."""
        if isinstance(event, FaultEpisode):
            self._write({"type": "fault", **label(event)})
        else:
            self._write(_interval(event) if isinstance(event, StateInterval) else _job(event))

    def command(self, time_ms: int, command: Mapping[str, object]) -> None:
        """Write a command that has been executed."""
        self._write({"type": "command", "at": rfc3339(time_ms), **command})

    def order(self, event: PlacedOrder | DispatchedOrder) -> None:
        """Write an order as it is placed, or dispatched."""
        head = {"at": rfc3339(event.time_ms), "order_id": event.order_id}
        if isinstance(event, PlacedOrder):
            self._write({"type": "order", **head, "items": event.items})
        else:
            self._write({"type": "dispatch", **head, **event.details})

    def totals(self, machines: Iterable[MachineOee], now_ms: int) -> None:
        """Write the exact sums of each machine from its start up to now."""
        at = rfc3339(now_ms)
        for machine in machines:
            self._write({"type": "totals", "at": at} | {name: getattr(machine, name) for name in _TOTALS})

    def energy(self, span: EnergySpan) -> None:
        """Write what a machine has used in a span."""
        self._write(_energy(span))

    def energy_totals(self, totals: Iterable[EnergyTotals], now_ms: int) -> None:
        """Write the energy figures of each machine, and of each site."""
        for each in totals:
            self._write({"type": "energy_totals", "at": rfc3339(now_ms), **_energy_totals(each)})

    def end(self, now_ms: int) -> GroundTruthLost | None:
        """Write where the run ended, all intervals having been closed, and close the file; return its error if any."""
        self._write({**self._run, "end": rfc3339(now_ms)})
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            self._give_up(error)
        return GroundTruthLost(self._why_lost) if self._why_lost else None

    def _write(self, entry: dict[str, object]) -> None:
        # Called from within the plant, where an exception would leave a moment half done.
        if self._file is None:
            return
        try:
            self._file.write(orjson.dumps(entry) + b"\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._why_lost = f"cannot write --truth {self._path}: {error.strerror}"
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.raw.close()  # otherwise the buffer would be written again
            self._file = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(self._why_lost)


_DESCRIBED = ("period_seconds", "ideal_cycle_seconds", "producing_state")
_TOTALS = (
    "machine_id", "planned_seconds", "producing_seconds", "stopped_seconds", "ideal_seconds", "results", "jobs", "good",
)  # fmt: skip


def _interval(event: StateInterval) -> dict[str, object]:
    interval: dict[str, object] = {
        "type": "interval",
        "machine_id": event.machine_id,
        "state": event.state,
        "from": rfc3339(event.from_ms),
        "to": rfc3339(event.to_ms),
    }
    own = {"cause": event.cause, "reason": event.reason}
    return interval | {name: value for name, value in own.items() if value is not None}


def _job(event: FinishedJob) -> dict[str, object]:
    job: dict[str, object] = {
        "type": "job",
        "machine_id": event.machine_id,
        "job_id": event.job_id,
        "kind": event.kind,
        "started": rfc3339(event.started_ms),
        "finished": rfc3339(event.finished_ms),
        "cycle_time_seconds": event.cycle_ms / 1000,
        "ideal_cycle_seconds": event.ideal_ms / 1000,
        "result": event.result,
        "issues_found": event.issues_found,
    }
    own = {
        "lot": event.lot,
        "order": event.order,
        "consumed_ids": event.consumed_ids,
        "causes": event.causes or None,
        "reason": event.reason,
    }
    return job | {name: value for name, value in own.items() if value is not None}


def _energy(span: EnergySpan) -> dict[str, object]:
    return {
        "type": "energy",
        **_given(machine_id=span.machine_id, machine_type=span.machine_type, site=span.site),
        "from": rfc3339(span.from_ms),
        "to": rfc3339(span.to_ms),
        **_given(kwh=span.kwh, cost=span.cost, co2_kg=span.co2_kg),
        "units": span.units,
        "good": span.good,
        **({"drivers": span.drivers} if span.drivers else {}),
        "fault_seconds": span.fault_ms / 1000,
    }


def _energy_totals(totals: EnergyTotals) -> dict[str, object]:
    is_machine = totals.machine_id is not None
    return {
        **_given(machine_id=totals.machine_id, machine_type=totals.machine_type, site=totals.site),
        **({} if is_machine else {"machines": totals.machines}),
        **_given(kwh=totals.kwh, cost=totals.cost, co2_kg=totals.co2_kg),
        "units": totals.units,
        "good": totals.good,
        "base_load_kw": totals.base_load_kw,
        "peak_kw": totals.peak_kw,
        "peak_from": None if totals.peak_from_ms is None else rfc3339(totals.peak_from_ms),
        "kwh_per_unit": totals.kwh_per_unit,
        **({"baseline": _baseline(totals.baseline)} if totals.baseline else {}),
    }


def _baseline(baseline: Baseline) -> dict[str, object]:
    coefficients = _given(constant=baseline.constant, unit=baseline.per_unit)
    return {
        **coefficients,
        **({"drivers": baseline.drivers} if baseline.drivers else {}),
        "r2": baseline.r2,
        "quarters": baseline.quarters,
        "expected_kwh": baseline.expected_kwh,
        "actual_kwh": baseline.actual_kwh,
        "ratio": baseline.ratio,
    }


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
