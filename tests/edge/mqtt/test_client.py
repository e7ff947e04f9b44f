"""Facts about the life with the broker: in, refused, sent away, back; on the embedded broker, which shows every packet.

Where minutes would pass, a test shortens a constant of the edge and says so.
"""

from __future__ import annotations

import asyncio
import re

import pytest

import edge.mqtt.backoff
import edge.mqtt.connection
from edge.mqtt.backoff import Backoff
from fuzz.rogue import CONNECT, DISCONNECT, WELCOME, Peer, Rogue
from sandbox.broker import EmbeddedBroker, Limits, Listener
from tests.support.brokers.proxy import Proxy
from tests.support.brokers.rawclient import connected, in_loop
from tests.support.brokers.rig import CLIENT_ID, Lines, Rig, settings_for, until
from tests.support.brokers.scenes import Pod, plain, refusal
from tests.support.processes.ports import free_port

pytestmark = pytest.mark.usefixtures("brisk")

CONNACK_FATAL = [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B]
CONNACK_RETRYABLE = [0x80, 0x88, 0x89, 0x97, 0x9C, 0x9D, 0x9F]
DISCONNECT_FATAL = [0x81, 0x82, 0x8E, 0x8F, 0x90, 0x94, 0x95, 0x99, 0x9A, 0x9B, 0x9E, 0xA1, 0xA2]
DISCONNECT_RETRYABLE = [0x80, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0]
NAMED = "0x{:02X} (?!reason code not)[A-Z]"
"""A reason code as it is told: with its name in MQTT 5, 2.4."""


# Coming in


def test_back_off_doubles_to_a_minute_with_jitter() -> None:
    """From 0.25 s each wait's ceiling is twice the last one's, up to 60 s; the wait is half of it to all of it."""
    ceilings = [min(0.25 * 2**n, 60.0) for n in range(12)]
    backoffs = [Backoff() for _ in range(100)]
    runs = [[backoff.wait_seconds() for _ in ceilings] for backoff in backoffs]

    assert all(c / 2 <= wait <= c for run in runs for wait, c in zip(run, ceilings, strict=True))
    assert len({run[11] for run in runs}) > 90
    assert max(run[11] for run in runs) > 55
    assert min(run[11] for run in runs) < 35


@in_loop
async def test_it_starts_before_the_broker_exists(lines: Lines) -> None:
    """Attempts go on, each with its line, until there is a broker; what has waited is then delivered."""
    broker = EmbeddedBroker(Listener(port=free_port()))
    async with Rig(settings_for(broker.port)) as rig:
        rig.offer("CNC-01 1", "CNC-01 2")
        await until(lambda: lines.count(f"cannot reach 127.0.0.1:{broker.port}") == 2, "two attempts")
        async with broker:
            await rig.finish()
    assert rig.ledger.acknowledged == 2


@in_loop
async def test_connections_that_do_not_last_do_not_reset_the_back_off(lines: Lines) -> None:
    """A broker that takes us in and throws us out at once is not stormed: the waits grow all the same."""
    async with plain() as (broker, rig):
        for number in range(1, 4):
            broker.cut()
            await rig.connected(times=number + 1)
    assert all(wait >= least for wait, least in zip(lines.waits, (0.12, 0.25, 0.5), strict=True))


