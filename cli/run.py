"""`run`: the simulator from its options to its exit code, with a broker, the embedded broker, or standard output."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cli.run_start import run_start
from edge.background_writer import locked, written_to
from edge.control.journal import Journal
from edge.delivery.queue import describe_endurance
from edge.installed import DEMO_PACKAGES, why_lacking
from edge.mqtt.protocol.versions import left_out
from edge.observability.fleet_logs import FleetJsonFormatter
from edge.observability.logs import set_up
from edge.observability.tracing.configuration import Tracing, TracingUnavailable, stop_tracing, tracing_of
from edge.redaction import shown
from edge.runtime.reload import PlantLoader, Reloader, load_at_start
from edge.runtime.run_options import RunOptions, UsageError
from edge.runtime.service import FURTHER_PORTS, Service, SimulatorBackend
from edge.runtime.simulator import CONFIGURATION, VERSION, Simulator
from edge.settings.environment_warnings import warnings_about
from edge.settings.foreign.fleet_start import FleetStart
from edge.settings.loader import AuthMethod, Settings, SettingsError, describe, variables_of
from edge.settings.types import HttpCompat
from edge.status import PortError
from edge.timestamps import rfc3339
from edge.workers.partition import fork_workers
from messages import topic_template
from plant.default_plant import PACKAGED, existing
from plant.definition.plant_config import PlantConfig, PlantConfigError
from plant.forecast.rate_forecast import Forecast, forecast

if TYPE_CHECKING:
    from cli.demo_wire import DemoWire
    from sandbox.demo import Demo

log = logging.getLogger("app")

DEMO_ORDERS_PER_HOUR = 720.0
"""One every five seconds on average: a demo shows all seven kinds of message in its first half minute."""

_LOCAL = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1"})
"""Hosts of HTTP that a browser on this machine reaches as localhost."""

_OF_CONNECTION = variables_of("Broker", "Authentication", "TLS") - {"MQTT_CLIENT_ID", "AIO_MQTT_CLIENT_ID"}
"""Variables that describe the connection to a broker, which in a demo is another one."""

_WITHOUT_LOGIN = (
    "no token at %s, and this is no pod of Kubernetes: --demo starts an embedded broker, --dry-run writes to standard "
    "output, MQTT_AUTH_METHOD (NONE, USERPASS, X509) selects another login"
)

_NOT_IN_IMAGE = "--demo: the embedded broker is not part of the image"


def run(options: RunOptions, environ: Mapping[str, str]) -> int:
    """Run the simulator to its end, and return the exit code."""
    try:
        _check_demo_broker(options)
        return asyncio.run(_demo(options, environ) if options.demo else _service(options, environ).run())
    except (SettingsError, PlantConfigError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
    except (PortError, TracingUnavailable, UsageError) as error:
        print(error, file=sys.stderr)
    finally:
        stop_tracing()
    return CONFIGURATION


async def _demo(options: RunOptions, environ: Mapping[str, str]) -> int:
    """Run a simulator with frequent orders and an embedded broker; a dry run needs no broker."""
    if options.dry_run:
        return await _service(options, environ, _announce_dry_run).run()
    if lacking := why_lacking(DEMO_PACKAGES, "sandbox/requirements.txt"):
        raise UsageError(f"--demo {lacking}")
    try:
        from cli.demo_broker import demo_of  # noqa: PLC0415 - installed for demos only
        from cli.demo_wire import DemoWire  # noqa: PLC0415
    except ModuleNotFoundError:
        raise UsageError(_NOT_IN_IMAGE) from None
    made, welcome = demo_of(options.demo_broker)
    async with made as demo:
        if flags := [name for name in map(str.lower, demo.environ) if options.flags.get(name) is not None]:
            raise UsageError(f"--{flags[0].replace('_', '-')}: --demo starts an embedded broker: leave out one of them")
        kept = {name: value for name, value in environ.items() if name not in _OF_CONNECTION}
        announce = partial(_announce_broker, demo, welcome)
        return await _service(options, {**kept, **demo.environ}, announce, DemoWire(demo)).run()


def _check_demo_broker(options: RunOptions) -> None:
    """Raise UsageError where there is no embedded broker that the file could be about."""
    if options.demo_broker is not None and (options.dry_run or not options.demo):
        raise UsageError(f"--demo-broker: needs --demo{', without --dry-run' if options.dry_run else ''}")


def _announce_dry_run(settings: Settings, _: PlantConfig, *, may_move: bool) -> None:  # noqa: ARG001
    text = "dry run: messages go to standard output, no broker is started path=%s"
    log.info(text, settings.message_config_path)


def _announce_broker(
    demo: Demo, welcome: str | None, settings: Settings, config: PlantConfig, *, may_move: bool
) -> None:
    """Log where the page is, how to watch the messages, and how to change the plant.

    welcome: the text, where the demo has its own.  may_move: whether HTTP may take another port.
    """
    banner, facts = demo.how_to_look(
        filters_of(config, settings.mqtt_topic_prefix),
        settings.message_config_path,
        _page(settings, may_move=may_move),
        own=not is_default(settings),
        welcome=welcome,
    )
    log.info("an embedded broker runs on this machine", extra={"block": banner, **facts})


def filters_of(config: PlantConfig, prefix: str) -> list[str]:
    """Return filters with which a client gets all messages: first levels of topics, those of most kinds first."""
    levels = Counter(topic_template(config, kind).partition("/")[0] for kind in config.kinds)
    if any("{" in level and level != "{prefix}" for level in levels):
        return ["#"]
    return [f"{level.replace('{prefix}', prefix)}/#" for level, _ in levels.most_common()]


class Announce(Protocol):
    """Logs what comes before the other lines."""

    def __call__(self, settings: Settings, config: PlantConfig, /, *, may_move: bool) -> None:
        """Log it. may_move: whether HTTP may take another port where its own is taken."""


class HasFlags(Protocol):
    """Options of a command that also has the flags of settings."""

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
    """Return a line that names the file that is used where none is given."""
    return f"no {path.name} in this directory, using the default plant: file={path}"


def _settings(options: RunOptions, start: FleetStart) -> Settings:
    """Return the settings of a run, and set up logging by them."""
    quiet = {"http_port": 0} if options.dry_run else {}
    settings = loaded(options, start.environ, **{**start.unset, **quiet})
    is_fleet = settings.http_compat is HttpCompat.FLEET
    set_up(settings.log_level, settings.log_format, json=FleetJsonFormatter if is_fleet else None)
    return settings


def _page(settings: Settings, *, may_move: bool) -> str | None:
    """Return the address of the page, or None without one; where the port may be another, of the one that is free."""
    host, port = settings.http_host, settings.http_port
    if not port:
        return None
    from edge.http.server import first_free_port, url_of  # noqa: PLC0415 - loaded only where HTTP is served

    if may_move:
        port = first_free_port(host, range(port, port + FURTHER_PORTS + 1)) or port
    return f"{url_of('localhost' if host in _LOCAL else host, port)}/"


def _announce_nothing(_: Settings, __: PlantConfig, *, may_move: bool) -> None:
    pass


def _service(
    options: RunOptions,
    environ: Mapping[str, str],
    announce: Announce = _announce_nothing,
    wire: DemoWire | None = None,
) -> Service:
    """Return everything that a run needs; where there are workers, they have been forked, and wait.

    announce: logs what comes before the other lines; called once nothing can be wrong any more.
    wire: what the embedded broker sees, or None for another broker.
    """
    start = run_start(options, environ)
    settings = _settings(options, start)
    loader = PlantLoader(settings, topic_template, DEMO_ORDERS_PER_HOUR if options.demo else None, start.given)
    path = settings.message_config_path.absolute()
    current = load_at_start(path, loader.parse)
    journal = _journal_file(options, settings)
    tracing, why_not = _tracing(start)
    backend = _backend(options, settings, current.config, tracing)
    # A second simulator beside the first is normal on a laptop; in a pod the probes would call the wrong port.
    may_move = "http_port" not in settings.model_fields_set and "KUBERNETES_SERVICE_HOST" not in environ
    announce(settings, current.config, may_move=may_move)
    if wire is not None:
        wire.follow(settings, current.config)
    _log_start(options, settings, start.without_its_variables(), current.config)
    for note in filter(None, (*start.notes, why_not)):
        log.info("%s", note)
    if tracing is not None:
        log.info("tracing is on variable=%s rate=%g", tracing.variable, settings.trace_rate)
    _log_demo_rates(loader)
    reloader = Reloader(
        path,
        lambda content: loader.parse(content, path),
        backend.apply if wire is None else wire.following(settings, backend.apply),
        time.time,
        current,
        Journal(
            time.time,
            written_to(journal) if journal is not None else None,
            {"start": rfc3339(backend.start_ms), "seed": backend.seed},
        ),
        on_accepted=partial(_log_demo_rates, loader),
    )
    speed = 1.0 if options.then_live else options.speed or 1.0
    return Service(
        settings,
        backend,
        reloader,
        VERSION,
        time.monotonic,
        may_move=may_move,
        speed=speed,
        is_dry_run=options.dry_run,
        wire=wire,
    )


def _tracing(start: FleetStart) -> tuple[Tracing | None, str]:
    """Return the tracing that is asked for, and why there is none.

    Raises TracingUnavailable, but not where the file of another simulator asks, whose users may have no collector.
    """
    try:
        return tracing_of(start.environ, VERSION, time.monotonic), ""
    except TracingUnavailable as error:
        if not start.traces_by_file:
            raise
        return None, f"no traces, though observability.trace_endpoint asks for them: {error}"


def _journal_file(options: RunOptions, settings: Settings) -> int | None:
    """Return the descriptor of the journal, if one is asked for; raises UsageError where it cannot be written."""
    if options.journal is None:
        return None
    path = Path(options.journal)
    for name, other in (("commands", options.commands), ("truth", options.truth)):
        if other is not None and Path(other).resolve() == path.resolve():
            raise UsageError(f"--journal: must be another file than that of --{name}")
    if path.exists() and settings.message_config_path.exists() and path.samefile(settings.message_config_path):
        raise UsageError(f"--journal: {shown(options.journal)} is the plant's file")
    try:
        return locked(path)
    except OSError as error:
        raise UsageError(f"--journal: cannot write {shown(options.journal)}: {error.strerror}") from None


def _log_start(options: RunOptions, settings: Settings, environ: Mapping[str, str], config: PlantConfig) -> None:
    """Log the version, the options, and what somebody may not expect of them."""
    log.info("edgemqttsim %s on Python %s; %s", VERSION, sys.version.split()[0], describe(settings))
    if is_default(settings):
        log.info("%s", using_default(settings.message_config_path))
    for warning in warnings_about(environ, options.flags):
        log.warning("%s", warning)
    if options.dry_run:
        return
    for line in left_out(settings):
        log.info("%s", line)
    if _lacks_a_token(settings, environ):
        log.warning(_WITHOUT_LOGIN, settings.sat_token_path)
    if options.speed != inf:
        line, short = queue_endurance(settings, forecast(config), options.speed or 1.0)
        log.log(logging.WARNING if short else logging.INFO, "%s", line)


def _log_demo_rates(loader: PlantLoader) -> None:
    """Log which rates of orders and dispatches a demo replaces, if that has changed since it was logged last."""
    rates = loader.changed_demo_rates()
    if rates:
        named = " ".join(f"{name}={rate:g}" for name, rate in rates.items())
        log.info("orders: --demo replaces the default rates of the file: %s", named)
    elif rates is not None:
        log.info("orders: the rates are those of the file")


def _lacks_a_token(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether the default login cannot work, because this is no pod."""
    if settings.mqtt_auth_method is not AuthMethod.K8S_SAT or environ.get("KUBERNETES_SERVICE_HOST"):
        return False
    return not os.access(settings.sat_token_path, os.R_OK)


def _check_history(options: RunOptions, settings: Settings, config: PlantConfig) -> None:
    """Raise UsageError where history would be emitted more slowly than real time goes on meanwhile."""
    asked, plant_rate = settings.history_rate, forecast(config).per_second / settings.part[1]
    if options.then_live and asked and asked <= plant_rate:
        raise UsageError(
            f"HISTORY_RATE: must be above the plant's own {plant_rate:.1f} messages/s with --then-live, not {asked:g}"
        )


def _backend(options: RunOptions, settings: Settings, config: PlantConfig, tracing: Tracing | None) -> SimulatorBackend:
    """Return what runs, traced from now on if that is asked for: after the fork, as a thread exports."""
    _check_history(options, settings, config)
    workers = fork_workers(options, settings, config, tracing) if settings.workers > 1 else None
    if tracing is not None:
        tracing.start(settings.mqtt_client_id)
    return workers or Simulator(options, settings.of_workers()[0], config)


def queue_endurance(settings: Settings, found: Forecast, speed: float = 1.0) -> tuple[str, bool]:
    """Return a line about how long the queue lasts for this part of the plant, and whether that is short."""
    per_second = speed * found.per_second / settings.part[1]
    return describe_endurance(settings.queue_size, settings.queue_policy, per_second)
