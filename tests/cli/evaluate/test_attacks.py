"""Whatever is in its files, `evaluate` scores it or says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import app
from tests.cli.evaluate.runs import Fault, fault_line, json_lines, stamp, truth_lines
from tests.support.examples import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
VALUES = JSON | st.sampled_from([stamp(0), stamp(10), "2026-01-05", "1e308", "-1", -1, 1e300, 10**30, "CNC-01", ""])
ANY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=examples(60),
)
DETECTION_KEYS = ("machine", "machine_id", "from", "to", "time", "timestamp", "score", "fault")
FAULT = fault_line(Fault("CNC-01", 10, 20))


def code_of(folder: Path, truth: bytes, detections: bytes, messages: bytes | None = None) -> int:
    """The exit code on files."""
    files = {"truth": truth, "detections": detections, "messages": messages}
    for name, content in files.items():
        (folder / name).write_bytes(content or b"")
    flags = [] if messages is None else ["--messages", str(folder / "messages"), "--window", "2"]
    return app.main(["evaluate", str(folder / "detections"), "--truth", str(folder / "truth"), *flags], {})


@ANY
@given(st.binary(max_size=80))
@example(b"\x1f\x8b")
@example(b"\x1f\x8b\x08\x00damaged")
@example(b"machine,time\n\0,1\n")
@example(b'machine,time\n"M,1\n')
def test_any_bytes_are_detections_or_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """Also where they look like a compressed file."""
    assert code_of(tmp_path, json_lines(truth_lines([])).encode(), content) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


@ANY
@given(st.lists(st.dictionaries(st.sampled_from(DETECTION_KEYS), VALUES), max_size=3))
def test_any_values_of_detections_are_scored_or_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[dict[str, object]]
) -> None:
    """The report can be written, too."""
    content = json_lines(lines).encode(errors="surrogatepass")
    assert code_of(tmp_path, json_lines(truth_lines([Fault("CNC-01", 0, 10)])).encode(), content) in (0, 2)


@ANY
@given(
    st.dictionaries(
        st.sampled_from([*FAULT, "signal", "open", "start", "machine_type", "station_id", "messages"]), VALUES
    )
)
def test_any_values_in_the_ground_truth_are_labels_or_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    """Of every type of line."""
    lines = truth_lines([Fault("CNC-01", 0, 10)])
    lines[-1:-1] = [FAULT | change, {"type": "machine_type"} | change, {"type": "machine"} | change]
    content = json_lines(lines).encode(errors="surrogatepass")
    assert code_of(tmp_path, content, b"machine,time\nCNC-01,1767600000\n") in (0, 2)


@ANY
@given(st.binary(max_size=40), st.dictionaries(st.sampled_from(["timestamp", "machine_id", "x", "y"]), VALUES))
def test_any_messages_are_read_or_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: dict[str, object]
) -> None:
    """Lines that are none are counted; numbers may be as large as JSON has them."""
    good = {"timestamp": stamp(1), "machine_id": "CNC-01", "x": 1e300}
    lines = content + b"\n" + json_lines([message, good, good, {**good, "x": -1e308}, good]).encode()
    truth = json_lines(truth_lines([Fault("CNC-01", 0, 10)])).encode()
    assert code_of(tmp_path, truth, b"", lines) == (2 if content.startswith(b"\x1f\x8b") else 0)
