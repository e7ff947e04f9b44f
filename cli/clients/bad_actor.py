"""The command `bad-actor`: try to publish and to subscribe what is not allowed, and say what the broker does about it.

An answer of the broker is believed where it refuses. Where it does not, what counts is whether a message arrives: an
`acl_file` of mosquitto grants each subscription and withholds its messages (mosquitto issue 2042), and PUBACK of MQTT
3.1.1 has no reason code (3.4). That nothing arrives proves something only if it arrives elsewhere: so a witness, a
client that may do what the intruder may not, publishes and subscribes beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Final, NamedTuple, TextIO, TypeVar
from uuid import uuid4

from cli.clients.broker import Broker, broker_of
from cli.clients.clock import Clock
from cli.clients.following import DONE, FAILED, WRONG
from cli.clients.printer import Printer, is_coloured
from cli.clients.session import Answer, Dropped, Session
from cli.options.clients import BOTH, PUB, SUB, BadActorOptions
from edge.runtime.run_options import UsageError

T = TypeVar("T")

UNDECIDED: Final = 3
COMMAND: Final = b'{"command":"stop"}'
_TARGET, _FORBIDDEN, _PROBE = "commands/controller/press", "admin/#", "admin/probe"
_STEP_SECONDS: Final = 0.05


class Verdict(StrEnum):
    """What the broker did about an attempt."""

    REFUSED = "refused"
    WITHHELD = "withheld"
    ALLOWED = "allowed"
    UNDECIDED = "undecided"


class Finding(NamedTuple):
    """An attempt and its outcome.  why: how it is known."""

    attempt: str
    verdict: Verdict
    why: str


_COLOURS: Final = {Verdict.ALLOWED: "bad", Verdict.UNDECIDED: "mark"}
_WITNESS_HINT: Final = "--witness-client-id names a client that may publish and subscribe there"


def run_bad_actor(
    options: BadActorOptions,
    environ: Mapping[str, str],
    clock: Clock,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Try it, print a line for each attempt, and return the exit code."""
    out, err = out or sys.stdout, err or sys.stderr
    printer = Printer("intruder", clock.now, out, err, json_lines=options.json, colour=is_coloured(out, environ))
    try:
        broker = broker_of(options, environ)
        witness = _witness(options, broker)
    except UsageError as error:
        print(error, file=err)
        return WRONG
    try:
        findings = [
            Attempt(broker, options, witness, clock).made(kind) for kind in (PUB, SUB) if options.mode in (kind, BOTH)
        ]
    except Dropped as dropped:
        printer.note(str(dropped))
        return FAILED
    for finding in findings:
        text = f"{finding.attempt}: {finding.verdict}: {finding.why}"
        printer.say(text, finding._asdict(), _COLOURS.get(finding.verdict, "good"))
    verdicts = {finding.verdict for finding in findings}
    return FAILED if Verdict.ALLOWED in verdicts else UNDECIDED if Verdict.UNDECIDED in verdicts else DONE


def _witness(options: BadActorOptions, broker: Broker) -> tuple[Broker, str] | None:
    """Return how the witness logs in, and its client id; raises UsageError."""
    if options.witness_client_id is None:
        if options.witness_username or options.witness_password_file:
            raise UsageError("--witness-client-id: must be set with a witness's user name or password")
        return None
    if options.witness_client_id == options.client_id:
        raise UsageError("--witness-client-id: must be another one than --client-id")
    login = (options.witness_username, options.witness_password_file)
    return broker.logged_in_as(*login, "--witness-password-file"), options.witness_client_id


