"""Compare messages with the ground truth: each message by itself, and OEE figures in sum.

Exit codes: 0 they agree; 1 they do not, a machine sends nothing, or with --strict messages are missing, repeated, out
of order or unreadable; 2 an input cannot be read or is too coarse; 3 too few figures could be compared.
"""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from operator import attrgetter
from pathlib import Path
from typing import IO, Final, TextIO

from cli.options.verify import VerifyOptions
from cli.verify.comparison import Calculator, from_messages
from cli.verify.forms.message_finder import MessageFinder
from cli.verify.forms.message_keys import TypeInfo
from cli.verify.forms.type_history import forms
from cli.verify.input.ground_truth import load
from cli.verify.input.machine_places import Places
from cli.verify.input.received_messages import ReceivedMessages
from cli.verify.input.reference import InvalidInput, Reference, fetch_command_topics, fetch_oee, open_file, read_lines
from cli.verify.input.subscriber import SubscribeFailed, Subscriber
from cli.verify.report import ExitCode, Report
from cli.verify.verification import Criteria, verify_messages
from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.redaction import escaped
from edge.routing import TopicError, check_filter
from edge.settings.host_names import joined
from edge.settings.loader import Settings

_LATE_SECONDS: Final = 2.0
_LATEST_SECONDS: Final = 30.0


def run_verify(
    options: VerifyOptions,
    settings: Callable[[], Settings],
    *,
    out: TextIO | None = None,
    calculate: Calculator = from_messages,
) -> int:
    """Compare as the options say, write the report, and return the exit code.

    settings: called with --from-mqtt only; may raise SettingsError.  calculate: computes figures from counts.
    """
    out = out or sys.stdout
    try:
        messages, reference = _from_broker(options, settings()) if options.from_mqtt else _from_files(options)
        _require_messages(messages)
        criteria = Criteria(options.machines, options.limits, calculate, options.energy_within / 100)
        report = Report(messages, verify_messages(messages, reference, criteria))
    except (InvalidInput, SubscribeFailed, CredentialsUnavailable) as error:
        print(escaped(f"verify: {error}"), file=sys.stderr)
        return ExitCode.INVALID_INPUT
    out.writelines(f"{escaped(line)}\n" for line in report.lines())
    return report.exit_code(strict=options.strict)


def _require_messages(messages: ReceivedMessages) -> None:
    if not messages.machines:
        others = f"{messages.unrelated:,} unrelated, {messages.unreadable:,} unreadable"
        raise InvalidInput(
            f"no message of a machine in {messages.lines:,} lines:"
            f" {messages.outside:,} outside the time of the ground truth, {others}"
        )


# inputs


def _from_files(options: VerifyOptions) -> tuple[ReceivedMessages, Reference]:
    if not options.rows or not options.truth:
        raise InvalidInput("name the messages (a file, or --from-mqtt) and the ground truth (--truth)")
    reference = load(options.truth)
    messages = _no_messages_yet(reference)
    try:
        with ExitStack() as stack:
            messages.read(read_lines(_stream(options.rows, stack), options.rows))
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"cannot read {options.rows}: {getattr(error, 'strerror', None) or error}") from None
    return messages, reference


def _no_messages_yet(reference: Reference) -> ReceivedMessages:
    """Return an empty set of messages, whose keys are read as the reference says for each machine type."""
    types, places = reference.types, Places(reference.timelines)

    def type_of(machine_id: str, time_ms: float) -> TypeInfo | None:
        history = types.get(places.kind_of(machine_id, time_ms) or "")
        return history.at(time_ms) if history else None

    finders = (
        MessageFinder(forms(types, classes_of), places.kind_of, places.machine_at)
        for classes_of in (attrgetter("classes"), attrgetter("alarm_classes"))
    )
    usual = [edition.info for history in types.values() for edition in history.editions]
    finder, alarm_finder = finders
    return ReceivedMessages(*reference.span, types=usual, type_of=type_of, finder=finder, alarm_finder=alarm_finder)


def _stream(where: str, stack: ExitStack) -> IO[bytes]:
    return sys.stdin.buffer if where == "-" else stack.enter_context(open_file(Path(where)))


def _from_broker(options: VerifyOptions, settings: Settings) -> tuple[ReceivedMessages, Reference]:
    """Receive messages between two answers of `/oee`, and a little longer for those in flight."""
    if not options.duration or options.duration <= 0:
        raise InvalidInput("--from-mqtt needs --duration SECONDS")
    url = options.truth or f"http://{joined(settings.http_host, settings.http_port)}/oee"
    topics = f"{settings.mqtt_topic_prefix}/#" if options.topics is None else options.topics
    try:
        check_filter(topics)
    except TopicError as error:
        raise InvalidInput(f"--topics: {error}") from None
    commands = fetch_command_topics(url)
    with Subscriber(settings, topics, commands) as subscriber:
        without = f", without commands on {commands}" if commands else ""
        print(escaped(f"subscribed to {topics} for {options.duration:g} s{without}"), file=sys.stderr)
        before = fetch_oee(url)
        messages = _no_messages_yet(before)
        messages.since_ms, messages.until_ms = before.now_ms, math.inf
        messages.read(subscriber.payloads(options.duration))
        after = fetch_oee(url)
        messages.until_ms = after.now_ms
        read_late(messages, subscriber.payloads)
    if subscriber.dropped or subscriber.disconnects:
        print(
            f"verify: dropped {subscriber.dropped:,} messages, lost {subscriber.disconnects} connections",
            file=sys.stderr,
        )
    return messages, after.since(before)


def read_late(messages: ReceivedMessages, payloads: Callable[[float], Iterable[bytes]]) -> None:
    """Read messages that are in flight at the end of their time: until later ones come, or none for half a minute.

    payloads: returns what arrives in so many seconds.
    """
    waited = 0.0
    while waited == 0 or (messages.latest_ms <= messages.until_ms and waited < _LATEST_SECONDS):
        messages.read(payloads(_LATE_SECONDS))
        waited += _LATE_SECONDS
