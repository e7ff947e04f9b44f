"""Random states of machine types, their order, and the reasons of stays and of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random  # noqa: TID251 - makes the states; no part of them
from typing import Any, Final

from fuzz.plants.choices import Data, maybe, some

ODD: Final = 'out of "paper" ä%'
"""A state that is entered far more seldom than each of the others: so it may precede any of them."""

REASON_FIELDS: Final = ("state.reason", "state.reason_code")
RESULT_REASON_FIELDS: Final = ("finished.reason", "finished.reason_code")

_STATES: Final[dict[str, Data]] = {
    "running": {"share": 3.0, "dwell_seconds": 20.0, "produces": True},
    "idle": {"share": 1.0, "dwell_seconds": 4.0},
    "maintenance": {"share": 1.0, "dwell_seconds": 9.0, "planned": True},
    ODD: {"share": 0.05, "dwell_seconds": 6.0},
}
_STAYS: Final[tuple[Data, ...]] = (
    {"share": 0.05, "dwell_seconds": 6.0, "distribution": "weibull", "shape": 1.5},
    {"share": 0.05, "dwell_seconds": 6.0, "distribution": "lognormal", "sigma": 0.8},
    {"share": 0.05, "dwell_seconds": 6.0, "distribution": "fixed"},
    {"share": 0.05, "dwell_seconds": [4.0, 8.0]},
    {"mtbf_hours": 0.05, "mttr_minutes": 0.1},
    {"mtbf_hours": 0.05, "mttr_minutes": 0.1, "distribution": "lognormal"},
)
_STAYS_ON: Final = 19.0
"""Weight of a state after itself, beside 1 for another one: few enough of its visits then end in that one."""

_LONGEST_CYCLE_SECONDS: Final = 10.0
"""With longer jobs there may be more stops between jobs than jobs."""

_REASONS: Final[tuple[Data, ...]] = (
    {"E101 jam": 1.0},
    {"E101 jam": 3.0, 'E2 "drive" ö%s': 1.0, "heat": 0.0},
    {"a": 1.0, "{number} {}": 2.0},
)


def states(chance: Random) -> Data:
    """Return the states of a machine type, of which one produces."""
    names = ["running", *some(chance, [*_STATES][1:])] if maybe(chance, 0.9) else ["running"]
    chance.shuffle(names)
    made = {name: dict(_STATES[name]) for name in names}
    if ODD in made:
        made[ODD] = dict(chance.choice(_STAYS))
    if maybe(chance, 0.15):
        del made["running"]["produces"]
        made[names[-1]] = {**_STATES[names[-1]], "produces": True, "planned": False}
    return made


def order(chance: Random, entry: Mapping[str, Any]) -> Data:
    """Return which state follows which, and which come only between jobs; the shares allow it, also for overrides."""
    declared: Mapping[str, Data] = entry.get("states", {})
    producing = next((name for name, each in declared.items() if each.get("produces")), "")
    made: Data = {}
    if ODD in declared and producing != ODD and _makes_short_jobs(entry) and maybe(chance, 0.4):
        made["only_between_jobs"] = [ODD]
    if len(declared) > 1 and maybe(chance, 0.4):
        made["transitions"] = _transitions(chance, [*declared], producing if made else "")
    return made


def _transitions(chance: Random, names: Sequence[str], leads_on: str) -> Data:
    """Return rows. leads_on: the only state that leads to ODD, if there is but one.

    One row is for a state that mostly follows itself, or forbids a state; the other is for ODD.
    """
    common, rows = [name for name in names if name != ODD], dict[str, Any]()
    one, other = chance.sample(common, 2) if len(common) > 1 else (common[0], "")
    if len(common) > 2 and maybe(chance):
        rows[one] = {other: 0.0}
    elif other and one != leads_on:
        rows[one] = {one: _STAYS_ON, other: 1.0}
    followers = [name for name in common if name not in rows]
    if ODD in names and followers and maybe(chance, 0.6):
        rows[ODD] = {name: float(chance.choice((1, 3))) for name in some(chance, followers)}
    return rows


def _makes_short_jobs(entry: Mapping[str, Any]) -> bool:
    cycle = entry.get("job", {}).get("cycle_seconds", _LONGEST_CYCLE_SECONDS + 1)
    return bool((cycle[-1] if isinstance(cycle, list) else cycle) <= _LONGEST_CYCLE_SECONDS)


def reasons(chance: Random, entry: Mapping[str, Any]) -> Data:
    """Return reasons of some states and results."""
    names = [*entry.get("states", ()), *entry.get("job", {}).get("results", ())]
    if not names:
        return {}
    return {name: dict(chance.choice(_REASONS)) for name in some(chance, names)}


def reason_fields(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what messages can report of the reasons of an entry."""
    if "reasons" not in entry:
        return ()
    of_jobs = RESULT_REASON_FIELDS if "job" in entry else ()
    return (*(REASON_FIELDS if "states" in entry else ()), *of_jobs)
