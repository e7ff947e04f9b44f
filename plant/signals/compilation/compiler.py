"""Compiling the declaration of signals: each becomes a law with all its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from plant.definition.faults.fault_type import DRIFT, DROPOUT, SPIKE, STUCK, Causes, SensorEffect
from plant.definition.signals.bounds import Bounds, last_decimal_range, most_items, signal_bounds, widest_bounds
from plant.definition.signals.formula_parser import FormulaNames, parse_condition, parse_formula
from plant.definition.signals.signal_spec import Binomial as BinomialSpec
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from plant.signals.compilation.text_laws import text_law
from plant.signals.compilation.timetables import weekly_level
from plant.signals.laws.causes import CauseEffect, Drifting, Missing, Reported, Spiking, Stuck
from plant.signals.laws.exact_tables import WalkGrid, purpose, walk_grid
from plant.signals.laws.expressions import (
    BySituation,
    Constant,
    Expression,
    FormulaContext,
    SignalValue,
    compile_condition,
    compile_formula,
)
from plant.signals.laws.model_output import ModelOutput
from plant.signals.laws.parts import DayWave, Lag, Noise, Ramp, SetPoint, Uniform, Walk, YearWave
from plant.signals.laws.program import (
    DAY_MS,
    HOUR_MS,
    JOB,
    SECONDS_IN,
    YEAR_MS,
    Counted,
    Metered,
    RampReset,
    SettablePoint,
    SignalProgram,
)
from plant.signals.laws.signal_laws import REGISTER_UNITS, Binomial, Count, Law, Measured, Register, StateTime
from plant.signals.laws.situations import Situations


def compile_signals(
    specs: Mapping[str, SignalSpec],
    vocabulary: Vocabulary,
    time_zone: str = "UTC",
    period_ms: float = 1000.0,
    plant: SignalProgram | None = None,
    variants: Sequence[Mapping[str, SignalSpec]] = (),
    model: str | None = None,
    causes: Causes = Causes(),  # noqa: B008 - immutable
) -> SignalProgram:
    """Return the program of signals whose declaration breaks no rule.

    time_zone: of the plant, for days, hours and years.  period_ms: between two messages that advance registers.
    variants: the signals of machines that differ from their type, with another `base` or `noise`.
    model: the name of the machine type's model, if it has one.  causes: its faults and wear.
    """
    compiler = _Compiler((specs, *variants), vocabulary, period_ms, plant, model, causes)
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
        levels=causes.levels,
        held=compiler.held,
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
        causes: Causes,
    ) -> None:
        self.situations = Situations(vocabulary, len(variants))
        self._variants, self._period_ms, self._plant, self._model = variants, period_ms, plant, model
        self._causes, self._level_numbers = causes, _numbered(causes.levels)
        self.held = tuple(name for name, each in causes.faults.items() if each.sensor and each.sensor.kind == STUCK)
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
        text = text_law(name, spec, self._condition, _numbered(self.names), self.laws)
        if text is not None:
            return text
        if spec.counter is not None:
            return self._counter(name, spec, spec.counter)
        if spec.binomial is not None:
            return self._binomial(name, spec.binomial)
        if spec.integral_of is not None:
            return self._register(name, spec, spec.integral_of)
        return self._measured(name, spec)

    def _counter(self, name: str, spec: SignalSpec, counter: str) -> Law:
        number, unit = len(self.counters), 10**spec.places
        state = counter.removeprefix(SECONDS_IN) if counter.startswith(SECONDS_IN) else None
        self.counters.append(Counted(name, counter, state))
        if state is None:
            return Count(number, unit)
        return StateTime(number, self.situations.matching("state", state), unit)

    def _binomial(self, name: str, drawn: BinomialSpec) -> Binomial:
        chance, most = drawn.chance, most_items(each[drawn.of] for each in self._variants)
        given = SignalValue(self.names.index(chance)) if isinstance(chance, str) else Constant(chance)
        return Binomial(purpose(name, "binomial"), self.names.index(drawn.of), most, given)

    def _register(self, name: str, spec: SignalSpec, source: str) -> Register:
        unit, per_seconds = 10**spec.places, spec.per_seconds or 1.0
        per_message = self._period_ms / 1000 / per_seconds * unit * REGISTER_UNITS
        self.registers.append(Metered(name, source, per_seconds, unit))
        return Register(len(self.registers) - 1, self.names.index(source), per_message, unit)

    def _measured(self, name: str, spec: SignalSpec) -> Measured:
        parts = tuple(part for part in (self._level(name, spec), *self._variations(name, spec)) if part is not None)
        low, high = last_decimal_range(widest_bounds(each[name] for each in self._variants), spec.places)
        own = purpose(name, "own"), spec.spread, low, high, 10**spec.places
        return Measured(parts or (Constant(0.0),), *own, (*self._effects(name),), (*self._sensors(name),))

    def _effects(self, name: str) -> Iterator[CauseEffect]:
        for cause, number in self._level_numbers.items():
            found = self._causes.faults.get(cause) or self._causes.wear[cause]
            if effect := found.effects.signals.get(name):
                yield CauseEffect(number, *effect)

    def _sensors(self, name: str) -> Iterator[Reported]:
        for cause, number in self._level_numbers.items():
            fault = self._causes.faults.get(cause)
            if fault and fault.sensor and fault.sensor.signal == name:
                yield self._reported(number, fault.name, fault.sensor)

    def _reported(self, number: int, cause: str, sensor: SensorEffect) -> Reported:
        reported: Mapping[str, Callable[[], Reported]] = {
            STUCK: lambda: Stuck(number, self.held.index(cause)),
            DRIFT: lambda: Drifting(number),
            SPIKE: lambda: Spiking(number, purpose(cause, "spike"), sensor.amplitude, sensor.chance),
            DROPOUT: lambda: Missing(number),
        }
        return reported[sensor.kind]()

    def _level(self, name: str, spec: SignalSpec) -> Expression | None:
        """Return the level that the signal varies around; None where it is 0."""
        level: Expression | None = None
        if spec.formula is not None:
            level = self._formula(spec.formula)
        elif spec.output is not None:
            level = self._output(spec.output)
        elif spec.timetable is not None:
            level = weekly_level(spec.timetable)
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
        return compile_formula(parse_formula(text, self._formula_names), self._formula_context)

    def _condition(self, text: str) -> Expression:
        return compile_condition(parse_condition(text, self._formula_names), self._formula_context)

    @property
    def _formula_names(self) -> FormulaNames:
        return FormulaNames(self.situations.vocabulary, self.names, self._plant.names if self._plant else ())

    @property
    def _formula_context(self) -> FormulaContext:
        plant = self._plant.names if self._plant else ()
        return FormulaContext(_numbered(self.names), _numbered(plant), self.situations)


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _shift(period_ms: int, peak_ms: float) -> int:
    """Return how long before the period's beginning a sine with that peak rises through 0."""
    return round(period_ms / 4 - peak_ms) % period_ms
