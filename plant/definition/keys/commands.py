"""The keys of the commands that the machines of a type understand beside the usual ones."""

from __future__ import annotations

from pydantic import Field

from plant.definition.document.value_types import Name, Spec


class StateCommandEntry(Spec):
    """A command that sets the state."""

    state: Name | None = Field(None, description="The state that a machine enters.")
    latched: bool | None = Field(
        None,
        description="true: it stays there until the next command that sets its state; otherwise as long as any stay "
        "in that state [false].",
    )
