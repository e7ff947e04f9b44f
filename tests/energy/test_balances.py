"""The numbers of the energy plant agree with each other: electricity, energy, steam, gas, counts and cycles."""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import pytest

from tests.energy.contract import MACHINES
from tests.energy.plants import Row, by_leaf, plant, sent
from tests.support.examples import THOROUGH, thorough

HOUR: Final = 3600
DAY: Final = 24 * HOUR
TYPES: Final = {
    "energy_compressor": MACHINES[0],
    "energy_hvac": MACHINES[1],
    "energy_conveyor": MACHINES[2],
    "energy_pump": MACHINES[3],
    "energy_molding": MACHINES[4],
    "energy_boiler": MACHINES[7],
}
NO_BAND: Final = {"machine_id", "time", "timestamp"}
MONTH: Final = 30
DAYS: Final = {"energy_compressor": 0.5 if THOROUGH else 0.2}
"""Days of the tests: a working day, or a month with `make test-thorough`, and less of what sends each second."""


@cache
def days(kind: str) -> dict[str, list[Row]]:
    """The messages of a machine in a day or a month, from Monday on, without faults."""
    many = DAYS.get(kind, MONTH if THOROUGH else 1)
    return by_leaf(sent(plant(kind), many * DAY, step=6 * HOUR))


def meter(kind: str) -> list[Row]:
    """The rows with electric power."""
    leaves = days(kind)
    return leaves["energy"] or leaves["electricity"]


@pytest.mark.parametrize("kind", TYPES)
def test_power_is_that_of_three_phases_in_every_message(kind: str) -> None:
    """P = sqrt(3) V I pf, within what the last decimals leave open."""
    for row in meter(kind):
        volts, amperes, factor = row["voltage_v"], row["current_a"], row["power_factor"]
        power = math.sqrt(3) * volts * amperes * factor / 1000
        decimals_v = 0.05 if kind == "energy_boiler" else 0.005
        open_share = 0.005 / max(amperes, 0.005) + decimals_v / volts + 0.00005 / factor
        assert abs(power - row["power_kw"]) <= row["power_kw"] * open_share + 0.0015


@pytest.mark.parametrize("kind", TYPES)
def test_energy_is_power_times_the_period_in_every_message(kind: str) -> None:
    """Within the last decimals of both."""
    hours = TYPES[kind].seconds / HOUR
    decimals = 4 if kind == "energy_boiler" else 6
    for row in meter(kind):
        open_kwh = 0.0006 * hours + 1.1 * 10**-decimals
        assert abs(row["energy_kwh"] - row["power_kw"] * hours) <= open_kwh


@pytest.mark.parametrize("kind", TYPES)
def test_the_sum_of_energy_does_not_drift(kind: str) -> None:
    """Over all messages it is the mean power times the time, to a thousandth of a percent."""
    rows = meter(kind)
    hours = TYPES[kind].seconds / HOUR

    assert sum(row["energy_kwh"] for row in rows) == pytest.approx(
        sum(row["power_kw"] for row in rows) * hours, rel=1e-5
    )


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "energy_boiler"])
def test_good_and_bad_add_up_to_the_count(kind: str) -> None:
    """In every message."""
    for row in days(kind)["production"]:
        assert row["production_count"] == row["production_count_good"] + row["production_count_bad"] >= 0


def test_the_pressure_of_a_compressor_stays_within_its_limits() -> None:
    """It switches at 6.5 and 7.5 bar, to the moment, and is never beyond them without a fault."""
    pressures = [row["pressure_bar"] for row in days("energy_compressor")["environmental"]]

    assert min(pressures) >= 6.5
    assert max(pressures) <= 7.5
    assert min(pressures) < 6.55
    assert max(pressures) > 7.45


@thorough
def test_a_month_of_a_compressor_keeps_its_balances() -> None:
    """Of 7.8 million messages, looked at one by one; and the sum of energy is the mean power times the time."""
    energy = power = 0.0
    pressures = 0
    for each in sent(plant("energy_compressor"), MONTH * DAY, step=HOUR):
        row = each.row
        if each.leaf == "energy":
            energy, power = energy + row["energy_kwh"], power + row["power_kw"]
            watts = math.sqrt(3) * row["voltage_v"] * row["current_a"] * row["power_factor"]
            assert watts / 1000 == pytest.approx(row["power_kw"], abs=0.02)
        elif each.leaf == "environmental":
            pressures += 1
            assert 6.5 <= row["pressure_bar"] <= 7.5

    assert pressures == MONTH * DAY
    assert energy == pytest.approx(power / HOUR, rel=1e-6)


