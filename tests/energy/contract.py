"""What consumers of the energy plant rely on, as data: topics, keys in order, types and decimals of each message."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

STR, INT, BOOL = "text", 0, "boolean"


class Machine(NamedTuple):
    """A machine: the number that ends its id, its kind, and where its topics begin."""

    number: int
    kind: str
    root: str
    seconds: int


MACHINES: Final = (
    Machine(1, "compressor", "factory/demo/compressor-1", 1),
    Machine(2, "hvac", "factory/demo/hvac-main", 10),
    Machine(3, "motor", "factory/demo/conveyor-a", 10),
    Machine(4, "pump", "factory/demo/hydraulic-pump-1", 30),
    Machine(5, "injection_molding", "factory/demo/injection-molding-1", 30),
    Machine(6, "compressor", "factory/europe/compressor-1", 1),
    Machine(7, "hvac", "factory/europe/hvac-north", 10),
    Machine(8, "boiler", "factory/DemoPlant/Boiler-1", 30),
)

_ID: Final = {"time": STR, "machine_id": STR}
_ENERGY: Final = {
    **_ID, "power_kw": 3, "energy_kwh": 6, "voltage_v": 2, "current_a": 2, "power_factor": 4, "frequency_hz": 2,
}  # fmt: skip
_COUNTS: Final = {
    **_ID, "production_count": INT, "production_count_good": INT, "production_count_bad": INT,
    "throughput_units_per_hour": 2, "operating_mode": STR,
}  # fmt: skip
_BY_SPEED: Final = {**_COUNTS, "speed_percent": 2}
_BY_RECIPE: Final = {**_COUNTS, "recipe_id": STR}
_STATUS: Final = {
    "timestamp": STR, "machine_id": STR, "is_running": BOOL, "operating_mode": STR, "current_power_kw": 3,
}  # fmt: skip
_AIR: Final = (
    "outdoor_temp_c", "indoor_temp_c", "outdoor_humidity_percent", "indoor_humidity_percent", "supply_air_temp_c",
    "return_air_temp_c", "chilled_water_supply_temp_c", "chilled_water_return_temp_c", "cop",
)  # fmt: skip
_BOILER: Final = {"timestamp": STR, "machine_id": STR}

KEYS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "compressor": {
        "energy": _ENERGY,
        "production": _BY_SPEED,
        "environmental": {
            **_ID, "outdoor_temp_c": 2, "machine_temp_c": 2, "pressure_bar": 3, "flow_rate_m3h": 3, "vibration_mm_s": 4,
        },
        "status": _STATUS,
    },
    "hvac": {
        "energy": _ENERGY,
        "production": _BY_SPEED,
        "environmental": {**_ID, **dict.fromkeys(_AIR, 2)},
        "status": _STATUS,
    },
    "motor": {
        "energy": _ENERGY,
        "production": _BY_SPEED,
        "environmental": {**_ID, "machine_temp_c": 2, "vibration_mm_s": 4},
        "status": _STATUS,
    },
    "pump": {
        "energy": _ENERGY,
        "production": _BY_RECIPE,
        "environmental": {**_ID, "pressure_bar": 3, "machine_temp_c": 2},
        "status": _STATUS,
    },
    "injection_molding": {
        "energy": _ENERGY,
        "production": _BY_RECIPE,
        "environmental": {**_ID, "indoor_temp_c": 2, "machine_temp_c": 2},
        "status": _STATUS,
    },
    "boiler": {
        "electricity": {
            **_BOILER, "power_kw": 3, "energy_kwh": 4, "voltage_v": 1, "current_a": 2, "power_factor": 2,
        },
        "natural_gas": {
            **_BOILER, "flow_rate_m3h": 3, "consumption_m3": 4, "pressure_bar": 2, "temperature_c": 1,
            "calorific_value_kwh_m3": 2,
        },
        "steam": {
            **_BOILER, "flow_rate_kg_h": 2, "consumption_kg": 3, "pressure_bar": 2, "temperature_c": 1,
            "enthalpy_kj_kg": 0,
        },
        "production": {
            **_ID, "production_count": INT, "production_rate": 2, "quality_rating": 2, "defect_count": INT,
            "efficiency": 3,
        },
        "environmental": {**_ID, "temperature_c": 1, "humidity_percent": 1, "co2_ppm": 1, "pressure_mbar": 1},
        "status": _STATUS,
    },
}  # fmt: skip
"""Of each kind of machine and topic: the keys in order, each with its decimals, or its type."""

MODES: Final = {"idle", "running", "maintenance", "fault", "offline"}
