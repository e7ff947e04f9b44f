"""Commands of a machine type's own: each has a machine enter a state."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from plant.definition.document.errors import Violation

REPLACEABLE: Final = ("stop", "start")
"""The usual commands that a type may have in its own way."""

USUAL: Final = (
    *("set_state", "inject", "clear", "set_point", "scale", "rate", "enable", "disable", "reload"),
    *("crash", "disconnect", "reconnect"),
)
"""The names of the others, which always mean the same."""

_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)


class StateCommand(NamedTuple):
    """A command. state: that a machine enters.  is_latched: whether it stays there until the next such command."""

    state: str
    is_latched: bool


def read_state_commands(
    declared: Mapping[str, Mapping[str, Any]], states: Collection[str]
) -> tuple[dict[str, StateCommand], list[Violation]]:
    """Return the commands of a type by name, and the violations. states: those of the type."""
    wrong = [each for name, own in declared.items() for each in _broken(name, own, states)]
    found = {name: StateCommand(own.get("state", ""), own.get("latched", False)) for name, own in declared.items()}
    return ({} if wrong else found), wrong


def _broken(name: str, own: Mapping[str, Any], states: Collection[str]) -> Iterator[Violation]:
    if name in USUAL:
        yield Violation((name,), "always means the same: choose another name")
    elif not _NAME.fullmatch(name):
        yield Violation((name,), "must have only letters, digits, _ and -, at most 64")
    if "state" not in own:
        yield Violation((name, "state"), "is missing")
    elif own["state"] not in states:
        yield Violation((name, "state", own["state"]), "is not a state of this type", [*states])
