"""The beginning of every message: the timestamp as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from plant.machines.states import NEVER

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final = tuple(b"%02d:%02d" % divmod(second, 60) for second in range(3600))
_MILLISECONDS: Final = {"rfc3339": b'.%03dZ",', "rfc3339_s": b'Z",', "epoch_ms": b"%03d,", "epoch_s": b".%03d,"}
"""What follows the second, by form of the timestamp."""


@cache
def _milliseconds(template: bytes) -> tuple[bytes, ...]:
    """Return what follows the second, by millisecond; made for the forms that a plant has."""
    return tuple(template % ms for ms in range(1000)) if b"%" in template else (template,) * 1000


class TimestampPrefix:
    """An encoder of the beginning of a message, `{"timestamp":"2026-01-31T14:22:05.250Z",`; it caches the hour.

    key: of the timestamp; None where messages have none.  form: rfc3339, rfc3339_s, epoch_ms or epoch_s.
    milliseconds: the part after the second, by millisecond.
    """

    __slots__ = ("_form", "_head", "_hour", "_hour_began", "milliseconds")

    def __init__(self, key: str | None = "timestamp", form: str = "rfc3339") -> None:
        self._form = form
        self._head = b"" if key is None else b"{%b:" % json.dumps(key, ensure_ascii=False).encode()
        self.milliseconds = _milliseconds(b"" if key is None else _MILLISECONDS[form])
        self._hour_began = NEVER
        self._hour = b""

    def __call__(self, time_ms: int) -> bytes:
        """Return the beginning of a message of that time."""
        second, ms = divmod(time_ms, 1000)
        return self.second(second) + self.milliseconds[ms]

    def second(self, second: int) -> bytes:
        """Return the beginning up to the second. second: counted since 1970."""
        if 0 <= second - self._hour_began < len(_SECONDS):
            return self._hour + _SECONDS[second - self._hour_began]
        if not self._head:
            return b""
        if not self._form.startswith("rfc3339"):
            return self._head + b"%d" % second
        self._hour_began = second - second % len(_SECONDS)
        moment = EPOCH + timedelta(seconds=self._hour_began)
        self._hour = self._head + f'"{moment:%Y-%m-%dT%H}:'.encode()
        return self._hour + _SECONDS[second - self._hour_began]


class TimestampValue(TimestampPrefix):
    """An encoder of the timestamp within a message. head: the constant text before it, which is not empty."""

    __slots__ = ()

    def __init__(self, head: bytes, form: str) -> None:
        super().__init__("", form)
        self._head = head
        self.milliseconds = _milliseconds(_MILLISECONDS[form].removesuffix(b","))

    def columns(self, times_ms: Sequence[int]) -> tuple[list[bytes], list[bytes]]:
        """Return the timestamps of many messages in two parts: up to the second, and the rest."""
        seconds = [time_ms // 1000 for time_ms in times_ms]
        until_second = {second: self.second(second) for second in set(seconds)}
        rests = [self.milliseconds[time_ms % 1000] for time_ms in times_ms]
        return [*map(until_second.__getitem__, seconds)], rests
