"""Reads all meters of a plant, and sums up what its machines and sites have used.

Registers grow with messages alone, so the energy of a span is what the messages in it have added: those after its
beginning and up to its end. All of these have been made when the plant is read, and to read it changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from plant.definition.energy.energy_type import PLANT
from plant.energy.energy_sums import MICRO, NANO, QUARTER_MS, EnergySums, Used, Whose
from plant.energy.fleet_meter import FleetMeter, meter_of
from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine
from plant.machines.states import NEVER
from plant.truth.energy import EnergyListener, EnergySpan, EnergyTotals
from plant.truth.events import FaultEpisode


class PlantMeters:
    """The meters of a plant.

    next_ms: the end of the quarter of an hour; NEVER without meters.
    """

    def __init__(self) -> None:
        self.next_ms = NEVER
        self._meters: list[FleetMeter] = []
        self._machines: dict[str, EnergySums] = {}
        self._whose: dict[str, Whose] = {}
        self._sites: dict[str | None, EnergySums] = {}
        self._episodes: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def note(self, episode: FaultEpisode) -> None:
        """Note an episode of a fault that has ended."""
        if self._meters:
            self._episodes[episode.machine_id].append((episode.from_ms, episode.to_ms))

    def begin(self, fleets: Iterable[Fleet], now_ms: int) -> None:
        """Read the meters of these machines from now on, up to which they have advanced."""
        for meter in self._meters:
            meter.detach()
        found = (meter_of(fleet, now_ms) for fleet in fleets)
        self._meters = [each for each in found if each is not None]
        self._episodes.clear()
        self.next_ms = (now_ms // QUARTER_MS + 1) * QUARTER_MS if self._meters else NEVER
        for meter in self._meters:
            self._begin_sums(meter)
        self._begin_sites()

    def close(self, now_ms: int, listener: EnergyListener) -> None:
        """End the spans of all machines now, up to which all messages have been made; others begin.

        listener: called with what each machine has used.
        """
        used: dict[str | None, list[Used]] = {}
        for meter in self._meters:
            meter.fleet.advance_to(now_ms)
            if now_ms > meter.begins_ms:
                used.setdefault(meter.site, []).extend(self._close(meter, now_ms, listener))
        for site, parts in used.items():
            sums = self._sites[site]
            sums.add(Used.together(parts, sums.drivers))
        self._episodes.clear()
        if self.next_ms <= now_ms:
            self.next_ms = (now_ms // QUARTER_MS + 1) * QUARTER_MS

    def totals(self) -> list[EnergyTotals]:
        """Return the figures of each machine up to the last span that has ended, then those of each site."""
        machines = [each.totals(self._whose[name]) for name, each in self._machines.items()]
        counts = Counter(each.site for each in self._whose.values())
        return [*machines, *(each.totals(Whose(None, None, site, counts[site])) for site, each in self._sites.items())]

    def _close(self, meter: FleetMeter, now_ms: int, listener: EnergyListener) -> Iterator[Used]:
        for machine, used in meter.take(now_ms):
            whole = used._replace(fault_ms=self._fault_ms(machine, used.from_ms, now_ms))
            self._machines[machine.id].add(whole)
            listener(_span(machine.id, meter, whole))
            yield whole

    def _fault_ms(self, machine: Machine, from_ms: int, to_ms: int) -> int:
        is_open = machine.conditions.open_episodes(to_ms) if machine.conditions is not None else ()
        return covered_ms([*self._episodes[machine.id], *((each.from_ms, to_ms) for each in is_open)], from_ms, to_ms)

    def _begin_sums(self, meter: FleetMeter) -> None:
        for machine in meter.fleet.machines:
            sums = self._machines.get(machine.id)
            self._whose[machine.id] = Whose(machine.id, meter.fleet.key, meter.site)
            if sums is None:
                self._machines[machine.id] = EnergySums(meter.drivers, has_units=meter.has_units)
            elif (sums.drivers, sums.has_units) != (meter.drivers, meter.has_units):
                sums.depend_on(meter.drivers, has_units=meter.has_units)

    def _begin_sites(self) -> None:
        """Begin baselines of the machines of each site: of their units, and of the plant's signals among the drivers.

        That of before is of other machines.
        """
        for site in dict.fromkeys(meter.site for meter in self._meters):
            meters = [each for each in self._meters if each.site == site]
            drivers = [name for meter in meters for name in meter.drivers if name.startswith(PLANT)]
            makes_units = any(each.has_units for each in meters)
            sums = self._sites.setdefault(site, EnergySums((), has_units=False))
            sums.depend_on((*dict.fromkeys(drivers),), has_units=makes_units)


def covered_ms(spans: Iterable[tuple[int, int]], from_ms: int, to_ms: int) -> int:
    """Return how much of a time several spans cover together."""
    covered, reached_ms = 0, from_ms
    for begins_ms, ends_ms in sorted(spans):
        covered += max(0, min(ends_ms, to_ms) - max(begins_ms, reached_ms))
        reached_ms = max(reached_ms, ends_ms)
    return covered


def _span(machine_id: str, meter: FleetMeter, used: Used) -> EnergySpan:
    kwh, cost, co2_kg = (None if each is None else each / MICRO for each in used.amounts)
    drivers = {name: None if each is None else each / NANO for name, each in used.drivers.items()}
    return EnergySpan(
        machine_id,
        meter.fleet.key,
        meter.site,
        used.from_ms,
        used.to_ms,
        kwh or 0.0,
        cost,
        co2_kg,
        used.units,
        used.good,
        drivers,
        used.fault_ms,
    )
