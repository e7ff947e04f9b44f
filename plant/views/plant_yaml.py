"""The YAML of a plant as it is in force: as it was read, or with what commands have changed since then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import yaml

from plant.definition.document.yaml_file import UnreadableError, decode
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.views.yaml_edit import NotInPlace, edited

_HEAD: Final = "# As it is in force: commands have changed what was read, of which comments and form are not kept.\n"
_SECTION: Final = "message_types"


def yaml_in_force(config: PlantConfig) -> bytes:
    """Return the YAML that describes a configuration; ValueError if it is not from a YAML."""
    if config.content is None:
        raise ValueError("the configuration is not from a YAML")
    data = decode(config.content).data
    changed = _with_types(_with_global(data, config), config)
    return config.content if changed == data else _changed(config.content, data, changed)


def _changed(content: bytes, data: Mapping[str, Any], changed: Mapping[str, Any]) -> bytes:
    """Return other data as YAML: in the text that was read, if that comes to the same."""
    with suppress(NotInPlace, UnreadableError):
        text = edited(content, data, changed)
        document = decode(text)
        if document.data == changed and not document.violations:
            return text
    return written(changed)


def written(data: Mapping[str, Any]) -> bytes:
    """Return plain data that differs from what was read as YAML."""
    text: str = yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    return (_HEAD + text).encode()


def _with_global(data: Mapping[str, Any], config: PlantConfig) -> dict[str, Any]:
    section = data.get("global") or {}
    found = {"machine_counts": config.global_.machine_counts, "target_rate": config.global_.target_rate}
    before = {"machine_counts": section.get("machine_counts") or {}, "target_rate": section.get("target_rate")}
    own = {name: value for name, value in found.items() if value != before[name]}
    return {**data, "global": _merged(section, own)} if own else dict(data)


def _with_types(data: Mapping[str, Any], config: PlantConfig) -> dict[str, Any]:
    kinds = {key: _merged(entry, _changes(key, entry or {}, config)) for key, entry in data[_SECTION].items()}
    return {**data, _SECTION: kinds}


def _changes(key: str, entry: Mapping[str, Any], config: PlantConfig) -> dict[str, Any]:
    """Return the keys of an entry in `message_types` that have another value now."""
    usual: dict[str, Any]
    found: dict[str, Any]
    if key in EVENTS:
        # Not the rates of orders: a demo replaces those of the file, and would again where this text is loaded.
        usual, found = {"enabled": True}, {"enabled": getattr(config.message_types, key).enabled}
    else:
        usual, found = {"enabled": True}, {"enabled": config.message_types.machines[key].enabled}
        if key in config.global_.machine_counts and "count" in entry:
            found, usual = {**found, "count": None}, {**usual, "count": None}  # only one place may have it
    return {name: value for name, value in found.items() if value != entry.get(name, usual[name])}


def _merged(section: Mapping[str, Any] | None, own: Mapping[str, Any]) -> Any:
    """Return a section with other values, without those that are None; as it is if there are none."""
    return {name: value for name, value in {**(section or {}), **own}.items() if value is not None} if own else section
