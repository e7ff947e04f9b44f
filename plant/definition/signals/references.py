"""Which signals a signal is computed from, and what it has from them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from plant.definition.signals.signal_spec import SignalSpec
from plant.models.registry import models

_NAME: Final = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_NAMING: Final = ("integral_of", "on_share_of", "change_of")


def used(signal: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names in the formulas of a signal as plain data, and the signal that another key names."""
    switches = signal.get("switches")
    rates = (switches.get("rises"), switches.get("falls")) if isinstance(switches, Mapping) else ()
    for formula in (signal.get("formula"), *rates):
        yield from _NAME.findall(formula) if isinstance(formula, str) else ()
    yield from (name for name in map(signal.get, _NAMING) if isinstance(name, str))


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
