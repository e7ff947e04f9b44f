"""What rows alone show, by rows whose story is known: made by hand, or said by a plant."""

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

from cli.verify.input.record_store import RecordStore
from cli.verify.input.rows import Rows, milliseconds
from cli.verify.input.timeline import Terms, Timeline
from cli.verify.job_numbers import Numbers
from cli.verify.row_counts import MachineRows, steadiness

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
    """A machine's row so many seconds after the start; with a job, it reports that one finished."""
    stamp = datetime.fromtimestamp(START_MS / 1000 + seconds, UTC).isoformat("T", "milliseconds")
    told = (None, None, None) if job is None else (f"HP-11{7_000_000_000 + job:010d}", cycle, result)
    fields = dict(zip(JOB_KEYS[machine], told, strict=True))
    return {"timestamp": stamp.replace("+00:00", "Z"), "machine_id": machine, "status": status} | fields


def lines(rows: Iterable[dict[str, Any]]) -> list[bytes]:
    """Rows as lines."""
    return [orjson.dumps(each) + b"\n" for each in rows]


def read(rows: Iterable[dict[str, Any]], since_ms: float = -1, until_ms: float = 2**62) -> Rows:
    """Rows, read."""
    found = Rows(since_ms, until_ms)
    found.read(lines(rows))
    return found


def terms(
    period: float = 5.0, ideal: float = 5.0, since: float = -math.inf, until: float = math.inf, state: str = "running"
) -> Terms:
    """What a machine is measured by, between two moments in seconds after the start."""
    return Terms(START_MS + since * 1000, START_MS + until * 1000, period * 1000, ideal, state)


def one(rows: Rows | Iterable[dict[str, Any]], *measures: Terms) -> MachineRows:
    """The one machine that rows are of, counted by what it is measured by."""
    found = rows if isinstance(rows, Rows) else read(rows)
    [machine_id] = found.machines
    machine = MachineRows(machine_id, Timeline(measures or [terms()]))
    for time_ms, facts in found.of(machine_id):
        machine.add(time_ms, facts)
    return machine


def when(told: dict[str, Any]) -> str:
    """A row's time, to sort by."""
    return str(told["timestamp"])


def missing(machine: MachineRows) -> int:
    """Rows missing between the first and the last."""
    return machine.missing_rows(machine.first_ms, machine.first_ms)


def steady(number: int, period: float = 5.0) -> list[dict[str, Any]]:
    """Rows without a job, one each period."""
    return [row(place * period) for place in range(number)]


def test_all_forms_of_a_line_say_the_same() -> None:
    """A dry run's line, a bare payload, and what mosquitto_sub -v writes."""
    told = [row(0), row(5, job=1), row(10)]
    dry = [{"topic": "factory/cnc", "qos": 1, "retain": False, "payload": each} for each in told]
    verbose = [b"factory/cnc " + line for line in lines(told)]

    for form in (lines(told), lines(dry), verbose):
        rows = Rows()
        rows.read(form)
        assert (one(rows).rows, one(rows).jobs, rows.junk) == (3, 1, 0)


def test_junk_is_counted_and_the_first_of_it_named() -> None:
    """By line and reason; empty lines are none, and good lines around it count."""
    rows = Rows()
    good = lines(steady(2))
    bad = [b"factory/cnc nothing\n", b"[1, 2]\n", b'{"machine_id":"CNC-01","status":"idle"}\n', b'{"timestamp":"2026\n']
    rows.read([good[0], *bad, b"\n", good[1]])

    assert (rows.junk, one(rows).rows) == (4, 2)
    assert rows.named == ["line 2: not JSON", "line 3: no JSON object", "line 4: no text in timestamp"]


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
def test_values_of_a_wrong_kind_are_junk(key: str, value: object, why: str) -> None:
    """They are named, and end nothing."""
    assert read([row(0), row(5, job=1) | {key: value}, row(10)]).named == [f"line 2: {why}"]


def test_orders_are_no_rows_of_machines() -> None:
    """They are counted apart."""
    order = {"timestamp": "2026-01-01T00:00:00.000Z", "event_type": "order_placed", "order_id": "ORD-1", "items": []}

    rows = read([row(0), order, row(5)])

    assert (rows.events, rows.others, rows.junk, list(rows.machines)) == ({"order": 1, "dispatch": 0}, 0, 0, ["CNC-01"])


