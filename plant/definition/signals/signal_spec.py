"""The models of signals: what a machine measures, counts or is set to, as a value at any moment.

A signal has at most one source, one of SOURCES. It is the sum of it and of its other parts, times the machine's own
factor, within limits, rounded; or it is text.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_serializer

from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import Name, NonEmptyListOf, PeriodSeconds, Seconds, Spec, Weights, described
from plant.definition.document.weekly_windows import Window, format_minutes

GREATEST: Final = 1e12
"""The greatest magnitude of a number in the declaration of a signal."""

MOST_DECIMALS: Final = 6
DEFAULT_DECIMALS: Final = 2
OTHERWISE: Final = "else"
"""The key for all states that a mapping by state does not name."""

SOURCES: Final = (
    "base",
    "set_point",
    "formula",
    "output",
    "integral_of",
    "counter",
    "binomial",
    "timetable",
    "calendar",
    "switches",
    "on_share_of",
    "change_of",
    "choice",
    "texts",
    "text",
)
"""The keys of which a signal has one at most: what its value begins with."""
TEXTS: Final = ("choice", "texts", "text")
"""The sources of signals that are text, or true or false: nothing can be calculated with them."""

FLAGS: Final = ("true", "false")
"""The keys of `texts` that stand for JSON's booleans."""


def _as_mapping(value: object) -> object:
    """Return a number as a mapping by state that has it for all states."""
    if isinstance(value, dict):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number or numbers by state, got {describe_value(value)}")  # noqa: TRY004  pydantic expects ValueError
    return {OTHERWISE: value}


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _flags_as_text(value: object) -> object:
    """Return a mapping with the keys true and false as text, as a plant's file is read."""
    if not isinstance(value, dict):
        return value
    return {str(key).lower() if isinstance(key, bool) else key: each for key, each in value.items()}


def _not_empty(texts: dict[str, str]) -> dict[str, str]:
    if not texts:
        raise ValueError("needs at least one entry")
    return texts


