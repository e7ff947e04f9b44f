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
    title: what such a machine is called.  product: what its jobs are of.
    fields: the row's keys in order after `timestamp`, each with where on a `Machine` its JSON text is found; what is
    found there is described in plant.meanings.
    """

    key: str
    title: str
    product: str
    digit: int
    machine_id: str
    topic: str
    job_id: str
    fields: Mapping[str, str]
    nicknames: Mapping[str, str] = field(default_factory=dict)
    defective: str | None = None

    def id_head(self, kind: str) -> str:
        """A job's id up to the type's digit, for a kind of job."""
        called = self.nicknames.get(kind, kind)
        initials = "".join(filter(str.isupper, called)) or called[:2].upper()
        return self.job_id.format(initials=initials, kind=called)
