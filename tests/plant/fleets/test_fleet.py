"""When messages are due: evenly, in order, at any steps of time, and through changes of the plant."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.support.examples import examples
from tests.support.factory.plants import (
    COUNTED,
    NO_LOSSES,
    by_machine,
    config,
    consecutive,
    default,
    job_id,
    only,
    original,
    rows,
    said,
    share_error,
)

ORDER = [*COUNTED, "customer_order", "dispatch"]
BRISK = {"customer_order": {"orders_per_hour": 3_600.0}, "dispatch": {"dispatches_per_hour": 3_600.0}}


def of(messages: list[Message], *sources: str) -> list[Message]:
    """Return the messages of some sources."""
    return [message for message in messages if message.source in sources]


def apart_from(messages: list[Message], *kinds: str) -> list[Message]:
    """Return the messages of all kinds except some."""
    return [message for message in messages if message.kind not in kinds]


def reloaded(first: PlantConfig, then: PlantConfig, after: float, until: float) -> list[Message]:
    """Return the messages of a plant to which another configuration is applied after some seconds."""
    plant = FactoryMessageGenerator.of(first, seed=1)
    told = plant.advance(START + after)
    plant.reload(then)
    return told + plant.advance(START + until)


# Deadlines


def test_a_fleet_spreads_evenly_over_its_period() -> None:
    """Each tenth of the period holds a tenth of 10,000 machines, within four standard errors."""
    told = said(only("printer_3d", 10_000), 10)
    tenths = [
        sum(tenth < message.time_ms / 1000 - START <= tenth + 1 for message in told) / 10_000 for tenth in range(10)
    ]

    assert tenths == pytest.approx([0.1] * 10, abs=4 * share_error(0.1, 10_000))


def test_a_period_of_no_whole_milliseconds_does_not_drift() -> None:
    """Every 3.333... s is 1,080 messages an hour, the last at the same place in its period as the first."""
    its = said(only("painting", 1), 24 * 3600)

    assert len(its) == 24 * 1080
    assert its[-1].time_ms - its[0].time_ms == pytest.approx((24 * 1080 - 1) * 10_000 / 3, abs=1)


def test_a_message_each_millisecond_is_possible() -> None:
    """The shortest period there is."""
    told = said(only("cnc_machine", 1, report_seconds=0.001), 2)

    assert [message.time_ms for message in told] == list(range(round(START * 1000) + 1, round(START * 1000) + 2001))


def test_messages_are_in_order_of_time_then_type_then_number() -> None:
    """Also where hundreds share a millisecond and types that report each job add messages."""
    quick, crowded = {"report_seconds": 0.05}, {"frequency_weight": 0.5}
    counts = dict.fromkeys(COUNTED, 100) | {"welding": 1_500}
    told = said(config(counts, cnc_machine=quick, welding=crowded, **BRISK), 20)
    keys = [
        (message.time_ms, ORDER.index(message.kind), int(message.source.partition("-")[2] or 0)) for message in told
    ]

    assert keys == sorted(keys)
    assert any(a[0] == b[0] for a, b in pairwise(keys))


def test_messages_of_a_source_are_counted() -> None:
    """1, 2, 3 ... for machines and for kinds of events."""
    for source in ("WELD-01", "3DP-08", "customer_order", "dispatch"):
        its = of(said(config(**BRISK), 300), source)
        assert [message.sequence for message in its] == list(range(1, len(its) + 1))


def test_the_next_deadline_is_known() -> None:
    """No message is due before it and one is due at it, a thousand times in a row."""
    plant = FactoryMessageGenerator.of(config(), seed=1)
    for _ in range(1000):
        due = plant.next_due()
        assert plant.advance(due - 0.001) == []
        assert {message.time_ms / 1000 for message in plant.advance(due)} == {due}


# Cuts and neighbours


@given(cuts=st.lists(st.floats(0, 300), max_size=40).map(sorted), brisk=st.booleans())
@settings(max_examples=examples(40), deadline=None)
def test_steps_of_time_change_no_byte(cuts: list[float], brisk: bool) -> None:
    """The same messages in one step and in many, with types that report each job, orders and dispatches."""
    plant = FactoryMessageGenerator.of(
        config(welding={"frequency_weight": 1}, **BRISK) if brisk else original(), seed=1
    )
    told = [message for cut in [*cuts, 300] for message in plant.advance(START + cut)]

    assert told == said(plant.config, 300)


def test_more_machines_change_no_message_of_others() -> None:
    """Neither of the same type nor of another."""
    few, many = said(config(), 900), said(config({"cnc_machine": 9, "testing": 5}), 900)
    sources = {message.source for message in few}

    assert of(many, *sources) == few
    assert {message.source for message in many} - sources == {
        "CNC-06",
        "CNC-07",
        "CNC-08",
        "CNC-09",
        "TEST-03",
        "TEST-04",
        "TEST-05",
    }


def test_the_order_of_the_yaml_does_not_count() -> None:
    """Mappings have none: reversed at every depth, the file means the same."""

    def turned(data: Any) -> Any:
        return {key: turned(value) for key, value in reversed(data.items())} if isinstance(data, dict) else data

    assert said(parse(turned(default())), 900) == said(config(), 900)


# Crowded types


def with_a_calendar(key: str, count: int) -> PlantConfig:
    """Return a type that reports each job in a plant with an event queue, which a calendar needs."""
    data = default()
    data["global"]["machine_counts"] = dict.fromkeys(data["global"]["machine_counts"], 0) | {COUNTED[key]: count}
    data["message_types"][key]["frequency_weight"] = 1
    data["message_types"]["customer_order"]["enabled"] = data["message_types"]["dispatch"]["enabled"] = False
    data["calendar"] = {"time_zone": "UTC", "maintenance": [{"from": "2030-01-01T00:00", "to": "2030-01-01T01:00"}]}
    return parse(data)


def test_each_job_is_reported_when_it_finishes_where_jobs_are_short() -> None:
    """With the original's weight 1 a weld is reported when the same station, with a short period, just finished it."""
    seldom, closely = (
        {job_id(row): message.time_ms for message, row in zip(told, rows(told), strict=True) if job_id(row)}
        for told in (said(only("welding", 3, report_seconds=period), 1800) for period in (10.0, 0.05))
    )
    assert len(seldom) > 300
    assert closely.keys() <= seldom.keys()
    assert all(0 <= at_ms - seldom[identity] <= 50 for identity, at_ms in closely.items())


