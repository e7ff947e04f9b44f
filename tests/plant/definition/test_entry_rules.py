"""Mistakes in the entry of a machine type are reported with place and rule."""

from __future__ import annotations

from typing import Any, Final

import pytest

from plant.definition.plant_config import PlantConfigError, parse
from tests.support.exports import yamlread
from tests.support.factory.plants import default

PRESS: Final = """
count: 2
report_seconds: 5
states:
  running: {share: 0.8, dwell_seconds: 100, produces: true}
  idle: {share: 0.2}
job: {product: part, cycle_seconds: 20, results: {good: 0.9, scrap: 0.1}}
signals:
  force: {base: {running: 10, else: 0}}
"""

CLASSES: Final = "messages: {a: {fields: [force]}, b: {fields: [force], topic: '{prefix}/press/a'}}"

MISTAKES: Final[dict[str, str]] = {
    # the states
    "states: {running: {dwell_seconds: 5}}": "states.running.share: is missing",
    "states: {running: {share: 1}, blocked: {share: 1}}": (
        "states.blocked: is a state that machines are put into from outside: choose another name"
    ),
    "states: {running: {share: 1, produces: true}, idle: {share: 1, produces: true}}": (
        "states.idle.produces: must be true in one state at most; it is in running already"
    ),
    "states: {running: {share: 1, produces: true, planned: true}, idle: {share: 1}}": (
        "states.running.planned: must be false in the state in which jobs advance: its time is planned working time"
    ),
    "{states: {setup: {share: 1, planned: true}, idle: {share: 1}}, signals: {force: {base: 1}}}": (
        "states.setup.planned: must be false in the state in which jobs advance: its time is planned working time"
    ),
    "states: {running: {share: 1, sigma: 2}}": "states.running.sigma: needs distribution: lognormal",
    "states: {running: {share: 1}, idle: {share: 1, dwell_seconds: [9, 9], distribution: uniform}}": (
        "states.idle.dwell_seconds: must be [shortest, longest] of different lengths: the distribution is uniform"
    ),
    "states: {running: {share: 1}, idle: {share: 1, dwell_seconds: [8, 9], distribution: fixed}}": (
        "states.idle.dwell_seconds: must be one number, the mean: the distribution is fixed"
    ),
    "states: {running: {share: 1, dwell_seconds: 90}, idle: {share: 1, dwell_seconds: 60, distribution: fixed}}": (
        "states.idle.dwell_seconds: is too short for its share: after a stay of a fixed distribution comes another "
        "state, so the mean must be at least 90 s, or the share smaller"
    ),
    "states: {running: {share: 1}, idle: {mtbf_hours: 5}}": (
        "states.idle.mttr_minutes: is missing: mtbf_hours needs it"
    ),
    "states: {running: {share: 1}, idle: {mtbf_hours: 5, mttr_minutes: 9, share: 1}}": (
        "states.idle.mtbf_hours: replaces share: give only one of them"
    ),
    "states: {running: {share: 1}, idle: {mtbf_hours: 5, mttr_minutes: 9, dwell_seconds: 8}}": (
        "states.idle.mttr_minutes: replaces dwell_seconds: give only one of them"
    ),
    "states: {running: {mtbf_hours: 5, mttr_minutes: 9}, idle: {share: 1}}": (
        "states.running.mtbf_hours: is of a state in which jobs do not advance: the time between is producing time"
    ),
    "states: {running: {share: 1, shape: 2}}": "states.running.shape: needs distribution: weibull",
    "states: {running: {share: 0}, idle: {share: 0}}": "states: needs at least one share greater than 0",
    # the job
    "job: {product: part}": "job.cycle_seconds: is missing",
    "job: {cycle_seconds: 5, period_share: 0.5}": "job.cycle_seconds: replaces period_share: give only one of them",
    "{job: {period_share: 0.5}, messages: {a: {on_change: true}}}": (
        "job.period_share: needs a period, and messages.a has no regular messages: give cycle_seconds, or "
        "report_seconds there"
    ),
    "job: {cycle_seconds: 5, kinds: []}": "job.kinds: needs at least one entry",
    "job: {cycle_seconds: 5, kinds: {a: 0}}": "job.kinds: needs at least one entry greater than 0",
    "job: {cycle_seconds: 5, kinds: [a, 5]}": "job.kinds: must be names, got 5",
    "job: {cycle_seconds: 5, kinds: {a: good}}": 'job.kinds.a: must be a weight or a mapping, got the text "good"',
    "job: {cycle_seconds: 5, kinds: {a: {wait: 1}}}": "job.kinds.a.wait: is an unknown key; did you mean weight?",
    "job: {cycle_seconds: 5, kinds: {a: {results: {god: {times: 2}}}}}": (
        "job.kinds.a.results.god: is not a result of this type; did you mean good?"
    ),
    "job: {kinds: {a: {cycle_seconds: 5}, b: 1}}": 'job.cycle_seconds: is missing: the kind "b" has none of its own',
    # how jobs vary
    "{job: null, lots: {size: 5}}": "lots: needs a job: the machines make nothing",
    "{job: null, start_up: {jobs: 5}}": "start_up: needs a job: the machines make nothing",
    "{job: null, spread: {results: 0.1}}": "spread.results: needs a job: the machines make nothing",
    "lots: {size: 0}": "lots.size: must be 1 to 1,000,000, got 0",
    "lots: {per_order: 2.5}": "lots.per_order: must be a whole number or [fewest, most], got 2.5",
    "start_delay_seconds: 300": "start_delay_seconds: must be [low, high], got 300",
    "start_up: {jobs: 5}": "start_up: needs cycle_seconds or results: without them no job differs",
    "lots: {size: [9, 5]}": "lots.size: must be [low, high] with low <= high, got [9, 5]",
    "{job: {cycle_seconds: 5, kinds: [a, b]}, lots: {changeover_seconds: {a>c: 5}}}": (
        'lots.changeover_seconds."a>c": is no pair of kinds, such as `a>b`; did you mean'
    ),
    "lots: {changeover_seconds: {default: 0}}": "lots.changeover_seconds.default: must be 0.1 to",
    "{states: {running: {share: 1}, changeover: {share: 1}}, lots: {changeover_seconds: 60}}": (
        "states.changeover: is the name of the state that lots.changeover_seconds brings: choose another name"
    ),
    "{states: {running: {share: 1}, late_start: {share: 1}}, start_delay_seconds: [0, 60]}": (
        "states.late_start: is the name of the state that start_delay_seconds brings: choose another name"
    ),
    "start_delay_seconds: [9, 5]": "start_delay_seconds: must be [low, high] with low <= high, got [9, 5]",
    "start_up: {results: {scrp: {times: 4}}}": "start_up.results.scrp: is not a result of this type",
    "start_up: {cycle_seconds: 1.3}": "start_up.cycle_seconds: must be a mapping",
    "spread: {shares: 1.5}": "spread.shares: must be at most 1, got 1.5",
    "spread: {share: 0.5}": "spread.share: is an unknown key; did you mean shares?",
    "overrides: {PRESS-01: {lots: {sise: 5}}}": 'overrides."PRESS-01".lots.sise: is an unknown key; did you mean size?',
    # what machines have in common
    "station_pattern: 'line {line}'": "lines: is missing: station_pattern has {line}",
    "properties: {hall: '{hall}'}": "properties.hall: may have only",
    "properties: {hall: '{station}'}": "stations: is missing: properties.hall has {station}",
    "model: boler": 'model: must be the name of a model, got "boler"; did you mean boiler?',
    "machine_id: PRESS": "machine_id: must have {number}",
    "signals: {status: {base: 1}}": "signals.status: is a key of the messages already: choose another name",
    "frequency_weight: 2": "report_seconds: replaces frequency_weight: give only one of them",
    # the fields
    "fields: [timestamp]": "fields: needs at least one key beside the timestamp",
    "fields: [force, {force: status}]": 'fields[1]: has the key "force", which the object has already',
    "fields: [forse]": "fields[0].forse: is no source of a field; did you mean force?",
    "fields: [timestmp, force]": "fields[0].timestmp: is no source of a field; did you mean timestamp?",
    "fields: [{a: forse}]": "fields[0].a.forse: is no source of a field; did you mean force?",
    "fields: [{a: {b: {c: {d: {e: {f: force}}}}}}]": (
        "fields[0].a.b.c.d.e: must be a name, {constant: ...}, or keys at most 4 objects deep"
    ),
    "fields: [{a: {b: [{c: forse}]}}]": ("fields[0].a.b[0].c.forse: is no source of a field; did you mean force?"),
    "fields: [{a: force, b: force}]": "fields[0]: must be a name, or one key with a name, got a mapping",
    "fields: [5]": "fields[0]: must be a name, or one key with a name, got 5",
    "fields: [{data: force}, {data: {a: force}}]": 'fields[1]: has the key "data", which the object has already',
    "fields: [job.lot]": 'fields[0]."job.lot": is no source of a field',
    "fields: [{a: {b: force}}, {a.b: force}]": "fields: has a.b twice",
    "fields: [{'': force}]": "fields[0]: a key must have 1 to 200 characters",
    'fields: [{"a\\0": force}]': "fields[0]: a key must not contain control characters",
    "fields: [{a: {constant: .inf}}]": "fields[0].a.constant: must be a finite number, got inf",
    "fields: [{a: {constant: 99999999999999999999}}]": (
        "fields[0].a.constant: must be a whole number of at most 64 bits, got 99999999999999999999"
    ),
    "fields: [{a: {constant: null}}]": "fields[0].a.constant: has no value",
    "properties: {a: .nan}": "properties.a: must be a finite number",
    "properties: {a: 2026-01-01}": "properties.a: must be text, a number, true or false",
    "properties: {status: x}": "properties.status: is a key of the messages already: choose another name",
    "properties: {part_id: x}": "properties.part_id: is a key of the messages already: choose another name",
    "properties: {timestamp: x}": "properties.timestamp: is a key of the messages already: choose another name",
    "timestamp: iso": "timestamp: must be 'rfc3339', 'rfc3339_s', 'epoch_ms' or 'epoch_s', got the text \"iso\"",
    # the classes of messages
    "{fields: [force], messages: {a: {fields: [force]}}}": "fields: is replaced by messages: give only one of them",
    CLASSES: "messages.b.topic: is also the topic of a",
    "messages: {a: {report_seconds: 5, frequency_weight: 2}}": (
        "messages.a.report_seconds: replaces frequency_weight: give only one of them"
    ),
    "messages: {a: {fields: [part_id]}, b: {fields: [part_id]}}": (
        "messages.b.fields: reports finished jobs, as a does: only one class of messages can"
    ),
    "{states: null, job: null, messages: {a: {on_change: true}}, signals: {force: {base: 1}}}": (
        "messages.a.on_change: needs states, whose changes it reports"
    ),
    # single machines
    "overrides: {PRES-01: {job: {cycle_seconds: 5}}}": (
        'overrides."PRES-01": is no id of a machine of this type, such as PRESS-01'
    ),
    "overrides: {PRESS-01: {states: {runing: {share: 1}}}}": (
        'overrides."PRESS-01".states.runing: is not a state of this type; did you mean running?'
    ),
    "overrides: {PRESS-01: {signals: {forse: {base: 1}}}}": (
        'overrides."PRESS-01".signals.forse: is not a signal of this type; did you mean force?'
    ),
    "overrides: {PRESS-01: {job: {results: {goood: 1}}}}": (
        'overrides."PRESS-01".job.results.goood: is not a result of this type; did you mean good?'
    ),
    "{job: null, overrides: {PRESS-01: {job: {cycle_seconds: 5}}}}": (
        'overrides."PRESS-01".job: cannot be changed: the machines make nothing'
    ),
    "overrides: {PRESS-01: {job: {results: {good: 0, scrap: 0}}}}": (
        'overrides."PRESS-01".job.results: needs at least one entry greater than 0'
    ),
    "job: {cycle_seconds: 5, results: {good: 0, scrap: 0}}": "job.results: needs at least one entry greater than 0",
    # inheritance
    "extends: nobody": "extends.nobody: is no machine type",
    "extends: press": "extends: leads back to the type itself",
}
"""By what is changed in the press, the beginning of the only mistake, in the place below the entry."""


