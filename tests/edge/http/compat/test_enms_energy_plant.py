"""The energy plant behind the calls of EnMS, at a real mosquitto: a client of EnMS, and what is kept at the broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import httpx
import pytest

from tests.conftest import require_mosquitto
from tests.edge.http.compat.enms_contract import CALLS, FAULTS_BY_CHANCE
from tests.edge.http.compat.test_enms_contract import mistakes_in_answers
from tests.energy.contract import MACHINES
from tests.energy.plants import SCENARIO
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.subscriber import Recorder
from tests.support.examples import THOROUGH
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

IDS: Final = {machine.number: f"c0000000-0000-0000-0000-{machine.number:012d}" for machine in MACHINES}
NAMES: Final[Mapping[str, Any]] = {
    "id": IDS[1],
    "other": IDS[7],
    "nobody": "c0000000-0000-0000-0000-000000000099",
    "total": 8,
    "rest": 7,
    "intervals": {machine.kind: f"{machine.seconds}s" for machine in MACHINES},
}
SHOWN: Final = {
    IDS[1]: ("Compressor-1", "compressor", 1),
    IDS[2]: ("HVAC-Main", "hvac", 10),
    IDS[3]: ("Conveyor-A", "motor", 10),
    IDS[4]: ("Hydraulic-Pump-1", "pump", 30),
    IDS[5]: ("Injection-Molding-1", "injection_molding", 30),
    IDS[6]: ("Compressor-EU-1", "compressor", 1),
    IDS[7]: ("HVAC-EU-North", "hvac", 10),
    IDS[8]: ("Boiler-1", "boiler", 30),
}
one_process = pytest.mark.parametrize("plant", ["1"], indirect=True, scope="module")
DEMO, EUROPE = (f"{digit * 8}-{digit * 4}-{digit * 4}-{digit * 4}-{digit * 12}" for digit in "12")


class Plant(NamedTuple):
    """How many workers, the port of a broker, a client of the process, and what the broker has passed on."""

    workers: int
    port: int
    client: httpx.Client
    recorder: Recorder

    def status_of(self, machine_id: str) -> Mapping[str, Any] | None:
        """The latest status of a machine at the broker."""
        found = [json.loads(each.payload) for each in self.recorder.records if each.topic.endswith("/status")]
        return next((each for each in reversed(found) if each["machine_id"] == machine_id), None)

    def all_say(self, *modes: str, is_running: bool) -> bool:
        """Whether the latest status of each machine says so, with one of the modes."""
        said = [self.status_of(machine_id) for machine_id in IDS.values()]
        return all(each and each["is_running"] is is_running and each["operating_mode"] in modes for each in said)


@pytest.fixture(scope="module", params=["1", "2"])
def plant(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, credentials: Credentials
) -> Iterator[Plant]:
    """One that is started as EnMS is: a process, or two workers."""
    require_mosquitto()
    with Mosquitto(tmp_path_factory.mktemp("mosquitto"), credentials, listeners=("plain",)) as broker:
        port = broker.ports["plain"]
        environ = {
            "HTTP_COMPAT": "enms",
            "MQTT_HOST": "127.0.0.1",
            "MQTT_PORT": str(port),
            "API_PORT": str(free_port()),
            "WORKERS": request.param,
            "MESSAGE_CONFIG_PATH": str(SCENARIO),
        }
        with Recorder(port) as recorder, DaemonProcess("run", "--seed", "1", environ=environ) as daemon:
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=daemon.url(), transport=transport, timeout=30) as client:
                wait_until(lambda: client.get("/health").json()["status"] == "healthy", 30, "a connection")
                yield Plant(int(request.param), port, client, recorder)


def test_each_call_is_answered_as_the_table_has_it(plant: Plant) -> None:
    """One after the other, in its order; machines have the names and kinds that its users know."""
    calls = [*CALLS, *FAULTS_BY_CHANCE]
    if plant.workers > 1 and not THOROUGH:  # another configuration of this plant takes long in each of them
        calls = [call for call in CALLS if call.method != "PUT"]
    assert mistakes_in_answers(plant.client, calls, NAMES) == []
    listed = plant.client.get("/simulator/machines").json()

    assert {
        each["machine_id"]: (each["machine_name"], each["machine_type"], each["data_interval_seconds"])
        for each in listed
    } == SHOWN


def test_what_is_kept_at_the_broker_says_whether_machines_run(plant: Plant) -> None:
    """Offline once they are stopped, and running again after the start; of one factory by its number or its site."""
    for stop in ({}, {"factory_ids": [DEMO, EUROPE]}, {"factory_ids": ["demo", "europe"]}):
        plant.client.post("/simulator/stop", json=stop)
        wait_until(lambda: plant.all_say("offline", is_running=False), 30, "that all are offline")
        kept = retained(plant.port)
        plant.client.post("/simulator/start", json=stop)
        wait_until(lambda: plant.all_say("running", "idle", is_running=True), 30, "that all run or wait for a job")

        assert {each["machine_id"] for each in kept} == {*IDS.values()}
        assert {(each["is_running"], each["operating_mode"], each["current_power_kw"]) for each in kept} == {
            (False, "offline", 0.0)
        }


def retained(port: int) -> list[dict[str, Any]]:
    """What somebody who comes later finds at the broker: the statuses of eight machines."""
    with Recorder(port, topics=["factory/+/+/status"]) as late:
        wait_until(lambda: len(late.records) >= len(IDS), 15, "what is retained")
        return [json.loads(each.payload) for each in late.records if each.retain]


@one_process
def test_each_fault_of_each_machine_begins_and_ends(plant: Plant) -> None:
    """Those of its kind, whose names the refusal of any other has."""
    seen = Counter[str]()
    for machine_id in IDS.values():
        path = f"/simulator/machines/{machine_id}"
        refusal = plant.client.post(f"{path}/anomaly", json={"anomaly_type": "melting"}).json()["detail"]
        for fault in refusal.removeprefix("anomaly_type: must be one of ").partition(", got")[0].split(", "):
            body = {"machine_id": machine_id, "anomaly_type": fault, "severity": 5}
            assert plant.client.post(f"{path}/anomaly", json=body).status_code == 200
            begun = plant.client.get(path).json()["anomaly_active"]
            assert plant.client.delete(f"{path}/anomaly").status_code == 200
            assert (begun, plant.client.get(path).json()["anomaly_active"]) == (True, False), fault
            seen[fault] += 1

    assert (len(seen), seen["leak"], seen["overheating"]) == (19, 2, 1)


@one_process
def test_weekends_are_those_of_both_factories(plant: Plant) -> None:
    """In the YAML in force: of the plant's calendar, and of the one that the second factory has of its own."""
    plant.client.put("/simulator/config", json={"weekend_production_factor": 0.7})
    in_force = plant.client.get("/api/v1/plant").text

    assert in_force.count("weekend_factor: 0.7") == in_force.count("weekend_factor:") == 2
