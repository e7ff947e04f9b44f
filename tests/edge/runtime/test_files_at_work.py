"""Facts about files that turn bad while the simulator runs, those of secrets and the plant's own."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox.broker import EmbeddedBroker
from tests.edge.runtime.test_simulator import held_up_seconds
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.scenes import Pod
from tests.support.processes.daemon import ROOT, DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until


def gone(path: Path) -> None:
    """Take whatever is there away."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def junk(path: Path) -> None:
    """Bytes that are nothing."""
    path.write_bytes(bytes(range(256)) * 8)


def endless(path: Path) -> None:
    """Something that never ends."""
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path.name)


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda _path: None,
    "empty": Path.touch,
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "endless": endless,
    "a loop": loop,
    "junk": junk,
}


@pytest.fixture
def pod(credentials: Credentials, tmp_path: Path) -> Pod:
    """A CA file and a token."""
    pod = Pod(credentials, tmp_path)
    pod.rotate()
    return pod


def health(process: DaemonProcess, path: str, token: str = "") -> tuple[int, str]:
    """The status and text of a call."""
    request = urllib.request.Request(process.url() + path, method="POST" if token else "GET")  # noqa: S310 - our own
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def acknowledged(process: DaemonProcess) -> int:
    """How many messages have been acknowledged."""
    return int(json.loads(health(process, "/healthz")[1])["ledger"]["messages_sent"])


def turned_bad(process: DaemonProcess, path: Path, make: Callable[[Path], object], broker: Callable[[], object]) -> str:
    """Have a file turn bad and the broker come back; what is logged of it until it is right again and used."""
    right, seen, connects = (
        path.read_bytes(),
        len(process.errors),
        process.log.count("connected to broker host=localhost"),
    )
    gone(path)
    make(path)
    broker()
    wait_until(lambda: re.search(rf"{re.escape(str(path))}|0x87", "".join(process.errors[seen:])), 20, str(path))
    gone(path)
    path.write_bytes(right)
    wait_until(lambda: process.log.count("connected to broker host=localhost") > connects, 20, "reconnected")
    return "".join(process.errors[seen:])


@pytest.mark.parametrize(
    ("which", "turns"), [("token", ["a FIFO", "endless", "junk"]), ("broker-ca", ["a directory", "a loop", "junk"])]
)
def test_a_file_that_turns_bad_is_named_and_recovered_from(
    which: str, turns: list[str], pod: Pod, tmp_path: Path
) -> None:
    """It becomes what it should not be, and the broker restarts; once it is right, messages go on."""
    token, ca = tmp_path / "token", tmp_path / "broker-ca"
    secret = pod.rotate()
    token.write_bytes(secret)
    ca.write_bytes(pod.ca_file.read_bytes())
    with ExitStack() as up:
        port = up.enter_context(running(pod.broker())).port

        def restart() -> None:
            up.close()
            up.enter_context(running(pod.broker(port=port)))

        flags = ["--mqtt-broker", "localhost", "--mqtt-port", str(port), "--log-level", "debug", "--http-port", "0"]
        files = ["--sat-token-path", str(token), "--mqtt-ca-file", str(ca)]
        with DaemonProcess(*flags, *files) as process:
            process.says("connected to broker host=localhost")
            logged = {what: turned_bad(process, tmp_path / which, BAD[what], restart) for what in turns}
            process.signal(signal.SIGTERM)
            code = process.wait()

    assert code == 0
    assert "Traceback" not in process.log
    assert {what: text for what, text in logged.items() if which not in text and "0x87" not in text} == {}
    assert not any(part in process.log for part in secret.decode().split(".")[1:])


def test_a_plant_file_that_turns_bad_is_rejected_and_the_plant_goes_on(tmp_path: Path) -> None:
    """Whatever the name leads to: one rejection, messages go on, and the next good file is applied."""
    path, good = tmp_path / "plant.yaml", (ROOT / "message_structure.yaml").read_bytes()
    path.write_bytes(good)
    bad: dict[str, Callable[[Path], object]] = {
        **BAD,
        "not UTF-8": lambda path: path.write_bytes(b"global: \xff\xfe"),
        "deeply nested": lambda path: path.write_bytes(b"[" * 5000),
        "an alias bomb": lambda path: path.write_bytes(bomb()),
        "huge": lambda path: path.write_bytes(b"# " + bytes(40_000_000)),
    }
    with running(EmbeddedBroker()) as broker:
        flags = [*plain(broker), "--message-config-path", str(path), "--reload-seconds", "0.1"]
        flags += ["--http-port", str(free_port())]
        with DaemonProcess(*flags) as process:
            process.says("connected to broker")
            ages: list[float] = []
            for make in bad.values():
                seen, before = len(process.errors), acknowledged(process)
                gone(path)
                make(path)
                wait_until(partial(logged, process, seen, "plant.yaml"), 20, "rejected")
                wait_until(partial(more, process, before), 20, "messages go on")
                began = time.monotonic() - held_up(process)
                assert health(process, "/livez")[0] == 200
                ages.append(time.monotonic() - held_up(process) - began)
                gone(path)
                path.write_bytes(good)
                wait_until(partial(logged, process, seen, "running configuration again"), 20, "applied")
            process.signal(signal.SIGTERM)
            code = process.wait()

    assert (code, "Traceback" in process.log) == (0, False)
    assert max(ages) < 2.0


def held_up(process: DaemonProcess) -> float:
    """For how long it and we have waited for a processor that others had."""
    return held_up_seconds(process.process.pid) + held_up_seconds("self")


def logged(process: DaemonProcess, since: int, what: str) -> bool:
    """Whether a text is in the log since a line."""
    return what in "".join(process.errors[since:])


def more(process: DaemonProcess, than: int) -> bool:
    """Whether more messages have been acknowledged."""
    return acknowledged(process) > than


def bomb() -> bytes:
    """A billion values in a few lines."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in pairwise("abcdefghij")]
    return "\n".join(lines).encode()
