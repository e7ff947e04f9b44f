"""The types of values in a plant's YAML, each with its own rule."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from string import Formatter
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from plant.definition.document.errors import describe_value, quote

T = TypeVar("T")
N = TypeVar("N", int, float)

YEAR_SECONDS: Final = 31_536_000.0
"""The longest time that is accepted, 365 days."""

SHORTEST_JOB_SECONDS: Final = 0.1
"""Job ids count from the start of the run in tenths of a second, so no machine may finish jobs faster."""

MOST_NAME_CHARACTERS: Final = 200

SHORTEST_PERIOD_SECONDS: Final = 0.001
"""Plant time is whole milliseconds."""

MOST_EVENTS_PER_HOUR: Final = 36_000
"""Order ids, like job ids, count in tenths of a second: ten a second."""

MOST_STOPS_PER_HOUR: Final = 3_600
"""Micro-stops while a machine works: one a second."""

SMALLEST: Final = 1e-9
"""The least number above 0: it is used as a divisor, and no result may become infinite."""

MAX_TOPIC_BYTES: Final = 65_535
"""MQTT 5, 1.5.4: a UTF-8 string's length is two bytes."""


class Spec(BaseModel):
    """A mapping in the YAML: no unknown keys, no conversion of types, immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def described(**keywords: object) -> FieldInfo:
    """Annotate a type with JSON Schema keywords, which must not reject more than its validators do."""
    info: FieldInfo = Field(json_schema_extra=keywords)  # type: ignore[arg-type]
    return info


_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


NUMBER: Final = "number"
NUMBER_FORM: Final = "0[1-9][0-9]?d"
"""The number of a machine in a template, and how it may be padded: {number}, or {number:02d}."""


def placeholders(template: str, *, numbered: bool = False) -> Iterator[str]:
    """Yield the names in braces; ValueError if a brace is unmatched, or there is more than a name in braces.

    numbered: {number:02d} is allowed, too.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise ValueError(f"has an unmatched brace: {quote(template)}") from None
    for _, name, spec, conversion in parts:
        if numbered and name == NUMBER and spec and re.fullmatch(NUMBER_FORM, spec) and not conversion:
            yield name
        elif name is not None:
            if spec or conversion or not name.isidentifier():
                raise ValueError(f"must have only a name in braces, got {quote(template)}")
            yield name


_Check = Callable[[str], str | None]
"""Returns the rule that a text breaks, or None."""


def passes(*rules: _Check) -> AfterValidator:
    """Return a validator that reports every broken rule of a text, not only the first."""

    def check(text: str) -> str:
        if wrong := list(filter(None, (rule(text) for rule in rules))):
            raise ValueError("; ".join(wrong))
        return text

    return AfterValidator(check)


def _without(characters: str, what: str) -> _Check:
    def check(text: str) -> str | None:
        found = " ".join(sorted(set(characters) & set(text)))
        return f"must not contain {what} {found}" if found else None

    return check


def only_placeholders(*names: str) -> _Check:
    """Return a rule about the names in the braces of a template."""
    allowed = " ".join(f"{{{name}}}" for name in names)

    def check(template: str) -> str | None:
        try:
            found = placeholders(template, numbered=NUMBER in names)
            strange = [f"{{{name}}}" for name in found if name not in names]
        except ValueError as error:
            return str(error)
        return f"may have only {allowed} in braces, got {' '.join(strange)}" if strange else None

    return check


def _no_control_characters(text: str) -> str | None:
    return f"must not contain control characters, got {describe_value(text)}" if _CONTROL.search(text) else None


def _no_dollar(topic: str) -> str | None:
    return "must not start with $, which is reserved for the broker" if topic.startswith("$") else None


def _no_empty_level(topic: str) -> str | None:
    """Reject empty levels, which MQTT 5, 4.7.1.1 allows, but which are a mistake here."""
    return "must not have an empty level: no / at either end, and no //" if "" in topic.split("/") else None


def _fits_topic_length(topic: str) -> str | None:
    return f"must have at most {MAX_TOPIC_BYTES:,} bytes" if len(topic.encode()) > MAX_TOPIC_BYTES else None


