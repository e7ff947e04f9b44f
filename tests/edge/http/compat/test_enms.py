"""What the calls of EnMS do beside their contract: who may change what, machines that wait, other plants."""

from __future__ import annotations

import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.control.problems import Problem
from edge.http.compat.enms.answers import read_body
from edge.http.compat.enms.configuration import Chance, changed_sections
from edge.http.compat.enms.forms import Changes
from edge.http.compat.enms.machines import shown_machine
from plant.definition.plant_config import PlantConfig, parse
from sandbox.broker import EmbeddedBroker
from tests.edge.http.compat.test_enms_contract import FIRST, MEMBERS, PLANT, environment
from tests.support.processes.daemon import DaemonProcess, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until


def test_machines_wait_until_they_are_started_and_callers_need_the_token(tmp_path: Path) -> None:
    """With SIMULATOR_AUTO_START=false and HTTP_TOKEN_FILE; a user name alone is enough for the broker."""
    (tmp_path / "plant.yaml").write_text(PLANT)
    (tmp_path / "token").write_text("t0ken\n")
    with running(EmbeddedBroker()) as broker:
        own = {"SIMULATOR_AUTO_START": "false", "HTTP_TOKEN_FILE": str(tmp_path / "token")}
        environ = environment(broker, port := free_port()) | own
        with DaemonProcess("run", "--message-config-path", str(tmp_path / "plant.yaml"), environ=environ) as daemon:
            daemon.says(f"HTTP on http://127.0.0.1:{port}: .*, and the calls of HTTP_COMPAT=enms\n")
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5)) as client:
                wait_until(lambda: client.get("/health").json()["status"] == "healthy", 20, "a connection")
                waiting = client.get("/simulator/status").json()
                machine = client.get(f"/simulator/machines/{FIRST}").json()
                refused = client.post("/simulator/start")
                permitted = client.post("/simulator/start", headers={"Authorization": "Bearer t0ken"})
                started = client.get("/simulator/status").json()
        assert broker.connects[0].username == "enms"

    assert (waiting["status"], waiting["running_machines"], waiting["uptime_seconds"]) == ("stopped", 0, 0.0)
    assert (machine["is_running"], machine["operating_mode"]) == (False, "offline")
    assert (refused.status_code, refused.json().keys(), refused.headers["www-authenticate"]) == (401, MEMBERS, "Bearer")
    assert permitted.json()["data"] == {"running_machines": 5, "total_machines": 5}
    assert (started["status"], started["running_machines"]) == ("running", 5)
    assert 0 <= started["uptime_seconds"] < 5


def plant(**entry: Any) -> PlantConfig:
    """A plant of one type."""
    return parse({"message_types": {"mill": entry}})


def shown(config: PlantConfig, state: str, **signals: object) -> dict[str, object]:
    """A machine of that plant in a state, with values of signals, as EnMS shows it."""
    values = {name: {"value": value} for name, value in signals.items()}
    machine = {"machine_id": "MILL-02", "machine_type": "mill", "number": 2, "state": state, "faults": []}
    found = shown_machine(config, {**machine, "readings": None, "signals": values})
    assert found
    return found


@pytest.mark.parametrize(
    ("state", "is_running", "mode"),
    [
        ("milling", True, "running"),
        ("set-up", True, "idle"),
        ("blocked", True, "idle"),
        ("cooling_down", True, "idle"),
        ("main_drive_fault", True, "fault"),
        ("Breakdown", True, "fault"),
        ("maintenance", True, "maintenance"),
        ("weekly_inspection", True, "maintenance"),
        ("offline", False, "offline"),
        ("stopped", False, "offline"),
        ("planned_stop", False, "offline"),
    ],
)
def test_the_mode_of_a_machine_follows_from_its_state_where_no_message_has_it(
    state: str, is_running: bool, mode: str
) -> None:
    """By its role, and by its name."""
    names = ("set-up", "cooling_down", "main_drive_fault", "Breakdown", "maintenance", "offline")
    states: dict[str, Any] = {"milling": {"share": 0.5, "dwell_seconds": 60, "produces": True}}
    states |= {name: {"share": 0.05, "dwell_seconds": 60} for name in names}
    states["weekly_inspection"] = {"share": 0.05, "dwell_seconds": 60, "planned": True}
    found = shown(plant(states=states), state)

    assert (found["is_running"], found["operating_mode"], found["current_power_kw"]) == (is_running, mode, 0.0)


