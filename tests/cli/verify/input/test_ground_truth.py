"""Facts about reading ground ground truth files: apart from what writes them, and in agreement with it."""

from __future__ import annotations

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
