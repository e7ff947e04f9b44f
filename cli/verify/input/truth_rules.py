"""The rules that the lines of a ground truth file keep: their order, and which value a key may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.timestamps import rfc3339


class Sequence:
    """The intervals and jobs of each machine so far; what does not follow from the lines before is a ValueError."""

    def __init__(self) -> None:
        self._covered_ms: dict[str, int] = {}
        self._last_jobs: dict[str, tuple[int, str]] = {}

    def appears(self, machine_id: str, at_ms: int) -> None:
        """Note that a machine exists, and from when on if that is new."""
        self._covered_ms.setdefault(machine_id, at_ms)

    def disappears(self, machine_id: str, at_ms: int) -> None:
        """Check that the intervals of a machine reach to the moment from which on it does not exist."""
        self.reaches(machine_id, at_ms)
        self._last_jobs.pop(machine_id, None)
        self._covered_ms.pop(machine_id, None)

    def reaches(self, machine_id: str, at_ms: int) -> None:
        """Check that the intervals of a machine, if it exists, reach to a moment."""
        covered_ms = self._covered_ms.get(machine_id, at_ms)
        if covered_ms != at_ms:
            raise ValueError(f"the intervals of {machine_id} end at {rfc3339(covered_ms)}, not at {rfc3339(at_ms)}")

    def interval(self, machine_id: str, from_ms: int, to_ms: int) -> None:
        """Add an interval, which has to begin where the one before ended, or with the machine."""
        if from_ms >= to_ms:
            raise ValueError(f"an interval of {machine_id} must begin before it ends")
        covered_ms = self._covered_ms.get(machine_id, from_ms)
        if from_ms != covered_ms:
            raise ValueError(
                f"the intervals of {machine_id} must follow each other: one begins at {rfc3339(from_ms)}, "
                f"after {rfc3339(covered_ms)}"
            )
        self._covered_ms[machine_id] = to_ms

    def job(self, machine_id: str, job_id: str, finished_ms: int) -> None:
        """Add a finished job, which has to be another one than the last, and later."""
        before_ms, before = self._last_jobs.get(machine_id, (finished_ms, ""))
        if job_id == before:
            raise ValueError(f"{machine_id} finished the job {job_id} twice")
        if finished_ms < before_ms:
            raise ValueError(f"the jobs of {machine_id} must be in order of time: {job_id} comes after {before}")
        self._last_jobs[machine_id] = finished_ms, job_id

    @property
    def machines(self) -> list[str]:
        """The machines that exist."""
        return [*self._covered_ms]


def problem(error: Exception, entry: Mapping[str, Any]) -> str:
    """Return what is wrong with an entry, in words, for the exception that its use has raised."""
    if isinstance(error, KeyError):
        missing = error.args[0]
        if missing == entry.get("machine_id"):
            return f"no line before describes the machine {missing}"
        return f"the key {missing} is missing"
    if isinstance(error, TypeError | AttributeError):
        return f"a value is of the wrong type: {error}"
    return str(error)
