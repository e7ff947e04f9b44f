"""Scenarios for tests: read from a text, and run without a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from textwrap import dedent

from cli.scenario.definition.plan import Plan
from cli.scenario.definition.reading import PlantFiles, ScenarioError, read
from cli.scenario.running.brokers import Destination
from cli.scenario.running.direct_sink import DirectSink
from cli.scenario.running.run import Result, run_plan
from edge.runtime.reload import PlantLoader
from edge.settings.loader import Settings
from messages import topic_template
from plant.definition.plant_config import PlantConfig
from tests.support.factory.plants import ROOT

PRESS = """\
plant:
  message_types:
    press:
      count: 2
      report_seconds: 5
      states:
        running: {share: 0.9, dwell_seconds: 600, produces: true}
        idle: {share: 0.1, dwell_seconds: 60}
      job: {kinds: [panel], cycle_seconds: [10, 12], results: {good: 0.9, scrap: 0.1}}
      signals:
        temperature: {base: {running: 55, else: 24}, limits: [0, 200], decimals: 1}
      faults:
        overheating: {duration_seconds: 60, effects: {temperature: {plus: 30}}}
      alarms:
        temperature: {high: 70, clear_below: 65}
"""
"""Two presses that measure, overheat and warn."""


def files(folder: Path) -> PlantFiles:
    """The plants beside a scenario, as the command reads them."""
    loader = PlantLoader(Settings.load({}, pid=1), topic_template)

    def load(path: Path) -> tuple[PlantConfig, bytes]:
        return loader(path), path.read_bytes()

    return PlantFiles(folder, ROOT / "message_structure.yaml", load, loader.checked)


def plan_of(text: str, folder: Path, head: str = "name: It\nduration: 10m\n" + PRESS) -> Plan:
    """The plan of a scenario with two presses; the text has its steps."""
    path = folder / "it.yaml"
    path.write_text(f"{head}steps:\n{dedent(text)}", encoding="utf-8")
    return read(path, files(folder))


def mistakes_of(text: str, folder: Path) -> list[str]:
    """The errors in a whole scenario file, without the name of the file."""
    path = folder / "it.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    try:
        read(path, files(folder))
    except ScenarioError as error:
        return [str(each).removeprefix(f"{path}:") for each in error.mistakes]
    return []


def outcome_of(plan: Plan, *, fail_fast: bool = False) -> Result:
    """The result of a plan without a broker."""
    settings = Settings.load({"SEED": plan.seed, **plan.settings}, pid=1)
    return asyncio.run(run_plan(plan, Destination(settings, DirectSink), fail_fast=fail_fast))


def verdicts(result: Result) -> list[str]:
    """The outcome of each step."""
    return [each.verdict.outcome.value if each.verdict else "OPEN" for each in result.steps]
