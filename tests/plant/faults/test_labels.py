"""Facts about labels of faults: messages where they are asked for, exact and retained; without them nothing shows."""

from __future__ import annotations

import copy
from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import pytest

from messages import FactoryMessageGenerator
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.telemetry import Message
from plant.truth.events import FaultEpisode
from tests.plant.faults.presses import START_MS, always
from tests.support.exports import yamlread

FAULTS: dict[str, Any] = {
    "faults": {
        "bearing": {"every_hours": 0.1, "duration_seconds": [0.2, 40], "effects": {"vibration": {"times": 3}}},
        "leak": always(until="faulted", effects={"vibration": {"plus": 3}, "results": {"scrap": {"times": 5}}}),
    },
    "sensor_faults": {"temperature": {"stuck": {"every_hours": 0.2, "duration_seconds": 30}}},
    "wear": {"tool": {"life_hours": 0.5, "resets": "faulted", "effects": {"cycle_seconds": {"times": 1.2}}}},
}
PRESS = yamlread.value(
    """
count: 3
report_seconds: 5
states:
  running: {share: 0.9, dwell_seconds: 600, produces: true}
  faulted: {share: 0.1, dwell_seconds: 200}
job: {kinds: [panel], cycle_seconds: 20, results: {good: 0.9, scrap: 0.1}}
signals:
  vibration: {base: 2, noise: 0.05, limits: [0, 500]}
  temperature: {base: 50, limits: [0, 500]}
"""
)


def plant_of(*, labels: bool, faults: bool = True, **more: Any) -> PlantConfig:
    """Three presses and two lathes, with faults or without, with labels or without."""
    causes = copy.deepcopy(FAULTS) if faults else {}
    types: dict[str, Any] = {"press": {**PRESS, **causes}, "lathe": {**PRESS, "count": 2, **causes}}
    return parse({"message_types": {**types, **({"fault_labels": {"enabled": True}} if labels else {})}, **more})


def said(config: PlantConfig, *steps: float, shard: tuple[int, int] = (1, 1)) -> list[Message]:
    """Return the messages of a plant for some time spans."""
    plant = FactoryMessageGenerator.of(config, 1, shard=shard)
    return [message for step in steps for message in plant.advance(plant.now + step)]


@cache
def two_hours(labels: bool) -> list[Message]:
    """The messages of such a plant in two hours."""
    return said(plant_of(labels=labels), 7200)


def labels_in(messages: list[Message]) -> list[dict[str, Any]]:
    """The labels among messages."""
    return [orjson.loads(each.payload) for each in messages if each.kind == "fault_labels"]


def shapes(config: PlantConfig) -> tuple[set[tuple[str, str, tuple[str, ...]]], set[str], Any, Any]:
    """Return all that is to be seen of messages but their values: kinds, keys, topics, QoS and retain."""
    plant = FactoryMessageGenerator.of(config, 1)
    messages = plant.advance(plant.now + 3600)
    keys = {(each.kind, each.source, tuple(orjson.loads(each.payload))) for each in messages}
    topics = {f"{each.kind} {plant.topic_template(each.kind)} {each.trigger} {each.station}" for each in messages}
    return keys, topics, plant.qos_by_kind, sorted(plant.retained_kinds)


def test_nobody_sends_labels_unless_asked_to() -> None:
    """A plant with faults has no message about them, also where the entry is there and not enabled."""
    data = {"message_types": {"press": {**PRESS, **FAULTS}, "fault_labels": {}}}

    assert labels_in(two_hours(labels=False)) == labels_in(said(parse(data), 7200)) == []


def test_hidden_means_hidden() -> None:
    """Kinds, sources, names and presence of keys, topics, QoS and retain are the same with faults and without."""
    assert shapes(plant_of(labels=False)) == shapes(plant_of(labels=False, faults=False))


def test_each_episode_has_a_label_at_its_begin_and_one_at_its_end() -> None:
    """They say what the ground truth says, at the next whole second."""
    plant = FactoryMessageGenerator.of(plant_of(labels=True), 1)
    truth: list[FaultEpisode] = []
    plant.listen(lambda event: truth.append(event) if isinstance(event, FaultEpisode) else None)
    messages = plant.advance(plant.now + 7200)
    found = labels_in(messages)
    plant.close_truth()
    ends = [each for each in found if each["event"] == "end"]
    begins = {(each["machine_id"], each["fault"], each["from"]) for each in found if each["event"] == "begin"}

    assert len(begins) == len(truth) > 30
    assert len(ends) == sum(not each.is_open for each in truth)
    assert {(each["machine_id"], each["fault"], each["from"]) for each in ends} <= begins
    assert sorted((each["machine_id"], each["fault"], each["severity"], each["cause"]) for each in ends) == sorted(
        (each.machine_id, each.fault, each.severity, each.why) for each in truth if not each.is_open
    )
    assert {each["fault"] for each in ends} == {"bearing", "leak", "temperature.stuck", "tool"}
    for each in found:
        moment = each["from"] if each["event"] == "begin" else each["to"]
        late = datetime.fromisoformat(each["timestamp"]) - datetime.fromisoformat(moment)
        assert 0 <= late.total_seconds() < 1
        assert (each["signal"] == "temperature") == (each["fault"] == "temperature.stuck")
    assert {message.time_ms % 1000 for message in messages if message.kind == "fault_labels"} == {0}


def test_labels_do_not_change_other_messages() -> None:
    """All other messages are byte for byte as without."""
    others = [message for message in two_hours(labels=True) if message.kind != "fault_labels"]

    assert others == two_hours(labels=False)


