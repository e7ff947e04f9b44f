"""`top` of a simulator that runs in several processes: what it shows is that of all of them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import app
from sandbox.broker import EmbeddedBroker
from tests.edge.workers.test_workers import processes_of
from tests.support.factory.acted_on import PRESS, content
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

RATE = 70
PLANT = {"global": {"target_rate": RATE}, "message_types": {"press": PRESS, "mill": {**PRESS, "count": 3}}}
"""Seven machines: four of them are the first worker's, three the second one's."""


class Workers:
    """A simulator of two workers.  daemon: its process.  broker: what it is connected to."""

    def __init__(self, daemon: DaemonProcess, broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]) -> None:
        self.daemon, self.broker, self._capsys = daemon, broker, capsys

    def once(self) -> str:
        """The frame of `top --once`."""
        assert app.main(["top", "--once", self.daemon.url()], {"COLUMNS": "160"}) == 0
        return self._capsys.readouterr().out

    def do(self, **command: object) -> None:
        """Have a command executed."""
        httpx.post(f"{self.daemon.url()}/api/v1/commands", json=command, timeout=30).raise_for_status()

    def figure(self, before: str) -> float:
        """The number after these words in a new frame; -1 where there is none."""
        found = re.search(rf"{before} ([\d.,]+)", self.once())
        return float(found[1].replace(",", "")) if found else -1.0


@pytest.fixture
def two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Workers]:
    """Both of them connected, and delivering."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(content(PLANT))
    flags = ["--workers", "2", "--seed", "1", "--message-config-path", str(plant), "--http-port", str(free_port())]
    with running(EmbeddedBroker()) as broker, DaemonProcess("run", *flags, *plain(broker)) as daemon:
        wait_until(lambda: len(broker.counters.publishes) >= 2, 30, "messages of both")
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            client.get(f"{daemon.url()}/livez")
        yield Workers(daemon, broker, capsys)


def test_once_shows_the_sum_over_all_workers(two: Workers) -> None:
    """Machines by type and state, rate, ledger, OEE, faults, and commands of either; none of them is one worker's."""
    for machine_id in ("PRESS-01", "PRESS-02", "MILL-01", "MILL-02"):
        two.do(command="stop", machine_id=machine_id)
    for machine_id in ("PRESS-03", "PRESS-04"):
        two.do(command="inject", machine_id=machine_id, fault="jam", seconds=3600)
    wait_until(lambda: two.figure("delivered") >= 0.8 * two.figure("asked"), 30, "the rate of both")
    before = sum(two.broker.counters.publishes.values())
    wait_until(lambda: two.figure("acknowledged") >= before, 30, "the messages of both")
    frame = two.once()

    assert re.search(r"^Plant +7 machines of 2 types .* 2 workers$", frame, re.MULTILINE)
    assert re.search(r"^press +4 .* stopped 2\b", frame, re.MULTILINE)
    assert re.search(r"^mill +3 .* stopped 2\b", frame, re.MULTILINE)
    assert two.figure("asked") == pytest.approx(RATE, rel=0.3)
    assert re.search(r"^Broker +connected to [\d.:]+ \(.*\)$", frame, re.MULTILINE)  # two connections, no reconnect
    assert re.search(r"^Faults +\d+ active: .*PRESS-04 jam .*, PRESS-03 jam ", frame, re.MULTILINE)  # the newest first
    assert frame.count("stop machine_id=") == 3
    assert frame.count("inject machine_id=") == 2


def test_a_worker_that_hangs_is_said(two: Workers) -> None:
    """Which one, with the figures that were known of it, and those of the others go on."""
    hung = processes_of(two.daemon)[1]
    os.kill(hung, signal.SIGSTOP)
    try:
        wait_until(lambda: "FAILING" in two.once(), 40, "which worker hangs")
        frame, first = two.once(), two.figure("generated")
        wait_until(lambda: two.figure("generated") > first, 30, "messages of the other one")
    finally:
        os.kill(hung, signal.SIGCONT)

    assert re.search(rf"^Reason +worker 2 of 2 \(process {hung}\) has not reported for \d+", frame, re.MULTILINE)
    assert re.search(r"^Plant +7 machines", frame, re.MULTILINE)
