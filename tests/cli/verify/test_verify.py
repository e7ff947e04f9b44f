"""Facts about `verify`: it accepts correct messages, and rejects wrong ones and those that are counted wrongly."""

from __future__ import annotations

import argparse
import io
import random  # noqa: TID251 - which rows of a test go missing is no part of the plant
import re
import resource
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from cli.arguments import typed
from cli.options.verify import BOUNDS, VerifyOptions, add_verify
from cli.verify.command import run_verify
from cli.verify.comparison import (
    Calculator,
    Difference,
    Figures,
    Severity,
    allowances,
    compare,
    from_ground_truth,
    from_messages,
)
from cli.verify.counts.message_counts import MessageCounts
from cli.verify.input.ground_truth import GroundTruth, load
from cli.verify.input.received_messages import ReceivedMessages
from cli.verify.input.reference import InvalidInput, MachineTotals
from edge.runtime.ground_truth import GroundTruthFile
from edge.settings.loader import Settings
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message
from tests.support.factory.answers import whole_answer
from tests.support.factory.plants import COUNTED, ROOT, config, original

DAY, SHIFT, HOUR = 86_400, 14_400, 3_600
START_MS = round(START * 1000)
ONE_OF_EACH = dict.fromkeys(COUNTED, 1)


class Record(NamedTuple):
    """What a plant emitted, and the lines of its ground truth file."""

    rows: Sequence[Message]
    truth: Sequence[bytes]

    def between(self, since: float, until: float) -> list[bytes]:
        """The messages of some of its seconds."""
        begin, end = START_MS + since * 1000, START_MS + until * 1000
        first, behind = (bisect_right(self.rows, each, key=lambda row: row.time_ms) for each in (begin, end))
        return [row.payload for row in self.rows[first:behind]]

    @property
    def lines(self) -> list[bytes]:
        """All messages."""
        return [row.payload for row in self.rows]


def record(plant: PlantConfig, seconds: int, path: Path) -> Record:
    """A plant's messages and its ground truth, ten minutes after ten minutes."""
    generator, truth = FactoryMessageGenerator.of(plant, 1), GroundTruthFile(path, START_MS, 1)
    truth.begin()
    truth.machines(generator.oee(), generator.machines(), START_MS)
    generator.listen(truth, truth.order)
    rows = [row for until in range(600, seconds + 600, 600) for row in generator.advance(START + until)]
    generator.close_truth()
    truth.totals(generator.oee(), START_MS + seconds * 1000)
    truth.end(START_MS + seconds * 1000)
    return Record(rows, path.read_bytes().splitlines())


def stamp(time_ms: float) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat("T", "milliseconds").replace("+00:00", "Z")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A day of one machine of each type."""
    return record(config(ONE_OF_EACH), DAY, tmp_path_factory.mktemp("day") / "truth")


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Four hours of one machine of each type, where a test needs no more."""
    return record(config(ONE_OF_EACH), SHIFT, tmp_path_factory.mktemp("shift") / "truth")


class Answer(NamedTuple):
    """What the command answered."""

    code: int
    text: str
    error: str


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Verify messages against ground truth lines, written to files, with options and a calculator."""

    def run(
        rows: Iterable[bytes], truth: Iterable[bytes], *flags: str, calculate: Calculator = from_messages
    ) -> Answer:
        (tmp_path / "rows").write_bytes(b"\n".join(rows))
        (tmp_path / "truth").write_bytes(b"\n".join(truth))
        arguments = [str(tmp_path / "rows"), "--truth", str(tmp_path / "truth"), *flags]
        return answer_to(arguments, capsys, calculate)

    return run


def answer_to(
    arguments: Sequence[str],
    capsys: pytest.CaptureFixture[str],
    calculate: Calculator = from_messages,
    environ: dict[str, str] | None = None,
) -> Answer:
    """The command's answer to arguments."""
    parser, out = argparse.ArgumentParser(), io.StringIO()
    add_verify(parser)
    options = typed(VerifyOptions, parser.parse_args(arguments))
    code = run_verify(options, lambda: Settings.load(environ or {}, options.flags, pid=1), out=out, calculate=calculate)
    return Answer(code, out.getvalue(), capsys.readouterr().err)


# figures


