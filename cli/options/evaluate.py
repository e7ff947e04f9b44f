"""The options of `evaluate`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

from cli.arguments import add_machines, amount, count, moment, period, share

DEFAULT_Z: Final = 4.0
DEFAULT_WINDOW: Final = 120

_USAGE: Final = "%(prog)s DETECTIONS --truth FILE [FLAG ...]"
_EPILOG: Final = (
    "A detection has machine (or machine_id), and from and to, or time (or timestamp): RFC 3339 with a time zone, "
    "or seconds or milliseconds since 1970; if you like, score, a number that is higher where it is surer, and "
    "fault, the name of the fault. "
    "Exit codes: 0 the detections were scored, and F1 is at least --f1-at-least if that is given; 1 it is lower, "
    "or there is none; 2 an input cannot be read."
)


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """The options of `evaluate`; times in seconds, moments in seconds since 1970.

    detections: file of detections, `-` for standard input.  truth: ground truth file.  tolerance, before: how long
    after its end, and before its begin, a label is found.  machines, only: patterns of machine ids, and of faults.
    since, until: the part of the run that is scored.
    messages: file of messages, for the z-score baseline; z, window, field: its threshold, its window in values, and
    the pattern of the fields that it reads.
    f1_at_least: the least F1 that is a success.  as_json: write the figures as JSON.
    """

    detections: str | None = None
    truth: str | None = None
    tolerance: float = 0.0
    before: float = 0.0
    machines: str = "*"
    only: str = "*"
    since: float | None = None
    until: float | None = None
    messages: str | None = None
    z: float = DEFAULT_Z
    window: int = DEFAULT_WINDOW
    field: str = "*"
    f1_at_least: float | None = None
    as_json: bool = False


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to the parser."""
    parser.usage, parser.epilog = _USAGE, _EPILOG
    _add_inputs(parser.add_argument_group("What to score"))
    _add_baseline(parser.add_argument_group("Baseline of rolling z-scores"))
    result = parser.add_argument_group("Result")
    result.add_argument("--f1-at-least", type=share, metavar="X", help="exit with 1 where F1 is below X, from 0 to 1")
    result.add_argument("--json", dest="as_json", action="store_true", help="write the figures as one JSON object")


def _add_inputs(these: argparse._ArgumentGroup) -> None:
    these.add_argument(
        "detections",
        nargs="?",
        metavar="DETECTIONS",
        help="file of detections, CSV with a header or JSON lines, may be gzip; - is standard input",
    )
    these.add_argument("--truth", metavar="FILE", help="ground truth file, as `run --truth` writes it")
    these.add_argument(
        "--tolerance", type=period, metavar="TIME", default=0.0, help="a fault is found up to TIME after its end [0]"
    )
    these.add_argument(
        "--before", type=period, metavar="TIME", default=0.0, help="and from TIME before its begin on [0]"
    )
    add_machines(these)
    these.add_argument(
        "--only",
        metavar="PATTERN",
        default="*",
        help="only faults whose name matches; detections of other faults alone are left out",
    )
    these.add_argument(
        "--from", dest="since", type=moment, metavar="TIME", help="score from this time on [begin of the run]"
    )
    these.add_argument("--until", type=moment, metavar="TIME", help="score up to this time [end of the run]")


def _add_baseline(these: argparse._ArgumentGroup) -> None:
    these.add_argument(
        "--messages", metavar="FILE", help="messages of the same run, one a line: score this baseline on them as well"
    )
    these.add_argument(
        "--z",
        type=amount,
        metavar="K",
        default=DEFAULT_Z,
        help="detect values over K standard deviations from the mean of the window (default %(default)g)",
    )
    these.add_argument(
        "--window",
        type=count,
        metavar="N",
        default=DEFAULT_WINDOW,
        help="of the N values of the field before (default %(default)d)",
    )
    these.add_argument("--field", metavar="PATTERN", default="*", help="only fields whose name matches")
