"""Facts about the messages of alarms: what they say, where they are sent, and in which order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from edge.routing import TopicRouter
from edge.settings.types import TopicLayout
from edge.workers.partition import _order_of
from messages import START, FactoryMessageGenerator, topic_template
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.plant.alarms.plants import events, is_about_alarms, meters, payloads, sent

HOT: dict[str, Any] = {"temperature": {"base": 81.5, "unit": "Cel", "decimals": 1}}
SAW: dict[str, Any] = {"level": {"base": 0, "ramp": {"per_hour": 3600, "resets": "job"}, "limits": [0, 99]}}
"""A level that grows by 1 a second in each job."""
JOB: dict[str, Any] = {"cycle_seconds": 20}


def made(count: int = 1, alarms: dict[str, Any] | None = None, **entry: Any) -> PlantConfig:
    """Machines that make something for 20 seconds, of which the level has an alarm at 10."""
    return meters(SAW, alarms or {"level": {"high": 10, "clear_below": 5}}, count, job=JOB, **entry)


def test_a_message_says_which_alarm_of_which_machine_has_which_value() -> None:
    """Each key in its order, also those of the station and of properties."""
    config = meters(
        HOT, {"temperature": {"high": 80}}, station_pattern="HALL-{line}", lines=["A"], properties={"site": "berlin"}
    )
    row, alarm = sent(config, [1.0])

    assert alarm.payload.decode() == (
        f'{{"timestamp":{row.payload.decode()[13:39]},"machine_id":"METER-01","station_id":"HALL-A","site":"berlin",'
        '"alarm":"temperature.high","signal":"temperature","event":"raised","severity":"warning","value":81.5,'
        '"limit":80.0,"unit":"Cel"}'
    )
    assert (alarm.kind, alarm.source, alarm.station, alarm.sequence) == (
        "meter.alarms",
        "METER-01/alarms",
        "HALL-A",
        1,
    )


def test_a_machine_that_is_beyond_the_limit_from_the_beginning_raises_its_alarm_once() -> None:
    """At its first row, and never again."""
    config = meters(HOT, {"temperature": {"high": 80}}, count=3)
    messages = sent(config, [600.0])

    assert [(event.machine_id, event.event) for event in events(messages)] == [
        (machine_id, "raised") for machine_id in dict.fromkeys(orjson.loads(m.payload)["machine_id"] for m in messages)
    ]


@pytest.mark.parametrize("seconds", [0.02, 1.0], ids=["rows", "blocks"])
def test_an_alarm_comes_after_all_messages_of_its_machine_at_its_time(seconds: float) -> None:
    """Also after those of other classes, and before those of other machines."""
    classes = {name: {"fields": ["timestamp", "machine_id", "level"], "report_seconds": 0.002} for name in "abc"}
    signals = {"level": {"base": 0, "uniform": [-4, 4], "decimals": 0}}
    config = meters(signals, {"level": {"high": 2, "clear_below": 0}}, 3, messages=classes)
    messages = sent(config, [seconds])
    places = [(each.time_ms, each.source.partition("/")[0], is_about_alarms(each)) for each in messages]

    assert {about for _, _, about in places} == {True, False}
    assert places == sorted(places)
    assert max(Counter(places).values()) > 1


def test_messages_about_alarms_are_numbered_by_machine_without_gaps() -> None:
    """In a source of their own; rows keep theirs."""
    messages = [message for message in sent(made(5), [300.0]) if message.source.startswith("METER-02")]
    numbers: dict[str, list[int]] = {}
    for message in messages:
        numbers.setdefault(message.source, []).append(message.sequence)

    assert {source: each == [*range(1, len(each) + 1)] for source, each in numbers.items()} == {
        "METER-02": True,
        "METER-02/alarms": True,
    }


def test_an_alarm_with_a_delay_is_raised_when_the_value_has_been_beyond_the_limit_for_so_long() -> None:
    """At the first row after that, with the value of that row; a shorter excess raises nothing."""
    delayed = events(sent(made(alarms={"level": {"high": 10, "clear_below": 5, "delay_seconds": 6}}), [100.0]))
    never = events(sent(made(alarms={"level": {"high": 10, "clear_below": 5, "delay_seconds": 12}}), [100.0]))

    assert {int(event.value) for event in delayed if event.event == "raised"} == {16}
    assert never == []


def test_a_signal_has_an_alarm_for_each_of_its_limits() -> None:
    """On both sides, each by its side."""
    found = events(sent(made(alarms={"level": {"high": 15, "clear_below": 12, "low": 2, "clear_above": 4}}), [100.0]))

    assert {(event.alarm, event.event) for event in found} == {
        (alarm, event) for alarm in ("level.high", "level.low") for event in ("raised", "cleared")
    }


def test_alarms_with_a_name_share_what_is_beside_them() -> None:
    """Unless they have their own."""
    alarms = {"level": {"severity": "info", "late": {"high": 10}, "later": {"high": 15, "severity": "critical"}}}
    found = payloads(sent(made(alarms=alarms), [100.0]))

    assert {(each["alarm"], each["severity"]) for each in found} == {
        ("level.late", "info"),
        ("level.later", "critical"),
    }


def test_a_hidden_signal_may_have_alarms() -> None:
    """As a controller watches values that it does not report."""
    signals = {"level": {**SAW["level"], "shown": False}, "shown": {"base": 1}}
    found = events(sent(meters(signals, {"level": {"high": 10}}, job=JOB), [100.0]))

    assert found
    assert found[0].alarm == "level.high"


@pytest.mark.parametrize("count", [1, 30], ids=["rows", "blocks"])
def test_rows_are_the_same_with_alarms_and_without(count: int) -> None:
    """What a type reports does not depend on its alarms."""
    with_alarms = [each for each in sent(made(count), [100.0]) if not is_about_alarms(each)]

    assert with_alarms == sent(parse({"message_types": {"meter": _without_alarms(count)}}), [100.0])


def _without_alarms(count: int) -> dict[str, Any]:
    return {"count": count, "report_seconds": 1.0, "signals": SAW, "job": JOB}


@pytest.mark.parametrize(
    ("entry", "own", "topic", "qos", "retained"),
    [
        ({}, {}, "factory/meter/alarms", 1, False),
        ({"topic": "{prefix}/{machine_id}"}, {}, "factory/METER-01/alarms", 1, False),
        ({}, {"topic": "{prefix}/bells/{type}", "qos": 0, "retain": True}, "factory/bells/meter", 0, True),
    ],
    ids=["usual", "topic of the type", "own"],
)
def test_alarms_have_a_topic_and_a_quality_of_service(
    entry: dict[str, Any], own: dict[str, Any], topic: str, qos: int, retained: bool
) -> None:
    """That of their type, with /alarms, unless a signal has its own."""
    config = meters(HOT, {"temperature": {"high": 80, **own}}, **entry)
    plant = FactoryMessageGenerator.of(config, 1)
    alarm = plant.advance(START + 1)[1]
    router = TopicRouter(lambda kind: topic_template(config, kind), "factory", TopicLayout.TYPE)

    assert router.topic(alarm) == topic
    assert plant.qos_by_kind[alarm.kind] == qos
    assert (alarm.kind in plant.retained_kinds) == retained


def test_signals_with_the_same_topic_share_a_class() -> None:
    """And the others have one that is named after the signal."""
    signals = {name: {"base": 5} for name in ("a", "b", "c", "d")}
    own = {"topic": "{prefix}/bells", "high": 1}
    messages = sent(meters(signals, {"a": {"high": 1}, "b": own, "c": own, "d": {"high": 1}}), [1.0])

    assert [(m.kind, m.sequence) for m in messages if is_about_alarms(m)] == [
        ("meter.alarms", 1),
        ("meter.alarms-b", 1),
        ("meter.alarms-b", 2),
        ("meter.alarms", 2),
    ]


def test_alarms_of_a_machine_stay_in_their_order_where_workers_sort() -> None:
    """Whatever their classes: by the order in which they are declared."""
    alarms = {name: {"high": 1} | ({"topic": "{prefix}/bells"} if name == "b" else {}) for name in ("a", "b", "c")}
    config = meters({name: {"base": 5} for name in alarms}, alarms, 4)
    parts = [FactoryMessageGenerator.of(config, 1, shard=(k, 3)) for k in (1, 2, 3)]
    order = _order_of(parts)

    assert sorted((message for part in parts for message in part.advance(START + 9)), key=order) == sent(config, [9.0])


def test_shards_have_the_same_alarms_as_the_whole() -> None:
    """Each machine's alarms depend on nothing but its own values."""
    config = made(30)
    whole = sent(config, [100.0])
    parts = [FactoryMessageGenerator.of(config, 1, shard=(k, 3)).advance(START + 100.0) for k in (1, 2, 3)]

    assert sorted(message for part in parts for message in part) == sorted(whole)


