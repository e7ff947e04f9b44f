"""`make bench-page`: what it costs a plant of 10,000 machines and 2,000 messages a second to be looked at.

Each scene is watched for a minute in all, in six turns. With --minutes, the memory of the simulator for so long
while somebody looks at everything. It ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
from typing import Final

from benchmarks.progress import say
from benchmarks.reporting.bounds import Bound, bound_table
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import table
from benchmarks.viewers.run import ALL, NOBODY, Cost, Growth, Scene, any_machine, costs, growth, simulator

_MACHINES, _RATE, _SECONDS, _ROUNDS, _SETTLE_SECONDS = 10_000, 2000.0, 60.0, 6, 120.0
_ONE: Final = Scene("one viewer", 1)
_TEN: Final = Scene("ten viewers", 10)
_STALLED: Final = Scene("one who asks for the traffic and does not read", 1, "?traffic=true", stalled=True)


def main() -> int:
    """Do as the command line says; 1 where a bound is not met."""
    options = _parser().parse_args()
    scale = min(max(options.scale, 0.01), 1.0)
    told = circumstances(", in one run", ("uvicorn", "fastapi", "orjson"))
    with simulator(round(_MACHINES * scale), _RATE * scale) as process:
        everything = Scene("one who looks at a machine and at the traffic", 1, ALL.format(machine=any_machine(process)))
        scenes = [NOBODY, _ONE, _TEN, _STALLED, everything]
        found = costs(process, scenes, _SECONDS * scale, _ROUNDS, say)
        settle = min(_SETTLE_SECONDS, 60 * options.minutes / 4)
        grown = growth(process, everything, 60 * options.minutes, settle, say) if options.minutes else None
    asked = [*_bounds(found), *(_growth_bounds(grown) if grown else [])]
    print(f"{told}\n\n{_costs_table(found)}\n\n{bound_table(asked)}")
    return 0 if all(bound.met for bound in asked) else 1


def _bounds(found: dict[str, Cost]) -> list[Bound]:
    alone = found[NOBODY.name].share
    limits = {_ONE.name: 10, _TEN.name: 25, _STALLED.name: 1}
    return [
        Bound(f"{name}: % of a core more than nobody", 100 * (found[name].share - alone), limit, least=False)
        for name, limit in limits.items()
    ]


def _growth_bounds(grown: Growth) -> list[Bound]:
    return [Bound(f"MiB of growth in {grown.seconds / 60:,.0f} minutes", grown.bytes / 2**20, 5, least=False)]


def _costs_table(found: dict[str, Cost]) -> str:
    rows = [
        [name, f"{100 * cost.share:.1f} %", f"{cost.bytes_a_second / 1000:.1f} kB/s"] for name, cost in found.items()
    ]
    return table("who looks | share of one core: | sent to each:", rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewers", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="fewer and shorter, such as 0.05")
    parser.add_argument("--minutes", type=float, default=0.0, metavar="N", help="of memory, such as 60")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
