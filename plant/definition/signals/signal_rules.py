"""Rules between the values of signals, checked on plain data, so that errors of one key cannot hide those of another.

Places are relative to the mapping of signals. Values of a wrong type are skipped: the model reports them.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from plant.definition.document.errors import Violation, quote
from plant.definition.signals.bounds import MOST_DIGITS, last_decimal_range, signal_bounds
from plant.definition.signals.signal_spec import OTHERWISE, SOURCES, SignalSpec
from plant.definition.signals.source_rules import (
    Declared,
    empty_times,
    unknown_counter,
    unknown_reset,
    wrong_binomial,
    wrong_formula,
    wrong_integral,
    wrong_output,
)
from plant.definition.signals.text_rules import wrong_text, wrong_texts
from plant.definition.signals.vocabulary import RESERVED, Vocabulary
from plant.models.model import Model

MOST_SIGNALS: Final = 64
"""The most signals of a machine type, or of the plant."""

_NAME: Final = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_PARTS: Final = ("walk", "noise", "uniform", "daily", "yearly", "ramp", "spread", "limits")
_FOR_ALL: Final = frozenset({"unit", "description", "shown"})
_ALLOWED: Final[Mapping[str | None, frozenset[str]]] = {
    None: frozenset({*_PARTS, "decimals"}),
    "base": frozenset({*_PARTS, "decimals", "follows_seconds"}),
    "set_point": frozenset({*_PARTS, "decimals", "follows_seconds"}),
    "formula": frozenset({*_PARTS, "decimals"}),
    "output": frozenset({*_PARTS, "decimals"}),
    "integral_of": frozenset({"decimals", "per_seconds"}),
    "counter": frozenset({"decimals"}),
    "binomial": frozenset(),
    "timetable": frozenset({*_PARTS, "decimals"}),
    "choice": frozenset({"every_seconds"}),
    "texts": frozenset(),
    "text": frozenset(),
}
"""The other keys that a signal may have, by its source."""
_NEEDS: Final = {
    "follows_seconds": "base or set_point",
    "per_seconds": "integral_of",
    "every_seconds": "choice",
}
"""The source that a key belongs to, in words."""
_UNBOUNDED: Final = {
    "formula": "a formula may give any number",
    "output": "a model may give any number",
    "set_point": "commands set any value within them",
    "ramp": "a ramp may grow without end",
}
"""Keys that need limits, and why."""
_OF_MACHINES: Final = {
    "output": "a model belongs to a machine type",
    "integral_of": "a register belongs to a machine",
    "counter": "a counter belongs to a machine",
    "ramp": "a ramp is reset by the state or job of a machine",
    "spread": "there is only one plant",
}
"""Keys that signals of the plant cannot have, and why."""


def broken(
    signals: Mapping[str, Any],
    vocabulary: Vocabulary,
    plant_signals: Mapping[str, Any] | None = None,
    model: Model | None = None,
) -> Iterator[Violation]:
    """Yield the broken rules of a machine type's signals.

    plant_signals: those of the plant, as plain data.  model: of the machine type, if it has one.
    """
    declared = _readable(signals)
    yield from _too_many(signals)
    yield from _unusable_names(signals)
    for place, signal in enumerate(declared):
        violations = _of_one(
            signal, declared[:place], declared[place + 1 :], vocabulary, _readable(plant_signals or {})
        )
        yield from _placed(signal.name, violations)
        if signal.spec.output is not None:
            wrong = wrong_output(signal.spec.output, declared[:place], plant_signals or {}, model)
            yield from _placed(signal.name, wrong)


def broken_plant_signals(signals: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the broken rules of the plant's signals, which have no states, jobs or registers."""
    yield from broken(signals, Vocabulary())
    for signal in _readable(signals):
        for key in sorted(signal.keys & _OF_MACHINES.keys()):
            yield Violation((signal.name, key), f"cannot be used for the plant: {_OF_MACHINES[key]}")


def _readable(signals: Mapping[str, Any]) -> list[Declared]:
    """Return the signals that are mappings, each without the keys that are wrong by themselves."""
    return [_read(name, data) for name, data in signals.items() if isinstance(name, str) and isinstance(data, dict)]


def _read(name: str, data: Mapping[str, Any]) -> Declared:
    keys = frozenset(key for key in data if isinstance(key, str))
    usable = {key: value for key, value in data.items() if isinstance(key, str) and value is not None}
    try:
        spec = SignalSpec.model_validate(usable)
    except ValidationError as error:
        wrong = {each["loc"][0] for each in error.errors()}
        spec = SignalSpec.model_validate({key: value for key, value in usable.items() if key not in wrong})
    return Declared(name, keys, spec)


def _placed(name: str, violations: Iterable[Violation]) -> Iterator[Violation]:
    return (violation._replace(place=(name, *violation.place)) for violation in violations)


def _too_many(signals: Mapping[str, Any]) -> Iterator[Violation]:
    if len(signals) > MOST_SIGNALS:
        yield Violation((), f"must have at most {MOST_SIGNALS} signals, got {len(signals)}")


def _unusable_names(names: Iterable[object]) -> Iterator[Violation]:
    for name in names:
        if not isinstance(name, str):
            yield Violation((str(name).lower(),), "must be text: put the name in quotes")
        elif not _NAME.fullmatch(name):
            yield Violation((name,), "must be letters, digits and _ as in `oil_temperature`: formulas refer to it")
        elif name in RESERVED or keyword.iskeyword(name):
            yield Violation((name,), "cannot be the name of a signal: the word has a meaning in formulas")