def test_a_type_that_reports_each_job_keeps_its_regular_messages() -> None:
    """They are emitted at the period and report no job: additional messages do."""
    told = said(only("welding", 1, frequency_weight=1), 3600)
    plain = [message.time_ms for message, row in zip(told, rows(told), strict=True) if job_id(row) is None]

    assert len(plain) == 360
    assert {b - a for a, b in pairwise(plain)} == {10_000}


@pytest.mark.parametrize(
    "plant", [only("welding", 3, frequency_weight=1), with_a_calendar("welding", 3)], ids=["alone", "coupled"]
)
def test_a_message_for_a_job_differs_from_a_regular_one_by_its_trigger(plant: PlantConfig) -> None:
    """Only messages of single jobs have one; the number of messages without a trigger is proportional to time."""
    told = said(plant, 3600)
    triggers = {(job_id(row) is not None, message.trigger) for message, row in zip(told, rows(told), strict=True)}

    assert triggers == {(True, "job"), (False, "")}
    assert sum(not message.trigger for message in told) == 3 * 360


def test_the_default_plant_has_no_message_for_single_jobs() -> None:
    """The messages in an hour are those of the machines' rates, and no more."""
    told = apart_from(said(config(), 3600), "customer_order", "dispatch")

    assert len(told) == 5 * 720 + 8 * 360 + 4 * 720 + 3 * 1080 + 2 * 360
    assert {message.trigger for message in told} == {""}


