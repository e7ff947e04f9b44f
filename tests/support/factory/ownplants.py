"""Plants of any machine types of one's own, for what must hold for all of them; and their messages, compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fuzz.plants.entries import Wanted, plant
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.support.examples import THOROUGH, examples

usually = settings(
    max_examples=examples(25),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
"""How properties over random plants are tested."""
seldom = settings(usually, max_examples=examples(25) if THOROUGH else 8)
"""The same for those that run several plants for each example."""


class Published(NamedTuple):
    """A message as it leaves the plant, with why it was sent, which equal messages need not have in common."""

    message: Message
    trigger: str


def own_plants(*, nested: bool = True, sequence: bool = True, coupled: bool = True) -> st.SearchStrategy[PlantConfig]:
    """Draw plants with machine types of their own; see fuzz.plants.entries.Wanted."""
    wanted = Wanted(nested=nested, sequence=sequence, coupled=coupled)
    return st.randoms(use_true_random=False).map(lambda chance: parse(plant(chance, wanted)))


def begun(config: PlantConfig, shard: tuple[int, int] = (1, 1)) -> FactoryMessageGenerator:
    """Return a plant at its start; all have the same seed."""
    return FactoryMessageGenerator.of(config, 1, shard=shard)


def published(messages: Iterable[Message]) -> list[Published]:
    """Return messages in a form in which those that are sent for another reason differ."""
    return [Published(message, message.trigger) for message in messages]


def run(config: PlantConfig, seconds: float) -> list[Published]:
    """Return the messages of the first seconds of a plant."""
    return published(begun(config).advance(START + seconds))


def in_pieces(generator: FactoryMessageGenerator, cuts: Sequence[float]) -> list[Published]:
    """Return the messages up to the last of these seconds after the start, computed in pieces."""
    return published(message for cut in sorted(cuts) for message in generator.advance(START + cut))
