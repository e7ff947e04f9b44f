"""What really happened, as JSON lines: what `verify` holds rows, and a consumer's figures, against."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from io import BufferedWriter
from itertools import filterfalse
from pathlib import Path

import orjson

from edge.wire import rfc3339
from plant.telemetry import DispatchedOrder, FinishedJob, MachineOee, MachineView, PlacedOrder, StateInterval


class TruthFile:
    """Writes machines, intervals, jobs and orders to a file, and the run around them; OSError where it cannot.

    start_ms: where the run begins, in milliseconds of plant time since 1970.
    """

    def __init__(self, path: Path, start_ms: int, seed: int | str) -> None:
        self._file: BufferedWriter = path.open("wb")
        self._run: dict[str, object] = {"type": "run", "start": rfc3339(start_ms), "seed": seed}
        self._machines: list[str] = []
        self._line(self._run)

    def machines(self, machines: Iterable[MachineOee], views: Iterable[MachineView], now_ms: int) -> None:
        """Describe all machines that there are from now on, and name those that are gone since the last time.

        machines: what their figures are measured by.  views: where they stand.
        """
        at, stations = rfc3339(now_ms), {view.machine_id: view.station for view in views}
        for machine_id in filterfalse(stations.__contains__, self._machines):
            self._line({"type": "gone", "at": at, "machine_id": machine_id})
        self._machines = [*stations]
        for machine in machines:
            described = {name: getattr(machine, name) for name in _DESCRIBED}
            self._line({"type": "machine", "at": at, **described, "station_id": stations[machine.machine_id]})

    def __call__(self, event: StateInterval | FinishedJob) -> None:
        """Write a machine's stay or job."""
        self._line(_interval(event) if isinstance(event, StateInterval) else _job(event))

    def order(self, event: PlacedOrder | DispatchedOrder) -> None:
        """Write that an order was placed, or dispatched."""
        head = {"at": rfc3339(event.time_ms), "order_id": event.order_id}
        if isinstance(event, PlacedOrder):
            self._line({"type": "order", **head, "items": event.items})
        else:
            self._line({"type": "dispatch", **head, **event.details})

    def totals(self, machines: Iterable[MachineOee], now_ms: int) -> None:
        """Write the exact sums of each machine from its beginning up to now."""
        at = rfc3339(now_ms)
        for machine in machines:
            self._line({"type": "totals", "at": at} | {name: getattr(machine, name) for name in _TOTALS})

    def end(self, now_ms: int) -> None:
        """Say where the run ended; all intervals have been closed there."""
        self._line({**self._run, "end": rfc3339(now_ms)})
        self._file.close()

    def _line(self, entry: dict[str, object]) -> None:
        self._file.write(orjson.dumps(entry) + b"\n")


async def oee_report(machines: Sequence[MachineOee], start: float, now: float, span: str) -> dict[str, object]:
    """The truth of each machine as plain values, for JSON. Times in seconds since 1970.

    After every thousand machines others have their turn, so that messages are not late for it.
    """
    figures: list[dict[str, object]] = []
    for first in range(0, len(machines), _MACHINES_A_TURN):
        figures += map(_figures, machines[first : first + _MACHINES_A_TURN])
        await asyncio.sleep(0)
    times = {"start": rfc3339(round(start * 1000)), "now": rfc3339(round(now * 1000))}
    return {"span": span, **times, "machines": figures}


_MACHINES_A_TURN = 1000
_FIGURES = (
    "machine_id", "kind", "producing_state", "period_seconds", "ideal_cycle_seconds", "planned_seconds",
    "producing_seconds", "stopped_seconds", "ideal_seconds", "results", "jobs", "good", "availability", "performance",
    "quality", "oee",
)  # fmt: skip
_DESCRIBED = ("machine_id", "kind", "period_seconds", "ideal_cycle_seconds", "producing_state")
_TOTALS = (
    "machine_id", "planned_seconds", "producing_seconds", "stopped_seconds", "ideal_seconds", "results", "jobs", "good",
)  # fmt: skip


def _interval(event: StateInterval) -> dict[str, object]:
    return {
        "type": "interval",
        "machine_id": event.machine_id,
        "state": event.state,
        "from": rfc3339(event.from_ms),
        "to": rfc3339(event.to_ms),
    }


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
    return job if event.consumed_ids is None else {**job, "consumed_ids": event.consumed_ids}


def _figures(machine: MachineOee) -> dict[str, object]:
    return {name: getattr(machine, name) for name in _FIGURES}
