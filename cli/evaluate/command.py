"""Score detections against the ground truth, and write the report.

Exit codes: 0 they were scored, and F1 is at least --f1-at-least if that is given; 1 it is lower, or there is none; 2 an
input cannot be read.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import TextIO

from cli.evaluate.evaluation import evaluate
from cli.evaluate.json_report import json_report
from cli.evaluate.report import report_lines
from cli.options.evaluate import EvaluateOptions
from cli.verify.input.reference import InvalidInput
from edge.redaction import escaped


class ExitCode(IntEnum):
    """The exit code of `evaluate`."""

    SUCCESS = 0
    TOO_LOW = 1
    INVALID_INPUT = 2


def run_evaluate(options: EvaluateOptions, out: TextIO | None = None) -> int:
    """Evaluate as the options say, write the report, and return the exit code."""
    out = out or sys.stdout
    try:
        evaluation = evaluate(options)
    except InvalidInput as error:
        print(escaped(f"evaluate: {error}"), file=sys.stderr)
        return ExitCode.INVALID_INPUT
    if options.as_json:
        out.write(json_report(evaluation).decode() + "\n")
    else:
        out.writelines(f"{escaped(line).rstrip()}\n" for line in report_lines(evaluation))
    return _result(evaluation.outcome.figures.f1, options.f1_at_least)


def _result(f1: float | None, least: float | None) -> ExitCode:
    if least is None or (f1 is not None and f1 >= least):
        return ExitCode.SUCCESS
    reached = "there is no F1" if f1 is None else f"F1 is {f1:.4f}"
    print(f"evaluate: {reached}, not at least {least:g}", file=sys.stderr)
    return ExitCode.TOO_LOW
