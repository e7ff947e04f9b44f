"""The settings of a process as one frozen model; its flags, `--help` and table of options from the same declaration.

An option's first variable is its name in capitals and its flag its name with dashes; names that other tools have for
it, and the `AIO_*` ones of the Azure IoT Operations SDKs, are accepted as well. A flag has priority over a variable,
our variable over its other names, and an empty value counts as unset. A secret has no flag. The environment is a
parameter: only the entry point reads the real one.
"""

from __future__ import annotations

import argparse
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import SecretBytes, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edge.redaction import redact, shown
from edge.settings.host_names import split
from edge.settings.options import Option, Options
from edge.settings.profiles import Profile, defaults_of, profile_of
from edge.settings.types import AuthMethod, LogFormat, LogLevel, MqttVersion, QueuePolicy, TopicLayout

__all__ = ["AuthMethod", "LogFormat", "LogLevel", "QueuePolicy", "Settings", "SettingsError", "TopicLayout"]


class SettingsError(Exception):
    """The settings are invalid: `mistakes` has one line for each error.

    disagree: whether each value alone is right, and only a rule between options is broken.
    """

    def __init__(self, mistakes: list[str], *, disagree: bool = False) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes, self.disagree = mistakes, disagree


class Settings(Options):
    """Every option of the simulator, validated; `load` reads them from an environment and flags."""

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        flags: Mapping[str, object] | None = None,
        *,
        pid: int,
        unset: Mapping[str, object] = MappingProxyType({}),
    ) -> Self:
        """Read the options from an environment and from parsed flags (by field name; None and other keys are skipped).

        unset: defaults that differ from the declared ones.
        Raises SettingsError with a line for each error: variable or flag, rule and value.
        """
        profile = profile_in(environ, flags or {})
        given = _given(environ, flags or {}, profile.aliases)
        # Here, as the defaults of the model do not depend on the environment.
        defaults = {**defaults_of(profile, given), **_defaults_of_version(given), **unset}
        ours = {"mqtt_client_id"} - given.keys()
        given.setdefault("mqtt_client_id", _default_client_id(environ, pid, defaults))
        mistakes, disagree = _split_broker(given), False
        values = {**defaults, **{name: value for name, (_, value) in given.items()}}
        try:
            settings = cls.model_validate(values, context={"pod_name": pod_name(environ)})
        except ValidationError as error:
            sources = {name: source for name, (source, _) in given.items()}
            disagree = not mistakes and not any(detail["loc"] for detail in error.errors())
            mistakes += [line for detail in error.errors() for line in _lines(detail, sources)]
        if mistakes:
            raise SettingsError(mistakes, disagree=disagree)
        settings.model_fields_set.intersection_update(given.keys() - ours)
        return settings

    def of_workers(self) -> list[Self]:
        """Return the settings of each worker: its part of the plant and of the queue, and a unique client id.

        The workers of shard k of n are the parts k, k + n, k + 2n ...: together exactly the machines of that shard.
        """
        (first, shards), workers = self.part, self.workers
        parts = shards * workers
        if parts == 1:
            return [self]
        sizes = [max(1, (self.queue_size + worker) // workers) for worker in range(workers)]
        return [self._of_part(part, parts, sizes.pop()) for part in range(first, parts + 1, shards)]

    def _of_part(self, part: int, parts: int, queue_size: int) -> Self:
        own = {"shard": f"{part}/{parts}", "mqtt_client_id": f"{self.mqtt_client_id}-{part}", "queue_size": queue_size}
        rates = {"history_rate": self.history_rate and self.history_rate / self.workers}
        rates["trace_rate"] = self.trace_rate / self.workers
        return self.model_copy(update={**own, **rates, "workers": 1})


def pod_name(environ: Mapping[str, str]) -> str | None:
    """Return the name of the pod that this process runs in, or None."""
    return environ.get(_pod_variable(environ)) or None


def variables(name: str) -> tuple[str, ...]:
    """List the environment variables of an option, ours first."""
    return (name.upper(), *_option(name).aliases)


def options_of(*groups: str) -> frozenset[str]:
    """Return the options of some groups."""
    return frozenset(name for name in Settings.model_fields if _option(name).group in groups)


def variables_of(*groups: str) -> frozenset[str]:
    """Return the variables of all options of some groups."""
    return frozenset(variable for name in options_of(*groups) for variable in variables(name))


def names_of(*, secret: bool) -> list[str]:
    """Return the options whose value is a secret, or the others."""
    return [name for name in Settings.model_fields if (_plain_type(name) is SecretBytes) is secret]


def profile_in(environ: Mapping[str, str], flags: Mapping[str, object]) -> Profile:
    """Return what HTTP_COMPAT changes of the options."""
    found = _find("http_compat", environ, flags, {})
    return profile_of(found[1] if found else "")


def describe(settings: Settings) -> str:
    """Return one line with the options that are set to other values than their defaults; secrets are redacted."""
    changed = [
        f"{name.upper()}={redact(_text_of(value))[:_LONGEST_SHOWN]}"
        for name, value in settings
        if name in settings.model_fields_set and value != Settings.model_fields[name].default
    ]
    return "options: " + (" ".join(changed) or "all at their defaults")


def add_flags(parser: argparse.ArgumentParser, shown: Collection[str] | None = None) -> None:
    """Add a flag for each option to the parser; unset ones parse to None, and `load` validates the values.

    shown: the options in the command's `--help`, None for all. It accepts the others too, so that the flags of a `run`
    can be used as they are.
    """
    shown = Settings.model_fields.keys() if shown is None else shown
    # The full list would be thirty lines between the command and its error.
    parser.usage = parser.usage or "%(prog)s [FLAG ...]"
    for group, names in _groups():
        arguments = parser.add_argument_group(group)
        for name in filter(names_of(secret=False).__contains__, names):
            text = f"{Settings.model_fields[name].description} [{name.upper()}, default {_default_text(name)}]"
            # No `type=`: argparse stops at the first invalid value, and `load` reports all of them.
            boolean = _plain_type(name) is bool
            arguments.add_argument(
                *_ALSO.get(name, ()),
                _flag(name),
                dest=name,
                default=None,
                help=text.replace("%", "%%") if name in shown else argparse.SUPPRESS,
                **({"action": argparse.BooleanOptionalAction} if boolean else {"metavar": _metavar(name)}),
            )


def markdown_table() -> str:
    """Return all options as a Markdown table: variable, default, meaning, and the aliases."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for group, names in _groups():
        rows.append(f"| **{group}** | | |")
        rows += [_markdown_row(name) for name in names]
    return "\n".join(rows) + "\n"


def _markdown_row(name: str) -> str:
    also = ", ".join(f"`{variable}`" for variable in variables(name)[1:])
    alias = f" Also {also}." if also else ""
    takes = f" Takes {_rule(name)}." if issubclass(_plain_type(name), (StrEnum, int, float)) else ""
    default = _default_text(name)
    shown = default if _option(name).default_text or default == "none" else f"`{default}`"
    return f"| `{name.upper()}` | {shown} | {Settings.model_fields[name].description}{takes}{alias} |"


_LONGEST_SHOWN = 200
_ALSO = {"mqtt_port": ("-p",), "mqtt_username": ("-u",), "message_config_path": ("--file", "--config")}
"""Short flags, as mosquitto's clients have them, and other names of the plant's file, as `check` has them."""

_SERVICE_HINT = " (Kubernetes sets this for a service of that name; enableServiceLinks: false in the pod turns it off)"
_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_BOOLEAN: TypeAdapter[bool] = TypeAdapter(bool)


def _option(name: str) -> Option:
    return next(item for item in _field(name).metadata if isinstance(item, Option))


def _field(name: str) -> FieldInfo:
    return Settings.model_fields[name]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(name: str) -> str:
    kind = _plain_type(name)
    if issubclass(kind, StrEnum):
        return "|".join(kind)
    if name.endswith("_rate"):
        return "N"
    return {int: "N", float: "SECONDS", Path: "FILE"}.get(kind, "TEXT")


def _text_of(value: object) -> str:
    if isinstance(value, SecretBytes):
        return "[redacted]"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _default_text(name: str) -> str:
    return _option(name).default_text or _text_of(_field(name).default)


def _groups() -> Iterator[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for name in Settings.model_fields:
        grouped.setdefault(_option(name).group, []).append(name)
    yield from grouped.items()


def _pod_variable(environ: Mapping[str, str]) -> str:
    """Return the variable with the name of the pod: POD_NAME, or HOSTNAME in a container of Kubernetes."""
    in_cluster = not environ.get("POD_NAME") and environ.get("KUBERNETES_SERVICE_HOST")
    return "HOSTNAME" if in_cluster else "POD_NAME"


def _default_client_id(environ: Mapping[str, str], pid: int, defaults: Mapping[str, object]) -> tuple[str, object]:
    """Return source and value of the default client id: with the pid, or, in a pod, where that is 1, the pod's name.

    defaults: those of a profile.
    """
    name = pod_name(environ)
    usual = defaults.get("mqtt_client_id", f"factory-sim-{pid}")
    return (_pod_variable(environ), name) if name else ("MQTT_CLIENT_ID", usual)


def _defaults_of_version(given: Mapping[str, tuple[str, object]]) -> Mapping[str, object]:
    """Return the defaults that the version of MQTT changes: a session that 3.1.1 keeps is kept without end."""
    _, version = given.get("mqtt_version", ("", MqttVersion.V5))
    return {"mqtt_session_expiry": 0} if str(version) == MqttVersion.V3_1_1 else {}


def _split_broker(given: MutableMapping[str, tuple[str, object]]) -> list[str]:
    """Move port and scheme in MQTT_BROKER to MQTT_PORT and MQTT_TLS; return the errors."""
    if "mqtt_broker" not in given:
        return []
    source, text = given["mqtt_broker"]
    try:
        place = split(str(text).strip())
    except ValueError as error:
        del given["mqtt_broker"]
        return [f"{source}: must be {error}, not {_shown('mqtt_broker', text)}"]
    given["mqtt_broker"] = source, place.host
    parts = {"mqtt_port": place.port, "mqtt_tls": place.tls}
    mistakes = [
        f"{source}: must agree with {other}: {_text_of(value)} in one, {_shown(name, theirs)} in the other; set one"
        for name, value in parts.items()
        if value is not None
        for other, theirs in [given.setdefault(name, (source, value))]
        if not _equal(theirs, value)
    ]
    if place.usual_port is not None:
        given.setdefault("mqtt_port", (source, place.usual_port))
    return mistakes


def _equal(given: object, value: object) -> bool:
    """Return whether a given port or TLS means this value; an invalid one is reported elsewhere."""
    try:
        return (_BOOLEAN.validate_python(given) if isinstance(value, bool) else int(str(given))) == value
    except ValueError:
        return True


def _given(
    environ: Mapping[str, str], flags: Mapping[str, object], aliases: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, object]]:
    """Return what is set: field name -> (the flag or variable that sets it, its value). aliases: further variables."""
    return {name: found for name in Settings.model_fields if (found := _find(name, environ, flags, aliases))}


def _find(
    name: str, environ: Mapping[str, str], flags: Mapping[str, object], aliases: Mapping[str, tuple[str, ...]]
) -> tuple[str, object] | None:
    if flags.get(name) is not None:
        return _flag(name), flags[name]
    known = (*variables(name), *aliases.get(name, ()))
    set_variables = (variable for variable in known if environ.get(variable, "").strip())
    return next(((variable, environ[variable]) for variable in set_variables), None)


def _lines(detail: ErrorDetails, sources: Mapping[str, str]) -> list[str]:
    """Return the lines of a validation error: one for a field, one for each broken rule between options."""
    own_rule = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else None
    if not detail["loc"]:
        return str(own_rule).splitlines()
    name = str(detail["loc"][0])
    shown = _shown(name, detail["input"])
    hint = _SERVICE_HINT if re.match(r"'(tcp|udp)://", shown) else ""
    return [f"{sources.get(name, name.upper())}: must be {own_rule or _rule(name)}, not {shown}{hint}"]


def _shown(name: str, value: object) -> str:
    """Return an invalid value for an error; a secret is not shown."""
    return "the given value" if name in names_of(secret=True) else shown(value)


def _rule(name: str) -> str:
    """Return the rule of an option from its declaration: `a whole number from 1 to 65535`."""
    kind, rule = _plain_type(name), _option(name).rule
    if rule is not None:
        return rule
    if issubclass(kind, StrEnum):
        return "one of " + ", ".join(kind)
    bounds = [getattr(item, bound) for bound in ("ge", "le") for item in _field(name).metadata if hasattr(item, bound)]
    return _KINDS[kind] + (" from {} to {}".format(*bounds) if bounds else "")


def _plain_type(name: str) -> type:
    """Return the type of an option's value, without `| None` and annotations."""
    kind = _field(name).annotation
    while typing.get_origin(kind) in {typing.Union, types.UnionType, Annotated}:
        kind = typing.get_args(kind)[0]
    return typing.cast("type", kind)