def machine_hour(tmp_path: Path) -> GroundTruth:
    """One machine's hour: 40 minutes running, 10 idle, 10 of planned stop; a job each 12 s of running, 1 in 20 bad."""
    at = {name: stamp(START_MS + minutes * 60_000) for name, minutes in (("a", 0), ("b", 40), ("c", 50), ("d", 60))}
    about = {"machine_id": "CNC-01"}
    machine = about | {"machine_type": "cnc_machine", "period_seconds": 5, "ideal_cycle_seconds": 10}
    intervals = [("running", "a", "b"), ("idle", "b", "c"), ("planned_stop", "c", "d")]
    finished = [(f"HP-{n}", stamp(START_MS + 12_000 * n), "scrap" if n % 20 == 0 else "good") for n in range(1, 201)]
    job = about | {"type": "job", "kind": "HullPanel", "cycle_time_seconds": 12.0}
    entries = [
        {"type": "run", "start": at["a"], "end": at["d"]},
        {"type": "machine", "producing_state": "running"} | machine,
        *({"type": "interval", "state": state, "from": at[a], "to": at[b]} | about for state, a, b in intervals),
        *(job | {"job_id": name, "finished": when, "result": result} for name, when, result in finished),
    ]
    path = tmp_path / "hour"
    path.write_bytes(b"\n".join(map(orjson.dumps, entries)))
    return GroundTruth(path)


def test_figures_of_the_ground_truth_are_plain_sums(tmp_path: Path) -> None:
    """40 of 50 planned minutes; 200 jobs of 10 s in 2,400 s; 190 of them good; in one hour."""
    truth = machine_hour(tmp_path)

    figures = from_ground_truth(truth.machines(*truth.span)["CNC-01"])

    assert figures == pytest.approx((0.8, 2000 / 2400, 0.95, 0.8 * 2000 / 2400 * 0.95, 200.0))


def test_any_stretch_can_be_cut_out_of_the_ground_truth(tmp_path: Path) -> None:
    """From minute 30 to 45: two thirds running, and the jobs that finished after the one end and up to the other."""
    truth = machine_hour(tmp_path)

    machine = truth.machines(START_MS + 30 * 60_000, START_MS + 45 * 60_000)["CNC-01"]

    assert (machine.elapsed_ms, machine.planned_ms, machine.producing_ms) == (900_000, 900_000, 600_000)
    assert (machine.jobs, machine.good) == (50, 47)


def test_a_time_without_work_has_no_figures(tmp_path: Path) -> None:
    """In a planned stop nothing is defined but that nothing was made."""
    truth = machine_hour(tmp_path)

    figures = from_ground_truth(truth.machines(START_MS + 52 * 60_000, START_MS + 58 * 60_000)["CNC-01"])

    assert figures == (None, None, None, None, 0.0)


# a whole day


def test_messages_of_a_day_agree_with_the_ground_truth(day: Record, verify: Callable[..., Answer]) -> None:
    """For every type, within the bounds, with nothing lost, repeated or out of order."""
    answer = verify(day.lines, day.truth, "--strict")

    assert answer.code == 0, answer.text
    assert "Every compared figure is within its bound." in answer.text
    assert "~" not in answer.text


def test_additional_reports_agree_too(verify: Callable[..., Answer], tmp_path: Path) -> None:
    """The original's plant, whose welding and painting machines report jobs in additional messages."""
    recorded_plant = record(original(), 2 * HOUR, tmp_path / "recorded")

    answer = verify(recorded_plant.lines, recorded_plant.truth, "--strict", "--machines", "[WP]*")

    assert answer.code == 0, answer.text
    assert " 0 additional;" not in answer.text


def test_allowances_are_below_the_bounds_in_a_day(day: Record, recorded: GroundTruth) -> None:
    """So they widen nothing then."""
    truth = of(recorded, 0, DAY)
    for machine_id, machine in counted(day.lines, recorded).items():
        true = from_ground_truth(truth[machine_id])
        allowed = allowances(machine, machine.jobs, true, true)
        assert all(allowance < bound for allowance, bound in zip(allowed, BOUNDS, strict=True)), (machine_id, allowed)


def counts_every_row(rows: MessageCounts, hours: float) -> Figures:
    """Wrong: takes each message for a part."""
    return from_messages(rows, hours)._replace(throughput=rows.messages / hours)


def skips_stopped_rows(rows: MessageCounts, hours: float) -> Figures:
    """Wrong: looks at producing messages only."""
    return from_messages(rows, hours)._replace(availability=rows.producing / rows.producing)


