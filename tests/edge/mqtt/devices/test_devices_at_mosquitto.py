"""Facts with mosquitto, the independent broker: births, wills and sessions of machines, as its subscribers see them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.conftest import StartMosquitto
from tests.support.brokers.checks import check, check_nothing_lost
from tests.support.brokers.machines import STATUS, device_settings, machines
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.proxy import Proxy
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Rig, until
from tests.support.brokers.subscriber import Record, Recorder


@pytest.fixture
def broker(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A mosquitto with a plain listener."""
    return start_mosquitto(listeners=("plain",))


@pytest.fixture
def seen(broker: Mosquitto) -> Iterator[Recorder]:
    """A subscriber to everything, there from the beginning."""
    with Recorder(broker.ports["plain"], topics=["#"]) as recorder:
        yield recorder


def said(records: list[Record], machine_id: str) -> list[str]:
    """What was announced of a machine, in order."""
    contents = [json.loads(each.payload) for each in records if "/status/" in each.topic]
    return [each["status"] for each in contents if each["device_id"] == machine_id]


async def until_said(seen: Recorder, machine_id: str, *expected: str) -> None:
    """Wait until this was announced of a machine, and nothing else."""
    await until(lambda: said(list(seen.records), machine_id) == list(expected), f"{machine_id} {expected}")


@in_loop
async def test_births_wills_and_ends_are_as_mosquitto_publishes_them(broker: Mosquitto, seen: Recorder) -> None:
    """A crash has the will published, a disconnect and a clean stop have not; the last state is retained."""
    async with Rig(device_settings(broker.ports["plain"]), machines(3)) as rig:
        await rig.all_connected(1)
        for number in (1, 2, 3):
            await until_said(seen, f"CNC-0{number}", "online")
        rig.act("crash", "CNC-01", 60)
        rig.act("disconnect", "CNC-02")
        await until_said(seen, "CNC-01", "online", "offline")
        await until_said(seen, "CNC-02", "online", "offline")
        rig.act("reconnect", "CNC-01")
        await until_said(seen, "CNC-01", "online", "offline", "online")
        await rig.finish()
        await until_said(seen, "CNC-01", "online", "offline", "online", "offline")
        await until_said(seen, "CNC-03", "online", "offline")
        assert said(list(seen.records), "CNC-02") == ["online", "offline"]

    with Recorder(broker.ports["plain"], topics=[STATUS]) as late:
        found = await asyncio.to_thread(late.wait_for, 3)
    assert {each.topic: (json.loads(each.payload)["status"], each.retain, each.qos) for each in found} == {
        f"factory/status/CNC-0{number}": ("offline", True, 1) for number in (1, 2, 3)
    }


@in_loop
async def test_a_network_that_resets_all_machines_costs_no_message(broker: Mosquitto, seen: Recorder) -> None:
    """Thirty of them, four times: mosquitto keeps each one's session, and what was in flight comes again."""
    names = [f"CNC-{number:02}" for number in range(1, 31)]
    with Proxy(broker.ports["plain"]) as proxy:
        async with Rig(device_settings(proxy.port), machines(30)) as rig:
            for number in range(1, 5):
                await rig.all_connected(number)
                rig.offer(*(f"{name} {10 * number + row}" for row in range(3) for name in names))
                proxy.reset()
            await rig.all_connected(5)
            await rig.finish()
            everything = await asyncio.to_thread(seen.wait_for, 360)

    telemetry = [each for each in everything if each.topic == "factory/cnc"]
    check(rig, telemetry)
    check_nothing_lost(rig, telemetry)
