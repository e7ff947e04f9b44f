"""Compare messages with the ground truth: each message by itself, and OEE figures in sum.

Exit codes: 0 they agree; 1 they do not, a machine sends nothing, or with --strict messages are missing, repeated, out
of order or unreadable; 2 an input cannot be read or is too coarse; 3 too few figures could be compared.
"""

from __future__ import annotations

import argparse
import math
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TextIO

from cli.arguments import amount, some_period
from cli.verify.comparison import BOUNDS, Calculator, Limits, from_messages
from cli.verify.input.ground_truth import load
from cli.verify.input.message_keys import MessageFinder, TypeInfo
from cli.verify.input.received_messages import ReceivedMessages
from cli.verify.input.reference import InvalidInput, Reference, fetch_oee, open_file, read_lines
from cli.verify.input.subscriber import SubscribeFailed, Subscriber
from cli.verify.input.timeline import Timeline
from cli.verify.report import ExitCode, Report
from cli.verify.verification import Criteria, verify_messages
from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.redaction import escaped
from edge.routing import TopicError, check_filter
from edge.settings.host_names import joined
from edge.settings.loader import Settings, add_flags, options_of

USED_SETTINGS: Final = (options_of("Broker", "Authentication", "TLS") - {"mqtt_session_expiry", "mqtt_clean_start"}) | {
    "mqtt_topic_prefix",
    "http_host",
    "http_port",
}
"""The settings of the simulator that --from-mqtt depends on."""

_LATE_SECONDS = 2.0
_BOUNDS: Final = {
    "availability": "points by which the availability of a machine may be off",
    "performance": "points of performance",
    "quality": "points of quality",
    "oee": "points of OEE",
    "throughput": "percent of the greater throughput",
}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of `verify`.

    rows: file of messages, `-` for standard input.  from_mqtt: subscribe to `topics` of the broker instead, for
    `duration` seconds.  truth: ground truth file or URL.  machines: pattern of machine ids to compare.  *_within: how
    far figures may be off, in points and percent.  flags: values of settings, as typed.
    """

    rows: str | None = None
    from_mqtt: bool = False
    duration: float | None = None
    topics: str | None = None
    truth: str | None = None
    machines: str = "*"
    strict: bool = False
    availability_within: float = 100 * BOUNDS.availability
    performance_within: float = 100 * BOUNDS.performance
    quality_within: float = 100 * BOUNDS.quality
    oee_within: float = 100 * BOUNDS.oee
    throughput_within: float = 100 * BOUNDS.throughput
    flags: Mapping[str, object] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """The bounds as shares."""
        within = (
            self.availability_within,
            self.performance_within,
            self.quality_within,
            self.oee_within,
            self.throughput_within,
        )
        return Limits(*(bound / 100 for bound in within))


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, and the simulator's settings for --from-mqtt, to the parser."""
    parser.usage = "%(prog)s [ROWS] [FLAG ...]"
    parser.epilog = (
        "Exit codes: 0 messages and ground truth agree; 1 they do not, a machine sends nothing, or with --strict "
        "messages are missing, repeated, out of order or unreadable; 2 an input cannot be read, or is too coarse; "
        "3 too few figures could be compared: the time is too short."
    )
    these = parser.add_argument_group("What to verify")
    these.add_argument(
        "rows", nargs="?", metavar="ROWS", help="file of messages, one a line, may be gzip; - is standard input"
    )
    these.add_argument("--from-mqtt", action="store_true", help="receive messages from the broker instead")
    these.add_argument("--duration", type=some_period, metavar="TIME", help="how long to receive messages")
    these.add_argument("--topics", metavar="FILTER", help="topic filter; default: all below MQTT_TOPIC_PREFIX")
    these.add_argument(
        "--truth",
        metavar="FILE|URL",
        help="ground truth file, or URL of /oee; default with --from-mqtt: /oee at HTTP_PORT",
    )
    these.add_argument(
        "--machines", metavar="PATTERN", default="*", help="only machines whose id matches, such as CNC-*"
    )
    these.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 also if messages are missing, repeated, out of order or unreadable",
    )
    for (name, text), bound in zip(_BOUNDS.items(), BOUNDS, strict=True):
        these.add_argument(
            f"--{name}-within", type=amount, metavar="N", default=100 * bound, help=f"{text} (default %(default)g)"
        )
    add_flags(parser, USED_SETTINGS)


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
        report = Report(
            messages, verify_messages(messages, reference, Criteria(options.machines, options.limits, calculate))
        )
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
    types, timelines = reference.types, reference.timelines

    def kind_of(machine_id: str) -> str | None:
        return timelines[machine_id].last.kind if machine_id in timelines else None

    def type_of(machine_id: str) -> TypeInfo | None:
        return types.get(kind_of(machine_id) or "")

    finder = MessageFinder(types, kind_of, _machines_at(timelines).get)
    return ReceivedMessages(*reference.span, types=types.values(), type_of=type_of, finder=finder)


def _machines_at(timelines: Mapping[str, Timeline]) -> Mapping[tuple[str, str | None], str]:
    """Return the machine at each station, by its type and the station, where there is only one."""
    places = Counter((each.last.kind, each.last.station) for each in timelines.values())
    found = ((machine_id, (each.last.kind, each.last.station)) for machine_id, each in timelines.items())
    return {place: machine_id for machine_id, place in found if places[place] == 1}


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
    with Subscriber(settings, topics) as subscriber:
        print(escaped(f"subscribed to {topics} for {options.duration:g} s"), file=sys.stderr)
        before = fetch_oee(url)
        messages = _no_messages_yet(before)
        messages.since_ms, messages.until_ms = before.now_ms, math.inf
        messages.read(subscriber.payloads(options.duration))
        after = fetch_oee(url)
        messages.until_ms = after.now_ms
        messages.read(subscriber.payloads(_LATE_SECONDS))
    if subscriber.dropped or subscriber.disconnects:
        print(
            f"verify: dropped {subscriber.dropped:,} messages, lost {subscriber.disconnects} connections",
            file=sys.stderr,
        )
    return messages, after.since(before)
