"""A steam boiler: fuel, pressure and flue gas that agree with the steam that is drawn, by its heat balance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from plant.models.model import Rows, V

_KELVIN_PER_LOAD: Final = 70.0
"""How much hotter than the steam the flue gas is at full load, beside 15 K at none: typical for a fire-tube boiler."""

_GAS_KWH_PER_M3: Final = 10.0
"""Lower heating value of natural gas at standard conditions."""

_SIEGERT_A, _SIEGERT_B = 0.66, 0.009
"""Siegert's factors for the flue gas losses of natural gas, by the oxygen in the dry flue gas (1. BImSchV, annex)."""


class Boiler:
    """A gas-fired fire-tube boiler for saturated steam, in balance at each moment.

    Saturation: T = 100 p^(1/4), with p in bar absolute, within 2.5 K from 1 to 20 bar. Enthalpy of saturated steam:
    linear in T, within 1 % of the steam tables there. Losses of the flue gas: Siegert's formula.
    """

    inputs = ("steam_demand", "rated_steam", "set_pressure", "feedwater_temperature", "oxygen")
    plant_inputs = ()
    outputs: Mapping[str, str] = {
        "steam_flow": "Steam that leaves the boiler, in t/h: the demand, up to what it is rated for.",
        "pressure": "Pressure of the steam above that of the air, in bar; it is lower at high load.",
        "steam_temperature": "Temperature of the saturated steam, in degrees Celsius.",
        "flue_gas_temperature": "Temperature of the flue gas, in degrees Celsius.",
        "efficiency": "Heat in the steam as a share of the fuel's lower heating value, in percent.",
        "gas_flow": "Natural gas at standard conditions, in m3/h.",
    }

    def values(self, rows: Rows[V]) -> Mapping[str, V]:
        """Return the outputs. steam_demand, rated_steam: t/h.  set_pressure: bar.  oxygen: percent, dry."""
        zero, one = rows.number(0.0), rows.number(1.0)
        rated = rows.signal("rated_steam")
        steam = rows.greatest(zero, rows.least(rows.signal("steam_demand"), rated))
        load = rows.divide(steam, rated)
        pressure = rows.signal("set_pressure") * (one - load * load * 0.08)
        saturation = rows.root(rows.root(rows.greatest(pressure + 1.013, zero))) * 100.0
        flue_gas = saturation + 15.0 + load * _KELVIN_PER_LOAD
        excess = rows.greatest(rows.number(21.0) - rows.signal("oxygen"), one)
        flue_loss = (flue_gas - 20.0) * (rows.divide(rows.number(_SIEGERT_A), excess) + _SIEGERT_B) * 0.01
        shell_loss = rows.divide(rows.number(0.005), rows.greatest(load, rows.number(0.05)))
        efficiency = rows.greatest(one - flue_loss - shell_loss, rows.number(0.1))
        heat = (saturation - 100.0) * 1.35 + 2676.0 - rows.signal("feedwater_temperature") * 4.19
        power_kw = steam * heat * (1 / 3.6)
        return {
            "steam_flow": steam,
            "pressure": pressure,
            "steam_temperature": saturation,
            "flue_gas_temperature": flue_gas,
            "efficiency": efficiency * 100.0,
            "gas_flow": rows.divide(power_kw, efficiency) * (1 / _GAS_KWH_PER_M3),
        }
