"""The environment as one frozen model, and the flags, `--help` and README table that come from the same declaration.

An option's first variable is its name in capitals and its flag its name with dashes; the `AIO_*` names of the Azure
IoT Operations SDKs are understood as well. A flag wins over a variable, our variable over an `AIO_*` one, and an empty
value counts as unset. The environment is a parameter: only the entry point reads the real one.
"""

from __future__ import annotations

import argparse
import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edge.logs import redact
from edge.options import Option, Options
from edge.outbox import Policy
from edge.values import AuthMethod, LogFormat, LogLevel, TopicLayout

__all__ = ["AuthMethod", "LogFormat", "LogLevel", "Policy", "Settings", "SettingsError", "TopicLayout"]


class SettingsError(Exception):
    """The configuration is wrong: `mistakes` has one line for each fault."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Settings(Options):
    """Every option of the daemon, checked; `load` reads it from an environment and flags."""

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

        unset: values of options that nobody sets, where they are not the declared ones.
        Raises SettingsError with a line for each mistake: variable or flag, rule and value.
        """
        given = _given(environ, flags or {})
        values = {name: value for name, (_, value) in given.items()}
        # Known only here: the model declares what does not depend on where it runs.
        values = {"mqtt_client_id": default_client_id(environ, pid), **unset, **values}
        try:
            settings = cls.model_validate(values, context={"pod_name": pod_name(environ)})
        except ValidationError as error:
            sources = {name: source for name, (source, _) in given.items()}
            raise SettingsError([line for detail in error.errors() for line in _lines(detail, sources)]) from None
        settings.model_fields_set.intersection_update(given)
        return settings

    def of_workers(self) -> list[Self]:
        """The settings of each worker: its part of the plant and of the queue, and a client id that no other part has.

        The workers of shard k of n are the parts k, k + n, k + 2n ...: together they are that shard to the machine.
        """
        (first, shards), workers = self.part, self.workers
        parts = shards * workers
        if parts == 1:
            return [self]
        sizes = [max(1, (self.queue_size + worker) // workers) for worker in range(workers)]
        return [self._of_part(part, parts, sizes.pop()) for part in range(first, parts + 1, shards)]

    def _of_part(self, part: int, parts: int, queue_size: int) -> Self:
        own = {"shard": f"{part}/{parts}", "mqtt_client_id": f"{self.mqtt_client_id}-{part}", "queue_size": queue_size}
        rate = self.history_rate and self.history_rate / self.workers
        return self.model_copy(update={**own, "workers": 1, "history_rate": rate})


def default_client_id(environ: Mapping[str, str], pid: int) -> str:
    """Name this process at the broker: in a pod, where the pid is always 1, by the pod's name; else by its pid."""
    return pod_name(environ) or f"factory-sim-{pid}"


def pod_name(environ: Mapping[str, str]) -> str | None:
    """The name of the pod we are in, if we are in one."""
    return environ.get("POD_NAME") or (environ.get("KUBERNETES_SERVICE_HOST") and environ.get("HOSTNAME")) or None


def variables(name: str) -> tuple[str, ...]:
    """List the environment variables of an option, ours first."""
    alias = _option(name).alias
    return (name.upper(), alias) if alias else (name.upper(),)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Warn of variables that look like ours and are not, with the nearest that is. Values are not shown."""
    known = [variable for name in Settings.model_fields for variable in variables(name)]
    suspects = sorted(variable for variable in environ if variable not in known and not _SERVICE_LINK.search(variable))
    return [
        f"{variable}: no such option" + "".join(f"; did you mean {near}?" for near in _nearest(variable, known, 0.75))
        for variable in suspects
        if _OURS.match(variable) or _nearest(variable, known, 0.85)
    ]


def describe(settings: Settings) -> str:
    """Say in one line which options somebody has set, if not to their defaults.

    Secrets stay in files; only file names are shown.
    """
    changed = [
        f"{name.upper()}={redact(_text_of(value))}"
        for name, value in settings
        if name in settings.model_fields_set and value != Settings.model_fields[name].default
    ]
    return "options: " + (" ".join(changed) or "all at their defaults")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser a flag for each option; unset ones parse to None, and all values are checked by `load`."""
    # Listed in full, they would be thirty lines between the command and what was wrong with it.
    parser.usage = parser.usage or "%(prog)s [FLAG ...]"
    for group, names in _groups():
        arguments = parser.add_argument_group(group)
        for name in names:
            text = f"{Settings.model_fields[name].description} [{name.upper()}, default {_default_text(name)}]"
            # No `type=`: argparse would stop at the first bad value, and `load` tells all of them.
            boolean = _plain_type(name) is bool
            arguments.add_argument(
                _flag(name),
                dest=name,
                default=None,
                help=text.replace("%", "%%"),
                **({"action": argparse.BooleanOptionalAction} if boolean else {"metavar": _metavar(name)}),
            )


def markdown_table() -> str:
    """Write all options as a Markdown table: variable, default, meaning, with the `AIO_*` alias where there is one."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for group, names in _groups():
        rows.append(f"| **{group}** | | |")
        rows += [_markdown_row(name) for name in names]
    return "\n".join(rows) + "\n"


def _markdown_row(name: str) -> str:
    alias = "".join(f" Also `{variable}`." for variable in variables(name)[1:])
    takes = f" Takes {_rule(name)}." if issubclass(_plain_type(name), (StrEnum, int, float)) else ""
    default = _default_text(name)
    shown = default if _option(name).default_text or default == "none" else f"`{default}`"
    return f"| `{name.upper()}` | {shown} | {Settings.model_fields[name].description}{takes}{alias} |"


_OURS = re.compile(r"(MQTT|AIO_MQTT|AIO_TLS|SAT)_")
# What Kubernetes sets in every pod for a service whose name begins like that.
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_SERVICE_HINT = " (Kubernetes sets this for a service of that name; enableServiceLinks: false in the pod turns it off)"
_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}


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
    return {int: "N", float: "SECONDS", Path: "FILE"}.get(kind, "TEXT")


def _text_of(value: object) -> str:
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


def _nearest(variable: str, known: list[str], likeness: float) -> list[str]:
    """The one name that is most like it, or none; alike in all letters is 1."""
    return difflib.get_close_matches(variable, known, n=1, cutoff=likeness)


def _given(environ: Mapping[str, str], flags: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """Find what is set: field name -> (the flag or variable it came from, its value)."""
    return {name: found for name in Settings.model_fields if (found := _find(name, environ, flags))}


def _find(name: str, environ: Mapping[str, str], flags: Mapping[str, object]) -> tuple[str, object] | None:
    if flags.get(name) is not None:
        return _flag(name), flags[name]
    set_variables = (variable for variable in variables(name) if environ.get(variable, "").strip())
    return next(((variable, environ[variable]) for variable in set_variables), None)


def _lines(detail: ErrorDetails, sources: Mapping[str, str]) -> list[str]:
    """Turn one validation error into lines: one for a field, one for each broken rule between options."""
    own_rule = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else None
    if not detail["loc"]:
        return str(own_rule).splitlines()
    name = str(detail["loc"][0])
    shown = redact(repr(detail["input"])[:200])
    hint = _SERVICE_HINT if re.match(r"'(tcp|udp)://", shown) else ""
    return [f"{sources.get(name, name.upper())}: must be {own_rule or _rule(name)}, not {shown}{hint}"]


def _rule(name: str) -> str:
    """Say what an option takes, read off its declaration: `a whole number from 1 to 65535`."""
    kind = _plain_type(name)
    if issubclass(kind, StrEnum):
        return "one of " + ", ".join(kind)
    bounds = [getattr(item, bound) for bound in ("ge", "le") for item in _field(name).metadata if hasattr(item, bound)]
    return _KINDS[kind] + (" from {} to {}".format(*bounds) if bounds else "")


def _plain_type(name: str) -> type:
    """Give the type of an option's value, without `| None` and annotations."""
    kind = _field(name).annotation
    while typing.get_origin(kind) in {typing.Union, types.UnionType, Annotated}:
        kind = typing.get_args(kind)[0]
    return typing.cast("type", kind)
