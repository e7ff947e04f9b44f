"""What is declared of a machine type: all that there is to say of it beside its YAML."""

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
    number: one for each type, from 1; its job numbers begin with it, and rows of a millisecond come in its order.
    machine_id: pattern over {number} or {number:02d}, which longer numbers make longer.  topic: default topic.
    job_id: a job's id up to its number, over {initials} and {kind}; `nicknames` are other words for kinds.
    defective: the result that has issues, if any has.  good: the results after which nothing is left to be done.
    title: what such a machine is called.  product: what its jobs are of.
    fields: the keys of a message in order after `timestamp`, each with what it reports.
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
        """Refuse patterns by which two machines, or two jobs, could get the same id; ValueError names the rule."""
        if self.number < 1:
            raise ValueError(f"{self.key}: number must be at least 1")
        if not _MACHINE_ID.fullmatch(self.machine_id):
            raise ValueError(f"{self.key}: machine_id must have one {{number}}, padded with zeros or not")
        if self.job_id[-1:].isdigit() or self.job_id.endswith("}"):
            raise ValueError(f"{self.key}: job_id must end in a character that is no digit, as the number follows it")

    @property
    def type_code(self) -> str:
        """The digits by which a job's number names its type: those of `number`, after a 0 for each of them but one.

        No code is the beginning of another one (1, 9, 010, 011, 00100), so what follows, the machine's number, is not
        taken for a part of it.
        """
        digits = str(self.number)
        return "0" * (len(digits) - 1) + digits

    def id_head(self, kind: str) -> str:
        """A job's id up to the type's code, for a kind of job."""
        called = self.nicknames.get(kind, kind)
        initials = "".join(filter(str.isupper, called)) or called[:2].upper()
        return self.job_id.format(initials=initials, kind=called)
