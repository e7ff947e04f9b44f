"""The machine types of a plant's YAML: strict, frozen models, and the view of them that the plant reads.

Units are in the names; a distribution is a set of weights, which need not add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from pydantic import Field

from plant.definition.value_types import (
    FactorRange,
    HowManyRange,
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
"""Mean length of a stay in a state, where the YAML names none."""

OTHER_DWELL_SECONDS: Final = 120.0
"""The same for a state that only the YAML knows."""


class MachineSpec(Spec):
    """What all machine types have in common, and the view of them that the plant reads."""

    producing_state: ClassVar[str] = "running"
    """The state in which jobs advance."""

    results_key: ClassVar[str] = "quality_distribution"
    kinds_key: ClassVar[str] = "part_types"
    seconds_key: ClassVar[str] = "cycle_time_range"
    """The keys by which a type's YAML says how jobs end, what they are of, and how long they take."""
    increment_key: ClassVar[str | None] = None
    """The key that may stand in place of the last one, if any: the share of a job that is done in a period of rows."""

    enabled: bool = True
    frequency_weight: Weight = 1.0
    report_seconds: PeriodSeconds | None = None
    statuses: Names | None = None
    status_distribution: Weights
    dwell_seconds: dict[Name, JobSeconds] = Field(default={})
    station_pattern: StationPattern
    lines: Lines | None = None
    stations: Lines | None = None
    topic: Topic | None = None
    micro_stops_per_hour: StopsPerHour = 0.0
    micro_stop_seconds_range: JobSecondsRange = (5.0, 20.0)
    slow_cycle_share: Share = 0.0
    slow_cycle_factor_range: FactorRange = (1.1, 1.5)

    @property
    def has_losses(self) -> bool:
        """Whether jobs may take longer than their cycle."""
        return self.micro_stops_per_hour > 0 or self.slow_cycle_share > 0

    @property
    def lengthening(self) -> float:
        """By what factor micro-stops and slow cycles lengthen the mean job."""
        slow = self.slow_cycle_share * (sum(self.slow_cycle_factor_range) / 2 - 1)
        return (1 + slow) * (1 + self.micro_stops_per_hour / 3600 * sum(self.micro_stop_seconds_range) / 2)

    @property
    def results(self) -> Mapping[str, float]:
        """How jobs end: weight of each result."""
        weights: Mapping[str, float] = getattr(self, self.results_key)
        return weights

    @property
    def job_kinds(self) -> Sequence[str]:
        """What is made here, each kind as likely as the other."""
        kinds: Sequence[str] = getattr(self, self.kinds_key)
        return kinds

    @property
    def reports(self) -> bool:
        """Whether a machine of this type says anything: switched on, and not silenced by weight 0."""
        return self.enabled and (self.report_seconds is not None or self.frequency_weight > 0)

    @property
    def shares(self) -> Mapping[str, float]:
        """Long-run share of time in each state; they add up to 1."""
        total = math.fsum(self.status_distribution.values())
        return {state: weight / total for state, weight in self.status_distribution.items()}

    def dwell(self, state: str) -> float:
        """Mean length of a stay in a state, in seconds."""
        return self.dwell_seconds.get(state, DEFAULT_DWELL_SECONDS.get(state, OTHER_DWELL_SECONDS))

    def station(self, number: int) -> str:
        """Station of the type's n-th machine, counted from 1: lines and stations are handed out in turn."""
        names = {"line": self.lines or ("",), "station": self.stations or ("",)}
        return self.station_pattern.format_map({key: each[(number - 1) % len(each)] for key, each in names.items()})

    def job_seconds(self, period_seconds: float) -> tuple[float, float]:  # noqa: ARG002
        """Shortest and longest producing time of a job on a machine whose period follows from its weight like this."""
        seconds: tuple[float, float] = getattr(self, self.seconds_key)
        return seconds


class _CycleSpec(MachineSpec):
    cycle_time_range: JobSecondsRange
    quality_distribution: Weights


class CncMachine(_CycleSpec):
    """CNC mills: parts."""

    part_types: Names


class Printer3d(MachineSpec):
    """3D printers: parts, each in `print_seconds`; else it grows by `progress_increment` in a period of running."""

    seconds_key: ClassVar[str] = "print_seconds"
    increment_key: ClassVar[str | None] = "progress_increment"

    print_seconds: JobSecondsOrRange | None = None
    progress_increment: Increment | None = None
    quality_distribution: Weights
    part_types: Names

    def job_seconds(self, period_seconds: float) -> tuple[float, float]:  # noqa: D102
        if self.progress_increment is None:
            return super().job_seconds(period_seconds)
        seconds = period_seconds / self.progress_increment
        return seconds, seconds


class Welding(_CycleSpec):
    """Welding stations: assemblies."""

    kinds_key: ClassVar[str] = "assembly_types"

    assembly_types: Names


class Painting(_CycleSpec):
    """Painting booths: frames in colours."""

    kinds_key: ClassVar[str] = "colors"

    colors: Names


class Testing(MachineSpec):
    """Test rigs: a test takes `test_seconds_range`; a failed one finds `issues_range` issues."""

    producing_state: ClassVar[str] = "testing"
    results_key: ClassVar[str] = "test_distribution"
    kinds_key: ClassVar[str] = "target_types"
    seconds_key: ClassVar[str] = "test_seconds_range"

    test_seconds_range: JobSecondsRange = (20.0, 40.0)
    test_distribution: Weights
    issues_range: HowManyRange = (1, 5)
    target_types: Names
