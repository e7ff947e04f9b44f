"""edgemqttsim: the command line.

Exit codes: 0 well; 1 something died, or a bounded run was not all acknowledged; 2 configuration; 3 the broker refuses
us for good.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from daemon import CONFIGURATION, DIED, OK, REFUSED, VERSION, Daemon
from edge.commands import UsageError, parse
from edge.logs import set_up
from edge.reload import Loading
from edge.settings import Settings, SettingsError, describe, unknown_variables
from edge.verify import run_verify
from edge.web import PortError
from messages import topic_template
from plant.forecast import check
from plant.structure import StructureError

__all__ = ["CONFIGURATION", "DIED", "OK", "REFUSED", "VERSION", "main"]

log = logging.getLogger("app")

DEMO_ORDERS_PER_HOUR = 720.0
"""One each five seconds on average: a demo shows all seven kinds of message in its first half minute."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the command line says; the exit code is the answer."""
    options = parse(arguments, VERSION)
    return {"run": _run, "check": _check, "verify": _verify}[options.command](options, environ)


def _check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    code, text = check(options.file or environ.get("MESSAGE_CONFIG_PATH") or "message_structure.yaml")
    print(text, file=sys.stderr if code else sys.stdout)
    return code


def _verify(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        return run_verify(options, lambda: Settings.load(environ, vars(options), pid=os.getpid()))
    except SettingsError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        return asyncio.run(_demo(options, environ) if options.demo else _live(options, environ))
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
        return await _live(options, {"HTTP_PORT": str(free_port(HTTP_PORT)), **environ, **demo.environ})


async def _live(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """One daemon, from its settings to its exit code."""
    quiet = {"HTTP_PORT": "0"} if options.dry_run else {}
    settings = Settings.load({**quiet, **environ}, vars(options), pid=os.getpid())
    loading = Loading(settings, topic_template, DEMO_ORDERS_PER_HOUR if options.demo else None)
    structure = loading(settings.message_config_path)
    set_up(settings.log_level, settings.log_format)
    log.info("edgemqttsim %s on Python %s; %s", VERSION, sys.version.split()[0], describe(settings))
    for warning in unknown_variables(environ):
        log.warning("%s", warning)
    return await Daemon(options, settings, structure, loading).live()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
