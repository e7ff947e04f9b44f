"""Rows against the schemas that are exported, as a consumer would check them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import fastjsonschema
import orjson

from cli.exports.common.export import Export, File, TopicIndex
from cli.exports.schemas.json_schema import schema
from edge.settings.types import TopicLayout
from plant.catalogue.catalogue import FieldSpec, MessageKind, catalogue
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message

Check = Callable[[Any], Any]
Refused = fastjsonschema.JsonSchemaValueException


def export_of(plant: PlantConfig, layout: TopicLayout = TopicLayout.TYPE, prefix: str = "factory") -> Export:
    """An export of a plant."""
    kinds = catalogue(plant)
    return Export(kinds, TopicIndex(kinds, prefix, layout), prefix)


def contents(files: Iterable[File]) -> dict[str, Any]:
    """Files of JSON by their names."""
    return {file.name: orjson.loads(file.text) for file in files}


def checks(plant: PlantConfig) -> dict[str, Check]:
    """By kind, what raises Refused for a row that is not as the exported schema says."""
    found = contents(schema(export_of(plant)))
    return {key: fastjsonschema.compile(found[f"schema/{key}.json"]) for key in (k.key for k in catalogue(plant))}


def refused(check: dict[str, Check], messages: Iterable[Message]) -> Iterator[tuple[str, str]]:
    """Every message that its schema refuses, with the reason."""
    for message in messages:
        try:
            check[message.kind](orjson.loads(message.payload))
        except Refused as error:
            yield message.payload.decode(), error.message


def values(messages: Iterable[Message]) -> dict[tuple[str, str], set[Any]]:
    """By kind and key, every value that was said, those inside items of a list too; lists by their length."""
    found: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for message in messages:
        for key, value in orjson.loads(message.payload).items():
            found[message.kind, key].add(len(value) if isinstance(value, list) else value)
            for part in value if isinstance(value, list) and value and isinstance(value[0], dict) else ():
                for name, inner in part.items():
                    found[message.kind, name].add(inner)
    return found


def fields_of(kind: MessageKind) -> Iterator[FieldSpec]:
    """All keys of a kind, those inside items too."""
    for field in kind.fields:
        yield from (field, *field.parts)
