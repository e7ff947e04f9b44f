"""Alarms of a plant that runs in several processes: metrics, statistics, ground truth and reloads are those of one."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from sandbox.broker import EmbeddedBroker
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

PLANT = """
message_types:
  meter:
    count: 10
    report_seconds: 0.5
    signals: {level: {base: 5}}
    alarms: {level: {warm: {high: 4}, hot: {high: 4.5, severity: critical}}}
"""


def test_alarms_of_workers_are_summed(tmp_path: Path) -> None:
    """Each machine raises both of its alarms once, also when a reload adds machines."""
    plant, port = tmp_path / "plant.yaml", free_port()
    plant.write_text(PLANT)
    transport = httpx.HTTPTransport(retries=5)

    def values() -> dict[tuple[str, ...], float]:
        """The samples of alarms, by their labels in the order of their names."""
        families = text_string_to_metric_families(client.get("/metrics").text)
        found = (each for family in families if "alarm" in family.name for each in family.samples)
        return {tuple(value for _, value in sorted(each.labels.items())): each.value for each in found}

    with (
        running(EmbeddedBroker()) as broker,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20.0, transport=transport) as client,
    ):
        flags = ["--workers", "2", "--message-config-path", str(plant), *plain(broker), "--http-port", str(port)]
        with DaemonProcess(*flags, "--reload-seconds", "3600") as daemon:
            daemon.says("HTTP on")
            wait_until(lambda: values().get(("level.hot", "raised", "meter")) == 10, 15.0, "ten hot machines")
            plant.write_text(PLANT.replace("count: 10", "count: 12"))
            reloaded = client.post("/-/reload").status_code
            wait_until(lambda: values().get(("meter", "critical")) == 12, 15.0, "twelve hot machines")
            shown, types = values(), client.get("/oee").json()["types"]
            daemon.signal(signal.SIGTERM)
            daemon.wait()

    assert reloaded == 200
    assert shown["level.warm", "raised", "meter"] == shown["level.hot", "raised", "meter"] == 12
    assert shown["level.warm", "cleared", "meter"] == 0
    assert types["meter"]["alarms"] == {"level.warm": "high", "level.hot": "high"}
    assert "Alarms: 24 active (12 warning, 12 critical), 24 raised, 0 cleared" in daemon.log
