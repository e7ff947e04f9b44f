"""The keys of what a machine type's energy is measured by."""

from __future__ import annotations

from pydantic import Field

from plant.definition.document.value_types import ListOf, Name, Spec


class EnergyEntry(Spec):
    """Which signals of a type are its energy, for the ground truth."""

    meter: Name | None = Field(None, description="The register of energy, a signal with `integral_of` in kW.h.")
    cost: Name | None = Field(None, description="The register of what the energy has cost [none].")
    co2: Name | None = Field(None, description="The register of the emissions of the energy, in kg [none].")
    drivers: ListOf[Name] | None = Field(
        None,
        description="What the energy depends on besides finished jobs: signals of the type, or plant.NAME [none].",
    )
