"""Scripted faults: each does to a client what it says, to the packets it names and to no others."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
)

from sandbox.access import ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import Authority, TokenIssuer
from sandbox.faults import Rule, acknowledge, disconnect, take
from tests.support.brokers.rawclient import RawClient, connected, dialled, in_loop, message


async def acknowledgements(client: RawClient, count: int) -> list[tuple[int, int]]:
    """Packet id and code of the next PUBACKs."""
    packets = [await client.receive(PubAckPacket) for _ in range(count)]
    return [(packet.packet_id, int(packet.reason_code)) for packet in packets]


async def connack_code(port: int, client_id: str = "raw") -> int:
    """What CONNACK says to a client."""
    async with connected(port, client_id) as (_, connack):
        return int(connack.reason_code)


@pytest.mark.parametrize(
    ("scope", "hit"),
    [
        ({}, [1]),
        ({"times": None}, [1, 2, 3, 4, 5, 6, 7]),
        ({"nth": 3}, [3]),
        ({"nth": 2, "times": 2}, [2, 3]),
        ({"nth": 2, "every": 3, "times": None}, [2, 5]),
        ({"when": lambda packet: packet.topic == "odd", "nth": 2}, [3]),
        ({"client": "somebody else"}, []),
    ],
)
@in_loop
async def test_a_rule_acts_on_the_packets_of_its_scope(scope: Any, hit: list[int]) -> None:
    """The nth packet, every so many, so often, under a condition, of one client: and its hits are counted."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        rule = broker.faults.puback(0x97, **scope)
        client.send(*[message(number, "odd" if number % 2 else "even") for number in range(1, 8)])
        codes = await acknowledgements(client, 7)
        assert [number for number, code in codes if code == 0x97] == hit
        assert rule.hits == len(hit)


@in_loop
async def test_a_refused_message_is_not_delivered() -> None:
    """A scripted PUBACK of 0x80 or more means that the message was not taken; any code at all can be given."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        recorder = broker.subscribe("#")
        broker.faults.puback(0x87, nth=2)
        client.send(message(1), message(2), message(3, payload=b"last"))
        assert await acknowledgements(client, 3) == [(1, 0), (2, 0x87), (3, 0)]
        assert [one.payload for one in recorder.messages] == [b"x", b"last"]
        assert broker.counters.acknowledged == {0: 2, 0x87: 1}


@in_loop
async def test_cancelled_and_cleared_rules_act_no_more() -> None:
    """One rule can be taken back, or all of them."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.faults.puback(0x97, times=None).cancel()
        client.send(message(1))
        assert await acknowledgements(client, 1) == [(1, 0x10)]
        broker.faults.puback(0x97, times=None)
        broker.faults.clear()
        client.send(message(2))
        assert await acknowledgements(client, 1) == [(2, 0x10)]


@in_loop
async def test_actions_can_be_strung_together() -> None:
    """A rule of one's own: take the message, acknowledge it, then send the client away."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        recorder = broker.subscribe("#")
        broker.faults.add(Rule(on=PublishPacket, actions=(take, acknowledge(0), disconnect(0x98))))
        client.send(message(1), message(2))
        assert await acknowledgements(client, 1) == [(1, 0)]
        assert (await client.receive(DisconnectPacket)).reason_code == 0x98
        assert len(recorder.messages) == 1


@in_loop
async def test_of_two_rules_on_one_packet_the_first_answers() -> None:
    """Both count it, one acts; the other waits for the next."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.faults.puback(0x97, nth=2)
        broker.faults.puback(0x87, nth=2)
        client.send(message(1), message(2), message(3))
        assert await acknowledgements(client, 3) == [(1, 0x10), (2, 0x97), (3, 0x87)]


@in_loop
async def test_connect_is_refused_as_often_as_scripted() -> None:
    """The first two get the code, the third is let in; and always means always."""
    async with EmbeddedBroker() as broker:
        broker.faults.refuse(0x97, times=2)
        assert [await connack_code(broker.port) for _ in range(3)] == [0x97, 0x97, 0]
        broker.faults.refuse(0x88, times=None, client="banned")
        assert [await connack_code(broker.port, name) for name in ("banned", "raw", "banned")] == [0x88, 0, 0x88]
        assert broker.counters.refused == {0x97: 2, 0x88: 2}
        assert broker.sessions == {}


