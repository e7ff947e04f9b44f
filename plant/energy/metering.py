"""When meters are read: at each quarter of an hour, where the ground truth asks for it; otherwise nothing is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plant.fleets.fleet import Fleet
from plant.machines.states import NEVER
from plant.truth.energy import EnergyListener, EnergyTotals
from plant.truth.events import FaultEpisode

if TYPE_CHECKING:
    from plant.energy.plant_meters import PlantMeters

_FaultListener = Callable[[str, FaultEpisode], None]


class EnergyMetering:
    """Reads the meters of a plant while there is a listener.

    listener: called with what each machine has used, at the end of each quarter, and where one ends early.
    """

    def __init__(self) -> None:
        self.listener: EnergyListener | None = None
        self._meters: PlantMeters | None = None

    @property
    def next_ms(self) -> int:
        """The end of the quarter; NEVER where nothing is read."""
        return self._meters.next_ms if self._meters else NEVER

    def noting(self, listener: _FaultListener | None) -> _FaultListener | None:
        """Return a listener of faults that have ended which notes them, and calls another one."""
        if self.listener is None:
            return listener

        def note(kind: str, episode: FaultEpisode) -> None:
            if self._meters:
                self._meters.note(episode)
            if listener is not None:
                listener(kind, episode)

        return note

    def begin(self, fleets: Sequence[Fleet], now_ms: int) -> None:
        """Read the meters of these machines from now on, up to which they have advanced."""
        read = fleets if self.listener is not None else ()
        if self._meters is None and any(fleet.machine_type.energy for fleet in read):
            from plant.energy.plant_meters import PlantMeters  # noqa: PLC0415  signals need some megabytes

            self._meters = PlantMeters()
        if self._meters is not None:
            self._meters.begin(read, now_ms)

    def close(self, now_ms: int) -> None:
        """End the spans of all machines now, up to which all messages have been made; others begin."""
        if self._meters is not None and self.listener is not None:
            self._meters.close(now_ms, self.listener)

    def totals(self) -> list[EnergyTotals]:
        """Return the figures of each machine up to the last span that has ended, then those of each site."""
        return self._meters.totals() if self._meters else []
