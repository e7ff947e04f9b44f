"""Facts about looking at a large plant: how long anything else has to wait for it, in time that is the processor's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from edge.http.api.machines_answer import machines_answer
from edge.http.oee_answer import oee_answer
from edge.runtime.run_options import RunOptions
from edge.runtime.simulator import Simulator
from edge.settings.loader import Settings
from edge.status import OeeQuery
from messages import FactoryMessageGenerator
from plant.definition.event_kinds import OeeReport
from plant.telemetry import MachineFilter
from plant.views.plant_views import ViewQuery
from tests.support.factory.plants import config

MANY = config({"cnc_machine": 5000, "testing": 1000, "printer_3d": 0, "welding": 0, "painting": 0})
LONGEST_SECONDS = 0.02
"""A turn costs two milliseconds; a type of machine at once would be forty."""


@pytest.fixture(scope="module")
def daemon() -> Simulator:
    """A daemon of 6,000 machines, not started."""
    settings = Settings.load({"MQTT_AUTH_METHOD": "none", "MQTT_TLS": "false"}, pid=1)
    return Simulator(RunOptions(), settings, MANY)


def longest_wait(work: Callable[[], Awaitable[object]]) -> float:
    """The longest time of the processor between two turns of somebody else."""

    async def watch() -> float:
        working, longest, before = asyncio.ensure_future(work()), 0.0, time.thread_time()
        while not working.done():
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now
        await working
        return longest

    return asyncio.run(watch())


async def whole(daemon: Simulator, query: OeeQuery) -> int:
    """The length of an answer."""
    return (await oee_answer(await daemon.oee(query), query)).size_bytes


@pytest.mark.parametrize("which", [MachineFilter(), MachineFilter("testing")], ids=["all", "one type"])
def test_nobody_waits_for_the_truth_of_all_machines(which: MachineFilter, daemon: Simulator) -> None:
    """From the question to the last byte."""
    assert longest_wait(lambda: whole(daemon, OeeQuery("hour", which))) < LONGEST_SECONDS


async def listed(daemon: Simulator, query: ViewQuery) -> int:
    """The length of a list of machines."""
    return (await machines_answer(await daemon.machines(query), query)).size_bytes


@pytest.mark.parametrize("state", [None, "stopped"], ids=["all", "none of them"])
def test_nobody_waits_for_a_list_of_machines(state: str | None, daemon: Simulator) -> None:
    """Nor for a look at each of them that finds none."""
    assert longest_wait(lambda: listed(daemon, ViewQuery(MachineFilter(limit=10_000), state))) < LONGEST_SECONDS


def test_a_page_of_machines_costs_no_more_where_there_are_many(daemon: Simulator) -> None:
    """It begins at its place."""
    query = ViewQuery(MachineFilter(after="CNC-4000", limit=50))
    began = time.thread_time()
    assert asyncio.run(listed(daemon, query)) > 50 * 200

    assert time.thread_time() - began < LONGEST_SECONDS


def test_nobody_waits_for_a_count_of_all_machines(daemon: Simulator) -> None:
    """For metrics and details; what they then show costs nothing."""
    assert longest_wait(daemon.refresh) < LONGEST_SECONDS

    began = time.thread_time()
    shown = daemon.snapshot(), daemon.oee_by_kind()
    assert time.thread_time() - began < LONGEST_SECONDS
    assert sum(shown[0].states.values()) == sum(kind.machines for kind in shown[1]) == 6000


def test_nobody_waits_for_the_reports_of_all_machines() -> None:
    """They are said a few at a time, so that a queue has room for them."""
    kinds = MANY.message_types.model_copy(update={"oee": OeeReport(enabled=True, report_seconds=60.0)})
    plant = FactoryMessageGenerator.of(MANY.model_copy(update={"message_types": kinds}), 1)
    plant.advance_silently(plant.start + 59.9)
    said = [plant.advance(plant.now + 0.05) for _ in range(10)]

    assert max(sum(row.kind == "oee" for row in rows) for rows in said) == 50
