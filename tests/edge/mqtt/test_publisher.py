"""Facts about delivery: window, order, acknowledgements, sending again.

The wire here is a list: what would go to the socket is read back with an independent codec, and a test answers as a
broker may. tests/edge/mqtt/test_faults.py shows the same with real brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import mqtt5
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.delivery.queue import MessageQueue
from edge.mqtt.protocol.codec import Encoder, Splitter
from edge.mqtt.publisher import Limits, Publisher
from edge.settings.types import QueuePolicy
from plant.telemetry import Message
from tests.support.brokers.rig import until
from tests.support.examples import examples


class ListWire:
    """Remembers the PUBLISH packets written to it."""

    def __init__(self) -> None:
        self.writable = True
        self.packets: list[mqtt5.PublishPacket] = []

    def write(self, data: bytes) -> None:
        """Take whole frames."""
        for frame in Splitter().split(data):
            packet, _ = mqtt5.read(memoryview(frame))
            assert isinstance(packet, mqtt5.PublishPacket)
            self.packets.append(packet)

    def push(self) -> None:
        """Do nothing: nothing is held back."""

    @property
    def rows(self) -> list[str]:
        """The payloads as text, in the order written."""
        return [(packet.payload or b"").decode() for packet in self.packets]

    def ids(self) -> list[int]:
        """Packet ids in the order written."""
        return [packet.packet_id or 0 for packet in self.packets]


class Bench:
    """A delivery with its outbox and ledger, and a clock that stands still until told otherwise."""

    def __init__(self, *rows: str, window: int = 100, qos: int = 1, frame_bytes: int | None = None) -> None:
        self.now = 0.0
        self.outbox = MessageQueue(1000, QueuePolicy.DROP_OLDEST)
        self.ledger = self.outbox.ledger
        self.delivery = Publisher(self.outbox, Encoder(lambda message: f"t/{message.source}"), lambda: self.now)
        self.limits = Limits(window, qos, frame_bytes)
        self.offer(*rows)

    def offer(self, *rows: str) -> None:
        """Queue messages; a row `A1` is machine A's first."""
        for row in rows:
            self.outbox.offer(Message("cnc_machine", row[0], "S", 0, int(row[1:]), row.encode()))

    def connect(self, *, session_present: bool = False) -> ListWire:
        """Open a new connection."""
        wire = ListWire()
        self.delivery.open(wire, self.limits, session_present=session_present)
        return wire

    def answer(self, *packet_ids: int, code: int = 0) -> None:
        """Acknowledge one batch."""
        self.delivery.acknowledged(packet_ids, code)
        self.delivery.fill()


def run(story: Coroutine[Any, Any, None]) -> None:
    """Play a story that needs the event loop."""
    asyncio.run(story)


def test_what_waits_leaves_in_order_when_the_connection_opens() -> None:
    """The queue is sent oldest first under ascending packet ids."""
    wire = Bench("A1", "B1", "C1").connect()

    assert wire.rows == ["A1", "B1", "C1"]
    assert wire.ids() == sorted(set(wire.ids()))


def test_no_more_than_the_window_is_in_flight() -> None:
    """With a window of 2 the third message waits for an acknowledgement."""
    bench = Bench("A1", "B1", "C1", window=2)
    wire = bench.connect()
    before = list(wire.rows)
    bench.answer(wire.ids()[0])

    assert before == ["A1", "B1"]
    assert wire.rows == ["A1", "B1", "C1"]


def test_a_machine_has_one_message_in_flight() -> None:
    """A machine's second row waits for its first, and holds up what is behind it."""
    bench = Bench("A1", "A2", "B1")
    wire = bench.connect()
    before = list(wire.rows)
    bench.answer(wire.ids()[0])

    assert before == ["A1"]
    assert wire.rows == ["A1", "A2", "B1"]


