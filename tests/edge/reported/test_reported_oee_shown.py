"""Facts about OEE from messages in the overview of a running simulator."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import httpx
import pytest

from sandbox.broker import EmbeddedBroker
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until


def moment(text: str) -> float:
    """A time in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_overview_has_what_messages_say_beside_the_truth_of_the_same_time(workers: int) -> None:
    """From the first look on, whether the plant is one process or several."""
    port, found = free_port(), dict[str, Any]()

    def has_made_enough() -> bool:
        """Whether messages of five minutes of plant time were read."""
        time.sleep(0.2)  # in which the plant goes on by twelve seconds
        shown = client.get("/api/v1/overview").json()
        found.update(shown["oee"])
        return found["reported"] is not None and moment(shown["at"]) > moment(found["reported"]["since"]) + 300

    with (
        running(EmbeddedBroker()) as broker,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=5), timeout=20
        ) as client,
    ):
        flags = ["--workers", str(workers), *plain(broker), "--http-port", str(port), "--speed", "60"]
        with DaemonProcess(*flags) as daemon:
            daemon.says("HTTP on")
            wait_until(has_made_enough, 40.0, "OEE from messages")

    reported, truth, whole = found["reported"], found["truth_meanwhile"], found["truth"]
    assert reported["since"] == truth["since"] > whole["since"]
    assert reported["quality"] == pytest.approx(truth["quality"], abs=0.1)
    assert reported["availability"] == pytest.approx(truth["availability"], abs=0.1)
