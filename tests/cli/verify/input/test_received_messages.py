"""Facts about what messages alone show, by messages made by hand or emitted by a plant."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.verify.counts.job_numbers import Numbers
from cli.verify.counts.message_counts import MessageCounts, jitter
from cli.verify.forms.message_values import milliseconds
from cli.verify.input.received_messages import ReceivedMessages
from cli.verify.input.record_store import RecordStore
from cli.verify.input.timeline import MachineParameters, Timeline

START_MS = 1_767_225_600_000
JOB_KEYS = {
    "CNC-01": ("part_id", "cycle_time", "quality"),
    "3DP-01": ("part_id", "progress", "quality"),
    "WELD-01": ("assembly_id", "last_cycle_time", "quality"),
    "PAINT-01": ("part_id", "cycle_time", "quality"),
    "TEST-01": ("target_id", "issues_found", "test_result"),
}


def row(
    seconds: float,
    status: str = "running",
    *,
    machine: str = "CNC-01",
    job: int | None = None,
    cycle: float = 12.5,
    result: str = "good",
) -> dict[str, Any]:
    """A machine's message so many seconds after the start; with a job, it reports that one finished."""
    stamp = datetime.fromtimestamp(START_MS / 1000 + seconds, UTC).isoformat("T", "milliseconds")
    sent = (None, None, None) if job is None else (f"HP-11{7_000_000_000 + job:010d}", cycle, result)
    fields = dict(zip(JOB_KEYS[machine], sent, strict=True))
    return {"timestamp": stamp.replace("+00:00", "Z"), "machine_id": machine, "status": status} | fields


def lines(rows: Iterable[dict[str, Any]]) -> list[bytes]:
    """Messages as lines."""
    return [orjson.dumps(each) + b"\n" for each in rows]


def read(rows: Iterable[dict[str, Any]], since_ms: float = -1, until_ms: float = 2**62) -> ReceivedMessages:
    """Messages, read."""
    found = ReceivedMessages(since_ms, until_ms)
    found.read(lines(rows))
    return found


def terms(
    period: float = 5.0, ideal: float = 5.0, since: float = -math.inf, until: float = math.inf, state: str = "running"
) -> MachineParameters:
    """What a machine is measured by, between two moments in seconds after the start."""
    return MachineParameters(START_MS + since * 1000, START_MS + until * 1000, period * 1000, ideal, state)


def one(rows: ReceivedMessages | Iterable[dict[str, Any]], *measures: MachineParameters) -> MessageCounts:
    """The one machine that messages are of, counted by what it is measured by."""
    found = rows if isinstance(rows, ReceivedMessages) else read(rows)
    [machine_id] = found.machines
    machine = MessageCounts(machine_id, Timeline(measures or [terms()]))
    for time_ms, content in found.of_machine(machine_id):
        machine.add(time_ms, content)
    return machine


def when(sent: dict[str, Any]) -> str:
    """A message's time, to sort by."""
    return str(sent["timestamp"])


def missing(machine: MessageCounts) -> int:
    """Messages missing between the first and the last."""
    return machine.missing_messages(machine.first_ms, machine.first_ms)


def regular_messages(number: int, period: float = 5.0) -> list[dict[str, Any]]:
    """Messages without a job, one each period."""
    return [row(place * period) for place in range(number)]


def test_all_forms_of_a_line_say_the_same() -> None:
    """A dry run's line, a bare payload, and what mosquitto_sub -v writes."""
    sent = [row(0), row(5, job=1), row(10)]
    dry = [{"topic": "factory/cnc", "qos": 1, "retain": False, "payload": each} for each in sent]
    verbose = [b"factory/cnc " + line for line in lines(sent)]

    for form in (lines(sent), lines(dry), verbose):
        rows = ReceivedMessages()
        rows.read(form)
        assert (one(rows).messages, one(rows).jobs, rows.unreadable) == (3, 1, 0)


def test_unreadable_is_counted_and_the_first_of_it_named() -> None:
    """By line and reason; empty lines are none, and good lines around it count."""
    rows = ReceivedMessages()
    good = lines(regular_messages(2))
    bad = [b"factory/cnc nothing\n", b"[1, 2]\n", b'{"machine_id":"CNC-01","status":"idle"}\n', b'{"timestamp":"2026\n']
    rows.read([good[0], *bad, b"\n", good[1]])

    assert (rows.unreadable, one(rows).messages) == (4, 2)
    assert rows.unreadable_examples == ["line 2: not JSON", "line 3: no JSON object", "line 4: no text in timestamp"]


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("timestamp", "2026-01-01T00:00:00", "no time zone in '2026-01-01T00:00:00'"),
        ("timestamp", "noon", "Invalid isoformat string: 'noon'"),
        ("machine_id", ["CNC-01"], "no text in machine_id"),
        ("status", {}, "no text in status"),
        ("quality", 1, "no text in quality"),
        ("cycle_time", "12.5", "no number in cycle_time"),
    ],
)
def test_values_of_a_wrong_kind_are_unreadable(key: str, value: object, why: str) -> None:
    """They are named, and end nothing."""
    assert read([row(0), row(5, job=1) | {key: value}, row(10)]).unreadable_examples == [f"line 2: {why}"]


