"""Plants of one type, a press, and what really happened in them: jobs and stays, machine by machine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from plant.truth.events import FinishedJob, StateInterval, TruthEvent

STATES: dict[str, dict[str, Any]] = {
    "running": {"share": 0.7, "dwell_seconds": 300, "produces": True},
    "idle": {"share": 0.2, "dwell_seconds": 60},
    "faulted": {"share": 0.1, "dwell_seconds": 120},
}
JOB: dict[str, Any] = {"kinds": ["a", "b"], "cycle_seconds": [4, 6], "results": {"good": 0.9, "scrap": 0.1}}


def press_data(**values: Any) -> dict[str, Any]:
    """Plain data of a plant of presses, with other values for some keys; None takes a key away."""
    entry = {"count": 4, "report_seconds": 60, "states": STATES, "job": JOB} | values
    return {"message_types": {"press": {name: value for name, value in entry.items() if value is not None}}}


def press(**values: Any) -> PlantConfig:
    """Return such a plant."""
    return parse(press_data(**values))


@dataclass
class Truth:
    """What happened: jobs, stays and messages."""

    plant: FactoryMessageGenerator
    jobs: defaultdict[str, list[FinishedJob]] = field(default_factory=lambda: defaultdict(list))
    stays: defaultdict[str, list[StateInterval]] = field(default_factory=lambda: defaultdict(list))
    messages: list[Message] = field(default_factory=list)

    def note(self, event: TruthEvent) -> None:
        """Add an event."""
        if isinstance(event, FinishedJob):
            self.jobs[event.machine_id].append(event)
        elif isinstance(event, StateInterval):
            self.stays[event.machine_id].append(event)

    @property
    def all_jobs(self) -> list[FinishedJob]:
        """The jobs of all machines."""
        return [job for jobs in self.jobs.values() for job in jobs]

    def seconds(self, machine_id: str) -> dict[str, float]:
        """Return the time in each state."""
        found: dict[str, float] = defaultdict(float)
        for stay in self.stays[machine_id]:
            found[stay.state] += (stay.to_ms - stay.from_ms) / 1000
        return found


def truth(config: PlantConfig, hours: float, seed: int = 1) -> Truth:
    """Let a plant run."""
    found = Truth(FactoryMessageGenerator.of(config, seed))
    found.plant.listen(found.note)
    found.messages = found.plant.advance(START + 3600 * hours)
    found.plant.close_truth()
    return found
