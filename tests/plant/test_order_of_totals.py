"""The totals of the ground truth have their keys in one order, however the run was cut."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.oee_accounting import Span

STATES: Final[dict[str, Any]] = {
    "running": {"share": 0.6, "dwell_seconds": 60, "produces": True},
    **{name: {"share": 0.1, "dwell_seconds": 30} for name in ("waiting", "idle", "cleaning", "faulted")},
}


def plant(**more: Any) -> PlantConfig:
    """Presses with many states and results, and few messages, so that machines advance far at once."""
    results = {"good": 0.9, "scrap": 0.05, "rework": 0.03, "broken": 0.02}
    job = {"cycle_seconds": [700, 900], "results": results}
    return parse({"message_types": {"press": {"count": 6, "states": STATES, "job": job, **more}}})


def totals(*cuts: float, span: Span = "run", shard: tuple[int, int] = (1, 1), reloads: bool = False) -> list[bytes]:
    """The totals of each machine as JSON, after steps of these seconds, before the last of which another YAML applies.

    reloads: whether the same YAML is loaded again after each of the others; figures are asked for otherwise.
    """
    config = plant(report_seconds=600)
    generator = FactoryMessageGenerator.of(config, 3, start=START, shard=shard)
    for seconds in cuts[:-1]:
        if reloads:
            generator.reload(config)
        elif generator.now > START:
            generator.oee()
        generator.advance(generator.now + seconds)
    aside = {"share": 0.1, "dwell_seconds": 20}
    generator.reload(plant(report_seconds=600, states={**STATES, "aside": aside}))
    generator.advance(generator.now + cuts[-1])
    return [orjson.dumps((each.machine_id, each.stopped_seconds, each.results)) for each in generator.oee(span)]


@pytest.mark.parametrize("span", ["run", "hour"])
@pytest.mark.parametrize("reloads", [False, True], ids=["figures", "reloads"])
def test_no_cut_changes_the_order_of_states_and_results(span: Span, *, reloads: bool) -> None:
    """Where figures are asked for, or the YAML is loaded again, which advances all machines to the same moment."""
    whole = totals(9000, 36_000, span=span)

    assert totals(*[150] * 60, 36_000, span=span, reloads=reloads) == whole
    assert totals(1830, 7170, 36_000, span=span, reloads=reloads) == whole


def test_states_and_results_are_in_alphabetical_order() -> None:
    """As no machine's history tells the order."""
    for entry in totals(9000, 36_000):
        _, stopped, results = orjson.loads(entry)
        assert [*stopped] == sorted(stopped) != []
        assert [*results] == sorted(results) != []


def test_shards_have_the_order_of_the_whole() -> None:
    """Each of its machines."""
    parts = [each for part in (1, 2, 3) for each in totals(9000, 36_000, shard=(part, 3))]
    keys = {orjson.loads(each)[0]: [*orjson.loads(each)[1]] for each in totals(9000, 36_000)}

    assert {orjson.loads(each)[0]: [*orjson.loads(each)[1]] for each in parts} == keys
