"""Random plants are valid, and have all that machine types may have."""

from __future__ import annotations

from collections import Counter

import pytest

from fuzz.campaign import random_for
from fuzz.plantfiles import changed
from fuzz.plants.entries import Wanted, plant
from plant.definition.machine_types.entry import MachineEntry
from plant.definition.plant_config import parse

NOT_MADE = {"title", "machine_id", "first_number", "frequency_weight", "model"}
OF_COUPLED_PLANTS = {"site", "shifts", "operators", "start_delay_seconds", "neighbours"}
"""Keys of plants whose machines depend on each other, or on a calendar."""


@pytest.mark.parametrize("coupled", [True, False])
def test_they_are_valid_and_have_every_key_that_matters(*, coupled: bool) -> None:
    """None is refused, and no key of a machine type is missing in all of them."""
    made = [plant(random_for(1, number), Wanted(coupled=coupled)) for number in range(200)]
    for each in made:
        parse(each)
    counts = Counter(key for each in made for entry in each["message_types"].values() for key in entry)

    missing = NOT_MADE if coupled else NOT_MADE | OF_COUPLED_PLANTS
    assert MachineEntry.model_fields.keys() - counts.keys() == missing
    assert sum("on_stop" in entry.get("job", {}) for each in made for entry in each["message_types"].values()) > 20
    assert ("flow" in {key for each in made for key in each}) is coupled


def test_a_file_whose_only_key_was_removed_stays_empty() -> None:
    """There is nothing left to change in it."""
    data: dict[str, object] = {}
    changed(random_for(1, 0), data, lambda _: {"message_types": {}})

    assert data == {}
