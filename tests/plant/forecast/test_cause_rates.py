"""Facts about the labels that `check` lets expect: as many as runs have, within what chance does."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any, Final

import pytest
import yaml

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.forecast.cause_rates import labels_per_day
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from plant.truth.events import FaultEpisode
from tests.support.examples import THOROUGH

_PRESS: Final = """
report_seconds: 3600
states:
  running: {share: 0.85, dwell_seconds: 1800, produces: true}
  idle: {share: 0.1, dwell_seconds: 300}
  maintenance: {share: 0.03, dwell_seconds: [600, 1200]}
  faulted: {share: 0.02, dwell_seconds: 600}
job: {kinds: [panel, frame], cycle_seconds: 600, results: {good: 0.9, scrap: 0.1}}
"""
COUNT: Final = 60 if THOROUGH else 25
WARM_UP_DAYS, DAYS = 2, 6


def press(**keys: Any) -> dict[str, Any]:
    """The entry of presses with more keys."""
    return {**yaml.safe_load(_PRESS), "count": COUNT, **copy.deepcopy(keys)}


PLANTS: Final[dict[str, dict[str, Any]]] = {
    "faults by chance": press(
        faults={
            "short": {"every_hours": 6, "duration_seconds": [60, 120]},
            "long": {"every_hours": 6, "duration_seconds": [14_400, 36_000]},
        }
    ),
    "faults until a repair": press(
        faults={
            "led": {
                "every_hours": 20,
                "until": "faulted",
                "leads_to": {"state": "faulted", "after_seconds": [60, 9000]},
            },
            "not_led": {"every_hours": 20, "until": "faulted"},
            "seldom_led": {"every_hours": 9, "until": "faulted", "leads_to": {"state": "faulted", "chance": 0.3}},
        }
    ),
    "a fault that leads to another one": press(
        faults={
            "first": {
                "every_hours": 10,
                "duration_seconds": 3600,
                "leads_to": [
                    {"fault": "then", "after_seconds": [0, 1800], "chance": 0.5},
                    {"fault": "never", "after_seconds": 3700},
                ],
            },
            "then": {"duration_seconds": 600},
            "never": {"duration_seconds": 600},
        }
    ),
    "a sensor": {
        **press(sensor_faults={"heat": {"stuck": {"every_hours": 20, "duration_seconds": 7200}}}),
        "signals": {"heat": {"base": 50, "limits": [0, 100]}},
    },
    "wear that a drawn state resets": press(
        wear={"tool": {"life_hours": 9, "resets": "maintenance"}, "belt": {"life_hours": 2, "resets": "maintenance"}}
    ),
    "wear that leads to its reset": press(
        wear={
            "tool": {"life_hours": 5, "resets": "maintenance", "leads_to": {"state": "maintenance", "chance": 0.8}},
            "belt": {"life_hours": 20, "resets": "faulted", "leads_to": {"state": "faulted", "at": 1.2}},
        }
    ),
    "wear whose fault leads to its reset": press(
        wear={"nozzle": {"life_hours": 12, "resets": "faulted", "leads_to": {"fault": "clog"}}},
        faults={
            "clog": {"until": "faulted", "leads_to": {"state": "faulted", "after_seconds": [1800, 3600]}},
        },
    ),
    "faults that stop much, with lots": press(
        faults={"jam": {"every_hours": 3, "until": "faulted", "leads_to": {"state": "faulted"}}},
        lots={"size": 5, "changeover_seconds": 900},
    ),
    "states in order": press(
        faults={"jam": {"every_hours": 9, "until": "faulted", "leads_to": {"state": "faulted"}}},
        wear={"tool": {"life_hours": 4, "resets": "faulted"}},
        transitions={"faulted": {"maintenance": 1}},
    ),
}


def plant(entry: dict[str, Any]) -> PlantConfig:
    """A plant of presses."""
    return parse({"message_types": {"press": entry}})


def labels_of_a_run(config: PlantConfig) -> Counter[str]:
    """How many labels begin in some days, by name, after the first days."""
    generator, found = FactoryMessageGenerator.of(config, 3, start=START), list[FaultEpisode]()
    generator.listen(lambda event: found.append(event) if isinstance(event, FaultEpisode) else None)
    generator.advance_silently(START + (WARM_UP_DAYS + DAYS) * 86_400)
    generator.close_truth()
    return Counter(each.fault for each in found if each.from_ms >= (START + WARM_UP_DAYS * 86_400) * 1000)


@pytest.mark.parametrize("name", PLANTS)
def test_as_many_labels_come_as_are_expected(name: str) -> None:
    """Within four standard deviations, and a twentieth for what is left out."""
    config = plant(PLANTS[name])
    expected = {cause: DAYS * per_day for (_, cause), per_day in labels_per_day(config).items()}
    found = labels_of_a_run(config)

    assert {cause: found[cause] for cause in expected} == {
        cause: pytest.approx(count, abs=4 * count**0.5 + 0.05 * count) for cause, count in expected.items()
    }
    assert max(expected.values()) > 100


def test_single_machines_count_as_they_are_declared() -> None:
    """One without faults, and one with twice as many, leave the sum of two."""
    fault = {"every_hours": 10, "duration_seconds": 60}
    one = labels_per_day(plant({**press(faults={"jam": fault}), "count": 1}))["press", "jam"]
    more = labels_per_day(plant({**press(faults={"jam": fault}), "count": 5}))["press", "jam"]

    assert more == pytest.approx(5 * one)


def test_the_sum_of_the_plant_is_said_once_and_that_of_a_machine_beside_its_cause() -> None:
    """Labels of faults and of wear are apart."""
    entry = press(faults={"jam": {"every_hours": 10, "duration_seconds": 60}})
    entry["wear"] = {"tool": {"life_hours": 5, "resets": "maintenance", "leads_to": {"state": "maintenance"}}}
    config = plant(entry)
    per_day = {name: each for (_, name), each in labels_per_day(config).items()}
    text = field_tables(config, forecast(config))

    assert (
        f"Labels to be expected in a day: {per_day['jam']:.0f} of faults and {per_day['tool']:.0f} of wear.\n" in text
    )
    assert f"every 10 h of producing           {per_day['jam'] / COUNT:.2g} a day and machine" in text
    assert f"worn out after 5 h of producing   {per_day['tool'] / COUNT:.2g} a day and machine" in text


def test_a_plant_without_faults_has_no_such_line() -> None:
    """There is nothing to expect."""
    config = plant(press())

    assert "Labels" not in field_tables(config, forecast(config))
