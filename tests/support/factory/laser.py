"""A plant with a machine type of one's own: a laser cutter, an entry in YAML and nothing more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from edge.http.oee_answer import machine_entry, merged
from edge.runtime.run_options import RunOptions
from edge.settings.loader import Settings
from edge.status import OeeFigures
from edge.workers.partition import split_count
from messages import FactoryMessageGenerator
from plant.definition.plant_config import load


def entry(pattern: str = "LASER_{number:02d}") -> dict[str, Any]:
    """Its entry in message_types; machines' ids by a pattern."""
    return {
        "title": "laser cutter",
        "machine_id": pattern,
        "topic": "{prefix}/laser",
        "report_seconds": 5.0,
        "states": {"cutting": {"share": 0.7, "produces": True}, "idle": {"share": 0.3}},
        "station_pattern": "LINE-{line}-STATION-L",
        "lines": [1, 2],
        "job": {
            "product": "sheet",
            "id": "{initials}-",
            "code": 11,
            "kinds": ["HullPanel", "FloorPlate"],
            "cycle_seconds": [6.0, 9.0],
            "results": {"A": {"weight": 0.9, "good": True}, "C": {"weight": 0.1}},
        },
        "fields": [
            "timestamp",
            "machine_id",
            "status",
            {"sheet": "job.kind"},
            {"sheet_id": "finished.id"},
            {"grade": "finished.result"},
            {"cut_seconds": "finished.cycle_seconds"},
            {"sheet_on_the_table": "job.id"},
        ],
    }


def facts(path: str | Path) -> dict[str, Any]:
    """The messages of a plant in ten minutes, as a whole and in parts; how they are divided; and a reload."""

    config = load(path)
    whole = FactoryMessageGenerator.of(config, "1")
    rows = [(row.kind, row.source, row.payload.decode()) for row in whole.advance(whole.start + 600)]
    parts = Settings.load({"SEED": "1", "WORKERS": "3"}, pid=1).of_workers()
    options = RunOptions(count=500, start=1_767_225_600.0)
    plants = [FactoryMessageGenerator.of(config, part.seed, shard=part.part) for part in parts]
    dealt = split_count(options, parts, config)
    said = [[(row.kind, row.source, row.payload.decode()) for row in each.advance(each.start + 600)] for each in plants]
    looks = [[machine_entry(*placed) for some in each.oee_snapshot().figures() for placed in some] for each in plants]
    types = whole.machine_types()
    truths = [
        OeeFigures(each.start, each.now, entries, more=False, types=types)
        for each, entries in zip(plants, looks, strict=True)
    ]
    reloaded = FactoryMessageGenerator.of(config, "1")
    reloaded.advance(reloaded.start + 300)
    reloaded.reload(config)
    counts = {**config.global_.machine_counts, "laser_cutter": 0}
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