def test_an_acknowledged_message_is_sent_and_a_refused_one_failed() -> None:
    """Codes below 0x80 are success, 0x10 (nobody listens) included; the others are counted by code."""
    bench = Bench("A1", "B1", "C1")
    first, second, third = bench.connect().ids()
    bench.answer(first)
    bench.answer(second, code=0x10)
    bench.answer(third, code=0x87)

    assert (bench.ledger.sent, bench.ledger.failed, dict(bench.ledger.refused)) == (2, 1, {0x87: 1})


def test_an_unknown_packet_id_changes_nothing() -> None:
    """A second acknowledgement of the same message, or a made-up one, is ignored."""
    bench = Bench("A1", "B1")
    first, _ = bench.connect().ids()
    bench.answer(first, first, 9)

    assert (bench.ledger.sent, bench.ledger.in_flight) == (1, 1)


def test_unacknowledged_messages_are_sent_again_first_and_in_order() -> None:
    """With the session kept they bear DUP and their old packet ids; new ones follow."""
    bench = Bench("A1", "B1")
    ids = bench.connect().ids()
    bench.delivery.close()
    bench.offer("C1")
    wire = bench.connect(session_present=True)

    assert wire.rows == ["A1", "B1", "C1"]
    assert wire.ids()[:2] == ids
    assert [packet.duplicate for packet in wire.packets] == [True, True, False]


def test_without_the_session_sending_again_is_a_first_time() -> None:
    """A server that has lost the session has seen no such packet: DUP is not set."""
    bench = Bench("A1")
    bench.connect()
    bench.delivery.close()

    assert [packet.duplicate for packet in bench.connect().packets] == [False]


def test_a_smaller_window_after_a_reconnect_is_kept_too() -> None:
    """Ten in flight are sent again two at a time where the new Receive Maximum is 2."""
    bench = Bench(*[f"{letter}1" for letter in "ABCDEFGHIJ"])
    bench.connect()
    bench.delivery.close()
    bench.limits = Limits(window=2)
    wire = bench.connect(session_present=True)
    before = list(wire.rows)
    bench.answer(*wire.ids())

    assert before == ["A1", "B1"]
    assert wire.rows == ["A1", "B1", "C1", "D1"]


def test_an_acknowledgement_before_sending_again_is_not_taken() -> None:
    """Only what was sent on this connection can be acknowledged on it."""
    bench = Bench("A1", "B1")
    _, second = bench.connect().ids()
    bench.delivery.close()
    bench.limits = Limits(window=1)
    bench.connect(session_present=True)
    bench.answer(second)

    assert bench.ledger.sent == 0


def test_a_quota_refusal_keeps_the_message_and_slows_down() -> None:
    """After PUBACK 0x97 nothing is sent for a quarter of a second, then the message again, in its machine's order."""

    async def story() -> None:
        bench = Bench("A1", "A2")
        wire = bench.connect()
        bench.answer(*wire.ids(), code=0x97)
        assert wire.rows == ["A1"]
        assert (bench.ledger.queued, bench.ledger.failed) == (2, 0)
        await until(lambda: len(wire.rows) > 1, "sent again")
        assert wire.rows == ["A1", "A1"]
        bench.answer(wire.ids()[-1])
        assert wire.rows == ["A1", "A1", "A2"]

    run(story())


def test_a_frame_the_server_would_not_take_is_not_sent() -> None:
    """Longer than the server's Maximum Packet Size: dropped with that reason, the rest goes on."""
    bench = Bench("A1", "B" + "1" * 500, "C1", frame_bytes=200)
    wire = bench.connect()

    assert wire.rows == ["A1", "C1"]
    assert bench.ledger.dropped == {"too_large": 1}


def test_at_qos_0_written_is_sent() -> None:
    """Nothing is in flight, and the whole queue leaves."""
    bench = Bench("A1", "A2", "A3", qos=0)
    wire = bench.connect()

    assert wire.rows == ["A1", "A2", "A3"]
    assert (bench.ledger.sent, bench.ledger.in_flight) == (3, 0)


def test_a_server_that_comes_back_with_qos_0_gets_the_rest_at_qos_0() -> None:
    """What was in flight at QoS 1 is written once more and is then done."""
    bench = Bench("A1", "B1")
    bench.connect()
    bench.delivery.close()
    bench.limits = Limits(window=1, qos=0)
    wire = bench.connect(session_present=True)

    assert wire.rows == ["A1", "B1"]
    assert (bench.ledger.sent, bench.ledger.in_flight) == (2, 0)


