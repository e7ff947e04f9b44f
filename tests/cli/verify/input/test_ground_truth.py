"""Facts about reading ground ground truth files: apart from what writes them, and in agreement with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import pytest

from cli.verify.input.events import PLANNED_STOP
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.reference import InvalidInput
from edge.runtime.ground_truth import GroundTruthFile
from messages import START, FactoryMessageGenerator
from plant import telemetry
from tests.support.factory.plants import COUNTED, config
from tools.rooms import imported, modules

LINE_TYPES = ["run", "machine_type", "machine", "gone", "interval", "job", "order", "dispatch", "totals"]
"""The table in docs/oee.md."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A ground truth file of an hour with a reload that removes machines."""
    path = tmp_path_factory.mktemp("written") / "truth"
    orders = {"customer_order": {"orders_per_hour": 20}, "dispatch": {"dispatches_per_hour": 15}}
    generator = FactoryMessageGenerator.of(config(dict.fromkeys(COUNTED, 2), **orders), 1)
    file = GroundTruthFile(path, round(START * 1000), 1)
    file.begin()
    file.machine_types(generator.machine_types())
    file.machines(generator.oee(), generator.machines(), round(START * 1000))
    generator.listen(file, file.order)
    generator.advance(START + 1800)
    generator.reload(config(dict.fromkeys(COUNTED, 1), **orders))
    file.machines(generator.oee(), generator.machines(), round((START + 1800) * 1000))
    generator.advance(START + 3600)
    generator.close_truth()
    file.totals(generator.oee(), round((START + 3600) * 1000))
    file.end(round((START + 3600) * 1000))
    return path.read_bytes().splitlines()


def test_verify_imports_neither_the_plant_nor_what_writes_the_ground_truth() -> None:
    """`verify` is a consumer: it shares no code with what it checks."""
    verify = [module for module in modules() if module.startswith("cli.verify")]
    of_plant = {
        (module, name)
        for module in verify
        for name in imported(module)
        if name.split(".")[0] in ("plant", "messages") or name.startswith("edge.runtime")
    }

    assert of_plant == set()
    assert PLANNED_STOP == telemetry.PLANNED_STOP


def test_every_type_of_line_is_written(lines: list[bytes]) -> None:
    """The simulator writes each type of line of the documented format."""
    assert {orjson.loads(line)["type"] for line in lines} == set(LINE_TYPES)


@pytest.mark.parametrize("kind", LINE_TYPES)
def test_every_type_of_line_is_read(kind: str, lines: list[bytes], tmp_path: Path) -> None:
    """A line of any type without its keys is an error that names the line."""
    number = next(number for number, line in enumerate(lines) if orjson.loads(line)["type"] == kind)
    damaged = [*lines[:number], orjson.dumps({"type": kind}), *lines[number + 1 :]]
    (tmp_path / "whole").write_bytes(b"\n".join(lines))
    (tmp_path / "damaged").write_bytes(b"\n".join(damaged))

    GroundTruth(tmp_path / "whole")
    with pytest.raises(InvalidInput, match="damaged: not a ground truth" if kind == "run" else f":{number + 1}: "):
        GroundTruth(tmp_path / "damaged")


Damage = Callable[[list[bytes]], list[bytes]]


def places(lines: list[bytes], kind: str) -> list[int]:
    """Where the lines of a type are, of the first machine that has any."""
    entries = [orjson.loads(line) for line in lines]
    first = next(entry["machine_id"] for entry in entries if entry["type"] == kind)
    found = enumerate(entries)
    return [place for place, entry in found if entry["type"] == kind and entry.get("machine_id") == first]


def changed(lines: list[bytes], place: int, **values: object) -> list[bytes]:
    """The lines with other values in one of them."""
    return [*lines[:place], orjson.dumps(orjson.loads(lines[place]) | values), *lines[place + 1 :]]


def swapped(lines: list[bytes]) -> list[bytes]:
    """An interval that ends before it begins."""
    place = places(lines, "interval")[3]
    entry = orjson.loads(lines[place])
    return changed(lines, place, **{"from": entry["to"], "to": entry["from"]})


def without_interval(lines: list[bytes]) -> list[bytes]:
    """Time that no interval covers."""
    place = places(lines, "interval")[1]
    return [*lines[:place], *lines[place + 1 :]]


def without_last_interval(lines: list[bytes]) -> list[bytes]:
    """Time at the end that no interval covers."""
    place = places(lines, "interval")[-1]
    return [*lines[:place], *lines[place + 1 :]]


def with_job_twice(lines: list[bytes]) -> list[bytes]:
    """The same job in two lines, with others between."""
    first, second = places(lines, "job")[3:5]
    return [*lines[:second], lines[first], *lines[second:]]


def with_jobs_exchanged(lines: list[bytes]) -> list[bytes]:
    """Jobs out of order."""
    first, second = places(lines, "job")[3:5]
    return [*lines[:first], lines[second], *lines[first + 1 : second], lines[first], *lines[second + 1 :]]


DAMAGES: Mapping[Damage, str] = {
    swapped: "must begin before it ends",
    without_interval: "must follow each other",
    without_last_interval: "end at",
    with_job_twice: "twice",
    with_jobs_exchanged: "must be in order of time",
    lambda lines: [*lines, b"null"]: "not a JSON object",
    lambda lines: [*lines[:9], b"[1]", *lines[9:]]: "not a JSON object",
    lambda lines: [*lines, lines[9]]: "nothing may follow the end of the run",
    lambda lines: [*lines, *lines]: "nothing may follow the end of the run",
    lambda lines: [*lines[:-1], *lines]: "the key end is missing",
    lambda lines: changed(lines, places(lines, "interval")[3], machine_id="TEST-77"): "describes the machine TEST-77",
    lambda lines: changed(lines, places(lines, "job")[3], machine_id="TEST-77"): "describes the machine TEST-77",
    lambda lines: changed(lines, places(lines, "job")[3], finished=5): "of the wrong type",
    lambda lines: changed(lines, 9, type=[]): "of the wrong type",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=[*DAMAGES.values()])
def test_damage_is_named_with_its_line_and_the_rule(damage: Damage, lines: list[bytes], tmp_path: Path) -> None:
    """A file that was edited, cut or joined is no ground truth, even if most of it still agrees with the messages."""
    path = tmp_path / "truth"
    path.write_bytes(b"\n".join(damage(lines)))

    with pytest.raises(InvalidInput) as error:
        GroundTruth(path)

    assert re.match(rf"{re.escape(str(path))}:[0-9]+: ", str(error.value))
    assert DAMAGES[damage] in str(error.value)
    assert "Error(" not in str(error.value)


def test_a_last_line_that_was_cut_off_is_left_out(lines: list[bytes], tmp_path: Path) -> None:
    """A process that was killed leaves one."""
    path = tmp_path / "truth"
    path.write_bytes(b"\n".join(lines[:200])[:-9])

    assert GroundTruth(path).timelines