def test_rows_of_another_time_are_left_out() -> None:
    """The limits are those of the truth: after the one, and up to the other."""
    rows = read(steady(10), START_MS + 5_000, START_MS + 20_000)

    assert (rows.outside, rows.machines["CNC-01"].rows) == (7, 3)


def test_time_is_rows_times_their_period() -> None:
    """By state; what is producing and what is planned follows from the states."""
    states = ["running"] * 6 + ["idle"] * 2 + ["planned_stop"] * 4
    machine = one(row(place * 5, state) for place, state in enumerate(states))

    assert machine.seconds == {"running": 30.0, "idle": 10.0, "planned_stop": 20.0}
    assert machine.beats == {"running": 6, "idle": 2, "planned_stop": 4}
    assert (machine.producing, machine.planned, machine.switches) == (6, 8, 2)


@pytest.mark.parametrize("machine", JOB_KEYS)
def test_jobs_are_found_in_the_fields_of_each_type(machine: str) -> None:
    """By result, with cycle times of the types that say them; a rig is producing when it is testing."""
    state, *results = ("testing", "pass", "fail") if machine == "TEST-01" else ("running", "good", "scrap")
    finished = {5: (1, results[0], 12.5), 20: (2, results[1], 10.5), 35: (3, results[0], 11.5)}
    told = [row(seconds, state, machine=machine) for seconds in range(0, 40, 5) if seconds not in finished]
    for seconds, (job, result, cycle) in finished.items():
        told.append(row(seconds, state, machine=machine, job=job, result=result, cycle=cycle))
    found = one(sorted(told, key=when), terms(state=state))

    assert (found.jobs, found.good, found.results[results[1]]) == (3, 2, 1)
    assert (found.producing, found.extra) == (8, 0)
    said_cycles = machine not in ("3DP-01", "TEST-01")
    assert (found.cycles, found.cycle_seconds) == ((3, 34.5) if said_cycles else (0, 0.0))
    assert found.shortest_seconds == (10.5 if said_cycles else float("inf"))


def test_a_gap_of_more_than_one_and_a_half_periods_is_loss() -> None:
    """Each beat without a row counts; a beat that moves by less is none."""
    starts = {0: 10, 52: 5, 80: 5, 115: 5}  # 7 s after the row before, then 8 s, then 15 s
    machine = one(row(start + 5 * place) for start, rows in starts.items() for place in range(rows))

    assert machine.missing_rows(START_MS, START_MS + 135_000) == 0 + 1 + 2


def test_rows_missing_at_the_ends_of_the_time_are_loss() -> None:
    """A machine that begins late, or falls silent, has lost what others said meanwhile."""
    machine = one(steady(10))

    assert machine.missing_rows(START_MS - 5_000, START_MS + 49_000) == 0
    assert machine.missing_rows(START_MS - 60_000, START_MS + 45_000 + 30_000) == 11 + 5


def test_a_missing_job_number_is_a_lost_job() -> None:
    """Numbers of a machine follow each other."""
    machine = one(row(12.5 * place, job=job) for place, job in enumerate((1, 2, 4, 5, 8)))

    assert (machine.jobs, machine.numbers.missing, machine.numbers.renumbered) == (5, 3, 0)


def test_a_new_run_of_the_plant_is_no_loss() -> None:
    """It numbers from its own start, far beyond what the machine could have made. What was lost before stays lost."""
    before = [row(12.5 * place, job=place) for place in range(10) if place != 4]
    after = [row(600 + 12.5 * place, job=6000 + place) for place in range(10)]

    machine = one(before + after)

    assert (machine.jobs, machine.numbers.missing, machine.numbers.renumbered) == (19, 1, 1)


def test_jobs_lost_in_a_long_silence_are_still_loss() -> None:
    """An hour of silence is some 288 jobs: their numbers are missing, and no new run."""
    silent = [*(row(12.5 * place, job=place) for place in range(40)), row(4100, job=328)]

    assert (one(silent).numbers.missing, one(silent).numbers.renumbered) == (288, 0)


