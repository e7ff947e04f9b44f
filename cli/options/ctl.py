"""The options of `ctl`, and its actions with their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cli.arguments import amount, count, some_period
from edge.redaction import shown
from edge.settings.types import number

_Add = Callable[[argparse.ArgumentParser], object]


@dataclass(frozen=True, slots=True)
class CtlOptions:
    """The options of `ctl`.

    action: what to do.  url: where the simulator's HTTP port is; None: as the variables of this process have it.
    token_file: file with the bearer token.  json: whether to print answers as they come.
    flags: the action's arguments.
    """

    action: str
    url: str | None = None
    token_file: str | None = None
    json: bool = False
    flags: Mapping[str, object] = field(default_factory=dict)


class Action(NamedTuple):
    """An action: its line in the list, and what adds its arguments."""

    summary: str
    add: tuple[_Add, ...] = ()


def _argument(name: str, meaning: str, **how: object) -> _Add:
    return lambda parser: parser.add_argument(name, metavar=name.upper().replace("-", "_"), help=meaning, **how)  # type: ignore[arg-type]


def _flag(name: str, metavar: str, meaning: str, **how: object) -> _Add:
    return lambda parser: parser.add_argument(f"--{name}", metavar=metavar, help=meaning, **how)  # type: ignore[arg-type]


def _rate(text: str) -> float | None:
    """Return messages a second; None for `default`."""
    return None if text == "default" else amount(text)


def _number(text: str) -> float:
    if (found := number(text)) != found:
        raise argparse.ArgumentTypeError(f"must be a number, not {shown(text)}")
    return found


def _whole(text: str) -> int:
    return 0 if text.strip() == "0" else count(text)


_MACHINE: Final = _argument("machine_id", "id of the machine, such as CNC-03")
_MACHINES: Final = _argument("machine_ids", "ids of machines, such as CNC-03", nargs="+")
_TYPE: Final = _argument("message_type", "key of the type, as in the YAML and in `ctl types`")
_FILE: Final = _argument("file", "a plant's YAML; - is standard input")
_FOR: Final = _flag("for", "TIME", "for how long, such as 90s or 10m", dest="seconds", type=some_period)
_LIMIT: Final = _flag("limit", "N", "the most to list", type=count)

ACTIONS: Final[Mapping[str, Action]] = {
    "stop": Action("stop machines until they are started", (_MACHINES,)),
    "start": Action("start machines that were stopped", (_MACHINES,)),
    "state": Action("have a machine enter a state", (_MACHINE, _argument("state", "a state of its type"), _FOR)),
    "inject": Action(
        "begin a fault",
        (
            _MACHINE,
            _argument(
                "fault", "a fault of its type, or a sensor fault such as temperature.stuck: `ctl types` has them"
            ),
            _flag("severity", "N", "0.01 to 5 [drawn]", type=_number),
            _FOR,
        ),
    ),
    "clear": Action("end a fault, or all of a machine", (_MACHINE, _argument("fault", "the fault [all]", nargs="?"))),
    "set": Action(
        "set a set point",
        (
            _MACHINE,
            _argument("signal", "a signal with set_point: `ctl types` has them"),
            _argument("value", "its new value", type=_number),
        ),
    ),
    "crash": Action("cut the connection of a machine, so that the broker publishes its will", (_MACHINE, _FOR)),
    "disconnect": Action("disconnect a machine, until it is to reconnect", (_MACHINE, _FOR)),
    "reconnect": Action("have a machine connect again at once", (_MACHINE,)),
    "scale": Action("have another number of machines of a type", (_TYPE, _argument("count", "how many", type=_whole))),
    "rate": Action(
        "send so many messages a second",
        (_argument("messages_per_second", "a number, or the word default: as often as the YAML says", type=_rate),),
    ),
    "enable": Action("switch the messages of a type on", (_TYPE,)),
    "disable": Action("switch the messages of a type off", (_TYPE,)),
    "machines": Action(
        "list machines",
        (
            _flag("type", "KEY", "of this type only", dest="machine_type"),
            _flag("state", "STATE", "in this state only"),
            _flag("fault", "NAME", "with this fault only"),
            _LIMIT,
        ),
    ),
    "machine": Action("show a machine: its state, job, signals, faults and alarms", (_MACHINE,)),
    "types": Action("list machine types: states, signals, set points, faults"),
    "plant": Action("print the YAML in force"),
    "check": Action("check a plant's YAML against the running simulator, and change nothing", (_FILE,)),
    "put": Action("apply a plant's YAML; the simulator's own file stays as it is", (_FILE,)),
    "reload": Action("load the simulator's own file again"),
    "settings": Action("print the settings in force, without secrets"),
    "journal": Action("list what was done, by whom and when; the newest first", (_LIMIT,)),
}


def add_ctl(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command and its actions to the parser."""
    _add_which(parser)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    for name, action in ACTIONS.items():
        description = f"{action.summary[:1].upper()}{action.summary[1:]}."
        its = actions.add_parser(name, help=action.summary, description=description)
        for add in action.add:
            add(its)
        _add_which(its, argument_default=argparse.SUPPRESS)


def _add_which(parser: argparse.ArgumentParser, **default: str) -> None:
    """Add what holds for all actions, and may be given before the action or after it."""
    these = parser.add_argument_group("Which simulator", **default)
    text = "its HTTP port [http://127.0.0.1:8080, or as HTTP_HOST and HTTP_PORT say]"
    these.add_argument("--url", metavar="URL", help=text)
    text = "file with its bearer token, where it has one [HTTP_TOKEN_FILE]"
    these.add_argument("--token-file", metavar="FILE", help=text)
    these.add_argument("--json", action="store_true", help="print answers as JSON")
