"""The partition of a run into workers: which machines each of them has, and how many of the messages."""

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

from edge.observability.logs import written_aside
from edge.observability.tracing.configuration import Tracing, stop_tracing
from edge.runtime.reload import as_config_errors
from edge.runtime.run_options import RunOptions, UsageError, commands_of
from edge.runtime.simulator import Simulator
from edge.settings.loader import Settings
from edge.workers.channel import receive
from edge.workers.process import Worker, fork
from edge.workers.supervisor import WorkerSupervisor
from edge.workers.worker import run_worker
from messages import FactoryMessageGenerator
from plant.definition.plant_config import EVENTS, PlantConfig, PlantConfigError
from plant.interventions.command_log import CommandLog
from plant.reports.fault_labels import label_source
from plant.reports.oee_reports import report_source
from plant.telemetry import Message, machine_of

_SLICE_SECONDS = 1.0
_REPORTS, _LABELS = report_source(""), label_source("")


def fork_workers(
    options: RunOptions, settings: Settings, config: PlantConfig, tracing: Tracing | None = None
) -> WorkerSupervisor:
    """Fork the workers that the settings ask for, each with its part of the plant and of --count, and its own tracing.

    Returns once each has built its part. Raises UsageError where the options contradict each other, or need a single
    process; PlantConfigError where a part cannot be built, and no worker is left then.
    """
    for flag in ("demo", "dry_run", "truth"):
        if getattr(options, flag):
            raise UsageError(f"--{flag.replace('_', '-')}: needs a single process: leave out WORKERS")
    if options.commands and options.count:
        raise UsageError("--count: cannot be divided among WORKERS where --commands change the plant")
    options = options.pinned(time.time())
    settings = settings.model_copy(update={"seed": settings.seed or secrets.token_hex(8)})
    parts = settings.of_workers()
    start = options.timing(time.time()).start
    commands = commands_of(options, settings, config, start)  # read once: it may be a pipe
    with as_config_errors(settings.message_config_path.absolute()):
        counts = split_count(options, parts, config) if options.count else [None] * len(parts)
    works = [
        partial(
            _run_part,
            replace(options, count=count),
            part.model_copy(update={"mqtt_commands": settings.mqtt_commands and part is parts[0]}),
            config,
            commands,
            tracing,
            part is parts[0],
            settings.part,
        )
        for part, count in zip(parts, counts, strict=True)
    ]
    first, shards = settings.part
    machines = sum(len(range(first, count + 1, shards)) for _, _, count in config.machines())
    about = f"{machines} machines, in {len(parts)} workers"
    workers = fork(works, time.monotonic)
    _wait_until_built(workers)
    clock, seconds = time.monotonic, settings.drain_seconds
    return WorkerSupervisor(workers, settings.seed or "", about, clock, seconds, round(start * 1000))


def _wait_until_built(workers: Sequence[Worker]) -> None:
    """Return when each has built its part; end all and raise PlantConfigError if one could not.

    One that has died before it could report is left to the supervisor, which reports how.
    """
    reports = filter(None, [receive(worker.end) for worker in workers])
    errors = next((value for name, value in reports if name == "rejected"), None)
    if errors is None:
        return
    for worker in workers:
        worker.end.close()  # they see it, and end
    for worker in workers:
        os.waitpid(worker.pid, 0)
    raise PlantConfigError(errors)


def _run_part(
    options: RunOptions,
    part: Settings,
    config: PlantConfig,
    commands: CommandLog,
    tracing: Tracing | None,
    is_first: bool,
    command_part: tuple[int, int],
    end: socket.socket,
) -> int:
    """Run a worker. command_part: of the plant, of all workers together, for which the first takes commands."""
    build = partial(Simulator, options, part, config, is_first=is_first, commands=commands, command_part=command_part)

    async def run() -> int:
        with written_aside():
            return await run_worker(end, build)

    if tracing is not None:
        tracing.start(part.mqtt_client_id)
    try:
        return asyncio.run(run())
    finally:
        stop_tracing()


def split_count(options: RunOptions, parts: Sequence[Settings], config: PlantConfig) -> list[int]:
    """Return how many of the first --count messages of all parts together belong to each part.

    All of them are generated for this, without being published, which takes as long as one process needs for it.
    """
    timing, remaining = options.timing(time.time()), options.count or 0
    plants = [FactoryMessageGenerator.of(config, part.seed, start=timing.start, shard=part.part) for part in parts]
    place, counts = _order_of(plants), [0] * len(plants)
    while remaining and (due := min(plant.next_due() for plant in plants)) < inf and due <= timing.end:
        until = min(due + _SLICE_SECONDS, timing.end)
        in_order = sorted(
            (place(message), part) for part, plant in enumerate(plants) for message in plant.advance(until)
        )
        counted = in_order[:remaining]
        remaining -= len(counted)
        for _, part in counted:
            counts[part] += 1
    return [counts[0] + remaining, *counts[1:]]


def _order_of(plants: Sequence[FactoryMessageGenerator]) -> Callable[[Message], tuple[int, ...]]:
    """Return a key that sorts the messages of all parts in the order of the whole: time, type, machine.

    Those of one machine at one time are of one part, and stay in their order.
    """
    types = [each.kind for each in plants[0].machine_types()]
    views = [view for plant in plants for view in plant.machines()]
    numbers = {view.machine_id: (types.index(view.kind), view.number) for view in views}
    kinds = [*plants[0].config.kinds]

    def place(message: Message) -> tuple[int, ...]:
        machine = numbers.get(machine_of(message).removeprefix(_REPORTS).removeprefix(_LABELS), (0, 0))
        if message.kind not in EVENTS:
            return message.time_ms, *machine
        return message.time_ms, len(types), 0, kinds.index(message.kind), *machine, message.sequence

    return place
