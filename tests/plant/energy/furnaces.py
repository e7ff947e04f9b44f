"""A plant of furnaces, whose energy follows the weather, and stamps, whose energy follows their work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from plant.truth.energy import EnergySpan
from tests.support.exports import yamlread

START_MS: Final = round(START * 1000)
HOUR: Final = 3600
QUARTER_MS: Final = 900_000

_PLANT: Final = """
plant_signals:
  outdoor_temp_c: {base: 10, daily: {amplitude: 8, peak_hour: 15}, unit: Cel}
  price: {base: 0.25, daily: {amplitude: 0.1, peak_hour: 18}, decimals: 4}
message_types:
  furnace:
    count: 2
    report_seconds: 10
    states: {heating: {share: 3, produces: true}, idle: {share: 1}}
    signals:
      outdoor: {formula: plant.outdoor_temp_c, limits: [-50, 60]}
      leak: {base: 0, limits: [0, 100]}
      power: {formula: 40 - 0.5 * outdoor + leak, limits: [0, 500], unit: kW}
      cost_rate: {formula: power * plant.price, limits: [0, 1000], shown: false}
      co2_rate: {formula: power * 0.4, limits: [0, 1000], shown: false}
      energy: {integral_of: power, per_seconds: 3600, unit: kW.h, decimals: 3}
      cost: {integral_of: cost_rate, per_seconds: 3600, decimals: 4}
      co2: {integral_of: co2_rate, per_seconds: 3600, unit: kg}
    faults:
      leak: {duration_seconds: 7200, effects: {leak: {plus: 15}}}
    energy: {meter: energy, cost: cost, co2: co2, drivers: [outdoor]}
  stamp:
    report_seconds: 5
    states: {running: {share: 3, dwell_seconds: 900, produces: true}, idle: {share: 1, dwell_seconds: 300}}
    job: {product: part, cycle_seconds: [20, 30], results: {good: 9, scrap: 1}}
    signals:
      power: {base: {running: 12, idle: 2}, noise: 0.1, limits: [0, 100], unit: kW}
      running: {counter: seconds.running}
      meter: {integral_of: power, per_seconds: 3600, unit: kW.h, decimals: 3}
    energy: {meter: meter, drivers: [running, plant.outdoor_temp_c]}
"""


def furnaces(
    furnace: Mapping[str, Any] | None = None, stamp: Mapping[str, Any] | None = None, **plant: Any
) -> PlantConfig:
    """The plant with other keys of its types, without those that are None, and of its own."""
    data = yamlread.value(_PLANT)
    for key, changes in (("furnace", furnace), ("stamp", stamp)):
        entry = data["message_types"][key] | (changes or {})
        data["message_types"][key] = {name: value for name, value in entry.items() if value is not None}
    return parse({**data, **plant})


def leaking(*after_seconds: int) -> dict[str, Any]:
    """Keys of furnaces that leak 15 kW for two hours, from some times on."""
    schedule = [{"after_seconds": each} for each in after_seconds]
    effects = {"leak": {"plus": 15}}
    return {"faults": {"leak": {"duration_seconds": 7200, "effects": effects, "schedule": schedule}}}


@dataclass
class Course:
    """What a plant has emitted, and what its meters have counted."""

    generator: FactoryMessageGenerator
    messages: list[Message] = field(default_factory=list)
    spans: list[EnergySpan] = field(default_factory=list)

    def advance(self, *seconds: float) -> Course:
        """Advance to some times after the start."""
        for each in seconds:
            self.messages += self.generator.advance(self.generator.start + each)
        return self

    def close(self) -> Course:
        """End the run."""
        self.generator.close_truth()
        return self

    @property
    def by_machine(self) -> Mapping[str, Sequence[EnergySpan]]:
        """What each machine has used."""
        found: defaultdict[str, list[EnergySpan]] = defaultdict(list)
        for each in self.spans:
            found[each.machine_id].append(each)
        return found

    def last(self, machine_id: str) -> dict[str, Any]:
        """The last message of a machine."""
        payload = next(each.payload for each in reversed(self.messages) if each.source == machine_id)
        found: dict[str, Any] = orjson.loads(payload)
        return found


def course(config: PlantConfig, *, start: float = START, shard: tuple[int, int] = (1, 1)) -> Course:
    """A plant whose meters are read."""
    found = Course(FactoryMessageGenerator.of(config, 1, start=start, shard=shard))
    found.generator.read_meters(found.spans.append)
    return found


def total(numbers: Iterable[float | None]) -> Decimal:
    """The sum of numbers as they are written."""
    return sum((Decimal(repr(each)) for each in numbers if each is not None), Decimal())