@in_loop
async def test_back_off_starts_anew_after_a_connection_that_lasted(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds, here 0.2, make a connection one that lasted."""
    monkeypatch.setattr(edge.mqtt.backoff, "_SETTLED_SECONDS", 0.2)
    async with plain() as (broker, rig):
        for number in range(1, 4):
            await asyncio.sleep(0.25)
            broker.cut()
            await rig.connected(times=number + 1)
    assert len(lines.waits) == 3
    assert max(lines.waits) <= 0.25


@in_loop
async def test_an_attempt_that_is_long_in_failing_does_not_reset_the_back_off(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that never answers CONNECT is asked less and less often; time-outs are shortened here."""
    monkeypatch.setattr(edge.mqtt.backoff, "_SETTLED_SECONDS", 0.01)
    monkeypatch.setattr(edge.mqtt.connection, "_ANSWER_SECONDS", 0.1)
    async with EmbeddedBroker() as broker, Rig(settings_for(broker.port)):
        broker.stall()
        await until(lambda: len(lines.waits) == 3, "three attempts")
    assert all(wait >= least for wait, least in zip(lines.waits, (0.12, 0.25, 0.5), strict=True))


@pytest.mark.parametrize("code", CONNACK_FATAL, ids=hex)
@in_loop
async def test_a_fatal_connack_ends_it(code: int) -> None:
    """One attempt, and the reason is told: the daemon exits with 3."""
    async with EmbeddedBroker() as broker, Rig(settings_for(broker.port)) as rig:
        broker.faults.refuse(code, times=None)
        refused = await refusal(rig)
        assert (refused.code, refused.final, len(broker.connects)) == (code, True, 1)
        assert re.search(NAMED.format(code), str(refused))


@pytest.mark.parametrize("code", CONNACK_RETRYABLE, ids=hex)
@in_loop
async def test_a_passing_connack_is_tried_again(code: int, hurried: None, lines: Lines) -> None:
    """The broker is busy twice and then is not; each refusal is told with its code."""
    async with EmbeddedBroker() as broker, Rig(settings_for(broker.port)) as rig:
        broker.faults.refuse(code, times=2)
        await rig.connected()
        assert lines.count(f"the broker refused the connection: 0x{code:02X}") == 2


# What CONNECT says, and what CONNACK asks


@in_loop
async def test_connect_says_who_we_are_and_that_the_session_is_to_last() -> None:
    """User property metriccategory, session expiry 3600 s, keep-alive 60 s, and no clean start by default."""
    async with plain() as (broker, _):
        connect = broker.connects[0]
        assert connect.user_properties == [("metriccategory", "edgemqttsim")]
        assert (connect.session_expiry_interval, connect.keep_alive, connect.clean_start) == (3600, 60, False)
        assert (connect.client_id, connect.authentication_method) == (CLIENT_ID, None)


@in_loop
async def test_a_clean_start_is_for_the_first_connection_only() -> None:
    """With MQTT_CLEAN_START a former session is given up once; a reconnect takes up its own."""
    async with plain(mqtt_clean_start=True) as (broker, rig):
        broker.cut()
        await rig.connected(times=2)
        assert [(one.clean_start, one.session_present) for one in broker.connects] == [(True, False), (False, True)]


@in_loop
async def test_a_polite_end_ends_the_session() -> None:
    """After DISCONNECT with expiry 0 the broker keeps nothing; a lost connection leaves the session there."""
    async with plain() as (broker, rig):
        broker.cut()
        await until(lambda: not broker.connected, "cut")
        assert CLIENT_ID in broker.sessions
        await rig.connected(times=2)
        await rig.finish()
        assert broker.sessions == {}


@in_loop
async def test_the_servers_keep_alive_rules() -> None:
    """A broker that wants a sign of life each second gets it from an idle client that would have said 60."""
    async with plain(EmbeddedBroker(limits=Limits(server_keep_alive_seconds=1))) as (broker, rig):
        await asyncio.sleep(2.5)
        assert broker.counters.disconnected == {}
        assert rig.broker.facts().connects == 1


@in_loop
async def test_keep_alive_goes_on_between_the_rows() -> None:
    """Three keep-alives long a new batch as soon as the last is through: pings and rows never mix, nobody hangs up."""
    async with plain(mqtt_keep_alive=1) as (broker, rig):
        loop = asyncio.get_running_loop()
        until_seconds, batch = loop.time() + 3.0, 0
        while loop.time() < until_seconds:
            batch += 1
            rig.offer(*(f"CNC-{machine:02d} {batch}" for machine in range(1, 200)))
            await rig.drained()
        assert broker.counters.disconnected == {}
        assert rig.broker.facts().connects == 1
        assert broker.counters.publishes[CLIENT_ID] == rig.ledger.acknowledged == batch * 199 > 1_000


@in_loop
async def test_a_maximum_qos_of_0_is_obeyed() -> None:
    """Messages go out at QoS 0 and count as acknowledged once written."""
    async with plain(EmbeddedBroker(limits=Limits(maximum_qos=0))) as (broker, rig):
        seen = broker.subscribe("#")
        rig.offer("CNC-01 1", "CNC-01 2")
        await rig.finish()
        assert [one.qos for one in await seen.wait(2)] == [0, 0]
        assert broker.counters.disconnected == {}


@in_loop
async def test_a_broker_that_reads_slowly_holds_qos_0_back_too() -> None:
    """Without acknowledgements only the socket tells: what it does not take stays in the queue, not in memory twice."""
    async with plain(mqtt_qos=0) as (broker, rig):
        broker.stall()
        # 50 MB: the kernel's own buffers grow as they like, on Linux often to 37 MB for both ends together.
        rig.offer(*(f"CNC-01 {number}" for number in range(1, 10_001)), size=5_000)
        await until(lambda: rig.ledger.acknowledged > 100, "some written")
        await asyncio.sleep(0.2)
        assert rig.ledger.queued > 2_000
        broker.release()
        await rig.finish()
        # At QoS 0 it is finished when all is written: the broker may still have megabytes to read.
        await until(lambda: broker.counters.publishes[CLIENT_ID] == 10_000, "all is read")
        assert rig.ledger.acknowledged == 10_000


@in_loop
async def test_a_maximum_packet_size_is_obeyed() -> None:
    """A message that would be too large is dropped and counted; the connection and the others go on."""
    async with plain(EmbeddedBroker(limits=Limits(maximum_packet_size=1000))) as (broker, rig):
        seen = broker.subscribe("#")
        rig.offer("CNC-01 1")
        rig.offer("CNC-01 2", size=1000)
        rig.offer("CNC-01 3")
        await rig.finish()
        assert [one.payload for one in seen.messages] == [b'{"row":1}', b'{"row":3}']
        assert rig.ledger.dropped == {"too_large": 1}
        assert broker.counters.disconnected == {}


@in_loop
async def test_a_broker_that_takes_the_connection_and_says_nothing_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """Without CONNACK an attempt is over after 30 s, here 0.2."""
    monkeypatch.setattr(edge.mqtt.connection, "_ANSWER_SECONDS", 0.2)
    async with EmbeddedBroker() as broker:
        broker.stall()
        async with Rig(settings_for(broker.port)) as rig:
            await until(lambda: lines.count("did not answer within"), "an attempt is over")
            broker.release()
            await rig.connected()


# Being sent away


@pytest.mark.parametrize("code", DISCONNECT_FATAL, ids=hex)
@in_loop
async def test_a_fatal_disconnect_ends_it(code: int) -> None:
    """Coming back would end the same way: the daemon exits with 3 and the reason."""
    async with plain() as (broker, rig):
        broker.disconnect(code)
        refused = await refusal(rig)
        assert (refused.code, len(broker.connects)) == (code, 1)
        assert re.search(NAMED.format(code), str(refused))


@pytest.mark.parametrize("code", DISCONNECT_RETRYABLE, ids=hex)
@in_loop
async def test_after_a_passing_disconnect_it_comes_back(code: int, hurried: None, lines: Lines) -> None:
    """The reason is told, and the next connection takes up the session."""
    async with plain() as (broker, rig):
        broker.disconnect(code)
        await rig.connected(times=2)
        assert broker.connects[1].session_present
        assert re.search(f"the broker closed the connection: {NAMED.format(code)}", "\n".join(lines.said))


@in_loop
async def test_a_second_client_of_the_same_name_wins() -> None:
    """Session taken over (0x8E) is final: two that take turns would be at it for ever."""
    async with plain() as (broker, rig), connected(broker.port, CLIENT_ID):
        refused = await refusal(rig)
        assert refused.code == 0x8E
        assert "MQTT_CLIENT_ID" in str(refused)


@in_loop
async def test_a_connection_that_owes_acknowledgements_is_dropped(lines: Lines) -> None:
    """No acknowledgement for 1.5 keep-alives, though pings are answered: dialled anew, and the message arrives."""
    async with plain(mqtt_keep_alive=1) as (broker, rig):
        broker.faults.withhold()
        loop = asyncio.get_running_loop()
        began = loop.time()
        rig.offer("CNC-01 1")
        await rig.connected(times=2)
        assert 1.5 <= loop.time() - began <= 4.0
        assert lines.count("dropped an open connection: no acknowledgement for 1.5 s; retrying in") == 1
        await rig.finish()
        assert rig.ledger.acknowledged == 1


@pytest.mark.parametrize("rows", [[], ["CNC-01 1"]], ids=["idle", "busy"])
@in_loop
async def test_a_dead_link_with_tls_is_left_without_good_bye(rows: list[str], pod: Pod, lines: Lines) -> None:
    """A peer that is gone answers no ping, no message and no end of TLS; still it is soon dialled anew."""
    async with pod.broker() as broker:
        with Proxy(broker.port) as proxy:
            async with pod.rig(proxy.port, mqtt_keep_alive=1) as rig:
                await rig.connected()
                proxy.stall()
                rig.offer(*rows)
                await until(lambda: proxy.connections > 1, "a new dial", 6.0)
                assert lines.count("dropped an open connection: no answer to a ping for 1 s") == 1 or rows
                proxy.restore()
                await rig.connected(times=2)
                await rig.finish()


@in_loop
async def test_a_stop_while_it_connects_ends_the_connection_that_comes_of_it() -> None:
    """DISCONNECT follows the late CONNACK at once, and nothing is left that would go on."""
    stopped = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await stopped.wait()
        await peer.say(WELCOME)
        await peer.gone()

    async with Rogue(script) as rogue, Rig(settings_for(rogue.port)) as rig:
        await until(lambda: rogue.peers and rogue.peers[0].heard, "CONNECT")
        await rig.broker.stop()
        stopped.set()
        await asyncio.wait_for(rig.living, 5.0)
        await until(lambda: rogue.peers[0].heard[-1][0] == DISCONNECT, "DISCONNECT")
