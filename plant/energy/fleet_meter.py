"""The meters of the machines of one type: what each has used since its span began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from plant.definition.energy.energy_type import PLANT, EnergyType
from plant.energy.drivers import FleetDrivers, growth, of_plant
from plant.energy.energy_sums import MICRO, Used
from plant.fleets.fleet import Fleet
from plant.fleets.fleet_measurements import FleetMeasurements
from plant.machines.machine import Machine


class Readings(NamedTuple):
    """What a machine's meters and counters are at: registers in whole last decimals, and finished jobs."""

    registers: Sequence[int]
    jobs: int
    good: int


class Register(NamedTuple):
    """A register by its number. scale: millionths in its last decimal."""

    number: int
    scale: int


class FleetMeter:
    """Reads the meters of a fleet, whose machines have advanced to the moment of each call.

    begins_ms: when the spans of its machines have begun.
    """

    def __init__(self, fleet: Fleet, energy: EnergyType, measurements: FleetMeasurements, now_ms: int) -> None:
        self.fleet: Final = fleet
        self.begins_ms = now_ms
        self._energy, self._measurements = energy, measurements
        names = [each.signal for each in measurements.signals.program.registers]
        self._registers = [each and self._register(names.index(each), each) for each in energy.registers]
        specs = fleet.machine_type.signals
        self._drivers = FleetDrivers(energy.drivers, specs, measurements, len(fleet.machines))
        self._before = [self._read(slot, machine, now_ms) for slot, machine in enumerate(fleet.machines)]
        for slot in range(len(fleet.machines)):
            self._drivers.begin(slot, now_ms)

    @property
    def drivers(self) -> Sequence[str]:
        """The names of the drivers."""
        return self._energy.drivers

    @property
    def site(self) -> str | None:
        """Where its machines are."""
        return self.fleet.machine_type.site

    @property
    def has_units(self) -> bool:
        """Whether its machines finish jobs."""
        return self.fleet.machine_type.job is not None

    def detach(self) -> None:
        """Watch the messages of the machines no more."""
        self._measurements.observer = None

    def take(self, now_ms: int) -> Iterator[tuple[Machine, Used]]:
        """Yield what each machine has used in the span that ends now, without its faults; another one begins."""
        of_plant = self._of_plant(now_ms)
        for slot, machine in enumerate(self.fleet.machines):
            before, after = self._before[slot], self._read(slot, machine, now_ms)
            self._before[slot] = after
            found = {**self._drivers.take(slot, now_ms), **of_plant}
            drivers = {name: found[name] for name in self._energy.drivers}
            amounts = self._amounts(before.registers, after.registers)
            made = after.jobs - before.jobs, after.good - before.good
            yield machine, Used(self.begins_ms, now_ms, amounts, *made, drivers, 0)
        self.begins_ms = now_ms

    def _register(self, number: int, name: str) -> Register:
        return Register(number, MICRO // 10 ** self.fleet.machine_type.signals[name].places)

    def _read(self, slot: int, machine: Machine, now_ms: int) -> Readings:
        store, figures = self._measurements.signals.store, machine.oee("run", now_ms)
        registers = [store.register(slot, each.number) if each else 0 for each in self._registers]
        return Readings(registers, figures.jobs, figures.good)

    def _amounts(self, before: Sequence[int], after: Sequence[int]) -> tuple[int | None, ...]:
        grown = map(growth, before, after)
        return tuple(each.scale * by if each else None for each, by in zip(self._registers, grown, strict=True))

    def _of_plant(self, now_ms: int) -> dict[str, int]:
        """Return the drivers that are signals of the plant."""
        plant = self._measurements.signals.plant
        names = [name.removeprefix(PLANT) for name in self._energy.drivers if name.startswith(PLANT)]
        if plant is None:
            return {}
        units = {name: law.unit for name, law in zip(plant.program.names, plant.program.laws, strict=True)}
        return {
            f"{PLANT}{name}": of_plant(plant, name, len(str(units[name])) - 1, self.begins_ms, now_ms) for name in names
        }


def meter_of(fleet: Fleet, now_ms: int) -> FleetMeter | None:
    """Return the meters of a fleet; None where it has no machines, or its type no energy."""
    energy = fleet.machine_type.energy
    if energy is None or fleet.reporting is None or fleet.reporting.measurements is None or not fleet.machines:
        return None
    return FleetMeter(fleet, energy, fleet.reporting.measurements, now_ms)
