"""The control API of a real process, with workers and without: what it shows and does is the plant's."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from messages import START
from plant.definition.plant_config import load_content
from sandbox.broker import EmbeddedBroker
from tests.edge.runtime.test_live_commands import client_of, http, plant_file
from tests.support.factory.acted_on import PLANTS, content, played, press, read
from tests.support.processes.daemon import DaemonProcess, plain, running

API = "/api/v1"


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "workers"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a daemon whose plant has everything."""
    plant = plant_file(tmp_path_factory.mktemp("plant"), "faults", 200)
    flags = ["--workers", str(request.param), "--message-config-path", plant, "--seed", "1", *http()]
    secret = {"MQTT_PASSWORD": "s3cret", "HTTP_CORS_ORIGINS": "https://app.example.com"}
    with running(EmbeddedBroker()) as broker:
        address = [*plain(broker)[:-1], "userpass", "--mqtt-username", "me"]
        with DaemonProcess("run", *flags, *address, environ=secret) as daemon, client_of(daemon) as client:
            yield client


def machines(client: httpx.Client, **asked: str | int) -> list[str]:
    """The ids of the machines that are selected."""
    answer = client.get(f"{API}/machines", params=asked)
    assert answer.status_code == 200, answer.text
    return [each["machine_id"] for each in answer.json()["machines"]]


def did(client: httpx.Client, **command: Any) -> None:
    """Have a command executed."""
    answer = client.post(f"{API}/commands", json=command)
    assert answer.status_code == 200, answer.text


def test_machines_are_shown_and_selected(client: httpx.Client) -> None:
    """In order, page by page, by state, fault and type."""
    did(client, command="stop", machine_id="PRESS-02")
    did(client, command="inject", machine_id="PRESS-03", fault="bearing_damage", severity=2)
    first = client.get(f"{API}/machines", params={"limit": 3})

    assert [each["machine_id"] for each in first.json()["machines"]] == ["PRESS-01", "PRESS-02", "PRESS-03"]
    assert [each["machine_id"] for each in client.get(first.json()["next"]).json()["machines"]] == ["PRESS-04"]
    assert machines(client, state="stopped") == ["PRESS-02"]
    assert "PRESS-03" in machines(client, fault="bearing_damage")
    assert machines(client, machine_type="press", after="PRESS-04") == []


def test_one_machine_is_shown_with_its_signals(client: httpx.Client) -> None:
    """As OpenAPI has it."""
    did(client, command="set_point", machine_id="PRESS-04", signal="feed", value=222)
    found = client.get(f"{API}/machines/PRESS-04").json()
    forms = client.get("/openapi.json").json()
    jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/MachineWithSignals", "components": forms["components"]}
    ).validate(found)

    assert found["signals"].keys() == {"vibration", "temperature", "feed", "made"}
    assert found["signals"]["feed"]["set_point"] == 222
    assert 0 <= found["job"]["progress"] <= 1


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/machines/PRES-03", 404, 'no machine has the id "PRES-03"; did you mean "PRESS-03"?'),
        ("/machines/X", 404, 'no machine has the id "X"; some ids: "PRESS-01", "PRESS-02", "PRESS-03", "PRESS-04"'),
        ("/machines?state=runing", 422, "state: no such state; did you mean running?"),
        ("/machines?fault=jamm", 422, "fault: no such fault; did you mean jam?"),
        ("/machines?machine_type=pres", 422, "machine_type: no such machine type; there are press"),
        ("/machines?after=X", 422, "after: no machine has such an id"),
    ],
)
def test_what_there_is_not_is_named(client: httpx.Client, path: str, status: int, detail: str) -> None:
    """With what may be meant."""
    answer = client.get(API + path)

    assert (answer.status_code, answer.json()["detail"]) == (status, detail)


def test_the_yaml_has_what_commands_have_changed_and_another_is_applied(client: httpx.Client) -> None:
    """As a whole or not at all; a check changes nothing."""
    did(client, command="scale", message_type="press", count=5)
    scaled = client.get(f"{API}/plant").content
    smaller = content(press(count=3) | {"global": {"target_rate": 200}}).encode()
    checked = client.post(f"{API}/plant/check", content=smaller)
    refused = client.put(f"{API}/plant", content=smaller.replace(b'"count":3', b'"count":-3'))
    before = machines(client)
    applied = client.put(f"{API}/plant", content=smaller)

    assert load_content(scaled, "plant.yaml").count("press") == 5
    assert (checked.status_code, checked.json()["machines"]) == (200, {"press": 3})
    assert checked.json()["messages_per_second"] > 200
    assert (refused.status_code, refused.json()["errors"][0]["line"]) == (422, 1)
    assert refused.json()["errors"][0]["path"] == "message_types.press.count"
    assert len(before) == 5
    assert (applied.status_code, applied.json()) == (200, {"machines": {"press": 3}})
    assert len(machines(client)) == 3
    assert client.get(f"{API}/plant").content == smaller
    assert client.get(f"{API}/machine-types").json()["machine_types"][0]["count"] == 3


