"""What a run is begun with, where files of another simulator say some of it: config.toml, `.env`, logging in TOML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.redaction import shown
from edge.runtime.plant_file import read_at_start
from edge.runtime.run_options import RunOptions, UsageError
from edge.settings.foreign.fleet_start import FleetStart, fleet_start, is_in_toml, with_dotenv
from edge.settings.foreign.log_config import read_log_config
from edge.settings.profiles import Profile, may_be_in_dotenv, profile_of
from edge.settings.types import HttpCompat
from plant.default_plant import existing


def run_start(options: RunOptions, environ: Mapping[str, str]) -> FleetStart:
    """Return the environment of a run with what such files say; raises PlantConfigError or UsageError."""
    start = _of_plant_file(options, environ)
    if options.log_config is None:
        return start
    try:
        found = read_log_config(Path(options.log_config))
    except ValueError as error:
        raise UsageError(f"--log-config: {shown(options.log_config)}: {error}") from None
    return start._replace(environ={**start.environ, **found.environ}, notes=(*start.notes, *found.notes))


def _of_plant_file(options: RunOptions, environ: Mapping[str, str]) -> FleetStart:
    compat = str(options.flags.get("http_compat") or environ.get("HTTP_COMPAT", "")).strip().lower()
    environ = _with_dotenv_of(profile_of(compat), environ, is_demo=options.demo)
    asked = compat == HttpCompat.FLEET
    path = Path(str(options.flags.get("message_config_path") or environ.get("MESSAGE_CONFIG_PATH") or existing()))
    content = _content(path)
    if not (asked or is_in_toml(content, path.name)):
        return FleetStart(environ)
    own = [name for name, has in (("broker", options.demo), ("http", options.dry_run)) if has]
    start = fleet_start(content, str(path), with_dotenv(environ, Path()), asked=asked, own=own)
    return start if start.unset else FleetStart(environ)  # a plant of ours, in TOML


def _with_dotenv_of(profile: Profile, environ: Mapping[str, str], *, is_demo: bool) -> Mapping[str, str]:
    """Return an environment with what a profile reads of `.env`: nothing about the broker, where a demo has its own."""
    if not profile.dotenv:
        return environ
    return with_dotenv(
        environ, Path(), lambda name: may_be_in_dotenv(profile, name) and not (is_demo and name.startswith("MQTT_"))
    )


def _content(path: Path) -> bytes | None:
    """Return the content of a file that can be read again; None for a pipe, or where it cannot be read."""
    try:
        return read_at_start(path).content if path.is_file() else None
    except (OSError, ValueError):
        return None
