"""Rules on faults between the machine types of a plant: those that spread, and the ids of machines that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plant.definition.document.errors import Place, Violation, quote
from plant.definition.faults.fault_type import ALONG_FLOW, ON_MACHINE, Consequence
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.overrides import number_of


def broken(types: Mapping[str, MachineType], *, has_flow: bool) -> Iterator[Violation]:
    """Yield the broken rules; places begin with the key of the type. has_flow: whether pieces flow."""
    known = sorted({name for each in types.values() for name in each.causes.faults})
    for key, machine_type in types.items():
        for place, consequence in _consequences(machine_type):
            fault = consequence.fault
            if consequence.spreads_to != ON_MACHINE and fault is not None and fault not in known:
                rule = f"must be a fault of a machine type, got {quote(fault)}"
                yield Violation((key, *place, "fault"), rule, known, fault)
            if consequence.spreads_to in ALONG_FLOW and not has_flow:
                rule = f"needs a flow: nothing is {consequence.spreads_to} of a machine without one"
                yield Violation((key, *place, "spreads_to"), rule)
        unknown = (*_unknown_neighbours(machine_type, types), *_unknown_scheduled(machine_type, types))
        yield from (each._replace(place=(key, *each.place)) for each in unknown)


def _consequences(machine_type: MachineType) -> Iterator[tuple[Place, Consequence]]:
    causes = machine_type.causes
    for section, found in (("faults", causes.faults), ("wear", causes.wear)):
        for name, each in found.items():
            yield from (((section, name, "leads_to", number), led) for number, led in enumerate(each.leads_to))


def _unknown_neighbours(machine_type: MachineType, types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check that neighbours are ids that machines of some type may have."""
    for machine_id, neighbours in machine_type.causes.neighbours.items():
        if number_of(machine_id, machine_type) is None:
            rule = f"is no id of a machine of this type, such as {machine_type.id_of(1)}"
            yield Violation(("neighbours", machine_id), rule)
        for place, neighbour in enumerate(neighbours):
            if _is_no_id(neighbour, types):
                yield Violation(("neighbours", machine_id, place), f"is no id of a machine, got {quote(neighbour)}")


def _unknown_scheduled(machine_type: MachineType, types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check the machines of episodes. Those of a type that it extends are ids of another type, and never come."""
    for name, fault in machine_type.all_faults.items():
        sensor = fault.sensor
        place = ("sensor_faults", sensor.signal, sensor.kind) if sensor else ("faults", name)
        for number, each in enumerate(fault.schedule):
            if each.machine is not None and _is_no_id(each.machine, types):
                rule = f"is no id of a machine, got {quote(each.machine)}; an id is like {machine_type.id_of(1)}"
                yield Violation((*place, "schedule", number, "machine"), rule)


def _is_no_id(machine_id: str, types: Mapping[str, MachineType]) -> bool:
    return all(number_of(machine_id, each) is None for each in types.values())
