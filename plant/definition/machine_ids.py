"""The ids of the machines that a plant declares."""

from __future__ import annotations

from collections.abc import Iterator

from plant.definition.machine_types.overrides import number_of
from plant.definition.plant_config import PlantConfig


def is_machine(config: PlantConfig, machine_id: str) -> bool:
    """Return whether a machine has an id."""
    numbers = ((number_of(machine_id, machine_type), count) for _, machine_type, count in config.machines())
    return any(number is not None and number <= count for number, count in numbers)


def machine_ids(config: PlantConfig) -> Iterator[str]:
    """Yield the ids of all machines, in order of type and number."""
    for _, machine_type, count in config.machines():
        yield from map(machine_type.id_of, range(1, count + 1))