@pytest.mark.parametrize("change", MISTAKES)
def test_a_mistake_in_an_entry_is_reported_once(change: str) -> None:
    """With its place and the rule."""
    with pytest.raises(PlantConfigError) as refused:
        parse(plant({"press": changed(yamlread.value(change))}))

    [mistake] = map(str, refused.value.mistakes)
    assert f"message_types.press.{MISTAKES[change]}" in mistake


def test_kinds_and_phases_are_limited_together() -> None:
    """What depends on both is tabulated, and a small file could ask for millions."""
    job = {"cycle_seconds": 20, "kinds": [f"k{n}" for n in range(101)], "phases": {f"p{n}": 1 for n in range(100)}}
    with pytest.raises(PlantConfigError, match="must be at most 100 kinds, as there are 100 phases, got 101"):
        parse(plant({"press": changed({"job": job})}))


def test_an_entry_has_no_mistake() -> None:
    """The one that the others change."""
    assert parse(plant({"press": yamlread.value(PRESS)})).machines()


@pytest.mark.parametrize(
    ("key", "entry", "said"),
    [
        ("pres/s", {"states": {}}, "is no name of a machine type: it must begin with a letter"),
        ("cnc_machin", {"count": 3}, "declares none of its own: no states, job, signals or extends; did you mean"),
        ("cnc_machine", 5, "must be a mapping (key: value), got 5"),
    ],
)
def test_an_entry_that_is_none_is_reported(key: str, entry: Any, said: str) -> None:
    """A name that is none, a type that is not declared, and a value."""
    with pytest.raises(PlantConfigError) as refused:
        parse(plant({key: entry}))

    [mistake] = map(str, refused.value.mistakes)
    assert said in mistake


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ({"press-a": {}, "press_a": {"machine_id": "B-{number}"}}, 'press_a: is "press-a" in names of files'),
        ({"press-a": {}, "press": {"messages": {"a": {}}}}, '"press-a": is "press-a" in names of files'),
    ],
)
def test_two_kinds_of_message_with_the_name_of_one_file_are_reported(types: dict[str, Any], said: str) -> None:
    """Their schemas and resources would take each other's place."""
    jobs = {"press-a": {"id": "A-"}, "press_a": {"id": "B-"}, "press": {"id": "C-"}}
    made = {
        key: changed({"fields": None, "job": {"cycle_seconds": 9, **jobs[key]}, **own}) for key, own in types.items()
    }
    with pytest.raises(PlantConfigError) as refused:
        parse(plant(made))

    assert next(map(str, refused.value.mistakes)).startswith(f"configuration: message_types.{said}")


def test_an_older_key_beside_the_new_one_is_reported() -> None:
    """Which of the two counts would be a guess."""
    data = default()
    data["message_types"]["cnc_machine"]["job"] = {"results": {"good": 1.0}}
    with pytest.raises(PlantConfigError, match=r"is another spelling of job\.results: give only one of them"):
        parse(data)


def changed(change: dict[str, Any]) -> dict[str, Any]:
    """Return the press with the keys of a change; those that are null are left out."""
    return {key: value for key, value in {**yamlread.value(PRESS), **change}.items() if value is not None}


def plant(types: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a plant with these machine types alone."""
    return {"message_types": types}
