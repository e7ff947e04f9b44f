"""Invariants of every plant at any time, checked over many days; a plant that breaks one is detected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from messages import FactoryMessageGenerator
from plant.definition.plant_config import load
from plant.machines.machine import Machine
from plant.oee_accounting import OeeAccounts
from plant.telemetry import MachineOee
from tests.support.examples import THOROUGH
from tests.support.processes.daemon import ROOT

DAY_SECONDS = 86_400.0
DAYS = 30 if THOROUGH else 10
_COUNTED = ("planned_seconds", "producing_seconds", "ideal_seconds", "jobs", "good")


def one_of_each() -> FactoryMessageGenerator:
    """The default plant with one machine of each type."""
    config = load(ROOT / "message_structure.yaml")
    counts = config.global_.machine_counts
    fewer = dict.fromkeys(counts, 1)
    return FactoryMessageGenerator.of(
        config.model_copy(update={"global_": config.global_.model_copy(update={"machine_counts": fewer})}), 1
    )


def figures(machine: MachineOee) -> Mapping[str, float]:
    """What only ever grows."""
    return {name: getattr(machine, name) for name in _COUNTED}


def broken(machine: MachineOee, before: Mapping[str, float], elapsed_seconds: float) -> Iterator[str]:
    """Return the invariants that a machine's account breaks."""
    now = figures(machine)
    shares = [machine.availability, machine.quality]
    if not all(math.isfinite(value) and value >= 0 for value in now.values()):
        yield "a figure is no number"
    if any(now[name] < before.get(name, 0) for name in _COUNTED):
        yield "a counter runs back"
    if not math.isclose(
        machine.producing_seconds + sum(machine.stopped_seconds.values()), elapsed_seconds, abs_tol=1e-6
    ):
        yield "time does not add up"
    if any(share is not None and not 0 <= share <= 1 for share in shares):
        yield "a share is none"
    if machine.ideal_seconds > machine.producing_seconds + 250:
        yield "jobs took less than they can"


def kept(plant: FactoryMessageGenerator, days: int) -> set[str]:
    """All that a plant breaks in so many days, looked at each day."""
    found: set[str] = set()
    before: dict[str, Mapping[str, float]] = {}
    for day in range(1, days + 1):
        plant.advance_silently(plant.start + day * DAY_SECONDS)
        for machine in plant.oee():
            found |= set(broken(machine, before.get(machine.machine_id, {}), day * DAY_SECONDS))
            before[machine.machine_id] = figures(machine)
    return found


def test_days_of_work_break_nothing() -> None:
    """Numbers are numbers, counters only grow, the states' times add up to the whole, no job is impossibly short."""
    plant = one_of_each()

    assert kept(plant, days=DAYS) == set()
    assert all(machine.jobs > 1000 / 30 * DAYS for machine in plant.oee())


def forgets_a_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts that miss each stay of a fault."""
    end_stay = OeeAccounts.end_stay

    def mutated(accounts: OeeAccounts, machine: Any, now_ms: int) -> None:
        if machine.state.name == "faulted":
            accounts._stay_began_ms[machine.number] = now_ms
        end_stay(accounts, machine, now_ms)

    monkeypatch.setattr(OeeAccounts, "end_stay", mutated)


def works_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that make every part in a third of its time."""
    step = Machine.step

    def mutated(machine: Machine) -> None:
        before = machine.job
        step(machine)
        if machine.job is not before:
            machine.finish_ms -= machine.job.cycle_ms * 2 // 3
            machine.next_ms = min(machine.finish_ms, machine.stay_ends_ms)

    monkeypatch.setattr(Machine, "step", mutated)


@pytest.mark.parametrize(
    ("mutate", "broken_rule"),
    [(forgets_a_stay, "time does not add up"), (works_too_fast, "jobs took less than they can")],
)
def test_a_plant_that_breaks_them_is_found_out(
    monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None], broken_rule: str
) -> None:
    """Accounts that miss time, and machines that are faster than they can be, do not pass three days."""
    mutate(monkeypatch)

    assert broken_rule in kept(one_of_each(), days=3)