def test_a_compressor_is_loaded_for_the_share_that_is_asked_of_it() -> None:
    """Its receiver neither fills nor empties, so what it makes is what is taken."""
    leaves = days("energy_compressor")
    taken = sum(row["flow_rate_m3h"] for row in leaves["environmental"]) / len(leaves["environmental"])
    power = [row["power_kw"] for row in leaves["energy"]]
    loaded = sum(each > 0.5 * 55 for each in power) / len(power)

    assert loaded * 500 == pytest.approx(taken, rel=0.04)


def test_steam_carries_the_heat_of_the_gas_that_the_efficiency_leaves() -> None:
    """Gas times its heating value times the efficiency is the steam's gain of enthalpy, in every message."""
    leaves = days("energy_boiler")
    rows = zip(leaves["natural_gas"], leaves["steam"], leaves["production"], strict=True)
    for gas, steam, made in rows:
        heat_kw = gas["flow_rate_m3h"] * gas["calorific_value_kwh_m3"] * made["efficiency"]
        gained = steam["flow_rate_kg_h"] / HOUR * (steam["enthalpy_kj_kg"] - 4.19 * 105)
        assert abs(gained - heat_kw) <= 0.01 * heat_kw


def test_a_moulding_cycle_takes_210_seconds_and_a_pressing_180() -> None:
    """Of 16 hours of full shifts on a weekday."""
    for kind, seconds in (("energy_molding", 210), ("energy_pump", 180)):
        full = list(days(kind)["production"][6 * 120 : 22 * 120])
        made = sum(row["production_count"] for row in full)
        assert made == pytest.approx(16 * HOUR / seconds, abs=1.5)


WINDOWS: Final = {
    # Local hours of the week: full shifts, nights, and days and nights of the weekend.
    "full": [(day * 24 + 6, day * 24 + 22, 1.0) for day in range(5)],
    "night": [(day * 24 + 22, day * 24 + 30, 0.5) for day in range(4)],
    "weekend": [(day * 24 + 6, day * 24 + 22, 0.3) for day in (5, 6)],
}


@pytest.mark.parametrize("kind", ["energy_conveyor", "energy_pump", "energy_molding"])
def test_nights_make_half_and_weekends_three_tenths(kind: str) -> None:
    """Of what a weekday's hour makes, within two points."""
    seconds = 300
    rows = by_leaf(sent(plant(kind, report_seconds=seconds), 7 * DAY))["production"]
    an_hour = HOUR // seconds
    means = {
        name: sum(
            sum(row["production_count"] for row in rows[first * an_hour : last * an_hour]) for first, last, _ in spans
        )
        / sum(last - first for first, last, _ in spans)
        for name, spans in WINDOWS.items()
    }

    assert means["night"] / means["full"] == pytest.approx(0.5, abs=0.02)
    assert means["weekend"] / means["full"] == pytest.approx(0.3, abs=0.02)


def test_defects_of_a_conveyor_are_two_percent() -> None:
    """Drawn for each item."""
    rows = days("energy_conveyor")["production"]
    made, bad = (sum(row[key] for row in rows) for key in ("production_count", "production_count_bad"))

    assert bad / made == pytest.approx(0.02, abs=4 * math.sqrt(0.02 * 0.98 / made))


@pytest.mark.parametrize("kind", TYPES)
def test_no_reading_is_outside_its_band(kind: str) -> None:
    """Each number lies within the limits that its declaration has, and the schema announces."""
    machine_type = plant(kind).message_types.machines[kind]
    for each in machine_type.messages:
        bands = {
            field.name: machine_type.signals[field.detail].limits
            for field in each.fields
            if field.detail in machine_type.signals
        }
        for row in days(kind)[each.name]:
            outside = [key for key, band in bands.items() if band and not band[0] <= row[key] <= band[1]]
            assert outside == []
