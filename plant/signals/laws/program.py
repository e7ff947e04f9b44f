"""The signals of a machine type, compiled: laws with all their numbers, and what must be stored for each machine."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from plant.definition.signals.bounds import Bounds, last_decimal_range, signal_bounds, widest_bounds
from plant.definition.signals.formula_parser import FormulaNames, parse_formula
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from plant.signals.laws.exact_tables import WalkGrid, purpose, walk_grid
from plant.signals.laws.expressions import BySituation, Constant, Expression, FormulaContext, compile_formula
from plant.signals.laws.model_output import ModelOutput
from plant.signals.laws.parts import DayWave, Lag, Noise, Ramp, SetPoint, Uniform, Walk, YearWave
from plant.signals.laws.signal_laws import REGISTER_UNITS, Choice, Count, Law, Measured, Register, StateTime
from plant.signals.laws.situations import Situations

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
YEAR_MS: Final = 31_556_952_000
"""A year of the Gregorian calendar on average, 365.2425 days."""

JOB: Final = "job"
SECONDS_IN: Final = "seconds."
JOB_COUNTERS: Final = ("jobs", "good")


class RampReset(NamedTuple):
    """What sets a ramp back to 0. state: its beginning and its end do, if there is one; otherwise each new job."""

    signal: str
    state: str | None


class Counted(NamedTuple):
    """What a counter counts. state: the milliseconds in it; otherwise jobs, by one of JOB_COUNTERS or their result."""

    signal: str
    what: str
    state: str | None


class SettablePoint(NamedTuple):
    """A set point. start: its value before the first command.  low, high: what commands may set."""

    signal: str
    start: float
    low: float
    high: float


class Metered(NamedTuple):
    """What a register integrates, and its unit: 1 / unit is its last decimal."""

    signal: str
    source: str
    per_seconds: float
    unit: int


@dataclass(frozen=True)
class SignalProgram:
    """The signals of a machine type. Equal programs have the same bytes for the same machines, times and events.

    laws: of all signals, in their order; a law refers to others by number.  names, shown: by number, too.
    lags, walks, ramps, set_points, counters, registers: what the laws refer to by their numbers.
    producing: 1 for each situation in which jobs advance, otherwise 0.
    """

    situations: Situations
    time_zone: str
    names: tuple[str, ...]
    laws: tuple[Law, ...]
    shown: tuple[int, ...]
    lags: tuple[Lag, ...]
    walks: tuple[WalkGrid, ...]
    ramps: tuple[RampReset, ...]
    set_points: tuple[SettablePoint, ...]
    counters: tuple[Counted, ...]
    registers: tuple[Metered, ...]
    producing: array[float]
    plant: SignalProgram | None

    @property
    def shown_names(self) -> tuple[str, ...]:
        """The names of the signals in messages."""
        return tuple(self.names[number] for number in self.shown)

    @property
    def integers(self) -> tuple[RampReset | Counted | Metered, ...]:
        """What is stored of each machine as integers, in this order."""
        return (*self.ramps, *self.counters, *self.registers)

    @property
    def floats(self) -> tuple[str | SettablePoint, ...]:
        """What is stored of each machine as floating point numbers, in this order: lags by name, set points."""
        return (*(lag.signal for lag in self.lags), *self.set_points)


def compile_signals(
    specs: Mapping[str, SignalSpec],
    vocabulary: Vocabulary,
    time_zone: str = "UTC",
    period_ms: float = 1000.0,
    plant: SignalProgram | None = None,
    variants: Sequence[Mapping[str, SignalSpec]] = (),
    model: str | None = None,
) -> SignalProgram:
    """Return the program of signals whose declaration breaks no rule.

    time_zone: of the plant, for days, hours and years.  period_ms: between two messages that advance registers.
    variants: the signals of machines that differ from their type, with another `base` or `noise`.
    model: the name of the machine type's model, if it has one.
    """
    compiler = _Compiler((specs, *variants), vocabulary, period_ms, plant, model)
    for name, spec in specs.items():
        compiler.add(name, spec)
    return SignalProgram(
        situations=compiler.situations,
        time_zone=time_zone,
        names=tuple(specs),
        laws=tuple(compiler.laws),
        shown=tuple(number for number, spec in enumerate(specs.values()) if spec.shown),
        lags=tuple(compiler.lags),
        walks=tuple(compiler.walks),
        ramps=tuple(compiler.ramps),
        set_points=tuple(compiler.set_points),
        counters=tuple(compiler.counters),
        registers=tuple(compiler.registers),
        producing=compiler.situations.matching("state", vocabulary.producing_state or ""),
        plant=plant,
    )


class _Compiler:
    """Compiles signals one after the other; each may refer to those before it."""

    def __init__(
        self,
        variants: Sequence[Mapping[str, SignalSpec]],
        vocabulary: Vocabulary,
        period_ms: float,
        plant: SignalProgram | None,
        model: str | None,
    ) -> None:
        self.situations = Situations(vocabulary, len(variants))
        self._variants, self._period_ms, self._plant, self._model = variants, period_ms, plant, model
        self.names: list[str] = []
        self.laws: list[Law] = []
        self.lags: list[Lag] = []
        self.walks: list[WalkGrid] = []
        self.ramps: list[RampReset] = []
        self.set_points: list[SettablePoint] = []
        self.counters: list[Counted] = []
        self.registers: list[Metered] = []

    def add(self, name: str, spec: SignalSpec) -> None:
        """Compile the next signal."""
        self.laws.append(self._law(name, spec))
        self.names.append(name)

    def _law(self, name: str, spec: SignalSpec) -> Law:
        if spec.choice is not None:
            return self._choice(name, spec, spec.choice)
        if spec.counter is not None:
            return self._counter(name, spec, spec.counter)
        if spec.integral_of is not None:
            return self._register(name, spec, spec.integral_of)
        return self._measured(name, spec)

    def _choice(self, name: str, spec: SignalSpec, weights: Mapping[str, float]) -> Choice:
        texts = tuple(sorted(text for text, weight in weights.items() if weight > 0))
        greatest = max(weights.values())
        sums = [*accumulate(weights[text] / greatest for text in texts)]
        bounds = array("d", (part / sums[-1] for part in sums[:-1]))
        every_ms = max(1, round((spec.every_seconds or 0.0) * 1000))
        return Choice(purpose(name, "choice"), every_ms, bounds, texts)

    def _counter(self, name: str, spec: SignalSpec, counter: str) -> Law:
        number, unit = len(self.counters), 10**spec.places
        state = counter.removeprefix(SECONDS_IN) if counter.startswith(SECONDS_IN) else None
        self.counters.append(Counted(name, counter, state))
        if state is None:
            return Count(number, unit)
        return StateTime(number, self.situations.matching("state", state), unit)

    def _register(self, name: str, spec: SignalSpec, source: str) -> Register:
        unit, per_seconds = 10**spec.places, spec.per_seconds or 1.0
        per_message = self._period_ms / 1000 / per_seconds * unit * REGISTER_UNITS
        self.registers.append(Metered(name, source, per_seconds, unit))
        return Register(len(self.registers) - 1, self.names.index(source), per_message, unit)

    def _measured(self, name: str, spec: SignalSpec) -> Measured:
        parts = tuple(part for part in (self._level(name, spec), *self._variations(name, spec)) if part is not None)
        low, high = last_decimal_range(widest_bounds(each[name] for each in self._variants), spec.places)
        return Measured(parts or (Constant(0.0),), purpose(name, "own"), spec.spread, low, high, 10**spec.places)

    def _level(self, name: str, spec: SignalSpec) -> Expression | None:
        """Return the level that the signal varies around; None where it is 0."""
        level: Expression | None = None
        if spec.formula is not None:
            level = self._formula(spec.formula)
        elif spec.output is not None:
            level = self._output(spec.output)
        elif spec.set_point is not None:
            level = self._set_point(name, spec.set_point, signal_bounds(spec))
        elif spec.base is not None:
            level = self._by_state([each[name].base or {} for each in self._variants])
        if level is None or spec.follows_seconds is None:
            return level
        lag = Lag(name, len(self.lags), level, 1 / (spec.follows_seconds * 1000))
        self.lags.append(lag)
        return lag

    def _variations(self, name: str, spec: SignalSpec) -> Sequence[Expression | None]:
        daily, yearly, noise, uniform = spec.daily, spec.yearly, spec.noise, spec.uniform
        return (
            self._walk(name, spec),
            Noise(purpose(name, "noise"), self._by_state([each[name].noise or {} for each in self._variants]))
            if noise
            else None,
            Uniform(purpose(name, "uniform"), uniform[0], uniform[1] - uniform[0]) if uniform else None,
            DayWave(daily.amplitude, _shift(DAY_MS, daily.peak_hour * HOUR_MS)) if daily else None,
            YearWave(yearly.amplitude, _shift(YEAR_MS, (yearly.peak_day - 0.5) * DAY_MS)) if yearly else None,
            self._ramp(name, spec),
        )

    def _walk(self, name: str, spec: SignalSpec) -> Walk | None:
        if spec.walk is None:
            return None
        self.walks.append(walk_grid(purpose(name, "walk"), spec.walk.memory_seconds * 1000))
        return Walk(len(self.walks) - 1, spec.walk.sigma)

    def _ramp(self, name: str, spec: SignalSpec) -> Ramp | None:
        if spec.ramp is None:
            return None
        state = None if spec.ramp.resets == JOB else spec.ramp.resets
        grows = self.situations.matching("state", state or "", equal=False)
        self.ramps.append(RampReset(name, state))
        return Ramp(len(self.ramps) - 1, spec.ramp.per_hour / HOUR_MS, grows)

    def _set_point(self, name: str, start: float, bounds: Bounds) -> SetPoint:
        self.set_points.append(SettablePoint(name, start, *bounds))
        return SetPoint(len(self.set_points) - 1)

    def _by_state(self, by_state: Sequence[Mapping[str, float]]) -> Expression:
        levels = self.situations.levels(by_state)
        return Constant(levels[0]) if len(set(levels)) == 1 else BySituation(levels)

    def _output(self, output: str) -> Expression:
        plant = self._plant.names if self._plant else ()
        states = ((state, self.situations.matching("state", state)) for state in self.situations.vocabulary.states)
        own, of_plant = (tuple(_numbered(names).items()) for names in (self.names, plant))
        return ModelOutput(self._model or "", output, own, of_plant, tuple(states))

    def _formula(self, text: str) -> Expression:
        plant = self._plant.names if self._plant else ()
        tree = parse_formula(text, FormulaNames(self.situations.vocabulary, self.names, plant))
        return compile_formula(tree, FormulaContext(_numbered(self.names), _numbered(plant), self.situations))


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _shift(period_ms: int, peak_ms: float) -> int:
    """Return how long before the period's beginning a sine with that peak rises through 0."""
    return round(period_ms / 4 - peak_ms) % period_ms