def test_values_of_messages_come_first() -> None:
    """Whatever they are called within the type; a constant is one, too, and a mode that is none follows the state."""
    config = plant(
        states={"running": {"share": 0.9, "dwell_seconds": 60}, "faulted": {"share": 0.1, "dwell_seconds": 60}},
        signals={"load": {"base": 5}, "on": {"base": 0}},
        messages={
            "power": {"fields": ["timestamp", {"power_kw": {"constant": 7}}], "report_seconds": 5},
            "status": {
                "fields": [
                    "timestamp",
                    {"is_running": "on"},
                    {"operating_mode": "status"},
                    {"current_power_kw": "load"},
                ],
                "on_change": True,
            },
        },
    )

    assert shown(config, "running", load=12.5, on=0)["current_power_kw"] == 12.5
    assert shown(config, "running", load=12.5, on=0)["is_running"] is False
    assert shown(config, "faulted", load=12.5, on=1)["operating_mode"] == "fault"
    assert shown(config, "running")["current_power_kw"] == 7.0


SITED = {
    "calendar": {"time_zone": "Europe/Berlin", "weekend_factor": 1.0},
    "sites": {"a": {"calendar": {"time_zone": "UTC", "holidays": []}}, "b": {"plant_signals": {}}},
    "global": {"target_rate": 5},
}


def test_what_is_changed_is_changed_in_the_yaml_and_all_else_stays() -> None:
    """The calendar of the plant and that of each site that has one."""
    found = dict(changed_sections(SITED, Changes(weekend_production_factor=0.3), Chance(is_on=True, probability=0.2)))

    assert found == {
        "calendar": {"time_zone": "Europe/Berlin", "weekend_factor": 0.3},
        "sites": {
            "a": {"calendar": {"time_zone": "UTC", "holidays": [], "weekend_factor": 0.3}},
            "b": {"plant_signals": {}},
        },
    }
    assert dict(changed_sections({}, Changes(weekend_production_factor=0), Chance(is_on=True, probability=0.2))) == {
        "calendar": {"time_zone": "UTC", "weekend_factor": 0.0}
    }


@pytest.mark.parametrize(
    ("chance", "in_force"),
    [
        (Chance(is_on=True, probability=0.2), 0.2),
        (Chance(is_on=False, probability=0.2), 0.0),
        (Chance(is_on=True, probability=1.0), 1.0),
    ],
)
def test_the_chance_of_faults_is_a_key_of_the_plant(chance: Chance, in_force: float) -> None:
    """It is 0 while there are to be none."""
    for asked in (Changes(enable_anomalies=True), Changes(anomaly_probability=0.5)):
        assert dict(changed_sections(SITED, asked, chance)) == {
            "global": {"target_rate": 5, "fault_chance_per_day": in_force}
        }


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"anomaly_probability": 2}', "anomaly_probability: Input should be less than or equal to 1"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_with_its_place(content: bytes, detail: str) -> None:
    """Without names of ours, and without a place where it is the whole."""
    with pytest.raises(Problem) as raised:
        read_body(Changes, content)

    assert raised.value.detail == detail


def test_what_was_done_by_these_calls_is_played_again_to_the_byte(tmp_path: Path) -> None:
    """Machines that were started and stopped, faults, and another configuration: all of it is in the journal."""
    (tmp_path / "plant.yaml").write_text(PLANT)
    flags = ["--dry-run", "--seed", "1", "--message-config-path", str(tmp_path / "plant.yaml")]
    flags += ["--start", "2026-01-05T06:00:00Z"]
    live = ["--speed", "1", "--http-port", str(free_port()), "--http-compat", "enms", "--no-auto-start"]
    with DaemonProcess("run", *flags, *live, "--journal", str(tmp_path / "journal")) as daemon:
        with httpx.Client(base_url=daemon.url(), transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
            answers = [
                client.post("/simulator/start"),
                client.post(f"/simulator/machines/{FIRST}/anomaly", json={"anomaly_type": "leak"}),
                client.post("/simulator/stop", json={"factory_ids": ["europe"]}),
                client.post(f"/simulator/machines/{FIRST}/anomaly", json={"anomaly_type": "efficiency_loss"}),
                client.put("/simulator/config", json={"anomaly_probability": 0.9, "enable_anomalies": True}),
                client.delete(f"/simulator/machines/{FIRST}/anomaly"),
            ]
        done = len(daemon.output)
        wait_until(lambda: len(daemon.output) >= done + 15, 20, "what comes of it")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(30) == 0, daemon.log
    lasted = max(map(time_of, daemon.output)) - datetime.fromisoformat("2026-01-05T06:00:00Z")
    flags += ["--duration", f"{lasted.total_seconds() + 1:.3f}", "--speed", "max"]
    with DaemonProcess("run", *flags, "--commands", str(tmp_path / "journal")) as replay:
        assert replay.wait(30) == 0, replay.log

    assert [each.status_code for each in answers] == [200] * 6
    assert replay.output[: len(daemon.output)] == daemon.output


def time_of(row: str) -> datetime:
    """The time that a row of a dry run bears."""
    payload = json.loads(row)["payload"]
    return datetime.fromisoformat(payload.get("timestamp") or payload["time"])
