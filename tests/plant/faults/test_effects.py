"""What faults do to signals, jobs, stays and states, as their labels say."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any, Final

import pytest

from plant.truth.events import FaultEpisode
from tests.plant.faults.presses import HOUR_MS, QUIET, START_MS, always, press, run

BEGIN_MS: Final = START_MS + 60_000

severities = pytest.mark.parametrize("severity", [0.5, 1, 2, 5])


def scheduled(severity: float, **changes: Any) -> dict[str, Any]:
    """A fault of that severity from the second minute on."""
    return {"schedule": [{"after_seconds": 60, "severity": severity}], **changes}


@severities
def test_a_signal_is_multiplied_and_added_to_in_proportion_to_the_severity(severity: float) -> None:
    """`times: 4` is 1 + 3 s times as much, and `plus: 12` is 12 s more."""
    effects = {"vibration": {"times": 4}, "temperature": {"plus": 12}}
    seen = run(press(faults={"wobble": scheduled(severity, effects=effects)}), 1)
    vibration = [value for time_ms, value in seen.column("vibration")["PRESS-01"] if time_ms >= BEGIN_MS]
    temperature = {value for time_ms, value in seen.column("temperature")["PRESS-01"] if time_ms >= BEGIN_MS}

    assert statistics.fmean(vibration) == pytest.approx(2 * (1 + 3 * severity), rel=0.01)
    assert temperature == {50 + 12 * severity}


def test_a_factor_never_becomes_negative() -> None:
    """`times: 0.5` at severity 5 leaves nothing, not less than nothing."""
    seen = run(press(faults={"wobble": scheduled(5, effects={"temperature": {"times": 0.5}})}), 0.5)

    assert {value for time_ms, value in seen.column("temperature")["PRESS-01"] if time_ms >= BEGIN_MS} == {0}


def test_effects_of_two_faults_are_multiplied_and_then_added() -> None:
    """50 times 2 times 3, plus 5 and 7."""
    faults = {
        "one": always(effects={"temperature": {"times": 2, "plus": 5}}),
        "two": always(effects={"temperature": {"times": 3, "plus": 7}}),
    }
    seen = run(press(faults=faults), 0.5)

    assert seen.column("temperature")["PRESS-01"][-1][1] == 50 * 2 * 3 + 5 + 7


def test_effects_grow_linearly_with_the_ramp() -> None:
    """Half of them after half of the ramp, all of them from its end on."""
    fault = always(onset={"ramp_seconds": 600}, effects={"temperature": {"plus": 60}})
    seen = run(press(faults={"wobble": fault}), 0.5)

    for time_ms, value in seen.column("temperature")["PRESS-01"]:
        share = min(1.0, max(0.0, (time_ms - BEGIN_MS) / 600_000))
        assert value == pytest.approx(50 + 60 * share, abs=0.0011)


def test_a_formula_and_a_register_follow_a_signal_under_a_fault() -> None:
    """The power is ten times the vibration with the fault as without it, and the meter runs faster."""
    healthy = run(press(), 2).column("energy")["PRESS-01"][-1][1]
    faulty = run(press(faults={"wobble": always(effects={"vibration": {"times": 4}})}), 2)
    row = [each for _, each in faulty.rows()][-1]

    assert row["power"] == pytest.approx(10 * row["vibration"], abs=0.006)
    assert faulty.column("energy")["PRESS-01"][-1][1] == pytest.approx(4 * healthy, rel=0.02)


def test_labels_match_the_rows_exactly() -> None:
    """The first row at or after `from` has the effect, and the first at or after `to` has it no more."""
    fault = {"every_hours": 0.3, "duration_seconds": [60, 900], "effects": {"temperature": {"plus": 100}}}
    seen = run(press(count=6, faults={"wobble": fault}), 12)
    columns = seen.column("temperature")
    episodes = [each for each in seen.episodes if each.fault == "wobble"]
    assert len(episodes) > 60

    for machine_id, column in columns.items():
        spans = [(each.from_ms, each.to_ms) for each in episodes if each.machine_id == machine_id]
        for time_ms, value in column:
            assert (value > 60) == any(begin <= time_ms < end for begin, end in spans)


@severities
def test_cycles_and_results_of_jobs_change_with_the_severity(severity: float) -> None:
    """Cycles are 1 + 0.2 s times as long, and the weight of scrap is 1 + 2 s times as great."""
    fault = scheduled(severity, effects={"cycle_seconds": {"times": 1.2}, "results": {"scrap": {"times": 3}}})
    seen = run(press(count=20, report_seconds=20, faults={"wobble": fault}), 6)
    jobs = [each for each in seen.jobs if each.started_ms > BEGIN_MS]
    weight = 0.1 * (1 + 2 * severity)
    share = weight / (weight + 0.9)

    assert {each.cycle_ms for each in jobs} == {round(20_000 * (1 + 0.2 * severity))}
    assert {each.ideal_ms for each in jobs} == {20_000}
    found = sum(each.result == "scrap" for each in jobs) / len(jobs)
    assert found == pytest.approx(share, abs=4 * (share * (1 - share) / len(jobs)) ** 0.5)


def test_cycles_grow_with_the_ramp_and_no_longer_after_it() -> None:
    """A job's cycle is that of the ramp at its start, and twice the usual one from its end on."""
    fault = always(onset={"ramp_seconds": 600}, effects={"cycle_seconds": {"times": 2}})
    seen = run(press(report_seconds=20, faults={"wobble": fault}), 1)
    jobs = [each for each in seen.jobs if each.started_ms > START_MS]  # the first one has begun before

    assert max(each.started_ms for each in jobs) > BEGIN_MS + 1_200_000
    for job in jobs:
        share = min(1.0, max(0.0, (job.started_ms - BEGIN_MS) / 600_000))
        assert job.cycle_ms == pytest.approx(20_000 * (1 + share), abs=1)


