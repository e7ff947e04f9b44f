"""A change of the plant is made as a whole or not at all, whatever goes wrong on the way."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, load
from plant.machines.states import PLANNED_STOP
from plant.orders import OrderBook
from plant.telemetry import Message
from plant.truth.events import StateInterval, TruthEvent
from tests.support.examples import cases, examples
from tests.support.factory.anyplants import plants
from tests.support.factory.breaking import Broken, breaking
from tests.support.factory.plants import ROOT, job_id, rows

quickly = settings(
    max_examples=examples(20, 5), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

FILES = ("message_structure.yaml", *(f"scenarios/{path.name}" for path in sorted((ROOT / "scenarios").glob("*.yaml"))))
SHIPPED = {
    path.split("/")[-1].removesuffix(".yaml"): load(ROOT / path) for path in (*FILES, "tests/data/original.yaml")
}
RING = [*zip(SHIPPED, [*SHIPPED][1:] + [*SHIPPED][:1], strict=True)]
OTHERS = cases(RING, 2)
OF_THE_SAME_TYPES = ("message_structure", "spaceship-flow", "two-shifts", "original")
PAIRS = cases([*dict.fromkeys((*itertools.permutations(OF_THE_SAME_TYPES, 2), *RING))], 3)
HOUR = 3600.0


class Heard(list[TruthEvent]):
    """Everything that a listener receives."""

    def __call__(self, event: TruthEvent) -> None:
        """Keep it."""
        self.append(event)


def told(config: PlantConfig, seconds: float) -> tuple[FactoryMessageGenerator, Heard, list[Message]]:
    """Return a plant that has run for some time, the events of its listener, and its messages."""
    plant, heard = FactoryMessageGenerator.of(config, 1), Heard()
    plant.listen(heard)
    return plant, heard, plant.advance(START + seconds)


def assert_sound(plant: FactoryMessageGenerator, said: list[Message], since: float) -> None:
    """Nothing is repeated or left out, messages keep their period since a moment, and each machine's time adds up."""
    assert_nothing_repeated(said)
    for kind in plant.oee():
        total = kind.producing_seconds + sum(kind.stopped_seconds.values())
        assert kind.planned_seconds + kind.stopped_seconds.get(PLANNED_STOP.name, 0.0) == pytest.approx(total)
        assert total <= plant.now - plant.start + 0.001
    for fleet in plant._parts.fleets:
        if not fleet.reports_events:
            times = defaultdict(list)
            for message in said:
                if message.kind == fleet.key and message.time_ms > since * 1000 + 1:
                    times[message.source].append(message.time_ms)
            for machine in fleet.machines:
                steps = {later - earlier for earlier, later in pairwise(times[machine.id])}
                assert all(abs(step - machine.runtime.period_ms) <= 1 for step in steps), (machine.id, steps)


def assert_nothing_repeated(said: list[Message]) -> None:
    """Sequences of a source have no gap, and no job or order is reported twice."""
    counted: dict[str, int] = Counter()
    for message in said:
        counted[message.source] += 1
        assert message.sequence == counted[message.source], message
    found = rows(message for message in said if any(key in message.payload for key in REPORTING))
    assert [name for name, times in Counter(map(reported, found)).items() if times > 1] == []


REPORTING = (b'"quality":"', b'"test_result":"', b'"event_type":"')


def reported(row: dict[str, Any]) -> str:
    """Return the job that a message reports as finished, or the order and its event."""
    return row["event_type"] + row["order_id"] if "event_type" in row else str(job_id(row))