@pytest.mark.parametrize("taken", [True, False])
@in_loop
async def test_cut_resets_the_connection_at_the_nth_message(taken: bool) -> None:
    """RST, no DISCONNECT; the message was handed on without its PUBACK, or is lost."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        recorder = broker.subscribe("#")
        broker.faults.cut(nth=3, taken=taken)
        client.send(message(1), message(2))
        await acknowledgements(client, 2)
        client.send(message(3), message(4))
        assert await client.ended() == "reset"
        assert len(recorder.messages) == (3 if taken else 2)


@in_loop
async def test_connections_are_cut_at_once() -> None:
    """`cut` on the broker, for one client or for all, and at the next CONNECT by a rule, under TLS too."""
    authority = Authority()
    async with EmbeddedBroker(Listener(tls=authority.server_context()), Listener()) as broker:
        async with connected(broker.ports[1], "a") as (one, _), connected(broker.ports[1], "b") as (other, _):
            assert broker.cut("a") == 1
            assert await one.ended() == "reset"
            assert broker.cut() == 1
            assert await other.ended() == "reset"
        broker.faults.cut(ConnectPacket)
        async with dialled(broker.ports[0], authority_context(authority)) as client:
            client.send(ConnectPacket("c"))
            assert await client.ended() == "reset"


def authority_context(authority: Authority) -> ssl.SSLContext:
    """A client's TLS context."""
    return ssl.create_default_context(cadata=authority.ca_pem.decode())


@in_loop
async def test_disconnect_is_sent_at_the_nth_message_or_at_once() -> None:
    """Any DISCONNECT code; earlier messages are acknowledged first."""
    async with EmbeddedBroker() as broker:
        broker.faults.disconnect(0x97, nth=2)
        async with connected(broker.port) as (client, _):
            client.send(message(1), message(2), message(3))
            assert await acknowledgements(client, 1) == [(1, 0x10)]
            assert (await client.receive(DisconnectPacket)).reason_code == 0x97
            assert await client.ended() == "closed"
        async with connected(broker.port) as (client, _):
            assert broker.disconnect(0x8D) == 1
            assert (await client.receive(DisconnectPacket)).reason_code == 0x8D


@in_loop
async def test_a_stall_takes_bytes_and_answers_nothing() -> None:
    """From the second message on the client hears nothing until the time is over; then all answers come in order."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.faults.stall(0.3, nth=2)
        client.send(message(1))
        await acknowledgements(client, 1)
        client.send(message(2), message(3), PingReqPacket())
        assert await client.silent(0.25)
        assert await acknowledgements(client, 2) == [(2, 0x10), (3, 0x10)]
        await client.receive(PingRespPacket)


@in_loop
async def test_a_stalled_broker_answers_nobody_until_released() -> None:
    """`stall` holds connections there are and new ones; keep-alive does not end them meanwhile."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.stall()
        client.send(message(1))
        async with dialled(broker.port) as other:
            other.send(ConnectPacket("other"), message(2))
            assert all(await asyncio.gather(client.silent(0.1), other.silent(0.1)))
            broker.release()
            assert await acknowledgements(client, 1) == [(1, 0x10)]
            await other.receive(ConnAckPacket)
            assert await acknowledgements(other, 1) == [(2, 0x10)]
        assert await connack_code(broker.port) == 0


@in_loop
async def test_a_stalled_connection_reads_a_bounded_amount() -> None:
    """What a client sends into a stall fills its own buffers in the end, not the broker's memory."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.stall()
        for _ in range(400):
            client.send(message(None, payload=bytes(50_000)))
            await asyncio.sleep(0)
        (connection,) = broker._connections
        await asyncio.sleep(0.1)
        assert len(connection._unread) < 2_000_000
        assert client.writer.transport.get_write_buffer_size() > 0
        recorder = broker.subscribe("#")
        broker.release()
        await recorder.wait(400)


@in_loop
async def test_acknowledgements_are_delayed_and_stay_in_order() -> None:
    """One message's PUBACK comes late, and so do those behind it (MQTT 5, 4.6); the messages themselves are on time."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        recorder = broker.subscribe("#")
        broker.faults.delay(0.2, nth=2)
        client.send(message(1), message(2), message(3))
        assert await acknowledgements(client, 1) == [(1, 0)]
        assert len(recorder.messages) == 3
        assert await client.silent(0.15)
        assert await acknowledgements(client, 2) == [(2, 0), (3, 0)]


