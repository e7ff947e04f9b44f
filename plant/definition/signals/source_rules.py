"""The rules of the sources of a signal: what each of them may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.definition.document.errors import Violation, quote, suggestion
from plant.definition.signals.bounds import MOST_ITEMS, Bounds, signal_bounds
from plant.definition.signals.formula_parser import FormulaError, FormulaNames, parse_formula
from plant.definition.signals.signal_spec import SOURCES, TEXTS, SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from plant.models.model import Model

LAST_DECIMALS_PER_SECOND: Final = 1e9
"""The fastest that a register may grow, in units of its last decimal."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A signal as declared: its keys, its source, and what could be read of it."""

    name: str
    keys: frozenset[str]
    spec: SignalSpec

    @property
    def source(self) -> str | None:
        """The key with which its value begins."""
        return next((key for key in SOURCES if key in self.keys), None)

    @property
    def is_text(self) -> bool:
        """Whether it is text, or true or false, with which nothing can be calculated."""
        return self.source in TEXTS


def unknown_reset(spec: SignalSpec, vocabulary: Vocabulary) -> Iterator[Violation]:
    """Check what sets a ramp back."""
    known = [*vocabulary.states, *(["job"] if vocabulary.producing_state else [])]
    if spec.ramp and vocabulary.states and spec.ramp.resets not in known:
        rule = f"must be a state{', or job' if 'job' in known else ''}, got {quote(spec.ramp.resets)}"
        yield Violation(("ramp", "resets"), f"{rule}; {suggestion(spec.ramp.resets, known)}")


def unknown_counter(spec: SignalSpec, vocabulary: Vocabulary) -> Iterator[Violation]:
    """Check what is counted."""
    if spec.counter is None or not vocabulary.states:
        return
    jobs = ["jobs", "good", *vocabulary.results] if vocabulary.producing_state else []
    known = [*jobs, *(f"seconds.{state}" for state in vocabulary.states)]
    if spec.counter not in known:
        advice = suggestion(spec.counter, known).replace('"', "")
        yield Violation(("counter",), f"must be something that is counted, got {quote(spec.counter)}; {advice}")


def empty_times(spec: SignalSpec) -> Iterator[Violation]:
    """Check that each window of a timetable has a length."""
    for number, each in enumerate(spec.timetable.times if spec.timetable else ()):
        if each.start == each.end:
            rule = "must differ from start; a whole day is from 00:00 to 24:00"
            yield Violation(("timetable", "times", number, "end"), rule)


def formula_names(
    signal: Declared,
    above: Sequence[Declared],
    below: Sequence[Declared],
    vocabulary: Vocabulary,
    plant: Sequence[Declared],
) -> FormulaNames:
    """Return what a formula or condition of a signal may name."""
    return FormulaNames(
        vocabulary,
        signals=[each.name for each in above],
        plant=[each.name for each in plant if not each.is_text],
        texts=[each.name for each in above if each.is_text],
        below=[signal.name, *(each.name for each in below)],
    )


def wrong_formula(
    signal: Declared,
    above: Sequence[Declared],
    below: Sequence[Declared],
    vocabulary: Vocabulary,
    plant: Sequence[Declared],
) -> Iterator[Violation]:
    """Check a formula, whose names are those of signals above, and of the plant's."""
    if signal.spec.formula is None:
        return
    try:
        parse_formula(signal.spec.formula, formula_names(signal, above, below, vocabulary, plant))
    except FormulaError as error:
        yield from (Violation(("formula",), str(problem)) for problem in error.problems)


def wrong_output(
    name: str, above: Sequence[Declared], plant_signals: Mapping[str, Any], model: Model | None
) -> Iterator[Violation]:
    """Check that a model has the output, and that all its inputs are there."""
    if model is None:
        yield Violation(("output",), "needs `model` in the machine type, whose output it is")
        return
    if name not in model.outputs:
        yield Violation(
            ("output",), f"must be an output of the model, got {quote(name)}; {suggestion(name, [*model.outputs])}"
        )
    numbers = {each.name for each in above if not each.is_text}
    if missing := [each for each in model.inputs if each not in numbers]:
        yield Violation(("output",), f"needs the model's inputs as signals above: {', '.join(missing)}")
    if missing := [each for each in model.plant_inputs if each not in plant_signals]:
        yield Violation(("output",), f"needs the model's inputs in plant_signals: {', '.join(missing)}")


def wrong_integral(spec: SignalSpec, above: Sequence[Declared], below: Sequence[Declared]) -> Iterator[Violation]:
    """Check the source of a register."""
    if spec.integral_of is None:
        return
    wrong = wrong_number(spec.integral_of, above, below)
    if wrong:
        yield Violation(("integral_of",), wrong)
    else:
        source = next(each for each in above if each.name == spec.integral_of)
        yield from _too_fast(spec, signal_bounds(source.spec))


def wrong_binomial(spec: SignalSpec, above: Sequence[Declared], below: Sequence[Declared]) -> Iterator[Violation]:
    """Check the items that are drawn, and their chance."""
    if spec.binomial is None:
        return
    of, chance = spec.binomial.of, spec.binomial.chance
    wrong = wrong_number(of, above, below)
    if wrong:
        yield Violation(("binomial", "of"), wrong)
    else:
        greatest = signal_bounds(next(each.spec for each in above if each.name == of)).high
        if greatest > MOST_ITEMS:
            rule = f"may be {greatest:,.6g}: must be at most {MOST_ITEMS:,}; give limits to {quote(of)}"
            yield Violation(("binomial", "of"), rule)
    if isinstance(chance, str) and (wrong := wrong_number(chance, above, below)):
        yield Violation(("binomial", "chance"), wrong)


def wrong_number(name: str, above: Sequence[Declared], below: Sequence[Declared]) -> str | None:
    """Return the rule that a name breaks which must be that of a number above."""
    source = next((each for each in above if each.name == name), None)
    if source is None and name in {each.name for each in below}:
        return f"must be a signal above this one, and {quote(name)} is below"
    if source is None:
        known = [each.name for each in above if not each.is_text]
        advice = suggestion(name, known) if known else "there is none"
        return f"must be a signal above this one, got {quote(name)}; {advice}"
    return f"must be a number, and {quote(name)} is text" if source.is_text else None


def _too_fast(spec: SignalSpec, rate: Bounds) -> Iterator[Violation]:
    fastest = rate.magnitude / (spec.per_seconds or 1.0) * 10**spec.places
    if fastest > LAST_DECIMALS_PER_SECOND:
        rule = (
            f"may grow by {fastest:.3g} of the last decimal in a second: must be at most {LAST_DECIMALS_PER_SECOND:g}"
        )
        yield Violation(("integral_of",), f"{rule}; give fewer decimals, or limits to {quote(spec.integral_of or '')}")
