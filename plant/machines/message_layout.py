"""How a machine's message is put together: a template, and the values that are filled into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from plant.definition.machine_types.field_sources import Field
from plant.machines.jobs import json_text

if TYPE_CHECKING:
    from plant.machines.machine import Machine

Values = Callable[["Machine"], tuple[bytes, ...]]

_NO_VALUES: Final[Values] = lambda _machine: ()  # noqa: E731 - a constant callable


class MessageLayout(NamedTuple):
    """template: everything after the timestamp, with %b for each value.  values: returns the values of a machine."""

    template: bytes
    values: Values


def message_layout(timestamp: str | None, fields: Sequence[Field]) -> MessageLayout:
    """Return the layout of messages with these fields, in order."""
    text, first = b"" if timestamp else b"{", True
    open_objects: tuple[str, ...] = ()
    paths: list[str] = []
    for field in fields:
        shared = _common(open_objects, field.within)
        text += b"}" * (len(open_objects) - shared)
        text += b"" if first else b","
        for name in field.within[shared:]:
            text += _key(name) + b"{"
        text += _key(field.name) + (_literal(json_bytes(field.detail)) if not field.source.path else b"%b")
        paths += [field.source.path] if field.source.path else []
        open_objects, first = field.within, False
    text += b"}" * (len(open_objects) + 1)
    return MessageLayout(text, _values(paths))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many objects two fields are in together."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _key(name: str) -> bytes:
    return _literal(json_text(name)) + b":"


def _literal(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")


def json_bytes(text: str) -> bytes:
    """Return JSON text in UTF-8."""
    return text.encode()


def _values(paths: Sequence[str]) -> Values:
    if len(paths) > 1:
        return attrgetter(*paths)
    if paths:
        get = attrgetter(paths[0])
        return lambda machine: (get(machine),)
    return _NO_VALUES
