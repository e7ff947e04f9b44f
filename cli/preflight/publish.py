"""The step PUBLISH: a test message to each topic of the plant, and the broker's answer to it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from cli.options.preflight import ExitCode
from cli.preflight.findings import CheckContext, Failure, Finding, abbreviated, kubectl_get, note, ok, warn
from cli.preflight.login import connect_failure
from cli.preflight.session import TOO_LARGE, Probe, session
from edge.mqtt.connection import BrokerRefused, Connection, ConnectionEnded
from edge.mqtt.protocol.reason_codes import NOT_AUTHORIZED, name_of
from edge.mqtt.session import REFUSED_FROM

_NO_SUBSCRIBERS = 0x10
_QOS_0_SECONDS = 0.5
_NOT_ALL = "the broker does not accept all topics"
_CLOSED = "A broker that closes instead of rejecting a message usually does not allow the first of these topics."
_FIXES: Final[Mapping[int, tuple[str, ...]]] = {
    NOT_AUTHORIZED: (
        "Allow `Publish` to these topics in the BrokerAuthorization of this port, for this service account:",
        f"{kubectl_get('brokerauthorization')} -o yaml",
    ),
    0x90: ("The broker does not accept this name: change MQTT_TOPIC_PREFIX, or `topic` in the plant's YAML.",),
    TOO_LARGE: ("Raise the broker's maximum packet size, or shorten the topics.",),
    0x97: (
        "The memory or a queue of the broker is full. Is a subscriber with a persistent session offline?",
        "The simulator would retry. --wait retries too.",
    ),
}
_ANY_FIX = (f"See the log of the broker's pods: {kubectl_get('pods')}",)
_MAY_BE_REFUSED = "MQTT 3.1.1 does not say whether it refuses one, so subscribe to them and look"
_STUCK = f"The broker is connected, but stuck or overloaded: {kubectl_get('pods')}; --wait retries."


async def check_publish(context: CheckContext) -> list[Finding]:
    """Send an empty message to each topic and report the answers; Failure once all are in, if one is not a success."""
    topics = context.inputs.topics
    if not context.publish:
        return [note("--no-publish: no topic was tested")]
    if not topics:
        return [warn("the plant publishes no messages: it has no machines and no orders")]
    probe = Probe(topics, has_properties=context.rules.has_properties)
    try:
        async with session(context, probe, mqtt_session_expiry=0) as (connection, _):
            await _wait_for_answers(context, probe, connection)
    except (BrokerRefused, ConnectionEnded) as error:
        raise (
            _connection_lost(probe, error) if probe.is_connected else await connect_failure(context, error)
        ) from None
    if not probe.expects_answers:
        return [warn(f"published to {abbreviated(topics)} with QoS 0, which the broker does not acknowledge")]
    return [*_evaluated(context, probe)]


async def _wait_for_answers(context: CheckContext, probe: Probe, connection: Connection) -> None:
    """Wait for the last answer, or until no answer arrives for the timeout.

    Raise ConnectionEnded or BrokerRefused if the connection ends before.
    """
    connected = asyncio.create_task(connection.keep(lambda: None))
    answered = asyncio.create_task(probe.answered.wait())
    try:
        # QoS 0 has no answer, but a broker that does not accept the topic may close the connection.
        timeout = context.timeout_seconds if probe.expects_answers else _QOS_0_SECONDS
        answers = -1
        while answers < len(probe.answers) and not (connected.done() or answered.done()):
            answers = len(probe.answers)
            await asyncio.wait([connected, answered], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if connected.done():
            connected.result()
    finally:
        for task in (connected, answered):
            task.cancel()
        await asyncio.gather(connected, answered, return_exceptions=True)


def _connection_lost(probe: Probe, error: Exception) -> Failure:
    problems, fixes = _rejections(probe)
    problem = f"{error}, before the answers for {abbreviated(probe.missing)}"
    if problems:
        # Some versions of mosquitto reject a topic and then close the connection.
        return Failure(ExitCode.PUBLISH, f"{_NOT_ALL}; {'; '.join(problems)}; {problem}", *fixes)
    return Failure(ExitCode.PUBLISH, problem, _CLOSED, *_FIXES[NOT_AUTHORIZED])


def _topics_by_answer(probe: Probe) -> dict[int, list[str]]:
    topics: dict[int, list[str]] = defaultdict(list)
    for topic, code in probe.answers.items():
        topics[code].append(topic)
    return topics


def _rejections(probe: Probe) -> tuple[list[str], list[str]]:
    """Return the rejected topics by reason, and what to do about each."""
    topics = _topics_by_answer(probe)
    refused = [code for code in sorted(topics) if code >= REFUSED_FROM]
    problems = [f"{name_of(code)}: {abbreviated(topics[code])}" for code in refused]
    return problems, [line for code in refused for line in _FIXES.get(code, _ANY_FIX)]


def _evaluated(context: CheckContext, probe: Probe) -> Iterator[Finding]:
    """Report the answers; Failure if a topic is rejected or not acknowledged."""
    problems, fixes = _rejections(probe)
    if probe.missing:
        problems.append(f"no acknowledgement within {context.timeout_seconds:g} s: {abbreviated(probe.missing)}")
        fixes.append(_STUCK)
    if problems:
        raise Failure(ExitCode.PUBLISH, f"{_NOT_ALL}; {'; '.join(problems)}", *fixes)
    if not context.rules.has_properties:
        yield warn(f"the broker has acknowledged all: {abbreviated(context.inputs.topics)}; {_MAY_BE_REFUSED}")
        return
    yield ok(f"the broker accepts all: {abbreviated(context.inputs.topics)}")
    if unsubscribed := _topics_by_answer(probe)[_NO_SUBSCRIBERS]:
        yield note(f"no subscribers now for {abbreviated(unsubscribed)}: the broker accepts messages and discards them")
