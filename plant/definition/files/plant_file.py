"""The document in a plant's file: YAML, or TOML, or the config.toml of another simulator, which means a plant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from plant.definition.document import toml_file, yaml_file
from plant.definition.document.errors import ConfigError, PlantConfigError, format_place, with_lines
from plant.definition.document.yaml_file import Document, UnreadableError
from plant.definition.files import fleet_config
from plant.definition.files.fleet_config import NOTHING_GIVEN, Given


def read(path: Path) -> Document:
    """Return the document in a file; PlantConfigError."""
    try:
        content = yaml_file.content_of(path)
    except UnreadableError as error:
        raise _unreadable(error, str(path)) from error
    return decode(content, str(path))


def decode(content: bytes, file: str, given: Given = NOTHING_GIVEN) -> Document:
    """Return the document in the content of a file, in the words of a plant; PlantConfigError.

    file: its name.  given: what holds where a config.toml of another simulator leaves something out.
    """
    document = decode_as_written(content, file)
    if document.is_yaml or not fleet_config.is_one(document.data):
        return document
    found, wrong = fleet_config.read(document.data, given)
    if found is None:
        raise PlantConfigError(with_lines(wrong, file, document.lines))
    data, lines = fleet_config.as_plant(found, document.lines)
    return replace(document, data=data, lines=lines)


def decode_as_written(content: bytes, file: str) -> Document:
    """Return the document in the content of a file, whatever it is about; PlantConfigError."""
    try:
        text = yaml_file.text_of(content)
        return toml_file.parse(text) if toml_file.is_toml(text, file) else yaml_file.parse(text)
    except UnreadableError as error:
        raise _unreadable(error, file) from error


def as_yaml(document: Document) -> bytes:
    """Return the YAML that says the same as a document."""
    text: str = yaml.dump(document.data, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    return text.encode()


def _unreadable(error: UnreadableError, file: str) -> PlantConfigError:
    return PlantConfigError([ConfigError(file, error.line, format_place(error.place), error.rule)])
