"""A line follows from its edges: any machine types may be connected, and their roles come from the edges alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, parse
from plant.forecast.rate_forecast import forecast
from plant.jobs.jobs import NULL
from plant.telemetry import Message
from plant.truth.events import FinishedJob
from tests.plant.material_flow.test_flow import assert_balanced, assert_waiting_is_needed
from tests.support.examples import examples
from tests.support.factory.flows import History, census, flow_of, history, line_of, moments, scenario, scenario_data
from tests.support.factory.own_lines import (
    CHECK,
    PRESS,
    SAW,
    THREE,
    THREE_EDGES,
    connected,
    machine_type,
    orders,
    plant_data,
    three,
)

quickly = settings(
    max_examples=examples(25, 6), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
NO_ORDERS: dict[str, Any] = orders(0, dispatches=0)


def maker(identity: str) -> str:
    """Return the type that made a piece, by the beginning of its id."""
    return identity.rpartition("-")[0].lower()


def made_of(found: History, key: str) -> dict[tuple[str, ...], list[FinishedJob]]:
    """Return the jobs of a type by the types of the pieces that went into them."""
    jobs: dict[tuple[str, ...], list[FinishedJob]] = {}
    for identity, ids in found.consumed.items():
        if maker(identity) == key:
            jobs.setdefault(tuple(map(maker, ids)), []).append(found.jobs[identity])
    return jobs


def said_in(config: PlantConfig, cuts: Iterable[float]) -> list[Message]:
    """Return the messages of a plant, advanced step by step."""
    plant = FactoryMessageGenerator.of(config, 1)
    return [message for cut in cuts for message in plant.advance(START + cut)]


# Roles


def test_a_job_takes_what_its_edges_have() -> None:
    """Pieces by the bill of its kind where it assembles, one piece where it processes, or the one that it repairs."""
    found = history(three(), 1800)
    pressed = {sources: {job.kind for job in jobs} for sources, jobs in made_of(found, PRESS).items()}

    assert pressed[(SAW,) * 2] == {"Lid"}
    assert pressed[(SAW,) * 5] == {"Box"}
    assert pressed.keys() == {(SAW,) * 2, (SAW,) * 5, (PRESS,), (CHECK,)}
    assert made_of(found, CHECK).keys() == {(PRESS,)}
    assert {maker(each) for ids in found.shipped.values() for each in ids} == {CHECK}


def test_a_repair_goes_where_its_result_leads_and_keeps_its_kind() -> None:
    """`same` is the type that the piece comes from; another type repairs a unit as what it once made of it."""
    found = history(three(), 1800)
    single = [(ids[0], identity) for identity, ids in found.consumed.items() if len(ids) == 1]
    repairs = [(found.jobs[before], found.jobs[after]) for before, after in single if before in found.jobs]
    again = [(before, after) for before, after in repairs if before.result == "again"]
    broken = [after for before, after in repairs if before.result == "broken"]

    assert len(again) > 20
    assert all(before.kind == after.kind for before, after in again)
    assert {maker(after.job_id) for _, after in again} == {maker(after.job_id) for after in broken} == {PRESS}
    pressed = [(found.jobs.get(_pressed(found, after.job_id)), after) for after in broken]
    assert all(before.kind == after.kind for before, after in pressed if before)


def _pressed(found: History, identity: str) -> str:
    """Return the id that a unit had when it was pressed before, from the id of its repair."""
    (checked,) = found.consumed[identity]
    (pressed,) = found.consumed[checked]
    return pressed


def test_a_type_ships_that_others_take_pieces_from_if_the_yaml_has_it_so() -> None:
    """Orders take presses' pieces then, beside the check."""
    found = history(three({"ships": PRESS}), 1800)

    assert {maker(each) for ids in found.shipped.values() for each in ids} == {PRESS}
    assert census(found.plant, CHECK).shipped == 0
    assert census(found.plant, PRESS).shipped > 20


def test_a_type_that_no_edge_names_is_independent() -> None:
    """It has the messages that it has without a flow."""
    types = {**THREE, "oven": machine_type()}
    ovens = [
        [
            message.payload
            for message in said_in(parse(plant_data(types, flow, **orders())), [600])
            if message.kind == "oven"
        ]
        for flow in (THREE_EDGES, None)
    ]

    assert ovens[0] == ovens[1] != []


