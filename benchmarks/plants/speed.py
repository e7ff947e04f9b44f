"""`python -m benchmarks.plants.speed JSON`: one measurement in a process of its own; its figures as JSON.

Times are processor times. The garbage collector is set as the simulator sets it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from benchmarks.case import SEED
from benchmarks.plants.declared import PERIOD_SECONDS, PLANTS
from benchmarks.proc import memory_bytes
from edge.runtime.tasks import tune_garbage_collector
from messages import FactoryMessageGenerator
from plant.definition.plant_config import parse

_WARM_UP_CALLS: Final = 20
_TURNS: Final = 7


class Asked(NamedTuple):
    """What is measured.

    what: a name of MEASURES.  plant: a name of PLANTS.  rows_a_call: on average, in plant time that is long enough.
    rows: in each of several turns.
    """

    what: str
    plant: str
    machines: int
    period_seconds: float = PERIOD_SECONDS
    rows_a_call: float = 1000.0
    rows: int = 100_000


def rate(asked: Asked) -> dict[str, float]:
    """Return rows per second: the best of several turns, and the median."""
    plant = _warm(asked)
    tune_garbage_collector()
    rates = sorted(_rate(plant, asked) for _ in range(_TURNS))
    return {"best": rates[-1], "median": rates[_TURNS // 2]}


def turn(asked: Asked) -> dict[str, float]:
    """Return the milliseconds of single calls: the median, that of 99 in 100, and the most."""
    plant = _warm(asked)
    tune_garbage_collector()
    step_seconds, spent = _step_seconds(asked), []
    for _ in range(int(asked.rows / asked.rows_a_call)):
        began = time.process_time()
        plant.advance(plant.now + step_seconds)
        spent.append(1000 * (time.process_time() - began))
    spent.sort()
    return {"p50": spent[len(spent) // 2], "p99": spent[int(0.99 * len(spent))], "most": spent[-1]}


def memory(asked: Asked) -> dict[str, float]:
    """Return bytes a machine of the process (RSS) in the first lap of messages, and seconds to build the plant.

    They are the difference to a plant of one machine, which has everything imported.
    """
    few = _warm(asked._replace(machines=1))
    before = _rss()
    began = time.process_time()
    plant = _plant(asked)
    build_seconds = time.process_time() - began
    for _ in range(int(asked.machines / asked.rows_a_call) + 1):
        plant.advance(plant.now + _step_seconds(asked))
    del few
    return {"bytes": (_rss() - before) / asked.machines, "build_seconds": build_seconds}


MEASURES: Final[dict[str, Callable[[Asked], dict[str, float]]]] = {"rate": rate, "turn": turn, "memory": memory}


def _plant(asked: Asked) -> FactoryMessageGenerator:
    return FactoryMessageGenerator.of(parse(PLANTS[asked.plant](asked.machines, asked.period_seconds)), SEED)


def _warm(asked: Asked) -> FactoryMessageGenerator:
    """Return a plant after its first two laps."""
    plant = _plant(asked)
    for _ in range(_WARM_UP_CALLS):
        plant.advance(plant.now + 2 * asked.period_seconds / _WARM_UP_CALLS)
    return plant


def _step_seconds(asked: Asked) -> float:
    return asked.rows_a_call * asked.period_seconds / asked.machines


def _rate(plant: FactoryMessageGenerator, asked: Asked) -> float:
    rows, step_seconds, began = 0, _step_seconds(asked), time.process_time()
    while rows < asked.rows:
        rows += len(plant.advance(plant.now + step_seconds))
    return rows / (time.process_time() - began)


def _rss() -> int:
    gc.collect()
    return memory_bytes(os.getpid())


if __name__ == "__main__":
    order = Asked(*json.loads(sys.argv[1]))
    print(json.dumps(MEASURES[order.what](order)))
