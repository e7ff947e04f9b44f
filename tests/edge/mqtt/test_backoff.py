"""Facts about when to come back: from what the last connection achieved."""

from __future__ import annotations

import pytest

import edge.mqtt.backoff
from edge.mqtt.backoff import Backoff
from fuzz.rogue import CONNECT, PUBLISH, WELCOME, Peer, Rogue
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, settings_for, until


def failed(times: int) -> Backoff:
    """A back-off after so many attempts that came to nothing."""
    backoff = Backoff()
    for _ in range(times):
        backoff.wait_seconds()
    return backoff


@pytest.mark.parametrize(("seconds", "productive"), [(7.0, True), (7.0, False), (0.5, True)])
def test_after_a_long_absence_one_good_connection_begins_the_waits_anew(seconds: float, productive: bool) -> None:
    """It lasted, or a message was acknowledged on it: at most a quarter of a second, not thirty."""
    backoff = failed(10)
    backoff.connection_lasted(seconds, productive=productive)

    assert backoff.wait_seconds() <= 0.25


def test_a_short_connection_that_achieved_nothing_changes_nothing() -> None:
    """The waits go on growing."""
    backoff = failed(10)
    backoff.connection_lasted(1.0, productive=False)

    assert backoff.wait_seconds() >= 30


def test_a_link_that_breaks_every_seven_seconds_is_taken_up_again_at_once_each_time() -> None:
    """Seven seconds are no flapping."""
    backoff = Backoff()
    for _ in range(100):
        backoff.connection_lasted(7.0, productive=True)
        assert backoff.wait_seconds() <= 0.25


def test_a_broker_that_takes_one_message_and_cuts_is_not_stormed() -> None:
    """In ten minutes it sees a few dozen connections, not thousands; one that lasts ends that."""
    backoff, now, connections = Backoff(), 0.0, 0
    while now < 600:
        connections += 1
        backoff.connection_lasted(0.05, productive=True)
        now += 0.05 + backoff.wait_seconds()
    backoff.connection_lasted(6.0, productive=True)

    assert connections < 30
    assert backoff.wait_seconds() <= 0.25


@in_loop
async def test_a_flapping_broker_sees_ever_longer_waits(lines: Lines, brisk: None) -> None:
    """On a real socket: it acknowledges one message of each connection and closes."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        _, body = await peer.hear(PUBLISH)
        topic = int.from_bytes(body[:2], "big")
        await peer.say(b"\x40\x02" + body[2 + topic : 4 + topic])
        peer.close()

    async with Rogue(script) as rogue, Rig(settings_for(rogue.port)) as rig:
        rig.offer(*(f"CNC-{number:02d} 1" for number in range(1, 20)))
        await until(lambda: len(lines.waits) == 4, "four connections")

        assert all(wait >= least for wait, least in zip(lines.waits, (0.12, 0.12, 0.25, 0.5), strict=False))
        assert rig.ledger.acknowledged == 4


@in_loop
async def test_on_return_one_line_tells_what_the_absence_cost(
    lines: Lines, brisk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For how long, what was dropped meanwhile, and what waits; the first connection has no such line."""
    monkeypatch.setattr(edge.mqtt.backoff, "_FIRST_SECONDS", 0.6)

    async def script(peer: Peer) -> None:
        await peer.behave()

    async with Rogue(script) as rogue, Rig(settings_for(rogue.port, queue_size=5)) as rig:
        await rig.connected()
        assert lines.count("reconnected") == 0
        rogue.reform()
        await until(lambda: not rig.broker.facts().connected, "gone")
        rig.offer(*(f"CNC-{number:02d} 1" for number in range(1, 13)))
        await rig.connected(times=2)

        told = next(line for line in lines.said if "reconnected" in line)
        after = float(told.split("after=")[1].split("s")[0])
        assert told == f"reconnected after={after}s dropped=7 queued=5"
        assert 0.2 <= after <= 2.0
