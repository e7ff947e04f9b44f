"""The plants whose signals are measured: each signal has one part, or as few as its law needs."""

from __future__ import annotations

from typing import Any, Final

import yaml

PROBE: Final = "probe"
CLOCK: Final = "clock"
PERIOD_SECONDS: Final = 60.0
CLOCK_PERIOD_SECONDS: Final = 600.0
ZONE: Final = "Europe/Berlin"

PROBES: Final = """
plant_signals:
  outdoor: {base: 10, daily: {amplitude: 5, peak_hour: 15}, walk: {sigma: 1.5, memory_seconds: 86400}, decimals: 6}
message_types:
  probe:
    machine_id: "PROBE-{number:03d}"
    model: boiler
    report_seconds: 60
    states:
      running: {share: 0.6, dwell_seconds: 900, produces: true}
      idle: {share: 0.3, dwell_seconds: 300}
      service: {share: 0.1, dwell_seconds: 1200}
    job: {kinds: [panel, frame], cycle_seconds: [70, 110], results: {good: 0.9, scrap: 0.1}}
    signals:
      level: {base: {running: 55, idle: 38, else: 24}, decimals: 6}
      point: {set_point: 180, limits: [0, 200], decimals: 6}
      lag: {base: {running: 100, else: 20}, follows_seconds: 240, decimals: 6}
      walk: {walk: {sigma: 2, memory_seconds: 600}, decimals: 6}
      other_walk: {walk: {sigma: 2, memory_seconds: 600}, decimals: 6}
      noise: {noise: 3, decimals: 6}
      noise_by_state: {noise: {running: 2, else: 0.5}, decimals: 6}
      uniform: {uniform: [-2, 6], decimals: 6}
      daily: {base: 20, daily: {amplitude: 5, peak_hour: 15.5}, noise: 0.5, decimals: 6}
      yearly: {yearly: {amplitude: 10, peak_day: 200}, decimals: 6}
      wear: {ramp: {per_hour: 2, resets: service}, limits: [0, 100000], decimals: 6}
      fill: {ramp: {per_hour: 30, resets: job}, limits: [0, 100000], decimals: 6}
      own: {base: 100, spread: 0.05, decimals: 6}
      lamp: {choice: {green: 6, red: 1, yellow: 3}, every_seconds: 120}
      power: {formula: "2 + 0.1 * lag", limits: [0, 100], decimals: 6}
      progress: {formula: job_progress, limits: [0, 1], decimals: 6}
      outdoor: {formula: plant.outdoor, limits: [-100, 100], decimals: 6}
      steam_demand: {base: 4, noise: 1, limits: [-1, 7], decimals: 6}
      rated_steam: {base: 5}
      set_pressure: {base: 10}
      feedwater_temperature: {base: 105}
      oxygen: {base: 3}
      steam_pressure: {output: pressure, limits: [0, 20], decimals: 6}
      energy: {integral_of: power, per_seconds: 3600, decimals: 6}
      energy_used: {change_of: energy}
      vessel: {switches: {low: 2, high: 8, rises: "0.02", falls: "0.007"}, starts: 5, starts_on: true, limits: [0, 10], decimals: 6}
      vessel_on: {on_share_of: vessel, decimals: 6}
      soaked: {formula: 10 * noise, follows_seconds: 240, limits: [-200, 200], decimals: 6}
      drive: {base: {running: 100, else: 0}, slews_per_second: 0.5, decimals: 6}
      jobs: {counter: jobs}
      good: {counter: good}
      scrap: {counter: scrap}
      running: {counter: seconds.running, decimals: 3}
      cut: {noise: 1, limits: [-1, 2], decimals: 6}
      rounded: {noise: 1, decimals: 1}
      items: {base: 40, decimals: 0}
      bad: {binomial: {of: items, chance: 0.2}}
      mode: {texts: {busy: "state == 'running'", slow: "noise > 0", resting: else}}
      recipe: {text: "recipe_{jobs}"}
"""  # noqa: E501 - a line a signal

CLOCKS: Final = """
calendar:
  time_zone: Europe/Berlin
  factors: load
  shifts: [{start: "06:00", end: "22:00", factor: 0.75}, {start: "22:00", end: "06:00", factor: 0.5}]
  weekend_factor: 0.5
plant_signals:
  load: {calendar: load}
message_types:
  clock:
    report_seconds: 600
    signals:
      daily: {base: 20, daily: {amplitude: 5, peak_hour: 15.5}, decimals: 6}
      local_hour: {formula: hour, limits: [0, 24], decimals: 6}
      tariff: {timetable: {else: 0.2, times: [{days: [mon, tue, wed, thu, fri], start: "08:00", end: "20:00", value: 0.3}]}}
      asked: {formula: plant.load, limits: [0, 1], decimals: 6}
"""  # noqa: E501 - a line a signal


def probes(machines: int) -> dict[str, Any]:
    """Return a plant of machines with a signal of each kind; its time zone is UTC."""
    return _plant(PROBES, PROBE, machines)


def clocks(machines: int) -> dict[str, Any]:
    """Return a plant of machines whose signals follow the local time of a time zone."""
    return _plant(CLOCKS, CLOCK, machines)


def _plant(text: str, key: str, machines: int) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(text)
    data["message_types"][key]["count"] = machines
    return data
