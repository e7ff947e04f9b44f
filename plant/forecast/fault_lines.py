"""The faults and the wear of a machine type in words, for `check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from plant.definition.faults.fault_type import Effects, FaultType, WearType
from plant.definition.machine_types.machine_type import MachineType
from plant.forecast.rate_forecast import duration

_SENSOR_EFFECTS: Final = {
    "stuck": "reported value stays",
    "spike": "spikes in what is reported",
    "drift": "reported value moves away",
    "dropout": "reported as null",
}


def fault_lines(machine_type: MachineType) -> list[str]:
    """Return a line for each fault and each wear: its name, how often it comes, and what it changes."""
    faults = [("fault", name, _often(each), _of_fault(each)) for name, each in machine_type.all_faults.items()]
    wear = [("wear", name, _life(each), _changed(each.effects)) for name, each in machine_type.causes.wear.items()]
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