class Attempt:
    """One attempt, on a connection of its own: a broker may close it because of the attempt."""

    def __init__(
        self, broker: Broker, options: BadActorOptions, witness: tuple[Broker, str] | None, clock: Clock
    ) -> None:
        self._prefix, self._seconds, self._clock = broker.prefix, options.seconds, clock
        self._intruder = Session(broker, options.client_id, clock.elapsed)
        self._witness = Session(*witness, clock.elapsed) if witness else None
        # A message of this run, and no command: whoever receives it by accident does nothing.
        self._mark = json.dumps({"probe": str(uuid4())}, separators=(",", ":")).encode()

    def made(self, kind: str) -> Finding:
        """Make it, and return the outcome; raises Dropped where a login is refused, or there is no broker."""
        try:
            for each in self._sessions:
                each.open()
            return self._publish() if kind == PUB else self._subscribe()
        finally:
            for each in self._sessions:
                each.close()

    @property
    def _sessions(self) -> list[Session]:
        return [self._intruder] if self._witness is None else [self._intruder, self._witness]

    def _publish(self) -> Finding:
        topic = f"{self._prefix}/{_TARGET}"
        attempt = f"publish to {topic}"
        if self._intruder.broker.is_5:
            answer = self._answer(lambda: self._intruder.answer(self._intruder.publish(topic, COMMAND, 1)))
            verdict = Verdict.REFUSED if isinstance(answer, str) or answer.refused else Verdict.ALLOWED
            return Finding(attempt, verdict, str(answer))
        return self._publish_without_reasons(topic, attempt)

    def _publish_without_reasons(self, topic: str, attempt: str) -> Finding:
        """Publish with MQTT 3.1.1, where a broker acknowledges also what it drops, or closes (MQTT 3.1.1, 3.3.5)."""
        for each in self._sessions:
            each.subscribe([topic], 1)
        answer = self._answer(lambda: self._intruder.answer(self._intruder.publish(topic, COMMAND, 1)))
        if isinstance(answer, str):
            return Finding(attempt, Verdict.REFUSED, answer)
        self._publish_mark(topic)
        self._wait(lambda: any(_has(each, COMMAND) for each in self._sessions))
        if any(_has(each, COMMAND) for each in self._sessions):
            return Finding(attempt, Verdict.ALLOWED, "PUBACK, and it was delivered to a subscriber")
        if self._witness is not None and _has(self._witness, self._mark):
            own = f"{self._witness.client_id}, which receives what it publishes there itself"
            return Finding(attempt, Verdict.REFUSED, f"PUBACK, but it was not delivered to {own}")
        if not self._intruder.is_open:
            self._intruder.open()
            return Finding(attempt, Verdict.REFUSED, "PUBACK, and then the broker closed the connection")
        why = "PUBACK, which has no reason code in MQTT 3.1.1, and nobody who could receive it is known: use"
        return Finding(attempt, Verdict.UNDECIDED, f"{why} --mqtt-version 5; or {_WITNESS_HINT}")

    def _subscribe(self) -> Finding:
        pattern = f"{self._prefix}/{_FORBIDDEN}"
        attempt = f"subscribe to {pattern}"
        answers = self._answer(lambda: self._intruder.subscribe([pattern], 1))
        if isinstance(answers, str):
            return Finding(attempt, Verdict.REFUSED, answers)
        if answers[0].refused:
            return Finding(attempt, Verdict.REFUSED, str(answers[0]))
        if self._witness is not None:
            self._witness.subscribe([pattern], 1)
        return self._granted(attempt, answers[0])

    def _granted(self, attempt: str, answer: Answer) -> Finding:
        """Find out whether a subscription that was granted gets any message."""
        topic = f"{self._prefix}/{_PROBE}"
        self._publish_mark(topic)
        if self._witness is not None:
            self._wait(lambda: bool(self._intruder.received))
            if not self._intruder.received and _has(self._witness, self._mark):
                why = f"{answer}, but what {self._witness.client_id} publishes and receives there was not delivered"
                return Finding(attempt, Verdict.WITHHELD, why)
        # Without a witness, its own message shows at least whether the topics are open to all. That comes last:
        # a broker may close the connection because of it, as mosquitto does with max_queued_messages 0.
        self._intruder.publish(topic, self._mark, 0)
        self._wait(lambda: bool(self._intruder.received))
        if self._intruder.received:
            received = self._intruder.received[0].topic
            return Finding(attempt, Verdict.ALLOWED, f"{answer}, and a message on {received} was delivered")
        why = f"{answer}, and nothing was delivered, but nobody is known to have published anything there:"
        return Finding(attempt, Verdict.UNDECIDED, f"{why} {_WITNESS_HINT}")

    def _publish_mark(self, topic: str) -> None:
        if self._witness is not None:
            self._witness.answer(self._witness.publish(topic, self._mark, 1))

    def _answer(self, attempt: Callable[[], T]) -> T | str:
        """Return the broker's answer to an attempt, or in words that it has closed the connection because of it."""
        try:
            return attempt()
        except Dropped as dropped:
            # A broker that has ended, or a cable that is cut, refuses nothing.
            self._intruder.open()
            return str(dropped)

    def _wait(self, is_there: Callable[[], bool]) -> None:
        deadline = self._clock.elapsed() + self._seconds
        while not is_there() and self._clock.elapsed() < deadline and any(each.is_open for each in self._sessions):
            for each in self._sessions:
                # A broker may close the connection because of the attempt; the witness still has its own.
                with suppress(Dropped):
                    each.step(_STEP_SECONDS)


def _has(session: Session, payload: bytes) -> bool:
    return any(each.payload == payload for each in session.received)
