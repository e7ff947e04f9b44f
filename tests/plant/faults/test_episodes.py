"""When faults and wear begin and end, and that this depends on nothing else."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message
from plant.truth.events import FaultEpisode, StateInterval, TruthEvent
from tests.plant.faults.presses import HOUR_MS, QUIET, START_MS, press, run
from tests.support.examples import examples
from tests.support.exports import yamlread

CRITICAL: Final = 1.95
"""Of the Kolmogorov-Smirnov statistic times the root of the number of values: exceeded once in a thousand times."""


def is_distributed(values: list[float], mean: float) -> bool:
    """Whether values may be from an exponential distribution with that mean."""
    below = [1 - math.exp(-value / mean) for value in sorted(values)]
    count = len(below)
    distance = max(max((place + 1) / count - each, each - place / count) for place, each in enumerate(below))
    return distance * math.sqrt(count) < CRITICAL


def producing_ms(stays: list[StateInterval], begin_ms: int, end_ms: int) -> int:
    """How long a machine has produced in a span."""
    own = (each for each in stays if each.state == "running")
    return sum(max(0, min(each.to_ms, end_ms) - max(each.from_ms, begin_ms)) for each in own)


def test_faults_come_after_an_exponential_time_of_producing() -> None:
    """Counted from the end of one episode to the begin of the next, in time of the producing state only."""
    fault = {"every_hours": 0.5, "duration_seconds": 60}
    states = {
        "running": {"share": 0.5, "dwell_seconds": 300, "produces": True},
        "idle": {"share": 0.5, "dwell_seconds": 300},
    }
    seen = run(press(count=10, **QUIET, states=states, faults={"wobble": fault}), 60)
    gaps = []
    for machine_id in {each.machine_id for each in seen.episodes}:
        stays = [each for each in seen.stays if each.machine_id == machine_id]
        episodes = [each for each in seen.episodes if each.machine_id == machine_id and not each.is_open]
        gaps += [producing_ms(stays, one.to_ms, other.from_ms) / HOUR_MS for one, other in pairwise(episodes)]

    assert len(gaps) > 300
    assert is_distributed(gaps, 0.5)


def test_faults_of_sensors_come_in_any_state() -> None:
    """Their time is counted whether the machine produces or not."""
    faults = {"vibration": {"stuck": {"every_hours": 0.5, "duration_seconds": 60}}}
    states = {
        "running": {"share": 0.5, "dwell_seconds": 300, "produces": True},
        "idle": {"share": 0.5, "dwell_seconds": 300},
    }
    seen = run(press(count=10, **QUIET, states=states, sensor_faults=faults), 60)
    gaps = []
    for machine_id in {each.machine_id for each in seen.episodes}:
        episodes = [each for each in seen.episodes if each.machine_id == machine_id and not each.is_open]
        gaps += [(other.from_ms - one.to_ms) / HOUR_MS for one, other in pairwise(episodes)]

    assert is_distributed(gaps, 0.5)


def test_durations_and_severities_are_drawn_from_their_ranges() -> None:
    """Evenly, between the least and the greatest."""
    fault = {"every_hours": 0.2, "duration_seconds": [60, 180], "severity": [0.4, 0.8]}
    seen = run(press(count=10, **QUIET, faults={"wobble": fault}), 25)
    ended = [each for each in seen.episodes if not each.is_open]
    durations = [(each.to_ms - each.from_ms) / 1000 for each in ended]

    severities = [each.severity for each in ended]

    assert [min(durations), max(durations)] == pytest.approx([60, 180], abs=2)
    assert [min(severities), max(severities)] == pytest.approx([0.4, 0.8], abs=0.01)


def test_the_end_of_a_stay_ends_the_faults_until_it() -> None:
    """A fault until `maintenance` is there until a stay in it has ended, whatever has led to that stay."""
    seen = run(press(count=10, **QUIET, faults={"wobble": {"every_hours": 1, "until": "maintenance"}}), 50)
    ends = {(each.machine_id, each.to_ms) for each in seen.stays if each.state == "maintenance"}
    ended = [each for each in seen.episodes if not each.is_open]

    assert len(ended) > 100
    assert {(each.machine_id, each.to_ms) for each in ended} <= ends


def test_an_episode_is_scheduled_for_a_machine_and_a_time() -> None:
    """By the time of the day, and from the start of the run; for all machines, or for one."""
    schedule = [
        {"at": "2026-01-01T00:30:00+00:00", "machine": "PRESS-02", "severity": 2, "duration_seconds": 90},
        {"after_seconds": 3600, "duration_seconds": 30},
    ]
    seen = run(press(count=2, faults={"wobble": {"schedule": schedule}}), 2)
    found = [
        (each.machine_id, each.from_ms - START_MS, each.to_ms - each.from_ms, each.severity) for each in seen.episodes
    ]

    assert sorted(found) == [
        ("PRESS-01", 3_600_000, 30_000, 1.0),
        ("PRESS-02", 1_800_000, 90_000, 2.0),
        ("PRESS-02", 3_600_000, 30_000, 1.0),
    ]


WEAR: Final = {
    "tool": {
        "life_hours": 2,
        "resets": "maintenance",
        "effects": {"temperature": {"plus": 100}, "cycle_seconds": {"times": 1.5}},
        "leads_to": {"state": "maintenance"},
    }
}
RARELY: Final = {
    "running": {"share": 0.999, "dwell_seconds": 3600, "produces": True},
    "idle": {"share": 0.001, "dwell_seconds": 60},
    "maintenance": {"share": 0, "dwell_seconds": 300},
}


def test_wear_grows_with_producing_and_is_reset_by_the_end_of_a_stay() -> None:
    """From 0 after a change to 1 after its life, at which the next change comes."""
    seen = run(press(count=1, report_seconds=300, states=RARELY, wear=WEAR), 24)
    changes = [each for each in seen.stays if each.state == "maintenance"]
    assert len(changes) >= 10
    assert {each.cause for each in changes} == {"tool"}

    for time_ms, value in seen.column("temperature")["PRESS-01"]:
        began = [each.to_ms for each in changes if each.to_ms <= time_ms]
        if began:
            worn = producing_ms(seen.stays, began[-1], time_ms) / (2 * HOUR_MS)
            assert value == pytest.approx(50 + 100 * worn, abs=0.0011)
    for one, other in pairwise(changes):
        assert producing_ms(seen.stays, one.to_ms, other.from_ms) == 2 * HOUR_MS


def test_cycles_grow_with_wear() -> None:
    """A job's cycle is that of the wear at its start."""
    seen = run(press(count=1, report_seconds=20, states=RARELY, wear=WEAR), 10)
    changed = next(each.to_ms for each in seen.stays if each.state == "maintenance")
    until = next(each.from_ms for each in seen.stays if each.state == "maintenance" and each.from_ms > changed)

    for job in seen.jobs:
        if changed <= job.started_ms < until:
            worn = producing_ms(seen.stays, changed, job.started_ms) / (2 * HOUR_MS)
            assert job.cycle_ms == pytest.approx(20_000 * (1 + 0.5 * worn), abs=1)


