"""How pieces move through the plant: none is lost, none is duplicated, and machines wait for what they lack."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.telemetry import Message
from plant.truth.events import FinishedJob
from tests.support.examples import examples
from tests.support.factory.flows import (
    NO_EVENTS,
    ONE_EACH,
    STEADY,
    History,
    census,
    flow_of,
    history,
    initial_pieces,
    line_of,
    lines,
    made_by,
    moments,
    plant_data,
    scenario,
    scenario_data,
    steady,
)
from tests.support.factory.plants import COUNTED, Row, by_machine, consecutive, default, job_id, result, rows

quickly = settings(
    max_examples=examples(60, 6), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
NONE = FinishedJob("", "", "", 0, 0, 0, 0, "")


@functools.cache
def shift() -> History:
    """Eight hours of the scenario."""
    return history(scenario(), 8 * 3600)


# Conservation


def assert_balanced(plant: FactoryMessageGenerator) -> None:
    """Each piece is somewhere, and no more of them than there is room for."""
    for count in flow_of(plant).piece_counts():
        assert min(count[1:]) >= 0
        assert count.made == sum(count[2:]), count
    oldest = next((order.units for order in flow_of(plant).open_orders), 0)
    line = line_of(plant)
    for key, stage in line.stages.items():
        output = flow_of(plant)._stages[key].output
        assert output.capacity == max(stage.places, oldest if key == line.ships else 0)
        assert len(output.pieces) <= output.capacity


def assert_waiting_is_needed(plant: FactoryMessageGenerator) -> None:
    """A machine is starved or blocked if, and only if, it lacks material or room."""
    for station in flow_of(plant)._stages.values():
        assert not (station.output.waiting_for_piece and station.output.pieces)
        assert not station.output.waiting_for_room or len(station.output.pieces) >= station.output.capacity
        blocked = {post.machine.id for post, _ in station.output.waiting_for_room}
        starved = {post.machine.id for post in station.rework.waiting_for_piece}
        states = {post.machine.id: post.machine.state.name for post in station.workstations.values()}
        assert blocked == {name for name, state in states.items() if state == "blocked"}
        assert starved == {name for name, state in states.items() if state == "starved"}


def assert_few_wait_for_repair(plant: FactoryMessageGenerator) -> None:
    """No new job starts while a piece waits for repair, so there are never more than machines and buffers can have."""
    stations = flow_of(plant)._stages
    loop = [stations[key] for key in ("welding", "painting", "testing")]
    assert len(loop[0].rework.pieces) <= sum(2 * len(each.workstations) for each in loop) + sum(
        each.output.capacity for each in loop[:2]
    )
    assert all(len(each.rework.pieces) <= len(each.workstations) for each in stations.values() if each is not loop[0])


@quickly
@given(lines())
def test_no_piece_is_lost_or_made_of_nothing(config: PlantConfig) -> None:
    """After every event, whatever the line is made of: each piece is in one place, and machines wait if they must."""
    plant = FactoryMessageGenerator.of(config, 1)

    for _ in moments(plant, 200):
        assert_balanced(plant)
        assert_waiting_is_needed(plant)
        assert_few_wait_for_repair(plant)


def test_no_piece_is_lost_in_hours_of_the_scenario() -> None:
    """Made = consumed + scrapped + shipped + in buffers + on machines, after each event of six hours."""
    plant = FactoryMessageGenerator.of(scenario(), 1)

    events = 0
    for _ in moments(plant, 21_600):
        assert_balanced(plant)
        events += 1

    assert events > 7_500
    assert all(count.made > 250 for count in plant.census() if count.kind != "printer_3d")


# What goes into what


def assert_traced(found: History) -> None:
    """Each id that was taken was made before, turned out as it had to, and was taken once."""
    assert max(Counter(found.taken()).values(), default=1) == 1
    for taker, ids in found.consumed.items():
        for each in ids:
            assert initial_pieces(each) or found.jobs[each].finished_ms <= found.jobs[taker].started_ms
            assert initial_pieces(each) or found.jobs[each].result != "scrap"


def takes(config: PlantConfig, job: FinishedJob) -> dict[str, int]:
    """What a job takes that makes nothing good: parts by their bill, or a unit from the station before."""
    assert config.flow is not None
    key = made_by(job.job_id)
    unit = {"painting": "welding", "testing": "painting"}
    bill = config.flow.line.stages[key].bill(job.kind) if key == "welding" else {unit[key]: 1} if key in unit else {}
    there = {key for key, _, _ in config.machines()}
    # What was on a machine as the line began was made of something only if there is someone who may have made it.
    return {key: count for key, count in bill.items() if key in there or job.started_ms > START * 1000}


def assert_bills(found: History) -> None:
    """Each job consumes what it takes, or one piece to be repaired: by the stage that made it, or by welding."""
    results = {each: job.result for each, job in found.jobs.items()}
    for taker, ids in found.consumed.items():
        bad = {results[each]: made_by(each) for each in ids if results.get(each) in {"rework", "fail"}}
        if bad:
            assert (bad, len(ids)) in (({"rework": made_by(taker)}, 1), ({"fail": "testing"}, 1))
            assert bad.get("fail") is None or made_by(taker) == "welding"
        else:
            assert Counter(map(made_by, ids)) == takes(found.plant.config, found.jobs[taker])


@quickly
@given(lines())
def test_every_job_can_be_traced(config: PlantConfig) -> None:
    """Nothing is assembled, painted, tested or shipped without what it takes, and no piece is used twice."""
    found = history(config, 300)

    assert_traced(found)
    assert_bills(found)


def test_every_job_of_a_shift_can_be_traced() -> None:
    """So too in the scenario, where much goes wrong: scrap, rework, failed tests."""
    assert_traced(shift())
    assert_bills(shift())
    assert {job.result for job in shift().jobs.values()} == {"good", "scrap", "rework", "pass", "fail"}


def test_a_spaceship_has_a_past() -> None:
    """From a unit that was shipped, ids lead back over test, paint and weld to the parts in it."""
    shipped = [units for units in shift().shipped.values() if not any(map(initial_pieces, units))]
    past = [shipped[-1][-1]]
    while not past[-1].startswith("A-"):
        past += shift().consumed[past[-1]]

    assert [made_by(each) for each in past] == ["testing", "painting", "welding"]
    assert Counter(map(made_by, shift().consumed[past[-1]]))["cnc_machine"] == 2


def test_a_machine_does_one_job_at_a_time() -> None:
    """Each of its jobs begins when the one before is finished, or later, and takes at least its producing time."""
    by_name: dict[str, list[FinishedJob]] = defaultdict(list)
    for job in shift().jobs.values():
        by_name[job.machine_id].append(job)

    for jobs in by_name.values():
        assert all(before.finished_ms <= after.started_ms for before, after in pairwise(jobs))
        assert all(job.cycle_ms <= job.finished_ms - job.started_ms for job in jobs[1:])


# Repairs


def test_a_repair_is_of_the_same_kind() -> None:
    """An assembly that is welded again stays what it is, and a frame gets its own colour again."""
    found = shift()
    repairs = [(job, ids[0]) for job, ids in found.consumed.items() if found.jobs.get(ids[0], NONE).result == "rework"]

    assert {made_by(job) for job, _ in repairs} == {"welding", "painting"}
    assert all(found.jobs[job].kind == found.jobs[before].kind for job, before in repairs)


def test_a_unit_that_failed_its_test_is_welded_painted_and_tested_again() -> None:
    """Welding takes it first; then it goes the way of all units."""
    found = shift()
    after = {ids[0]: job for job, ids in found.consumed.items() if len(ids) == 1}
    failed = [job.job_id for job in found.jobs.values() if job.result == "fail"][:100]

    ways = [(after[job], after.get(after[job])) for job in failed]
    assert {made_by(first) for first, _ in ways} == {"welding"}
    good = [second for first, second in ways if found.jobs[first].result == "good"]
    assert {made_by(second or "") for second in good} == {"painting"}
    assert len(good) > 80


@pytest.mark.parametrize("most", [0, 1, 3])
def test_rework_ends(most: int) -> None:
    """A piece that no repair makes good is scrap after the most reworks, and has priority until then."""
    hopeless = {"welding": {"quality_distribution": {"rework": 1.0}}}
    found = history(steady(ONE_EACH, {"most_reworks": most}, hopeless), 1800)

    repairs = [len(ids) == 1 for job, ids in found.consumed.items() if made_by(job) == "welding"]
    assert repairs == [place % (most + 1) > 0 for place in range(len(repairs))]
    assert abs(census(found.plant, "welding").scrapped - len(repairs) / (most + 1)) <= 1
    assert len(repairs) > 100


# Waiting


def test_without_parts_the_line_starves() -> None:
    """No mills, no parts: the others are starved with no job on them."""
    plant = FactoryMessageGenerator.of(steady(ONE_EACH | {"cnc_machine": 0}, {}, NO_EVENTS), 1)

    last = {machine: said[-1] for machine, said in by_machine(plant.advance(START + 600)).items()}
    states = {machine: row["status"] for machine, row in last.items()}
    assert states == {"3DP-01": "blocked", "WELD-01": "starved", "PAINT-01": "starved", "TEST-01": "starved"}
    welder = last["WELD-01"]
    assert [welder[key] for key in ("assembly_id", "assembly_type", "quality", "current_assembly_id")] == [None] * 4


def test_without_takers_the_line_blocks() -> None:
    """No painting: when its buffer is full, welding is blocked with a finished assembly, and so are those before it."""
    flow = {"buffers": {"cnc_machine": 4, "printer_3d": 3, "welding": 2}}
    plant = FactoryMessageGenerator.of(steady(ONE_EACH | {"cnc_machine": 2, "painting": 0}, flow, NO_EVENTS), 1)

    said = by_machine(plant.advance(START + 600))
    waiting = ("CNC-01", "CNC-02", "3DP-01", "WELD-01")
    assert {row["status"] for machine in waiting for row in said[machine][-9:]} == {"blocked"}
    counts = [census(plant, key) for key in ("cnc_machine", "printer_3d", "welding")]
    assert [(count.in_buffers, count.on_machines) for count in counts] == [(4, 2), (3, 1), (2, 1)]


def test_a_blocked_machine_shows_what_lies_on_it() -> None:
    """Its piece is reported once, when it is done, and is still the current one after that; nothing is in progress."""
    plant = FactoryMessageGenerator.of(steady({"printer_3d": 1}, {"buffers": {"printer_3d": 1}}), 1)

    said = [row for row in by_machine(plant.advance(START + 60))["3DP-01"] if row["status"] == "blocked"]
    seen = [(row["part_id"], row["quality"], row["progress"], row["current_part_id"]) for row in said]
    piece = said[0]["current_part_id"]
    assert seen == [(piece, "good", 1.0, piece), *[(None, None, 0.0, piece)] * (len(said) - 1)]
    assert plant.machine_states["3DP-01"]["part_count"] == 2


def test_a_parts_list_longer_than_the_buffer_is_filled_piece_by_piece() -> None:
    """What an assembly takes lies ready at the machine, so there need never be room for all of it in the buffer."""
    flow = {"parts": {"cnc_machine": 7}, "buffers": {"cnc_machine": 1}}
    found = history(steady(ONE_EACH, flow, NO_EVENTS), 600)

    assert {len(ids) for job, ids in found.consumed.items() if made_by(job) == "welding"} == {7}


def test_what_waits_does_not_age() -> None:
    """Stays and faults advance in operating time: a machine that waits for hours continues in its state."""
    plant = FactoryMessageGenerator.of(
        parse(plant_data({"cnc_machine": 3}, {"buffers": {"cnc_machine": 1}}, NO_EVENTS)), 1
    )
    plant.advance_silently(START + 40_000)
    before = plant.oee()

    plant.advance_silently(START + 80_000)
    for then, now in zip(before, plant.oee(), strict=True):
        changed = {
            state for state in now.stopped_seconds if now.stopped_seconds[state] != then.stopped_seconds.get(state)
        }
        assert changed == {"blocked"}


def test_waiting_is_stopped_time_in_the_accounts() -> None:
    """Starved and blocked time is stopped time by state, and all time adds up to the time that has passed."""
    found = shift()
    for machine in found.plant.oee():
        assert machine.producing_seconds + sum(machine.stopped_seconds.values()) == pytest.approx(8 * 3600)
        waits = Counter[str]()
        for each in found.intervals:
            waits[each.state] += (each.to_ms - each.from_ms) * (each.machine_id == machine.machine_id)
        assert {state: waits[state] / 1000 for state in machine.stopped_seconds} == pytest.approx(
            machine.stopped_seconds
        )


def test_in_the_scenario_everyone_waits_now_and_then() -> None:
    """It is worth looking at: no type waits for more than half of its time, and none does not wait at all."""
    shares = {}
    for kind in shift().plant.oee_by_kind():
        waits = kind.stopped_seconds.get("starved", 0) + kind.stopped_seconds.get("blocked", 0)
        shares[kind.kind] = waits / kind.machines / (8 * 3600)

    assert len(shares) == 5
    assert all(0.05 < share < 0.6 for share in shares.values()), shares


# Orders


def test_an_order_leaves_when_its_units_are_there() -> None:
    """So many units as its products take, each tested well before; no order before an older one, none twice."""
    found = shift()
    said = [row for row in rows(found.messages) if "order_id" in row]
    placed = {row["order_id"]: row for row in said if row["event_type"] == "order_placed"}
    left = [row for row in said if row["event_type"] == "order_dispatched"]

    assert [row["order_id"] for row in left] == list(placed)[: len(left)]
    assert len(left) > 100
    for row in left:
        order = placed[row["order_id"]]
        assert order["timestamp"] <= row["timestamp"]
        assert len(row["unit_ids"]) == units(order)
        tested = [found.jobs[each] for each in row["unit_ids"] if not initial_pieces(each)]
        assert {job.result for job in tested} <= {"pass"}
        assert all(stamp(job.finished_ms) <= row["timestamp"] for job in tested)


def units(order: Row) -> int:
    """What an order takes in the scenario."""
    spec = scenario().flow
    assert spec is not None
    return sum(spec.units_of(item["product_type"]) * item["quantity"] for item in order["items"])


def stamp(time_ms: int) -> str:
    """Return a time as messages contain it."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_an_order_larger_than_the_store_is_filled() -> None:
    """The store makes room for the oldest order, so that none has to wait for ever."""
    flow = {"buffers": {"testing": 2}, "units_by_product_type": {"FullSpaceship": 30}, "parts": {"cnc_machine": 1}}
    events: dict[str, dict[str, Any]] = {
        "customer_order": {"orders_per_hour": 20, "product_types": ["FullSpaceship"], "quantity_ranges": None},
        "dispatch": {"dispatches_per_hour": 3000},
    }
    found = history(steady(ONE_EACH, flow, events), 3600)

    assert len(found.shipped) > 5
    assert {len(ids) for ids in found.shipped.values()} == {30}


