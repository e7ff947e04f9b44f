"""The configuration of a plant: strict, frozen models of message_structure.yaml, and `load`, which reads it.

A file is accepted as a whole or rejected as a whole, with all its errors at once. Units are in the names; a
distribution is a set of weights, which need not add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, PrivateAttr, SkipValidation
from pydantic.json_schema import SkipJsonSchema

from plant.definition import daily_faults, fault_rules, rules, sites
from plant.definition.calendar_config import CalendarSpec
from plant.definition.commands_config import CommandsSpec
from plant.definition.document.errors import (
    ConfigError,
    Place,
    PlantConfigError,
    Violation,
    with_lines,
)
from plant.definition.document.validation import validated
from plant.definition.document.value_types import (
    Chance,
    MachineCount,
    Name,
    Rate,
    Seconds,
    Spec,
)
from plant.definition.document.yaml_file import Document
from plant.definition.event_kinds import CustomerOrder, Dispatch, FaultLabelsReport, OeeReport
from plant.definition.feasibility import impossible
from plant.definition.files import plant_file
from plant.definition.files.fleet_config import NOTHING_GIVEN, Given
from plant.definition.flow import rules as flow_rules
from plant.definition.flow.edges import line_of
from plant.definition.flow.flow_config import FlowSpec
from plant.definition.machine_types import reading
from plant.definition.machine_types.library import library
from plant.definition.machine_types.machine_type import MachineType, MessageClass
from plant.definition.machine_types.reading import Site
from plant.definition.machine_types.spellings import Entry
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.sites import SiteSpec, merged_specs

__all__ = [
    "ConfigError",
    "CustomerOrder",
    "Dispatch",
    "Global",
    "MachineType",
    "MessageTypes",
    "PlantConfig",
    "PlantConfigError",
    "load",
    "load_content",
    "parse",
]

EVENTS: Final = ("customer_order", "dispatch", "oee", "fault_labels")
"""The kinds of message in `message_types` that are no machine types."""


class Global(Spec):
    """Settings of the whole plant.

    base_interval: in seconds.  target_rate: regular messages per second of all machines together, to which all periods
    are scaled; the length of jobs does not change.
    """

    base_interval: Seconds = Field(
        1.0, description="Seconds; scales the rate of messages of all machines: 0.5 doubles it, 2.0 halves it."
    )
    target_rate: Rate | None = Field(
        None, description="Regular messages per second of all machines together, to which their periods are scaled."
    )
    fault_chance_per_day: Chance = Field(
        0.0,
        description="Chance a day, 0 to 1, that a machine gets one of its `faults` that have neither `every_hours` nor "
        "`schedule`, each as likely as the others.",
    )
    machine_counts: dict[Name, MachineCount] = Field({}, description="Number of machines of each type.")


class MessageTypes(Spec):
    """The kinds of message; a kind that is left out is not emitted.

    machines: the machine types by key, in their order.  entries: the same as they were written.
    """

    machines: SkipJsonSchema[Annotated[Mapping[str, MachineType], SkipValidation]] = Field({}, exclude=True)
    entries: SkipJsonSchema[Annotated[Mapping[str, Entry], SkipValidation]] = Field({}, exclude=True)

    customer_order: CustomerOrder | None = Field(None, description="Orders, placed at random.")
    dispatch: Dispatch | None = Field(None, description="Dispatches, each of the oldest open order.")
    oee: OeeReport | None = Field(None, description="Each machine's true figures, as retained messages.")
    fault_labels: FaultLabelsReport | None = Field(None, description="When faults begin and end, as retained messages.")


class PlantConfig(Spec):
    """A whole plant. `global_` is the YAML's `global`."""

    global_: Global = Field(default_factory=Global, alias="global", description="Settings of the whole plant.")
    message_types: MessageTypes = Field(description="The kinds of message; a kind that is left out is not emitted.")
    plant_signals: dict[Name, SignalSpec] = Field(
        {}, description="Signals of the whole plant, such as the outdoor temperature; formulas use them as plant.NAME."
    )
    calendar: CalendarSpec | None = Field(
        None, description="When the plant works: shifts, breaks, holidays, maintenance. Without it, always."
    )
    sites: dict[Name, SiteSpec] = Field(
        {}, description="Places with another calendar, time zone and plant signals, for the types that name them."
    )
    flow: FlowSpec | None = Field(
        None, description="Parts move from machine to machine. Without it, machines do not depend on each other."
    )
    commands: CommandsSpec | None = Field(None, description="Commands over MQTT, which MQTT_COMMANDS turns on.")

    _content: bytes | None = PrivateAttr(None)

    @property
    def content(self) -> bytes | None:
        """The YAML that it is from, as it was read; None if it is from plain data."""
        return self._content

    def from_content(self, content: bytes) -> Self:
        """Return the same, with the YAML that it is from."""
        self._content = content
        return self

    def machines(self) -> list[tuple[str, MachineType, int]]:
        """Return each machine type that reports, with its key and number of machines, in a fixed order."""
        return [(key, each, count) for key, each, count in self.declared() if each.reports and count]

    def declared(self) -> list[tuple[str, MachineType, int]]:
        """Return the same for all machine types in the YAML, including those that do not report."""
        return [(key, each, self.count(key)) for key, each in self.message_types.machines.items()]

    @property
    def kinds(self) -> list[str]:
        """The kinds of message in the YAML."""
        events = (name for name in EVENTS if getattr(self.message_types, name) is not None)
        return [*(each.kind for each in self.message_classes()), *events]

    @property
    def switchable(self) -> list[str]:
        """The keys in message_types whose messages can be switched on and off."""
        return [*self.message_types.machines, *(key for key in EVENTS if getattr(self.message_types, key) is not None)]

    def message_classes(self) -> Iterator[MessageClass]:
        """Yield every class of messages of the machine types in the YAML, also those of alarms."""
        for machine_type in self.message_types.machines.values():
            yield from machine_type.all_messages

    def message_class(self, kind: str) -> MessageClass | None:
        """Return a class of messages of a machine type by its kind; None if there is none."""
        machine_type = self.message_types.machines.get(kind.partition(".")[0])
        classes = machine_type.all_messages if machine_type else ()
        return next((each for each in classes if each.kind == kind), None)

    def calendar_of(self, site: Site) -> CalendarSpec | None:
        """Return the calendar of a site, or of the machine types that are at none; None without any."""
        own = self.sites.get(site or "")
        return own.calendar if own and own.calendar else self.calendar

    def time_zone_of(self, site: Site) -> str:
        """Return the time zone of days and hours in signals: the calendar's, otherwise UTC."""
        calendar = self.calendar_of(site)
        return calendar.time_zone if calendar else "UTC"

    def plant_signals_of(self, site: Site) -> Mapping[str, SignalSpec]:
        """Return the signals of a site, or of the machine types that are at none."""
        own = self.sites.get(site or "")
        return merged_specs(self.plant_signals, own.plant_signals) if own else self.plant_signals

    @property
    def has_calendar(self) -> bool:
        """Whether there is a calendar, of the plant or of a site."""
        return any((self.calendar, *(site.calendar for site in self.sites.values())))

    def machine_type(self, key: str) -> MachineType | None:
        """Return a machine type; None if the YAML does not have it."""
        return self.message_types.machines.get(key)

    def count(self, key: str) -> int:
        """Return the number of machines of a type; a type of the library may be counted without an entry."""
        counts, known = self.global_.machine_counts, library().get(key)
        counted = counts.get(key, counts.get(known.counted_as or key) if known else None)
        return self._count_of_entry(key) if counted is None else counted

    def _count_of_entry(self, key: str) -> int:
        """Return the number of machines of a type that machine_counts does not have: none without an entry."""
        if key not in self.message_types.entries:
            return 0
        usual: int = library()[key].entry.get("count", 1) if key in library() else 1
        return int(self.message_types.entries[key].get("count", usual))

    def place_of_results(self, key: str) -> str:
        """Return the place of a type's results in the YAML, below `message_types`."""
        return ".".join((key, *reading.written_place(key, ("job", "results"), self.message_types.entries)))

    def period_seconds(self, machine_type: MachineType) -> float:
        """Return the seconds between two regular messages that report a machine's jobs; inf at weight 0."""
        return self.class_period_seconds(machine_type.main)

    def class_period_seconds(self, message_class: MessageClass) -> float:
        """Return the seconds between two regular messages of a class; inf without any."""
        return message_class.period_by_weight(self.global_.base_interval) * self._period_factor

    def job_period_seconds(self, machine_type: MachineType) -> float:
        """Return the seconds of which `period_share` is a share: between two messages, by weight."""
        return machine_type.main.period_by_weight(self.global_.base_interval)

    def job_seconds(self, machine_type: MachineType) -> tuple[float, float]:
        """Return the shortest and longest producing time of a job of any kind, in seconds."""
        return machine_type.job_seconds(self.job_period_seconds(machine_type))

    @property
    def _period_factor(self) -> float:
        """The factor of every period by which the plant reaches its target rate."""
        target = self.global_.target_rate
        interval = self.global_.base_interval
        classes = ((each, count) for _, machine_type, count in self.machines() for each in machine_type.messages)
        rate = math.fsum(count / each.period_by_weight(interval) for each, count in classes)
        return rate / target if target and rate else 1.0


