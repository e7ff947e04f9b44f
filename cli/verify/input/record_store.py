"""Records by key, each key's in order of time, in a bounded memory: what is more goes into a temporary file.

Memory holds `most` records, or four for each key where that is more, and of the file a block of each stretch that has
to be merged. Records that come in order make one stretch for each key, so nothing has to be merged; where they come in
any order there is a stretch for each time that memory was full: a fortieth of all records is then in memory at most.
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
"""Time in milliseconds, a number that no other record of the key has, by which those of one time are ordered, and
plain values."""

MOST_HELD: Final = 20_000
_HELD_FOR_EACH_KEY = 4
_BLOCK: Final = 500


class _Stretch:
    """Records of one key in order of time, in blocks of a file: where each begins, and its bytes."""

    __slots__ = ("blocks", "first", "last")

    def __init__(self, first: Record) -> None:
        self.first = self.last = first[:2]
        self.blocks: list[tuple[int, int]] = []


class RecordStore:
    """Takes records in any order, and gives those of a key in order of time, as often as it is asked."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most, self._count = most, 0
        self._held: defaultdict[str, list[Record]] = defaultdict(list)
        self._stretches: defaultdict[str, list[_Stretch]] = defaultdict(list)
        self._file: IO[bytes] | None = None
        self._size = 0

    def add(self, key: str, record: Record) -> None:
        """Take a record in."""
        self._held[key].append(record)
        self._count += 1
        if self._count >= self._most:
            self._make_room()

    def records(self, key: str) -> Iterator[Record]:
        """A key's records in order of time."""
        held = sorted(self._held[key]) if key in self._held else []
        stretches = sorted(self._stretches.get(key, ()), key=lambda each: each.first)
        parts = [self._read(each) for each in stretches]
        ends = [(each.first, each.last) for each in stretches]
        ends += [(_place(held[0]), _place(held[-1]))] if held else []
        if all(before[1] <= after[0] for before, after in pairwise(ends)):
            return chain(*parts, held)
        return merge(*parts, held)

    def _make_room(self) -> None:
        keys = len(self._held.keys() | self._stretches.keys())
        self._most = max(self._most, _HELD_FOR_EACH_KEY * keys)
        if self._count < self._most:
            return
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the shelf
            finalize(self, self._file.close)
        for key, records in self._held.items():
            records.sort()
            self._write(self._file, self._stretch(key, records), records)
        self._held.clear()
        self._count = 0
        self._file.flush()

    def _stretch(self, key: str, records: list[Record]) -> _Stretch:
        """The one that goes on with these records, or a new one."""
        known = self._stretches[key]
        if not known or known[-1].last > _place(records[0]):
            known.append(_Stretch(records[0]))
        known[-1].last = _place(records[-1])
        return known[-1]

    def _write(self, file: IO[bytes], stretch: _Stretch, records: list[Record]) -> None:
        for first in range(0, len(records), _BLOCK):
            block = marshal.dumps(records[first : first + _BLOCK])
            file.write(block)
            stretch.blocks.append((self._size, len(block)))
            self._size += len(block)

    def _read(self, stretch: _Stretch) -> Iterator[Record]:
        if self._file is not None:
            for begins, size in stretch.blocks:
                yield from marshal.loads(os.pread(self._file.fileno(), size, begins))  # noqa: S302 - our own file


def _place(record: Record) -> tuple[int, int]:
    return record[:2]