def test_machines_begin_anywhere_in_the_life_of_what_wears() -> None:
    """So that they do not wear out together: the first changes are spread evenly over the life."""
    seen = run(press(count=200, **QUIET, states=RARELY, wear=WEAR), 3)
    first: dict[str, float] = {}
    for stay in seen.stays:
        if stay.state == "maintenance":
            first.setdefault(stay.machine_id, producing_ms([*seen.stays], START_MS, stay.from_ms) and stay.from_ms)
    hours = sorted((each - START_MS) / HOUR_MS for each in first.values())

    assert len(hours) > 190
    assert max(abs(each / 2 - place / len(hours)) for place, each in enumerate(hours)) < 0.14


BUSY: Final[dict[str, Any]] = yamlread.value("""
count: 7
report_seconds: 7
states:
  {running: {share: 0.7, dwell_seconds: 120, produces: true}, idle: {share: 0.2, dwell_seconds: 60},
  maintenance: {share: 0.05, dwell_seconds: 60}, faulted: {share: 0.05, dwell_seconds: 30}}
job: {kinds: [panel, frame], cycle_seconds: [15, 25], results: {good: 0.9, scrap: 0.1}}
signals:
  vibration: {base: {running: 2, else: 0.2}, walk: {sigma: 0.3, memory_seconds: 60}, limits: [0, 500]}
  temperature: {base: {running: 50, else: 20}, follows_seconds: 120, limits: [0, 500]}
  energy: {integral_of: vibration, per_seconds: 60}
faults:
  wobble:
    every_hours: 0.1
    duration_seconds: [20, 120]
    onset: {ramp_seconds: 30}
    severity: [0.2, 3]
    effects:
      {vibration: {times: 3}, temperature: {plus: 9}, cycle_seconds: {times: 1.3}, results: {scrap: {times: 5}}}
    leads_to: [{state: faulted, after_seconds: [10, 60], chance: 0.5}, {fault: leak, after_seconds: 5, chance: 0.5}]
  leak: {until: faulted, effects: {vibration: {plus: 3}, dwell_seconds: {faulted: {times: 2}}}}
sensor_faults:
  vibration:
    stuck: {every_hours: 0.2, duration_seconds: [10, 90]}
    spike: {every_hours: 0.2, duration_seconds: 90, amplitude: 40, chance: 0.3}
    drift: {every_hours: 0.2, duration_seconds: 90, per_hour: 100}
    dropout: {every_hours: 0.2, duration_seconds: [10, 60]}
wear:
  tool:
    life_hours: 0.3
    resets: maintenance
    effects: {temperature: {plus: 30}, cycle_seconds: {times: 1.2}}
    leads_to: [{state: maintenance, chance: 0.7}, {fault: leak, at: 1.2}]
""")
"""Keys of presses with all that causes may do."""