def test_a_full_socket_holds_delivery_back() -> None:
    """Nothing is written while the transport's buffer is full; the queue keeps it."""

    async def story() -> None:
        bench = Bench("A1")
        wire = bench.connect()
        wire.writable = False
        bench.offer("B1")
        bench.answer(*wire.ids())
        assert wire.rows == ["A1"]
        wire.writable = True
        bench.delivery.fill()
        assert wire.rows == ["A1", "B1"]

    run(story())


def test_waiting_time_counts_from_the_last_progress() -> None:
    """It grows while acknowledgements are due and none comes, and is 0 when none is due."""
    bench = Bench("A1", "B1")
    first, second = bench.connect().ids()
    bench.now = 7.0
    waiting = bench.delivery.waiting_seconds
    bench.answer(first)
    bench.now = 8.0
    then = bench.delivery.waiting_seconds
    bench.answer(second)

    assert (waiting, then, bench.delivery.waiting_seconds) == (7.0, 1.0, 0.0)


def test_packet_ids_wrap_around_and_skip_those_in_flight() -> None:
    """70,000 messages with one stuck from the start: no id is used twice at a time, none below 1024."""

    async def story() -> None:
        bench = Bench("Z1", window=2)
        wire = bench.connect()
        stuck = wire.ids()[0]
        for number in range(70_000):
            bench.offer(f"A{number}")
            bench.delivery.fill()
            packet_id = wire.ids()[-1]
            assert packet_id != stuck
            assert packet_id >= 1024
            bench.answer(packet_id)
            wire.packets.clear()
        assert bench.ledger.sent == 70_000

    run(story())


def test_abandoning_counts_every_message() -> None:
    """At the end of the process what is in flight and what waits are dropped for the reason given."""
    bench = Bench("A1", "B1", "C1", window=2)
    bench.connect()
    bench.delivery.abandon("shutdown")

    assert bench.ledger.dropped == {"shutdown": 3}
    assert bench.ledger.balances()
    assert bench.delivery.idle


STEPS = st.lists(
    st.sampled_from(["offer", "ack", "ack", "quota", "refuse", "cut", "cut and lose session", "stall"]), max_size=60
)


@settings(max_examples=examples(60), deadline=None)
@given(STEPS, st.integers(1, 5))
def test_whatever_the_broker_does_the_ledger_balances_and_order_holds(steps: list[str], window: int) -> None:
    """Any mix of acknowledgements, refusals, quotas and cuts: no message lost, no machine's rows out of order."""

    async def story() -> None:
        bench = Bench(window=window)
        bench.delivery._pause_publishing = lambda: None  # type: ignore[method-assign]  # no pauses: time does not pass here
        wire = bench.connect()
        arrived: list[str] = []
        offered = 0
        for step in steps:
            if step == "offer":
                offered += 1
                bench.offer(f"{'ABC'[offered % 3]}{offered}")
                bench.delivery.fill()
            elif step.startswith("cut"):
                bench.delivery.close()
                arrived += wire.rows
                wire = bench.connect(session_present=step == "cut")
            elif wire.packets and step != "stall":
                packet = wire.packets.pop(0)
                code = {"ack": 0, "quota": 0x97, "refuse": 0x87}[step]
                arrived += [(packet.payload or b"").decode()] if code == 0 else []
                bench.answer(packet.packet_id or 0, code=code)
            assert bench.ledger.balances()
        while wire.packets:
            packet = wire.packets.pop(0)
            arrived.append((packet.payload or b"").decode())
            bench.answer(packet.packet_id or 0)
        assert bench.delivery.idle
        firsts = list(dict.fromkeys(arrived))
        assert len(firsts) >= bench.ledger.sent
        for machine in "ABC":
            numbers = [int(row[1:]) for row in firsts if row[0] == machine]
            assert numbers == sorted(numbers)

    run(story())
