"""The step SUBSCRIBE, where commands over MQTT are on: the subscription to them, and the broker's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cli.options.preflight import ExitCode
from cli.preflight.findings import CheckContext, Failure, Finding, kubectl_get, ok
from cli.preflight.login import connect_failure
from cli.preflight.session import Probe, session
from edge.mqtt.connection import BrokerRefused, Connection, ConnectionEnded
from edge.mqtt.protocol.codec import PUBLISH
from edge.mqtt.protocol.packet_reader import SUBACK
from edge.mqtt.protocol.properties import REASON_STRING
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.mqtt.protocol.versions import Rules
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.session import REFUSED_FROM
from edge.status import CommandStatus

_PACKET_ID: Final = 1
_FIXES: Final = (
    "Allow `Subscribe` to it in the BrokerAuthorization of this port, for this service account:",
    f"{kubectl_get('brokerauthorization')} -o yaml",
    "Or leave commands over MQTT off: MQTT_COMMANDS=false.",
)


class SubscriptionProbe:
    """Subscribes, and keeps the broker's answer; commands that come meanwhile are left to the simulator.

    refused: why the broker refuses the subscription, or None.  rules: of the version of MQTT.
    """

    def __init__(self, topics: str, rules: Rules) -> None:
        self._rules = rules
        self.receive_maximum = 1
        self.packets: Mapping[int, Callable[[bytes], None]] = {SUBACK: self._on_suback, PUBLISH: lambda _frame: None}
        self.answered = asyncio.Event()
        self.refused: str | None = None
        self._topics = topics

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:  # noqa: ARG002
        """Subscribe on an established connection."""
        wire.write(self._rules.subscribe(_PACKET_ID, self._topics))

    def close(self) -> None:
        """Do nothing: the session ends with the connection."""

    def fill(self) -> None:
        """Do nothing: there is no more to write."""

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:  # noqa: ARG002
        """Return 0, as nothing was published."""
        return 0

    def status(self) -> CommandStatus:
        """Return whether the broker has accepted the subscription."""
        return CommandStatus(self._topics, self.answered.is_set() and not self.refused, self.refused)

    def _on_suback(self, frame: bytes) -> None:
        _, answer = self._rules.suback("SUBACK", frame)
        if answer.code >= REFUSED_FROM:
            reason = answer.text(REASON_STRING)
            self.refused = explain(Packet.SUBACK, answer.code, reason_string=reason, version=self._rules.version)
        self.answered.set()


async def check_subscribe(context: CheckContext) -> list[Finding]:
    """Subscribe to the commands of the plant; Failure unless the broker accepts that."""
    topics = context.inputs.commands or ""
    sender, subscriber = Probe(), SubscriptionProbe(topics, context.rules)
    try:
        async with session(context, sender, subscriber, mqtt_session_expiry=0) as (connection, _):
            await _wait_for_answer(context, subscriber, connection)
    except (BrokerRefused, ConnectionEnded) as error:
        if not sender.is_connected:
            raise await connect_failure(context, error) from None
        raise Failure(ExitCode.SUBSCRIBE, f"{error}, before the answer for {topics}", *_FIXES) from None
    if subscriber.refused:
        raise Failure(ExitCode.SUBSCRIBE, f"the broker refuses {topics}: {subscriber.refused}", *_FIXES)
    if not subscriber.answered.is_set():
        raise Failure(ExitCode.SUBSCRIBE, f"no answer within {context.timeout_seconds:g} s: {topics}", *_FIXES)
    return [ok(f"the broker sends the commands of {topics}")]


async def _wait_for_answer(context: CheckContext, subscriber: SubscriptionProbe, connection: Connection) -> None:
    """Wait for the answer, at most for the timeout; raise ConnectionEnded or BrokerRefused if the connection ends."""
    connected = asyncio.create_task(connection.keep(lambda: None))
    answered = asyncio.create_task(subscriber.answered.wait())
    try:
        timeout = context.timeout_seconds
        await asyncio.wait([connected, answered], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if connected.done() and not subscriber.answered.is_set():
            connected.result()
    finally:
        for task in (connected, answered):
            task.cancel()
        await asyncio.gather(connected, answered, return_exceptions=True)
