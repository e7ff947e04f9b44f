"""What becomes of a job in work when its machine stops, as it is declared, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Violation, quote, suggestion
from plant.definition.jobs.job_type import JobType

CONTINUES: Final = "continues"
RESTARTS: Final = "restarts"


def read_fates(job: Mapping[str, Any]) -> dict[str, str | None]:
    """Return by state the result with which a job in work ends; None where it starts again."""
    declared: Mapping[str, str] = job.get("on_stop", {})
    return {state: None if fate == RESTARTS else fate for state, fate in declared.items() if fate != CONTINUES}


def wrong_fates(job: JobType, states: Mapping[str, Mapping[str, Any]]) -> Iterator[Violation]:
    """Check the states and the results. states: of the type, as plain data."""
    for state, result in job.on_stop.items():
        place = ("job", "on_stop", state)
        if state not in states:
            yield Violation(place, "is not a state of this type", [*states])
        elif states[state].get("produces"):
            yield Violation(place, "must be a state in which jobs do not advance")
        if result in job.good:
            yield Violation(place, f"must be a result that does not count as good, got {quote(result or '')}")
        elif result is not None and result not in job.results:
            known = [CONTINUES, RESTARTS, *(name for name in job.results if name not in job.good)]
            rule = f"must be {CONTINUES}, {RESTARTS} or a result that is not good, got {quote(result)}"
            yield Violation(place, f"{rule}; {suggestion(result, known)}")
