"""A sample of a plant: its messages over some time, decoded, as columns by machine."""

from __future__ import annotations

import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from messages import FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.definition.signals.signal_spec import SignalSpec
from plant.telemetry import Message

SEED: Final = "laws"
_ROWS_A_CALL: Final = 2000.0
_STATUS: Final = "status"

Values = npt.NDArray[np.float64]
"""A quantity by machine and message."""


@dataclass(frozen=True)
class Sample:
    """Messages of machines that all report in each lap.

    specs: the signals as declared.  period_seconds: between two messages of a machine.
    times_ms, signals: by machine and message; `status` is there, too. For texts there are numbers, see `code`.
    """

    specs: Mapping[str, SignalSpec]
    period_seconds: float
    times_ms: npt.NDArray[np.int64]
    signals: Mapping[str, Values]

    @property
    def machines(self) -> int:
        """The number of machines."""
        return len(self.times_ms)


def sample(data: dict[str, Any], key: str, hours: float, start: float, seed: str = SEED) -> Sample:
    """Run a plant, and return the messages of one type. start: plant time at the beginning, in Unix seconds."""
    config = parse(data)
    machine_type, count = next((each, count) for name, each, count in config.machines() if name == key)
    period_seconds = config.class_period_seconds(machine_type.main)
    laps = int(hours * 3600 / period_seconds)
    names = _STATUS, *machine_type.signals
    columns: dict[str, _Columns] = defaultdict(_Columns)
    plant = FactoryMessageGenerator.of(config, seed, start=start)
    for message in _messages(plant, laps * period_seconds, _ROWS_A_CALL * period_seconds / count):
        columns[message.source].append(message.time_ms, map(orjson.loads(message.payload).get, names))
    machines = [np.array(each.numbers).reshape(-1, len(names)) for each in columns.values()]
    by_name = dict(zip(names, np.stack(machines).transpose(2, 0, 1), strict=True))
    times_ms = np.array([each.times_ms for each in columns.values()])
    return Sample(machine_type.signals, period_seconds, times_ms, by_name)


class _Columns:
    """The messages of a machine, as numbers side by side, in little memory."""

    def __init__(self) -> None:
        self.times_ms, self.numbers = array("q"), array("d")

    def append(self, time_ms: int, values: Iterable[Any]) -> None:
        """Append a message; a text becomes a number that stands for it."""
        self.times_ms.append(time_ms)
        self.numbers.extend(code(each) if isinstance(each, str) else float(each or 0) for each in values)


def code(text: str) -> float:
    """Return the number that stands for a text."""
    return float(zlib.crc32(text.encode()))


def _messages(plant: FactoryMessageGenerator, seconds: float, step_seconds: float) -> Iterator[Message]:
    """Yield the messages up to a time, a few thousand at once."""
    until = plant.start + seconds
    while plant.now < until:
        yield from plant.advance(min(plant.now + step_seconds, until))
