"""Who may read and write which topics, with least privilege, whatever the broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from cli.exports.common.export import Export
from cli.options.access import Publishers
from edge.mqtt.commands.plant_topics import PLANT
from plant.catalogue.catalogue import MachineRef, MessageKind

OWN: Final = "\0"
"""The level of a topic that is the client's own id; no topic may contain this character (MQTT 5, 4.7.3)."""

CONTROLLER, DASHBOARD, OBSERVER, SIMULATOR = "controller", "dashboard", "observer", "simulator"


class AclError(ValueError):
    """The rules cannot be written; the text names the machine or topic, and why."""


class Action(StrEnum):
    """What a rule allows: to subscribe and receive, or to publish."""

    READ = "read"
    WRITE = "write"


class Rule(NamedTuple):
    """Leave for one action on the topics that match a filter, in which a level may be OWN."""

    action: Action
    topics: str

    @property
    def is_own(self) -> bool:
        """Whether the topics depend on the client's id."""
        return OWN in self.topics

    def of(self, identity: str) -> str:
        """Return the filter with an id, or what a broker replaces by it, in the place of OWN."""
        return self.topics.replace(OWN, identity)


@dataclass(frozen=True, slots=True)
class MachineGroup:
    """The machines of a type.

    pattern: a regular expression that matches their ids.  common: the rules that all of them have.
    single: by id, those that only one machine has.
    """

    key: str
    ids: tuple[str, ...]
    pattern: str
    common: tuple[Rule, ...]
    single: Mapping[str, tuple[Rule, ...]]

    @property
    def own(self) -> tuple[Rule, ...]:
        """Return the common rules about topics with the machine's id."""
        return tuple(rule for rule in self.common if rule.is_own)

    @property
    def shared(self) -> tuple[Rule, ...]:
        """Return the common rules about topics that the machines of the type share."""
        return tuple(rule for rule in self.common if not rule.is_own)


@dataclass(frozen=True, slots=True)
class Role:
    """A client that is no machine.  title: what it is for, in a sentence."""

    name: str
    title: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AccessRules:
    """All that is allowed; anything else, and anybody else, is not."""

    groups: tuple[MachineGroup, ...]
    roles: tuple[Role, ...]

    @property
    def machine_count(self) -> int:
        """Return the number of machines that connect for themselves."""
        return sum(len(group.ids) for group in self.groups)


def access_rules(export: Export) -> AccessRules:
    """Return the rules of a plant. Raise AclError if a machine has the name of a role."""
    roles = tuple(role for role in _roles(export) if role.rules)
    if export.acl.publishers is Publishers.SHARED:
        return AccessRules((), roles)
    groups = tuple(_groups(export))
    names = {role.name for role in roles}
    for machine_id in (machine_id for group in groups for machine_id in group.ids):
        if machine_id in names:
            raise AclError(f"machine {machine_id} must not have the name of a role ({', '.join(sorted(names))})")
    return AccessRules(groups, roles)


# Machines


def _groups(export: Export) -> Iterator[MachineGroup]:
    """Yield the machines of each type that has messages."""
    by_type: dict[str, list[MessageKind]] = {}
    for kind in export.kinds:
        if kind.machines and kind.machine_type:
            by_type.setdefault(kind.machine_type, []).append(kind)
    everyones = frozenset(_everyones(export))
    for key, kinds in by_type.items():
        rules = {machine_id: everyones | found for machine_id, found in _published(export, key, kinds).items()}
        common = frozenset.intersection(*rules.values())
        single = {machine_id: tuple(sorted(found - common)) for machine_id, found in rules.items() if found - common}
        yield MachineGroup(key, tuple(rules), kinds[0].machine_ids or "", tuple(sorted(common)), single)


def _published(export: Export, key: str, kinds: Iterable[MessageKind]) -> dict[str, frozenset[Rule]]:
    """Return the topics that each machine of a type publishes to, that of its status among them."""
    found: dict[str, set[Rule]] = {}
    for kind in kinds:
        for machine, source in zip(kind.machines, kind.sources, strict=True):
            topics = (export.topics.topic_of(kind, source), _status(export, key, machine))
            rules = (Rule(Action.WRITE, _opened(topic, machine.machine_id)) for topic in topics)
            found.setdefault(machine.machine_id, set()).update(rules)
    return {machine_id: frozenset(rules) for machine_id, rules in found.items()}


def _opened(topic: str, *ids: str) -> str:
    """Return a topic with OWN for the levels that are one of the ids."""
    return "/".join(OWN if level in ids else level for level in topic.split("/"))


