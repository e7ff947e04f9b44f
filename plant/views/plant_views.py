"""What is shown of the machines of a plant while it runs: some of them a few at a time, or one with all that it has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, TypeVar

from plant.definition.machine_types.overrides import number_of
from plant.definition.plant_config import PlantConfig
from plant.fleets.fleet import Fleet
from plant.fleets.snapshot import SnapshotOutdated, select
from plant.machines.machine import Machine
from plant.telemetry import MachineFilter
from plant.views.machine_view import MachineDetails, MachineView, details_of, view_of

_T = TypeVar("_T")
_READ_PER_TURN: Final = 50
"""Machines in a group; to read one takes about a millisecond."""
_number_of: Final = attrgetter("number")


class ViewQuery(NamedTuple):
    """Some machines. which: of them, without the limit.  state: in this state.  cause: with this fault, or wear.

    is_detailed: each with its signals, which take most of the time.  text: part of the id, in any case.
    """

    which: MachineFilter = MachineFilter()
    state: str | None = None
    cause: str | None = None
    is_detailed: bool = False
    text: str | None = None


class PlacedView(NamedTuple):
    """A machine, and its place among all: the index of its type, and its number. details: where they are asked for."""

    place: tuple[int, int]
    view: MachineView
    details: MachineDetails | None = None


class _Parts(Protocol):
    """The machines of the plant."""

    @property
    def fleets(self) -> Sequence[Fleet]: ...

    @property
    def machine_counts(self) -> Mapping[str, int]: ...

    def advance_dependent(self, now_ms: int) -> None: ...


class PlantViews:
    """Shows machines as they are at the plant's time. clock: returns the configuration in force, and the time."""

    def __init__(self, parts: _Parts, clock: Callable[[], tuple[PlantConfig, int]]) -> None:
        self._parts, self._clock = parts, clock

    def machines(self, query: ViewQuery) -> Generator[list[PlacedView], None, None]:
        """Yield machines in order of type and number, a group at a time while time advances.

        Each group is as of its own moment. Raises NoSuchMachine, and SnapshotOutdated after a reload.
        """
        config, _ = self._clock()
        chosen, _ = select(self._parts.fleets, query.which._replace(limit=None))
        for type_number, fleet, machines in chosen:
            first = _slot(fleet, machines[0].number)
            for begin in range(0, len(machines), _READ_PER_TURN):
                slots = range(first + begin, first + min(begin + _READ_PER_TURN, len(machines)))
                now_ms = self._advance(config)
                wanted = (slot for slot in slots if _selects(query, fleet.machines[slot], now_ms))
                yield [_placed(query, type_number, fleet, slot, now_ms) for slot in wanted]

    def machine(self, machine_id: str) -> MachineDetails | None:
        """Return the machine of an id with its signals; None if there is none, or another shard has it."""
        return self._shown(machine_id, details_of)

    def view(self, machine_id: str) -> MachineView | None:
        """Return the same without its signals, which take most of the time."""
        return self._shown(machine_id, view_of)

    def _shown(self, machine_id: str, show: Callable[[Fleet, int, int], _T]) -> _T | None:
        config, now_ms = self._clock()
        self._advance(config)
        for fleet in self._parts.fleets:
            number = number_of(machine_id, fleet.machine_type)
            slot = _slot(fleet, number) if number is not None else len(fleet.machines)
            if slot < len(fleet.machines) and fleet.machines[slot].number == number:
                return show(fleet, slot, now_ms)
        return None

    def _advance(self, config: PlantConfig) -> int:
        """Advance machines that depend on each other to now, and return it; raises SnapshotOutdated after a reload."""
        in_force, now_ms = self._clock()
        if in_force is not config:
            raise SnapshotOutdated
        self._parts.advance_dependent(now_ms)
        return now_ms


def _placed(query: ViewQuery, type_number: int, fleet: Fleet, slot: int, now_ms: int) -> PlacedView:
    place = type_number, fleet.machines[slot].number
    if not query.is_detailed:
        return PlacedView(place, view_of(fleet, slot, now_ms))
    details = details_of(fleet, slot, now_ms)
    return PlacedView(place, details.machine, details)


def _slot(fleet: Fleet, number: int) -> int:
    """Return the place of a number among the machines of a fleet."""
    return bisect_left(fleet.machines, number, key=_number_of)


def _selects(query: ViewQuery, machine: Machine, now_ms: int) -> bool:
    """Return whether a machine is asked for, which is advanced to now where that matters."""
    if query.text is not None and query.text.casefold() not in machine.id.casefold():
        return False
    if query.state is None and query.cause is None:
        return True
    if machine.next_ms <= now_ms:
        machine.advance_to(now_ms)
    if query.state not in (None, machine.state.name):
        return False
    conditions = machine.conditions
    episodes = conditions.open_episodes(now_ms) if query.cause is not None and conditions is not None else ()
    return query.cause is None or any(each.fault == query.cause for each in episodes)
