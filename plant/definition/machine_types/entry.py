"""An entry of `message_types` that is a machine type: strict, frozen models of its keys.

Every key may be left out, as what an entry extends may have it. Units are in the names; a distribution is a set of
weights, which need not add up to 1.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, create_model

from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import (
    SHORTEST_JOB_SECONDS,
    YEAR_SECONDS,
    ClassTopic,
    Constant,
    CountRange,
    FactorRange,
    Increment,
    JobSecondsOrRange,
    JobSecondsRange,
    Lines,
    ListOf,
    MachineCount,
    Name,
    Names,
    PeriodSeconds,
    Share,
    Spec,
    StationPattern,
    StopsPerHour,
    Topic,
    Weight,
    Weights,
    not_all_zero,
    placeholders,
)
from plant.definition.machine_types.spellings import FORMS, Spelling
from plant.definition.signals.signal_spec import ByState, SigmaByState, SignalSpec

_CLASS_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_MACHINE_ID: Final = re.compile(r"[^{}/+#]*\{number(:0[1-9][0-9]?d)?\}[^{}/+#]*")


def _machine_id(pattern: str) -> str:
    if not _MACHINE_ID.fullmatch(pattern):
        raise ValueError("must have {number}, or {number:02d} for two digits, once; no other braces and no /, + or #")
    return pattern


def _job_id(pattern: str) -> str:
    names = sorted(set(placeholders(pattern)) - {"initials", "kind"})
    if names:
        raise ValueError(f"may have only {{initials}} {{kind}} in braces, got {{{names[0]}}}")
    if pattern[-1:].isdigit() or pattern.endswith("}"):
        raise ValueError("must end in a character that is no digit, as the number follows it")
    return pattern


MachineId = Annotated[Name, AfterValidator(_machine_id)]
JobId = Annotated[Name, AfterValidator(_job_id)]


def _class_name(name: str) -> str:
    if not _CLASS_NAME.fullmatch(name):
        raise ValueError("must have only letters, digits, _ and -, at most 64")
    return name


Fields = ListOf[Any]
Qos = Annotated[int, Field(ge=0, le=1)]
TimestampForm = Literal["rfc3339", "rfc3339_s", "epoch_ms", "epoch_s"]
ClassName = Annotated[str, AfterValidator(_class_name)]
_FIELDS: Final = "Keys of the messages in order: a name, {key: name}, or {key: {...}} for an object [all]."
_QOS: Final = "Quality of service of the messages, 0 or 1 [MQTT_QOS]."
_RETAIN: Final = "true: the broker keeps the last message of each topic for new subscribers [false]."
_TIMESTAMP: Final = (
    "Form of the timestamp: rfc3339, rfc3339_s (in whole seconds), epoch_ms (a whole number) or epoch_s (a number)"
    " [rfc3339]."
)


RepairHours = Annotated[float, Field(ge=0.001, le=YEAR_SECONDS / 3600)]
RepairMinutes = Annotated[float, Field(ge=SHORTEST_JOB_SECONDS / 6, le=YEAR_SECONDS / 60)]


class StateEntry(Spec):
    """A state of a machine."""

    share: Weight | None = Field(
        None, description="Share of time in the long run, relative to the other states; they need not add up to 1."
    )
    dwell_seconds: JobSecondsOrRange | None = Field(
        None,
        description="Mean length of a stay in seconds, or [shortest, longest] of a uniform distribution [by name of "
        "state].",
    )
    produces: bool | None = Field(None, description="true: jobs advance in this state. One state at most.")
    planned: bool | None = Field(
        None,
        description="true: its time is no planned working time, as that of a planned stop [false]. "
        "Not in the state that produces.",
    )
    distribution: Literal["exponential", "weibull", "lognormal", "uniform", "fixed"] | None = Field(
        None,
        description="Distribution of the stays: exponential, weibull with `shape`, lognormal with `sigma`, uniform "
        "over the range in dwell_seconds, or fixed [exponential; uniform for a range].",
    )
    shape: Annotated[float, Field(ge=0.5, le=20)] | None = Field(
        None, description="Shape of the Weibull distribution: above 1 stays are alike, below 1 they differ more [1]."
    )
    sigma: Annotated[float, Field(ge=0.01, le=3)] | None = Field(
        None, description="Standard deviation of the logarithm of stays of a lognormal distribution [1]."
    )
    mtbf_hours: RepairHours | None = Field(
        None, description="Mean producing time between two stays in hours, with mttr_minutes in place of `share`."
    )
    mttr_minutes: RepairMinutes | None = Field(
        None, description="Mean length of a stay in minutes, with mtbf_hours in place of `share` and `dwell_seconds`."
    )


class ResultEntry(Spec):
    """A result of jobs. weight: its share, relative to the other results."""

    weight: Weight = Field(description="Share of jobs with this result, relative to the others.")
    good: bool | None = Field(None, description="Whether it counts as good [only `good` and `pass` do].")
    issues: CountRange | None = Field(None, description="Issues that such a job has: [fewest, most] [none].")


def _kinds(value: object) -> object:
    """Return kinds as weights: those of a list are equal."""
    if not isinstance(value, list | tuple):
        return value
    if strange := [each for each in value if not isinstance(each, str)]:
        raise ValueError(f"must be names, got {describe_value(strange[0])}")
    return dict.fromkeys(value, 1.0)


Kinds = Annotated[
    Weights,
    BeforeValidator(_kinds),
    WithJsonSchema({"anyOf": [TypeAdapter(each).json_schema() for each in (Names, Weights)]}),
]


def _result(value: object) -> object:
    """Return a result with only a weight as an entry."""
    if isinstance(value, bool) or not isinstance(value, int | float | dict | ResultEntry):
        raise ValueError(f"must be a weight or a mapping, got {describe_value(value)}")  # noqa: TRY004
    return {"weight": float(value)} if isinstance(value, int | float) else value


Result = Annotated[
    ResultEntry,
    BeforeValidator(_result),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, ResultEntry.model_json_schema()]}),
]


def _some_result(results: dict[str, ResultEntry]) -> dict[str, ResultEntry]:
    not_all_zero({name: result.weight for name, result in results.items()})
    return results


class JobEntry(Spec):
    """What machines of the type make."""

    product: Name | None = Field(None, description="Name of what a job makes, for texts and keys [part].")
    id: JobId | None = Field(
        None,
        description="Beginning of the jobs' ids, over {initials} and {kind} [the type's key in capitals, and -]. The"
        " machine's and the job's number follow.",
    )
    code: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        None, description="Begins the number in the ids, so that types with the same `id` have different ones [none]."
    )
    kinds: Kinds | None = Field(
        None, description="Kinds of jobs: a list, each as likely as the others, or a mapping to weights."
    )
    cycle_seconds: JobSecondsOrRange | None = Field(
        None, description="Seconds of producing that a job takes: a number, or [shortest, longest]."
    )
    period_share: Increment | None = Field(
        None, description="Share of a job done between two messages, in place of `cycle_seconds`: up to 1."
    )
    phases: dict[Name, Annotated[float, Field(gt=0, le=1e6)]] | None = Field(
        None, description="Phases of the cycle in their order, each with its share of the cycle."
    )
    results: Annotated[dict[Name, Result], AfterValidator(_some_result)] | None = Field(
        None, description="Results of jobs: each with a weight, or with `weight`, `good` and `issues`."
    )
    issues: dict[Name, CountRange] | None = Field(
        None, description="Issues that jobs of a result have: [fewest, most]."
    )
    nicknames: dict[Name, Name] | None = Field(None, description="What stands for a kind in the jobs' ids.")


class MessageEntry(Spec):
    """A class of messages of a machine type. What is left out is as the entry has it."""

    fields: Fields | None = Field(None, description=_FIELDS)
    topic: ClassTopic | None = Field(
        None, description="MQTT topic, over the same names and {class} [the type's topic, / and the class]."
    )
    report_seconds: PeriodSeconds | None = Field(
        None, description="Seconds between two regular messages of a machine, in place of `frequency_weight`."
    )
    frequency_weight: Weight | None = Field(None, description="Rate of messages, as for the type.")
    on_change: bool | None = Field(
        None,
        description="true: each change of the state is reported at once. Regular messages are then those of its own"
        " `report_seconds`, if any [false].",
    )
    qos: Qos | None = Field(None, description=_QOS)
    retain: bool | None = Field(None, description=_RETAIN)
    timestamp: TimestampForm | None = Field(None, description=_TIMESTAMP)


class SignalOverride(Spec):
    """What a signal is for a single machine."""

    base: ByState | None = Field(None, description="Level of the signal, as for the type.")
    noise: SigmaByState | None = Field(None, description="Standard deviation of normal noise, as for the type.")


class JobOverride(Spec):
    """What a single machine makes."""

    cycle_seconds: JobSecondsOrRange | None = Field(None, description="Seconds of producing that a job takes.")
    results: dict[Name, Weight] | None = Field(None, description="Weights of results of the type.")
    kinds: Weights | None = Field(None, description="Weights of kinds of the type.")


class StateOverride(Spec):
    """A state of a single machine."""

    share: Weight | None = Field(None, description="Share of time in the long run, relative to the other states.")
    dwell_seconds: JobSecondsOrRange | None = Field(None, description="Length of a stay in seconds, as for the type.")
    mtbf_hours: RepairHours | None = Field(None, description="As for the type.")
    mttr_minutes: RepairMinutes | None = Field(None, description="As for the type.")


class MachineOverride(Spec):
    """What is different for a single machine of a type."""

    states: dict[Name, StateOverride] | None = Field(None, description="States of the type, each with what differs.")
    job: JobOverride | None = Field(None, description="What differs in its jobs.")
    signals: dict[Name, SignalOverride] | None = Field(None, description="Signals of the type, each with what differs.")
    micro_stops_per_hour: StopsPerHour | None = Field(None, description="As for the type.")
    micro_stop_seconds_range: JobSecondsRange | None = Field(None, description="As for the type.")
    slow_cycle_share: Share | None = Field(None, description="As for the type.")
    slow_cycle_factor_range: FactorRange | None = Field(None, description="As for the type.")


class MachineEntry(Spec):
    """A machine type."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["frequency_weight", "report_seconds"]}})

    enabled: bool | None = Field(None, description="false switches the whole type off [true].")
    count: MachineCount | None = Field(
        None, description="Number of machines, if global.machine_counts does not have it [1]."
    )
    extends: Name | None = Field(
        None, description="Another type, of this file or of the library, whose keys this one takes over and overrides."
    )
    title: Name | None = Field(None, description="Name of such a machine in texts [the key].")
    machine_id: MachineId | None = Field(
        None, description="The machines' ids, over {number} or {number:02d} [the key in capitals, and -{number:02d}]."
    )
    first_number: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        None, description="What {number} begins with [1]."
    )
    frequency_weight: Weight | None = Field(
        None,
        description="Rate of messages: each machine sends one every base_interval * 10 / frequency_weight seconds, and "
        "none at 0 [1].",
    )
    report_seconds: PeriodSeconds | None = Field(
        None, description="Seconds between two regular messages of a machine, in place of `frequency_weight`."
    )
    topic: Topic | None = Field(
        None,
        description="MQTT topic in place of the usual one, over {prefix}, {type}, {machine_id} and {station_id}.",
    )
    station_pattern: StationPattern | None = Field(
        None, description="Name of a machine's station, over {line} and {station}, such as LINE-{line}-STATION-A."
    )
    lines: Lines | None = Field(None, description="What {line} stands for, given to the machines in turn.")
    stations: Lines | None = Field(None, description="What {station} stands for, given to the machines in turn.")
    properties: dict[Name, Constant] | None = Field(None, description="Constants in every message, each with its key.")
    states: dict[Name, StateEntry] | None = Field(
        None, description="The states of the machines. Without any, they always produce, and report no status."
    )
    job: JobEntry | None = Field(None, description="What the machines make; without it they make nothing.")
    micro_stops_per_hour: StopsPerHour | None = Field(
        None, description="Short stops in an hour of producing, on average; the status stays that of producing [0]."
    )
    micro_stop_seconds_range: JobSecondsRange | None = Field(
        None, description="Length of a micro-stop in seconds: [shortest, longest] [5, 20]."
    )
    slow_cycle_share: Share | None = Field(
        None, description="Share of jobs that take longer than their cycle: 0 to 1 [0]."
    )
    slow_cycle_factor_range: FactorRange | None = Field(
        None, description="How many times as long a slow cycle takes: [least, greatest] [1.1, 1.5]."
    )
    signals: dict[Name, SignalSpec] | None = Field(
        None, description="What the machines measure or count, each by its name; see the table of signals."
    )
    model: Name | None = Field(
        None, description="A model in Python, whose outputs are signals with `output`; see the list of models."
    )
    fields: Fields | None = Field(None, description=_FIELDS)
    qos: Qos | None = Field(None, description=_QOS)
    retain: bool | None = Field(None, description=_RETAIN)
    timestamp: TimestampForm | None = Field(None, description=_TIMESTAMP)
    messages: dict[ClassName, MessageEntry] | None = Field(
        None, description="Several classes of messages, in place of `fields`, each with its own keys and topic."
    )
    overrides: dict[Name, MachineOverride] | None = Field(
        None, description="What is different for single machines, each by its id."
    )


def entry_model(spellings: tuple[Spelling, ...]) -> type[MachineEntry]:
    """Return the model of an entry that may have these older spellings beside the keys of the language.

    To describe entries: to validate those of each type by such a model needs a megabyte, see `older_keys`.
    """
    model: type[MachineEntry] = create_model("MachineEntry", __base__=MachineEntry, **_fields_of(spellings))
    return model


@cache
def older_keys(spellings: tuple[Spelling, ...]) -> type[Spec]:
    """Return the model of the older spellings alone, which with MachineEntry validates an entry."""
    model: type[Spec] = create_model("OlderKeys", __base__=Spec, **_fields_of(spellings))
    return model


def _fields_of(spellings: tuple[Spelling, ...]) -> dict[str, Any]:
    return {each.key: (FORMS[each.form].annotation | None, Field(None, description=each.text)) for each in spellings}
