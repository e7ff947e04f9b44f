"""Conditions on values: bounds of a number, and what a value in a message has to be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import Constant, NonEmptyListOf, Spec, as_pair, low_high

_Number = Annotated[float, Field(ge=-1e15, le=1e15)]
MISSING: Final = object()
"""In place of a value that a message does not have."""


class Bounds(Spec):
    """The least and the most that a number may be; a bare number is both, [low, high] is a range."""

    min: _Number | None = Field(None, description="The least.")
    max: _Number | None = Field(None, description="The most.")

    @model_validator(mode="after")
    def _has_a_bound(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"must have min <= max, got {self.min:g} and {self.max:g}")
        return self

    def holds(self, value: float | None) -> bool:
        """Return whether a number is within the bounds; an undefined one is not."""
        return value is not None and (self.min is None or value >= self.min) and not self.exceeded(value)

    def exceeded(self, value: float) -> bool:
        """Return whether a number is above the bounds."""
        return self.max is not None and value > self.max

    def __str__(self) -> str:
        if self.min == self.max:
            return f"{self.min:.10g}"
        low = "" if self.min is None else f"at least {self.min:.10g}"
        high = "" if self.max is None else f"at most {self.max:.10g}"
        return " and ".join(filter(None, (low, high)))


def _as_bounds(value: object) -> object:
    """Return a number, or a pair of them, as the mapping that it stands for."""
    if isinstance(value, list | tuple):
        return _range(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Mapping | Bounds):
        raise ValueError(f"must be a number, [low, high] or min and max, got {describe_value(value)}")  # noqa: TRY004
    return {"min": value, "max": value} if isinstance(value, int | float) else value


def _range(pair: Sequence[object]) -> object:
    if len(pair) != 2 or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in pair):
        raise ValueError(f"must be [low, high], got {describe_value(pair)}")
    return {"min": pair[0], "max": pair[1]}


_PAIR: Final = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
BoundsOrNumber = Annotated[
    Bounds,
    BeforeValidator(_as_bounds),
    WithJsonSchema({"anyOf": [{"type": "number"}, _PAIR, Bounds.model_json_schema()]}),
]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:  # the last two: numbers or nesting without measure
        raise ValueError(f"must be a regular expression: {error}") from None
    return text


class Condition(Spec):
    """What a value has to be; all that is given has to hold. A bare value is the same as `is`."""

    is_: Constant | None = Field(None, alias="is", description="Exactly this value.")
    one_of: NonEmptyListOf[Constant] | None = Field(None, description="One of these values.")
    range: Annotated[tuple[_Number, _Number], BeforeValidator(as_pair), AfterValidator(low_high)] | None = Field(
        None, description="A number: [low, high]."
    )
    min: _Number | None = Field(None, description="A number, at least this.")
    max: _Number | None = Field(None, description="A number, at most this.")
    matches: Annotated[str, AfterValidator(_pattern)] | None = Field(
        None, description="A text; this regular expression describes all of it."
    )
    present: bool | None = Field(None, description="Whether it is there and not null.")

    @model_validator(mode="after")
    def _has_a_rule(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("needs one of is, one_of, range, min, max, matches, present")
        return self

    def holds(self, value: object) -> bool:
        """Return whether a value is as it has to be. MISSING: the message does not have it."""
        return all(
            (
                self.is_ is None or equal(value, self.is_),
                self.one_of is None or any(equal(value, each) for each in self.one_of),
                self.range is None or _within(value, *self.range),
                self.min is None or _within(value, self.min, float("inf")),
                self.max is None or _within(value, float("-inf"), self.max),
                self.matches is None or (isinstance(value, str) and re.fullmatch(self.matches, value) is not None),
                self.present is None or self.present == (value is not None and value is not MISSING),
            )
        )

    def __str__(self) -> str:
        parts = (
            None if self.is_ is None else shown(self.is_),
            None if self.one_of is None else f"one of {', '.join(map(shown, self.one_of))}",
            None if self.range is None else f"{self.range[0]:.10g} to {self.range[1]:.10g}",
            None if self.min is None else f"at least {self.min:.10g}",
            None if self.max is None else f"at most {self.max:.10g}",
            None if self.matches is None else f"a text that matches {self.matches}",
            None if self.present is None else ("present" if self.present else "null or absent"),
        )
        return " and ".join(each for each in parts if each is not None)


def _as_condition(value: object) -> object:
    return {"is": value} if isinstance(value, str | int | float) else value


ConditionOrValue = Annotated[
    Condition,
    BeforeValidator(_as_condition),
    WithJsonSchema({"anyOf": [{"type": ["string", "number", "boolean"]}, Condition.model_json_schema(by_alias=True)]}),
]


def equal(value: object, wanted: object) -> bool:
    """Return whether a value of JSON is another one: 1 and 1.0 are equal, 1 and true are not."""
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def value_at(row: object, path: str) -> object:
    """Return the value at a place in a message, such as `data.power` or `items.0.quantity`; MISSING without one."""
    for key in path.split("."):
        if isinstance(row, Mapping) and key in row:
            row = row[key]
        elif isinstance(row, list) and key.isascii() and key.isdigit() and int(key) < len(row):
            row = row[int(key)]
        else:
            return MISSING
    return row


def shown(value: object) -> str:
    """Return a value as JSON, or that it is absent."""
    return "absent" if value is MISSING else orjson.dumps(value).decode()