def test_a_row_that_comes_again_counts_once() -> None:
    """Rows again at once, or the whole file again: nothing changes but the count of it."""
    told = [row(5 * place, job=place // 3 if place % 3 == 0 else None) for place in range(60)]
    whole, doubled, again = one(told), one(chain.from_iterable(zip(told, told, strict=True))), one(told + told)

    for machine in (doubled, again):
        assert (machine.rows, machine.jobs, machine.repeated_rows) == (whole.rows, whole.jobs, 60)
        assert (machine.beats, machine.repeated_jobs, missing(machine)) == (whole.beats, 0, 0)
    assert read(told + told).machines["CNC-01"].backwards == 59


def test_a_job_in_two_rows_counts_once() -> None:
    """The row counts as time, the job as one finished twice."""
    machine = one([row(0), row(5, job=1), row(10, job=1), row(15)])

    assert (machine.rows, machine.jobs, machine.repeated_jobs, machine.repeated_rows) == (4, 1, 1, 0)


def test_a_late_row_fills_its_gap() -> None:
    """It came out of order and is not lost, wherever in the time it belongs."""
    told = steady(80)
    late = [*told[5:40], *told[41:], told[40], *told[:5]]

    machine = one(late)

    assert (machine.rows, machine.missing_rows(START_MS, START_MS + 395_000)) == (80, 0)
    assert read(late).machines["CNC-01"].backwards == 6


def test_a_machine_that_finishes_a_job_each_row_has_only_time() -> None:
    """No row is without a result, and all come on the beat."""
    machine = one(row(5 * place, job=place, cycle=5.0) for place in range(50))

    assert (machine.extra, machine.beats) == (0, {"running": 50})


def test_extra_rows_for_jobs_are_no_time() -> None:
    """Regular rows each 10 s, and jobs each 4 s at moments of their own."""
    regular = [row(10 * place, "running" if place < 30 else "idle") for place in range(40)]
    extra = [row(1.3 + 4 * place, job=place, cycle=4.0) for place in range(74)]

    machine = one(sorted(regular + extra, key=when), terms(10.0, 4.0))

    assert (machine.extra, machine.jobs, machine.beats) == (74, 74, {"running": 30, "idle": 10})
    assert (missing(machine), machine.surplus_rows, machine.repeated_rows) == (0, 0, 0)


def test_an_extra_row_that_comes_again_counts_once() -> None:
    """As any other row."""
    regular, extra = [row(10 * place) for place in range(10)], [row(1.3 + 4 * n, job=n, cycle=4.0) for n in range(20)]
    told = sorted(regular + extra, key=when)

    machine = one(told + told, terms(10.0, 4.0))

    assert (machine.extra, machine.jobs, machine.beats) == (20, 20, {"running": 10})
    assert (machine.repeated_rows, machine.repeated_jobs) == (30, 0)


def test_a_plant_that_starts_again_off_its_old_beat_goes_on_being_time() -> None:
    """Rows with results come on a new beat after a restart; they are not taken for extra ones."""
    first = [row(5 * place, job=place if place % 2 else None) for place in range(100)]
    second = [row(502 + 5 * place, job=9000 + place if place % 2 else None) for place in range(100)]

    machine = one(first + second)

    assert (machine.rows, machine.extra, machine.jobs, missing(machine)) == (200, 0, 100, 0)


@given(st.lists(st.integers(0, 199), min_size=40, max_size=300))
def test_rows_in_any_order_and_number_are_told_apart(places: Sequence[int]) -> None:
    """Whatever is lost, repeated or shuffled after the first rows: each row counts once, and gaps are what is left."""
    begun = list(range(200, 240))
    machine = one(row(5 * place) for place in (*begun, *places))

    different = set(begun) | set(places)
    assert machine.rows == len(different)
    assert machine.repeated_rows == len(begun) + len(places) - len(different)
    assert missing(machine) == 240 - min(different) - len(different)


@given(st.lists(st.integers(-50, 50), min_size=1))
def test_numbers_are_a_set_that_knows_its_gaps(numbers: Sequence[int]) -> None:
    """Against a plain set: what is new, and how many are missing."""
    told, known = Numbers(numbers[0]), {numbers[0]}
    for number in numbers[1:]:
        assert told.take(number) == (number not in known)
        known.add(number)

    assert told.missing == max(known) - min(known) + 1 - len(known)


def test_what_is_remembered_of_gaps_is_bounded() -> None:
    """After a thousand more gaps a number that was missing counts as one that has come: it stays missing."""
    told = Numbers(0)
    for number in range(2, 4000, 2):
        told.take(number)

    assert told.missing == 1999
    assert (told.take(1), told.take(3997), told.missing) == (False, True, 1998)


def test_times_are_read_to_the_millisecond() -> None:
    """In any zone, and with or without a fraction."""
    assert milliseconds("2026-01-01T00:00:00.001Z") == START_MS + 1
    assert milliseconds("2026-01-01T01:00:00+01:00") == START_MS


def test_ids_of_other_simulators_count_too() -> None:
    """Numbers of any length; jobs without a number count without one."""
    ids = ("HU-9", "HU-10", "A-210", "HU-12", "nameless")
    machine = one(row(12.5 * place, job=0) | {"part_id": each} for place, each in zip(count(), ids, strict=False))

    assert machine.jobs == 5


def test_each_row_stands_for_the_period_in_force_at_its_time() -> None:
    """Ten rows of 5 s and then ten of 20 s are 250 s, and none of them is missing."""
    told = [*steady(10), *(row(65 + 20 * place, "idle") for place in range(10))]

    machine = one(told, terms(5.0, until=49.0), terms(20.0, since=49.0))

    assert machine.seconds == {"running": 50.0, "idle": 200.0}
    assert (missing(machine), machine.surplus_rows) == (0, 0)


def test_jobs_under_other_terms_have_another_ideal() -> None:
    """Twelve of 10 s at best, then twelve of 30 s at best; those begun before the change say nothing of the second."""
    first = [row(5 + 15 * place, job=place, cycle=10.0 + place % 3) for place in range(12)]
    second = [row(200 + 40 * place, job=12 + place, cycle=30.0 + place % 3) for place in range(1, 12)]
    carried = row(190, job=12, cycle=11.0)

    machine = one([*first, carried, *second], terms(ideal=9.0, until=188.0), terms(ideal=29.0, since=188.0))

    assert machine.ideal_seconds == pytest.approx(12 * 10.0 + 12 * 30.0)


def test_a_machine_that_was_gone_for_a_while_has_lost_nothing() -> None:
    """Rows are expected while it is there."""
    told = [*steady(10), *(row(500 + 5 * place) for place in range(10))]

    machine = one(told, terms(since=-1.0, until=48.0), terms(since=497.0, until=548.0))

    assert machine.missing_rows(START_MS - 1000, START_MS + 900_000) == 0


def test_a_trigger_tells_an_extra_row_from_a_regular_one() -> None:
    """A line that says so stands for no time, whatever its machine is measured by."""
    told = steady(10)
    extra = b'{"topic":"t","user_properties":{"trigger":"job"},"payload":%b}' % lines([row(12.3, job=1)])[0]
    rows = Rows()
    rows.read([*lines(told), extra])

    machine = one(rows)

    assert (machine.extra, machine.jobs, machine.beats) == (1, 1, {"running": 10})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=200), st.integers(1, 30))
