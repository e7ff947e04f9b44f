"""What really happened, as JSON lines: what `verify` holds a consumer's figures against."""

from __future__ import annotations

from collections.abc import Iterable
from io import BufferedWriter
from pathlib import Path

import orjson

from edge.wire import rfc3339
from plant.telemetry import FinishedJob, MachineOee, StateInterval


class TruthFile:
    """Writes machines, intervals and jobs to a file, and the run around them; OSError where it cannot.

    start_ms: where the run begins, in milliseconds of plant time since 1970.
    """

    def __init__(self, path: Path, start_ms: int, seed: int | str) -> None:
        self._file: BufferedWriter = path.open("wb")
        self._run: dict[str, object] = {"type": "run", "start": rfc3339(start_ms), "seed": seed}
        self._line(self._run)

    def machines(self, machines: Iterable[MachineOee]) -> None:
        """Name the machines and what their figures are measured by; again after a change."""
        for machine in machines:
            self._line(
                {
                    "type": "machine",
                    "machine_id": machine.machine_id,
                    "kind": machine.kind,
                    "period_seconds": machine.period_seconds,
                    "ideal_cycle_seconds": machine.ideal_cycle_seconds,
                    "producing_state": machine.producing_state,
                }
            )

    def __call__(self, event: StateInterval | FinishedJob) -> None:
        """Write one event of the plant."""
        if isinstance(event, StateInterval):
            self._line(
                {
                    "type": "interval",
                    "machine_id": event.machine_id,
                    "state": event.state,
                    "from": rfc3339(event.from_ms),
                    "to": rfc3339(event.to_ms),
                }
            )
        else:
            self._line(
                {
                    "type": "job",
                    "machine_id": event.machine_id,
                    "job_id": event.job_id,
                    "kind": event.kind,
                    "started": rfc3339(event.started_ms),
                    "finished": rfc3339(event.finished_ms),
                    "cycle_time_seconds": event.cycle_ms / 1000,
                    "result": event.result,
                }
            )

    def end(self, now_ms: int) -> None:
        """Say where the run ended; all intervals have been closed there."""
        self._line({**self._run, "end": rfc3339(now_ms)})
        self._file.close()

    def _line(self, entry: dict[str, object]) -> None:
        self._file.write(orjson.dumps(entry) + b"\n")
