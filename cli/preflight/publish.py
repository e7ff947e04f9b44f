"""Preflight's last step: a test message to each topic of the plant, and what the broker says of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from cli.preflight.findings import Case, ExitCode, Failure, Finding, get, note, ok, some, warn
from cli.preflight.login import not_let_in
from cli.preflight.session import TOO_LARGE, Probe, session
from edge.mqtt.connection import BrokerRefused, Connection, ConnectionEnded
from edge.mqtt.protocol.reason_codes import NOT_AUTHORIZED, name_of
from edge.mqtt.session import REFUSED_FROM

_NO_SUBSCRIBERS = 0x10
_QOS_0_SECONDS = 0.5
_NOT_ALL = "the broker does not take all topics"
_CLOSED = "A broker that closes instead of refusing mostly does not allow the first of these topics."
_FIXES: Final[Mapping[int, tuple[str, ...]]] = {
    NOT_AUTHORIZED: (
        "Allow `Publish` to these topics in the BrokerAuthorization of this port, for this service account:",
        f"{get('brokerauthorization')} -o yaml",
    ),
    0x90: ("The broker takes no such name: change MQTT_TOPIC_PREFIX, or `topic` in the plant's YAML.",),
    TOO_LARGE: ("Raise the broker's maximum packet size, or shorten the topics.",),
    0x97: (
        "The broker has no room: memory or queues are full. Is a subscriber away that should fetch its messages?",
        "The simulator would wait and send again. --wait tries again.",
    ),
}
_ANY_FIX = (f"The log of the broker's pods says more: {get('pods')}",)
_STUCK = f"The broker is there, but stuck or overloaded: {get('pods')}; --wait tries again."


async def check_publish(case: Case) -> list[Finding]:
    """One empty message to each topic. All topics are asked before anything is said to have failed."""
    topics = case.plan.topics
    if not case.publish:
        return [note("--no-publish: no topic was tried")]
    if not topics:
        return [warn("the plant says nothing: no machines, no orders")]
    probe = Probe(topics)
    try:
        async with session(case, probe, mqtt_session_expiry=0) as (connection, _):
            await _answered(case, probe, connection)
    except (BrokerRefused, ConnectionEnded) as error:
        raise (_broken(probe, error) if probe.begun else await not_let_in(case, error)) from None
    if not probe.certain:
        return [warn(f"published to {some(topics)} with QoS 0: the broker does not say what became of it")]
    return [*_judged(case, probe)]


async def _answered(case: Case, probe: Probe, connection: Connection) -> None:
    """Wait for the last answer, or until none comes for the time of one.

    Where the connection ends before that, ConnectionEnded or BrokerRefused.
    """
    keeping = asyncio.create_task(connection.keep(lambda: None))
    waiting = asyncio.create_task(probe.answered.wait())
    try:
        # At QoS 0 there is no answer to wait for, but a broker that minds may close.
        patience = case.timeout_seconds if probe.certain else _QOS_0_SECONDS
        answers = -1
        while answers < len(probe.answers) and not (keeping.done() or waiting.done()):
            answers = len(probe.answers)
            await asyncio.wait([keeping, waiting], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
    finally:
        for task in (keeping, waiting):
            task.cancel()
        await asyncio.gather(keeping, waiting, return_exceptions=True)


def _broken(probe: Probe, error: Exception) -> Failure:
    trouble, fixes = _refused(probe)
    what = f"{error}, before it had answered for {some(probe.missing)}"
    if trouble:
        # Some versions of mosquitto refuse a topic, and close then.
        return Failure(ExitCode.PUBLISH, f"{_NOT_ALL}; {'; '.join(trouble)}; {what}", *fixes)
    return Failure(ExitCode.PUBLISH, what, _CLOSED, *_FIXES[NOT_AUTHORIZED])


def _by_answer(probe: Probe) -> dict[int, list[str]]:
    topics: dict[int, list[str]] = defaultdict(list)
    for topic, code in probe.answers.items():
        topics[code].append(topic)
    return topics


def _refused(probe: Probe) -> tuple[list[str], list[str]]:
    """What is refused and why, and what to do about it."""
    topics = _by_answer(probe)
    refused = [code for code in sorted(topics) if code >= REFUSED_FROM]
    trouble = [f"{name_of(code)}: {some(topics[code])}" for code in refused]
    return trouble, [line for code in refused for line in _FIXES.get(code, _ANY_FIX)]


def _judged(case: Case, probe: Probe) -> Iterator[Finding]:
    """What the answers come to; Failure where a topic is refused or was not answered for."""
    trouble, fixes = _refused(probe)
    if probe.missing:
        trouble.append(f"no acknowledgement within {case.timeout_seconds:g} s: {some(probe.missing)}")
        fixes.append(_STUCK)
    if trouble:
        raise Failure(ExitCode.PUBLISH, f"{_NOT_ALL}; {'; '.join(trouble)}", *fixes)
    yield ok(f"the broker takes all: {some(case.plan.topics)}")
    if unheard := _by_answer(probe)[_NO_SUBSCRIBERS]:
        yield note(f"nobody listens now to {some(unheard)}: messages are taken, and go nowhere")
