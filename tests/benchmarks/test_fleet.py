"""The measurement of a fleet that is scaled, at a hundredth of its size: all messages arrive. No time is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.broker import BenchBroker
from benchmarks.fleet import PAGE, bounds, markdown
from benchmarks.reporting.page import FLEET
from benchmarks.runs.fleet import Asked, Grown, grow
from benchmarks.runs.lateness import Late

GROWN = Grown(
    qos=1, many=10_000, sent=9, counted=9, arrived=9, shown=9, cpu_share=0.3, late=Late(1.0, 2.0, 3.0), up_seconds=0.3,
    down_seconds=0.1, up_late_ms=300.0, down_late_ms=100.0, page_seconds=0.1, page_bytes=10, rss_bytes=2**20,
)  # fmt: skip


@pytest.mark.parametrize("qos", [0, 1])
def test_a_fleet_that_is_scaled_delivers_all_messages(qos: int, tmp_path: Path) -> None:
    """Ledger, metrics of the devices, broker and subscriber count the same, up and down again."""
    with BenchBroker(tmp_path) as broker:
        found = grow(broker, Asked(qos, few=10, many=300, few_seconds=1.0, settle_seconds=1.0, many_seconds=3.0))

    assert found.is_whole, found
    assert found.sent > 4 * 300
    assert min(found.up_seconds, found.down_seconds, found.page_seconds, found.cpu_share) > 0
    assert 0 < found.late.p50_ms <= found.late.max_ms


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GROWN, arrived=8),
        replace(GROWN, cpu_share=0.61),
        replace(GROWN, up_seconds=1.1),
        replace(GROWN, down_seconds=1.1),
    ],
)
def test_a_bound_that_is_not_met_is_shown(wrong: Grown) -> None:
    """One for each figure that was asked for."""
    assert all(bound.met for bound in bounds([GROWN]))
    assert [bound.met for bound in bounds([wrong])].count(False) == 1
    assert "**no**" in markdown([wrong], "Measured.")


def test_the_page_has_a_place_for_the_figures() -> None:
    """`make bench-fleet` writes between marks."""
    assert FLEET.begin in PAGE.read_text("utf-8")
    assert FLEET.end in PAGE.read_text("utf-8")
