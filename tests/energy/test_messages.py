"""The messages of the energy plant are what its consumers rely on."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, Final

import orjson
import pytest

from messages import FactoryMessageGenerator
from plant.definition.plant_config import parse
from tests.energy.contract import BOOL, KEYS, MACHINES, MODES, STR, Machine
from tests.energy.plants import MONDAY, Sent, data, plant, sent
from tests.support.exports import yamlread
from tests.support.processes.daemon import ROOT

MINUTES: Final = 6
PAGE: Final = (ROOT / "docs" / "energy.md").read_text("utf-8")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FIVE: Final = ("energy_compressor", "energy_hvac", "energy_conveyor", "energy_pump", "energy_molding")


@pytest.fixture(scope="module")
def messages() -> list[Sent]:
    """What the whole plant sends in its first minutes."""
    return [*sent(plant(), MINUTES * 60)]


def of_type(value: Any, form: object) -> bool:
    """Whether a value has a type and at most so many decimals."""
    if form == STR:
        return isinstance(value, str)
    if form == BOOL:
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and round(value, int(str(form))) == value


@pytest.mark.parametrize("machine", MACHINES, ids=lambda each: each.root)
def test_each_topic_has_its_keys_in_order_with_their_types(messages: list[Sent], machine: Machine) -> None:
    """And a machine has no other topics."""
    own = [each for each in messages if each.topic.startswith(f"{machine.root}/")]
    expected = KEYS[machine.kind]

    assert {each.leaf for each in own} == set(expected)
    for each in own:
        assert list(each.row) == list(expected[each.leaf])
        assert [key for key, form in expected[each.leaf].items() if not of_type(each.row[key], form)] == []
        assert each.row["machine_id"] == f"c0000000-0000-0000-0000-{machine.number:012d}"
        assert TIME.fullmatch(each.row.get("time") or each.row["timestamp"])
        assert each.row.get("operating_mode", "idle") in MODES


def test_there_is_no_other_topic(messages: list[Sent]) -> None:
    """Each begins as that of a machine."""
    roots = {machine.root for machine in MACHINES}

    assert {each.topic.rpartition("/")[0] for each in messages} == roots


def test_the_page_shows_messages_that_come() -> None:
    """Those of docs/energy.md are of the hour that it names, with seed 1."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (start,) = re.findall(r"--start (\S+)", PAGE)
    plant_of_page = FactoryMessageGenerator.of(plant(chance=0.1), 1, start=datetime.fromisoformat(start).timestamp())
    sent_first = [each.payload.decode() for each in plant_of_page.advance(plant_of_page.now + 2)]

    assert len(block.splitlines()) == 3
    assert [row for row in block.splitlines() if row not in sent_first] == []


def test_another_machine_is_the_entry_on_the_page() -> None:
    """Laid over the scenario it is a ninth machine, whose id is none of the others."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found = data()
    found["message_types"] |= yamlread.value(block)["message_types"]
    ids = [each.id_of(number + 1) for _, each, count in parse(found).machines() for number in range(count)]

    assert "c0000000-0000-0000-0000-000000000009" in ids
    assert len({*ids}) == 9


def test_five_machines_send_what_the_table_says() -> None:
    """Three messages an interval, 3.8 a second, and a status once at the start, which is retained."""
    config = plant(*FIVE)
    leaves = Counter((each.leaf, each.row["machine_id"][-1]) for each in sent(config, 3600, start=MONDAY + 8 * 3600))
    statuses = {key: count for key, count in leaves.items() if key[0] == "status"}

    assert sum(leaves.values()) - sum(statuses.values()) == 13_680
    assert set(statuses.values()) == {1}
    assert len(statuses) == len(FIVE)
    retained = {each.name for kind in FIVE for each in config.message_types.machines[kind].messages if each.retain}
    assert retained == {"status"}


def test_messages_of_an_interval_have_one_time(messages: list[Sent]) -> None:
    """So that energy, production and environment can be joined."""
    times: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in messages:
        if "time" in each.row:
            times[each.row["machine_id"]][each.leaf].append(each.row["time"])

    for leaves in times.values():
        assert len({tuple(moments) for moments in leaves.values()}) == 1


def test_a_stop_is_reported_as_offline_and_nothing_is_counted() -> None:
    """Until the start, after which all goes on."""
    generator = FactoryMessageGenerator.of(plant(*FIVE), 1, start=MONDAY + 8 * 3600)
    generator.advance(generator.start + 600)
    for number in range(1, 6):
        generator.execute({"command": "stop", "machine_id": f"c0000000-0000-0000-0000-{number:012d}"})
    at_once, *_ = [generator.advance(generator.now + 1)]
    later = [orjson.loads(each.payload) for each in generator.advance(generator.now + 120)][-15:]

    statuses = [orjson.loads(each.payload) for each in at_once if each.kind.endswith(".status")]
    assert [(row["is_running"], row["operating_mode"], row["current_power_kw"]) for row in statuses] == [
        (False, "offline", 0.0)
    ] * 5
    for row in later:
        counts = [value for key, value in row.items() if key.startswith("production_count")]
        assert not any(counts)
        assert row.get("power_kw", 0) == row.get("speed_percent", 0) == row.get("pressure_bar", 0) == 0
        assert row.get("operating_mode", "offline") == "offline"


# The consumer of the original system, by its rules: see docs/energy.md.

ENERGY_LEAVES: Final = {"energy", "electricity", "natural_gas", "steam"}
KNOWN: Final = {*ENERGY_LEAVES, "production", "environmental", "status"}


def taken(each: Sent) -> tuple[object, ...] | None:
    """The row under which the consumer stores a message; None if it drops it."""
    levels, row = each.topic.split("/"), each.row
    if len(levels) != 4 or levels[0] != "factory" or levels[3] not in KNOWN or "machine_id" not in row:
        return None
    leaf = levels[3]
    if leaf == "status":
        return leaf, row["machine_id"], each.seconds
    time = row.get("time") if leaf in ("production", "environmental") else row.get("timestamp") or row.get("time")
    if time is None or (leaf == "production" and "production_count" not in row):
        return None
    return leaf, row["machine_id"], time


def test_the_consumer_takes_every_message_as_a_row_of_its_own(messages: list[Sent]) -> None:
    """No message is dropped, and none overwrites another."""
    rows = [taken(each) for each in messages]

    assert None not in rows
    assert len(set(rows)) == len(rows)
