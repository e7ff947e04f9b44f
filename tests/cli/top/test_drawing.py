"""What `top` draws within a line: figures, sparklines, bars of states, and texts that are cut."""

from __future__ import annotations

from itertools import groupby

import pytest

from cli.top import words
from cli.top.marks import Samples, ordered, role, state_bar
from cli.top.spans import Span, cell, cut, fitted, plain, width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (-3, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (7_384, "2 h 3 min")],  # noqa: RUF001
)
def test_a_time_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    """Parts of a second are left out."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0.00"), (3.701, "3.70"), (9.999, "10.0"), (99.96, "100"), (2000, "2,000")],  # noqa: RUF001
)
def test_a_figure_has_three_digits_that_count(value: float | None, text: str) -> None:
    """And commas between thousands."""
    assert words.figure(value) == text


def test_a_time_is_that_of_the_plants_zone() -> None:
    """Of UTC, where the zone is unknown here."""
    assert words.clock("2026-07-05T08:00:00.500Z", words.zone("Europe/Berlin")) == "10:00:00"
    assert words.clock("2026-07-05T08:00:00Z", words.zone("No/Where")) == "08:00:00"
    assert words.clock("2026-07-05T08:00:00Z", words.zone("../../etc/passwd")) == "08:00:00"


def test_a_sparkline_goes_from_zero_to_the_largest() -> None:
    """With a gap where nothing was known; of one sample there is none."""
    samples = Samples()
    samples.add(4)
    assert samples.sparkline(10) == ""
    for value in (2, 0, None, 8):
        samples.add(value)

    assert samples.sparkline(10) == "▅▃▁ █"


def test_a_sparkline_begins_with_what_is_known() -> None:
    """So its time is that of what it shows."""
    samples = Samples([None, None, 2.0])
    samples.add(2)

    assert (samples.sparkline(10), samples.seconds) == ("██", 2)


def test_a_sparkline_of_more_samples_than_columns_shows_their_means() -> None:
    """All of a quarter of an hour; a new sample changes at most the last column, until one is complete."""
    samples = Samples([1.0] * 450 + [3.0] * 450)
    before = samples.sparkline(30)
    samples.add(3)

    assert [(mark, len([*group])) for mark, group in groupby(before)] == [("▃", 15), ("█", 15)]
    assert samples.sparkline(30)[:-1] == before[1:]
    assert samples.seconds == 900


def test_a_sparkline_of_nothing_but_zero_is_flat() -> None:
    """And no division by it."""
    assert Samples([0.0, 0.0, 0.0]).sparkline(5) == "▁▁▁"


@pytest.mark.parametrize("columns", [3, 10, 17, 40])
def test_a_bar_takes_its_columns_and_shows_every_state(columns: int) -> None:
    """A state of one machine in a thousand has a column too."""
    states = ordered({"idle": 1, "running": 997, "faulted": 2, "gone": 0}, "running")
    bar = state_bar(states, "running", columns)

    assert [state for state, _ in states] == ["running", "faulted", "idle"]
    assert width(plain(bar)) == columns
    assert [len(each.text) > 0 for each in bar] == [True, True, True]
    assert len({each.text[0] for each in bar}) == 3  # told apart without colours


def test_states_have_colours_by_what_they_mean() -> None:
    """Whatever the type of the machine."""
    roles = [role(each, "printing") for each in ("printing", "stopped", "faulted", "starved", "cooling")]

    assert roles == ["good", "bad", "bad", "warn", "accent"]


@pytest.mark.parametrize("text", ["plain text", "日本語のなまえ", "e\u0301e\u0301e\u0301e\u0301", "🏭 factory", ""])
@pytest.mark.parametrize("columns", [1, 4, 9, 30])
def test_a_cell_takes_exactly_its_columns(text: str, columns: int) -> None:
    """Characters of two columns and of none included."""
    assert width(cell(text, columns)) == columns
    assert width(cut(text, columns)) <= columns
    assert width(plain(fitted([Span("ab"), Span(text), Span("cd")], columns))) <= columns


def test_a_text_that_is_cut_says_so() -> None:
    """By an ellipsis, which takes a column."""
    assert (cut("factory", 7), cut("factory", 6), cut("factory", 1)) == ("factory", "facto…", "…")
