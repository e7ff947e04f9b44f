"""Faults at their limits: in circles, without a stay left, over changeovers and over reloads."""

from __future__ import annotations

from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.telemetry import Message
from plant.truth.events import TruthEvent
from tests.plant.faults.presses import START_MS, Seen, always, press, run
from tests.support.exports import yamlread

ONLY_RUNNING: Final[dict[str, Any]] = {
    "running": {"share": 1, "dwell_seconds": 600, "produces": True},
    "idle": {"share": 0, "dwell_seconds": 60},
    "faulted": {"share": 0, "dwell_seconds": 60},
}
LOTS: Final[dict[str, Any]] = {
    "job": {"kinds": ["panel", "frame"], "cycle_seconds": 10},
    "lots": {"size": 3, "changeover_seconds": 20},
}


def reloaded(before: dict[str, Any], after: dict[str, Any], at: float, until: float) -> Seen:
    """What a plant does that has other keys from `at` on; both in seconds after the start."""
    generator, truth = FactoryMessageGenerator.of(press(**before), 1, start=START), list[TruthEvent]()
    generator.listen(truth.append)
    messages = generator.advance(START + at)
    generator.reload(press(**after))
    messages += generator.advance(START + until)
    generator.close_truth()
    return Seen(messages, truth)


def test_faults_that_lead_to_each_other_end() -> None:
    """Each of them ends by the state to which the other one leads, all in one millisecond."""
    faults = {
        "one": always(until="running", leads_to=[{"fault": "two"}, {"state": "faulted"}]),
        "two": {"until": "faulted", "leads_to": [{"fault": "one"}, {"state": "running"}]},
    }
    seen = run(press(states=ONLY_RUNNING, faults=faults), 0.1)

    assert [each.fault for each in seen.episodes][:1] == ["one"]
    assert all(each.to_ms > each.from_ms for each in seen.stays)


def test_a_stay_that_a_fault_makes_nothing_of_lasts_a_tenth_of_a_second() -> None:
    """Also in the only state there is, whose stays follow each other."""
    states = {**ONLY_RUNNING, "running": {"share": 1, "dwell_seconds": 20, "produces": True}}
    faults = {"wobble": always(effects={"dwell_seconds": {"running": {"times": 0}}})}
    seen = run(press(states=states, faults=faults), 0.05)

    assert {each.state for each in seen.stays} == {"running"}


def test_a_changeover_does_not_make_a_stay_longer_once_more() -> None:
    """What is left of the interrupted stay is as it was: the shares are those without changeovers."""
    effects = {"dwell_seconds": {"running": {"times": 2}}}
    faults = {"slow": {"schedule": [{"after_seconds": 0}], "effects": effects}}
    seldom = {**LOTS, "job": {**LOTS["job"], "cycle_seconds": 60}}  # six changeovers a stay of 20 minutes
    seen = run(press(count=20, report_seconds=3600, faults=faults, **seldom), 50)
    lengths = dict.fromkeys(("running", "maintenance", "faulted"), 0)
    for stay in seen.stays:
        if stay.state in lengths:
            lengths[stay.state] += stay.to_ms - stay.from_ms

    assert lengths["running"] / sum(lengths.values()) == pytest.approx(1.8 / 1.9, abs=0.01)


def test_a_changeover_does_not_end_a_fault_until_the_state_that_it_interrupts() -> None:
    """The stay goes on after it, as after a planned stop."""
    states = {**ONLY_RUNNING, "running": {"share": 1, "dwell_seconds": 1e6, "produces": True}}
    seen = run(press(states=states, faults={"wobble": always(until="running")}, **LOTS), 1)

    assert "changeover" in {each.state for each in seen.stays}
    assert [each.is_open for each in seen.episodes] == [True]


def test_a_state_in_a_changeover_ends_the_stay_that_this_interrupts() -> None:
    """A fault that leads to a state ends one until the state of before, changeover or not."""
    job = {"kinds": ["panel", "frame"], "cycle_seconds": 1}
    faults = {
        "wobble": always(until="running"),
        "jam": {"schedule": [{"after_seconds": 1800}], "duration_seconds": 9, "leads_to": {"state": "faulted"}},
    }
    states = {**ONLY_RUNNING, "running": {"share": 1, "dwell_seconds": 1e6, "produces": True}}
    lots = {"size": 1, "changeover_seconds": {"panel>frame": 1e6, "frame>panel": 1e6}}
    seen = run(press(states=states, faults=faults, job=job, lots=lots), 1)

    assert [each.state for each in seen.stays][:3] == ["running", "changeover", "faulted"]
    assert {each.fault: each.to_ms - START_MS for each in seen.episodes}["wobble"] == 1_800_000


def test_two_faults_that_shorten_cycles_do_not_make_them_longer() -> None:
    """No factor is less than 0, so their product is not more than 0."""
    faults = {name: {**always(effects={"cycle_seconds": {"times": 0}}), "severity": 5} for name in ("one", "two")}
    seen = run(press(faults=faults, job={"cycle_seconds": [10, 20]}), 1)

    assert max(each.cycle_ms for each in seen.jobs) <= 20_000


def test_a_consequence_for_a_state_that_is_gone_is_left_out() -> None:
    """A fault that goes on over a reload as it was declared before."""
    fault = {"duration_seconds": 3600, "leads_to": {"state": "faulted", "after_seconds": 1200}}
    after = {name: each for name, each in ONLY_RUNNING.items() if name != "faulted"}
    seen = reloaded(
        {"states": ONLY_RUNNING, "faults": {"wobble": always(**fault)}},
        {"states": after, "faults": {"wobble": {"duration_seconds": 3600}}},
        600,
        3600,
    )

    assert "faulted" not in {each.state for each in seen.stays}
    assert [each.fault for each in seen.episodes] == ["wobble"]


def test_a_trial_that_is_taken_back_leaves_faults_as_they_were() -> None:
    """Those that go on, those that are due, and wear."""
    plant_type = {
        "wear": {"tool": {"life_hours": 0.2, "resets": "maintenance", "leads_to": {"state": "maintenance"}}},
        "faults": {
            "wobble": {"every_hours": 0.05, "duration_seconds": [60, 300], "effects": {"vibration": {"times": 3}}}
        },
    }
    messages, labels = list[list[Message]](), list[list[TruthEvent]]()
    for tries in (False, True):
        generator, truth = FactoryMessageGenerator.of(press(count=5, **plant_type), 1, start=START), list[TruthEvent]()
        generator.listen(truth.append)
        found = generator.advance(START + 1800)
        if tries:
            generator.try_out(press(count=5)).take_back()
        messages.append(found + generator.advance(START + 7200))
        generator.close_truth()
        labels.append(truth)

    assert messages[0] == messages[1]
    assert labels[0] == labels[1]


def test_wear_grows_in_the_state_that_produces_after_a_reload() -> None:
    """Also of a machine that is in a state which does not produce any more."""
    wear = yamlread.value("{tool: {life_hours: 1, resets: faulted, effects: {temperature: {plus: 100}}}}")
    states = {**ONLY_RUNNING, "running": {"share": 1, "dwell_seconds": 1e6, "produces": True}}
    other = {
        **states,
        "running": {"share": 1, "dwell_seconds": 1e6},
        "idle": {"share": 0, "dwell_seconds": 60, "produces": True},
    }
    seen = reloaded({"states": states, "wear": wear}, {"states": other, "wear": wear}, 600, 3600)
    values = {value for time_ms, value in seen.column("temperature")["PRESS-01"] if time_ms > START_MS + 600_000}

    assert len(values) == 1
