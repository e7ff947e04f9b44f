"""GET /api/v1/messages: what is delivered, as a subscriber of a real broker gets it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.status import Busy
from edge.traffic import CATEGORIES, TrafficBatch, TrafficRow
from sandbox.broker import EmbeddedBroker
from tests.conftest import require_mosquitto
from tests.edge.http.test_api import problem_of
from tests.edge.http.test_routes import Shown
from tests.edge.http.test_routes import client as client  # noqa: PLC0414 - a fixture, as those below
from tests.edge.http.test_routes import running as running  # noqa: PLC0414
from tests.edge.http.test_routes import shown as shown  # noqa: PLC0414
from tests.edge.runtime.test_live_commands import client_of, http, plant_file
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import ROOT, DaemonProcess, plain
from tests.support.processes.daemon import running as at_broker
from tests.support.processes.waiting import wait_until

PATH = "/api/v1/messages"
PER_MACHINE = ["--mqtt-connections", "per_machine", "--mqtt-device-client-id", "{machine_id}"]
ROW = TrafficRow("2026-01-05T08:00:00.123Z", "f/<b>", 1, True, "alarm", None, 3, "\N{REPLACEMENT CHARACTER}</b>", False)


@pytest.mark.parametrize(
    ("asked", "parameter", "rule"),
    [
        ({"topic": "a/#/b"}, "topic", "topic filter 'a/#/b' must have # only as its last level"),
        ({"topic": "$share/a/b"}, "topic", "must not be shared: nobody subscribes here"),
        ({"category": "alarms"}, "category", "must be 'telemetry', 'event', 'alarm', 'status', 'command' or 'order'"),
        ({"qos": "2"}, "qos", 'must be at most 1, got "2"'),
        ({"qos": "x"}, "qos", "must be a whole number"),
        ({"retain": "perhaps"}, "retain", "must be true or false"),
        ({"text": "x" * 201}, "text", "must have at most 200 characters"),
        ({"limit": "0"}, "limit", 'must be at least 1, got "0"'),
        ({"limit": "1001"}, "limit", 'must be at most 1000, got "1001"'),
        ({"machine": "PRESS-01"}, "machine", "no such parameter; did you mean machine_id?"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_rule(
    client: httpx.Client, asked: dict[str, str], parameter: str, rule: str
) -> None:
    """And nothing is looked at."""
    problem = problem_of(client.get(PATH, params=asked))

    assert problem["status"] == 422
    assert [each["parameter"] for each in problem["errors"]] == [parameter]
    assert rule in problem["errors"][0]["detail"]


def test_messages_are_answered_as_they_are(shown: Shown, client: httpx.Client) -> None:
    """Nothing of a payload is taken for a secret, or for markup: it is what everybody at the broker gets."""
    shown.delivered = TrafficBatch(7, 40, 1, [ROW])
    answer = client.get(PATH, params={"category": "alarm"})

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"seen": 40, "matched": 1, "rows": [ROW.described()]}


def test_where_too_many_look_the_next_is_told_to_try_again(shown: Shown, client: httpx.Client) -> None:
    """By problem details."""
    shown.error = Busy()
    answer = client.get(PATH)

    assert problem_of(answer)["status"] == 503
    assert answer.headers["retry-after"] == "2"


def test_openapi_and_the_tap_know_the_same_categories(client: httpx.Client) -> None:
    """In the same order."""
    call = client.get("/openapi.json").json()["paths"][PATH]["get"]
    category = next(each for each in call["parameters"] if each["name"] == "category")

    assert tuple(category["schema"]["anyOf"][0]["enum"]) == CATEGORIES


def looked(client: httpx.Client, **asked: Any) -> list[dict[str, Any]]:
    """The messages of an answer."""
    answer = client.get(PATH, params={"limit": 1000, **asked})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def sandbox_without_chance(directory: Path) -> str:
    """Write the plant of the sandbox with faults that begin by command alone."""
    content = (ROOT / "scenarios" / "sandbox.yaml").read_text("utf-8")
    assert "&often 0.2" in content
    path = directory / "sandbox.yaml"
    path.write_text(content.replace("&often 0.2", "&often 8760"))
    return str(path)


class Sandbox:
    """A daemon with the plant of the sandbox, at a broker.  port: of the broker."""

    def __init__(self, client: httpx.Client, recorder: Recorder, port: int) -> None:
        self.client, self.recorder, self.port = client, recorder, port

    def sees(self, what: str, **asked: Any) -> dict[str, Any]:
        """Wait for a message with a text in its payload."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            time.sleep(0.05)
            found[:] = [row for row in looked(self.client, **asked) if what in row["payload"]]
            return bool(found)

        wait_until(is_there, 20.0, f"{what} in {asked}")
        return found[-1]

    def is_up(self) -> None:
        """Wait until each device is connected."""

        def are_up() -> bool:
            devices = self.client.get("/healthz").json()["connection"]["devices"]
            return bool(devices["up"] == devices["wanted"])

        wait_until(are_up, 15.0, "all devices")

    def did(self, **command: Any) -> None:
        """Have a command executed over HTTP."""
        assert self.client.post("/api/v1/commands", json=command).status_code == 200


