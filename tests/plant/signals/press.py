"""A press with six signals, and machines of it: what the tests of signals have in common."""

from __future__ import annotations

from typing import Any, Final

from plant.definition.signals.references import read_signals
from plant.definition.signals.signal_rules import broken
from plant.definition.signals.vocabulary import Vocabulary
from plant.random_stream import RandomStream
from plant.signals.compilation.compiler import compile_signals
from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.program import SignalProgram
from plant.signals.laws.situations import Situation
from tests.support.exports import yamlread

START_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

VOCABULARY: Final = Vocabulary(
    states=("running", "idle", "maintenance"),
    producing_state="running",
    phases=("close", "press", "open"),
    kinds=("panel", "frame"),
    results=("good", "scrap"),
)

IDLE: Final = Situation("idle")
RUNNING: Final = Situation("running", "close", "panel", 0, 12_000)

PRESS: Final = """
temperature: {base: {running: 55, idle: 38, else: 24}, follows_seconds: 240, walk: {sigma: 0.8, memory_seconds: 60}, limits: [0, 130]}
pressure: {base: {running: 120, idle: 15, else: 0}, follows_seconds: 8, walk: {sigma: 2.5, memory_seconds: 20}, limits: [0, 180], decimals: 1}
vibration: {base: {running: 2.4, else: 0.2}, noise: {running: 0.35, else: 0.03}, limits: [0, 40]}
hall: {base: 21, daily: {amplitude: 3, peak_hour: 15}, walk: {sigma: 0.5, memory_seconds: 1800}, limits: [-20, 60], decimals: 1}
power: {formula: "2.2 + (38 * (pressure / 120) ** 1.5 + 0.05 * max(temperature - hall, 0) if state == 'running' else 0)", limits: [0, 80]}
energy: {integral_of: power, per_seconds: 3600, decimals: 3}
"""  # noqa: E501 - a line a signal


def compiled(text: str, *, plant: SignalProgram | None = None, vocabulary: Vocabulary = VOCABULARY) -> SignalProgram:
    """Return the program of signals in YAML that break no rule; messages are 5 s apart."""
    declared: dict[str, Any] = yamlread.value(text)
    plant_signals = {name: {"base": 0.0} for name in plant.names} if plant else {}
    assert [*broken(declared, vocabulary, plant_signals)] == []
    return compile_signals(read_signals(declared), vocabulary, "Europe/Berlin", 5000.0, plant)


def machines(program: SignalProgram, count: int = 1, plant: FleetSignals | None = None) -> FleetSignals:
    """Return machines that have been idle since the start."""
    signals = FleetSignals(program, plant)
    for slot in range(count):
        signals.begin(slot, RandomStream(7, f"press-{slot}"), IDLE, START_MS)
    return signals
