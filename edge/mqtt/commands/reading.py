"""What a message asks for: a command, and what its sender says about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from edge.control.inbox import Command
from edge.control.problems import FieldError, Problem, problem_of
from edge.mqtt.commands.plant_topics import PLANT
from plant.interventions.commands import CommandRefused, kind_of, parse

MOST_BYTES: Final = 32_768
"""Bytes of the longest payload: half of the longest packet, so that a longer one still arrives and can be answered."""

_ABOUT: Final[Sequence[str]] = ("reason", "command_id", "ts")
_NAMES_OF_MACHINE: Final = ("machine_id", "device_id")
_MOST_CHARACTERS: Final = 200


class Malformed(Exception):
    """A payload is no JSON object, or too long. outcome: for counts."""

    def __init__(self, outcome: str, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.outcome, self.problem = outcome, problem


class Refused(Exception):
    """A payload is a command that breaks a rule, which needs no plant to see. about: what its sender says about it."""

    def __init__(self, problem: Problem, about: Mapping[str, str | int | float]) -> None:
        super().__init__(problem.detail)
        self.problem, self.about = problem, about


class Request(NamedTuple):
    """A command, and what its sender says about it: `reason`, `command_id` and `ts`, where they are given."""

    command: Command
    about: Mapping[str, str | int | float]


def read(payload: bytes, target: str, own: Collection[str] = ()) -> Request:
    """Return what a payload asks for. target: the machine in the topic, or PLANT.  own: commands of types of the plant.

    Raises Malformed, Refused, or Problem where what the sender says about the command breaks a rule.
    """
    asked = _json_object(payload)
    about: dict[str, str | int | float] = {name: _brief(name, asked.pop(name)) for name in _ABOUT if name in asked}
    try:
        return Request(_command_of(asked, target, own), about)
    except Problem as problem:
        raise Refused(problem, about) from None


def _command_of(asked: dict[str, object], target: str, own: Collection[str]) -> Command:
    """Return the command in a payload; raises Problem."""
    for name in _NAMES_OF_MACHINE:
        if name in asked and asked.pop(name) != target:
            raise _wrong(name, "must be the machine in the topic, or left out")
    asked |= _machine_of(asked.get("command"), target, own)
    try:
        parse(asked, own)
    except CommandRefused as error:
        raise problem_of(error) or error from None
    return asked


def _machine_of(name: object, target: str, own: Collection[str]) -> dict[str, object]:
    """Return the key for the machine of the topic, where the command is for one."""
    kind = kind_of(name, own)
    if kind is None or "machine_id" not in kind.model_fields:
        if kind is not None and target != PLANT:
            raise _wrong("command", f"is for the whole plant: the level of the machine in its topic must be {PLANT}")
        return {}
    if target == PLANT:
        raise _wrong("command", "is for a machine: its topic must have the machine's id")
    return {"machine_id": target}


def _json_object(payload: bytes) -> dict[str, object]:
    if len(payload) > MOST_BYTES:
        raise Malformed("oversized", Problem(413, f"a command over MQTT has at most {MOST_BYTES:,} bytes"))
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed("malformed", Problem(400, f"is no JSON: {error}")) from None
    if not isinstance(found, dict):
        raise Malformed("malformed", Problem(400, "must be a JSON object"))
    return found


def _brief(name: str, value: object) -> str | int | float:
    is_brief = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not is_brief or len(str(value)) > _MOST_CHARACTERS:
        raise _wrong(name, f"must be a number, or text of at most {_MOST_CHARACTERS} characters")
    return value  # type: ignore[return-value]  # as just checked


def _wrong(name: str, rule: str) -> Problem:
    return Problem(422, f"{name}: {rule}", [FieldError(f"/{name}", rule)])
