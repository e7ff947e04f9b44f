"""The commands `sub` and `observe`: print messages, or how many there are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final, TextIO

from cli.clients.broker import broker_of
from cli.clients.clock import Clock
from cli.clients.following import WRONG, exit_code_of
from cli.clients.printer import Printer, is_coloured
from cli.clients.rates import Rates
from cli.clients.session import Accepted, Dropped, Received, Session
from cli.options.clients import PERSISTENT, ObserveOptions, SubOptions
from edge.runtime.run_options import UsageError

_IDLE_SECONDS: Final = 1.0


def run_sub(
    options: SubOptions,
    environ: Mapping[str, str],
    clock: Clock,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Print messages until it is ended, and return the exit code."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        broker = broker_of(options, environ)
    except UsageError as error:
        print(error, file=err)
        return WRONG
    name = "observer" if isinstance(options, ObserveOptions) else "cli"
    printer = Printer(name, clock.now, out, err, json_lines=options.json, colour=is_coloured(out, environ))
    session = Session(broker, options.client_id, clock.elapsed, persistent=options.session == PERSISTENT)
    subscriber = Subscriber(options, session, printer, clock)
    return exit_code_of(session, subscriber, printer.note, clock)


class Subscriber:
    """Subscribes on each connection, and prints what passes the filters."""

    def __init__(self, options: SubOptions, session: Session, printer: Printer, clock: Clock) -> None:
        self._options, self._session, self._printer, self._clock = options, session, printer, clock
        self._filters = options.topic or [f"{session.broker.prefix}/#"]
        self._shown = 0
        self._is_subscribed = False
        begin = clock.elapsed()
        self._end = None if options.seconds is None else begin + options.seconds
        self._rates = Rates(begin) if options.rate else None

    @property
    def has_succeeded(self) -> bool:
        """Whether there was a subscription, and as many messages as wanted."""
        return self._is_subscribed and (self._options.count is None or self._shown >= self._options.count)

    def is_done(self) -> bool:
        """Whether there were enough messages, or the time is over."""
        enough = self._options.count is not None and self.has_succeeded
        return enough or (self._end is not None and self._clock.elapsed() >= self._end)

    @property
    def patience_seconds(self) -> float:
        """How long nothing is due."""
        ends = [self._rates.due] if self._rates else []
        ends += [self._end] if self._end is not None else []
        now = self._clock.elapsed()
        return max(0.0, min([_IDLE_SECONDS, *(end - now for end in ends)]))

    def opened(self, accepted: Accepted) -> None:
        """Subscribe; raises Dropped where the broker refuses it."""
        if self._options.session == PERSISTENT:
            self._printer.note(f"connected (session_present={str(accepted.session_present).lower()})")
        answers = self._session.subscribe(self._filters, self._options.qos)
        for pattern, answer in zip(self._filters, answers, strict=False):
            if answer.refused:
                raise Dropped(f"the broker refused the subscription to {pattern}: {answer}", final=True)
            self._printer.note(f"subscribed to {pattern}: {answer}")
        self._is_subscribed = True

    def look(self) -> None:
        """Print what was received, and the rates where they are due."""
        while self._session.received and not self.is_done():
            self._take(self._session.received.popleft())
        report = self._rates.report(self._clock.elapsed()) if self._rates else None
        if report is None:
            return
        for topic, rate in report.per_second.items():
            self._printer.say(f"{rate:8.1f} msg/s {topic}", {"topic": topic, "messages_per_second": round(rate, 2)})
        more = f" (with {report.others} more topics)" if report.others else ""
        self._printer.say(f"{report.total:8.1f} msg/s in all{more}", {"messages_per_second": round(report.total, 2)})

    def _take(self, received: Received) -> None:
        if not is_wanted(self._options, received):
            return
        self._shown += 1
        if self._rates:
            self._rates.count(received.topic)
        else:
            self._printer.message(received)


def is_wanted(options: SubOptions, received: Received) -> bool:
    """Return whether a message passes the filters of the command line."""
    text = options.contains
    return (
        options.only_retained in (None, received.retain)
        and options.only_qos in (None, received.qos)
        and (text is None or text in received.topic or text.encode(errors="surrogateescape") in received.payload)
    )
