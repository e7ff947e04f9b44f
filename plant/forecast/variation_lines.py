"""How the jobs of a machine type vary, in words and figures, for `check`: lots, start-ups, and machines that differ."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log1p, sqrt
from statistics import NormalDist

from plant.definition.jobs.variation import LotsType, StartUpType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.forecast.rate_forecast import duration
from plant.forecast.start_ups import start_ups
from plant.forecast.throughput import changeovers_per_job, jobs_per_hour
from plant.jobs.spread import MOST_VARIANTS

Line = tuple[str, str]
"""What it is about, and the text."""


def variation_lines(config: PlantConfig, machine_type: MachineType, count: int) -> Iterator[Line]:
    """Yield the lines of a type. count: of its machines."""
    if machine_type.lots:
        yield "lots", _lots(config, machine_type, machine_type.lots)
    if machine_type.start_up:
        yield "start-up", _start_up(config, machine_type, machine_type.start_up)
    if machine_type.spread and count > 1:
        yield "spread", _spread(machine_type, count)


def worst_of(count: int, deviation: float) -> float:
    """Return by what factor the greatest of some factors is above their median, in half of all plants.

    deviation: the relative standard deviation of the factors, which are lognormal.
    """
    among = min(count, MOST_VARIANTS)
    return exp(NormalDist().inv_cdf(0.5 ** (1 / among)) * sqrt(log1p(deviation**2)))


def percent(share: float) -> str:
    """Return a share to three digits."""
    return f"{100 * share:.3g} %"


def _lots(config: PlantConfig, machine_type: MachineType, lots: LotsType) -> str:
    fewest, most = lots.size
    size = f"{most:,} jobs of a kind" if fewest == most else f"{fewest:,} to {most:,} jobs of a kind"
    if config.flow and machine_type.key in config.flow.line.made_to_order:
        begins = machine_type.key == config.flow.line.made_to_order[0]
        return f"those of orders, {size}" if begins else f"those of orders, at most {most:,} of a kind in a row"
    changeovers, seconds = changeovers_per_job(config, machine_type)
    per_hour = jobs_per_hour(config, machine_type, 1)
    if not changeovers or not per_hour:
        return f"{size}, no changeovers"
    often = f"{per_hour * changeovers:.3g} changeovers an hour and machine"
    return f"{size}; {often}, of {duration(seconds / changeovers)}: {percent(per_hour * seconds / 3600)} of the time"


def _start_up(config: PlantConfig, machine_type: MachineType, start_up: StartUpType) -> str:
    stop = f"after stops of {duration(start_up.after_stop_seconds)}"
    found = start_ups(config, machine_type)
    if found is None:
        return stop
    jobs = "1 job differs" if start_up.jobs == 1 else f"{start_up.jobs:,} jobs differ"
    costs = [f"cycles {percent(abs(found.cycle))} {_more(found.cycle, 'longer', 'shorter')}"] if found.cycle else []
    costs += [f"{percent(abs(found.bad))} {_more(found.bad, 'more', 'fewer')} bad jobs"] if found.bad else []
    mean = f", on average {' and '.join(costs)}" if costs else ""
    return f"{stop}, {found.per_hour:.3g} an hour and machine, {jobs}{mean}"


def _more(difference: float, more: str, less: str) -> str:
    return more if difference > 0 else less


def _spread(machine_type: MachineType, count: int) -> str:
    spread = machine_type.spread
    deviations = (
        {"stops": spread.shares, "cycles": spread.cycle_seconds, "bad results": spread.results} if spread else {}
    )
    named = (f"{name} times {worst_of(count, each):.3g}" for name, each in deviations.items() if each)
    return f"the worst of {count:,} machines, as a rule, against the median: {', '.join(named)}"
