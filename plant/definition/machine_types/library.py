"""The library: the machine types that come with the program, as YAML in plant/library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from plant.definition.document.library_files import sections
from plant.definition.machine_types.spellings import Spelling, read_spellings


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
    """Return the types of the library by key: those with an order first, then the others as in their files."""
    types = {key: _read(dict(entry)) for types in sections("message_types") for key, entry in types.items()}
    return dict(sorted(types.items(), key=lambda each: math.inf if each[1].order is None else each[1].order))


def _read(entry: dict[str, Any]) -> LibraryType:
    spellings = read_spellings(entry.pop("spellings", {}))
    counted_as, order = entry.pop("counted_as", None), entry.pop("order", None)
    return LibraryType(entry, spellings, counted_as, order)
