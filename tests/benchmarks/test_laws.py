"""The statistics of signals: that every kind is measured, that they are met, and that another law is noticed."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import pytest

from benchmarks.laws.__main__ import figures
from benchmarks.laws.checks import LAWS
from benchmarks.laws.declared import PROBE, probes
from benchmarks.laws.figures import Figure, parts_of
from benchmarks.laws.sample import Sample, sample
from messages import START
from plant.definition.signals.signal_spec import SignalSpec

HOURS = 1.0
NOT_LAWS = {"unit", "description", "shown"}
"""Keys that say nothing about values."""

found = cache(lambda: figures(HOURS))
hour = cache(lambda: sample(probes(100), PROBE, HOURS, START))


def missed(measured: Sample) -> list[Figure]:
    """Return the figures that are beyond their bounds."""
    return [figure for law in LAWS for figure in law(measured) if not figure.is_met]


def test_every_key_of_a_signal_that_says_something_about_its_values_is_measured() -> None:
    """A new source or part of signals needs a figure of its own."""
    assert parts_of(found()) == set(SignalSpec.model_fields) - NOT_LAWS


def test_the_laws_are_met_in_an_hour_of_plant_time() -> None:
    """A hundred machines have sent each of their signals sixty times."""
    assert [figure for figure in found() if not figure.is_met] == []


@pytest.mark.parametrize(("signal", "other"), [
    ("level", {"base": {"running": 55.1, "idle": 38.0, "else": 24.0}}),
    ("point", {"set_point": 181.0}),
    ("lag", {"follows_seconds": 241.0}),
    ("walk", {"walk": {"sigma": 2.0, "memory_seconds": 250.0}}),
    ("walk", {"walk": {"sigma": 2.5, "memory_seconds": 600.0}}),
    ("noise", {"noise": 3.2}),
    ("noise_by_state", {"noise": {"running": 2.0, "else": 0.7}}),
    ("uniform", {"uniform": [-2.5, 6.0]}),
    ("daily", {"daily": {"amplitude": 5.0, "peak_hour": 14.5}}),
    ("yearly", {"yearly": {"amplitude": 10.0, "peak_day": 201}}),
    ("wear", {"ramp": {"per_hour": 2.001, "resets": "service"}}),
    ("own", {"spread": 0.09}),
    ("lamp", {"choice": {"green": 5.0, "red": 2.0, "yellow": 3.0}}),
    ("lamp", {"every_seconds": 180.0}),
    ("cut", {"limits": [-0.9, 2.0]}),
    ("rounded", {"decimals": 0}),
    ("energy", {"per_seconds": 3601.0}),
    ("soaked", {"follows_seconds": 241.0}),
    ("drive", {"slews_per_second": 0.51}),
    ("vessel", {"switches": {"low": 2.0, "high": 8.01, "rises": "0.02", "falls": "0.007"}}),
    ("vessel", {"switches": {"low": 2.0, "high": 8.0, "rises": "0.02", "falls": "0.0071"}}),
    ("vessel", {"starts": 5.01}),
    ("vessel", {"starts_on": False}),
])  # fmt: skip
def test_a_signal_with_another_law_than_declared_is_noticed(signal: str, other: dict[str, Any]) -> None:
    """The messages of an hour are not taken for those of a slightly different declaration."""
    measured = hour()
    declared = SignalSpec.model_validate(measured.specs[signal].model_dump(exclude_unset=True) | other)
    falsified = dataclasses.replace(measured, specs={**measured.specs, signal: declared})

    assert signal in {figure.signal for figure in missed(falsified)}