def test_messages_are_described_by_the_role_of_their_type() -> None:
    """All stages may be blocked; those with sources may be starved, and report what their jobs took."""
    kinds = {kind.key: {field.name: field for field in kind.fields} for kind in catalogue(three())}
    waits = {key: {"blocked", "starved"} & {*kinds[key]["status"].enum} for key in THREE}

    assert waits == {SAW: {"blocked"}, PRESS: {"blocked", "starved"}, CHECK: {"blocked", "starved"}}
    assert {key for key, fields in kinds.items() if "consumed_ids" in fields} == {PRESS, CHECK}
    assert "unit_ids" in kinds["dispatch"]


def test_the_order_of_types_and_edges_in_the_file_changes_no_byte() -> None:
    """Stages are ordered as the machine types are, and not as they are written."""
    types = dict(reversed(THREE.items()))
    flow = {name: dict(reversed(each.items())) for name, each in reversed(THREE_EDGES.items())}

    assert said_in(parse(plant_data(types, flow, **orders())), [600]) == said_in(three(), [600])


def test_the_library_is_a_line_like_any_other() -> None:
    """The scenario with its edges written out has the bytes that it has with the older keys."""
    data = scenario_data()
    parts, by_kind = data["flow"].pop("parts"), data["flow"].pop("parts_by_assembly_type")
    data["flow"] |= {
        "assembles": {"welding": parts},
        "assembles_by_kind": {"welding": by_kind},
        "processes": {"painting": "welding", "testing": "painting"},
        "repairs": {"rework": "same", "fail": "welding"},
        "ships": "testing",
    }

    assert said_in(parse(data), [3600]) == said_in(scenario(), [3600])


def test_machines_of_the_library_may_be_connected_otherwise() -> None:
    """Printed parts are painted and tested, and nothing is welded."""
    data = scenario_data()
    data["flow"] = {"processes": {"painting": "printer_3d", "testing": "painting"}, "repairs": {"rework": "same"}}
    found = history(parse(data), 4 * 3600)

    assert [count.kind for count in found.plant.census()] == ["printer_3d", "painting", "testing"]
    assert census(found.plant, "testing").shipped > 25
    assert "starved" not in {view.status for view in found.plant.machines() if view.kind == "welding"}


# Conservation


@quickly
@given(connected())
def test_no_piece_is_lost_or_made_of_nothing_however_types_are_connected(config: PlantConfig) -> None:
    """After every event each piece is in one place, and machines wait if, and only if, they lack pieces or room."""
    plant = FactoryMessageGenerator.of(config, 1)

    for _ in moments(plant, 120):
        assert_balanced(plant)
        assert_waiting_is_needed(plant)


@quickly
@given(connected())
def test_a_piece_is_taken_once_and_by_a_type_that_an_edge_leads_to(config: PlantConfig) -> None:
    """What went into a job was made before it, by a source of its type or by its own type, to be repaired."""
    found = history(config, 200)
    stages = line_of(found.plant).stages

    assert max(Counter(found.taken()).values(), default=1) == 1
    for identity, ids in found.consumed.items():
        assert {*map(maker, ids)} <= {*stages[maker(identity)].sources, maker(identity)}
    assert {maker(each) for ids in found.shipped.values() for each in ids} <= {line_of(found.plant).ships}


@quickly
@given(connected(), st.lists(st.floats(0, 100), max_size=5))
def test_steps_of_time_change_no_byte(config: PlantConfig, cuts: list[float]) -> None:
    """The same messages in one step and in many."""
    assert said_in(config, [*sorted(cuts), 100.0]) == said_in(config, [100.0])


def test_each_shard_is_a_line_of_its_own() -> None:
    """No piece of one goes to the other, and each ships."""
    plants = [FactoryMessageGenerator.of(three(), 1, shard=(number, 2)) for number in (1, 2)]
    found = [History(plant, plant.advance(START + 1800)) for plant in plants]
    for each in found:
        each.read()

    assert not {*found[0].taken()} & {*found[1].taken()}
    assert all(each.shipped for each in found)


# Reload


