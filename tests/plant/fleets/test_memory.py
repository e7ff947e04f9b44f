"""Signals with memory in a plant: which messages they go on with, faults, stops, reloads, and what schemas say."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.catalogue.signal_fields import signal_field
from plant.definition.plant_config import PlantConfig, parse
from plant.fleets.fleet_measurements import measurements_of
from tests.support.exports import yamlread

_COMPRESSOR: Final = """
count: 3
report_seconds: 5
states: {running: {share: 1, dwell_seconds: 600}}
signals:
  leak: {base: 0, limits: [0, 9], decimals: 6}
  pressure:
    switches: {low: 6.5, high: 7.5, rises: "0.05 - leak", falls: 0.02 + leak}
    limits: [0, 10]
    starts: 7
    decimals: 6
  load: {on_share_of: pressure, decimals: 6}
  power: {formula: "2 + 18 * load", limits: [0, 30], decimals: 6}
  energy: {integral_of: power, per_seconds: 3600, decimals: 3}
  used: {change_of: energy}
  oil: {formula: "20 + 3 * power", follows_seconds: 300, starts: 20, limits: [0, 99], decimals: 6}
"""


def compressors(**changes: Any) -> PlantConfig:
    """A plant of compressors with other keys."""
    return parse({"message_types": {"compressor": {**yamlread.value(_COMPRESSOR), **changes}}})


def rows(plant: FactoryMessageGenerator, until: float, machine: str = "COMPRESSOR-01") -> list[dict[str, Any]]:
    """The messages of a machine up to some seconds after the start."""
    found = [json.loads(each.payload) for each in plant.advance(START + until)]
    return [each for each in found if each["machine_id"] == machine]


def begun(config: PlantConfig) -> FactoryMessageGenerator:
    """A plant at its start."""
    return FactoryMessageGenerator.of(config, 3, start=START)


def advancing(messages: dict[str, Any]) -> str:
    """The class of messages with which registers and memories go on."""
    config = compressors(messages=messages)
    machine_type = config.message_types.machines["compressor"]
    found = measurements_of(machine_type, config, None)
    assert found is not None
    return machine_type.messages[found.advancing].name


@pytest.mark.parametrize(("shown", "expected"), [
    (["leak"], "first"),
    (["energy"], "second"),
    (["pressure"], "second"),
    (["load"], "second"),
    (["power"], "second"),
    (["oil"], "second"),
    (["used"], "second"),
])  # fmt: skip
def test_memories_go_on_with_the_first_class_that_shows_one(shown: list[str], expected: str) -> None:
    """A signal with memory, a register, or what is computed from a memory: not a class that shows none of them."""
    classes = {
        "first": {"report_seconds": 1, "fields": ["timestamp", "machine_id", "leak"]},
        "second": {"report_seconds": 5, "fields": ["timestamp", "machine_id", *shown]},
    }

    assert advancing(classes) == expected


def test_what_is_computed_from_a_hidden_register_counts_where_no_class_shows_it() -> None:
    """A type whose only register is hidden has it advanced by the messages that depend on it."""
    signals = {
        "flow": {"base": 1},
        "total": {"integral_of": "flow", "shown": False},
        "level": {"formula": "total / 2", "limits": [0, 1e6]},
    }
    classes = {
        "first": {"report_seconds": 60, "fields": ["timestamp", "machine_id", "flow"]},
        "second": {"report_seconds": 5, "fields": ["timestamp", "machine_id", "level"]},
    }
    last = rows(begun(compressors(signals=signals, messages=classes)), 61)[-1]

    assert last["level"] == 30


def test_a_fast_class_beside_a_slow_one_that_goes_on_changes_nothing() -> None:
    """The messages of a class that goes on are the same whether another one is sent between them or not."""
    slow = {"report_seconds": 60, "fields": ["timestamp", "machine_id", "pressure", "load", "used", "oil"]}
    fast = {"report_seconds": 1, "fields": ["timestamp", "machine_id", "pressure"]}
    both = begun(compressors(messages={"slow": slow, "fast": fast})).advance(START + 3600)
    alone = begun(compressors(messages={"slow": slow})).advance(START + 3600)
    quick = [json.loads(each.payload)["pressure"] for each in both if "fast" in each.kind]

    assert [each.payload for each in both if "slow" in each.kind] == [each.payload for each in alone]
    assert 6.5 <= min(quick) < 6.53
    assert 7.47 < max(quick) <= 7.5


def test_a_leak_lets_a_compressor_run_more_often() -> None:
    """A fault that takes air out of the vessel shows in the share of load: (0.02 + 0.01) / (0.05 + 0.02)."""
    faults = {"leaking": {"schedule": [{"after_seconds": 1800}], "effects": {"leak": {"plus": 0.01}}}}
    found = rows(begun(compressors(faults=faults)), 3600 * 9)
    healthy, leaking = ([row["load"] for row in found[part]] for part in (slice(0, 359), slice(361, None)))

    assert sum(healthy) / len(healthy) == pytest.approx(2 / 7, abs=0.02)
    assert sum(leaking) / len(leaking) == pytest.approx(3 / 7, abs=0.005)


def test_an_effect_on_a_switch_itself_is_added_to_what_is_reported() -> None:
    """The vessel goes on as without it; limits hold for the value with the effect."""
    faults = {"high": {"schedule": [{"after_seconds": 600}], "effects": {"pressure": {"plus": 2}}}}
    with_effect, without = (rows(begun(compressors(**keys)), 3600) for keys in ({"faults": faults}, {}))
    added = [round(row["pressure"] - other["pressure"], 5) for row, other in zip(with_effect, without, strict=True)]

    assert set(added) == {0, 2}
    assert [row["load"] for row in with_effect] == [row["load"] for row in without]


def test_memories_go_on_during_planned_stops() -> None:
    """Air is lost while nobody works: the law does not depend on the state unless its formulas do."""
    calendar = {"time_zone": "UTC", "shifts": [{"start": "22:00", "end": "22:30"}]}
    config = {"message_types": {"compressor": yamlread.value(_COMPRESSOR)}}
    stopped, working = (rows(begun(parse({**config, **more})), 900) for more in ({"calendar": calendar}, {}))

    assert {row["status"] for row in stopped} == {"planned_stop"}
    assert [row["pressure"] for row in stopped] == [row["pressure"] for row in working]


@pytest.mark.parametrize("cut", [600, 602.7])
def test_a_reload_without_a_change_of_the_type_leaves_every_byte(cut: float) -> None:
    """Memories are kept, with the moment of their last step."""
    other = parse({"message_types": {"compressor": yamlread.value(_COMPRESSOR), "painting": {"count": 1}}})
    plain, reloaded = begun(compressors()), begun(compressors())
    before = rows(reloaded, cut)
    reloaded.reload(other)

    assert before + rows(reloaded, 1800) == rows(plain, 1800)


def test_a_reload_with_other_thresholds_goes_on_from_where_it_is() -> None:
    """The vessel keeps its pressure, the oil its temperature; another signal above changes neither."""
    signals = yamlread.value(_COMPRESSOR)["signals"]
    changed = {"new": {"base": 1}, **signals}
    changed["pressure"] = {**signals["pressure"], "switches": {**signals["pressure"]["switches"], "low": 5, "high": 7}}
    plant = begun(compressors())
    before = rows(plant, 600)[-1]
    plant.reload(compressors(signals=changed))
    after = rows(plant, 604.9)[0]

    assert abs(after["pressure"] - before["pressure"]) <= 5 * 0.05
    assert abs(after["oil"] - before["oil"]) < 1
    assert after["energy"] == pytest.approx(before["energy"] + after["used"], abs=1e-9)
    assert after["used"] < 0.03


def test_texts_between_messages_are_of_now_and_leave_the_memory_alone() -> None:
    """A machine that is looked at each second says the same bytes."""
    looked, plain = begun(compressors()), begun(compressors())
    seen, values = [], set()
    for second in range(1, 120):
        seen += rows(looked, second)
        details = looked.views().machine("COMPRESSOR-01")
        assert details is not None
        values.add(details.signals[1].value)

    assert len(values) > 2 * len(seen)
    assert seen == rows(plain, 119)


def test_schemas_bound_shares_and_changes() -> None:
    """A share is from 0 to 1; the change of a meter of what is never below 0 is never below 0, and a count is whole."""
    signals = yamlread.value(_COMPRESSOR)["signals"]
    signals |= {"hours": {"counter": "seconds.running"}, "more": {"change_of": "hours"}}
    machine_type = compressors(signals=signals).message_types.machines["compressor"]
    fields = {name: signal_field(name, name, machine_type) for name in ("load", "used", "more", "pressure")}
    found = {name: (each.json_type, each.minimum, each.maximum) for name, each in fields.items()}

    assert found == {
        "load": ("number", 0, 1),
        "used": ("number", 0, None),
        "more": ("integer", 0, None),
        "pressure": ("number", 0, 10),
    }
