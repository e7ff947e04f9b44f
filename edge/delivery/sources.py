"""What is the same for all messages of a source: topic, QoS, whether it is retained, what it is about, and whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from edge.delivery.tap import About
from edge.routing import KindOptions
from edge.traffic import ALARM, EVENT, ORDER, STATUS, TELEMETRY
from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.machine_types.machine_type import MessageClass
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.telemetry import Message, machine_of

_OF_NO_MACHINE: Final = ("customer_order", "dispatch")
_CATEGORIES: Final[Mapping[str, str]] = MappingProxyType(
    {kind: ORDER if kind in _OF_NO_MACHINE else EVENT for kind in EVENTS}
)
_BESIDE_STATUS: Final = frozenset(
    [
        *(FieldSource.MACHINE_ID, FieldSource.STATION, FieldSource.STATUS, FieldSource.TIMESTAMP),
        *(FieldSource.STATE_REASON, FieldSource.STATE_REASON_CODE, FieldSource.CONSTANT, FieldSource.PROPERTY),
        *(FieldSource.SEQUENCE, FieldSource.MACHINE_SEQUENCE),
    ]
)
"""What a message may report beside the state of a machine and still be about nothing else."""


def category_of(kind: str, message_class: MessageClass | None) -> str:
    """Return what regular messages of a kind are about. message_class: None for what is no machine type."""
    if message_class is None:
        return _CATEGORIES.get(kind, TELEMETRY)
    if message_class.reports_alarms:
        return ALARM
    reported = {field.source for field in message_class.fields}
    if FieldSource.STATUS in reported and reported <= _BESIDE_STATUS:
        return STATUS
    return TELEMETRY if message_class.is_regular else EVENT


class Sources:
    """Describes messages, each source once.

    topic: returns that of a message; raises TopicError.  config: returns the configuration in force.
    qos: of kinds that have none of their own.  options: those of kinds.
    """

    def __init__(
        self, topic: Callable[[Message], str], config: Callable[[], PlantConfig], qos: int, options: KindOptions
    ) -> None:
        self._topic, self._config, self._qos, self._options = topic, config, qos, options
        self._known: dict[str, About] = {}
        self._outside_period: dict[str, About] = {}

    def __call__(self, message: Message) -> About:
        """Return what is the same for all messages of the source of this one; raises TopicError."""
        known = self._outside_period if message.trigger else self._known
        about = known.get(message.source)
        if about is None:
            about = known[message.source] = self._described(message)
        return about

    def invalidate(self) -> None:
        """Forget all, because the configuration has changed, or nobody looks."""
        self._known.clear()
        self._outside_period.clear()

    def _described(self, message: Message) -> About:
        kind = message.kind
        category = category_of(kind, self._config().message_class(kind))
        if category == TELEMETRY and message.trigger:
            category = EVENT
        qos, retain = self._options.qos.get(kind, self._qos), kind in self._options.retained
        return About(self._topic(message), qos, retain, category, _machine_of(message))


def _machine_of(message: Message) -> str | None:
    """Return the machine that a message is about: reports about machines have its id after a slash."""
    if message.kind in _OF_NO_MACHINE:
        return None
    return message.source.partition("/")[2] if message.kind in EVENTS else machine_of(message)
