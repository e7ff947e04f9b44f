"""The models of a scenario file: its head, and its steps."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from cli.scenario.definition.actions import MODELS
from cli.scenario.definition.expectations import Expect
from cli.scenario.definition.times import Length, Start, Time
from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import Constant, Name, Spec

DEFAULT_EVERY_MS: Final = 1000


def _seed(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"must be a whole number or text, got {describe_value(value)}")
    return value


def _speed(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e9
    if value != "max" and not is_number:
        raise ValueError(f"must be a number above 0, or max, got {describe_value(value)}")
    return float("inf") if value == "max" else float(str(value))


def _plant(value: object) -> object:
    if not isinstance(value, str | dict) or not value:
        raise ValueError(f"must be a file, or a plant, got {describe_value(value)}")
    return value


def _actions(value: object) -> object:
    found = [value] if isinstance(value, dict) else value
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"must be a command, or a list of commands, got {describe_value(value)}")
    return tuple(found)


_COMMAND_SCHEMA: Final[dict[str, Any]] = {"anyOf": [each.model_json_schema(by_alias=True) for each in MODELS]}
_Actions = Annotated[
    tuple[dict[str, Any], ...],
    BeforeValidator(_actions),
    WithJsonSchema({"anyOf": [*_COMMAND_SCHEMA["anyOf"], {"type": "array", "minItems": 1, "items": _COMMAND_SCHEMA}]}),
]
_Seed = Annotated[Any, BeforeValidator(_seed), WithJsonSchema({"type": ["integer", "string"]})]
_Speed = Annotated[
    Any,
    BeforeValidator(_speed),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "max"}]}),
]
_Plant = Annotated[Any, BeforeValidator(_plant), WithJsonSchema({"type": ["string", "object"]})]


class Window(Spec):
    """A stretch of plant time."""

    from_: Time | None = Field(None, alias="from", description="Where it begins [the start].")
    to: Time | None = Field(None, description="Where it ends [the end of the scenario].")


class StepSpec(Spec):
    """A step: something to do at a time, or something to expect."""

    name: Name | None = Field(None, description="What the report calls it.")
    at: Time | None = Field(None, description="When; with `within`: from when on [the time of the step before].")
    do: _Actions | None = Field(None, description="What to do: a command, or a list of them.")
    expect: Expect | None = Field(None, description="What to expect.")
    within: Length | None = Field(None, description="It must be so at some moment within this time.")
    always: Window | None = Field(None, description="It must be so all the time.")
    never: Window | None = Field(None, description="It must not be so at any time.")
    every: Length | None = Field(
        None, description="How often the plant or the process is looked at, in plant time [1s]; not for messages."
    )


class ScenarioSpec(Spec):
    """The head of a scenario file."""

    name: Name = Field(description="What the scenario shows.")
    description: str | None = Field(None, description="More about it, for readers.")
    plant: _Plant | None = Field(None, description="The plant's YAML: a file, relative to this one, or a mapping.")
    seed: _Seed = Field(1, description="Seed of all chance.")
    start: Start = Field(1_767_225_600_000, description="Plant time at the beginning [2026-01-01T00:00:00Z].")
    duration: Length | None = Field(None, description="How long it takes, in plant time [to the last step].")
    speed: _Speed | None = Field(None, description="Plant seconds per second, or max [max; with a broker 1].")
    broker: Literal["none", "sandbox", "settings"] = Field(
        "none", description="No broker, the embedded broker, or that of the MQTT_* options."
    )
    settings: dict[Name, Constant] = Field({}, description="Options of the simulator, by their variables.")


class ScenarioFile(ScenarioSpec):
    """A whole scenario file."""

    steps: tuple[StepSpec, ...] = Field(description="What to do and what to expect, in this order at equal times.")
