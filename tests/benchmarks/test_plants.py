"""The measurement of plants with signals: that it runs, and what it asks for. No figure is judged here."""

from __future__ import annotations

import json

import pytest

from benchmarks.case import ROOT, SEED
from benchmarks.plants.__main__ import Results, bounds, default_plant, everything, markdown, measured
from benchmarks.plants.declared import PLANTS
from benchmarks.plants.speed import Asked
from benchmarks.reporting.page import PAGE, PLANT_SPEED
from messages import FactoryMessageGenerator
from plant.definition.plant_config import parse

FIGURES = {
    "best": 500_000, "median": 400_000, "p50": 0.5, "p99": 0.9, "most": 1.0, "bytes": 1500, "build_seconds": 2.5,
}  # fmt: skip


def results(**others: float) -> Results:
    """Return results that meet all bounds, but for some figures."""
    found = Results()
    for asked in everything(1.0):
        found.plants[asked].append(FIGURES | others)
    found.default = found.other = [{"best": 400_000, "median": 390_000, "rss_bytes": 38e6, "numpy": 0}]
    return found


@pytest.mark.parametrize("name", PLANTS)
def test_the_plants_that_are_measured_report_their_six_signals(name: str) -> None:
    """In each of them, all signals of a press are in some class of messages."""
    plant = FactoryMessageGenerator.of(parse(PLANTS[name](3, 5.0)), SEED)
    keys = {key for message in plant.advance(plant.now + 60) for key in json.loads(message.payload)}

    assert {"temperature", "pressure", "vibration", "hall", "power", "energy"} <= keys


@pytest.mark.parametrize("asked", [
    Asked("rate", "six signals", 50, rows_a_call=50, rows=100),
    Asked("turn", "six signals", 10, 1.0, 1.0, 10),
    Asked("memory", "six signals", 50),
])  # fmt: skip
def test_each_measurement_gives_its_figures(asked: Asked) -> None:
    """It runs in a process of its own."""
    assert min(measured(asked).values()) >= 0 or asked.what == "memory"


def test_the_default_plant_does_not_import_numpy() -> None:
    """It has no signals, and does not pay for those of others."""
    assert default_plant(ROOT)["numpy"] is False


def test_a_bound_that_is_not_met_is_shown() -> None:
    """The table of bounds has a line for each, and none is left out."""
    assert all(bound.met for bound in bounds(results()))
    assert "**no**" in markdown(results(bytes=3000), "another version")
    assert [bound.what for bound in bounds(results(median=200_000)) if not bound.met] == [
        "1,000 machines, 1,000 rows a call: rows a second",
        "100,000 machines, 1,000 rows a call: rows a second",
    ]


def test_the_page_has_a_place_for_the_figures() -> None:
    """`make bench-plants` writes between marks."""
    assert PLANT_SPEED.begin in PAGE.read_text("utf-8")
    assert PLANT_SPEED.end in PAGE.read_text("utf-8")
