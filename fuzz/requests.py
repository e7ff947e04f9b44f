"""Odd HTTP requests, over raw sockets, to the port of a simulator that is publishing meanwhile.

Whatever is asked, and however: no answer is a fault of ours, nothing of it is in the log as one, probes are answered at
once, messages are not late, and each one is accounted for.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant
from typing import Any, Final

import orjson

from fuzz.campaign import LONGEST_SECONDS, Finding, Log, Result, random_for
from sandbox.broker import EmbeddedBroker
from tests.support.factory.plants import default
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

_MACHINES: Final = {"cnc": 500, "printer_3d": 500, "welding": 300, "painting": 100, "testing": 100}
_RATE: Final = 300
_ANSWER_SECONDS: Final = 0.3
_LATEST_SECONDS: Final = 1.0
_MOST_GROWN_MIB: Final = 48
_KEPT_OPEN: Final = 150
_ODDITY: Final = 0.25

PATHS: Final = (
    b"/", b"/livez", b"/readyz", b"/healthz", b"/metrics", b"/oee", b"/oee?limit=5", b"/docs", b"/docs/begin.js",
    b"/redoc", b"/openapi.json", b"/-/reload", b"*", b"", b"//", b"/%00", b"/%ff%fe", b"/livez/", b"/livez%2f..",
    b"/../../etc/passwd", b"/docs/../livez", b"http://localhost/livez", b"http://[::1", b"ftp://x/", b"x:443",
    b"/oee?span=run&span=year", b"/oee?span=%00", b"/oee?limit=-1", b"/oee?limit=1e400", b"/oee?after=CNC-01&limit=2",
    b"/oee?machine_type=cnc&after=%ff", b"/oee?after=CNC-" + b"9" * 400, b"/oee?" + b"&" * 500, b"/metrics?name[]=%",
)  # fmt: skip
METHODS: Final = (
    b"HEAD",
    b"OPTIONS",
    b"POST",
    b"PUT",
    b"DELETE",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"get",
    b"",
    b"\xff",
    b"G" * 5000,
)
VERSIONS: Final = (
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/9.9",
    b"",
    b"http/1.1",
    b"\x00",
)
HEADERS: Final = (
    b"Host: localhost", b"Host: [x", b"Host: ", b"Host: a, b", b"Accept: text/plain;version=abc",
    b"Accept: application/openmetrics-text;version=" + b"9" * 300, b"Accept: " + b"a/b;q=0.1," * 500,
    b"Accept-Encoding: gzip, br, zstd", b"Content-Length: -1", b"Content-Length: 9999999999999999999999",
    b"Content-Length: 5", b"Content-Length: 0x5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Expect: 100-continue", b"Expect: nothing", b"Upgrade: websocket", b"Connection: upgrade", b"Connection: close",
    b"Connection: keep-alive, keep-alive", b"Authorization: Bearer \xff", b"Authorization: " + b"x" * 9000,
    b"Range: bytes=0-1,2-3,-9", b"If-None-Match: *", b"X: " + b"y" * 40_000, b"X\x00: y", b": y", b"X y", b" X: y",
    b"X: a\r\n b", b"Cookie: " + b"a=b; " * 1000, b"Origin: null", b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=\"",
    b"X: \xf0\x9f\x92\xa9", b"Content-Type: application/json; charset=\xff", b"HTTP2-Settings: AAMAAABk",
)  # fmt: skip
BODIES: Final = (
    b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"-1\r\n\r\n", b"5;x=" + b"y" * 9000,
    b"0\r\n" * 99, b"{" * 5000,
)  # fmt: skip


def run(seed: int, cases: range, say: Log) -> Result:
    """Attack a separate simulator, case by case."""
    with target_under_attack() as target:
        findings = [Finding(case, what) for case in cases for what in target.attack(random_for(seed, case), say)]
        findings += [Finding(cases[-1], what) for what in target.final_problems()]
        return Result(len(cases), dict(target.outcomes), target.slowest_seconds, findings)


@contextmanager
def target_under_attack() -> Iterator[_Target]:
    """Run a simulator with a broker, a plant and a permanent probe."""
    with tempfile.TemporaryDirectory() as folder, running(EmbeddedBroker()) as broker:
        plant, port = Path(folder) / "plant.yaml", free_port()
        data = default()
        data["global"] |= {"machine_counts": _MACHINES, "target_rate": _RATE}
        plant.write_bytes(orjson.dumps(data))  # JSON is YAML
        options = [
            *plain(broker),
            "--message-config-path",
            str(plant),
            "--log-format",
            "json",
            "--stats-interval",
            "0.5",
        ]
        with DaemonProcess("run", *options, "--http-port", str(port)) as daemon:
            daemon.says("first on")
            with closing(_Target(daemon, port)) as target:
                yield target


class _Target:
    """The simulator under attack, and its observed state."""

    def __init__(self, daemon: DaemonProcess, port: int) -> None:
        self._daemon, self._address = daemon, ("127.0.0.1", port)
        self.outcomes: Counter[str] = Counter()
        self._open: list[socket.socket] = []
        self._judged = 0
        self._slowest = self._probe()
        self._before_mib = self._memory_mib()
        self._over = threading.Event()
        self._bad_probes: list[str] = []
        self._prober = threading.Thread(target=self._probe_repeatedly, daemon=True)
        self._prober.start()

    def close(self) -> None:
        """Stop probing, and close all connections."""
        self._over.set()
        self._prober.join()
        for client in self._open:
            client.close()

    @property
    def slowest_seconds(self) -> float:
        """The longest that a probe has waited."""
        return self._slowest

    def attack(self, rng: Random, say: Log) -> Iterator[str]:
        """Run a case, and yield what went wrong."""
        attack = rng.choice(_ATTACKS)
        try:
            outcome, answer = attack(self, rng)
        except ConnectionError:
            outcome, answer = "hung up on", b""
        except TimeoutError:
            outcome, answer = "kept waiting", b""
            yield f"{attack.__name__}: nothing within {LONGEST_SECONDS:g} s"
        self.outcomes[outcome] += 1
        for status in set(re.findall(rb"HTTP/1\.1 (5\d\d)", answer)) - {b"503"}:
            yield f"{attack.__name__}: answered with {status.decode()}"
        for line in self._new_faults():
            say(f"  {line.rstrip()[:500]}")
            yield f"{attack.__name__}: in the log: {line.rstrip()[:200]}"
        while self._bad_probes:
            yield f"{attack.__name__}: {self._bad_probes.pop()}"

    def final_problems(self) -> Iterator[str]:
        """Yield what is wrong after all cases."""
        ledger = self._health()["ledger"]
        accounted = sum(ledger[name] for name in ("messages_sent", "messages_failed", "queue_depth", "in_flight"))
        if accounted != ledger["messages_generated"] or ledger["messages_failed"]:
            yield f"the ledger: {ledger}"
        if (late := self._lateness_seconds()) > _LATEST_SECONDS:
            yield f"messages were {late:.2f} s late"
        if (grown := self._memory_mib() - self._before_mib) > _MOST_GROWN_MIB:
            yield f"memory has grown by {grown:.0f} MiB"

    # attacks

    def send_request(self, rng: Random) -> tuple[str, bytes]:
        """An odd request."""
        return self._send(_request(rng))

    def send_mutated(self, rng: Random) -> tuple[str, bytes]:
        """A request with bytes changed, missing or doubled."""
        sent = bytearray(_request(rng))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(sent) + 1)
            sent[at : at + rng.randint(0, 3)] = rng.choice(
                (b"", b"\r\n", b"\x00", b"\xff", rng.randbytes(3), sent[:at])
            )
        return self._send(bytes(sent[:200_000]))

    def send_second(self, rng: Random) -> tuple[str, bytes]:
        """A second request after the answer to the first."""
        with closing(self._connect(_request(rng))) as client:
            answer = _answer(client)
            with suppress(ConnectionError):
                client.sendall(rng.choice((_request(rng), rng.randbytes(50), b"no length\r\n\r\n")))
            return "went on", answer + _answer(client)

    def send_noise(self, rng: Random) -> tuple[str, bytes]:
        """Bytes that are not HTTP."""
        return self._send(rng.randbytes(rng.choice((1, 100, 100_000))))

    def send_half(self, rng: Random) -> tuple[str, bytes]:
        """Half a request, on a connection that stays open."""
        sent = _request(rng)
        self._keep(self._connect(sent[: rng.randrange(len(sent) + 1)]))
        return "left half said", b""

    def pipeline(self, rng: Random) -> tuple[str, bytes]:
        """Many requests, whose answers are not read."""
        path = rng.choice((b"/livez", b"/metrics", b"/oee", b"/docs/swagger-ui-bundle.js"))
        self._keep(self._connect(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path * rng.randint(2, 100)))
        return "left unread", b""

    def reset_connection(self, rng: Random) -> tuple[str, bytes]:
        """A reset in the middle of an answer."""
        with closing(self._connect(b"GET /oee HTTP/1.1\r\nHost: x\r\n\r\n")) as client:
            client.recv(rng.choice((1, 1000, 100_000)))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "hung up", b""

    def open_many(self, rng: Random) -> tuple[str, bytes]:
        """Many connections at once."""
        sent = _request(rng)
        for _ in range(30):
            self._keep(self._connect(sent))
        return "crowded", b""

    def _send(self, sent: bytes) -> tuple[str, bytes]:
        with closing(self._connect(sent)) as client:
            answer = _answer(client)
        found = re.match(rb"HTTP/1\.1 (\d)\d\d", answer)
        return f"answered {found[1].decode()}xx" if found else "not answered", answer

    def _connect(self, sent: bytes) -> socket.socket:
        client = socket.create_connection(self._address, LONGEST_SECONDS)
        with suppress(ConnectionError, TimeoutError):  # it may have been rejected already
            client.sendall(sent)
        return client

    def _keep(self, client: socket.socket) -> None:
        self._open.append(client)
        while len(self._open) > _KEPT_OPEN:
            self._open.pop(0).close()

    # observations

    def _get(self, path: str) -> tuple[int, bytes]:
        """Return the answer to a correct request over a new connection."""
        with closing(HTTPConnection(*self._address, timeout=5 * LONGEST_SECONDS)) as client:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read()

    def _health(self) -> dict[str, Any]:
        health: dict[str, Any] = orjson.loads(self._get("/healthz")[1])
        return health

    def _probe(self) -> float:
        """Return how long a probe waits for its answer."""
        began = time.monotonic()
        status, text = self._get("/livez")
        if status != 200:
            self._bad_probes.append(f"a probe was answered with {status}: {text!r}")
        return time.monotonic() - began

    def _probe_repeatedly(self) -> None:
        while not self._over.wait(0.05):
            try:
                waited = self._probe()
            except (OSError, HTTPException) as error:
                self._bad_probes.append(f"a probe failed: {error!r}")
                continue
            self._slowest = max(self._slowest, waited)
            if waited > LONGEST_SECONDS:
                self._bad_probes.append(f"a probe waited for {waited:.1f} s")

    def _new_faults(self) -> list[str]:
        lines = self._daemon.errors[self._judged :]
        self._judged += len(lines)
        return [line for line in lines if re.search(r'Traceback|"level":"(error|critical)"', line)]

    def _lateness_seconds(self) -> float:
        """Return the greatest lateness in the metrics."""
        told = (json.loads(line) for line in self._daemon.errors if '"worst_lateness_seconds"' in line)
        return max((each["worst_lateness_seconds"] for each in told), default=0.0)

    def _memory_mib(self) -> float:
        status = Path(f"/proc/{self._daemon.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0


_Attack = Callable[[_Target, Random], tuple[str, bytes]]
_ATTACKS: Final[tuple[_Attack, ...]] = (
    *[_Target.send_request] * 3, *[_Target.send_mutated] * 2, *[_Target.send_second] * 2,
    _Target.send_noise, _Target.send_half, _Target.pipeline, _Target.reset_connection, _Target.open_many,
)  # fmt: skip


def _request(rng: Random) -> bytes:
    """Return a request with usually one odd part: with more, it is rejected early."""
    line = b" ".join((_odd(rng, METHODS, b"GET"), rng.choice(PATHS), _odd(rng, VERSIONS, b"HTTP/1.1")))
    headers = [_odd(rng, HEADERS, b"Host: x"), *rng.sample(HEADERS, rng.choice((0, 0, 0, 1, 1, 3)))]
    end = _odd(rng, (b"\n", b"\r"), b"\r\n")
    return end.join((line, *headers, b"", _odd(rng, BODIES, b"")))


def _odd(rng: Random, choices: Sequence[bytes], usual: bytes) -> bytes:
    return rng.choice(choices) if rng.random() < _ODDITY else usual


def _answer(client: socket.socket) -> bytes:
    """Return the first bytes of an answer."""
    client.settimeout(_ANSWER_SECONDS)
    try:
        return client.recv(65536)
    except (TimeoutError, ConnectionError):
        return b""
