"""What the published dashboard shows of a simulated day or week, by rows alone, is what the ledger knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.telemetry import MachineOee
from tests.dashboard import Dashboard
from tests.support.examples import THOROUGH
from tests.support.factory.plants import config

HOURS = 7 * 24 if THOROUGH else 24


class Shown(NamedTuple):
    """A dashboard, and the truth by machine, of so many hours."""

    dashboard: Dashboard
    truth: Mapping[str, MachineOee]
    hours: int


def shown(dashboard: Dashboard, plant: PlantConfig, hours: int) -> Shown:
    """A plant's rows on a dashboard, hour by hour, and its ledger at the end."""
    generator = FactoryMessageGenerator.of(plant, 1)
    for hour in range(1, hours + 1):
        dashboard.ingest(message.payload for message in generator.advance(START + 3600 * hour))
    return Shown(dashboard, {machine.machine_id: machine for machine in generator.oee()}, hours)


def off(it: Shown) -> dict[str, tuple[float, float, float]]:
    """By machine, how far off are availability and quality, in points, and throughput, in percent."""
    return {machine_id: _off(it, truth) for machine_id, truth in it.truth.items()}


def _off(it: Shown, truth: MachineOee) -> tuple[float, float, float]:
    assert truth.availability is not None
    assert truth.quality is not None
    machine_id, true_rate = truth.machine_id, truth.jobs / it.hours
    return (
        100 * abs(it.dashboard.availability(machine_id) - truth.availability),
        100 * abs(it.dashboard.quality(machine_id) - truth.quality),
        100 * abs(it.dashboard.throughput(machine_id, it.hours) / true_rate - 1),
    )


@pytest.fixture(scope="module")
def whole() -> Shown:
    """A day of every CNC, welding and painting machine of the default plant; in all a week: 1.6 million rows."""
    return shown(Dashboard(), config({"printer_3d": 0, "testing": 0}), HOURS)


def test_rows_alone_show_what_is_true(whole: Shown) -> None:
    """Availability and quality to a point and throughput to a percent, of each of the 12 machines."""
    found = off(whole)

    assert len(found) == 12
    assert {machine_id: each for machine_id, each in found.items() if max(each) > 1} == {}


def test_rows_alone_say_each_job_once(whole: Shown) -> None:
    """Parts, judged rows and finished jobs are the same but for one that is not reported yet."""
    for machine_id, truth in whole.truth.items():
        assert whole.dashboard.parts[machine_id] == whole.dashboard.judged[machine_id]
        assert truth.jobs - whole.dashboard.parts[machine_id] in (0, 1)


class CountsEveryRow(Dashboard):
    """Wrong: takes each row for a part."""

    def throughput(self, machine_id: str, hours: float) -> float:
        return self.total[machine_id] / hours


class SkipsStoppedRows(Dashboard):
    """Wrong: looks at running rows only."""

    def _summarize(self, row: dict[str, Any], part_column: str) -> None:
        if row["status"] == "running":
            super()._summarize(row, part_column)


class ForgetsScrap(Dashboard):
    """Wrong: counts no row that says scrap."""

    def _summarize(self, row: dict[str, Any], part_column: str) -> None:
        if row["quality"] != "scrap":
            super()._summarize(row, part_column)


@pytest.mark.parametrize(("wrong", "figure"), [(SkipsStoppedRows, 0), (ForgetsScrap, 1), (CountsEveryRow, 2)])
def test_a_wrong_dashboard_is_far_off(wrong: type[Dashboard], figure: int) -> None:
    """On each machine, by more than what is allowed: the comparison can fail."""
    found = off(shown(wrong(), config({"printer_3d": 0, "testing": 0}), 3))

    assert min(each[figure] for each in found.values()) > 1
