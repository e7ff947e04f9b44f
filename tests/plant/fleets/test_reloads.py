"""Facts about messages and machines after another configuration has been applied."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.plant.fleets.test_reporter import ON_CHANGE, QUICK, STATES, press

SIGNALS: dict[str, Any] = {"level": {"base": {"running": 5, "else": 1}}}
ALWAYS = {"running": STATES["running"]}


def started(config: PlantConfig, seconds: float = 30.0) -> FactoryMessageGenerator:
    """A plant that has run for some time."""
    plant = FactoryMessageGenerator.of(config, 1)
    plant.advance(START + seconds)
    return plant


def after(plant: FactoryMessageGenerator, config: PlantConfig, seconds: float = 30.0) -> list[Message]:
    """The messages of some time after a reload."""
    plant.reload(config)
    return plant.advance(plant.now + seconds)


@pytest.mark.parametrize("away", [press(messages={"b": {}}), press(count=0)], ids=["class", "type"])
def test_messages_of_a_class_that_comes_back_are_numbered_on(away: PlantConfig) -> None:
    """A source never gives a number twice in a run, whatever was away for a while."""
    config = press(count=3, messages={"a": {"report_seconds": 1.0}, "b": {"fields": ["status"]}})
    plant = started(config)
    after(plant, away)
    first = {message.source: message.sequence for message in reversed(after(plant, config))}

    assert {source: first[source] for source in first if "/a" in source} == {f"PRESS-0{n}/a": 31 for n in (1, 2, 3)}


@pytest.mark.parametrize("signals", [{}, SIGNALS], ids=["plain", "signals"])
def test_a_state_that_is_drawn_again_is_reported(signals: dict[str, Any]) -> None:
    """What is retained for a machine is its state, also when a reload has changed it."""
    states = copy.deepcopy(STATES)
    states["running"]["share"] = 0.1
    config = press(count=30, signals=signals, messages={"status": ON_CHANGE})
    plant = FactoryMessageGenerator.of(config, 1)
    messages = plant.advance(START + 2.0)
    plant.reload(press(count=30, signals=signals, states=states, messages={"status": ON_CHANGE}))
    due = plant.next_due()
    messages += plant.advance(plant.now + 0.001)
    last = {row["machine_id"]: row["status"] for row in (orjson.loads(each.payload) for each in messages)}

    assert due <= plant.now
    assert last == {view.machine_id: view.status for view in plant.machines()}


@pytest.mark.parametrize("signals", [{}, SIGNALS], ids=["plain", "signals"])
def test_a_planned_stop_that_begins_with_a_reload_is_reported(signals: dict[str, Any]) -> None:
    """A calendar that stops the plant at that moment, and one that lets it go on."""
    entry = {"states": STATES, "count": 3, "signals": signals, "messages": {"status": ON_CHANGE}}
    stopped, working = (
        parse({
            "message_types": {"press": entry},
            "calendar": {"time_zone": "UTC", "shifts": [{"start": begin, "end": "23:00"}]},
        })
        for begin in ("10:00", "00:00")
    )  # fmt: skip
    plant = started(working)
    stops = [orjson.loads(message.payload)["status"] for message in after(plant, stopped, 0.001)]
    goes = [orjson.loads(message.payload)["status"] for message in after(plant, working, 0.001)]

    assert stops == ["planned_stop"] * 3
    assert len(goes) == 3
    assert "planned_stop" not in goes


def test_what_is_due_beside_the_periods_keeps_its_class() -> None:
    """First reports that are scheduled are of the class of the same name, wherever it stands now, or are dropped."""
    first = press(count=9, messages={"a": {"fields": ["status"]}, "status": ON_CHANGE})
    plant = FactoryMessageGenerator.of(first, 1)
    kinds = {message.kind for message in after(plant, press(count=9, messages={"status": ON_CHANGE}))}
    assert kinds == {"press.status"}

    plant = FactoryMessageGenerator.of(first, 1)
    assert {each.trigger for each in after(plant, press(count=9, messages={"a": {}}), 1.0)} == {""}


def test_a_job_pauses_where_its_state_produces_no_longer() -> None:
    """And goes on in the state that produces now."""
    states = {"running": {**STATES["running"], "produces": False}, "idle": {**STATES["idle"], "produces": True}}
    plant = FactoryMessageGenerator.of(press(count=9, job={"cycle_seconds": 60.0}), 1)
    plant.advance(START + 0.5)
    before = {view.machine_id: view for view in plant.machines()}
    plant.reload(press(count=9, job={"cycle_seconds": 60.0}, states=states))
    plant.oee()
    moments = {view.machine_id: view.progress for view in plant.machines()}
    plant.advance_silently(plant.now + 0.5)
    plant.oee()

    assert {view.status for view in before.values()} == {"running", "idle"}
    for view in plant.machines():
        if view.status == before[view.machine_id].status and view.jobs_finished == 0:
            assert (view.progress > moments[view.machine_id]) == (view.status == "idle")


def test_a_machine_makes_jobs_when_its_type_gets_some() -> None:
    """From the reload on, without a restart."""
    plant = started(press(states=ALWAYS))
    messages = after(plant, press(states=ALWAYS, job=QUICK))
    (view,) = plant.machines()

    assert view.job_id
    assert view.jobs_finished == sum(b'"quality":"good"' in message.payload for message in messages) > 20


@pytest.mark.parametrize("signals", [{}, SIGNALS], ids=["plain", "signals"])
def test_a_machine_that_a_flow_has_stopped_reports_its_jobs_when_the_flow_ends(signals: dict[str, Any]) -> None:
    """Each at the moment at which it is finished."""
    entry = {"states": ALWAYS, "report_seconds": 10.0, "job": QUICK, "signals": signals}
    types = {"press": entry, "oven": entry | {"job": {"cycle_seconds": 900.0}}}
    flow = {"assembles": {"oven": {"press": 1}}, "buffers": {"press": 1, "oven": 1}, "initial_fill": 0.0}
    plant = started(parse({"message_types": types, "flow": flow}))
    assert {view.status for view in plant.machines()} >= {"blocked"}

    times = [each.time_ms for each in after(plant, parse({"message_types": types})) if each.trigger == "job"]
    assert all(1 < later - earlier < 2000 for earlier, later in pairwise(times))
    assert len(times) > 20


def test_the_progress_of_a_job_is_known_to_a_signal_that_is_new() -> None:
    """A formula that uses it first after a reload has the progress that the message has."""
    job = {"cycle_seconds": 40.0}
    steady: dict[str, Any] = {"level": {"base": 5}}
    formula = {"done": {"formula": "job_progress", "limits": [0, 1], "decimals": 6}}
    plant = started(press(count=5, job=job, signals=steady))
    fields = ["done", {"progress": "job.progress"}, {"finished": "finished.id"}]
    config = press(count=5, job=job, signals=steady | formula, fields=fields)
    rows = [orjson.loads(message.payload) for message in after(plant, config)]

    assert all(0 <= row["done"] - row["progress"] < 0.0100001 for row in rows if not row["finished"])


def test_an_error_while_columns_are_computed_takes_the_change_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rehearsal fails with arrays in view, which then cannot become shorter; no byte differs afterwards."""
    plant, twin = (FactoryMessageGenerator.of(press(count=40, signals=SIGNALS), 1) for _ in range(2))
    for each in (plant, twin):
        each.advance(START + 7)
    with monkeypatch.context() as patched:
        patched.setattr("plant.fleets.column_messages._next_counts", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            plant.reload(press(count=50, signals=SIGNALS))

    assert plant.advance(START + 60) == twin.advance(START + 60)
