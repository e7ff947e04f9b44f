"""`python -m benchmarks.storms`: a connection for each of thousands of machines, into docs/load-testing.md.

On mosquitto and on the embedded broker, each machine with a message a second at QoS 1: all connect, report for two
minutes while twenty tokens follow one another, and a tenth of them is cut off at once. It ends with 1 where a bound is
not met.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from benchmarks.case import ROOT
from benchmarks.progress import say
from benchmarks.reporting.bounds import Bound, bound_table
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import CONNECTIONS, table, write
from benchmarks.storms.brokers import mosquitto, sandbox
from benchmarks.storms.run import Asked, Broker, Storm, storm

PAGE: Final = ROOT / "docs" / "load-testing.md"
_MACHINES, _CUT, _RAMP_SECONDS, _STEADY_SECONDS, _RENEWALS, _RATE = 10_000, 1_000, 60.0, 120.0, 20, 1000.0
_BROKERS: Final[dict[str, tuple[Broker, float]]] = {"mosquitto": (mosquitto, 1.0), "embedded broker": (sandbox, 1.0)}
"""Brokers, and the part of the machines that each is asked for: the embedded one is Python, as are the machines."""


def main() -> int:
    """Do as the command line says; 1 where a bound is not met."""
    options = _parser().parse_args()
    scale = min(max(options.scale, 0.002), 1.0)
    told, storms = circumstances(", in one run"), []
    for name, (broker, part) in _BROKERS.items():
        if options.broker in (None, name):
            asked = _asked(scale * part, scale)
            say(f"{name}: {asked.machines:,} connections")
            storms.append((name, storm(broker, asked)))
    text = markdown(storms, told)
    print(text)
    if not options.no_page:
        write(PAGE, CONNECTIONS, text)
    return 0 if all(bound.met for bound in bounds(storms)) else 1


def bounds(storms: Sequence[tuple[str, Storm]]) -> list[Bound]:
    """What was asked for."""
    return [
        bound
        for name, each in storms
        for bound in (
            Bound(f"{name}: seconds until all are connected", each.online_seconds, 60, least=False),
            Bound(f"{name}: messages that do not arrive", each.sent - each.arrived, 0, least=False),
            Bound(f"{name}: wills that do not arrive", each.wills_expected - each.wills, 0, least=False),
            Bound(f"{name}: machines without their session", each.cut - each.resumed, 0, least=False),
            Bound(f"{name}: seconds until all are back", each.back_seconds, 60, least=False),
            Bound(f"{name}: kB of memory a connection", each.connection_bytes / 1000, 60, least=False),
            Bound(f"{name}: tokens not taken over", each.renewals * each.machines - each.renewed, 0, least=False),
        )
    ]


def markdown(storms: Sequence[tuple[str, Storm]], told: str) -> str:
    """The figures and the bounds as text. told: on what and when they were measured."""
    found = [each for _, each in storms]
    rows = [
        ["connections", *(f"{each.machines:,}" for each in found)],
        ["until all are connected", *(f"{each.online_seconds:.1f} s" for each in found)],
        ["messages sent, by the ledger", *(f"{each.sent:,}" for each in found)],
        ["arrived at a subscriber", *(f"{each.arrived:,}" for each in found)],
        ["arrived there again, after the cut", *(f"{each.repeated:,}" for each in found)],
        ["share of one core, simulator", *(f"{100 * each.cpu_share:.0f} %" for each in found)],
        ["messages late by, half of them", *(f"{each.late.p50_ms:.0f} ms" for each in found)],
        ["99 % of them", *(f"{each.late.p99_ms:.0f} ms" for each in found)],
        ["memory a connection", *(f"{each.connection_bytes / 1000:.0f} kB" for each in found)],
        ["new tokens taken over on live connections", *(f"{each.renewed:,}" for each in found)],
        ["connections cut at once", *(f"{each.cut:,}" for each in found)],
        ["wills at a subscriber", *(f"{each.wills:,}" for each in found)],
        ["until all are back", *(f"{each.back_seconds:.1f} s" for each in found)],
        ["with their session", *(f"{each.resumed:,}" for each in found)],
    ]
    head = f"a message a second each | {' | '.join(f'{name}:' for name, _ in storms)}"
    return "\n\n".join([told, table(head, rows), bound_table(bounds(storms))])


def _asked(part: float, scale: float) -> Asked:
    machines = max(20, round(_MACHINES * part))
    renewals = max(2, round(_RENEWALS * scale))
    return Asked(
        machines,
        max(2, round(_CUT * part)),
        max(4.0, _RAMP_SECONDS * scale),
        max(6.0, _STEADY_SECONDS * scale),
        renewals,
        _RATE,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storms", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="fewer and shorter, such as 0.05")
    parser.add_argument("--broker", choices=[*_BROKERS], help="only this one")
    parser.add_argument("--no-page", action="store_true", help="leave docs/load-testing.md as it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