def _zero_or_not_tiny(weight: float) -> float:
    if 0 < weight < SMALLEST:  # smaller ones would vanish when divided by a sum or a dwell
        raise ValueError(f"must be 0 or at least {SMALLEST}, got {weight}")
    return weight


def _not_too_small(number: float) -> float:
    if number < SMALLEST:
        raise ValueError(f"must be at least {SMALLEST}, got {number}")
    return number


def constant_rule(value: object) -> str | None:
    """Return the rule that a constant in messages breaks, if any: what every consumer can read (RFC 8259, 6)."""
    if isinstance(value, str | bool):
        return None
    if not isinstance(value, int | float):
        return f"must be text, a number, true or false, got {describe_value(value)}"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"must be a whole number of at most 64 bits, got {describe_value(value)}"
    return None if math.isfinite(value) else f"must be a finite number, got {describe_value(value)}"


def key_rule(key: str) -> str | None:
    """Return the rule that a key of messages breaks, if any."""
    if not 0 < len(key) <= MOST_NAME_CHARACTERS:
        return f"must have 1 to {MOST_NAME_CHARACTERS} characters"
    return _no_control_characters(key)


def _constant(value: object) -> object:
    if rule := constant_rule(value):
        raise ValueError(rule)
    return value


def not_all_zero(weights: dict[str, float]) -> dict[str, float]:
    """Return the weights; raise ValueError if none is greater than 0."""
    if not any(weights.values()):
        raise ValueError("needs at least one entry greater than 0")
    return weights


def _tuple(value: object) -> object:
    """Convert a list: frozen models have tuples, and strict validation accepts no list for a tuple."""
    return tuple(value) if isinstance(value, list) else value


def as_pair(value: object) -> object:
    """Convert a list as for any tuple; of anything else, the error shows the form of a range."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be [low, high], got {describe_value(value)}")  # noqa: TRY004
    return tuple(value)


def _number_as_range(value: object) -> object:
    """Return a number of seconds as a range from it to it."""
    if isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number of seconds or [shortest, longest], got {describe_value(value)}")  # noqa: TRY004
    if not SHORTEST_JOB_SECONDS <= value <= YEAR_SECONDS:
        raise ValueError(f"must be {SHORTEST_JOB_SECONDS:g} to {YEAR_SECONDS:,.0f}, got {describe_value(value)}")
    return (value, value)


def _not_empty(names: tuple[T, ...]) -> tuple[T, ...]:
    if not names:
        raise ValueError("needs at least one entry")
    return names


def low_high(pair: tuple[N, N]) -> tuple[N, N]:
    """Return the ends of a range; raise ValueError if the first one is the greater one."""
    low, high = pair
    if low > high:
        raise ValueError(f"must be [low, high] with low <= high, got [{low:g}, {high:g}]")
    return pair


_one_level = _without("/+#", "the topic characters")  # a station may become a level of a topic (MQTT 5, 4.7.1)


def _as_text(value: object) -> object:
    """Return a line or station as text; they are often written as numbers, but used as names."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"must be a whole number or text, got {describe_value(value)}")  # noqa: TRY004  pydantic expects ValueError
    return str(value)


_UNIQUE_ITEMS: Final = {"minItems": 1, "uniqueItems": True}
_ONE_LEVEL: Final = "^[^/+#]*$"


def _template_pattern(characters: str, names: str) -> str:
    """Return a regular expression for a template without these characters, with names in braces."""
    return rf"([^{{}}{characters}]|\{{\{{|\}}\}}|\{{({names})\}})*$"