def test_without_a_dispatch_nothing_leaves() -> None:
    """Orders that could be filled wait for one, and the full store blocks the line."""
    flow = {"buffers": {"testing": 3}, "parts": {"cnc_machine": 1}}
    events = {"customer_order": {"orders_per_hour": 60}, "dispatch": {"dispatches_per_hour": 0}}
    plant = FactoryMessageGenerator.of(steady(ONE_EACH, flow, events), 1)
    plant.advance_silently(START + 3600)

    assert {view.status for view in plant.machines() if view.kind != "printer_3d"} == {"blocked"}
    assert plant.snapshot().open_orders > 30
    assert census(plant, "testing").shipped == 0


# Time and parts of the whole


def said_in(config: PlantConfig, cuts: list[float], seed: int = 1) -> list[Message]:
    """Return the messages of a plant up to the last of these seconds, advanced step by step."""
    plant, told = FactoryMessageGenerator.of(config, seed), []
    for cut in cuts:
        told += plant.advance(START + cut)
        plant.census()
    return told


@quickly
@given(lines(), st.lists(st.floats(0, 100), max_size=6))
def test_steps_of_time_change_no_byte(config: PlantConfig, cuts: list[float]) -> None:
    """The same messages in one step and in many."""
    assert said_in(config, [*sorted(cuts), 100.0]) == said_in(config, [100.0])


