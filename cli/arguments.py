"""Parsing of the command line: the values of flags, and a parser whose errors are one line each."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from math import inf, nan
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from edge.redaction import shown
from edge.settings.suggestions import flag_meant
from edge.settings.types import number
from edge.timestamps import CALENDAR_RULE, FIRST_SECOND, LAST_SECOND

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PERIOD = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|min|[smhdw])")
_PERIODS = re.compile(rf"(?:{_PERIOD.pattern})+")
_PASSWORD: Final = ("-P", "--mqtt-password")
"""As in mosquitto's clients. Every command has it, or the value might be taken for a file's name and printed."""


class Parser(argparse.ArgumentParser):
    """A parser that suggests a flag where one is unknown, and never repeats a value that may be secret.

    Flags cannot be abbreviated: a new flag could make an abbreviation in a script ambiguous.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False} | options)
        hidden = argparse.SUPPRESS
        self.add_argument(*_PASSWORD, action=_Refused, nargs="?", help=hidden, default=hidden)

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and the message; argparse would repeat the whole value given to a flag that takes none."""
        head, explicit, _ = message.partition("ignored explicit argument")
        super().error(f"{head}takes no value" if explicit else message)

    def complete(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all of the arguments; exits with 2 and one line where they are wrong."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            self._chosen(options).error(f"unrecognized arguments: {self._chosen(options).described(unknown)}")
        return options

    def described(self, unknown: Sequence[str]) -> str:
        """Return the unknown flags with suggestions. What follows a flag may be a password, and is left out."""
        flags = [each.partition("=")[0] for each in unknown if re.match(r"--?[A-Za-z]", each)]
        flags = [flag if flag.startswith("--") else flag[:2] for flag in flags]
        if not flags:
            return " ".join(map(shown, unknown[:3]))
        ours = [text for action in self._actions if action.help != argparse.SUPPRESS for text in action.option_strings]
        meant = {flag: flag_meant(flag, ours) for flag in flags}
        return ", ".join(f"{flag:.60}" + (f" (did you mean {near}?)" if near else "") for flag, near in meant.items())

    def _chosen(self, options: argparse.Namespace) -> Parser:
        """Return the parser of the command that was given, or of its action where it has some."""
        commands = (each for each in self._actions if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001
        chosen: list[Parser] = [each.choices[getattr(options, each.dest)] for each in commands]
        return chosen[0]._chosen(options) if chosen else self  # noqa: SLF001


class _Refused(argparse.Action):
    """Exits with an error; the value after the flag is not shown."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.error(
            f"argument {'/'.join(self.option_strings)}: others can see the command line, in `ps`: put the "
            "password into a file and name that by --mqtt-password-file, or into the variable MQTT_PASSWORD"
        )


def typed(kind: type[T], found: argparse.Namespace) -> T:
    """Return the options of a command as its dataclass; values that are none of its fields go into `flags`, if any."""
    own = {each.name for each in fields(kind)}
    values = {name: value for name, value in vars(found).items() if name in own}
    rest = {name: value for name, value in vars(found).items() if name not in own}
    return kind(**values, **({"flags": rest} if "flags" in own else {}))


def seconds_of(text: str) -> float:
    """Return the seconds of a text such as `90`, `90s`, `1h30m`, `7d`; NaN, which is within no bounds, for others."""
    text = text.strip().lower()
    if not _PERIODS.fullmatch(text):
        return number(text)
    try:
        return sum(float(count) * _UNITS[unit] for count, unit in _PERIOD.findall(text))
    except OverflowError:
        return nan


def period(text: str) -> float:
    """Return a duration in seconds, which may be 0."""
    if not 0 <= (seconds := seconds_of(text)) < inf:
        raise argparse.ArgumentTypeError(
            f"must be a number of seconds, or a time such as 90s or 1h30m, not {shown(text)}"
        )
    return seconds


def some_period(text: str) -> float:
    """Return a duration in seconds, above 0."""
    if not 0 < (seconds := seconds_of(text)) < inf:
        rule = "must be a number of seconds above 0, or a time such as 90s, 1h30m or 7d"
        raise argparse.ArgumentTypeError(f"{rule}, not {shown(text)}")
    return seconds


def speed(text: str) -> float:
    """Return plant seconds per second; inf for `max`."""
    if text == "max":
        return inf
    if not 0 < (found := number(text)) < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, or max, not {shown(text)}")
    return found


def moment(text: str) -> float:
    """Return a calendar time (RFC 3339, ISO 8601) in Unix seconds; in UTC unless it has an offset."""
    try:
        read = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        rule = "must be a time such as 2026-01-01T00:00:00Z, or a date"
        raise argparse.ArgumentTypeError(f"{rule}, not {shown(text)}") from None
    seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    if not FIRST_SECOND <= seconds < LAST_SECOND:
        raise argparse.ArgumentTypeError(f"{CALENDAR_RULE}, not {shown(text)}")
    return seconds


def count(text: str) -> int:
    """Return a whole number of at least 1."""
    if not (number(text) >= 1 and number(text).is_integer()):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {shown(text)}")
    return int(number(text))


def amount(text: str) -> float:
    """Return a number of at least 0."""
    if not 0 <= (found := number(text)) < inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {shown(text)}")
    return found


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    if not 0 <= (found := number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {shown(text)}")
    return found


def add_machines(these: argparse._ArgumentGroup) -> None:
    """Add the flag that leaves machines out."""
    text = "only machines whose id matches, such as CNC-*"
    these.add_argument("--machines", metavar="PATTERN", default="*", help=text)
