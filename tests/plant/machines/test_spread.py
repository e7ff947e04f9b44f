"""Machines of one type differ by factors of their own, whose mean is 1."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.jobs.spread import MOST_VARIANTS, factor, variant_of
from plant.random_stream import RandomStream
from tests.support.factory.plants import standard_error
from tests.support.factory.truths import JOB, STATES, Truth, press, truth

SPREAD = {"shares": 0.3, "cycle_seconds": 0.1, "results": 0.4}


def shares(made: Truth, state: str) -> list[float]:
    """The share of each machine's time in a state."""
    times = [made.seconds(machine_id) for machine_id in made.stays]
    return [seconds[state] / sum(seconds.values()) for seconds in times]


def results(made: Truth) -> list[float]:
    """The share of scrap of each machine."""
    return [sum(job.result == "scrap" for job in jobs) / len(jobs) for jobs in made.jobs.values()]


def cycles(made: Truth) -> list[float]:
    """The mean cycle of each machine, in seconds."""
    return [statistics.mean(job.cycle_ms / 1000 for job in jobs) for jobs in made.jobs.values()]


def config(spread: dict[str, float] | None, **values: Any) -> PlantConfig:
    """A hundred machines with short stays, so that chance is small."""
    states = {
        "running": {"share": 0.7, "dwell_seconds": 35, "produces": True},
        "idle": {"share": 0.2, "dwell_seconds": 10},
        "faulted": {"share": 0.1, "dwell_seconds": 15},
    }
    job = {**JOB, "cycle_seconds": [8, 12]}
    return press(**{"count": 100, "states": states, "job": job, "spread": spread} | values)


@pytest.fixture(scope="module")
def alike() -> Truth:
    """Machines that differ by chance alone."""
    return truth(config(None), 3)


@pytest.fixture(scope="module")
def differing() -> Truth:
    """Machines that differ by their own factors."""
    return truth(config(SPREAD), 3)


def test_factors_have_the_mean_1_and_the_declared_deviation() -> None:
    """Of a lognormal distribution, within 4 standard errors."""
    found = [factor(0.3, RandomStream(1, f"PRESS-{number}"), "cycle") for number in range(5000)]
    logs = [math.log(each) for each in found]

    assert statistics.mean(found) == pytest.approx(1, abs=4 * standard_error(found))
    assert statistics.stdev(found) == pytest.approx(0.3, rel=0.06)
    assert statistics.stdev(logs) == pytest.approx(math.sqrt(math.log1p(0.09)), rel=0.05)


@pytest.mark.parametrize(
    ("measure", "declared", "deviation"),
    [
        (lambda made: shares(made, "faulted"), 0.1, 0.3),
        (lambda made: shares(made, "idle"), 0.2, 0.3),
        (results, 0.1, 0.4),
        (cycles, 10.0, 0.1),
    ],
    ids=["faulted", "idle", "scrap", "cycle"],
)
def test_machines_differ_more_than_by_chance_around_the_declared_mean(
    measure: Any, declared: float, deviation: float, alike: Truth, differing: Truth
) -> None:
    """The variance is many times that of chance, and near that of the factors; the mean is right."""
    by_chance, found = measure(alike), measure(differing)

    assert statistics.variance(found) > 4 * statistics.variance(by_chance)
    assert statistics.stdev(found) / declared == pytest.approx(deviation, rel=0.35)
    assert statistics.mean(found) == pytest.approx(declared, abs=4 * standard_error(found))


def test_the_own_shares_of_a_machine_are_exact() -> None:
    """Over 300 hours within 4 standard errors, which are a hundredth of them."""
    made = truth(config({"shares": 0.3}, count=1, job=None), 300)
    [machine] = made.plant._parts.fleets[0].machines
    declared = machine.runtime.machine_type.shares
    seconds = made.seconds(machine.id)

    assert declared["faulted"] != pytest.approx(0.1, rel=0.02)
    for state, share in declared.items():
        stays = [stay for stay in made.stays[machine.id] if stay.state == state]
        error = 1.5 * share / math.sqrt(len(stays))
        assert error < 0.03 * share
        assert seconds[state] / sum(seconds.values()) == pytest.approx(share, abs=4 * error)


def test_a_machine_keeps_its_factors() -> None:
    """In another shard, after a reload, and whatever other machines there are."""
    plant = FactoryMessageGenerator.of(config(SPREAD), 1)
    shard = FactoryMessageGenerator.of(config(SPREAD), 1, shard=(3, 4))
    types = {each.id: each.runtime.machine_type for each in plant._parts.fleets[0].machines}
    plant.advance(START + 60)
    plant.reload(config(SPREAD, report_seconds=30))
    again = {each.id: each.runtime.machine_type for each in plant._parts.fleets[0].machines}

    assert {each.id: each.runtime.machine_type.shares for each in shard._parts.fleets[0].machines} == {
        name: types[name].shares for name in [f"PRESS-{number:02d}" for number in range(3, 101, 4)]
    }
    assert {name: each.shares for name, each in again.items()} == {name: each.shares for name, each in types.items()}


def test_more_than_a_thousand_machines_share_their_factors() -> None:
    """So that what they need is bounded: machine 1,001 is like machine 1."""
    plant = FactoryMessageGenerator.of(press(count=MOST_VARIANTS + 20, spread=SPREAD), 1)
    machines = plant._parts.fleets[0].machines

    assert len({id(each.runtime) for each in machines}) == MOST_VARIANTS
    assert machines[0].runtime is machines[MOST_VARIANTS].runtime
    assert variant_of(MOST_VARIANTS) == MOST_VARIANTS


def test_a_machine_with_an_override_differs_around_it() -> None:
    """Its factors are those that it has without."""
    overrides = {"PRESS-02": {"states": {"faulted": {"share": 0.4}}}}
    own, usual = (
        FactoryMessageGenerator.of(press(count=3, spread=SPREAD, overrides=each), 1)._parts.fleets[0].machines[1]
        for each in (overrides, None)
    )
    weights = [each.runtime.machine_type.states["faulted"].weight for each in (own, usual)]

    assert weights[0] / weights[1] == pytest.approx(4)


def test_machines_are_alike_without_spread() -> None:
    """They share what they are drawn from."""
    machines = FactoryMessageGenerator.of(press(count=5, job=JOB, states=STATES), 1)._parts.fleets[0].machines

    assert len({id(each.runtime) for each in machines}) == 1
