"""Judges that look at the plant or the process at moments: at one, or every so often over a span."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cli.scenario.definition.plan import Form, Span
from cli.scenario.judging.verdict import Verdict, failed, passed


class Look(NamedTuple):
    """What was seen at a moment. holds: whether it is as expected."""

    holds: bool
    seen: str


class CannotLook(Exception):
    """What is expected does not exist in the plant; the text says which, and what does."""


class SamplingJudge:
    """Decides an expectation by looks at a grid of moments, from the beginning of its span to its end.

    look: looks now; raises CannotLook.  next_ms: the next moment, in milliseconds since 1970.
    """

    def __init__(self, span: Span, look: Callable[[], Look]) -> None:
        self._span, self._look = span, look
        self._looks = 0
        self.next_ms = span.to_ms if span.form is Form.AT else span.from_ms
        self.verdict: Verdict | None = None

    def look(self) -> None:
        """Look at the moment `next_ms`, and decide if that can be decided now."""
        now_ms, span = self.next_ms, self._span
        self._looks += 1
        try:
            found = self._look()
        except CannotLook as error:
            self.verdict = failed(now_ms, str(error))
            return
        self.verdict = self._decided(found, now_ms)
        self.next_ms = min(now_ms + span.every_ms, span.to_ms)

    def _decided(self, found: Look, now_ms: int) -> Verdict | None:
        is_last = now_ms == self._span.to_ms
        looks = "" if self._looks == 1 else f"; {self._looks:,} looks"
        match self._span.form:
            case Form.WITHIN if found.holds:
                return passed(now_ms, found.seen)
            case Form.ALWAYS if not found.holds:
                return failed(now_ms, found.seen)
            case Form.NEVER if found.holds:
                return failed(now_ms, found.seen)
        if not is_last:
            return None
        met = found.holds != (self._span.form is Form.NEVER)
        return (passed if met else failed)(now_ms, f"{found.seen}{looks}")
