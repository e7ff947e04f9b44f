"""What `check` says of faults and wear."""

from __future__ import annotations

from typing import Final

from plant.definition.plant_config import parse
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from tests.support.exports import yamlread

_PLANT: Final = """
message_types:
  press:
    states: {running: {share: 0.9}, faulted: {share: 0.1}}
    signals: {vibration: {base: 2, limits: [0, 9]}}
    alarms: {vibration: {high: 8}}
    neighbours: {PRESS-01: [ROBOT-01]}
    faults:
      jam:
        every_hours: 5
        until: faulted
        leads_to:
          - {state: faulted, after_seconds: [3600, 7200]}
          - {fault: jam, spreads_to: neighbours, after_seconds: 10, chance: 0.8}
    wear: {tool: {life_hours: 8, resets: faulted, leads_to: {state: faulted, at: 1.1}}}
  robot: {states: {running: {share: 1}}, faults: {jam: {duration_seconds: 60}}}
"""


def _tables() -> str:
    config = parse(yamlread.value(_PLANT))
    return field_tables(config, forecast(config))


def test_faults_stand_below_the_fields_of_their_type_and_not_below_those_of_its_alarms() -> None:
    """An alarm is no cause."""
    press, alarms = _tables().split("press.alarms: ")

    assert "  fault   jam " in press
    assert "  fault " not in alarms.split("\n\n")[0]


def test_each_fault_and_wear_is_followed_by_what_it_leads_to() -> None:
    """States, faults elsewhere, and when, and how often."""
    lines = _tables().splitlines()

    assert any(
        each.endswith("then faulted after 1 h to 2 h, jam of neighbours after 10 s with chance 0.8") for each in lines
    )
    assert any("  wear " in each and each.endswith("then faulted at 1.1") for each in lines)


def test_wear_that_is_reset_before_its_label_is_hardly_ever_labelled() -> None:
    """And counts among no labels to be expected, in place of a number that is all but 0."""
    state = "{running: {share: 0.9, dwell_seconds: 600}, faulted: {share: 0.1, dwell_seconds: 60}}"
    config = parse(
        yamlread.value(
            f"message_types: {{press: {{states: {state}, job: {{cycle_seconds: 5}}, "
            "wear: {tool: {life_hours: 20, resets: faulted}}}}"
        )
    )
    tables = field_tables(config, forecast(config))

    assert any("  wear " in line and "hardly ever labelled" in line for line in tables.splitlines())
    assert "Labels to be expected in a day: none by chance." in tables


def test_all_states_of_a_type_are_listed() -> None:
    """More values than of other fields, as filters of a dashboard need each of them."""
    states = {name: {"share": 1} for name in "abcdefgh"}
    config = parse({"message_types": {"press": {"states": states}}})

    assert "a, b, c, d, e, f, g, h, stopped" in field_tables(config, forecast(config))