def test_the_journal_knows_what_was_done(client: httpx.Client) -> None:
    """By whom and when, also what was refused."""
    client.post(f"{API}/commands", json={"command": "stop", "machine_id": "X"})
    newest = client.get(f"{API}/journal", params={"limit": 1}).json()["entries"][0]

    assert (newest["by"], newest["command"]["command"]) == ("http 127.0.0.1", "stop")
    assert newest["error"] == 'machine_id: no machine has the id "X"'


def test_a_command_with_a_key_is_executed_once(client: httpx.Client) -> None:
    """The second time it has the first answer, with its plant time."""
    command = {"command": "stop", "machine_id": "PRESS-01"}
    answers = [
        client.post(f"{API}/commands", json=command, headers={"Idempotency-Key": "once"}).json() for _ in range(2)
    ]

    assert answers[0] == answers[1]


def test_settings_are_shown_without_secrets(client: httpx.Client) -> None:
    """Only that there is one."""
    answer = client.get(f"{API}/settings")
    found = answer.json()

    assert "s3cret" not in answer.text
    assert found["settings"]["MQTT_PASSWORD"] == "[redacted]"
    assert found["settings"]["MQTT_USERNAME"] == "me"
    assert found["settings"]["MQTT_QOS"] == 1
    assert {"MQTT_PASSWORD", "SEED", "HTTP_CORS_ORIGINS"} <= {*found["given"]}


def test_a_page_of_an_origin_that_is_named_may_read(client: httpx.Client) -> None:
    """And no other; to change anything it needs the token, of which there is none here."""
    own, other = "https://app.example.com", "https://evil.example.com"
    read = {each: client.get(f"{API}/machines", headers={"Origin": each}).headers for each in (own, other)}
    stop = {"command": "stop", "machine_id": "PRESS-01"}
    changed = client.post(f"{API}/commands", json=stop, headers={"Origin": own})

    assert read[own]["access-control-allow-origin"] == own
    assert "access-control-allow-origin" not in read[other]
    assert {each["vary"] for each in read.values()} == {"Origin"}
    assert (changed.status_code, changed.headers["access-control-allow-origin"]) == (403, own)


def test_a_run_that_is_looked_at_says_what_it_says_alone(tmp_path: Path) -> None:
    """Every byte, however often it is asked for everything."""
    plant = plant_file(tmp_path, "faults", 300)
    flags = ["--dry-run", "--seed", "1", "--message-config-path", plant, "--start", "2026-01-01T00:00:00Z"]
    with DaemonProcess("run", *flags, "--speed", "1", *http()) as daemon:
        with client_of(daemon) as client:
            while len(daemon.output) < 500:
                for path in ("/machines", "/machines?state=running", "/machines/PRESS-02", "/machine-types", "/plant"):
                    assert client.get(API + path).status_code == 200
                time.sleep(0.05)  # in which the plant goes on
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(30) == 0, daemon.log
    said = [json.loads(line)["payload"] for line in daemon.output]
    end = datetime.fromisoformat(said[-1]["timestamp"]).timestamp()
    config = read(PLANTS["faults"] | {"global": {"target_rate": 300}})
    alone = [json.loads(each.payload) for each in played(config, [], end - START).messages]

    assert said == alone[: len(said)]
    assert len(alone) - len(said) < 10, "those of the last moment that came after the signal"


def test_a_caller_who_goes_away_is_no_error_of_the_simulator(tmp_path: Path) -> None:
    """Whoever can call could fill its log with them."""
    flags = ["--message-config-path", plant_file(tmp_path, "faults", 200), *http(), "--dry-run", "--log-level", "debug"]
    with DaemonProcess("run", *flags) as daemon, client_of(daemon) as client:
        for body in (b"Content-Length: 9\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nno length\r\n"):
            with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as caller:
                caller.sendall(b"POST /api/v1/commands HTTP/1.1\r\nHost: localhost\r\n" + body)
        daemon.says("the caller has gone before its request was whole")
        did(client, command="stop", machine_id="PRESS-02")

    assert "ERROR" not in daemon.log
