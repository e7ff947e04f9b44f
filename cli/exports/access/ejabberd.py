"""Write the rules as a part of ejabberd.yml: the options access_publish and access_subscribe of mod_mqtt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cli.exports.access.acl_file import MOST_BLOCKS
from cli.exports.access.rules import AccessRules, AclError, Action, MachineGroup, Rule, access_rules
from cli.exports.common.export import Export, File
from cli.exports.common.names import heading
from cli.exports.common.yaml_text import Quoted, dump
from cli.options.access import AclFormat, Identity, Patterns

_Object = dict[str, Any]

_MARKS: Final = {Identity.USERNAME: "%u", Identity.CLIENT_ID: "%c"}
_NO_USER: Final = re.compile(r"[\s\"&'/:<>@\x00-\x1f]")
"""Characters that no user name of ejabberd has (RFC 7622, 3.3.1)."""

_LOADING: Final = """
Access rules for ejabberd. Put the file beside ejabberd.yml and name it there, and take mod_mqtt out of the modules
there, as its options are here (ejabberd takes a module once):

    include_config_file: [/etc/ejabberd/ejabberd-mqtt.yml]      # read again by: ejabberdctl reload_config

Without these rules ejabberd allows all topics to all users. Register each: ejabberdctl register NAME HOST PASSWORD.
Clients log in as NAME, or as NAME@HOST where there are several hosts. User names are in lower case at ejabberd, so
CNC-01 is cnc-01 here; topics keep their letters.

What has no line here is not allowed: a PUBLISH is refused with PUBACK 0x90 (Topic Name invalid), a SUBSCRIBE with
SUBACK 0x8F (Topic Filter invalid), in MQTT 3.1.1 with 0x80. MQTT over WebSocket is under the same rules.
"""
_USERS: Final = """
A machine is the user with its id, which replaces %u, and a rule with %u applies only to machines of the types below
it.
"""
_WEAK: Final = """
A client is known by its client id, which replaces %c: set MQTT_DEVICE_CLIENT_ID={machine_id}. This is weak: a client
id is no secret, and any user can take that of a machine or of the controller. Better: leave out --identity.
"""


def ejabberd(export: Export) -> File:
    """Return the file. Raise AclError if the id of a machine is no user name of ejabberd."""
    rules = access_rules(export)
    by = export.acl.by
    if by is Identity.USERNAME:
        _check_names(rules)
    text = _LOADING.strip() + "\n" + (_USERS if by is Identity.USERNAME else _WEAK)
    options = {
        "access_publish": _topics(rules, Action.WRITE, _MARKS[by]),
        "access_subscribe": _topics(rules, Action.READ, _MARKS[by]),
    }
    content = {"acl": dict(_clients(export, rules)), "modules": {"mod_mqtt": options}}
    return File("acl/ejabberd-mqtt.yml", dump(content, head=heading(text, export.acl.command(AclFormat.EJABBERD))))


def _check_names(rules: AccessRules) -> None:
    """Raise AclError if an id is no user name, or if two are the same in lower case, or one is a role's."""
    known = {role.name: role.name for role in rules.roles}
    for machine_id in (machine_id for group in rules.groups for machine_id in group.ids):
        if _NO_USER.search(machine_id):
            raise AclError(f"machine {machine_id}: must have no space and none of \"&'/:<>@ to be a user of ejabberd")
        other = known.setdefault(machine_id.lower(), machine_id)
        if other != machine_id:
            raise AclError(f"machine {machine_id} must differ from {other} by more than case to be a user of ejabberd")


def _clients(export: Export, rules: AccessRules) -> Iterator[tuple[str, _Object]]:
    """Yield the names that the rules refer to, each with the clients that it stands for."""
    word = "user" if export.acl.by is Identity.USERNAME else "resource"
    for group in rules.groups:
        yield _group_name(group), _members(export, group, word)
        for machine_id in group.single:
            yield _machine_name(machine_id), {word: [_cased(machine_id, word)]}
    for role in rules.roles:
        yield role.name, {word: [role.name]}


def _members(export: Export, group: MachineGroup, word: str) -> _Object:
    """Return the machines of a type: each by its id, or by a regular expression where they are many."""
    as_pattern = {Patterns.AUTO: len(group.ids) > MOST_BLOCKS, Patterns.ALWAYS: True, Patterns.NEVER: False}
    if as_pattern[export.acl.open_ids] and group.pattern:
        return {f"{word}_regexp": _cased(group.pattern, word)}
    return {word: [_cased(machine_id, word) for machine_id in group.ids]}


def _cased(text: str, word: str) -> str:
    """Return a name as ejabberd knows it: users in lower case, client ids as they are (RFC 7622, 3.3)."""
    return text.lower() if word == "user" else text


def _topics(rules: AccessRules, action: Action, mark: str) -> _Object:
    """Return who may do it, by topic filter, once each; in double quotes, as ejabberd takes other keys for words."""
    found: dict[str, list[_Object]] = {}
    for name, rule in _named(rules):
        if rule.action is action:
            found.setdefault(Quoted(rule.of(mark)), []).append({"allow": name})
    return found


def _named(rules: AccessRules) -> Iterable[tuple[str, Rule]]:
    for group in rules.groups:
        yield from ((_group_name(group), rule) for rule in group.common)
        for machine_id, single in group.single.items():
            yield from ((_machine_name(machine_id), rule) for rule in single)
    for role in rules.roles:
        yield from ((role.name, rule) for rule in role.rules)


def _group_name(group: MachineGroup) -> str:
    return f"machines_{group.key}"


def _machine_name(machine_id: str) -> str:
    return f"machine_{machine_id}"