# Reload


def test_a_reload_of_the_same_plant_changes_no_byte() -> None:
    """Machines continue, deadlines stay, nothing is drawn again."""
    assert reloaded(original(), original(), 123.456, 600) == said(original(), 600)


def test_types_whose_period_stays_keep_every_message() -> None:
    """Welding gets another period; the messages of all others do not change."""
    told = reloaded(config(), config(welding={"frequency_weight": 5}), 123.4, 600)

    assert apart_from(told, "welding") == apart_from(said(config(), 600), "welding")


def test_another_rate_holds_at_once() -> None:
    """Each machine emits its next message within the new period, a hundredth of the old one, then one each period."""
    told = reloaded(only("printer_3d", 8), only("printer_3d", 8, frequency_weight=100), 100, 110)
    after = by_machine(message for message in told if message.time_ms > 1000 * (START + 100))

    assert {len(its) for its in after.values()} == {100}


def test_a_retuned_fleet_stays_spread() -> None:
    """Of 10,000 machines a tenth reports in each tenth of the new period, from its first on."""
    told = reloaded(only("printer_3d", 10_000), only("printer_3d", 10_000, frequency_weight=2), 5, 10)
    after = [message.time_ms / 1000 - START - 5 for message in told if message.time_ms > 1000 * (START + 5)]
    tenths = [sum(tenth < 2 * seconds <= tenth + 1 for seconds in after) / 10_000 for tenth in range(10)]

    assert tenths == pytest.approx([0.1] * 10, abs=4 * share_error(0.1, 10_000))


def test_a_retuned_machine_goes_on_from_where_it_is_in_its_period() -> None:
    """The gap at the reload is neither shorter than the shorter nor longer than the longer of the periods."""
    endless = {"cycle_time_range": [1e6, 1e6], **NO_LOSSES}
    told = reloaded(
        only("cnc_machine", 1_000, **endless), only("cnc_machine", 1_000, frequency_weight=1, **endless), 12, 30
    )
    stamps = {source: [m.time_ms for m in told if m.source == source] for source in ("CNC-01", "CNC-500", "CNC-1000")}
    gaps = [b - a for its in stamps.values() for a, b in pairwise(its)]

    assert 4_999 <= min(gaps) < max(gaps) <= 10_001
    assert any(5_001 < gap < 9_999 for gap in gaps)


def test_an_unreported_job_is_not_lost_when_the_period_becomes_longer() -> None:
    """From a message every 5 s to one every 12 s: two jobs may finish before the next one, and both are reported."""
    slow = {"report_seconds": 12.0, "cycle_time_range": [12.0, 13.0]}
    told = by_machine(reloaded(only("welding", 500), only("welding", 500, **slow), 63, 120))

    assert all(consecutive([identity for row in its if (identity := job_id(row))]) for its in told.values())


def test_machines_that_stay_keep_what_they_are_at() -> None:
    """State, job, progress and count are the same after a change of everything that can change."""
    plant = FactoryMessageGenerator.of(config(), seed=1)
    plant.advance(START + 1000)
    before = {view.machine_id: view for view in plant.machines()}
    plant.reload(config({"cnc_machine": 7}, cnc_machine={"frequency_weight": 9, "cycle_time_range": [30.0, 40.0]}))
    after = {view.machine_id: view for view in plant.machines()}

    assert set(after) - set(before) == {"CNC-06", "CNC-07"}
    # A machine advances to the reload, so a job or a stay may end in the time since its last message.
    assert sum(after[source] == view for source, view in before.items()) >= 18
    assert all(after[source].jobs_finished - view.jobs_finished in (0, 1) for source, view in before.items())


