"""A small part of `make fuzz --part declarations`."""

from __future__ import annotations

from fuzz.declarations import run


def test_mutated_declarations_do_no_harm() -> None:
    """Refused with place and rule, or advanced without an exception; no formula has other names than it may have."""
    result = run(7, range(100), lambda _line: None)

    assert result.findings == []
    assert result.outcomes["advanced"] >= 30
    assert result.outcomes["refused"] >= 30
