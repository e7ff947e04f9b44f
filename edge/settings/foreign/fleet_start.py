"""What the config.toml of a simulator of sensors, and its variables, mean for a run: settings, and lines of the start.

Its file has priority over its variables, as there; a flag of ours has priority over both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from edge.settings.types import AuthMethod, HttpCompat
from plant.definition.document import toml_file
from plant.definition.document.errors import ConfigError, PlantConfigError
from plant.definition.files import fleet_config, plant_file
from plant.definition.files.fleet_config import NOTHING_GIVEN, FleetConfig, Given

_KEYS: Final = {
    "simulation": ("frequency_sec", "max_devices"),
    "mqtt": ("host", "port", "topic", "qos"),
    "observability": ("trace_endpoint", "service_name", "prometheus_port"),
    "server": ("host", "port"),
}
_NUMBERS: Final = {"frequency_sec", "max_devices", "port", "qos", "prometheus_port"}
_PLACES: Final = {f"{section}_{key}".upper(): (section, key) for section, keys in _KEYS.items() for key in keys}
"""The variables, each with its section and key."""

VARIABLES: Final = frozenset(_PLACES)
_OF_FILE: Final = ("SIMULATION_FREQUENCY_SEC", "MQTT_TOPIC")
"""Those that say something about devices, which a plant's own YAML has itself."""

_OF_BROKER: Final = ("MQTT_BROKER", "MQTT_PORT")
_OF_HTTP: Final = ("HTTP_HOST", "HTTP_PORT")
_OF_FLEET: Final = MappingProxyType({"queue_size": 100_000, "mqtt_window": 2000})
"""Defaults of a run with its calls: the queue has room for what 10,000 devices send in ten seconds.

While so many are added, messages fall due that are queued at once afterwards. A small window would be slow at QoS 1.
"""

_UNSET: Final = MappingProxyType(
    {
        **_OF_FLEET,
        "mqtt_port": 1883,
        "mqtt_tls": False,
        "mqtt_auth_method": AuthMethod.NONE,
        "http_port": 8000,
        "http_compat": HttpCompat.FLEET,
    }
)
"""Defaults of a run with such a file: there, neither login nor TLS."""

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z_0-9]*)\s*=\s*(.*?)\s*")
_QUOTED: Final = re.compile(r"""(["'])(.*?)\1(?:\s+#.*)?""")
_COMMENT: Final = re.compile(r"(?:^|\s+)#.*")


class FleetStart(NamedTuple):
    """What a run is begun with.

    environ: the environment, with what the file says.  unset: defaults that differ from ours.
    given: what holds where the file leaves something out about devices.  notes: lines for the log.
    traces_by_file: whether it is the file that asks for traces.
    """

    environ: Mapping[str, str]
    unset: Mapping[str, object] = MappingProxyType({})
    given: Given = NOTHING_GIVEN
    notes: tuple[str, ...] = ()
    traces_by_file: bool = False

    def without_its_variables(self) -> Mapping[str, str]:
        """Return the environment without the variables that only the other simulator has."""
        return {name: value for name, value in self.environ.items() if name not in VARIABLES}


def fleet_start(
    content: bytes | None, file: str, environ: Mapping[str, str], *, asked: bool, own: Iterable[str] = ()
) -> FleetStart:
    """Return what a run is begun with, where that simulator is asked for, or its file is given.

    content: of the plant's file; None where it cannot be read.  asked: whether HTTP_COMPAT says so.
    own: groups of what the run has itself, `broker` or `http`, whatever the file says of it.
    Raises PlantConfigError for a wrong variable; a wrong file is left to who loads the plant.
    """
    data = _data(content, file)
    is_file = data is not None and fleet_config.is_one(data)
    if not is_file and not asked:
        return FleetStart(environ)
    written = data if is_file and data is not None else {"simulation": {}}
    given = _given(environ, written)
    found, _ = fleet_config.read(written, given)
    if found is None:
        return FleetStart(environ, _UNSET)
    left_out = {name for group in own for name in (_OF_BROKER if group == "broker" else _OF_HTTP)}
    says = {name: value for name, value in _variables(found).items() if name not in left_out}
    if not is_file:
        return FleetStart({**says, **environ}, _OF_FLEET, notes=_unused(environ))
    traces = bool(found.observability.trace_endpoint)
    return FleetStart({**environ, **says}, _UNSET, given, (*_notes(found, file),), traces)