def parse(
    data: Mapping[str, Any],
    file: str = "configuration",
    lines: Mapping[Place, int] | None = None,
    violations: Sequence[Violation] = (),
    flags: Mapping[Place, str] | None = None,
) -> PlantConfig:
    """Return the configuration in plain data; PlantConfigError with every error in it.

    file, lines: the source of the data.  violations: errors found when reading it.
    flags: the words that were read as true or false, as typed.
    """
    flags, kinds = flags or {}, data.get(reading.SECTION)
    machines, events = _divided(kinds)
    types, wrong_types = reading.read(machines, _base_interval(data), sites.signals_by_site(data), flags)
    others = {reading.SECTION: events} if isinstance(kinds, dict) else {}
    config, wrong = validated(PlantConfig, {**data, **others}, flags)
    wrong = [*violations, *wrong, *wrong_types, *rules.broken(data), *rules.wrong_counts(data, types.entries)]
    wrong += sites.broken(data, types, machines)
    wrong += flow_rules.broken(data, types)
    wrong += (
        each._replace(place=(reading.SECTION, *each.place))
        for each in fault_rules.broken(types.types, has_flow="flow" in data)
    )
    wrong += daily_faults.endless(types.types, config.global_.fault_chance_per_day) if config else ()
    config = completed(config, types) if config and not wrong else config
    if config and not wrong:
        wrong += impossible(config)
    if config is None or wrong:
        raise PlantConfigError(with_lines(wrong, file, lines or {}))
    return config


