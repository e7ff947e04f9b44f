"""Facts about machines that come and go: by command, by a reload, and by what the broker says."""

from __future__ import annotations

import asyncio

import pytest
from mqtt5 import ConnectPacket, DisconnectPacket, PublishPacket

import edge.mqtt.devices.device
from sandbox.broker import EmbeddedBroker
from sandbox.faults import Peer, Rule
from tests.support.brokers.checks import check, check_nothing_lost
from tests.support.brokers.machines import (
    STATUS,
    connected_machines,
    device_settings,
    machines,
    said_of,
    states,
)
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Rig, until
from tests.support.brokers.scenes import refusal

FIRST, SECOND = "rig-CNC-01", "rig-CNC-02"


async def online(broker: EmbeddedBroker, *client_ids: str) -> None:
    """Wait until these clients are connected, and no others."""
    await until(lambda: sorted(broker.connected) == sorted(client_ids), f"only {client_ids} online")


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that are errors."""
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


# Commands


@in_loop
async def test_a_crash_has_the_broker_publish_the_will_and_the_machine_comes_back_by_itself() -> None:
    """The others notice nothing, and the session is kept."""
    async with connected_machines(2) as (broker, rig):
        seen = broker.subscribe(STATUS)
        rig.act("crash", "CNC-01")
        await seen.wait(4)
        await rig.all_up()

        assert said_of(seen, "CNC-01") == ["online", "offline", "online"]
        assert said_of(seen, "CNC-02") == ["online"]
        assert rig.fleet.facts().devices.wills_expected == 1  # type: ignore[union-attr]
        assert [each.session_present for each in broker.connects if each.client_id == FIRST] == [False, True]


@in_loop
async def test_a_machine_that_crashed_stays_away_for_the_seconds_given() -> None:
    """And what it has to say meanwhile waits for it; the others go on."""
    async with connected_machines(2) as (broker, rig):
        seen, loop = broker.subscribe("factory/cnc"), asyncio.get_running_loop()
        rig.act("crash", "CNC-01", 0.8)
        began = loop.time()
        await online(broker, SECOND)
        rig.offer("CNC-01 1", "CNC-02 1")
        await seen.wait(1)
        assert [each.client_id for each in seen.messages] == [SECOND]
        await seen.wait(2)

        assert 0.8 <= loop.time() - began < 8
        assert seen.messages[1].client_id == FIRST


@in_loop
async def test_disconnect_announces_the_machine_as_offline_and_keeps_its_session() -> None:
    """No will, one retained message; it stays away until `reconnect`, and then has its session."""
    async with connected_machines(2) as (broker, rig):
        seen = broker.subscribe(STATUS)
        rig.act("disconnect", "CNC-01")
        await online(broker, SECOND)
        await until(lambda: not rig.is_up("CNC-01"), "gone")

        assert states(broker) == {"CNC-01": "offline", "CNC-02": "online"}
        assert FIRST in broker.sessions
        rig.offer("CNC-01 1")
        rig.act("reconnect", "CNC-01")
        await rig.all_up()
        await rig.drained()
        assert said_of(seen, "CNC-01") == ["online", "offline", "online"]
        assert rig.fleet.facts().devices.wills_expected == 0  # type: ignore[union-attr]
        assert [each.session_present for each in broker.connects if each.client_id == FIRST] == [False, True]


@in_loop
async def test_a_disconnected_machine_comes_back_after_the_seconds_given() -> None:
    """Without a further command."""
    async with connected_machines(1) as (broker, rig):
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        rig.act("disconnect", "CNC-01", 0.6)
        await online(broker)
        await online(broker, FIRST)

        assert 0.6 <= loop.time() - began < 6


@pytest.mark.parametrize("command", ["disconnect", "crash"])
@in_loop
async def test_the_last_command_says_for_how_long_a_machine_is_away(command: str) -> None:
    """One that was to stay away for good is back after the seconds of another command."""
    async with connected_machines(1) as (broker, rig):
        rig.act("disconnect", "CNC-01")
        await online(broker)
        await until(lambda: not rig.is_up("CNC-01"), "gone")
        rig.act(command, "CNC-01", 0.2)

        await online(broker, FIRST)


@in_loop
async def test_a_machine_is_sent_away_also_while_it_is_connecting() -> None:
    """`disconnect` comes between its CONNECT and the CONNACK: it is online for a moment, and then is gone for good."""
    async with EmbeddedBroker() as broker:
        broker.stall()
        async with Rig(device_settings(broker.port), machines(1)) as rig:
            await until(lambda: broker.connects, "CONNECT")
            rig.act("disconnect", "CNC-01")
            broker.release()
            await until(lambda: states(broker) == {"CNC-01": "offline"}, "gone")

            assert len(broker.connects) == 1
            assert rig.fleet.facts().devices.wills_expected == 0  # type: ignore[union-attr]


@in_loop
async def test_reconnect_begins_another_connection_of_a_machine_that_has_one() -> None:
    """It announces the end of the old one, and keeps the session."""
    async with connected_machines(1) as (broker, rig):
        seen = broker.subscribe(STATUS)
        rig.act("reconnect", "CNC-01")
        await seen.wait(3)

        assert said_of(seen, "CNC-01") == ["online", "offline", "online"]
        assert [each.session_present for each in broker.connects] == [False, True]


@in_loop
async def test_reconnect_ends_the_wait_of_a_machine_whose_attempts_fail() -> None:
    """A machine that was refused is tried again at once, not in a minute."""
    async with EmbeddedBroker() as broker:
        broker.faults.refuse(0x87, client=None, when=lambda each: each.client_id == FIRST)
        async with Rig(device_settings(broker.port), machines(2)) as rig:
            await until(lambda: rig.fleet.facts().devices.refused == 1, "refused")  # type: ignore[union-attr]
            rig.act("reconnect", "CNC-01")
            await rig.all_connected(1)


# Reload and scale


@in_loop
async def test_machines_that_are_added_connect_and_those_that_are_removed_leave() -> None:
    """A removed one has its last messages delivered, is announced as offline, and its session ends."""
    async with connected_machines(2) as (broker, rig):
        slow = broker.faults.delay(0.05, times=None)
        seen = broker.subscribe("#")
        rig.offer(*(f"CNC-02 {number}" for number in range(1, 20)))
        rig.follow(machines(1))
        await rig.ended("CNC-02")
        await online(broker, FIRST)
        slow.cancel()

        assert states(broker) == {"CNC-01": "online", "CNC-02": "offline"}
        assert [each.topic for each in seen.messages if each.client_id == SECOND][-1] == "factory/status/CNC-02"
        assert len([each for each in seen.messages if each.topic == "factory/cnc"]) == 19
        assert SECOND not in broker.sessions
        rig.follow(machines(3))
        await online(broker, FIRST, SECOND, "rig-CNC-03")
        await rig.finish()
        check_nothing_lost(rig, [each for each in seen.messages if each.topic == "factory/cnc"])


@in_loop
async def test_a_message_of_a_removed_machine_that_is_to_be_sent_again_is_sent() -> None:
    """PUBACK 0x97 puts it back: it is not left to the connection of the plant, which there need not be."""
    async with connected_machines(2) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        quota = broker.faults.puback(0x97, when=lambda each: each.topic == "factory/cnc")
        rig.offer("CNC-02 1")
        await until(lambda: quota.hits and not rig.ledger.in_flight, "to be sent again")
        rig.follow(machines(1))
        await rig.ended("CNC-02")

        assert len(seen.messages) == 1
        assert rig.ledger.pending == 0


@in_loop
async def test_a_machine_that_is_removed_and_added_at_once_loses_nothing() -> None:
    """It has one connection, its messages are delivered in order, and it is online at the end."""
    async with connected_machines(2) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        broker.faults.delay(0.02, times=None)
        rig.offer(*(f"CNC-02 {number}" for number in range(1, 20)))
        rig.follow(machines(1))
        rig.offer(*(f"CNC-02 {number}" for number in range(20, 30)))
        rig.follow(machines(2))
        assert rig.fleet.leaving == []
        rig.offer(*(f"CNC-02 {number}" for number in range(30, 40)))
        await seen.wait(39)
        await rig.all_up()

        assert states(broker) == {"CNC-01": "online", "CNC-02": "online"}
        assert broker.counters.connects[SECOND] == 1
        await rig.finish()
        check(rig, seen.messages)
        check_nothing_lost(rig, seen.messages)


@in_loop
async def test_a_machine_that_is_added_while_it_is_leaving_connects_when_it_has_left() -> None:
    """Its client id has one connection at a time, none is taken over, and what it could not send is sent."""
    async with connected_machines(2, drain_seconds=0.2) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        lost = broker.faults.withhold(times=None, when=lambda each: each.topic == "factory/cnc")

        def add_again(_peer: Peer, _packet: DisconnectPacket) -> bool:
            lost.cancel()
            rig.follow(machines(2))
            rig.offer("CNC-02 3")
            return False

        broker.faults.add(Rule(on=DisconnectPacket, actions=(add_again,), client=SECOND))
        rig.offer("CNC-02 1", "CNC-02 2")
        rig.follow(machines(1))
        await until(lambda: broker.counters.connects[SECOND] == 2, "back")
        await rig.all_up()
        await rig.finish()

        check(rig, seen.messages)
        check_nothing_lost(rig, seen.messages)
        assert broker.counters.disconnected == {}


@in_loop
async def test_a_removed_machine_that_cannot_send_is_given_up() -> None:
    """Its messages count as dropped at the end of DRAIN_SECONDS: no connection is kept for ever."""
    async with connected_machines(2, drain_seconds=0.3) as (broker, rig):
        broker.faults.withhold(times=None)
        rig.offer("CNC-02 1", "CNC-02 2")
        rig.follow(machines(1))
        await online(broker, FIRST)
        await until(lambda: rig.ledger.pending == 0, "given up")

        assert rig.ledger.dropped == {"shutdown": 2}


@in_loop
async def test_a_machine_at_another_station_announces_itself_there() -> None:
    """A reload that moves a machine has it connect anew where its status topic names the station."""
    topic = "{prefix}/status/{station_id}/{machine_id}"
    async with connected_machines(1, mqtt_status_topic=topic) as (broker, rig):
        rig.follow(machines(1, station_pattern="HALL-{line}"))
        seen = broker.subscribe("factory/status/HALL-1/CNC-01")
        await seen.wait(1)

        assert said_of(seen, "CNC-01") == ["online"]
        late = broker.subscribe("factory/status/LINE-1-STATION-A/CNC-01")
        assert said_of(late, "CNC-01") == ["offline"]


# Refused for good


@pytest.mark.parametrize("code", [0x85, 0x87])
@in_loop
async def test_a_machine_that_is_refused_holds_up_no_other(code: int, caplog: pytest.LogCaptureFixture) -> None:
    """One error for it, the others go on, and it counts as refused."""
    async with EmbeddedBroker() as broker:
        broker.faults.refuse(code, times=None, when=lambda each: each.client_id == FIRST)
        async with Rig(device_settings(broker.port), machines(3)) as rig:
            seen = broker.subscribe("factory/cnc")
            rig.offer("CNC-01 1", "CNC-02 1", "CNC-03 1")
            await seen.wait(2)
            await until(lambda: rig.fleet.facts().devices.refused == 1, "refused")  # type: ignore[union-attr]

            assert {each.client_id for each in seen.messages} == {SECOND, "rig-CNC-03"}
            assert not rig.living.done()
            await until(lambda: rig.ledger.acknowledged == 2, "acknowledged")
            assert rig.ledger.queued == 1
            [error] = errors_in(caplog)
            assert error.startswith(f"machine=CNC-01: the broker refused the connection: 0x{code:02X} ")


@in_loop
async def test_a_refused_machine_is_tried_again_later(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute, here after 0.3 s; its error is not repeated, and it delivers what has waited."""
    monkeypatch.setattr(edge.mqtt.devices.device, "_REFUSED_SECONDS", 0.3)
    async with EmbeddedBroker() as broker:
        broker.faults.refuse(0x87, times=3, when=lambda each: each.client_id == FIRST)
        async with Rig(device_settings(broker.port), machines(2)) as rig:
            rig.offer("CNC-01 1")
            await rig.all_connected(1)
            await rig.drained()

            assert rig.fleet.facts().devices.refused == 0  # type: ignore[union-attr]
            assert broker.counters.connects[FIRST] == 4
            assert len(errors_in(caplog)) == 1


