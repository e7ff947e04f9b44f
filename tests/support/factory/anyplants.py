"""Plants of any kind, for what must hold for all: any names, states, weights and topics, with or without extras."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from plant.definition.plant_config import PlantConfig, parse
from tests.support.factory.flows import QUICK
from tests.support.factory.plants import COUNTED, default

NAMES = (
    "good",
    "rework",
    "A",
    "HullPanel",
    "x y",
    'quote"',
    "per%cent",
    "{}",
    "^$.*+?()[]|/\\",
    "ä🚀",
    "#FFD700",
    "null",
)
"""Texts that YAML takes for names, those with a meaning elsewhere included."""

TOPICS = (
    "{prefix}/{type}/{machine_id}",
    "{prefix}/{station_id}",
    "{prefix}/{station_id}/{machine_id}/state",
    "{machine_id}",
    "plant/all",
)

CALENDAR = {"time_zone": "UTC", "shifts": [{"start": "00:00", "end": "00:02"}, {"start": "00:03", "end": "23:00"}]}
"""A minute of planned stop, soon after the start."""

_weights = st.sampled_from([0.0, 0.2, 1.0, 3.0])
_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
_distributions = st.dictionaries(st.sampled_from(NAMES), _weights, max_size=3)


@st.composite
def machine_types(draw: st.DrawFn, key: str, made: dict[str, Any]) -> dict[str, Any]:
    """What a plant's YAML may say of a machine type, `made` being what it says by default."""
    test = key == "testing"
    kinds = next(name for name in ("part_types", "assembly_types", "colors", "target_types") if name in made)
    changes = {
        "enabled": draw(st.sampled_from([True, True, True, False])),
        "report_seconds": draw(st.sampled_from([0.5, 2.0, 7.0])),
        "status_distribution": draw(_distributions) | {"testing" if test else "running": 3.0},
        "test_distribution" if test else "quality_distribution": draw(_distributions)
        | {draw(st.sampled_from(["pass", "fail"] if test else ["good", "scrap"])): 1.0},
        kinds: draw(_names),
        "lines": draw(st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)),
        "stations": ["S 1", "S2"],
        "station_pattern": draw(st.sampled_from(["L{line}", "{station}-{line}", "hall"])),
        "topic": draw(st.none() | st.sampled_from(TOPICS)),
        "dwell_seconds": None,
        "statuses": None,
        "frequency_weight": None,
    }
    return {name: value for name, value in (made | QUICK[key] | changes).items() if value is not None}


@st.composite
def plants(draw: st.DrawFn) -> PlantConfig:
    """A plant in which everything that can be reported is reported within some minutes, or never."""
    data = default()
    types = data["message_types"]
    data["global"]["machine_counts"] = {name: draw(st.integers(0, 3)) for name in COUNTED.values()}
    for key in COUNTED:
        types[key] = draw(machine_types(key, types[key]))
    orders = {"product_types": draw(_names), "quantity_ranges": {}, "orders_per_hour": draw(st.sampled_from([0, 1200]))}
    types["customer_order"] |= orders
    types["dispatch"] |= {"destinations": draw(_names), "dispatches_per_hour": draw(st.sampled_from([0, 1200]))}
    types["oee"] = {"enabled": draw(st.booleans()), "report_seconds": 60.0}
    extras = {"calendar": CALENDAR, "flow": {"buffers": {"welding": 1}}}
    return parse(data | {name: extra for name, extra in extras.items() if draw(st.booleans())})