@quickly
@given(st.lists(connected(), min_size=2, max_size=4), st.booleans())
def test_a_reload_to_other_edges_loses_no_piece(configs: list[PlantConfig], pause: bool) -> None:
    """After any change each piece is somewhere, or was removed with a stage or a machine."""
    plant = FactoryMessageGenerator.of(configs[0], 1)
    for turn, config in enumerate(configs, 1):
        plant.reload(config)
        for now_ms in moments(plant, turn * 60):
            assert all(count.made == sum(count[2:]) for count in flow_of(plant).piece_counts()), now_ms
            assert_waiting_is_needed(plant)
        if pause:
            plant.reload(config.model_copy(update={"flow": None}))
            assert not {view.status for view in plant.machines()} & {"starved", "blocked"}


@quickly
@given(connected(), connected())
def test_no_id_is_used_twice_over_reloads(first: PlantConfig, then: PlantConfig) -> None:
    """Neither by machines nor for the pieces with which a stage begins, also if it is removed and added again."""
    plant = FactoryMessageGenerator.of(first, 1)
    found = History(plant, [])
    plant.listen(found.tell)
    for turn, config in enumerate((first, then, first), 1):
        plant.reload(config)
        found.messages += plant.advance(START + turn * 60)
    found.read()

    assert max(Counter(found.taken()).values(), default=1) == 1


def test_pieces_of_a_stage_that_stays_stay() -> None:
    """Another stage may go: what is in its buffer is removed, and its machines work on alone."""
    plant = FactoryMessageGenerator.of(three(**NO_ORDERS), 1)
    plant.advance_silently(START + 600)
    before = {count.kind: count for count in plant.census()}
    without_check = {**THREE_EDGES, "processes": {}, "repairs": {}, "buffers": {SAW: 8, PRESS: 4}}
    plant.reload(parse(plant_data(THREE, without_check, **NO_ORDERS)))
    after = {count.kind: count for count in plant.census()}

    assert before[CHECK].in_buffers == 6
    assert (after[CHECK].in_buffers, after[CHECK].on_machines) == (0, 0)
    assert after[CHECK].removed == before[CHECK].in_buffers + before[CHECK].on_machines
    assert after[PRESS].in_buffers == before[PRESS].in_buffers == 4
    assert after[SAW].made == before[SAW].made
    plant.advance_silently(START + 1200)
    assert {view.status for view in plant.machines() if view.kind == CHECK} <= {"working", "idle"}


def test_pieces_that_wait_for_repair_by_a_stage_are_removed_with_it() -> None:
    """They count for the type that made them."""
    types = {**THREE, PRESS: machine_type(1, cycle_seconds=60.0), CHECK: machine_type(results={"broken": 1.0})}
    repairing = THREE_EDGES | {"assembles_by_kind": {}, "initial_fill": 1.0}
    plant = FactoryMessageGenerator.of(parse(plant_data(types, repairing, **NO_ORDERS)), 1)
    plant.advance_silently(START + 60)
    before = census(plant, CHECK)
    plant.reload(parse(plant_data(types, {"processes": {CHECK: SAW}}, **NO_ORDERS)))
    after = census(plant, CHECK)

    assert before.in_buffers > 6
    assert (after.removed, after.in_buffers, after.made) == (before.in_buffers - 6, 6, sum(after[2:]))


def test_a_machine_that_waits_is_freed_where_it_needs_no_pieces_any_more() -> None:
    """And pieces that lay ready for it go back to the buffer that they are from."""
    types = {**THREE, SAW: machine_type(1, results={"good": 1.0}), "drill": machine_type(0)}
    starving = {"assembles": {PRESS: {SAW: 3, "drill": 1}}, "ships": PRESS, "initial_fill": 0.0}
    plant = FactoryMessageGenerator.of(parse(plant_data(types, starving, **NO_ORDERS)), 1)
    plant.advance_silently(START + 600)
    assert {view.status for view in plant.machines() if view.kind == PRESS} == {"starved"}
    assert census(plant, SAW).on_machines >= 6

    unconnected = {"assembles": {CHECK: {SAW: 1}, PRESS: {"drill": 1}}, "ships": CHECK, "initial_fill": 0.0}
    plant.reload(parse(plant_data(types, unconnected, **NO_ORDERS)))
    count = census(plant, SAW)
    assert (count.removed, count.made) == (0, sum(count[2:]))
    plant.advance_silently(START + 700)
    assert census(plant, CHECK).made > 10


