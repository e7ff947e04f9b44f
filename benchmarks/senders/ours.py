"""Our own sender as the daemon wires it: plant, run loop, outbox, delivery and broker connection."""

from __future__ import annotations

import asyncio
import time
from math import inf

from benchmarks.case import WINDOW, Case, Measured, Stopwatch, plant_of
from benchmarks.senders.raw import MARK, Listener, encoder_for
from edge.delivery.queue import MessageQueue
from edge.mqtt.client import MqttClient
from edge.mqtt.publisher import Publisher
from edge.runtime.pacer import Pacer, Timing
from edge.runtime.tasks import tune_garbage_collector
from edge.settings.loader import Settings
from edge.settings.types import QueuePolicy

_QUEUE = 2 * WINDOW
_LOOK_SECONDS, _CONNECT_SECONDS, _RUN_SECONDS = 0.001, 10.0, 60.0


def ours(case: Case) -> Measured:
    """The plant speaks while its messages are being sent, and is held up by nothing but the broker.

    With a target rate it runs by the clock, as in a load test that asks for more than can go. Without one its time runs
    as fast as its rows are sent (`--speed max`), and there is much more to say in each second.
    """
    return asyncio.run(_run(case))


def _settings(case: Case) -> Settings:
    options: dict[str, object] = {
        "mqtt_broker": "127.0.0.1",
        "mqtt_port": case.port,
        "mqtt_client_id": "bench-ours",
        "mqtt_auth_method": "NONE",
        "mqtt_tls": bool(case.ca_file),
        "mqtt_qos": case.qos,
        "mqtt_window": WINDOW,
        "queue_size": _QUEUE,
    }
    return Settings.load({}, options | ({"mqtt_ca_file": case.ca_file} if case.ca_file else {}), pid=1)


async def _run(case: Case) -> Measured:
    wake = asyncio.Event()
    outbox = MessageQueue(_QUEUE, QueuePolicy.BLOCK, on_room=wake.set)
    broker = MqttClient(_settings(case), Publisher(outbox, encoder_for(case), time.monotonic), time.time)
    plant = plant_of(case)
    living = asyncio.create_task(broker.run())
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            while not broker.facts().connected:  # noqa: ASYNC110 - over in a moment
                await asyncio.sleep(_LOOK_SECONDS)
        async with asyncio.timeout(_RUN_SECONDS):
            timing = Timing(plant.start, speed=1.0 if case.target_rate else inf)
            pacer = Pacer(plant, outbox, timing, time.monotonic, wake=wake, count=case.messages)
            return await _send(case, pacer, outbox, None if case.qos else Listener(case.port))
    finally:
        await broker.stop()
        await asyncio.wait_for(living, _CONNECT_SECONDS)


async def _send(case: Case, pacer: Pacer, outbox: MessageQueue, mark: Listener | None) -> Measured:
    tune_garbage_collector()
    watch = Stopwatch()
    await pacer.run()
    if mark is not None:
        outbox.offer(MARK)
        await asyncio.get_running_loop().run_in_executor(None, mark.wait)
    while outbox.ledger.pending:  # noqa: ASYNC110 - the last window is over in milliseconds
        await asyncio.sleep(_LOOK_SECONDS)
    measured = watch.stop(case.messages)
    if outbox.ledger.failed:
        raise RuntimeError(f"not all were acknowledged: {outbox.ledger}")
    return measured
