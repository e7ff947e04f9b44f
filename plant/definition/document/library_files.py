"""The library: YAML files in plant/library, which come with the program and are read as strictly as a plant's file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from plant.definition.document import yaml_file
from plant.definition.document.errors import with_lines

_FOLDER: Final = Path(__file__).parents[2] / "library"


def sections(name: str) -> list[Mapping[str, Any]]:
    """Return the sections of a name, of each file that has one, in the order of the files' names.

    Raises ValueError for the first file with errors.
    """
    return [data[name] for data in _contents() if name in data]


@cache
def _contents() -> tuple[Mapping[str, Any], ...]:
    return tuple(_content(path) for path in sorted(_FOLDER.glob("*.yaml")))


def _content(path: Path) -> Mapping[str, Any]:
    document = yaml_file.read(path)
    if document.violations:
        raise ValueError("\n".join(map(str, with_lines(document.violations, path.name, document.lines))))
    return document.data
