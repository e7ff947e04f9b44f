"""Facts about labels of wear: from where it passes `label_from` up to its reset, to the row and to the millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.truth.events import FaultEpisode
from tests.plant.faults.presses import HOUR_MS, START_MS, Seen, press, run

VIBRATION: Final = {"base": 2, "limits": [0, 100_000], "decimals": 6}
"""A signal that is 2 + 2000 times the wear, in any state."""


def worn(
    life_hours: float = 1, count: int = 6, spreads: bool = False, report_seconds: float = 60, **wear: Any
) -> PlantConfig:
    """Presses whose tool wears, and shows in `vibration` alone; with a fault that spreads if asked for."""
    tool = {"life_hours": life_hours, "resets": "maintenance", "effects": {"vibration": {"plus": 2000}}, **wear}
    jam = {"duration_seconds": 60, "leads_to": {"fault": "jam", "spreads_to": "neighbours"}}
    more = {"neighbours": {"PRESS-01": ["PRESS-02"]}, "faults": {"jam": jam}} if spreads else {}
    rhythm = {"report_seconds": report_seconds, "job": {"cycle_seconds": 60}}
    return press(count=count, signals={"vibration": VIBRATION}, wear={"tool": tool}, **rhythm, **more)


@cache
def day() -> Seen:
    """A day of such presses."""
    return run(worn(), 24)


def of_tools(seen: Seen) -> list[FaultEpisode]:
    """The labels of wear, in the order of machines and time."""
    return sorted(each for each in seen.episodes if each.fault == "tool")


def producing_ms(seen: Seen, machine_id: str, from_ms: int, to_ms: int) -> int:
    """How long a machine has produced in a time."""
    stays = [each for each in seen.stays if (each.machine_id, each.state) == (machine_id, "running")]
    return sum(max(0, min(each.to_ms, to_ms) - max(each.from_ms, from_ms)) for each in stays)


@pytest.mark.parametrize("label_from", [None, 0.25, 1.0])
def test_a_message_is_labelled_from_that_wear_on(label_from: float | None) -> None:
    """Each message and no other: the wear is in its value. Nothing else is declared, so wear passes 1."""
    declared: dict[str, Any] = {} if label_from is None else {"label_from": label_from}
    seen = run(worn(report_seconds=10, **declared), 6)
    spans = [(each.machine_id, each.from_ms, each.to_ms) for each in of_tools(seen)]
    limit = 2 + 2000 * (0.8 if label_from is None else label_from)
    rows = [(time_ms, row) for time_ms, row in seen.rows()]
    over = {(row["machine_id"], time_ms) for time_ms, row in rows if row["vibration"] >= limit}
    labelled = {
        (row["machine_id"], time_ms)
        for time_ms, row in rows
        if any(row["machine_id"] == machine_id and begin <= time_ms < end for machine_id, begin, end in spans)
    }

    assert labelled == over
    assert 100 < len(over) < len(rows) - 100


def test_a_label_begins_after_that_share_of_the_life_and_ends_with_the_reset() -> None:
    """Of producing since the last reset, to the millisecond; its end is that of a stay in the state that resets."""
    seen = day()
    resets = {(each.machine_id, each.to_ms) for each in seen.stays if each.state == "maintenance"}
    after_reset = 0
    for each in of_tools(seen):
        assert each.is_open or (each.machine_id, each.to_ms) in resets
        before = [time_ms for machine_id, time_ms in resets if machine_id == each.machine_id and time_ms < each.from_ms]
        if before:
            after_reset += 1
            assert producing_ms(seen, each.machine_id, max(before), each.from_ms) == 0.8 * HOUR_MS

    assert after_reset > 10


def test_a_tool_that_is_worn_when_the_run_begins_is_labelled_from_then_on() -> None:
    """A machine begins anywhere in the life of what wears."""
    seen = run(worn(count=50), 0.01)
    found = of_tools(seen)

    assert 3 < len(found) < 20
    assert {each.from_ms for each in found} == {START_MS}
    assert all(each.is_open for each in found)


def test_a_label_has_what_labels_have() -> None:
    """Severity 1, which wear has at the end of its life; the life as its ramp; wear as its cause; and its effects."""
    first = of_tools(run(worn(), 3))[0]

    assert (first.severity, first.ramp_ms, first.why, first.effects) == (1.0, HOUR_MS, "wear", ("vibration",))
    assert first.signal is None


def test_what_wear_leads_to_is_within_its_label_also_where_both_come_at_once() -> None:
    """Of `label_from: 1` the label begins as the machine enters the state that ends it."""
    seen = run(worn(label_from=1, leads_to={"state": "maintenance"}), 24)
    led = [(each.machine_id, each.from_ms) for each in seen.stays if each.cause == "tool"]
    found = of_tools(seen)

    assert [(each.machine_id, each.from_ms) for each in found] == sorted(led)
    assert len(found) > 20


def test_of_0_all_the_time_is_labelled() -> None:
    """A label ends with the reset, and the next one begins there."""
    found = of_tools(run(worn(count=1, label_from=0), 24))

    assert found[0].from_ms == START_MS
    assert found[-1].to_ms == START_MS + 24 * HOUR_MS
    assert [each.to_ms for each in found[:-1]] == [each.from_ms for each in found[1:]]
    assert len(found) > 3


@pytest.mark.parametrize("spreads", [False, True], ids=["machines alone", "machines that depend on each other"])
def test_cuts_and_shards_change_no_label(spreads: bool) -> None:
    """And no message."""
    config = worn(spreads=spreads, life_hours=0.3)
    whole, cut = run(config, 6), run(config, 6, step_seconds=13.7)
    parts: list[FaultEpisode] = []
    for part in (1, 2, 3):
        plant = FactoryMessageGenerator.of(config, 7, start=START, shard=(part, 3))
        plant.listen(lambda event: parts.append(event) if isinstance(event, FaultEpisode) else None)
        plant.advance(START + 6 * 3600)
        plant.close_truth()

    assert of_tools(cut) == of_tools(whole) == sorted(parts)
    assert cut.messages == whole.messages
    assert len(parts) > 20


def changed(config: PlantConfig, then: PlantConfig | None) -> list[FaultEpisode]:
    """Return the labels of a run in which another configuration applies after three hours, or none."""
    plant, found = FactoryMessageGenerator.of(config, 7, start=START), list[FaultEpisode]()
    plant.listen(lambda event: found.append(event) if isinstance(event, FaultEpisode) else None)
    plant.advance(START + 3 * 3600)
    if then is not None:
        plant.reload(then)
    plant.advance(START + 6 * 3600)
    plant.close_truth()
    return sorted(found)


RELOAD_MS: Final = START_MS + 3 * HOUR_MS


def at_reload(found: Sequence[FaultEpisode]) -> tuple[set[str], set[str]]:
    """Return the machines whose labels end, and begin, as the other configuration applies."""
    ended = {each.machine_id for each in found if each.to_ms == RELOAD_MS}
    return ended, {each.machine_id for each in found if each.from_ms == RELOAD_MS}


@pytest.mark.parametrize("spreads", [False, True], ids=["machines alone", "machines that depend on each other"])
def test_a_reload_changes_the_labels_that_it_declares_otherwise(spreads: bool) -> None:
    """Lower, what is above begins at once; higher, what is below ends; what is neither goes on."""
    few, many = (worn(count=12, spreads=spreads, label_from=each) for each in (0.9, 0.3))
    same, lower, higher = changed(many, many), changed(few, many), changed(many, few)

    assert same == changed(many, None)
    assert at_reload(lower)[0] == at_reload(higher)[1] == set()
    assert at_reload(lower)[1] == at_reload(higher)[0] != set()
    goes_on = {each.machine_id for each in higher if each.from_ms < RELOAD_MS < each.to_ms}
    assert goes_on == {each.machine_id for each in lower if each.from_ms < RELOAD_MS < each.to_ms} != set()


def test_wear_that_a_reload_takes_away_has_no_label_any_more() -> None:
    """It ends there, with what it had."""
    found = changed(worn(), press(count=6))

    assert at_reload(found)[0]
    assert max(each.to_ms for each in found) == RELOAD_MS
    assert not any(each.is_open for each in found)


def test_a_reload_that_fails_leaves_labels_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither begun nor ended."""
    plant, found = FactoryMessageGenerator.of(worn(), 7, start=START), list[FaultEpisode]()
    plant.listen(lambda event: found.append(event) if isinstance(event, FaultEpisode) else None)
    plant.advance(START + 3 * 3600)
    before = [group.episodes for group in plant.active_faults()]
    with monkeypatch.context() as broken:
        broken.setattr("plant.parts.FaultLabels.apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            plant.reload(worn(label_from=0.1))
    after = [group.episodes for group in plant.active_faults()]
    plant.advance(START + 6 * 3600)
    plant.close_truth()

    assert before == after
    assert sorted(found) == changed(worn(), None)


def test_a_command_that_clears_all_faults_leaves_wear() -> None:
    """Only its reset ends it."""
    plant = FactoryMessageGenerator.of(worn(count=1, label_from=0), 7, start=START)
    plant.advance(START + 60)
    plant.execute({"command": "clear", "machine_id": "PRESS-01"})

    assert plant.snapshot().active_faults == {("press", "tool"): 1}


def test_labels_of_wear_are_counted_as_those_of_faults() -> None:
    """Those that go on, and those that have ended."""
    plant = FactoryMessageGenerator.of(worn(), 7, start=START)
    plant.advance(START + 24 * 3600)
    plant.advance(plant.now)
    going_on = [each for group in plant.active_faults() for each in group.episodes]
    snapshot = plant.snapshot()
    whole = of_tools(day())

    assert snapshot.active_faults == {("press", "tool"): len(going_on)}
    assert snapshot.ended_faults == {("press", "tool"): len(whole) - len(going_on)}
    assert sorted(going_on) == [each for each in whole if each.is_open] != []


def test_a_machine_that_is_taken_away_is_not_worn_any_more() -> None:
    """Its label ends with it."""
    plant, found = FactoryMessageGenerator.of(worn(label_from=0), 7, start=START), list[FaultEpisode]()
    plant.listen(lambda event: found.append(event) if isinstance(event, FaultEpisode) else None)
    plant.advance(START + 1)
    plant.execute({"command": "scale", "message_type": "press", "count": 1})

    assert [(each.machine_id, each.is_open) for each in found] == [
        (f"PRESS-0{number}", False) for number in range(2, 7)
    ]
    assert plant.snapshot().active_faults["press", "tool"] == 1
