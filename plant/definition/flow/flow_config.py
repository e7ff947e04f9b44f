"""The section `flow:` of a plant's YAML: strict, frozen models, and the flow of the library.

An edge leads from the machine type that makes a piece to the type that takes it. There are two kinds: a job assembles
several pieces into something new, or processes one piece, which stays the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, PrivateAttr

from plant.definition.document.library_files import sections
from plant.definition.document.value_types import Count, Name, Spec
from plant.definition.flow.line import Line

Pieces = Annotated[int, Field(ge=0, le=1000)]
Bill = dict[Name, Pieces]
Share = Annotated[float, Field(ge=0, le=1)]
Reworks = Annotated[int, Field(ge=0, le=100)]

SAME: Final = "same"
"""In `repairs`: the type that the piece comes from."""

OTHER_PLACES: Final = 20
"""Places in a buffer whose size neither the YAML nor the library gives."""

REPLACED_BY: Final = {
    "parts": ("assembles", "processes"),
    "parts_by_assembly_type": ("assembles_by_kind", "assembles", "processes"),
}
"""The older keys, which are about the library's assembling type, each with the newer keys that exclude it."""


def _describe_rules(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema which keys exclude each other."""
    pairs = [[old, new] for old, others in REPLACED_BY.items() for new in others]
    schema["allOf"] = [{"not": {"required": pair}} for pair in pairs]


def _describe_parts(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema of `parts` the names that it takes."""
    schema["propertyNames"] = {"enum": library_sources()}


def _describe_bills(schema: dict[str, Any]) -> None:
    """Add the same to the JSON Schema of `parts_by_assembly_type`."""
    _describe_parts(schema["additionalProperties"])


class UnitsEntry(Spec):
    """Units of a product that are alike."""

    units: Count = Field(1, description="Shipped units of these kinds in one piece of the product.")
    kinds: dict[Name, Name] = Field(
        {},
        description="Kind of the job that makes such a unit, or works on it, by machine type. Where it is left out, the"
        " kind is drawn by weight for each lot.",
    )


ProductUnits = Annotated[list[UnitsEntry], Field(min_length=1, max_length=100)]


class FlowSpec(Spec):
    """How pieces move through the plant, as it is written, with the line that follows from it."""

    model_config = ConfigDict(json_schema_extra=_describe_rules)

    assembles: dict[Name, Bill] | None = Field(
        None,
        description="Pieces that a job takes to make something new, by the job's machine type and by the type that made"
        " them.",
    )
    assembles_by_kind: dict[Name, dict[Name, Bill]] = Field(
        {},
        description="The same for single kinds of job: by the job's machine type, its kind, and the type that made the"
        " pieces.",
    )
    processes: dict[Name, Name] | None = Field(
        None,
        description="The machine type whose pieces a job works on, one a job, by the job's machine type; a piece stays"
        " the same unit.",
    )
    repairs: dict[Name, Name] = Field(
        {},
        description="The machine type that repairs a piece, by the result of the job that made it; `same` is the type"
        " that it comes from. A piece with any other bad result is scrap.",
    )
    ships: Name | None = Field(
        None,
        description="The machine type whose good pieces fill customers' orders; if it is left out, the only type whose"
        " pieces no other takes.",
    )
    parts: Bill | None = Field(
        None,
        description="Older key for `assembles`: parts that an assembly takes, by the machine type they are from.",
        json_schema_extra=_describe_parts,
    )
    parts_by_assembly_type: dict[Name, Bill] = Field(
        {},
        description="Older key for `assembles_by_kind`: the same for single names of `assembly_types`.",
        json_schema_extra=_describe_bills,
    )
    units_by_product_type: dict[Name, Count] = Field(
        {},
        description="Shipped units in one piece of a product, by its name in `product_types`; 1 where it is left out.",
    )
    products: dict[Name, ProductUnits] = Field(
        {},
        description="What a piece of a product consists of, by its name in `product_types`. With this key units are"
        " made to order, each of the kinds that its product needs.",
    )
    buffers: dict[Name, Count] = Field(
        {}, description="Places for pieces behind the machines of each type; a machine without room is blocked."
    )
    initial_fill: Share = Field(0.5, description="Share of each buffer that is full when the flow starts: 0 to 1.")
    most_reworks: Reworks = Field(3, description="Times that a piece is reworked at most before it is scrap.")

    _line: Line = PrivateAttr(default_factory=Line)

    @property
    def line(self) -> Line:
        """The line in a plant with certain machine types; without stages until `with_line` has set it."""
        return self._line

    def with_line(self, line: Line) -> Self:
        """Return the same with the line that follows from it."""
        copied = self.model_copy()
        copied._line = line  # noqa: SLF001 - of the same class
        return copied

    def units_of(self, product_type: str) -> int:
        """Return the number of shipped units that one piece of a product takes."""
        return sum(units for units, _ in self.units_by_kinds(product_type))

    def units_by_kinds(self, product_type: str) -> Sequence[tuple[int, Mapping[str, str]]]:
        """Return how many shipped units of which kinds, by machine type, one piece of a product takes."""
        if product_type in self.products:
            return [(each.units, each.kinds) for each in self.products[product_type]]
        return [(self.units_by_product_type.get(product_type, 1), {})]


@cache
def library_flow() -> FlowSpec:
    """Return the flow of the library, whose edges a plant has that gives none of its own."""
    (only,) = sections("flow")
    return FlowSpec.model_validate(only)


def library_assembler() -> str:
    """Return the machine type that the older keys are about: the only one that assembles in the library."""
    (assembler,) = library_flow().assembles or {}
    return assembler


def library_sources() -> list[str]:
    """Return the machine types whose pieces it takes."""
    return [*(library_flow().assembles or {})[library_assembler()]]
