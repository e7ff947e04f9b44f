"""The overview: how connection, rate, queue and machines are now, as plain data."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from edge.observability.statistics import ledger_fields
from edge.oee_sums import sum_all
from edge.page.figures.context import PageContext
from edge.page.figures.plan import Plan, TypePlan
from edge.page.figures.window import Window
from edge.redaction import clean
from edge.reported.meter import Reported
from edge.status_source import health
from edge.timestamps import rfc3339
from plant.telemetry import KindOee, Oee, Snapshot

MOST_TILES: Final = 200
_JOURNAL_ENTRIES: Final = 5
_DIGITS: Final = 6

Tile = tuple[str, str, str, int, int]
"""A machine: its id, its type, its state, and the numbers of its faults and its alarms."""


class Details(NamedTuple):
    """What is read of single machines. tiles: all of them; None where they are too many.

    faults: the newest of those that go on, the newest first.  reported: OEE as messages report it.
    """

    tiles: Sequence[Tile] | None = None
    faults: Sequence[Mapping[str, object]] = ()
    reported: Reported | None = None


class Moment(NamedTuple):
    """What an overview is made of, beside the simulator itself."""

    plan: Plan
    window: Window
    details: Details


def overview(context: PageContext, moment: Moment) -> dict[str, object]:
    """Return the overview as of now, with the machines as last counted."""
    source, options = context.source, context.options
    counts, plan, ledger = source.snapshot(), moment.plan, source.ledger
    rates, kinds, file = moment.window.rates(), source.oee_by_kind(), context.plant_file()
    found = {
        "at": rfc3339(counts.time_ms or context.start_ms),
        "wall": rfc3339(round(context.wall_clock() * 1000)),
        "process": {
            **context.process(),
            "uptime_seconds": round(context.uptime_seconds(), 1),
            **health(source, context.patience_seconds)._asdict(),
            "time_zone": plan.time_zone,
            "plant_file": file.name,
            "plant_file_writable": file.why_not_writable is None,
            "plant_file_why_not": file.why_not_writable,
        },
        "rate": {"asked": context.asked(plan.per_second), **rates._asdict()},
        "lateness": moment.window.late_by()._asdict(),
        "queue": {
            "depth": ledger.queued,
            "size": options.queue_size,
            "policy": str(options.queue_policy),
            "in_flight": ledger.in_flight,
        },
        "ledger": ledger_fields(ledger),
        "broker": {**source.connection().described(), **context.broker()},
        "clock": dataclasses.asdict(source.clock()),
        "oee": {
            "truth": {**oee_of_all(kinds, plan), "since": rfc3339(context.start_ms)},
            **_reported(moment.details.reported),
        },
        "types": types(counts, kinds, plan),
        "faults": {"active": source.active_faults(), "list": list(moment.details.faults)},
        "alarms": dataclasses.asdict(source.alarms()),
        "machines": sum(counts.states.values()),
        "tiles": moment.details.tiles,
        "journal": [each.described() for each in context.journal.newest(_JOURNAL_ENTRIES)],
    }
    return {name: value if name == "tiles" else clean(value) for name, value in found.items()}


def _reported(found: Reported | None) -> dict[str, object]:
    """Return OEE as messages report it, and the truth of the same time, which is shorter than the run."""
    if found is None:
        return {"reported": None, "truth_meanwhile": None}
    since = {"since": rfc3339(found.start_ms)}
    return {
        "reported": {**oee_figures(sum_all(found.by_messages)), **since},
        "truth_meanwhile": {**oee_figures(sum_all(found.truth)), **since},
    }


def types(counts: Snapshot, kinds: Sequence[KindOee], plan: Plan) -> dict[str, object]:
    """Return each machine type of the plan by its key, with counts of its machines and of what they are at."""
    states = by_kind(counts.states)
    rows, faults, alarms = map(_sums, (_with_rest(counts.rows), counts.active_faults, counts.active_alarms))
    figures = {each.kind: each for each in kinds}
    return {
        each.kind: {
            "machines": sum(states.get(each.kind, {}).values()),
            "states": states.get(each.kind, {}),
            "producing": each.producing,
            "faults": faults[each.kind],
            "alarms": alarms[each.kind],
            "rows": rows[each.kind],
            "enabled": each.enabled,
            "oee": oee_figures(_figures_of(each, figures)),
        }
        for each in plan.types
    }


def by_kind(states: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return the numbers of machines by type and state, without states that no machine is in."""
    found: dict[str, dict[str, int]] = {}
    for (kind, state), number in states.items():
        if number:
            found.setdefault(kind, {})[state] = number
    return found


def oee_of_all(kinds: Sequence[KindOee], plan: Plan) -> dict[str, float | None]:
    """Return the OEE of all machines that make something, and its factors."""
    making = {each.kind for each in plan.types if each.has_jobs}
    return oee_figures(sum_all([each for each in kinds if each.kind in making]))


def oee_figures(figures: Oee | None) -> dict[str, float | None]:
    """Return the OEE and its factors as plain data; null where undefined."""
    names = "availability", "performance", "quality", "oee"
    values = {name: None if figures is None else getattr(figures, name) for name in names}
    return {name: None if value is None else round(value, _DIGITS) for name, value in values.items()}


def _figures_of(each: TypePlan, figures: Mapping[str, KindOee]) -> KindOee | None:
    return figures.get(each.kind) if each.has_jobs else None


def _with_rest(rows: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """Return counts of messages by type and class, such as (`press`, `energy`)."""
    found = Counter[tuple[str, str]]()
    for kind, number in rows.items():
        name, _, rest = kind.partition(".")
        found[name, rest] += number
    return found


def _sums(counts: Mapping[tuple[str, str], int]) -> Counter[str]:
    found = Counter[str]()
    for (kind, _), number in counts.items():
        found[kind] += number
    return found