def takes_the_mean_for_the_ideal(rows: MessageCounts, hours: float) -> Figures:
    """Wrong: 12.5 s where 10 s are the best."""
    right = from_messages(rows, hours)
    mean = rows.cycle_seconds / rows.cycles / rows.shortest_seconds if rows.cycles else 1.0
    return right._replace(performance=(right.performance or 0.0) * mean)


def forgets_scrap(rows: MessageCounts, hours: float) -> Figures:
    """Wrong: everything is good."""
    return from_messages(rows, hours)._replace(quality=1.0)


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        (counts_every_row, "3DP CNC PAINT TEST WELD"),
        (skips_stopped_rows, "3DP CNC PAINT TEST WELD"),
        (takes_the_mean_for_the_ideal, "CNC PAINT WELD"),
        (forgets_scrap, "3DP CNC PAINT TEST WELD"),
    ],
)
def test_a_wrong_calculator_is_caught(
    wrong: Calculator, about: str, shift: Record, verify: Callable[..., Answer]
) -> None:
    """On every machine that it is wrong about, and on no other."""
    answer = verify(shift.lines, shift.truth, calculate=wrong)

    machines = [f"{each}-01" for each in about.split()]
    assert answer.code == 1
    assert [line.split()[0] for line in answer.text.splitlines() if "*" in line] == [*machines, "*"]
    assert f"* above the bound: {', '.join(machines)}." in answer.text


def test_a_wrong_ideal_in_the_ground_truth_is_caught(shift: Record, verify: Callable[..., Answer]) -> None:
    """Messages say cycle times of their own; printers and rigs do not."""
    untotalled = [line for line in shift.truth if b'"totals"' not in line]
    slow = [line.replace(b'"ideal_cycle_seconds":10.0', b'"ideal_cycle_seconds":11.0') for line in untotalled]

    assert "* above the bound: CNC-01." in verify(shift.lines, slow).text


def test_results_that_are_never_said_are_caught(shift: Record, verify: Callable[..., Answer]) -> None:
    """No job, no quality: the ground truth has both."""
    without_results = [line.replace(b'"test_result":"pass"', b'"test_result":null') for line in shift.lines]
    without_results = [line.replace(b'"test_result":"fail"', b'"test_result":null') for line in without_results]

    [rig] = [line for line in verify(without_results, shift.truth).text.splitlines() if line.startswith("TEST-01")]

    assert rig.count("*") == 4
    assert rig.count(" -*") == 2


def test_lost_messages_are_found_and_named(shift: Record, verify: Callable[..., Answer]) -> None:
    """One message in twenty of one machine: its messages and jobs are missing, and its throughput is too low."""
    draw = random.Random(1)
    left = [row.payload for row in shift.rows if row.source != "PAINT-01" or draw.random() > 0.05]

    answer = verify(left, shift.truth)

    assert answer.code == 1
    assert "* above the bound: PAINT-01." in answer.text
    lost = len(shift.rows) - len(left)
    assert f"Messages missing: {lost:,} (PAINT-01 {lost:,})." in answer.text
    assert "Job numbers missing: 0." not in answer.text


def test_a_machine_that_falls_silent_is_found(shift: Record, verify: Callable[..., Answer]) -> None:
    """Whether it never reports anything, or stops half-way."""
    others = [row for row in shift.rows if row.source != "TEST-01"]
    until_half = [row for row in shift.rows if row.source != "TEST-01" or row.time_ms < START_MS + SHIFT * 500]

    never, later = (verify((row.payload for row in rows), shift.truth) for rows in (others, until_half))

    assert (never.code, later.code) == (1, 1)
    assert "Without any message: TEST-01." in never.text
    assert "Messages missing: 720 (TEST-01 720)." in later.text


def test_repeated_messages_change_no_figure(shift: Record, verify: Callable[..., Answer]) -> None:
    """At-least-once delivery repeats; it is reported, and only --strict minds."""
    lines = shift.between(0, 3 * HOUR)
    doubled = [*lines[:5000], *lines[4900:]]

    answer, strict = verify(doubled, shift.truth), verify(doubled, shift.truth, "--strict")

    assert (answer.code, strict.code) == (0, 1)
    assert "Messages repeated: 100 (" in answer.text


def test_unreadable_is_named(shift: Record, verify: Callable[..., Answer]) -> None:
    """It ends nothing; --strict minds."""
    junk = [b"{", *shift.lines[:10_000]]

    answer = verify(junk, shift.truth)

    assert answer.code == 0
    assert "1 lines are unreadable: line 1: not JSON." in answer.text
    assert verify(junk, shift.truth, "--strict").code == 1


