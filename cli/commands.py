"""The commands and their options; `run` is the default command."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cli.arguments import Parser, count, moment, some_period, speed, typed
from cli.options.clients import (
    BadActorOptions,
    ControllerOptions,
    ObserveOptions,
    PubOptions,
    SubOptions,
    add_bad_actor,
    add_controller,
    add_observe,
    add_pub,
    add_sub,
)
from cli.options.ctl import CtlOptions, add_ctl
from cli.options.evaluate import EvaluateOptions, add_evaluate
from cli.options.export import ExportOptions, add_export
from cli.options.preflight import PreflightOptions, add_preflight
from cli.options.scenario import ScenarioOptions, add_scenario
from cli.options.top import TopOptions, add_top
from cli.options.verify import VerifyOptions, add_verify
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


Options = (
    RunOptions
    | CheckOptions
    | VerifyOptions
    | EvaluateOptions
    | ExportOptions
    | PreflightOptions
    | ScenarioOptions
    | CtlOptions
    | TopOptions
    | PubOptions
    | SubOptions
    | ObserveOptions
    | BadActorOptions
    | ControllerOptions
)


class _Command(NamedTuple):
    """A command: the dataclass of its options, its line in the list of commands, its description, its arguments."""

    options: type[Options]
    summary: str
    about: str
    add_arguments: Callable[[argparse.ArgumentParser], None]


def parse(arguments: Sequence[str], version: str, called: str = "app.py") -> Options:
    """Return the options of the command; exits with 2 and an error in one line where they are wrong.

    called: the name by which the program was called.
    """
    first = arguments[0] if arguments else ""
    if first not in COMMANDS and first not in _ABOUT_ALL and first[:1] in ("", "-"):
        return parse(["run", *arguments], version, called)
    parser, _ = parsers(version, called, [first])
    if first not in COMMANDS and first not in _ABOUT_ALL:
        near = nearest(first, COMMANDS, 0.6)
        parser.error(f"no such command: {shown(first)}" + (f" (did you mean {near}?)" if near else ""))
    found = parser.complete(arguments)
    return typed(COMMANDS[found.command].options, found)


def parsers(version: str, called: str, complete: Collection[str] | None = None) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the command line, and those of its commands by name.

    complete: the commands whose own arguments are wanted; None: all. A start needs one, and loads the code of no other.
    """
    parser = Parser(prog=called, description="A factory telemetry simulator that publishes over MQTT.")
    parser.add_argument("--version", action="version", version=f"edgemqttsim {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    found = {}
    for name, command in COMMANDS.items():
        found[name] = commands.add_parser(name, help=command.summary, description=command.about)
        if complete is None or name in complete:
            command.add_arguments(found[name])
    return parser, found


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


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument("file", nargs="?", metavar="FILE", help="the YAML; default: MESSAGE_CONFIG_PATH")
    check.add_argument(
        "--message-config-path", "--file", "--config", metavar="FILE", help="the same, as run and export name it"
    )


def _add_export(export: argparse.ArgumentParser) -> None:
    from cli.exports.command import about_targets  # noqa: PLC0415 - the code of all targets, for `export` alone

    add_export(export, about_targets())


def _add_run(run: argparse.ArgumentParser) -> None:
    this = run.add_argument_group("This run")
    this.add_argument("--demo", action="store_true", help="start an embedded broker on loopback, to try things out")
    this.add_argument(
        "--demo-broker",
        metavar="FILE",
        help="take users, rights and limits of that broker from this YAML; an example: scenarios/sandbox/broker.yaml",
    )
    this.add_argument("--dry-run", action="store_true", help="write messages as JSON lines to stdout, not to MQTT")
    this.add_argument("--count", type=count, metavar="N", help="stop after N messages")
    this.add_argument("--truth", metavar="FILE", help="write the ground truth as JSON lines, for verify")
    this.add_argument(
        "--commands",
        metavar="FILE",
        help="execute the commands in this file at their times: JSON lines, or the --truth of another run, which then "
        "gives the same messages again",
    )
    this.add_argument(
        "--journal",
        metavar="FILE",
        help="write each command and reload that is applied, with its plant time, as JSON lines for --commands",
    )
    this.add_argument(
        "--log-config",
        metavar="FILE",
        help="take level and form of the log from this TOML, as Python's dictConfig has it; its files are not opened",
    )
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


COMMANDS: Final[Mapping[str, _Command]] = {
    "run": _Command(RunOptions, "run the simulator (the default)", "Run the simulator.", _add_run),
    "check": _Command(
        CheckOptions,
        "check a plant's YAML",
        "Print what a plant's YAML describes, or all its errors.",
        _add_check,
    ),
    "verify": _Command(
        VerifyOptions,
        "compare messages with the ground truth",
        "Compute availability, performance, quality and OEE from messages, and compare them with the ground truth.",
        add_verify,
    ),
    "evaluate": _Command(
        EvaluateOptions,
        "score an anomaly detector against the ground truth",
        "Score the detections of an anomaly detector against the faults in the ground truth: precision, recall, F1 and "
        "delay, beside a random detector and one of rolling z-scores.",
        add_evaluate,
    ),
    "export": _Command(
        ExportOptions,
        "generate schemas, assets and other files",
        "Generate files for a cluster and for consumers from the plant's YAML.",
        _add_export,
    ),
    "preflight": _Command(
        PreflightOptions,
        "test the connection to the broker",
        "Test, step by step, everything that delivery of the first message depends on.",
        add_preflight,
    ),
    "scenario": _Command(
        ScenarioOptions,
        "run a scenario and judge it",
        "Run a plant, act on it at the times of a scenario file, and judge what that file expects.",
        add_scenario,
    ),
    "ctl": _Command(
        CtlOptions,
        "act on a running simulator",
        "Act on a running simulator by its HTTP port: stop and start machines, begin and end faults, scale, and so on; "
        "or show what it is at. `ctl ACTION --help` has the arguments of an action.",
        add_ctl,
    ),
    "top": _Command(
        TopOptions,
        "show a running simulator in the terminal",
        "Show what a running simulator is at, each second: connection, rate, queue, OEE, machines by type, faults, "
        "alarms and the last commands.",
        add_top,
    ),
    "pub": _Command(
        PubOptions,
        "publish a message to a broker",
        "Publish a message, copies of it, or the lines of standard input, and print what the broker answers.",
        add_pub,
    ),
    "sub": _Command(
        SubOptions,
        "subscribe to topics, and print messages",
        "Subscribe to topics of a broker, and print their messages: `[HH:MM:SS] cli: TOPIC qos=Q retain=R PAYLOAD`.",
        add_sub,
    ),
    "observe": _Command(
        ObserveOptions,
        "print all messages below the topic prefix",
        "Subscribe to everything below the topic prefix, and print it. The same as `sub`, with other defaults.",
        add_observe,
    ),
    "bad-actor": _Command(
        BadActorOptions,
        "try what a broker must refuse",
        "Publish a command and subscribe without permission, and print for each whether the broker refuses it.",
        add_bad_actor,
    ),
    "controller": _Command(
        ControllerOptions,
        "answer alarms with commands",
        "Receive alarms and telemetry, and send commands by rules: one for each episode, not for each sample.",
        add_controller,
    ),
}
