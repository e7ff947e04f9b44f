"""Machines start after a planned stop each after a delay of its own, which is a loss."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.truth.events import StateInterval
from tests.support.factory.plants import standard_error
from tests.support.factory.truths import STATES, Truth, press_data, truth

CALENDAR: dict[str, Any] = {
    "time_zone": "UTC",
    "shifts": [{"start": "00:00", "end": "00:20"}, {"start": "00:30", "end": "24:00"}],
}


def plant(**values: Any) -> PlantConfig:
    """A plant of a hundred presses with a stop from 00:20 to 00:30."""
    return parse(press_data(count=100, **values) | {"calendar": CALENDAR})


def after_stop(stays: list[StateInterval]) -> StateInterval:
    """The stay after the planned stop."""
    place = next(place for place, stay in enumerate(stays) if stay.state == "planned_stop")
    return stays[place + 1]


def test_each_machine_starts_after_its_own_delay() -> None:
    """From 10 to 60 s, all equally likely; the stay before the stop goes on after it."""
    made = truth(plant(start_delay_seconds=[10, 60]), 1)
    late = [after_stop(stays) for stays in made.stays.values()]
    seconds = [(stay.to_ms - stay.from_ms) / 1000 for stay in late]
    before = [next(a.state for a, b in pairwise(its) if b.state == "planned_stop") for its in made.stays.values()]
    following = [its[its.index(stay) + 1].state for its, stay in zip(made.stays.values(), late, strict=True)]

    assert {stay.state for stay in late} == {"late_start"}
    assert 10 <= min(seconds) < 14
    assert 56 < max(seconds) <= 60
    assert statistics.mean(seconds) == pytest.approx(35, abs=4 * standard_error(seconds))
    assert following == before


def test_a_late_start_is_planned_time_that_is_lost() -> None:
    """It is part of the planned time, and of no state that machines enter by themselves."""
    always = {"running": STATES["running"]}
    made = truth(plant(states=always, start_delay_seconds=[30, 30]), 1)

    for figures in made.plant.oee():
        assert figures.planned_seconds == 3000
        assert figures.stopped_seconds == {"planned_stop": 600, "late_start": 30}
        assert figures.availability == pytest.approx(0.99)


def test_a_changeover_goes_on_after_a_late_start_also_with_states_drawn_again() -> None:
    """Interruptions of interruptions end in their order."""
    lots = {"size": 2, "changeover_seconds": 400}
    values = {"start_delay_seconds": [50, 50], "lots": lots}
    generator = FactoryMessageGenerator.of(plant(**values), 1)
    found = Truth(generator)
    generator.listen(found.note)
    generator.advance(START + 1820)
    states = {**STATES, "idle": {"share": 0.4, "dwell_seconds": 60}}
    generator.reload(plant(**{**values, "states": states}))
    generator.advance(START + 3600)
    parts = {name: [(stay.state, stay.to_ms - stay.from_ms) for stay in its] for name, its in found.stays.items()}
    cut = [
        its[place - 1 : place + 3]
        for its in parts.values()
        for place, (state, _) in enumerate(its[:-2])
        if state == "planned_stop" and its[place - 1][0] == "changeover"
    ]

    assert len(cut) > 10
    for (_, first), stop, late, (last, rest) in cut:
        assert (stop, late) == (("planned_stop", 600_000), ("late_start", 50_000))
        assert (last, first + rest) == ("changeover", 400_000)


def test_without_a_delay_all_start_with_the_shift() -> None:
    """As before, in the same millisecond."""
    made = truth(plant(), 1)

    assert "late_start" not in {stay.state for stays in made.stays.values() for stay in stays}
    assert len({after_stop(stays).from_ms for stays in made.stays.values()}) == 1
