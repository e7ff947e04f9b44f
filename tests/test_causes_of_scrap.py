"""Regressions over jobs recover what scenarios/spaceship-faults.yaml declares; the default plant has none of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from plant.definition.plant_config import load, parse
from plant.truth.events import FinishedJob, StateInterval
from tests.plant.faults.presses import Seen, run
from tests.support.exports import yamlread
from tests.support.factory.plants import only
from tools.fault_tables import SCENARIO

TYPE: Final = load(SCENARIO).message_types.machines["cnc_machine"]
WORN: Final = TYPE.causes.wear["tool"]
FAULT: Final = TYPE.causes.faults["bearing_damage"]
KIND: Final = "EngineMount"

Numbers = npt.NDArray[np.float64]


@cache
def mills() -> Seen:
    """Ten mills of the scenario in two days, all alike, with the damage of bearings five times as often."""
    data = yamlread.value(SCENARIO.read_text(encoding="utf-8"))
    entry: dict[str, Any] = data["message_types"]["cnc_machine"]
    for name in ("spread", "start_up", "sensor_faults", "signals", "fields"):
        entry.pop(name)
    for cause in (*entry["faults"].values(), *entry["wear"].values()):
        cause["effects"] = {
            name: each for name, each in cause["effects"].items() if name in ("cycle_seconds", "results")
        }
    entry["faults"]["bearing_damage"]["every_hours"] = 8
    del entry["faults"]["tool_breakage"], entry["frequency_weight"]
    entry["wear"]["tool"]["leads_to"] = {"state": "maintenance", "at": 1.2}
    entry |= {"count": 10, "report_seconds": 600}
    return run(
        parse({"global": {"machine_counts": {}}, "message_types": {"cnc_machine": entry}}), 48, step_seconds=6000
    )


def covariates(seen: Seen) -> tuple[Numbers, Numbers]:
    """For each job after the first tool change: what its causes should do to the odds of scrap, and whether it is."""
    jobs, stays = defaultdict[str, list[FinishedJob]](list), defaultdict[str, list[StateInterval]](list)
    for job in seen.jobs:
        jobs[job.machine_id].append(job)
    for stay in seen.stays:
        stays[stay.machine_id].append(stay)
    rows, scrapped = [], []
    for machine_id, own in jobs.items():
        faults = [each for each in seen.episodes if each.machine_id == machine_id and each.fault == FAULT.name]
        following, worked = iter(stays[machine_id]), 0
        began: int | None = None
        current = next(following)
        for job in own:
            while current.to_ms <= job.started_ms:
                worked += (current.to_ms - current.from_ms) * (current.state == "running")
                if current.state == WORN.resets:
                    began = worked
                current = next(following)
            if began is None:
                continue
            now = worked + (job.started_ms - current.from_ms) * (current.state == "running")
            level = sum(
                each.severity * min(1.0, (job.started_ms - each.from_ms) / each.ramp_ms)
                for each in faults
                if each.from_ms <= job.started_ms < each.to_ms
            )
            wear = math.log1p(WORN.effects.results["scrap"] * (now - began) / WORN.life_ms)
            damage = math.log1p(FAULT.effects.results["scrap"] * level)
            rows.append((1.0, wear, damage, math.log(1.6) * (job.kind == KIND)))
            scrapped.append(job.result == "scrap")
    return np.array(rows), np.array(scrapped, dtype=np.float64)


def regression(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Return the coefficients of a logistic regression, and their standard errors (Newton's method)."""
    beta = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ beta))
        information = x.T @ (x * (p * (1 - p))[:, None])
        beta = beta + np.linalg.solve(information, x.T @ (y - p))
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


def test_scrap_depends_on_wear_on_faults_and_on_the_kind_as_declared() -> None:
    """Each cause multiplies the odds by what is declared of it: all coefficients are 1, within four standard errors."""
    found, errors = regression(*covariates(mills()))
    usual = math.log(TYPE.results["scrap"] / TYPE.results["good"])

    assert found == pytest.approx(np.array([usual, 1.0, 1.0, 1.0]), abs=float(4 * errors.max()))
    for value, expected, error in zip(found, (usual, 1.0, 1.0, 1.0), errors, strict=True):
        assert abs(value - expected) < 4 * error
    assert (found[1:] > 6 * errors[1:]).all()


def test_the_ideal_cycle_is_that_of_the_kind() -> None:
    """Whatever wear and faults make of the cycle itself."""
    by_kind = means((job.kind, job.ideal_ms) for job in mills().jobs)

    assert by_kind == {kind: 14_000.0 if kind == KIND else 10_000.0 for kind in TYPE.kinds}


def means(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of each name."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return {name: sum(each) / len(each) for name, each in found.items()}


def test_the_default_plant_has_none_of_it() -> None:
    """Scrap does not depend on the kind, on the machine, or on the time since the last stop; there are no lots."""
    seen = run(only("cnc_machine", 10, report_seconds=600), 24, step_seconds=6000)
    kinds, machines = sorted({job.kind for job in seen.jobs}), sorted({job.machine_id for job in seen.jobs})
    rows = [
        (1.0, *(job.kind == each for each in kinds[1:]), *(job.machine_id == each for each in machines[1:]))
        for job in seen.jobs
    ]
    scrapped = [job.result == "scrap" for job in seen.jobs]
    found, errors = regression(np.array(rows, dtype=np.float64), np.array(scrapped, dtype=np.float64))

    assert (np.abs(found[1:]) < 4 * errors[1:]).all()
    assert {job.lot for job in seen.jobs} == {None}
    assert not [each for each in seen.stays if each.cause or each.state == "changeover"]
    of_one = [job.kind for job in seen.jobs if job.machine_id == machines[0]]
    assert runs_of_a_kind(of_one) == pytest.approx(1.25, abs=0.05)


def runs_of_a_kind(kinds: Sequence[str]) -> float:
    """The mean number of jobs of a kind that follow each other."""
    changes = sum(one != other for one, other in pairwise(kinds))
    return len(kinds) / (changes + 1)
