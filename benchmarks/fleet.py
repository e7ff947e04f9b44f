"""`python -m benchmarks.fleet`: a fleet of sensors that is scaled while it runs, written into docs/fleet.md.

Ten devices become ten thousand and ten again, each with a message a second, once at QoS 0 and once at QoS 1. It ends
with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.broker import BenchBroker
from benchmarks.case import ROOT
from benchmarks.progress import say
from benchmarks.reporting.bounds import Bound, bound_table
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import FLEET, table, write
from benchmarks.runs.fleet import Asked, Grown, grow

PAGE: Final = ROOT / "docs" / "fleet.md"
_FEW, _MANY, _SECONDS = 10, 10_000, 20.0


def main() -> int:
    """Do as the command line says; 1 where a bound is not met."""
    options = _parser().parse_args()
    scale = min(max(options.scale, 0.001), 1.0)
    told, grown = circumstances(", in one run"), []
    for qos in (0, 1):
        say(f"fleet, QoS {qos}")
        with tempfile.TemporaryDirectory() as directory, BenchBroker(Path(directory)) as broker:
            many, seconds = max(100, round(_MANY * scale)), max(3.0, _SECONDS * scale)
            grown.append(grow(broker, Asked(qos, _FEW, many, seconds / 5, seconds / 5, seconds)))
    text = markdown(grown, told)
    print(text)
    if not options.no_page:
        write(PAGE, FLEET, text)
    return 0 if all(bound.met for bound in bounds(grown)) else 1


def bounds(grown: Sequence[Grown]) -> list[Bound]:
    """What was asked for."""
    return [
        bound
        for each in grown
        for bound in (
            Bound(f"QoS {each.qos}: messages that do not arrive", each.sent - each.arrived, 0, least=False),
            Bound(f"QoS {each.qos}: share of a core", each.cpu_share, 0.6, least=False),
            Bound(f"QoS {each.qos}: seconds to scale up", each.up_seconds, 1.0, least=False),
            Bound(f"QoS {each.qos}: seconds to scale down", each.down_seconds, 1.0, least=False),
        )
    ]


def markdown(grown: Sequence[Grown], told: str) -> str:
    """The figures and the bounds as text. told: on what and when they were measured."""
    rows = [
        ["messages sent, by the ledger", *(f"{each.sent:,}" for each in grown)],
        ["counted by the broker", *(f"{each.counted:,}" for each in grown)],
        ["arrived at a subscriber", *(f"{each.arrived:,}" for each in grown)],
        ["sum of `mqtt_sent_total`", *(f"{each.shown:,}" for each in grown)],
        ["share of one core, with all devices", *(f"{100 * each.cpu_share:.0f} %" for each in grown)],
        ["messages late by, half of them", *(f"{each.late.p50_ms:.1f} ms" for each in grown)],
        ["99 % of them", *(f"{each.late.p99_ms:.1f} ms" for each in grown)],
        ["to scale up", *(f"{each.up_seconds:.2f} s" for each in grown)],
        ["latest message after it", *(f"{each.up_late_ms / 1000:.2f} s" for each in grown)],
        ["to scale down", *(f"{each.down_seconds:.2f} s" for each in grown)],
        ["latest message after it", *(f"{each.down_late_ms / 1000:.2f} s" for each in grown)],
        ["metrics of all devices", *(f"{each.page_seconds:.2f} s, {each.page_bytes:,} bytes" for each in grown)],
        ["memory with all devices", *(f"{each.rss_bytes / 2**20:.0f} MiB" for each in grown)],
    ]
    head = f"{grown[0].many:,} devices | {' | '.join(f'QoS {each.qos}:' for each in grown)}"
    return "\n\n".join([told, table(head, rows), bound_table(bounds(grown))])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of devices and seconds [1]")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/fleet.md as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
