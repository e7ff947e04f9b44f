"""The values that a plant's YAML is made of: types that carry their own rule. A rule speaks in plain sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from string import Formatter
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from plant.definition.errors import cut, shown

T = TypeVar("T")
N = TypeVar("N", int, float)

YEAR_SECONDS: Final = 31_536_000.0
"""The longest time that means anything here, 365 days."""

SHORTEST_JOB_SECONDS: Final = 0.1
"""Job ids count from the start of the run in tenths of a second, so no machine may finish jobs faster."""

SHORTEST_PERIOD_SECONDS: Final = 0.001
"""Plant time is whole milliseconds."""

MOST_EVENTS_PER_HOUR: Final = 36_000
"""Order ids, like job ids, count in tenths of a second: ten a second."""

MOST_STOPS_PER_HOUR: Final = 3_600
"""Micro-stops while a machine works: one a second."""

TINIEST: Final = 1e-9
"""The least that a number above 0 may be: others are divided by it, and must not become infinite."""

MAX_TOPIC_BYTES: Final = 65_535
"""MQTT 5, 1.5.4: a UTF-8 string's length is two bytes."""


class Spec(BaseModel):
    """A part of the YAML: no unknown keys, no types but those asked for, no change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def described(**keywords: object) -> FieldInfo:
    """Annotate a type with JSON Schema keywords for what its validators check; they must refuse nothing more."""
    info: FieldInfo = Field(json_schema_extra=keywords)  # type: ignore[arg-type]
    return info


_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


def placeholders(template: str) -> Iterator[str]:
    """The names in braces; ValueError where a brace is alone or a pair holds more than a name."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise ValueError(f"has a brace without its partner: {cut(template)}") from None
    for _, name, spec, conversion in parts:
        if name is not None:
            if spec or conversion or not name.isidentifier():
                raise ValueError(f"must have a name alone in its braces, got {cut(template)}")
            yield name


_Complaint = Callable[[str], str | None]
"""What is wrong with a text, or None."""


def _obeys(*rules: _Complaint) -> AfterValidator:
    """A validator that names all that is wrong with a text, not the first thing only."""

    def check(text: str) -> str:
        if wrong := list(filter(None, (rule(text) for rule in rules))):
            raise ValueError("; ".join(wrong))
        return text

    return AfterValidator(check)


def _holds(characters: str, what: str) -> _Complaint:
    def complaint(text: str) -> str | None:
        found = " ".join(sorted(set(characters) & set(text)))
        return f"must not hold {what} {found}" if found else None

    return complaint


def _fills(*names: str) -> _Complaint:
    allowed = " ".join(f"{{{name}}}" for name in names)

    def complaint(template: str) -> str | None:
        try:
            strange = [f"{{{name}}}" for name in placeholders(template) if name not in names]
        except ValueError as error:
            return str(error)
        return f"takes only {allowed} in braces, got {' '.join(strange)}" if strange else None

    return complaint


def _controls(text: str) -> str | None:
    return f"must not hold control characters, got {shown(text)}" if _CONTROL.search(text) else None


def _reserved(topic: str) -> str | None:
    return "must not start with $, which brokers keep for themselves" if topic.startswith("$") else None


def _empty_level(topic: str) -> str | None:
    """MQTT 5, 4.7.1.1 allows them; here they are a slip."""
    return "must not have an empty level: no / at either end, none doubled" if "" in topic.split("/") else None


def _too_long(topic: str) -> str | None:
    return f"must have at most {MAX_TOPIC_BYTES:,} bytes" if len(topic.encode()) > MAX_TOPIC_BYTES else None


def _not_tiny(weight: float) -> float:
    if 0 < weight < TINIEST:  # smaller ones would vanish when divided by a sum or a dwell
        raise ValueError(f"must be 0 or at least {TINIEST}, got {weight}")
    return weight


def _not_too_small(number: float) -> float:
    if number < TINIEST:
        raise ValueError(f"must be at least {TINIEST}, got {number}")
    return number


