"""Lines of machine types of one's own, connected by edges in any way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from plant.definition.plant_config import PlantConfig, parse


def machine_type(count: int = 2, **job: Any) -> dict[str, Any]:
    """Return the entry of a type with jobs of 2 to 4 seconds, which stops now and then. job: other keys of its job."""
    return {
        "count": count,
        "report_seconds": 2.0,
        "states": {
            "working": {"share": 0.9, "dwell_seconds": 60, "produces": True},
            "idle": {"share": 0.1, "dwell_seconds": 5},
        },
        "job": {"cycle_seconds": [2.0, 4.0], **job},
    }


def orders(per_hour: float = 600, *, dispatches: float = 3000) -> dict[str, Any]:
    """Return orders of one product, one to three pieces each, and dispatches."""
    return {
        "customer_order": {
            "orders_per_hour": per_hour,
            "product_types": ["Kit"],
            "quantity_ranges": {"Kit": [1, 3]},
        },
        "dispatch": {"dispatches_per_hour": dispatches, "destinations": ["Moon"], "carriers": ["Ship"]},
    }


def plant_data(types: Mapping[str, Any], flow: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
    """Return a plant of these machine types and nothing else. more: further kinds of message."""
    return {"message_types": {**types, **more}} | ({} if flow is None else {"flow": dict(flow)})


SAW, PRESS, CHECK = "saw", "press", "check"
THREE: dict[str, Any] = {
    SAW: machine_type(3),
    PRESS: machine_type(kinds=["Lid", "Box"], results={"good": 0.8, "again": 0.2}),
    CHECK: machine_type(kinds=["fast", "slow"], results={"pass": 0.9, "broken": 0.1}),
}
THREE_EDGES: dict[str, Any] = {
    "assembles": {PRESS: {SAW: 2}},
    "assembles_by_kind": {PRESS: {"Box": {SAW: 5}}},
    "processes": {CHECK: PRESS},
    "repairs": {"again": "same", "broken": PRESS},
    "buffers": {SAW: 8, PRESS: 4, CHECK: 6},
}


def three(flow: Mapping[str, Any] | None = None, **more: Any) -> PlantConfig:
    """Return the plant of three types: sawn pieces are pressed, pressed ones are checked. flow: other keys of it."""
    return parse(plant_data(THREE, {**THREE_EDGES, **(flow or {})}, **(more or orders())))


@st.composite
def connected(draw: st.DrawFn, keys: Sequence[str] = ("t0", "t1", "t2", "t3", "t4")) -> PlantConfig:
    """Return a plant whose types are connected in any way without circles, each by any number of edges or by none."""
    assembles: dict[str, dict[str, int]] = {}
    processes: dict[str, str] = {}
    order = draw(st.permutations(keys))
    for place, key in enumerate(order):
        sources = draw(st.lists(st.sampled_from(order[:place]), max_size=3, unique=True)) if place else []
        if len(sources) == 1 and draw(st.booleans()):
            processes[key] = sources[0]
        elif sources:
            assembles[key] = {source: draw(st.integers(1, 3)) for source in sources}
    taken = {*processes.values(), *(source for bill in assembles.values() for source in bill)}
    stages = sorted({*assembles, *processes, *taken})
    flow: dict[str, Any] = {
        "assembles": assembles,
        "assembles_by_kind": {key: {"B": {min(bill): draw(st.integers(1, 4))}} for key, bill in assembles.items()},
        "processes": processes,
        "repairs": {"again": "same"},
        "buffers": {key: draw(st.integers(1, 6)) for key in stages},
        "initial_fill": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "most_reworks": draw(st.integers(0, 2)),
    }
    if stages:
        flow["ships"] = draw(st.sampled_from(stages))
    types = {key: machine_type(draw(st.integers(0, 3)), kinds=["A", "B"], results=draw(_RESULTS)) for key in keys}
    return parse(plant_data(types, flow, **(orders() if stages else {})))


_RESULTS: Final = st.fixed_dictionaries(
    {"good": st.sampled_from([0.2, 0.8, 1.0])},
    optional={"again": st.sampled_from([0.0, 0.3]), "broken": st.sampled_from([0.0, 0.2])},
)