@in_loop
async def test_withheld_acknowledgements_fill_the_clients_window() -> None:
    """A message is taken and never acknowledged; it counts against Receive Maximum for good."""
    async with EmbeddedBroker(limits=Limits(receive_maximum=2)) as broker, connected(broker.port) as (client, _):
        broker.faults.withhold(times=2)
        client.send(message(1), message(2))
        assert await client.silent(0.05)
        client.send(message(3))
        assert (await client.receive(DisconnectPacket)).reason_code == 0x93


@in_loop
async def test_pings_and_other_packets_are_ignored() -> None:
    """A scripted silence on PINGREQ or SUBSCRIBE; the rest works."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.faults.ignore(PingReqPacket, times=2)
        client.send(PingReqPacket(), PingReqPacket(), message(1))
        assert await acknowledgements(client, 1) == [(1, 0x10)]
        client.send(PingReqPacket())
        await client.receive(PingRespPacket)


@in_loop
async def test_an_ignored_connect_opens_nothing() -> None:
    """Without CONNACK there is no session, and what the client sends after it goes nowhere."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        recorder = broker.subscribe("#")
        broker.faults.ignore(ConnectPacket)
        client.send(ConnectPacket("raw"), message(1))
        assert await client.silent(0.05)
        assert recorder.messages == []


@in_loop
async def test_limits_are_imposed_on_scripted_connections() -> None:
    """Receive Maximum, QoS, packet size and keep-alive of CONNACK, for one connection; and enforced there."""
    limits = Limits(receive_maximum=3, maximum_qos=0, maximum_packet_size=90, server_keep_alive_seconds=4)
    async with EmbeddedBroker() as broker:
        broker.faults.impose(limits)
        async with connected(broker.port) as (client, connack):
            assert (connack.receive_max, int(connack.max_qos)) == (3, 0)
            assert (connack.max_packet_size, connack.server_keep_alive) == (90, 4)
            client.send(message(1))
            assert (await client.receive(DisconnectPacket)).reason_code == 0x9B
        async with connected(broker.port) as (client, connack):
            assert connack.receive_max == broker.limits.receive_maximum
            broker.limits = limits
        async with connected(broker.port) as (client, connack):
            assert connack.receive_max == 3
            client.send(message(None, payload=bytes(90)))
            assert (await client.receive(DisconnectPacket)).reason_code == 0x95


@in_loop
async def test_reauthentication_is_postponed_or_left_unanswered() -> None:
    """AUTH 0x18 or nothing; either way the new token was not taken, and the old one's end stands."""
    start = 1_000_000_000.6 - time.monotonic()
    issuer = TokenIssuer(clock=lambda: start + time.monotonic())
    fields: dict[str, Any] = {"authentication_method": "K8S-SAT"}
    old = issuer.token(lifetime_seconds=1).encode()
    again = AuthPacket(
        reason_code=AuthReasonCode.RE_AUTHENTICATE, authentication_data=issuer.token().encode(), **fields
    )
    async with (
        EmbeddedBroker(Listener(access=ServiceAccountTokens(issuer))) as broker,
        connected(broker.port, authentication_data=old, **fields) as (client, _),
    ):
        broker.faults.postpone_reauthentication()
        broker.faults.ignore(AuthPacket, nth=2)
        client.send(again, again)
        answer = await client.receive(AuthPacket)
        assert (answer.reason_code, answer.authentication_method) == (0x18, "K8S-SAT")
        assert await client.ended() == "closed"
        assert broker.counters.reauthentications == 0
        assert len(broker.auths) == 2


@in_loop
async def test_a_broker_is_killed_and_restarted_many_times() -> None:
    """Twenty times RST and the same port again; a client in the middle of publishing sees nothing else."""
    async with EmbeddedBroker() as broker:
        port = broker.port
        for round_number in range(1, 21):
            async with connected(port, session_expiry_interval=60) as (client, connack):
                assert connack.session_present is (round_number > 1)
                client.send(*[message(number) for number in range(1, 50)])
                await client.receive(PubAckPacket)
                await broker.kill()
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
            await broker.start()
        assert broker.counters.connects == {"raw": 20}