@pytest.mark.parametrize(
    "flag", ["--availability-within", "--performance-within", "--oee-within", "--throughput-within"]
)
def test_bounds_can_be_set(flag: str, shift: Record, verify: Callable[..., Answer]) -> None:
    """A bound of nothing is passed by nearly all; the allowance still holds, so that messages cut short show it."""
    short = shift.between(2 * HOUR, 3 * HOUR)

    assert "~" in verify(short, shift.truth, flag, "0").text


# less than a day


def counted(lines: Iterable[bytes], truth: GroundTruth) -> dict[str, MessageCounts]:
    """Each machine's messages, counted by the terms that a ground truth file has."""
    rows, machines = ReceivedMessages(), {}
    rows.read(lines)
    for machine_id in rows.machines:
        machines[machine_id] = MessageCounts(machine_id, truth.timelines[machine_id])
        for time_ms, content in rows.of_machine(machine_id):
            machines[machine_id].add(time_ms, content)
    return machines


@pytest.fixture(scope="module")
def recorded(day: Record, tmp_path_factory: pytest.TempPathFactory) -> GroundTruth:
    """The ground truth of the day, read."""
    path = tmp_path_factory.mktemp("recorded") / "truth"
    path.write_bytes(b"\n".join(day.truth))
    return GroundTruth(path)


def of(truth: GroundTruth, since: float, until: float) -> Mapping[str, MachineTotals]:
    """The ground truth of some seconds."""
    return truth.machines(round(START_MS + since * 1000), round(START_MS + until * 1000))


def test_messages_of_an_hour_are_held_against_that_hour(shift: Record, verify: Callable[..., Answer]) -> None:
    """The ground truth is cut to the messages."""
    answer = verify(shift.between(2 * HOUR, 3 * HOUR), shift.truth, "--strict")

    assert answer.code == 0, answer.text
    assert re.search(r" 2026-01-01T02:00:0\dZ to 2026-01-01T0(2:59:5\d|3:00:00)Z ", answer.text)


def test_messages_beyond_the_ground_truth_are_left_out(
    shift: Record, verify: Callable[..., Answer], tmp_path: Path
) -> None:
    """The messages are cut to the ground truth."""
    run = orjson.dumps({"type": "run", "start": stamp(START_MS), "end": stamp(START_MS + 3 * HOUR * 1000)})
    first_hours = [run, *shift.truth[1:-1]]

    answer = verify(shift.lines, first_hours, "--strict")

    assert answer.code == 0, answer.text
    assert (
        f"{len(shift.rows) - len(shift.between(0, 3 * HOUR)):,} messages outside the time of the ground truth"
        in answer.text
    )


def test_a_short_time_raises_no_false_alarm(day: Record, recorded: GroundTruth) -> None:
    """Of 10 minutes' figures none is above what sampling may do, though many are above the bound."""
    marks = [
        difference.severity
        for since in range(500, DAY - 600, 3000)
        for differences in compared(day, recorded, since, since + 600)
        for difference in differences
    ]

    assert Severity.EXCEEDED not in marks
    assert marks.count(Severity.ALLOWED) > 50


def test_a_gross_fault_shows_in_a_short_time_too(day: Record, recorded: GroundTruth) -> None:
    """Stopped messages skipped for 10 minutes: wherever a machine stood for two of them, it is seen."""
    for since in range(500, DAY - 600, 9000):
        truth = of(recorded, since, since + 600)
        for machine_id, machine in counted(day.between(since, since + 600), recorded).items():
            if 0 < truth[machine_id].producing_ms < 480_000:
                assert (
                    compare(machine, truth[machine_id], calculate=skips_stopped_rows)[0].severity is Severity.EXCEEDED
                )


def compared(day: Record, recorded: GroundTruth, since: float, until: float) -> Iterator[Sequence[Difference]]:
    """The differences of each machine in some seconds."""
    truth = of(recorded, since, until)
    for machine_id, machine in counted(day.between(since, until), recorded).items():
        yield compare(machine, truth[machine_id])


