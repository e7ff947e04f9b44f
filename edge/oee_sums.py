"""Sums of OEE figures that come in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from plant.telemetry import KindOee, Oee

K = TypeVar("K")
N = TypeVar("N", int, float)


def sum_kinds(parts: Iterable[Sequence[KindOee]]) -> list[KindOee]:
    """Return the OEE figures of each machine type, summed over all parts."""
    by_kind: dict[str, list[KindOee]] = {}
    for kind in (kind for part in parts for kind in part):
        by_kind.setdefault(kind.kind, []).append(kind)
    return [_one_kind(kind, parts) for kind, parts in by_kind.items()]


def sum_all(parts: Sequence[Oee]) -> Oee:
    """Return the OEE figures of machines of several types together, whose states and results have different names."""
    return Oee(
        planned_seconds=sum(part.planned_seconds for part in parts),
        producing_seconds=sum(part.producing_seconds for part in parts),
        stopped_seconds={},
        ideal_seconds=sum(part.ideal_seconds for part in parts),
        results={"all": sum(part.jobs for part in parts)},
        good=sum(part.good for part in parts),
    )


def _one_kind(kind: str, parts: Sequence[KindOee]) -> KindOee:
    return KindOee(
        kind=kind,
        machines=sum(part.machines for part in parts),
        planned_seconds=sum(part.planned_seconds for part in parts),
        producing_seconds=sum(part.producing_seconds for part in parts),
        stopped_seconds=added(part.stopped_seconds for part in parts),
        ideal_seconds=sum(part.ideal_seconds for part in parts),
        results=added(part.results for part in parts),
        good=sum(part.good for part in parts),
    )


def added(parts: Iterable[Mapping[K, N]]) -> dict[K, N]:
    """Return sums by key; unlike a sum of Counters it keeps zeros."""
    total: Counter[Any] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
