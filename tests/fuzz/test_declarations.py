"""A small part of `make fuzz --part declarations`."""

from __future__ import annotations

from fuzz.declarations import run
from tests.support.examples import THOROUGH

CASES = 100 if THOROUGH else 30


def test_mutated_declarations_do_no_harm() -> None:
    """Refused with place and rule, or advanced without an exception; no formula has other names than it may have."""
    result = run(7, range(CASES), lambda _line: None)

    assert result.findings == []
    assert result.outcomes["advanced"] >= 0.3 * CASES
    assert result.outcomes["refused"] >= 0.3 * CASES