def test_a_minute_is_too_short_to_compare_and_says_so(shift: Record, verify: Callable[..., Answer]) -> None:
    """By an exit code of its own, by machine and figure, without figures that are none, in columns that stand apart."""
    answer = verify(shift.between(3 * HOUR, 3 * HOUR + 60), shift.truth)

    assert answer.code == 3, answer.text
    assert re.search(r"^\? too short to compare: \d+ of 25 figures \(3DP-01 ", answer.text, re.MULTILINE)
    assert "Too few figures could be compared for a result." in answer.text
    assert "nan" not in answer.text
    assert "inf" not in answer.text
    heads, first, *_ = (line.split() for line in answer.text.splitlines()[1:])
    assert len(heads) == len(first) == 16


def test_what_is_wrong_is_wrong_in_a_minute_too(shift: Record, verify: Callable[..., Answer]) -> None:
    """A wrong status is reported however short the span is."""
    rows = shift.between(3 * HOUR, 3 * HOUR + 60)

    answer = verify([*rows[:-1], re.sub(rb'"status":"\w+"', b'"status":"asleep"', rows[-1])], shift.truth)

    assert answer.code == 1, answer.text


@pytest.mark.parametrize("seconds", [1, 5, 11, 30])
def test_the_shortest_times_end_with_a_sentence(seconds: int, shift: Record, verify: Callable[..., Answer]) -> None:
    """A message or two of a machine, or none."""
    answer = verify(shift.between(3 * HOUR, 3 * HOUR + seconds), shift.truth)

    assert answer.code in (1, 3), answer.text + answer.error  # 1: a machine that says nothing
    assert "Every compared figure is within its bound." not in answer.text


def test_columns_stand_apart_whatever_is_in_them(shift: Record, verify: Callable[..., Answer]) -> None:
    """Figures of a consumer that are beyond all measure, names of any length."""

    def beyond(rows: MessageCounts, hours: float) -> Figures:
        return Figures(*(-1e12 if name == "oee" else 123456789.0 for name in Figures._fields))

    answer = verify(shift.between(0, HOUR), shift.truth, calculate=beyond)

    table = [line.split() for line in answer.text.splitlines()[1:7]]
    assert [len(cells) for cells in table] == [16] * 6


# the truth in other forms


def test_a_truth_file_that_was_not_closed_is_used_as_far_as_it_goes(
    shift: Record, verify: Callable[..., Answer]
) -> None:
    """The process died: no end, a last line cut short, and intervals that were never closed."""
    half = len(shift.truth) // 2

    answer = verify(shift.lines, [*shift.truth[:half], shift.truth[half][:30]])

    assert answer.code == 0, answer.text
    assert re.search(r" 2026-01-01T00:00:00Z to 2026-01-01T0[0-3]:", answer.text)


def sums(plant: FactoryMessageGenerator) -> bytes:
    """The answer of /oee."""
    return whole_answer(plant)


