"""Read what the machines of a type make from its entry, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Violation, quote
from plant.definition.jobs.fates import read_fates, wrong_fates
from plant.definition.jobs.job_type import USUALLY_GOOD, JobType
from plant.definition.jobs.variation_entries import kind_types, kind_weights

MOST_SITUATIONS: Final = 10_000
"""Kinds times phases: what a signal may depend on is tabulated."""

_Data = Mapping[str, Any]


def read_job(entry: _Data, usual_id: str) -> tuple[JobType | None, list[Violation]]:
    """Return what the machines of a complete entry make, None for nothing, and the violations.

    usual_id: begins the ids of the jobs, unless the entry says otherwise.
    """
    if "job" not in entry:
        return None, []
    job: _Data = entry["job"]
    results = {name: _result(each) for name, each in job.get("results", {"good": 1.0}).items()}
    issues = {**job.get("issues", {}), **{name: each["issues"] for name, each in results.items() if "issues" in each}}
    job_type = JobType(
        product=job.get("product", "part"),
        id=job.get("id", usual_id),
        code=job.get("code"),
        kinds=kind_weights(_kinds(job)),
        seconds=_pair(job.get("cycle_seconds")),
        period_share=job.get("period_share"),
        results={name: float(each["weight"]) for name, each in results.items()},
        good=_good(results),
        issues={name: tuple(pair) for name, pair in issues.items()},
        nicknames=job.get("nicknames", {}),
        phases=_shares(job.get("phases", {})),
        kind_types=kind_types(_kinds(job)),
        on_stop=read_fates(job),
    )
    return job_type, [*_wrong_keys(job, job_type), *wrong_fates(job_type, entry.get("states", {}))]


def _kinds(job: _Data) -> Any:
    """Return the kinds as declared; without any there is one, with the name of the product."""
    return job.get("kinds", (job.get("product", "part"),))


def _result(value: Any) -> _Data:
    return value if isinstance(value, Mapping) else {"weight": value}


def _good(results: Mapping[str, _Data]) -> frozenset[str]:
    """Return the results that count as good: those that are usually, unless the entry says so of any."""
    bad = {name for name, each in results.items() if each.get("good") is False}
    if not any("good" in each for each in results.values()):
        return USUALLY_GOOD - bad
    return frozenset(name for name, each in results.items() if each.get("good", name in USUALLY_GOOD)) - bad


def _pair(seconds: Any) -> tuple[float, float] | None:
    if seconds is None:
        return None
    return (seconds[0], seconds[1]) if isinstance(seconds, list | tuple) else (seconds, seconds)


def _shares(phases: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(phases.values())
    return {name: share / total for name, share in phases.items()}


def _wrong_keys(job: _Data, job_type: JobType) -> Iterator[Violation]:
    yield from _wrong_cycle(job, job_type)
    kinds, phases = len(job.get("kinds", ())), len(job.get("phases", ()))
    if kinds * phases > MOST_SITUATIONS:
        rule = f"must be at most {MOST_SITUATIONS // phases:,} kinds, as there are {phases:,} phases, got {kinds:,}"
        yield Violation(("job", "kinds"), rule)
    if not any(job_type.results.values()):
        yield Violation(("job", "results"), "needs at least one entry greater than 0")


def _wrong_cycle(job: _Data, job_type: JobType) -> Iterator[Violation]:
    own = job_type.kind_types
    without = [name for name in _kinds(job) if name not in own or not own[name].seconds]
    if without and not ("cycle_seconds" in job or "period_share" in job):
        of_kind = f": the kind {quote(without[0])} has none of its own" if own else ""
        yield Violation(("job", "cycle_seconds"), f"is missing{of_kind}")
    if "cycle_seconds" in job and "period_share" in job:
        yield Violation(("job", "cycle_seconds"), "replaces period_share: give only one of them")