def _chance(value: object) -> object:
    """Return a chance, or the name of a signal."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"must be a number from 0 to 1 or a signal above, got {describe_value(value)}")
    return float(value)


def _low_below_high(pair: tuple[float, float]) -> tuple[float, float]:
    low, high = pair
    if low >= high:
        raise ValueError(f"must be [low, high] with low < high, got [{low:g}, {high:g}]")
    return pair


def _by_state_schema(number: dict[str, object]) -> WithJsonSchema:
    by_state = {"type": "object", "additionalProperties": number, "minProperties": 1}
    return WithJsonSchema({"anyOf": [number, by_state]})


Number = Annotated[float, Field(ge=-GREATEST, le=GREATEST)]
Sigma = Annotated[float, Field(ge=0, le=GREATEST)]
ByState = Annotated[
    dict[Name, Number],
    BeforeValidator(_as_mapping),
    _by_state_schema({"type": "number", "minimum": -GREATEST, "maximum": GREATEST}),
]
SigmaByState = Annotated[
    dict[Name, Sigma],
    BeforeValidator(_as_mapping),
    _by_state_schema({"type": "number", "minimum": 0, "maximum": GREATEST}),
]
Range = Annotated[tuple[Number, Number], BeforeValidator(_as_tuple), AfterValidator(_low_below_high)]
Texts = Annotated[
    dict[Name, Annotated[str, Field(min_length=1)]],
    BeforeValidator(_flags_as_text),
    AfterValidator(_not_empty),
    described(minProperties=1),
]
Chances = Annotated[
    float | str,
    BeforeValidator(_chance),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "minLength": 1}]}),
]
Amplitude = Annotated[float, Field(ge=0, le=GREATEST)]
Rate = Annotated[float, Field(gt=0, le=GREATEST)]


class Walk(Spec):
    """A random walk that is drawn back to 0: the Ornstein-Uhlenbeck process."""

    sigma: Sigma = Field(description="Standard deviation in the long run.")
    memory_seconds: PeriodSeconds = Field(
        description="Time after which the correlation with now has fallen to 1/e, from 1 ms to a year."
    )


class Daily(Spec):
    """A sine over the local day of the plant."""

    amplitude: Amplitude = Field(description="Half the difference between the highest and the lowest value of the day.")
    peak_hour: Annotated[float, Field(ge=0, le=24)] = Field(
        description="Local hour of the highest value, such as 15.5."
    )


class Yearly(Spec):
    """A sine over the year."""

    amplitude: Amplitude = Field(description="Half the difference between the highest and lowest value of the year.")
    peak_day: Annotated[float, Field(ge=1, le=366)] = Field(description="Day of the year with the highest value.")


class Ramp(Spec):
    """A value that grows with time since the last reset: wear, fill level."""

    per_hour: Number = Field(description="Change in an hour; below 0 it falls.")
    resets: Name = Field(description="What sets it back to 0: a state, in which it stays 0, or `job` for each new job.")


Formula = Annotated[str, Field(min_length=1)]


class Switches(Spec):
    """Two-position control: the value rises while it is on, and falls while it is off."""

    low: Number = Field(description="Value at which it switches on; within the limits.")
    high: Number = Field(description="Value at which it switches off; within the limits.")
    rises: Formula = Field(description="Formula of the change in a second while it is on; below 0 it falls.")
    falls: Formula = Field(description="Formula of what it loses in a second while it is off.")


class TimetableWindow(Window):
    """A window of local time, with the level in it."""

    value: Number = Field(description="Level in this window.")

    @model_serializer
    def as_written(self) -> dict[str, object]:
        """Return it as it is written in YAML."""
        times = {"start": format_minutes(self.start), "end": format_minutes(self.end)}
        return {"days": [*self.days], **times, "value": self.value}


class Timetable(Spec):
    """A level by local weekday and time of day."""

    times: NonEmptyListOf[TimetableWindow] = Field(
        description="Windows of local time, each with a `value`; of several at a time, the first counts."
    )
    else_: Number = Field(alias="else", description="Level at all other times.")

    @model_serializer
    def as_written(self) -> dict[str, object]:
        """Return it as it is written in YAML."""
        return {"else": self.else_, "times": [each.as_written() for each in self.times]}


class Binomial(Spec):
    """How many of some items have something, such as a defect."""

    of: Name = Field(description="A signal above: the number of items, at most 1,000.")
    chance: Chances = Field(description="Chance of each item, 0 to 1: a number, or a signal above.")


class SignalSpec(Spec):
    """A signal of a machine type, or of the plant."""

    base: ByState | None = Field(
        None,
        description="Level of the signal: a number, or numbers by state, by `state.phase` or by `state.kind` of job, "
        "with `else` for all others.",
    )
    set_point: Number | None = Field(None, description="Level that a command may change, in place of `base`.")
    follows_seconds: Seconds | None = Field(
        None,
        description="Time constant of the first-order lag with which the value follows `base`, `set_point`, `formula` "
        "or `output`, in seconds.",
    )
    slews_per_second: Rate | None = Field(
        None,
        description="The most by which the value changes in a second as it follows `base`, `set_point`, `formula` or "
        "`output`, such as a drive's ramp; in place of `follows_seconds`.",
    )
    formula: str | None = Field(
        None,
        min_length=1,
        description="The value from signals above it, such as `1.732 * voltage * current / 1000`, in place of `base`.",
    )
    output: Name | None = Field(
        None, description="An output of the machine type's `model`, in place of `base`; its inputs are signals above."
    )
    integral_of: Name | None = Field(
        None, description="A signal above it, of which this one is the integral: a register such as an energy meter."
    )
    per_seconds: Seconds | None = Field(
        None,
        description="Seconds in the unit of time of `integral_of`: 3600 for kilowatts to kilowatt-hours; default 1.",
    )
    counter: Name | None = Field(
        None,
        description="What is counted from the start of the machine: `jobs`, `good`, a result of jobs, or "
        "`seconds.STATE`.",
    )
    switches: Switches | None = Field(
        None,
        description="A value that is switched on at one threshold and off at another, with formulas of how fast it "
        "rises and falls: the pressure of a compressor, a thermostat.",
    )
    on_share_of: Name | None = Field(
        None,
        description="A signal with `switches` above it: the share of the time since the last message for which it was "
        "on, 0 to 1.",
    )
    change_of: Name | None = Field(
        None,
        description="A register or counter above it: what it has grown by since the message before, exactly.",
    )
    starts: Number | None = Field(
        None,
        description="Value at the beginning of the machine, of `switches`, and of `formula` or `output` with "
        "`follows_seconds` or `slews_per_second`; default: that of the formula then, for `switches` one between low "
        "and high.",
    )
    starts_on: bool = Field(False, description="true: `switches` begin switched on [false].")
    binomial: Binomial | None = Field(
        None, description="How many of a number of items have something, each with a chance of its own: `of`, `chance`."
    )
    timetable: Timetable | None = Field(
        None, description="Level by weekday and time of day, such as a tariff: `times`, and `else` for all others."
    )
    calendar: Literal["load"] | None = Field(
        None,
        description="In `plant_signals`, with the value `load`: the factor of the calendar's shift that is on, times "
        "that of its day; 0 outside all shifts.",
    )
    choice: Weights | None = Field(None, description="Weight of each text that the signal may be.")
    texts: Texts | None = Field(
        None,
        description="Texts by condition, such as `busy: \"state == 'running'\"`: the first that holds; `else` for the "
        "last. Keys `true` and `false`: JSON's booleans.",
    )
    text: Name | None = Field(
        None, description="A text with a number above it in braces, as it stands in messages: `cycle_{strokes}`."
    )
    every_seconds: PeriodSeconds | None = Field(
        None, description="Seconds after which `choice` is drawn again; without it, for each message."
    )
    walk: Walk | None = Field(None, description="Slow random changes around the level.")
    noise: SigmaByState | None = Field(
        None,
        description="Standard deviation of normal noise, independent at each moment: a number, or numbers by state as "
        "for `base`.",
    )
    uniform: Range | None = Field(None, description="Uniform noise: [low, high].")
    daily: Daily | None = Field(None, description="A sine over the day.")
    yearly: Yearly | None = Field(None, description="A sine over the year.")
    ramp: Ramp | None = Field(None, description="A value that grows with time.")
    spread: Annotated[float, Field(ge=0, le=0.25)] = Field(
        0.0, description="Relative standard deviation of the factor that each machine has for itself: 0 to 0.25."
    )
    limits: Range | None = Field(None, description="[low, high]: values outside are cut.")
    decimals: Annotated[int, Field(ge=0, le=MOST_DECIMALS)] | None = Field(
        None, description="Decimal places in messages, 0 to 6; default 2, for counters 0."
    )
    unit: Annotated[str, Field(min_length=1, max_length=50)] | None = Field(
        None,
        description="Unit in the notation of UCUM, such as Cel, bar, kW.h.",
        json_schema_extra={"examples": ["Cel"]},
    )
    description: Annotated[str, Field(max_length=500)] | None = Field(None, description="What the signal is.")
    shown: bool = Field(True, description="false keeps the signal out of messages; formulas may use it.")

    @property
    def is_text(self) -> bool:
        """Whether it is text, or true or false."""
        return any(getattr(self, source) is not None for source in TEXTS)

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false."""
        return self.texts is not None and self.texts.keys() <= {*FLAGS}

    @property
    def plain(self) -> dict[str, Any]:
        """The keys that are given, as plain data."""
        return self.model_dump(exclude_unset=True, exclude_none=True)

    @property
    def places(self) -> int:
        """Decimal places in messages."""
        if self.decimals is not None:
            return self.decimals
        return 0 if self.counter is not None or self.binomial is not None else DEFAULT_DECIMALS

    @property
    def goes_on(self) -> bool:
        """Whether the value goes on from one regular message to the next, besides registers."""
        follows = self.follows_seconds is not None or self.slews_per_second is not None
        is_followed = self.formula is not None or self.output is not None
        sources = (self.switches, self.on_share_of, self.change_of)
        return (follows and is_followed) or any(each is not None for each in sources)
