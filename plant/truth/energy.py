"""Energy in the ground truth: what a machine has used in a span, and the figures of a run. No behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class EnergySpan(NamedTuple):
    """What a machine has used after one moment and up to another, mostly a quarter of an hour. Times in milliseconds.

    site: where it is, None at none.
    kwh, cost, co2_kg: what its messages in that time have added to its registers; None without such a register.
    units, good: jobs that have finished, and those whose result counts as good.
    drivers: of each, its mean, or what a register or counter has grown by; None without a message.
    fault_ms: the time in which a fault was there, or wear that is labelled.
    """

    machine_id: str
    machine_type: str
    site: str | None
    from_ms: int
    to_ms: int
    kwh: float
    cost: float | None
    co2_kg: float | None
    units: int
    good: int
    drivers: Mapping[str, float | None]
    fault_ms: int


class Baseline(NamedTuple):
    """The energy of a quarter of an hour as a linear function, fitted over the quarters without a fault.

    constant, per_unit, drivers: kWh a quarter, a unit, and for each 1 of a driver; per_unit is None without jobs.
    r2: the share of the variance that it explains; None where there is none.  quarters: how many it is fitted over.
    expected_kwh, actual_kwh: over all full quarters, those with a fault too.  ratio: actual to expected.
    """

    constant: float
    per_unit: float | None
    drivers: Mapping[str, float]
    r2: float | None
    quarters: int
    expected_kwh: float
    actual_kwh: float
    ratio: float | None


class EnergyTotals(NamedTuple):
    """The energy figures of a machine over the run, or of all machines of a site together.

    machine_id, machine_type: None of a site.  site: None at none.  machines: how many it had.
    kwh, cost, co2_kg, units, good: sums.
    base_load_kw, peak_kw: the least and the greatest mean power of a full quarter, the latter from peak_from_ms on.
    baseline: None where there are too few quarters, or they do not determine it.
    """

    machine_id: str | None
    machine_type: str | None
    site: str | None
    machines: int
    kwh: float
    cost: float | None
    co2_kg: float | None
    units: int
    good: int
    base_load_kw: float | None
    peak_kw: float | None
    peak_from_ms: int | None
    kwh_per_unit: float | None
    baseline: Baseline | None


EnergyListener = Callable[[EnergySpan], None]
