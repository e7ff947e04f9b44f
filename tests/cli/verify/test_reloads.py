"""Messages of any plant agree with its ground truth file to the last message, whatever is reloaded while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from cli.verify.input.ground_truth import GroundTruth, load
from cli.verify.input.reference import InvalidInput
from edge.runtime.ground_truth import GroundTruthFile
from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.definition.plant_config import load as load_plant
from plant.telemetry import Message
from tests.cli.verify.test_verify import ONE_OF_EACH, answer_to
from tests.support.examples import cases
from tests.support.factory.plants import ROOT, config, original

START = 1_767_596_400.0
"""2026-01-05T07:00:00Z, a Monday morning."""
START_MS = round(START * 1000)
TWO_OF_EACH = dict.fromkeys(ONE_OF_EACH, 2)


def scenario(name: str) -> PlantConfig:
    """A plant that comes with the program."""
    return load_plant(ROOT / "scenarios" / f"{name}.yaml")


def faster(key: str, **changes: Any) -> PlantConfig:
    """One of each, with changes of one type."""
    return config(ONE_OF_EACH, **{key: changes})


Course = Sequence[tuple[float, PlantConfig]]
COURSES: Mapping[str, Course] = {
    "flow": [(3600, scenario("spaceship-flow"))],
    "calendar": [(7200, scenario("two-shifts"))],
    "original, crowded": [(3600, original())],
    "shorter ideal": [(1800, config(ONE_OF_EACH)), (1800, faster("cnc_machine", cycle_time_range=[6.0, 9.0]))],
    "longer ideal": [(1800, config(ONE_OF_EACH)), (1800, faster("cnc_machine", cycle_time_range=[40.0, 60.0]))],
    "longer period": [(1800, config(ONE_OF_EACH)), (1800, faster("testing", report_seconds=17.0))],
    "shorter period": [(1800, config(ONE_OF_EACH)), (1800, faster("cnc_machine", report_seconds=1.3))],
    "to crowded and back": [
        (1200, config(ONE_OF_EACH)),
        (1200, faster("painting", report_seconds=11.0)),
        (1200, config(ONE_OF_EACH)),
    ],
    "more and fewer": [
        (1200, config(ONE_OF_EACH)),
        (1200, config(TWO_OF_EACH)),
        (1200, config(ONE_OF_EACH)),
        (1200, config(TWO_OF_EACH)),
    ],
    "a type off and on": [
        (1200, config(ONE_OF_EACH)),
        (1200, faster("welding", enabled=False)),
        (1200, config(ONE_OF_EACH)),
    ],
    "off, and on at other periods": [
        (900, config(ONE_OF_EACH)),
        (300, faster("welding", enabled=False)),
        (1200, faster("welding", report_seconds=2.3)),
        (300, faster("welding", enabled=False)),
        (1200, faster("welding", report_seconds=11.0)),
    ],
    "off and on again and again": [
        (60, config(ONE_OF_EACH)),
        *30 * [(30, faster("cnc_machine", enabled=False)), (60, config(ONE_OF_EACH))],
    ],
    "other states": [
        (1200, config(ONE_OF_EACH)),
        (
            1200,
            faster(
                "cnc_machine",
                statuses=["running", "asleep"],
                status_distribution={"running": 1, "asleep": 1},
                dwell_seconds={"running": 60},
            ),
        ),
    ],
    "flow on and off": [(1500, config()), (1500, scenario("spaceship-flow")), (1500, config())],
    "calendar and original": [(2000, scenario("two-shifts")), (2000, original()), (2000, scenario("two-shifts"))],
}


def record(course: Course, path: Path) -> list[Message]:
    """The messages of a plant that is reloaded on its course; its ground truth as the simulator writes it."""
    (_, first), *_ = course
    plant, truth = FactoryMessageGenerator.of(first, 1, start=START), GroundTruthFile(path, START_MS, 1)

    def describe() -> None:
        truth.machine_types(plant.machine_types())
        truth.machines(plant.oee(), plant.machines(), round(plant.now * 1000))

    truth.begin()
    describe()
    plant.listen(truth, truth.order)
    rows: list[Message] = []
    for seconds, following in course:
        if following is not plant.config:
            plant.reload(following)
            describe()
        rows += plant.advance(plant.now + seconds)
    plant.close_truth()
    now_ms = round(plant.now * 1000)
    truth.totals(plant.oee(), now_ms)
    truth.end(now_ms)
    return rows


@cache
def recorded(name: str) -> tuple[Sequence[Message], bytes]:
    """The messages of a course, and its ground truth."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "truth"
        return record(COURSES[name], path), path.read_bytes()


