"""Random and mutated declarations: entries with signals, messages, overrides, formulas.

Each loads, or is refused with place and rule, soon and in little memory. What loads advances an hour of plant time, or
as much of it as has a limited number of events, and a formula that loads has no names but those it may have.
"""

from __future__ import annotations

import ast
import copy
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant
from typing import Any, Final

from fuzz.campaign import LONGEST_SECONDS, Finding, Log, Result, random_for
from fuzz.plantfiles import as_yaml, at, changed, places
from fuzz.plants.choices import Data
from fuzz.plants.entries import plant
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, PlantConfigError, load_content
from plant.definition.signals.vocabulary import FUNCTIONS, MATCHED, PLANT, QUANTITIES

_MOST_MIB: Final = 256
_MOST_MACHINES: Final = 100
_HOUR_SECONDS, _MOST_EVENTS = 3600.0, 20_000.0
_LOGGED_EVERY: Final = 500
_USUAL_NAMES: Final = frozenset((*QUANTITIES, *MATCHED, *FUNCTIONS, PLANT))
_ALLOWED: Final = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.BoolOp, ast.Call, ast.Constant, ast.Name),
    *(ast.Attribute, ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context),
)

reached: list[str] = []
"""What a formula would write into that could run code."""

_HOSTILE: Final = (
    "__import__('fuzz.declarations').declarations.reached.append('import')",
    "().__class__.__base__.__subclasses__()", "plant.__class__", "hour.__class__", "abs.__self__", "min.__globals__",
    "(lambda: 1)()", "[hour for hour in (1, 2)]", "{1: hour}", "(hour := 1)", "f'{hour}'", "hour[0]", "*hour",
    "exec('1')", "open('/etc/passwd')", "getattr(hour, 'x')", "print(1)", "yield", "await hour", "hour if hour else 1",
    "9 ** 9 ** 9", "9 ** -1", "1 / 0", "0 ** 0.5", "1e400", "1e15 * 1e15", "0x10", "1_000", "1j", "True", "None", "'a'",
    "state", "state < 'running'", "state == hour", "state == 'nobody'", "'running' == state", "hour == hour == hour",
    "hour and hour", "not hour", "~1", "1 // 2", "1 << 9", "hour @ 2", "min()", "min(1)", "clip(1, 2)", "abs(x=1)",
    "min(*hour)", "s9", "plant.nobody", "plant", "age_seconds\n", "\thour", "hour # x", "hour;hour", "", " ",
    "\uff48our", "hour\0", "(" * 100 + "1" + ")" * 100, "-" * 300 + "1", "+".join(["hour"] * 100), "é", "#", "\\",
    "decay(" * 50 + "1" + ")" * 50,
)  # fmt: skip
_CHARACTERS: Final = "()+-*/%.,<>=!'\"[]{} 0159ehs_:;\\#é"


def run(seed: int, cases: range, say: Log) -> Result:
    """Run the cases of these numbers; the same seed and number give the same case."""
    outcomes, slowest, findings = Counter[str](), 0.0, list[Finding]()
    before_mib = _peak_mib()
    for done, number in enumerate(cases, 1):
        case = _Case(declaration(random_for(seed, number)))
        case.run()
        outcomes[case.outcome] += 1
        slowest = max(slowest, case.seconds)
        findings += [Finding(number, what) for what in case.wrong]
        if _peak_mib() - before_mib > _MOST_MIB:
            findings.append(Finding(number, f"needs {_peak_mib() - before_mib:.0f} MiB more than before"))
            before_mib = _peak_mib()
        if done % _LOGGED_EVERY == 0:
            say(f"declarations: {done} of {len(cases)} cases, {len(findings)} findings")
    return Result(len(cases), dict(outcomes), slowest, findings)


def declaration(chance: Random) -> Data:
    """Return the data of a plant, usually with some changes."""
    data = copy.deepcopy(plant(chance))  # what is changed must not be shared with other cases
    for change in chance.choice(((), (), (_any_change,), (_formula_change,), (_any_change,) * 3, (_swapped,))):
        change(chance, data)
    return data


