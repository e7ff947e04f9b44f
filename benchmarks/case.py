"""What is measured, what comes of it, and the plant that all senders share."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.proc import memory_bytes
from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message

ROOT = Path(__file__).parent.parent
WINDOW = 2000
"""Messages in flight at most, for our sender and for the limit."""

_MIX = {"cnc": 5, "printer_3d": 8, "welding": 4, "painting": 3, "testing": 2}
_SLICE_ROWS = 1000
SEED = "bench"
"""Of every plant here."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement.

    sender: a name of the table of senders.  port: the broker's, or the delaying proxy's.  ca_file: TLS; empty is plain.
    events: with CloudEvents properties.  messages: how many to send.  machines: of the plant that says them.
    target_rate: rows a second that this plant is asked for; 0 for its usual rate.
    """

    sender: str
    port: int
    ca_file: str = ""
    qos: int = 1
    events: bool = False
    messages: int = 60_000
    machines: int = 5_000
    target_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """From the first byte of the first message to the last acknowledgement; connecting comes before.

    seconds: on the clock.  cpu_seconds: of the sender's process.  rss_bytes: the most it ever had.
    """

    messages: int
    seconds: float
    cpu_seconds: float
    rss_bytes: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time a message."""
        return self.cpu_seconds / self.messages * 1e6


class Stopwatch:
    """Starts when it is made. The most memory is what Linux says: ru_maxrss would begin with the parent's."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def stop(self, messages: int) -> Measured:
        """What has passed since, for so many messages."""
        seconds, cpu_seconds = time.perf_counter() - self._began, time.process_time() - self._cpu
        return Measured(messages, seconds, cpu_seconds, memory_bytes(os.getpid(), "VmHWM"))


def plant_data(machines: int, rate: float = 0.0) -> dict[str, Any]:
    """The default plant with so many machines, in the default mix; all together with so many rows a second."""
    data: dict[str, Any] = yaml.safe_load((ROOT / "message_structure.yaml").read_text("utf-8"))
    total = sum(_MIX.values())
    counts = {key: machines * share // total for key, share in _MIX.items()}
    counts["cnc"] += machines - sum(counts.values())
    data["global"] |= {"machine_counts": counts} | ({"target_rate": rate} if rate else {})
    return data


def config_of(case: Case) -> PlantConfig:
    """The case's plant."""
    return parse(plant_data(case.machines, case.target_rate))


def plant_of(case: Case) -> FactoryMessageGenerator:
    """The plant that the case's rows come from: always the same ones."""
    return FactoryMessageGenerator.of(config_of(case), SEED)


def rows_of(case: Case) -> list[Message]:
    """The case's rows, made in advance."""
    plant, rows = plant_of(case), list[Message]()
    step_seconds = _SLICE_ROWS / case.target_rate if case.target_rate else 1.0
    while len(rows) < case.messages:
        rows += plant.advance(plant.now + step_seconds)
    return rows[: case.messages]
