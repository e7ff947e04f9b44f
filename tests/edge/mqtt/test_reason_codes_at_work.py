"""Facts about reason codes as a process acts on them: what it logs, whether it comes back, its exit code.

The broker is a script on a real socket. The process is a fork of this one, which spares each the time of the imports;
its waits between attempts are shortened, as there are hundreds.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import app
import edge.mqtt.backoff
import edge.mqtt.connection
import edge.mqtt.publisher
from edge.mqtt.protocol.reason_codes import CODES, Outcome, Packet, name_of, outcome
from edge.settings.types import AuthMethod
from fuzz.rogue import CONNECT, DISCONNECT, PUBLISH, WELCOME, Peer, Rogue, Script

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

AUTH = 0xF0
RUN = ["run", "--http-port", "0", "--seed", "1", "--start", "2026-01-01T00:00:00Z", "--speed", "max"]
MISPLACED = [0x01, 0x18, 0x19, 0x7F, 0x92, 0xFF]
"""Codes that no packet of these tests may have, or that MQTT 5 does not know."""
OF_ALL = sorted({*CODES, *MISPLACED})


def with_outcome(packet: Packet, *outcomes: Outcome) -> list[int]:
    """Return the codes from which one of these follows in a packet, for a client that does not log in."""
    return [code for code in OF_ALL if outcome(packet, code, AuthMethod.NONE) in outcomes]


@contextmanager
def scripted(script: Script) -> Iterator[Rogue]:
    """Run a broker in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    rogue = Rogue(script)
    try:
        asyncio.run_coroutine_threadsafe(rogue.__aenter__(), loop).result(5)
        yield rogue
        asyncio.run_coroutine_threadsafe(rogue.__aexit__(None, None, None), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def simulate(script: Script, tmp_path: Path, *flags: str) -> tuple[int, list[str], int]:
    """Run a simulator against a script to its end: its exit code, its log, and how often it connected."""
    log = tmp_path / "log"
    with scripted(script) as rogue:
        broker = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(rogue.port), "--no-mqtt-tls"]
        pid = os.fork()
        if not pid:
            be_a_simulator([*RUN, *broker, *flags], log)
        code = end_of(pid)
        lines = log.read_text().splitlines()
        assert not [line for line in lines if "Traceback" in line or "the connection failed" in line]
        return code, lines, len(rogue.peers)


def be_a_simulator(arguments: Sequence[str], log: Path) -> None:
    """Run the command line in a process that has just been forked, and end it."""
    code = 99
    gc.freeze()  # what other tests have left: the simulator's collector would go through all of it
    try:
        sys.stderr = sys.stdout = log.open("w", buffering=1)
        edge.mqtt.backoff._FIRST_SECONDS = edge.mqtt.backoff._MOST_SECONDS = 0.005
        edge.mqtt.connection._TICK_SECONDS = 0.02
        edge.mqtt.publisher._FIRST_PAUSE_SECONDS = edge.mqtt.publisher._LONGEST_PAUSE_SECONDS = 0.01
        code = app.main(arguments, {})
    finally:
        os._exit(code)


def end_of(pid: int, seconds: float = 30.0) -> int:
    """Wait for a process and return its exit code; kill it where that takes too long."""
    deadline = time.monotonic() + seconds
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, 9)
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])


async def answer_connect(peer: Peer, code: int) -> None:
    """Answer CONNECT by a code, and no more."""
    await peer.hear(CONNECT)
    await peer.say(bytes((0x20, 3, 0, code, 0)))
    await peer.gone()


async def send_away(peer: Peer, code: int) -> None:
    """Let the client in, and send DISCONNECT with a code once it publishes."""
    await peer.hear(CONNECT)
    await peer.say(WELCOME)
    await peer.hear(PUBLISH)
    await peer.say(bytes((DISCONNECT, 2, code, 0)))
    await peer.gone()


async def send_auth(peer: Peer, code: int) -> None:
    """Let the client in, and send an AUTH that it has not asked for."""
    await peer.hear(CONNECT)
    await peer.say(WELCOME + bytes((AUTH, 2, code, 0)))
    await peer.gone()


ACTS = {Packet.CONNACK: answer_connect, Packet.DISCONNECT: send_away, Packet.AUTH: send_auth}


@pytest.mark.parametrize(
    ("packet", "code"),
    [(packet, code) for packet in (Packet.CONNACK, Packet.DISCONNECT) for code in with_outcome(packet, Outcome.FATAL)],
    ids=lambda value: value if isinstance(value, str) else f"0x{value:02X}",
)
def test_a_code_that_would_come_again_ends_the_process_with_3(tmp_path: Path, packet: Packet, code: int) -> None:
    """At once, whatever is still to be delivered, and the last words name the code."""
    before = time.monotonic()
    exit_code, lines, connects = simulate(lambda peer: ACTS[packet](peer, code), tmp_path, *NO_LOGIN, "--count", "5")

    assert (exit_code, connects) == (3, 1)
    assert [line for line in lines if "giving up: the broker" in line and name_of(code) in line]
    assert time.monotonic() - before < 8  # of the ten seconds in which the rest may be acknowledged


NO_LOGIN = ["--mqtt-auth-method", "none"]


