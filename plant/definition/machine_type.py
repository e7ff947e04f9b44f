"""The declaration of a machine type: everything about it that is not in the YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from plant.definition.field_sources import FieldSource
from plant.definition.machine_config import MachineSpec

_MACHINE_ID: Final = re.compile(r"[^{}]*\{number(:0[0-9]+d)?\}[^{}]*")


@dataclass(frozen=True, slots=True)
class MachineType:
    """One machine type.

    key: its name in `message_types`.  counted: its name in `machine_counts`.  spec: the model of its YAML.
    number: unique, from 1; its job numbers begin with it, and messages of the same millisecond are sorted by it.
    machine_id: pattern over {number} or {number:02d}; longer numbers make longer ids.  topic: default topic.
    job_id: a job's id up to its number, over {initials} and {kind}; `nicknames` replace kinds in it.
    defective: the result that has issues, if there is one.  good: the results that count as good.
    title: name of such a machine in texts.  product: name of what its jobs make.
    fields: the keys of a message in order after `timestamp`, each with its source.
    """

    key: str
    counted: str
    spec: type[MachineSpec]
    title: str
    product: str
    number: int
    machine_id: str
    topic: str
    job_id: str
    fields: Mapping[str, FieldSource]
    nicknames: Mapping[str, str] = field(default_factory=dict)
    defective: str | None = None
    good: frozenset[str] = frozenset({"good", "pass"})

    def __post_init__(self) -> None:
        """Raise ValueError for a pattern by which two machines, or two jobs, could get the same id."""
        if self.number < 1:
            raise ValueError(f"{self.key}: number must be at least 1")
        if not _MACHINE_ID.fullmatch(self.machine_id):
            raise ValueError(f"{self.key}: machine_id must have one {{number}}, padded with zeros or not")
        if self.job_id[-1:].isdigit() or self.job_id.endswith("}"):
            raise ValueError(f"{self.key}: job_id must end in a character that is no digit, as the number follows it")

    @property
    def type_code(self) -> str:
        """The digits of the type in a job's number: those of `number`, after a 0 for each digit except one.

        No code is a prefix of another one (1, 9, 010, 011, 00100), so the machine's number, which follows, cannot be
        mistaken for a part of it.
        """
        digits = str(self.number)
        return "0" * (len(digits) - 1) + digits

    def id_head(self, kind: str) -> str:
        """Return the id of a job of that kind, up to the type's code."""
        called = self.nicknames.get(kind, kind)
        initials = "".join(filter(str.isupper, called)) or called[:2].upper()
        return self.job_id.format(initials=initials, kind=called)
