"""Facts about `verify`: what messages say of the order and the lot of a job is held against the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from plant.definition.plant_config import parse
from plant.telemetry import Message
from tests.cli.verify.test_reloads import record
from tests.cli.verify.test_verify import Answer, answer_to
from tests.plant.material_flow.order_lines import line_data, with_lots

Row = dict[str, Any]
Check = Callable[[Sequence[Row]], Answer]


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Message], Path]:
    """The messages of an hour of a line that makes to order, and its ground truth."""
    truth = tmp_path_factory.mktemp("line") / "truth"
    return record([(3600, parse(line_data(with_lots())))], truth), truth


@pytest.fixture
def rows(hour: tuple[list[Message], Path]) -> list[Row]:
    """The messages as objects."""
    return [orjson.loads(each.payload) for each in hour[0]]


@pytest.fixture
def check(hour: tuple[list[Message], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Verify messages against that ground truth."""

    def run(rows: Sequence[Row]) -> Answer:
        (tmp_path / "rows").write_bytes(b"\n".join(map(orjson.dumps, rows)))
        return answer_to([str(tmp_path / "rows"), "--truth", str(hour[1])], capsys)

    return run


def test_orders_and_lots_as_they_are_agree(rows: list[Row], check: Check) -> None:
    """Those of units for an order, of repairs, which have none, and of units of no order."""
    reported = [row for row in rows if row.get("finished.id") and "job.order" in row]

    assert {str(row["job.order"])[:3] for row in reported} == {"ORD", "WO-", "Non"}
    assert "Every message, job and order agrees" in check(rows).text


@pytest.mark.parametrize("wrong", ["ORD-0000000000", None])
@pytest.mark.parametrize("name", ["order", "lot"])
def test_another_order_or_lot_is_named(name: str, wrong: str | None, rows: list[Row], check: Check) -> None:
    """Also in a single message, and also where it names none."""
    reported = [row for row in rows if row.get("finished.id") and row.get("job.lot")]
    row = reported[len(reported) // 2]
    before, row[f"job.{name}"] = row[f"job.{name}"], wrong
    answer = check(rows)

    assert answer.code == 1
    assert f"reports {row['finished.id']} with {name} {wrong} instead of {before}" in answer.text
