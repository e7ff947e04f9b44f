"""Mistakes in the declaration of signals are reported with place and rule, all at once."""

from __future__ import annotations

from typing import Any, Final

import pytest

from plant.definition.document.errors import format_place, suggestion
from plant.definition.signals.bounds import Bounds, signal_bounds
from plant.definition.signals.signal_rules import broken, broken_plant_signals
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from tests.plant.signals.press import PRESS, VOCABULARY
from tests.support.exports import yamlread

SENSOR: Final = Vocabulary(states=("on", "off"))
"""A type without jobs."""


def reports(text: str, vocabulary: Vocabulary = VOCABULARY, plant: str = "{}") -> list[str]:
    """Return place and rule of each broken rule."""
    violations = broken(yamlread.value(text), vocabulary, yamlread.value(plant))
    return [
        f"{format_place(each.place)}: {each.rule}"
        + (f"; {suggestion(str(each.place[-1]), each.known)}" if each.known else "")
        for each in violations
    ]


def test_a_press_breaks_no_rule() -> None:
    """The press of the tests is a valid declaration."""
    assert reports(PRESS) == []


MISTAKES: Final = {
    "{a: {base: {runing: 1, else: 2}}}": ["a.base.runing: is not a state of this type; did you mean running?"],
    "{a: {base: {running.pres: 1, else: 2}}}": [
        'a.base."running.pres": is not a phase or kind of the type\'s jobs; did you mean "running.press"?'
    ],
    "{a: {base: {running: 1}}}": ["a.base: has no number for idle, maintenance: add it, or `else`"],
    "{a: {base: 1, noise: {idle: 1}}}": ["a.noise: has no number for running, maintenance: add it, or `else`"],
    "{a: {base: {running.press: 1, running.panel: 2, else: 3}}}": [
        'a.base: must divide "running" by phase or by kind of job, not by both'
    ],
    "{a: {base: 1, formula: '2', limits: [0, 9]}}": ["a.formula: replaces base: give only one of them"],
    "{a: {limits: [0, 9]}}": [
        (
            "a: needs a value: base, set_point, formula, output, integral_of, counter, binomial, timetable, "
            "switches, on_share_of, change_of, choice, texts, text, or at least walk, noise or uniform"
        )
    ],
    "{a: {base: 1, per_seconds: 5}}": ["a.per_seconds: needs integral_of"],
    "{a: {noise: 1, follows_seconds: 5}}": ["a.follows_seconds: needs base, set_point, formula or output"],
    "{a: {counter: jobs, noise: 1}}": ["a.noise: cannot be used with counter"],
    "{a: {formula: '2'}}": ["a: needs limits: a formula may give any number"],
    "{a: {base: 0, ramp: {per_hour: 1, resets: job}}}": ["a: needs limits: a ramp may grow without end"],
    "{a: {set_point: 20, limits: [0, 9]}}": ["a.set_point: must be within the limits, 0 to 9, got 20"],
    "{a: {base: 0, ramp: {per_hour: 1, resets: idel}, limits: [0, 9]}}": [
        'a.ramp.resets: must be a state, or job, got "idel"; did you mean idle?'
    ],
    "{a: {counter: job}}": ['a.counter: must be something that is counted, got "job"; did you mean jobs?'],
    "{a: {formula: '1,5 * 2', limits: [0, 9]}}": [
        "a.formula: may not contain a comma outside of a function, as decimals have a point at character 1"
    ],
    "{a: {formula: b, limits: [0, 9]}, b: {base: 1}}": [
        'a.formula: can only use signals above it, and "b" is not, at character 1'
    ],
    "{a: {formula: a, limits: [0, 9]}}": ['a.formula: can only use signals above it, and "a" is not, at character 1'],
    "{a: {integral_of: b}, b: {base: 1}}": ['a.integral_of: must be a signal above this one, and "b" is below'],
    "{power: {base: 1}, a: {integral_of: powr}}": [
        'a.integral_of: must be a signal above this one, got "powr"; did you mean power?'
    ],
    "{c: {choice: {x: 1}}, a: {integral_of: c}}": ['a.integral_of: must be a number, and "c" is text'],
    "{a: {base: 1}, t: {texts: {hot: a > 5, cold: a > 3}}}": [
        "t.texts.cold: must have `else` in place of a condition: it is the last text"
    ],
    "{a: {base: 1}, t: {texts: {hot: else, mild: a + 1, cold: else}}}": [
        "t.texts.hot: has `else`, which is for the last text only",
        "t.texts.mild: must have a comparison as a condition at character 1",
    ],
    "{t: {texts: {'true': state == 'runing', maybe: hours > 3, later: else}}}": [
        't.texts.true: is a boolean, and "maybe" is text: use texts only, or true and false',
        't.texts.true: has an unknown state "runing" at character 10; did you mean running?',
        't.texts.maybe: has an unknown name "hours" at character 1; did you mean hour?',
    ],
    "{a: {timetable: {else: 1, times: [{start: '06:00', end: '06:00', value: 2}]}, follows_seconds: 9}}": [
        "a.follows_seconds: needs base, set_point, formula or output",
        "a.timetable.times[0].end: must differ from start; a whole day is from 00:00 to 24:00",
    ],
    "{n: {base: 1000.4}, m: {base: 1001}, c: {counter: jobs}, t: {texts: {a: else}}, "
    "a: {binomial: {of: n, chance: 0.5}}, b: {binomial: {of: m, chance: t}}, d: {binomial: {of: c, chance: x}},"
    "e: {binomial: {of: t, chance: 0}, decimals: 2}, x: {base: 1}}": [
        'a.binomial.of: may be 1,000.4: must be at most 1,000; give limits to "n"',
        'b.binomial.of: may be 1,001: must be at most 1,000; give limits to "m"',
        'b.binomial.chance: must be a number, and "t" is text',
        'd.binomial.of: may be 1e+15: must be at most 1,000; give limits to "c"',
        'd.binomial.chance: must be a signal above this one, and "x" is below',
        "e.decimals: cannot be used with binomial",
        'e.binomial.of: must be a number, and "t" is text',
    ],
    "{n: {base: 5}, a: {binomial: {of: m, chance: 0.5}}}": [
        'a.binomial.of: must be a signal above this one, got "m"; known names: n'
    ],
    "{t: {texts: {a: else}, decimals: 1}}": ["t.decimals: cannot be used with texts"],
    "{t: {texts: {a: else}}, u: {formula: t + 1, limits: [0, 9]}}": [
        'u.formula: cannot calculate with "t", which is text, at character 1'
    ],
    "{t: {texts: {a: else}}, u: {texts: {b: t > 1, c: else}}}": [
        'u.texts.b: cannot calculate with "t", which is text, at character 1'
    ],
    "{n: {counter: jobs}, t: {text: 'id {nn}'}, u: {text: 'id'}, v: {text: '{n}{t}'}, w: {text: '{n:3d}'}}": [
        't.text: must be a signal above this one, got "nn"; did you mean n?',
        "u.text: must have one signal in braces, such as {cycles}, got none",
        "v.text: must have one signal in braces, such as {cycles}, got {n} {t}",
        'w.text: must have only a name in braces, got "{n:3d}"',
    ],
    "{t: {text: '{n}'}, u: {text: '{t}'}, n: {counter: jobs}}": [
        't.text: must be a signal above this one, and "n" is below',
        'u.text: must be a number, and "t" is text',
    ],
    "{p: {base: 1000000000}, a: {integral_of: p, decimals: 6}}": [
        (
            "a.integral_of: may grow by 1e+15 of the last decimal in a second: must be at most 1e+09; "
            'give fewer decimals, or limits to "p"'
        )
    ],
    "{a: {base: 0, limits: [-1000000000000, 1000000000000], decimals: 4}}": [
        "a.limits: makes numbers of more than 15 digits: up to 1e+12 with 4 decimals"
    ],
    "{a: {base: 0, limits: [0.2, 0.8], decimals: 0}}": ["a.limits: must have a number of 0 decimals between them"],
    "{oil temperature: {base: 1}}": [
        '"oil temperature": must be letters, digits and _ as in `oil_temperature`: formulas refer to it'
    ],
    "{hour: {base: 1}}": ["hour: cannot be the name of a signal: the word has a meaning in formulas"],
    "{lambda: {base: 1}}": ["lambda: cannot be the name of a signal: the word has a meaning in formulas"],
    "{on: {base: 1}}": ["true: must be text: put the name in quotes"],
    "{a: {base: {idel: 1, else: 1}, counter: job}}": [
        "a.counter: replaces base: give only one of them",
        "a.base.idel: is not a state of this type; did you mean idle?",
        'a.counter: must be something that is counted, got "job"; did you mean jobs?',
    ],
}
"""Declarations, and what is reported."""


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_has_its_place_and_rule(text: str, expected: list[str]) -> None:
    """Each broken rule is reported where it is, with the nearest known name."""
    assert reports(text) == expected


