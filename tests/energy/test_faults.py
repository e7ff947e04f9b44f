"""The faults of the energy plant do what docs/energy.md says of them, and a simple detector finds them."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import pytest

from plant.definition.faults.fault_type import FaultType
from plant.definition.machine_types.library import library
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import load
from tests.energy.plants import MONDAY, SCENARIO, Row, plant, sent
from tests.support.examples import THOROUGH
from tools.fault_tables import SEVERITIES, result_shares

TYPES: Final = {key: each for key, each in load(SCENARIO).message_types.machines.items() if each.site == "demo"}
FAULTS: Final = [(key, name) for key, each in TYPES.items() for name in each.causes.faults]
SLOWING: Final = [(key, name) for key, name in FAULTS if TYPES[key].causes.faults[name].effects.cycle]
SPOILING: Final = [(key, name) for key, name in FAULTS if TYPES[key].causes.faults[name].effects.results]
DAY_SHIFT: Final = MONDAY + 10 * 3600
HOUR: Final = 3600


def affected(machine_type: MachineType, fault: FaultType) -> list[str]:
    """The signals that a fault changes, which are numbers in messages then."""
    return list(fault.effects.signals)


def entry(key: str, name: str, severity: float | None) -> dict[str, Any]:
    """What shows the signals of a fault alone, and the fault from the first second on, if it has a severity."""
    machine_type = TYPES[key]
    signals = affected(machine_type, machine_type.causes.faults[name])
    shown = {each: {"shown": True, "decimals": 4} for each in signals}
    schedule = {"after_seconds": 1, "severity": severity, "duration_seconds": 400_000}
    scheduled = {**library()[key].entry["faults"][name], "schedule": schedule}
    return {
        "report_seconds": 60,
        "signals": {**shown, "made": {"counter": "jobs"}} if machine_type.job else shown,
        "fields": ["timestamp", *signals, *(["made", "finished.result"] if machine_type.job else [])],
        "faults": {name: scheduled} if severity is not None else {},
    }


@cache
def rows(key: str, name: str, severity: float | None, hours: float = 1) -> list[Row]:
    """The messages of a machine with the fault of that severity, or without any."""
    config = plant(key, **entry(key, name, severity))
    return [each.row for each in sent(config, hours * HOUR, start=DAY_SHIFT)][2:]


def expected(machine_type: MachineType, fault: FaultType, signal: str, healthy: float, severity: float) -> float:
    """What a healthy value becomes."""
    effect, limits = fault.effects.signals[signal], machine_type.signals[signal].limits or (-1e12, 1e12)
    value = healthy * max(0.0, 1 + effect.more * severity) + effect.plus * severity
    return min(max(value, limits[0]), limits[1])


@pytest.mark.parametrize("severity", SEVERITIES if THOROUGH else SEVERITIES[::2])
@pytest.mark.parametrize(("key", "name"), [each for each in FAULTS if each not in SLOWING])
def test_each_signal_under_a_fault_is_what_the_table_says(key: str, name: str, severity: float) -> None:
    """Of the healthy value of the same moment; what other signals of the fault change in it comes on top."""
    machine_type = TYPES[key]
    fault = machine_type.causes.faults[name]
    first, *others = affected(machine_type, fault)
    for healthy, faulty in zip(rows(key, name, None), rows(key, name, severity), strict=True):
        wanted = expected(machine_type, fault, first, healthy[first], severity)
        assert faulty[first] == pytest.approx(wanted, abs=0.002, rel=0.002)
    assert len(others) <= 2


@pytest.mark.parametrize("severity", SEVERITIES[::2])
@pytest.mark.parametrize(("key", "name"), SLOWING)
def test_longer_cycles_make_fewer_jobs(key: str, name: str, severity: float) -> None:
    """In proportion, over twelve hours of a full shift."""
    cycle = TYPES[key].causes.faults[name].effects.cycle
    made = [rows(key, name, each, 11)[-1]["made"] for each in (None, severity)]

    assert made[0] / made[1] == pytest.approx(1 + cycle * severity, rel=0.02)


@pytest.mark.parametrize(("key", "name"), SPOILING)
def test_bad_parts_come_as_often_as_the_table_says(key: str, name: str) -> None:
    """At severity 5, where they are most frequent."""
    machine_type = TYPES[key]
    share = result_shares(machine_type, machine_type.causes.faults[name].effects, 5.0)["bad"]
    results = [
        row["finished.result"] for row in rows(key, name, 5.0, 100 if THOROUGH else 40) if row["finished.result"]
    ]

    assert results.count("bad") / len(results) == pytest.approx(share, abs=4 * (share / len(results)) ** 0.5)


# Energy for a unit: what the faults cost.

COSTLY: Final = {
    "energy_compressor": ("leak", "efficiency_loss"),
    "energy_hvac": ("refrigerant_leak", "dirty_coils", "compressor_fault"),
    "energy_conveyor": ("bearing_wear", "overload"),
    "energy_pump": ("seal_leak", "pump_wear", "valve_fault"),
    "energy_molding": ("heater_fault", "hydraulic_leak"),
}


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, names in COSTLY.items() for name in names])
def test_a_fault_costs_energy(key: str, name: str) -> None:
    """At severity 2 the same work takes more than 2 % more, and at 5 more than at 2."""
    healthy, at_2, at_5 = (energy_of(key, name if severity else None, severity) for severity in (None, 2.0, 5.0))

    assert healthy * 1.02 < at_2 < at_5


@cache
def energy_of(key: str, name: str | None, severity: float | None) -> float:
    """The energy of some hours with a fault of that severity, or without any, in kWh."""
    faults = entry(key, name, severity)["faults"] if name else {}
    messages = sent(plant(key, faults=faults, report_seconds=30), 2 * HOUR, start=DAY_SHIFT)
    return float(sum(each.row["energy_kwh"] for each in messages if each.leaf == "energy"))


def test_a_boiler_burns_more_gas_for_the_same_steam() -> None:
    """With cold feedwater, and with a dirty burner."""
    for name in ("economizer_fault", "burner_fouling"):
        per_kg = []
        for severity in (None, 1.0, 5.0):
            config = plant("energy_boiler", faults=entry("energy_boiler", name, severity)["faults"])
            leaves = {"natural_gas": 0.0, "steam": 0.0}
            for each in sent(config, HOUR, start=DAY_SHIFT):
                leaves["natural_gas"] += each.row.get("consumption_m3", 0.0)
                leaves["steam"] += each.row.get("consumption_kg", 0.0)
            per_kg.append(leaves["natural_gas"] / leaves["steam"])
        assert per_kg[0] < per_kg[1] < per_kg[2]


def test_a_leak_lets_the_pressure_fall_where_it_takes_more_than_there_is() -> None:
    """At severity 2 and above, in a full shift; below that the compressor is loaded for longer."""
    lowest = []
    for severity in (1.0, 5.0):
        config = plant("energy_compressor", faults=entry("energy_compressor", "leak", severity)["faults"])
        lowest.append(
            min(
                each.row["pressure_bar"] for each in sent(config, HOUR, start=DAY_SHIFT) if each.leaf == "environmental"
            )
        )

    assert lowest[0] >= 6.5
    assert lowest[1] < 6
