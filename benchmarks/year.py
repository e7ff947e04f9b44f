"""`make bench-year`: a simulated year of each machine of the energy plant, at its own interval.

Nothing is published: what counts is how long the plant takes, that each number is one, and that no meter drifts. The
meter of the first thirty days is compared with power times time, of all their messages.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple

import orjson
import yaml

from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from tools.pictures.energy import SCENARIO

START: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
STEP: Final = 6 * 3600.0
DAY: Final = 86_400.0
NO_NUMBERS: Final = (b"NaN", b"nan", b"Infinity", b"inf", b":null")


class Year(NamedTuple):
    """A year of a machine: its type, messages, processor seconds, payloads that are no numbers, and its drift.

    kwh, drift: of the meter over the first thirty days, and how far power times time is from it, in kWh.
    """

    kind: str
    messages: int
    seconds: float
    wrong: int
    kwh: float
    drift: Fraction


def plant(kind: str) -> PlantConfig:
    """Return the scenario with one type, whose meter is in its messages."""
    data: dict[str, Any] = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))
    data["message_types"] = {kind: data["message_types"][kind]}
    data["sites"] = {
        name: site for name, site in data["sites"].items() if data["message_types"][kind].get("site") == name
    }
    return parse(data)


def year(kind: str, days: float) -> Year:
    """Simulate the year of a machine."""
    generator = FactoryMessageGenerator.of(plant(kind), "year", start=START)
    messages = wrong = 0
    seconds, done = 0.0, 0.0
    while done < days * DAY:
        done = min(done + STEP, days * DAY)
        began = time.process_time()
        found = generator.advance(START + done)
        seconds += time.process_time() - began
        messages += len(found)
        wrong += sum(any(word in each.payload for word in NO_NUMBERS) for each in found)
    return Year(kind, messages, seconds, wrong, *drift(kind, min(days, 30.0)))


def drift(kind: str, days: float) -> tuple[float, Fraction]:
    """Return the energy of some days by the messages, and how far the product of power and time is from it."""
    generator = FactoryMessageGenerator.of(plant(kind), "year", start=START)
    config = generator.config.message_types.machines[kind]
    hours = Fraction(round((config.messages[0].report_seconds or 1) * 1000), 3_600_000)
    energy, power = Fraction(0), Fraction(0)
    for day in range(int(days)):
        for message in generator.advance(START + (day + 1) * DAY):
            row = orjson.loads(message.payload) if b"energy_kwh" in message.payload else None
            if row:
                energy += Fraction(str(row["energy_kwh"]))
                power += Fraction(str(row["power_kw"]))
    return float(energy), power * hours - energy


def main(arguments: list[str]) -> int:
    """Print a line for each type."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--days", type=float, default=365.0, help="how many days; default a year")
    parser.add_argument("types", nargs="*", help="types of scenarios/energy.yaml; default all of one site")
    options = parser.parse_args(arguments)
    types = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))["message_types"]
    print("type                messages     CPU s  messages/s  no numbers  drift of the meter")
    for kind in options.types or [kind for kind, entry in types.items() if "extends" not in entry]:
        found = year(kind, options.days)
        share = float(found.drift) / found.kwh if found.kwh else 0.0
        print(
            f"{found.kind:<18}{found.messages:>10,}{found.seconds:>10.1f}{found.messages / found.seconds:>12,.0f}"
            f"{found.wrong:>12}  {share:.1e} of {found.kwh:,.0f} kWh",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
