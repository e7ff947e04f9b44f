"""What really happened, as JSON lines: what `verify` holds rows, and a consumer's figures, against."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import Iterable
from io import BufferedWriter, FileIO
from itertools import filterfalse
from pathlib import Path

import orjson

from edge.timestamps import rfc3339
from plant.telemetry import (
    DispatchedOrder,
    FinishedJob,
    MachineOee,
    MachineSnapshot,
    MachineTypeInfo,
    PlacedOrder,
    StateInterval,
)


class GroundTruthLost(Exception):
    """The file takes no more; the text says why."""


class GroundTruthFile:
    """Writes machines, intervals, jobs and orders to a file, and the run around them.

    start_ms: where the run begins, in milliseconds of plant time since 1970.
    Raises OSError where the file cannot be opened, or another run writes to it. What it held stays until `begin`.
    """

    def __init__(self, path: Path, start_ms: int, seed: int | str) -> None:
        self._path = path
        self._file: BufferedWriter[FileIO] | None = _locked(path)
        self._lost: asyncio.Future[str] | None = None
        self._why_lost: str | None = None
        self._run: dict[str, object] = {"type": "run", "start": rfc3339(start_ms), "seed": seed}
        self._machines: list[str] = []

    def begin(self) -> None:
        """Empty the file and say where the run begins."""
        if self._file is not None and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.truncate(0)
        self._line(self._run)

    async def run(self) -> None:
        """Wait until the file takes no more, and raise GroundTruthLost; from then on nothing more is written."""
        self._lost = asyncio.get_running_loop().create_future()
        raise GroundTruthLost(self._why_lost or await self._lost)

    def machine_types(self, types: Iterable[MachineTypeInfo]) -> None:
        """Write which key of each machine type's messages has which role, and which results are good."""
        for each in types:
            self._line({"type": "machine_type", "kind": each.kind, "fields": each.fields, "good": each.good})

    def machines(self, machines: Iterable[MachineOee], views: Iterable[MachineSnapshot], now_ms: int) -> None:
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

    def end(self, now_ms: int) -> GroundTruthLost | None:
        """Say where the run ended, all intervals having been closed there, and close the file; what it failed of."""
        self._line({**self._run, "end": rfc3339(now_ms)})
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            self._give_up(error)
        return GroundTruthLost(self._why_lost) if self._why_lost else None

    def _line(self, entry: dict[str, object]) -> None:
        # Called from within the plant, which is not to be stopped half way through a moment.
        if self._file is None:
            return
        try:
            self._file.write(orjson.dumps(entry) + b"\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._why_lost = f"cannot write --truth {self._path}: {error.strerror}"
        if self._file is not None:
            self._file.raw.close()  # else what is buffered would be tried again
            self._file = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(self._why_lost)


def _locked(path: Path) -> BufferedWriter[FileIO]:
    """Open a file for writing that nobody else writes to; a pipe has to have a reader."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    file = BufferedWriter(FileIO(descriptor, "w"))
    os.set_blocking(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise OSError(errno.EBUSY, "another run is writing to it", str(path)) from None
    except OSError:
        pass  # a file system without locks
    return file


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
