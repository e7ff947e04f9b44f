"""What makes the messages of a fleet: the interface of its two kinds, and what is due in it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from plant.fleets.phase_ring import PhaseRing
from plant.machines.machine import Machine
from plant.telemetry import ChangeMessage, JobMessage, Message

if TYPE_CHECKING:
    from plant.alarms.alarm_reporter import AlarmReporter
    from plant.fleets.fleet_measurements import FleetMeasurements

REGULAR, FOR_JOB, FOR_CHANGE = range(3)
FORMS: Final = (Message, JobMessage, ChangeMessage)
"""The forms of messages by why they are sent."""


class DueMessage(NamedTuple):
    """A message that is due. class_number: its class, among those of its type.  form: why it is sent, a place in FORMS.

    One for a job is emitted only if a finished job is not reported yet.
    """

    time_ms: int
    number: int
    class_number: int
    form: int
    machine: Machine


class Collected(NamedTuple):
    """A message that was collected, with the number of its machine."""

    time_ms: int
    number: int
    message: Message


class Steadiness:
    """How long nothing happens to machines, by slot.

    next_ms: the next event, or an earlier time.  changed: 1 where something has happened since their last row.
    """

    __slots__ = ("changed", "next_ms")

    def __init__(self, machines: int) -> None:
        self.next_ms = array("q", bytes(8 * machines))
        self.changed = array("b", b"\1" * machines)


class Reporting(Protocol):
    """Makes the messages of some machines of one type.

    next_ms: the next time at which a message may be due; NEVER without machines.
    reports_events: whether a message may be due at any event of a machine, such as each finished job.
    periods_ms: of its classes of messages.
    accumulates: whether dropped messages have to be computed, because what they report accumulates.
    changing_slots: of machines whose state has changed, and whose message for that is not taken yet.
    alarms, measurements: of its machines, if they have any.
    """

    @property
    def next_ms(self) -> int: ...  # noqa: D102 - above
    @property
    def reports_events(self) -> bool: ...  # noqa: D102
    @property
    def periods_ms(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def accumulates(self) -> bool: ...  # noqa: D102

    @property
    def changing_slots(self) -> Iterable[int]: ...  # noqa: D102

    @property
    def alarms(self) -> AlarmReporter | None: ...  # noqa: D102

    @property
    def measurements(self) -> FleetMeasurements | None: ...  # noqa: D102

    def messages_until(self, until_ms: int) -> list[Message]:
        """Return every message due up to a time, in order of time, machine number and class."""

    def schedule(self, until_ms: int) -> Iterator[DueMessage]:
        """Remove and yield what is due up to a time, in order of time, to be passed to `collect`.

        Not included are messages at events, which are collected when the machine is advanced.
        """

    def collect(self, due: DueMessage) -> None:
        """Collect a message that is due, of a machine that has advanced to its time."""

    def reschedule(self, machine: Machine) -> None:
        """Note that the next event of a machine is at another time now, where no event queue advances it."""

    def take_collected(self) -> list[Collected]:
        """Return what was collected since the last call, in order."""

    def skip_to(self, until_ms: int) -> None:
        """Drop the messages up to a time, to which the machines have advanced."""

    def restore_counts(self) -> Callable[[], None]:
        """Return what sets the numbers of messages back to those of now."""

    def subset(self, machines: Sequence[Machine], now_ms: int) -> Self:
        """Return the same for some of the machines; it shares everything else."""

    def ring_of(self, name: str) -> PhaseRing | None:
        """Return the ring of a class of messages by its name; None if it has no regular messages."""

    @property
    def class_names(self) -> Sequence[str]:
        """The names of its classes of messages."""

    def counts_of(self, name: str) -> Sequence[int]:
        """Return the number of messages so far of each machine in a class, by its name; empty if there is no such."""

    def set_count(self, name: str, slot: int, count: int) -> None:
        """Continue the messages of a machine in a class from so many. slot: the place of the machine in its fleet."""


def restoring(arrays: Sequence[array[int]]) -> Callable[[], None]:
    """Return what sets numbers back to those of now."""
    before = [each[:] for each in arrays]

    def restore() -> None:
        for now, earlier in zip(arrays, before, strict=True):
            now[:] = earlier

    return restore
