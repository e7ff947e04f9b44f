"""States that a fault or a command sets do to jobs what the same states do by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import MachineSnapshot
from tests.plant.faults.presses import START_MS, Seen, run

RUNNING: dict[str, dict[str, Any]] = {"running": {"share": 1, "dwell_seconds": 600}}
STOPS: dict[str, dict[str, Any]] = {name: {"share": 0, "dwell_seconds": 40} for name in ("jammed", "warming_up")}
JOB: dict[str, Any] = {"cycle_seconds": 1000, "results": {"good": 1, "torn": 0}}


def press(on_stop: str = "torn", **more: Any) -> PlantConfig:
    """One press that stops by nothing of its own."""
    job = {**JOB, "on_stop": {"jammed": on_stop}}
    entry = {"count": 1, "report_seconds": 5, "states": {**RUNNING, **STOPS}, "job": job, **more}
    return parse({"message_types": {"press": entry}})


class Driven:
    """A press under commands, and what has happened in it."""

    def __init__(self, config: PlantConfig) -> None:
        self.plant, self.seen = FactoryMessageGenerator.of(config, 7, start=START), Seen()
        self.plant.listen(self.seen.truth.append)

    def told(self, after_seconds: float, command: str, **more: object) -> None:
        """Give it a command."""
        self.plant.advance(START + after_seconds)
        self.plant.execute({"command": command, "machine_id": "PRESS-01", **more})

    def at(self, after_seconds: float) -> MachineSnapshot:
        """The press at a time."""
        self.plant.advance(START + after_seconds)
        [found] = self.plant.machines()
        return found

    @property
    def torn_at(self) -> list[int]:
        """When jobs were torn, in milliseconds after the start."""
        return [job.finished_ms - START_MS for job in self.seen.jobs if job.result == "torn"]


def test_a_fault_ends_the_job_in_work() -> None:
    """At the moment at which it stops the machine, as any entry into that state does."""
    fault = {"schedule": [{"after_seconds": 100}], "leads_to": {"state": "jammed", "after_seconds": 5}}
    seen = run(press(faults={"jam": fault}), 0.1)
    [torn] = [job for job in seen.jobs if job.result == "torn"]
    stops = [stay.from_ms for stay in seen.stays if stay.state == "jammed"]

    assert [torn.finished_ms] == stops == [START_MS + 105_000]
    assert 0 < torn.cycle_ms < 1_000_000


def test_a_command_ends_the_job_in_work() -> None:
    """At once; the next one has not begun."""
    driven = Driven(press())
    driven.told(100, "set_state", state="jammed", seconds=50)

    assert driven.torn_at == [100_000]
    assert (driven.at(120).status, driven.at(120).progress) == ("jammed", 0)
    assert driven.at(250).progress == pytest.approx(0.1)


def test_a_command_lets_the_job_start_again() -> None:
    """All of it."""
    driven = Driven(press("restarts"))
    driven.told(100, "set_state", state="jammed", seconds=50)

    assert driven.torn_at == []
    assert driven.at(250).progress == pytest.approx(0.1)


def test_a_state_that_is_set_during_a_stop_ends_the_job_after_it() -> None:
    """When the machine enters it; a stop alone, before or after, takes nothing away."""
    driven = Driven(press())
    driven.told(50, "stop")
    driven.told(60, "set_state", state="jammed", seconds=50)
    assert driven.torn_at == []
    driven.told(100, "start")
    driven.told(120, "stop")
    driven.told(130, "start")
    driven.at(400)

    assert driven.torn_at == [100_000]


def test_a_stop_between_jobs_may_be_commanded_in_the_middle_of_one() -> None:
    """The job waits, and goes on after it."""
    driven = Driven(press(only_between_jobs=["warming_up"]))
    before = driven.at(100).progress
    driven.told(100, "set_state", state="warming_up", seconds=50)

    assert driven.at(120).status == "warming_up"
    assert driven.at(250).progress == pytest.approx(before + 0.1)