def as_dry_run(row: Message) -> bytes:
    """A line as a dry run writes it."""
    properties = b'"user_properties":{"trigger":"job"},' if row.trigger else b""
    return b'{"topic":"x","qos":1,"retain":false,%b"payload":%b}' % (properties, row.payload)


def bare(row: Message) -> bytes:
    """The payload alone."""
    return row.payload


FORMS = [(name, bare) for name in COURSES] + [(name, as_dry_run) for name in cases([*COURSES], 4)]


@pytest.mark.parametrize(("name", "form"), FORMS, ids=[f"{name}-{form.__name__}" for name, form in FORMS])
def test_messages_agree_with_the_ground_truth_over_reloads(
    name: str, form: Callable[[Message], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each message and in sum, with nothing missing, and nothing beyond."""
    rows, truth = recorded(name)
    (tmp_path / "truth").write_bytes(truth)
    (tmp_path / "rows").write_bytes(b"\n".join(map(form, rows)))

    answer = answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "truth"), "--strict"], capsys)

    assert answer.code == 0, answer.text + answer.error
    assert "Every message, job and order agrees with the ground truth." in answer.text


def test_a_change_of_the_ideal_cycle_leaves_the_ground_truth_below_a_hundred_percent(tmp_path: Path) -> None:
    """Each job counts with the ideal that it was begun under."""
    record(COURSES["longer ideal"], tmp_path / "truth")

    truth = GroundTruth(tmp_path / "truth")
    half = truth.span[0] + 1_800_000
    parts = [truth.machines(*part)["CNC-01"] for part in ((truth.span[0], half), (half, truth.span[1]))]

    assert [0.7 < part.ideal_ms / part.producing_ms < 1.0 for part in parts] == [True, True]


def test_a_truth_file_of_an_older_version_is_read_while_nothing_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no times of machines, no ideal cycles of jobs, no orders and no totals."""
    rows = record([(3600, config(ONE_OF_EACH))], tmp_path / "truth")
    (tmp_path / "rows").write_bytes(b"\n".join(map(bare, rows)))
    old = [*map(orjson.dumps, older(tmp_path / "truth"))]
    (tmp_path / "old").write_bytes(b"\n".join(old))

    answer = answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "old"), "--strict"], capsys)

    assert answer.code == 0, answer.text
    again = old[1].replace(b'"period_seconds":5.0', b'"period_seconds":6.0')
    (tmp_path / "old").write_bytes(b"\n".join([*old[:-1], again, old[-1]]))
    with pytest.raises(InvalidInput, match=r"old:\d+: CNC-01: .* an older version did not write when"):
        load(str(tmp_path / "old"))


def older(path: Path) -> list[dict[str, Any]]:
    """The entries of a ground truth file as they were written once."""
    entries = [entry for line in path.read_bytes().splitlines() if (entry := orjson.loads(line))["type"] in OLD]
    new = {"job": ("ideal_cycle_seconds", "issues_found"), "machine": ("at", "station_id")}
    return [{name: entry[name] for name in entry if name not in new.get(entry["type"], ())} for entry in entries]


OLD = ("run", "machine", "interval", "job")


def test_machines_are_gone_in_the_ground_truth_when_they_are(tmp_path: Path) -> None:
    """Lines of the file: from when a machine has its parameters, and when it is removed."""
    record(COURSES["more and fewer"], tmp_path / "truth")

    entries = [orjson.loads(line) for line in (tmp_path / "truth").read_bytes().splitlines()]
    second = [
        (entry["type"], entry["at"][11:19])
        for entry in entries
        if entry.get("machine_id") == "CNC-02" and "at" in entry
    ]

    assert second == [("machine", "07:20:00"), ("gone", "07:40:00"), ("machine", "08:00:00"), ("totals", "08:20:00")]
