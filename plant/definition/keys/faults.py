"""The keys of faults, of sensor faults and of wear."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import YEAR_SECONDS, JobSecondsOrRange, ListOf, Name, Share, Spec
from plant.definition.signals.signal_spec import Number

GREATEST_SEVERITY: Final = 5.0
"""The greatest severity: at 1 the effects are as declared, and they grow in proportion to it."""

_LEAST_SEVERITY: Final = 0.01
_HOUR_SECONDS: Final = 3600.0


def _pair(low: float, high: float) -> Callable[[object], object]:
    """Return what makes a range of a number, from it to it."""

    def pair(value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number or [least, greatest], got {describe_value(value)}")  # noqa: TRY004
        if not low <= value <= high:
            raise ValueError(f"must be {low:g} to {high:,.10g}, got {describe_value(value)}")
        return (value, value)

    return pair


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"must be [low, high] with low <= high, got [{pair[0]:g}, {pair[1]:g}]")
    return pair


def _list(value: object) -> object:
    """Return one mapping as a list of it."""
    if not isinstance(value, dict | Spec | list | tuple):
        raise ValueError(f"must be a mapping or a list of mappings, got {describe_value(value)}")  # noqa: TRY004
    return (value,) if isinstance(value, dict | Spec) else value


def _moment(value: object) -> object:
    """Return a moment as milliseconds since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"must be a time with its offset, such as 2026-01-05T08:00:00Z, got {describe_value(value)}")
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _or_range(number: dict[str, object]) -> WithJsonSchema:
    return WithJsonSchema(
        {"anyOf": [number, {"type": "array", "items": number, "minItems": 2, "maxItems": 2}]},
    )


_SEVERITY: Final[dict[str, object]] = {"type": "number", "minimum": _LEAST_SEVERITY, "maximum": GREATEST_SEVERITY}
_AFTER: Final[dict[str, object]] = {"type": "number", "minimum": 0, "maximum": YEAR_SECONDS}

SeverityNumber = Annotated[float, Field(ge=_LEAST_SEVERITY, le=GREATEST_SEVERITY)]
Severity = Annotated[
    tuple[SeverityNumber, SeverityNumber],
    BeforeValidator(_pair(_LEAST_SEVERITY, GREATEST_SEVERITY)),
    AfterValidator(_ascending),
    _or_range(_SEVERITY),
]
AfterSeconds = Annotated[float, Field(ge=0, le=YEAR_SECONDS)]
AfterRange = Annotated[
    tuple[AfterSeconds, AfterSeconds],
    BeforeValidator(_pair(0, YEAR_SECONDS)),
    AfterValidator(_ascending),
    _or_range(_AFTER),
]
Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Hours = Annotated[float, Field(ge=0.001, le=YEAR_SECONDS / _HOUR_SECONDS)]
Factor = Annotated[float, Field(ge=0, le=1000)]


class EffectEntry(Spec):
    """What a fault does to a number, at severity 1."""

    times: Factor | None = Field(None, description="Factor: 4 makes four times as much of it, 0.5 half.")
    plus: Number | None = Field(None, description="What is added, in the unit of the signal; signals only.")


EFFECT_SCHEMA: Final = EffectEntry.model_json_schema()
Effects = Annotated[
    dict[Name, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [EFFECT_SCHEMA, {"type": "object", "additionalProperties": EFFECT_SCHEMA}],
            },
        }
    ),
]
"""Each effect is read by plant.definition.faults, which knows what may be affected."""


class OnsetEntry(Spec):
    """How a fault begins."""

    ramp_seconds: Annotated[float, Field(ge=0, le=YEAR_SECONDS)] = Field(
        description="Time in which its effects grow from none to all of them."
    )


def _onset(value: object) -> object:
    if value != "step" and not isinstance(value, dict | Spec):
        raise ValueError(f"must be step, or a mapping with ramp_seconds, got {describe_value(value)}")
    return {"ramp_seconds": 0.0} if value == "step" else value


Onset = Annotated[
    OnsetEntry,
    BeforeValidator(_onset),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": ["step"]}, OnsetEntry.model_json_schema()]}),
]


