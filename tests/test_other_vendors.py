"""Facts about messages at brokers and clients of others: the same ones arrive, whoever made broker and client.

The simulator runs as its users run it; what has to arrive is what the same run writes with --dry-run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from sandbox.broker import EmbeddedBroker
from sandbox.connections.listener import Listener
from tests.conftest import StartMosquitto
from tests.support.neutral.ejabberd import Ejabberd
from tests.support.neutral.readers import Address, Arrived, MosquittoSub, MqttJs, Reader
from tests.support.neutral.required import require_ejabberd, require_mosquitto_sub, require_mqttjs
from tests.support.processes.daemon import DaemonProcess, running

PLANT = """
message_types:
  cnc_machine: {count: 3, part_types: [Hülle, "部品", "🚀"]}
  painting: {count: 2}
  sandbox_conveyor: {count: 1}
  customer_order: {orders_per_hour: 60, product_types: [part], quantity_ranges: {part: [1, 2]}}
"""
COUNT = 200
STATES = "factory/state/#"
NAME, PASSWORD = "factory", "the word of factory"

Topics = dict[str, list[tuple[bytes, int]]]
"""By topic, the payload and QoS of each message in order."""


class Place(NamedTuple):
    """A broker: how the simulator gets there, and where clients do, by transport."""

    flags: Sequence[str]
    tcp: Address
    websocket: Address


@pytest.fixture(scope="module")
def ejabberd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ejabberd]:
    """An ejabberd without access rules, for all tests here."""
    require_ejabberd()
    with Ejabberd(tmp_path_factory.mktemp("ejabberd"), {NAME: PASSWORD}) as broker:
        yield broker


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plant's file."""
    path = tmp_path_factory.mktemp("plant") / "plant.yaml"
    path.write_text(PLANT)
    return path


@pytest.fixture(scope="module")
def wanted(plant: Path) -> Topics:
    """What has to arrive."""
    return expected(plant)


@pytest.fixture
def at_ejabberd(ejabberd: Ejabberd, tmp_path: Path) -> Place:
    """There, by user name and password."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    login = ("--mqtt-auth-method", "userpass", "--mqtt-username", NAME, "--mqtt-password-file", str(secret))
    tcp = Address(ejabberd.mqtt_port, NAME, PASSWORD)
    return Place(login, tcp, Address(ejabberd.websocket_port, NAME, PASSWORD, "/mqtt"))


@pytest.fixture
def at_mosquitto(start_mosquitto: StartMosquitto) -> Place:
    """There, anonymously."""
    ports = start_mosquitto(listeners=("plain", "websocket")).ports
    return Place(("--mqtt-auth-method", "none"), Address(ports["plain"]), Address(ports["websocket"], path=""))


def run_flags(plant: Path) -> list[str]:
    """A run of some messages, the same ones each time."""
    flags = ["run", "--file", str(plant), "--start", "2026-01-01T06:00:00Z", "--speed", "max", "--count", str(COUNT)]
    return [*flags, "--seed", "neutral", "--queue-policy", "block", "--http-port", "0"]


def simulate(plant: Path, place: Place) -> None:
    """Run the simulator to its end at a broker."""
    address = ("--mqtt-broker", "127.0.0.1", "--mqtt-port", str(place.tcp.port), "--no-mqtt-tls")
    with DaemonProcess(*run_flags(plant), *address, *place.flags) as process:
        assert process.wait(40) == 0, process.log


def expected(plant: Path) -> Topics:
    """What the run publishes."""
    with DaemonProcess(*run_flags(plant), "--dry-run") as process:
        assert process.wait(40) == 0, process.log
    return by_topic(map(_written, process.output))


def _written(line: str) -> Arrived:
    """A line of --dry-run as a message: the payload stands in it byte by byte."""
    about = json.loads(line)
    payload = line.rstrip("\n").partition(',"payload":')[2].removesuffix("}")
    return Arrived(about["topic"], payload.encode(), about["qos"], about["retain"])


def by_topic(messages: Iterable[Arrived]) -> Topics:
    """Messages by topic, in order."""
    found: Topics = defaultdict(list)
    for each in messages:
        found[each.topic].append((each.payload, each.qos))
    return dict(found)


def readers(place: Place, filters: Sequence[str] = ("factory/#",)) -> dict[str, Callable[[], Reader]]:
    """All clients, by what they are."""
    return {
        "mosquitto_sub": lambda: MosquittoSub(place.tcp, filters),
        "MQTT.js 3.1.1": lambda: MqttJs(place.tcp, filters, 4),
        "MQTT.js 5": lambda: MqttJs(place.tcp, filters, 5),
        "MQTT.js 3.1.1, WebSocket": lambda: MqttJs(place.websocket, filters, 4),
        "MQTT.js 5, WebSocket": lambda: MqttJs(place.websocket, filters, 5),
    }


class Heard(NamedTuple):
    """What each client has got: during the run, and by a subscription to states after it."""

    live: dict[str, list[Arrived]]
    late: dict[str, list[Arrived]]


def subscribed(stack: ExitStack, makers: Mapping[str, Callable[[], Reader]]) -> dict[str, Reader]:
    """Start all clients at once, and wait until each is subscribed."""
    clients = {name: stack.enter_context(make()) for name, make in makers.items()}
    for client in clients.values():
        client.wait_until_subscribed()
    return clients


def heard(place: Place, plant: Path) -> Heard:
    """Run the simulator while all clients listen."""
    with ExitStack() as stack:
        clients = subscribed(stack, readers(place))
        simulate(plant, place)
        live = {name: list(client.wait_for(COUNT)) for name, client in clients.items()}
    with ExitStack() as stack:
        clients = subscribed(stack, readers(place, (STATES,)))
        return Heard(live, {name: list(client.wait_for(1)) for name, client in clients.items()})


def check(found: Heard, wanted: Topics) -> None:
    """Hold what clients got against what the same run writes with --dry-run."""
    [states] = [each for topic, each in wanted.items() if "/state/" in topic]
    for name, received in found.live.items():
        assert len(received) == COUNT, name
        assert by_topic(received) == wanted, name
        assert not any(each.retain for each in received), name
    for name, received in found.late.items():
        assert [(each.payload, each.qos, each.retain) for each in received] == [(*states[-1], True)], name
    assert {qos for messages in wanted.values() for _, qos in messages} == {0, 1}


def test_every_client_at_mosquitto_gets_every_message_once_in_order_and_byte_by_byte(
    at_mosquitto: Place, plant: Path, wanted: Topics
) -> None:
    """Of MQTT 3.1.1 and 5, over TCP and WebSocket, with its QoS; late ones get the last state, as retained."""
    require_mqttjs()
    check(heard(at_mosquitto, plant), wanted)


def test_every_client_at_ejabberd_gets_every_message_once_in_order_and_byte_by_byte(
    at_ejabberd: Place, plant: Path, wanted: Topics
) -> None:
    """The same: a broker in another language, of another vendor."""
    require_mqttjs()
    require_mosquitto_sub()
    check(heard(at_ejabberd, plant), wanted)


def test_every_client_at_the_embedded_broker_gets_every_message_once_in_order_and_byte_by_byte(
    plant: Path, wanted: Topics
) -> None:
    """The same."""
    require_mqttjs()
    require_mosquitto_sub()
    with running(EmbeddedBroker(Listener(), Listener(websocket=True))) as broker:
        tcp, websocket = (Address(port) for port in broker.ports)
        place = Place(("--mqtt-auth-method", "none"), tcp, websocket._replace(path="/mqtt"))
        check(heard(place, plant), wanted)
