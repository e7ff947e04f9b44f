"""edgemqttsim: the command line.

Exit codes: 0 well; 1 something died, or a bounded run was not all acknowledged; 2 configuration; 3 the broker refuses
us for good; from 4 on, `preflight` has found what its table says.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from daemon import CONFIGURATION, DIED, OK, REFUSED, VERSION, Daemon, workers_of
from edge.commands import UsageError, parse
from edge.facts import PortError
from edge.front import Front, Works
from edge.logs import set_up
from edge.manifest import IN_THE_CLUSTER, run_export, topics_of
from edge.preflight import Plan, run_preflight
from edge.reload import Loading, Reloader, described, first
from edge.settings import Settings, SettingsError, describe, unknown_variables
from edge.topics import TopicError
from edge.verify import run_verify
from messages import topic_template
from plant.forecast import check
from plant.structure import Structure, StructureError

__all__ = ["CONFIGURATION", "DIED", "OK", "REFUSED", "VERSION", "main"]

log = logging.getLogger("app")

DEMO_ORDERS_PER_HOUR = 720.0
"""One each five seconds on average: a demo shows all seven kinds of message in its first half minute."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the command line says; the exit code is the answer."""
    options = parse(arguments, VERSION)
    commands = {"run": _run, "check": _check, "verify": _verify, "export": _export, "preflight": _preflight}
    return commands[options.command](options, environ)


def _check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    path = Path(options.file or environ.get("MESSAGE_CONFIG_PATH") or "message_structure.yaml").absolute()
    code, text = check(path, lambda path: first(Path(path), described).structure)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


def _verify(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        return run_verify(options, lambda: Settings.load(environ, vars(options), pid=os.getpid()))
    except SettingsError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _export(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        settings = Settings.load({**IN_THE_CLUSTER, **environ}, vars(options), pid=os.getpid())
        return run_export(options, settings, Loading(settings, topic_template), VERSION)
    except (SettingsError, StructureError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _preflight(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return run_preflight(options, partial(_plan, options, environ), time.time)


def _plan(options: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    """What a preflight has to check: the settings, and every topic of the plant or the mistakes of its YAML."""
    settings = Settings.load(environ, vars(options), pid=os.getpid())
    warnings = tuple(unknown_variables(environ))
    try:
        topics = topics_of(Loading(settings, topic_template)(settings.message_config_path), settings)
    except (StructureError, TopicError) as error:
        mistakes = error.mistakes if isinstance(error, StructureError) else (error,)
        return Plan(settings, (), tuple(map(str, mistakes)), warnings)
    return Plan(settings, topics, (), warnings)


def _run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        return asyncio.run(_demo(options, environ) if options.demo else _front(options, environ).live())
    except (SettingsError, StructureError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
    except (PortError, UsageError) as error:
        print(error, file=sys.stderr)
    return CONFIGURATION


async def _demo(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """A daemon against a broker of its own."""
    try:
        from sandbox.demo import HTTP_PORT, Demo, free_port  # noqa: PLC0415 - only who wants a demo has it installed
    except ModuleNotFoundError as missing:
        print(f"--demo needs {missing.name}: pip install -r sandbox/requirements.txt", file=sys.stderr)
        return CONFIGURATION
    async with Demo() as demo:
        print(demo.how_to_look(environ.get("MQTT_TOPIC_PREFIX") or "factory"), file=sys.stderr)
        return await _front(options, {"HTTP_PORT": str(free_port(HTTP_PORT)), **environ, **demo.environ}).live()


def _front(options: argparse.Namespace, environ: Mapping[str, str]) -> Front:
    """All that a run needs, from its settings; where they ask for workers, these are there already, and wait."""
    quiet = {"HTTP_PORT": "0"} if options.dry_run else {}
    settings = Settings.load({**quiet, **environ}, vars(options), pid=os.getpid())
    loading = Loading(settings, topic_template, DEMO_ORDERS_PER_HOUR if options.demo else None)
    path = settings.message_config_path.absolute()
    in_force = first(path, loading.of)
    set_up(settings.log_level, settings.log_format)
    log.info("edgemqttsim %s on Python %s; %s", VERSION, sys.version.split()[0], describe(settings))
    for warning in unknown_variables(environ):
        log.warning("%s", warning)
    works = _works(options, settings, in_force.structure)
    reloader = Reloader(path, lambda content: loading.of(content, path), works.adopt, time.time, in_force)
    return Front(settings, works, reloader, VERSION, time.monotonic)


def _works(options: argparse.Namespace, settings: Settings, structure: Structure) -> Works:
    if settings.workers > 1:
        return workers_of(options, settings, structure)
    return Daemon(options, settings.of_workers()[0], structure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
