"""The command line: `run` is what happens without a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from math import inf

from edge.manifest import add_export
from edge.pacer import Timing
from edge.preflight import add_preflight
from edge.settings import add_flags
from edge.values import number
from edge.verify import add_verify

COMMANDS = ("run", "check", "verify", "export", "preflight")
_ABOUT_ALL = ("-h", "--help", "--version")


class UsageError(Exception):
    """The command line asks for what cannot be; the text says what."""


def parse(arguments: Sequence[str], version: str) -> argparse.Namespace:
    """The options, with the name of the command in `command`; exits with 2 and a sentence where they are wrong."""
    named = bool(arguments) and arguments[0] in (*COMMANDS, *_ABOUT_ALL)
    return _parser(version).parse_args(arguments if named else ["run", *arguments])


def _parser(version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description="A factory that talks MQTT.")
    parser.add_argument("--version", action="version", version=f"edgemqttsim {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_run(commands.add_parser("run", help="run the factory (the default)", description="Run the factory."))
    check = commands.add_parser(
        "check", help="check a plant's YAML", description="Say what a plant's YAML makes it say, or all its mistakes."
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="the YAML; default: MESSAGE_CONFIG_PATH")
    about = "Compute availability, performance, quality and OEE from rows alone, and compare them with the truth."
    add_verify(commands.add_parser("verify", help="check a consumer's figures against the truth", description=about))
    about = "Make files for a cluster and for consumers from the plant's YAML."
    add_export(commands.add_parser("export", help="make schemas, assets and the like", description=about))
    about = "Check, step by step, all that must be right before the first row is delivered."
    add_preflight(commands.add_parser("preflight", help="check the way to the broker", description=about))
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    this = run.add_argument_group("This run")
    this.add_argument("--demo", action="store_true", help="against a broker of its own on loopback, to try things out")
    this.add_argument("--dry-run", action="store_true", help="write messages as JSON lines to stdout, not to MQTT")
    this.add_argument("--count", type=_count, metavar="N", help="stop after so many messages")
    this.add_argument("--truth", metavar="FILE", help="write what really happened as JSON lines, for verify")
    add_time(run)
    add_flags(run)


def add_time(run: argparse.ArgumentParser) -> None:
    """Flags that say which stretch of plant time is played, and how fast."""
    time = run.add_argument_group("Plant time")
    time.add_argument("--start", type=_moment, metavar="TIME", help="begin there, such as 2026-01-01T00:00:00Z [now]")
    time.add_argument("--duration", type=_seconds, metavar="SECONDS", help="stop after so much plant time")
    time.add_argument("--speed", type=_speed, metavar="N|max", help="plant seconds a second [1; of history: max]")
    time.add_argument(
        "--then-live",
        action="store_true",
        help="play --duration as history, by --speed and HISTORY_RATE, and carry on in real time; without --start the "
        "history ends now, without --duration too",
    )


def timing_of(options: argparse.Namespace, now: float) -> Timing:
    """The timing that the flags ask for at the wall clock's `now` (Unix seconds).

    Raises UsageError with a sentence where they contradict each other.
    """
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


def _seconds(text: str) -> float:
    if not 0 < (seconds := number(text)) < inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return seconds


def _speed(text: str) -> float:
    if text == "max":
        return inf
    if not 0 < (speed := number(text)) < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, or max, not {text!r}")
    return speed


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time such as 2026-01-01T00:00:00Z, not {text!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _count(text: str) -> int:
    if not (number(text) >= 1 and number(text).is_integer()):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(number(text))
