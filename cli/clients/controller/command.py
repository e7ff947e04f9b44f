"""The command `controller`: receive alarms, telemetry, status and state, and publish the commands that rules want."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, TextIO

from cli.clients.broker import broker_of
from cli.clients.clock import Clock
from cli.clients.controller.decisions import Command, Decisions
from cli.clients.controller.events import CHANNELS, Event, NotUnderstood, State, Status, event_of
from cli.clients.controller.rules import DEFAULT_RULES, RulesError, read_rules
from cli.clients.following import WRONG, exit_code_of
from cli.clients.printer import Printer, is_coloured
from cli.clients.session import Accepted, Dropped, Session
from cli.options.clients import PERSISTENT, ControllerOptions
from edge.runtime.run_options import UsageError

_IDLE_SECONDS: Final = 1.0
_NOBODY: Final = 0x10
"""No matching subscribers (MQTT 5, 3.4.2.1)."""


def run_controller(
    options: ControllerOptions,
    environ: Mapping[str, str],
    clock: Clock,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Answer alarms until it is ended, and return the exit code."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        broker = broker_of(options, environ)
        decisions = Decisions(read_rules(Path(options.rules) if options.rules else DEFAULT_RULES))
    except UsageError as error:
        print(error, file=err)
        return WRONG
    except RulesError as error:
        print(*error.mistakes, sep="\n", file=err)
        return WRONG
    printer = Printer("controller", clock.now, out, err, json_lines=options.json, colour=is_coloured(out, environ))
    session = Session(broker, options.client_id, clock.elapsed, persistent=options.session == PERSISTENT)
    controller = Controller(decisions, session, printer, clock, options.seconds)
    code = exit_code_of(session, controller, printer.note, clock)
    printer.say("shutdown", {"event": "shutdown"})
    return code


class Controller:
    """Hands events to the decisions, and publishes what these want.

    seconds: after which to end; None for never.
    """

    def __init__(
        self, decisions: Decisions, session: Session, printer: Printer, clock: Clock, seconds: float | None = None
    ) -> None:
        self._decisions, self._session, self._printer, self._clock = decisions, session, printer, clock
        self._end = None if seconds is None else clock.elapsed() + seconds
        self._ids = count(1)
        self._to_send: deque[Command] = deque()
        self._sent: dict[int, Command] = {}
        self._known: dict[str, Event] = {}
        self._not_understood: set[str] = set()
        self._refused = 0
        self._was_connected = False

    def is_done(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and self._clock.elapsed() >= self._end

    @property
    def has_succeeded(self) -> bool:
        """Whether there was a connection, and no command was refused."""
        return self._was_connected and not self._refused

    @property
    def patience_seconds(self) -> float:
        """How long nothing is due."""
        times = [at for at in (self._end, self._decisions.next_at()) if at is not None]
        return max(0.0, min([_IDLE_SECONDS, *(at - self._clock.elapsed() for at in times)]))

    def opened(self, accepted: Accepted) -> None:
        """Say whether there was a session, and subscribe; raises Dropped where the broker refuses it."""
        present = str(accepted.session_present).lower()
        facts = {"event": "connected", "session_present": accepted.session_present}
        self._printer.say(f"connected (session_present={present})", facts)
        self._was_connected = True
        # Also in a session that has them: it may be one of another prefix.
        filters = [f"{self._session.broker.prefix}/{channel}/#" for channel in CHANNELS]
        for pattern, answer in zip(filters, self._session.subscribe(filters, 1), strict=False):
            if answer.refused:
                raise Dropped(f"the broker refused the subscription to {pattern}: {answer}", final=True)

    def look(self) -> None:
        """Process what was received, and what is due."""
        received = self._session.received
        while received:
            message = received.popleft()
            topic = message.topic.removeprefix(f"{self._session.broker.prefix}/")
            event = event_of(topic, message.payload)
            if event is not None:
                self._note(event)
                self._to_send += self._decisions.hear(event, self._clock.elapsed())
        self._to_send += self._decisions.due(self._clock.elapsed())
        while self._to_send and self._session.is_open:
            self._send(self._to_send[0])
            self._to_send.popleft()
        self._look_at_answers()

    def _note(self, event: Event) -> None:
        """Print what changes of a machine, and once of each topic that it is not understood."""
        if isinstance(event, NotUnderstood):
            if event.topic not in self._not_understood and len(self._not_understood) < _MOST_TOPICS:
                self._not_understood.add(event.topic)
                self._printer.note(f"ignoring a message on {event.topic}: it {event.why}")
            return
        if isinstance(event, State | Status):
            kind, word = ("state", event.state) if isinstance(event, State) else ("status", _online(event))
            key = f"{kind}/{event.device}"
            if self._known.get(key) != event and len(self._known) < _MOST_TOPICS:
                self._known[key] = event
                facts = {"event": kind, "device_id": event.device, kind: word}
                self._printer.say(f"{kind} of {event.device}: {word}", facts)

    def _send(self, command: Command) -> None:
        """Publish a command; raises Dropped."""
        topic = f"{self._session.broker.prefix}/commands/controller/{command.device}"
        self._session.wait_for_room()
        number = next(self._ids)
        payload = {
            "command": command.command,
            "reason": command.reason,
            "command_id": number,
            "device_id": command.device,
            "ts": datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        packet_id = self._session.publish(topic, json.dumps(payload, separators=(",", ":")).encode(), 1)
        self._sent[packet_id] = command
        text = f"sent {command.command} to {command.device} ({command.because}) command_id={number}"
        self._printer.say(text, {"event": "command", **payload, "because": command.because}, "mark")

    def _look_at_answers(self) -> None:
        for packet_id, answer in self._session.answers().items():
            command = self._sent.pop(packet_id, None)
            if command is None:
                continue
            if answer.refused:
                self._refused += 1
                self._printer.note(f"the broker refused {command.command} to {command.device}: {answer}")
            elif answer.code == _NOBODY:
                self._printer.note(f"nobody receives {command.command} to {command.device}: {answer}")


_MOST_TOPICS: Final = 10_000
"""Of which something is remembered: anyone may publish to any number of them."""


def _online(event: Status) -> str:
    return "online" if event.online else "offline"
