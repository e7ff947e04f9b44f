"""A fleet that grows a thousandfold and shrinks again: devices that stay notice nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import load_content
from plant.telemetry import Message

ONE_A_SECOND = b"message_types: {sensor_device: {count: 10, report_seconds: 1}}\n"
STAY = {f"device_{number:03d}" for number in range(10)}


def said(*scales: tuple[float, int], shard: tuple[int, int] = (1, 1)) -> list[Message]:
    """The messages of thirty seconds, in which the number of devices is set at some moments."""
    plant = FactoryMessageGenerator.of(load_content(ONE_A_SECOND, "plant.yaml"), 1, start=START, shard=shard)
    (key,) = plant.config.message_types.machines
    found = [*plant.advance(START)]
    for second, count in scales:
        found += plant.advance(START + second)
        plant.execute({"command": "scale", "message_type": key, "count": count})
    return [*found, *plant.advance(START + 30)]


def of_those_that_stay(messages: Sequence[Message]) -> list[Message]:
    """The messages of the first ten devices."""
    return [message for message in messages if message.source in STAY]


@pytest.mark.parametrize("shard", [(1, 1), (2, 3)])
def test_devices_that_stay_send_the_same_bytes_as_without_scaling(shard: tuple[int, int]) -> None:
    """Periods, phases, values and their numbers; however many come and go beside them, and at whatever moment."""
    scaled = said((5.0, 10_000), (9.123, 700), (14.5, 10_000), (20.0, 10), shard=shard)
    alone = said(shard=shard)

    assert of_those_that_stay(scaled) == alone
    assert len(scaled) > 10 * len(alone) > 0


def test_devices_that_come_start_in_phases_of_their_own() -> None:
    """Not all at the moment at which they were asked for: each hundredth of a second has some."""
    came = [message for message in said((5.0, 10_000)) if message.source not in STAY]
    first = [message.time_ms - round(1000 * (START + 5)) for message in came[:9_990]]

    assert len({message.source for message in came[:9_990]}) == 9_990
    assert 0 < min(first) <= 10
    assert max(later - earlier for earlier, later in pairwise(sorted(first))) <= 10


def test_devices_that_come_again_go_on_with_their_numbers() -> None:
    """So that a consumer finds no message twice."""
    found = [message for message in said((5.0, 20), (10.0, 10), (20.0, 20)) if message.source == "device_015"]

    assert [message.sequence for message in found] == [*range(1, len(found) + 1)]
    assert len(found) == 15
    assert {orjson.loads(message.payload)["device_id"] for message in found} == {"device_015"}
