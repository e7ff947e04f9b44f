"""Random faults, sensor faults and wear of machine types, valid by construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random  # noqa: TID251 - makes the faults; no part of a plant
from typing import Any, Final

from fuzz.plants.choices import Data, maybe, some
from fuzz.plants.drawn_signals import TEXTS

NAMES: Final = ("bearing_damage", "jam", "Leak2")
WEARS: Final = ("tool", "belt")
_NOT_MEASURED: Final = frozenset(("integral_of", "counter", "binomial")) | TEXTS
_EVERY_HOURS: Final = (0.01, 0.001, 0.05)
_DURATIONS: Final = (8.0, 0.1, [2.0, 40.0])
_SEVERITIES: Final = (1.0, 0.01, [0.3, 2.0], 5.0)
_AFTER_SECONDS: Final = (0.0, 5.0, [1.0, 30.0])
_CHANGES: Final[tuple[Data, ...]] = ({"times": 2.0}, {"plus": 3.5}, {"times": 0.0}, {"times": 4, "plus": -12})
_FACTORS: Final[tuple[Data, ...]] = ({"times": 2.0}, {"times": 0.5}, {"times": 0.0}, {"times": 30})
_CYCLES: Final[tuple[Data, ...]] = ({"times": 1.5}, {"times": 1.0}, {"times": 0.0}, {"times": 6})


def causes(chance: Random, key: str, entry: Mapping[str, Any]) -> Data:
    """Return faults, sensor faults and wear for an entry with these states, signals and jobs."""
    made: Data = {}
    names = some(chance, NAMES) if maybe(chance, 0.7) else []
    if sensors := _sensor_faults(chance, key, entry):
        made["sensor_faults"] = sensors
    led = [*names, *(f"{signal}.{kind}" for signal, kinds in sensors.items() for kind in kinds)]
    if names:
        made["faults"] = {name: _fault(chance, key, entry, [each for each in led if each != name]) for name in names}
    if entry.get("states") and maybe(chance):
        made["wear"] = {name: _wear(chance, entry, led) for name in some(chance, WEARS)}
    return made


def spread(chance: Random, types: Mapping[str, Data], *, flows: bool) -> None:
    """Let faults spread from one machine to another. flows: whether pieces flow between some of these types."""
    names = sorted({name for each in types.values() for name in each.get("faults", ())})
    for key in [key for key, each in types.items() if each.get("faults")]:
        ways = ["neighbours", *(("downstream", "upstream") if flows else ())]
        fault = types[key]["faults"][chance.choice([*types[key]["faults"]])]
        led = {"fault": chance.choice(names), "spreads_to": chance.choice(ways)} | _timed(chance)
        fault["leads_to"] = [*fault.get("leads_to", ()), led]
        others = [machine_id(each, 1) for each in types if each != key]
        types[key]["neighbours"] = {machine_id(key, 1): [machine_id(key, 2), *others[:1]]}


def machine_id(key: str, number: int) -> str:
    """Return the id of a machine of a type that declares no other."""
    return f"{key.upper().replace('_', '-')}-{number:02d}"


def _fault(chance: Random, key: str, entry: Mapping[str, Any], others: Sequence[str]) -> Data:
    made = _episodes(chance, key)
    if entry.get("states") and maybe(chance, 0.4):
        made["until"] = chance.choice([*entry["states"]])
        if maybe(chance):
            made.pop("duration_seconds")
    if maybe(chance):
        made["onset"] = chance.choice(("step", {"ramp_seconds": 15.0}))
    if effects := _effects(chance, entry):
        made["effects"] = effects
    if maybe(chance) and (consequences := _leads_to(chance, entry, others)):
        made["leads_to"] = [each | ({"after_seconds": chance.choice(_AFTER_SECONDS)}) for each in consequences]
    return made


def _episodes(chance: Random, key: str) -> Data:
    """Return when episodes come: by chance, at certain times, or both."""
    made: Data = {"duration_seconds": chance.choice(_DURATIONS)}
    if maybe(chance, 0.8):
        made["every_hours"] = chance.choice(_EVERY_HOURS)
    if maybe(chance, 0.3):
        made["schedule"] = [_scheduled(chance, key) for _ in range(chance.choice((1, 2)))]
    if maybe(chance):
        made["severity"] = chance.choice(_SEVERITIES)
    return made


def _scheduled(chance: Random, key: str) -> Data:
    made: Data = chance.choice(({"after_seconds": 30.0}, {"after_seconds": 0.0}, {"at": "2025-01-01T00:01:00.5Z"}))
    if maybe(chance):
        made = made | {"machine": machine_id(key, chance.choice((1, 2)))}
    if maybe(chance, 0.3):
        made = made | {"severity": 2.5, "duration_seconds": 0.001}
    return made


def _effects(chance: Random, entry: Mapping[str, Any]) -> Data:
    signals = [name for name in _measured(entry) if "limits" in entry["signals"][name]]
    made: Data = {}
    if signals and maybe(chance, 0.8):
        made = {name: dict(chance.choice(_CHANGES)) for name in some(chance, signals)}
    if "job" in entry:
        made |= _effects_on_jobs(chance, [*entry["job"].get("results", ("good",))])
    if entry.get("states") and maybe(chance, 0.3):
        made["dwell_seconds"] = {name: dict(chance.choice(_FACTORS)) for name in some(chance, [*entry["states"]])}
    return made


def _effects_on_jobs(chance: Random, results: Sequence[str]) -> Data:
    made: Data = {}
    if maybe(chance):
        made["cycle_seconds"] = dict(chance.choice(_CYCLES))
    if maybe(chance):
        made["results"] = {name: dict(chance.choice(_FACTORS)) for name in some(chance, results)}
    return made


def _measured(entry: Mapping[str, Any]) -> list[str]:
    return [name for name, each in entry.get("signals", {}).items() if _NOT_MEASURED.isdisjoint(each)]


def _leads_to(chance: Random, entry: Mapping[str, Any], others: Sequence[str]) -> list[Data]:
    """Return what a cause leads to. others: faults of the type that may begin."""
    made: list[Data] = []
    if entry.get("states") and maybe(chance, 0.7):
        made.append({"state": chance.choice([*entry["states"]])} | ({"chance": 0.6} if maybe(chance) else {}))
    if others and maybe(chance, 0.5):
        severity: Data = {"severity": chance.choice(_SEVERITIES)} if maybe(chance) else {}
        made.append({"fault": chance.choice(others)} | severity)
    return made


def _timed(chance: Random) -> Data:
    return {"after_seconds": chance.choice(_AFTER_SECONDS), "chance": chance.choice((1.0, 0.5, 0.0))}


def _wear(chance: Random, entry: Mapping[str, Any], faults: Sequence[str]) -> Data:
    made: Data = {"life_hours": chance.choice((0.01, 0.001, 0.1)), "resets": chance.choice([*entry["states"]])}
    if effects := _effects(chance, entry):
        made["effects"] = effects
    if consequences := _leads_to(chance, entry, faults):
        made["leads_to"] = [each | {"at": chance.choice((1.0, 0.25, 1.7))} for each in consequences]
    return made


def _sensor_faults(chance: Random, key: str, entry: Mapping[str, Any]) -> Data:
    signals = _measured(entry)
    if not signals or maybe(chance, 0.4):
        return {}
    return {name: _of_sensor(chance, key, entry["signals"][name]) for name in some(chance, signals)}


def _of_sensor(chance: Random, key: str, signal: Mapping[str, Any]) -> Data:
    kinds: Data = {"stuck": {}, "dropout": {}}
    if "limits" in signal:
        kinds |= {"spike": {"amplitude": chance.choice((40.0, -7.5)), "chance": 0.3}, "drift": {"per_hour": 900.0}}
    return {kind: kinds[kind] | _episodes(chance, key) for kind in some(chance, [*kinds])}
