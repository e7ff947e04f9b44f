"""Commands over MQTT of one process, put together: subscription, desk and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from edge.delivery.tap import NoteMessage, unheard
from edge.mqtt.commands.answers import Answers
from edge.mqtt.commands.desk import CommandDesk
from edge.mqtt.commands.plant_topics import CommandTopics
from edge.mqtt.commands.subscription import CommandSubscription
from edge.mqtt.protocol.versions import rules_of
from edge.settings.loader import Settings
from edge.status import CommandStatus
from plant.definition.plant_config import PlantConfig


class CommandLane:
    """The way of commands from the broker to the desk, and of their answers back.

    config: returns the configuration in force.  part: as for CommandTopics.  clock: seconds, monotonic.
    note: as for CommandDesk.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], PlantConfig],
        part: tuple[int, int],
        clock: Callable[[], float],
        note: NoteMessage = unheard,
    ) -> None:
        self._settings, self._config, self._part = settings, config, part
        self._topics = self._topics_now()
        self._clock, self._rules = clock, rules_of(settings.mqtt_version)
        self.desk = CommandDesk(lambda: self._topics, clock, settings.mqtt_message_expiry, note)
        self.subscription = CommandSubscription(self._topics.filter, self.desk, Answers(), clock, self._rules)
        self._of_machines: dict[str, CommandSubscription] = {}
        self._answers_before = Counter[str]()

    def invalidate(self) -> None:
        """Follow the configuration that is in force now."""
        self._topics = self._topics_now()
        self.subscription.follow(self._topics.filter)
        for machine_id, each in self._of_machines.items():
            each.follow(self._topics.filter_of(machine_id))

    def subscription_of(self, target: str) -> CommandSubscription:
        """Return a subscription to the commands for one machine, or for the plant as a whole, on its own connection."""
        topics = self._topics.filter_of(target)
        self.forget(target)
        made = CommandSubscription(topics, self.desk, Answers(), self._clock, self._rules, is_one_of_many=True)
        self._of_machines[target] = made
        return made

    def forget(self, target: str) -> None:
        """Forget the subscription of a machine that there no longer is; what it has counted is kept."""
        if gone := self._of_machines.pop(target, None):
            self._answers_before.update(gone.status().answers)

    def status(self) -> CommandStatus:
        """Return the state of all subscriptions of machines together: subscribed where all are."""
        found = [each.status() for each in self._of_machines.values()]
        missing = next((each.why_not for each in found if not each.subscribed), None)
        answers = Counter(self._answers_before)
        for each in found:
            answers.update(each.answers)
        return CommandStatus(self._topics.filter, missing is None, missing, dict(self.desk.counts), dict(answers))

    def _topics_now(self) -> CommandTopics:
        return CommandTopics(self._config(), self._settings, self._part)