@pytest.fixture(scope="module", params=["shared", "per_machine"])
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox at the embedded broker, on one connection or with one for each device."""
    connections = PER_MACHINE if request.param == "per_machine" else []
    with at_broker(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        flags = [
            "--message-config-path",
            sandbox_without_chance(tmp_path_factory.mktemp("plant")),
            "--mqtt-commands",
            *connections,
            *http(),
            *plain(broker),
        ]
        with DaemonProcess("run", *flags) as daemon, client_of(daemon) as client:
            yield Sandbox(client, recorder, broker.port)


def test_what_is_shown_is_what_a_subscriber_gets(sandbox: Sandbox) -> None:
    """Topic, QoS and payload, message by message; and the size of each."""
    looked(sandbox.client)
    wait_until(lambda: len(looked(sandbox.client)) > 20, 15.0, "messages")
    rows = looked(sandbox.client)
    shown = {(row["topic"], row["qos"], row["payload"]) for row in rows}

    def got() -> set[tuple[str, int, str]]:
        return {(each.topic, each.qos, each.payload.decode()) for each in sandbox.recorder.records}

    wait_until(lambda: shown <= got(), 20.0, "the subscriber has them, too")

    assert all(row["bytes"] == len(row["payload"].encode()) and not row["cut"] for row in rows)
    assert all(row["machine_id"] == json.loads(row["payload"])["device_id"] for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


def test_category_qos_and_retain_flag_are_those_of_the_message(sandbox: Sandbox) -> None:
    """Values at QoS 0, a state and an alarm at QoS 1, a state retained."""
    for category in ("telemetry", "status", "alarm"):
        looked(sandbox.client, category=category)
    sandbox.did(command="inject", machine_id="conveyor", fault="jam", severity=1)
    value = sandbox.sees('"sensor"', category="telemetry")
    state = sandbox.sees('"state"', category="status")
    alarm = sandbox.sees('"alarm_type"', category="alarm")

    assert [(each["qos"], each["retain"]) for each in (value, state, alarm)] == [(0, False), (1, True), (1, False)]
    assert alarm["topic"] == "factory/alarms/conveyor/current"
    assert looked(sandbox.client, category="telemetry", qos=1) == []


def test_a_command_over_mqtt_is_seen_as_it_came(sandbox: Sandbox) -> None:
    """On its topic, with the whole of its payload."""
    commands = {"machine_id": "press", "category": "command"}
    looked(sandbox.client, **commands)
    wait_until(
        lambda: sandbox.client.get("/healthz").json()["connection"]["commands"]["subscribed"], 15.0, "a subscription"
    )
    looked(sandbox.client, **commands)
    with Requester(sandbox.port, "controller") as requester:
        requester.send("press", {"command": "maintenance", "reason": "<b>check</b>"})
        command = sandbox.sees("maintenance", **commands)

    assert command["topic"] == "factory/commands/controller/press"
    assert (command["qos"], command["retain"], command["machine_id"]) == (1, False, "press")
    assert json.loads(command["payload"])["reason"] == "<b>check</b>"


@pytest.mark.parametrize("sandbox", ["per_machine"], indirect=True, scope="module")
def test_announcements_and_the_will_are_seen(sandbox: Sandbox) -> None:
    """Online after a reconnect, offline before it; and after a crash what the broker publishes in its place."""
    statuses = {"category": "status", "topic": "factory/status/press"}
    sandbox.is_up()
    looked(sandbox.client, **statuses)
    sandbox.did(command="reconnect", machine_id="press")
    sandbox.sees('"online"', **statuses)
    announced = [json.loads(row["payload"])["status"] for row in looked(sandbox.client, **statuses)]
    sandbox.did(command="crash", machine_id="press", seconds=1)
    wait_until(lambda: len(looked(sandbox.client, **statuses)) == 4, 20.0, "the will, and the device again")
    will = looked(sandbox.client, **statuses)[2]
    wait_until(
        lambda: will["payload"].encode() in [each.payload for each in sandbox.recorder.records], 10.0, "the will"
    )

    assert announced == ["offline", "online"]
    assert json.loads(will["payload"])["status"] == "offline"
    assert (will["qos"], will["retain"]) == (1, True)


@pytest.fixture(scope="module")
def workers(
    tmp_path_factory: pytest.TempPathFactory, credentials: Credentials
) -> Iterator[tuple[httpx.Client, Recorder]]:
    """Two of them with half of a plant each, at a real broker; and what a subscriber gets."""
    require_mosquitto()
    directory = tmp_path_factory.mktemp("workers")
    flags = ["--workers", "2", "--message-config-path", plant_file(directory, "faults", 40), *http(), "--seed", "1"]
    with Mosquitto(directory / "mosquitto", credentials, listeners=("plain",)) as broker:
        port = broker.ports["plain"]
        address = [
            "--mqtt-broker",
            "127.0.0.1",
            "--mqtt-port",
            str(port),
            "--no-mqtt-tls",
            "--mqtt-auth-method",
            "none",
        ]
        with Recorder(port) as recorder, DaemonProcess("run", *flags, *address) as daemon, client_of(daemon) as client:
            yield client, recorder


def test_workers_show_the_messages_of_all(workers: tuple[httpx.Client, Recorder]) -> None:
    """Each part's, in the order of their delivery, and counted together."""
    client, _ = workers
    machines = {"PRESS-01", "PRESS-02", "PRESS-03", "PRESS-04"}
    wait_until(lambda: {row["machine_id"] for row in looked(client)} >= machines, 15.0, "all machines")
    first = client.get(PATH, params={"limit": 1000}).json()
    one = client.get(PATH, params={"machine_id": "PRESS-02", "limit": 3}).json()

    assert [row["at"] for row in first["rows"]] == sorted(row["at"] for row in first["rows"])
    assert first["seen"] == first["matched"] >= len(first["rows"]) > 0
    assert {row["machine_id"] for row in one["rows"]} == {"PRESS-02"}


