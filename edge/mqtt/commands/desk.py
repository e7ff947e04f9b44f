"""The desk: takes each message of the subscription, has its command executed, and gives the answer."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

import orjson

from edge.control.inbox import MOST_WAITING, Front
from edge.control.problems import FieldError, Problem
from edge.delivery.tap import About, NoteMessage, unheard
from edge.mqtt.commands.answers import Answers
from edge.mqtt.commands.plant_topics import PLANT, Address, CommandTopics
from edge.mqtt.commands.reading import Malformed, Refused, Request, read
from edge.mqtt.protocol.publish_reader import Publish
from edge.observability.logs import RateLimited
from edge.observability.tracing import spans
from edge.redaction import from_peer
from edge.routing import TopicError
from edge.timestamps import rfc3339
from edge.traffic import COMMAND

log = logging.getLogger("app")

EXECUTED, REFUSED, UNKNOWN_MACHINE, BUSY, FAILED = "executed", "refused", "unknown_machine", "busy", "failed"
MALFORMED, OVERSIZED, RETAINED = "malformed", "oversized", "retained"
FOREIGN, RESPONSE_TOPIC, REPEATED = "foreign", "response_topic", "repeated"
OUTCOMES: Final = (
    *(EXECUTED, REFUSED, UNKNOWN_MACHINE, BUSY, FAILED, MALFORMED, OVERSIZED, RETAINED),
    *(FOREIGN, RESPONSE_TOPIC, REPEATED),
)
"""What may happen to a message of the subscription."""

_JSON, _PROBLEM_JSON = "application/json", "application/problem+json"
_RETAINED: Final = Problem(422, "a retained command is ignored: it would be executed again after each restart")
_UNAVAILABLE: Final = 503
_BUSY: Final = Problem(_UNAVAILABLE, "too many commands wait; try again in a moment")
_STOPPED: Final = Problem(_UNAVAILABLE, "the simulator executes no commands now: it starts, or shuts down")
_MOST_BYTES: Final = 1_048_576
"""Of commands that wait, with what their answers repeat."""


class _Sender(NamedTuple):
    """Who asks, and where the answer goes.

    response: its topic; None where none is asked for.  answers: of the connection on which the command has come.
    """

    publisher: str
    topic: str
    response: str | None
    correlation: bytes | None
    answers: Answers

    @property
    def by(self) -> str:
        """Whoever gives the command, for the journal."""
        return f"mqtt {from_peer(self.publisher)}" if self.publisher else "mqtt"


class _Shown:
    """Text of a client, made fit for a line only when it is written: that takes longer than to refuse a command."""

    def __init__(self, text: str, most: int = 160) -> None:
        self._text, self._most = text, most

    def __str__(self) -> str:
        return from_peer(self._text, self._most)


class CommandDesk:
    """Takes messages at once, and never waits: what is executed is executed by tasks, a bounded number of them.

    topics: the topics of the configuration in force.  clock: seconds, monotonic.
    expiry_seconds: for which the broker keeps an answer; 0 is for ever.
    note: called with each message for this part of the plant, for those who look at the traffic.
    counts: messages by outcome. Those for machines in other parts of the plant are not counted.
    """

    def __init__(
        self,
        topics: Callable[[], CommandTopics],
        clock: Callable[[], float],
        expiry_seconds: int,
        note: NoteMessage = unheard,
    ) -> None:
        self.counts = Counter(dict.fromkeys(OUTCOMES, 0))
        self._topics, self._expiry_seconds, self._note_message = topics, expiry_seconds, note
        self._rate_limited = RateLimited(log, 30.0, clock)
        self._front: Front | None = None
        self._at_work: dict[asyncio.Task[None], int] = {}

    def obey(self, front: Front) -> None:
        """Have commands executed from now on."""
        self._front = front

    def stop(self) -> None:
        """Execute nothing more: the plant has stopped."""
        self._front = None
        for task in [*self._at_work]:
            task.cancel()

    def flush(self) -> None:
        """Log how many lines were held back."""
        self._rate_limited.flush()

    def repeated(self) -> None:
        """Count a message that came again."""
        self.counts[REPEATED] += 1

    def overrun(self, count: int) -> None:
        """Count messages that came faster than they are read."""
        self.counts[BUSY] += count
        text = "commands over MQTT come too fast, dropping those at QoS 0 without an answer outcome=%s"
        self._rate_limited.log(logging.WARNING, "overrun", text, BUSY)

    def take(self, message: Publish, answers: Answers) -> None:
        """Have the command in a message executed and answered, or refuse it, as part of the trace of its sender.

        answers: of the connection on which it has come.
        """
        with spans.continued(message.carrier):
            self._take(message, answers)

    def _take(self, message: Publish, answers: Answers) -> None:
        topics = self._topics()
        address = topics.address(message.topic)
        if address is None:
            self._note(FOREIGN, message.topic, "is not on a topic of commands")
            return
        duty = topics.duty(address.target)
        if not any(duty):
            return
        qos, machine_id = int(message.packet_id is not None), None if address.target == PLANT else address.target
        self._note_message(About(message.topic, qos, message.retain, COMMAND, machine_id), message.payload)
        try:
            response = topics.checked_response(message.response_topic) if message.response_topic is not None else None
        except TopicError as error:
            self._note(RESPONSE_TOPIC, message.topic, f"has a response topic that is refused: {error}")
            return
        where = response if duty.answers else None
        sender = _Sender(address.publisher, message.topic, where, message.correlation, answers)
        self._take_from(sender, message, address, exists=duty.executes)

    def _take_from(self, sender: _Sender, message: Publish, address: Address, *, exists: bool) -> None:
        if message.retain:
            self._refuse(RETAINED, sender, _RETAINED)
            return
        try:
            request = read(message.payload, address.target, self._topics().own_commands)
        except Malformed as error:
            self._refuse(error.outcome, sender, error.problem)
        except Refused as error:
            self._refuse(REFUSED, sender, error.problem, error.about)
        except Problem as problem:
            self._refuse(REFUSED, sender, problem)
        else:
            if exists:
                self._start(request, sender, len(message.payload))
            else:
                self._refuse(UNKNOWN_MACHINE, sender, _unknown(address.target), request.about)

    def _start(self, request: Request, sender: _Sender, payload_bytes: int) -> None:
        size = payload_bytes + len(sender.correlation or b"") + len(sender.response or "")
        if self._front is None:
            self._refuse(BUSY, sender, _STOPPED, request.about)
        elif len(self._at_work) >= MOST_WAITING or sum(self._at_work.values()) + size > _MOST_BYTES:
            self._refuse(BUSY, sender, _BUSY, request.about)
        else:
            task = asyncio.get_running_loop().create_task(self._execute(self._front, request, sender))
            self._at_work[task] = size
            task.add_done_callback(partial(self._on_done, request, sender))

    def _on_done(self, request: Request, sender: _Sender, task: asyncio.Task[None]) -> None:
        del self._at_work[task]
        if task.cancelled():  # by `stop`, perhaps before it began
            self._refuse(BUSY, sender, _STOPPED, request.about)

    async def _execute(self, front: Front, request: Request, sender: _Sender) -> None:
        try:
            executed = await front(request.command, sender.by)
        except Problem as problem:
            self._refuse(BUSY if problem.status == _UNAVAILABLE else REFUSED, sender, problem, request.about)
        except Exception:
            log.exception("command over MQTT failed topic=%s", from_peer(sender.topic))
            self._refuse(FAILED, sender, Problem(500, "an error of the simulator, which its log describes"))
        else:
            self.counts[EXECUTED] += 1
            self._log_about(request, sender)
            content = {"at": rfc3339(executed.at_ms), "answer": dict(executed.answer)}
            self._answer(sender, content, _JSON, request.about)

    def _log_about(self, request: Request, sender: _Sender) -> None:
        if request.about:
            about = _Shown(" ".join(f"{name}={value}" for name, value in request.about.items()), 500)
            text = "command over MQTT by=%s command=%s %s"
            self._rate_limited.log(logging.INFO, EXECUTED, text, sender.by, request.command["command"], about)

    def _refuse(
        self, outcome: str, sender: _Sender, problem: Problem, about: Mapping[str, str | int | float] | None = None
    ) -> None:
        self._note(outcome, sender.topic, f"refused: {problem.detail}")
        self._answer(sender, problem.described(), _PROBLEM_JSON, about or {})

    def _note(self, outcome: str, topic: str, what: str) -> None:
        self.counts[outcome] += 1
        text = "command over MQTT not executed outcome=%s topic=%s: %s"
        self._rate_limited.log(logging.WARNING, outcome, text, outcome, _Shown(topic), _Shown(what, 300))

    def _answer(
        self, sender: _Sender, content: Mapping[str, object], kind: str, about: Mapping[str, str | int | float]
    ) -> None:
        if sender.response is None:
            return
        echoed = {"command_id": about["command_id"]} if "command_id" in about else {}
        payload = orjson.dumps({**content, **echoed})
        sender.answers.give(sender.response, payload, kind, sender.correlation, self._expiry_seconds, spans.carrier())


def _unknown(machine_id: str) -> Problem:
    """Return the refusal of the plant of a command for a machine that it does not have."""
    rule = f"no machine has the id {from_peer(machine_id)}"
    return Problem(422, f"machine_id: {rule}", [FieldError("/machine_id", rule)])