def test_the_sums_of_a_run_will_do(verify: Callable[..., Answer]) -> None:
    """The JSON of /oee in a file, for messages from the start of the run; a part of them cannot be compared with it."""
    plant = FactoryMessageGenerator.of(config(ONE_OF_EACH), 1)
    rows = plant.advance(START + 4 * HOUR)
    answer = sums(plant)

    whole = verify([row.payload for row in rows], [answer])
    part = verify([row.payload for row in rows[: len(rows) // 2]], [answer])

    assert whole.code == 0, whole.text
    assert part.code == 2
    assert "the messages cover 7,2" in part.error
    assert "of the 14,400 s that /oee sums up, and sums cannot be cut: use a ground truth file" in part.error


# what cannot be read

RUN = '{"type":"run","start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z"}\n'
MACHINE = (
    '{"type":"machine","at":"2026-01-01T00:00:00Z","machine_id":"A","machine_type":"k","period_seconds":%d,'
    '"ideal_cycle_seconds":10,"producing_state":"running"}\n'
)
TOTALS = '{"type":"totals","at":"2026-01-02T00:00:00Z","machine_id":"A"}'
JOB = (
    '{"type":"job","machine_id":"A","job_id":"1","kind":"k","finished":"2026-01-01T01:00:00Z","result":"good",'
    '"cycle_time_seconds":"x"}'
)


@pytest.mark.parametrize(
    ("truth", "why"),
    [
        ("", "neither a ground truth file nor an answer of /oee: not JSON"),
        ("{}", "neither a ground truth file nor an answer of /oee: the key start is missing"),
        ('{"span":"hour"}', "totals of span=hour; those of span=run are needed"),
        ('{"type":"run"}', "not a ground truth file: the first line is not of type run"),
        ('{"type":"run","start":"today"}', "not a ground truth file: the first line is not of type run"),
        ('{"type":"run","start":"2026-01-01T00:00:00Z"}\n{\n{}', ":2: not JSON"),
        (
            '{"type":"run","start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z"}\n{"type":"job"}',
            ":2: invalid line of a ground truth file: the key machine_id is missing",
        ),
        (f"{RUN}{MACHINE % 0}", ":2: invalid line of a ground truth file: period_seconds must be above 0, not 0"),
        (f"{RUN}{MACHINE % 5}{TOTALS}", ":3: invalid line of a ground truth file: the key stopped_seconds is missing"),
        (
            f"{RUN}{MACHINE % 5}{JOB}",
            ":3: invalid line of a ground truth file: could not convert string to float: 'x'",
        ),
        (
            f'{RUN}{{"type":"gone","at":"2026-01-01T00:00:00Z","machine_id":"A"}}',
            ":2: invalid line of a ground truth file: no line before describes the machine A",
        ),
    ],
)
def test_a_truth_that_is_none_is_named(truth: str, why: str, tmp_path: Path) -> None:
    """With the line where there is one."""
    path = tmp_path / "truth"
    path.write_text(truth)

    with pytest.raises(InvalidInput) as error:
        load(str(path)).machines(0, 2**62)

    assert str(error.value).endswith(why)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("which", ["rows", "truth"])
def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(which: str, tmp_path: Path) -> None:
    """As where a device, or a file of another kind, is taken for messages or truth."""
    (tmp_path / "truth").write_text(RUN)
    rows, truth = ("/dev/zero", tmp_path / "truth") if which == "rows" else (tmp_path / "truth", "/dev/zero")
    command = [sys.executable, "app.py", "verify", str(rows), "--truth", str(truth)]
    room = partial(resource.setrlimit, resource.RLIMIT_AS, (2**31, 2**31))

    ended = subprocess.run(command, cwd=ROOT, preexec_fn=room, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("verify: /dev/zero")


def test_messages_in_place_of_the_ground_truth_are_recognised(shift: Record, verify: Callable[..., Answer]) -> None:
    """In each form that messages have."""
    for line in (shift.lines[0], b'{"topic":"a/b","payload":%b}' % shift.lines[0], b"a/b %b" % shift.lines[0]):
        answer = verify(shift.lines[:2000], [line, line])
        assert (answer.code, answer.text) == (2, "")
        assert "truth: messages, not ground truth" in answer.error


def test_no_control_character_of_an_input_reaches_the_terminal(shift: Record, verify: Callable[..., Answer]) -> None:
    """Neither of messages nor of the ground truth, in the report or in an error."""
    named = [line.replace(b'-01"', b'-\\u001b[2J"', 1) for line in [*shift.lines[:2000], *shift.truth]]
    report = verify(named[:2000], named[2000:])
    error = verify(
        shift.lines[:2000], [shift.truth[0], b'{"type":"gone","at":"2026-01-01T00:00:00Z","machine_id":"\\u001b[2J"}']
    )

    assert r"-\x1b[2J" in report.text
    assert r"the machine \x1b[2J" in error.error
    assert "\x1b" not in report.text + report.error + error.error


def test_what_cannot_be_read_ends_with_two_and_a_sentence(
    shift: Record, verify: Callable[..., Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, no messages, messages of other machines or of another time, options that do not go together."""
    other = [line.replace(b'-01"', b'-77"') for line in shift.lines[:100]]
    late = [line.replace(b'"2026', b'"2036') for line in shift.lines[:100]]
    asked = {
        "cannot read nowhere: No such file": answer_to(["nowhere", "--truth", "nowhere"], capsys),
        "name the messages": answer_to(["rows"], capsys),
        "--topics: topic filter 'a#b' must have # only as its last level": answer_to(
            ["--from-mqtt", "--duration", "9", "--topics", "a#b"], capsys
        ),
        "--from-mqtt needs --duration": answer_to(["--from-mqtt"], capsys),
        "no message of a machine in 1 lines: 0 outside the time of the ground truth, 0 unrelated, 1 unreadable": verify(
            [b"?"], shift.truth
        ),
        "no machine in common": verify(other, shift.truth),
        "100 outside the time": verify(late, shift.truth),
        "cannot get http://127.0.0.1:1/oee: [Errno": answer_to(["rows", "--truth", "http://127.0.0.1:1/oee"], capsys),
    }
    for sentence, answer in asked.items():
        assert (answer.code, answer.text) == (2, "")
        assert sentence in answer.error
        assert answer.error.count("\n") == 1