def test_events_happen_also_when_messages_are_dropped() -> None:
    """After some time without messages a plant emits the same messages, except for their sequence numbers."""
    silent = FactoryMessageGenerator.of(scenario(), 1)
    silent.advance_silently(START + 1500.5)
    told = [(row.time_ms, row.source, row.payload) for row in silent.advance(START + 3000)]
    whole = [(row.time_ms, row.source, row.payload) for row in said_in(scenario(), [3000.0])]

    assert told == [row for row in whole if row[0] > (START + 1500.5) * 1000]


def test_the_seed_decides() -> None:
    """The same seed gives the same messages, another one others."""
    first, again, other = (said_in(scenario(), [600.0], seed) for seed in (1, 1, 2))

    assert first == again
    assert [row.payload for row in first] != [row.payload for row in other]


def test_each_shard_is_a_line_of_its_own() -> None:
    """Its machines take pieces only from each other; orders are divided between shards; no two have the same id."""
    data = scenario_data()
    data["global"]["machine_counts"] = dict.fromkeys(COUNTED.values(), 4)
    lines = [FactoryMessageGenerator.of(parse(data), 1, shard=(k, 2)) for k in (1, 2)]
    found = []
    for line in lines:
        one = History(line, [])
        line.listen(one.tell)
        one.messages = line.advance(START + 2 * 3600)
        one.read()
        assert_traced(one)
        found.append(one)

    orders = [row["order_id"] for one in found for row in rows(one.messages) if row.get("event_type") == "order_placed"]
    whole = said_in(parse(data), [2 * 3600.0])
    assert sorted(orders) == [row["order_id"] for row in rows(whole) if row.get("event_type") == "order_placed"]
    assert not set(found[0].taken()) & set(found[1].taken())
    assert all(len(one.shipped) > 5 for one in found)
    assert not set(found[0].shipped) & set(found[1].shipped)
    assert not times(found[0]) & times(found[1])
    assert all(census(one.plant, "testing").shipped == sum(map(len, one.shipped.values())) for one in found)


