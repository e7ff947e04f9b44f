"""`python -m fuzz`: run the attacks, write the results into docs/reliability.md, and exit with 1 on findings."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from typing import cast

from benchmarks.case import ROOT
from benchmarks.progress import say
from benchmarks.reporting.page import Marks, table, write
from fuzz.campaign import LONGEST_SECONDS, Campaign, Result

PAGE = ROOT / "docs" / "reliability.md"
MARKS = Marks("<!-- measured: make fuzz writes from here -->", "<!-- measured: make fuzz to here -->")

PARTS: Mapping[str, tuple[str, int]] = {
    "files": ("mutated plant files, by `check` and by live reload while publishing", 10_000),
    "declarations": ("random and mutated machine types, signals, formulas, faults, which then advance an hour", 3_000),
    "settings": ("settings and command lines", 2_000),
    "brokers": ("broker misbehaviours", 500),
    "requests": ("HTTP oddities", 200),
    "api": ("calls that Schemathesis makes of the OpenAPI description, at 1,000 messages/s", 3_000),
}
"""Module in this package -> what it tries, and the number of cases."""
_HEAD = "part | tried | cases: | what happened | slowest: | findings:"
_MOST_SHOWN = 20


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    results = {name: _run(name, options) for name in options.part or PARTS}
    rows = {name: _row(name, result) for name, result in results.items()}
    print(_markdown(rows, options.seed))
    if not (options.no_page or options.only is not None):
        earlier = earlier_rows(PAGE.read_text("utf-8"), options.seed)
        every = {**earlier, **rows}
        write(PAGE, MARKS, _markdown({name: every[name] for name in PARTS if name in every}, options.seed))
    return 1 if any(result.findings for result in results.values()) else 0


def _run(name: str, options: argparse.Namespace) -> Result:
    part = cast("Campaign", import_module(f"fuzz.{name}").run)
    count = max(1, round(PARTS[name][1] * options.scale))
    cases = range(count) if options.only is None else range(options.only, options.only + 1)
    say(f"{name}: {len(cases)} cases, seed {options.seed}")
    began = time.monotonic()
    result = part(options.seed, cases, say)
    say(f"{name}: {len(result.findings)} findings in {time.monotonic() - began:.0f} s")
    for finding in result.findings[:_MOST_SHOWN]:
        say(f"  --part {name} --only {finding.case}: {finding.what}")
    return result


def _row(name: str, result: Result) -> list[str]:
    return [
        name,
        PARTS[name][0],
        f"{result.cases:,}",
        ", ".join(f"{count:,} {what}" for what, count in sorted(result.outcomes.items())),
        f"{result.slowest_seconds:.2f} s",
        str(len(result.findings)),
    ]


def _markdown(rows: Mapping[str, list[str]], seed: int) -> str:
    return f"{_begin(seed)} the slowest case may take {LONGEST_SECONDS:g} s.\n\n{table(_HEAD, [*rows.values()])}"


def _begin(seed: int) -> str:
    return f"Seed {seed};"


def earlier_rows(page: str, seed: int) -> dict[str, list[str]]:
    """Return the rows of the page's table by part, where it is of the same seed: a run of one part keeps the others."""
    written = page.partition(MARKS.begin)[2].partition(MARKS.end)[0]
    if not written.strip().startswith(_begin(seed)):
        return {}
    rows = [line.strip("| ").split(" | ") for line in written.splitlines() if line.startswith("| ")]
    return {row[0]: row for row in rows if row[0] in PARTS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the cases [1]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of the cases [1]")
    parser.add_argument("--only", type=int, metavar="CASE", help="run only this case")
    parser.add_argument("--no-page", action="store_true", help="only print; do not change docs/reliability.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
