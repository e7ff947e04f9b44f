"""Commands over MQTT without a socket: the frames of a broker in, those of the simulator out, read by another codec."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import mqtt5

from edge.control.inbox import Command, Executed
from edge.mqtt.commands.lane import CommandLane
from edge.mqtt.protocol.codec import Splitter
from edge.mqtt.publisher import Limits
from edge.settings.loader import Settings
from plant.definition.plant_config import PlantConfig, parse
from plant.interventions.commands import CommandRefused
from tests.support.factory import plants

AT_MS = 1_767_225_600_000
STOP = b'{"command":"stop"}'


class Wire:
    """A connection: keeps what is written to it."""

    def __init__(self) -> None:
        self.writable = True
        self.packets: list[Any] = []
        self.pushed = 0

    def write(self, data: bytes) -> None:
        """Keep whole frames, read by the other codec."""
        self.packets += [mqtt5.read(memoryview(frame))[0] for frame in Splitter().split(data)]

    def push(self) -> None:
        """Note that nothing is held back any more."""
        self.pushed = len(self.packets)

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the packets of a kind."""
        return [packet for packet in self.packets if isinstance(packet, kind)]


class Bench:
    """A lane on a wire, with a front that notes what it executes. problem: what the front raises, if anything."""

    def __init__(self, config: PlantConfig | None = None, part: tuple[int, int] = (1, 1), **options: object) -> None:
        self.settings = Settings.load({}, {"mqtt_commands": True, **options}, pid=1)
        self.config = config or parse(plants.default())
        self.clock = 0.0
        self.executed: list[tuple[Command, str]] = []
        self.problem: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.lane = CommandLane(self.settings, lambda: self.config, part, lambda: self.clock)
        self.lane.desk.obey(self._front)
        self.wire = Wire()

    async def _front(self, command: Command, by: str) -> Executed:
        if self.hold is not None:
            await self.hold.wait()
        if self.problem is not None:
            raise self.problem
        self.executed.append((command, by))
        return Executed(AT_MS, {"command": command["command"]})

    def connect(self, limits: Limits = Limits(100, answers=8), *, session_present: bool = False) -> Wire:  # noqa: B008
        """Come up on another connection."""
        self.lane.subscription.close()
        self.wire = Wire()
        self.lane.subscription.open(self.wire, limits, session_present=session_present)
        return self.wire

    def hear(self, *packets: mqtt5.PublishPacket | mqtt5.SubAckPacket | mqtt5.UnsubAckPacket | bytes) -> None:
        """Receive packets."""
        for packet in packets:
            frame = packet if isinstance(packet, bytes) else packet.write()
            self.lane.subscription.packets[frame[0] & 0xF0](frame)

    def counted(self) -> dict[str, int]:
        """Return the counts that are not 0."""
        return {outcome: count for outcome, count in self.lane.desk.counts.items() if count}

    def answers(self) -> list[dict[str, Any]]:
        """Return the contents of all answers on the current connection."""
        return [json.loads(bytes(packet.payload)) for packet in self.wire.of(mqtt5.PublishPacket)]

    async def settle(self) -> None:
        """Let all tasks run."""
        for _ in range(5):
            await asyncio.sleep(0)


def message(
    payload: bytes = STOP,
    target: str = "CNC-03",
    packet_id: int | None = 9,
    *,
    publisher: str = "hmi",
    reply: str | None = "reply/here",
    correlation: bytes | None = b"\x00\xffcorrelation",
    duplicate: bool = False,
    retain: bool = False,
    topic: str | None = None,
) -> mqtt5.PublishPacket:
    """A command, asking for an answer unless `reply` is None."""
    return mqtt5.PublishPacket(
        topic=topic or f"factory/commands/{publisher}/{target}",
        payload=payload,
        qos=mqtt5.QoS.AT_MOST_ONCE if packet_id is None else mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
        duplicate=duplicate,
        retain=retain,
        response_topic=reply,
        correlation_data=correlation,
    )


def refusal(place: str, rule: str) -> CommandRefused:
    """What the plant raises."""
    return CommandRefused(place, rule)


def ids(packets: Sequence[Any]) -> list[int]:
    """Return the packet ids of packets."""
    return [packet.packet_id for packet in packets]
