"""edgemqttsim: the command line.

Exit codes: 0 well; 1 something died, or a bounded run was not all acknowledged; 2 configuration; 3 the broker refuses
us for good; from 4 on, `preflight` has found what its table says.
"""

from __future__ import annotations

if __name__ == "__main__":
    # Before all other imports, which take long enough for a signal to come, and may lack what they import.
    from edge import early, installed

    early.prepare()
    installed.require()

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path

from crew import workers_of
from daemon import CONFIGURATION, DIED, OK, REFUSED, VERSION, Daemon
from edge.commands import UsageError, parse, plant_file
from edge.facts import PortError
from edge.front import Front, Works
from edge.logs import set_up
from edge.manifest import IN_THE_CLUSTER, OF_PROGRAM, run_export, topics_of
from edge.outbox import reserve
from edge.preflight import Plan, run_preflight
from edge.reload import Loading, Reloader, described, first
from edge.settings import AuthMethod, Settings, SettingsError, describe, variables_of, warnings_about
from edge.topics import TopicError
from edge.verify import run_verify
from messages import topic_template
from plant.default_plant import PACKAGED, existing
from plant.forecast import Forecast, check, forecast
from plant.structure import Structure, StructureError

__all__ = ["CONFIGURATION", "DIED", "OK", "REFUSED", "VERSION", "main"]

log = logging.getLogger("app")

DEMO_ORDERS_PER_HOUR = 720.0
"""One each five seconds on average: a demo shows all seven kinds of message in its first half minute."""

_OF_THE_WAY = variables_of("Broker", "Authentication", "TLS") - {"MQTT_CLIENT_ID", "AIO_MQTT_CLIENT_ID"}
"""Variables that lead to another broker than that of a demo."""

_WITHOUT_LOGIN = (
    "no token at %s, and this is no pod of Kubernetes: --demo brings a broker of its own, --dry-run writes to standard "
    "output, MQTT_AUTH_METHOD (NONE, USERPASS, X509) chooses another login"
)

_WITHOUT_SANDBOX = (
    "`pip install -r sandbox/requirements.txt`, or where it is installed as a package, its extra `sandbox`: "
    "`pip install 'CHECKOUT[sandbox]'`"
)


def main(arguments: Sequence[str], environ: Mapping[str, str], called: str = "app.py") -> int:
    """Do what the command line says; the exit code is the answer. called: the name of the program, for its help."""
    options = parse(arguments, VERSION, called)
    commands = {"run": _run, "check": _check, "verify": _verify, "export": _export, "preflight": _preflight}
    return commands[options.command](options, environ)


def of_this_process() -> int:
    """Do what the command line of this process says."""
    called = Path(sys.argv[0]).name
    return main(sys.argv[1:], os.environ, "python -m edgemqttsim" if called == "__main__.py" else called)


def _check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    def of_the_queue(found: Forecast) -> str:
        # Only the plant is judged here: options with mistakes are those of another run.
        with contextlib.suppress(SettingsError):
            return f"\n\n{_reserve(Settings.load(environ, pid=os.getpid()), found)[0]}"
        return ""

    try:
        path = plant_file(options.file, options.message_config_path, environ.get("MESSAGE_CONFIG_PATH"), existing())
    except UsageError as error:
        print(error, file=sys.stderr)
        return CONFIGURATION
    if path == PACKAGED == existing():
        print(_told_of_default(path), file=sys.stderr)
    code, text = check(Path(path).absolute(), lambda path: first(Path(path), described).structure, of_the_queue)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


