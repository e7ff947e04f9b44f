"""The keys of what makes jobs differ: kinds, lots, stops, and the machines themselves."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, WithJsonSchema

from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import (
    YEAR_SECONDS,
    CountRange,
    JobSecondsOrRange,
    Name,
    Names,
    Spec,
    Weight,
    as_pair,
    low_high,
    not_all_zero,
)
from plant.definition.jobs.variation import DEFAULT


class CycleFactor(Spec):
    """By how much cycles differ."""

    times: Annotated[float, Field(ge=0.1, le=100)] = Field(
        description="Factor of the cycle, which never gets shorter than the shortest one that is declared."
    )


class WeightFactor(Spec):
    """By how much the weight of a result differs."""

    times: Annotated[float, Field(ge=0, le=1000)] = Field(description="Factor of the weight of the result.")


_NAMES: Final = TypeAdapter(dict[Name, bool]).json_schema()["propertyNames"]
ResultFactors = Annotated[
    dict[Name, WeightFactor],
    WithJsonSchema(
        {"type": "object", "propertyNames": _NAMES, "additionalProperties": WeightFactor.model_json_schema()}
    ),
]


class KindEntry(Spec):
    """A kind of jobs."""

    weight: Weight = Field(1.0, description="Share of jobs, or of lots, of this kind, relative to the others.")
    cycle_seconds: JobSecondsOrRange | None = Field(
        None, description="Seconds of producing that a job of this kind takes [those of all jobs]."
    )
    results: ResultFactors | None = Field(
        None, description="What is different for results of this kind: `{scrap: {times: 2}}`."
    )


def _kinds(value: object) -> object:
    """Return kinds as mappings: those of a list are equal, and a number is a weight."""
    if isinstance(value, list | tuple):
        if strange := [each for each in value if not isinstance(each, str)]:
            raise ValueError(f"must be names, got {describe_value(strange[0])}")
        return {name: {"weight": 1.0} for name in value}
    return value


def _kind(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | dict | KindEntry):
        raise ValueError(f"must be a weight or a mapping, got {describe_value(value)}")  # noqa: TRY004  pydantic expects ValueError
    return {"weight": float(value)} if isinstance(value, int | float) else value


def _some_kind(kinds: dict[str, KindEntry]) -> dict[str, KindEntry]:
    not_all_zero({name: kind.weight for name, kind in kinds.items()})
    return kinds


_KIND_SCHEMA: Final[dict[str, Any]] = {"anyOf": [{"type": "number", "minimum": 0}, KindEntry.model_json_schema()]}
_KINDS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        TypeAdapter(Names).json_schema(),
        {"type": "object", "minProperties": 1, "propertyNames": _NAMES, "additionalProperties": _KIND_SCHEMA},
    ]
}
Kinds = Annotated[
    dict[Name, Annotated[KindEntry, BeforeValidator(_kind)]],
    BeforeValidator(_kinds),
    AfterValidator(_some_kind),
    WithJsonSchema(_KINDS_SCHEMA),
]


_MOST_JOBS: Final = 1_000_000


def _size(value: object) -> object:
    """Return a number of jobs as a range from it to it."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number or [fewest, most], got {describe_value(value)}")  # noqa: TRY004
    if not 1 <= value <= _MOST_JOBS:
        raise ValueError(f"must be 1 to {_MOST_JOBS:,}, got {value:,}")
    return (value, value)


def _changeovers(value: object) -> object:
    """Return seconds without a pair of kinds as those of all pairs."""
    return value if isinstance(value, dict) else {DEFAULT: value}


_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": _MOST_JOBS}
_SECONDS: Final = TypeAdapter(JobSecondsOrRange).json_schema()
LotSize = Annotated[
    CountRange,
    BeforeValidator(_size),
    WithJsonSchema({"anyOf": [_COUNT, {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}]}),
]
Changeovers = Annotated[
    dict[Name, JobSecondsOrRange],
    BeforeValidator(_changeovers),
    WithJsonSchema({"anyOf": [*_SECONDS["anyOf"], {"type": "object", "additionalProperties": _SECONDS}]}),
]


class LotsEntry(Spec):
    """Jobs of one kind follow each other for a lot."""

    size: LotSize | None = Field(None, description="Jobs of a lot: a number, or [fewest, most] [1].")
    changeover_seconds: Changeovers | None = Field(
        None,
        description="Seconds in the state `changeover` between lots of different kinds: a number, [shortest, longest],"
        " or by pair of kinds such as `a>b`, with `default` for all others [none].",
    )
    per_order: LotSize | None = Field(
        None, description="Lots of an order, all of one kind: a number, or [fewest, most] [1]."
    )


class StartUpEntry(Spec):
    """How the first jobs after a stop differ."""

    after_stop_seconds: Annotated[float, Field(ge=0.1, le=YEAR_SECONDS)] | None = Field(
        None, description="Least length of such a stop, whatever its states are [600]."
    )
    jobs: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Jobs that differ: the first one fully, each following one less [1]."
    )
    cycle_seconds: CycleFactor | None = Field(
        None, description="What is different for the cycle of the first one: `{times: 1.3}`."
    )
    results: ResultFactors | None = Field(
        None, description="What is different for the results of the first one: `{scrap: {times: 4}}`."
    )


_DELAY: Final = {"type": "number", "minimum": 0, "maximum": YEAR_SECONDS}
Delay = Annotated[float, Field(ge=0, le=YEAR_SECONDS)]
DelayRange = Annotated[
    tuple[Delay, Delay],
    BeforeValidator(as_pair),
    AfterValidator(low_high),
    WithJsonSchema({"type": "array", "items": _DELAY, "minItems": 2, "maxItems": 2}),
]


class ShiftEntry(Spec):
    """What is different in a shift."""

    cycle_seconds: CycleFactor | None = Field(
        None, description="What is different for the cycle of jobs that start in it: `{times: 1.05}`."
    )
    results: ResultFactors | None = Field(
        None, description="What is different for the results of jobs that start in it: `{scrap: {times: 1.2}}`."
    )


Deviation = Annotated[float, Field(ge=0, le=1)]


class SpreadEntry(Spec):
    """How machines differ: the standard deviation of factors with the mean 1 that each machine has for itself."""

    shares: Deviation | None = Field(
        None, description="Relative standard deviation of the share of each state that does not produce: 0 to 1 [0]."
    )
    cycle_seconds: Deviation | None = Field(
        None, description="The same of the cycle, which never gets shorter than the shortest one [0]."
    )
    results: Deviation | None = Field(
        None, description="The same of the weight of each result that does not count as good [0]."
    )


class OperatorSpread(Spec):
    """How operators differ."""

    cycle_seconds: Deviation | None = Field(None, description="As for `spread`, of the factor of an operator [0].")
    results: Deviation | None = Field(None, description="As for `spread`, of the factors of an operator [0].")


class OperatorsEntry(Spec):
    """Who works at the machines."""

    names: Names | None = Field(
        None, description="Names of the operators, of whom one is drawn for each machine and shift."
    )
    spread: OperatorSpread | None = Field(None, description="How they differ from each other, at all machines alike.")
