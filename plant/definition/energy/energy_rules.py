"""Read what a machine type's energy is measured by, and check it on plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from plant.definition.document.errors import Violation
from plant.definition.energy.energy_type import PLANT, EnergyType

MOST_DRIVERS: Final = 8
_UNITS: Final = {"meter": "kW.h", "cost": None, "co2": "kg"}
"""The registers, each with the unit that it must have."""
_TEXTS: Final = frozenset({"choice", "texts", "text"})
"""Sources of signals that are no numbers."""

_Data = Mapping[str, Any]


def read_energy(declared: _Data | None, signals: _Data, plant: _Data) -> tuple[EnergyType | None, list[Violation]]:
    """Return the energy of a type, and the violations, whose places begin in `energy`.

    signals, plant: those of the type and of the plant, as plain data, some of which may be wrong.
    """
    if declared is None:
        return None, []
    wrong = [*_wrong_registers(declared, signals), *_wrong_drivers(declared, signals, plant)]
    if wrong:
        return None, [each._replace(place=("energy", *each.place)) for each in wrong]
    drivers = tuple(declared.get("drivers") or ())
    return EnergyType(declared["meter"], declared.get("cost"), declared.get("co2"), drivers), []


def _wrong_registers(declared: _Data, signals: _Data) -> Iterator[Violation]:
    if "meter" not in declared:
        yield Violation((), "needs `meter`: the register of energy in kW.h")
    registers = [name for name, each in signals.items() if "integral_of" in each]
    for key, unit in _UNITS.items():
        name = declared.get(key)
        if name is None:
            continue
        if name not in registers:
            problem = "is no register (a signal with integral_of)" if name in signals else "is no signal of this type"
            yield Violation((key, name), problem, registers)
        elif unit is not None and signals[name].get("unit") != unit:
            yield Violation((key,), f"must be a register with `unit: {unit}`: {name} has {_unit(signals[name])}")
    yield from _named_twice(declared)


def _named_twice(declared: _Data) -> Iterator[Violation]:
    seen: dict[str, str] = {}
    for key in _UNITS:
        name = declared.get(key)
        if name is not None and (other := seen.setdefault(name, key)) != key:
            yield Violation((key,), f"must be another register than {other}: both are {name}")


def _wrong_drivers(declared: _Data, signals: _Data, plant: _Data) -> Iterator[Violation]:
    drivers: Sequence[str] = declared.get("drivers") or ()
    if len(drivers) > MOST_DRIVERS:
        yield Violation(("drivers",), f"must have at most {MOST_DRIVERS} names, got {len(drivers)}")
    known = {**signals, **{f"{PLANT}{name}": each for name, each in plant.items()}}
    registers = {declared.get(key) for key in _UNITS}
    for place, name in enumerate(drivers):
        if name not in known:
            yield Violation(("drivers", place, name), "is no signal of this type or of the plant", [*known])
        elif not _TEXTS.isdisjoint(known[name]):
            yield Violation(("drivers", place), f"must be a number: {name} is a text")
        elif name in registers:
            yield Violation(("drivers", place), f"cannot be {name}: energy does not depend on itself")


def _unit(signal: _Data) -> str:
    unit = signal.get("unit")
    return "none" if unit is None else f"`{unit}`"
