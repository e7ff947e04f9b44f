"""Random energy of machine types, valid by construction."""

from __future__ import annotations

from collections.abc import Collection
from random import Random  # noqa: TID251 - makes the energy; no part of a plant
from typing import Any

from fuzz.plants.drawn_signals import TEXTS

Data = dict[str, Any]


def energy(chance: Random, entry: Data, shared: Collection[str]) -> Data:
    """Return the energy of an entry, one of whose registers becomes a meter; none if it has no register.

    shared: the signals of the plant, numbers only.
    """
    signals: Data = entry.get("signals", {})
    registers = [name for name, each in signals.items() if "integral_of" in each]
    if not registers:
        return {}
    meter, *others = registers
    signals[meter]["unit"] = "kW.h"
    signals[signals[meter]["integral_of"]]["unit"] = "kW"
    made: Data = {"meter": meter, **({"cost": others[0]} if others else {})}
    numbers = [name for name, each in signals.items() if TEXTS.isdisjoint(each) and name not in registers[:2]]
    known = [*numbers, *(f"plant.{name}" for name in shared)]
    if known and chance.random() < 0.7:
        made["drivers"] = chance.sample(known, min(len(known), 2))
    return {"energy": made}