def test_a_shelf_gives_back_all_in_order_of_time(records: Sequence[tuple[str, int]], most: int) -> None:
    """However little of it memory holds, and as often as it is asked."""
    shelf = RecordStore(most)
    for place, (key, time_ms) in enumerate(records):
        shelf.add(key, (time_ms, place, (key, None, 1.5)))

    for _ in range(2):
        found = {key: [record[:2] for record in shelf.records(key)] for key in "abc"}
        assert found == {
            key: sorted((time_ms, place) for place, (its, time_ms) in enumerate(records) if its == key) for key in "abc"
        }


def test_what_comes_in_order_is_read_block_by_block() -> None:
    """A long stretch is never in memory at once: the first record costs one block."""
    shelf = RecordStore(100)
    for place in range(10_000):
        shelf.add("CNC-01", (place, place, ("x" * 1000 + str(place),)))

    tracemalloc.start()
    first = next(shelf.records("CNC-01"))
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert first[0] == 0
    assert most_bytes < 2_000_000


@pytest.mark.parametrize(
    ("off", "steady_ms"),
    [((0,), 2.0), ((0, 1), 2.0), ((0, 400, -300, 200, -100), (300, 800)), ((0, 2400), (2000, 2500))],
)
def test_how_steady_times_are_is_seen_in_them(off: Sequence[int], steady_ms: float | tuple[float, float]) -> None:
    """By how far they are off the beat."""
    times = [START_MS + 5000 * place + off[place % len(off)] for place in range(200)]

    found = steadiness(times, Timeline([terms()]))

    assert found == steady_ms if isinstance(steady_ms, float) else steady_ms[0] <= found <= steady_ms[1]


def test_times_that_keep_to_another_beat_are_steady() -> None:
    """They are wrong, and can be judged."""
    assert steadiness(range(START_MS, START_MS + 600_000, 7100), Timeline([terms()])) == 2.0
