"""Which connections there are, and what each is called at the broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from edge.routing import check_topic, fill_topic
from edge.settings.loader import Settings
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.telemetry import Message, machine_of

PLANT: Final = "-"
"""The name of the connection of what is no machine's: orders, reports, and commands for the plant as a whole."""


class Place(NamedTuple):
    """A machine that has a connection, or the plant.  kind: its machine type."""

    machine_id: str
    kind: str = ""
    station: str | None = None

    @property
    def is_machine(self) -> bool:
        """Whether it is a machine, which announces itself."""
        return self.machine_id != PLANT


THE_PLANT: Final = Place(PLANT)


def client_id_of(place: Place, settings: Settings) -> str:
    """Return the client id of a connection. Those of machines do not depend on how the plant is split (SHARD)."""
    base = settings.mqtt_client_id
    if not place.is_machine:
        return base
    _, parts = settings.part
    own = base.rpartition("-")[0] if parts > 1 else base  # as each part has its number appended
    return settings.mqtt_device_client_id.format(client_id=own, machine_id=place.machine_id)


def status_topic(message: Message, settings: Settings) -> str:
    """Return the topic of a message about a machine's connection; raise TopicError where it is none."""
    return check_topic(fill_topic(settings.mqtt_status_topic, message, settings.mqtt_topic_prefix))


def places_of(config: PlantConfig, settings: Settings) -> Iterator[Place]:
    """Yield the connections of a plant, or of the part of it that this process has (SHARD).

    The plant has one of its own where it publishes what is no machine's, or takes commands.
    """
    part, parts = settings.part
    if settings.mqtt_commands or any(_is_enabled(config, kind) for kind in EVENTS):
        yield THE_PLANT
    for key, machine_type, count in config.machines():
        for number in range(1, count + 1):
            if (number - part) % parts == 0:
                yield Place(machine_type.id_of(number), key, machine_type.station(number))


def _is_enabled(config: PlantConfig, kind: str) -> bool:
    section = getattr(config.message_types, kind)
    return section is not None and bool(section.enabled)


class LaneNames:
    """Which connection a message goes out on: that of its machine, or that of the plant."""

    def __init__(self) -> None:
        self._machines: frozenset[str] = frozenset()

    def follow(self, places: Iterable[Place]) -> None:
        """Know the machines that have a connection now."""
        self._machines = frozenset(place.machine_id for place in places)

    def __call__(self, message: Message) -> str:
        """Return the name of the connection of a message."""
        machine_id = machine_of(message)
        return machine_id if machine_id in self._machines else PLANT
