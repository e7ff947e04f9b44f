"""The faults and the wear of a machine type in words, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from plant.definition.faults.fault_type import ON_MACHINE, Consequence, Effects, FaultType, WearType
from plant.definition.machine_types.machine_type import MachineType
from plant.forecast.rate_forecast import brief, duration

_SENSOR_EFFECTS: Final = {
    "stuck": "reported value stays",
    "spike": "spikes in what is reported",
    "drift": "reported value moves away",
    "dropout": "reported as null",
}
FEWEST_LABELS: Final = 0.005
"""Labels a day below which there are none worth a number."""

_PLACES: Final = {"neighbours": "of neighbours"}


def fault_rows(machine_type: MachineType, labels: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Return the cells of a line for each fault and each wear.

    They are its name, how often it comes, how many labels a day and machine it makes, what it changes and leads to.
    labels: those a day of a machine, by name.
    """
    faults = [
        ("fault", name, _often(each), _labels(labels, name), _of_fault(each))
        for name, each in machine_type.all_faults.items()
    ]
    wear = [
        (
            "wear",
            name,
            _life(each),
            _labels(labels, name) or "hardly ever labelled",
            _and_then(_changed(each.effects), each.leads_to, of_wear=True),
        )
        for name, each in machine_type.all_wear.items()
    ]
    return [*faults, *wear]


def _labels(labels: Mapping[str, float], name: str) -> str:
    return f"{brief(labels[name])} a day and machine" if labels.get(name, 0.0) >= FEWEST_LABELS else ""


def _often(fault: FaultType) -> str:
    if fault.mean_ms is not None:
        return f"every {duration(fault.mean_ms / 1000)}" + ("" if fault.at_any_time else " of producing")
    return "by schedule" if fault.schedule else "as a consequence or by command"


def _life(wear: WearType) -> str:
    return f"worn out after {duration(wear.life_ms / 1000)} of producing"


def _and_then(changed: str, leads_to: Sequence[Consequence], *, of_wear: bool = False) -> str:
    followers = ", ".join(_follower(each, of_wear=of_wear) for each in leads_to)
    return "; ".join(part for part in (changed, f"then {followers}" if followers else "") if part)


def _follower(each: Consequence, *, of_wear: bool) -> str:
    place = "" if each.spreads_to == ON_MACHINE else f" {_PLACES.get(each.spreads_to, each.spreads_to)}"
    when = f" at {each.at:g}" if of_wear else _after(each.after_ms)
    chance = "" if each.chance == 1 else f" with chance {each.chance:.4g}"
    return f"{each.state or each.fault}{place}{when}{chance}"


def _after(after_ms: tuple[int, int]) -> str:
    shortest, longest = (duration(ms / 1000) for ms in after_ms)
    if after_ms[1] == 0:
        return ""
    return f" after {longest}" if shortest == longest else f" after {shortest} to {longest}"


def _of_fault(fault: FaultType) -> str:
    return _SENSOR_EFFECTS[fault.sensor.kind] if fault.sensor else _and_then(_changed(fault.effects), fault.leads_to)


def _changed(effects: Effects) -> str:
    return ", ".join(_effects(effects))


def _effects(effects: Effects) -> Iterator[str]:
    for name, (more, plus) in effects.signals.items():
        times = [f"times {1 + more:.4g}"] if more or not plus else []
        yield " ".join([name, *times, *([f"plus {plus:.4g}"] if plus else [])])
    factors = {"cycle_seconds": effects.cycle} if effects.cycle else {}
    factors |= {f"results.{name}": more for name, more in effects.results.items()}
    factors |= {f"dwell_seconds.{name}": more for name, more in effects.dwell.items()}
    yield from (f"{name} times {1 + more:.4g}" for name, more in factors.items())
