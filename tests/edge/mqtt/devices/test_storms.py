"""Facts about many connections at once: how fast they are opened, and how they come back when all were cut."""

from __future__ import annotations

import asyncio
import statistics
from itertools import pairwise

import pytest

from edge.mqtt.devices.gate import ConnectGate
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.checks import check, check_nothing_lost
from tests.support.brokers.machines import connected_machines, device_settings, machines
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, until
from tests.support.processes.ports import free_port

MOST_AT_ONCE = 256


async def passed(gate: ConnectGate, count: int) -> list[float]:
    """When each of some attempts has passed a gate, in seconds."""
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def attempt() -> None:
        async with gate:
            times.append(loop.time())

    await asyncio.gather(*(attempt() for _ in range(count)))
    return times


@in_loop
async def test_connects_are_as_many_a_second_as_the_rate_says_and_not_in_lockstep() -> None:
    """40 at 50 a second take 0.8 s on average, each half to one and a half times its share later."""
    times = await passed(ConnectGate(50.0), 40)
    gaps = [later - earlier for earlier, later in pairwise(times)]

    assert 0.6 < times[-1] - times[0] < 6
    assert statistics.pstdev(gaps) > 0.15 / 50


@in_loop
async def test_a_rate_of_0_is_no_limit() -> None:
    """All pass at once."""
    times = await passed(ConnectGate(0.0), 1000)

    assert times[-1] - times[0] < 5.0


@in_loop
async def test_a_gate_that_was_idle_lets_no_burst_pass() -> None:
    """The rate is that of each moment: what was not used is lost."""
    gate = ConnectGate(50.0)
    await passed(gate, 1)
    await asyncio.sleep(0.3)
    times = await passed(gate, 6)

    assert times[-1] - times[0] > 0.045


@pytest.mark.parametrize("rate", [0.0, 100_000.0])
@in_loop
async def test_no_more_attempts_than_a_bound_are_in_progress(rate: float) -> None:
    """A broker that does not answer holds up so many, and the next one begins when one has ended."""
    gate, inside, go = ConnectGate(rate), 0, asyncio.Event()
    most = 0

    async def attempt() -> None:
        nonlocal inside, most
        async with gate:
            inside += 1
            most = max(most, inside)
            await go.wait()
            inside -= 1

    attempts = asyncio.gather(*(attempt() for _ in range(MOST_AT_ONCE + 50)))
    await until(lambda: inside == MOST_AT_ONCE, "as many as may be")
    await asyncio.sleep(0.05)
    assert inside == MOST_AT_ONCE
    go.set()
    await attempts
    assert most == MOST_AT_ONCE


@in_loop
async def test_an_attempt_that_is_given_up_leaves_its_place_to_others() -> None:
    """Machines that are removed while they wait for their turn."""
    gate = ConnectGate(2.0)
    waiting = [asyncio.create_task(passed(gate, 1)) for _ in range(MOST_AT_ONCE)]
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    fast = ConnectGate(0.0)
    fast._places = gate._places

    assert len(await asyncio.wait_for(passed(fast, MOST_AT_ONCE), 5.0)) == MOST_AT_ONCE


@in_loop
async def test_machines_connect_at_the_rate() -> None:
    """Forty of them at 40 a second take a second; CONNECTs are spread."""
    async with EmbeddedBroker() as broker:
        loop = asyncio.get_running_loop()
        began, times = loop.time(), list[float]()
        async with Rig(device_settings(broker.port, mqtt_connect_rate=40), machines(40)) as rig:
            while len(broker.connects) < 40:
                times += [loop.time()] * (len(broker.connects) - len(times))
                await asyncio.sleep(0.005)
            await rig.all_connected(1)
        assert 0.6 < loop.time() - began < 6
        assert len(set(times)) > 20


@in_loop
async def test_all_that_are_cut_at_once_are_back_at_the_rate_with_their_sessions(lines: Lines) -> None:
    """A hundred wills, a hundred sessions resumed, nothing lost, and a few lines for all of them."""
    async with connected_machines(100, mqtt_connect_rate=200) as (broker, rig):
        seen = broker.subscribe("#")
        rig.offer(*(f"CNC-{number:02} 1" for number in range(1, 101)))
        cut_at = asyncio.get_running_loop().time()
        assert broker.cut() == 100
        rig.offer(*(f"CNC-{number:02} 2" for number in range(1, 101)))
        await rig.all_connected(2)
        took = asyncio.get_running_loop().time() - cut_at
        await rig.finish()

        assert 0.35 < took < 10
        assert [each.session_present for each in broker.connects] == [False] * 100 + [True] * 100
        wills = [each for each in seen.messages if b'"offline"' in each.payload][:100]
        assert len({each.topic for each in wills}) == 100
        telemetry = [each for each in seen.messages if each.topic == "factory/cnc"]
        check(rig, telemetry)
        check_nothing_lost(rig, telemetry)
        devices = rig.fleet.facts().devices
        assert devices is not None
        assert devices.wills_expected == 100
    assert lines.count("all machines are connected connections=100") >= 1
    assert lines.count("connections of machines ended or failed") <= 3


@in_loop
async def test_a_broker_that_is_away_is_told_of_once_in_a_while_with_a_number(lines: Lines) -> None:
    """Thirty machines that cannot connect are one line with the reason, not thirty each time they try."""
    port = free_port()
    async with Rig(device_settings(port), machines(30)) as rig:
        await until(lambda: lines.count("connections of machines ended or failed count="), "told")

        [line] = [each for each in lines.said if "connections of machines ended or failed" in each]
        assert f"cannot reach 127.0.0.1:{port}" in line
        reason = rig.fleet.facts().last_reason
        assert reason.startswith(f"0 of 30 connections are up: cannot reach 127.0.0.1:{port}")
