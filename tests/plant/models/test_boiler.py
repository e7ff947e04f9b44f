"""Signals from a model in Python: the boiler, whose heat balance closes, and what is refused."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfigError, parse
from plant.fleets import reporter
from plant.models.registry import models
from plant.telemetry import Message
from tests.support.exports import yamlread

HOUSE: Final = """
report_seconds: 60
count: 20
model: boiler
states:
  running: {share: 0.8, dwell_seconds: 1800, produces: true}
  standby: {share: 0.2, dwell_seconds: 900}
signals:
  steam_demand: {base: {running: 6, else: 0}, walk: {sigma: 2, memory_seconds: 600}, limits: [-1, 15], decimals: 6}
  rated_steam: {base: 10}
  set_pressure: {base: 10}
  feedwater_temperature: {base: 105}
  oxygen: {base: 3, walk: {sigma: 0.3, memory_seconds: 300}, limits: [1, 8], decimals: 6}
  steam_flow: {output: steam_flow, limits: [0, 20], decimals: 6}
  pressure: {output: pressure, limits: [0, 20], decimals: 6}
  steam_temperature: {output: steam_temperature, limits: [0, 300], decimals: 6}
  flue_gas: {output: flue_gas_temperature, limits: [0, 400], decimals: 6}
  efficiency: {output: efficiency, limits: [0, 100], decimals: 6}
  gas: {output: gas_flow, limits: [0, 5000], decimals: 6}
"""


def house(**changes: Any) -> dict[str, Any]:
    """Return the plant of the boiler house. changes: keys of the entry."""
    return {"message_types": {"boiler_house": yamlread.value(HOUSE) | changes}}


def messages(data: dict[str, Any], seconds: float) -> list[Message]:
    """Return the messages of some seconds."""
    return FactoryMessageGenerator.of(parse(data), 1).advance(START + seconds)


def test_the_heat_in_the_fuel_is_that_in_the_steam_and_the_losses() -> None:
    """At each moment: gas times its heating value times the efficiency is the heat of the steam."""
    for row in (json.loads(message.payload) for message in messages(house(), 3600)):
        enthalpy = 2676 + 1.35 * (row["steam_temperature"] - 100) - 4.19 * row["feedwater_temperature"]
        fuel_kw = row["gas"] * 10

        assert row["steam_flow"] == pytest.approx(min(max(row["steam_demand"], 0), 10), abs=1e-6)
        assert fuel_kw * row["efficiency"] / 100 == pytest.approx(
            row["steam_flow"] * enthalpy / 3.6, rel=1e-4, abs=0.01
        )


def test_figures_are_those_of_a_real_boiler() -> None:
    """At 6 t/h of 10 bar: 181 degrees, an efficiency of about 89 %, and 73 m3 of gas for a tonne."""
    rows = [json.loads(message.payload) for message in messages(house(), 3600)]
    working = [row for row in rows if 5.5 < row["steam_flow"] < 6.5]

    assert len(working) > 50
    for row in working:
        assert row["steam_temperature"] == pytest.approx(181, abs=2)
        assert row["efficiency"] == pytest.approx(89, abs=1.5)
        assert row["gas"] / row["steam_flow"] == pytest.approx(73, abs=2)


def test_columns_have_the_bits_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is written once, and computed either way."""
    made = []
    for few in (0, 10**9):
        monkeypatch.setattr(reporter, "_FEW_ROWS", few)
        made.append(messages(house(), 1800))

    assert made[0] == made[1]


def test_every_model_names_what_it_needs_and_computes() -> None:
    """Its names can be names of signals, and each output has a sentence."""
    for model in models().values():
        assert all(name.isidentifier() for name in (*model.inputs, *model.plant_inputs, *model.outputs))
        assert all(text.endswith(".") for text in model.outputs.values())


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"model": "boilr"}, 'boiler_house.model: must be the name of a model, got "boilr"; did you mean boiler?'),
        (
            {"signals": {"gas": {"output": "gas_flow", "limits": [0, 9]}}},
            "signals.gas.output: needs the model's inputs as signals above: steam_demand, rated_steam",
        ),
        ({"model": None}, "signals.steam_flow.output: needs `model` in the machine type"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(changes: dict[str, Any], rule: str) -> None:
    """With the place and the rule."""
    data = house(**changes)
    entry = data["message_types"]["boiler_house"]
    data["message_types"]["boiler_house"] = {key: value for key, value in entry.items() if value is not None}

    with pytest.raises(PlantConfigError) as refused:
        parse(data)
    assert rule in str(refused.value)


def test_an_unknown_output_names_the_nearest() -> None:
    """As everywhere."""
    data = house()
    data["message_types"]["boiler_house"]["signals"]["gas"]["output"] = "gas_flo"

    with pytest.raises(PlantConfigError, match="did you mean gas_flow"):
        parse(data)
