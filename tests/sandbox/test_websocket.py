"""MQTT over WebSocket at the embedded broker: frames of any cut, pages of other origins, and MQTT.js."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt5 import ConnectPacket, DisconnectPacket, PingReqPacket
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, RejectConnection, Request

from sandbox.access import Passwords
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import Authority
from tests.sandbox.test_clients import run
from tests.support.brokers.rawclient import dialled, in_loop, message
from tests.support.brokers.rig import Lines

WEB = Listener(websocket=True)
MQTT_JS = Path(__file__).parents[2] / "build" / "mqttjs" / "node_modules" / "mqtt"
needs_mqtt_js = pytest.mark.skipif(
    shutil.which("node") is None or not MQTT_JS.is_dir(),
    reason="no MQTT.js: install Node.js with npm, then run: sh tests/setup_mqttjs.sh",
)


class Page:
    """The client's end of a WebSocket, by wsproto."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.reader, self.writer = reader, writer

    async def open(self, origin: str | None = None, subprotocols: tuple[str, ...] = ("mqtt",)) -> object:
        """Shake hands; return the answer."""
        headers = [] if origin is None else [(b"Origin", origin.encode())]
        request = Request("localhost", "/mqtt", subprotocols=list(subprotocols), extra_headers=headers)
        self.writer.write(self.protocol.send(request))
        return await self.event()

    async def event(self) -> object:
        """The next event."""
        async with asyncio.timeout(3):
            while True:
                for event in self.protocol.events():
                    return event
                self.protocol.receive_data(await self.reader.read(65_536) or None)

    async def heard(self, count: int) -> bytes:
        """The first bytes of MQTT that come."""
        got = b""
        while len(got) < count:
            event = await self.event()
            assert isinstance(event, BytesMessage), event
            got += event.data
        return got

    def say(self, *frames: bytes) -> None:
        """Send each as one binary frame."""
        self.writer.write(b"".join(self.protocol.send(BytesMessage(one)) for one in frames))


@asynccontextmanager
async def page(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Page]:
    """A page with nothing sent yet."""
    name = None if tls is None else "localhost"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        yield Page(reader, writer)
    finally:
        writer.close()


CONNECT, PING, PINGRESP = ConnectPacket("page", clean_start=True).write(), PingReqPacket().write(), b"\xd0\0"


@given(cuts=st.lists(st.integers(1, 60), max_size=12))
@settings(max_examples=25, deadline=None)
@in_loop
async def test_packets_may_be_cut_into_any_frames(cuts: list[int]) -> None:
    """A packet spans frames, and a frame has several packets (MQTT 5, 6.0)."""
    stream = CONNECT + message(7, "a", b"payload").write() + PING
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    async with EmbeddedBroker(WEB) as broker, page(broker.port) as client:
        recorder = broker.subscribe("a")
        accepted = await client.open()
        assert isinstance(accepted, AcceptConnection)
        assert accepted.subprotocol == "mqtt"
        client.say(*(stream[first:last] for first, last in itertools.pairwise(edges)))
        assert (await recorder.wait(1))[0].payload == b"payload"
        got = await client.heard(3)
        while not got.endswith(PINGRESP):
            got += await client.heard(1)


@in_loop
async def test_a_ping_of_websocket_is_answered_and_a_close_frame_ends_the_connection() -> None:
    """RFC 6455, 5.5: pong, and a close frame in answer; for MQTT that is an end without DISCONNECT."""
    async with EmbeddedBroker(WEB) as broker, page(broker.port) as client:
        await client.open()
        client.say(CONNECT)
        await client.heard(3)
        client.writer.write(client.protocol.send(Ping(b"here?")))
        assert await client.event() == Pong(b"here?")
        client.writer.write(client.protocol.send(CloseConnection(1000)))
        assert isinstance(await client.event(), CloseConnection)
        assert await client.reader.read() == b""
        assert broker.connected == []


@in_loop
async def test_the_broker_waits_for_the_clients_close_frame() -> None:
    """After DISCONNECT it sends one, and closes when it is answered: at once would break what is still written."""
    async with EmbeddedBroker(WEB) as broker, page(broker.port) as client:
        await client.open()
        client.say(CONNECT)
        await client.heard(3)
        client.say(DisconnectPacket().write())
        closing = await client.event()
        assert isinstance(closing, CloseConnection)
        end = asyncio.ensure_future(client.reader.read())
        assert await asyncio.wait([end], timeout=0.1) == (set(), {end})
        client.writer.write(client.protocol.send(closing.response()))
        assert await end == b""


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("https://[::1]:8443", True),
        ("https://known.example", True),
        ("https://evil.example", False),
        ("https://localhost.evil.example", False),
        ("http://known.example", False),
        ("null", False),
        ("http://[broken", False),
    ],
)
@in_loop
async def test_only_known_pages_may_connect(origin: str | None, allowed: bool, lines: Lines) -> None:
    """Programs send no Origin; a page of the Internet, which a browser lets reach loopback, gets 403 and a log line."""
    listener = Listener(websocket=True, origins=frozenset({"https://known.example"}))
    async with EmbeddedBroker(listener) as broker, page(broker.port) as client:
        answer = await client.open(origin)
        if allowed:
            assert isinstance(answer, AcceptConnection)
        else:
            assert isinstance(answer, RejectConnection)
            assert answer.status_code == 403
        assert lines.count("refused a page's WebSocket origin=") == (not allowed)


