"""How pieces flow through random plants, with orders or without, some of which are made to order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random  # noqa: TID251 - makes the plants; no part of one
from typing import Final

from fuzz.plants.choices import Data, maybe

_PRODUCTS: Final = ("Kit", "Spare")


def flow(chance: Random, types: Data, keys: Sequence[str]) -> Data:
    """Return a flow through types that have jobs, in order: each works on pieces of the one before, or assembles.

    types: all types; orders may be added to them.
    """
    if len(keys) < 2:
        return {}
    made: Data = {
        "buffers": dict.fromkeys(keys, chance.choice((2, 1, 5))),
        "initial_fill": chance.choice((0.5, 0.0, 1.0)),
    }
    for before, key in pairwise(keys):
        if maybe(chance):
            made.setdefault("assembles", {})[key] = {before: chance.choice((1, 2))}
        else:
            made.setdefault("processes", {})[key] = before
    if maybe(chance, 0.3):
        made["repairs"] = {"scrap": "same"}
    if maybe(chance, 0.6):
        types |= _orders(chance)
        if maybe(chance, 0.7):
            made["products"] = _products(chance, types, _worked_on(made.get("processes", {}), keys[-1]))
    return {"flow": made}


def _orders(chance: Random) -> Data:
    return {
        "customer_order": {
            "orders_per_hour": chance.choice((100.0, 900.0)),
            "product_types": [*_PRODUCTS],
            "quantity_ranges": {"Kit": [1, 3]},
        },
        "dispatch": {"dispatches_per_hour": 2000.0, "destinations": ["Moon"], "carriers": ["Ship"]},
    }


def _products(chance: Random, types: Data, keys: Sequence[str]) -> Data:
    """Return what products consist of, of kinds that the types that work on them have, or of any."""
    kinds = {key: _kinds(types, key) for key in keys}
    for key in keys:
        _complete(types[key].get("overrides", {}), kinds[key])
    names = _PRODUCTS[: chance.choice((1, 2))]
    return {name: [_units(chance, kinds) for _ in range(chance.choice((1, 2)))] for name in names}


def _complete(overrides: Mapping[str, Data], kinds: Sequence[str]) -> None:
    """Let machines with kinds of their own have all others, too: an order may need any."""
    for own in overrides.values():
        if "kinds" in own.get("job", {}):
            own["job"]["kinds"] = dict.fromkeys(kinds, 0.0) | own["job"]["kinds"]


def _units(chance: Random, kinds: Mapping[str, Sequence[str]]) -> Data:
    wanted = {key: chance.choice(names) for key, names in kinds.items() if names and maybe(chance, 0.6)}
    return {"units": chance.choice((1, 3)), "kinds": wanted}


def _worked_on(processes: Mapping[str, str], key: str) -> list[str]:
    """Return the types that work on a unit, from the last one back to that which makes it."""
    found = [key]
    while found[-1] in processes:
        found.append(processes[found[-1]])
    return found


def _kinds(types: Data, key: str) -> list[str]:
    """Return the kinds that jobs of a type are of."""
    entries = [
        each for each in (types[key], types.get(types[key].get("extends"), {})) if "kinds" in each.get("job", {})
    ]
    kinds = entries[0]["job"]["kinds"]
    weights = kinds if isinstance(kinds, dict) else dict.fromkeys(kinds, 1.0)
    return [name for name, each in weights.items() if (each.get("weight", 1.0) if isinstance(each, dict) else each)]
