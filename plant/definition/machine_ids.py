"""The ids of the machines that a plant declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from plant.definition.machine_types.overrides import number_of
from plant.definition.plant_config import PlantConfig

_FIRST: Final = 3


def near_ids(config: PlantConfig, text: str) -> list[str]:
    """Return ids that a text may be meant for: the first ones of each type, and those with a number that is in it."""
    wanted = [int(digits) for digits in re.findall(r"[0-9]{1,9}", text)]
    return [
        machine_type.id_of(number)
        for _, machine_type, count in config.machines()
        for number in sorted(
            {*range(1, _FIRST + 1), *(each + 1 - machine_type.ids.first_number for each in wanted), count}
        )
        if 1 <= number <= count
    ]


def is_machine(config: PlantConfig, machine_id: str) -> bool:
    """Return whether a machine has an id."""
    numbers = ((number_of(machine_id, machine_type), count) for _, machine_type, count in config.machines())
    return any(number is not None and number <= count for number, count in numbers)


def machine_ids(config: PlantConfig) -> Iterator[str]:
    """Yield the ids of all machines, in order of type and number."""
    for _, machine_type, count in config.machines():
        yield from map(machine_type.id_of, range(1, count + 1))
