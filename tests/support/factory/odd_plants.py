"""Plants whose messages differ from those of the five types in every way that a declaration allows, as YAML."""

from __future__ import annotations

from typing import Any, Final

import yaml

from plant.definition.plant_config import PlantConfig, parse
from tests.support.factory.laser import entry

CLASSES: Final = """
plant_signals:
  outdoor: {base: 10, daily: {amplitude: 5, peak_hour: 15}, unit: Cel, decimals: 1}
message_types:
  pump:
    count: 4
    topic: "{prefix}/{machine_id}"
    states:
      running: {share: 0.7, dwell_seconds: 240, produces: true}
      idle: {share: 0.2, dwell_seconds: 90}
      service: {share: 0.1, dwell_seconds: 60, planned: true}
    job:
      kinds: [panel, frame]
      cycle_seconds: [3.0, 5.0]
      phases: {close: 0.1, press: 0.7, open: 0.2}
      results: {good: 0.9, scrap: 0.1}
    signals:
      temperature: {base: {running.press: 55, running: 40, else: 24}, follows_seconds: 24, noise: 0.35, unit: Cel, decimals: 1}
      power: {formula: "temperature * 0.1 + plant.outdoor * 0.01", limits: [0, 100], unit: kW}
      energy: {integral_of: power, per_seconds: 3600, unit: kW.h, decimals: 4}
      cycles: {counter: jobs}
      color: {choice: {red: 1, green: 2}, every_seconds: 10}
    messages:
      job: {fields: [timestamp, machine_id, {part: finished.id}, {result: finished.result}, {cycle: finished.cycle_seconds}, {n: sequence}], report_seconds: 5}
      energy: {fields: [{ts: timestamp}, machine_id, {data: {power: power, energy: energy}}, {c: {constant: 5}}, {n: sequence}], report_seconds: 2, timestamp: epoch_ms, qos: 0}
      status: {fields: [timestamp, machine_id, status, temperature, color], on_change: true, retain: true, report_seconds: 30}
"""
"""Three classes: jobs shorter than the period, values in objects, changes of the state between regular messages."""

MEASURING: Final = """
message_types:
  oee: {enabled: true, report_seconds: 60}
  meter:
    count: 3
    report_seconds: 10
    signals: {level: {base: 5, noise: 0.5, decimals: 2, unit: m}}
  bare:
    count: 2
    topic: "{prefix}/bare/{machine_id}"
    report_seconds: 20
    signals: {level: {base: 5, noise: 0.5, decimals: 2, unit: m}}
    fields: [{v: level}, {n: sequence}]
  valve:
    count: 2
    states:
      open: {share: 0.7, dwell_seconds: 60, produces: true}
      shut: {share: 0.3, dwell_seconds: 20}
      service: {share: 0.1, dwell_seconds: 30, planned: true}
    messages:
      state: {fields: [{t: timestamp}, {v: {id: machine_id, s: status}}], timestamp: epoch_s, on_change: true, retain: true}
      beat: {fields: [timestamp, machine_id, {n: sequence}], report_seconds: 20, qos: 0}
"""
"""Machines without jobs, without states, without a time in their messages, and with nothing but changes."""

RENAMED: Final = """
calendar: {time_zone: UTC, shifts: [{start: "00:00", end: "00:40"}, {start: "00:45", end: "23:00"}]}
message_types:
  lathe:
    count: 3
    report_seconds: 4
    timestamp: epoch_s
    station_pattern: "HALL-{line}"
    lines: [1, 2]
    properties: {site: Turku}
    states:
      cutting: {share: 0.7, dwell_seconds: 200, produces: true}
      waiting: {share: 0.3, dwell_seconds: 90}
    job: {product: shaft, kinds: {long: 2, short: 1}, cycle_seconds: [20, 30], results: {A: {weight: 0.9, good: true}, C: {weight: 0.1}}}
    fields:
      - {at: timestamp}
      - {who: {machine: machine_id, place: station_id}}
      - {mode: status}
      - {work: {kind: job.kind, now: job.id, done: {id: finished.id, grade: finished.result, took: finished.cycle_seconds}}}
      - {n: {sequence: true}}
"""
"""One class in which every key has another name or is in an object, with planned stops."""

BESIDE: Final = """
global: {machine_counts: {cnc: 2, welding: 1}}
message_types:
  cnc_machine: {}
  welding: {}
  customer_order: {product_types: [Ship], orders_per_hour: 60}
  dispatch: {destinations: [Moon], carriers: [Rocket], dispatches_per_hour: 90}
  gauge-2:
    count: 2
    states: {up: {share: 0.9, dwell_seconds: 300, produces: true}, down: {share: 0.1, dwell_seconds: 60}}
    job: {cycle_seconds: [40, 60], results: {good: 0.8, bad: 0.2}}
    signals: {level: {base: 3, noise: 0.2, decimals: 1}, made: {counter: jobs}}
    messages:
      all: {fields: [timestamp, machine_id, status, {job: finished.id}, {verdict: finished.result}, {quality: level}], on_change: true}
      values: {fields: [timestamp, machine_id, status, {part_id: made}], report_seconds: 5}
"""
"""Two usual types beside one whose keys have the same names and another meaning; each job has its own message."""

DIFFERING: Final = """
message_types:
  press:
    count: 3
    report_seconds: 5
    states: {running: {share: 0.8, dwell_seconds: 300, produces: true}, idle: {share: 0.2, dwell_seconds: 120}}
    job: {cycle_seconds: [20, 25], results: {good: 0.95, scrap: 0.05}}
    signals: {temperature: {base: {running: 55, else: 24}, follows_seconds: 240, noise: 0.3, unit: Cel, decimals: 1}}
    overrides:
      PRESS-02: {states: {idle: {share: 0.5}}, signals: {temperature: {base: {running: 80, else: 24}}}, job: {cycle_seconds: [12, 14]}}
"""
"""A machine that differs from the others of its type."""

ODD_PLANTS: Final[dict[str, dict[str, Any]]] = {
    "classes": yaml.safe_load(CLASSES),
    "measuring": yaml.safe_load(MEASURING),
    "renamed": yaml.safe_load(RENAMED),
    "beside": yaml.safe_load(BESIDE),
    "differing": yaml.safe_load(DIFFERING),
    "sixth": {"message_types": {"laser_cutter": entry() | {"count": 3}}},
}
"""Each as its YAML is read."""


def odd_plant(name: str) -> PlantConfig:
    """Return one of the plants."""
    return parse(ODD_PLANTS[name])
