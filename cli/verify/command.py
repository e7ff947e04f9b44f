"""`verify`: what rows say of the plant, against what is true: row by row, and in sum as OEE.

Exit codes: 0 what is said is true; 1 it is not, a machine says nothing, or with --strict rows are missing, repeated, in
disorder or junk; 2 something given cannot be read, or cannot be judged; 3 too little is said to judge by.
"""

from __future__ import annotations

import argparse
import math
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TextIO

from cli.arguments import amount, some_period
from cli.verify.checks import Question, hold
from cli.verify.comparison import BOUNDS, Calculator, Limits, from_rows
from cli.verify.input.ground_truth import load
from cli.verify.input.reference import Reference, Unreadable, fetch, lines_of, opened
from cli.verify.input.rows import Rows, TypeNames
from cli.verify.input.subscriber import CannotListen, Subscriber
from cli.verify.report import ExitCode, Report
from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.settings.host_names import joined
from edge.settings.loader import Settings, add_flags

_LATE_SECONDS = 2.0
_BOUNDS: Final = {
    "availability": "points of availability that a machine's rows may be off",
    "performance": "points of performance",
    "quality": "points of quality",
    "oee": "points of OEE",
    "throughput": "percent of throughput",
}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What `verify` is asked for.

    rows: file of rows, `-` for standard input.  from_mqtt: listen to the broker instead, for `duration` seconds, to
    `topics`.  truth: file or URL.  machines: pattern of the ids that count.  *_within: how far figures may be off, in
    points and per cent.  flags: values of settings, as they were typed.
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
        """How far each figure may be off."""
        within = (
            self.availability_within,
            self.performance_within,
            self.quality_within,
            self.oee_within,
            self.throughput_within,
        )
        return Limits(*(bound / 100 for bound in within))


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Give the parser the options of the command, and those of the daemon for --from-mqtt."""
    parser.usage = "%(prog)s [ROWS] [FLAG ...]"
    parser.epilog = (
        "Exit codes: 0 what rows say is true; 1 it is not, a machine says nothing, or with --strict rows are missing, "
        "repeated, in disorder or junk; 2 something given cannot be read, or is too coarse to judge; 3 too little is "
        "said to judge: the time is too short."
    )
    these = parser.add_argument_group("What to verify")
    these.add_argument(
        "rows", nargs="?", metavar="ROWS", help="file of rows, one a line, perhaps gzip; - is standard input"
    )
    these.add_argument("--from-mqtt", action="store_true", help="listen to the broker instead")
    these.add_argument("--duration", type=some_period, metavar="TIME", help="how long to listen")
    these.add_argument("--topics", metavar="FILTER", help="topics to listen to; default: all below MQTT_TOPIC_PREFIX")
    these.add_argument("--truth", metavar="FILE|URL", help="truth file, or /oee; live, default: /oee at HTTP_PORT")
    these.add_argument("--machines", metavar="PATTERN", default="*", help="only machines with such an id, as CNC-*")
    these.add_argument(
        "--strict", action="store_true", help="exit with 1 also if rows are missing, repeated, in disorder or junk"
    )
    for (name, text), bound in zip(_BOUNDS.items(), BOUNDS, strict=True):
        these.add_argument(
            f"--{name}-within", type=amount, metavar="N", default=100 * bound, help=f"{text} (default %(default)g)"
        )
    add_flags(parser)


def run_verify(
    options: VerifyOptions,
    settings: Callable[[], Settings],
    *,
    out: TextIO | None = None,
    calculate: Calculator = from_rows,
) -> int:
    """Do what the options say, write the report, give the exit code.

    settings: asked with --from-mqtt only; may raise SettingsError.  calculate: how figures are made from rows.
    """
    out = out or sys.stdout
    try:
        rows, reference = _live(options, settings()) if options.from_mqtt else _from_file(options)
        _check_any(rows)
        verdict = Report(rows, hold(rows, reference, Question(options.machines, options.limits, calculate)))
    except (Unreadable, CannotListen, CredentialsUnavailable) as error:
        print(f"verify: {error}", file=sys.stderr)
        return ExitCode.UNREADABLE
    out.writelines(f"{line}\n" for line in verdict.report())
    return verdict.code(strict=options.strict)


def _check_any(rows: Rows) -> None:
    if not rows.machines:
        what = f"{rows.outside:,} of another time than the truth, {rows.others:,} of no machine, {rows.junk:,} junk"
        raise Unreadable(f"no machine's row in {rows.lines:,} lines: {what}")


# gathering


def _from_file(options: VerifyOptions) -> tuple[Rows, Reference]:
    if not options.rows or not options.truth:
        raise Unreadable("say which rows (a file, or --from-mqtt) and which truth (--truth)")
    reference = load(options.truth)
    rows = _rows_of(reference)
    try:
        with ExitStack() as stack:
            rows.read(lines_of(_stream(options.rows, stack), options.rows))
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"cannot read {options.rows}: {getattr(error, 'strerror', None) or error}") from None
    return rows, reference


def _rows_of(reference: Reference) -> Rows:
    """No rows yet, to be read by what the ground truth says of the keys of each machine type."""
    types, timelines = reference.types, reference.timelines

    def type_of(machine_id: str) -> TypeNames | None:
        return types.get(timelines[machine_id].last.kind) if machine_id in timelines else None

    return Rows(*reference.span, types=types.values(), type_of=type_of)


def _stream(where: str, stack: ExitStack) -> IO[bytes]:
    return sys.stdin.buffer if where == "-" else stack.enter_context(opened(Path(where)))


def _live(options: VerifyOptions, settings: Settings) -> tuple[Rows, Reference]:
    """Listen between two answers of `/oee`, and a little longer for what is still on its way."""
    if not options.duration or options.duration <= 0:
        raise Unreadable("--from-mqtt needs --duration SECONDS")
    url = options.truth or f"http://{joined(settings.http_host, settings.http_port)}/oee"
    topics = options.topics or f"{settings.mqtt_topic_prefix}/#"
    with Subscriber(settings, topics) as listener:
        print(f"listening to {topics} for {options.duration:g} s", file=sys.stderr)
        before = fetch(url)
        rows = _rows_of(before)
        rows.since_ms, rows.until_ms = before.now_ms, math.inf
        rows.read(listener.payloads(options.duration))
        after = fetch(url)
        rows.until_ms = after.now_ms
        rows.read(listener.payloads(_LATE_SECONDS))
    if listener.lost or listener.breaks:
        print(f"verify: lost {listener.lost:,} messages here, {listener.breaks} connections", file=sys.stderr)
    return rows, after.after(before)