@pytest.mark.parametrize("packet", ACTS, ids=str)
def test_after_any_other_code_it_comes_back_and_delivers(tmp_path: Path, packet: Packet) -> None:
    """Each attempt has its line, which names the code or the rule that it breaks; in the end all arrives."""
    codes = [code for code in OF_ALL if packet is Packet.AUTH or code not in with_outcome(packet, Outcome.FATAL)]
    codes.remove(0) if packet is Packet.CONNACK else None

    async def script(peer: Peer) -> None:
        behaves = peer.number > len(codes)
        await (peer.behave() if behaves else ACTS[packet](peer, codes[peer.number - 1]))

    exit_code, lines, connects = simulate(script, tmp_path, *NO_LOGIN, "--count", "5")
    attempts = [line for line in lines if "retrying in" in line]

    assert (exit_code, connects) == (0, len(codes) + 1)
    for code, line in zip(codes, attempts, strict=True):
        assert f"0x{code:02X}" in line or "the broker sent an unexpected AUTH" in line


def test_a_puback_that_refuses_or_defers_has_a_line_with_its_code(tmp_path: Path) -> None:
    """What is refused is counted as failed, what is deferred is sent again; the connection stays."""
    codes = range(0x80, 0x100)

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        for code in codes:
            _, body = await peer.hear(PUBLISH)
            topic = int.from_bytes(body[:2], "big")
            await peer.say(b"\x40\x04" + body[2 + topic : 4 + topic] + bytes((code, 0)))
        await peer.behave(greeted=True)

    exit_code, lines, connects = simulate(script, tmp_path, *NO_LOGIN, "--mqtt-window", "1", "--count", "150")
    deferred = with_outcome(Packet.PUBACK, Outcome.WAIT)
    said = {
        int(found[2], 16): found[1]
        for line in lines
        if (found := re.search(r"the broker (\w+) a message on factory/\w+: 0x(\w\w) ", line))
    }

    assert (exit_code, connects) == (1, 1)
    assert said == {code: "deferred" if code in deferred else "rejected" for code in codes}
    assert f"   Messages Failed: {len(codes) - len(deferred)}" in lines


def test_a_token_is_renewed_only_where_the_broker_says_so(tmp_path: Path) -> None:
    """Any other answer to AUTH 0x19 is one planned reconnect with the new token, and its line names the code."""
    codes = [code for code in OF_ALL if outcome(Packet.AUTH, code) is not Outcome.WAIT and code != 0x19]
    token = tmp_path / "token"
    token.write_text("0")

    async def script(peer: Peer) -> None:
        if peer.number > len(codes):
            await peer.behave()
            return
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        token.write_text(str(peer.number))
        await peer.hear(AUTH)
        await peer.say(bytes((AUTH, 2, codes[peer.number - 1], 0)))
        if codes[peer.number - 1] == 0:
            peer.close()
        await peer.gone()

    flags = ["--mqtt-auth-method", "k8s-sat", "--sat-token-path", str(token), "--count", "5"]
    exit_code, lines, connects = simulate(script, tmp_path, *flags)
    answers = [line for line in lines if "the broker answered AUTH with" in line]

    assert (exit_code, connects) == (0, len(codes) + 1)
    assert sum("token refreshed on the live connection" in line for line in lines) == 1
    for code, line in zip(codes[1:], answers, strict=True):
        assert name_of(code) in line


LEAKED = "Xq7vR2zK9wP4tB6mJ"


def repeating(packet: int, code: int) -> bytes:
    """A packet whose Reason String and Server Reference repeat a password (MQTT 5, 3.2.2.3.9 and 3.2.2.3.16)."""
    text = f"no {LEAKED}".encode()
    properties = b"".join(bytes((number, 0, len(text))) + text for number in (0x1F, 0x1C))
    body = bytes((0, code) if packet == 0x20 else (code,)) + bytes((len(properties),)) + properties
    return bytes((packet, len(body))) + body


async def leak(peer: Peer) -> None:
    """Refuse for now, close after a message, and refuse permanently, each time with the password in the text."""
    await peer.hear(CONNECT)
    if peer.number == 2:
        await peer.say(WELCOME)
        await peer.hear(PUBLISH)
    await peer.say({1: repeating(0x20, 0x88), 2: repeating(DISCONNECT, 0x8B)}.get(peer.number, repeating(0x20, 0x86)))
    await peer.gone()


def test_a_broker_that_repeats_the_password_gets_it_into_no_line(tmp_path: Path) -> None:
    """Neither the log nor the statistics have a part of it; they name the code, and that a text was left out."""
    file = tmp_path / "password"
    file.write_text(LEAKED)
    login = ["--mqtt-auth-method", "USERPASS", "--mqtt-username", "factory", "--mqtt-password-file", str(file)]
    code, lines, connects = simulate(leak, tmp_path, *login, "--count", "5")

    assert (code, connects) == (3, 3)
    assert [name for name in ("0x88", "0x8B", "0x86") if not [line for line in lines if name in line]] == []
    assert sum("not shown: it contains a part of our credentials" in line for line in lines) >= 3
    parts = [LEAKED[place : place + 8] for place in range(len(LEAKED) - 7)]
    assert [line for line in lines for part in parts if part in line] == []
