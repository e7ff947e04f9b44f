"""Faults of sensors change what is reported, and never what is true."""

from __future__ import annotations

from typing import Any, Final

import pytest

from plant.truth.events import FaultEpisode
from tests.plant.faults.presses import START_MS, Seen, press, run

BEGIN_MS: Final = START_MS + 60_000
KINDS: Final[dict[str, dict[str, Any]]] = {
    "stuck": {},
    "spike": {"amplitude": 40, "chance": 0.2},
    "drift": {"per_hour": 60},
    "dropout": {},
}


def seen_with(kind: str, **changes: Any) -> Seen:
    """A press whose vibration sensor has a fault from the second minute on, for half an hour."""
    schedule = [{"after_seconds": 60, "duration_seconds": 1800, **changes}]
    return run(press(sensor_faults={"vibration": {kind: {"schedule": schedule, **KINDS[kind]}}}), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_report_of_the_signal_changes(kind: str) -> None:
    """Formulas, registers, jobs and stays are those of a press whose sensor works, to the last digit."""
    healthy, faulty = run(press(), 1), seen_with(kind)
    rows = [[{**row, "vibration": 0} for _, row in seen.rows()] for seen in (healthy, faulty)]
    truths = [[each for each in seen.truth if not isinstance(each, FaultEpisode)] for seen in (healthy, faulty)]

    assert rows[0] == rows[1]
    assert truths[0] == truths[1]


@pytest.mark.parametrize("kind", KINDS)
def test_its_label_covers_exactly_the_reports_that_differ(kind: str) -> None:
    """Outside of it each report is the true value; within it, it differs as the kind has it."""
    healthy, faulty = run(press(), 1), seen_with(kind)
    true, reported = (seen.column("vibration")["PRESS-01"] for seen in (healthy, faulty))
    (episode,) = faulty.episodes
    differ = [time_ms for (time_ms, one), (_, other) in zip(true, reported, strict=True) if one != other]
    within = [time_ms for time_ms, _ in true if episode.from_ms <= time_ms < episode.to_ms]

    assert (episode.fault, episode.signal) == (f"vibration.{kind}", "vibration")
    assert set(differ) <= set(within)
    share = {"spike": 0.2, "stuck": 1, "drift": 1, "dropout": 1}[kind]
    assert len(differ) / len(within) == pytest.approx(share, abs=0.08 if kind == "spike" else 0.02)


def test_a_stuck_sensor_goes_on_with_the_value_of_its_begin() -> None:
    """All reports of the episode are the same, and near those before."""
    seen = seen_with("stuck")
    values = {
        value for time_ms, value in seen.column("vibration")["PRESS-01"] if BEGIN_MS <= time_ms < BEGIN_MS + 1_800_000
    }

    assert len(values) == 1
    assert values.pop() == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("step_seconds", [1.0, 7.3])
def test_a_stuck_sensor_of_what_follows_a_register_does_not_depend_on_how_time_is_cut(step_seconds: float) -> None:
    """It holds what the register had come to with the last message, also where messages are made many at once."""
    signals = {
        "power": {"base": 900},
        "energy": {"integral_of": "power", "per_seconds": 3600, "decimals": 3},
        "cost": {"formula": "energy * 3", "limits": [0, 9000], "decimals": 3},
    }
    stuck = {"every_hours": 0.01, "duration_seconds": [5, 60]}
    config = press(count=2, signals=signals, sensor_faults={"cost": {"stuck": stuck}})
    whole = run(config, 0.3)

    assert len(whole.episodes) > 20
    assert run(config, 0.3, step_seconds=step_seconds).messages == whole.messages


def test_a_drift_grows_with_time_and_severity() -> None:
    """60 an hour, times the severity of 2."""
    true = dict(run(press(), 1).column("vibration")["PRESS-01"])
    for time_ms, value in seen_with("drift", severity=2).column("vibration")["PRESS-01"]:
        if BEGIN_MS <= time_ms < BEGIN_MS + 1_800_000:
            assert value == pytest.approx(true[time_ms] + 2 * 60 * (time_ms - BEGIN_MS) / 3_600_000, abs=0.0011)


def test_a_sensor_that_drops_out_reports_null() -> None:
    """The key is there, its value is null."""
    values = [value for time_ms, value in seen_with("dropout").column("vibration")["PRESS-01"] if time_ms >= BEGIN_MS]

    assert values.count(None) == 360
    assert None not in values[360:]


def test_reports_stay_within_the_limits_of_the_signal() -> None:
    """However far a sensor drifts."""
    faults = {"vibration": {"drift": {"schedule": [{"after_seconds": 0}], "per_hour": 1e6}}}
    signals = {"vibration": {"base": 2, "limits": [0, 9]}}
    values = run(press(signals=signals, sensor_faults=faults), 0.2).column("vibration")["PRESS-01"]

    assert {value for _, value in values[3:]} == {9}