def test_jobs_and_stays_have_the_causes_of_their_losses() -> None:
    """A job that starts under a fault names it, one before does not; so does the stay that a fault leads to."""
    fault = always(
        effects={"results": {"scrap": {"times": 3}}},
        leads_to={"state": "faulted", "after_seconds": 600},
        until="faulted",
    )
    seen = run(press(faults={"wobble": fault}), 2)
    (episode,) = seen.episodes
    (stay,) = [each for each in seen.stays if each.cause]

    assert {each.job_id for each in seen.jobs if each.causes} == {
        each.job_id for each in seen.jobs if episode.from_ms <= each.started_ms < episode.to_ms
    }
    assert {each.causes for each in seen.jobs} == {(), ("wobble",)}
    assert (stay.state, stay.cause, stay.from_ms) == ("faulted", "wobble", BEGIN_MS + 600_000)
    assert episode.to_ms == stay.to_ms


def test_a_fault_lengthens_the_stays_that_it_names() -> None:
    """Repairs take three times as long."""
    fault = always(effects={"dwell_seconds": {"faulted": {"times": 3}}})
    usual, longer = (run(press(count=30, **QUIET, faults=faults), 24) for faults in ({}, {"wobble": fault}))
    means = [
        statistics.fmean(
            each.to_ms - each.from_ms for each in seen.stays if each.state == "faulted" and each.from_ms > BEGIN_MS
        )
        for seen in (usual, longer)
    ]

    assert means[1] / means[0] == pytest.approx(3, rel=0.12)


def test_a_consequence_comes_with_its_chance_and_after_its_time() -> None:
    """Three in ten episodes stop the machine, a minute to two after their begin."""
    fault = {
        "every_hours": 0.2,
        "duration_seconds": 300,
        "leads_to": {"state": "faulted", "after_seconds": [60, 120], "chance": 0.3},
    }
    states = {"running": {"share": 1, "dwell_seconds": 600, "produces": True}, "faulted": {"share": 0}}
    seen = run(press(count=40, **QUIET, states=states, faults={"wobble": fault}), 24)
    begins = defaultdict(list)
    for each in seen.episodes:
        begins[each.machine_id].append(each.from_ms)
    delays = [
        min(stay.from_ms - begin for begin in begins[stay.machine_id] if begin <= stay.from_ms)
        for stay in seen.stays
        if stay.cause == "wobble"
    ]

    assert len(delays) / len(seen.episodes) == pytest.approx(0.3, abs=0.05)
    assert 60_000 <= min(delays) <= max(delays) <= 120_000


def test_a_fault_leads_to_another_one_on_the_same_machine() -> None:
    """The second begins with the severity of the first, and names it as its cause."""
    faults = {"leak": scheduled(0.7, leads_to={"fault": "seizure", "after_seconds": 30}), "seizure": {}}
    episodes = {each.fault: each for each in run(press(faults=faults), 1).episodes}

    assert episodes["seizure"].from_ms == BEGIN_MS + 30_000
    assert (episodes["seizure"].severity, episodes["seizure"].why) == (0.7, "PRESS-01/leak")


def test_without_a_fault_there_is_nothing_of_it() -> None:
    """A press with a fault that never comes has the bytes of one without."""
    seen = [
        run(press(**changes), 2) for changes in ({}, {"faults": {"wobble": {"effects": {"vibration": {"times": 9}}}}})
    ]

    assert seen[0].messages == seen[1].messages
    assert seen[0].truth == seen[1].truth


def test_an_episode_that_goes_on_is_reported_as_open() -> None:
    """At the end of the run."""
    (episode,) = run(press(faults={"wobble": always()}), 1).episodes

    assert episode == FaultEpisode(
        "PRESS-01", "wobble", BEGIN_MS, START_MS + HOUR_MS, 1.0, 0, "schedule", (), None, is_open=True
    )