def plant(**changes: Any) -> PlantConfig:
    """Presses with the keys above, and with others."""
    return press(**{**BUSY, **changes})


def told(
    config: PlantConfig, cuts: list[float], shard: tuple[int, int] = (1, 1)
) -> tuple[list[Message], list[TruthEvent]]:
    """The messages and the truth up to each of these seconds after the start."""
    generator = FactoryMessageGenerator.of(config, 3, start=START, shard=shard)
    truth: list[TruthEvent] = []
    generator.listen(truth.append)
    messages = [message for cut in sorted(cuts) for message in generator.advance(START + cut)]
    generator.close_truth()
    return messages, truth


@cache
def at_once() -> tuple[list[Message], list[TruthEvent]]:
    """The plant above, in one step."""
    return told(plant(), [900.0])


@cache
def hour() -> tuple[list[Message], list[TruthEvent]]:
    """An hour of it, in one step."""
    return told(plant(), [3600.0])


@settings(max_examples=examples(15, 5))
@given(cuts=st.lists(st.floats(0, 900), max_size=12))
def test_how_time_is_cut_changes_nothing(cuts: list[float]) -> None:
    """Neither messages nor labels: rows one at a time and in blocks agree, faults or not."""
    messages, truth = told(plant(), [*cuts, 900.0])
    expected, expected_truth = at_once()

    assert messages == expected
    assert sorted(truth, key=repr) == sorted(expected_truth, key=repr)


def test_shards_have_the_faults_of_the_whole() -> None:
    """The messages and labels of three parts are those of the whole plant."""
    messages, truth = told(plant(), [900.0, 3600.0])
    parts = [told(plant(), [3600.0], (part, 3)) for part in (1, 2, 3)]

    assert sorted(message for part, _ in parts for message in part) == sorted(messages)
    assert sorted((each for _, part in parts for each in part), key=repr) == sorted(truth, key=repr)


def test_an_event_queue_changes_nothing() -> None:
    """Machines that are advanced in one order of time have the same faults as those that stand alone."""
    spreading = {"spreads_to": "neighbours", "fault": "leak", "chance": 0}
    faults = BUSY["faults"]
    coupled = {**faults, "wobble": {**faults["wobble"], "leads_to": [*faults["wobble"]["leads_to"], spreading]}}
    neighbours = {"PRESS-01": ["PRESS-02"]}
    messages, truth = hour()
    others, other_truth = told(plant(faults=coupled, neighbours=neighbours), [700.0, 3600.0])

    assert others == messages
    assert sorted(other_truth, key=repr) == sorted(truth, key=repr)


def test_a_reload_that_touches_nothing_changes_nothing() -> None:
    """Faults go on, and come when they would have come."""
    expected, _ = hour()
    generator = FactoryMessageGenerator.of(plant(), 3, start=START)
    messages = generator.advance(START + 1234.5)
    generator.reload(plant())
    messages += generator.advance(START + 3600)

    assert messages == expected


def test_a_reload_ends_the_faults_that_are_gone() -> None:
    """And begins to draw those that are new."""
    generator, truth = FactoryMessageGenerator.of(plant(), 3, start=START), list[TruthEvent]()
    generator.listen(truth.append)
    generator.advance(START + 1800)
    generator.reload(plant(faults={"other": {"every_hours": 0.1, "duration_seconds": 60}}, sensor_faults={}, wear={}))
    generator.advance(START + 3600)
    generator.close_truth()
    labels = [each for each in truth if isinstance(each, FaultEpisode)]

    assert {each.fault for each in labels if each.from_ms >= START_MS + 1_800_000} == {"other"}
    assert max(each.to_ms for each in labels if each.fault != "other") == START_MS + 1_800_000
