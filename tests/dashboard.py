"""The published dashboard over a factory's rows: a second consumer, that knows nothing of how `verify` counts.

Its queries are written in KQL over one table of all rows. Here they are as what they come to, by machine:

    availability:  count(status == 'running') / count()
    quality:       count(quality == 'good') / count(quality is not null)
    throughput:    count(part_id is not null), of welding stations count(assembly_id is not null), by hour

Machines are told apart by the beginnings of their ids. Rows of machines that the queries leave out are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import orjson

PART_COLUMNS: Final = {"CNC": "part_id", "WELD": "assembly_id", "PAINT": "part_id"}


class Dashboard:
    """The table of rows, summarized as they come in: by machine, how many rows answer to a condition."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()

    def ingest(self, payloads: Iterable[bytes]) -> None:
        """Take rows in."""
        for payload in payloads:
            row = orjson.loads(payload)
            if part_column := PART_COLUMNS.get(row.get("machine_id", "").partition("-")[0]):
                self._summarize(row, part_column)

    def availability(self, machine_id: str) -> float:
        """Share of rows that are running."""
        return self.running[machine_id] / self.total[machine_id]

    def quality(self, machine_id: str) -> float:
        """Share of rows with a quality whose quality is good."""
        return self.good[machine_id] / self.judged[machine_id]

    def throughput(self, machine_id: str, hours: float) -> float:
        """Rows with a part, per hour."""
        return self.parts[machine_id] / hours

    def _summarize(self, row: dict[str, Any], part_column: str) -> None:
        machine_id = row["machine_id"]
        self.total[machine_id] += 1
        if row["status"] == "running":
            self.running[machine_id] += 1
        if row["quality"] is not None:
            self.judged[machine_id] += 1
            self.good[machine_id] += row["quality"] == "good"
        if row[part_column] is not None:
            self.parts[machine_id] += 1
