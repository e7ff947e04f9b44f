"""The decisions of a controller: (rules, event, time) in, commands out; no clock, no socket.

An episode begins with an alarm that a rule fits, and a command. Whatever else the same sensor of the same machine
reports belongs to it, until the recovery of the rule. A machine is started again when the last of its episodes is over,
and never where one of them had a rule without recovery: that is for a person. Who starts a machine by hand ends all of
its episodes. A value has recovered only if it is seen to be good at both ends of the time: silence is no good value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cli.clients.controller.events import RUNNING, Alarm, Event, Reading, State, Status, beyond
from cli.clients.controller.rules import ALARMS, ANY, HIGH, LOW, NO_ALARM, TELEMETRY, WITHIN_LIMIT, Recovery, Rule


class Command(NamedTuple):
    """A command to send to a machine.  because: what led to it, for the log."""

    device: str
    command: str
    reason: str
    because: str


class _Key(NamedTuple):
    """What an episode is of.  rule: its number."""

    device: str
    rule: int
    sensor: str


@dataclass(slots=True)
class _Episode:
    """An episode.  alarm: the one it began with.  good_since: since when the recovery holds, or None."""

    alarm: Alarm
    good_since: float | None = None


class Decisions:
    """What follows from events. All times are seconds of one clock, and never go back."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._open: dict[_Key, _Episode] = {}
        self._sent_at: dict[_Key, float] = {}
        self._waiting: dict[_Key, Alarm] = {}
        self._by_hand: set[str] = set()
        self._stopped: set[str] = set()
        self._offline: set[str] = set()

    @property
    def episodes(self) -> int:
        """How many are open."""
        return len(self._open)

    def hear(self, event: Event, now: float) -> list[Command]:
        """Return the commands that an event leads to."""
        if isinstance(event, Status):
            (self._offline.discard if event.online else self._offline.add)(event.device)
            return []
        if isinstance(event, State):
            self._look_at_state(event)
            return []
        if isinstance(event, Alarm):
            return list(self._alarm(event, ALARMS, now))
        return list(self._reading(event, now)) if isinstance(event, Reading) else []

    def due(self, now: float) -> list[Command]:
        """Return the commands whose time has come: recoveries, and alarms that came during a cool-down."""
        commands: list[Command] = []
        for key in [key for key, at in self._ends() if at <= now]:
            del self._open[key]
            commands += self._recover(key)
        for key in [key for key in self._waiting if self._cool_at(key) <= now]:
            commands += self._begin(key, self._waiting.pop(key), now)
        return commands

    def next_at(self) -> float | None:
        """Return when something is due, if nothing happens before."""
        times = [at for _, at in self._ends()] + [self._cool_at(key) for key in self._waiting]
        return min(times, default=None)

    def _alarm(self, alarm: Alarm, channel: str, now: float) -> Iterator[Command]:
        number = next((number for number, rule in enumerate(self._rules) if _fits(rule, alarm, channel)), None)
        if number is None:
            return
        key = _Key(alarm.device, number, alarm.sensor)
        if key in self._open:
            self._open[key].good_since = self._good_since_alarm(key, now)
        elif self._cool_at(key) > now:
            self._waiting[key] = alarm
        else:
            yield from self._begin(key, alarm, now)

    def _begin(self, key: _Key, alarm: Alarm, now: float) -> Iterator[Command]:
        rule = self._rules[key.rule]
        is_new = not any(
            each.device == key.device and self._rules[each.rule].command == rule.command for each in self._open
        )
        self._open[key] = _Episode(alarm, self._good_since_alarm(key, now))
        self._sent_at[key] = now
        self._stopped.discard(key.device)
        if rule.recovery is None:
            self._by_hand.add(key.device)
        if is_new:
            yield Command(key.device, rule.command, rule.reason, _described(alarm))

    def _good_since_alarm(self, key: _Key, now: float) -> float | None:
        """Return since when the recovery holds, right after an alarm: where silence is enough, it begins now."""
        recovery = self._rules[key.rule].recovery
        return now if recovery is None or recovery.when == NO_ALARM else None

    def _reading(self, reading: Reading, now: float) -> Iterator[Command]:
        same = [key for key in self._open if (key.device, key.sensor) == (reading.device, reading.sensor)]
        for key in [key for key in same if self._has_recovered(key, reading.value, now)]:
            del self._open[key]
            yield from self._recover(key)
        for key, alarm in [*self._waiting.items()]:
            if (key.device, key.sensor) == (reading.device, reading.sensor) and _is_within_limit(alarm, reading.value):
                del self._waiting[key]
        exceeded = (_exceeded(rule, reading) for rule in self._rules if rule.channel == TELEMETRY)
        if first := next(filter(None, exceeded), None):
            yield from self._alarm(first, TELEMETRY, now)

    def _has_recovered(self, key: _Key, value: float, now: float) -> bool:
        episode, recovery = self._open[key], self._rules[key.rule].recovery
        if recovery is None or recovery.when == NO_ALARM:
            return False
        if not _is_good(recovery, episode.alarm, value):
            episode.good_since = None
            return False
        episode.good_since = now if episode.good_since is None else episode.good_since
        return now - episode.good_since >= recovery.for_seconds and key.device not in self._offline

    def _look_at_state(self, event: State) -> None:
        """Note a stop; a start after it that was not ours ends the machine's episodes."""
        if event.state != RUNNING:
            self._stopped.add(event.device)
        elif event.device in self._stopped:
            self._stopped.discard(event.device)
            self._by_hand.discard(event.device)
            self._open = {key: each for key, each in self._open.items() if key.device != event.device}

    def _ends(self) -> Iterator[tuple[_Key, float]]:
        """Yield when each episode ends for which silence is enough. A machine that is offline is not started."""
        for key, episode in self._open.items():
            rule = self._rules[key.rule]
            if episode.good_since is None or (rule.recovery is not None and rule.recovery.when != NO_ALARM):
                continue
            if rule.recovery is None:
                yield key, episode.good_since + rule.cool_down_seconds
            elif key.device not in self._offline:
                yield key, episode.good_since + rule.recovery.for_seconds

    def _recover(self, key: _Key) -> Iterator[Command]:
        """Yield the command after an episode that is no longer open."""
        recovery = self._rules[key.rule].recovery
        is_last = not any(each.device == key.device for each in self._open)
        if recovery is not None and is_last and key.device not in self._by_hand:
            self._stopped.discard(key.device)
            because = f"{key.sensor} {_HELD[recovery.when]} for {recovery.for_seconds:g} s"
            yield Command(key.device, recovery.command, recovery.reason, because)

    def _cool_at(self, key: _Key) -> float:
        """Return when the next command of this rule to this machine may be sent."""
        return self._sent_at.get(key, float("-inf")) + self._rules[key.rule].cool_down_seconds


