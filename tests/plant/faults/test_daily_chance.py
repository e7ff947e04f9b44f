"""`global.fault_chance_per_day`: faults without a time of their own come by chance, on each machine."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.changes import with_enabled
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.forecast.cause_rates import labels_per_day
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from plant.truth.events import FaultEpisode, TruthEvent
from tests.plant.faults.presses import HOUR_MS, QUIET, run
from tests.plant.faults.test_episodes import is_distributed

DAYS: Final = 40
COUNT: Final = 50
FAULTS: Final[dict[str, Any]] = {"leak": {"duration_seconds": 60.0}, "jam": {"duration_seconds": [60.0, 600.0]}}
STATES: Final[dict[str, Any]] = {
    "running": {"share": 0.2, "dwell_seconds": 3000.0, "produces": True},
    "idle": {"share": 0.8, "dwell_seconds": 12_000.0},
}


def plant(chance: float, **changes: Any) -> PlantConfig:
    """Machines that seldom produce, with two faults, neither of which has a time."""
    entry: dict[str, Any] = {
        **QUIET,
        "report_seconds": 43_200,
        "count": COUNT,
        "states": STATES,
        "signals": {"heat": {"base": 1.0, "limits": [0.0, 9.0]}},
        "faults": FAULTS,
        **changes,
    }
    return parse({"global": {"fault_chance_per_day": chance}, "message_types": {"press": entry}})


def test_each_machine_has_a_fault_in_a_day_with_this_chance() -> None:
    """A day without any is as likely as declared, whatever the state; all faults are equally likely."""
    seen = run(plant(0.3), 24 * DAYS, step_seconds=86_400)
    begun = {(each.machine_id, each.from_ms // (24 * HOUR_MS)) for each in seen.episodes}
    share, names = len(begun) / (DAYS * COUNT), Counter(each.fault for each in seen.episodes)

    assert {each.why for each in seen.episodes} == {"chance"}
    assert share == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / (DAYS * COUNT)))
    assert names["leak"] == pytest.approx(names["jam"], abs=4 * math.sqrt(names.total()))


def test_faults_come_after_an_exponential_time() -> None:
    """Counted from the end of one episode, at any time of the machine; a chance of 1 is 0.999."""
    seen = run(plant(1.0), 24 * 10, step_seconds=86_400)
    gaps = []
    for machine_id, fault in {(each.machine_id, each.fault) for each in seen.episodes}:
        own = [each for each in seen.episodes if (each.machine_id, each.fault) == (machine_id, fault)]
        ended = sorted((each for each in own if not each.is_open), key=lambda each: each.from_ms)
        gaps += [(other.from_ms - one.to_ms) / HOUR_MS for one, other in pairwise(ended)]

    assert len(gaps) > 2000
    assert is_distributed(gaps, 2 * 24 / -math.log(0.001))


def test_without_a_chance_no_such_fault_comes() -> None:
    """As in every plant so far."""
    assert run(plant(0.0), 24 * 10, step_seconds=86_400).episodes == []


def test_faults_with_a_time_of_their_own_are_left_alone() -> None:
    """Those by the hour, by schedule, and of sensors: the chance is that of the one which is left."""
    faults = {
        "leak": {"duration_seconds": 60.0},
        "wobble": {"every_hours": 5000.0, "duration_seconds": 60.0},
        "planned": {"schedule": [{"after_seconds": 9.0}], "duration_seconds": 60.0},
    }
    config = plant(0.5, faults=faults, sensor_faults={"heat": {"stuck": {"schedule": [], "duration_seconds": 5.0}}})
    found = {
        name: (each.mean_ms, each.at_any_time)
        for name, each in config.message_types.machines["press"].causes.faults.items()
    }

    assert found == {
        "leak": (pytest.approx(24 * HOUR_MS / math.log(2)), True),
        "wobble": (5000 * HOUR_MS, False),
        "planned": (None, False),
        "heat.stuck": (None, True),
    }


def test_single_machines_and_types_that_extend_another_have_the_chance_too() -> None:
    """Each machine has it once, with the faults that it has."""
    config = parse(
        {
            "global": {"fault_chance_per_day": 0.5},
            "message_types": {
                "press": {
                    "states": STATES,
                    "faults": FAULTS,
                    "overrides": {"PRESS-01": {"states": {"idle": {"share": 0.5}}}},
                },
                "other": {"extends": "press", "faults": {"burst": {"duration_seconds": 9.0}}},
            },
        }
    )
    types = config.message_types.machines
    means = [
        [each.mean_ms for each in found.causes.faults.values()]
        for found in (types["press"], types["press"].overrides[1], types["other"])
    ]
    day_ms = 24 * HOUR_MS / math.log(2)

    assert means == [[pytest.approx(2 * day_ms)] * 2, [pytest.approx(2 * day_ms)] * 2, [pytest.approx(3 * day_ms)] * 3]


def test_a_reload_changes_the_chance_of_running_machines() -> None:
    """Faults come from then on; with 0 again none begins, and those that are there go on to their end."""
    generator, seen = FactoryMessageGenerator.of(plant(0.0), 7, start=START), list[TruthEvent]()
    generator.listen(seen.append)
    generator.advance(START + 10 * 86_400)
    before = list(seen)
    generator.reload(plant(0.9))
    generator.advance(START + 20 * 86_400)
    between = [each for each in seen if isinstance(each, FaultEpisode)]
    generator.reload(plant(0.0))
    generator.advance(START + 30 * 86_400)
    generator.close_truth()
    ends = [each.from_ms for each in seen if isinstance(each, FaultEpisode)]

    assert not any(isinstance(each, FaultEpisode) for each in before)
    assert len(between) > 900
    assert max(ends) < (START + 20 * 86_400) * 1000


def test_a_change_of_another_figure_keeps_the_chance() -> None:
    """As when a command switches the messages of a type on."""
    config = with_enabled(plant(0.5), "press", enabled=True)

    assert isinstance(config, PlantConfig)
    assert config.message_types.machines == plant(0.5, enabled=True).message_types.machines


def test_check_shows_how_often_they_come() -> None:
    """In days of any kind, and the labels to be expected are those that come."""
    config = plant(0.3)
    table = field_tables(config, forecast(config))
    expected = COUNT * -math.log(0.7)

    assert "  fault   leak   every 5.61 d   0.18 a day and machine\n" in table
    assert "every" not in field_tables(plant(0.0), forecast(plant(0.0))).partition("fault   leak")[2]
    assert math.fsum(labels_per_day(config).values()) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("chance", "faults", "mistakes"),
    [
        (1.5, {}, ["global.fault_chance_per_day: must be at most 1, got 1.5"]),
        (-0.1, {}, ["global.fault_chance_per_day: must be at least 0, got -0.1"]),
        (
            0.1,
            {"leak": {"description": "Oil."}, "jam": {"every_hours": 1.0, "duration_seconds": 5.0}},
            [
                (
                    "message_types.press.faults.leak: needs an end, as global.fault_chance_per_day lets it come: "
                    "duration_seconds or until"
                )
            ],
        ),
        (0.0, {"leak": {"description": "Oil."}}, []),
    ],
)
def test_mistakes_have_their_places(chance: float, faults: dict[str, Any], mistakes: list[str]) -> None:
    """A fault that would never end is refused only where it comes by this chance."""
    try:
        plant(chance, faults=faults)
        found = []
    except PlantConfigError as error:
        found = [f"{each.path}: {each.rule}" for each in error.mistakes]

    assert found == mistakes
