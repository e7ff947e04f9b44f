"""The library: the machine types that come with the program, as YAML in plant/library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from plant.definition.machine_types.spellings import Spelling, read_spellings

_FOLDER: Final = Path(__file__).parents[2] / "library"


class LibraryType(NamedTuple):
    """A machine type of the library.

    entry: its keys, in the words of the language.  spellings: older keys that it may have beside them.
    counted_as: its name in `global.machine_counts`, beside its key.  order: its place among the types of one moment.
    """

    entry: Mapping[str, Any]
    spellings: tuple[Spelling, ...]
    counted_as: str | None
    order: int | None


@cache
def library() -> Mapping[str, LibraryType]:
    """Return the types of the library by key."""
    texts = (each.read_text(encoding="utf-8") for each in sorted(_FOLDER.glob("*.yaml")))
    types = (entry for text in texts for entry in yaml.safe_load(text)["message_types"].items())
    return {key: _read(dict(entry)) for key, entry in types}


def _read(entry: dict[str, Any]) -> LibraryType:
    spellings = read_spellings(entry.pop("spellings", {}))
    counted_as, order = entry.pop("counted_as", None), entry.pop("order", None)
    return LibraryType(entry, spellings, counted_as, order)
