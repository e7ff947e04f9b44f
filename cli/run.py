"""`run`: the simulator from its options to its exit code, against a broker, a demo's own broker, or standard output."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Protocol

from edge.delivery.queue import reserve
from edge.observability.logs import set_up
from edge.runtime.reload import PlantLoader, Reloader, first
from edge.runtime.run_options import RunOptions, UsageError
from edge.runtime.service import Service, SimulatorBackend
from edge.runtime.simulator import CONFIGURATION, VERSION, Simulator
from edge.settings.loader import AuthMethod, Settings, SettingsError, describe, variables_of, warnings_about
from edge.status import PortError
from edge.workers.partition import workers_of
from messages import topic_template
from plant.default_plant import PACKAGED, existing
from plant.definition.plant_config import PlantConfig, PlantConfigError
from plant.forecast.rate_forecast import Forecast, forecast

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


def run(options: RunOptions, environ: Mapping[str, str]) -> int:
    """Run the simulator to its end; the exit code is the answer."""
    try:
        return asyncio.run(_demo(options, environ) if options.demo else _front(options, environ).live())
    except (SettingsError, PlantConfigError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
    except (PortError, UsageError) as error:
        print(error, file=sys.stderr)
    return CONFIGURATION


async def _demo(options: RunOptions, environ: Mapping[str, str]) -> int:
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
        if flags := [name for name in map(str.lower, demo.environ) if options.flags.get(name) is not None]:
            raise UsageError(
                f"--{flags[0].replace('_', '-')}: --demo brings a broker of its own: leave one of them out"
            )
        kept = {name: value for name, value in environ.items() if name not in _OF_THE_WAY}
        environ = {**kept, **demo.environ}
        settings = _settings(options, environ)
        banner, facts = demo.how_to_look(settings.mqtt_topic_prefix, settings.message_config_path, _page(settings))
        log.info("a broker for trying things out runs on this machine", extra={"block": banner, **facts})
        return await _front(options, environ).live()


class HasFlags(Protocol):
    """Options of a command that takes those of the simulator, too."""

    @property
    def flags(self) -> Mapping[str, object]:
        """Values of settings, as they were typed."""


def loaded(options: HasFlags, environ: Mapping[str, str], **unset: object) -> Settings:
    """Return the settings that flags and variables give; raise SettingsError where they cannot be."""
    unset = {"message_config_path": existing(), **unset}
    return Settings.load(environ, options.flags, pid=os.getpid(), unset=unset)


def is_default(settings: Settings) -> bool:
    """Return whether the plant is the packaged one because no other is named."""
    return settings.message_config_path == PACKAGED and "message_config_path" not in settings.model_fields_set


def using_default(path: Path) -> str:
    """Return a line that says which file is used where none is named."""
    return f"no {path.name} in this directory, using the default plant: file={path}"


def _settings(options: RunOptions, environ: Mapping[str, str]) -> Settings:
    """The settings of a run; from here on, logging is as they ask for."""
    quiet = {"http_port": 0} if options.dry_run else {}
    settings = loaded(options, environ, **quiet)
    set_up(settings.log_level, settings.log_format)
    return settings


def _page(settings: Settings) -> str | None:
    """Where to look with a browser, where that is known yet: a port that nobody asked for may become another one."""
    if "http_port" not in settings.model_fields_set:
        return None
    host = "localhost" if settings.http_host in {"0.0.0.0", "::"} else settings.http_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/docs" if settings.http_port else None


def _front(options: RunOptions, environ: Mapping[str, str]) -> Service:
    """All that a run needs, from its settings; where they ask for workers, these are there already, and wait."""
    settings = _settings(options, environ)
    loading = PlantLoader(settings, topic_template, DEMO_ORDERS_PER_HOUR if options.demo else None)
    path = settings.message_config_path.absolute()
    in_force = first(path, loading.of)
    config = in_force.config
    log.info("edgemqttsim %s on Python %s; %s", VERSION, sys.version.split()[0], describe(settings))
    if is_default(settings):
        log.info("%s", using_default(settings.message_config_path))
    for warning in warnings_about(environ):
        log.warning("%s", warning)
    if not options.dry_run and _lacks_a_token(settings, environ):
        log.warning(_WITHOUT_LOGIN, settings.sat_token_path)
    if not options.dry_run and options.speed != inf:
        line, short = reserve_of(settings, forecast(config), options.speed or 1.0)
        log.log(logging.WARNING if short else logging.INFO, "%s", line)
    works = _works(options, settings, config)
    reloader = Reloader(path, lambda content: loading.of(content, path), works.adopt, time.time, in_force)
    # A second one beside the first is normal on a laptop; in a pod a wrong port would be called for ever.
    may_move = "http_port" not in settings.model_fields_set and "KUBERNETES_SERVICE_HOST" not in environ
    return Service(settings, works, reloader, VERSION, time.monotonic, may_move=may_move)


def _lacks_a_token(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether this is no pod, and nobody has thought of the login."""
    if settings.mqtt_auth_method is not AuthMethod.K8S_SAT or environ.get("KUBERNETES_SERVICE_HOST"):
        return False
    return not os.access(settings.sat_token_path, os.R_OK)


def _check_history(options: RunOptions, settings: Settings, config: PlantConfig) -> None:
    """Raise UsageError where history would be said more slowly than the plant goes on meanwhile."""
    asked, own = settings.history_rate, forecast(config).per_second / settings.part[1]
    if options.then_live and asked and asked <= own:
        raise UsageError(
            f"HISTORY_RATE: must be above the plant's own {own:.1f} messages/s with --then-live, not {asked:g}"
        )


def _works(options: RunOptions, settings: Settings, config: PlantConfig) -> SimulatorBackend:
    _check_history(options, settings, config)
    if settings.workers > 1:
        return workers_of(options, settings, config)
    return Simulator(options, settings.of_workers()[0], config)


def reserve_of(settings: Settings, found: Forecast, speed: float = 1.0) -> tuple[str, bool]:
    """Say for how long the queue lasts, of the part of the plant that is played here."""
    per_second = speed * found.per_second / settings.part[1]
    return reserve(settings.queue_size, settings.queue_policy, per_second)