def _everyones(export: Export) -> Iterator[Rule]:
    """Yield what every machine may do: be commanded, and answer."""
    yield Rule(Action.READ, _commands(export, "+", OWN))
    yield Rule(Action.WRITE, _answers(export, "+", OWN))


# Others


def _roles(export: Export) -> Iterator[Role]:
    yield Role(CONTROLLER, "Reads what machines report, and commands them.", tuple(_of_controller(export)))
    watched = (Rule(Action.READ, topics) for topics in _everything(export))
    commands = Rule(Action.WRITE, _commands(export, DASHBOARD, "+"))
    yield Role(DASHBOARD, "Reads all topics below the prefix, and commands machines.", (*watched, commands))
    yield Role(OBSERVER, "Reads all topics, and writes none.", (Rule(Action.READ, "#"),))
    if export.acl.publishers is Publishers.SHARED:
        yield Role(SIMULATOR, "Publishes for all machines over one connection.", tuple(_of_shared(export)))
    else:
        title = "Publishes what is of no machine, such as orders, and takes the commands for the whole plant."
        yield Role(SIMULATOR, title, tuple(_of_plant(export)))


def _of_controller(export: Export) -> Iterator[Rule]:
    kinds = [kind for kind in export.kinds if kind.machines]
    read = {topics for kind in kinds for topics in _subscribed(export, kind)}
    for topics in sorted(read | {_answers(export, CONTROLLER, "#")}):
        yield Rule(Action.READ, topics)
    yield Rule(Action.WRITE, _commands(export, CONTROLLER, "+"))


def _subscribed(export: Export, kind: MessageKind) -> Iterator[str]:
    """Yield the filters by which a kind of messages is read, and the status of those who publish it."""
    for machine, source in zip(kind.machines, kind.sources, strict=True):
        for topic in (export.topics.topic_of(kind, source), _status(export, kind.machine_type or kind.key, machine)):
            yield _branch(export, _opened(topic, machine.machine_id, machine.station))


def _branch(export: Export, topics: str) -> str:
    """Return the filter for the same topics of other machines: the branch in which they are.

    A broker that checks subscriptions refuses one that is wider than the rule, and readers subscribe to branches, such
    as factory/alarms/#. Where the id comes right after the prefix, the branch would be everything.
    """
    levels = topics.split("/")
    at = levels.index(OWN) if OWN in levels else len(levels)
    if at == len(levels) or at <= export.prefix.count("/") + 1:
        return "/".join("+" if level == OWN else level for level in levels)
    return "/".join([*levels[:at], "#"])


def _everything(export: Export) -> list[str]:
    """Return filters for all that is below the prefix, and for all topics that are elsewhere."""
    base = f"{export.prefix}/"
    topics = {topic for kind in export.kinds for topic in export.topics.topics_of(kind)}
    return [f"{base}#", *sorted(topic for topic in topics if not topic.startswith(base) and topic != export.prefix)]


def _of_plant(export: Export) -> Iterator[Rule]:
    topics = {topic for kind in export.kinds if not kind.machines for topic in export.topics.topics_of(kind)}
    yield Rule(Action.READ, _commands(export, "+", PLANT))
    yield from (Rule(Action.WRITE, topic) for topic in sorted({*topics, _answers(export, "+", PLANT)}))


def _of_shared(export: Export) -> Iterator[Rule]:
    topics = {topics for kind in export.kinds for topics in export.topics.filters_of(kind)}
    yield Rule(Action.READ, _commands(export, "+", "+"))
    yield from (Rule(Action.WRITE, topic) for topic in sorted({*topics, export.answer_filter}))


def _commands(export: Export, publisher: str, machine_id: str) -> str:
    values = {"{prefix}": export.prefix, "{publisher}": publisher, "{machine_id}": machine_id}
    return _filled(export.command_address, values)


def _answers(export: Export, publisher: str, machine_id: str) -> str:
    """Return the topic of answers: that of the command with `replies`, so that no machine can answer for another."""
    return f"{export.prefix}/replies/{publisher}/{machine_id}"


def _status(export: Export, key: str, machine: MachineRef) -> str:
    """Return the topic on which a machine of a type reports whether it is online."""
    values = {"{prefix}": export.prefix, "{type}": key, "{machine_id}": machine.machine_id}
    return _filled(export.status_address, values | {"{station_id}": machine.station or "none"})


def _filled(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(name, value)
    return template