def times(found: History) -> set[int]:
    """When orders were dispatched."""
    return {message.time_ms for message in found.messages if message.kind == "dispatch"}


def test_a_planned_stop_holds_a_line_that_waits() -> None:
    """A machine that lacks parts in a break is on its break; after it, it lacks them still."""
    calendar = {"time_zone": "UTC", "breaks": [{"start": "00:10", "end": "00:20"}]}
    data = plant_data(ONE_EACH | {"cnc_machine": 0}, {"initial_fill": 0.0}, STEADY, NO_EVENTS) | {"calendar": calendar}
    plant = FactoryMessageGenerator.of(parse(data), 1)

    said = by_machine(plant.advance(START + 1800))["WELD-01"]
    states = [state for state, _ in groupby(row["status"] for row in said[5:])]
    assert states == ["starved", "planned_stop", "starved"]
    assert said_in(parse(data), [555.5, 601.0, 1300.0, 1800.0]) == said_in(parse(data), [1800.0])


# Reload


@quickly
@given(st.lists(lines(), min_size=2, max_size=4), st.booleans())
def test_a_reload_loses_no_piece(configs: list[PlantConfig], pause: bool) -> None:
    """After any change each piece is somewhere, or was on a removed machine. In between there may be no flow."""
    plant = FactoryMessageGenerator.of(configs[0], 1)
    for turn, config in enumerate(configs, 1):
        plant.reload(config)
        for now_ms in moments(plant, turn * 60):
            assert all(count.made == sum(count[2:]) for count in plant._parts.flow.piece_counts()), now_ms  # type: ignore[union-attr]
            assert_waiting_is_needed(plant)
        if pause:
            plant.reload(config.model_copy(update={"flow": None}))
            assert not {view.status for view in plant.machines()} & {"starved", "blocked"}


