"""The command `pub`: publish a message, some copies of it, or each line of standard input."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Final, TextIO

from cli.clients.broker import broker_of
from cli.clients.clock import Clock
from cli.clients.following import DONE, FAILED, WRONG
from cli.clients.printer import Printer, is_coloured
from cli.clients.session import Answer, Dropped, Session
from cli.options.clients import STANDARD_INPUT, PubOptions
from edge.mqtt.protocol.reason_codes import Packet
from edge.runtime.run_options import UsageError

_IDLE_SECONDS: Final = 0.5
_PIECE_BYTES: Final = 65_536
_MOST_BYTES: Final = 268_000_000
"""Of a payload: a packet has at most 268,435,455 bytes after its length (MQTT 5, 1.5.5), its topic included."""


def run_pub(
    options: PubOptions,
    environ: Mapping[str, str],
    clock: Clock,
    standard_input: int = 0,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Publish, and return the exit code. standard_input: the descriptor from which to read lines."""
    out, err = out or sys.stdout, err or sys.stderr
    printer = Printer("cli", clock.now, out, err, colour=is_coloured(out, environ))
    try:
        session = Session(broker_of(options, environ), options.client_id, clock.elapsed)
        payloads = _payloads(options, standard_input, lambda: session.step(0))
        return _published(session, options, payloads, printer, clock)
    except UsageError as error:
        print(error, file=err)
        return WRONG
    except Dropped as dropped:
        printer.note(str(dropped))
        return FAILED


def _payloads(options: PubOptions, standard_input: int, idle: Callable[[], object]) -> Iterator[bytes]:
    """Return the payloads; raises UsageError, for a line of standard input when it is reached."""
    if options.message != STANDARD_INPUT:
        message = options.message.encode(errors="surrogateescape")
        return repeat(_checked("--message", message, must_be_json=options.json), options.repeat)
    if options.repeat != 1:
        raise UsageError("--repeat: does not go with --message -, which publishes each line once")
    numbered = enumerate(lines_of(standard_input, idle), start=1)
    return (_checked(f"line {number}", line, must_be_json=options.json) for number, line in numbered)


def lines_of(descriptor: int, idle: Callable[[], object]) -> Iterator[bytes]:
    """Yield the lines of a descriptor as they come. idle: called twice a second while there is none."""
    rest = b""
    while True:
        while not select.select([descriptor], [], [], _IDLE_SECONDS)[0]:
            idle()
        piece = os.read(descriptor, _PIECE_BYTES)
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)
        if not piece:
            break
    if rest:
        yield rest


def _checked(place: str, payload: bytes, *, must_be_json: bool) -> bytes:
    """Return a payload; raises UsageError where it must be JSON and is not, or fits no packet."""
    if len(payload) > _MOST_BYTES:
        raise UsageError(f"{place}: must have at most {_MOST_BYTES:,} bytes, got {len(payload):,}")
    if must_be_json:
        try:
            json.loads(payload)
        except ValueError as error:
            raise UsageError(f"{place}: must be JSON, because of --json: {error}") from None
        except RecursionError:
            raise UsageError(f"{place}: must be JSON of fewer levels, because of --json") from None
    return payload


def _published(session: Session, options: PubOptions, payloads: Iterator[bytes], printer: Printer, clock: Clock) -> int:
    refused = False
    try:
        session.open()
        for number, payload in enumerate(payloads):
            if number:
                _pause(session, options.interval, clock)
            refused |= _publish(session, options, payload, printer)
    finally:
        session.close()
    return FAILED if refused else DONE


def _pause(session: Session, seconds: float, clock: Clock) -> None:
    """Keep the connection alive for a time; raises Dropped."""
    end = clock.elapsed() + seconds
    while (left := end - clock.elapsed()) > 0:
        session.step(left)


def _publish(session: Session, options: PubOptions, payload: bytes, printer: Printer) -> bool:
    """Publish a message, print what is known of it, and return whether it was refused."""
    packet_id = session.publish(options.topic, payload, options.qos, retain=options.retain)
    if not options.qos:
        session.step(0)
        printer.say(f"published to {options.topic} qos=0", {})
        return False
    answer = session.answer(packet_id)
    if answer.refused:
        printer.note(f"the broker refused the message to {options.topic}: {answer}")
    else:
        printer.say(f"published to {options.topic} qos=1: {_acknowledged(session, answer)}", {})
    return answer.refused


def _acknowledged(session: Session, answer: Answer) -> str:
    """Return what PUBACK says, which in MQTT 3.1.1 is nothing but that it came (MQTT 3.1.1, 3.4)."""
    return str(answer) if session.broker.is_5 else f"{Packet.PUBACK}, which has no reason code in MQTT 3.1.1"