def is_in_toml(content: bytes | None, file: str) -> bool:
    """Return whether a plant's file is TOML, as that simulator's is. content: None where it cannot be read."""
    return content is not None and toml_file.is_toml(content.decode("utf-8-sig", "replace"), file)


def with_dotenv(
    environ: Mapping[str, str], directory: Path, wanted: Callable[[str], bool] = VARIABLES.__contains__
) -> Mapping[str, str]:
    """Return an environment with what is wanted of the file `.env` of a directory; the environment wins.

    wanted: whether a variable is one of the other simulator.
    """
    try:
        lines = (directory / ".env").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return environ
    found = (_LINE.fullmatch(line) for line in lines)
    pairs = {each[1].upper(): _unquoted(each[2]) for each in found if each and wanted(each[1].upper())}
    return {**pairs, **environ}


def _unquoted(text: str) -> str:
    """Return a value without its quotes, or without the comment after it."""
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else _COMMENT.sub("", text)


def _data(content: bytes | None, file: str) -> Mapping[str, object] | None:
    try:
        return None if content is None else plant_file.decode_as_written(content, file).data
    except PlantConfigError:
        return None


def _given(environ: Mapping[str, str], written: Mapping[str, object]) -> Given:
    """Return what variables say about keys that the file does not have; raises PlantConfigError for each wrong one."""
    given: dict[str, dict[str, object]] = {}
    for variable, (section, key) in _PLACES.items():
        text, in_file = environ.get(variable, "").strip(), written.get(section, {})
        if text and not (isinstance(in_file, Mapping) and key in in_file):
            given.setdefault(section, {})[key] = _number(text) if key in _NUMBERS else text
    _, wrong = fleet_config.read({"simulation": {}}, given)
    variables = {place: variable for variable, place in _PLACES.items()}
    if errors := [ConfigError("environment", None, variables[each.place[:2]], each.rule) for each in wrong]:  # type: ignore[index]
        raise PlantConfigError(errors)
    return given


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _variables(found: FleetConfig) -> dict[str, str]:
    """Return what a file says about the process, as our variables."""
    mqtt, seen, server = found.mqtt, found.observability, found.server
    port = server.port or (seen.prometheus_port if found.simulator else None)
    says: dict[str, object] = {
        "MQTT_BROKER": mqtt.host,
        "MQTT_PORT": mqtt.port,
        "MQTT_QOS": mqtt.qos,
        "HTTP_HOST": server.host,
        "HTTP_PORT": port,
        "FLEET_MAX_DEVICES": found.simulation.max_devices if found.simulation else None,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": seen.trace_endpoint or None,
        "OTEL_TRACES_EXPORTER": "none" if seen.trace_endpoint == "" else None,
        "OTEL_SERVICE_NAME": seen.service_name,
    }
    return {name: str(value) for name, value in says.items() if value is not None}


def _notes(found: FleetConfig, file: str) -> Iterable[str]:
    yield f"configuration of another simulator, what is different: docs/fleet.md file={file}"
    port = found.observability.prometheus_port
    if port is not None and found.simulation and port != found.server.port:
        yield f"prometheus_port={port} is not opened: metrics are on the HTTP port, at /metrics/"


def _unused(environ: Mapping[str, str]) -> tuple[str, ...]:
    names = [name for name in _OF_FILE if environ.get(name)]
    text = "{}: only with a config.toml; a plant's YAML has report_seconds and topic itself"
    return (text.format(", ".join(names)),) if names else ()
