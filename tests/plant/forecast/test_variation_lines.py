"""Facts about lots, start-ups, spread, the order of states and reasons as `check` has them: runs agree with each."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any, Final

import pytest
import yaml

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from plant.forecast.start_ups import start_ups
from plant.forecast.state_lines import seen_rows, state_lines
from plant.forecast.variation_lines import variation_lines, worst_of
from plant.jobs.spread import factor
from plant.random_stream import RandomStream
from plant.truth.events import FinishedJob, StateInterval, TruthEvent
from tests.support.examples import THOROUGH

_PRESS: Final = """
count: 30
report_seconds: 3600
states:
  running: {share: 0.75, dwell_seconds: 900, produces: true}
  idle: {share: 0.12, dwell_seconds: 240}
  setting: {share: 0.06, dwell_seconds: 400, distribution: fixed}
  faulted: {share: 0.07, dwell_seconds: [200, 1000]}
job: {kinds: [panel, frame], cycle_seconds: 60, results: {good: 0.9, scrap: 0.1}}
"""
START_UP: Final[dict[str, Any]] = {
    "after_stop_seconds": 600,
    "jobs": 5,
    "cycle_seconds": {"times": 1.5},
    "results": {"scrap": {"times": 4}},
}
LOTS: Final[dict[str, Any]] = {"size": [10, 30], "changeover_seconds": {"default": [300, 700], "panel>frame": 900}}
HOURS: Final = 60 if THOROUGH else 24


def plant(**keys: Any) -> PlantConfig:
    """Presses with more keys; `cycle_seconds` is that of their jobs."""
    entry: dict[str, Any] = yaml.safe_load(_PRESS)
    entry["job"]["cycle_seconds"] = keys.pop("cycle_seconds", 60)
    return parse({"message_types": {"press": {**entry, **keys}}})


def ran(
    config: PlantConfig, hours: float = HOURS
) -> tuple[dict[str, list[FinishedJob]], dict[str, list[StateInterval]]]:
    """Return the jobs and the stays of each machine."""
    generator, events = FactoryMessageGenerator.of(config, 5, start=START), list[TruthEvent]()
    generator.listen(events.append)
    generator.advance_silently(START + hours * 3600)
    generator.close_truth()
    jobs, stays = defaultdict[str, list[FinishedJob]](list), defaultdict[str, list[StateInterval]](list)
    for each in events:
        if isinstance(each, FinishedJob):
            jobs[each.machine_id].append(each)
        elif isinstance(each, StateInterval):
            stays[each.machine_id].append(each)
    return jobs, stays


def line_of(config: PlantConfig, name: str) -> str:
    """The line about something."""
    machine_type = config.message_types.machines["press"]
    return dict([*variation_lines(config, machine_type, config.count("press")), *state_lines(machine_type)])[name]


def test_lots_have_as_many_changeovers_and_lose_as_much_time_as_in_a_run() -> None:
    """To a twentieth."""
    config = plant(lots=LOTS)
    _, stays = ran(config)
    changeovers = [each for its in stays.values() for each in its if each.state == "changeover"]
    hours = sum(each.to_ms - each.from_ms for each in changeovers) / 3.6e6
    count, _, rest = line_of(config, "lots").removeprefix("10 to 30 jobs of a kind; ").partition(" changeovers an hour")
    share = rest.rpartition(": ")[2].removesuffix(" % of the time")

    assert float(count) == pytest.approx(len(changeovers) / 30 / HOURS, rel=0.05)
    assert float(share) == pytest.approx(100 * hours / 30 / HOURS, rel=0.05)


def test_lots_without_changeovers_say_so() -> None:
    """There is nothing to lose."""
    assert line_of(plant(lots={"size": 7}), "lots") == "7 jobs of a kind, no changeovers"


@pytest.mark.parametrize(
    ("cycle_seconds", "more"),
    [(20, {}), (300, {}), (3600, {}), (60, {"lots": LOTS}), (60, {"transitions": {"faulted": {"setting": 1}}})],
    ids=["short jobs", "jobs", "long jobs", "lots", "states in order"],
)
def test_start_ups_come_and_cost_as_in_a_run(cycle_seconds: float, more: dict[str, Any]) -> None:
    """A job with enough time without work since the one before began; within three standard errors and 3 %."""
    config = plant(cycle_seconds=cycle_seconds, start_up=START_UP, **more)
    expected = start_ups(config, config.message_types.machines["press"])
    jobs, _ = ran(config)
    every = [each for its in jobs.values() for each in its[1:]]
    first = sum(each.cycle_ms == 1.5 * each.ideal_ms for each in every)

    assert expected is not None
    assert expected.per_hour * 30 * HOURS == pytest.approx(first, abs=3 * first**0.5 + 0.03 * first)
    longer = statistics.mean(each.cycle_ms / each.ideal_ms for each in every) - 1
    assert expected.cycle == pytest.approx(longer, rel=0.03 + 3 / first**0.5)
    bad = sum(each.result == "scrap" for each in every) / len(every) - 0.1
    error = 3 * (0.1 * 0.9 / len(every)) ** 0.5
    assert expected.bad == pytest.approx(bad, rel=0.03 + 3 / first**0.5, abs=error)


def test_the_line_of_start_ups_has_these_figures() -> None:
    """In words."""
    config = plant(start_up=START_UP)
    expected = start_ups(config, config.message_types.machines["press"])

    assert expected is not None
    assert line_of(config, "start-up") == (
        f"after stops of 10 min, {expected.per_hour:.3g} an hour and machine, 5 jobs differ, on average"
        f" cycles {100 * expected.cycle:.3g} % longer and {100 * expected.bad:.3g} % more bad jobs"
    )


@pytest.mark.parametrize("count", [2, 8, 40])
def test_half_of_all_plants_have_a_worse_machine_than_the_one_shown(count: int) -> None:
    """Of 400 plants, by the factors that their machines have."""
    worse = 0
    for seed in range(400):
        factors = [factor(0.3, RandomStream(seed, f"PRESS-{number}"), "cycle") for number in range(count)]
        worse += max(factors) > worst_of(count, 0.3) * (1 + 0.3**2) ** -0.5

    assert worse == pytest.approx(200, abs=4 * 10)


def test_the_worst_machine_of_a_run_is_about_as_slow_as_shown() -> None:
    """Against the median of 200, whose cycles are those of their jobs."""
    config = plant(count=200, spread={"cycle_seconds": 0.1}, cycle_seconds=[10, 200])
    jobs, _ = ran(config, 12)
    cycles = [statistics.mean(each.cycle_ms for each in its[1:]) for its in jobs.values()]
    told = line_of(config, "spread")

    assert told == f"the worst of 200 machines, as a rule, against the median: cycles times {worst_of(200, 0.1):.3g}"
    assert worst_of(200, 0.1) == pytest.approx(max(cycles) / statistics.median(cycles), rel=0.1)


def test_a_single_machine_has_no_line_of_spread() -> None:
    """There is none to compare it with."""
    assert "spread" not in field_tables(plant(count=1, spread={"shares": 0.2}), forecast(plant()))


def test_states_follow_each_other_as_often_as_in_a_run() -> None:
    """Within four standard errors; rows are there where an order is declared only."""
    config = plant(transitions={"faulted": {"setting": 0.7, "running": 0.3}, "setting": {"faulted": 0}})
    rows = seen_rows(config.message_types.machines["press"])
    counts = Counter((a.state, b.state) for its in ran(config)[1].values() for a, b in pairwise(its))
    for name, row in rows.items():
        total = sum(count for (before, _), count in counts.items() if before == name)
        for to, chance in row.items():
            error = 4 * (chance * (1 - chance) / total) ** 0.5
            assert counts[name, to] / total == pytest.approx(chance, abs=error + 1e-9)

    assert line_of(config, "after faulted") == "setting 70 %, running 30 %"
    assert "after" not in "".join(name for name, _ in state_lines(plant().message_types.machines["press"]))


def test_reasons_have_their_weights_as_shares_the_most_frequent_first() -> None:
    """Of states and of results; those of weight 0 do not come."""
    config = plant(reasons={"faulted": {"E1 jam": 1, "E2 drive": 3, "E3 none": 0}, "scrap": {"scratch": 1}})
    text = field_tables(config, forecast(config))

    assert "\n  reasons of faulted   E2 drive 75 %, E1 jam 25 %\n" in text
    assert text.endswith("\n  reasons of scrap     scratch 100 %")
