"""Facts about mistakes in `sites:`, in the key `site`, and in calendars with a load: each has its line and rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plant.definition.plant_config import PlantConfigError, load_content

STATES = "states: {running: {share: 1, dwell_seconds: 60, produces: true}}"
MISTAKES = {
    "an unknown site": (
        """\
sites: {europe: {}, demo: {}}
message_types:
  press: {site: eurpe, signals: {a: {base: 1}}}
""",
        ['3: message_types.press.site: must be the name of a site, got "eurpe"; did you mean europe?'],
    ),
    "an unknown site, and signals of the site that is meant": (
        """\
sites: {europe: {plant_signals: {price: {base: 1}}}, demo: {}}
message_types:
  press: {site: eurpe, signals: {a: {formula: plant.price + plant.prise, limits: [0, 9]}}}
""",
        [
            (
                '3: message_types.press.signals.a.formula: has an unknown signal of the plant "prise" at character 15; '
                "did you mean plant.price?"
            ),
            '3: message_types.press.site: must be the name of a site, got "eurpe"; did you mean europe?',
        ],
    ),
    "no sites": (
        "message_types:\n  press: {site: europe, signals: {a: {base: 1}}}\n",
        ['2: message_types.press.site: must be the name of a site, got "europe"; there are no sites'],
    ),
    "an unknown signal of a site": (
        """\
sites:
  europe: {plant_signals: {price: {base: 1}}}
  demo: {}
plant_signals: {outdoor: {base: 1}}
message_types:
  press: {site: europe, signals: {a: {formula: plant.price + plant.outdoor, limits: [0, 9]}}}
  other: {site: demo, signals: {a: {formula: plant.price + plant.outdoor, limits: [0, 9]}}}
  third: {signals: {a: {formula: plant.prise, limits: [0, 9]}}}
""",
        [
            (
                '7: message_types.other.signals.a.formula: has an unknown signal of the plant "price" at character 1; '
                "known names: plant.outdoor"
            ),
            (
                '8: message_types.third.signals.a.formula: has an unknown signal of the plant "prise" at character 1; '
                "known names: plant.outdoor"
            ),
        ],
    ),
    "signals and a calendar of a site": (
        """\
sites:
  europe:
    calendar:
      time_zone: Europe/Berln
      shifts: [{name: day, start: "06:00", end: "06:00"}]
      factors: lod
      maintenance: [{types: [other], weekday: mon, start: "06:00", end: "08:00"}]
    plant_signals:
      sum: {formula: outdoor + prise, limits: [0, 9]}
    colour: red
plant_signals: {outdoor: {base: 1}}
message_types:
  press: {site: europe, signals: {a: {base: 1}}}
  other: {signals: {a: {base: 1}}}
""",
        [
            (
                '4: sites.europe.calendar.time_zone: is not a time zone of the IANA database, got "Europe/Berln"; '
                "did you mean Europe/Berlin?"
            ),
            "5: sites.europe.calendar.shifts[0].end: must differ from start; a whole day is from 00:00 to 24:00",
            "6: sites.europe.calendar.factors: must be 'stops' or 'load', got the text \"lod\"",
            (
                '7: sites.europe.calendar.maintenance[0].types[0]: is not a machine type of this site, got "other"; '
                "known names: press"
            ),
            (
                '9: sites.europe.plant_signals.sum.formula: has an unknown name "prise" at character 11; '
                "known names: outdoor, age_seconds, job_progress, hour"
            ),
            "10: sites.europe.colour: is an unknown key; known names: calendar, plant_signals",
        ],
    ),
    "a signal that breaks one of the plant": (
        """\
plant_signals: {mode: {base: 1}, double: {formula: 2 * mode, limits: [0, 9]}}
sites:
  europe:
    plant_signals: {mode: {choice: {a: 1, b: 1}}}
message_types:
  press: {site: europe, signals: {a: {base: 1}}}
