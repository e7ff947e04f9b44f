"""Write the rules as mosquitto's acl_file (mosquitto.conf(5)), which the embedded broker reads too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cli.exports.access.rules import AccessRules, AclError, MachineGroup, Rule, access_rules
from cli.exports.common.export import Export, File, commented
from cli.exports.common.names import heading
from cli.options.access import AclFormat, Identity, Patterns

MOST_BLOCKS: Final = 100
"""Machines that have a block each; more are allowed by patterns, unless the options say otherwise."""

_MARKS: Final = {Identity.USERNAME: "%u", Identity.CLIENT_ID: "%c"}

_LOADING: Final = {
    AclFormat.MOSQUITTO: """
Access rules for mosquitto. In mosquitto.conf, with the users of all blocks in the password file:

    allow_anonymous false
    password_file /etc/mosquitto/passwords      # mosquitto_passwd -b FILE NAME PASSWORD, for each user
    acl_file /etc/mosquitto/mosquitto.acl       # read again at SIGHUP

What has no line here is not allowed. mosquitto refuses a PUBLISH (MQTT 5: PUBACK 0x87; MQTT 3.1.1 cannot say it), but
no SUBSCRIBE: whoever subscribes to more than it may read is granted it, and receives nothing.
""",
    AclFormat.SANDBOX: """
Access rules for the embedded broker, in the form of mosquitto's acl_file.

What has no line here is not allowed: a PUBLISH is refused with PUBACK 0x87, a SUBSCRIBE with SUBACK 0x87.
""",
}
_FILES: Final = {AclFormat.MOSQUITTO: "acl/mosquitto.acl", AclFormat.SANDBOX: "acl/sandbox.acl"}
_EXACT: Final = """
A machine is the user with its id. Each has a block of its own, and no rule matches anybody else.
"""
_OPEN: Final = """
A machine is the user with its id, which replaces %u. These lines take the place of a block for each machine. They
apply to every user who logs in, whoever that is, but only to topics with the user's own name; so give no user the
name of a machine but that machine. `--patterns never` writes a block for each instead.
"""
_WEAK: Final = """
A machine is the client with its id, which replaces %c: set MQTT_DEVICE_CLIENT_ID={machine_id}. This is weak: a client
id is no secret, anybody who may connect at all can take that of a machine, and also ends that machine's connection by
it. acl_file knows client ids only in patterns, so those who are no machines are users all the same. Better: give each
machine a user and a password, and leave out --identity.
"""


def acl_file(export: Export, form: AclFormat) -> File:
    """Return the file. Raise AclError for a topic without the machine's id, if client ids identify clients."""
    rules = access_rules(export)
    as_patterns = _has_patterns(export, rules)
    about = _about(export, as_patterns) if rules.groups else ""
    machines = _patterns(export, rules) if as_patterns else ""
    blocks = "".join(block for group in rules.groups for block in _blocks_of(group, as_patterns))
    roles = "".join(f"\n# {role.title}\n{_block(role.name, role.rules)}" for role in rules.roles)
    head = commented(heading(_LOADING[form].strip() + "\n" + about, export.acl.command(form)))
    return File(_FILES[form], head + machines + blocks + roles)


def _has_patterns(export: Export, rules: AccessRules) -> bool:
    if export.acl.by is Identity.CLIENT_ID:
        for group in rules.groups:
            _require_own(group)
        return bool(rules.groups)
    is_large = rules.machine_count > MOST_BLOCKS
    wanted = {Patterns.AUTO: is_large, Patterns.ALWAYS: True, Patterns.NEVER: False}
    return wanted[export.acl.open_ids] and bool(rules.groups)


def _require_own(group: MachineGroup) -> None:
    """Raise AclError if a machine publishes to a topic that has no level with its id."""
    if others := {*group.shared, *(rule for rules in group.single.values() for rule in rules)}:
        raise AclError(
            f"topic {min(others).topics} of {group.key} must have the machine's id as a level, as acl_file knows "
            "client ids only there: set TOPIC_LAYOUT=machine, or leave out --identity client_id"
        )


def _about(export: Export, as_patterns: bool) -> str:
    if export.acl.by is Identity.CLIENT_ID:
        return _WEAK
    return _OPEN if as_patterns else _EXACT


def _patterns(export: Export, rules: AccessRules) -> str:
    """Return a line for each rule of machines with their id in it."""
    found = {rule for group in rules.groups for rule in group.own}
    return "\n# Machines\n" + _lines("pattern", sorted(found), _MARKS[export.acl.by])


def _blocks_of(group: MachineGroup, as_patterns: bool) -> Iterator[str]:
    for machine_id in group.ids:
        rules = [*(group.shared if as_patterns else group.common), *group.single.get(machine_id, ())]
        if rules:
            yield f"\n# {group.key}\n{_block(machine_id, rules)}"


def _block(user: str, rules: Iterable[Rule]) -> str:
    return f"user {user}\n" + _lines("topic", rules, user)


def _lines(word: str, rules: Iterable[Rule], identity: str) -> str:
    return "".join(f"{word} {rule.action} {rule.of(identity)}\n" for rule in rules)
