"""Lines for people or programs: what others have sent is shown so that a terminal finds no commands in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from cli.clients.session import Received
from edge.redaction import escaped
from edge.timestamps import rfc3339

_GREEN, _YELLOW, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_MARKS: Final = {"good": _GREEN, "bad": _RED, "mark": _YELLOW, "dim": _DIM}


def in_one_line(text: str) -> str:
    """Return text without control characters, line breaks included: these are escaped."""
    return escaped(text).replace("\n", "\\n").replace("\t", "\\t")


def is_coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether to use colour: on a terminal that has some, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Printer:
    """Prints lines of a client: `[HH:MM:SS] NAME: TEXT`, in local time, or JSON.

    now: seconds since 1970.  out: for results.  err: for notes.
    """

    def __init__(
        self,
        name: str,
        now: Callable[[], float],
        out: TextIO,
        err: TextIO,
        *,
        json_lines: bool = False,
        colour: bool = False,
    ) -> None:
        self._name, self._now, self._out, self._err = name, now, out, err
        self.json_lines, self._colour = json_lines, colour and not json_lines

    def message(self, received: Received) -> None:
        """Print a message as `TOPIC qos=Q retain=R PAYLOAD`; bytes that are not UTF-8 as `\\xNN`."""
        if self.json_lines:
            self._write_json(_as_json(received))
            return
        topic = self.coloured("good", in_one_line(received.topic))
        retain = self.coloured("mark" if received.retain else "dim", f"retain={int(received.retain)}")
        payload = in_one_line(received.payload.decode(errors="backslashreplace"))
        self._write(f"{topic} {self.coloured('dim', f'qos={received.qos}')} {retain} {payload}")

    def say(self, text: str, facts: Mapping[str, object], colour: str | None = None) -> None:
        """Print a result: as text, or its facts as JSON."""
        if self.json_lines:
            self._write_json(facts)
        else:
            line = in_one_line(text)
            self._write(self.coloured(colour, line) if colour else line)

    def note(self, text: str) -> None:
        """Print a note to standard error."""
        print(f"[{self._time()}] {self._name}: {in_one_line(text)}", file=self._err, flush=True)

    def coloured(self, colour: str, text: str) -> str:
        """Return text in a colour of the table, where colours are used."""
        return f"{_MARKS[colour]}{text}{_PLAIN}" if self._colour else text

    def _write(self, line: str) -> None:
        print(f"[{self._time()}] {self._name}: {line}", file=self._out, flush=True)

    def _write_json(self, facts: Mapping[str, object]) -> None:
        # In ASCII: there are control characters beyond it, which JSON leaves as they are.
        line = json.dumps(
            {"ts": rfc3339(int(self._now() * 1000)), "client": self._name, **facts}, separators=(",", ":")
        )
        print(line, file=self._out, flush=True)

    def _time(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).astimezone().strftime("%H:%M:%S")


def _as_json(received: Received) -> dict[str, object]:
    facts: dict[str, object] = {
        "topic": received.topic,
        "qos": received.qos,
        "retain": received.retain,
        "dup": received.dup,
    }
    try:
        facts["payload"] = received.payload.decode()
    except UnicodeDecodeError:
        facts["payload_base64"] = base64.b64encode(received.payload).decode()
    return facts | ({"properties": _plain(received.properties)} if received.properties else {})


def _plain(properties: Mapping[str, object]) -> dict[str, object]:
    """Return properties as JSON has them; Correlation Data, which is binary, in hexadecimal."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in properties.items()}
