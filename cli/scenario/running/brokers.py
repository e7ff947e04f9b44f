"""Where the messages of a scenario go: nowhere, to the embedded broker, or to the broker of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import orjson

from cli.scenario.definition.actions import (
    BrokerFault,
    ClearFaults,
    Cut,
    Delay,
    Disconnect,
    Puback,
    Refuse,
    Restart,
    Stall,
    Withhold,
)
from cli.scenario.definition.plan import Plan
from cli.scenario.running.direct_sink import DirectSink
from cli.scenario.running.feed import Received, Subscription
from cli.verify.input.subscriber import Subscriber
from edge.blocking import run_aside
from edge.delivery.queue import MessageQueue
from edge.installed import DEMO_PACKAGES, why_lacking
from edge.runtime.output import Sink
from edge.runtime.run_options import UsageError
from edge.settings.loader import Settings
from messages import topic_template

if TYPE_CHECKING:
    from sandbox.demo import Demo

_ANY_PORTS: Final = (0, 0)


def _no_fault(_fault: BrokerFault) -> None:
    pass


class Destination(NamedTuple):
    """Where messages go. settings: those of the run.  make_sink: in place of a broker.

    subscription: receives them from the broker; None without one.  on_fault: does a fault of the embedded broker.
    """

    settings: Settings
    make_sink: Callable[[MessageQueue], Sink] | None = None
    subscription: Subscription | None = None
    on_fault: Callable[[BrokerFault], None] = _no_fault


LoadSettings = Callable[[Mapping[str, str]], Settings]
"""Returns the settings of the run with these options; raises SettingsError."""


@asynccontextmanager
async def destination_of(plan: Plan, load: LoadSettings) -> AsyncIterator[Destination]:
    """Open the destination of a scenario; raises UsageError, SettingsError, SubscribeFailed, CredentialsUnavailable."""
    if plan.broker == "none":
        yield Destination(load(plan.settings), make_sink=DirectSink)
    elif plan.broker == "sandbox":
        async with _embedded() as demo, _Faults(demo) as faults:
            recorder = _Recorder(demo)
            yield Destination(load({**plan.settings, **demo.environ}), None, recorder, faults.do)
    else:
        settings = load(plan.settings)
        subscriber = await run_aside(Subscriber(settings, _topics(plan, settings)).__enter__)
        try:
            yield Destination(settings, None, _Lines(subscriber))
        finally:
            await run_aside(subscriber.__exit__)


def _topics(plan: Plan, settings: Settings) -> str:
    """Return a topic filter for all topics of the plant: below the prefix, unless it has others, or may have."""
    templates = (topic_template(plan.config, kind) for kind in plan.config.kinds)
    has_others = any(not template.startswith("{prefix}/") for template in templates)
    reloads = any(each.command and each.command["command"] == "reload" for step in plan.steps for each in step.actions)
    return "#" if has_others or reloads else f"{settings.mqtt_topic_prefix}/#"


def _embedded() -> Demo:
    if lacking := why_lacking(DEMO_PACKAGES, "sandbox/requirements.txt"):
        raise UsageError(f"broker: sandbox {lacking}")
    try:
        from sandbox.demo import Demo  # noqa: PLC0415 - installed for demos only
    except ModuleNotFoundError:
        raise UsageError("broker: sandbox: the embedded broker is not part of the image") from None
    return Demo(_ANY_PORTS)


class _Recorder:
    """A subscriber inside the embedded broker, which none of its faults concerns."""

    def __init__(self, demo: Demo) -> None:
        self._recorder = demo.broker.subscribe("#")

    def take(self) -> Sequence[Received]:
        """Return what has arrived since the last call."""
        taken, self._recorder.messages = self._recorder.messages, []
        return [Received(each.topic, bytes(each.payload)) for each in taken]


class _Lines:
    """A subscriber with a connection of its own, whose messages are lines."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber

    def take(self) -> Sequence[Received]:
        """Return what has arrived since the last call."""
        return [_received(line) for line in self._subscriber.take()]


_PAYLOAD: Final = b',"payload":'


def _received(line: bytes) -> Received:
    """Return the message in a line, with its payload byte for byte."""
    about, _, payload = line.partition(_PAYLOAD)
    return Received(orjson.loads(about + b"}")["topic"], payload[:-1])


class _Faults:
    """Does the faults of the embedded broker; an async context manager, as a restart takes time."""

    def __init__(self, demo: Demo) -> None:
        self._broker = demo.broker
        self._restarts: set[asyncio.Task[None]] = set()
        self._restarting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for restart in self._restarts:
            restart.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)

    def do(self, fault: BrokerFault) -> None:
        """Begin a fault."""
        broker, faults = self._broker, self._broker.faults
        match fault:
            case Cut():
                broker.cut()
            case Disconnect():
                broker.disconnect(fault.code)
            case Stall():
                broker.stall(fault.seconds)
            case Restart():
                self._restart(fault)
            case Refuse():
                faults.refuse(fault.code, times=fault.times)
            case Puback():
                faults.puback(fault.code, times=fault.times, every=fault.every)
            case Withhold():
                faults.withhold(times=fault.times, every=fault.every)
            case Delay():
                faults.delay(fault.seconds, times=fault.times)
            case ClearFaults():
                faults.clear()
                broker.release()

    def _restart(self, fault: Restart) -> None:
        task = asyncio.create_task(self._kill_and_start(fault), name="broker restart")
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _kill_and_start(self, fault: Restart) -> None:
        async with self._restarting:  # one after the other: two could not start it both
            await self._broker.kill(lose_sessions=fault.lose_sessions)
            await asyncio.sleep(fault.seconds)
            await self._broker.start()