ListOf = Annotated[tuple[T, ...], BeforeValidator(_tuple)]
NonEmptyListOf = Annotated[tuple[T, ...], BeforeValidator(_tuple), AfterValidator(_not_empty), described(minItems=1)]
Name = Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARACTERS), passes(_no_control_characters)]
Constant = Annotated[str | int | float | bool, BeforeValidator(_constant)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_tuple), AfterValidator(_not_empty), described(**_UNIQUE_ITEMS)]
Line = Annotated[
    Name,
    passes(_one_level),
    BeforeValidator(_as_text),
    described(type=["integer", "string"], pattern=_ONE_LEVEL),
]
Lines = Annotated[tuple[Line, ...], BeforeValidator(_tuple), AfterValidator(_not_empty), described(**_UNIQUE_ITEMS)]
StationPattern = Annotated[
    Name,
    passes(_one_level, only_placeholders("line", "station")),
    described(pattern="^" + _template_pattern("/+#", "line|station")),
]
_TOPIC_NAMES: Final = ("prefix", "type", "machine_id", "station_id")
TOPIC_RULES: Final = (
    *(_no_control_characters, _no_dollar, _without("+#", "the wildcards"), _no_empty_level, _fits_topic_length),
)
NO_EMPTY_LEVEL: Final = r"^(?!\$|/)(?!.*//)(?!.*/$)"
_NUMBERED: Final = rf"{NUMBER}(:{NUMBER_FORM})?"
Topic = Annotated[
    str,
    Field(min_length=1),
    passes(*TOPIC_RULES, only_placeholders(*_TOPIC_NAMES)),
    described(pattern=NO_EMPTY_LEVEL + _template_pattern("+#", "|".join(_TOPIC_NAMES))),
]
MachineTopic = Annotated[
    str,
    Field(min_length=1),
    passes(*TOPIC_RULES, only_placeholders(*_TOPIC_NAMES, NUMBER)),
    described(pattern=NO_EMPTY_LEVEL + _template_pattern("+#", "|".join((*_TOPIC_NAMES, _NUMBERED)))),
]
ClassTopic = Annotated[
    str,
    Field(min_length=1),
    passes(*TOPIC_RULES, only_placeholders(*_TOPIC_NAMES, NUMBER, "class")),
    described(pattern=NO_EMPTY_LEVEL + _template_pattern("+#", "|".join((*_TOPIC_NAMES, _NUMBERED, "class")))),
]

Weight = Annotated[float, Field(ge=0, le=1e9), AfterValidator(_zero_or_not_tiny)]
Weights = Annotated[dict[Name, Weight], AfterValidator(not_all_zero), described(minProperties=1)]
Seconds = Annotated[float, Field(gt=0, le=YEAR_SECONDS), AfterValidator(_not_too_small)]
PeriodSeconds = Annotated[float, Field(ge=SHORTEST_PERIOD_SECONDS, le=YEAR_SECONDS)]
JobSeconds = Annotated[float, Field(ge=SHORTEST_JOB_SECONDS, le=YEAR_SECONDS)]
JobSecondsRange = Annotated[tuple[JobSeconds, JobSeconds], BeforeValidator(as_pair), AfterValidator(low_high)]
_JOB_SECONDS: Final = {"type": "number", "minimum": SHORTEST_JOB_SECONDS, "maximum": YEAR_SECONDS}
JobSecondsOrRange = Annotated[
    tuple[JobSeconds, JobSeconds],
    BeforeValidator(_number_as_range),
    AfterValidator(low_high),
    WithJsonSchema({"anyOf": [_JOB_SECONDS, {"type": "array", "items": _JOB_SECONDS, "minItems": 2, "maxItems": 2}]}),
]
Rate = Annotated[float, Field(gt=0, le=1e9), AfterValidator(_not_too_small)]
Increment = Annotated[float, Field(gt=0, le=1), AfterValidator(_not_too_small)]
StopsPerHour = Annotated[float, Field(ge=0, le=MOST_STOPS_PER_HOUR), AfterValidator(_zero_or_not_tiny)]
Share = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[float, Field(ge=0, le=1), AfterValidator(_zero_or_not_tiny)]
Factor = Annotated[float, Field(ge=1, le=100)]
FactorRange = Annotated[tuple[Factor, Factor], BeforeValidator(as_pair), AfterValidator(low_high)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountRange = Annotated[tuple[Count, Count], BeforeValidator(as_pair), AfterValidator(low_high)]
MachineCount = Annotated[int, Field(ge=0, le=1_000_000)]
EventsPerHour = Annotated[float, Field(ge=0, le=MOST_EVENTS_PER_HOUR), AfterValidator(_zero_or_not_tiny)]
