"""The hour of faults: that its subscriber counts right and its verdict can be a no."""

from __future__ import annotations

import dataclasses

import pytest

from fuzz.chaos import FAULTS, Outcome, markdown
from fuzz.counting_subscriber import CountingSubscriber

WELL = Outcome(
    seconds=60, sent=90, failed=10, connects=3, distinct=90, repeated=4, reordered=0, gaps=9, waiting=0, faults={}
)


def test_the_subscriber_tells_missing_repeated_and_reordered_messages_apart() -> None:
    """One of the first sender is missing for good, one comes late, one comes twice; the second sender is another."""
    subscriber = CountingSubscriber(0)
    for sender, number in ((b"a", 1), (b"a", 4), (b"b", 1), (b"a", 2), (b"a", 4), (b"b", 2)):
        subscriber.note(sender, number)

    assert (subscriber.distinct, subscriber.gaps, subscriber.reordered, subscriber.repeated) == (5, 1, 1, 1)


def test_an_hour_in_which_all_is_accounted_for_is_a_yes() -> None:
    """What is missing is what was dropped; repeats are allowed."""
    assert WELL.kept
    assert "none reordered: **yes**" in markdown(WELL, "Measured.")


@pytest.mark.parametrize("change", ["distinct=89", "distinct=91", "reordered=1", "gaps=11", "waiting=1"])
def test_an_hour_in_which_a_count_is_off_is_a_no(change: str) -> None:
    """Whichever it is."""
    name, _, count = change.partition("=")
    outcome = Outcome(**{**dataclasses.asdict(WELL), name: int(count)})

    assert not outcome.kept
    assert "none reordered: **no**" in markdown(outcome, "Measured.")


def test_every_fault_is_in_the_table() -> None:
    """One that never came is there with 0."""
    text = markdown(dataclasses.replace(WELL, faults=dict.fromkeys([*FAULTS][1:], 7)), "Measured.")

    assert text.count("| 7 |") == len(FAULTS) - 1
    assert text.count("| 0 |") >= 1
