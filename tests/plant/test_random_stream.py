"""Draws by hash: pure, independent, and spread as they should be."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from plant.random_stream import RandomStream, WeightedChoice, exponential
from tests.support.factory.plants import ROOT, share_error


def uniforms(count: int, name: str = "CNC-01") -> list[float]:
    """First numbers of so many draws."""
    stream = RandomStream(1, name)
    return [stream.draws(b"job", number)[0] for number in range(count)]


def test_a_draw_depends_on_nothing_but_its_question() -> None:
    """Key, purpose and number decide; what was drawn before does not."""
    late, fresh = RandomStream(1, "CNC-01"), RandomStream(1, "CNC-01")
    late.draws(b"visit", 7)

    assert late.draws(b"job", 3) == fresh.draws(b"job", 3)


def test_every_part_of_the_question_counts() -> None:
    """Another seed, source, purpose or number is another draw."""
    asked = [
        RandomStream(1, "CNC-01").draws(b"job", 3),
        RandomStream(2, "CNC-01").draws(b"job", 3),
        RandomStream(1, "CNC-02").draws(b"job", 3),
        RandomStream(1, "CNC-01").draws(b"visit", 3),
        RandomStream(1, "CNC-01").draws(b"job", 4),
    ]
    assert len({number for draws in asked for number in draws}) == 20


def test_a_seed_may_be_written_as_number_or_text() -> None:
    """The command line's "1" is the 1 of a program."""
    assert RandomStream("1", "CNC-01").draws(b"job", 0) == RandomStream(1, "CNC-01").draws(b"job", 0)


def test_draws_are_the_same_in_another_process_with_another_hash_seed() -> None:
    """Nothing of Python's own randomised hashing goes in."""
    code = "from plant.random_stream import RandomStream; print(RandomStream('s', 'CNC-01').draws(b'job', 5))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(RandomStream("s", "CNC-01").draws(b"job", 5))


def test_draws_are_uniform() -> None:
    """Each tenth of [0, 1) gets its tenth of 20,000 draws, within four standard errors."""
    drawn = uniforms(20_000)
    shares = [sum(tenth <= 10 * number < tenth + 1 for number in drawn) / len(drawn) for tenth in range(10)]

    assert shares == pytest.approx([0.1] * 10, abs=4 * share_error(0.1, len(drawn)))


def test_neighbouring_sources_are_independent() -> None:
    """Draws of CNC-01 and CNC-02 are not correlated: within four standard errors of 1 / sqrt(n)."""
    pairs = zip(uniforms(10_000), uniforms(10_000, "CNC-02"), strict=True)
    correlation = 12 * sum((a - 0.5) * (b - 0.5) for a, b in pairs) / 10_000

    assert abs(correlation) < 4 / math.sqrt(10_000)


def test_a_choice_keeps_the_weights() -> None:
    """Weights need not add up to 1: 7 to 2 to 1 is 70, 20 and 10 in a hundred."""
    choice = WeightedChoice([("a", 7.0), ("b", 2.0), ("c", 1.0)])
    picked = [choice.pick(number) for number in uniforms(20_000)]

    assert [picked.count(name) / 20_000 for name in "abc"] == pytest.approx([0.7, 0.2, 0.1], abs=0.014)


def test_a_choice_never_takes_what_has_no_weight() -> None:
    """Not even at the edges of the unit interval."""
    choice = WeightedChoice([("never", 0.0), ("one", 1.0), ("nor", 0.0), ("two", 1.0), ("this", 0.0)])

    assert [choice.pick(number) for number in (0.0, 0.499, 0.5, 1 - 2**-53)] == ["one", "one", "two", "two"]


def test_a_choice_takes_huge_and_tiny_weights() -> None:
    """Weights that add up to infinity still have proportions."""
    choice = WeightedChoice([("a", 1e308), ("b", 1e308), ("c", 1e-300)])

    assert [choice.pick(number) for number in (0.49, 0.51)] == ["a", "b"]


def test_exponential_has_its_mean_and_its_tail() -> None:
    """Mean 1,000 and a share of 1/e above it, each within four standard errors."""
    drawn = [exponential(1000.0, number) for number in uniforms(20_000)]

    assert sum(drawn) / 20_000 == pytest.approx(1000, abs=4 * 1000 / math.sqrt(20_000))
    assert sum(number > 1000 for number in drawn) / 20_000 == pytest.approx(math.exp(-1), abs=0.014)


def test_exponential_is_a_number_at_any_mean() -> None:
    """Even a rate of one event in the lifetime of the universe gives a whole number."""
    assert exponential(math.inf, 0.0) == 0
    assert exponential(1e300, 1 - 2**-53) < 2**60
