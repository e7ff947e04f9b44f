"""The signals of the machines of one type: their records, what events do to them, and the texts of their rows.

A machine is known by its slot, 0, 1, 2 ... in the order in which machines begin. Its events are passed by `begin`,
`change`, `count_job` and `set_point`, in their order. Its rows are computed

- one at a time, by `row`, in about 40 microseconds, without numpy, or
- as blocks: `pending.add` or `pending.extend` as rows are due, between the events; then `block` computes them all in
  about 0.6 microseconds each, and `text_columns` writes a signal of them.

Both have the same bits, and where blocks are cut makes no difference. Rows that advance registers pass `advances=True`:
those of one class of messages, whose period the program was compiled for. While rows are pending, neither `row`, nor
`begin` or `carry_over` of a machine that has some of them, nor an event of the plant's signals may come before `block`.

    signals = FleetSignals(compile_signals(specs, vocabulary, time_zone, period_ms, plant.program), plant)
    signals.begin(slot, RandomStream(seed, machine_id), Situation("idle"), now_ms)
    signals.change(slot, Situation("running", phase, kind, done_ms, cycle_ms), now_ms, new_job=True)
    signals.pending.extend(slots, times_ms, [1] * len(slots))
    block = signals.block()
    temperature = signals.text_columns("temperature", b',"temperature":')  # once for each field
    columns = temperature.of(block.digits[number])  # or of some of the rows; one or two lists to be joined row by row
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Hashable, Iterable, Mapping, MutableSequence, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from plant.faults.levels import Level
from plant.signals.dependencies import JOB, followed
from plant.signals.laws.json_text import json_text
from plant.signals.laws.pending_rows import PendingRows
from plant.signals.laws.program import LEVEL_PARTS, SignalProgram
from plant.signals.laws.situations import Situation, SituationIndex
from plant.signals.laws.store import CYCLE_MS, DONE_MS, FIRST_RAMP, SINCE_MS, SITUATION, STATE_SINCE_MS, SignalStore
from plant.signals.row_frame import RowFrame

if TYPE_CHECKING:
    from plant.signals.columns.blocks import SignalBlock
    from plant.signals.columns.column_frame import ColumnSource
    from plant.signals.columns.text_columns import TextColumns

K = TypeVar("K", bound=Hashable)
N = TypeVar("N", int, float)


class FleetSignals:
    """The signals of machines, by slot. plant: those of the plant, which is the only machine of its own fleet.

    follows: which of "phase", "kind" and "job" any signal follows. Changes of the others need not be passed on.

    All times are whole milliseconds of plant time. A machine's events are passed in their order, and its rows at times
    between them.
    """

    __slots__ = (
        "_columns",
        "_counts_jobs",
        "_situations",
        "_texts",
        "follows",
        "frame",
        "pending",
        "plant",
        "program",
        "store",
    )

    frame: Final[RowFrame]

    def __init__(self, program: SignalProgram, plant: FleetSignals | None = None) -> None:
        self.program: Final = program
        self.plant: Final = plant
        self.store = SignalStore(program)
        self.frame = RowFrame(program, self.store, plant.frame if plant else None)
        self.follows: Final = followed(program)
        self._situations: Final = SituationIndex(program.situations, self.follows)
        self.pending: Final = PendingRows(self.store)
        self._counts_jobs: Final = any(counter.state is None for counter in program.counters)
        self._texts = [json_text(program.laws[number]) for number in program.shown]
        self._columns: ColumnSource | None = None

    def begin(self, slot: int, key: bytes, situation: Situation, now_ms: int) -> None:
        """Start the signals of a new machine: lags at their targets, ramps, counters and registers at 0.

        slot: at most one more than there are.  key: 16 bytes, from its RandomStream.  ValueError if the slot was in use
        and rows are pending.
        """
        if slot == len(self.store):
            self.store.add_slots(1)
        elif self.pending:
            raise ValueError("rows are pending, and machines cannot begin again before their block")
        self.store.set_key(slot, key)
        self._begin(slot, situation, now_ms)
        self._begin_memories(slot, now_ms)

    def change(self, slot: int, situation: Situation, now_ms: int, *, new_job: bool = False) -> None:
        """Record that the situation of a machine has changed: its state, or the phase or kind of its job.

        new_job: the job is another one.  States that are imposed from outside count as one.
        A change that no signal follows has no effect.
        """
        record, first = self.store.integers, slot * self.store.layout.integers
        situations, index = self._situations, self._situations.index(situation)
        earlier = record[first + SITUATION]
        if situations.alike[earlier] != situations.alike[index] or JOB in self.follows:
            self._continue_from(slot, now_ms)
            self._reset(first, situations.states[earlier], situations.states[index], now_ms, new_job=new_job)
        continued_ms = (now_ms - record[first + SINCE_MS]) * int(self.program.producing[index])
        record[first + SITUATION], record[first + CYCLE_MS] = index, situation.cycle_ms
        record[first + DONE_MS] = situation.done_ms - continued_ms

    def _reset(self, first: int, before: str | None, after: str | None, now_ms: int, *, new_job: bool) -> None:
        """Begin the age of the state, and ramps, again. first: the place of the record.  before, after: states."""
        record, is_other = self.store.integers, before != after
        if is_other:
            record[first + STATE_SINCE_MS] = now_ms
        for place, reset in enumerate(self.program.ramps, first + FIRST_RAMP):
            if new_job if reset.state is None else is_other and reset.state in (before, after):
                record[place] = now_ms

    def count_job(self, slot: int, result: str, *, is_good: bool) -> None:
        """Count a finished job by its result."""
        if not self._counts_jobs:
            return
        self.pending.keep(slot)
        counted = {"jobs", result, "good"} if is_good else {"jobs", result}
        first = slot * self.store.layout.integers + self.store.layout.counters
        for place, counter in enumerate(self.program.counters, first):
            if counter.state is None and counter.what in counted:
                self.store.integers[place] += 1

    def set_point(self, slot: int, signal: str, value: float, now_ms: int) -> None:
        """Set a set point, as a command does; its lag continues from where it is. ValueError if there is none."""
        number = [each.signal for each in self.program.set_points].index(signal)
        self._rebase(slot, now_ms)
        layout = self.store.layout
        self.store.floats[slot * layout.floats + layout.set_points + number] = value

    def set_level(self, slot: int, cause: str, level: Level, now_ms: int) -> None:
        """Set the level of a fault or of wear from now on; one that changes no signal has no effect.

        A sensor that is stuck from now on holds the value of now.
        """
        if cause not in self.program.levels:
            return
        number, layout, held = self.program.levels.index(cause), self.store.layout, self.program.held
        first_float = slot * layout.floats
        place = first_float + layout.levels + LEVEL_PARTS * number
        numbers = array("d", (level.start, level.per_ms, level.greatest))
        if self.store.floats[place : place + LEVEL_PARTS] == numbers and not level.per_ms:
            return
        self.pending.keep(slot)
        if cause in held and level.start:
            signal = self.program.names.index(cause.partition(".")[0])
            self.store.floats[first_float + layout.held + held.index(cause)] = self._values_at(slot, now_ms)[signal]
        self.store.integers[slot * layout.integers + layout.begun + number] = level.since_ms
        self.store.floats[place : place + LEVEL_PARTS] = numbers

    def row(self, slot: int, time_ms: int, *, advances: bool = False) -> list[bytes]:
        """Return the JSON text of each shown signal. advances: the row advances registers."""
        self.frame.move_to(slot, time_ms, advances=advances)
        return self.texts(self._digits_of_frame())

    def texts(self, digits: Sequence[int]) -> list[bytes]:
        """Return the JSON text of each shown signal of a row. digits: of all signals."""
        return [text(digits[number]) for text, number in zip(self._texts, self.program.shown, strict=True)]

    def _digits_of_frame(self) -> list[int]:
        frame, values = self.frame, self.frame.evaluate()
        laws = zip(self.program.laws, values, strict=True)
        return [int(law.last_decimals(frame, value)) for law, value in laws]

    def texts_at(self, slot: int, now_ms: int) -> dict[str, bytes]:
        """Return the JSON text of each signal now, as of a row that advances nothing; rows may be pending."""
        values, frame = self._values_at(slot, now_ms), self.frame
        found = zip(self.program.names, self.program.laws, values, strict=True)
        return {name: json_text(law)(int(law.last_decimals(frame, value))) for name, law, value in found}

    def set_points(self, slot: int) -> dict[str, float]:
        """Return the set points in force, by signal."""
        first = slot * self.store.layout.floats + self.store.layout.set_points
        return {each.signal: self.store.floats[first + place] for place, each in enumerate(self.program.set_points)}

    def situation(self, slot: int, now_ms: int) -> Situation:
        """Return what a machine is doing; an imposed state has the name ""."""
        self.frame.move_to(slot, now_ms)
        record, first = self.store.integers, slot * self.store.layout.integers
        state, phase, kind = self._situations.names[record[first + SITUATION]]
        variant = record[first + SITUATION] // self.program.situations.size
        return Situation(state or "", phase, kind, int(self.frame.done_ms()), record[first + CYCLE_MS], variant)

    def is_in(self, slot: int, situation: Situation) -> bool:
        """Return whether that is what the machine is recorded to be doing."""
        recorded = self.store.integers[slot * self.store.layout.integers + SITUATION]
        return recorded == self._situations.index(situation)

    def rows(self) -> list[list[bytes]]:
        """Return the texts of the shown signals of each pending row, advance registers, and remove the rows."""
        return [self.texts(digits) for digits in self.row_digits()]

    def row_digits(self) -> list[list[int]]:
        """Return the whole numbers of last decimals of all signals of each pending row; do the same otherwise.

        The rows are computed one at a time, which takes less time than a block where there are few.
        """
        found = []
        for place in range(len(self.pending)):
            self._move_to_pending(place)
            found.append(self._digits_of_frame())
        self.pending.clear()
        return found

    def _move_to_pending(self, place: int) -> None:
        """Turn to a pending row. place: among them."""
        pending = self.pending
        slot, kept = pending.slots[place], pending.kept_record(place)
        if kept is None:
            records = self.store.integers, self.store.floats, slot
        else:
            records = pending.kept_integers, pending.kept_floats, kept
        self.frame.move_to_record(slot, pending.times_ms[place], *records, advances=bool(pending.advancing[place]))

    def _values_at(self, slot: int, now_ms: int) -> list[float]:
        """Return the values of all signals now: registers are where the pending rows of the machine will bring them."""
        before = self.store.record(slot)
        for place in self.pending.advancing_rows(slot) if self.program.accumulates else ():
            self._move_to_pending(place)
            self.frame.evaluate()
        self.frame.move_to(slot, now_ms)
        values = self.frame.evaluate()
        self.store.set_record(slot, *before)
        return values

    def block(self) -> SignalBlock:
        """Compute the signals of the pending rows, advance registers, and remove the rows."""
        from plant.signals.columns.blocks import compute_block  # noqa: PLC0415  the first that needs numpy

        computed = compute_block(self.columns(), self.pending)
        self.pending.clear()
        return computed

    def text_columns(self, signal: str, head: bytes) -> TextColumns:
        """Return what writes a signal in many rows. head: the text before it, such as `,"temperature":`."""
        from plant.signals.columns.text_columns import text_columns  # noqa: PLC0415  needs numpy

        return text_columns(self.program.laws[self.program.names.index(signal)], head)

    def columns(self) -> ColumnSource:
        """Return what blocks are computed with."""
        from plant.signals.columns.column_frame import column_source  # noqa: PLC0415  needs numpy

        if self._columns is None:
            plant = self.plant.columns() if self.plant else None
            self._columns = column_source(self.program, self.store, plant)
        return self._columns

    def carry_over(self, earlier: FleetSignals, slots: Sequence[int], now_ms: int) -> None:
        """Take over machines from before a reload, to the first slots. slots: their earlier ones.

        Lags continue from where they are. What a signal has accumulated is kept if it accumulates the same, otherwise
        it begins. With an equal program nothing changes at all. Where another one follows more, pass the current
        situations to `change` again. ValueError if rows are pending.
        """
        if earlier.pending:
            raise ValueError("rows are pending, and machines cannot be taken over before their block")
        self.store.add_slots(max(0, len(slots) - len(self.store)))
        is_equal = self.program == earlier.program
        for slot, source in enumerate(slots):
            self.store.keys[2 * slot : 2 * slot + 2] = earlier.store.keys[2 * source : 2 * source + 2]
            if is_equal:
                self.store.set_record(slot, *earlier.store.record(source))
            else:
                self._convert(slot, earlier, source, now_ms)

    def _convert(self, slot: int, earlier: FleetSignals, source: int, now_ms: int) -> None:
        earlier._rebase(source, now_ms)
        integers, floats = earlier.store.record(source)
        state, phase, kind = earlier.program.situations.names(integers[SITUATION])
        self._begin(slot, Situation(state or "", phase, kind, integers[DONE_MS], integers[CYCLE_MS]), now_ms)
        first = slot * self.store.layout.integers
        self.store.integers[first + STATE_SINCE_MS] = integers[STATE_SINCE_MS]
        kept = dict(zip(earlier.program.integers, integers[FIRST_RAMP:], strict=True))
        _keep(self.store.integers, first + FIRST_RAMP, self.program.integers, kept)
        kept_floats = dict(zip(earlier.program.floats, floats, strict=True))
        _keep(self.store.floats, slot * self.store.layout.floats, self.program.floats, kept_floats)
        self._begin_memories(slot, now_ms, kept)

    def _rebase(self, slot: int, now_ms: int) -> None:
        """Make now the moment from which lags, times in states and the job's progress are continued."""
        self.frame.move_to(slot, now_ms)
        done_ms = int(self.frame.done_ms())
        self._continue_from(slot, now_ms)
        self.store.integers[slot * self.store.layout.integers + DONE_MS] = done_ms

    def _continue_from(self, slot: int, now_ms: int) -> None:
        """Make now the moment from which lags and times in states are continued."""
        self.pending.keep(slot)
        frame, store, program = self.frame, self.store, self.program
        record, layout = store.integers, store.layout
        frame.move_to(slot, now_ms)
        for place, lag in enumerate(program.lags, slot * layout.floats):
            store.floats[place] = lag.value(frame)
        first = slot * layout.integers
        state = self._situations.states[record[first + SITUATION]]
        for place, counter in enumerate(program.counters, first + layout.counters):
            if counter.state is not None and counter.state == state:
                record[place] += now_ms - record[first + SINCE_MS]
        record[first + SINCE_MS] = now_ms

    def _begin(self, slot: int, situation: Situation, now_ms: int) -> None:
        """Write a new record."""
        store, program = self.store, self.program
        job_began_ms = now_ms - situation.done_ms
        index = self._situations.index(situation)
        ramps = [now_ms if reset.state else job_began_ms for reset in program.ramps]
        counts = [0] * (len(program.integers) - len(ramps))
        times = now_ms, now_ms, situation.done_ms, situation.cycle_ms
        _write(store.integers, slot * store.layout.integers, (index, *times, *ramps, *counts))
        first = slot * store.layout.floats
        _write(store.floats, first + store.layout.set_points, [point.start for point in program.set_points])
        self.frame.move_to(slot, now_ms)
        _write(store.floats, first, [lag.target.value(self.frame) for lag in program.lags])

    def _begin_memories(self, slot: int, now_ms: int, kept: Container[object] = ()) -> None:
        """Begin memories with what the signals above them are now. kept: those that go on."""
        new = [number for number, step in enumerate(self.program.steps) if step not in kept]
        if new:
            self.frame.begin(slot, now_ms, new)


def _write(record: MutableSequence[N], first: int, values: Iterable[N]) -> None:
    for place, value in enumerate(values, first):
        record[place] = value


def _keep(record: MutableSequence[N], first: int, keys: Iterable[K], kept: Mapping[K, N]) -> None:
    for place, key in enumerate(keys, first):
        record[place] = kept.get(key, record[place])
