"""Mistakes in faults, sensor faults and wear: each with its place and its rule."""

from __future__ import annotations

from typing import Any, Final

import pytest

from plant.definition.plant_config import PlantConfigError, parse
from tests.support.exports import yamlread

_PRESS: Final = """
states: {running: {share: 0.9, dwell_seconds: 600}, faulted: {share: 0.1, dwell_seconds: 60}}
job: {cycle_seconds: 20, results: {good: 0.9, scrap: 0.1}}
signals:
  vibration: {base: 2, limits: [0, 9]}
  free: {base: 2}
  meter: {integral_of: vibration}
"""


def errors(**entry: Any) -> list[str]:
    """What is wrong with a press that has these keys, each with its place below the type."""
    data = {"message_types": {"press": {**yamlread.value(_PRESS), **entry}}}
    try:
        parse(data)
    except PlantConfigError as error:
        return [f"{each.path.removeprefix('message_types.press.')}: {each.rule}" for each in error.mistakes]
    return []


MISTAKES: Final[list[tuple[dict[str, Any], str]]] = [
    ({"faults": {"a": {"every_hours": 1}}}, "faults.a: needs an end: duration_seconds or until"),
    ({"faults": {"a b": {}}}, 'faults."a b": is no name of a fault: it must begin with a letter'),
    ({"faults": {"a": {"until": "fault"}}}, 'faults.a.until: must be a state of this type, got "fault"; did you mean'),
    ({"faults": {"a": {"effects": {"vibratoin": {"times": 2}}}}}, "did you mean vibration?"),
    ({"faults": {"a": {"effects": {"free": {"times": 2}}}}}, "faults.a.effects.free: needs limits in signals.free"),
    ({"faults": {"a": {"effects": {"meter": {"times": 2}}}}}, "faults.a.effects.meter: cannot be changed"),
    ({"faults": {"a": {"effects": {"vibration": {}}}}}, "faults.a.effects.vibration: needs times or plus"),
    ({"faults": {"a": {"effects": {"vibration": 4}}}}, "must be a mapping with times or plus, got 4"),
    (
        {"faults": {"a": {"effects": {"vibration": {"times": -1}}}}},
        "effects.vibration.times: must be at least 0, got -1",
    ),
    (
        {"faults": {"a": {"every": 1, "until": "faulted"}}},
        "faults.a.every: is an unknown key; did you mean every_hours?",
    ),
    ({"faults": {"a": {"effects": {"vibration": {"time": 1}}}}}, "effects.vibration.time: is an unknown key"),
    ({"faults": {"a": {"effects": {"cycle_seconds": {"plus": 1}}}}}, "cycle_seconds.plus: is for signals: use times"),
    (
        {"faults": {"a": {"effects": {"results": {"scrp": {"times": 2}}}}}},
        "is not a result of this type; did you mean scrap",
    ),
    ({"faults": {"a": {"effects": {"results": {"scrap": 3}}}}}, "results.scrap: must be a mapping with times, got 3"),
    ({"faults": {"a": {"effects": {"results": 3}}}}, "faults.a.effects.results: must be a mapping by name"),
    ({"faults": {"a": {"effects": {"dwell_seconds": {"x": {"times": 2}}}}}}, "is not a state of this type"),
    ({"faults": {"a": {"severity": [2, 1]}}}, "faults.a.severity: must be [low, high] with low <= high, got [2, 1]"),
    ({"faults": {"a": {"severity": 6}}}, "must be 0.01 to 5"),
    ({"faults": {"a": {"onset": {"ramp_seconds": 5, "ramp": 5}}}}, "faults.a.onset.ramp"),
    ({"faults": {"a": {"onset": 5}}}, "faults.a.onset: must be step, or a mapping with ramp_seconds, got 5"),
    ({"faults": {"a": {"leads_to": {}}}}, "needs either state or fault"),
    ({"faults": {"a": {"leads_to": "faulted"}}}, 'leads_to: must be a mapping or a list of mappings, got the text "fa'),
    ({"faults": {"a": {"schedule": 5}}}, "faults.a.schedule: must be a mapping or a list of mappings, got 5"),
    (
        {"faults": {"a": {"schedule": {"after_seconds": 1, "machine": "PRES-1"}}}},
        'faults.a.schedule[0].machine: is no id of a machine, got "PRES-1"',
    ),
    (
        {"sensor_faults": {"vibration": {"stuck": {"schedule": {"after_seconds": 1, "machine": "PRESS-1"}}}}},
        'sensor_faults.vibration.stuck.schedule[0].machine: is no id of a machine, got "PRESS-1"',
    ),
    ({"faults": {"a": {"leads_to": {"state": "x"}}}}, 'must be a state of this type, got "x"'),
    ({"faults": {"a": {"leads_to": {"fault": "b"}}}}, 'must be a fault of this type, got "b"'),
    ({"faults": {"a": {"leads_to": {"fault": "a"}}}}, "is this fault itself"),
    ({"faults": {"a": {"leads_to": {"fault": "a", "spreads_to": "neighbours"}}}}, "needs neighbours in the entry"),
    (
        {
            "faults": {"a": {"leads_to": {"fault": "z", "spreads_to": "neighbours"}}},
            "neighbours": {"PRESS-01": ["PRESS-02"]},
        },
        "must be a fault of a machine type",
    ),
    ({"faults": {"a": {"leads_to": {"fault": "a", "spreads_to": "upstream"}}}}, "needs a flow: nothing is upstream"),
    ({"faults": {"a": {"leads_to": {"state": "faulted", "at": 1}}}}, "at: is not for faults: use after_seconds"),
    ({"faults": {"a": {"schedule": {"machine": "PRESS-01"}}}}, "needs either at or after_seconds"),
    ({"faults": {"a": {"schedule": {"at": "2026-01-05T08:00:00"}}}}, "must be a time with its offset"),
    ({"sensor_faults": {"x": {"stuck": {}}}}, "sensor_faults.x: is no measured signal of this type"),
    ({"sensor_faults": {"vibration": {"spike": {}}}}, "sensor_faults.vibration.spike.amplitude: is missing"),
    (
        {"sensor_faults": {"vibration": {"stuck": {"chance": 1}}}},
        "vibration.stuck.chance: is for spike only",
    ),
    ({"sensor_faults": {"vibration": {"stuck": {"every_hours": 1}}}}, "needs an end: duration_seconds"),
    ({"sensor_faults": {"free": {"drift": {"per_hour": 1}}}}, "needs limits in signals.free"),
    ({"sensor_faults": {"vibration": {"broken": {}}}}, "sensor_faults.vibration.broken"),
    ({"wear": {"tool": {"life_hours": 1, "resets": "x"}}}, 'wear.tool.resets: must be a state of this type, got "x"'),
    ({"wear": {"tool": {"life_hours": 0, "resets": "faulted"}}}, "wear.tool.life_hours: must be at least 0.001, got 0"),
    (
        {"wear": {"tool": {"life_hours": 1, "resets": "faulted", "label_from": 1.1}}},
        "wear.tool.label_from: must be at most 1, got 1.1",
    ),
    (
        {"wear": {"tool": {"life_hours": 1, "resets": "faulted", "label_from": -0.1}}},
        "wear.tool.label_from: must be at least 0, got -0.1",
    ),
    (
        {"wear": {"tool": {"life_hours": 1, "resets": "faulted", "label_form": 0.5}}},
        "wear.tool.label_form: is an unknown key; did you mean label_from?",
    ),
    (
        {"faults": {"a": {}}, "wear": {"a": {"life_hours": 1, "resets": "faulted"}}},
        "wear.a: is the name of a fault already: choose another name",
    ),
    ({"neighbours": {"PRES-01": ["PRESS-02"]}}, 'neighbours."PRES-01": is no id of a machine of this type'),
    ({"neighbours": {"PRESS-01": ["ROBOT-02"]}}, 'is no id of a machine, got "ROBOT-02"'),
    ({"faults": {f"f{number}": {} for number in range(51)}}, "must have at most 50 faults"),
]


