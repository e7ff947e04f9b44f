"""A scenario that can be run: every time resolved, every file read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from cli.scenario.definition.actions import Action
from cli.scenario.definition.expectations import Expectation
from cli.scenario.definition.times import length_text, offset_text
from plant.definition.plant_config import PlantConfig


class Form(StrEnum):
    """When an expectation has to hold."""

    AT = "at"
    WITHIN = "within"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Span:
    """When an expectation has to hold: in (from_ms, to_ms], in milliseconds since 1970; `at` is the moment to_ms.

    every_ms: between two looks at the plant.  from_start: whether it begins where the scenario does.
    """

    form: Form
    from_ms: int
    to_ms: int
    every_ms: int
    from_start: bool

    def has(self, time_ms: int) -> bool:
        """Return whether a message of that time is in it."""
        return time_ms <= self.to_ms and (time_ms > self.from_ms or self.from_start)

    def text(self, start_ms: int) -> str:
        """Return it in words. start_ms: where the scenario begins."""
        first, last = offset_text(self.from_ms - start_ms), offset_text(self.to_ms - start_ms)
        match self.form:
            case Form.AT:
                return f"at {last}"
            case Form.WITHIN:
                return f"within {length_text(self.to_ms - self.from_ms)} after {first}"
        return f"{self.form} from {first} to {last}"


@dataclass(frozen=True, slots=True)
class Step:
    """A step. number: counted from 1.  line: in the file.  name: "" where it has none.

    actions: to be done at at_ms; empty for an expectation.
    """

    number: int
    line: int
    name: str
    at_ms: int
    actions: Sequence[Action] = ()
    expectation: Expectation | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario. file, plant_name: as the report has them.  speed: plant seconds per second.

    settings: options of the simulator, by variable.
    """

    file: Path
    name: str
    plant_name: str
    config: PlantConfig
    seed: str
    start_ms: int
    end_ms: int
    speed: float
    broker: Literal["none", "sandbox", "settings"]
    settings: Mapping[str, str]
    steps: Sequence[Step]

    def offset(self, time_ms: int) -> str:
        """Return a time after the start, in words."""
        return offset_text(time_ms - self.start_ms)
