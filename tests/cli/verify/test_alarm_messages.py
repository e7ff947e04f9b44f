"""`verify` accepts the alarms of a plant, and notices those that are missing or false."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edge.routing import TopicRouter
from messages import topic_template
from tests.cli.verify.test_reloads import Course, record
from tests.cli.verify.test_verify import Answer, answer_to
from tests.support.factory.odd_plants import odd_plant
from tests.test_odd_plants import lines

Change = Callable[[list[bytes]], list[bytes]]


def answered(path: Path, capsys: pytest.CaptureFixture[str], change: Change, *flags: str) -> Answer:
    """The answer to an hour of a plant with alarms, after a change of the lines of its messages."""
    (path / "truth").write_bytes(_hour()[0])
    (path / "rows").write_bytes(b"\n".join(change([*_hour()[1]])))
    return answer_to([str(path / "rows"), "--truth", str(path / "truth"), *flags], capsys)


@cache
def _hour() -> tuple[bytes, tuple[bytes, ...]]:
    """The ground truth and the messages, each as a line."""
    config = odd_plant("alarms")
    course: Course = [(3600, config)]
    topics = TopicRouter(lambda kind: topic_template(config, kind), "factory").topic
    path = Path("alarms.truth")
    try:
        messages = record(course, path)
        return path.read_bytes(), tuple(lines(messages, topics))
    finally:
        path.unlink(missing_ok=True)


def test_alarms_of_a_clean_run_are_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And counted, each message once, in whatever order they come."""
    once = answered(tmp_path, capsys, list, "--strict")
    twice = answered(tmp_path, capsys, lambda rows: [*rows, *(row for row in reversed(rows) if b'"raised"' in row)])
    counts = re.search(r"Alarms: (\d+) raised; (\d+) cleared\.", once.text)

    assert once.code == 0, once.text + once.error
    assert counts
    assert counts[0] in twice.text
    assert "Alarm messages missing: 0." in once.text
    assert "not messages of a machine" not in once.text


def test_an_alarm_that_is_never_cleared_is_a_fault_of_delivery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is raised again, so a message between the two is missing."""
    answer = answered(tmp_path, capsys, lambda rows: [row for row in rows if b'"cleared"' not in row], "--strict")

    assert answer.code == 1
    assert re.search(r"Alarm messages missing: [1-9]", answer.text)


def test_an_alarm_that_its_value_does_not_raise_is_false(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the limit in the message."""

    def lie(rows: list[bytes]) -> list[bytes]:
        return [re.sub(rb'("temperature.high".*"raised".*"value":)[\d.]+', rb"\g<1>1.5", row) for row in rows]

    answer = answered(tmp_path, capsys, lie)

    assert answer.code == 1
    assert "Alarms raised or cleared without reason" in answer.text
    assert "temperature.high is raised at 1.5, and its limit is 52.5" in answer.text


def test_a_message_about_an_alarm_with_a_wrong_key_is_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not counted as an alarm."""
    answer = answered(tmp_path, capsys, lambda rows: [row.replace(b'"raised"', b'"rased"') for row in rows])

    assert "no alarm that is raised or cleared" in answer.text
