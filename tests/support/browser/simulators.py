"""Simulators as users start them, each a process of its own with the embedded broker, for the tests of the page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port

PLANTS: Final = ROOT / "tests" / "support" / "browser" / "plants"
"""Plants of these tests."""
SANDBOX: Final = (
    *("--demo-broker", "scenarios/sandbox/broker.yaml", "--message-config-path", "scenarios/sandbox.yaml"),
    *("--mqtt-connections", "per_machine", "--mqtt-device-client-id", "{machine_id}", "--mqtt-commands"),
)
"""The flags of `make sandbox`, but for `--demo`."""
_START_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A simulator that runs.

    url: of its HTTP port.  mqtt_port: of the embedded broker, for other clients.  plant: its YAML file, a copy.
    """

    daemon: DaemonProcess
    url: str
    mqtt_port: int
    plant: Path

    def get(self, path: str) -> Any:
        """What a call answers."""
        return (
            httpx.get(f"{self.url}{path}", headers={"accept": "application/json"}, timeout=_PATIENCE_SECONDS)
            .raise_for_status()
            .json()
        )

    def get_text(self, path: str) -> str:
        """What a call answers, as text."""
        return httpx.get(f"{self.url}{path}", timeout=_PATIENCE_SECONDS).raise_for_status().text

    def put_plant(self, text: str) -> None:
        """Apply another YAML."""
        httpx.put(f"{self.url}/api/v1/plant", content=text.encode(), timeout=_PATIENCE_SECONDS).raise_for_status()

    def command(self, **body: object) -> Any:
        """Have a command executed, as somebody on this machine."""
        return httpx.post(f"{self.url}/api/v1/commands", json=body, timeout=_PATIENCE_SECONDS).raise_for_status().json()

    def journal(self) -> list[dict[str, Any]]:
        """What was done, the newest first."""
        entries: list[dict[str, Any]] = self.get("/api/v1/journal")["entries"]
        return entries


@contextmanager
def simulating(
    folder: Path,
    *flags: str,
    plant: str = "message_structure.yaml",
    environ: Mapping[str, str] | None = None,
    broker: bool = True,
) -> Iterator[Simulator]:
    """A simulator with the embedded broker, connected, its page open to this machine.

    folder: a free one, which it works in, with copies of all plants.  plant: the file in it.  flags: further ones.
    broker: False for none; the flags then say where another one is, or would be.
    """
    shutil.copytree(ROOT / "scenarios", folder / "scenarios", dirs_exist_ok=True)
    if not (folder / "message_structure.yaml").exists():
        shutil.copy(ROOT / "message_structure.yaml", folder)
    named = () if "--message-config-path" in flags else ("--message-config-path", plant)
    demo = ("--demo",) if broker else ()
    common = ("run", *demo, "--seed", "7", "--http-port", str(free_port()), *named)
    with DaemonProcess(*common, *flags, directory=folder, environ=environ) as daemon:
        port = int(daemon.says(r"(?:your clients +|MQTT +)localhost:(\d+)", _START_SECONDS)[1]) if broker else 0
        daemon.says(r"connected to broker|all machines are connected" if broker else "retrying in", _START_SECONDS)
        url = daemon.url().replace("127.0.0.1", "localhost")
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            client.get(f"{url}/livez")
        given = flags[flags.index("--message-config-path") + 1] if not named else plant
        yield Simulator(daemon, url, port, folder / given)
        assert re.search(r"Traceback|internal error", daemon.log) is None, daemon.log