def test_reading_the_same_file_again_changes_nothing() -> None:
    """Buffers, orders and waiting machines stay as they are."""
    plant = FactoryMessageGenerator.of(scenario(), 1)
    said = plant.advance(START + 1000)
    plant.reload(scenario())

    assert said + plant.advance(START + 2000) == said_in(scenario(), [2000.0])


def test_what_lies_on_a_machine_goes_with_it() -> None:
    """Pieces on removed machines count as removed; pieces in buffers stay."""
    flow = {"buffers": {"cnc_machine": 4}}
    plant = FactoryMessageGenerator.of(steady({"cnc_machine": 3}, flow, NO_EVENTS), 1)
    plant.advance_silently(START + 600)
    plant.reload(steady({"cnc_machine": 1}, {"buffers": {"cnc_machine": 2}}, NO_EVENTS))

    count = census(plant, "cnc_machine")
    assert (count.in_buffers, count.on_machines, count.removed) == (4, 1, 2)


def test_more_room_frees_a_blocked_machine_at_once() -> None:
    """The pieces that wait go into the buffer, and the machines continue."""
    plant = FactoryMessageGenerator.of(steady({"cnc_machine": 3}, {"buffers": {"cnc_machine": 4}}, NO_EVENTS), 1)
    plant.advance_silently(START + 600)
    plant.reload(steady({"cnc_machine": 3}, {"buffers": {"cnc_machine": 6}}, NO_EVENTS))

    assert sorted(view.status for view in plant.machines()) == ["blocked", "running", "running"]