def _some_weight(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise ValueError("needs at least one entry greater than 0")
    return weights


def _tuple(value: object) -> object:
    """Strict validation takes no list for a tuple; frozen models hold tuples."""
    return tuple(value) if isinstance(value, list) else value


def _range_of_one(value: object) -> object:
    """A number of seconds is a range whose ends are the same."""
    if isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number of seconds or [shortest, longest], got {shown(value)}")  # noqa: TRY004
    if not SHORTEST_JOB_SECONDS <= value <= YEAR_SECONDS:
        raise ValueError(f"must be {SHORTEST_JOB_SECONDS:g} to {YEAR_SECONDS:,.0f}, got {shown(value)}")
    return (value, value)


def _some(names: tuple[T, ...]) -> tuple[T, ...]:
    if not names:
        raise ValueError("needs at least one entry")
    return names


def _low_high(pair: tuple[N, N]) -> tuple[N, N]:
    low, high = pair
    if low > high:
        raise ValueError(f"must be [low, high] with low <= high, got [{low:g}, {high:g}]")
    return pair


_one_level = _holds("/+#", "the topic syntax")  # a station may become a level of a topic (MQTT 5, 4.7.1)


def _whole_or_text(value: object) -> object:
    """Lines and stations are often numbers; they are used as names."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"must be a whole number or text, got {shown(value)}")  # noqa: TRY004  pydantic's word
    return str(value)


_FILLED: Final = {"minItems": 1, "uniqueItems": True}
_ONE_LEVEL: Final = "^[^/+#]*$"


def _filled(characters: str, names: str) -> str:
    """Give a regular expression for a template of other characters than these, over names in braces."""
    return rf"([^{{}}{characters}]|\{{\{{|\}}\}}|\{{({names})\}})*$"


Several = Annotated[tuple[T, ...], BeforeValidator(_tuple)]
Some = Annotated[tuple[T, ...], BeforeValidator(_tuple), AfterValidator(_some), described(minItems=1)]
Name = Annotated[str, Field(min_length=1, max_length=200), _obeys(_controls)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_tuple), AfterValidator(_some), described(**_FILLED)]
Line = Annotated[
    Name,
    _obeys(_one_level),
    BeforeValidator(_whole_or_text),
    described(type=["integer", "string"], pattern=_ONE_LEVEL),
]
Lines = Annotated[tuple[Line, ...], BeforeValidator(_tuple), AfterValidator(_some), described(**_FILLED)]
StationPattern = Annotated[
    Name, _obeys(_one_level, _fills("line", "station")), described(pattern="^" + _filled("/+#", "line|station"))
]
Topic = Annotated[
    str,
    Field(min_length=1),
    _obeys(
        *(_controls, _reserved, _holds("+#", "the wildcards"), _empty_level, _too_long),
        _fills("prefix", "type", "machine_id", "station_id"),
    ),
    described(pattern=r"^(?!\$|/)(?!.*//)(?!.*/$)" + _filled("+#", "prefix|type|machine_id|station_id")),
]

Weight = Annotated[float, Field(ge=0, le=1e9), AfterValidator(_not_tiny)]
Weights = Annotated[dict[Name, Weight], AfterValidator(_some_weight), described(minProperties=1)]
Seconds = Annotated[float, Field(gt=0, le=YEAR_SECONDS), AfterValidator(_not_too_small)]
PeriodSeconds = Annotated[float, Field(ge=SHORTEST_PERIOD_SECONDS, le=YEAR_SECONDS)]
JobSeconds = Annotated[float, Field(ge=SHORTEST_JOB_SECONDS, le=YEAR_SECONDS)]
JobSecondsRange = Annotated[tuple[JobSeconds, JobSeconds], BeforeValidator(_tuple), AfterValidator(_low_high)]
_JOB_SECONDS: Final = {"type": "number", "minimum": SHORTEST_JOB_SECONDS, "maximum": YEAR_SECONDS}
JobSecondsOrRange = Annotated[
    tuple[JobSeconds, JobSeconds],
    BeforeValidator(_range_of_one),
    AfterValidator(_low_high),
    WithJsonSchema({"anyOf": [_JOB_SECONDS, {"type": "array", "items": _JOB_SECONDS, "minItems": 2, "maxItems": 2}]}),
]
Rate = Annotated[float, Field(gt=0, le=1e9), AfterValidator(_not_too_small)]
Increment = Annotated[float, Field(gt=0, le=1), AfterValidator(_not_too_small)]
StopsPerHour = Annotated[float, Field(ge=0, le=MOST_STOPS_PER_HOUR), AfterValidator(_not_tiny)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=1, le=100)]
FactorRange = Annotated[tuple[Factor, Factor], BeforeValidator(_tuple), AfterValidator(_low_high)]
HowMany = Annotated[int, Field(ge=1, le=1_000_000)]
HowManyRange = Annotated[tuple[HowMany, HowMany], BeforeValidator(_tuple), AfterValidator(_low_high)]
MachineCount = Annotated[int, Field(ge=0, le=1_000_000)]
EventsPerHour = Annotated[float, Field(ge=0, le=MOST_EVENTS_PER_HOUR), AfterValidator(_not_tiny)]
