"""What plant the YAML describes: strict, frozen models of message_structure.yaml, and load(), the one way to them.

A file is taken as a whole or refused as a whole, with all its mistakes at once. Units are in the names; a
distribution is a set of weights, which need not add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from plant.definition import calendar_config, flow_config, rules, yaml_file
from plant.definition.calendar_config import CalendarSpec
from plant.definition.errors import ConfigError, Place, PlantConfigError, Violation, located, sentence, spell
from plant.definition.flow_config import FlowSpec
from plant.definition.machine_config import CncMachine, MachineSpec, Painting, Printer3d, Testing, Welding
from plant.definition.spaceship import MACHINE_TYPES
from plant.definition.value_types import (
    SHORTEST_PERIOD_SECONDS,
    YEAR_SECONDS,
    EventsPerHour,
    HowManyRange,
    MachineCount,
    Name,
    Names,
    PeriodSeconds,
    Rate,
    Seconds,
    Spec,
    Topic,
)
from plant.definition.yaml_surprises import typed

__all__ = [
    "CncMachine",
    "ConfigError",
    "CustomerOrder",
    "Dispatch",
    "Global",
    "MachineSpec",
    "MessageTypes",
    "Painting",
    "PlantConfig",
    "PlantConfigError",
    "Printer3d",
    "Testing",
    "Welding",
    "load",
    "parse",
    "understand",
]


_DECLARED: Final = {declared.key: declared for declared in MACHINE_TYPES}
MOST_PIECES_AT_FIRST: Final = 100_000


_ENABLED: Final = "false switches these messages off."
_TOPIC: Final = "MQTT topic in place of the usual one, over {prefix} and {type}."


class CustomerOrder(Spec):
    """Orders: Poisson arrivals, one to three products each."""

    enabled: bool = Field(True, description=_ENABLED)
    orders_per_hour: EventsPerHour = Field(description="Orders in an hour on average; they come in at random.")
    product_types: Names = Field(description="Products that are ordered, each as likely as the other.")
    quantity_ranges: dict[Name, HowManyRange] = Field(
        {}, description="Pieces of a product in one order: [fewest, most]; one where a product is left out."
    )
    topic: Topic | None = Field(None, description=_TOPIC)

    def quantity_range(self, product_type: str) -> tuple[int, int]:
        """Fewest and most pieces of a product in one order."""
        return self.quantity_ranges.get(product_type, (1, 1))


class Dispatch(Spec):
    """Dispatches: Poisson arrivals, each of the oldest order not yet dispatched."""

    enabled: bool = Field(True, description=_ENABLED)
    dispatches_per_hour: EventsPerHour = Field(
        description="Chances in an hour, on average, to dispatch the oldest order that waits."
    )
    destinations: Names = Field(description="Where orders are sent, each as likely as the other.")
    carriers: Names = Field(description="Who takes them there, each as likely as the other.")
    topic: Topic | None = Field(None, description=_TOPIC)


class OeeReport(Spec):
    """Each machine's true figures as retained messages, every `report_seconds`; off unless asked for."""

    enabled: bool = Field(False, description="true switches these messages on.")
    report_seconds: PeriodSeconds = Field(60.0, description="Seconds between two messages of a machine.")
    topic: Topic | None = Field(None, description=_TOPIC)


def _with_keys(name: str, keys: Mapping[str, tuple[object, object]]) -> type[Spec]:
    """A part of the YAML whose keys follow from the declarations: each with its type and its default."""
    made: type[Spec] = create_model(name, __base__=Spec, **keys)  # type: ignore[call-overload]
    return made


_COUNTS: Final = _with_keys(
    "MachineCounts",
    {each.counted: (MachineCount, Field(0, description=f"Number of {each.title}s.")) for each in MACHINE_TYPES},
)
_MACHINES: Final = _with_keys(
    "MessageTypes",
    {
        each.key: (each.spec | None, Field(None, description=f"{each.title[:1].upper()}{each.title[1:]}s."))
        for each in MACHINE_TYPES
    },
)


class MachineCounts(_COUNTS):  # type: ignore[valid-type, misc]
    """How many machines of each type the plant has."""