@pytest.mark.parametrize("offered", [(), ("mqttv3.1",), ("chat",)])
@in_loop
async def test_a_client_without_the_subprotocol_is_told_which(offered: tuple[str, ...]) -> None:
    """400 (MQTT 5, 6.0: the client offers `mqtt`)."""
    async with EmbeddedBroker(WEB) as broker, page(broker.port) as client:
        answer = await client.open(subprotocols=offered)
        assert isinstance(answer, RejectConnection)
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", CONNECT + b"\r\n\r\n", b"\xff" * 70_000]
)
@in_loop
async def test_what_is_no_websocket_is_answered_by_http(sent: bytes) -> None:
    """A browser, or an MQTT client on the wrong port, reads what the port is for."""
    async with EmbeddedBroker(WEB) as broker, dialled(broker.port) as client:
        client.send(sent)
        async with asyncio.timeout(3):
            answer = await client._reader.readuntil(b"WebSocket\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.endswith(b"\r\n\r\nthis port is for MQTT over WebSocket\n")


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x81\x80abcd", 1003), (b"\xc2\x80abcd", 1002), (b"\x82\x00", 1002), (b"\x83\x80abcd", 1002)],
    ids=["text", "reserved bit", "not masked", "unknown opcode"],
)
@in_loop
async def test_a_wrong_frame_ends_the_connection_with_its_code(frame: bytes, code: int) -> None:
    """Text frames (MQTT 5, 6.0) and what breaks RFC 6455; the next client is served."""
    upset: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: upset.append(context))
    async with EmbeddedBroker(WEB) as broker:
        async with page(broker.port) as client:
            await client.open()
            client.say(CONNECT)
            await client.heard(3)
            client.writer.write(frame)
            closed = await client.event()
            assert isinstance(closed, CloseConnection)
            assert closed.code == code
        async with page(broker.port) as client:
            assert isinstance(await client.open(), AcceptConnection)
    assert upset == []


@in_loop
async def test_a_handshake_has_the_time_of_a_connect() -> None:
    """Whoever opens the port and sends nothing is closed, as on a plain port; closing the broker waits for nobody."""
    async with EmbeddedBroker(WEB, limits=Limits(connect_seconds=0.1)) as broker, dialled(broker.port) as client:
        assert await client.ended() == "closed"
    async with EmbeddedBroker(WEB) as broker, dialled(broker.port) as client:
        pass
    assert broker.connected == []


@in_loop
async def test_a_violation_arrives_before_the_close_frame() -> None:
    """DISCONNECT with its code, then the end of the WebSocket."""
    async with EmbeddedBroker(WEB) as broker, page(broker.port) as client:
        await client.open()
        client.say(CONNECT + CONNECT)
        got = await client.heard(3)
        while not got.endswith(b"\xe0\x01\x82"):
            got += await client.heard(1)
        assert isinstance(await client.event(), CloseConnection)


@in_loop
async def test_a_cut_is_a_reset_and_a_will() -> None:
    """Faults work below WebSocket too."""
    async with EmbeddedBroker(WEB) as broker, page(broker.port) as client:
        await client.open()
        client.say(CONNECT)
        await client.heard(3)
        assert broker.cut("page") == 1
        with pytest.raises(ConnectionResetError):
            await client.reader.read()


@in_loop
async def test_websocket_works_over_tls_with_a_password() -> None:
    """wss, and the login of the listener."""
    authority = Authority()
    access = Passwords({"ann": "secret"})
    listener = Listener(websocket=True, tls=authority.server_context(), access=access)
    context = ssl.create_default_context(cadata=authority.ca_pem.decode())
    for password, code in ((b"secret", 0), (b"guess", 0x86)):
        async with EmbeddedBroker(listener) as broker, page(broker.port, context) as client:
            await client.open()
            client.say(ConnectPacket("page", username="ann", password=password).write())
            assert (await client.heard(4))[3] == code


SCRIPT = """
const [mqtt, url, version] = [require(process.argv[1]), process.argv[2], Number(process.argv[3])];
const will = {topic: "status/js", payload: "offline", qos: 1, retain: true};
const client = mqtt.connect(url, {protocolVersion: version, clientId: "js", reconnectPeriod: 0, will});
const heard = [];
client.on("error", (error) => { console.error(String(error)); process.exit(1); });
client.on("connect", () => client.subscribe({"js/#": {qos: 1}, "two": {qos: 2}}, (error, granted) => {
  heard.push(granted.map((each) => each.qos));
  client.publish("js/text", "hello", {qos: 1});
  client.publish("js/large", Buffer.alloc(200000, 7), {qos: 1});
}));
client.on("message", (topic, payload, packet) => {
  heard.push([topic, payload.length, packet.qos]);
  if (heard.length === 3) client.end(false, () => console.log(JSON.stringify(heard)));
});
"""


@needs_mqtt_js
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("scheme", ["ws", "mqtt"])
@in_loop
async def test_mqtt_js_works_in_both_versions(scheme: str, version: int) -> None:
    """MQTT.js, of 3.1.1 (its 4) and 5: subscribes, publishes, hears itself, and ends without a will."""
    async with EmbeddedBroker(Listener(websocket=scheme == "ws")) as broker:
        recorder = broker.subscribe("status/#")
        url = f"{scheme}://127.0.0.1:{broker.port}"
        node = await run("node", "-e", SCRIPT, str(MQTT_JS), url, str(version))
        output, errors = await node.communicate()
        assert errors == b""
        assert json.loads(output) == [[1, 1], ["js/text", 5, 1], ["js/large", 200_000, 1]]
        assert broker.connects[0].version == {4: "3.1.1", 5: "5"}[version]
        assert recorder.messages == []
