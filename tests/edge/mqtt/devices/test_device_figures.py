"""Facts about the figures of many connections: in sums, the same for a hundred as for three, and of all workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from edge.mqtt.devices.open_files import raise_limit
from edge.observability.device_metrics import of_devices
from edge.observability.statistics import statistics_block
from edge.status import ConnectionStatus, DeviceStatus
from edge.workers.aggregation import sum_connections
from tests.edge.observability.test_metrics import ledger
from tests.support.brokers.machines import connected_machines, machines
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Rig, until
from tests.support.processes.daemon import ROOT

BUCKETS = (("0.5", 3.0), ("+Inf", 4.0))
SOME = DeviceStatus(5, 4, 2, 1, 3, BUCKETS, 1.5)


def samples(devices: DeviceStatus) -> dict[tuple[str, ...], float]:
    """The value of each metric by its name and labels."""
    found = (sample for family in of_devices(devices) for sample in family.samples)
    return {(each.name, *each.labels.values()): each.value for each in found if not each.name.endswith("_created")}


def of(rig: Rig) -> DeviceStatus:
    """The figures of a rig's machines."""
    devices = rig.fleet.facts().devices
    assert devices is not None
    return devices


def test_metrics_are_sums_and_a_histogram() -> None:
    """None of them has a label for the machine."""
    assert samples(SOME) == {
        ("edgemqttsim_connections",): 5.0,
        ("edgemqttsim_connections_up",): 4.0,
        ("edgemqttsim_connections_refused",): 1.0,
        ("edgemqttsim_wills_expected_total",): 2.0,
        ("edgemqttsim_sessions_resumed_total",): 3.0,
        ("edgemqttsim_connect_seconds_bucket", "0.5"): 3.0,
        ("edgemqttsim_connect_seconds_bucket", "+Inf"): 4.0,
        ("edgemqttsim_connect_seconds_count",): 4.0,
        ("edgemqttsim_connect_seconds_sum",): 1.5,
    }


def test_the_statistics_say_how_many_connections_are_up() -> None:
    """In place of the state of the one connection."""
    connection = ConnectionStatus(connected=True, connects=7, clients=5, token_renewals=2, devices=SOME)

    assert (
        "   Connection: 4 of 5 connections up (reconnects: 2, token renewals: 2)\n"
        in statistics_block(120, ledger(), connection) + "\n"
    )


@pytest.mark.parametrize(("devices", "has_them"), [(None, False), (SOME, True)])
def test_healthz_has_the_connections_of_machines_where_there_are_any(
    devices: DeviceStatus | None, has_them: bool
) -> None:
    """With one connection for all, the keys are what they were."""
    described = ConnectionStatus(devices=devices).described()

    assert ("devices" in described) is has_them
    if has_them:
        found = described["devices"]
        assert isinstance(found, Mapping)
        assert found.keys() >= {"wanted", "up", "wills_expected", "refused", "resumed", "connect_seconds"}


def test_workers_are_added_up_and_one_that_is_done_keeps_what_it_has_counted() -> None:
    """Its connections are over and not wanted any more; a reconnect is one beyond the first of each machine."""
    part = ConnectionStatus(connected=True, connects=6, clients=5, devices=SOME)
    done = ConnectionStatus(connects=5, clients=5, devices=SOME)
    whole = sum_connections([part, part], [done])

    assert whole.devices == DeviceStatus(10, 8, 6, 2, 9, [("0.5", 9.0), ("+Inf", 12.0)], 4.5)
    assert (whole.connects, whole.reconnects) == (17, 2)


def test_workers_with_one_connection_each_have_no_figures_of_machines() -> None:
    """As before."""
    assert sum_connections([ConnectionStatus(connected=True, connects=1)]).devices is None


@in_loop
async def test_figures_follow_what_happens() -> None:
    """Connections up and lost, wills that the broker publishes, and how long each connect took."""
    async with connected_machines(3) as (broker, rig):
        assert (of(rig).wanted, of(rig).up, of(rig).wills_expected, of(rig).refused) == (3, 3, 0, 0)
        assert rig.fleet.facts().reconnects == 0
        broker.cut("rig-CNC-02")
        await rig.all_connected(1)
        await until(lambda: rig.fleet.facts().reconnects == 1, "back")

        assert (of(rig).up, of(rig).wills_expected) == (3, 1)
        [*_, (bound, connects)] = of(rig).connect_seconds
        assert (bound, connects) == ("+Inf", 4.0)
        counts = [count for _, count in of(rig).connect_seconds]
        assert counts == sorted(counts)
        assert 0 < of(rig).connect_seconds_sum < 40


