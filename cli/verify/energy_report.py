"""The energy in the report of `verify`: a table of machines and sites, and what is off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cli.verify.energy_comparison import EnergyDifference
from cli.verify.verification import Outcome

_HEADS: Final = ("energy", "messages", "truth", "percent")


def energy_out_of_bounds(outcome: Outcome) -> list[str]:
    """Return the machines and sites whose energy is off, each with the difference."""
    off = (each for each in outcome.energy if abs(each.share) > outcome.energy_within)
    return [f"{_name(each)} {_percent(each)} %" for each in off]


def energy_table(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of the table after an empty one; none where no energy was compared."""
    if not outcome.energy:
        return
    rows = [_HEADS, *(_row(each, outcome.energy_within) for each in outcome.energy)]
    widths = [max(len(row[column].rstrip("* ")) for row in rows) for column in range(len(_HEADS))]
    yield ""
    for row in rows:
        yield _aligned(row, widths)
    yield "Energy in kWh; percent of the true energy."


def _row(one: EnergyDifference, bound: float) -> tuple[str, str, str, str]:
    mark = "*" if abs(one.share) > bound else " "
    return _name(one), f"{one.measured:,.3f}", f"{one.actual:,.3f}", f"{_percent(one)}{mark}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures, last = row
    cells = (f"{cell:>{width}}" for cell, width in zip(figures, widths[1:], strict=False))
    number = last.rstrip("* ")
    return "  ".join([name.ljust(widths[0]), *cells, f"{number:>{widths[-1]}}{last[len(number) :]}"]).rstrip()


def _name(one: EnergyDifference) -> str:
    return one.machine_id or (f"site {one.site}" if one.site else "together")


def _percent(one: EnergyDifference) -> str:
    return f"{100 * one.share:+z.2f}"
