"""A run of some parts replaces their rows in the page, and keeps the others."""

from __future__ import annotations

from fuzz.__main__ import MARKS, PAGE, PARTS, earlier_rows


def test_the_page_has_a_row_for_each_part() -> None:
    """It shows the last results of all parts, without a finding."""
    rows = earlier_rows(PAGE.read_text("utf-8"), 1)

    assert [*rows] == [*PARTS]
    assert {row[-1] for row in rows.values()} == {"0"}


def test_results_of_another_seed_are_not_kept() -> None:
    """A table is about one seed."""
    page = (
        f"text\n{MARKS.begin}\n\nSeed 1; the slowest\n\n| part | cases |\n| --- | --- |\n| files | 3 |\n\n{MARKS.end}\n"
    )

    assert earlier_rows(page, 1) == {"files": ["files", "3"]}
    assert earlier_rows(page, 2) == {}
    assert earlier_rows(page, 11) == {}