def test_reading_the_same_edges_again_changes_nothing() -> None:
    """Buffers, orders and waiting machines stay as they are."""
    plant = FactoryMessageGenerator.of(three(), 1)
    said = plant.advance(START + 300)
    plant.reload(three())

    assert said + plant.advance(START + 600) == said_in(three(), [600])


# The forecast


def test_the_slowest_stage_is_found_by_the_edges() -> None:
    """The saws, of which a mean pressed piece needs more than three."""
    types = {**THREE, SAW: machine_type(1)}
    notes = " ".join(forecast(parse(plant_data(types, THREE_EDGES, **orders(5000, dispatches=9000)))).notes)

    assert "but saw limits the line" in notes


@pytest.mark.parametrize(
    ("flow", "note"),
    [
        (
            {"processes": {CHECK: PRESS}, "assembles": {PRESS: {SAW: 1}}, "ships": PRESS},
            "no edge leads from check to press",
        ),
        ({"repairs": {"agian": "same"}}, 'no job of the line has the result "agian"; did you mean again?'),
    ],
)
def test_check_tells_what_an_author_may_not_expect(flow: dict[str, Any], note: str) -> None:
    """A stage whose pieces are used for nothing, and a repair of a result that no job has, are no errors."""
    notes = forecast(parse(plant_data(THREE, THREE_EDGES | flow, **orders()))).notes

    assert any(note in each for each in notes), notes


def test_check_tells_that_a_flow_without_orders_fills_up() -> None:
    """Nothing takes away what the last stage makes; with orders and dispatches there is no such note."""
    without, complete = (
        [note for note in forecast(parse(plant_data(THREE, THREE_EDGES, **more))).notes if "nothing is shipped" in note]
        for more in ({}, orders())
    )

    assert complete == []
    assert len(without) == 1
    assert "without customer_order and dispatch in message_types" in without[0]


def test_a_machine_that_waits_goes_on_waiting_at_a_reload() -> None:
    """What depends on when it began to wait, such as a ramp that each job resets, goes on too."""
    ramp = {"base": 0, "ramp": {"per_hour": 3600.0, "resets": "job"}, "limits": [-1, 10_000]}
    types = {**THREE, SAW: machine_type(0), PRESS: THREE[PRESS] | {"signals": {"waited": ramp}}}
    config = parse(plant_data(types, {**THREE_EDGES, "initial_fill": 0.0}, **orders()))
    plant = FactoryMessageGenerator.of(config, 1)
    messages = plant.advance(START + 100)
    plant.reload(config)

    assert "starved" in {view.status for view in plant.machines()}
    assert messages + plant.advance(START + 200) == said_in(config, [200])


def test_a_start_of_a_machine_that_is_not_stopped_changes_nothing_in_a_line() -> None:
    """Also of one that is starved: it keeps its place among those that wait."""
    config = three({"buffers": {SAW: 1, PRESS: 1, CHECK: 6}})
    plant = FactoryMessageGenerator.of(config, 1)
    messages, waiting = plant.advance(START + 20), flow_of(plant)._stages[CHECK].rework.waiting_for_piece
    while len(waiting) < 2:
        messages += plant.advance(plant.now + 0.5)
    plant.execute({"command": "start", "machine_id": next(iter(waiting)).machine.id})

    assert messages + plant.advance(START + 300) == said_in(config, [300])


def test_a_stopped_machine_of_a_line_keeps_no_piece_from_the_others() -> None:
    """It takes none while it is stopped, and begins with one that is there when it is started."""
    config = three({"buffers": {SAW: 1, PRESS: 4, CHECK: 6}})
    plant = FactoryMessageGenerator.of(config, 1)
    plant.advance(START + 100)
    starved = next(
        view.machine_id for view in plant.machines() if view.status == "starved" and "CHECK" in view.machine_id
    )
    plant.execute({"command": "stop", "machine_id": starved})
    plant.advance_silently(START + 130)
    other = {"CHECK-01": "CHECK-02", "CHECK-02": "CHECK-01"}[starved]
    posts = flow_of(plant)._stages[CHECK].workstations.values()
    assert [post.machine.job.id_json for post in posts if post.machine.id == starved] == [NULL]
    plant.execute({"command": "stop", "machine_id": other})
    plant.advance_silently(START + 300)
    waiting = census(plant, PRESS).in_buffers
    answer = plant.execute({"command": "start", "machine_id": starved})

    assert waiting > 0
    assert answer["state"] == "working"
