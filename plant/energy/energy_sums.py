"""The energy of a machine, or of a site, over a run: sums of quarters, base load, peak, and the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, Self

from plant.energy.regression import Fit, Regression
from plant.truth.energy import Baseline, EnergyTotals

QUARTER_MS: Final = 900_000
MICRO: Final = 10**6
"""Whole numbers in 1 of a register: those of the most decimals that a signal has."""

NANO: Final = 10**9
"""Whole numbers in 1 of a driver, whose mean has three more decimals."""

_QUARTERS_AN_HOUR: Final = 4
_SIGNIFICANT: Final = 10
"""Digits of the figures that are not sums of whole decimals."""


class Used(NamedTuple):
    """What has been used after one moment and up to another, in whole numbers: sums of them are exact.

    amounts: energy, cost and emissions in millionths, None without such a register.
    drivers: in thousand-millionths; None without a message.
    """

    from_ms: int
    to_ms: int
    amounts: tuple[int | None, ...]
    units: int
    good: int
    drivers: Mapping[str, int | None]
    fault_ms: int

    @property
    def is_full(self) -> bool:
        """Whether it is a whole quarter of an hour."""
        return self.to_ms - self.from_ms == QUARTER_MS

    @classmethod
    def together(cls, parts: Sequence[Self], drivers: Iterable[str]) -> Self:
        """Return what several machines have used in the same span. drivers: those that they have in common."""
        amounts = tuple(map(added, zip(*(each.amounts for each in parts), strict=True)))
        found = {name: value for each in parts for name, value in each.drivers.items()}
        return cls(
            parts[0].from_ms,
            parts[0].to_ms,
            amounts,
            sum(each.units for each in parts),
            sum(each.good for each in parts),
            {name: found.get(name) for name in drivers},
            max(each.fault_ms for each in parts),
        )


class Whose(NamedTuple):
    """Whose figures they are: of a machine, or of so many machines of a site. None: of a site; at no site."""

    machine_id: str | None
    machine_type: str | None
    site: str | None
    machines: int = 1


class EnergySums:
    """The sums of what a machine, or a site, has used. drivers: their names.  has_units: whether jobs are finished."""

    __slots__ = (
        "_amounts", "_expected_of", "_full", "_least", "_most", "_most_from_ms", "_regression", "drivers", "good",
        "has_units", "units",
    )  # fmt: skip

    def __init__(self, drivers: Sequence[str], *, has_units: bool) -> None:
        self.units = self.good = 0
        self._amounts: tuple[int | None, ...] = (0, None, None)
        self._least: int | None = None
        self._most: int | None = None
        self._most_from_ms: int | None = None
        self.depend_on(drivers, has_units=has_units)

    def depend_on(self, drivers: Sequence[str], *, has_units: bool) -> None:
        """Begin a baseline that depends on something else: that of before is of other machines."""
        self.drivers, self.has_units = drivers, has_units
        self._regression = Regression(1 + has_units + len(drivers))
        self._expected_of = [0] * self._regression.size
        self._full = 0

    def add(self, used: Used) -> None:
        """Add what has been used in a span; all but the sums are of full quarters alone."""
        self._amounts = tuple(map(added, zip(self._amounts, used.amounts, strict=True)))
        self.units += used.units
        self.good += used.good
        energy = used.amounts[0] or 0
        if not used.is_full:
            return
        if self._least is None or energy < self._least:
            self._least = energy
        if self._most is None or energy > self._most:
            self._most, self._most_from_ms = energy, used.from_ms
        drivers = [each for each in map(used.drivers.get, self.drivers) if each is not None]
        if len(drivers) == len(self.drivers):
            self._add_point([1, *([used.units] if self.has_units else []), *drivers], energy, used.fault_ms)

    def _add_point(self, x: Sequence[int], energy: int, fault_ms: int) -> None:
        for place, each in enumerate(x):
            self._expected_of[place] += each
        self._full += energy
        if not fault_ms:
            self._regression.add(x, energy)

    def totals(self, whose: Whose) -> EnergyTotals:
        """Return the figures so far."""
        kwh, cost, co2_kg = (None if each is None else each / MICRO for each in self._amounts)
        fit = self._regression.fit()
        return EnergyTotals(
            *whose,
            kwh=kwh or 0.0,
            cost=cost,
            co2_kg=co2_kg,
            units=self.units,
            good=self.good,
            base_load_kw=_power(self._least),
            peak_kw=_power(self._most),
            peak_from_ms=self._most_from_ms,
            kwh_per_unit=_rounded(Fraction(self._amounts[0] or 0, MICRO * self.units)) if self.units else None,
            baseline=self._baseline(fit) if fit else None,
        )

    def _baseline(self, fit: Fit) -> Baseline:
        constant, *others = (each / MICRO for each in fit.coefficients)
        per_unit = _rounded(others.pop(0)) if self.has_units else None
        products = (b * x for b, x in zip(fit.coefficients, self._expected_of, strict=True))
        expected = sum(products, Fraction()) / MICRO
        return Baseline(
            constant=_rounded(constant),
            per_unit=per_unit,
            drivers={name: _rounded(each * NANO) for name, each in zip(self.drivers, others, strict=True)},
            r2=None if fit.r2 is None else _rounded(fit.r2),
            quarters=fit.points,
            expected_kwh=_rounded(expected),
            actual_kwh=self._full / MICRO,
            ratio=_rounded(Fraction(self._full, MICRO) / expected) if expected else None,
        )


def added(amounts: Iterable[int | None]) -> int | None:
    """Return a sum; None where there is nothing to add."""
    found = [each for each in amounts if each is not None]
    return sum(found) if found else None


def _power(energy: int | None) -> float | None:
    """Return the mean power of a quarter in kW."""
    return None if energy is None else energy * _QUARTERS_AN_HOUR / MICRO


def _rounded(number: Fraction) -> float:
    return float(f"{float(number):.{_SIGNIFICANT}g}")
