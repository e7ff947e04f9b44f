"""The configuration of a plant: strict, frozen models of message_structure.yaml, and `load`, which reads it.

A file is accepted as a whole or rejected as a whole, with all its errors at once. Units are in the names; a
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

from plant.definition import calendar_config, flow_rules, rules, yaml_file
from plant.definition.calendar_config import CalendarSpec
from plant.definition.errors import ConfigError, Place, PlantConfigError, Violation, format_place, rule_of, with_lines
from plant.definition.flow_config import FlowSpec
from plant.definition.flow_edges import line_of
from plant.definition.machine_config import CncMachine, MachineSpec, Painting, Printer3d, Testing, Welding
from plant.definition.spaceship import MACHINE_TYPES
from plant.definition.value_types import (
    SHORTEST_PERIOD_SECONDS,
    YEAR_SECONDS,
    CountRange,
    EventsPerHour,
    MachineCount,
    Name,
    Names,
    PeriodSeconds,
    Rate,
    Seconds,
    Spec,
    Topic,
)
from plant.definition.yaml_surprises import flag_hint

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
    "load_content",
    "parse",
]


_DECLARED: Final = {declared.key: declared for declared in MACHINE_TYPES}
_JOB_LISTS: Final = {key: (declared.spec.kinds_key, declared.spec.results_key) for key, declared in _DECLARED.items()}
MOST_INITIAL_PIECES: Final = 100_000


_ENABLED: Final = "false switches these messages off."
_TOPIC: Final = "MQTT topic in place of the usual one, over {prefix} and {type}."


class CustomerOrder(Spec):
    """Orders: Poisson arrivals, one to three products each."""

    enabled: bool = Field(True, description=_ENABLED)
    orders_per_hour: EventsPerHour = Field(description="Orders in an hour on average, placed at random.")
    product_types: Names = Field(description="Products that are ordered, each as likely as the others.")
    quantity_ranges: dict[Name, CountRange] = Field(
        {}, description="Pieces of a product in one order: [fewest, most]; one where a product is left out."
    )
    topic: Topic | None = Field(None, description=_TOPIC)

    def quantity_range(self, product_type: str) -> tuple[int, int]:
        """Return the fewest and the most pieces of a product in one order."""
        return self.quantity_ranges.get(product_type, (1, 1))


class Dispatch(Spec):
    """Dispatches: Poisson arrivals, each takes the oldest order not yet dispatched."""

    enabled: bool = Field(True, description=_ENABLED)
    dispatches_per_hour: EventsPerHour = Field(
        description="Dispatches in an hour on average; each takes the oldest open order, if there is one."
    )
    destinations: Names = Field(description="Destinations of the shipments, each as likely as the others.")
    carriers: Names = Field(description="Carriers of the shipments, each as likely as the others.")
    topic: Topic | None = Field(None, description=_TOPIC)


class OeeReport(Spec):
    """OEE reports: the true figures of each machine as retained messages, every `report_seconds`; off by default."""

    enabled: bool = Field(False, description="true switches these messages on.")
    report_seconds: PeriodSeconds = Field(60.0, description="Seconds between two messages of a machine.")
    topic: Topic | None = Field(None, description=_TOPIC)


def _model_with_keys(name: str, keys: Mapping[str, tuple[object, object]]) -> type[Spec]:
    """Return a model of a YAML mapping whose keys follow from the machine types: each with its type and default."""
    model: type[Spec] = create_model(name, __base__=Spec, **keys)  # type: ignore[call-overload]
    return model


_COUNTS: Final = _model_with_keys(
    "MachineCounts",
    {each.counted: (MachineCount, Field(0, description=f"Number of {each.title}s.")) for each in MACHINE_TYPES},
)
_MACHINES: Final = _model_with_keys(
    "MessageTypes",
    {
        each.key: (each.spec | None, Field(None, description=f"{each.title[:1].upper()}{each.title[1:]}s."))
        for each in MACHINE_TYPES
    },
)


class MachineCounts(_COUNTS):  # type: ignore[valid-type, misc]
    """Number of machines of each type."""


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
    machine_counts: MachineCounts = Field(description="Number of machines of each type.")


class MessageTypes(_MACHINES):  # type: ignore[valid-type, misc]
    """The kinds of message; a kind that is left out is not emitted."""

    customer_order: CustomerOrder | None = Field(None, description="Orders, placed at random.")
    dispatch: Dispatch | None = Field(None, description="Dispatches, each of the oldest open order.")
    oee: OeeReport | None = Field(None, description="Each machine's true figures, as retained messages.")


class PlantConfig(Spec):
    """A whole plant. `global_` is the YAML's `global`."""

    global_: Global = Field(alias="global", description="Settings of the whole plant.")
    message_types: MessageTypes = Field(description="The kinds of message; a kind that is left out is not emitted.")
    calendar: CalendarSpec | None = Field(
        None, description="When the plant works: shifts, breaks, holidays, maintenance. Without it, always."
    )
    flow: FlowSpec | None = Field(
        None, description="Parts move from machine to machine. Without it, machines do not depend on each other."
    )

    def machines(self) -> list[tuple[str, MachineSpec, int]]:
        """Return key, specification and number of machines of each type that reports, in a fixed order."""
        return [(key, spec, count) for key, spec, count in self.declared() if spec.reports and count]

    def declared(self) -> list[tuple[str, MachineSpec, int]]:
        """Return the same for all machine types in the YAML, including those that do not report."""
        found = ((each.key, self.spec(each.key), self.count(each.key)) for each in MACHINE_TYPES)
        return [(key, spec, count) for key, spec, count in found if spec is not None]

    def spec(self, key: str) -> MachineSpec | None:
        """Return the specification of a machine type; None if the YAML does not have the type."""
        spec: MachineSpec | None = getattr(self.message_types, key)
        return spec

    def count(self, key: str) -> int:
        """Return the number of machines of a type, even if the YAML does not have the type."""
        count: int = getattr(self.global_.machine_counts, _DECLARED[key].counted)
        return count

    def period_seconds(self, spec: MachineSpec) -> float:
        """Return the seconds between two regular messages of a machine; inf at weight 0."""
        return self._period_by_weight(spec) * self._period_factor

    def job_seconds(self, spec: MachineSpec) -> tuple[float, float]:
        """Return the shortest and longest producing time of a job in seconds; jobs are uniform in this range."""
        return spec.job_seconds(self._period_by_weight(spec))

    @property
    def _period_factor(self) -> float:
        """The factor of every period by which the plant reaches its target rate."""
        target = self.global_.target_rate
        rate = math.fsum(count / self._period_by_weight(spec) for _, spec, count in self.machines())
        return rate / target if target and rate else 1.0

    def _period_by_weight(self, spec: MachineSpec) -> float:
        """Return the configured period, otherwise ten base intervals divided by the weight."""
        if spec.report_seconds is not None:
            return spec.report_seconds
        return self.global_.base_interval * 10 / spec.frequency_weight if spec.frequency_weight else math.inf


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
    config, wrong = _validated(data, flags or {})
    wrong = [*violations, *wrong, *rules.broken(data, {key: declared.spec for key, declared in _DECLARED.items()})]
    wrong += calendar_config.broken(data.get("calendar"), list(_DECLARED))
    wrong += flow_rules.broken(data, flow_rules.job_names(data, _JOB_LISTS))
    config = _with_line(config) if config and not wrong else config
    wrong += [*_impossible_rate(config), *_too_many_initial_pieces(config)] if config and not wrong else ()
    if config is None or wrong:
        raise PlantConfigError(with_lines(wrong, file, lines or {}))
    return config


