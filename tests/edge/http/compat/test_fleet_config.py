"""A run with the config.toml of the simulator of sensors, in both its forms: as a process, against mosquitto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.edge.settings.foreign.test_fleet_start import BUILT, DESCRIBED
from tests.edge.settings.foreign.test_log_config import LOGGER
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.acting import in_journal
from tests.support.processes.collector import Collector
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until


@contextmanager
def simulator(
    directory: Path, text: str, broker: int, traces: str = "", *flags: str
) -> Iterator[tuple[DaemonProcess, httpx.Client]]:
    """The process in a directory with the file, whose addresses are those of this test; and a client of its port."""
    port = free_port()
    text = text.replace('host = "mqtt"', 'host = "127.0.0.1"').replace("port = 1883", f"port = {broker}")
    text = text.replace("http://otel-collector:4318/v1/traces", traces).replace("port = 8000", f"port = {port}")
    (directory / "config.toml").write_text(text)
    soon = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
    with DaemonProcess("run", "--config", "config.toml", *flags, directory=directory, environ=soon) as daemon:
        daemon.says(rf"HTTP on http://\S+:{port}")
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            yield daemon, client


def test_the_described_form_runs_as_it_is(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Ten devices from the start, traces to the address and by the name in it, and log lines as the other file says."""
    broker = mosquitto.ports["plain"]
    (tmp_path / "logger.toml").write_text(LOGGER.replace("WARNING", "INFO"))
    log = ("--log-config", "logger.toml")
    with (
        Recorder(broker) as recorder,
        Collector() as collector,
        simulator(tmp_path, DESCRIBED, broker, f"{collector.url}/v1/traces", *log) as (daemon, client),
    ):
        wait_until(lambda: len(recorder.records) >= 20, 15, "twenty messages")
        status = client.get("/status").json()
        span = collector.find("router.status_devices")
        line = json.loads(daemon.log.splitlines()[0])

    assert (status["status"], status["count"]) == ("running", 10)
    assert {(record.topic, record.qos) for record in recorder.records[:20]} == {
        (f"sensors/device_{number:03d}", 0) for number in range(10)
    }
    assert span.resource["service.name"] == "simulator"
    assert line["user_id"] == "unknown-user"
    assert not (tmp_path / "tmp").exists()


def test_the_built_form_runs_as_it_is(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Devices come with a call; what was done can be done again, and the file is followed as it changes."""
    broker = mosquitto.ports["plain"]
    flags = ("--journal", "journal")
    with Recorder(broker) as recorder, simulator(tmp_path, BUILT, broker, "", *flags) as (daemon, client):
        assert client.get("/status").json()["count"] == 0
        assert client.get("/start?count=3").json()["running"] == 3
        wait_until(lambda: len(recorder.records) >= 6, 15, "six messages")
        config = tmp_path / "config.toml"
        config.write_text(config.read_text().replace("frequency_sec = 1", "frequency_sec = 1_"))
        daemon.says(r"config\.toml:2: simulation.frequency_sec: is not valid TOML")
        config.write_text(config.read_text().replace("frequency_sec = 1_", "frequency_sec = 0.5"))
        daemon.says("reloaded configuration")
        assert client.get("/status").json()["count"] == 0
        plant = client.get("/api/v1/plant").text
        done = [command["command"] for _, (_, command) in in_journal(tmp_path / "journal")]

    assert {(record.topic, record.qos) for record in recorder.records} == {("sensors/data", 1)}
    assert "report_seconds: 0.5" in plant
    assert done == ["scale", "reload"]


@pytest.mark.parametrize(
    ("text", "asks"), [(BUILT, True), (BUILT.replace("http://otel-collector:4318/v1/traces", ""), False)]
)
def test_a_run_goes_on_without_traces_where_they_cannot_be(tmp_path: Path, text: str, asks: bool) -> None:
    """In a dry run here; a protocol that we do not speak stands for packages that are missing."""
    (tmp_path / "config.toml").write_text(
        text.replace("[simulation]", "[simulator]\ndevice_count = 1").replace(
            "frequency_sec = 1\nmax_devices = 10000", ""
        )
    )
    wrong = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    flags = ("--config", "config.toml", "--dry-run", "--count", "1", "--speed", "max")
    with DaemonProcess("run", *flags, directory=tmp_path, environ=wrong) as daemon:
        assert daemon.wait() == 0

    assert ("no traces, though observability.trace_endpoint asks for them" in daemon.log) is asks
    assert '"device_id":"device_000"' in daemon.output[0]


def test_a_logging_configuration_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    """With its name, and exit code 2."""
    with DaemonProcess("run", "--dry-run", "--log-config", "none.toml", directory=tmp_path) as daemon:
        assert daemon.wait() == 2

    assert "--log-config: 'none.toml': cannot be read: No such file or directory" in daemon.log
