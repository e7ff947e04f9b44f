"""The keys of a state."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plant.definition.document.value_types import (
    SHORTEST_JOB_SECONDS,
    YEAR_SECONDS,
    JobSecondsOrRange,
    Spec,
    Weight,
)

RepairHours = Annotated[float, Field(ge=0.001, le=YEAR_SECONDS / 3600)]
RepairMinutes = Annotated[float, Field(ge=SHORTEST_JOB_SECONDS / 6, le=YEAR_SECONDS / 60)]


class StateEntry(Spec):
    """A state of a machine."""

    share: Weight | None = Field(
        None, description="Share of time in the long run, relative to the other states; they need not add up to 1."
    )
    dwell_seconds: JobSecondsOrRange | None = Field(
        None,
        description="Mean length of a stay in seconds, or [shortest, longest] of a uniform distribution [by name of "
        "state].",
    )
    produces: bool | None = Field(None, description="true: jobs advance in this state. One state at most.")
    planned: bool | None = Field(
        None,
        description="true: its time is no planned working time, as that of a planned stop [false]. "
        "Not in the state that produces.",
    )
    distribution: Literal["exponential", "weibull", "lognormal", "uniform", "fixed"] | None = Field(
        None,
        description="Distribution of the stays: exponential, weibull with `shape`, lognormal with `sigma`, uniform "
        "over the range in dwell_seconds, or fixed [exponential; uniform for a range].",
    )
    shape: Annotated[float, Field(ge=0.5, le=20)] | None = Field(
        None, description="Shape of the Weibull distribution: above 1 stays are alike, below 1 they differ more [1]."
    )
    sigma: Annotated[float, Field(ge=0.01, le=3)] | None = Field(
        None, description="Standard deviation of the logarithm of stays of a lognormal distribution [1]."
    )
    mtbf_hours: RepairHours | None = Field(
        None, description="Mean producing time between two stays in hours, with mttr_minutes in place of `share`."
    )
    mttr_minutes: RepairMinutes | None = Field(
        None, description="Mean length of a stay in minutes, with mtbf_hours in place of `share` and `dwell_seconds`."
    )


class StateOverride(Spec):
    """A state of a single machine."""

    share: Weight | None = Field(None, description="Share of time in the long run, relative to the other states.")
    dwell_seconds: JobSecondsOrRange | None = Field(None, description="Length of a stay in seconds, as for the type.")
    mtbf_hours: RepairHours | None = Field(None, description="As for the type.")
    mttr_minutes: RepairMinutes | None = Field(None, description="As for the type.")