def test_orders_are_no_messages_of_machines() -> None:
    """They are counted apart."""
    order = {"timestamp": "2026-01-01T00:00:00.000Z", "event_type": "order_placed", "order_id": "ORD-1", "items": []}

    rows = read([row(0), order, row(5)])

    assert (rows.events, rows.unrelated, rows.unreadable, list(rows.machines)) == (
        {"order": 1, "dispatch": 0},
        0,
        0,
        ["CNC-01"],
    )


def test_messages_of_another_time_are_left_out() -> None:
    """The limits are those of the ground truth: after the one, and up to the other."""
    rows = read(regular_messages(10), START_MS + 5_000, START_MS + 20_000)

    assert (rows.outside, rows.machines["CNC-01"].messages) == (7, 3)


def test_time_is_messages_times_their_period() -> None:
    """By state; what is producing and what is planned follows from the states."""
    states = ["running"] * 6 + ["idle"] * 2 + ["planned_stop"] * 4
    machine = one(row(place * 5, state) for place, state in enumerate(states))

    assert machine.seconds == {"running": 30.0, "idle": 10.0, "planned_stop": 20.0}
    assert machine.samples == {"running": 6, "idle": 2, "planned_stop": 4}
    assert (machine.producing, machine.planned, machine.categories.changes) == (6, 8, 2)


@pytest.mark.parametrize("machine", JOB_KEYS)
def test_jobs_are_found_in_the_fields_of_each_type(machine: str) -> None:
    """By result, with cycle times of the types that say them; a rig is producing when it is testing."""
    state, *results = ("testing", "pass", "fail") if machine == "TEST-01" else ("running", "good", "scrap")
    finished = {5: (1, results[0], 12.5), 20: (2, results[1], 10.5), 35: (3, results[0], 11.5)}
    sent = [row(seconds, state, machine=machine) for seconds in range(0, 40, 5) if seconds not in finished]
    for seconds, (job, result, cycle) in finished.items():
        sent.append(row(seconds, state, machine=machine, job=job, result=result, cycle=cycle))
    found = one(sorted(sent, key=when), terms(state=state))

    assert (found.jobs, found.good, found.results[results[1]]) == (3, 2, 1)
    assert (found.producing, found.additional) == (8, 0)
    has_cycles = machine not in ("3DP-01", "TEST-01")
    assert (found.cycles, found.cycle_seconds) == ((3, 34.5) if has_cycles else (0, 0.0))
    assert found.shortest_seconds == (10.5 if has_cycles else float("inf"))


def test_a_gap_of_more_than_one_and_a_half_periods_is_loss() -> None:
    """Each period without a message counts; a period that moves by less is none."""
    starts = {0: 10, 52: 5, 80: 5, 115: 5}  # 7 s after the row before, then 8 s, then 15 s
    machine = one(row(start + 5 * place) for start, rows in starts.items() for place in range(rows))

    assert machine.missing_messages(START_MS, START_MS + 135_000) == 0 + 1 + 2


def test_messages_missing_at_the_ends_of_the_time_are_loss() -> None:
    """A machine that begins late, or falls silent, has lost what others said meanwhile."""
    machine = one(regular_messages(10))

    assert machine.missing_messages(START_MS - 5_000, START_MS + 49_000) == 0
    assert machine.missing_messages(START_MS - 60_000, START_MS + 45_000 + 30_000) == 11 + 5


def test_a_missing_job_number_is_a_lost_job() -> None:
    """Numbers of a machine follow each other."""
    machine = one(row(12.5 * place, job=job) for place, job in enumerate((1, 2, 4, 5, 8)))

    assert (machine.jobs, machine.job_numbers.missing, machine.job_numbers.renumbered) == (5, 3, 0)


def test_a_new_run_of_the_plant_is_no_loss() -> None:
    """It numbers from its own start, far beyond what the machine could have made. What was lost before stays lost."""
    before = [row(12.5 * place, job=place) for place in range(10) if place != 4]
    after = [row(600 + 12.5 * place, job=6000 + place) for place in range(10)]

    machine = one(before + after)

    assert (machine.jobs, machine.job_numbers.missing, machine.job_numbers.renumbered) == (19, 1, 1)