@pytest.mark.parametrize(("first", "then"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_any_shipped_plant_may_become_any_other(first: str, then: str) -> None:
    """After an hour, and for an hour: nothing is lost or repeated, and all accounts are right."""
    plant, _, said = told(SHIPPED[first], HOUR)
    plant.reload(SHIPPED[then])
    said += plant.advance(START + 2 * HOUR)

    assert_sound(plant, said, START + HOUR)


@quickly
@given(plants(), plants(), st.integers(1, 400))
def test_any_plant_may_become_any_other(first: PlantConfig, then: PlantConfig, seconds: int) -> None:
    """Whatever both are, and back again."""
    plant, _, said = told(first, seconds)
    for turn, config in enumerate((then, first), 1):
        plant.reload(config)
        said += plant.advance(START + seconds + 200 * turn)
        assert_sound(plant, said, plant.now - 200)


@pytest.mark.parametrize(("first", "then"), OTHERS, ids=["-".join(pair) for pair in OTHERS])
def test_a_change_that_fails_anywhere_leaves_no_trace(first: str, then: str) -> None:
    """No byte of messages and no event of listeners differs, then and after the next change, which succeeds."""
    plant, heard, _ = told(SHIPPED[first], 300.0)
    twin, twin_heard, _ = told(SHIPPED[first], 300.0)
    calls = in_all(SHIPPED[first], SHIPPED[then])
    for call in range(3, calls * 9 // 10, calls // 4):
        with pytest.raises(Broken), breaking(call):
            plant.reload(SHIPPED[then])
        until = plant.now + 60
        assert plant.advance(until) == twin.advance(until), call
        assert heard == twin_heard
    for each in (plant, twin):
        each.reload(SHIPPED[then])
    assert plant.advance(START + 1200) == twin.advance(START + 1200)
    assert (heard, plant.oee(), plant.snapshot()) == (twin_heard, twin.oee(), twin.snapshot())


def in_all(first: PlantConfig, then: PlantConfig) -> int:
    """How many functions of the plant a change calls."""
    plant, _, _ = told(first, 300.0)
    with breaking(0) as called:
        plant.reload(then)
    return len(called)


def test_what_would_fail_soon_after_a_change_is_refused_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some plant time is rehearsed, without any call of a listener."""
    quick = SHIPPED["message_structure"].message_types.customer_order.model_copy(  # type: ignore[union-attr]
        update={"orders_per_hour": 3600.0}
    )
    types = SHIPPED["message_structure"].message_types.model_copy(update={"customer_order": quick})
    config = SHIPPED["message_structure"].model_copy(update={"message_types": types})
    plant, heard, _ = told(SHIPPED["message_structure"], 60.0)
    twin, twin_heard, _ = told(SHIPPED["message_structure"], 60.0)

    def fail(_: OrderBook) -> None:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(OrderBook, "_place_order", fail)
        with pytest.raises(Broken):
            plant.reload(config)

    assert plant.advance(START + 660) == twin.advance(START + 660)
    assert heard == twin_heard


def test_a_rehearsal_calls_no_listener() -> None:
    """Listeners receive what the change itself ended, and nothing twice."""
    plant, heard, _ = told(SHIPPED["message_structure"], 600.0)
    before = len(heard)
    plant.reload(SHIPPED["spaceship-flow"])

    ended = [event for event in heard[before:] if isinstance(event, StateInterval)]
    assert {event.to_ms for event in ended} == {round((START + 600) * 1000)}
    plant.advance(START + 1200)
    plant.close_truth()
    for machine in plant.machines():
        stays = [
            event for event in heard if isinstance(event, StateInterval) and event.machine_id == machine.machine_id
        ]
        assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(stays))


def test_orders_of_a_rehearsal_call_no_listener() -> None:
    """A listener for orders receives each when it is due, and once."""
    config = SHIPPED["message_structure"]
    order = config.message_types.customer_order
    assert order
    often = {"customer_order": order.model_copy(update={"orders_per_hour": 3600.0})}
    brisk = config.model_copy(update={"message_types": config.message_types.model_copy(update=often)})
    heard: list[int] = []
    plant = FactoryMessageGenerator.of(brisk, 1)
    plant.listen(None, lambda event: heard.append(event.time_ms))
    plant.reload(SHIPPED["spaceship-flow"])
    plant.reload(brisk)
    assert heard == []

    rows = plant.advance(START + 60)
    assert heard == [row.time_ms for row in rows if row.kind in {"customer_order", "dispatch"}] != []


def test_a_snapshot_does_not_see_a_change_that_is_taken_back() -> None:
    """The snapshot goes on as if the change had never been tried."""
    plant, twin = (told(SHIPPED["message_structure"], 600.0)[0] for _ in range(2))
    looks = plant.oee_snapshot().figures()
    seen = list(next(looks))
    plant.try_out(SHIPPED["original"]).take_back()
    plant.advance(START + 700)
    seen += [placed for some in looks for placed in some]

    assert [placed.oee for placed in seen] == twin.oee()


def test_what_was_tried_is_kept_or_taken_back() -> None:
    """Until then the change is there and can go either way."""
    plant, twin = (told(SHIPPED["message_structure"], 600.0)[0] for _ in range(2))
    trial = plant.try_out(SHIPPED["spaceship-flow"])
    assert plant.config.flow
    trial.take_back()
    assert plant.advance(START + 900) == twin.advance(START + 900)

    plant.try_out(SHIPPED["spaceship-flow"]).keep()
    twin.reload(SHIPPED["spaceship-flow"])
    assert plant.advance(START + 1800) == twin.advance(START + 1800)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_what_a_removed_machine_did_is_no_part_of_one_that_comes_later(shards: int) -> None:
    """Its account is removed with it, in each part of a plant."""
    config = SHIPPED["message_structure"]
    counts = config.global_.machine_counts | {"cnc": 1, "welding": 0}
    fewer = config.model_copy(update={"global_": config.global_.model_copy(update={"machine_counts": counts})})
    for shard in range(1, shards + 1):
        plant = FactoryMessageGenerator.of(config, 1, shard=(shard, shards))
        for turn, each in enumerate((fewer, config), 1):
            plant.advance(START + 1000 * turn)
            plant.reload(each)
        plant.advance(START + 2500)
        lived = {view.machine_id: 2500.0 for view in plant.machines()}
        lived |= {
            name: 500.0 for name in lived if name.startswith("WELD") or (name.startswith("CNC") and name != "CNC-01")
        }
        for machine in plant.oee():
            assert machine.planned_seconds == pytest.approx(lived[machine.machine_id]), machine.machine_id
        for kind in plant.oee_by_kind():
            ours = [each.planned_seconds for each in plant.oee() if each.kind == kind.kind]
            assert kind.planned_seconds == pytest.approx(sum(ours))


def test_a_plant_at_the_end_of_the_calendar_is_rehearsed_no_further() -> None:
    """A timestamp that cannot be written is no reason to reject earlier ones."""
    start = 253_402_300_740.0
    plant = FactoryMessageGenerator.of(SHIPPED["message_structure"], 1, start=start)
    plant.rehearse()

    assert plant.advance(start + 30)
