"""Facts about `verify`: it reports every kind of wrong message, and nothing that makes no difference."""

from __future__ import annotations

import gzip
import random  # noqa: TID251 - which rows of a test are changed is no part of the plant
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from messages import START
from tests.cli.verify.test_verify import HOUR, ONE_OF_EACH, Answer, Record, answer_to, record, stamp
from tests.support.factory.plants import config, result

Row = dict[str, Any]
Change = Callable[[list[Row]], list[Row]]
RESULTS = {"quality": ("good", "scrap"), "test_result": ("pass", "fail")}
START_MS = round(START * 1000)


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """An hour of one machine of each type, with an order each three minutes."""
    orders = {"customer_order": {"orders_per_hour": 20}, "dispatch": {"dispatches_per_hour": 15}}
    return record(config(ONE_OF_EACH, **orders), HOUR, tmp_path_factory.mktemp("shift") / "truth")


@pytest.fixture
def check(shift: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Verify messages, as objects, lines, or the bytes of a file, against the ground truth of the shift."""
    (tmp_path / "truth").write_bytes(b"\n".join(shift.truth))

    def run(rows: Sequence[Row | bytes] | bytes, *flags: str) -> Answer:
        lines = rows if isinstance(rows, bytes) else b"\n".join(map(as_line, rows))
        (tmp_path / "rows").write_bytes(lines)
        return answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "truth"), *flags], capsys)

    return run


def as_line(row: Row | bytes) -> bytes:
    """A message as a line."""
    return row if isinstance(row, bytes) else orjson.dumps(row)


def objects(shift: Record) -> list[Row]:
    """All messages."""
    return [orjson.loads(line) for line in shift.lines]


def of(rows: Sequence[Row], machine: str) -> list[Row]:
    """One machine's."""
    return [row for row in rows if row.get("machine_id") == machine]


def reports(rows: Sequence[Row], machine: str = "") -> list[Row]:
    """Those that report a job."""
    its = (row for row in rows if row.get("machine_id", "").startswith(machine) and "machine_id" in row)
    return [row for row in its if result(row) is not None]


def events(rows: Sequence[Row], kind: str) -> list[Row]:
    """Orders, or dispatches."""
    return [row for row in rows if row.get("event_type") == kind]


def moved(row: Row, seconds: float) -> None:
    """Give a message another time."""
    row["timestamp"] = stamp(at_ms(row) + seconds * 1000)


def at_ms(row: Row) -> int:
    """A message's time."""
    from cli.verify.forms.message_values import milliseconds  # noqa: PLC0415

    return milliseconds(row["timestamp"])


# what is not so


def status_in_reverse(rows: list[Row]) -> list[Row]:
    """Status in reverse."""
    its = of(rows, "CNC-01")
    for row, status in zip(its, [row["status"] for row in reversed(its)], strict=True):
        row["status"] = status
    return rows


def faults_hidden(rows: list[Row]) -> list[Row]:
    """Faults hidden."""
    for row in rows:
        if row.get("status") in ("faulted", "maintenance"):
            row["status"] = "idle"
    return rows


def one_status_wrong(rows: list[Row]) -> list[Row]:
    """One status wrong."""
    of(rows, "WELD-01")[700]["status"] = "polishing"
    return rows


def results_permuted(rows: list[Row]) -> list[Row]:
    """Results permuted."""
    its = reports(rows, "PAINT")
    swapped = [row["quality"] for row in its]
    random.Random(1).shuffle(swapped)
    for row, quality in zip(its, swapped, strict=True):
        row["quality"] = quality
    return rows


def few_results_flipped(rows: list[Row]) -> list[Row]:
    """Few results flipped."""
    for row in reports(rows)[::200]:
        key = "quality" if "quality" in row else "test_result"
        good, bad = RESULTS[key]
        row[key] = bad if row[key] == good else good
    return rows


def a_minute_late(rows: list[Row]) -> list[Row]:
    """A minute late."""
    for row in rows:
        moved(row, 60)
    return rows


def a_second_early(rows: list[Row]) -> list[Row]:
    """A second early."""
    for row in rows:
        moved(row, -1.0)
    return rows


def one_row_late(rows: list[Row]) -> list[Row]:
    """One message late."""
    moved(reports(rows, "CNC")[100], 9.0)
    return rows


def orders_removed(rows: list[Row]) -> list[Row]:
    """Orders removed."""
    return [row for row in rows if row.get("event_type") != "order_placed" and "order_id" not in row]


def an_order_changed(rows: list[Row]) -> list[Row]:
    """An order changed."""
    events(rows, "order_placed")[7]["items"][0]["quantity"] += 1
    return rows


def an_order_invented(rows: list[Row]) -> list[Row]:
    """An order invented."""
    return [*rows, events(rows, "order_placed")[3] | {"order_id": "ORD-1234567890"}]


def an_order_twice(rows: list[Row]) -> list[Row]:
    """An order twice."""
    again = events(rows, "order_placed")[3].copy()
    moved(again, 4)
    return [*rows, again]


def a_dispatch_of_another_order(rows: list[Row]) -> list[Row]:
    """A dispatch of another order."""
    events(rows, "order_dispatched")[3]["order_id"] = "ORD-0000000001"
    return rows


def a_dispatch_elsewhere(rows: list[Row]) -> list[Row]:
    """A dispatch elsewhere."""
    events(rows, "order_dispatched")[3]["destination"] = "Nowhere"
    return rows


def orders_an_hour_late(rows: list[Row]) -> list[Row]:
    """Orders an hour late."""
    for row in events(rows, "order_placed"):
        moved(row, 600)
    return rows


def an_unknown_machine(rows: list[Row]) -> list[Row]:
    """An unknown machine."""
    return rows + [row | {"machine_id": "CNC-99"} for row in of(rows, "CNC-01")]


def rows_of_another_machine(rows: list[Row]) -> list[Row]:
    """Messages of another machine."""
    other = {key: value for key, value in of(rows, "PAINT-01")[0].items() if key in ("station_id", "status")}
    for row in of(rows, "CNC-01")[::2]:
        row.update(other)
    return rows


def machines_exchanged(rows: list[Row]) -> list[Row]:
    """Machines exchanged."""
    names = {"CNC-01": "PAINT-01", "PAINT-01": "CNC-01"}
    return [
        row | {"machine_id": names.get(row["machine_id"], row["machine_id"])} if "status" in row else row
        for row in rows
    ]


def cycle_times_scaled(rows: list[Row]) -> list[Row]:
    """Cycle times scaled."""
    for row in reports(rows, "CNC"):
        row["cycle_time"] = round(row["cycle_time"] * 1.02, 1)
    return rows


def a_job_reported_again(rows: list[Row]) -> list[Row]:
    """A job reported again."""
    first, second = reports(rows, "WELD")[50:52]
    second |= {key: first[key] for key in ("assembly_id", "quality", "last_cycle_time", "assembly_type")}
    return rows


def job_ids_repeated(rows: list[Row]) -> list[Row]:
    """Job ids repeated."""
    its = reports(rows, "PAINT")
    for first, second in zip(its[::2], its[1::2], strict=False):
        second["part_id"] = first["part_id"]
    return rows


def jobs_never_reported(rows: list[Row]) -> list[Row]:
    """Jobs never reported."""
    for row in reports(rows, "TEST")[::10]:
        row |= {"target_id": None, "test_result": None, "issues_found": 0}
    return rows


def jobs_without_id(rows: list[Row]) -> list[Row]:
    """Jobs without id."""
    for row in reports(rows, "CNC")[::10]:
        row["part_id"] = None
    return rows


def a_job_invented(rows: list[Row]) -> list[Row]:
    """A job invented."""
    row = next(row for row in of(rows, "CNC-01") if row["quality"] is None and row["status"] == "idle")
    row |= {"part_id": "HP-110000000000", "quality": "good", "cycle_time": 12.0}
    return rows


def kinds_exchanged(rows: list[Row]) -> list[Row]:
    """Kinds exchanged."""
    for row in reports(rows, "PAINT")[::20]:
        row["color"] = "#010101"
    return rows


def issues_hidden(rows: list[Row]) -> list[Row]:
    """Issues hidden."""
    for row in reports(rows, "TEST"):
        row["issues_found"] = 0
    return rows


def never_complete(rows: list[Row]) -> list[Row]:
    """Never complete."""
    for row in of(rows, "3DP-01"):
        row["progress"] = min(row["progress"], 0.99)
    return rows


def progress_backwards(rows: list[Row]) -> list[Row]:
    """Progress backwards."""
    for row in of(rows, "3DP-01"):
        row["progress"] = round(1 - row["progress"], 2)
    return rows


def present_jobs_stuck(rows: list[Row]) -> list[Row]:
    """Present jobs stuck."""
    first = of(rows, "WELD-01")[0]["current_assembly_id"]
    for row in of(rows, "WELD-01"):
        row["current_assembly_id"] = first
    return rows


def another_station(rows: list[Row]) -> list[Row]:
    """Another station."""
    for row in of(rows, "CNC-01")[100:]:
        row["station_id"] = "LINE-9-STATION-Z"
    return rows


def rows_invented(rows: list[Row]) -> list[Row]:
    """Messages invented."""
    extra = [row.copy() for row in of(rows, "CNC-01")[::50] if row["quality"] is None]
    for row in extra:
        moved(row, 1)
    return rows + extra


def rows_frozen(rows: list[Row]) -> list[Row]:
    """Messages frozen."""
    its = of(rows, "CNC-01")
    return [row for row in rows if row not in its[500:900]] + [
        its[500] | {"timestamp": row["timestamp"]} for row in its[500:900]
    ]


FALSE: dict[Change, str] = {
    status_in_reverse: "Messages with a wrong status",
    faults_hidden: "Messages with a wrong status",
    one_status_wrong: "Messages with a wrong status: 1 (WELD-01 1).",
    results_permuted: "Jobs reported with wrong values",
    few_results_flipped: "Jobs reported with wrong values",
    a_minute_late: "Jobs reported at a wrong time",
    a_second_early: "Jobs reported at a wrong time",
    one_row_late: "Jobs reported at a wrong time: 1 (CNC-01 1).",
    orders_removed: "Without any message: orders and dispatches.",
    an_order_changed: "Wrong orders and dispatches: 1 (order 1).",
    an_order_invented: "Wrong orders and dispatches: 1 (order 1).",
    an_order_twice: "Wrong orders and dispatches: 1 (order 1).",
    a_dispatch_of_another_order: "Wrong orders and dispatches: 1 (dispatch 1).",
    a_dispatch_elsewhere: "destination Nowhere instead of ",
    orders_an_hour_late: "this time instead of ",
    an_unknown_machine: "Messages of machines that are not in the ground truth: 720 (CNC-99 720).",
    rows_of_another_machine: "Messages with a wrong value in another field",
    machines_exchanged: "Jobs reported that do not exist",
    cycle_times_scaled: "cycle time ",
    a_job_reported_again: "Jobs reported twice: 1 (WELD-01 1).",
    job_ids_repeated: "Jobs reported twice",
    jobs_never_reported: "Jobs missing in the message that should report them",
    jobs_without_id: " and no id",
    a_job_invented: "Jobs reported that do not exist: 1 (CNC-01 1).",
    kinds_exchanged: "kind #010101 instead of ",
    issues_hidden: "issues found 0 instead of ",
    never_complete: "progress 0.99 of a finished job",
    progress_backwards: "of the same job",
    present_jobs_stuck: "current job ",
    another_station: "station LINE-9-STATION-Z instead of LINE-1-STATION-A",
    rows_invented: "Messages beyond one per period: ",
    rows_frozen: "Jobs missing in the message that should report them",
}


@pytest.mark.parametrize("change", FALSE, ids=lambda change: change.__name__)
def test_what_is_not_so_is_caught_and_named(change: Change, shift: Record, check: Callable[..., Answer]) -> None:
    """By exit code 1, without --strict, and by a sentence about it."""
    answer = check(change(objects(shift)))

    assert answer.code == 1, answer.text
    assert FALSE[change] in answer.text


def test_the_worst_places_are_named(shift: Record, check: Callable[..., Answer]) -> None:
    """An example has machine, time, reported and actual value."""
    rows = objects(shift)
    row = of(rows, "CNC-01")[500]
    said, row["status"] = row["status"], "polishing"

    answer = check(rows)

    assert "Messages with a wrong status: 1 (CNC-01 1)." in answer.text
    assert f"  CNC-01 at {row['timestamp']}: status polishing instead of {said} (since 2026-01-01T00:" in answer.text


def test_each_message_that_is_not_true_is_counted(shift: Record, check: Callable[..., Answer]) -> None:
    """Also where it reports the same as the one before."""
    rows = objects(shift)
    idle = [row for row in rows if row.get("status") == "idle"]
    for row in idle:
        row["status"] = "asleep"

    assert f"Messages with a wrong status: {len(idle):,} (" in check(rows).text


# what is lost, repeated or in disorder


def some_rows_missing(rows: list[Row]) -> list[Row]:
    """Some messages missing."""
    draw = random.Random(2)
    return [row for row in rows if draw.random() > 0.01]


def some_orders_missing(rows: list[Row]) -> list[Row]:
    """Some orders missing."""
    lost = events(rows, "order_placed")[3:5]
    return [row for row in rows if row not in lost]


def some_from_the_future(rows: list[Row]) -> list[Row]:
    """Some from the future."""
    for row in of(rows, "CNC-01")[::100]:
        row["timestamp"] = row["timestamp"].replace("2026", "2036")
    return rows


def five_minutes_missing(rows: list[Row]) -> list[Row]:
    """Five minutes missing."""
    begins, ends = START_MS + 1_500_000, START_MS + 1_800_000
    return [row for row in rows if not begins < at_ms(row) <= ends]


LOST: dict[Change, str] = {
    some_rows_missing: "Finished jobs without a message: ",
    some_orders_missing: "Orders and dispatches missing: 2 ",
    some_from_the_future: "Messages missing: 8 (CNC-01 8).",
    five_minutes_missing: "Messages missing: 2",
}


@pytest.mark.parametrize("change", LOST, ids=lambda change: change.__name__)
def test_what_is_lost_is_counted_and_a_fault_under_strict(
    change: Change, shift: Record, check: Callable[..., Answer]
) -> None:
    """What is left is true; so only --strict minds, as far as figures stay within their bounds."""
    rows = change(objects(shift))
    wide = [f"--{name}-within=20" for name in ("availability", "performance", "quality", "oee", "throughput")]

    answer = check(rows, *wide)

    assert answer.code == 0, answer.text
    assert LOST[change] in answer.text
    assert check(rows, "--strict").code == 1


# what changes nothing


def in_another_order_of_keys(rows: list[Row]) -> list[Row]:
    """In another order of keys."""
    return [dict(reversed(row.items())) for row in rows]


def with_more_keys(rows: list[Row]) -> list[Row]:
    """With more keys."""
    return [row | {"site": "Berlin", "ingested": {"at": 1}} for row in rows]


def with_other_topics(rows: list[Row]) -> list[Row]:
    """With other topics."""
    return [*rows, {"temperature": 21.5}, {"machine_id": "CNC-01", "oee": 0.5}, {"status": "up"}]


def numbers_in_another_format(shift: Record) -> Iterator[bytes]:
    """Numbers in another format."""
    for row in objects(shift):
        line = orjson.dumps(row)
        for key in ("cycle_time", "last_cycle_time", "progress"):
            if row.get(key) is not None:
                line = line.replace(f'"{key}":{row[key]}'.encode(), f'"{key}":{row[key] * 10:.1f}00e-1'.encode())
        yield line


def times_in_another_format(rows: list[Row]) -> list[Row]:
    """Times in another format."""
    return [row | {"timestamp": row["timestamp"].replace("Z", "0000+00:00")} for row in rows]


def with_white_space(shift: Record) -> list[bytes]:
    """With white space."""
    return [
        b"  " + orjson.dumps(row, option=orjson.OPT_INDENT_2).replace(b"\n", b"") + b" \t" for row in objects(shift)
    ]


def as_a_dry_run(shift: Record) -> list[bytes]:
    """As a dry run."""
    return [b'{"topic":"factory","qos":1,"retain":false,"payload":%b}' % line for line in shift.lines]


HARMLESS: dict[str, Callable[[Record], Any]] = {
    "nothing": lambda shift: shift.lines,
    "order of keys": lambda shift: in_another_order_of_keys(objects(shift)),
    "more keys": lambda shift: with_more_keys(objects(shift)),
    "other topics": lambda shift: with_other_topics(objects(shift)),
    "numbers": lambda shift: [*numbers_in_another_format(shift)],
    "times": lambda shift: times_in_another_format(objects(shift)),
    "white space": with_white_space,
    "dry run": as_a_dry_run,
    "topics before": lambda shift: [b"factory/x " + line for line in shift.lines],
    "CR LF": lambda shift: b"\r\n".join(shift.lines),
    "empty lines": lambda shift: b"\n\n".join(shift.lines),
    "gzip": lambda shift: gzip.compress(b"\n".join(shift.lines)),
    "byte order mark": lambda shift: b"\xef\xbb\xbf" + b"\n".join(shift.lines),
    "odd values": lambda shift: [*shift.lines, b'{"machine_id":1}', b'{"event_type":["x"],"order_id":7}', b"{}"],
    "beyond the truth": lambda shift: [*shift.lines, shift.lines[-1].replace(b"2026-01-01T0", b"2026-01-01T1")],
}


@pytest.mark.parametrize("change", HARMLESS)
def test_what_changes_nothing_passes(change: str, shift: Record, check: Callable[..., Answer]) -> None:
    """Under --strict, too."""
    answer = check(HARMLESS[change](shift), "--strict")

    assert answer.code == 0, answer.text + answer.error
    assert "Every message, job and order agrees with the ground truth." in answer.text


def shuffled(lines: list[bytes]) -> list[bytes]:
    """Shuffled."""
    random.Random(3).shuffle(lines)
    return lines


def resent(lines: list[bytes]) -> list[bytes]:
    """Resent."""
    return [*lines[:2000], *lines[1900:], lines[5]]


def in_whole_seconds(lines: list[bytes]) -> list[bytes]:
    """In whole seconds."""
    return [line[:33] + b"Z" + line[38:] for line in lines]


def jittered(lines: list[bytes]) -> list[bytes]:
    """Jittered."""
    draw, rows = random.Random(4), [orjson.loads(line) for line in lines]
    for row in rows:
        moved(row, draw.uniform(-0.3, 0.3))
    return [*map(orjson.dumps, rows)]


def at_random_times(lines: list[bytes]) -> list[bytes]:
    """At random times."""
    draw = random.Random(5)
    return [line[:14] + stamp(START_MS + draw.uniform(0, 3_600_000)).encode() + line[38:] for line in lines]


UNTIDY: dict[Callable[[list[bytes]], list[bytes]], str] = {
    lambda lines: lines[::-1]: "Messages out of order: 3,",
    shuffled: "Messages out of order: 3,",
    resent: "Messages repeated: 1",
    in_whole_seconds: "Message times have a resolution of 1 s.",
    jittered: "Message times are irregular: 3DP-01 by ",
}


@pytest.mark.parametrize("change", UNTIDY, ids=["descending", "shuffled", "resent", "whole_seconds", "jittered"])
def test_what_is_right_but_untidy_is_reported_and_a_fault_under_strict(
    change: Callable[[list[bytes]], list[bytes]], shift: Record, check: Callable[..., Answer]
) -> None:
    """Order, repetition and exactness of times are the consumer's; figures and facts stay right."""
    lines = change([*shift.lines])

    answer = check(lines)

    assert answer.code == 0, answer.text + answer.error
    assert UNTIDY[change] in answer.text
    assert "Every message, job and order agrees with the ground truth." in answer.text
    assert check(lines, "--strict").code == 1


def test_a_consumer_that_stopped_early_is_reported_so_and_is_right(shift: Record, check: Callable[..., Answer]) -> None:
    """The time that both cover ends with its messages."""
    answer = check(shift.between(0, HOUR / 2), "--strict")

    assert answer.code == 0, answer.text
    assert "2026-01-01T00:00:00Z to 2026-01-01T00:29:5" in answer.text
    assert "The messages end 1,80" in answer.text


def test_orders_beyond_the_last_message_are_orders_all_the_same(shift: Record, check: Callable[..., Answer]) -> None:
    """Those of another topic may go on longer than those of machines."""
    later = [row.payload for row in shift.rows if not row.station and row.time_ms > START_MS + HOUR * 500]

    answer = check([*shift.between(0, HOUR / 2), *later], "--strict")

    assert answer.code == 0, answer.text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda lines: [line[:31] + b"00Z" + line[38:] for line in lines], "have a resolution of 60 s, too coarse for"),
        (at_random_times, "are irregular, too coarse for a message period"),
    ],
    ids=["whole_minutes", "random_times"],
)
def test_times_too_coarse_to_compare_by_are_refused_with_the_reason(
    change: Callable[[list[bytes]], list[bytes]], why: str, shift: Record, check: Callable[..., Answer]
) -> None:
    """Exit code 2: messages cannot be distinguished, so nothing reported about them would be reliable."""
    answer = check(change([*shift.lines]))

    assert (answer.code, answer.text) == (2, "")
    assert why in answer.error
