"""The plant's public face: the original's calls and ours, the same bytes for the same seed, JSON for any text."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator, topic_template
from plant.definition.plant_config import PlantConfigError
from plant.telemetry import Message
from tests.support.factory.plants import COUNTED, ROOT, config, only, original, result, rows, said

DEFAULT = ROOT / "message_structure.yaml"
BRISK = {"customer_order": {"orders_per_hour": 360.0}, "dispatch": {"dispatches_per_hour": 300.0}}
NASTY = ['say "50 %"', "back\\slash", "100%", "%s %(x)b %%", "{kind}{0}", "Größe 🚀", "</script>", "null", "a/b"]
"""Texts that break templates, encoders or both."""


def digest(messages: list[Message]) -> str:
    """SHA-256 over the payloads, each followed by a line feed."""
    return hashlib.sha256(b"".join(message.payload + b"\n" for message in messages)).hexdigest()


def generator(seed: int | str | None = 1) -> FactoryMessageGenerator:
    """The default plant."""
    return FactoryMessageGenerator(DEFAULT, seed)


# The original's face


def test_dictionaries_are_the_payloads_read_back() -> None:
    """An hour of base intervals returns what one advance by an hour returns."""
    plant = generator()
    told = [row for _ in range(600) for row in plant.generate_messages()]

    assert told == rows(generator().advance(START + 600))


def test_the_base_interval_is_the_files() -> None:
    """In seconds, as the original gave it."""
    assert generator().get_base_interval() == 1.0


def test_machine_states_tell_what_each_machine_is_at() -> None:
    """By id, with the fields of the original, in agreement with the last message of each machine."""
    plant = generator()
    last = {row["machine_id"]: row for row in rows(plant.advance(START + 500)) if "machine_id" in row}

    assert plant.machine_states.keys() == last.keys()
    for machine_id, state in plant.machine_states.items():
        assert state["status"] == last[machine_id]["status"]
        assert state["current_part"] in last[machine_id].values()
        assert {"type", "part_count"} < state.keys()


def test_time_never_runs_back() -> None:
    """An earlier moment returns no messages, and no message is returned twice."""
    plant = generator()
    told = plant.advance(START + 100)

    assert plant.advance(START + 100) == plant.advance(START + 50) == []
    plant.reload(plant.config)
    assert told + plant.advance(START + 200) == generator().advance(START + 200)


def test_a_file_with_mistakes_is_refused(tmp_path: Path) -> None:
    """With all of them, before any message."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("global: {base_interval: -1}\nmessage_types: {cnc: {}}\n", encoding="utf-8")

    with pytest.raises(PlantConfigError):
        FactoryMessageGenerator(wrong)


# Replay


