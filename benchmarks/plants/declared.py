"""The plants that are measured: presses with six signals, in several forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from benchmarks.signals import PRESS

Data = dict[str, Any]

PERIOD_SECONDS: Final = 5.0

_STATES: Final = """
running: {share: 0.70, dwell_seconds: 600, produces: true}
idle: {share: 0.20, dwell_seconds: 120}
maintenance: {share: 0.08, dwell_seconds: 900}
faulted: {share: 0.02, dwell_seconds: 300}
"""
_JOB: Final = "{kinds: [panel, frame], cycle_seconds: [10.0, 15.0]}"
_PHASES: Final = "{close: 0.1, press: 0.7, open: 0.2}"
_PRESSURE: Final = "{running.press: 180, running: 20, else: 0}"
_CLASSES: Final = """
process: {fields: [timestamp, machine_id, status, temperature, pressure, vibration, hall]}
energy: {fields: [timestamp, machine_id, power, energy], topic: "{prefix}/{machine_id}/energy"}
status: {fields: [timestamp, machine_id, status], topic: "{prefix}/{machine_id}/status", on_change: true, retain: true}
"""


def press(count: int, period_seconds: float = PERIOD_SECONDS) -> Data:
    """Return presses without jobs: what the study of designs measured, but for its faults."""
    entry: Data = {
        "count": count,
        "machine_id": "PRESS-{number:06d}",
        "report_seconds": period_seconds,
        "states": yaml.safe_load(_STATES),
        "signals": yaml.safe_load(PRESS),
    }
    return {"message_types": {"press": entry}}


def press_with_jobs(count: int, period_seconds: float = PERIOD_SECONDS) -> Data:
    """Return presses that make parts, which no signal follows."""
    data = press(count, period_seconds)
    data["message_types"]["press"]["job"] = yaml.safe_load(_JOB)
    return data


def press_with_phases(count: int, period_seconds: float = PERIOD_SECONDS) -> Data:
    """Return presses whose pressure follows the three phases of each part: an event every few seconds."""
    data = press_with_jobs(count, period_seconds)
    entry = data["message_types"]["press"]
    entry["job"]["phases"] = yaml.safe_load(_PHASES)
    entry["signals"]["pressure"]["base"] = yaml.safe_load(_PRESSURE)
    return data


def press_in_classes(count: int, period_seconds: float = PERIOD_SECONDS) -> Data:
    """Return presses with three classes of messages: four signals, two signals, and each change of state."""
    data = press(count, period_seconds)
    entry = data["message_types"]["press"]
    entry["messages"] = yaml.safe_load(_CLASSES)
    for name in ("process", "energy"):
        entry["messages"][name]["report_seconds"] = entry["report_seconds"]
    del entry["report_seconds"]
    return data


_FAULTS: Final = """
bearing_damage:
  every_hours: 4
  duration_seconds: [1800, 7200]
  onset: {ramp_seconds: 900}
  severity: [0.3, 1]
  effects: {vibration: {times: 4}, temperature: {plus: 12}, power: {times: 1.2}}
  leads_to: {state: faulted, after_seconds: 1800, chance: 0.5}
leak:
  every_hours: 4
  duration_seconds: 3600
  effects: {pressure: {times: 0.6}, temperature: {plus: 3}}
"""


def press_with_faults(count: int, period_seconds: float = PERIOD_SECONDS) -> Data:
    """Return presses with two faults, of which every third machine has one at a time."""
    data = press(count, period_seconds)
    entry = data["message_types"]["press"]
    entry["faults"] = yaml.safe_load(_FAULTS)
    for name in ("vibration", "temperature", "power", "pressure"):
        entry["signals"][name].setdefault("limits", [0, 1000])
    return data


PLANTS: Final[Mapping[str, Callable[[int, float], Data]]] = {
    "six signals": press,
    "with two faults": press_with_faults,
    "with jobs": press_with_jobs,
    "with jobs in phases": press_with_phases,
    "in three classes": press_in_classes,
}
"""Plants by what is special about them."""