def test_a_shorter_bill_sets_a_starved_machine_free_at_once() -> None:
    """What it waited for is not needed any more."""
    counts = ONE_EACH | {"printer_3d": 0}
    plant = FactoryMessageGenerator.of(steady(counts, {}, NO_EVENTS), 1)
    plant.advance_silently(START + 600)
    assert plant.machine_states["WELD-01"]["status"] == "starved"

    plant.reload(steady(counts, {"parts": {"cnc_machine": 2}}, NO_EVENTS))
    assert plant.machine_states["WELD-01"]["status"] == "running"


def test_orders_stay_open_when_flow_begins_and_ends() -> None:
    """No order is lost or dispatched twice, with a flow or without."""
    with_flow = steady(ONE_EACH, {"parts": {"cnc_machine": 1}}, {"dispatch": {"dispatches_per_hour": 60}})
    without = with_flow.model_copy(update={"flow": None})
    plant, said = FactoryMessageGenerator.of(without, 1), []
    for turn, config in enumerate([without, with_flow, without, with_flow] * 2, 1):
        plant.reload(config)
        said += rows(plant.advance(START + turn * 1800))

    orders = [row["order_id"] for row in said if row.get("event_type") == "order_placed"]
    left = [row["order_id"] for row in said if row.get("event_type") == "order_dispatched"]
    assert left == orders[: len(left)]
    assert len(orders) - len(left) == plant.snapshot().open_orders


# The consumer contract, and the YAML


