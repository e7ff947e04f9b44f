"""Orders and dispatches as rows tell of them, held against those that there were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cli.verify.findings import Findings, Kind, text
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.reference import Span
from cli.verify.input.rows import DISPATCH, ORDER, Rows
from cli.verify.pairing import Pairing

_Row = Mapping[str, Any]


class Ordered(NamedTuple):
    """How many orders and dispatches there were, how many of them no row tells of, and how many rows came again."""

    true: int
    missing: int
    repeated: int


def check_orders(rows: Rows, truth: GroundTruth, span: Span, slack_ms: float, findings: Findings) -> Ordered:
    """Note what is wrong with the orders and dispatches of a time; their times may be off by so much."""
    checks = [_Check(event, span, slack_ms, findings) for event in (ORDER, DISPATCH)]
    for check in checks:
        check.run(rows, truth)
    return Ordered(*(sum(counts) for counts in zip(*(check.counts for check in checks), strict=True)))


class _Check:
    """Of one kind of event; it goes through what is told and what is true in order of time."""

    def __init__(self, event: str, span: Span, slack_ms: float, findings: Findings) -> None:
        self._event, self._span, self._slack_ms, self._findings = event, span, slack_ms, findings
        self._true = self._missing = self._repeated = 0
        self._pairing = Pairing[_Row, _Row](
            self._pair, self._say("told once more"), self._say("which there never was"), self._untold
        )

    @property
    def counts(self) -> Ordered:
        """What it has come to."""
        return Ordered(self._true, self._missing, self._repeated)

    def run(self, rows: Rows, truth: GroundTruth) -> None:
        """Go through all."""
        events = truth.orders(self._event)
        true, same = next(events, None), list[_Row]()
        at_ms = -1
        for time_ms, row in rows.orders(self._event):
            while true and true[0] <= time_ms + self._slack_ms:
                self._take(*true)
                true = next(events, None)
            if time_ms != at_ms:
                at_ms, same = time_ms, []
            if row in same:
                self._repeated += 1
            else:
                same.append(row)
                self._pairing.told(row["order_id"], time_ms, row)
        while true:
            self._take(*true)
            true = next(events, None)
        self._pairing.close()

    def _take(self, time_ms: int, fact: _Row) -> None:
        self._true += self._is_asked_for(time_ms)
        self._pairing.true(fact["order_id"], time_ms, fact)

    def _is_asked_for(self, time_ms: int) -> bool:
        return self._span[0] < time_ms <= self._span[1]

    def _pair(self, told_ms: int, row: _Row, true_ms: int, fact: _Row) -> None:
        wrong = [f"{name} {row.get(name)} and not {value}" for name, value in fact.items() if row.get(name) != value]
        if abs(told_ms - true_ms) > self._slack_ms:
            wrong.insert(0, f"another time than {text(true_ms)}")
        if wrong:
            self._note(told_ms, row, f"with {', '.join(wrong)}")

    def _say(self, what: str) -> Callable[[int, _Row], None]:
        return lambda time_ms, row: self._note(time_ms, row, what)

    def _note(self, time_ms: int, row: _Row, what: str) -> None:
        self._findings.note(Kind.ORDER, self._event, time_ms, f"of {row['order_id']}, {what}")

    def _untold(self, time_ms: int, _fact: _Row) -> None:
        self._missing += self._is_asked_for(time_ms)
