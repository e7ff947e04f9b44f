"""The command line: `run` is what happens without a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from math import inf
from pathlib import Path

from edge.arguments import FIRST_SECOND, LAST_SECOND, Parser, count, moment, shown, some_period, speed
from edge.hints import nearest
from edge.manifest import add_export
from edge.pacer import Timing
from edge.preflight import add_preflight
from edge.settings import add_flags
from edge.values import file_path
from edge.verify import add_verify

COMMANDS = ("run", "check", "verify", "export", "preflight")
_PLANT = Path("message_structure.yaml")
_ABOUT_ALL = ("-h", "--help", "--version")


class UsageError(Exception):
    """The command line asks for what cannot be; the text says what."""


def parse(arguments: Sequence[str], version: str, called: str = "app.py") -> argparse.Namespace:
    """The options, with the name of the command in `command`; exits with 2 and a sentence where they are wrong.

    called: the name by which the program was called.
    """
    parser = _parser(version, called)
    first = arguments[0] if arguments else ""
    if first in (*COMMANDS, *_ABOUT_ALL):
        return parser.complete(arguments)
    if first and not first.startswith("-"):
        near = nearest(first, COMMANDS, 0.6)
        parser.error(f"no such command: {shown(first)}" + (f" (did you mean {near}?)" if near else ""))
    return parser.complete(["run", *arguments])


def _parser(version: str, called: str) -> Parser:
    parser = Parser(prog=called, description="A factory that talks MQTT.")
    parser.add_argument("--version", action="version", version=f"edgemqttsim {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_run(commands.add_parser("run", help="run the factory (the default)", description="Run the factory."))
    check = commands.add_parser(
        "check", help="check a plant's YAML", description="Say what a plant's YAML makes it say, or all its mistakes."
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="the YAML; default: MESSAGE_CONFIG_PATH")
    check.add_argument("--message-config-path", "--file", metavar="FILE", help="the same, as run and export name it")
    about = "Compute availability, performance, quality and OEE from rows alone, and compare them with the truth."
    add_verify(commands.add_parser("verify", help="check a consumer's figures against the truth", description=about))
    about = "Make files for a cluster and for consumers from the plant's YAML."
    add_export(commands.add_parser("export", help="make schemas, assets and the like", description=about))
    about = "Check, step by step, all that must be right before the first row is delivered."
    add_preflight(commands.add_parser("preflight", help="check the way to the broker", description=about))
    return parser


def plant_file(positional: str | None, flag: str | None, variable: str | None, default: Path = _PLANT) -> Path:
    """The plant's file, as `check` was told it: by its name alone, by the flag, or by the variable; else `default`.

    Raises UsageError where two on the command line differ, or where it is no path.
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
    this.add_argument("--demo", action="store_true", help="against a broker of its own on loopback, to try things out")
    this.add_argument("--dry-run", action="store_true", help="write messages as JSON lines to stdout, not to MQTT")
    this.add_argument("--count", type=count, metavar="N", help="stop after so many messages")
    this.add_argument("--truth", metavar="FILE", help="write what really happened as JSON lines, for verify")
    add_time(run)
    add_flags(run)


def add_time(run: argparse.ArgumentParser) -> None:
    """Flags that say which stretch of plant time is played, and how fast."""
    time = run.add_argument_group("Plant time")
    time.add_argument(
        "--start", type=moment, metavar="TIME", help="begin there, such as 2026-01-01T00:00:00Z, or a date [now]"
    )
    time.add_argument(
        "--duration", type=some_period, metavar="TIME", help="stop after so much plant time: seconds, or 90s, 1h30m, 7d"
    )
    time.add_argument("--speed", type=speed, metavar="N|max", help="plant seconds a second [1; of history: max]")
    time.add_argument(
        "--then-live",
        action="store_true",
        help="play --duration as history, by --speed and HISTORY_RATE, and carry on in real time; without --start the "
        "history ends now, without --duration too",
    )


def timing_of(options: argparse.Namespace, now: float) -> Timing:
    """The timing that the flags ask for at the wall clock's `now` (Unix seconds).

    Raises UsageError with a sentence where they contradict each other, or leave the calendar.
    """
    timing = _timing_of(options, now)
    if timing.start < FIRST_SECOND:
        raise UsageError("--duration: the history would begin before 1970")
    if (timing.live_from if timing.end == inf else timing.end) > LAST_SECOND:
        raise UsageError("--duration: plant time would go beyond the year 9899")
    return timing


def _timing_of(options: argparse.Namespace, now: float) -> Timing:
    start, duration, speed = options.start, options.duration, options.speed
    if not options.then_live:
        follows = start is None and not duration and speed in (None, 1.0)
        start = now if start is None else start
        return Timing(start, start + duration if duration else inf, speed or 1.0, follows_wall=follows)
    if speed is not None and speed <= 1.0:
        raise UsageError("--then-live: history has to be faster than life; --speed must be above 1, or max")
    if start is None and duration is None:
        raise UsageError("--then-live: say how much history, by --duration, --start or both")
    follows = start is None or not duration
    if start is None:
        start = now - duration
    live_from = start + duration if duration else now
    if live_from <= start:
        raise UsageError("--then-live: --start must lie in the past, or --duration say how long the history is")
    return Timing(start, live_from=live_from, history_speed=speed or inf, follows_wall=follows)


def pinned(options: argparse.Namespace, now: float) -> argparse.Namespace:
    """The same run for several processes that begin it one after the other: with the start that it has at `now`.

    In real time what lies between is made up for, so none lags behind the clock for having begun late.
    Raises UsageError as `timing_of` does.
    """
    timing = timing_of(options, now)
    if options.start is not None:
        return options
    live = options.then_live or (options.duration is None and options.speed in (None, 1.0))
    duration = None if live else options.duration
    return argparse.Namespace(**{**vars(options), "start": timing.start, "duration": duration, "then_live": live})
