"""How many of a number of items have something: exact binomial draws."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfigError, parse
from plant.signals.laws.exact_tables import SALT_STEP, STEP
from tests.plant.signals.press import RUNNING, START_MS, compiled, machines

MANY: Final = 20_000


def drawn(text: str, after_ms: int = 0) -> list[npt.NDArray[np.int64]]:
    """The values of many machines, by signal."""
    signals = machines(compiled(text), MANY)
    signals.pending.extend(range(MANY), [START_MS + after_ms] * MANY)
    return [*signals.block().digits]


@pytest.mark.parametrize(("items", "chance"), [(1, 0.5), (7, 0.02), (20, 0.3), (200, 0.9)])
def test_the_draws_have_the_binomial_distribution(items: int, chance: float) -> None:
    """Pearson's chi-square of all values that are likely is below its value at 0.1 %."""
    _, values = drawn(f"n: {{base: {items}, decimals: 0}}\nk: {{binomial: {{of: n, chance: {chance}}}}}")
    counts = np.bincount(values, minlength=items + 1)
    expected = [MANY * math.comb(items, k) * chance**k * (1 - chance) ** (items - k) for k in range(items + 1)]
    likely = [k for k in range(items + 1) if expected[k] >= 10]
    rest = MANY - sum(expected[k] for k in likely), MANY - sum(counts[k] for k in likely)
    cells = [(expected[k], counts[k]) for k in likely] + ([rest] if rest[0] >= 10 else [])
    chi_square = sum((count - mean) ** 2 / mean for mean, count in cells)
    freedom = len(cells) - 1

    assert len(counts) == items + 1
    assert chi_square < freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3


def test_machines_and_times_are_independent() -> None:
    """Neither the next machine, nor the next millisecond, nor another signal knows the draw."""
    text = "n: {base: 10, decimals: 0}\nk: {binomial: {of: n, chance: 0.5}}\nl: {binomial: {of: n, chance: 0.5}}"
    (_, now, other), (_, then, _) = drawn(text), drawn(text, 1)
    bound = 4 / math.sqrt(MANY)

    assert abs(np.corrcoef(now[1:], now[:-1])[0, 1]) < bound
    assert abs(np.corrcoef(now, then)[0, 1]) < bound
    assert abs(np.corrcoef(now, other)[0, 1]) < bound


def test_the_draws_of_items_have_nothing_in_common_with_those_of_other_times() -> None:
    """The n-th item of one moment would have the draw of the m-th of another only 300,000 years apart."""
    turned = SALT_STEP * pow(STEP, -1, 1 << 64)
    apart = (turned * item % (1 << 64) for item in range(1, 1001))

    assert min(min(each, (1 << 64) - each) for each in apart) > 300_000 * 365 * 86_400_000


@pytest.mark.parametrize(
    ("items", "chance", "expected"),
    [("5", "0", 0), ("5", "1", 5), ("-3", "1", 0), ("2.5", "1", 2), ("3.5", "1", 4), ("0", "0.5", 0)],
)
def test_items_are_whole_and_chances_within_their_range(items: str, chance: str, expected: int) -> None:
    """A number of items is rounded; none below 0 are drawn."""
    _, values = drawn(f"n: {{base: {items}}}\nk: {{binomial: {{of: n, chance: {chance}}}}}")

    assert (values == expected).all()


def test_the_chance_may_be_a_signal() -> None:
    """Above 1 every item has it, below 0 none; rows and blocks have the same draws."""
    text = """
        n: {base: {running: 12, else: 3}, limits: [0, 100], decimals: 0}
        p: {base: {running: 0.4, else: 1.5}, noise: 0.1, limits: [-1, 2]}
        k: {binomial: {of: n, chance: p}}
        none: {formula: "p - 3", limits: [-9, 9]}
        zero: {binomial: {of: n, chance: none}}
        total: {integral_of: k, per_seconds: 5, decimals: 0}
    """
    blocks, single = (machines(compiled(text), 50) for _ in range(2))
    for signals in (blocks, single):
        for slot in range(0, 50, 3):
            signals.change(slot, RUNNING, START_MS)
    blocks.pending.extend(range(50), [START_MS + 5] * 50, [1] * 50)
    rows = [single.row(slot, START_MS + 5, advances=True) for slot in range(50)]
    digits = blocks.block().digits

    assert [[int(row[2]) for row in rows], [int(row[4]) for row in rows]] == [digits[2].tolist(), digits[4].tolist()]
    assert {int(row[2]) for slot, row in enumerate(rows) if slot % 3} == {3}
    assert len({int(row[2]) for row in rows[::3]}) > 2
    assert {int(row[4]) for row in rows} == {0}
    assert [row[5] for row in rows] == [row[2] for row in rows]


def field(items: dict[str, Any], **keys: Any) -> tuple[str, float | None, float | None]:
    """What the schema says of a draw: type, least and greatest value."""
    signals = {"n": items, "k": {"binomial": {"of": "n", "chance": 0.5}}}
    (kind,) = catalogue(parse({"message_types": {"press": {"signals": signals, **keys}}}))
    found = next(each for each in kind.fields if each.name == "k")
    return found.json_type, found.minimum, found.maximum


def test_the_schema_has_the_number_of_items() -> None:
    """As many as the signal may be, on any machine."""
    override = {"PRESS-01": {"signals": {"n": {"base": 30}}}}

    assert field({"base": 12, "decimals": 0}) == ("integer", 0, 12)
    assert field({"base": 12, "decimals": 0}, overrides=override) == ("integer", 0, 30)


def test_too_many_items_of_a_single_machine_are_refused() -> None:
    """Where that machine is declared."""
    override = {"PRESS-01": {"signals": {"n": {"base": 3000}}}}
    with pytest.raises(PlantConfigError, match=r"may be 3,000: must be at most 1,000") as raised:
        field({"base": 12, "decimals": 0}, overrides=override)

    assert [each.path for each in raised.value.mistakes] == [
        'message_types.press.overrides."PRESS-01".signals.k.binomial.of'
    ]


@pytest.mark.parametrize("chance", [1.5, -0.1, True])
def test_a_chance_is_from_0_to_1(chance: object) -> None:
    """Or the name of a signal."""
    signals = {"n": {"base": 1}, "k": {"binomial": {"of": "n", "chance": chance}}}
    got = str(chance).lower()
    with pytest.raises(PlantConfigError, match=f"must be a number from 0 to 1 or a signal above, got {got}"):
        parse({"message_types": {"press": {"signals": signals}}})