def test_removed_machines_emit_nothing_and_return_as_new_ones() -> None:
    """With job numbers that were never used before; sequences continue, so that no event's id is used twice."""
    plant = FactoryMessageGenerator.of(only("welding", 3), seed=1)
    first = plant.advance(START + 300)
    plant.reload(only("welding", 1))
    assert {message.source for message in plant.advance(START + 600)} == {"WELD-01"}
    plant.reload(only("welding", 3))
    again = of(plant.advance(START + 900), "WELD-03")
    ids = [identity for row in rows(of(first, "WELD-03") + again) if (identity := job_id(row))]

    assert again[0].sequence == of(first, "WELD-03")[-1].sequence + 1
    assert len(ids) == len(set(ids)) > 30


def test_added_machines_start_in_their_long_run_mix() -> None:
    """The first messages of 10,000 machines that a reload adds: 65 % run, within four standard errors."""
    told = reloaded(only("printer_3d", 0), only("printer_3d", 10_000), 777, 787)
    running = sum(row["status"] == "running" for row in rows(told))

    assert running / len(told) == pytest.approx(0.65, abs=4 * share_error(0.65, 10_000))


def test_new_weights_hold_for_what_is_drawn_next() -> None:
    """The job on the machine ends as it was to; all after it by the new weights."""
    told = reloaded(only("welding", 5), only("welding", 5, quality_distribution={"rework": 1}), 600, 1200)
    after = by_machine(message for message in told if message.time_ms > 1000 * (START + 600))
    qualities = [[row["quality"] for row in its if row["quality"]] for its in after.values()]

    assert {quality for its in qualities for quality in its[2:]} == {"rework"}


def test_a_removed_state_is_left_at_once() -> None:
    """No message after the reload has a state that was removed."""
    states = {
        "statuses": ["running", "asleep"],
        "status_distribution": {"running": 1, "asleep": 1},
        "dwell_seconds": {},
    }
    told = reloaded(only("cnc_machine", 50), only("cnc_machine", 50, **states), 60, 120)
    after = rows(message for message in told if message.time_ms > 1000 * (START + 60))

    assert {row["status"] for row in after} == {"running", "asleep"}


def test_a_reload_may_move_machines_to_other_stations() -> None:
    """The station is the new configuration's, in the payload and in the message."""
    told = reloaded(only("cnc_machine", 3), only("cnc_machine", 3, lines=["X"]), 60, 120)
    after = [message for message in told if message.time_ms > 1000 * (START + 60)]

    assert {message.station for message in after} == {"LINE-X-STATION-A"} == {row["station_id"] for row in rows(after)}


PLANTS = st.builds(
    lambda count, report, cycle: only("welding", count, report_seconds=report, cycle_time_range=cycle),
    st.integers(1, 3),
    st.sampled_from([0.7, 2.0, 5.0, 7.5, 12.0]),
    st.sampled_from([[0.5, 1.0], [4.0, 4.0], [6.0, 10.0], [12.0, 13.0]]),
)


@given(plants=st.lists(st.tuples(PLANTS, st.just(0.0) | st.floats(0.001, 40)), min_size=2, max_size=8))
@settings(max_examples=examples(60), deadline=None)
def test_no_reload_loses_or_repeats_a_job(plants: list[tuple[PlantConfig, float]]) -> None:
    """Periods, cycles and counts may change: messages stay in order, ids consecutive, at most one job is unreported."""
    plant = FactoryMessageGenerator.of(plants[0][0], seed=1)
    told: list[Message] = []
    for then, seconds in plants:
        plant.reload(then)
        told += plant.advance(plant.now + seconds)
    reported = [identity for row in by_machine(told)["WELD-01"] if (identity := job_id(row))] if told else []

    assert [message.time_ms for message in told] == sorted(message.time_ms for message in told)
    assert consecutive(reported)
    assert plant.machine_states["WELD-01"]["part_count"] - len(reported) in (0, 1)
