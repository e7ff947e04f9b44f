"""Random signals of machine types and of the plant, and random formulas, valid by construction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random  # noqa: TID251 - makes the signals; no part of them
from typing import Any, Final

from fuzz.plants.drawn_signals import TEXTS, drawn, timetable

Data = dict[str, Any]

_LEVELS: Final = (0, 1, -3, 55, 1200, -20)
_SIGMAS: Final = (0, 0.5, 12.0)
_SECONDS: Final = (1.0, 0.001, 8.0, 240.0)
_NUMBERS: Final = ("0", "1", "0.5", "2.75", "1e-7", "120", "1e15")
_SIGNS: Final = ("<", "<=", ">", ">=", "==", "!=")
_FORMS: Final = (
    *(f"({{}} {sign} {{}})" for sign in "+-*/%"),
    *(f"({{}}) ** {power}" for power in ("0.5", "1", "1.5", "3", "6")),
    *(f"{name}({{}})" for name in ("abs", "sqrt", "floor", "round", "decay", "-")),
    "min({}, {})", "max({}, {})", "clip({}, {}, 7)",
    *(f"({{}} if {{}} {sign} {{}} else {{}})" for sign in _SIGNS),
    "({} if {} < {} and {} > 1 or {} != {} else {})",
)  # fmt: skip
_DEEPEST: Final = 3


def signals(chance: Random, entry: Mapping[str, Any], shared: Collection[str] = ()) -> Data:
    """Return signals for an entry with these states and this job. shared: the signals of the plant, numbers only."""
    made: Data = {}
    for number in range(chance.choice((1, 2, 3, 5))):
        numbers = [name for name, each in made.items() if TEXTS.isdisjoint(each)]
        rates = [name for name in numbers if not {"counter", "integral_of"} & made[name].keys()]
        if rates and chance.random() < 0.2:
            made[f"s{number}"] = {"integral_of": rates[-1], "per_seconds": 3600.0, "decimals": chance.choice((2, 0, 3))}
        elif numbers and chance.random() < 0.2:
            made[f"s{number}"] = drawn(chance, made, numbers)
        else:
            made[f"s{number}"] = _signal(chance, entry, numbers, shared)
    return made


def plant_signals(chance: Random) -> Data:
    """Return one or two signals of the plant."""
    made: Data = {}
    for name in ("outdoor", "grid")[: chance.choice((1, 2))]:
        made[name] = {"base": chance.choice(_LEVELS)} | _parts(chance, {})
        made[name].pop("spread", None)
    return made


def formula(chance: Random, names: Sequence[str], matches: Sequence[str] = (), depth: int = _DEEPEST) -> str:
    """Return a formula over these names. matches: conditions on the state, phase or kind."""
    if not depth or chance.random() < 0.2:
        return chance.choice((*names, "age_seconds", "job_progress", "hour", *_NUMBERS))
    if matches and chance.random() < 0.2:
        then, other = (formula(chance, names, matches, depth - 1) for _ in range(2))
        return f"({then} if {chance.choice(matches)} else {other})"
    form = chance.choice(_FORMS)
    smaller = 1 if form.count("{}") > 2 else depth  # at most 120 parts
    return form.format(*(formula(chance, names, matches, smaller - 1) for _ in range(form.count("{}"))))


def _signal(chance: Random, entry: Mapping[str, Any], numbers: Sequence[str], shared: Collection[str]) -> Data:
    sources = [_base, _formula, _set_point, _choice, _ramp, _timetable]
    if "job" in entry or "states" in entry:
        sources.append(_counter)
    source = chance.choice(sources)
    made = source(chance, entry, [*numbers, *(f"plant.{name}" for name in shared)])
    if "choice" not in made and chance.random() < 0.3:
        made["decimals"] = chance.choice((0, 1, 6)) if "limits" in made or "counter" not in made else 0
    if chance.random() < 0.1:
        made["shown"] = False
    return made


def _base(chance: Random, entry: Mapping[str, Any], _names: Sequence[str]) -> Data:
    made: Data = {"base": _by_state(chance, entry, _LEVELS)}
    if chance.random() < 0.4:
        made["follows_seconds"] = chance.choice(_SECONDS)
    return made | _parts(chance, entry)


def _by_state(chance: Random, entry: Mapping[str, Any], values: Sequence[float]) -> Any:
    states, job = [*entry.get("states", ())], entry.get("job", {})
    if not states or chance.random() < 0.4:
        return chance.choice(values)
    made = {name: chance.choice(values) for name in states[:2]} | {"else": chance.choice(values)}
    if "phases" in job and "running" in states and chance.random() < 0.5:
        made["running.press"] = chance.choice(values)
    elif "job" in entry and "running" in states and chance.random() < 0.5:
        made["running.panel"] = chance.choice(values)
    return made


def _formula(chance: Random, entry: Mapping[str, Any], names: Sequence[str]) -> Data:
    job = entry.get("job", {})
    matches = [f"state == {name!r}" for name in entry.get("states", ())]
    matches += ["phase != 'press'"] if "phases" in job else []
    matches += ["kind == 'panel'"] if job else []
    return {"formula": formula(chance, names, matches), "limits": [-1000, 1000]} | _parts(chance, entry)


def _set_point(chance: Random, entry: Mapping[str, Any], _names: Sequence[str]) -> Data:
    return {"set_point": 12.5, "follows_seconds": 8.0, "limits": [0, 20]} | _parts(chance, entry)


def _choice(chance: Random, _entry: Mapping[str, Any], _names: Sequence[str]) -> Data:
    made: Data = {"choice": {"red": 3.0, 'gr"ün %s': 1.0, "blue": 0.0}}
    return made | ({"every_seconds": chance.choice(_SECONDS)} if chance.random() < 0.5 else {})


def _timetable(chance: Random, entry: Mapping[str, Any], _names: Sequence[str]) -> Data:
    return timetable(chance) | _parts(chance, entry)


def _ramp(chance: Random, entry: Mapping[str, Any], _names: Sequence[str]) -> Data:
    resets = [*entry.get("states", ["on"]), *(["job"] if "job" in entry else [])]
    made: Data = {"base": chance.choice(_LEVELS), "limits": [-500, 500]}
    return made | {"ramp": {"per_hour": chance.choice((3600.0, -20.5)), "resets": chance.choice(resets)}}


def _counter(chance: Random, entry: Mapping[str, Any], _names: Sequence[str]) -> Data:
    counted = [f"seconds.{name}" for name in entry.get("states", ["on"])]
    if "job" in entry:
        counted += ["jobs", "good", *entry["job"].get("results", {"good": 1.0})]
    return {"counter": chance.choice(counted)}


def _parts(chance: Random, entry: Mapping[str, Any]) -> Data:
    made: Data = {}
    if chance.random() < 0.3:
        made["walk"] = {"sigma": chance.choice(_SIGMAS), "memory_seconds": chance.choice(_SECONDS)}
    if chance.random() < 0.3:
        made["noise"] = _by_state(chance, entry, _SIGMAS)
    if chance.random() < 0.15:
        made["uniform"] = [-1.5, 2]
    if chance.random() < 0.15:
        made["daily"] = {"amplitude": 3.0, "peak_hour": 15.5}
    if chance.random() < 0.1:
        made["yearly"] = {"amplitude": 9.0, "peak_day": 200.0}
    if chance.random() < 0.2:
        made["spread"] = 0.05
    return made