""",
        [
            (
                "4: sites.europe.plant_signals: makes plant_signals.double.formula wrong: cannot calculate with "
                '"mode", which is text, at character 5'
            ),
        ],
    ),
    "shifts of another site": (
        f"""\
calendar: {{time_zone: UTC, shifts: [{{name: day, start: "06:00", end: "14:00"}}]}}
sites: {{europe: {{calendar: {{time_zone: UTC, shifts: [{{name: tag, start: "06:00", end: "14:00"}}]}}}}}}
message_types:
  press: {{{STATES}, job: {{cycle_seconds: 5}}, shifts: {{day: {{cycle_seconds: {{times: 2}}}}}}}}
  moved: {{extends: press, site: europe}}
  other: {{extends: press, site: europe, shifts: {{day: {{cycle_seconds: {{times: 2}}}}}}}}
""",
        [
            '5: message_types.moved.site: has no shift "day" in its calendar, of which `shifts` says something',
            "6: message_types.other.shifts.day: is not the name of a shift of the calendar; known names: tag",
        ],
    ),
    "a load that machines show": (
        """\
message_types:
  press: {signals: {a: {calendar: load}}}
""",
        ["2: message_types.press.signals.a.calendar: is for plant_signals, from which formulas take it as plant.NAME"],
    ),
    "a load and a flow": (
        f"""\
calendar: {{time_zone: UTC, factors: load}}
sites: {{europe: {{calendar: {{time_zone: UTC, factors: load}}}}}}
flow: {{processes: {{second: first}}}}
message_types:
  first: {{{STATES}, job: {{cycle_seconds: 5}}}}
  second: {{{STATES}, job: {{cycle_seconds: 5}}, site: europe}}
  alone: {{{STATES}, job: {{cycle_seconds: 5}}}}
""",
        [
            "1: calendar.factors: cannot be load with flow: machines of first wait for pieces",
            "2: sites.europe.calendar.factors: cannot be load with flow: machines of second wait for pieces",
        ],
    ),
    "a state of the same name": (
        """\
calendar: {time_zone: UTC, factors: load}
message_types:
  press:
    job: {cycle_seconds: 5}
    states:
      running: {share: 1, dwell_seconds: 60}
      waiting: {share: 1, dwell_seconds: 60}
""",
        [
            (
                "7: message_types.press.states.waiting: is the name of the state that factors: load brings: choose "
                "another name"
            )
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_its_line_its_place_and_its_rule(text: str, expected: list[str]) -> None:
    """All at once, each where it is written."""
    with pytest.raises(PlantConfigError) as found:
        load_content(text.encode(), "plant.yaml")

    assert [str(each).removeprefix("plant.yaml:") for each in found.value.mistakes] == expected


def test_states_may_be_called_waiting_where_no_load_makes_machines_wait() -> None:
    """As ever."""
    text = f"message_types: {{press: {{job: {{cycle_seconds: 5}}, {STATES.replace('running', 'waiting')}}}}}"
    machine_type = load_content(text.encode(), "plant.yaml").message_types.machines["press"]

    assert ({*machine_type.planned_stops}, machine_type.producing_state) == ({"planned_stop"}, "waiting")


def test_the_errors_on_the_page_are_those_that_come() -> None:
    """Of its plant, with a slip in a site and a price that only the other site has."""
    page = (Path(__file__).parents[3] / "docs" / "sites.md").read_text("utf-8")
    (plant,), (shown,) = (re.findall(rf"```{each}\n(.*?)```", page, re.DOTALL) for each in ("yaml", "text"))
    cost = "signals: {cost: {formula: plant.price, limits: [0, 9]}}"
    slips = {"    site: demo": "    site: dem", "site: europe, count: 2": f"site: europe, count: 2, {cost}"}
    for right, wrong in slips.items():
        assert right in plant
        plant = plant.replace(right, wrong)
    with pytest.raises(PlantConfigError) as found:
        load_content(plant.encode(), "plant.yaml")

    assert str(found.value).splitlines() == shown.splitlines()
