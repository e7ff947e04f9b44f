"""What machines use is in the ground truth by quarters of an hour, exactly, and reading it changes nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.truth.energy import EnergySpan
from plant.truth.events import FaultEpisode, TruthEvent
from tests.plant.energy.furnaces import HOUR, QUARTER_MS, START_MS, Course, course, furnaces, leaking, total

COUPLED: dict[str, Any] = {
    "calendar": {"time_zone": "UTC", "shifts": [{"days": ["thu", "fri"], "start": "01:00", "end": "20:00"}]}
}
"""With a calendar, all machines advance in one order of time."""

COMPRESSOR: dict[str, Any] = {
    "signals": {
        "pressure": {
            "switches": {"low": 6.5, "high": 7.5, "rises": "0.05", "falls": "0.02"},
            "limits": [0, 10],
            "starts": 7,
        },
        "load": {"on_share_of": "pressure"},
        "power": {"formula": "2 + 18 * load", "limits": [0, 30], "unit": "kW"},
        "oil": {"formula": "20 + 3 * power", "follows_seconds": 300, "starts": 20, "limits": [0, 99]},
        "running": {"counter": "seconds.running"},
        "meter": {"integral_of": "power", "per_seconds": 3600, "unit": "kW.h", "decimals": 3},
        "used": {"change_of": "meter"},
    },
    "energy": {"meter": "meter", "drivers": ["running", "oil"]},
}
"""Keys of stamps whose signals have memories."""

PLANTS = {
    "memories": furnaces(stamp=COMPRESSOR),
    "alone": furnaces(leaking(4000)),
    "coupled": furnaces(leaking(4000), **COUPLED),
    "many": furnaces({"count": 15, **leaking(4000)}, {"count": 12}),
    "each job": furnaces(stamp={"report_seconds": 60}),
}
each_plant = pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)


def test_sums_over_lines_are_the_registers_exactly() -> None:
    """Energy, cost and emissions, as the last message shows them: no rounding is lost between the lines."""
    day = course(furnaces(leaking(4000))).advance(20 * HOUR + 421).close()

    for machine_id, spans in day.by_machine.items():
        shown = day.last(machine_id)
        assert total(each.kwh for each in spans) == Decimal(repr(shown.get("energy", shown.get("meter"))))
        assert total(each.cost for each in spans) == Decimal(repr(shown.get("cost", 0)))
        assert total(each.co2_kg for each in spans) == Decimal(repr(shown.get("co2", 0)))


def test_a_line_has_what_the_messages_in_it_have_added() -> None:
    """After its beginning and up to its end."""
    hour = course(furnaces()).advance(HOUR).close()
    shown = [
        (each.time_ms, orjson.loads(each.payload)["energy"]) for each in hour.messages if each.source == "FURNACE-02"
    ]

    def at(moment_ms: int) -> Decimal:
        return Decimal(repr(max((energy for time_ms, energy in shown if time_ms <= moment_ms), default=0)))

    spans = hour.by_machine["FURNACE-02"]
    assert [Decimal(repr(each.kwh)) for each in spans] == [at(each.to_ms) - at(each.from_ms) for each in spans]


def test_lines_end_at_the_quarters_of_the_clock_and_the_last_covers_the_rest() -> None:
    """A run from 00:07 to 01:20."""
    run = course(furnaces(), start=START + 420).advance(4380).close()
    minutes = [0, 8, 23, 38, 53, 68, 73]

    spans = run.by_machine["FURNACE-01"]
    assert [(each.from_ms, each.to_ms) for each in spans] == [
        (START_MS + (7 + since) * 60_000, START_MS + (7 + until) * 60_000)
        for since, until in itertools.pairwise(minutes)
    ]


@each_plant
def test_reading_meters_changes_no_message(plant: PlantConfig) -> None:
    """Not its bytes, not its time, and not its number."""
    unread = FactoryMessageGenerator.of(plant, 1).advance(START + 2 * HOUR)

    assert course(plant).advance(2 * HOUR).close().messages == unread


@each_plant
def test_lines_do_not_depend_on_how_time_is_cut(plant: PlantConfig) -> None:
    """At once, in steps that end at a quarter or not, and without any message."""
    at_once = course(plant).advance(2 * HOUR).close()
    in_steps = course(plant).advance(*(each * 77.7 for each in range(1, 93)), 2 * HOUR).close()
    silent = course(plant)
    silent.generator.advance_silently(START + HOUR + 0.5)
    silent.generator.advance_silently(START + 2 * HOUR)

    assert in_steps.by_machine == at_once.by_machine == silent.close().by_machine


def test_shards_have_the_lines_of_the_whole_plant() -> None:
    """Each those of its machines."""
    plant = furnaces({"count": 5, **leaking(4000)}, {"count": 3})
    whole = course(plant).advance(3 * HOUR).close()
    shards = [course(plant, shard=(part, 2)).advance(3 * HOUR).close() for part in (1, 2)]

    assert {name: spans for each in shards for name, spans in each.by_machine.items()} == whole.by_machine


def test_a_driver_is_the_mean_over_the_messages_or_what_a_counter_has_grown_by() -> None:
    """And a signal of the plant its mean over the minutes."""
    hour = course(furnaces()).advance(HOUR).close()
    span = hour.by_machine["FURNACE-01"][1]
    shown = [
        orjson.loads(each.payload)["outdoor"]
        for each in hour.messages
        if each.source == "FURNACE-01" and span.from_ms < each.time_ms <= span.to_ms
    ]

    assert span.drivers["outdoor"] == pytest.approx(sum(shown) / len(shown), abs=1e-5)
    stamp = hour.by_machine["STAMP-01"]
    assert sum(each.drivers["running"] or 0 for each in stamp) == math.floor(hour.generator.oee()[-1].producing_seconds)
    assert stamp[1].drivers["plant.outdoor_temp_c"] == pytest.approx(span.drivers["outdoor"], abs=0.02)


def test_units_are_the_jobs_that_have_finished() -> None:
    """And those that are good among them, as in the figures of OEE."""
    run = course(furnaces()).advance(5 * HOUR).close()
    figures = run.generator.oee()[-1]
    spans = run.by_machine["STAMP-01"]

    assert sum(each.units for each in spans) == figures.jobs > 0
    assert sum(each.good for each in spans) == figures.good < figures.jobs


def test_fault_seconds_are_the_time_with_any_fault() -> None:
    """Counted once, where two overlap; one that goes on counts too."""
    effects = {"leak": {"plus": 15}}
    faults = {
        name: {"duration_seconds": seconds, "effects": effects, "schedule": [{"after_seconds": after}]}
        for name, after, seconds in (("one", 1000, 600), ("other", 1300, 1000), ("last", 7000, 9000))
    }
    run = course(furnaces({"faults": faults})).advance(2 * HOUR).close()
    spans = run.by_machine["FURNACE-01"]

    assert [each.fault_ms / 1000 for each in spans] == [0, 800, 500, 0, 0, 0, 0, 200]
    assert [each.fault_ms for each in run.by_machine["STAMP-01"]] == [0] * 8


def test_a_listener_of_faults_still_hears_of_them() -> None:
    """Beside the meters, and whoever asks first."""
    ended: list[FaultEpisode] = []
    run = course(furnaces(leaking(100)))
    run.generator.watch_faults(lambda _kind, episode: ended.append(episode))
    run.advance(3 * HOUR)

    assert len(ended) == 2
    assert run.spans[0].fault_ms == 800_000


def _shorter(run: Course) -> None:
    run.generator.reload(furnaces({"count": 1, "report_seconds": 7}))


def _stopped(run: Course) -> None:
    run.generator.execute({"command": "set_state", "machine_id": "FURNACE-01", "state": "idle"})


@pytest.mark.parametrize("change", [_shorter, _stopped])
def test_sums_stay_exact_over_changes_of_the_plant(change: Callable[[Course], None]) -> None:
    """A reload ends the lines of all machines; one that is gone has none after."""
    run = course(furnaces()).advance(1000)
    change(run)
    run.advance(2000, HOUR).close()

    for machine_id in ("FURNACE-01", "STAMP-01"):
        spans, shown = run.by_machine[machine_id], run.last(machine_id)
        assert total(each.kwh for each in spans) == Decimal(repr(shown.get("energy", shown.get("meter"))))
        assert all(before.to_ms == after.from_ms for before, after in itertools.pairwise(spans))
    assert run.by_machine["FURNACE-02"][-1].to_ms in (START_MS + 1_000_000, START_MS + HOUR * 1000)


def test_a_change_that_is_taken_back_leaves_no_line() -> None:
    """Its rehearsal passes some quarters, of which nobody hears."""
    run, undisturbed = (course(furnaces()).advance(890) for _ in range(2))
    run.generator.try_out(furnaces({"report_seconds": 3})).take_back()

    assert run.advance(HOUR).close().spans == undisturbed.advance(HOUR).close().spans


def test_nothing_is_read_where_nobody_listens() -> None:
    """Neither before a listener comes, nor after it has gone."""
    generator = FactoryMessageGenerator.of(furnaces(), 1)
    spans: list[EnergySpan] = []
    generator.advance(START + 1000)
    generator.read_meters(spans.append)
    generator.advance(START + 2000)
    generator.read_meters(None)
    generator.advance(START + HOUR)
    generator.close_truth()

    assert {(each.from_ms, each.to_ms) for each in spans} == {(START_MS + 1_000_000, START_MS + 2 * QUARTER_MS)}


def test_a_plant_without_energy_has_no_lines() -> None:
    """Its type says by `energy` which register is the meter."""
    run = course(furnaces({"energy": None}, {"energy": None})).advance(HOUR).close()

    assert (run.spans, run.generator.energy_totals()) == ([], [])


def test_stays_and_jobs_of_the_truth_are_the_same_with_meters() -> None:
    """They may come in another order of machines only."""

    def heard(*, metered: bool) -> list[TruthEvent]:
        events: list[TruthEvent] = []
        generator = FactoryMessageGenerator.of(furnaces(leaking(4000)), 1)
        generator.listen(events.append)
        if metered:
            generator.read_meters(lambda _span: None)
        generator.advance(START + 3 * HOUR)
        generator.close_truth()
        return sorted(events, key=repr)

    assert heard(metered=True) == heard(metered=False)