def _with_line(config: PlantConfig) -> PlantConfig:
    """Return a configuration with the line that follows from its flow and its machine types."""
    if config.flow is None:
        return config
    line = line_of(config.flow, {key: spec.results for key, spec, _ in config.declared()})
    return config.model_copy(update={"flow": config.flow.with_line(line)})


def load(path: str | Path) -> PlantConfig:
    """Return the configuration in a YAML file; PlantConfigError with every error in it."""
    return _config(partial(yaml_file.read, Path(path)), str(path))


def load_content(content: bytes, file: str) -> PlantConfig:
    """Return the configuration in the content of a YAML file; PlantConfigError with every error in it."""
    return _config(partial(yaml_file.decode, content), file)


def _config(read: Callable[[], yaml_file.Document], file: str) -> PlantConfig:
    try:
        document = read()
    except yaml_file.UnreadableError as error:
        raise PlantConfigError([ConfigError(file, error.line, format_place(error.place), error.rule)]) from error
    return parse(document.data, file, document.lines, document.violations, document.flags)


def _impossible_rate(config: PlantConfig) -> Iterator[Violation]:
    """Check that no machine reports more than once a millisecond, or less than once a year, at the target rate."""
    periods = [config.period_seconds(spec) for _, spec, _ in config.machines()]
    target, place = config.global_.target_rate, ("global", "target_rate")
    if target and periods and min(periods) < SHORTEST_PERIOD_SECONDS:
        most = target * min(periods) / SHORTEST_PERIOD_SECONDS
        yield Violation(place, f"must be at most {most:.10g} here: a machine sends at most one message a millisecond")
    if target and periods and max(periods) > YEAR_SECONDS:
        least = target * max(periods) / YEAR_SECONDS
        yield Violation(place, f"must be at least {least:.3g} here: a machine sends at least one message a year")


