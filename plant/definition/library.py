"""The library: the data files of the package, which are read as strictly as a plant's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from plant import library
from plant.definition import yaml_file
from plant.definition.errors import with_lines


@cache
def section(name: str) -> Mapping[str, Any]:
    """Return a section of the library by its name in a plant's YAML. Raises ValueError unless one file has it."""
    found = [data[name] for data in _contents() if name in data]
    if len(found) != 1:
        raise ValueError(f"{len(found)} files of the library have the section {name}")
    (mapping,) = found
    return dict(mapping)


@cache
def _contents() -> tuple[Mapping[str, Any], ...]:
    """Return the content of each file. Raises ValueError for the first file with errors."""
    paths = sorted(
        (path for path in files(library).iterdir() if path.name.endswith(".yaml")), key=lambda path: path.name
    )
    return tuple(_content(path.name, path.read_bytes()) for path in paths)


def _content(name: str, content: bytes) -> Mapping[str, Any]:
    document = yaml_file.decode(content)
    if document.violations:
        raise ValueError("\n".join(map(str, with_lines(document.violations, name, document.lines))))
    return document.data
