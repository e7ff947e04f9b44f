"""Facts about the lateness of the run loop."""

from __future__ import annotations

import pytest

from edge.lateness import Lateness, percentile


def lateness(*seconds: float) -> Lateness:
    """Turns that were so late."""
    found = Lateness()
    for each in seconds:
        found.observe(each)
    return found


def test_the_buckets_of_metrics_are_counted_exactly() -> None:
    """Whatever finer bounds there are between theirs."""
    found = lateness(-1.0, 0.0, 0.001, 0.0011, 0.005, 0.02, 31.0, 100.0)

    assert found.buckets() == [
        ("0.001", 3),
        ("0.005", 5),
        ("0.01", 5),
        ("0.02", 6),
        ("0.1", 6),
        ("0.5", 6),
        ("1.0", 6),
        ("5.0", 6),
        ("30.0", 6),
        ("+Inf", 8),
    ]


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.00499), (0.9, 0.009), (0.99, 0.0099)])
def test_a_percentile_lies_between_the_bounds_of_its_turns(share: float, seconds: float) -> None:
    """A thousand turns, evenly late up to a hundredth of a second."""
    counts = lateness(*(number / 100_000 for number in range(1000))).counts()

    assert percentile(counts, share) == pytest.approx(seconds, rel=0.01)


def test_without_turns_there_is_no_percentile() -> None:
    """Not zero, which would be a claim."""
    assert percentile(Lateness().counts(), 0.5) is None


def test_each_reader_has_a_worst_value_of_its_own() -> None:
    """The statistics block and the page ask at different times."""
    found = lateness(0.25)
    worst = found.take_worst()
    found.raise_worst(0.5)

    assert (worst, found.take_peak(), found.take_worst()) == (0.25, 0.5, 0.5)
    assert (found.take_peak(), found.take_worst()) == (0.0, 0.0)
