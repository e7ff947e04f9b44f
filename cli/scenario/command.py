"""Run a scenario: read its file, run it, print its report, and return the exit code."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from cli.options.scenario import ScenarioOptions
from cli.scenario.definition.plan import Plan
from cli.scenario.definition.reading import PlantFiles, ScenarioError, read
from cli.scenario.junit import Occasion, junit
from cli.scenario.log_book import LogBook
from cli.scenario.progress import Progress
from cli.scenario.report import report
from cli.scenario.running.brokers import destination_of
from cli.scenario.running.run import Result, run_plan
from cli.verify.input.subscriber import SubscribeFailed
from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.runtime.plant_file import read_at_start
from edge.runtime.reload import PlantLoader
from edge.runtime.run_options import UsageError
from edge.settings.loader import Settings, SettingsError
from messages import topic_template
from plant.definition.document.errors import WHOLE_FILE, ConfigError, PlantConfigError, unreadable
from plant.definition.plant_config import PlantConfig

PASSED, FAILED, WRONG = 0, 1, 2
_LOGGED: Final = ("log_level", "log_format")

LoadSettings = Callable[[Mapping[str, str], Mapping[str, object]], Settings]
"""Returns the settings of an environment and flags; raises SettingsError."""


def run_scenario(
    options: ScenarioOptions,
    environ: Mapping[str, str],
    load: LoadSettings,
    default_plant: Path,
    clock: Callable[[], float],
) -> int:
    """Run a scenario, print its report, and return the exit code. clock: seconds since 1970."""
    try:
        plan = _plan(options, default_plant, load)
        of_process = _of_process(plan, options, environ)
        book = LogBook.set_up(load(*of_process), warnings_only=_is_quiet(options, environ))
        began = clock()
        result = asyncio.run(
            _run(plan, partial(_settings, plan, of_process, load), options, Progress(plan, sys.stderr))
        )
    except (ScenarioError, SettingsError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return WRONG
    except UsageError as error:
        print(error, file=sys.stderr)
        return WRONG
    except (SubscribeFailed, CredentialsUnavailable) as error:
        print(f"cannot receive messages from the broker: {error}", file=sys.stderr)
        return FAILED
    occasion = Occasion(_timestamp(began), socket.gethostname(), clock() - began, book.text())
    return _written(result, options.junit, occasion, sys.stdout)


def _written(result: Result, path: str | None, occasion: Occasion, out: TextIO) -> int:
    """Write the XML, print the report, which may find no reader any more, and return the exit code."""
    code = PASSED if result.passed else FAILED
    try:
        if path is not None:
            Path(path).write_text(junit(result, occasion), encoding="utf-8")
    except OSError as error:
        print(f"--junit: cannot write {path}: {error.strerror}", file=sys.stderr)
        code = WRONG
    print(report(result), file=out)
    return code


async def _run(
    plan: Plan, settings: Callable[[Mapping[str, str]], Settings], options: ScenarioOptions, progress: Progress
) -> Result:
    async with destination_of(plan, settings) as destination:
        return await run_plan(plan, destination, progress.watch, fail_fast=options.fail_fast)


def _plan(options: ScenarioOptions, default_plant: Path, load: LoadSettings) -> Plan:
    """Return the plan of the file, with what the command line replaces; raises ScenarioError, UsageError."""
    if options.junit is not None and not Path(options.junit).parent.is_dir():
        raise UsageError(f"--junit: cannot write {options.junit}: there is no such directory")
    path = Path(options.file)
    loader = PlantLoader(load({}, {}), topic_template)
    plan = read(path, PlantFiles(path.parent, default_plant, partial(_plant, loader), loader.checked))
    if options.seed is not None:
        plan = replace(plan, seed=options.seed)
    if plan.broker != "settings" and (given := _given(options)):
        raise UsageError(f"--{given[0].replace('_', '-')}: goes only with `broker: settings` in the scenario")
    return plan if options.speed is None else replace(plan, speed=options.speed)


def _is_quiet(options: ScenarioOptions, environ: Mapping[str, str]) -> bool:
    """Return whether nobody has asked for a log: warnings are shown beside the report, and nothing else."""
    return options.flags.get("log_level") is None and not environ.get("LOG_LEVEL")


def _given(options: ScenarioOptions) -> list[str]:
    """Return the settings that have been given as flags, except those for logging."""
    names = (name for name in Settings.model_fields if name not in _LOGGED)
    return [name for name in names if options.flags.get(name) is not None]


def _plant(loader: PlantLoader, path: Path) -> tuple[PlantConfig, bytes]:
    try:
        content = read_at_start(path).content
    except (OSError, ValueError) as error:
        raise PlantConfigError([ConfigError(str(path), None, WHOLE_FILE, unreadable(error))]) from None
    return loader.parse(content, path), content


Environment = tuple[Mapping[str, str], Mapping[str, object]]
"""Variables and flags."""


def _of_process(plan: Plan, options: ScenarioOptions, environ: Mapping[str, str]) -> Environment:
    """Return what counts of the environment: all of it for its broker, otherwise only how to log."""
    if plan.broker == "settings":
        return environ, options.flags
    kept = {name: value for name, value in environ.items() if name.lower() in _LOGGED}
    return kept, {name: value for name, value in options.flags.items() if name in _LOGGED}


def _settings(plan: Plan, of_process: Environment, load: LoadSettings, own: Mapping[str, str]) -> Settings:
    """Return the settings of a run; those of the scenario come before those of the environment."""
    environ, flags = of_process
    settings = load({**environ, **own, "SEED": plan.seed}, flags)
    if settings.workers > 1 or settings.part != (1, 1):
        raise UsageError("WORKERS, SHARD: a scenario runs the whole plant in one process")
    return settings.of_workers()[0]


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
