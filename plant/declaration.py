"""What is declared of a machine type: all that there is to say of it beside its YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MachineType:
    """One machine type.

    key: its name in `message_types`.  digit: the first digit of its job numbers, one for each type.
    machine_id: pattern over {number}.  topic: default topic.
    job_id: a job's id up to its number, over {initials} and {kind}; `nicknames` are other words for kinds.
    defective: the result that has issues, if any has.
    fields: the row's keys in order after `timestamp`, each with where on a `Machine` its JSON text is found.
    """

    key: str
    digit: int
    machine_id: str
    topic: str
    job_id: str
    fields: Mapping[str, str]
    nicknames: Mapping[str, str] = field(default_factory=dict)
    defective: str | None = None
