"""A client that knows only the calls of EnMS gets what it expects, of one process and of workers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from plant.definition.plant_config import load_content
from sandbox.broker import EmbeddedBroker
from tests.edge.http.compat.enms_contract import CALLS, FAULTS_BY_CHANCE, INVALID, Call, filled, mistakes
from tests.support.processes.daemon import DaemonProcess, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

PLANT = """
message_types:
  first:
    count: 3
    machine_id: "c0000000-0000-0000-0000-00000000000{number}"
    properties: {machine_name: "Compressor-{number}", machine_type: compressor, factory_id: demo}
    states:
      running: {share: 0.8, dwell_seconds: 60, produces: true}
      idle: {share: 0.2, dwell_seconds: 20}
    signals:
      power_kw: {base: {running: 40, idle: 5, else: 0}, limits: [0, 60], decimals: 3}
      switched_on: {texts: {true: "state == 'running' or state == 'idle'", false: else}}
    faults:
      leak: {duration_seconds: [60, 600], effects: {power_kw: {times: 1.3}}}
      efficiency_loss: {duration_seconds: [60, 600], effects: {power_kw: {times: 1.1}}}
    messages:
      energy:
        topic: "{prefix}/demo/{machine_id}/energy"
        report_seconds: 1
        fields: [{time: timestamp}, machine_id, power_kw]
      status:
        topic: "{prefix}/demo/{machine_id}/status"
        on_change: true
        retain: true
        fields:
          [timestamp, machine_id, {is_running: switched_on}, {operating_mode: status}, {current_power_kw: power_kw}]
  second:
    count: 2
    machine_id: "c0000000-0000-0000-0001-00000000000{number}"
    properties: {machine_type: boiler, factory_id: europe}
    states:
      heating: {share: 0.7, dwell_seconds: 60, produces: true}
      breakdown: {share: 0.3, dwell_seconds: 20}
    report_seconds: 2
    signals: {power_kw: {base: {heating: 90, else: 3}, limits: [0, 120], decimals: 3}}
    fields: [timestamp, machine_id, status, power_kw]
"""
FIRST, OTHER = "c0000000-0000-0000-0000-000000000001", "c0000000-0000-0000-0001-000000000002"
NAMES: Mapping[str, Any] = {
    "id": FIRST,
    "other": OTHER,
    "nobody": "c0000000-0000-0000-0000-000000000099",
    "total": 5,
    "rest": 4,
    "intervals": {"compressor": "1s", "boiler": "2s"},
}
MEMBERS = {"title", "status", "detail", "success", "message", "errors"}
"""Of an error: those of RFC 9457, and those that EnMS has."""


class Simulator(NamedTuple):
    """A process that answers, and a client of it."""

    daemon: DaemonProcess
    client: httpx.Client
    journal: Path


def environment(broker: EmbeddedBroker, port: int) -> dict[str, str]:
    """What somebody who comes from EnMS has set."""
    return {
        "HTTP_COMPAT": "enms",
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(broker.port),
        "MQTT_USERNAME": "enms",
        "API_PORT": str(port),
        "COMPRESSOR_INTERVAL": "1",
        "POSTGRES_HOST": "db",
    }


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "workers"])
def simulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One that has been started as EnMS is, by its environment."""
    folder = tmp_path_factory.mktemp("enms")
    (folder / "plant.yaml").write_text(PLANT)
    flags = ["--message-config-path", str(folder / "plant.yaml"), "--seed", "1", "--workers", str(request.param)]
    flags += ["--journal", str(folder / "journal")]
    with running(EmbeddedBroker()) as broker:
        environ = environment(broker, port := free_port())
        with DaemonProcess("run", *flags, environ=environ) as daemon:
            daemon.says(f"HTTP on http://127.0.0.1:{port}")
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=30) as client:
                yield Simulator(daemon, client, folder / "journal")


def mistakes_in_answers(client: httpx.Client, calls: Sequence[Call], names: Mapping[str, Any] = NAMES) -> list[str]:
    """Make calls one after the other: what in their answers is not as the table has it."""
    return [each for call in calls for each in wrong(answer_to(client, call, names), call, names)]


def answer_to(client: httpx.Client, call: Call, names: Mapping[str, Any]) -> httpx.Response:
    """Make a call."""
    body = None if call.body is None else json.dumps(filled(call.body, names))
    return client.request(call.method, filled(call.path, names), content=body)


