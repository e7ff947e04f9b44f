"""Lines for tests: of any kind, or steady ones; and their events, from the ground truth and from messages."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.flow.line import Line
from plant.definition.plant_config import PlantConfig, parse
from plant.material_flow.flow import Flow
from plant.telemetry import Message, PieceCount
from plant.truth.events import FinishedJob, StateInterval, TruthEvent
from tests.support.exports import yamlread
from tests.support.factory.plants import COUNTED, ROOT, default, job_id, rows

KINDS = dict(zip("12345", COUNTED, strict=True))
"""First digit of a job number -> the type of machine that did the job."""

QUICK: dict[str, dict[str, Any]] = {
    "cnc_machine": {"cycle_time_range": [2.0, 4.0]},
    "printer_3d": {"print_seconds": 4.0},
    "welding": {"cycle_time_range": [2.0, 5.0]},
    "painting": {"cycle_time_range": [2.0, 3.0]},
    "testing": {"test_seconds_range": [2.0, 6.0]},
}
"""Jobs of seconds, so that much happens in little time."""

STEADY: dict[str, dict[str, Any]] = {
    key: {
        "status_distribution": {"testing" if key == "testing" else "running": 1.0},
        **dict.fromkeys(("statuses", "dwell_seconds", "micro_stops_per_hour", "slow_cycle_share")),
        "test_distribution" if key == "testing" else "quality_distribution": {
            "pass" if key == "testing" else "good": 1.0
        },
    }
    for key in QUICK
}
"""Machines that never stop of themselves and never fail."""

ONE_EACH = dict.fromkeys(COUNTED, 1)
NO_EVENTS = {"customer_order": {"orders_per_hour": 0}, "dispatch": {"dispatches_per_hour": 0}}


def plant_data(
    counts: dict[str, int], flow: dict[str, Any] | None, *changes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return the default plant with short jobs, a period of 2 s, these machine counts, this flow, and changes."""
    data = default()
    data["global"]["machine_counts"] = {COUNTED[key]: count for key, count in counts.items()}
    if flow is not None:
        data["flow"] = flow
    for values in (QUICK, *changes):
        for key, change in values.items():
            spec = data["message_types"][key] | change
            data["message_types"][key] = {name: value for name, value in spec.items() if value is not None}
    for key in QUICK:
        data["message_types"][key].pop("frequency_weight", None)
        data["message_types"][key].setdefault("report_seconds", 2.0)
    return data


def steady(counts: dict[str, int], flow: dict[str, Any] | None, *changes: dict[str, dict[str, Any]]) -> PlantConfig:
    """Return a line whose machines only stop for the flow, empty at the start, unless the flow is given otherwise."""
    data = plant_data(counts, flow, STEADY, *changes)
    return parse(data if flow is None else data | {"flow": {"initial_fill": 0.0} | flow})


@st.composite
def lines(draw: st.DrawFn) -> PlantConfig:
    """Plants of every make: few machines or none of a type, little room, any bill of parts, any quality."""
    counts = {key: draw(st.integers(0, 3) | st.just(2)) for key in COUNTED}
    weight = st.sampled_from([0.0, 0.1, 0.5, 1.0])
    bills = {"cnc_machine": st.integers(1, 3), "printer_3d": st.integers(0, 2)}
    flow = {
        "parts": draw(st.fixed_dictionaries(bills)),
        "parts_by_assembly_type": {"WingJoint": {"printer_3d": draw(st.integers(1, 3))}},
        "units_by_product_type": {"FullSpaceship": draw(st.integers(1, 9))},
        "buffers": {key: draw(st.integers(1, 6)) for key in COUNTED},
        "initial_fill": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "most_reworks": draw(st.integers(0, 3)),
    }
    quality = {
        key: {
            "quality_distribution": {"good": 1.0, "scrap": draw(weight), "rework": draw(weight)},
            "report_seconds": draw(st.sampled_from([1.5, 2.0, 3.5])),
            "dwell_seconds": {"running": 20.0, "faulted": 5.0, "idle": 3.0},
        }
        for key in list(COUNTED)[:4]
    }
    tests = {"test_distribution": {"pass": 1.0, "fail": draw(weight)}}
    events = {
        "customer_order": {"orders_per_hour": draw(st.sampled_from([0, 60, 600]))},
        "dispatch": {"dispatches_per_hour": draw(st.sampled_from([0, 300, 3000]))},
    }
    return parse(plant_data(counts, flow, quality, {"testing": tests}, events))


def scenario_data() -> dict[str, Any]:
    """Return the shipped line as plain data, to be changed."""
    data: dict[str, Any] = yamlread.value((ROOT / "scenarios" / "spaceship-flow.yaml").read_text("utf-8"))
    return data


@functools.cache
def scenario() -> PlantConfig:
    """Return the shipped line."""
    return parse(scenario_data())


def census(plant: FactoryMessageGenerator, key: str) -> PieceCount:
    """What became of the pieces of one type."""
    return next(count for count in plant.census() if count.kind == key)


def flow_of(plant: FactoryMessageGenerator) -> Flow:
    """What has no window of its own."""
    assert plant._parts.flow is not None
    return plant._parts.flow


def line_of(plant: FactoryMessageGenerator) -> Line:
    """The line that the plant has."""
    assert plant.config.flow is not None
    return plant.config.flow.line


def moments(plant: FactoryMessageGenerator, seconds: float) -> Iterator[int]:
    """Lets time pass from event to event, whatever happens at it; every time at which something did, in ms."""
    assert plant._parts.event_queue is not None
    while (now_ms := plant._parts.event_queue._next_event_ms()) <= (START + seconds) * 1000:
        plant._parts.event_queue.advance_to(now_ms)
        yield now_ms
    plant.advance_silently(START + seconds)


@dataclass
class History:
    """The events of a plant in some time, from the ground truth and from messages.

    jobs: by id.  consumed: by the id of a job, the ids that went into it.  shipped: by order, the ids that left.
    """

    plant: FactoryMessageGenerator
    messages: list[Message]
    jobs: dict[str, FinishedJob] = field(default_factory=dict)
    intervals: list[StateInterval] = field(default_factory=list)
    consumed: dict[str, list[str]] = field(default_factory=dict)
    shipped: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, truth: TruthEvent) -> None:
        """Add an event of the ground truth."""
        if isinstance(truth, FinishedJob):
            self.jobs[truth.job_id] = truth
        elif isinstance(truth, StateInterval):
            self.intervals.append(truth)

    def read(self) -> None:
        """Add the ids in messages."""
        for row in rows(self.messages):
            if row.get("consumed_ids") is not None:
                self.consumed[job_id(row) or ""] = row["consumed_ids"]
            if "unit_ids" in row:
                self.shipped[row["order_id"]] = row["unit_ids"]

    def taken(self) -> list[str]:
        """Every id that was consumed or shipped."""
        return [each for ids in (*self.consumed.values(), *self.shipped.values()) for each in ids]


def history(config: PlantConfig, seconds: float, seed: int = 1) -> History:
    """A plant's first seconds."""
    plant = FactoryMessageGenerator.of(config, seed)
    found = History(plant, [])
    plant.listen(found.tell)
    found.messages = plant.advance(START + seconds)
    plant.close_truth()
    found.read()
    return found


def made_by(identity: str) -> str:
    """The type of the machine that made a piece."""
    return KINDS[number(identity)[0]]


def number(identity: str) -> str:
    """An id without its words."""
    return identity.rpartition("-")[2]


def initial_pieces(identity: str) -> bool:
    """Whether a piece was there before the line began."""
    return number(identity)[1] == "0"
