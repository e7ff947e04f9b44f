"""The faults and the wear of a machine type in words, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from plant.definition.faults.fault_type import ON_MACHINE, Consequence, Effects, FaultType, WearType
from plant.definition.machine_types.machine_type import MachineType
from plant.forecast.rate_forecast import duration

_SENSOR_EFFECTS: Final = {
    "stuck": "reported value stays",
    "spike": "spikes in what is reported",
    "drift": "reported value moves away",
    "dropout": "reported as null",
}
_PLACES: Final = {"neighbours": "of neighbours"}


def fault_lines(machine_type: MachineType) -> list[str]:
    """Return a line for each fault and each wear: its name, how often it comes, what it changes, what follows."""
    faults = [
        ("fault", name, _often(each), _of_fault(each), _then(each.leads_to))
        for name, each in machine_type.all_faults.items()
    ]
    wear = [
        ("wear", name, _life(each), _changed(each.effects), _then(each.leads_to, of_wear=True))
        for name, each in machine_type.causes.wear.items()
    ]
    rows = [*faults, *wear]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def _often(fault: FaultType) -> str:
    if fault.mean_ms is not None:
        return f"every {duration(fault.mean_ms / 1000)}" + ("" if fault.sensor else " of producing")
    return "by schedule" if fault.schedule else "as a consequence or by command"


def _life(wear: WearType) -> str:
    return f"worn out after {duration(wear.life_ms / 1000)} of producing"


def _then(leads_to: Sequence[Consequence], *, of_wear: bool = False) -> str:
    followers = ", ".join(_follower(each, of_wear=of_wear) for each in leads_to)
    return f"then {followers}" if followers else ""


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
    return _SENSOR_EFFECTS[fault.sensor.kind] if fault.sensor else _changed(fault.effects)


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