class Global(Spec):
    """What holds for the whole plant.

    base_interval: in seconds.  target_rate: regular rows per second of all machines together, to which their periods
    are all scaled; jobs take as long as before.
    """

    base_interval: Seconds = Field(
        1.0, description="Seconds; scales the rate of messages of all machines: 0.5 doubles it, 2.0 halves it."
    )
    target_rate: Rate | None = Field(
        None, description="Regular messages per second of all machines together, to which their periods are scaled."
    )
    machine_counts: MachineCounts = Field(description="How many machines of each type there are.")


class MessageTypes(_MACHINES):  # type: ignore[valid-type, misc]
    """What the plant talks about; a type that is left out says nothing."""

    customer_order: CustomerOrder | None = Field(None, description="Orders, which come in at random.")
    dispatch: Dispatch | None = Field(None, description="Dispatches, each of the oldest order that waits.")
    oee: OeeReport | None = Field(None, description="Each machine's true figures, as retained messages.")


class PlantConfig(Spec):
    """A whole plant. `global_` is the YAML's `global`."""

    global_: Global = Field(alias="global", description="What holds for the whole plant.")
    message_types: MessageTypes = Field(
        description="What there are messages about; a type that is left out sends none."
    )
    calendar: CalendarSpec | None = Field(
        None, description="When the plant is meant to work: shifts, breaks, holidays, maintenance. Always, without it."
    )
    flow: FlowSpec | None = Field(None, description="Parts go from machine to machine. Without it, each stands alone.")

    def machines(self) -> list[tuple[str, MachineSpec, int]]:
        """Key, specification and number of machines of each type that reports, in a fixed order."""
        return [(key, spec, count) for key, spec, count in self.declared() if spec.reports and count]

    def declared(self) -> list[tuple[str, MachineSpec, int]]:
        """The same for all machine types that the YAML has, silent ones too."""
        found = ((each.key, self.spec(each.key), self.count(each.key)) for each in MACHINE_TYPES)
        return [(key, spec, count) for key, spec, count in found if spec is not None]

    def spec(self, key: str) -> MachineSpec | None:
        """What the YAML says of a machine type, if it has it."""
        spec: MachineSpec | None = getattr(self.message_types, key)
        return spec

    def count(self, key: str) -> int:
        """How many machines of a type are counted, be it described or not."""
        count: int = getattr(self.global_.machine_counts, _DECLARED[key].counted)
        return count

    def period_seconds(self, spec: MachineSpec) -> float:
        """Seconds between two regular rows of a machine; inf at weight 0."""
        return self._period_by_weight(spec) * self._stretch

    def job_seconds(self, spec: MachineSpec) -> tuple[float, float]:
        """Shortest and longest producing time of a job, between which it is drawn evenly."""
        return spec.job_seconds(self._period_by_weight(spec))

    @property
    def _stretch(self) -> float:
        """What every period is multiplied by so that the plant comes to its target rate."""
        target = self.global_.target_rate
        rate = math.fsum(count / self._period_by_weight(spec) for _, spec, count in self.machines())
        return rate / target if target and rate else 1.0

    def _period_by_weight(self, spec: MachineSpec) -> float:
        """Ten base intervals by weight, where no period is given."""
        if spec.report_seconds is not None:
            return spec.report_seconds
        return self.global_.base_interval * 10 / spec.frequency_weight if spec.frequency_weight else math.inf


def parse(
    data: Mapping[str, Any],
    file: str = "structure",
    lines: Mapping[Place, int] | None = None,
    faults: Sequence[Violation] = (),
    flags: Mapping[Place, str] | None = None,
) -> PlantConfig:
    """The plant that plain data describes, or PlantConfigError with every mistake in it.

    `file` and `lines` say where the data came from; `faults` are mistakes already known from reading it, `flags` the
    words that were read as true or false.
    """
    config, wrong = _validated(data, flags or {})
    wrong = [*faults, *wrong, *rules.broken(data, {key: declared.spec for key, declared in _DECLARED.items()})]
    wrong += calendar_config.broken(data.get("calendar"), list(_DECLARED))
    wrong += flow_config.broken(data)
    wrong += [*_impossible_rate(config), *_too_full(config)] if config and not wrong else ()
    if config is None or wrong:
        raise PlantConfigError(located(wrong, file, lines or {}))
    return config


