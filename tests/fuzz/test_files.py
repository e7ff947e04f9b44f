"""A small part of `make fuzz --part files`, and what it has found."""

from __future__ import annotations

from fuzz.files import run
from tests.support.examples import THOROUGH

CASES = 40 if THOROUGH else 9


def test_mutated_plant_files_do_no_harm() -> None:
    """Refused or taken, by check and by reload of a plant that publishes: nothing leaves, hangs, or leaves a trace."""
    result = run(7, range(CASES), lambda _line: None)

    assert result.findings == []
    assert result.outcomes["taken"] >= CASES / 13
    assert result.outcomes["refused"] >= CASES / 4
