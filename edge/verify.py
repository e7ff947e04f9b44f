"""`verify`: what rows say of availability, performance, quality, OEE and throughput, against what is true.

Exit codes: 0 every figure within its bound; 1 one is not, a machine says nothing, or with --strict rows are missing or
repeated; 2 something given cannot be read.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Final, TextIO, TypeVar

from edge.arguments import amount, some_period
from edge.comparison import BOUNDS, Calculator, Limits, compare, from_rows
from edge.credentials import CredentialsUnavailable
from edge.hosts import joined
from edge.listen import CannotListen, Listener
from edge.reference import Reference, Span, Unreadable, fetch, load
from edge.rows import Rows
from edge.settings import Settings, add_flags
from edge.verdict import Verdict

T = TypeVar("T")

FINE, WRONG, UNREADABLE = 0, 1, 2

_LATE_SECONDS = 2.0
_BOUNDS: Final = {
    "availability": "points of availability that a machine's rows may be off",
    "performance": "points of performance",
    "quality": "points of quality",
    "oee": "points of OEE",
    "throughput": "percent of throughput",
}


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Give the parser the options of the command, and those of the daemon for --from-mqtt."""
    parser.usage = "%(prog)s [ROWS] [FLAG ...]"
    these = parser.add_argument_group("What to verify")
    these.add_argument("rows", nargs="?", metavar="ROWS", help="file of rows, one a line; - is standard input")
    these.add_argument("--from-mqtt", action="store_true", help="listen to the broker instead")
    these.add_argument("--duration", type=some_period, metavar="TIME", help="how long to listen")
    these.add_argument("--topics", metavar="FILTER", help="topics to listen to; default: all below MQTT_TOPIC_PREFIX")
    these.add_argument("--truth", metavar="FILE|URL", help="truth file, or /oee; live, default: /oee at HTTP_PORT")
    these.add_argument("--machines", metavar="PATTERN", default="*", help="only machines with such an id, as CNC-*")
    these.add_argument("--strict", action="store_true", help="exit with 1 also if rows are missing, repeated or junk")
    for (name, text), bound in zip(_BOUNDS.items(), BOUNDS, strict=True):
        these.add_argument(
            f"--{name}-within", type=amount, metavar="N", default=100 * bound, help=f"{text} (default %(default)g)"
        )
    add_flags(parser)


def run_verify(
    options: argparse.Namespace,
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
        rows.settle()
        verdict = _verdict(options, rows, reference, calculate)
    except (Unreadable, CannotListen, CredentialsUnavailable) as error:
        print(f"verify: {error}", file=sys.stderr)
        return UNREADABLE
    out.writelines(f"{line}\n" for line in verdict.report())
    return FINE if verdict.agrees(strict=options.strict) else WRONG


# gathering


def _from_file(options: argparse.Namespace) -> tuple[Rows, Reference]:
    if not options.rows or not options.truth:
        raise Unreadable("say which rows (a file, or --from-mqtt) and which truth (--truth)")
    reference = load(options.truth)
    rows = Rows(*reference.span)
    try:
        with ExitStack() as opened:
            rows.read(_stream(options.rows, opened))
    except OSError as error:
        raise Unreadable(f"cannot read {options.rows}: {error.strerror}") from None
    return rows, reference


def _stream(where: str, opened: ExitStack) -> BinaryIO:
    return sys.stdin.buffer if where == "-" else opened.enter_context(Path(where).open("rb"))


def _live(options: argparse.Namespace, settings: Settings) -> tuple[Rows, Reference]:
    """Listen between two answers of `/oee`, and a little longer for what is still on its way."""
    if not options.duration or options.duration <= 0:
        raise Unreadable("--from-mqtt needs --duration SECONDS")
    url = options.truth or f"http://{joined(settings.http_host, settings.http_port)}/oee"
    topics = options.topics or f"{settings.mqtt_topic_prefix}/#"
    with Listener(settings, topics) as listener:
        print(f"listening to {topics} for {options.duration:g} s", file=sys.stderr)
        before = fetch(url)
        rows = Rows(before.now_ms)
        rows.read(listener.payloads(options.duration))
        after = fetch(url)
        rows.until_ms = after.now_ms
        rows.read(listener.payloads(_LATE_SECONDS))
    if listener.lost or listener.breaks:
        print(f"verify: lost {listener.lost:,} messages here, {listener.breaks} connections", file=sys.stderr)
    return rows, after.after(before)


def _verdict(options: argparse.Namespace, rows: Rows, reference: Reference, calculate: Calculator) -> Verdict:
    if not rows.machines:
        what = f"{rows.outside:,} of another time than the truth, {rows.others:,} of no machine, {rows.junk:,} junk"
        raise Unreadable(f"no machine's row in {rows.lines:,} lines: {what}")
    common = since_ms, until_ms = _common(rows, reference.span)
    _check_cut(reference, common)
    truths = _matching(options.machines, reference.machines(since_ms, until_ms))
    told = _matching(options.machines, rows.machines)
    if not truths.keys() & told:
        raise Unreadable("rows and truth have no machine in common")
    bounds = Limits(*(getattr(options, f"{name}_within") / 100 for name in _BOUNDS))
    both = sorted(truths.keys() & told)
    differences = {each: compare(told[each], truths[each], bounds, calculate) for each in both}
    silent, unknown = sorted(truths.keys() - told), sorted(told.keys() - truths)
    return Verdict(rows, since_ms, until_ms, differences, silent, unknown)


def _check_cut(reference: Reference, common: Span) -> None:
    span = reference.span
    if common != span and not reference.can_be_cut:
        covered, summed = ((until_ms - since_ms) / 1000 for since_ms, until_ms in (common, span))
        raise Unreadable(
            f"the rows cover {covered:,.0f} s of the {summed:,.0f} s that /oee sums up, and sums cannot be cut:"
            " take a truth file"
        )


def _matching(pattern: str, by_id: Mapping[str, T]) -> dict[str, T]:
    return {machine_id: each for machine_id, each in by_id.items() if fnmatchcase(machine_id, pattern)}


def _common(rows: Rows, span: Span) -> Span:
    """The time that both cover. Rows that begin or end within a period of the truth cover all of it there."""
    machines = rows.machines.values()
    first_ms, last_ms = min(each.first_ms for each in machines), max(each.last_ms for each in machines)
    periods_ms = [each.beat.period_ms for each in machines]
    slack_ms = max(filter(math.isfinite, periods_ms), default=0.0)
    return (
        first_ms if first_ms - span[0] > slack_ms else span[0],
        last_ms if span[1] - last_ms > slack_ms else span[1],
    )
