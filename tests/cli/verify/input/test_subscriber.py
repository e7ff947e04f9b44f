"""Facts about `verify --from-mqtt` at a real mosquitto: it receives messages, and logs in as the simulator."""

from __future__ import annotations

import asyncio
import re
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
import yaml
from mqtt5 import ConnectPacket
from paho.mqtt.client import Client, MQTTMessageInfo, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

import cli.verify.input.subscriber
from cli.verify.input.subscriber import SubscribeFailed, Subscriber
from edge.mqtt.protocol.codec import Encoder
from edge.settings.loader import Settings
from fuzz.rogue import CONNECT, WELCOME, Peer, Rogue, Script, packet
from messages import FactoryMessageGenerator
from plant.telemetry import JobMessage
from sandbox.broker import EmbeddedBroker
from tests.cli.verify.test_verify import HOUR, ONE_OF_EACH, answer_to, sums
from tests.conftest import StartMosquitto
from tests.support.brokers.mosquitto import PASSWORD, USERNAME, Mosquitto
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import end_loop
from tests.support.factory.plants import COUNTED, config, default
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

DESCRIPTORS = Path("/proc/self/fd")


class Plant:
    """A plant that publishes to a broker: half an hour at once, and another whenever somebody has asked for /oee."""

    def __init__(self, port: int) -> None:
        self._plant = FactoryMessageGenerator.of(config(ONE_OF_EACH), 1)
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._speak().wait_for_publish(10)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        end_loop(self._client)

    def answer(self) -> bytes:
        """What /oee reports now; half an hour later it is when somebody asks again."""
        now = sums(self._plant)
        self._speak()
        return now

    def _speak(self) -> MQTTMessageInfo:
        *_, last = (
            self._client.publish(f"factory/{row.kind}", row.payload, qos=1)
            for row in self._plant.advance(self._plant.now + HOUR / 2)
        )
        return last


@pytest.fixture
def plant(mosquitto: Mosquitto) -> Iterator[tuple[Plant, str]]:
    """A plant at mosquitto, and where its /oee is."""
    speaking = Plant(mosquitto.ports["plain"])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.path == "/oee"
            answer = speaking.answer() if is_known else b""
            self.send_response(200 if is_known else 404)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield speaking, f"http://127.0.0.1:{server.server_port}/oee"
    server.shutdown()
    server.server_close()
    thread.join()
    speaking.close()


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="only Linux shows a process its own descriptors")
def test_a_subscriber_that_has_ended_leaves_no_socket_to_the_garbage_collector(mosquitto: Mosquitto) -> None:
    """Nor those that wake the thread of paho, which could be collected before their client, and warn."""
    environ = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(mosquitto.ports["plain"])}
    settings = Settings.load({**environ, "MQTT_TLS": "false", "MQTT_AUTH_METHOD": "NONE"}, pid=1)
    subscriber = Subscriber(settings, "factory/#")
    before = len([*DESCRIPTORS.iterdir()])
    with subscriber:
        assert len([*DESCRIPTORS.iterdir()]) > before
    wait_until(lambda: len([*DESCRIPTORS.iterdir()]) <= before, 20.0, "all sockets are closed")


def sat(broker: Mosquitto) -> dict[str, str]:
    """The environment of a simulator with a token and TLS."""
    token = broker.credentials.ca_file.parent / "verify-token"
    token.write_bytes(broker.credentials.token())
    return {
        "MQTT_BROKER": "localhost",
        "MQTT_PORT": str(broker.ports["sat"]),
        "MQTT_CA_FILE": str(broker.credentials.ca_file),
        "SAT_TOKEN_PATH": str(token),
    }


