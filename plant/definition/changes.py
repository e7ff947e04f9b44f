"""Configurations that differ from another one in a single figure, as commands ask for them."""

from __future__ import annotations

from dataclasses import replace

from plant.definition.document.errors import Violation
from plant.definition.feasibility import impossible
from plant.definition.machine_types.library import library
from plant.definition.machine_types.reading import MachineTypes
from plant.definition.plant_config import EVENTS, PlantConfig, completed


def with_count(config: PlantConfig, key: str, count: int) -> PlantConfig | Violation:
    """Return the plant with so many machines of a type, or the rule that this breaks."""
    known = library().get(key)
    names = {key, known.counted_as or key} if known else {key}
    counts = {name: each for name, each in config.global_.machine_counts.items() if name not in names}
    changed = config.global_.model_copy(update={"machine_counts": {**counts, key: count}})
    return _possible(config.model_copy(update={"global_": changed}))


def with_rate(config: PlantConfig, messages_per_second: float | None) -> PlantConfig | Violation:
    """Return the plant with this target rate, or the rule that this breaks."""
    changed = config.global_.model_copy(update={"target_rate": messages_per_second})
    return _possible(config.model_copy(update={"global_": changed}))


def with_enabled(config: PlantConfig, key: str, *, enabled: bool) -> PlantConfig | Violation:
    """Return the plant with the messages of a type, or of orders, on or off, or the rule that this breaks."""
    kinds = config.message_types
    if key in EVENTS:
        section = getattr(kinds, key).model_copy(update={"enabled": enabled})
        return _possible(config.model_copy(update={"message_types": kinds.model_copy(update={key: section})}))
    machine_type = kinds.machines[key]
    overrides = {number: replace(each, enabled=enabled) for number, each in machine_type.overrides.items()}
    types = {**kinds.machines, key: replace(machine_type, enabled=enabled, overrides=overrides)}
    entries = {**kinds.entries, key: {**kinds.entries.get(key, {}), "enabled": enabled}}
    return _possible(completed(config, MachineTypes(types, entries)))


def _possible(config: PlantConfig) -> PlantConfig | Violation:
    return next(impossible(config), config)
