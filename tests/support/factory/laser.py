"""A plant with a sixth machine type, declared and nothing more, for a process of its own.

    python -m tests.support.factory.laser PATTERN NUMBER app ARGUMENT...   app.py with it
    python -m tests.support.factory.laser PATTERN NUMBER facts FILE        facts about a plant's file, as JSON

PATTERN is that of its machines' ids, NUMBER the type's. It has to be declared before anything else is imported, as a
type is that comes with the program.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import plant.definition.spaceship
from plant.definition.field_sources import FieldSource
from plant.definition.machine_config import MachineSpec
from plant.definition.machine_type import MachineType
from plant.definition.value_types import JobSecondsRange, Names, Weights


class Laser(MachineSpec):
    """Laser cutters: sheets, with keys of their own."""

    producing_state: ClassVar[str] = "cutting"
    results_key: ClassVar[str] = "grade_distribution"
    kinds_key: ClassVar[str] = "sheets"
    seconds_key: ClassVar[str] = "cut_seconds_range"

    cut_seconds_range: JobSecondsRange
    grade_distribution: Weights
    sheets: Names


YAML: dict[str, Any] = {
    "report_seconds": 5.0,
    "cut_seconds_range": [6.0, 9.0],
    "grade_distribution": {"A": 0.9, "C": 0.1},
    "status_distribution": {"cutting": 0.7, "idle": 0.3},
    "station_pattern": "LINE-{line}-STATION-L",
    "lines": [1, 2],
    "sheets": ["HullPanel", "FloorPlate"],
}


def declare(pattern: str, number: int) -> None:
    """Have one type more."""
    laser = MachineType(
        key="laser_cutter",
        counted="laser",
        spec=Laser,
        title="laser cutter",
        product="sheet",
        number=number,
        machine_id=pattern,
        topic="{prefix}/laser",
        job_id="{initials}-",
        good=frozenset({"A"}),
        fields={
            "machine_id": FieldSource.MACHINE_ID,
            "status": FieldSource.STATUS,
            "sheet": FieldSource.JOB_KIND,
            "sheet_id": FieldSource.FINISHED_ID,
            "grade": FieldSource.FINISHED_RESULT,
            "cut_seconds": FieldSource.FINISHED_CYCLE,
            "sheet_on_the_table": FieldSource.CURRENT_ID,
        },
    )
    plant.definition.spaceship.MACHINE_TYPES = (*plant.definition.spaceship.MACHINE_TYPES, laser)  # type: ignore[assignment, misc]


def facts(path: str) -> dict[str, Any]:
    """The messages of a plant in ten minutes, as a whole and in parts; how they are divided; and a reload."""
    # Only now that the type is declared.
    from edge.http.oee_answer import machine_entry, merged  # noqa: PLC0415
    from edge.runtime.run_options import RunOptions  # noqa: PLC0415
    from edge.settings.loader import Settings  # noqa: PLC0415
    from edge.status import OeeFigures  # noqa: PLC0415
    from edge.workers.partition import split_count  # noqa: PLC0415
    from messages import FactoryMessageGenerator  # noqa: PLC0415
    from plant.definition.plant_config import load  # noqa: PLC0415

    config = load(path)
    whole = FactoryMessageGenerator.of(config, "1")
    rows = [(row.kind, row.source, row.payload.decode()) for row in whole.advance(whole.start + 600)]
    parts = Settings.load({"SEED": "1", "WORKERS": "3"}, pid=1).of_workers()
    options = RunOptions(count=500, start=1_767_225_600.0)
    plants = [FactoryMessageGenerator.of(config, part.seed, shard=part.part) for part in parts]
    dealt = split_count(options, parts, config)
    said = [[(row.kind, row.source, row.payload.decode()) for row in each.advance(each.start + 600)] for each in plants]
    looks = [[machine_entry(*placed) for some in each.still().figures() for placed in some] for each in plants]
    types = whole.machine_types()
    truths = [
        OeeFigures(each.start, each.now, entries, more=False, types=types)
        for each, entries in zip(plants, looks, strict=True)
    ]
    reloaded = FactoryMessageGenerator.of(config, "1")
    reloaded.advance(reloaded.start + 300)
    reloaded.reload(config)
    counts = config.global_.machine_counts.model_copy(update={"laser": 0})
    without = config.model_copy(update={"global_": config.global_.model_copy(update={"machine_counts": counts})})
    changed, reloads = FactoryMessageGenerator.of(without, "1"), []
    for each in (without, config, without):
        changed.reload(each)
        reloads.append([(row.kind, row.source, "") for row in changed.advance(changed.now + 300)])
    return {
        "reloads": reloads,
        "rows": rows,
        "dealt": [its[:count] for its, count in zip(said, dealt, strict=True)],
        "in_order": [machine_id for _, machine_id, _ in asyncio.run(merged(truths, None)).entries],
        "oee": [each.machine_id for each in whole.oee()],
        "reloaded": [(row.kind, row.source, row.payload.decode()) for row in reloaded.advance(reloaded.start + 600)],
    }


def main(arguments: Sequence[str]) -> int:
    """Do what is asked of the plant with one type more."""
    pattern, number, command, *rest = arguments
    declare(pattern, int(number))
    if command == "facts":
        print(json.dumps(facts(*rest)))
        return 0
    import app  # noqa: PLC0415

    return app.main(rest, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