def test_flow_keeps_the_consumer_contract() -> None:
    """A result exactly once a job, ids only in that message, messages at their period, and one 1.0 for each print."""
    for said in by_machine(message for message in shift().messages if message.station).values():
        assert all((result(row) is None) == (job_id(row) is None) for row in said)
        done = [job_id(row) for row in said if result(row)]
        assert len(done) == len(set(done))
        if "progress" in said[0]:
            assert [row["progress"] == 1.0 for row in said] == [job_id(row) is not None for row in said]
        if "consumed_ids" in said[0]:
            assert all((row["consumed_ids"] is None) == (job_id(row) is None) for row in said)
    assert Counter(map(made_by, shift().consumed)).keys() == {"welding", "painting", "testing"}


def test_job_numbers_stay_consecutive() -> None:
    """A machine counts its jobs without a gap, repairs too, so that a lost one can be seen."""
    for said in by_machine(message for message in shift().messages if message.station).values():
        done = [identity for row in said if (identity := job_id(row))]
        assert consecutive(done)


def test_without_a_flow_messages_have_no_trace_of_it() -> None:
    """No new key, no new state, no machine waits."""
    data = scenario_data()
    del data["flow"]
    plant = FactoryMessageGenerator.of(parse(data), 1)

    said = rows(plant.advance(START + 3600))
    assert not {row.get("status") for row in said} & {"starved", "blocked"}
    assert not {key for row in said for key in row} & {"consumed_ids", "unit_ids"}
    assert plant.census() == []


def test_parts_that_can_be_reworked_are_traced() -> None:
    """A mill that reworks its own parts reports which; one that never does has no such key."""
    rework = {"cnc_machine": {"quality_distribution": {"good": 0.5, "rework": 0.5}}}
    found = history(steady(ONE_EACH, {}, rework, NO_EVENTS), 300)

    again = [ids for job, ids in found.consumed.items() if made_by(job) == "cnc_machine"]
    assert {len(ids) for ids in again} == {0, 1}
    assert_traced(found)


def test_the_scenario_is_the_default_plant() -> None:
    """Except for the flow, the machine counts, and the rates of orders and dispatches."""
    data = scenario_data()
    whole = default()

    del data["flow"]
    for each in (data, whole):
        del each["global"]["machine_counts"]
        del each["message_types"]["customer_order"]["orders_per_hour"]
        del each["message_types"]["dispatch"]["dispatches_per_hour"]
    assert data == whole


@pytest.mark.parametrize(
    ("flow", "mistake"),
    [
        ({"parts": {"cnc_machine": 0}}, "flow.parts: needs at least one part"),
        ({"parts": {}}, "flow.parts: needs at least one part"),
        ({"parts": {"welding": 1}}, "flow.parts.welding: is an unknown key; known names: cnc_machine, printer_3d"),
        (
            {"parts_by_assembly_type": {"WingJoin": {"printer_3d": 1}}},
            "is not in welding.assembly_types; did you mean WingJoint?",
        ),
        (
            {"parts_by_assembly_type": {"WingJoint": {"printer_3d": 0}}},
            "flow.parts_by_assembly_type.WingJoint: needs at least one",
        ),
        (
            {"units_by_product_type": {"Spaceship": 3}},
            "is not in customer_order.product_types; did you mean FullSpaceship?",
        ),
        ({"buffers": {"welding": 0}}, "flow.buffers.welding: must be at least 1, got 0"),
        ({"initial_fill": 1.5}, "flow.initial_fill: must be at most 1, got 1.5"),
        ({"most_reworks": -1}, "flow.most_reworks: must be at least 0, got -1"),
        ({"buffer": {}}, "flow.buffer: is an unknown key; did you mean buffers?"),
    ],
)
def test_mistakes_are_named(flow: dict[str, Any], mistake: str) -> None:
    """Each with its place and its rule."""
    with pytest.raises(PlantConfigError, match=re.escape(mistake)):
        parse(default() | {"flow": flow})