def test_a_type_without_jobs_has_no_job_counters_and_resets() -> None:
    """What does not exist is not offered."""
    assert reports("{a: {counter: jobs}}", SENSOR) == [
        'a.counter: must be something that is counted, got "jobs"; known names: seconds.on, seconds.off'
    ]


def test_there_are_at_most_64_signals() -> None:
    """A longer list is refused as a whole."""
    many: dict[str, Any] = {f"s{number}": {"base": 1} for number in range(65)}

    assert [each.rule for each in broken(many, VOCABULARY)] == ["must have at most 64 signals, got 65"]


def test_signals_of_the_plant_have_no_states_jobs_and_registers() -> None:
    """What belongs to a machine is refused with the reason."""
    text = "{a: {base: {running: 1, else: 2}}, b: {counter: jobs}, c: {integral_of: a}, d: {base: 1, spread: 0.1}}"
    violations = [*broken_plant_signals(yamlread.value(text))]

    assert [(format_place(each.place), each.rule) for each in violations] == [
        ("a.base", "must be a number: the plant has no states"),
        ("b.counter", "cannot be used for the plant: a counter belongs to a machine"),
        ("c.integral_of", "cannot be used for the plant: a register belongs to a machine"),
        ("d.spread", "cannot be used for the plant: there is only one plant"),
    ]


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("{base: {running: 5, else: -1}}", Bounds(-1, 5)),
        ("{base: 10, walk: {sigma: 1, memory_seconds: 9}}", Bounds(4, 16)),
        ("{base: 10, noise: {running: 2, else: 1}}", Bounds(2, 18)),
        ("{base: 10, daily: {amplitude: 3, peak_hour: 1}, yearly: {amplitude: 1, peak_day: 1}}", Bounds(6, 14)),
        ("{uniform: [2, 5]}", Bounds(2, 5)),
        ("{base: 100, spread: 0.05}", Bounds(80, 120)),
        ("{base: 1, walk: {sigma: 9, memory_seconds: 9}, limits: [0, 2]}", Bounds(0, 2)),
        ("{timetable: {else: 3, times: [{start: '06:00', end: '22:00', value: -1.5}]}}", Bounds(-1.5, 3)),
        ("{binomial: {of: n, chance: 0.5}}", Bounds(0, 1000)),
        ("{counter: jobs}", Bounds(0, 10**15 - 1)),
    ],
)
def test_bounds_are_the_limits_or_what_the_parts_add_up_to(text: str, bounds: Bounds) -> None:
    """Every number in messages is within them: the schema announces them."""
    assert signal_bounds(SignalSpec.model_validate(yamlread.value(text))) == bounds
