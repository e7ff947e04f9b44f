"""Notes on alarms that are never raised."""

from __future__ import annotations

from collections.abc import Iterator

from plant.definition.alarms.alarm_rules import is_reachable
from plant.definition.alarms.alarm_type import Side
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.definition.signals.bounds import widest_bounds


def alarm_notes(config: PlantConfig) -> Iterator[str]:
    """Yield a note on each alarm whose limit is outside the range of its signal."""
    for key, machine_type, _ in config.declared():
        yield from (f"{key}: {note}" for note in _notes(machine_type))


def _notes(machine_type: MachineType) -> Iterator[str]:
    for alarm in machine_type.alarms:
        specs = [each.signals[alarm.signal] for each in (machine_type, *machine_type.overrides.values())]
        if not is_reachable(alarm, specs):
            low, high = widest_bounds(specs)
            furthest = f"at most {high:.6g}" if alarm.side is Side.HIGH else f"at least {low:.6g}"
            yield (
                f"the alarm {alarm.name} is raised at {alarm.limit:g}, but {alarm.signal} is {furthest}: it is"
                " never raised."
            )
