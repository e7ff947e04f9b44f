"""One run: machines connect, report for a while, a part of them is cut off at once, and all the while tokens change."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import orjson
import yaml

from benchmarks.proc import cpu_seconds, memory_bytes
from benchmarks.runs.arrivals import Arrivals
from benchmarks.runs.fleet import FleetArrivals
from benchmarks.runs.lateness import Late
from benchmarks.runs.live import finish, said_last
from benchmarks.storms.brokers import Ports
from sandbox.credentials import TokenIssuer
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port

Broker = Callable[[Path, TokenIssuer], AbstractContextManager[Ports]]

_MESSAGE: Final = re.compile(rb'"device_id":"([^"]{1,40})","timestamp":([0-9]{10}\.[0-9]+),')
_LONGEST_START: Final = len('"device_id":"","timestamp":1767600000.085,') + 40
_OFFLINE: Final = re.compile(rb'"status":"offline"')
_OFFLINE_BYTES: Final = len(b'"status":"offline"')
_SAMPLE: Final = re.compile(r"^(edgemqttsim_[a-z_]+?)(?:_total)? ([0-9.e+]+)$", re.MULTILINE)
_TOKEN_SECONDS: Final = 3600.0
_LONGEST_SECONDS, _END_SECONDS, _ALONE_SECONDS = 120.0, 90.0, 5.0
_STEADY_AFTER_SECONDS: Final = 10.0
_FEW_WHILE_CONNECTING: Final = 0.01
"""Messages a second of each machine until all are connected: what waits meanwhile would be late for minutes."""


class Asked(NamedTuple):
    """How many machines, each with a message a second; how many are cut at once; for how long each part lasts.

    ramp_seconds: from the start to the steady part.  renewals: how many tokens there are, spread over the rest.
    rate: of connects a second.
    """

    machines: int
    cut: int
    ramp_seconds: float
    steady_seconds: float
    renewals: int
    rate: float


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of it.

    online_seconds: from the start of the process until all were connected.  sent: by the ledger.
    arrived: different ones at a subscriber.  repeated: copies there beyond the first.
    late: of the messages in the steady part.  cpu_share: of one core, in that part.
    connection_bytes: memory beyond that of the same plant with one connection, by connection.
    wills: at a subscriber, after the cut.  wills_expected: by the simulator.  resumed: sessions after the cut.
    back_seconds: from the cut until all were connected again.  renewed: tokens that the broker accepted.
    """

    machines: int
    cut: int
    online_seconds: float
    sent: int
    arrived: int
    repeated: int
    late: Late
    cpu_share: float
    connection_bytes: float
    wills: int
    wills_expected: int
    resumed: int
    back_seconds: float
    renewed: int
    renewals: int


