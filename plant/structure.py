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

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from plant import calendar_spec, flow_spec, rules, yamlfile
from plant.calendar_spec import CalendarSpec
from plant.fields import (
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
from plant.flow_spec import FlowSpec
from plant.machine_spec import CncMachine, MachineSpec, Painting, Printer3d, Testing, Welding
from plant.mistakes import Fault, Mistake, Place, StructureError, located, sentence, spell

__all__ = [
    "CncMachine",
    "CustomerOrder",
    "Dispatch",
    "Global",
    "MachineSpec",
    "MessageTypes",
    "Mistake",
    "Painting",
    "Printer3d",
    "Structure",
    "StructureError",
    "Testing",
    "Welding",
    "load",
    "parse",
    "understand",
]


MOST_PIECES_AT_FIRST: Final = 100_000


class CustomerOrder(Spec):
    """Orders: Poisson arrivals, one to three products each."""

    enabled: bool = True
    orders_per_hour: EventsPerHour
    product_types: Names
    quantity_ranges: dict[Name, HowManyRange] = Field(default={})
    topic: Topic | None = None

    def quantity_range(self, product_type: str) -> tuple[int, int]:
        """Fewest and most pieces of a product in one order."""
        return self.quantity_ranges.get(product_type, (1, 1))


class Dispatch(Spec):
    """Dispatches: Poisson arrivals, each of the oldest order not yet dispatched."""

    enabled: bool = True
    dispatches_per_hour: EventsPerHour
    destinations: Names
    carriers: Names
    topic: Topic | None = None


class OeeReport(Spec):
    """Each machine's true figures as retained messages, every `report_seconds`; off unless asked for."""

    enabled: bool = False
    report_seconds: PeriodSeconds = 60.0
    topic: Topic | None = None


class MachineCounts(Spec):
    """How many machines of each type the plant has."""

    cnc: MachineCount = 0
    printer_3d: MachineCount = 0
    welding: MachineCount = 0
    painting: MachineCount = 0
    testing: MachineCount = 0


class Global(Spec):
    """What holds for the whole plant.

    base_interval: in seconds.  target_rate: regular rows per second of all machines together, to which their periods
    are all scaled; jobs take as long as before.
    """

    base_interval: Seconds = 1.0
    target_rate: Rate | None = None
    machine_counts: MachineCounts


MACHINE_TYPES: Final[Mapping[str, tuple[str, type[MachineSpec]]]] = {
    "cnc_machine": ("cnc", CncMachine),
    "printer_3d": ("printer_3d", Printer3d),
    "welding": ("welding", Welding),
    "painting": ("painting", Painting),
    "testing": ("testing", Testing),
}
"""Machine types in their fixed order: key in `message_types` -> key in `machine_counts`, model."""


class MessageTypes(Spec):
    """What the plant talks about; a type that is left out says nothing."""

    cnc_machine: CncMachine | None = None
    printer_3d: Printer3d | None = None
    welding: Welding | None = None
    painting: Painting | None = None
    testing: Testing | None = None
    customer_order: CustomerOrder | None = None
    dispatch: Dispatch | None = None
    oee: OeeReport | None = None


class Structure(Spec):
    """A whole plant. `global_` is the YAML's `global`."""

    global_: Global = Field(alias="global")
    message_types: MessageTypes
    calendar: CalendarSpec | None = None
    flow: FlowSpec | None = None

    def machines(self) -> list[tuple[str, MachineSpec, int]]:
        """Key, specification and number of machines of each type that reports, in a fixed order."""
        return [(key, spec, count) for key, spec, count in self.declared() if spec.reports and count]

    def declared(self) -> list[tuple[str, MachineSpec, int]]:
        """The same for all machine types that the YAML has, silent ones too."""
        counts = self.global_.machine_counts
        found = (
            (key, getattr(self.message_types, key), getattr(counts, name)) for key, (name, _) in MACHINE_TYPES.items()
        )
        return [(key, spec, count) for key, spec, count in found if spec is not None]

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
    faults: Sequence[Fault] = (),
) -> Structure:
    """The plant that plain data describes, or StructureError with every mistake in it.

    `file` and `lines` say where the data came from; `faults` are mistakes already known from reading it.
    """
    structure, wrong = _validated(data)
    producing_states = {key: model.producing_state for key, (_, model) in MACHINE_TYPES.items()}
    wrong = [*faults, *wrong, *rules.broken(data, producing_states)]
    wrong += calendar_spec.broken(data.get("calendar"), list(MACHINE_TYPES))
    wrong += flow_spec.broken(data)
    wrong += [*_too_fast(structure), *_too_slow(structure), *_too_full(structure)] if structure else ()
    if structure is None or wrong:
        raise StructureError(located(wrong, file, lines or {}))
    return structure