def _too_many_initial_pieces(config: PlantConfig) -> Iterator[Violation]:
    """Check that the flow does not start with more pieces than can be created at once."""
    flow = config.flow or FlowSpec()
    pieces = sum(int(stage.places * flow.initial_fill) for stage in flow.line.stages.values())
    if pieces > MOST_INITIAL_PIECES:
        rule = f"puts {pieces:,} pieces into the buffers at the start: must be at most {MOST_INITIAL_PIECES:,}"
        yield Violation(("flow", "initial_fill"), rule)


def _validated(data: Mapping[str, Any], flags: Mapping[Place, str]) -> tuple[PlantConfig | None, list[Violation]]:
    try:
        return PlantConfig.model_validate(dict(data)), []
    except ValidationError as error:
        return None, [_violation(each, flags) for each in error.errors(include_url=False) if not _is_reported(each)]


def _is_reported(error: ErrorDetails) -> bool:
    """Return whether the value is empty or unreadable, for which there is a violation already."""
    return error["type"] != "extra_forbidden" and (error["input"] is None or error["input"] is yaml_file.UNREAD)


def _place(error: ErrorDetails) -> Place:
    """Return the place of an error; for a key, pydantic adds one more step."""
    return error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]


def _violation(error: ErrorDetails, flags: Mapping[Place, str]) -> Violation:
    place = _place(error)
    if error["type"] == "extra_forbidden":
        return Violation(place, "is an unknown key", _known_keys(place[:-1]))
    no_text = error["type"] in {"string_type", "value_error"} and isinstance(error["input"], bool)
    return Violation(
        place, rule_of(error) + (flag_hint(flags[place], error["input"]) if no_text and place in flags else "")
    )


def _known_keys(place: Place) -> list[str]:
    """Return the valid keys of a mapping; none if they are not known, as below a name chosen by the user."""
    annotation: object = PlantConfig
    for step in place:
        annotation = next(_types_below(annotation, step), None)
    return [name for model in _alternatives(annotation) if _is_model(model) for name in _fields(model)]


def _types_below(annotation: object, step: str | int) -> Iterator[object]:
    """Yield the types of values one step below a value of that type."""
    for each in _alternatives(annotation):
        if _is_model(each):
            yield from (field.annotation for name, field in _fields(each).items() if name == step)
        elif get_origin(each) in (dict, tuple, list):
            yield get_args(each)[1 if get_origin(each) is dict else 0]


def _alternatives(annotation: object) -> Iterator[object]:
    """Yield the types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        yield from (each for choice in get_args(annotation) for each in _alternatives(choice))
    else:
        yield annotation


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}
