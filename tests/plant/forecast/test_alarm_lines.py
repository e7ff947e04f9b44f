"""Facts about alarms as `check` has them: when they may be raised, and a run raises them then and only then."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.forecast.alarm_lines import when
from plant.forecast.cause_rates import labels_per_hour
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from tests.support.examples import THOROUGH

STATES: Final[dict[str, Any]] = {
    "running": {"share": 0.8, "dwell_seconds": 600, "produces": True},
    "idle": {"share": 0.1, "dwell_seconds": 120},
    "faulted": {"share": 0.1, "dwell_seconds": 300},
}
FAULTS: Final[dict[str, Any]] = {
    "jam": {"every_hours": 4, "duration_seconds": 600, "severity": [0.5, 1], "effects": {"heat": {"plus": 50}}},
    "leak": {"every_hours": 4, "duration_seconds": 600, "effects": {"heat": {"times": 0.5}}},
}
HOURS: Final = 24 if THOROUGH else 5


def plant(signal: dict[str, Any], alarm: dict[str, Any], **more: Any) -> PlantConfig:
    """Presses with a signal that has an alarm."""
    entry = {"count": 20, "report_seconds": 5, "states": STATES, "job": {"cycle_seconds": 60}, **more}
    entry |= {"signals": {"heat": {"limits": [0, 200], **signal}}, "alarms": {"heat": alarm}}
    return parse({"message_types": {"press": entry}})


def told(config: PlantConfig) -> str:
    """When the alarm is raised, as `check` has it."""
    machine_type = config.message_types.machines["press"]
    return when(machine_type.alarms[0], machine_type, labels_per_hour(config, machine_type))


def raised(config: PlantConfig, hours: float = HOURS) -> int:
    """How often it is raised in a run."""
    generator, found = FactoryMessageGenerator.of(config, 2, start=START), 0
    while generator.now < START + hours * 3600:
        messages = generator.advance(generator.now + 3600)
        found += sum(orjson.loads(each.payload)["event"] == "raised" for each in messages if "alarms" in each.kind)
    return found


def test_an_alarm_at_the_level_of_states_comes_as_often_as_they_are_entered() -> None:
    """In a run as often as expected, within four standard deviations; some stays are between two messages."""
    config = plant({"base": {"faulted": 90, "else": 20}}, {"high": 80})
    state, _, rate = told(config).partition(", ")
    expected = float(rate.removesuffix(" times a day and machine")) * 20 * HOURS / 24

    assert state == "in faulted"
    assert raised(config) == pytest.approx(expected, abs=4 * expected**0.5 + 0.02 * expected)


def test_states_that_follow_each_other_count_once() -> None:
    """What is above the limit in several states is raised as the first of them is entered."""
    config = plant({"base": {"running": 20, "else": 90}}, {"high": 80})
    state, _, rate = told(config).partition(", ")
    expected = float(rate.removesuffix(" times a day and machine")) * 20 * HOURS / 24

    assert state == "in all other states"
    assert raised(config) == pytest.approx(expected, abs=4 * expected**0.5 + 0.02 * expected)


OTHERS: Final[list[tuple[str, dict[str, Any], dict[str, Any], bool]]] = [
    ("in faulted", {"base": {"faulted": 90, "else": 20}, "noise": 1}, {"high": 80}, True),
    ("in faulted", {"base": {"faulted": 90, "else": 20}}, {"high": 80, "delay_seconds": 60}, True),
    ("at its level", {"base": 90}, {"high": 80}, True),
    ("at its level", {"set_point": 90}, {"high": 80}, True),
    ("by its variation", {"base": 70, "noise": 4}, {"high": 80}, True),
    ("by its variation", {"base": 30, "noise": 4}, {"low": 20}, True),
    ("never", {"base": 70, "limits": [0, 75]}, {"high": 80}, False),
    ("", {"formula": "90"}, {"high": 80}, True),
]


@pytest.mark.parametrize(("text", "signal", "alarm", "is_raised"), OTHERS)
def test_what_raises_an_alarm_is_shown_where_it_follows(
    text: str, signal: dict[str, Any], alarm: dict[str, Any], is_raised: bool
) -> None:
    """And is so in a run; of formulas nothing is shown."""
    config = plant(signal, alarm)

    assert told(config) == text
    assert bool(raised(config, 1)) == is_raised


@pytest.mark.parametrize(("alarm", "cause"), [({"high": 60}, "jam"), ({"low": 12}, "leak")])
def test_an_alarm_that_takes_a_cause_names_it_and_comes_no_more_often(alarm: dict[str, Any], cause: str) -> None:
    """Without the fault it does not come; with it, at each episode that is severe enough."""
    config = plant({"base": 20, "noise": 0.1}, alarm, faults=FAULTS)
    without = {name: each for name, each in FAULTS.items() if name != cause}
    text, _, most = told(config).partition(", at most ")
    expected = float(most.removesuffix(" times a day and machine")) * 20 * HOURS / 24

    assert text == f"under {cause}"
    assert raised(plant({"base": 20, "noise": 0.1}, alarm, faults=without)) == 0
    assert 0 < raised(config) < expected + 4 * expected**0.5


def test_no_number_is_shown_where_something_else_enters_the_states_or_takes_their_time() -> None:
    """A fault that leads to one, and changeovers."""
    jam = {"every_hours": 4, "until": "faulted", "leads_to": {"state": "faulted"}}
    signal, alarm = {"base": {"faulted": 90, "else": 20}}, {"high": 80}

    assert told(plant(signal, alarm, faults={"jam": jam})) == "in faulted"
    assert told(plant(signal, alarm, lots={"size": 5, "changeover_seconds": 60})) == "in faulted"


def test_wear_is_a_cause_and_so_is_a_sensor() -> None:
    """Wear up to 1, a drift however long it takes."""
    wear = {"tool": {"life_hours": 1, "resets": "faulted", "effects": {"heat": {"plus": 50}}}}
    sensor = {"heat": {"drift": {"per_hour": 10, "every_hours": 5, "duration_seconds": 60}}}
    config = plant({"base": 20}, {"high": 60}, wear=wear, sensor_faults=sensor)

    assert told(config).startswith("under heat.drift or tool, at most ")


def test_what_no_cause_reaches_alone_is_shown() -> None:
    """Two together may, if they meet."""
    assert told(plant({"base": 20}, {"high": 90}, faults=FAULTS)) == "only under several causes at once, if at all"


def test_the_line_of_an_alarm_stands_below_its_messages() -> None:
    """With its severity, its limit, its delay, and where it is cleared."""
    config = plant({"base": {"faulted": 90, "else": 20}}, {"high": 80, "delay_seconds": 60, "severity": "critical"})
    table = field_tables(config, forecast(config)).partition("press.alarms: ")[2]

    assert "\n  alarm heat.high   critical   at 80 or more for 1 min, until below 76   in faulted" in table
