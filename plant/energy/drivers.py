"""The values of drivers in a span, in thousand-millionths: what energy depends on besides finished jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from plant.definition.energy.energy_type import PLANT
from plant.definition.signals.signal_spec import SignalSpec
from plant.energy.driver_sums import DriverSums, Watched
from plant.fleets.fleet_measurements import FleetMeasurements
from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.signal_laws import REGISTER_MODULUS, REGISTER_UNITS, Measured

_PLACES: Final = 9
"""Decimals of the whole numbers; a mean has three more than its signal."""

_MINUTE_MS: Final = 60_000


class FleetDrivers:
    """The drivers of the machines of a type that are signals of theirs.

    A register or a counter gives what it has grown by, any other signal its mean over the messages that advance
    registers.
    """

    def __init__(
        self, drivers: Sequence[str], specs: Mapping[str, SignalSpec], measurements: FleetMeasurements, slots: int
    ) -> None:
        self._measurements, self._specs = measurements, specs
        own = [name for name in drivers if not name.startswith(PLANT)]
        self._growing = [name for name in own if specs[name].integral_of or specs[name].counter]
        self._means = [name for name in own if name not in self._growing]
        self._before: dict[int, list[int]] = {}
        self._sums = DriverSums([*map(self._watched, self._means)], slots, measurements.advancing)
        measurements.observer = self._sums if self._means else None

    def begin(self, slot: int, now_ms: int) -> None:
        """Begin a machine's span, where it has no earlier one."""
        self._before[slot] = self._readings(slot, now_ms)

    def take(self, slot: int, now_ms: int) -> dict[str, int | None]:
        """Return the drivers of a machine in the span that ends now; another one begins."""
        before, after = self._before[slot], self._readings(slot, now_ms)
        self._before[slot] = after
        scales = (10 ** (_PLACES - self._specs[name].places) for name in self._growing)
        grown = (scale * growth(*each) for scale, each in zip(scales, zip(before, after, strict=True), strict=True))
        found: dict[str, int | None] = dict(zip(self._growing, grown, strict=True))
        for name, (total, count) in zip(self._means, self._sums.take(slot), strict=True):
            found[name] = _mean(total, count, self._specs[name].places) if count else None
        return found

    def _watched(self, name: str) -> Watched:
        program = self._measurements.signals.program
        number = program.names.index(name)
        law = program.laws[number]
        return Watched(number, law.missing if isinstance(law, Measured) else None)

    def _readings(self, slot: int, now_ms: int) -> list[int]:
        """Return what registers and counters are at, in whole last decimals."""
        texts = self._measurements.texts_at(slot, now_ms) if self._growing else {}
        return [_digits(texts[name], self._specs[name].places) for name in self._growing]


def of_plant(plant: FleetSignals, name: str, places: int, from_ms: int, to_ms: int) -> int:
    """Return the mean of a signal of the plant at the full minutes of a span, or its value at the end without any."""
    first_ms = (from_ms // _MINUTE_MS + 1) * _MINUTE_MS
    times = range(first_ms, to_ms + 1, _MINUTE_MS) or (to_ms,)
    return _mean(sum(_digits(plant.texts_at(0, each)[name], places) for each in times), len(times), places)


def growth(before: int, after: int) -> int:
    """Return what a register has grown by, which may have started again at 0 after its last digit."""
    modulus = REGISTER_MODULUS // REGISTER_UNITS
    return (after - before + modulus // 2) % modulus - modulus // 2


def _mean(total: int, count: int, places: int) -> int:
    return round(Fraction(1000 * total, count)) * int(10 ** (_PLACES - 3 - places))


def _digits(text: bytes, places: int) -> int:
    return int(Decimal(text.decode()).scaleb(places))
