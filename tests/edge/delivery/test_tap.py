"""The tap: who looks sees what is delivered, whatever else is; who does not look costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from edge.delivery.tap import SHOWN_BYTES, About, Tap
from edge.routing import TopicError
from edge.status import Busy
from edge.traffic import ALARM, COMMAND, MOST_ROWS, TELEMETRY, TrafficQuery
from plant.telemetry import Message

EVERYTHING = TrafficQuery()
NOON_MS = 1_767_600_000_123


def message(number: int, source: str = "PRESS-01", payload: bytes | None = None) -> Message:
    """A message whose payload has its number."""
    return Message("press", source, None, number, number, payload or b'{"number":%d}' % number)


def about(said: Message) -> About:
    """Messages of ALARM sources are retained alarms, all others telemetry; those of NOWHERE have no topic."""
    if said.source == "NOWHERE":
        raise TopicError("topic '' must have no empty level")
    is_alarm = said.source.startswith("ALARM")
    category, machine_id = ALARM if is_alarm else TELEMETRY, said.source.removeprefix("ALARM-")
    return About(f"f/{said.source}/x", int(is_alarm), is_alarm, category, machine_id)


@dataclass
class Rig:
    """A tap with clocks that a test sets."""

    now: float = 0.0
    tap: Tap = field(init=False)

    def __post_init__(self) -> None:
        self.tap = Tap(about, lambda: self.now, lambda: NOON_MS / 1000)

    def numbers(self, query: TrafficQuery = EVERYTHING, after: int | None = None, limit: int = MOST_ROWS) -> list[str]:
        """The payloads that are there."""
        return [row.payload for row in self.tap.pull(query, after, limit).rows]


@pytest.fixture
def rig() -> Rig:
    """One that nobody has looked at."""
    return Rig()


def test_what_is_delivered_after_the_first_look_is_seen_as_it_was_sent(rig: Rig) -> None:
    """With topic, QoS, retain flag, category, machine, and the wall time of its delivery."""
    rig.tap.delivered([message(1)])
    first = rig.tap.pull(EVERYTHING, None, 10)
    rig.tap.delivered([message(2, "ALARM-PRESS-01")])
    second = rig.tap.pull(EVERYTHING, first.position, 10)

    assert (first.seen, first.matched, first.rows) == (0, 0, [])
    assert (second.seen, second.matched) == (1, 1)
    assert [row.described() for row in second.rows] == [
        {
            "at": "2026-01-05T08:00:00.123Z",
            "topic": "f/ALARM-PRESS-01/x",
            "qos": 1,
            "retain": True,
            "category": "alarm",
            "machine_id": "PRESS-01",
            "bytes": 12,
            "payload": '{"number":2}',
            "cut": False,
        }
    ]


def test_each_of_several_lookers_gets_every_message_once(rig: Rig) -> None:
    """Whoever asks the same question from another position on."""
    one = other = rig.tap.pull(EVERYTHING, None, 10)
    seen: list[str] = []
    for number in range(1, 7):
        rig.tap.delivered([message(number)])
        one = rig.tap.pull(EVERYTHING, one.position, 10)
        seen += [row.payload for row in one.rows]
    late = rig.tap.pull(EVERYTHING, other.position, 10)

    assert seen == [f'{{"number":{number}}}' for number in range(1, 7)] == [row.payload for row in late.rows]
    assert (late.seen, late.matched) == (6, 6)


def test_a_rare_message_is_found_among_many_others_and_all_are_counted(rig: Rig) -> None:
    """Filters apply before anything is left out: one alarm amid 50,000 messages of a batch after the other."""
    alarms = TrafficQuery(category=ALARM)
    began, all_began = rig.tap.pull(alarms, None, 50), rig.tap.pull(EVERYTHING, None, 50)
    for batch in range(50):
        sources = ["ALARM-PRESS-02" if (batch, number) == (3, 500) else "PRESS-01" for number in range(1000)]
        rig.tap.delivered([message(number, source) for number, source in enumerate(sources)])
    found = rig.tap.pull(alarms, began.position, 50)
    everything = rig.tap.pull(EVERYTHING, all_began.position, 50)

    assert (found.seen, found.matched, [row.machine_id for row in found.rows]) == (50_000, 1, ["PRESS-02"])
    assert (everything.seen, everything.matched, len(everything.rows)) == (50_000, 50_000, 50)
    assert everything.rows[-1].payload == '{"number":999}'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (TrafficQuery(topic="f/+/x"), ["a", "b", "stop"]),
        (TrafficQuery(topic="f/PRESS-01/#"), ["a"]),
        (TrafficQuery(topic="PRESS-01"), []),
        (TrafficQuery(category=COMMAND), ["stop"]),
        (TrafficQuery(qos=0), ["a"]),
        (TrafficQuery(qos=1), ["b", "stop"]),
        (TrafficQuery(retain=True), ["b"]),
        (TrafficQuery(retain=False), ["a", "stop"]),
        (TrafficQuery(machine_id="PRESS-02"), ["b"]),
        (TrafficQuery(text="ToP"), ["stop"]),
        (TrafficQuery(text="press-0"), ["a", "b"]),
        (TrafficQuery(text="x", qos=1, retain=False), ["stop"]),
        (TrafficQuery(text="ü"), []),
    ],
)
def test_a_question_gets_what_it_asks_for(rig: Rig, query: TrafficQuery, expected: list[str]) -> None:
    """By topic filter, category, QoS, retain flag, machine, and text in topic or payload, whatever its case."""
    rig.tap.pull(query, None, 10)
    rig.tap.delivered([message(1, "PRESS-01", b"a"), message(2, "ALARM-PRESS-02", b"b")])
    rig.tap.note(About("f/me/x", 1, False, COMMAND, None), b"stop")

    assert rig.numbers(query) == expected


def test_a_tap_that_nobody_asks_is_closed_after_five_seconds(rig: Rig) -> None:
    """And a question that others ask as well goes on."""
    rare = TrafficQuery(text="nothing")
    rig.tap.pull(rare, None, 10)
    position = rig.tap.pull(EVERYTHING, None, 10).position
    rig.now = 4.0
    rig.tap.pull(EVERYTHING, position, 10)
    rig.now = 6.0
    rig.tap.delivered([message(1)])
    still_open, asked_again = rig.tap.is_open, rig.tap.pull(rare, None, 10)
    rig.now = 20.0
    rig.tap.delivered([message(2)])

    assert still_open
    assert asked_again.seen == 0, "it begins again"
    assert not rig.tap.is_open


def test_a_position_that_is_too_old_begins_again(rig: Rig) -> None:
    """With what is still there, and no message twice for who has the newest one."""
    rig.tap.delivered([message(1)])
    old = rig.tap.pull(EVERYTHING, None, 10).position
    rig.now = 100.0
    rig.tap.delivered([])
    rig.tap.pull(EVERYTHING, None, 10)
    rig.tap.delivered([message(2)])

    assert rig.numbers(after=old) == ['{"number":2}']


def test_a_long_payload_is_cut_and_its_size_is_said(rig: Rig) -> None:
    """At 8 KiB, also within a character; the text is searched as a whole before."""
    long = b"a" * (SHOWN_BYTES - 1) + "ö".encode() + b"needle"
    rig.tap.pull(TrafficQuery(text="needle"), None, 10)
    rig.tap.delivered([message(1, payload=long), message(2, payload=b"\xff\x00<script>")])
    rig.tap.pull(EVERYTHING, None, 10)
    rig.tap.delivered([message(2, payload=b"\xff\x00<script>")])
    row = rig.tap.pull(TrafficQuery(text="needle"), None, 10).rows[0]

    assert (row.bytes, row.cut, row.payload) == (len(long), True, "a" * (SHOWN_BYTES - 1))
    assert rig.numbers() == ["\N{REPLACEMENT CHARACTER}\0<script>"]


def test_what_is_kept_is_bounded(rig: Rig) -> None:
    """In number and in bytes, for each question, and in the number of questions."""
    rig.tap.pull(EVERYTHING, None, 10)
    for number in range(5000):
        rig.tap.delivered([message(number)])
    many = len(rig.numbers(limit=10_000))
    for number in range(2000):
        rig.tap.delivered([message(number, payload=b"%04d" % number * 5000)])
    long = rig.tap.pull(EVERYTHING, None, 10_000)
    for number in range(31):
        rig.tap.pull(TrafficQuery(text=str(number)), None, 1)

    assert many == MOST_ROWS
    assert (len(long.rows), long.matched) == (2_097_152 // SHOWN_BYTES, 7000)
    assert long.rows[-1].payload.startswith("1999")
    with pytest.raises(Busy):
        rig.tap.pull(TrafficQuery(text="one more"), None, 1)


def test_a_message_that_has_no_topic_any_more_is_passed_over(rig: Rig) -> None:
    """As another configuration was loaded while it was in flight."""
    rig.tap.pull(EVERYTHING, None, 10)
    rig.tap.delivered([message(1, "NOWHERE"), message(2)])

    assert rig.numbers() == ['{"number":2}']
