"""Whether the names in a query for labels are known: to the plant as it is now, or to a label that is still there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from edge.labels.queries import AnomalyQuery
from plant.truth.events import FaultEpisode

_MOST_NAMED: Final = 10


class KnownNames(NamedTuple):
    """The names of a plant. machines: ids, in order; machine_count: how many.

    has_machine: whether the one that is asked for is one of them.
    """

    machines: Iterable[str]
    machine_count: int
    has_machine: bool
    types: Collection[str]
    faults: Collection[str]


def unknown(query: AnomalyQuery, known: KnownNames, labels: Iterable[tuple[str, FaultEpisode]]) -> str:
    """Return which name in a query is unknown, with those that there are; "" where all are known.

    labels: all that there are, with the keys of their types: they outlive the machines that a reload takes away.
    """
    missing = {
        "machine_id": None if known.has_machine else query.machine_id,
        "machine_type": None if query.kind in known.types else query.kind,
        "fault": None if query.fault in known.faults else query.fault,
    }
    missing = {name: value for name, value in missing.items() if value is not None}
    if not missing:
        return ""
    seen = {(name, value) for kind, episode in labels for name, value in _names(kind, episode)}
    left = next((name for name, value in missing.items() if (name, value) not in seen), None)
    if left is None:
        return ""
    what, names, count = {
        "machine_id": ("machine", known.machines, known.machine_count),
        "machine_type": ("machine type", known.types, len(known.types)),
        "fault": ("fault", known.faults, len(known.faults)),
    }[left]
    return f"{left}: no such {what}; {_listed(names, count)}"


def _names(kind: str, episode: FaultEpisode) -> Iterator[tuple[str, str]]:
    yield from (("machine_id", episode.machine_id), ("machine_type", kind), ("fault", episode.fault))


def _listed(names: Iterable[str], count: int) -> str:
    shown = [*islice(names, _MOST_NAMED)]
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    return f"there are {', '.join(shown)}{more}" if shown else "there is none"