def _verify(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        return run_verify(options, lambda: _loaded(options, environ))
    except SettingsError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _export(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        settings = _loaded(options, {**IN_THE_CLUSTER, **environ})
        if _is_default(settings) and options.target not in OF_PROGRAM:
            print(_told_of_default(settings.message_config_path), file=sys.stderr)
        return run_export(options, settings, Loading(settings, topic_template), VERSION)
    except (SettingsError, StructureError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _preflight(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return run_preflight(options, partial(_plan, options, environ), time.time)


def _plan(options: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    """What a preflight has to check: the settings, and every topic of the plant or the mistakes of its YAML."""
    settings = _loaded(options, environ)
    warnings = tuple(warnings_about(environ))
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
    """A daemon whose orders come often, against a broker of its own; a dry run needs none."""
    if options.dry_run:
        settings = _settings(options, environ)
        said = "--dry-run: messages go to standard output, and no broker is started"
        log.info("%s; the plant is %s", said, settings.message_config_path)
        return await _front(options, environ).live()
    try:
        from sandbox.demo import Demo  # noqa: PLC0415 - only who wants a demo has it installed
    except ModuleNotFoundError as missing:
        print(f"--demo needs {missing.name}: {_WITHOUT_SANDBOX}", file=sys.stderr)
        return CONFIGURATION
    async with Demo() as demo:
        if flags := [name for name in map(str.lower, demo.environ) if getattr(options, name, None) is not None]:
            raise UsageError(
                f"--{flags[0].replace('_', '-')}: --demo brings a broker of its own: leave one of them out"
            )
        kept = {name: value for name, value in environ.items() if name not in _OF_THE_WAY}
        environ = {**kept, **demo.environ}
        settings = _settings(options, environ)
        banner, facts = demo.how_to_look(settings.mqtt_topic_prefix, settings.message_config_path, _page(settings))
        log.info("a broker for trying things out runs on this machine", extra={"block": banner, **facts})
        return await _front(options, environ).live()


def _settings(options: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings of a run; from here on, logging is as they ask for."""
    settings = _loaded(options, environ, **({"http_port": 0} if options.dry_run else {}))
    set_up(settings.log_level, settings.log_format)
    return settings


def _loaded(options: argparse.Namespace, environ: Mapping[str, str], **unset: object) -> Settings:
    """The settings that flags and variables say; SettingsError where they cannot be."""
    unset = {"message_config_path": existing(), **unset}
    return Settings.load(environ, vars(options), pid=os.getpid(), unset=unset)


def _is_default(settings: Settings) -> bool:
    """Whether the plant is the default one because nobody has named another."""
    return settings.message_config_path == PACKAGED and "message_config_path" not in settings.model_fields_set


def _told_of_default(path: Path) -> str:
    return f"no {path.name} in this directory, using the default plant: file={path}"


def _page(settings: Settings) -> str | None:
    """Where to look with a browser, where that is known yet: a port that nobody asked for may become another one."""
    if "http_port" not in settings.model_fields_set:
        return None
    host = "localhost" if settings.http_host in {"0.0.0.0", "::"} else settings.http_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/docs" if settings.http_port else None


def _front(options: argparse.Namespace, environ: Mapping[str, str]) -> Front:
    """All that a run needs, from its settings; where they ask for workers, these are there already, and wait."""
    settings = _settings(options, environ)
    loading = Loading(settings, topic_template, DEMO_ORDERS_PER_HOUR if options.demo else None)
    path = settings.message_config_path.absolute()
    in_force = first(path, loading.of)
    structure = in_force.structure
    log.info("edgemqttsim %s on Python %s; %s", VERSION, sys.version.split()[0], describe(settings))
    if _is_default(settings):
        log.info("%s", _told_of_default(path))
    for warning in warnings_about(environ):
        log.warning("%s", warning)
    if not options.dry_run and _lacks_a_token(settings, environ):
        log.warning(_WITHOUT_LOGIN, settings.sat_token_path)
    if not options.dry_run and options.speed != inf:
        line, short = _reserve(settings, forecast(structure), options.speed or 1.0)
        log.log(logging.WARNING if short else logging.INFO, "%s", line)
    works = _works(options, settings, structure)
    reloader = Reloader(path, lambda content: loading.of(content, path), works.adopt, time.time, in_force)
    # A second one beside the first is normal on a laptop; in a pod a wrong port would be called for ever.
    may_move = "http_port" not in settings.model_fields_set and "KUBERNETES_SERVICE_HOST" not in environ
    return Front(settings, works, reloader, VERSION, time.monotonic, may_move=may_move)


def _lacks_a_token(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether this is no pod, and nobody has thought of the login."""
    if settings.mqtt_auth_method is not AuthMethod.K8S_SAT or environ.get("KUBERNETES_SERVICE_HOST"):
        return False
    return not os.access(settings.sat_token_path, os.R_OK)


def _reserve(settings: Settings, found: Forecast, speed: float = 1.0) -> tuple[str, bool]:
    """For how long the queue lasts, of the part of the plant that is played here."""
    per_second = speed * found.per_second / settings.part[1]
    return reserve(settings.queue_size, settings.queue_policy, per_second)


def _check_history(options: argparse.Namespace, settings: Settings, structure: Structure) -> None:
    """Raise UsageError where history would be said more slowly than the plant goes on meanwhile."""
    asked, own = settings.history_rate, forecast(structure).per_second / settings.part[1]
    if options.then_live and asked and asked <= own:
        raise UsageError(
            f"HISTORY_RATE: must be above the plant's own {own:.1f} messages/s with --then-live, not {asked:g}"
        )


def _works(options: argparse.Namespace, settings: Settings, structure: Structure) -> Works:
    _check_history(options, settings, structure)
    if settings.workers > 1:
        return workers_of(options, settings, structure)
    return Daemon(options, settings.of_workers()[0], structure)


if __name__ == "__main__":
    sys.exit(early.guarded(of_this_process))
