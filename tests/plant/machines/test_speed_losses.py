"""Losses: what lengthens a job, how often, by how much; and nothing without them in the YAML."""

from __future__ import annotations

import hashlib
import math
import statistics
from typing import Any

import pytest

from plant.jobs.jobs import Jobs, Result
from plant.random_stream import RandomStream
from tests.support.factory.plants import NO_LOSSES, by_machine, only, original, said, share_error, standard_error

STEADY: dict[str, Any] = NO_LOSSES | {"cycle_time_range": [30.0, 30.0]}
"""Cycles of 30 s, so that what is more is loss."""

STOPS = STEADY | {"micro_stops_per_hour": 60.0, "micro_stop_seconds_range": [2.0, 8.0]}
SLOW = STEADY | {"slow_cycle_share": 0.2, "slow_cycle_factor_range": [1.5, 2.5]}
BOTH = STOPS | {"slow_cycle_share": 0.2, "slow_cycle_factor_range": [1.5, 2.5], "cycle_time_range": [10.0, 50.0]}


def drawer(**values: Any) -> tuple[Jobs, float]:
    """The draws of a CNC mill's jobs, and by what its mean job is lengthened."""
    plant = only("cnc_machine", 1, **values)
    [(_, mill, _)] = plant.machines()
    assert mill.job is not None
    return Jobs(mill.job, mill.losses, plant.job_period_seconds(mill)), mill.losses.lengthening


def drawn(count: int, **values: Any) -> list[int]:
    """Cycles of so many jobs in ms."""
    jobs, _ = drawer(**values)
    return [jobs.draw(RandomStream(1, "CNC-01"), 1, number, 0).cycle_ms for number in range(count)]


def met(count: int, **values: Any) -> list[int]:
    """Cycles in ms of jobs met at so many random moments."""
    jobs, _ = drawer(**values)
    streams = (RandomStream(1, f"CNC-{number}") for number in range(count))
    return [jobs.draw_in_progress(stream, 1, 0, stream.draws(b"begin", 0)[2]).cycle_ms for stream in streams]


def test_without_its_keys_the_plant_emits_the_same_messages() -> None:
    """The original's first hour is known to the byte since before there were losses."""
    payloads = b"".join(message.payload + b"\n" for message in said(original(), 3600))

    assert hashlib.sha256(payloads).hexdigest() == BEFORE_LOSSES


BEFORE_LOSSES = "f6499eb28230557277231a36c683ac5a825a06f37568149c375a36effeedaeda"


@pytest.mark.parametrize("values", [STOPS, SLOW, BOTH])
def test_losses_lengthen_the_mean_job_as_declared(values: dict[str, Any]) -> None:
    """By stops an hour times their mean length, and by the slow ones' share of their factor: within 4 errors."""
    cycles = drawn(8_000, **values)
    mean_ms = 1000 * statistics.mean(values["cycle_time_range"])

    assert statistics.mean(cycles) == pytest.approx(mean_ms * drawer(**values)[1], abs=4 * standard_error(cycles))


def test_micro_stops_come_at_random_and_take_their_range() -> None:
    """At 60 an hour, a job of 30 s has none by exp(-1/2); one of them adds 2 to 8 s."""
    more = [cycle - 30_000 for cycle in drawn(8_000, **STOPS)]
    none = math.exp(-0.5)

    assert more.count(0) / 8_000 == pytest.approx(none, abs=4 * share_error(none, 8_000))
    assert min(filter(None, more)) >= 2_000
    assert max(more) > 16_000  # three of them


def test_micro_stops_are_counted_by_poisson() -> None:
    """With stops of one length the number in a job has the mean and the variance of the rate."""
    values = STOPS | {"micro_stop_seconds_range": [5.0, 5.0], "micro_stops_per_hour": 360.0}
    stops = [(cycle - 30_000) / 5_000 for cycle in drawn(8_000, **values)]

    assert statistics.mean(stops) == pytest.approx(3, abs=4 * standard_error(stops))
    assert statistics.variance(stops) == pytest.approx(
        3, rel=4 * math.sqrt((2 + 1 / 3) / 8_000)
    )  # by its fourth moment
    assert all(number.is_integer() for number in stops)


def test_slow_cycles_have_their_share_and_their_factors() -> None:
    """A fifth of the jobs takes 1.5 to 2.5 times as long, the others not a millisecond longer."""
    cycles = drawn(8_000, **SLOW)
    slow = [cycle for cycle in cycles if cycle > 30_000]

    assert len(slow) / 8_000 == pytest.approx(0.2, abs=4 * share_error(0.2, 8_000))
    assert 45_000 <= min(slow) < max(slow) <= 75_000
    assert statistics.mean(slow) == pytest.approx(60_000, abs=4 * standard_error(slow))


MANY_STOPS = STEADY | {"micro_stops_per_hour": 360.0, "micro_stop_seconds_range": [5.0, 35.0]}
VERY_SLOW = STEADY | {"slow_cycle_share": 0.3, "slow_cycle_factor_range": [1.0, 5.0]}


@pytest.mark.parametrize("values", [MANY_STOPS, VERY_SLOW, MANY_STOPS | BOTH])
def test_a_job_met_at_a_random_moment_is_met_by_its_whole_length(values: dict[str, Any]) -> None:
    """Length-biased with all its losses: mean E[C^2] / E[C], and the share of long ones weighted alike."""
    plain, biased = drawn(16_000, **values), met(8_000, **values)
    expected = sum(cycle**2 for cycle in plain) / sum(plain)
    long = 1.2 * statistics.mean(plain)
    share = sum(cycle for cycle in plain if cycle > long) / sum(plain)

    assert statistics.mean(biased) == pytest.approx(expected, abs=5 * standard_error(biased))
    assert sum(cycle > long for cycle in biased) / 8_000 == pytest.approx(share, abs=5 * share_error(share, 8_000))


def test_the_cycle_time_in_messages_is_the_lengthened_one() -> None:
    """As a dashboard measures it: the status is `running` all the while."""
    values = STOPS | {"status_distribution": {"running": 1.0}}
    told = by_machine(said(only("cnc_machine", 50, **values), 1800))
    cycles = [row["cycle_time"] for its in told.values() for row in its if row["part_id"]]

    assert {row["status"] for its in told.values() for row in its} == {"running"}
    assert any(cycle > 32 for cycle in cycles)
    assert statistics.mean(cycles) == pytest.approx(32.5, abs=4 * standard_error(cycles))


def test_other_losses_are_other_jobs_but_the_same_kinds_and_results() -> None:
    """What is drawn for a job beside its cycle does not depend on them."""
    lossy, plain = (drawer(**values)[0] for values in (BOTH, STEADY))

    def beside(jobs: Jobs, number: int) -> tuple[str, Result, bytes, bytes]:
        job = jobs.draw(RandomStream(1, "CNC-01"), 1, number, 0)
        return job.kind.name, job.result, job.id_json, job.issues_json

    assert [beside(lossy, number) for number in range(100)] == [beside(plain, number) for number in range(100)]


def test_losses_do_not_change_how_jobs_are_reported() -> None:
    """The shortest job decides: messages keep their period however long jobs may take."""
    told = said(only("cnc_machine", 20, **BOTH), 1200)

    assert len(told) == 20 * 1200 / 5