def _of_one(
    signal: Declared,
    above: Sequence[Declared],
    below: Sequence[Declared],
    vocabulary: Vocabulary,
    plant: Sequence[Declared],
) -> Iterator[Violation]:
    yield from _several_sources(signal)
    yield from _no_value(signal)
    yield from _misplaced_keys(signal)
    for key, by_state in (("base", signal.spec.base), ("noise", signal.spec.noise)):
        yield from _wrong_states(key, by_state, vocabulary)
    yield from unknown_reset(signal.spec, vocabulary)
    yield from unknown_counter(signal.spec, vocabulary)
    yield from wrong_formula(signal, above, below, vocabulary, plant)
    yield from wrong_integral(signal.spec, above, below)
    yield from wrong_binomial(signal.spec, above, below)
    yield from empty_times(signal.spec)
    yield from wrong_texts(signal, above, below, vocabulary, plant)
    yield from wrong_text(signal.spec, above, below)
    yield from _no_limits(signal)
    yield from _too_many_digits(signal)
    yield from _set_beyond_limits(signal.spec)


def _several_sources(signal: Declared) -> Iterator[Violation]:
    for key in SOURCES:
        if key in signal.keys and key != signal.source:
            yield Violation((key,), f"replaces {signal.source}: give only one of them")


def _no_value(signal: Declared) -> Iterator[Violation]:
    if not signal.keys & {*SOURCES, *_PARTS} - {"limits", "spread"}:
        yield Violation((), f"needs a value: {', '.join(SOURCES)}, or at least walk, noise or uniform")


def _misplaced_keys(signal: Declared) -> Iterator[Violation]:
    source = signal.source
    known = frozenset().union(*_ALLOWED.values())
    for key in sorted((signal.keys & known) - _ALLOWED[source]):
        rule = f"needs {_NEEDS[key]}" if key in _NEEDS else f"cannot be used with {source}"
        yield Violation((key,), rule)


def _wrong_states(key: str, by_state: Mapping[str, float] | None, vocabulary: Vocabulary) -> Iterator[Violation]:
    """Check the keys of a mapping by state: each one known, and each state covered once."""
    if by_state is None:
        return
    if not vocabulary.states:
        yield from (
            Violation((key,), "must be a number: the plant has no states") for name in by_state if name != OTHERWISE
        )
        return
    covered = {name.partition(".")[0] for name in by_state}
    yield from _unknown_situations(key, by_state, vocabulary)
    for state in sorted(covered):
        if _is_split(state, by_state, vocabulary.phases) and _is_split(state, by_state, vocabulary.kinds):
            yield Violation((key,), f"must divide {quote(state)} by phase or by kind of job, not by both")
    missing = [state for state in vocabulary.states if not _is_covered(state, by_state, vocabulary)]
    if missing and OTHERWISE not in by_state:
        yield Violation((key,), f"has no number for {', '.join(missing)}: add it, or `else`")


def _is_split(state: str, by_state: Mapping[str, float], parts: Sequence[str]) -> bool:
    return any(f"{state}.{part}" in by_state for part in parts)


def _is_covered(state: str, by_state: Mapping[str, float], vocabulary: Vocabulary) -> bool:
    ways = [[f"{state}.{part}" for part in parts] for parts in (vocabulary.phases, vocabulary.kinds) if parts]
    return state in by_state or any(all(name in by_state for name in way) for way in ways)


def _unknown_situations(key: str, by_state: Mapping[str, float], vocabulary: Vocabulary) -> Iterator[Violation]:
    states = set(vocabulary.states)
    parts = [*vocabulary.phases, *vocabulary.kinds]
    for name in by_state:
        state, dot, part = name.partition(".")
        if name in states or name == OTHERWISE:
            continue
        if state not in states:
            known = [*vocabulary.states, OTHERWISE]
            yield Violation((key, name), "is not a state of this type", known if not dot else known[:-1])
        elif part not in parts:
            known = [f"{state}.{each}" for each in parts]
            yield Violation((key, name), "is not a phase or kind of the type's jobs", known)


def _no_limits(signal: Declared) -> Iterator[Violation]:
    for key in sorted(signal.keys & _UNBOUNDED.keys()):
        if "limits" not in signal.keys:
            yield Violation((), f"needs limits: {_UNBOUNDED[key]}")
            return


def _too_many_digits(signal: Declared) -> Iterator[Violation]:
    """Check that each value can be written exactly; registers and counters are cut to that anyway."""
    spec = signal.spec
    if signal.is_text or signal.source in {"integral_of", "counter", "binomial"}:
        return
    bounds = signal_bounds(spec)
    if bounds.magnitude * 10**spec.places >= 10**MOST_DIGITS:
        place = "limits" if spec.limits else "decimals"
        rule = (
            f"makes numbers of more than {MOST_DIGITS} digits: up to {bounds.magnitude:g} with {spec.places} decimals"
        )
        yield Violation((place,) if place in signal.keys else (), rule)
    elif operator.gt(*last_decimal_range(bounds, spec.places)):
        if spec.limits:
            yield Violation(("limits",), f"must have a number of {spec.places} decimals between them")
        else:
            rule = f"has no value of {spec.places} decimals from {bounds.low:g} to {bounds.high:g}: give more decimals"
            yield Violation((), rule)


def _set_beyond_limits(spec: SignalSpec) -> Iterator[Violation]:
    if spec.set_point is not None and spec.limits and not spec.limits[0] <= spec.set_point <= spec.limits[1]:
        low, high = spec.limits
        yield Violation(("set_point",), f"must be within the limits, {low:g} to {high:g}, got {spec.set_point:g}")
