"""Which signals a signal is computed from, and what it has from them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from plant.definition.signals.signal_spec import SignalSpec
from plant.models.registry import models

_NAME: Final = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_BRACES: Final = re.compile(r"{(\w+)}")
_NAMING: Final = ("integral_of", "on_share_of", "change_of")


def used(signal: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names in formulas, conditions and texts of a signal as plain data, and what another key names."""
    for formula in formulas(signal):
        yield from _NAME.findall(formula)
    yield from _BRACES.findall(str(signal.get("text", "")))
    drawn = signal.get("binomial")
    named = (*map(signal.get, _NAMING), *(drawn.values() if isinstance(drawn, Mapping) else ()))
    yield from (name for name in named if isinstance(name, str))


def formulas(signal: Mapping[str, Any]) -> Iterator[str]:
    """Yield the formulas and conditions of a signal as plain data."""
    switches, texts = signal.get("switches"), signal.get("texts")
    rates = (switches.get("rises"), switches.get("falls")) if isinstance(switches, Mapping) else ()
    conditions = texts.values() if isinstance(texts, Mapping) else ()
    yield from (each for each in (signal.get("formula"), *rates, *conditions) if isinstance(each, str))


def depending(signals: Mapping[str, SignalSpec], first: Collection[str], model: str | None = None) -> set[str]:
    """Return signals with all that are computed from them. model: of the machine type, if it has one."""
    found = set(first)
    inputs = models()[model].inputs if model else ()
    for name, spec in signals.items():
        names = {*used(spec.model_dump(exclude_none=True)), *(inputs if spec.output else ())}
        if not found.isdisjoint(names):
            found.add(name)
    return found


def read_signals(declared: Mapping[str, Any]) -> dict[str, SignalSpec]:
    """Return signals whose declaration breaks no rule; changes have as many decimals as what changes."""
    read: dict[str, SignalSpec] = {}
    for name, data in declared.items():
        spec = SignalSpec.model_validate(data)
        if spec.change_of is not None and spec.decimals is None:
            spec = spec.model_copy(update={"decimals": read[spec.change_of].places})
        read[name] = spec
    return read
