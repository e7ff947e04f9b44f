"""How a machine's message is put together: a template, and the values that are filled into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.jobs.jobs import json_text

if TYPE_CHECKING:
    from plant.machines.machine import Machine

Values = Callable[["Machine"], tuple[bytes, ...]]

_NO_VALUES: Final[Values] = lambda _machine: ()  # noqa: E731 - a constant callable


TRACE: Final = Field("consumed_ids", FieldSource.FINISHED_CONSUMED)
"""The key that messages have after the declared ones where pieces flow."""


def traced_fields(config: PlantConfig, machine_type: MachineType) -> tuple[Field, ...]:
    """Return the fields that messages have in addition where pieces flow, unless they are declared at another place."""
    is_declared = any(field.source is TRACE.source for field in machine_type.main.fields)
    takes_pieces = config.flow is not None and config.flow.line.takes_pieces(machine_type.key)
    return (TRACE,) if takes_pieces and not is_declared else ()


class MessageLayout(NamedTuple):
    """template: text with %b for each value.  values: returns the values of a machine."""

    template: bytes
    values: Values

    def text(self, machine: Machine) -> bytes:
        """Return the text for a machine."""
        return self.template % self.values(machine)


def message_layout(timestamp: str | None, fields: Sequence[Field]) -> MessageLayout:
    """Return the layout of everything after the timestamp in messages with these fields, in order."""
    return layout_of([*tokens(timestamp, fields)])


def layout_of(parts: Sequence[bytes | Field]) -> MessageLayout:
    """Return the layout of constant texts and values of a machine."""
    template = b"".join(part.replace(b"%", b"%%") if isinstance(part, bytes) else b"%b" for part in parts)
    return MessageLayout(template, _values([part for part in parts if isinstance(part, Field)]))


def tokens(timestamp: str | None, fields: Sequence[Field]) -> Iterator[bytes | Field]:
    """Yield constant texts, and each field whose value varies, in the order of the message after its timestamp."""
    text, first = b"" if timestamp else b"{", True
    open_objects: tuple[str, ...] = ()
    for field in fields:
        shared = _common(open_objects, field.within)
        text += b"}" * (len(open_objects) - shared)
        text += b"" if first else b","
        for name in field.within[shared:]:
            text += _key(name) + b"{"
        text += _key(field.name)
        if field.source.is_constant:
            text += field.detail.encode()
        else:
            yield text
            yield field
            text = b""
        open_objects, first = field.within, False
    yield text + b"}" * (len(open_objects) + 1)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many objects two fields are in together."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _key(name: str) -> bytes:
    return json_text(name) + b":"


def _values(fields: Sequence[Field]) -> Values:
    paths = [field.source.path for field in fields]
    if any(field.source is FieldSource.PROPERTY for field in fields):
        getters = [*map(_getter, fields)]
        return lambda machine: tuple(get(machine) for get in getters)
    if len(paths) > 1:
        return attrgetter(*paths)
    if paths:
        get = attrgetter(paths[0])
        return lambda machine: (get(machine),)
    return _NO_VALUES


def _getter(field: Field) -> Callable[[Machine], bytes]:
    if field.source is not FieldSource.PROPERTY:
        return attrgetter(field.source.path)
    text = field.detail
    return lambda machine: json_text(machine.runtime.machine_type.property_of(text, machine.number))
