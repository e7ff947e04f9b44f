"""The energy figures of a run: base load, peak, energy a unit, and the baseline."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest

from messages import FactoryMessageGenerator
from plant.energy.regression import Regression
from plant.truth.energy import EnergyTotals
from tests.plant.energy.furnaces import HOUR, Course, course, furnaces, leaking

DAY = 24 * HOUR


def figures(run: Course) -> dict[str | None, EnergyTotals]:
    """The figures of each machine, and of the site under None."""
    return {each.machine_id: each for each in run.generator.energy_totals()}


@cache
def day_with_a_leak() -> Course:
    """A day in which both furnaces leak for two hours."""
    return course(furnaces(leaking(40_000))).advance(DAY).close()


def test_the_baseline_finds_what_the_energy_depends_on() -> None:
    """40 kW less half a kilowatt a degree are 10 kWh a quarter less an eighth."""
    baseline = figures(course(furnaces()).advance(DAY).close())["FURNACE-01"].baseline

    assert baseline
    assert baseline.constant == pytest.approx(10, abs=1e-3)
    assert baseline.drivers["outdoor"] == pytest.approx(-0.125, abs=1e-4)
    assert baseline.r2 == pytest.approx(1, abs=1e-5)
    assert (baseline.per_unit, baseline.quarters) == (None, 96)
    assert baseline.ratio == pytest.approx(1, abs=1e-5)


def test_the_baseline_finds_the_energy_of_a_unit() -> None:
    """A running stamp has 10 kW more than an idle one, and takes 25 s for a part: some 0.07 kWh."""
    stamp = furnaces(stamp={"energy": {"meter": "meter"}})
    baseline = figures(course(stamp).advance(2 * DAY).close())["STAMP-01"].baseline

    assert baseline
    assert baseline.constant == pytest.approx(0.5, abs=0.05)
    assert baseline.per_unit == pytest.approx(10 * 25 / 3600, rel=0.03)
    assert baseline.r2
    assert baseline.r2 > 0.95


def test_the_ratio_shows_what_a_fault_wastes() -> None:
    """Two hours of 15 kW more; the quarters with a fault are not fitted."""
    run = day_with_a_leak()
    baseline = figures(run)["FURNACE-02"].baseline

    assert baseline
    assert baseline.quarters == 96 - 9
    assert baseline.actual_kwh - baseline.expected_kwh == pytest.approx(30, abs=0.05)
    assert baseline.ratio == pytest.approx(baseline.actual_kwh / baseline.expected_kwh, rel=1e-9)


def test_base_load_and_peak_are_the_least_and_greatest_power_of_a_quarter() -> None:
    """Of a full one: the ends of the run do not count."""
    run = course(furnaces(leaking(40_000)), start=1_767_225_600.0 + 100).advance(DAY).close()

    for machine_id, spans in run.by_machine.items():
        full = [each for each in spans if each.to_ms - each.from_ms == 900_000]
        most = max(full, key=lambda each: each.kwh)
        found = figures(run)[machine_id]
        assert len(full) == len(spans) - 2
        assert found.base_load_kw == pytest.approx(4 * min(each.kwh for each in full))
        assert found.peak_kw == pytest.approx(4 * most.kwh)
        assert found.peak_from_ms == most.from_ms


def test_a_site_is_the_sum_of_its_machines_at_the_same_time() -> None:
    """Its peak is that of the sum, which is less than the sum of the peaks."""
    run = day_with_a_leak()
    site, machines = figures(run)[None], [each for name, each in figures(run).items() if name]
    quarters = [
        sum(each.kwh for each in run.spans if each.from_ms == begin) for begin in {each.from_ms for each in run.spans}
    ]

    assert site.machines == len(machines) == 3
    assert site.kwh == pytest.approx(sum(each.kwh for each in machines), abs=1e-9)
    assert site.cost == pytest.approx(sum(each.cost or 0 for each in machines), abs=1e-9)
    assert site.peak_kw == pytest.approx(4 * max(quarters))
    assert (site.peak_kw or 0) < sum(each.peak_kw or 0 for each in machines)
    assert site.baseline
    assert site.baseline.drivers.keys() == {"plant.outdoor_temp_c"}
    assert site.baseline.quarters == 96 - 9


def test_machines_of_several_sites_are_summed_by_site() -> None:
    """And those at none together."""
    generator = FactoryMessageGenerator.of(furnaces(), 1)
    for fleet in generator._parts.fleets:
        site = "north" if fleet.key == "furnace" else None
        fleet.machine_type = dataclasses.replace(fleet.machine_type, site=site)
    run = Course(generator)
    generator.read_meters(run.spans.append)
    run.advance(HOUR).close()
    sites = {each.site: each for each in generator.energy_totals() if each.machine_id is None}

    assert {each.machine_id: each.site for each in run.spans} == {
        "FURNACE-01": "north",
        "FURNACE-02": "north",
        "STAMP-01": None,
    }
    assert {site: each.machines for site, each in sites.items()} == {"north": 2, None: 1}
    assert sites["north"].kwh == pytest.approx(sum(each.kwh for each in run.spans if each.site), abs=1e-9)


def test_energy_a_unit_is_of_all_jobs() -> None:
    """A machine that makes nothing has none."""
    found = figures(course(furnaces()).advance(5 * HOUR).close())

    assert found["STAMP-01"].kwh_per_unit == pytest.approx(found["STAMP-01"].kwh / found["STAMP-01"].units)
    assert found["FURNACE-01"].kwh_per_unit is None


def test_there_is_no_baseline_of_too_few_quarters() -> None:
    """Three quarters are enough for two coefficients, and too few for four."""
    three = course(furnaces()).advance(3 * 900).close()

    assert figures(three)["FURNACE-01"].baseline
    assert figures(three)["STAMP-01"].baseline is None


def test_there_is_no_baseline_where_the_drivers_do_not_determine_it() -> None:
    """Such as one that never changes: it looks like the constant."""
    assert (
        figures(course(furnaces({"energy": {"meter": "energy", "drivers": ["leak"]}})).advance(DAY).close())[
            "FURNACE-01"
        ].baseline
        is None
    )


def test_a_fit_is_exact_and_does_not_depend_on_the_order_of_points() -> None:
    """Its sums are whole numbers, and its solution is in fractions."""
    points = [(x, z, 7 + 3 * x - 2 * z) for x in range(5) for z in (10**15, 10**15 + 1, 3)]
    fits = []
    for order in (points, points[::-1]):
        regression = Regression(3)
        for x, z, y in order:
            regression.add([1, x, z], y)
        fits.append(regression.fit())

    assert fits[0] == fits[1]
    assert fits[0]
    assert [int(each) for each in fits[0].coefficients] == [7, 3, -2] == [*fits[0].coefficients]
    assert (fits[0].r2 == 1, fits[0].points) == (True, 15)
