"""The rules of the sources of a signal: what each of them may name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.definition.document.errors import Place, Violation, quote, suggestion
from plant.definition.signals.bounds import Bounds, signal_bounds
from plant.definition.signals.formula_parser import FormulaError, FormulaNames, parse_formula
from plant.definition.signals.signal_spec import SOURCES, SignalSpec
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


def wrong_formulas(
    signal: Declared,
    above: Sequence[Declared],
    below: Sequence[Declared],
    vocabulary: Vocabulary,
    plant: Sequence[Declared],
) -> Iterator[Violation]:
    """Check formulas, whose names are those of signals above, and of the plant's."""
    texts = [each.name for each in above if each.source == "choice"]
    names = FormulaNames(
        vocabulary,
        signals=[each.name for each in above],
        plant=[each.name for each in plant if each.source != "choice"],
        texts=texts,
        below=[signal.name, *(each.name for each in below)],
    )
    for place, formula in formulas_of(signal.spec):
        try:
            parse_formula(formula, names)
        except FormulaError as error:
            yield from (Violation(place, str(problem)) for problem in error.problems)


def formulas_of(spec: SignalSpec) -> Iterator[tuple[Place, str]]:
    """Yield each formula of a signal with its place."""
    if spec.formula is not None:
        yield ("formula",), spec.formula
    if spec.switches is not None:
        yield ("switches", "rises"), spec.switches.rises
        yield ("switches", "falls"), spec.switches.falls


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
    numbers = {each.name for each in above if each.source != "choice"}
    if missing := [each for each in model.inputs if each not in numbers]:
        yield Violation(("output",), f"needs the model's inputs as signals above: {', '.join(missing)}")
    if missing := [each for each in model.plant_inputs if each not in plant_signals]:
        yield Violation(("output",), f"needs the model's inputs in plant_signals: {', '.join(missing)}")


def wrong_integral(spec: SignalSpec, above: Sequence[Declared], below: Sequence[Declared]) -> Iterator[Violation]:
    """Check the source of a register."""
    yield from unusable_source("integral_of", spec.integral_of, above, below, _text)
    for source in above:
        if source.name == spec.integral_of and not _text(source):
            yield from _too_fast(spec, signal_bounds(source.spec))


def _text(source: Declared) -> str:
    return "is text" if source.source == "choice" else ""


def unusable_source(
    key: str,
    name: str | None,
    above: Sequence[Declared],
    below: Sequence[Declared],
    lacks: Callable[[Declared], str],
) -> Iterator[Violation]:
    """Check a key that names a signal above. lacks: returns why a signal cannot be named; "" if it can."""
    if name is None:
        return
    place: Place = (key,)
    source = next((each for each in above if each.name == name), None)
    if source is None and name in {each.name for each in below}:
        yield Violation(place, f"must be a signal above this one, and {quote(name)} is below")
    elif source is None:
        known = [each.name for each in above if not lacks(each)]
        advice = suggestion(name, known) if known else "there is none"
        yield Violation(place, f"must be a signal above this one, got {quote(name)}; {advice}")
    elif reason := lacks(source):
        yield Violation(place, f"must be {_MUST_BE[key]}, and {quote(name)} {reason}")


_MUST_BE: Final = {
    "integral_of": "a number",
    "on_share_of": "a signal with `switches`",
    "change_of": "a register or a counter",
}


def _too_fast(spec: SignalSpec, rate: Bounds) -> Iterator[Violation]:
    fastest = rate.magnitude / (spec.per_seconds or 1.0) * 10**spec.places
    if fastest > LAST_DECIMALS_PER_SECOND:
        rule = (
            f"may grow by {fastest:.3g} of the last decimal in a second: must be at most {LAST_DECIMALS_PER_SECOND:g}"
        )
        yield Violation(("integral_of",), f"{rule}; give fewer decimals, or limits to {quote(spec.integral_of or '')}")