@pytest.mark.parametrize(("entry", "error"), MISTAKES, ids=[error for _, error in MISTAKES])
def test_a_mistake_is_reported_with_its_place_and_rule(entry: dict[str, Any], error: str) -> None:
    """And nothing else is wrong."""
    (found,) = errors(**entry)

    assert error in found


def test_all_mistakes_are_reported_at_once() -> None:
    """Of effects, of keys and of wear."""
    found = errors(
        faults={"a": {"every_hours": 1}, "b": {"until": "x"}},
        wear={"tool": {"life_hours": 1, "resets": "y"}},
    )

    assert len(found) == 3


def test_a_type_without_jobs_has_no_effects_on_jobs() -> None:
    """They would change nothing."""
    data = {"states": {"on": {"share": 1}}, "faults": {"a": {"effects": {"cycle_seconds": {"times": 2}}}}}
    with pytest.raises(PlantConfigError, match="changes jobs, and the machines have none"):
        parse({"message_types": {"sensor": data}})


def test_faults_are_inherited_and_changed_key_by_key() -> None:
    """`extends` merges faults by name."""
    other = {"extends": "press", "faults": {"a": {"every_hours": 2, "duration_seconds": 60}}}
    press = {**yamlread.value(_PRESS), "faults": {"a": {}, "b": {}}}
    config = parse({"message_types": {"press": press, "other": other}})

    causes = config.message_types.machines["other"].causes
    assert [*causes.faults] == ["a", "b"]
    assert causes.faults["a"].mean_ms == 2 * 3_600_000
