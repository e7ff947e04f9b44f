"""The commands and their options; `run` is the default command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.arguments import Parser, count, moment, some_period, speed, typed
from cli.exports.command import ExportOptions, add_export
from cli.preflight.command import PreflightOptions, add_preflight
from cli.verify.command import VerifyOptions, add_verify
from edge.redaction import shown
from edge.runtime.run_options import RunOptions, UsageError
from edge.settings.loader import add_flags
from edge.settings.suggestions import nearest
from edge.settings.types import file_path

_ABOUT_ALL = ("-h", "--help", "--version")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of `check`; `file` and `message_config_path` are two names of the same."""

    file: str | None = None
    message_config_path: str | None = None


Options = RunOptions | CheckOptions | VerifyOptions | ExportOptions | PreflightOptions

_OPTIONS: Final[Mapping[str, type[Options]]] = {
    "run": RunOptions,
    "check": CheckOptions,
    "verify": VerifyOptions,
    "export": ExportOptions,
    "preflight": PreflightOptions,
}
COMMANDS: Final = tuple(_OPTIONS)


def parse(arguments: Sequence[str], version: str, called: str = "app.py") -> Options:
    """Return the options of the command; exits with 2 and an error in one line where they are wrong.

    called: the name by which the program was called.
    """
    found = _parsed(_parser(version, called), arguments)
    return typed(_OPTIONS[found.command], found)


def _parsed(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    first = arguments[0] if arguments else ""
    if first in (*COMMANDS, *_ABOUT_ALL):
        return parser.complete(arguments)
    if first and not first.startswith("-"):
        near = nearest(first, COMMANDS, 0.6)
        parser.error(f"no such command: {shown(first)}" + (f" (did you mean {near}?)" if near else ""))
    return parser.complete(["run", *arguments])


def _parser(version: str, called: str) -> Parser:
    parser = Parser(prog=called, description="A factory telemetry simulator that publishes over MQTT.")
    parser.add_argument("--version", action="version", version=f"edgemqttsim {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_run(commands.add_parser("run", help="run the simulator (the default)", description="Run the simulator."))
    check = commands.add_parser(
        "check", help="check a plant's YAML", description="Print what a plant's YAML describes, or all its errors."
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="the YAML; default: MESSAGE_CONFIG_PATH")
    check.add_argument("--message-config-path", "--file", metavar="FILE", help="the same, as run and export name it")
    about = "Compute availability, performance, quality and OEE from messages, and compare them with the ground truth."
    add_verify(commands.add_parser("verify", help="compare messages with the ground truth", description=about))
    about = "Generate files for a cluster and for consumers from the plant's YAML."
    add_export(commands.add_parser("export", help="generate schemas, assets and other files", description=about))
    about = "Test, step by step, everything that delivery of the first message depends on."
    add_preflight(commands.add_parser("preflight", help="test the connection to the broker", description=about))
    return parser


def plant_file(positional: str | None, flag: str | None, variable: str | None, default: Path) -> Path:
    """Return the plant's file for `check`: from the argument, the flag, or the variable.

    Raises UsageError where argument and flag differ, or where it is no path.
    """
    if positional and flag and positional != flag:
        raise UsageError(f"--message-config-path: must agree with FILE: {shown(flag)} here, {shown(positional)} there")
    given = {"FILE": positional, "--message-config-path": flag, "MESSAGE_CONFIG_PATH": (variable or "").strip()}
    source, path = next(((source, path) for source, path in given.items() if path), ("", str(default)))
    try:
        return file_path(path)
    except ValueError as error:
        raise UsageError(f"{source}: must be {error}, not {shown(path)}") from None


def _add_run(run: argparse.ArgumentParser) -> None:
    this = run.add_argument_group("This run")
    this.add_argument("--demo", action="store_true", help="start an embedded broker on loopback, to try things out")
    this.add_argument("--dry-run", action="store_true", help="write messages as JSON lines to stdout, not to MQTT")
    this.add_argument("--count", type=count, metavar="N", help="stop after N messages")
    this.add_argument("--truth", metavar="FILE", help="write the ground truth as JSON lines, for verify")
    add_time(run)
    add_flags(run)


def add_time(run: argparse.ArgumentParser) -> None:
    """Add the flags that select the stretch of plant time, and its speed."""
    time = run.add_argument_group("Plant time")
    time.add_argument(
        "--start", type=moment, metavar="TIME", help="begin at this time, such as 2026-01-01T00:00:00Z, or a date [now]"
    )
    time.add_argument(
        "--duration",
        type=some_period,
        metavar="TIME",
        help="stop after this plant time: seconds, or 90s, 1h30m, 7d",
    )
    time.add_argument("--speed", type=speed, metavar="N|max", help="plant seconds per second [1; for history: max]")
    time.add_argument(
        "--then-live",
        action="store_true",
        help="simulate --duration as history, limited by --speed and HISTORY_RATE, and continue in real time; the "
        "history ends now where --start or --duration is left out",
    )
