"""Facts about snapshots of many machines, read in groups while the plant goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from edge.oee_sums import sum_kinds
from messages import START, FactoryMessageGenerator, NoSuchMachine, SnapshotOutdated
from plant.definition.plant_config import PlantConfig, load
from plant.oee_accounting import SPANS, Span
from plant.telemetry import MachineFilter, MachineOee, Message
from tests.support.factory.plants import ROOT, config

MANY = config({"cnc_machine": 230, "printer_3d": 120, "testing": 210})
SHIFTS, FLOW = (load(ROOT / "scenarios" / f"{name}.yaml") for name in ("two-shifts", "spaceship-flow"))
PLANTS = {"many": MANY, "two shifts": SHIFTS, "a flow": FLOW}
AT = START + 3599.2


def lived(config: PlantConfig, now: float = AT) -> FactoryMessageGenerator:
    """A plant at a moment shortly before the end of an hour."""
    plant = FactoryMessageGenerator.of(config, 1, start=AT - 900)
    plant.advance_silently(now)
    return plant


@cache
def still(name: str) -> FactoryMessageGenerator:
    """One that is only looked at."""
    return lived(PLANTS[name])


def ids(plant: FactoryMessageGenerator, which: MachineFilter) -> list[str]:
    """The machines asked for, as answered."""
    return [each.oee.machine_id for some in plant.oee_snapshot("run", which).figures() for each in some]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("name", PLANTS)
def test_machines_are_shown_as_of_one_moment_while_they_go_on(name: str, span: Span) -> None:
    """While a snapshot is read, the plant emits messages, passes the hour and is read by others; its figures stay."""
    plant, expected = lived(PLANTS[name]), still(name).oee(span)
    shown = []
    for turn, some in enumerate(plant.oee_snapshot(span).figures(), 1):
        shown += [each.oee for each in some]
        plant.advance(AT + turn * 7)
        plant.oee_by_kind("hour")

    assert shown == expected


def test_reading_a_snapshot_changes_no_byte() -> None:
    """A snapshot that is read meanwhile changes no message."""

    def said(plant: FactoryMessageGenerator, looks: Iterator[object]) -> list[Message]:
        return [row for turn in range(30) for row in (next(looks, None), plant.advance(AT + turn))[1]]

    watched = lived(MANY)
    assert said(watched, watched.oee_snapshot("hour").figures()) == said(lived(MANY), iter(()))


def test_a_reload_invalidates_a_snapshot() -> None:
    """The machines of one moment are not mixed with those of another plant; the next snapshot is complete."""
    plant = lived(MANY)
    looking, counting = plant.oee_snapshot().figures(), plant.count_in_groups()
    next(looking), next(counting)
    plant.reload(config({"cnc_machine": 3}))

    for broken in (looking, counting):
        with pytest.raises(SnapshotOutdated):
            next(broken)
    assert [each.oee for some in plant.oee_snapshot().figures() for each in some] == plant.oee()


def test_counting_bit_by_bit_comes_to_the_same() -> None:
    """States and sums by type are those of the whole."""
    for plant in map(still, PLANTS):
        parts = list(plant.count_in_groups())

        assert sum((part.states for part in parts), Counter[tuple[str, str]]()) == plant.snapshot().states
        assert sum_kinds([part.oee] for part in parts) == plant.oee_by_kind()


def test_pages_follow_each_other_to_the_end() -> None:
    """Each begins after the last machine of the one before, across types, and only the last has no more."""
    plant, after = still("many"), None
    pages: list[list[MachineOee]] = []
    while after is not None or not pages:
        page = plant.oee_snapshot("run", MachineFilter(after=after, limit=150))
        pages.append([each.oee for some in page.figures() for each in some])
        after = pages[-1][-1].machine_id if page.more else None

    assert [machine for each in pages for machine in each] == plant.oee()
    assert {len(each) for each in pages[:-1]} == {150}


def test_a_page_may_be_of_one_type_and_begin_anywhere() -> None:
    """Behind a machine of another type, and behind one that is no more."""
    plant = still("many")

    assert ids(plant, MachineFilter("testing", "CNC-07", 2)) == ["TEST-01", "TEST-02"]
    assert ids(plant, MachineFilter("cnc_machine", "3DP-02")) == []
    assert ids(plant, MachineFilter(after="CNC-9000", limit=1)) == ["3DP-01"]
    assert ids(plant, MachineFilter("printer_3d", "3DP-02", 1)) == ["3DP-03"]


@pytest.mark.parametrize(
    "which",
    [MachineFilter("robot"), MachineFilter(after="ROBOT-01"), MachineFilter(after=""), MachineFilter(after="CNC-1")],
)
def test_an_unknown_machine_is_an_error(which: MachineFilter) -> None:
    """The error names which of the two, and lists the types."""
    with pytest.raises(NoSuchMachine, match="cnc_machine, printer_3d" if which.kind else "after: no machine"):
        still("many").oee_snapshot("run", which)
