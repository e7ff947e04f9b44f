"""A small part of `make fuzz --part files`, and what it has found."""

from __future__ import annotations

from fuzz.files import run


def test_mutated_plant_files_do_no_harm() -> None:
    """Refused or taken, by check and by reload of a plant that publishes: nothing leaves, hangs, or leaves a trace."""
    result = run(7, range(40), lambda _line: None)

    assert result.findings == []
    assert result.outcomes["taken"] >= 3
    assert result.outcomes["refused"] >= 10
