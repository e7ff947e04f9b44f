"""Facts about reading detections: forms of files, of times and of values, and the errors in them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.evaluate.input.detections import DetectionColumns, read_detections
from cli.evaluate.input.times import BrokenRule, time_ms
from cli.verify.input.reference import InvalidInput

TEN = 1767607200000
"""2026-01-05T10:00:00Z in milliseconds."""

Read = Callable[[str], DetectionColumns]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a text as the file `detections`."""
    monkeypatch.chdir(tmp_path)

    def run(text: str) -> DetectionColumns:
        Path("detections").write_text(text, "utf-8")
        return read_detections("detections")

    return run


def errors(read: Read, text: str) -> list[str]:
    """The lines of the error."""
    with pytest.raises(InvalidInput) as error:
        read(text)
    return str(error.value).splitlines()


def rows(columns: DetectionColumns) -> list[tuple[Any, ...]]:
    """Machine, begin, end, score and name of each detection."""
    names = [*columns.names, None]
    each = zip(columns.machine, columns.begin, columns.end, columns.score, columns.name, strict=True)
    return [
        (columns.machines[machine], begin, end, None if math.isnan(score) else score, names[name])
        for machine, begin, end, score, name in each
    ]


def test_csv_is_read_by_its_header(read: Read) -> None:
    """Columns in any order; others are ignored, an empty cell is none, also with a mark of byte order and CRLF."""
    text = (
        '\ufeff,machine,score,to,from,note,fault\r\n'
        '0,CNC-01,1.5,2026-01-05T10:01:00Z,2026-01-05T10:00:00Z,"a,\r\nb",wear\r\n'
        '\r\n'
        '1,CNC-02,,2026-01-05T10:01:00Z,2026-01-05T10:00:00Z,,\r\n'
    )  # fmt: skip

    assert rows(read(text)) == [
        ("CNC-01", TEN, TEN + 60_000, 1.5, "wear"),
        ("CNC-02", TEN, TEN + 60_000, None, None),
    ]


def test_json_lines_are_read_by_their_content(read: Read) -> None:
    """Whatever the name of the file; null is none."""
    text = (
        '\n{"machine_id":"CNC-01","from":"2026-01-05T10:00:00Z","to":1767607260,"score":2}\n\n'
        '{"machine":"CNC-02","time":1767607200.25,"score":null,"fault":"leak"}\n'
        '{"machine":"CNC-02","timestamp":1767607200250}'
    )

    assert rows(read(text)) == [
        ("CNC-01", TEN, TEN + 60_000, 2.0, None),
        ("CNC-02", TEN + 250, TEN + 250, None, "leak"),
        ("CNC-02", TEN + 250, TEN + 250, None, None),
    ]


def test_a_span_counts_more_than_a_moment_beside_it(read: Read) -> None:
    """A line may also say when it was written."""
    line = '{"machine":"M","timestamp":"2026-01-06T00:00:00Z","from":1767607200,"to":1767607201}'

    assert rows(read(line)) == [("M", TEN, TEN + 1000, None, None)]


def test_all_errors_are_reported_with_their_lines(read: Read) -> None:
    """JSON lines with one of each."""
    text = (
        '{"machine":"M","time":"2026-01-05T10:00:00Z"}\n'
        "oops\n"
        "[1]\n"
        '{"time":1767607200}\n'
        '{"machine":7,"time":1767607200}\n'
        '{"machine":"M"}\n'
        '{"machine":"M","from":1767607200}\n'
        '{"machine":"M","from":1767607201,"to":1767607200}\n'
        '{"machine":"M","time":"yesterday"}\n'
        '{"machine":"M","time":"2026-01-05T10:00:00"}\n'
        '{"machine":"M","time":true}\n'
        '{"machine":"M","time":1767607200000000000}\n'
        '{"machine":"M","time":1767607200,"score":"high"}\n'
        '{"machine":"M","time":1767607200,"score":true}\n'
        '{"machine":"M","time":1767607200,"fault":3}\n'
    )
    rule = "must be a time such as 2026-01-05T08:00:00Z, or seconds or milliseconds since 1970"

    assert errors(read, text) == [
        "14 errors in detections:",
        "detections:2: not JSON: write one object a line",
        "detections:3: not a JSON object: write one a line",
        "detections:4: machine is missing",
        "detections:5: machine must be text, not 7",
        "detections:6: from and to, or time, are missing",
        "detections:7: to is missing",
        "detections:8: to must not be before from: 1767607200 is before 1767607201",
        f"detections:9: time {rule}, not 'yesterday'",
        "detections:10: time must have a time zone, such as Z or +01:00, not '2026-01-05T10:00:00'",
        f"detections:11: time {rule}, not True",
        "detections:12: time must lie in the years 1970 to 9899 (UTC), not 1767607200000000000",
        "detections:13: score must be a finite number, not 'high'",
        "detections:14: score must be a finite number, not True",
        "detections:15: fault must be text, not 3",
    ]


@pytest.mark.parametrize("score", ["nan", "NaN", "inf", "-inf", "1e999"])
def test_a_score_is_finite(read: Read, score: str) -> None:
    """Thresholds have no order otherwise."""
    assert errors(read, f"machine,time,score\nM,1767607200,{score}\n") == [
        "1 error in detections:",
        f"detections:2: score must be a finite number, not '{score}'",
    ]


def test_the_first_twenty_errors_are_listed_and_all_are_counted(read: Read) -> None:
    """Of a file in another form."""
    found = errors(read, "machine,time\n" + "M,yesterday\n" * 1500)

    assert found[0] == "1,500 errors in detections, the first 20 of them:"
    assert len(found) == 21


def test_errors_of_csv_name_the_line_at_which_a_record_ends(read: Read) -> None:
    """Records may have several lines; too many and too few cells are errors."""
    text = 'machine,time,note\n"M",1767607200,"a\nb"\nM,x,"a\nb"\nM,1767607200\nM,1767607200,a,b\n'
    found = errors(read, text)[1:]

    assert [each.partition(": ")[0] for each in found] == ["detections:5", "detections:6", "detections:7"]
    assert found[1:] == [
        "detections:6: 2 values, and 3 columns in the header",
        "detections:7: 4 values, and 3 columns in the header",
    ]


@pytest.mark.parametrize("header", ["machine;from;to", "M,2026-01-05T10:00:00Z", "machine,from", "time,score"])
def test_a_header_must_name_machine_and_time(read: Read, header: str) -> None:
    """Also where there is no header."""
    assert errors(read, f"{header}\n") == [
        "1 error in detections:",
        f"detections:1: the header must name machine, and either from and to, or time: it is '{header}'",
    ]


def test_an_array_is_no_json_lines(read: Read) -> None:
    """The error says what to write."""
    assert errors(read, '[{"machine":"M","time":1}]')[1] == "detections:1: not a JSON object: write one a line"


@pytest.mark.parametrize(
    "time",
    ["2026-01-05T10:00:00Z", "2026-01-05 11:00:00+01:00", "2026-01-05T04:30:00.000-05:30", "1767607200", 1767607200,
     1767607200.0, 1767607200000, "1767607200000", " 1.7676072e9 "],
)  # fmt: skip
def test_one_moment_in_all_its_forms(time: object) -> None:
    """Time zones; numbers below 100,000,000,000 are seconds, others milliseconds."""
    assert time_ms(time) == TEN


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.lists(st.integers())))
def test_any_value_is_a_time_or_breaks_a_rule(value: object) -> None:
    """No other error."""
    with contextlib.suppress(BrokenRule):
        assert 0 <= time_ms(value) < 253_000_000_000_000
