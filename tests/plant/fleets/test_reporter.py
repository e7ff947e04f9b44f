"""Facts about the messages of types with signals or with several classes of messages."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.telemetry import Message

STATES: dict[str, Any] = {
    "running": {"share": 3.0, "dwell_seconds": 20.0, "produces": True},
    "idle": {"share": 1.0, "dwell_seconds": 5.0},
}
QUICK: dict[str, Any] = {"cycle_seconds": [0.3, 0.9]}
ON_CHANGE: dict[str, Any] = {"fields": ["machine_id", "status"], "on_change": True}


def press(**entry: Any) -> PlantConfig:
    """A plant of one type of machine with two states."""
    return parse({"message_types": {"press": {"states": STATES, "report_seconds": 1.0} | entry}})


def sent(config: PlantConfig, seconds: float = 120.0) -> list[Message]:
    """The messages of the first two minutes."""
    return FactoryMessageGenerator.of(config, 1).advance(START + seconds)


@pytest.mark.parametrize("signals", [{}, {"level": {"base": 5}}], ids=["plain", "signals"])
def test_the_number_in_a_message_is_the_number_of_the_message(signals: dict[str, Any]) -> None:
    """Also in those that report a job between two regular ones."""
    messages = sent(press(job=QUICK, signals=signals, fields=[{"number": "sequence"}, {"id": "finished.id"}]))

    assert {message.trigger for message in messages} == {"", "job"}
    assert [orjson.loads(each.payload)["number"] for each in messages] == [*range(1, len(messages) + 1)]


@pytest.mark.parametrize("signals", [{}, {"level": {"base": 5}}], ids=["plain", "signals"])
def test_messages_of_a_declared_class_have_its_name_in_their_source(signals: dict[str, Any]) -> None:
    """Also where the type declares only one, with signals and without."""
    messages = sent(press(signals=signals, messages={"main": {"fields": ["timestamp", "status"]}}))

    assert {(message.kind, message.source) for message in messages} == {("press.main", "PRESS-01/main")}


def test_a_type_that_reports_only_changes_reports_each_job_when_it_finishes() -> None:
    """There is no regular message that could."""
    fields = ["timestamp", "status", {"id": "finished.id"}]
    messages = sent(press(job=QUICK, messages={"main": {"fields": fields, "on_change": True}}))
    jobs = [job for message in messages if (job := orjson.loads(message.payload)["id"])]

    assert {message.trigger for message in messages} == {"change", "job"}
    assert len(jobs) == len(set(jobs)) > 20


def test_a_share_of_a_period_needs_a_period() -> None:
    """A job whose length follows from the period of messages that there are not is refused."""
    with pytest.raises(PlantConfigError, match=r"press.job.period_share: needs a period, and messages.main has no"):
        press(job={"period_share": 0.5}, messages={"main": ON_CHANGE})


def test_a_level_that_its_decimals_cannot_show_is_refused_where_it_stands() -> None:
    """The place is the signal, which has no limits that could be wrong."""
    with pytest.raises(PlantConfigError, match=r"press.signals.level: has no value of 2 decimals from -0.004 to -0"):
        press(signals={"level": {"base": -0.004}})


def test_a_register_is_the_same_in_every_class_that_reports_it() -> None:
    """One class advances it, another one shows it between: whether rows are made as columns or not."""
    signals = {"power": {"base": 3600}, "energy": {"integral_of": "power", "per_seconds": 3600.0, "decimals": 0}}
    fields = {"fields": ["machine_id", "energy"]}
    classes = {"first": {**fields, "report_seconds": 1.0}, "second": {**fields, "report_seconds": 1.0}}
    config = press(count=20, signals=signals, messages=classes)
    shown = defaultdict[str, list[tuple[str, float]]](list)
    for message in sent(config, 60.0):
        row = orjson.loads(message.payload)
        shown[row["machine_id"]].append((message.kind, row["energy"]))
    with patch("plant.fleets.reporter._FEW_ROWS", 10**9):
        single = sent(config, 60.0)

    assert sent(config, 60.0) == single
    for rows in shown.values():
        energies = [energy for _, energy in rows]
        assert energies == sorted(energies)
        assert [energy for kind, energy in rows if kind == "press.first"] == [*range(1, 61)]


def test_a_state_is_reported_once_at_the_start_also_in_a_planned_stop() -> None:
    """The calendar stops the machines at the moment at which they come to be."""
    closed = {"time_zone": "UTC", "shifts": [{"start": "00:01", "end": "23:00"}]}
    classes = {"s": {"fields": ["timestamp", "machine_id", "status"], "on_change": True}}
    types = {"press": {"count": 5, "states": STATES, "messages": classes}}
    messages = sent(parse({"calendar": closed, "message_types": types}), 59.0)

    assert sorted(orjson.loads(each.payload)["machine_id"] for each in messages) == [f"PRESS-0{n}" for n in range(1, 6)]
    assert {orjson.loads(each.payload)["status"] for each in messages} == {"planned_stop"}


@pytest.mark.parametrize("job", [{}, {"job": QUICK}], ids=["no job", "job"])
def test_a_machine_that_is_stopped_from_outside_has_the_level_of_rest(job: dict[str, Any]) -> None:
    """That of the first state that does not produce, whether the type makes something or not."""
    closed = {"time_zone": "UTC", "shifts": [{"start": "00:01", "end": "23:00"}]}
    states = {"running": {"share": 0.6}, "idle": {"share": 0.4}}
    power = {"power": {"base": {"running": 22, "idle": 3}}}
    types = {"press": {"states": states, "signals": power, "fields": ["status", "power"], "report_seconds": 5, **job}}
    messages = sent(parse({"calendar": closed, "message_types": types}), 59.0)

    assert {(row["status"], row["power"]) for row in map(orjson.loads, (each.payload for each in messages))} == {
        ("planned_stop", 3.0)
    }


def test_in_a_line_with_wear_each_additional_message_reports_a_job() -> None:
    """Also where the machine waits as a job ends, which puts its next event to another time."""
    entry = {
        "states": {"running": {"share": 0.9, "dwell_seconds": 600, "produces": True}, "idle": {"share": 0.1}},
        "report_seconds": 10,
        "signals": {"force": {"base": 5, "limits": [0, 9]}, "made": {"counter": "jobs"}},
        "wear": {"tool": {"life_hours": 5, "resets": "idle"}},
    }
    types = {"saw": entry | {"job": {"cycle_seconds": 5}}, "drill": entry | {"job": {"cycle_seconds": 3}}}
    flow = {"assembles": {"drill": {"saw": 1}}, "buffers": {"saw": 2, "drill": 100_000}}

    messages = sent(parse({"message_types": types, "flow": flow}), 3600)

    rows = [orjson.loads(each.payload) for each in messages if each.trigger == "job" and each.kind == "drill"]
    assert [row["made"] for row in rows] == [*range(1, len(rows) + 1)]
    assert all(row["part_id"] for row in rows)
    assert {row["status"] for row in rows} == {"starved", "running"}


CLASSES: dict[str, Any] = {
    "energy": {"fields": ["timestamp", "level"]},
    "process": {"fields": ["timestamp", "level"]},
    "heat": {"fields": ["timestamp", "level"], "report_seconds": 2.0},
}


def moments(config: PlantConfig) -> dict[str, list[int]]:
    """The times of the messages of each class of a machine, in milliseconds, in the order of messages."""
    found = defaultdict(list)
    for message in sent(config, 10.0):
        found[message.kind].append(message.time_ms)
    return found


@pytest.mark.parametrize("count", [1, 40], ids=["rows", "columns"])
def test_classes_that_report_together_have_one_time_a_machine(count: int) -> None:
    """In the order of the classes; without the key each class has moments of its own."""
    entry = {"signals": {"level": {"base": 5, "noise": 1}}, "messages": CLASSES, "count": count}
    together, apart = press(**entry, together=True), press(**entry)

    seen = moments(together)
    assert seen["press.energy"] == seen["press.process"]
    assert moments(apart)["press.energy"] != moments(apart)["press.process"]
    in_order = [(each.time_ms, each.source) for each in sent(together, 10.0) if each.kind != "press.heat"]
    assert in_order[::2] == [(at, source.replace("process", "energy")) for at, source in in_order[1::2]]


def test_a_reload_that_brings_classes_together_moves_them() -> None:
    """From the next period on, also where nothing else changes."""
    entry = {"signals": {"level": {"base": 5}}, "messages": CLASSES}
    plant = FactoryMessageGenerator.of(press(**entry), 1)
    plant.advance(START + 5)
    plant.reload(press(**entry, together=True))
    found = defaultdict(set)
    for message in plant.advance(START + 20):
        found[message.kind].add(message.time_ms % 1000)

    assert found["press.energy"] == found["press.process"]