def test_jobs_lost_in_a_long_silence_are_still_loss() -> None:
    """An hour of silence is some 288 jobs: their numbers are missing, and no new run."""
    silent = [*(row(12.5 * place, job=place) for place in range(40)), row(4100, job=328)]

    assert (one(silent).job_numbers.missing, one(silent).job_numbers.renumbered) == (288, 0)


def test_a_message_that_is_repeated_counts_once() -> None:
    """Messages again at once, or the whole file again: nothing changes but the count of it."""
    sent = [row(5 * place, job=place // 3 if place % 3 == 0 else None) for place in range(60)]
    whole, doubled, again = one(sent), one(chain.from_iterable(zip(sent, sent, strict=True))), one(sent + sent)

    for machine in (doubled, again):
        assert (machine.messages, machine.jobs, machine.repeated_messages) == (whole.messages, whole.jobs, 60)
        assert (machine.samples, machine.repeated_jobs, missing(machine)) == (whole.samples, 0, 0)
    assert read(sent + sent).machines["CNC-01"].out_of_order == 59


def test_a_job_in_two_messages_counts_once() -> None:
    """The message counts as time, the job as one finished twice."""
    machine = one([row(0), row(5, job=1), row(10, job=1), row(15)])

    assert (machine.messages, machine.jobs, machine.repeated_jobs, machine.repeated_messages) == (4, 1, 1, 0)


def test_a_late_message_fills_its_gap() -> None:
    """It came out of order and is not lost, wherever in the time it belongs."""
    sent = regular_messages(80)
    late = [*sent[5:40], *sent[41:], sent[40], *sent[:5]]

    machine = one(late)

    assert (machine.messages, machine.missing_messages(START_MS, START_MS + 395_000)) == (80, 0)
    assert read(late).machines["CNC-01"].out_of_order == 6


def test_a_machine_that_finishes_a_job_each_message_has_only_time() -> None:
    """No message is without a result, and all come on the period."""
    machine = one(row(5 * place, job=place, cycle=5.0) for place in range(50))

    assert (machine.additional, machine.samples) == (0, {"running": 50})


def test_additional_messages_for_jobs_are_no_time() -> None:
    """Regular messages each 10 s, and jobs each 4 s at moments of their own."""
    regular = [row(10 * place, "running" if place < 30 else "idle") for place in range(40)]
    extra = [row(1.3 + 4 * place, job=place, cycle=4.0) for place in range(74)]

    machine = one(sorted(regular + extra, key=when), terms(10.0, 4.0))

    assert (machine.additional, machine.jobs, machine.samples) == (74, 74, {"running": 30, "idle": 10})
    assert (missing(machine), machine.surplus_messages, machine.repeated_messages) == (0, 0, 0)


def test_an_additional_message_that_is_repeated_counts_once() -> None:
    """As any other message."""
    regular, extra = [row(10 * place) for place in range(10)], [row(1.3 + 4 * n, job=n, cycle=4.0) for n in range(20)]
    sent = sorted(regular + extra, key=when)

    machine = one(sent + sent, terms(10.0, 4.0))

    assert (machine.additional, machine.jobs, machine.samples) == (20, 20, {"running": 10})
    assert (machine.repeated_messages, machine.repeated_jobs) == (30, 0)


def test_a_plant_that_starts_again_off_its_old_period_goes_on_being_time() -> None:
    """Messages with results come on a new period after a restart; they are not taken for extra ones."""
    first = [row(5 * place, job=place if place % 2 else None) for place in range(100)]
    second = [row(502 + 5 * place, job=9000 + place if place % 2 else None) for place in range(100)]

    machine = one(first + second)

    assert (machine.messages, machine.additional, machine.jobs, missing(machine)) == (200, 0, 100, 0)


@given(st.lists(st.integers(0, 199), min_size=40, max_size=300))
def test_messages_in_any_order_and_number_are_told_apart(places: Sequence[int]) -> None:
    """After any loss, repetition and shuffling, each message counts once, and only gaps are left."""
    begun = list(range(200, 240))
    machine = one(row(5 * place) for place in (*begun, *places))

    different = set(begun) | set(places)
    assert machine.messages == len(different)
    assert machine.repeated_messages == len(begun) + len(places) - len(different)
    assert missing(machine) == 240 - min(different) - len(different)


@given(st.lists(st.integers(-50, 50), min_size=1))
def test_numbers_are_a_set_that_knows_its_gaps(numbers: Sequence[int]) -> None:
    """Against a plain set: what is new, and how many are missing."""
    sent, known = Numbers(numbers[0]), {numbers[0]}
    for number in numbers[1:]:
        assert sent.add(number) == (number not in known)
        known.add(number)

    assert sent.missing == max(known) - min(known) + 1 - len(known)


def test_what_is_remembered_of_gaps_is_bounded() -> None:
    """After a thousand more gaps a number that was missing counts as one that has come: it stays missing."""
    sent = Numbers(0)
    for number in range(2, 4000, 2):
        sent.add(number)

    assert sent.missing == 1999
    assert (sent.add(1), sent.add(3997), sent.missing) == (False, True, 1998)


def test_times_are_read_to_the_millisecond() -> None:
    """In any zone, and with or without a fraction."""
    assert milliseconds("2026-01-01T00:00:00.001Z") == START_MS + 1
    assert milliseconds("2026-01-01T01:00:00+01:00") == START_MS


def test_ids_of_other_simulators_count_too() -> None:
    """Numbers of any length; jobs without a number count without one."""
    ids = ("HU-9", "HU-10", "A-210", "HU-12", "nameless")
    machine = one(row(12.5 * place, job=0) | {"part_id": each} for place, each in zip(count(), ids, strict=False))

    assert machine.jobs == 5


def test_each_message_represents_the_period_in_force_at_its_time() -> None:
    """Ten messages of 5 s and then ten of 20 s are 250 s, and none of them is missing."""
    sent = [*regular_messages(10), *(row(65 + 20 * place, "idle") for place in range(10))]

    machine = one(sent, terms(5.0, until=49.0), terms(20.0, since=49.0))

    assert machine.seconds == {"running": 50.0, "idle": 200.0}
    assert (missing(machine), machine.surplus_messages) == (0, 0)


def test_jobs_under_other_terms_have_another_ideal() -> None:
    """Twelve of 10 s at best, then twelve of 30 s at best; those begun before the change say nothing of the second."""
    first = [row(5 + 15 * place, job=place, cycle=10.0 + place % 3) for place in range(12)]
    second = [row(200 + 40 * place, job=12 + place, cycle=30.0 + place % 3) for place in range(1, 12)]
    carried = row(190, job=12, cycle=11.0)

    machine = one([*first, carried, *second], terms(ideal=9.0, until=188.0), terms(ideal=29.0, since=188.0))

    assert machine.ideal_seconds == pytest.approx(12 * 10.0 + 12 * 30.0)


def test_a_machine_that_was_gone_for_a_while_has_lost_nothing() -> None:
    """Messages are expected while it is there."""
    sent = [*regular_messages(10), *(row(500 + 5 * place) for place in range(10))]

    machine = one(sent, terms(since=-1.0, until=48.0), terms(since=497.0, until=548.0))

    assert machine.missing_messages(START_MS - 1000, START_MS + 900_000) == 0


def test_a_trigger_tells_an_additional_message_from_a_regular_one() -> None:
    """A line that reports so represents no time, whatever its machine is measured by."""
    sent = regular_messages(10)
    extra = b'{"topic":"t","user_properties":{"trigger":"job"},"payload":%b}' % lines([row(12.3, job=1)])[0]
    rows = ReceivedMessages()
    rows.read([*lines(sent), extra])

    machine = one(rows)

    assert (machine.additional, machine.jobs, machine.samples) == (1, 1, {"running": 10})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=200), st.integers(1, 30))