def load(path: str | Path) -> PlantConfig:
    """The plant that a YAML file describes, or PlantConfigError with every mistake in it."""
    return _config(partial(yaml_file.read, Path(path)), str(path))


def understand(content: bytes, file: str) -> PlantConfig:
    """The plant that a YAML file's content describes, or PlantConfigError with every mistake in it."""
    return _config(partial(yaml_file.decode, content), file)


def _config(read: Callable[[], yaml_file.Document], file: str) -> PlantConfig:
    try:
        document = read()
    except yaml_file.UnreadableError as error:
        raise PlantConfigError([ConfigError(file, error.line, spell(error.place), error.rule)]) from error
    return parse(document.data, file, document.lines, document.faults, document.flags)


def _impossible_rate(config: PlantConfig) -> Iterator[Violation]:
    """A target rate at which some machine would report more than once a millisecond, or less than once a year."""
    periods = [config.period_seconds(spec) for _, spec, _ in config.machines()]
    target, place = config.global_.target_rate, ("global", "target_rate")
    if target and periods and min(periods) < SHORTEST_PERIOD_SECONDS:
        most = target * min(periods) / SHORTEST_PERIOD_SECONDS
        yield Violation(place, f"must be at most {most:.10g} here, for no machine has a row twice a ms")
    if target and periods and max(periods) > YEAR_SECONDS:
        least = target * max(periods) / YEAR_SECONDS
        yield Violation(
            place, f"must be at least {least:.3g} here, for no machine has a row less often than once a year"
        )


def _too_full(config: PlantConfig) -> Iterator[Violation]:
    """A flow that would begin with more pieces than can be made at once."""
    flow = config.flow or FlowSpec(initial_fill=0.0)
    pieces = sum(int(places * flow.initial_fill) for places in flow.buffers.model_dump().values())
    if pieces > MOST_PIECES_AT_FIRST:
        rule = f"puts {pieces:,} pieces into the buffers at first: must be at most {MOST_PIECES_AT_FIRST:,}"
        yield Violation(("flow", "initial_fill"), rule)


def _validated(data: Mapping[str, Any], flags: Mapping[Place, str]) -> tuple[PlantConfig | None, list[Violation]]:
    try:
        return PlantConfig.model_validate(dict(data)), []
    except ValidationError as error:
        return None, [_fault(each, flags) for each in error.errors(include_url=False) if not _told(each)]


def _told(error: ErrorDetails) -> bool:
    """Whether the value is empty or unreadable, of which there is a fault already."""
    return error["type"] != "extra_forbidden" and (error["input"] is None or error["input"] is yaml_file.UNREAD)


def _place(error: ErrorDetails) -> Place:
    """Where the error is; pydantic marks a faulty key itself by one more step."""
    return error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]


def _fault(error: ErrorDetails, flags: Mapping[Place, str]) -> Violation:
    place = _place(error)
    if error["type"] == "extra_forbidden":
        return Violation(place, "is an unknown key", _known_keys(place[:-1]))
    no_text = error["type"] in {"string_type", "value_error"} and isinstance(error["input"], bool)
    return Violation(
        place, sentence(error) + (typed(flags[place], error["input"]) if no_text and place in flags else "")
    )


def _known_keys(place: Place) -> list[str]:
    """The keys that a mapping takes; none where they are not known, as below a name that the user has given."""
    annotation: object = PlantConfig
    for step in place:
        annotation = next(_inside(annotation, step), None)
    return [name for model in _meant(annotation) if _is_model(model) for name in _fields(model)]


def _inside(annotation: object, step: str | int) -> Iterator[object]:
    """What may stand one step below a value of that type."""
    for each in _meant(annotation):
        if _is_model(each):
            yield from (field.annotation for name, field in _fields(each).items() if name == step)
        elif get_origin(each) in (dict, tuple, list):
            yield get_args(each)[1 if get_origin(each) is dict else 0]


def _meant(annotation: object) -> Iterator[object]:
    """The types that an annotation stands for, one after the other where there is a choice."""
    if get_origin(annotation) is Annotated:
        yield from _meant(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        yield from (each for choice in get_args(annotation) for each in _meant(choice))
    else:
        yield annotation


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}
