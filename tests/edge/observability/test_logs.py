"""Facts about the log: its form, its silence, and what never gets into it."""

from __future__ import annotations

import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import edge.observability.logs
from edge.observability.logs import JsonFormatter, RateLimited, TextFormatter, flush, set_up, written_aside
from edge.redaction import redact
from edge.settings.types import LogFormat, LogLevel

TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJhdWQiOlsiYWlvLWludGVybmFsIl0sImV4cCI6MX0.c2lnbmF0dXJl-_"
log = logging.getLogger("broker")
Start = Callable[..., io.StringIO]


@pytest.fixture
def start() -> Iterator[Start]:
    """Set up logging into a text of its own; what was there before comes back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    libraries = {name: logging.getLogger(name) for name in (*edge.observability.logs._FLOORS, "uvicorn.access")}
    before = {name: (each.level, each.disabled) for name, each in libraries.items()}

    def begin(form: LogFormat = LogFormat.TEXT, level: LogLevel = LogLevel.INFO) -> io.StringIO:
        stream = io.StringIO()
        set_up(level, form, stream)
        return stream

    yield begin
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, each in libraries.items():
        each.setLevel(before[name][0])
        each.disabled = before[name][1]


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    """A record of a known moment."""
    made = logging.LogRecord("broker", logging.WARNING, __file__, 1, message, args, None)
    made.created = 1795210380.123
    vars(made).update(extra)
    return made


def test_a_text_line_has_time_level_logger_and_message() -> None:
    """Times are UTC, with milliseconds."""
    assert TextFormatter().format(record("gone for %d s", 3)) == "2026-11-20T21:33:00.123Z WARN  broker: gone for 3 s"


def test_a_block_stands_alone_in_text() -> None:
    """The statistics are exactly the lines that others parse."""
    assert TextFormatter().format(record("statistics", block="📊 Statistics\n   a: 1")) == "📊 Statistics\n   a: 1"


def test_a_json_line_has_the_same_and_the_extra_fields() -> None:
    """One object a line; the block for people is left out."""
    line = JsonFormatter().format(record("statistics", block="📊", queue_depth=5, refused={"0x97": 1}))

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-11-20T21:33:00.123Z",
        "level": "warning",
        "logger": "broker",
        "message": "statistics",
        "queue_depth": 5,
        "refused": {"0x97": 1},
    }


@given(st.text(), st.dictionaries(st.text(), st.one_of(st.text(), st.floats(), st.binary(), st.integers())))
@example("\udcff", {"\udcff": 2**5000})
def test_any_record_is_one_valid_json_object_on_one_line(message: str, details: dict[str, object]) -> None:
    """Odd characters, bytes, huge numbers and infinities do not break the log."""
    line = JsonFormatter().format(record("%s", message, details=details))

    assert "\n" not in line
    assert isinstance(json.loads(line)["message"], str)


def parse(text: str) -> None:
    """Fail with the text in the message and in the cause."""
    raise ValueError(f"cannot parse {text}") from KeyError(text)


@pytest.mark.parametrize("form", LogFormat)
def test_no_token_is_written_at_any_level_in_any_place(start: Start, form: LogFormat) -> None:
    """Message, arguments, extra fields, exceptions and their causes are all cleaned."""
    stream = start(form, LogLevel.DEBUG)
    log.debug("token %s", TOKEN)
    log.info("sent", extra={"headers": [TOKEN], "password": "s3cret", "data": TOKEN.encode()})
    try:
        parse(TOKEN)
    except ValueError:
        log.exception("failed")

    assert "failed" in stream.getvalue()
    assert "cannot parse" in stream.getvalue()
    assert not re.search("eyJ|c2ln|s3cret", stream.getvalue())


@pytest.mark.parametrize("secret", [TOKEN.encode(), b"opaque 'secret' \"here\" \\ \x00", b"plain-secret"])
def test_what_paho_prints_of_a_connect_shows_no_authentication_data(secret: bytes) -> None:
    """paho writes CONNECT's properties with their values; only the data is taken out."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.AuthenticationMethod = "K8S-SAT"
    properties.AuthenticationData = secret
    properties.ReceiveMaximum = 5

    text = redact(f"Sending CONNECT properties={properties}")

    assert not any(part in text for part in ("eyJ", "secret", "here"))
    assert "K8S-SAT" in text
    assert "ReceiveMaximum : 5" in text


