"""The rules of signals with memory: what they follow, where they switch, and which signals they may name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from plant.definition.document.errors import Place, Violation, quote
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.source_rules import Declared, unusable_source

FOLLOWING: Final = ("follows_seconds", "slews_per_second")
_NO_STEPS: Final = "its memory goes on from message to message, and the plant has none"
OF_MACHINES: Final[Mapping[str, str]] = {
    "slews_per_second": "the level of a plant's signal does not change",
    "switches": _NO_STEPS,
    "on_share_of": _NO_STEPS,
    "change_of": _NO_STEPS,
    "starts": _NO_STEPS,
    "starts_on": _NO_STEPS,
}
"""Keys that signals of the plant cannot have, and why."""


def broken_memory(signal: Declared, above: Sequence[Declared], below: Sequence[Declared]) -> Iterator[Violation]:
    """Yield the broken rules of a signal's memory, except those of formulas."""
    yield from _follows_twice(signal)
    yield from _starts_without_memory(signal)
    yield from _beyond_limits(signal.spec)
    yield from _wrong_thresholds(signal.spec)
    yield from unusable_source("on_share_of", signal.spec.on_share_of, above, below, _switch)
    yield from unusable_source("change_of", signal.spec.change_of, above, below, _accumulating)
    yield from _too_few_decimals(signal, above)


def follows_of_plant(signal: Declared) -> Iterator[Violation]:
    """Check that a signal of the plant does not follow a formula."""
    if signal.source == "formula" and "follows_seconds" in signal.keys:
        yield Violation(("follows_seconds",), f"cannot be used for the plant with formula: {_NO_STEPS}")


def _switch(source: Declared) -> str:
    return "" if source.source == "switches" else "has no `switches`"


def _accumulating(source: Declared) -> str:
    return "" if source.source in {"integral_of", "counter"} else "is neither a register nor a counter"


def _follows_twice(signal: Declared) -> Iterator[Violation]:
    if signal.keys.issuperset(FOLLOWING):
        yield Violation(("slews_per_second",), "replaces follows_seconds: give only one of them")


def _starts_without_memory(signal: Declared) -> Iterator[Violation]:
    follows = not signal.keys.isdisjoint(FOLLOWING)
    if "starts" in signal.keys and signal.source in {"formula", "output"} and not follows:
        yield Violation(("starts",), f"needs {' or '.join(FOLLOWING)}: without them the value is that of now")


def _beyond_limits(spec: SignalSpec) -> Iterator[Violation]:
    if spec.limits is None:
        return
    low, high = spec.limits
    switches = spec.switches
    values: dict[Place, float | None] = {("starts",): spec.starts}
    if switches:
        values |= {("switches", "low"): switches.low, ("switches", "high"): switches.high}
    for place, value in values.items():
        if value is not None and not low <= value <= high:
            yield Violation(place, f"must be within the limits, {low:g} to {high:g}, got {value:g}")


def _wrong_thresholds(spec: SignalSpec) -> Iterator[Violation]:
    switches = spec.switches
    if switches is None:
        return
    if switches.low >= switches.high:
        rule = f"must be below high, where it switches off, got {switches.low:g} and {switches.high:g}"
        yield Violation(("switches", "low"), rule)
    elif (switches.high - switches.low) * 10**spec.places < 1 - 1e-6:
        yield Violation(("switches", "high"), f"must be above low by 1 of its {spec.places} decimals or more")


def _too_few_decimals(signal: Declared, above: Collection[Declared]) -> Iterator[Violation]:
    """Check that a change is written with all decimals of its register, so that changes add up to it."""
    spec = signal.spec
    source = next((each.spec for each in above if each.name == spec.change_of), None)
    if source and spec.decimals is not None and spec.decimals < source.places:
        yield Violation(("decimals",), f"must be {source.places} or more, as many as {quote(spec.change_of or '')} has")