def test_a_cut_changes_no_label() -> None:
    """In one piece or in many, at a second or beside it, and also where the plant is asked for figures meanwhile."""
    config = plant_of(labels=True)
    plant = FactoryMessageGenerator.of(config, 1)
    looked_at: list[Message] = []
    for _ in range(300):
        looked_at += plant.advance(plant.now + 3.7)
        plant.oee()

    assert said(config, 60, 0.001, 239.999, 810) == looked_at == said(config, 1110)


def test_shards_send_the_labels_of_the_whole() -> None:
    """Each those of its machines, with the same numbers."""
    config = plant_of(labels=True)
    parts = [message for part in (1, 2) for message in said(config, 7200, shard=(part, 2))]

    assert Counter(parts) == Counter(two_hours(labels=True))


def test_labels_are_due_when_they_come() -> None:
    """Advancing to what is due next gives the same messages, none of them early or late."""
    plant = FactoryMessageGenerator.of(plant_of(labels=True), 1)
    end, found = plant.now + 600, list[Message]()
    while (due := plant.next_due()) <= end:
        now = plant.advance(due)
        assert {message.time_ms for message in now} <= {round(due * 1000)}
        found += now

    assert found == said(plant_of(labels=True), 600)


def test_a_machine_that_is_taken_away_has_no_fault_any_more() -> None:
    """Its label ends with it, and so do its counts."""
    plant = FactoryMessageGenerator.of(plant_of(labels=True), 1)
    plant.advance(plant.now + 100)
    before = plant.snapshot().active_faults["press", "leak"]
    plant.execute({"command": "scale", "message_type": "press", "count": 0})
    found = [each for each in labels_in(plant.advance(plant.now + 1)) if each["machine_type"] == "press"]

    assert before == 3
    assert plant.snapshot().active_faults["press", "leak"] == 0
    assert {(each["event"], each["machine_id"]) for each in found if each["fault"] == "leak"} == {
        ("end", f"PRESS-0{number}") for number in (1, 2, 3)
    }


def test_a_rehearsal_leaves_no_label_and_no_count() -> None:
    """What a trial of a configuration makes happen has not happened."""
    plant, rehearsed = (FactoryMessageGenerator.of(plant_of(labels=True), 1) for _ in range(2))
    listened: list[FaultEpisode] = []
    rehearsed.watch_faults(lambda _, episode: listened.append(episode))
    for _ in range(3):
        rehearsed.rehearse()
    rehearsed.reload(plant_of(labels=True))

    assert listened == []
    assert rehearsed.snapshot() == plant.snapshot()
    assert rehearsed.advance(rehearsed.now + 1200) == plant.advance(plant.now + 1200)


def test_a_label_names_all_faults_that_are_there() -> None:
    """Also those that began in time that was skipped, or before labels were asked for; what was tried is not there."""
    asked = plant_of(labels=True)
    whole, skipping, later, tried = (FactoryMessageGenerator.of(asked, 1) for _ in range(4))
    whole.advance(whole.now + 1000)
    expected = whole.advance(whole.now + 2600)
    skipping.advance_silently(skipping.now + 1000)
    later.reload(plant_of(labels=False))
    later.advance(later.now + 1000)
    later.reload(asked)
    tried.advance(tried.now + 1000)
    for _ in range(3):
        tried.try_out(asked).take_back()

    assert max(len(label["active"]) for label in labels_in(expected)) > 1
    assert labels_in(tried.advance(tried.now + 2600)) == labels_in(expected)
    assert labels_in(skipping.advance(skipping.now + 2600)) == labels_in(expected)
    assert labels_in(later.advance(later.now + 2600)) == labels_in(expected)


def test_active_faults_are_those_that_go_on() -> None:
    """As of now, also of machines whose next message is far away."""
    plant = FactoryMessageGenerator.of(plant_of(labels=False), 1)
    plant.advance(plant.now + 61)
    found = [(group.kind, each) for group in plant.active_faults() for each in group.episodes if each.fault == "leak"]

    assert [(kind, each.machine_id, each.is_open, each.from_ms - START_MS) for kind, each in found] == [
        *(("lathe", f"LATHE-0{number}", True, 60_000) for number in (1, 2)),
        *(("press", f"PRESS-0{number}", True, 60_000) for number in (1, 2, 3)),
    ]


def test_the_catalogue_describes_labels_where_some_type_has_faults() -> None:
    """One source for each machine, a topic of its own, retained; without faults there is nothing to describe."""
    described = {each.key: each for each in catalogue(plant_of(labels=True))}["fault_labels"]
    machines = sorted([*(f"labels/PRESS-0{n}" for n in (1, 2, 3)), *(f"labels/LATHE-0{n}" for n in (1, 2))])

    assert sorted(described.sources) == machines
    assert described.topic.format(prefix="factory", machine_id=described.sources[0]) == "factory/labels/LATHE-01"
    assert described.retained
    assert [field.name for field in described.fields] == [*labels_in(said(plant_of(labels=True), 600))[0]]
    assert "fault_labels" not in {each.key for each in catalogue(plant_of(labels=True, faults=False))}


def test_a_wrong_key_of_labels_is_reported() -> None:
    """With its place and the nearest known name."""
    with pytest.raises(PlantConfigError, match=r"message_types\.fault_labels\.enable: is an unknown key"):
        parse({"message_types": {"press": PRESS, "fault_labels": {"enable": True}}})