@in_loop
async def test_machines_that_leave_take_nothing_from_what_was_counted() -> None:
    """A counter never falls."""
    async with connected_machines(3) as (broker, rig):
        broker.cut("rig-CNC-03")
        await until(lambda: rig.fleet.facts().connects == 4, "back")
        rig.follow(machines(1))
        await rig.ended("CNC-03")
        await rig.ended("CNC-02")
        await until(lambda: of(rig).up == 1, "one is up")

        facts = rig.fleet.facts()
        assert (facts.connects, facts.reconnects, of(rig).wills_expected) == (4, 1, 1)
        assert (of(rig).wanted, facts.last_reason) == (1, "connected")


@in_loop
async def test_connections_of_machines_that_leave_are_not_among_those_that_are_up() -> None:
    """Else there would be more of them than there are to be, and all would seem to be connected while some are not."""
    async with connected_machines(3, drain_seconds=5) as (broker, rig):
        held = broker.faults.withhold(times=None, when=lambda each: each.topic == "factory/cnc")
        rig.offer("CNC-03 1")
        rig.follow(machines(1))
        await until(lambda: "rig-CNC-02" not in broker.sessions, "an idle machine has left")

        assert "rig-CNC-03" in broker.sessions
        assert (of(rig).wanted, of(rig).up) == (1, 1)
        held.cancel()


@in_loop
async def test_a_plant_without_machines_is_not_disconnected_from_the_broker() -> None:
    """A pod that is not ready could not be reached over HTTP to add machines; a worker may have none of a few."""
    async with connected_machines(1) as (_, rig):
        rig.follow(machines(0))
        await until(lambda: of(rig).up == 0, "the last one has left")

        assert of(rig).wanted == 0
        assert rig.fleet.facts().connected


@in_loop
async def test_the_last_acknowledgement_of_any_machine_counts_and_one_is_enough_to_be_connected() -> None:
    """Readiness and liveness look at these."""
    async with connected_machines(2) as (_, rig):
        assert rig.fleet.facts().last_ack_age_seconds is None
        rig.offer("CNC-02 1")
        await rig.drained()
        rig.act("disconnect", "CNC-01")
        await until(lambda: not rig.is_up("CNC-01"), "away")

        facts = rig.fleet.facts()
        assert facts.last_ack_age_seconds is not None
        assert facts.last_ack_age_seconds < 10
        assert (facts.connected, facts.blocked, facts.waiting_seconds) == (True, None, 0.0)
        assert facts.last_reason.startswith("1 of 2 connections are up")


# Open files


def with_limits(soft: int, hard: int, connections: int) -> str:
    """What a process with these limits of open files says of so many connections, and the soft limit it then has."""
    program = (
        "import resource as r; from edge.mqtt.devices.open_files import raise_limit;"
        f"r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}));"
        f"print(raise_limit({connections}), r.getrlimit(r.RLIMIT_NOFILE)[0], sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_soft_limit_of_open_files_is_raised_as_far_as_is_needed() -> None:
    """Each connection is one, and the process has a hundred others."""
    assert with_limits(256, 1024, 500) == "None|600"


def test_a_limit_that_is_high_enough_is_left_alone() -> None:
    """It is not lowered either."""
    assert with_limits(700, 1024, 500) == "None|700"


def test_a_hard_limit_that_is_too_low_is_told_of_with_numbers_and_remedies() -> None:
    """It is used up all the same: as many machines connect as can."""
    said, limit = with_limits(256, 400, 5000).split("|")

    assert said == (
        "MQTT_CONNECTIONS=per_machine needs 5,000 connections, and this process may open 400 files: "
        "raise the hard limit (ulimit -Hn), or use WORKERS or SHARD"
    )
    assert limit == "400"


def test_a_few_connections_need_no_other_limit() -> None:
    """Here, in the tests' own process."""
    assert raise_limit(1) is None
