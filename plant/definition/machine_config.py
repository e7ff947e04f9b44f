"""The machine types of a plant's YAML: strict, frozen models with one interface for the plant.

Units are in the names; a distribution is a set of weights, which need not add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field

from plant.definition.value_types import (
    CountRange,
    FactorRange,
    Increment,
    JobSeconds,
    JobSecondsOrRange,
    JobSecondsRange,
    Lines,
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
)

DEFAULT_DWELL_SECONDS: Final = {
    "running": 600.0,
    "testing": 600.0,
    "idle": 120.0,
    "maintenance": 900.0,
    "faulted": 300.0,
    "warming_up": 60.0,
    "cooling": 60.0,
    "drying": 90.0,
    "calibrating": 180.0,
}
"""Mean length of a stay in a state, if the YAML does not set it."""

OTHER_DWELL_SECONDS: Final = 120.0
"""The same for states that are not listed here."""


def _describe_rules(schema: dict[str, Any], model: type[MachineSpec]) -> None:
    """Add to a type's JSON Schema what plant.definition.rules checks between its keys, as far as a schema can."""
    producing = model.producing_state
    schema["properties"]["statuses"]["contains"] = {"const": producing}
    schema["not"] = {"required": ["frequency_weight", "report_seconds"]}
    listed = {"properties": {"status_distribution": {"required": [producing]}}}
    schema["allOf"] = [{"anyOf": [{"required": ["statuses"]}, listed]}, *map(_filled_in, ("line", "station"))]
    if model.increment_key:
        schema["oneOf"] = [{"required": [key]} for key in (model.seconds_key, model.increment_key)]


def _filled_in(name: str) -> dict[str, Any]:
    """Return the rule that a name in a station's pattern needs its list."""
    used = {"station_pattern": {"pattern": rf"(^|[^{{])\{{{name}\}}($|[^}}])"}}
    return {"if": {"required": ["station_pattern"], "properties": used}, "then": {"required": [f"{name}s"]}}


class MachineSpec(Spec):
    """The YAML that all machine types have in common, and the interface through which the plant reads any type."""

    producing_state: ClassVar[str] = "running"
    """The state in which jobs advance."""

    results_key: ClassVar[str] = "quality_distribution"
    kinds_key: ClassVar[str] = "part_types"
    seconds_key: ClassVar[str] = "cycle_time_range"
    """The keys of a type's YAML for the results, the kinds and the length of its jobs."""
    increment_key: ClassVar[str | None] = None
    """The key that may replace the last one, if any: the share of a job that is done in a period of messages."""

    model_config = ConfigDict(json_schema_extra=_describe_rules)

    enabled: bool = Field(True, description="false switches the whole type off.")
    frequency_weight: Weight = Field(
        1.0,
        description="Rate of messages: each machine sends one every base_interval * 10 / frequency_weight seconds, and "
        "none at 0.",
    )
    report_seconds: PeriodSeconds | None = Field(
        None, description="Seconds between two regular messages of a machine, in place of `frequency_weight`."
    )
    statuses: Names | None = Field(
        None, description="The states, to have them checked: no other may be in the distribution then."
    )
    status_distribution: Weights = Field(
        description="Weight of each state: its share of time in the long run. Weights need not add up to 1."
    )
    dwell_seconds: dict[Name, JobSeconds] = Field(
        {}, description="Mean length of a stay in each state, in seconds; a default by state where it is left out."
    )
    station_pattern: StationPattern = Field(
        description="Name of a machine's station, over {line} and {station}, such as LINE-{line}-STATION-A."
    )
    lines: Lines | None = Field(None, description="What {line} stands for, given to the machines in turn.")
    stations: Lines | None = Field(None, description="What {station} stands for, given to the machines in turn.")
    topic: Topic | None = Field(
        None,
        description="MQTT topic in place of the usual one, over {prefix}, {type}, {machine_id} and {station_id}.",
    )
    micro_stops_per_hour: StopsPerHour = Field(
        0.0, description="Short stops in an hour of producing, on average; the status stays that of producing."
    )
    micro_stop_seconds_range: JobSecondsRange = Field(
        (5.0, 20.0), description="Length of a micro-stop in seconds: [shortest, longest]."
    )
    slow_cycle_share: Share = Field(0.0, description="Share of jobs that take longer than their cycle: 0 to 1.")
    slow_cycle_factor_range: FactorRange = Field(
        (1.1, 1.5), description="How many times as long a slow cycle takes: [least, greatest]."
    )

    @property
    def has_losses(self) -> bool:
        """Whether jobs may take longer than their cycle."""
        return self.micro_stops_per_hour > 0 or self.slow_cycle_share > 0

    @property
    def lengthening(self) -> float:
        """Factor by which micro-stops and slow cycles lengthen the mean job."""
        slow = self.slow_cycle_share * (sum(self.slow_cycle_factor_range) / 2 - 1)
        return (1 + slow) * (1 + self.micro_stops_per_hour / 3600 * sum(self.micro_stop_seconds_range) / 2)

    @property
    def results(self) -> Mapping[str, float]:
        """Weight of each result of a job."""
        weights: Mapping[str, float] = getattr(self, self.results_key)
        return weights

    @property
    def job_kinds(self) -> Sequence[str]:
        """Kinds of jobs, each as likely as the others."""
        kinds: Sequence[str] = getattr(self, self.kinds_key)
        return kinds

    @property
    def reports(self) -> bool:
        """Whether machines of this type send messages: enabled, and not with weight 0."""
        return self.enabled and (self.report_seconds is not None or self.frequency_weight > 0)

    @property
    def shares(self) -> Mapping[str, float]:
        """Long-run share of time in each state; they add up to 1."""
        total = math.fsum(self.status_distribution.values())
        return {state: weight / total for state, weight in self.status_distribution.items()}

    def dwell(self, state: str) -> float:
        """Return the mean length of a stay in a state, in seconds."""
        return self.dwell_seconds.get(state, DEFAULT_DWELL_SECONDS.get(state, OTHER_DWELL_SECONDS))

    def station(self, number: int) -> str:
        """Return the station of the type's n-th machine, counted from 1: lines and stations are assigned in turn."""
        names = {"line": self.lines or ("",), "station": self.stations or ("",)}
        return self.station_pattern.format_map({key: each[(number - 1) % len(each)] for key, each in names.items()})

    def job_seconds(self, period_seconds: float) -> tuple[float, float]:  # noqa: ARG002
        """Return the shortest and longest producing time of a job. period_seconds: the period by weight."""
        seconds: tuple[float, float] = getattr(self, self.seconds_key)
        return seconds