def heard(recorder: Recorder) -> list[tuple[str, str]]:
    """Topics and payloads that a subscriber got, in their order."""
    return [(each.topic, each.payload.decode()) for each in recorder.records]


def test_who_follows_workers_gets_each_message_once(workers: tuple[httpx.Client, Recorder]) -> None:
    """From one event of the stream to the next, without a gap, as a subscriber gets them."""
    client, recorder = workers
    rows: list[dict[str, Any]] = []
    matched = 0
    with client.stream("GET", "/api/v1/stream", params={"traffic": "true"}) as stream:
        lines = stream.iter_lines()
        while len(rows) < 150:
            if next(lines) == "event: traffic":
                content = json.loads(next(lines).removeprefix("data: "))
                matched += content["matched"]
                rows += content["rows"]
    seen = [(row["topic"], row["payload"]) for row in rows]
    wait_until(lambda: {*seen} <= {*heard(recorder)}, 20.0, "the subscriber has them, too")

    assert matched == len(rows) == len({*seen})
    for machine_id in {row["machine_id"] for row in rows}:
        its = [each for each in seen if f'"{machine_id}"' in each[1]]
        of_machine = [each for each in heard(recorder) if f'"{machine_id}"' in each[1]]
        first = of_machine.index(its[0])
        assert its == of_machine[first : first + len(its)]
