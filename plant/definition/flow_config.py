"""The section `flow:` of a plant's YAML: strict, frozen models, and the rules between its and other values.

CNC mills and printers make parts; a unit is what is welded from them, painted and tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from plant.definition.document.errors import Violation
from plant.definition.document.value_types import Count, Name, Spec

Pieces = Annotated[int, Field(ge=0, le=1000)]
Share = Annotated[float, Field(ge=0, le=1)]
Reworks = Annotated[int, Field(ge=0, le=100)]

_Data = Mapping[str, Any]


class Parts(Spec):
    """Number of parts in an assembly, by the machine type that makes them."""

    cnc_machine: Pieces = Field(0, description="Parts from CNC mills in an assembly.")
    printer_3d: Pieces = Field(0, description="Parts from 3D printers in an assembly.")


class Places(Spec):
    """Capacity of the buffer behind the machines of each type; behind the test rigs is the shipping store."""

    cnc_machine: Count = Field(60, description="Places for pieces behind the CNC mills.")
    printer_3d: Count = Field(20, description="Places for pieces behind the 3D printers.")
    welding: Count = Field(20, description="Places for pieces behind the welding stations.")
    painting: Count = Field(20, description="Places for pieces behind the painting booths.")
    testing: Count = Field(120, description="Places for units in the shipping store, behind the test rigs.")


class FlowSpec(Spec):
    """How pieces move through the plant. initial_fill: share of each buffer that is full when the flow starts."""

    parts: Parts = Field(
        Parts(cnc_machine=2, printer_3d=1),
        description="Parts that an assembly takes, by the machine type they are from.",
    )
    parts_by_assembly_type: dict[Name, Parts] = Field(
        {}, description="The same for single names of `assembly_types` of welding."
    )
    units_by_product_type: dict[Name, Count] = Field(
        {},
        description="Tested units in one piece of a product, by its name in `product_types`; 1 where it is left out.",
    )
    buffers: Places = Field(
        Places(), description="Places for pieces behind the machines of each type; a machine without room is blocked."
    )
    initial_fill: Share = Field(0.5, description="Share of each buffer that is full when the flow starts: 0 to 1.")
    most_reworks: Reworks = Field(3, description="Times that a piece is reworked at most before it is scrap.")

    def parts_of(self, assembly_type: str) -> dict[str, int]:
        """Return the number of parts that an assembly takes, by the machine type that makes them."""
        bill = self.parts_by_assembly_type.get(assembly_type, self.parts)
        return {key: count for key, count in bill.model_dump().items() if count}

    def units_of(self, product_type: str) -> int:
        """Return the number of tested units that one piece of a product takes."""
        return self.units_by_product_type.get(product_type, 1)

    def takes_pieces(self, key: str, results: Iterable[str]) -> bool:
        """Return whether jobs of a machine type take pieces: jobs that make parts do so only for rework.

        A type without a buffer in `Places` is not part of the flow.
        """
        return key in Places.model_fields and (key not in Parts.model_fields or "rework" in results)


def broken(data: _Data) -> Iterator[Violation]:
    """Yield the broken rules of `flow:` in a plant's plain data. Values of a wrong type are reported by the models."""
    flow = _mapping(data, "flow")
    for place in (("parts",), *(("parts_by_assembly_type", name) for name in _mapping(flow, "parts_by_assembly_type"))):
        parent = _mapping(flow, place[0]) if len(place) > 1 else flow
        if _all_zero(parent.get(place[-1])):
            yield Violation(("flow", *place), "needs at least one part")
    types = _mapping(data, "message_types")
    for key, (kind, listed) in _NAMED_ELSEWHERE.items():
        known = _names(_mapping(types, kind).get(listed))
        unknown = (name for name in _mapping(flow, key) if known and name not in known)
        yield from (Violation(("flow", key, name), f"is not in {kind}.{listed}", known) for name in unknown)


_NAMED_ELSEWHERE: Final = {
    "parts_by_assembly_type": ("welding", "assembly_types"),
    "units_by_product_type": ("customer_order", "product_types"),
}
"""Keys of `flow` whose names must be entries of a list: the message type and the key of that list."""


def _all_zero(parts: object) -> bool:
    return isinstance(parts, dict) and all(count == 0 for count in parts.values())


def _mapping(data: _Data, key: str) -> _Data:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
