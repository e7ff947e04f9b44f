"""The plants in scenarios/: their messages agree with what happened, and have the figures of a real plant."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pytest

from messages import FactoryMessageGenerator, topic_template
from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.plant_config import load, parse
from plant.definition.signals.bounds import signal_bounds
from plant.telemetry import Message
from tests.cli.verify.test_reloads import record
from tests.cli.verify.test_verify import answer_to
from tests.support.factory.plants import ROOT, Row, default, rows, said

SCENARIOS: Final = {path.stem: path for path in sorted((ROOT / "scenarios").glob("*.yaml"))}
HOURS: Final = 3
WITH_SIGNALS: Final = ("brewery", "recycling-line", "spaceship-signals")

JULY: Final = 1_783_771_200.0
"""2026-07-11T12:00:00Z."""
JANUARY: Final = 1_768_132_800.0
"""2026-01-11T12:00:00Z."""


@cache
def ran(name: str) -> tuple[FactoryMessageGenerator, list[Message]]:
    """A scenario after three hours, from which its figures go on, and the messages of them."""
    plant = FactoryMessageGenerator.of(load(SCENARIOS[name]), 1)
    return plant, plant.advance(plant.start + HOURS * 3600)


def hours(name: str) -> list[Message]:
    """The messages of three hours of a scenario."""
    return ran(name)[1]


@cache
def rows_of(name: str, kind: str) -> Sequence[Row]:
    """Those of a kind, as objects."""
    return rows(message for message in hours(name) if message.kind == kind)


def values(name: str, kind: str, *path: str, status: str | None = None) -> list[float]:
    """A number in all messages of a kind, or in those with a status. path: its key, after those of its objects."""
    found = []
    for row in rows_of(name, kind):
        if status in (None, row.get("status")):
            place: Any = row
            for key in path:
                place = place[key]
            found.append(place)
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_some_time_agrees_with_the_ground_truth(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify --strict` finds every message, job and order where it should be, and all OEE figures within bounds.

    Where jobs take longer than an hour, it is too short for some figures, which ends with 3; so does a plant whose
    messages have no OEE.
    """
    # Wear makes the few cycles of an hour differ; the other two send the most.
    seconds = {"spaceship-faults": 4 * 3600, "sandbox": 1800, "energy": 1200}.get(name, 3600)
    messages = record([(seconds, load(SCENARIOS[name]))], tmp_path / "truth")
    (tmp_path / "rows").write_bytes(b"\n".join(map(_line, messages)))

    answer = answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "truth"), "--strict"], capsys)

    assert answer.code == (3 if name in {"brewery", "energy"} else 0), answer.text + answer.error
    assert "Every message, job and order agrees with the ground truth." in answer.text


def _line(message: Message) -> bytes:
    """A line as a dry run writes it."""
    properties = b'"user_properties":{"trigger":"%b"},' % message.trigger.encode() if message.trigger else b""
    return b'{"topic":"x","qos":1,"retain":false,%b"payload":%b}' % (properties, message.payload)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_described_where_it_begins(name: str) -> None:
    """Its first lines have its schema, what it is, and a command with which it is tried."""
    first, second, third, *rest = SCENARIOS[name].read_text(encoding="utf-8").splitlines()

    assert (first, second) == ("# yaml-language-server: $schema=../message_structure.schema.json", "")
    assert third.startswith("# ")
    assert any(f"scenarios/{name}.yaml" in line for line in rest[:15])


@pytest.mark.parametrize("name", WITH_SIGNALS)
def test_every_signal_is_published_and_moves(name: str) -> None:
    """Each that is shown is in a message of its type, within its limits, and has several values in three hours."""
    config, found = load(SCENARIOS[name]), defaultdict(set)
    for message in hours(name):
        for path, value in _numbers(orjson.loads(message.payload)):
            found[message.kind, path].add(value)
    signals = {
        (each.kind, field.path): machine_type.signals[field.detail]
        for _, machine_type, count in config.machines()
        for each in machine_type.messages
        for field in each.fields
        if count and field.source is FieldSource.SIGNAL
    }

    assert [place for place in signals if len(found[place]) < 2] == []
    for place, spec in signals.items():
        low, high = signal_bounds(spec)
        assert low <= min(found[place]) <= max(found[place]) <= high, place