def load(path: str | Path) -> Structure:
    """The plant that a YAML file describes, or StructureError with every mistake in it."""
    return _structure(partial(yamlfile.read, Path(path)), str(path))


def understand(content: bytes, file: str) -> Structure:
    """The plant that a YAML file's content describes, or StructureError with every mistake in it."""
    return _structure(partial(yamlfile.decode, content), file)


def _structure(read: Callable[[], yamlfile.Document], file: str) -> Structure:
    try:
        document = read()
    except yamlfile.UnreadableError as error:
        raise StructureError([Mistake(file, error.line, spell(error.place), error.rule)]) from error
    return parse(document.data, file, document.lines, document.faults)


def _too_fast(structure: Structure) -> Iterator[Fault]:
    """A target rate at which some machine would report more than once a millisecond."""
    shortest = min((structure.period_seconds(spec) for _, spec, _ in structure.machines()), default=math.inf)
    target = structure.global_.target_rate
    if target and shortest < SHORTEST_PERIOD_SECONDS:
        most = target * shortest / SHORTEST_PERIOD_SECONDS
        yield Fault(("global", "target_rate"), f"must be at most {most:.10g} here, for no machine has a row twice a ms")


def _too_slow(structure: Structure) -> Iterator[Fault]:
    """A target rate at which some machine would report less than once a year."""
    longest = max((structure.period_seconds(spec) for _, spec, _ in structure.machines()), default=0.0)
    target = structure.global_.target_rate
    if target and longest > YEAR_SECONDS:
        least = target * longest / YEAR_SECONDS
        yield Fault(("global", "target_rate"), f"must be at least {least:.10g} here, for each machine has a row a year")


def _too_full(structure: Structure) -> Iterator[Fault]:
    """A flow that would begin with more pieces than can be made at once."""
    flow = structure.flow or FlowSpec(initial_fill=0.0)
    pieces = sum(int(places * flow.initial_fill) for places in flow.buffers.model_dump().values())
    if pieces > MOST_PIECES_AT_FIRST:
        rule = f"puts {pieces:,} pieces into the buffers at first: must be at most {MOST_PIECES_AT_FIRST:,}"
        yield Fault(("flow", "initial_fill"), rule)


def _validated(data: Mapping[str, Any]) -> tuple[Structure | None, list[Fault]]:
    try:
        return Structure.model_validate(dict(data)), []
    except ValidationError as error:
        return None, [_fault(each) for each in error.errors(include_url=False) if not _told(each)]


def _told(error: ErrorDetails) -> bool:
    """Whether the value is empty or unreadable, of which there is a fault already."""
    return error["type"] != "extra_forbidden" and (error["input"] is None or error["input"] is yamlfile.UNREAD)


def _place(error: ErrorDetails) -> Place:
    """Where the error is; pydantic marks a faulty key itself by one more step."""
    return error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]


def _fault(error: ErrorDetails) -> Fault:
    place = _place(error)
    if error["type"] == "extra_forbidden":
        return Fault(place, "is an unknown key", _known_keys(place[:-1]))
    return Fault(place, sentence(error))


def _known_keys(place: Place) -> list[str]:
    """The keys that a mapping takes; none where they are not known, as below a name that the user has given."""
    annotation: object = Structure
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
