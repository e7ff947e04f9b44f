"""Mistakes in `energy`: each with its place and its rule."""

from __future__ import annotations

from typing import Any, Final

import pytest

from plant.definition.energy.energy_type import EnergyType
from plant.definition.plant_config import PlantConfigError, parse
from tests.support.exports import yamlread

_TYPES: Final = """
furnace:
  states: {heating: {share: 1, produces: true}}
  signals:
    power: {base: 2, unit: kW}
    mode: {choice: {low: 1, high: 1}}
    meter: {integral_of: power, per_seconds: 3600, unit: kW.h}
    cost: {integral_of: power}
    gas: {integral_of: power, unit: m3}
  energy: {meter: meter, cost: cost, drivers: [power]}
"""


def plant(**energy: Any) -> dict[str, Any]:
    """A plant of furnaces with these keys of their energy."""
    types = yamlread.value(_TYPES)
    types["furnace"]["energy"] = energy
    return {"plant_signals": {"outdoor": {"base": 10}}, "message_types": types}


MISTAKES: Final[list[tuple[dict[str, Any], str]]] = [
    ({}, "energy: needs `meter`: the register of energy in kW.h"),
    ({"meter": "metre"}, "energy.meter.metre: is no signal of this type; did you mean meter?"),
    ({"meter": "power"}, "energy.meter.power: is no register (a signal with integral_of); known names: "),
    ({"meter": "gas"}, "energy.meter: must be a register with `unit: kW.h`: gas has `m3`"),
    ({"meter": "cost"}, "energy.meter: must be a register with `unit: kW.h`: cost has none"),
    ({"meter": "meter", "cost": "meter"}, "energy.cost: must be another register than meter: both are meter"),
    ({"meter": "meter", "co2": "gas"}, "energy.co2: must be a register with `unit: kg`: gas has `m3`"),
    ({"meter": "meter", "drivers": ["outdoor"]}, "energy.drivers[0].outdoor: is no signal of this type or of the"),
    ({"meter": "meter", "drivers": ["mode"]}, "energy.drivers[0]: must be a number: mode is a text"),
    ({"meter": "meter", "drivers": ["meter"]}, "energy.drivers[0]: cannot be meter: energy does not depend on itself"),
    ({"meter": "meter", "drivers": ["power", "power"]}, 'energy.drivers[1]: is repeated: "power"'),
    ({"meter": "meter", "drivers": ["power"] * 9}, "energy.drivers: must have at most 8 names, got 9"),
    ({"meter": "meter", "costs": "cost"}, "energy.costs: is an unknown key; did you mean cost?"),
]


@pytest.mark.parametrize(("energy", "expected"), MISTAKES)
def test_each_mistake_has_its_place_and_its_rule(energy: dict[str, Any], expected: str) -> None:
    """All of them are reported at once."""
    with pytest.raises(PlantConfigError) as caught:
        parse(plant(**energy))

    found = [f"{each.path.removeprefix('message_types.furnace.')}: {each.rule}" for each in caught.value.mistakes]
    assert any(each.startswith(expected) for each in found), found


def test_signals_of_the_type_and_of_the_plant_may_be_drivers() -> None:
    """Each by its name in formulas."""
    config = parse(plant(meter="meter", drivers=["power", "plant.outdoor"]))
    machine_type = config.machine_type("furnace")

    assert machine_type
    assert machine_type.energy == EnergyType("meter", drivers=("power", "plant.outdoor"))


def test_a_type_takes_over_the_energy_of_another_key_by_key() -> None:
    """As it does with other keys."""
    data = plant(meter="meter", cost="cost", drivers=["power"])
    data["message_types"]["kiln"] = {"extends": "furnace", "energy": {"drivers": ["plant.outdoor"]}}
    machine_type = parse(data).machine_type("kiln")

    assert machine_type
    assert machine_type.energy == EnergyType("meter", "cost", drivers=("plant.outdoor",))