def _numbers(row: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{within}{key}.")
        elif isinstance(value, int | float):
            yield f"{within}{key}", value


# The spaceship factory with signals


def test_signals_leave_the_default_plant_as_it_is() -> None:
    """Without their signals, the messages of an hour are those of the default plant to the byte, orders apart."""
    config = load(SCENARIOS["spaceship-signals"])
    signals = {key for _, machine_type, _ in config.machines() for key in (*machine_type.signals, "wire_used")}
    measured = (each for each in said(config, 3600) if "." not in each.kind and b"event_type" not in each.payload)
    usual = [each for each in said(parse(default()), 3600) if b"event_type" not in each.payload]

    for message, other in zip(measured, usual, strict=True):
        row = {key: value for key, value in orjson.loads(message.payload).items() if key not in signals}
        assert (orjson.dumps(row), message[:4]) == (orjson.dumps(orjson.loads(other.payload)), other[:4])


@pytest.mark.parametrize(
    ("kind", "key", "status", "mean", "within"),
    [
        ("cnc_machine", "spindle_load", "running", 34, 4),
        ("cnc_machine", "spindle_load", "idle", 0, 1),
        ("cnc_machine", "vibration", "running", 1.3, 0.2),
        ("cnc_machine", "vibration", "maintenance", 0.15, 0.05),
        ("printer_3d", "nozzle_temperature", "running", 209, 5),
        ("printer_3d", "bed_temperature", "running", 60, 2),
        ("welding", "current", "running", 122, 10),
        ("welding", "current", "cooling", 0, 1),
        ("painting", "booth_temperature", "running", 23.2, 1),
        ("painting", "booth_humidity", "running", 53, 8),
        ("testing", "test_load", "testing", 95, 20),
        ("testing", "test_load", "idle", 0, 1),
    ],
)
def test_machines_measure_what_they_do(kind: str, key: str, status: str, mean: float, within: float) -> None:
    """The mean of a signal in a state, over phases and kinds."""
    assert statistics.fmean(values("spaceship-signals", kind, key, status=status)) == pytest.approx(mean, abs=within)


def test_arcs_lie_on_their_load_line() -> None:
    """14 V and 0.05 V/A (IEC 60974-1), and 39.4 A for each m/min of wire, where the arc burns."""
    burning = [row for row in rows_of("spaceship-signals", "welding") if row["current"] > 150]

    assert len(burning) > 1000
    assert statistics.median(row["voltage"] - 14 - 0.05 * row["current"] for row in burning) == pytest.approx(0, abs=1)
    assert statistics.median(row["current"] / row["wire_feed"] for row in burning) == pytest.approx(39.4, rel=0.02)


# The recycling line


def test_the_recycling_line_has_eighteen_stages_each_with_a_topic() -> None:
    """The base of the stages has no machines and no messages."""
    config = load(SCENARIOS["recycling-line"])
    stages = [machine_type for _, machine_type, count in config.machines() if count]

    assert len(stages) == 18
    assert {topic_template(config, each.key) for each in stages} == {"{prefix}/{type}"}
    assert {message.kind for message in hours("recycling-line")} - {"customer_order", "dispatch"} == {
        each.key for each in stages
    }


def test_each_stage_works_on_the_lots_of_the_one_before() -> None:
    """Its message names the lot that it took, which the stage before has finished, or which was there at first."""
    config = load(SCENARIOS["recycling-line"])
    assert config.flow is not None
    finished: dict[str, list[str]] = defaultdict(list)
    taken: dict[str, list[str]] = defaultdict(list)
    for message in hours("recycling-line"):
        row = orjson.loads(message.payload)
        if lot := row.get("lot_id") or row.get("bag_id"):
            finished[message.kind].append(lot)
            taken[message.kind] += row.get("consumed_ids") or ()

    for stage, before in {**(config.flow.processes or {}), "packaging": "pellet_screening"}.items():
        assert len(taken[stage]) == len(finished[stage]) == len({*taken[stage]})
        assert len({*taken[stage]} & {*finished[before]}) > 0.7 * len(taken[stage]), stage


def test_what_leaves_the_line_is_less_than_what_enters() -> None:
    """Running stages pass on 3 t/h at the gate and 2.05 t/h at the end; registers never fall."""
    flows = [("inbound_identification", 3.0), ("sorting", 1.33), ("extrusion", 1.08), ("packaging", 2.05)]
    for stage, rate in flows:
        running = values("recycling-line", stage, "throughput", status="running")
        assert statistics.quantiles(running, n=20)[-1] == pytest.approx(rate, rel=0.1)
    registers = values("recycling-line", "packaging", "material")
    assert all(earlier <= later for earlier, later in pairwise(registers))


def test_screens_clog_until_they_are_changed() -> None:
    """The pressure over a screen falls only after a change of the screen, or where the stage stops."""
    by_machine = defaultdict(list)
    for row in rows_of("recycling-line", "melt_filtration"):
        by_machine[row["machine_id"]].append(row)
    falls = [
        any(row["status"] != "running" for row in (earlier, later))
        for found in by_machine.values()
        for earlier, later in pairwise(found)
        if later["pressure_drop"] < earlier["pressure_drop"] - 10
    ]

    assert falls
    assert all(falls)


# The brewery


@pytest.mark.parametrize("kind", ["mash_tun.status", "wort_kettle.status", "chiller.status", "boiler.status"])
def test_a_status_is_published_once_at_the_start_and_at_each_change(kind: str) -> None:
    """So no message has the status of the one before it, and it is retained."""
    config = load(SCENARIOS["brewery"])
    by_machine = defaultdict(list)
    for message in hours("brewery"):
        if message.kind == kind:
            by_machine[message.source].append(orjson.loads(message.payload)["status"])

    [declared] = [each for each in config.message_classes() if each.kind == kind]
    assert declared.retain
    assert by_machine
    assert all(earlier != later for found in by_machine.values() for earlier, later in pairwise(found))


def test_mashing_rests_at_its_temperatures() -> None:
    """By progress of the brew: 63 degrees in the maltose rest, 72 as starch becomes sugar, 77 at last."""
    mashing = [row for row in rows_of("brewery", "mash_tun.process") if row["status"] == "mashing"]

    for low, high, rest in ((0.44, 0.52, 63.0), (0.72, 0.8, 72.0), (0.84, 0.88, 77.0)):
        temperatures = [row["temperature"] for row in mashing if low <= row["progress"] < high]
        assert statistics.median(temperatures) == pytest.approx(rest, abs=2)


def test_extract_becomes_beer() -> None:
    """Fermenters have 12 degrees Plato as the yeast begins, and come to 2.5 by a law of decay."""
    for row in rows_of("brewery", "fermenter.process"):
        expected = 2.5 + 9.6 * math.exp(-7 * max(row["progress"] - 0.04, 0))
        assert row["measured"]["extract"] == pytest.approx(expected, abs=0.7 if row["progress"] < 0.4 else 0.15)


def test_chillers_work_harder_in_summer() -> None:
    """An afternoon in July takes more than twice the power of one in January, with a worse coefficient."""
    power, cop = ({start: _mean(start, key) for start in (JANUARY, JULY)} for key in ("energy.power", "process.cop"))

    assert power[JULY] > 2 * power[JANUARY]
    assert cop[JULY] < cop[JANUARY] - 0.5


@cache
def _afternoon(start: float) -> Sequence[Message]:
    return said(load(SCENARIOS["brewery"]), 3600, start=start)


def _mean(start: float, key: str) -> float:
    class_name, name = key.split(".")
    found = rows(message for message in _afternoon(start) if message.kind == f"chiller.{class_name}")
    return statistics.fmean(row[name] for row in found)


def test_bottles_are_those_on_the_pallets() -> None:
    """1,200 on each, never fewer than before; the counters of a message belong together."""
    counters = [row["counters"] for row in rows_of("brewery", "filler.counters")]
    results = [row["quality"] for row in rows_of("brewery", "filler.process")]

    assert all(earlier["bottles"] <= later["bottles"] for earlier, later in pairwise(counters))
    assert counters[-1]["bottles"] == pytest.approx(1200 * len([*filter(None, results)]), abs=1800)
    assert counters[-1]["pallets"] == pytest.approx(results.count("good"), abs=1)


# Figures of the plants


@pytest.mark.parametrize(
    ("kind", "availability", "quality"),
    [("cnc_machine", 0.70, 0.95), ("printer_3d", 0.65, 0.92), ("welding", 0.65, 0.93)],
)
def test_machines_with_signals_have_the_oee_that_is_declared(kind: str, availability: float, quality: float) -> None:
    """Over some hours, within what chance leaves of some machines."""
    found = figures("spaceship-signals", HOURS)[kind]

    assert found.producing / found.planned == pytest.approx(availability, abs=0.12)
    assert found.good / found.jobs == pytest.approx(quality, abs=0.04)


def test_stages_of_the_recycling_line_wait_for_each_other() -> None:
    """So they produce less than their 84 %; the gate has all bales it wants, and the bagging station waits often."""
    stages = figures("recycling-line", 8)

    assert all(0.35 < each.producing / each.planned < 0.84 for each in stages.values())
    assert stages["inbound_identification"].starved == 0
    assert stages["packaging"].starved > 3600
    assert stages["packaging"].jobs > 0.6 * stages["inbound_identification"].jobs


class Figures(NamedTuple):
    """The sums over the machines of a type. planned, producing, starved: in seconds.  jobs, good: numbers."""

    planned: float
    producing: float
    starved: float
    jobs: int
    good: int


@cache
def figures(name: str, hours: int) -> Mapping[str, Figures]:
    """The figures of each machine type after so many hours."""
    plant, _ = ran(name)
    plant.advance_silently(plant.start + hours * 3600)
    found: dict[str, list[Figures]] = defaultdict(list)
    for each in plant.oee():
        starved = each.stopped_seconds.get("starved", 0.0)
        one = Figures(each.planned_seconds, each.producing_seconds, starved, each.jobs, each.good)
        found[each.kind].append(one)
    return {kind: Figures(*map(sum, zip(*machines, strict=True))) for kind, machines in found.items()}