def wrong(answer: httpx.Response, call: Call, names: Mapping[str, Any]) -> list[str]:
    """What in the answer to a call is not as the table has it."""
    if answer.status_code != call.status:
        return [f"{call.name}: {answer.status_code} {answer.text}"]
    found, form = answer.json(), filled(call.form, names)
    if call.status >= 400:
        if answer.headers["content-type"] != "application/problem+json" or found.keys() != MEMBERS:
            return [f"{call.name}: {answer.headers['content-type']} {answer.text}"]
        if (found["status"], found["success"]) != (call.status, False):
            return [f"{call.name}: {answer.text}"]
        found = {key: found[key] for key in form}
    return [f"{call.name}: {each}" for each in mistakes(found, form)]


def test_each_call_is_answered_as_the_table_has_it(simulator: Simulator) -> None:
    """One after the other, in its order."""
    assert mistakes_in_answers(simulator.client, CALLS) == []


def test_the_chance_of_faults_is_remembered_while_it_is_off(simulator: Simulator) -> None:
    """It is in the YAML in force."""
    assert mistakes_in_answers(simulator.client, FAULTS_BY_CHANCE) == []
    in_force = load_content(simulator.client.get("/api/v1/plant").content, "plant.yaml")

    assert in_force.global_.fault_chance_per_day == 1.0


def test_a_machine_is_shown_as_its_messages_and_its_constants_have_it(simulator: Simulator) -> None:
    """And by its state where no message has such keys."""
    simulator.client.post("/simulator/start")
    set_state(simulator, FIRST, "running")
    set_state(simulator, OTHER, "breakdown")
    first, other = (simulator.client.get(f"/simulator/machines/{each}").json() for each in (FIRST, OTHER))
    listed = simulator.client.get("/simulator/machines").json()

    assert (first["machine_name"], first["machine_type"]) == ("Compressor-1", "compressor")
    assert (first["is_running"], first["operating_mode"], first["current_power_kw"]) == (True, "running", 40.0)
    assert (other["machine_name"], other["machine_type"]) == (OTHER, "boiler")
    assert (other["is_running"], other["operating_mode"], other["current_power_kw"]) == (True, "fault", 3.0)
    assert [each["machine_id"] for each in listed][:4] == [*(f"{FIRST[:-1]}{n}" for n in (1, 2, 3)), f"{OTHER[:-1]}1"]
    assert [each["data_interval_seconds"] for each in listed] == [1, 1, 1, 2, 2]


def set_state(simulator: Simulator, machine_id: str, state: str) -> None:
    """Have a machine enter a state for a while."""
    command = {"command": "set_state", "machine_id": machine_id, "state": state, "seconds": 600}
    assert simulator.client.post("/api/v1/commands", json=command).status_code == 200


def test_readings_are_one_an_interval_and_messages_are_all(simulator: Simulator) -> None:
    """The sum over the machines is that of the plant."""
    wait_until(lambda: len(readings(simulator)) == 5, 20, "a reading of each machine")
    before, status = readings(simulator), simulator.client.get("/simulator/status").json()
    time.sleep(2.5)  # in which each machine has another one
    wait_until(lambda: all(each.sent > before[name].sent for name, each in readings(simulator).items()), 20, "more")
    after = readings(simulator)
    then = simulator.client.get("/simulator/status").json()

    sums = [sum(each.sent for each in found.values()) for found in (before, after)]
    assert sums[0] <= status["total_readings_generated"] <= sums[1] <= then["total_readings_generated"]
    for name, interval in [(each, 1 if each[19:23] == "0000" else 2) for each in after]:
        passed = (after[name].last - before[name].last).total_seconds()
        assert passed == pytest.approx(interval * (after[name].sent - before[name].sent), abs=0.01), name
    assert then["mqtt_messages_published"] >= status["total_readings_generated"]


class Readings(NamedTuple):
    """How many readings a machine has sent, and when the last of them."""

    sent: int
    last: datetime


def readings(simulator: Simulator) -> Mapping[str, Readings]:
    """The readings of each machine that has sent some."""
    listed = simulator.client.get("/simulator/machines").json()
    return {
        each["machine_id"]: Readings(each["readings_generated"], datetime.fromisoformat(each["last_reading_time"]))
        for each in listed
        if each["last_reading_time"]
    }


def test_a_second_injection_replaces_the_first(simulator: Simulator) -> None:
    """Of whichever kind; the control API shows which it is."""
    for name, severity in (("leak", 1.5), ("leak", 3.0), ("efficiency_loss", 2.0)):
        body = {"machine_id": FIRST, "anomaly_type": name, "severity": severity}
        assert simulator.client.post(f"/simulator/machines/{FIRST}/anomaly", json=body).status_code == 200
        faults = simulator.client.get(f"/api/v1/machines/{FIRST}").json()["faults"]
        assert [(each["fault"], each["severity"]) for each in faults] == [(name, severity)]


