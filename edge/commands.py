"""The command line: `run` is what happens without a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from edge.settings import add_flags

COMMANDS = ("run", "check")
_ABOUT_ALL = ("-h", "--help", "--version")


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
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    this = run.add_argument_group("This run")
    this.add_argument("--demo", action="store_true", help="against a broker of its own on loopback, to try things out")
    this.add_argument("--dry-run", action="store_true", help="write messages as JSON lines to stdout, not to MQTT")
    this.add_argument("--duration", type=_seconds, metavar="SECONDS", help="stop after so many seconds")
    this.add_argument("--count", type=_count, metavar="N", help="stop after so many messages")
    add_flags(run)


def _seconds(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return number


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return number
