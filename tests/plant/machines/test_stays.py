"""Stays have the declared distribution, from the first one on, and each state has its share of the time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.definition.states.state_type import StateType
from plant.definition.states.visits import dominating, next_weights
from plant.machines.stays import stays_of
from plant.truth.events import StateInterval, TruthEvent
from tests.support.examples import THOROUGH

MANY: Final = 5_000
MACHINES: Final = 5_000 if THOROUGH else 1_500
CRITICAL: Final = 1.95
"""Of the Kolmogorov-Smirnov statistic times the root of the number of values: exceeded once in a thousand times."""

MEAN: Final = 60.0
SIGMA: Final = 0.8
DISTRIBUTIONS: Final[dict[str, dict[str, Any]]] = {
    "exponential": {},
    "weibull": {"distribution": "weibull", "shape": 1.7},
    "weibull below 1": {"distribution": "weibull", "shape": 0.7},
    "fixed": {"distribution": "fixed"},
    "uniform": {"dwell_seconds": [20, 100]},
    "lognormal": {"distribution": "lognormal", "sigma": SIGMA},
}
BELOW: Final[dict[str, Callable[[float], float]]] = {
    "exponential": lambda x: 1 - math.exp(-x / MEAN),
    "weibull": lambda x: 1 - math.exp(-((x * math.gamma(1 + 1 / 1.7) / MEAN) ** 1.7)),
    "weibull below 1": lambda x: 1 - math.exp(-((x * math.gamma(1 + 1 / 0.7) / MEAN) ** 0.7)),
    "uniform": lambda x: min(1.0, max(0.0, (x - 20) / 80)),
    "lognormal": lambda x: NormalDist(math.log(MEAN) - SIGMA**2 / 2, SIGMA).cdf(math.log(max(x, 1e-9))),
}
"""The distribution functions, over seconds; without the fixed one, whose stays are all the same."""

each = pytest.mark.parametrize("name", DISTRIBUTIONS)


def plant(name: str, count: int) -> PlantConfig:
    """A type whose stays in `set_up` have a distribution."""
    states = {
        "running": {"share": 0.7, "dwell_seconds": 90, "produces": True},
        "set_up": {"share": 0.2, "dwell_seconds": MEAN} | DISTRIBUTIONS.get(name, {"distribution": "weibull"}),
        "idle": {"share": 0.1, "dwell_seconds": 30},
    }
    lathe = {"count": count, "report_seconds": 600, "states": states}
    return parse({"message_types": {"lathe": lathe}})


def visible(config: PlantConfig, seconds: float) -> list[StateInterval]:
    """The stays of all machines as the ground truth has them, in order of machine and time, without first and last."""
    heard: dict[str, list[StateInterval]] = {}

    def listen(event: TruthEvent) -> None:
        if isinstance(event, StateInterval):
            heard.setdefault(event.machine_id, []).append(event)

    generator = FactoryMessageGenerator.of(config, 1)
    generator.listen(listen)
    generator.advance(START + seconds)
    return [stay for stays in heard.values() for stay in stays[1:-1]]


def distance(values: Sequence[float], below: Callable[[float], float]) -> float:
    """The greatest distance between the distribution of values and the one that they should have."""
    count, ordered = len(values), sorted(values)
    return max(
        max(below(value) - place / count, (place + 1) / count - below(value)) for place, value in enumerate(ordered)
    )


@each
def test_visible_stays_have_their_distribution(name: str) -> None:
    """By Kolmogorov and Smirnov; fixed ones are all the same to the millisecond."""
    stays = [stay for stay in visible(plant(name, 200), 10_000) if stay.state == "set_up"]
    lengths = [(stay.to_ms - stay.from_ms) / 1000 for stay in stays]

    assert len(lengths) > 1_600
    if name == "fixed":
        assert {*lengths} == {MEAN}
    elif name != "exponential":  # which may follow itself: an exponential stay of a greater mean
        assert distance(lengths, BELOW[name]) < CRITICAL / math.sqrt(len(lengths))


def test_exponential_stays_that_are_prolonged_are_exponential() -> None:
    """A stay without memory may follow itself; its mean is then dwell / (1 - weight)."""
    config = plant("exponential", 200)
    [(_, lathe, _)] = config.machines()
    weights = lathe.next_weights
    mean = MEAN / (1 - weights["set_up"] / sum(weights.values()))
    stays = [stay for stay in visible(config, 10_000) if stay.state == "set_up"]
    lengths = [(stay.to_ms - stay.from_ms) / 1000 for stay in stays]

    assert distance(lengths, lambda x: 1 - math.exp(-x / mean)) < CRITICAL / math.sqrt(len(lengths))


@each
def test_the_rest_of_a_first_stay_is_that_of_a_stay_at_a_random_moment(name: str) -> None:
    """P(R <= r) is the mean of min(stay, r), divided by the mean stay: the renewal theorem, by the stays themselves."""
    config = plant(name, 1)
    [(_, lathe, _)] = config.machines()
    stays = stays_of(lathe.states["set_up"])
    uniforms = [(place + 0.5) / MANY for place in range(MANY)]
    lengths = [stays.length_ms(uniform) for uniform in uniforms]
    rests = [stays.remaining_ms(uniform) for uniform in uniforms]

    assert statistics.mean(lengths) == pytest.approx(1000 * MEAN, rel=2e-3)
    assert rests == sorted(rests)
    for rest in rests[:: MANY // 50]:
        below = sum(min(length, rest) for length in lengths) / sum(lengths)
        assert sum(each <= rest for each in rests) / MANY == pytest.approx(below, abs=2e-3)


@each
def test_each_state_has_its_share_from_the_first_message_on(name: str) -> None:
    """Of many machines, within four standard errors: in the first message, and ten minutes later."""
    generator = FactoryMessageGenerator.of(plant(name, MACHINES), 1)
    for _ in range(2):
        told = [orjson.loads(message.payload)["status"] for message in generator.advance(generator.now + 600)]
        assert len(told) == MACHINES
        for state, share in (("running", 0.7), ("set_up", 0.2), ("idle", 0.1)):
            error = math.sqrt(share * (1 - share) / MACHINES)
            assert told.count(state) / MACHINES == pytest.approx(share, abs=4 * error)


@each
def test_each_state_has_its_share_of_the_time(name: str) -> None:
    """In the long run, by the time of 300 machines, within four standard errors between them."""
    generator = FactoryMessageGenerator.of(plant(name, 300), 1)
    generator.advance(START + 4 * 3600)
    stopped = [figures.stopped_seconds["set_up"] / (4 * 3600) for figures in generator.oee()]

    error = statistics.stdev(stopped) / math.sqrt(len(stopped))
    assert statistics.mean(stopped) == pytest.approx(0.2, abs=4 * error)


@each
def test_a_stay_of_its_own_length_is_followed_by_another_state(name: str) -> None:
    """Only exponential ones are prolonged, which changes nothing but their mean."""
    stays = visible(plant(name, 50), 20_000)
    follows = {(one.state, next_.state) for one, next_ in pairwise(stays) if one.machine_id == next_.machine_id}

    assert ("set_up", "set_up") not in follows
    assert {("set_up", "running"), ("set_up", "idle"), ("running", "set_up")} <= follows


def test_a_weibull_distribution_of_shape_1_is_exponential() -> None:
    """It is the same distribution, so it gives the same bytes."""
    configs = plant("exponential", 20), plant("weibull of shape 1", 20)
    exponential, weibull = (FactoryMessageGenerator.of(config, 1).advance(START + 36_000) for config in configs)

    assert exponential == weibull


def test_time_between_failures_and_to_repair_are_a_share_and_a_dwell() -> None:
    """Availability is MTBF / (MTBF + MTTR) where there is nothing else, and the repair takes MTTR."""
    down = {"mtbf_hours": 8, "mttr_minutes": 30, "distribution": "fixed"}
    states = {"running": {"share": 1, "produces": True, "dwell_seconds": 9999}, "down": down}
    config = parse({"message_types": {"pump": {"count": 1, "report_seconds": 600, "states": states}}})
    [(_, pump, _)] = config.machines()

    assert pump.shares == pytest.approx({"running": 8 / 8.5, "down": 0.5 / 8.5})
    assert pump.states["down"] == StateType(0.5 / 8, 1800.0, distribution="fixed")


rates = st.dictionaries(st.sampled_from("abcdef"), st.floats(1e-3, 1e3), min_size=1)


@given(rates, st.sets(st.sampled_from("abcdef")))
def test_states_are_entered_at_their_rates(entered: dict[str, float], ends: set[str]) -> None:
    """Drawn with the weights, and among the others after a final state, each is entered as often as it should be."""
    final = ends & entered.keys() if len(entered) > 1 else set()
    weights, total = next_weights(entered, final), sum(entered.values())
    if weights is None:
        assert dominating(entered, final) is not None
        return
    every = sum(weights.values())
    share = {name: rate / total for name, rate in entered.items()}
    for name in entered:
        into = sum(
            share[other] * weights[name] / (every - weights[other] if other in final else every)
            for other in entered
            if other != name or other not in final
        )
        assert into == pytest.approx(share[name], rel=1e-6, abs=1e-9)
