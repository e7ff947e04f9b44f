"""Write the rules for mosquitto's dynamic security plugin, in the form of its configuration file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from cli.exports.access.rules import AccessRules, AclError, Action, MachineGroup, Role, Rule, access_rules
from cli.exports.common.export import Export, File, json_file
from cli.options.access import Identity

_Object = dict[str, Any]

_TYPES: Final = {
    Action.READ: ("subscribePattern", "publishClientReceive"),
    Action.WRITE: ("publishClientSend",),
}
_DEFAULTS: Final = {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True}
_HOW_TO_LOG_IN: Final = "Cannot log in before: mosquitto_ctrl [-u ADMIN ...] dynsec setClientPassword NAME"


def dynamic_security(export: Export) -> File:
    """Return the file. Raise AclError where clients are identified by client ids, which the plugin does not do."""
    if export.acl.by is Identity.CLIENT_ID:
        raise AclError("--identity client_id: must be username for mosquitto-dynsec, whose clients are user names")
    rules = access_rules(export)
    content = {
        "defaultACLAccess": _DEFAULTS,
        "clients": [*_machines(rules), *(_client(role.name, role.title) for role in rules.roles)],
        "groups": [*_groups(rules), *(_group(role.name, [role.name], [role.name]) for role in rules.roles)],
        "roles": [*_machine_roles(rules), *map(_role_of, rules.roles)],
    }
    return json_file("acl/dynamic-security.json", content)


def _machines(rules: AccessRules) -> Iterator[_Object]:
    """Yield each machine as a client with a role of its own: the plugin of mosquitto 2.0 has no %u."""
    for group in rules.groups:
        for machine_id in group.ids:
            yield _client(machine_id, f"A machine: {group.key}.") | {"roles": [{"rolename": _own_role(machine_id)}]}


def _groups(rules: AccessRules) -> Iterator[_Object]:
    """Yield a group for each type whose machines share topics."""
    for group in rules.groups:
        if group.shared:
            yield _group(_shared_role(group), [_shared_role(group)], group.ids)


def _machine_roles(rules: AccessRules) -> Iterator[_Object]:
    for group in rules.groups:
        if group.shared:
            yield _role(_shared_role(group), "Topics that machines of a type share.", group.shared)
        for machine_id in group.ids:
            own = [Rule(rule.action, rule.of(machine_id)) for rule in group.own]
            yield _role(_own_role(machine_id), "Topics of one machine.", [*own, *group.single.get(machine_id, ())])


def _own_role(machine_id: str) -> str:
    return f"machine-{machine_id}"


def _shared_role(group: MachineGroup) -> str:
    return f"machines-{group.key}"


def _role_of(role: Role) -> _Object:
    return _role(role.name, role.title, role.rules)


def _client(name: str, title: str) -> _Object:
    """Return a client; without a password, the plugin lets nobody in by its name."""
    return {"username": name, "textname": title, "textdescription": _HOW_TO_LOG_IN}


def _group(name: str, roles: Iterable[str], clients: Iterable[str]) -> _Object:
    return {
        "groupname": name,
        "roles": [{"rolename": role} for role in roles],
        "clients": [{"username": client} for client in clients],
    }


def _role(name: str, title: str, rules: Iterable[Rule]) -> _Object:
    acls = [{"acltype": each, "topic": rule.topics, "allow": True} for rule in rules for each in _TYPES[rule.action]]
    return {"rolename": name, "textname": title, "acls": acls}