def test_alarms_are_raised_in_a_plant_with_a_calendar() -> None:
    """Where an event queue advances all machines: between the rows as elsewhere."""
    calendar = {"time_zone": "UTC", "shifts": [{"start": "00:00", "end": "23:00"}]}
    data = {"meter": {**_without_alarms(12), "alarms": {"level": {"high": 10, "clear_below": 5}}}}
    free, shifts = (
        sent(parse({"message_types": data, **more}), [30.0, 31.0, 100.0]) for more in ({}, {"calendar": calendar})
    )

    assert [each for each in shifts if is_about_alarms(each)]
    assert shifts == free


def test_time_that_is_skipped_raises_and_clears_nothing() -> None:
    """What is raised before is cleared once after it, so that consumers see both; numbers have no gap."""
    plant = FactoryMessageGenerator.of(made(3), 1)
    messages: list[Message] = plant.advance(START + 31.0)
    before = dict(plant.snapshot().alarm_events)
    plant.advance_silently(START + 87.0)
    skipped = dict(plant.snapshot().alarm_events)
    messages += plant.advance(START + 200.0)
    by_machine: dict[str, list[str]] = {}
    for event in events(messages):
        by_machine.setdefault(event.machine_id, []).append(event.event)

    assert skipped == before
    for whats in by_machine.values():
        assert whats == [("raised", "cleared")[place % 2] for place in range(len(whats))]


def test_a_plant_counts_its_alarms() -> None:
    """Events by alarm, from 0 on, and those that are active by severity."""
    plant = FactoryMessageGenerator.of(made(12, {"level": {"high": 10, "low": -5, "severity": "critical"}}), 1)
    at_first = plant.snapshot()
    messages = plant.advance(START + 100.0)
    snapshot, found = plant.snapshot(), events(messages)
    counted = {what: sum(event.event == what for event in found) for what in ("raised", "cleared")}

    assert {*at_first.alarm_events.values(), *at_first.active_alarms.values()} == {0}
    assert snapshot.alarm_events == {
        ("meter", "level.high", "raised"): counted["raised"],
        ("meter", "level.high", "cleared"): counted["cleared"],
        ("meter", "level.low", "raised"): 0,
        ("meter", "level.low", "cleared"): 0,
    }
    assert snapshot.active_alarms == {("meter", "critical"): counted["raised"] - counted["cleared"]}
    assert {kind: snapshot.rows[kind] for kind in ("meter", "meter.alarms")} == {
        "meter": len(messages) - len(found),
        "meter.alarms": len(found),
    }