def test_of_injections_at_once_each_replaces_the_one_before(simulator: Simulator) -> None:
    """None is refused as there already, and one fault is left."""
    path, names = f"/simulator/machines/{FIRST}/anomaly", ["leak", "efficiency_loss"] * 12
    with ThreadPoolExecutor(len(names)) as callers:
        answers = [*callers.map(lambda name: simulator.client.post(path, json={"anomaly_type": name}), names)]
    faults = simulator.client.get(f"/api/v1/machines/{FIRST}").json()["faults"]

    assert {each.status_code for each in answers} == {200}, [each.text for each in answers]
    assert len(faults) == 1


def test_a_fault_that_the_type_has_not_is_refused_with_those_that_there_are(simulator: Simulator) -> None:
    """Also where there is none."""
    texts = []
    for machine_id in (FIRST, OTHER):
        answer = simulator.client.post(f"/simulator/machines/{machine_id}/anomaly", json={"anomaly_type": "melting"})
        assert (answer.status_code, mistakes({key: answer.json()[key] for key in INVALID}, INVALID)) == (422, [])
        texts.append(answer.json()["errors"][0])

    assert texts[0]["msg"] == 'must be one of leak, efficiency_loss, got "melting"'
    assert texts[0]["loc"] == ["body", "anomaly_type"]
    assert texts[1]["msg"] == 'this machine can have none, got "melting"'


def test_all_that_was_done_is_in_the_journal_and_only_what_changed_anything(simulator: Simulator) -> None:
    """A machine that is stopped already is not stopped again."""
    simulator.client.post("/simulator/start")
    before = len(executed(simulator))
    for _ in range(2):
        simulator.client.post("/simulator/stop", json={"machine_ids": [FIRST]})
    simulator.client.post("/simulator/start")
    simulator.client.put("/simulator/config", json={"weekend_production_factor": 0.5})
    entries = executed(simulator)[before:]
    simulator.client.put("/simulator/config", json={"weekend_production_factor": 1})

    assert [each["command"] for each in entries] == ["stop", "start", "reload"]
    assert {each["by"] for each in entries} == {"http 127.0.0.1"}
    assert load_content(entries[-1]["content"].encode(), "plant.yaml").calendar.weekend_factor == 0.5  # type: ignore[union-attr]


def executed(simulator: Simulator) -> list[dict[str, Any]]:
    """What the journal has, without its first line."""
    return [json.loads(line) for line in simulator.journal.read_text().splitlines()[1:]]


@pytest.mark.parametrize("origin", ["https://evil.example.com", None])
def test_changes_need_a_caller_on_this_machine(simulator: Simulator, origin: str | None) -> None:
    """Or a token, where there is one; that is a problem with the members of EnMS, too."""
    headers = {"Origin": origin} if origin else {"X-Forwarded-For": "10.1.2.3"}
    for method, path in (
        ("POST", "/simulator/start"),
        ("POST", "/simulator/stop"),
        ("PUT", "/simulator/config"),
        ("POST", f"/simulator/machines/{FIRST}/anomaly"),
        ("DELETE", f"/simulator/machines/{FIRST}/anomaly"),
    ):
        answer = simulator.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json().keys(), answer.json()["success"]) == (403, MEMBERS, False)


def test_browsers_see_what_the_path_shows_otherwise(simulator: Simulator) -> None:
    """By the header Accept; no page of another origin may read it, as HTTP_CORS_ORIGINS is not set."""
    asked = {"Accept": "text/html,application/xhtml+xml", "Origin": "https://other.example.com"}
    answer = simulator.client.get("/", headers=asked)

    assert "EnMS" not in answer.text
    assert "access-control-allow-origin" not in answer.headers


def test_the_start_says_what_is_not_read_and_what_does_the_same(simulator: Simulator) -> None:
    """A line each."""
    log = simulator.daemon.log

    assert log.count("COMPRESSOR_INTERVAL is not read: report_seconds of the machine type in the YAML sets it") == 1
    assert log.count("POSTGRES_HOST is not read: no database is needed") == 1


def test_openapi_has_each_call_with_an_example(simulator: Simulator) -> None:
    """And no other of the same path."""
    described = simulator.client.get("/openapi.json").json()["paths"]
    paths = {(call.method.lower(), call.path.replace("{id}", "{machine_id}").split("{nobody}")[0]) for call in CALLS}
    ours = [(method, path) for method, path in paths if not path.endswith("/")] + [("get", "/")]

    for method, path in ours:
        content = described[path][method]["responses"]["200"]["content"]["application/json"]
        assert content["example"]
        assert described[path][method]["tags"] == ["EnMS"]