def test_messages_live_from_the_broker_agree_with_what_was_added_to_the_sums(
    plant: tuple[Plant, str], mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over TLS with a token, as the simulator connects; messages before and after are not counted."""
    asked = ["--from-mqtt", "--duration", "2", "--truth", plant[1], "--strict"]

    answer = answer_to(asked, capsys, environ=sat(mosquitto))

    assert answer.code == 0, answer
    assert "5 machines, 2026-01-01T00:30:00Z to 2026-01-01T01:00:00Z (1,800 s)." in answer.text
    assert re.search(r"^[1-9][0-9,]* messages outside the time", answer.text, re.MULTILINE)


def test_with_mqtt_3_1_1_messages_live_from_the_broker_agree_too(
    plant: tuple[Plant, str], mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """The subscriber is a client of the version that the simulator uses."""
    asked = ["--from-mqtt", "--duration", "2", "--truth", plant[1], "--strict"]
    old = {"MQTT_VERSION": "3.1.1", "MQTT_AUTH_METHOD": "NONE", "MQTT_TLS": "false", "MQTT_CLIENT_ID": "old"}

    answer = answer_to(asked, capsys, environ=old | {"MQTT_PORT": str(mosquitto.ports["plain"])})

    assert answer.code == 0, answer
    assert "5 machines, 2026-01-01T00:30:00Z to 2026-01-01T01:00:00Z (1,800 s)." in answer.text
    assert "as old-verify (p2, c1, k60)" in mosquitto.log_tail()


def test_with_mqtt_3_1_1_a_broker_that_refuses_is_named(
    start_mosquitto: StartMosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its return code, in words."""
    broker = start_mosquitto(listeners=("password",))
    environ = {"MQTT_VERSION": "3.1.1", "MQTT_AUTH_METHOD": "NONE", "MQTT_BROKER": "localhost"}
    environ |= {"MQTT_PORT": str(broker.ports["password"]), "MQTT_CA_FILE": str(broker.credentials.ca_file)}

    refused = answer_to(["--from-mqtt", "--duration", "1"], capsys, environ=environ)

    assert refused.code == 2
    assert "the broker rejected the connection: return code 5 Not authorized (the broker requires" in refused.error


def test_a_broker_that_refuses_is_named(mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    """A token for somebody else, no token, and nobody there."""
    environ = sat(mosquitto)
    wrong = Path(environ["SAT_TOKEN_PATH"]).with_name("wrong")
    wrong.write_bytes(b"not a token")
    asked = ["--from-mqtt", "--duration", "1"]

    refused = answer_to(asked, capsys, environ=environ | {"SAT_TOKEN_PATH": str(wrong)})
    missing = answer_to(asked, capsys, environ=environ | {"SAT_TOKEN_PATH": "nowhere"})
    nobody = answer_to(asked, capsys, environ=environ | {"MQTT_PORT": "1"})

    assert [each.code for each in (refused, missing, nobody)] == [2, 2, 2]
    assert "the broker rejected the connection: 0x87 Not authorized" in refused.error
    assert "token file nowhere is missing" in missing.error
    assert "cannot reach localhost:1: Connection refused" in nobody.error


@pytest.fixture
def password(start_mosquitto: StartMosquitto, tmp_path: Path) -> tuple[Mosquitto, dict[str, str]]:
    """A broker that wants a password over TLS, and the environment of a simulator that has it."""
    broker = start_mosquitto(listeners=("password", "plain"))
    (tmp_path / "password").write_text(PASSWORD)
    return broker, {
        "MQTT_BROKER": "localhost",
        "MQTT_CA_FILE": str(broker.credentials.ca_file),
        "MQTT_PORT": str(broker.ports["password"]),
        "MQTT_AUTH_METHOD": "USERPASS",
        "MQTT_USERNAME": USERNAME,
        "MQTT_PASSWORD_FILE": str(tmp_path / "password"),
    }


def test_a_password_will_do(password: tuple[Mosquitto, dict[str, str]]) -> None:
    """USERPASS; retained messages are ignored, new ones are received."""
    broker, environ = password
    speaker = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    speaker.connect("127.0.0.1", broker.ports["plain"])
    speaker.loop_start()
    speaker.publish("factory/cnc", b"an old row", qos=1, retain=True).wait_for_publish(5)
    with Subscriber(Settings.load(environ, pid=1), "factory/#") as listener:
        speaker.publish("factory/cnc", b"a row", qos=1)
        heard = next(listener.payloads(20.0))
    speaker.disconnect()
    end_loop(speaker)

    assert (heard, listener.dropped, listener.disconnects) == (b'{"topic":"factory/cnc","payload":a row}', 0, 0)


def test_what_triggered_a_message_is_heard_with_it(password: tuple[Mosquitto, dict[str, str]]) -> None:
    """Topic and user property come as they do in a line of a dry run."""
    broker, environ = password
    row = JobMessage("welding", "WELD-01", "S", 0, 1, b'{"machine_id":"WELD-01"}')
    frame = Encoder(lambda message: f"factory/{message.kind}").frame(row, None)
    with (
        Subscriber(Settings.load(environ, pid=1), "factory/#") as listener,
        socket.create_connection(("127.0.0.1", broker.ports["plain"])) as speaker,
    ):
        speaker.sendall(ConnectPacket("raw").write())
        assert speaker.recv(1000)
        speaker.sendall(frame)
        heard = next(listener.payloads(20.0))

    assert heard == (
        b'{"topic":"factory/welding","user_properties":{"trigger":"job"},"payload":{"machine_id":"WELD-01"}}'
    )


def test_the_broker_must_bear_the_name_that_is_expected(password: tuple[Mosquitto, dict[str, str]]) -> None:
    """MQTT_TLS_SERVER_NAME counts, also where the address would be right."""
    settings = Settings.load(password[1] | {"MQTT_TLS_SERVER_NAME": "elsewhere"}, pid=1)

    with pytest.raises(SubscribeFailed, match="Hostname mismatch"), Subscriber(settings, "#"):
        pass


@contextmanager
def rogue(script: Script) -> Iterator[Settings]:
    """A broker with a script, in a thread, and the settings of its client."""
    port, done = list[int](), Event()

    async def serve() -> None:
        async with Rogue(script) as broker:
            port.append(broker.port)
            while not done.is_set():  # noqa: ASYNC110 - the event is of the other thread
                await asyncio.sleep(0.01)

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    while not port:
        done.wait(0.01)
    environ = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(port[0]), "MQTT_TLS": "false", "MQTT_AUTH_METHOD": "NONE"}
    try:
        yield Settings.load(environ, pid=1)
    finally:
        done.set()
        thread.join()


def answering(data: bytes, subscribed: bool = False) -> Script:
    """Let in, take the subscription where that is asked, and then send these bytes, again and again."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        _, body = await peer.hear(0x80)
        if subscribed:
            await peer.say(packet(0x90, body[:2] + b"\x00\x01"))
        while data:
            await peer.say(data)

    return script


WRONG: dict[str, tuple[bytes, str]] = {
    "a packet of 256 MiB": (b"\x30\xff\xff\xff\x7f" + b"x" * 65_536, "sent a packet of 268,435,455 bytes"),
    "QoS 2": (packet(0x34, b"\x00\x01t\x00\x07\x00"), "sent PUBLISH, which was not requested"),
    "PUBREL": (packet(0x62, b"\x00\x07"), "sent PUBREL, which was not requested"),
    "AUTH": (b"\xf0\x00", "sent AUTH, which was not requested"),
    "an unknown property": (packet(0x90, b"\x00\x01\x02\x7f\x00\x01"), "sent a malformed SUBACK"),
    "a cut-off PUBLISH": (packet(0x32, b"\x00"), "sent a malformed PUBLISH"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_broker_that_breaks_a_rule_is_left_and_the_text_says_that_we_did(what: str) -> None:
    """At once, for what a subscriber has not requested and for what is malformed."""
    data, why = WRONG[what]

    with rogue(answering(data)) as settings, pytest.raises(SubscribeFailed) as error, Subscriber(settings, "factory/#"):
        pass

    assert str(error.value).startswith(f"closed the connection: the broker {why}")


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x00\x09\x01", b"SSH-2.0-x\r\n"])
def test_a_port_of_another_protocol_is_recognised_by_its_first_byte(data: bytes) -> None:
    """At once, although the server waits."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(data)
        await peer.gone()

    with rogue(script) as settings, pytest.raises(SubscribeFailed) as error, Subscriber(settings, "#"):
        pass

    assert "does not use MQTT on this port" in str(error.value)


@pytest.mark.parametrize(("accepts", "packet_name"), [(False, "CONNECT"), (True, "SUBSCRIBE")])
def test_what_a_broker_does_not_answer_is_named(
    accepts: bool, packet_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may accept the connection, and ignore the subscription."""
    monkeypatch.setattr(cli.verify.input.subscriber, "_ANSWER_SECONDS", 0.5)

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        if accepts:
            await peer.say(WELCOME)
        await peer.gone()

    why = rf"did not answer {packet_name} within 0\.5 s"
    with rogue(script) as settings, pytest.raises(SubscribeFailed, match=why), Subscriber(settings, "#"):
        pass


def test_what_waits_to_be_read_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is slow loses messages, which are counted, and no memory: here 1 MiB may wait."""
    monkeypatch.setattr(cli.verify.input.subscriber, "_WAITING_BYTES", 1024 * 1024)
    row = packet(0x30, b"\x00\x01t\x00" + b"x" * 60_000)
    with rogue(answering(row * 4, subscribed=True)) as settings, Subscriber(settings, "#") as listener:
        tracemalloc.start()
        try:
            wait_until(lambda: listener.dropped > 200, 40, "messages are lost")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 8 * 1024 * 1024


def test_what_comes_on_topics_of_commands_is_no_message(tmp_path: Path) -> None:
    """Whatever a controller sends there, and what it is answered; the simulator says which topics those are."""
    plant, port = tmp_path / "plant.yaml", free_port()
    content = default()
    content["global"]["machine_counts"] = dict.fromkeys(COUNTED.values(), 1)
    plant.write_text(yaml.safe_dump({**content, "commands": {"topic": "{prefix}/do/{machine_id}"}}))
    with running(EmbeddedBroker()) as broker:
        run = ["run", "--seed", "1", "--speed", "300", *plain(broker), "--http-port", str(port), "--mqtt-commands"]
        asked = ["--from-mqtt", "--duration", "5", "--truth", f"http://127.0.0.1:{port}/oee", *plain(broker)]
        with DaemonProcess(*run, "--message-config-path", str(plant)) as daemon, Requester(broker.port) as hmi:
            daemon.says("subscribed to commands")
            hmi.response_topic = "factory/replies/hmi"
            with DaemonProcess("verify", *asked, "--strict") as verify:
                verify.says("subscribed to factory/#")
                for payload in (b"", b"[]", b"\xff", b'{"command":"clear"}', b'{"machine_id":"CNC-01","status":7}'):
                    hmi.send("", payload, topic="factory/do/CNC-01", correlation=payload)
                code = verify.wait(60)

    assert code == 0, verify.output
    assert "without commands on factory/do/+" in verify.log
    assert "unreadable" not in "".join(verify.output)
    assert "5 lines are not messages of a machine." in "".join(verify.output)