_HELD: Final = {WITHIN_LIMIT: "within its limit", NO_ALARM: "without alarm", None: "as the rule wants it"}


def _is_within_limit(alarm: Alarm, value: float) -> bool:
    """Return whether a value is within the limit of an alarm; without a limit nobody knows, so it is not."""
    return alarm.limit is not None and not beyond(alarm.kind, value, alarm.limit)


def _is_good(recovery: Recovery, alarm: Alarm, value: float) -> bool:
    if recovery.when == WITHIN_LIMIT:
        return _is_within_limit(alarm, value)
    return value > recovery.above if recovery.above is not None else value < (recovery.below or 0.0)


def _fits(rule: Rule, alarm: Alarm, channel: str) -> bool:
    """Return whether a rule is about an alarm, or about the value that a rule of thresholds has made one."""
    if rule.channel != channel or not rule.concerns(alarm.topic, alarm.sensor):
        return False
    if channel == ALARMS:
        return rule.alarm in (ANY, alarm.kind)
    return alarm.limit == (rule.above if alarm.kind == HIGH else rule.below)


def _exceeded(rule: Rule, reading: Reading) -> Alarm | None:
    """Return a value beyond the threshold of a rule as an alarm."""
    if not rule.concerns(reading.topic, reading.sensor):
        return None
    kind, limit = (HIGH, rule.above) if rule.above is not None else (LOW, rule.below)
    if limit is None or not beyond(kind, reading.value, limit):
        return None
    return Alarm(reading.device, reading.sensor, reading.topic, kind, reading.value, limit)


def _described(alarm: Alarm) -> str:
    value = "" if alarm.value is None else f" value={alarm.value:g}"
    return f"{alarm.sensor} {alarm.kind}{value}{'' if alarm.limit is None else f' limit={alarm.limit:g}'}"