def test_a_store_gives_back_all_in_order_of_time(records: Sequence[tuple[str, int]], most: int) -> None:
    """However little of it memory holds, and as often as it is asked."""
    store = RecordStore(most)
    for place, (key, time_ms) in enumerate(records):
        store.add(key, (time_ms, place, (key, None, 1.5)))

    for _ in range(2):
        found = {key: [record[:2] for record in store.records(key)] for key in "abc"}
        assert found == {
            key: sorted((time_ms, place) for place, (its, time_ms) in enumerate(records) if its == key) for key in "abc"
        }


def test_what_comes_in_order_is_read_block_by_block() -> None:
    """A long stretch is never in memory at once: the first record costs one block."""
    store = RecordStore(100)
    for place in range(10_000):
        store.add("CNC-01", (place, place, ("x" * 1000 + str(place),)))

    tracemalloc.start()
    first = next(store.records("CNC-01"))
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert first[0] == 0
    assert most_bytes < 2_000_000


@pytest.mark.parametrize(
    ("off", "jitter_ms"),
    [((0,), 2.0), ((0, 1), 2.0), ((0, 400, -300, 200, -100), (300, 800)), ((0, 2400), (2000, 2500))],
)
def test_how_regular_times_are_is_seen_in_them(off: Sequence[int], jitter_ms: float | tuple[float, float]) -> None:
    """By how far they are off the period."""
    times = [START_MS + 5000 * place + off[place % len(off)] for place in range(200)]

    found = jitter(times, Timeline([terms()]))

    assert found == jitter_ms if isinstance(jitter_ms, float) else jitter_ms[0] <= found <= jitter_ms[1]


def test_times_that_keep_to_another_period_are_regular() -> None:
    """They are wrong, and can be judged."""
    assert jitter(range(START_MS, START_MS + 600_000, 7100), Timeline([terms()])) == 2.0