_RESULTS: Final = "Weight of each result of a job: good, scrap, rework, or other words. Weights need not add up to 1."


class _CycleSpec(MachineSpec):
    cycle_time_range: JobSecondsRange = Field(
        description="Seconds of producing that a job takes: [shortest, longest]; other states make it wait."
    )
    quality_distribution: Weights = Field(description=_RESULTS)


class CncMachine(_CycleSpec):
    """CNC mills: parts."""

    part_types: Names = Field(description="Parts that are milled, each as likely as the others.")


class Printer3d(MachineSpec):
    """3D printers: parts, each in `print_seconds`, or by `progress_increment` in each period of running."""

    seconds_key: ClassVar[str] = "print_seconds"
    increment_key: ClassVar[str | None] = "progress_increment"

    print_seconds: JobSecondsOrRange | None = Field(
        None, description="Seconds of running that a print takes: a number, or [shortest, longest]."
    )
    progress_increment: Increment | None = Field(
        None, description="Share of a print done between two messages, in place of `print_seconds`: up to 1."
    )
    quality_distribution: Weights = Field(description=_RESULTS)
    part_types: Names = Field(description="Parts that are printed, each as likely as the others.")

    def job_seconds(self, period_seconds: float) -> tuple[float, float]:  # noqa: D102
        if self.progress_increment is None:
            return super().job_seconds(period_seconds)
        seconds = period_seconds / self.progress_increment
        return seconds, seconds


class Welding(_CycleSpec):
    """Welding stations: assemblies."""

    kinds_key: ClassVar[str] = "assembly_types"

    assembly_types: Names = Field(description="Assemblies that are welded, each as likely as the others.")


class Painting(_CycleSpec):
    """Painting booths: frames in colours."""

    kinds_key: ClassVar[str] = "colors"

    colors: Names = Field(description="Colours of frames, each as likely as the others; quote those that begin with #.")


class Testing(MachineSpec):
    """Test rigs: a test takes `test_seconds_range`; a failed one finds `issues_range` issues."""

    producing_state: ClassVar[str] = "testing"
    results_key: ClassVar[str] = "test_distribution"
    kinds_key: ClassVar[str] = "target_types"
    seconds_key: ClassVar[str] = "test_seconds_range"

    test_seconds_range: JobSecondsRange = Field(
        (20.0, 40.0), description="Seconds that a test takes: [shortest, longest]."
    )
    test_distribution: Weights = Field(description="Weight of each result of a test: pass and fail.")
    issues_range: CountRange = Field((1, 5), description="Issues that a failed test finds: [fewest, most].")
    target_types: Names = Field(description="What is tested, each as likely as the others.")
