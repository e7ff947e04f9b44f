"""Which signals of a machine type are its energy, complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PLANT: Final = "plant."
"""What the name of a driver begins with that is a signal of the plant."""


@dataclass(frozen=True, slots=True)
class EnergyType:
    """The energy of a machine type, by the names of its signals.

    meter: the register in kW.h.  cost, co2: registers of money and of kg, if there are any.
    drivers: signals of the type, or plant.NAME, that energy depends on besides finished jobs.
    """

    meter: str
    cost: str | None = None
    co2: str | None = None
    drivers: tuple[str, ...] = ()

    @property
    def registers(self) -> tuple[str | None, str | None, str | None]:
        """Energy, cost and emissions."""
        return self.meter, self.cost, self.co2
