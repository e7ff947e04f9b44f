"""An entry of `message_types` that is a machine type: strict, frozen models of its keys.

Every key may be left out, as what an entry extends may have it. Units are in the names; a distribution is a set of
weights, which need not add up to 1.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, create_model

from plant.definition.document.value_types import (
    Constant,
    FactorRange,
    JobSecondsRange,
    Lines,
    ListOf,
    MachineCount,
    MachineTopic,
    Name,
    PeriodSeconds,
    Share,
    Spec,
    StationPattern,
    StopsPerHour,
    Weight,
    Weights,
)
from plant.definition.identity.id_pattern import checked
from plant.definition.keys.alarms import SignalAlarms
from plant.definition.keys.commands import StateCommandEntry
from plant.definition.keys.energy import EnergyEntry
from plant.definition.keys.faults import FaultEntry, SensorFaults, WearEntry
from plant.definition.keys.jobs import JobEntry, JobOverride
from plant.definition.keys.messages import (
    FIELDS,
    QOS,
    RETAIN,
    TIMESTAMP,
    ClassName,
    Fields,
    MessageEntry,
    Qos,
    TimestampForm,
)
from plant.definition.keys.states import StateEntry, StateOverride
from plant.definition.keys.variation import (
    DelayRange,
    LotsEntry,
    OperatorsEntry,
    ShiftEntry,
    SpreadEntry,
    StartUpEntry,
)
from plant.definition.machine_types.spellings import FORMS, Spelling
from plant.definition.signals.signal_spec import ByState, SigmaByState, SignalSpec

MachineId = Annotated[Name, AfterValidator(checked)]


class SignalOverride(Spec):
    """What a signal is for a single machine."""

    base: ByState | None = Field(None, description="Level of the signal, as for the type.")
    noise: SigmaByState | None = Field(None, description="Standard deviation of normal noise, as for the type.")


class MachineOverride(Spec):
    """What is different for a single machine of a type."""

    states: dict[Name, StateOverride] | None = Field(None, description="States of the type, each with what differs.")
    transitions: dict[Name, dict[Name, Weight]] | None = Field(None, description="Rows that differ, each as a whole.")
    job: JobOverride | None = Field(None, description="What differs in its jobs.")
    signals: dict[Name, SignalOverride] | None = Field(None, description="Signals of the type, each with what differs.")
    micro_stops_per_hour: StopsPerHour | None = Field(None, description="As for the type.")
    micro_stop_seconds_range: JobSecondsRange | None = Field(None, description="As for the type.")
    slow_cycle_share: Share | None = Field(None, description="As for the type.")
    slow_cycle_factor_range: FactorRange | None = Field(None, description="As for the type.")
    lots: LotsEntry | None = Field(None, description="As for the type.")
    start_up: StartUpEntry | None = Field(None, description="As for the type.")


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
    site: Name | None = Field(
        None, description="One of `sites`, whose calendar, time zone and plant signals are those of the machines."
    )
    title: Name | None = Field(None, description="Name of such a machine in texts [the key].")
    machine_id: MachineId | None = Field(
        None,
        description="The machines' ids, over {number} or {number:02d}, or over {station}; where machines are more than "
        "stations, the second one of a station has -2 after that, and so on [the key in capitals, and -{number:02d}].",
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
    topic: MachineTopic | None = Field(
        None,
        description="MQTT topic in place of the usual one, over {prefix}, {type}, {machine_id}, {station_id} and "
        "{number}.",
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
    transitions: dict[Name, dict[Name, Weight]] | None = Field(
        None,
        description="Which state follows which: by state, the weights of the states after it. 0 forbids a state; "
        "one or more above 0 are all that follow [drawn by share].",
    )
    only_between_jobs: ListOf[Name] | None = Field(
        None, description="States that are entered only as a job ends, such as a warm-up [none]."
    )
    reasons: dict[Name, Weights] | None = Field(
        None,
        description="Why machines are in a state, or jobs have a result, by its name: reasons, each with a weight. "
        "The first word of a reason is its code, the rest its text [none].",
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
    lots: LotsEntry | None = Field(None, description="Jobs of one kind follow each other, with a changeover after.")
    start_up: StartUpEntry | None = Field(None, description="How the first jobs after a stop differ.")
    spread: SpreadEntry | None = Field(None, description="How the machines differ from each other.")
    shifts: dict[Name, ShiftEntry] | None = Field(
        None, description="What is different in shifts of the calendar, by their names."
    )
    operators: OperatorsEntry | None = Field(None, description="Who works at the machines, drawn for each shift.")
    start_delay_seconds: DelayRange | None = Field(
        None, description="Seconds in the state `late_start` after each planned stop: [shortest, longest] [none]."
    )
    signals: dict[Name, SignalSpec] | None = Field(
        None, description="What the machines measure or count, each by its name; see the table of signals."
    )
    model: Name | None = Field(
        None, description="A model in Python, whose outputs are signals with `output`; see the list of models."
    )
    alarms: dict[Name, SignalAlarms] | None = Field(
        None, description="Alarms, by the signal whose values raise and clear them; see the table of alarms."
    )
    faults: dict[Name, FaultEntry] | None = Field(
        None, description="Faults of the machines, each by its name; see the table of faults."
    )
    sensor_faults: SensorFaults | None = Field(
        None, description="Faults of sensors, by signal and kind: stuck, spike, drift or dropout."
    )
    wear: dict[Name, WearEntry] | None = Field(
        None, description="What wears while machines produce, each by its name; see the table of wear."
    )
    energy: EnergyEntry | None = Field(
        None, description="Which signals are the machines' energy, for the ground truth: meter, cost, co2, drivers."
    )
    neighbours: dict[Name, ListOf[Name]] | None = Field(
        None, description="Ids of machines to which faults spread, by the id of a machine of this type."
    )
    commands: dict[Name, StateCommandEntry] | None = Field(
        None, description="Commands that set the state, each by its name, also in place of `stop` and `start`."
    )
    fields: Fields | None = Field(None, description=FIELDS)
    qos: Qos | None = Field(None, description=QOS)
    retain: bool | None = Field(None, description=RETAIN)
    timestamp: TimestampForm | None = Field(None, description=TIMESTAMP)
    messages: dict[ClassName, MessageEntry] | None = Field(
        None, description="Several classes of messages, in place of `fields`, each with its own keys and topic."
    )
    together: bool | None = Field(
        None,
        description="true: a machine's regular messages of the same period come in the same millisecond, in the order "
        "of their classes; otherwise each class has moments of its own [false].",
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
