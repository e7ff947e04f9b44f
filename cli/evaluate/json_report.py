"""The report of `evaluate` for machines: one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from cli.evaluate.evaluation import Evaluation
from cli.evaluate.scoring import GROUPINGS, Outcome, group_figures, members
from cli.evaluate.spans import Truths
from edge.timestamps import rfc3339

_MOST_POINTS: Final = 1000


def json_report(evaluation: Evaluation) -> bytes:
    """Return the report; shares are from 0 to 1, delays in seconds, and null where nothing defines a figure."""
    case, selected, naming = evaluation.case, evaluation.selected, evaluation.naming
    baseline = evaluation.baseline
    by_chance = evaluation.by_chance
    report = {
        "from": rfc3339(case.start_ms),
        "to": rfc3339(case.end_ms),
        "ground_truth_is_closed": evaluation.truth.is_closed,
        "labels_open": sum(each.is_open for each in case.labels),
        "left_out": {
            "outside": selected.outside,
            "repeated": selected.repeated,
            "of_other_faults": selected.elsewhere,
        },
        "unknown_machines": evaluation.unknown(),
        "detector": _outcome(evaluation, evaluation.outcome),
        "random": _outcome(evaluation, by_chance) if by_chance else None,
        "z_scores": _outcome(evaluation, baseline.outcome) if baseline else None,
        "random_as_z_scores": _outcome(evaluation, baseline.by_chance) if baseline and baseline.by_chance else None,
        "names": naming._asdict() if naming else None,
        "by_machine": _machines(evaluation),
    }
    return orjson.dumps(report, option=orjson.OPT_INDENT_2)


def _outcome(evaluation: Evaluation, outcome: Outcome) -> Mapping[str, object]:
    figures = outcome.figures
    found = {**figures._asdict(), "delay": figures.delay._asdict()}
    for grouping in GROUPINGS:
        groups = members(evaluation.case, grouping)
        found[f"by_{grouping}"] = {name: _group(outcome, chosen) for name, chosen in groups.items()}
    if outcome.curve:
        points = [each._asdict() for each in outcome.curve.thinned(_MOST_POINTS)]
        found["curve"] = {"best": outcome.curve.best._asdict(), "points": points}
    return found


def _group(outcome: Outcome, chosen: Truths) -> Mapping[str, object]:
    figures = group_figures(outcome, chosen)
    return {**figures._asdict(), "delay": figures.delay._asdict()}


def _machines(evaluation: Evaluation) -> Mapping[str, object]:
    return {
        machine_id: {
            "labels": each.labels,
            "found": each.found,
            "recall": each.recall,
            "detections": each.detections,
            "true": each.true,
            "precision": each.precision,
            "false_alarms_per_day": each.false_alarms_per_day,
        }
        for machine_id, each in evaluation.by_machine().items()
    }