class _Distinct(FleetArrivals):
    """Those of the machines, of which a copy that is sent again does not count: each is one of its machine's second."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.found: set[int] = set()

    def count_to(self, wanted: int, seconds: float) -> int:
        """Wait until so many different ones are there; how many there are then."""
        deadline = time.monotonic() + seconds
        while len(self.found) < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(self.found)

    def _note(self, buffer: bytes, now: float) -> bytes:
        end = 0
        for found in _MESSAGE.finditer(buffer):
            self.due.append(float(found[2]))
            self.came.append(now)
            self.found.add(hash((found[1], found[2])))
            end = found.end()
        return buffer[max(end, len(buffer) - _LONGEST_START + 1) :]


class _Wills(Arrivals):
    """The announcements that a machine is offline; those that the broker has kept are not among them."""

    def __init__(self, port: int) -> None:
        super().__init__(port, "factory/status/+", "bench-wills")
        self.count = 0

    def _note(self, buffer: bytes, now: float) -> bytes:  # noqa: ARG002 - as of arrivals
        self.count += len(_OFFLINE.findall(buffer))
        return buffer[len(buffer) - _OFFLINE_BYTES + 1 :] if len(buffer) >= _OFFLINE_BYTES else buffer


def storm(broker: Broker, asked: Asked) -> Storm:
    """Run the simulator as a process against a broker, and count at each end."""
    issuer = TokenIssuer()
    with tempfile.TemporaryDirectory() as name, broker(Path(name), issuer) as ports:
        directory = Path(name)
        token = directory / "token"
        issuer.write_token(token, issuer.token(lifetime_seconds=_TOKEN_SECONDS))
        plant, commands = _plant_file(directory, asked), _commands_file(directory, asked)
        alone = _memory_alone(ports, plant, token)
        with _Distinct(ports.plain) as arrivals, _Wills(ports.plain) as wills:
            return _run(issuer, asked, arrivals, wills, alone, _flags(ports, plant, token, commands, asked))


def _run(
    issuer: TokenIssuer,
    asked: Asked,
    arrivals: _Distinct,
    wills: _Wills,
    alone: int,
    flags: tuple[str, ...],
) -> Storm:
    port = free_port()
    began = time.time()
    with DaemonProcess("run", *flags, environ={"HTTP_PORT": str(port)}) as process:
        pid = process.process.pid
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client:
            online = (
                _wait_for(process, client, lambda now: now.get("edgemqttsim_connections_up", 0) >= asked.machines)
                - began
            )
            cut_at = began + asked.ramp_seconds + asked.steady_seconds
            with _renewing(issuer, Path(flags[flags.index("--sat-token-path") + 1]), asked, cut_at):
                steady_at, spent = max(time.time(), began + asked.ramp_seconds), None
                time.sleep(max(0.0, steady_at - time.time()))
                spent = cpu_seconds(pid)
                time.sleep(max(0.0, cut_at - 1.0 - time.time()))
                steady_end = time.time()
                share = (cpu_seconds(pid) - spent) / (steady_end - steady_at)
                memory = memory_bytes(pid)
                down = _wait_for(process, client, lambda now: now["edgemqttsim_wills_expected"] >= asked.cut)
                back = (
                    _wait_for(process, client, lambda now: now["edgemqttsim_connections_up"] >= asked.machines) - down
                )
            figures = _figures(client)
            offline = wills.count
        process.process.terminate()
        finish(process, _END_SECONDS)
        sent = round(said_last(process.log, "Messages Sent"))
    return Storm(
        asked.machines,
        asked.cut,
        online,
        sent,
        arrivals.count_to(sent, _END_SECONDS),
        len(arrivals.came) - len(arrivals.found),
        arrivals.late_between(steady_at + _STEADY_AFTER_SECONDS, steady_end - 1.0),
        share,
        (memory - alone) / asked.machines,
        offline,
        round(figures["edgemqttsim_wills_expected"]),
        round(figures["edgemqttsim_sessions_resumed"]),
        back,
        round(figures["edgemqttsim_token_renewals"]),
        asked.renewals,
    )


@contextmanager
def _renewing(issuer: TokenIssuer, file: Path, asked: Asked, until: float) -> Iterator[None]:
    """Write a new token from time to time, the last one some seconds before connections are cut."""
    done = threading.Event()
    pause = (until - time.time()) / (asked.renewals + 1) if asked.renewals else 0.0

    def renew() -> None:
        for _ in range(asked.renewals):
            issuer.write_token(file, issuer.token(lifetime_seconds=_TOKEN_SECONDS))
            done.wait(pause)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
        thread.join()
    finally:
        done.set()
        thread.join()


def _wait_for(process: DaemonProcess, client: httpx.Client, condition: Callable[[dict[str, float]], bool]) -> float:
    """Return when the metrics first fulfil a condition, in Unix seconds."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline and process.process.poll() is None:
        try:
            if condition(_figures(client)):
                return time.time()
        except (httpx.HTTPError, KeyError):
            pass
        time.sleep(0.25)
    raise TimeoutError(f"not within {_LONGEST_SECONDS:g} s\n{process.log}")


def _figures(client: httpx.Client) -> dict[str, float]:
    return {name: float(value) for name, value in _SAMPLE.findall(client.get("/metrics").raise_for_status().text)}


def _memory_alone(ports: Ports, plant: str, token: Path) -> int:
    """Return the memory of the same plant with one connection."""
    with DaemonProcess("run", *_shared_flags(ports, plant, token), environ={"HTTP_PORT": "0"}) as process:
        process.says("first on ")
        time.sleep(_ALONE_SECONDS)
        used = memory_bytes(process.process.pid)
        process.process.terminate()
        finish(process, _END_SECONDS)
    return used


def _shared_flags(ports: Ports, plant: str, token: Path) -> tuple[str, ...]:
    return (
        *("--mqtt-broker", "127.0.0.1", "--mqtt-port", str(ports.sat), "--no-mqtt-tls"),
        *("--sat-token-path", str(token), "--message-config-path", plant, "--queue-size", "1000000"),
    )


def _flags(ports: Ports, plant: str, token: Path, commands: str, asked: Asked) -> tuple[str, ...]:
    return (
        *_shared_flags(ports, plant, token),
        *("--mqtt-connections", "per_machine", "--mqtt-connect-rate", f"{asked.rate:g}", "--commands", commands),
    )


def _plant_file(directory: Path, asked: Asked) -> str:
    entry = {"count": asked.machines, "report_seconds": 1, "topic": "sensors/{machine_id}", "qos": 1}
    path = directory / "plant.yaml"
    few = {"target_rate": asked.machines * _FEW_WHILE_CONNECTING}
    path.write_text(yaml.safe_dump({"global": few, "message_types": {"sensor_device": entry}}), "utf-8")
    return str(path)


def _commands_file(directory: Path, asked: Asked) -> str:
    """Write the commands that begin the full rate, and cut a part of the connections at one moment."""
    at = asked.ramp_seconds + asked.steady_seconds
    names = (f"device_{number:03}" for number in range(asked.cut))
    full = {"after_seconds": asked.ramp_seconds / 2, "command": "rate", "messages_per_second": asked.machines}
    lines = [
        orjson.dumps(full),
        *(orjson.dumps({"after_seconds": at, "command": "crash", "machine_id": name}) for name in names),
    ]
    path = directory / "commands.jsonl"
    path.write_bytes(b"\n".join(lines))
    return str(path)
