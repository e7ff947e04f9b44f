"""Subscribers of other vendors, each a process of its own, which tell every message they get."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tests.support.processes.waiting import wait_until

NO_MQTTJS = "no MQTT.js"
"""How the reason of every such skip begins."""

_FOLDER = Path(__file__).parents[3] / "build" / "mqttjs"
_START_SECONDS = 20.0


def why_no_mqttjs() -> str | None:
    """Why MQTT.js cannot be used here, with what to do about it; None if it can."""
    if shutil.which("node") and (_FOLDER / "node_modules" / "mqtt").is_dir():
        return None
    return f"{NO_MQTTJS} here (install Node.js with npm, then run: sh tests/setup_mqttjs.sh)"


class Arrived(NamedTuple):
    """A message as a subscriber got it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Address(NamedTuple):
    """Where to connect: MQTT over TCP at loopback, or over WebSocket at a path.

    path: None for TCP.  name, password: None to be anonymous.
    """

    port: int
    name: str | None = None
    password: str | None = None
    path: str | None = None


class Reader:
    """Context manager: started on entering, and ended on leaving. received: all messages so far, in order."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._subscribed = False
        self._failure: str | None = None
        self.received: list[Arrived] = []

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def wait_until_subscribed(self) -> None:
        """Wait for the SUBACK; ConnectionError with what it says instead."""
        wait_until(self._is_ready, _START_SECONDS, f"{self._command} is subscribed")

    def wait_for(self, count: int, timeout_seconds: float = 20.0) -> list[Arrived]:
        """The messages once there are at least `count`; TimeoutError says how many there are instead."""
        try:
            wait_until(lambda: len(self.received) >= count, timeout_seconds, f"{count} messages")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; got {len(self.received)}, failure: {self._failure}") from None
        return self.received

    def _is_ready(self) -> bool:
        if self._failure is not None:
            raise ConnectionError(self._failure)
        return self._subscribed

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._take(line.rstrip("\n"))
        if not self._subscribed:
            self._failure = self._failure or "ended before it was subscribed"

    def _take(self, line: str) -> None:
        raise NotImplementedError


class MosquittoSub(Reader):
    """mosquitto_sub with the version of MQTT that it has by itself, 3.1.1."""

    def __init__(self, address: Address, filters: Sequence[str]) -> None:
        login = ["-u", address.name, "-P", address.password or ""] if address.name else []
        wanted = [word for each in filters for word in ("-t", each)]
        form = "= %q %r %x %t"
        line_by_line = ["stdbuf", "-oL"]  # into a pipe it would tell nothing before it has much to tell
        super().__init__(
            [
                *line_by_line,
                "mosquitto_sub",
                "-h",
                "127.0.0.1",
                "-p",
                str(address.port),
                *login,
                "-q",
                "1",
                "-d",
                "-F",
                form,
                *wanted,
            ]
        )

    def _take(self, line: str) -> None:
        if line.startswith("= "):
            _, qos, retain, payload, topic = line.split(" ", 4)
            self.received.append(Arrived(topic, bytes.fromhex(payload), int(qos), retain == "1"))
        elif line.startswith("Subscribed"):
            self._subscribed = True
        elif "refused" in line or "Error" in line:
            self._failure = line


class MqttJs(Reader):
    """MQTT.js.  version: 4 for MQTT 3.1.1, or 5."""

    def __init__(self, address: Address, filters: Sequence[str], version: int) -> None:
        scheme, path = ("mqtt", "") if address.path is None else ("ws", address.path)
        wanted = {
            "url": f"{scheme}://127.0.0.1:{address.port}{path}",
            "version": version,
            "filters": list(filters),
            "name": address.name,
            "password": address.password,
        }
        script = str(Path(__file__).with_name("reader.js"))
        super().__init__(["node", script, str(_FOLDER), json.dumps(wanted)])

    def _take(self, line: str) -> None:
        said = json.loads(line)
        if "topic" in said:
            payload = base64.b64decode(said["payload"])
            self.received.append(Arrived(said["topic"], payload, said["qos"], said["retain"]))
        elif "subscribed" in said and isinstance(said["subscribed"], list):
            self._subscribed = True
        else:
            self._failure = line
