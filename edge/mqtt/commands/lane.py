"""Commands over MQTT of one process, put together: subscription, desk and answers."""

from __future__ import annotations

from collections.abc import Callable

from edge.mqtt.commands.answers import Answers
from edge.mqtt.commands.desk import CommandDesk
from edge.mqtt.commands.plant_topics import CommandTopics
from edge.mqtt.commands.subscription import CommandSubscription
from edge.mqtt.protocol.versions import rules_of
from edge.settings.loader import Settings
from plant.definition.plant_config import PlantConfig


class CommandLane:
    """The way of commands from the broker to the desk, and of their answers back.

    config: returns the configuration in force.  part: as for CommandTopics.  clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], PlantConfig],
        part: tuple[int, int],
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._config, self._part = settings, config, part
        self._topics = self._topics_now()
        answers = Answers()
        self.desk = CommandDesk(lambda: self._topics, answers, clock, settings.mqtt_message_expiry)
        rules = rules_of(settings.mqtt_version)
        self.subscription = CommandSubscription(self._topics.filter, self.desk, answers, clock, rules)

    def invalidate(self) -> None:
        """Follow the configuration that is in force now."""
        self._topics = self._topics_now()
        self.subscription.follow(self._topics.filter)

    def _topics_now(self) -> CommandTopics:
        return CommandTopics(self._config(), self._settings, self._part)
