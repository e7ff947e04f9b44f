"""`python -m benchmarks.signals`: what signals cost, without the rest of the plant: values and texts of a press.

The press has six signals: two lags, three walks, noise, a daily wave, a formula and a register. Blocks are those of
its regular messages, a lap of all machines after the other. Times are of one processor; the best of several turns.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import yaml

from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from plant.random_stream import RandomStream
from plant.signals.columns.text_columns import TextColumns
from plant.signals.compilation.compiler import compile_signals
from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.situations import Situation

PRESS: Final = """
temperature: {base: {running: 55, idle: 38, else: 24}, follows_seconds: 240, walk: {sigma: 0.8, memory_seconds: 60}, limits: [0, 130]}
pressure: {base: {running: 120, idle: 15, else: 0}, follows_seconds: 8, walk: {sigma: 2.5, memory_seconds: 20}, limits: [0, 180], decimals: 1}
vibration: {base: {running: 2.4, else: 0.2}, noise: {running: 0.35, else: 0.03}, limits: [0, 40]}
hall: {base: 21, daily: {amplitude: 3, peak_hour: 15}, walk: {sigma: 0.5, memory_seconds: 1800}, limits: [-20, 60], decimals: 1}
power: {formula: "2.2 + (38 * (pressure / 120) ** 1.5 + 0.05 * max(temperature - hall, 0) if state == 'running' else 0)", limits: [0, 80]}
energy: {integral_of: power, per_seconds: 3600, decimals: 3}
"""  # noqa: E501 - a line a signal

START_MS: Final = 1_767_225_600_000
PERIOD_MS: Final = 5000
MACHINES: Final = (1_000, 100_000)
BLOCK_ROWS: Final = (1, 16, 64, 512, 4096)
TURNS: Final = 7
_IDLE: Final = Situation("idle")
_RUNNING: Final = Situation("running", None, "panel", 0, 12_000)
_VOCABULARY: Final = Vocabulary(
    states=("running", "idle", "maintenance", "faulted"), producing_state="running", kinds=("panel", "frame")
)


def fleet(count: int) -> FleetSignals:
    """Return presses, of which two of three run."""
    specs = {name: SignalSpec.model_validate(data) for name, data in yaml.safe_load(PRESS).items()}
    signals = FleetSignals(compile_signals(specs, _VOCABULARY, "Europe/Berlin", PERIOD_MS))
    for slot in range(count):
        signals.begin(slot, RandomStream("bench", f"press-{slot}"), _RUNNING if slot % 3 else _IDLE, START_MS)
    return signals


def due(count: int) -> Iterator[tuple[int, int]]:
    """Yield the slots and times of rows, lap after lap."""
    began_ms = START_MS
    while True:
        yield from ((slot, began_ms + 1 + slot * PERIOD_MS // count) for slot in range(count))
        began_ms += PERIOD_MS


def written(signals: FleetSignals, writers: list[TextColumns]) -> list[bytes]:
    """Return the texts of the pending rows."""
    block = signals.block()
    columns = [part for writer, digits in zip(writers, block.digits, strict=True) for part in writer.of(digits)]
    return [*map(b"".join, zip(*columns, strict=True))]


def seconds_of(call: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def block_seconds(count: int, rows_at_once: int) -> tuple[float, float]:
    """Return the time of a row in blocks: adding it, and computing and writing it."""
    signals, rows = fleet(count), due(count)
    names = signals.program.shown_names
    writers = [signals.text_columns(name, b',"%b":' % name.encode()) for name in names]
    blocks = max(1, 4096 // rows_at_once)
    added, computed = [], []
    for _ in range(TURNS):
        some = [[*islice(rows, rows_at_once)] for _ in range(blocks)]
        spent_adding = spent_computing = 0.0
        for block in some:
            slots, times_ms = [slot for slot, _ in block], [time_ms for _, time_ms in block]
            spent_adding += seconds_of(lambda: signals.pending.extend(slots, times_ms, [1] * len(slots)))  # noqa: B023
            spent_computing += seconds_of(lambda: written(signals, writers))
        added.append(spent_adding / blocks / rows_at_once)
        computed.append(spent_computing / blocks / rows_at_once)
    return min(added), min(computed)


def row_seconds(count: int) -> float:
    """Return the time of a row that is computed alone."""
    signals, rows = fleet(count), due(count)

    def several() -> None:
        for slot, time_ms in islice(rows, 500):
            signals.row(slot, time_ms, advances=True)

    return min(seconds_of(several) for _ in range(TURNS)) / 500


def event_seconds(count: int) -> float:
    """Return the time of a change of situation, with its row kept for a block."""
    signals, rows = fleet(count), due(count)

    def several() -> None:
        for slot, time_ms in islice(rows, 250):
            signals.change(slot, _RUNNING, time_ms)
            signals.change(slot, _IDLE, time_ms)

    signals.pending.add(0, START_MS)
    return min(seconds_of(several) for _ in range(TURNS)) / 500


def bytes_a_machine(signals: FleetSignals) -> float:
    """Return the memory of a machine's records."""
    store = signals.store
    return sum(map(sys.getsizeof, (store.keys, store.integers, store.floats))) / len(store)


def main() -> None:
    """Measure, and print a table."""
    gc.disable()
    for count in MACHINES:
        signals = fleet(count)
        print(f"{count:,} machines, {bytes_a_machine(signals):.0f} bytes each")
        print(f"  a row alone {row_seconds(count) * 1e6:.1f} us, an event {event_seconds(count) * 1e6:.1f} us")
        for rows_at_once in BLOCK_ROWS:
            added, computed = block_seconds(count, rows_at_once)
            print(
                f"  blocks of {rows_at_once:>5,}: {computed * 1e6:7.2f} us a row, {1 / computed:>10,.0f} rows/s"
                f" (and {added * 1e9:.0f} ns to add one)"
            )


if __name__ == "__main__":
    main()
