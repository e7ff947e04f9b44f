"""Several daemons as one: how a run is dealt out to workers."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import inf

from edge.runtime.reload import refusals
from edge.runtime.run_options import RunOptions, UsageError
from edge.runtime.simulator import Simulator
from edge.settings.loader import Settings
from edge.workers.channel import receive
from edge.workers.supervisor import Worker, WorkerSupervisor, fork
from edge.workers.worker import work
from messages import FactoryMessageGenerator, report_source
from plant.definition.plant_config import PlantConfig, PlantConfigError
from plant.telemetry import Message

_DEALT_SECONDS = 1.0


def workers_of(options: RunOptions, settings: Settings, config: PlantConfig) -> WorkerSupervisor:
    """Fork the workers that the settings ask for, each with its part of the plant, and of --count.

    Returns once each has built its part. Raises UsageError where the options contradict each other, or one process
    alone can do what they ask for; PlantConfigError where a part cannot be built, and no worker is left then.
    """
    for flag in ("demo", "dry_run", "truth"):
        if getattr(options, flag):
            raise UsageError(f"--{flag.replace('_', '-')} is for one process: leave WORKERS out")
    options = options.pinned(time.time())
    settings = settings.model_copy(update={"seed": settings.seed or secrets.token_hex(8)})
    parts = settings.of_workers()
    with refusals(settings.message_config_path.absolute()):
        counts = deal(options, parts, config) if options.count else [None] * len(parts)
    lives = [
        partial(_be_a_worker, replace(options, count=count), part, config, part is parts[0])
        for part, count in zip(parts, counts, strict=True)
    ]
    first, shards = settings.part
    machines = sum(len(range(first, count + 1, shards)) for _, _, count in config.machines())
    about = f"{machines} machines, in {len(parts)} workers"
    workers = fork(lives)
    _wait_until_built(workers)
    return WorkerSupervisor(workers, settings.seed or "", about, time.monotonic, settings.drain_seconds)


def _wait_until_built(workers: Sequence[Worker]) -> None:
    """Return when each has built its part; end all and raise PlantConfigError if one could not.

    One that has died before it could tell is left to the supervisor, which reports how.
    """
    said = filter(None, [receive(worker.end) for worker in workers])
    mistakes = next((value for name, value in said if name == "refused"), None)
    if mistakes is None:
        return
    for worker in workers:
        worker.end.close()  # they see it, and end
    for worker in workers:
        os.waitpid(worker.pid, 0)
    raise PlantConfigError(mistakes)


def _be_a_worker(options: RunOptions, part: Settings, config: PlantConfig, says_first: bool, end: socket.socket) -> int:
    async def live() -> int:
        return await work(end, partial(Simulator, options, part, config, says_first=says_first))

    return asyncio.run(live())


def deal(options: RunOptions, parts: Sequence[Settings], config: PlantConfig) -> list[int]:
    """How many of the first --count messages of all parts together are each part's.

    Found by having them all said, quietly; so it takes the time that one process needs for that.
    """
    timing, left = options.timing(time.time()), options.count or 0
    plants = [FactoryMessageGenerator.of(config, part.seed, start=timing.start, shard=part.part) for part in parts]
    place, dealt = _order_of(plants), [0] * len(plants)
    while left and (due := min(plant.next_due() for plant in plants)) < inf and due <= timing.end:
        until = min(due + _DEALT_SECONDS, timing.end)
        said = sorted((place(row), part) for part, plant in enumerate(plants) for row in plant.advance(until))[:left]
        left -= len(said)
        for _, part in said:
            dealt[part] += 1
    return [dealt[0] + left, *dealt[1:]]


def _order_of(plants: Sequence[FactoryMessageGenerator]) -> Callable[[Message], tuple[int, ...]]:
    """What to sort the messages of parts by, so that they come in the order of the whole: time, type, machine, row."""
    kinds = [*plants[0].snapshot().rows]
    views = [view for plant in plants for view in plant.machines()]
    numbers = {view.machine_id: (kinds.index(view.kind), view.number) for view in views}
    numbers |= {report_source(machine_id): where for machine_id, where in numbers.items()}

    def place(row: Message) -> tuple[int, ...]:
        kind = kinds.index(row.kind) if row.kind in kinds else len(kinds)
        return row.time_ms, kind, *numbers.get(row.source, (0, 0)), row.sequence

    return place