@pytest.mark.parametrize(
    "text",
    [f"Authorization: Bearer {TOKEN}", "{'authorization': 'Bearer abc.def'}", "AuthenticationData=hunter2", TOKEN[:30]],
)
def test_other_forms_of_credentials_are_redacted(text: str) -> None:
    """Headers, assignments, and a token that was cut off."""
    assert not re.search("abc|hunter2|eyJ", redact(text))


def test_ordinary_lines_stay_as_they_are() -> None:
    """Redaction takes nothing else."""
    line = "token renewed, expires in 3600 s; 0x87 Not authorized; factory/cnc; bearer of news: eye"

    assert redact(line) == line


def test_a_line_with_wrong_arguments_is_reported_without_them(start: Start) -> None:
    """A slip in a log call neither vanishes nor shows what it was given."""
    stream = start()

    log.info("renewed %d times", TOKEN)

    assert stream.getvalue() == "cannot write a record logger=broker template='renewed %d times'\n"


def test_libraries_speak_only_where_it_matters(start: Start) -> None:
    """paho has no DEBUG and uvicorn no word on its callers, whatever our level is; warnings of asyncio come through."""
    stream = start(level=LogLevel.DEBUG)
    logging.getLogger("paho.mqtt").debug("Sending CONNECT")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").info("GET /metrics")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("asyncio").warning("socket.accept() out of system resource")

    assert stream.getvalue().endswith("WARN  asyncio: socket.accept() out of system resource\n")
    assert stream.getvalue().count("\n") == 1


class Clock:
    """A clock that the test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_events_of_one_kind_speak_once_an_interval_and_count_the_rest(start: Start) -> None:
    """The next line says how many were held back; other kinds are not concerned."""
    stream, clock = start(), Clock()
    limited = RateLimited(log, 30, clock)
    for clock.now in (0, 1, 2, 31):
        limited.log(logging.WARNING, "lost", "lost after %d", clock.now)
    limited.log(logging.INFO, "found", "found")

    assert [line.split("broker: ")[1] for line in stream.getvalue().splitlines()] == [
        "lost after 0",
        "lost after 31 (suppressed=2 since the last line)",
        "found",
    ]


def test_the_last_ones_held_back_are_told_by_a_flush(start: Start) -> None:
    """An event that does not come again is not lost from the count; nothing held back, nothing told."""
    stream, clock = start(), Clock()
    limited = RateLimited(log, 30, clock)
    for kind in ("overflow", "overflow", "other"):
        limited.log(logging.WARNING, kind, kind)
    limited.flush()
    clock.now = 30
    limited.flush()
    limited.flush()

    assert [line.split("broker: ")[1] for line in stream.getvalue().splitlines()] == [
        "overflow",
        "other",
        "similar events kind=overflow suppressed=1",
    ]


def test_lines_that_nobody_reads_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    """Logging goes on at once; the line about it comes in their place, in the log's own form."""
    monkeypatch.setattr(edge.observability.logs, "_MOST_WAITING_BYTES", 10_000)
    start()
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe:
        with os.fdopen(writing, "w") as stream:
            set_up(LogLevel.INFO, LogFormat.JSON, stream)
            with written_aside(0.01):
                for number in range(2000):
                    log.info("number %d", number)
            late = Thread(target=lambda: lines.extend(map(json.loads, pipe)))
            lines: list[dict[str, object]] = []
            late.start()
            flush(5)
        late.join()

    dropped = [int(str(line["message"]).rpartition("=")[2]) for line in lines if line["level"] == "warning"]
    numbers = [int(str(line["message"]).split()[1]) for line in lines if line["level"] == "info"]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 1999
    assert dropped
    assert len(numbers) + sum(dropped) == 2000


def test_a_file_is_written_directly(start: Start, tmp_path: Path) -> None:
    """It does not block, and what is logged last is there whatever ends the process."""
    start()
    with (tmp_path / "log").open("w") as stream:
        set_up(LogLevel.INFO, LogFormat.TEXT, stream)
        with written_aside():
            log.info("at once")
            assert (tmp_path / "log").read_text().endswith("at once\n")