def _divided(kinds: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries of machine types, and those of other kinds of message."""
    entries = kinds if isinstance(kinds, dict) else {}
    return (
        {key: entry for key, entry in entries.items() if key not in EVENTS},
        {key: entry for key, entry in entries.items() if key in EVENTS},
    )


def completed(config: PlantConfig, types: reading.MachineTypes) -> PlantConfig:
    """Return a configuration with its machine types, and with the line that follows from them and its flow."""
    by_chance = daily_faults.with_daily_faults(types.types, config.global_.fault_chance_per_day)
    machines = sites.with_waiting(by_chance, config.calendar_of)
    kinds = config.message_types.model_copy(update={"machines": machines, "entries": types.entries})
    flow = config.flow and config.flow.with_line(line_of(config.flow, machines))
    return config.model_copy(update={"message_types": kinds, "flow": flow})


def _base_interval(data: Mapping[str, Any]) -> float:
    """Return the base interval in plain data; the default if it is wrong, which the models report."""
    section = data.get("global")
    interval = section.get("base_interval", 1.0) if isinstance(section, dict) else 1.0
    usable = isinstance(interval, int | float) and not isinstance(interval, bool) and 1e-12 <= interval <= 1e12
    return float(interval) if usable else 1.0


def load(path: str | Path) -> PlantConfig:
    """Return the configuration in a file, YAML or TOML; PlantConfigError with every error in it."""
    return _config(plant_file.read(Path(path)), str(path))


def load_content(content: bytes, file: str, given: Given = NOTHING_GIVEN) -> PlantConfig:
    """Return the configuration in the content of a file; PlantConfigError with every error in it.

    file: its name.  given: what holds where a config.toml of another simulator leaves something out.
    """
    document = plant_file.decode(content, file, given)
    return _config(document, file).from_content(content if document.is_yaml else plant_file.as_yaml(document))


def _config(document: Document, file: str) -> PlantConfig:
    return parse(document.data, file, document.lines, document.violations, document.flags)