def test_the_same_seed_says_the_same_bytes_in_another_process() -> None:
    """With another hash seed too, and with the seed given as text."""
    code = (
        "import hashlib, messages\n"
        "plant = messages.FactoryMessageGenerator(seed='1')\n"
        "rows = plant.advance(plant.start + 600)\n"
        "print(hashlib.sha256(b''.join(row.payload + b'\\n' for row in rows)).hexdigest())"
    )
    environ = os.environ | {"PYTHONHASHSEED": "4321"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == digest(generator().advance(START + 600))


def test_another_seed_or_start_says_something_else() -> None:
    """No two first messages are the same, except by chance."""
    told = [said(config(), 10, seed, start) for seed, start in ((1, START), (2, START), (1, START + 3600))]

    assert len({digest(messages) for messages in told}) == 3
    assert len({tuple(message.time_ms % 1000 for message in messages) for messages in told[:2]}) == 2


def test_without_a_seed_each_plant_has_its_own_and_tells_it() -> None:
    """So that a run can be repeated."""
    one, other = generator(None), generator(None)

    assert one.seed != other.seed
    assert digest(one.advance(START + 60)) == digest(generator(one.seed).advance(START + 60))


def test_an_hour_of_the_default_plant_is_known_to_the_byte() -> None:
    """The same on every computer and in every Python: a change of this hash is a change of the plant's messages."""
    assert digest(generator().advance(START + 3600)) == GOLDEN


GOLDEN = "67c45884d8435d370adf9ffaebcea01cf20b772c1fa0483e0a7c780c5b93da39"


def test_a_day_of_the_default_plant_is_known_to_the_byte() -> None:
    """The same in steps of an hour: 320,000 messages, which every stay, loss and order affects."""
    plant, day, machines = generator(), hashlib.sha256(), hashlib.sha256()
    for hour in range(24):
        messages = plant.advance(START + 3600 * (hour + 1))
        day.update(b"".join(message.payload + b"\n" for message in messages))
        machines.update(b"".join(message.payload + b"\n" for message in messages if message.station))

    assert (machines.hexdigest(), day.hexdigest()) == (GOLDEN_MACHINES, GOLDEN_DAY)


GOLDEN_MACHINES = "cfd407219f6c1480c0eb93cc59565aa4347be4272f8cbd41cc95fcf041d16de7"
"""Of the rows of machines alone, which do not depend on how often orders come and go."""

GOLDEN_DAY = "d88c152a78bee3b29f9367a5cd2d810b15b263f0397e043c20f72fa6e98acc1f"


# Edges


def test_a_plant_without_machines_has_nothing_to_say() -> None:
    """Not even a deadline."""
    silence = {"customer_order": {"enabled": False}, "dispatch": {"enabled": False}}
    plant = FactoryMessageGenerator.of(config(dict.fromkeys(COUNTED, 0), **silence), seed=1)

    assert plant.next_due() == math.inf
    assert plant.advance(START + 86_400) == []
    assert plant.machine_states == {}


@pytest.mark.parametrize("silent", [{"frequency_weight": 0}, {"enabled": False}])
def test_a_type_of_weight_0_or_switched_off_is_silent(silent: dict[str, Any]) -> None:
    """The messages of all others do not change."""
    told = said(config(welding=silent), 300)

    assert told == [message for message in said(config(), 300) if message.kind != "welding"]


def test_any_text_of_the_yaml_arrives_as_it_was_written() -> None:
    """Quotes, per cent signs, braces, backslashes and emoji, wherever the YAML takes free text."""
    weights = dict.fromkeys(NASTY, 1.0)
    values = {
        "part_types": NASTY,
        "quality_distribution": weights,
        "dwell_seconds": {},
        "statuses": ["running", *NASTY],
    }
    plant = only(
        "cnc_machine",
        60,
        status_distribution={"running": 40.0} | weights,
        station_pattern='{line} "%d" 🚀',
        lines=['%s"'],
        **values,
    )
    told = rows(said(plant, 1200))

    assert {row["part_type"] for row in told} == set(NASTY)
    assert {row["quality"] for row in told} == {None, *NASTY}
    assert {row["status"] for row in told} == {"running", *NASTY}
    assert {row["station_id"] for row in told} == {'%s" "%d" 🚀'}


def test_any_text_arrives_in_ids_and_events_too() -> None:
    """Targets are part of their ids; products, destinations and carriers are the users' own."""
    events = {
        "customer_order": {"product_types": NASTY, "quantity_ranges": {}, "orders_per_hour": 3_600.0},
        "dispatch": {"destinations": NASTY, "carriers": NASTY, "dispatches_per_hour": 3_000.0},
    }
    told = rows(said(config(testing={"target_types": NASTY}, **events), 1800))

    assert {row["target_id"].rpartition("-")[0] for row in told if row.get("target_id")} <= set(NASTY)
    assert {item["product_type"] for row in told if "items" in row for item in row["items"]} == set(NASTY)
    assert {row["destination"] for row in told if "carrier" in row} == set(NASTY)


def test_payloads_are_as_short_as_json_can_be() -> None:
    """No spaces, no escapes but those that JSON needs: what a strict reader writes back is the same."""
    for message in said(config(**BRISK), 600):
        assert (
            json.dumps(json.loads(message.payload), separators=(",", ":"), ensure_ascii=False).encode()
            == message.payload
        )


# What others look at


def test_a_snapshot_counts_what_was_said() -> None:
    """Messages by kind, finished jobs by result, open orders, and every machine in one state."""
    plant = FactoryMessageGenerator.of(config(**BRISK), seed=1)
    told = plant.advance(START + 3600)
    jobs = Counter(
        (message.kind, result(row)) for message, row in zip(told, rows(told), strict=True) if message.station
    )
    snapshot = plant.snapshot()

    assert snapshot.time_ms == 1000 * (START + 3600)
    assert {kind: count for kind, count in snapshot.rows.items() if count} == Counter(message.kind for message in told)
    assert snapshot.jobs == {key: count for key, count in jobs.items() if key[1]}
    assert sum(snapshot.states.values()) == len(list(plant.machines())) == 22
    assert snapshot.open_orders == snapshot.rows["customer_order"] - snapshot.rows["dispatch"]


def test_counts_go_on_over_a_reload() -> None:
    """Also those of a type that is no longer there."""
    plant = FactoryMessageGenerator.of(original(), seed=1)
    said_before = Counter(message.kind for message in plant.advance(START + 600))
    plant.reload(only("welding", 1))
    welded = len(plant.advance(START + 700))

    assert plant.snapshot().rows["painting"] == said_before["painting"]
    assert plant.snapshot().rows["welding"] == said_before["welding"] + welded


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("cnc_machine", "cnc"),
        ("printer_3d", "3dprinter"),
        ("welding", "welding"),
        ("painting", "painting"),
        ("testing", "testing"),
        ("customer_order", "orders"),
        ("dispatch", "dispatch"),
        ("anything else", "telemetry"),
    ],
)
def test_each_kind_has_the_originals_topic(kind: str, topic: str) -> None:
    """Below the prefix."""
    assert generator().topic_template(kind) == topic_template(config(), kind) == f"{{prefix}}/{topic}"


def test_the_yamls_own_topic_is_in_force_from_the_reload_on() -> None:
    """A type may go elsewhere."""
    plant = generator()
    plant.reload(config(welding={"topic": "{prefix}/line/{machine_id}"}))

    assert plant.topic_template("welding") == "{prefix}/line/{machine_id}"