@in_loop
async def test_a_machine_that_was_refused_does_not_wait_a_minute_for_a_network_that_is_back() -> None:
    """What ended the last attempt says how long to wait, not what ended one before."""
    async with EmbeddedBroker() as broker:
        broker.faults.refuse(0x87, when=lambda each: each.client_id == FIRST)
        broker.faults.cut(on=ConnectPacket, nth=2, when=lambda each: each.client_id == FIRST)
        async with Rig(device_settings(broker.port), machines(2)) as rig:
            await until(lambda: rig.fleet.facts().devices.refused == 1, "refused")  # type: ignore[union-attr]
            rig.act("reconnect", "CNC-01")
            await rig.all_connected(1)

            assert broker.counters.connects[FIRST] == 3


@in_loop
async def test_where_all_are_refused_the_run_ends_as_with_one_connection() -> None:
    """A broker that lets nobody in: the reason is told, and the process exits with 3."""
    async with EmbeddedBroker() as broker, Rig(device_settings(broker.port), machines(3)) as rig:
        broker.faults.refuse(0x87, times=None)
        refused = await refusal(rig)

        assert (refused.code, refused.final) == (0x87, True)
        assert set(broker.counters.connects.values()) == {1}


@in_loop
async def test_machines_that_are_refused_later_do_not_end_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """Where the broker has once taken one, a change of its rules may be taken back: they are tried again."""
    async with connected_machines(2) as (broker, rig):
        rule = broker.faults.refuse(0x87, times=None)
        broker.cut()
        await until(lambda: rig.fleet.facts().devices.refused == 2, "refused")  # type: ignore[union-attr]
        assert not rig.living.done()
        rule.cancel()
        for machine_id in ("CNC-01", "CNC-02"):
            rig.act("reconnect", machine_id)
        await rig.all_up()

        assert rig.fleet.facts().devices.refused == 0  # type: ignore[union-attr]
        assert len(errors_in(caplog)) == 2


