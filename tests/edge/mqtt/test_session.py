"""Facts about the session: paho's protocol on our link, and what we rely on inside paho.

The transport here is a list of bytes; both directions are written and read with an independent codec.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import mqtt5
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes

from edge.mqtt.protocol.codec import Splitter
from edge.mqtt.protocol.packet_reader import Answer
from edge.mqtt.session import Session, make_properties


class ListTransport(asyncio.Transport):
    """Keeps what is written; closes at once."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep whole frames."""
        self.frames += Splitter().split(bytes(data))

    def close(self) -> None:
        """Tell the protocol."""
        self._protocol.connection_lost(None)

    abort = close

    @property
    def packets(self) -> list[mqtt5.Packet]:
        """What was written, read back."""
        return [mqtt5.read(memoryview(frame))[0] for frame in self.frames]


class Bench:
    """A session on a link whose other end is the test."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, int]] = []
        self.batches = 0
        self.auths: list[int] = []
        self.connected: list[int] = []
        self.server_disconnects: list[int] = []
        self.closed: list[int] = []
        self.session = Session("me", self, self._acknowledged, self._count)
        self.link = self.session.channel
        self.transport = ListTransport(self.link)
        self.link.connection_made(self.transport)

    def on_connack(self, answer: Answer) -> None:
        """Note the code."""
        self.connected.append(answer.code)

    def on_auth(self, code: int) -> None:
        """Note the code."""
        self.auths.append(code)

    def on_server_disconnect(self, answer: Answer) -> None:
        """Note the code."""
        self.server_disconnects.append(answer.code)

    def on_closed(self, code: int) -> None:
        """Note the code."""
        self.closed.append(code)

    def _acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        self.acknowledged += [(packet_id, code) for packet_id in packet_ids]
        return len(packet_ids)

    def _count(self) -> None:
        self.batches += 1

    async def connect(self) -> None:
        """CONNECT, and a CONNACK that lets us in."""
        properties = make_properties(PacketTypes.CONNECT, AuthenticationMethod="K8S-SAT", AuthenticationData=b"token")
        self.session.open("broker", 1, 60, clean_start=False, properties=properties)
        await asyncio.sleep(0)
        self.hear(mqtt5.ConnAckPacket())

    def hear(self, *packets: mqtt5.ConnAckPacket | mqtt5.AuthPacket | mqtt5.PubAckPacket) -> None:
        """Receive packets in one read."""
        self.link.data_received(b"".join(packet.write() for packet in packets))


def play(story: Callable[[Bench], object]) -> Bench:
    """Play a story on a connected bench."""

    async def scene() -> Bench:
        bench = Bench()
        await bench.connect()
        story(bench)
        await asyncio.sleep(0)
        return bench

    return asyncio.run(scene())


def test_connect_carries_method_and_token() -> None:
    """CONNECT bears AuthenticationMethod and AuthenticationData as MQTT 5 has them."""
    packet = play(lambda _: None).transport.packets[0]

    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.client_id, packet.authentication_method, packet.authentication_data) == ("me", "K8S-SAT", b"token")
    assert not packet.clean_start


def test_re_authentication_is_an_auth_packet() -> None:
    """AUTH goes out with reason 0x19, method and data; a long token has a long length."""
    bench = play(lambda bench: bench.session.authenticate_again("K8S-SAT", b"t" * 1000))
    packet = bench.transport.packets[-1]

    assert isinstance(packet, mqtt5.AuthPacket)
    assert packet.reason_code == mqtt5.AuthReasonCode.RE_AUTHENTICATE
    assert (packet.authentication_method, packet.authentication_data) == ("K8S-SAT", b"t" * 1000)


def test_the_servers_auth_is_heard_and_the_connection_goes_on() -> None:
    """Its reason code is told once for each AUTH of ours; paho alone would have dropped the connection."""
    success = mqtt5.AuthPacket(authentication_method="K8S-SAT")
    later = mqtt5.AuthPacket(reason_code=mqtt5.AuthReasonCode.CONTINUE_AUTHENTICATION, authentication_method="K8S-SAT")

    def story(bench: Bench) -> None:
        for answer in (success, later):
            bench.session.authenticate_again("K8S-SAT", b"token")
            bench.hear(answer)

    bench = play(story)

    assert bench.auths == [0x00, 0x18]
    assert bench.session.is_connected()


def test_acknowledgements_of_telemetry_do_not_reach_paho() -> None:
    """A read with several of them, and a packet of paho's between, is dealt out; one batch is one batch."""
    auth = mqtt5.AuthPacket(authentication_method="K8S-SAT")

    def story(bench: Bench) -> None:
        bench.session.authenticate_again("K8S-SAT", b"token")
        bench.hear(mqtt5.PubAckPacket(2000), auth, mqtt5.PubAckPacket(2001))

    bench = play(story)

    assert bench.acknowledged == [(2000, 0), (2001, 0)]
    assert bench.auths == [0]
    assert bench.batches == 2


def test_disconnect_can_end_the_session_or_keep_it() -> None:
    """With an expiry of 0 the server forgets the session; without one it keeps it."""
    ending = play(lambda bench: bench.session.send_disconnect(session_expiry_seconds=0)).transport.packets[-1]
    keeping = play(lambda bench: bench.session.send_disconnect()).transport.packets[-1]

    assert isinstance(ending, mqtt5.DisconnectPacket)
    assert isinstance(keeping, mqtt5.DisconnectPacket)
    assert (ending.session_expiry_interval, keeping.session_expiry_interval) == (0, None)


def test_a_lost_connection_is_told_once() -> None:
    """paho hears the end of the bytes, and the link's future is done."""
    bench = play(lambda bench: bench.link.connection_lost(OSError("reset")))

    assert len(bench.closed) == 1
    assert isinstance(bench.link.closed.result(), OSError)


def test_bytes_that_are_no_frames_end_the_connection() -> None:
    """A length of five bytes is no MQTT: the connection is dropped, not waited on."""
    bench = play(lambda bench: bench.link.data_received(b"\x40\xff\xff\xff\xff\xff"))

    assert bench.link.closed.done()


def test_paho_is_the_one_this_was_built_on() -> None:
    """The private parts of paho that session.py and listen.py rest on are there, in the version that is pinned."""
    pinned = (Path(__file__).parents[3] / "requirements.txt").read_text()

    assert f"paho-mqtt=={version('paho-mqtt')}\n" in pinned
    assert list(inspect.signature(paho.Client._create_socket).parameters) == ["self"]
    assert list(inspect.signature(paho.Client._packet_handle).parameters) == ["self"]
    assert list(inspect.signature(paho.Client._sock_recv).parameters) == ["self", "bufsize"]
    assert paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)._clean_session is True
    assert {"command", "remaining_length"} <= set(paho.Client(CallbackAPIVersion.VERSION2)._in_packet)