class _Case:
    """A declaration and its outcome.  seconds: how long it took to load."""

    def __init__(self, data: Data) -> None:
        self.outcome, self.seconds, self.wrong = "refused", 0.0, list[str]()
        self._content = as_yaml(data)

    def run(self) -> None:
        """Load it, let it run, and record what is wrong."""
        try:
            config = self._load()
            if config is not None:
                self._check_formulas(config)
                self._advance(config)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self.wrong.append(f"{type(error).__name__} leaves: {error}"[:200])
        if self.seconds > LONGEST_SECONDS:
            self.wrong.append(f"{self.outcome}, and takes {self.seconds:.1f} s")
        if reached:
            self.wrong.append(f"a formula has run code: {reached}")
            reached.clear()

    def _load(self) -> PlantConfig | None:
        began = time.process_time()
        try:
            config = load_content(self._content, "plant.yaml")
        except PlantConfigError as error:
            self.wrong += [
                f"refused without place or rule: {each}" for each in error.mistakes if not (each.path and each.rule)
            ]
            config = None
        self.seconds = time.process_time() - began
        return config

    def _check_formulas(self, config: PlantConfig) -> None:
        for each in config.message_types.machines.values():
            shared = config.plant_signals_of(each.site)
            for signals in (each.signals, *(own.signals for own in each.overrides.values())):
                self._check_names({name: spec.formula for name, spec in signals.items()}, {*shared})
        for site in (None, *config.sites):
            self._check_names({name: spec.formula for name, spec in config.plant_signals_of(site).items()}, set())

    def _check_names(self, formulas: Mapping[str, str | None], shared: set[str]) -> None:
        known = set(_USUAL_NAMES)
        for name, formula in formulas.items():
            if formula is not None and (strange := [*_strange(formula, known, shared)]):
                self.wrong.append(f"loads the formula {formula!r} with {strange}")
            known.add(name)

    def _advance(self, config: PlantConfig) -> None:
        self.outcome = "only loaded, being large"
        if sum(count for _, _, count in config.machines()) > _MOST_MACHINES:
            return
        self.outcome = "advanced"
        generator = FactoryMessageGenerator.of(config, "fuzz")
        generator.rehearse()
        per_second = sum(generator._parts.max_events_per_second(config), _MOST_EVENTS / _HOUR_SECONDS)  # noqa: SLF001
        messages = generator.advance(START + _MOST_EVENTS / per_second)
        times = [message.time_ms for message in messages]
        if times != sorted(times):
            self.wrong.append("messages are not in order of time")


def _strange(formula: str, known: set[str], shared: set[str]) -> Iterator[str]:
    """Yield what a formula has beyond its grammar and its names."""
    for node in ast.walk(ast.parse(formula.strip(), mode="eval")):
        if not isinstance(node, _ALLOWED):
            yield type(node).__name__
        if isinstance(node, ast.Name) and node.id not in known:
            yield node.id
        if isinstance(node, ast.Attribute) and node.attr not in shared:
            yield f".{node.attr}"


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Changes


_Change = Callable[[Random, Data], None]


def _any_change(chance: Random, data: Data) -> None:
    """Change any value, or remove it."""
    changed(chance, data, _other_plant)


def _other_plant(chance: Random) -> Any:
    return plant(chance)


def _swapped(chance: Random, data: Data) -> None:
    """Exchange the values of two keys."""
    one, other = (chance.choice([*places(data)]) for _ in range(2))
    if one[: len(other)] == other or other[: len(one)] == one:
        return
    first, second = at(data, one), at(data, other)
    at(data, one[:-1])[one[-1]], at(data, other[:-1])[other[-1]] = second, first


def _formula_change(chance: Random, data: Data) -> None:
    """Change a formula, or have one where a signal has something else."""
    formulas = [place for place in places(data) if place[-1] == "formula"]
    if formulas:
        place = chance.choice(formulas)
        at(data, place[:-1])["formula"] = _other_formula(chance, at(data, place))
        return
    signals = [place for place in places(data) if len(place) > 1 and place[-2] in ("signals", "plant_signals")]
    if signals:
        place = chance.choice(signals)
        at(data, place[:-1])[place[-1]] = {"formula": _other_formula(chance, "hour"), "limits": [-1, 1]}


def _other_formula(chance: Random, formula: str) -> str:
    way = chance.random()
    if way < 0.4:
        return chance.choice(_HOSTILE)
    if way < 0.6:
        return f"({formula}) {chance.choice('+-*/%')} ({chance.choice(_HOSTILE)})"
    text = [*formula]
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(text) + 1)
        text[place : place + chance.choice((0, 1))] = chance.choice(_CHARACTERS)
    return "".join(text)