@in_loop
async def test_a_removed_machine_is_not_counted_as_refused_any_more() -> None:
    """The figure is of the machines that there are."""
    async with EmbeddedBroker() as broker:
        broker.faults.refuse(0x87, times=None, when=lambda each: each.client_id == SECOND)
        async with Rig(device_settings(broker.port, drain_seconds=0.1), machines(2)) as rig:
            await until(lambda: rig.fleet.facts().devices.refused == 1, "refused")  # type: ignore[union-attr]
            rig.follow(machines(1))

            assert rig.fleet.facts().devices.refused == 0  # type: ignore[union-attr]


@in_loop
async def test_an_answer_that_is_not_read_any_more_costs_no_machine_its_clean_end() -> None:
    """A PUBACK comes as the machine disconnects: the broker has the last message and DISCONNECT, and no will is due.

    A socket that is closed with bytes unread is reset (RFC 1122, 4.2.2.13), and the broker's next answer fails.
    """
    async with connected_machines(1) as (broker, rig):
        seen = broker.subscribe(STATUS)
        await seen.wait(1)

        def send_away(peer: Peer, packet: PublishPacket) -> bool:
            peer.acknowledge(packet, 0)
            rig.act("disconnect", "CNC-01")
            return True

        broker.faults.add(Rule(on=PublishPacket, actions=(send_away,), when=lambda each: each.topic == "factory/cnc"))
        rig.offer("CNC-01 1")
        await online(broker)
        await until(lambda: not rig.is_up("CNC-01"), "gone")

        assert said_of(seen, "CNC-01") == ["online", "offline"]
        assert rig.fleet.facts().devices.wills_expected == 0  # type: ignore[union-attr]
