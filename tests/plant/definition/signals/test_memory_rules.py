"""Mistakes in the declaration of signals with memory are reported with place and rule."""

from __future__ import annotations

from typing import Final

import pytest

from plant.definition.document.errors import format_place
from plant.definition.signals.bounds import Bounds, signal_bounds
from plant.definition.signals.references import depending, read_signals
from plant.definition.signals.signal_rules import broken, broken_plant_signals
from tests.plant.signals.press import VOCABULARY
from tests.support.exports import yamlread

TANK: Final = "switches: {low: 6.5, high: 7.5, rises: '0.1', falls: '0.02'}"
"""A switch that keeps the rules, as a key."""
METER: Final = "power: {base: 3}, energy: {integral_of: power, decimals: 3}"


def reports(text: str) -> list[str]:
    """Return place and rule of each broken rule of a machine type's signals."""
    return [f"{format_place(each.place)}: {each.rule}" for each in broken(yamlread.value(text), VOCABULARY)]


MISTAKES: Final = {
    f"{{a: {{{TANK}}}}}": ["a: needs limits: it may go on rising or falling"],
    f"{{a: {{{TANK}, limits: [7, 8]}}}}": ["a.switches.low: must be within the limits, 7 to 8, got 6.5"],
    f"{{a: {{{TANK}, starts: 9, limits: [0, 8]}}}}": ["a.starts: must be within the limits, 0 to 8, got 9"],
    f"{{a: {{{TANK}, base: 1, limits: [0, 8]}}}}": ["a.switches: replaces base: give only one of them"],
    f"{{a: {{{TANK}, follows_seconds: 1, limits: [0, 8]}}}}": [
        "a.follows_seconds: needs base, set_point, formula or output"
    ],
    "{a: {switches: {low: 7, high: 7, rises: '1', falls: '1'}, limits: [0, 8]}}": [
        "a.switches.low: must be below high, where it switches off, got 7 and 7"
    ],
    "{a: {switches: {low: 7, high: 7.001, rises: '1', falls: '1'}, limits: [0, 8]}}": [
        "a.switches.high: must be above low by 1 of its 2 decimals or more"
    ],
    "{air: {base: 1}, a: {switches: {low: 6, high: 7, rises: '2 - ait', falls: b}, limits: [0, 8]}, b: {base: 1}}": [
        'a.switches.rises: has an unknown name "ait" at character 5; did you mean air?',
        'a.switches.falls: can only use signals above it, and "b" is not, at character 1',
    ],
    "{a: {base: 1, follows_seconds: 1, slews_per_second: 1}}": [
        "a.slews_per_second: replaces follows_seconds: give only one of them"
    ],
    "{a: {counter: jobs, slews_per_second: 1}}": ["a.slews_per_second: needs base, set_point, formula or output"],
    "{a: {base: 1, follows_seconds: 1, starts: 1}}": [
        "a.starts: needs switches, or formula or output that is followed"
    ],
    "{a: {formula: '1', starts: 1, limits: [0, 8]}}": [
        "a.starts: needs follows_seconds or slews_per_second: without them the value is that of now"
    ],
    "{a: {base: 1, starts_on: true}}": ["a.starts_on: needs switches"],
    "{b: {base: 1}, a: {on_share_of: b}}": [
        'a.on_share_of: must be a signal with `switches`, and "b" has no `switches`'
    ],
    "{b: {base: 1}, a: {change_of: b}}": [
        'a.change_of: must be a register or a counter, and "b" is neither a register nor a counter'
    ],
    f"{{{METER}, a: {{change_of: energi}}}}": [
        'a.change_of: must be a signal above this one, got "energi"; did you mean energy?'
    ],
    f"{{a: {{change_of: energy}}, {METER}}}": ['a.change_of: must be a signal above this one, and "energy" is below'],
    f"{{{METER}, a: {{change_of: energy, decimals: 2}}}}": ['a.decimals: must be 3 or more, as many as "energy" has'],
    f"{{{METER}, a: {{change_of: energy, noise: 1}}}}": ["a.noise: cannot be used with change_of"],
    f"{{b: {{{TANK}, limits: [0, 8]}}, a: {{on_share_of: b, walk: {{sigma: 1, memory_seconds: 9}}}}}}": [
        "a.walk: cannot be used with on_share_of"
    ],
}
"""Declarations, and what is reported."""


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_has_its_place_and_rule(text: str, expected: list[str]) -> None:
    """Each broken rule is reported where it is; in a formula with its character."""
    assert reports(text) == expected


def test_signals_of_the_plant_have_no_memory_of_steps() -> None:
    """The plant has no messages, from one of which to the next a memory could go on."""
    text = f"{{a: {{{TANK}, starts: 7, limits: [0, 9]}}, b: {{on_share_of: a}}, c: {{base: 1, slews_per_second: 1}}, d: {{formula: '1', follows_seconds: 1, limits: [0, 9]}}}}"  # noqa: E501
    found = [(format_place(each.place), each.rule) for each in broken_plant_signals(yamlread.value(text))]
    no_steps = "its memory goes on from message to message, and the plant has none"

    assert found == [
        ("a.starts", f"cannot be used for the plant: {no_steps}"),
        ("a.switches", f"cannot be used for the plant: {no_steps}"),
        ("b.on_share_of", f"cannot be used for the plant: {no_steps}"),
        ("c.slews_per_second", "cannot be used for the plant: the level of a plant's signal does not change"),
        ("d.follows_seconds", f"cannot be used for the plant with formula: {no_steps}"),
    ]


def test_a_share_is_between_0_and_1_and_a_change_has_the_decimals_of_its_register() -> None:
    """What schemas announce follows from what a signal is of."""
    text = f"{{tank: {{{TANK}, limits: [0, 8]}}, load: {{on_share_of: tank}}, {METER}, used: {{change_of: energy}}}}"
    specs = read_signals(yamlread.value(text))

    assert signal_bounds(specs["load"]) == Bounds(0, 1)
    assert specs["used"].places == 3


def test_what_depends_on_a_signal_is_found_through_formulas_switches_and_registers() -> None:
    """Each way in which a signal is computed from another one counts, also over several."""
    text = """
    air: {base: 1}
    other: {base: 1}
    tank: {switches: {low: 6, high: 7, rises: '2 - air', falls: '0.1'}, limits: [0, 8]}
    load: {on_share_of: tank}
    power: {formula: '2 + load', limits: [0, 9]}
    energy: {integral_of: power}
    used: {change_of: energy}
    apart: {formula: 'other + plant.air', limits: [0, 9]}
    """
    specs = read_signals(yamlread.value(text))

    assert depending(specs, ["air"]) == {"air", "tank", "load", "power", "energy", "used"}
    assert depending(specs, ["energy"]) == {"energy", "used"}
    assert depending(specs, []) == set()
