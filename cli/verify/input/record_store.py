"""Records by key and in order of time, in a bounded memory: an external merge sort with a temporary file.

Memory contains `capacity` records, or four per key if that is more, and a block of each sorted run that is merged.
Records in order make one run per key, so nothing is merged. Records in any other order make a run each time the memory
is full; then at most a fortieth of all records is in memory.
"""

from __future__ import annotations

import marshal
import os
from collections import defaultdict
from collections.abc import Iterator
from heapq import merge
from itertools import chain, pairwise
from tempfile import TemporaryFile
from typing import IO, Any, Final
from weakref import finalize

Record = tuple[int, int, tuple[Any, ...]]
"""Time in milliseconds; a number that is unique within the key and orders records of the same time; plain values."""

DEFAULT_CAPACITY: Final = 20_000
_BUFFERED_PER_KEY = 4
_BLOCK_RECORDS: Final = 500


class _SortedRun:
    """Records of one key in order of time.  blocks: offset and size in bytes of each block in the file."""

    __slots__ = ("blocks", "first", "last")

    def __init__(self, first: Record) -> None:
        self.first = self.last = first[:2]
        self.blocks: list[tuple[int, int]] = []


class RecordStore:
    """A store that takes records in any order and returns those of a key in order of time, any number of times."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity, self._count = capacity, 0
        self._buffered: defaultdict[str, list[Record]] = defaultdict(list)
        self._runs: defaultdict[str, list[_SortedRun]] = defaultdict(list)
        self._file: IO[bytes] | None = None
        self._size = 0

    def add(self, key: str, record: Record) -> None:
        """Add a record."""
        self._buffered[key].append(record)
        self._count += 1
        if self._count >= self._capacity:
            self._spill()

    def records(self, key: str) -> Iterator[Record]:
        """Return a key's records in order of time."""
        buffered = sorted(self._buffered[key]) if key in self._buffered else []
        runs = sorted(self._runs.get(key, ()), key=lambda each: each.first)
        parts = [self._read(each) for each in runs]
        ends = [(each.first, each.last) for each in runs]
        ends += [(_order(buffered[0]), _order(buffered[-1]))] if buffered else []
        if all(before[1] <= after[0] for before, after in pairwise(ends)):
            return chain(*parts, buffered)
        return merge(*parts, buffered)

    def _spill(self) -> None:
        keys = len(self._buffered.keys() | self._runs.keys())
        self._capacity = max(self._capacity, _BUFFERED_PER_KEY * keys)
        if self._count < self._capacity:
            return
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - closed with the store
            finalize(self, self._file.close)
        for key, records in self._buffered.items():
            records.sort()
            self._write(self._file, self._run_for(key, records), records)
        self._buffered.clear()
        self._count = 0
        self._file.flush()

    def _run_for(self, key: str, records: list[Record]) -> _SortedRun:
        """Return the run that these records continue, or a new one."""
        known = self._runs[key]
        if not known or known[-1].last > _order(records[0]):
            known.append(_SortedRun(records[0]))
        known[-1].last = _order(records[-1])
        return known[-1]

    def _write(self, file: IO[bytes], run: _SortedRun, records: list[Record]) -> None:
        for first in range(0, len(records), _BLOCK_RECORDS):
            block = marshal.dumps(records[first : first + _BLOCK_RECORDS])
            file.write(block)
            run.blocks.append((self._size, len(block)))
            self._size += len(block)

    def _read(self, run: _SortedRun) -> Iterator[Record]:
        if self._file is not None:
            for begins, size in run.blocks:
                yield from marshal.loads(os.pread(self._file.fileno(), size, begins))  # noqa: S302 - our own file


def _order(record: Record) -> tuple[int, int]:
    return record[:2]