class ConsequenceEntry(Spec):
    """What a fault, or wear, leads to: a state of the machine, or another fault."""

    state: Name | None = Field(None, description="A state that the machine enters.")
    fault: Name | None = Field(None, description="A fault that begins, in place of `state`.")
    spreads_to: Literal["downstream", "upstream", "neighbours"] | None = Field(
        None,
        description="Where the fault begins: on a machine of each type that takes its pieces, or whose pieces it takes "
        "(`flow`), or on its `neighbours` [the machine itself].",
    )
    after_seconds: AfterRange | None = Field(
        None, description="Time from the begin of the cause: a number, or [shortest, longest] [0]."
    )
    at: Annotated[float, Field(gt=0, le=10)] | None = Field(
        None, description="Of wear only, in place of `after_seconds`: the wear at which it happens [1]."
    )
    chance: Share | None = Field(None, description="How often it happens: 0 to 1 [1].")
    severity: Severity | None = Field(
        None, description="Severity of the fault that begins [that of the cause; 1 for wear]."
    )


class ScheduledEntry(Spec):
    """An episode of a fault at a certain time."""

    at: Moment | None = Field(None, description="When it begins, such as 2026-01-05T08:00:00Z.")
    after_seconds: AfterSeconds | None = Field(
        None, description="When it begins, counted from the start of the run, in place of `at`."
    )
    machine: Name | None = Field(None, description="Id of the machine [all machines of the type].")
    severity: SeverityNumber | None = Field(None, description="Severity of this episode [drawn].")
    duration_seconds: Annotated[float, Field(ge=0.001, le=YEAR_SECONDS)] | None = Field(
        None, description="How long this episode lasts [drawn]."
    )


def _one_or_list(model: type[Spec]) -> WithJsonSchema:
    one = model.model_json_schema()
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one}]})


Consequences = Annotated[ListOf[ConsequenceEntry], BeforeValidator(_list), _one_or_list(ConsequenceEntry)]
Schedule = Annotated[ListOf[ScheduledEntry], BeforeValidator(_list), _one_or_list(ScheduledEntry)]


class EpisodesEntry(Spec):
    """When episodes of a fault come, and how long they last."""

    every_hours: Hours | None = Field(
        None,
        description="Mean time from the end of one episode to the next, in hours of producing; of sensor faults, in "
        "hours. Without it by `schedule`, as a consequence, by command, or by `global.fault_chance_per_day`.",
    )
    schedule: Schedule | None = Field(None, description="Episodes at certain times.")
    duration_seconds: JobSecondsOrRange | None = Field(
        None, description="How long an episode lasts: a number, or [shortest, longest]."
    )
    severity: Severity | None = Field(
        None, description="Severity of an episode: a number, or [least, greatest], 0.01 to 5 [1]."
    )
    description: Annotated[str, Field(max_length=500)] | None = Field(None, description="What happens, in words.")


class FaultEntry(EpisodesEntry):
    """A fault of a machine: a cause, whose effects follow its severity."""

    until: Name | None = Field(
        None, description="State whose end ends the fault, such as a repair, in place of or before `duration_seconds`."
    )
    onset: Onset | None = Field(None, description="How it begins: `step`, or a mapping with `ramp_seconds` [step].")
    effects: Effects | None = Field(
        None,
        description="What it changes: signals by name, `cycle_seconds`, `results`, and `dwell_seconds` by state.",
    )
    leads_to: Consequences | None = Field(None, description="What follows from it: one mapping or a list.")


class SensorFaultEntry(EpisodesEntry):
    """A fault of a sensor: the signal is reported otherwise than it is."""

    per_hour: Number | None = Field(None, description="Of `drift`: change of the reported value in an hour.")
    amplitude: Number | None = Field(None, description="Of `spike`: what is added to the value.")
    chance: Share | None = Field(None, description="Of `spike`: how many messages have one: 0 to 1 [0.05].")


SensorFaults = dict[Name, dict[Literal["stuck", "spike", "drift", "dropout"], SensorFaultEntry]]


class WearEntry(Spec):
    """Wear: it grows from 0 with the time of producing, to 1 after the life of what wears, and beyond."""

    life_hours: Hours = Field(description="Hours of producing in which wear grows from 0 to 1.")
    resets: Name = Field(description="State whose end sets it back to 0, such as maintenance.")
    effects: Effects | None = Field(None, description="What it changes at 1, as for a fault.")
    leads_to: Consequences | None = Field(None, description="What follows at a certain wear: one mapping or a list.")
    label_from: Share | None = Field(None, description="The wear from which on it is labelled, until its reset [0.8].")
    description: Annotated[str, Field(max_length=500)] | None = Field(None, description="What wears, in words.")
