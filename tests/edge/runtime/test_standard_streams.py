"""Standard streams, signals and files that are written: closed, full, gone, early, twice, taken."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from sandbox.broker import EmbeddedBroker
from tests.support.examples import cases, thorough
from tests.support.processes.daemon import ROOT, DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

APP = [sys.executable, str(ROOT / "app.py")]
ENVIRONMENT = {"PATH": os.environ["PATH"], "HTTP_PORT": "0", "LANG": "C"}
PIPE_BYTES = 65_536
"""What a pipe takes at most (pipe(7))."""
AS_ROOT = os.geteuid() == 0


def shell(command: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which APP is the program."""
    line = f"set -o pipefail; {command.replace('APP', ' '.join(APP))}"
    return subprocess.run(
        ["bash", "-c", line],
        check=False,
        cwd=ROOT,
        env={**ENVIRONMENT, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=40,
    )


def ran(*flags: str, stdout: int = subprocess.PIPE) -> tuple[int, DaemonProcess]:
    """The exit code of a run that ends by itself, and what it said."""
    with DaemonProcess("run", *flags, environ={"HTTP_PORT": "0"}, stdout=stdout) as daemon:
        return daemon.wait(40), daemon


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("APP run --dry-run --count 1 2>&-", {0}),
        ("APP run --dry-run --count 1 >&-", {2}),
        pytest.param("APP run --dry-run --count 1 <&-", {0}, marks=thorough),
        pytest.param("APP check >&-", {1}, marks=thorough),
        pytest.param("APP check 2>&-", {0}, marks=thorough),
        ("APP check <&- >&- 2>&-", {1}),
        ("APP export schema >/dev/full", {1, 2}),
        ("APP check >/dev/full", {1}),
        ("APP check | true", {0, 141}),
        pytest.param("APP export all | head -1", {0, 141}, marks=thorough),
        ("APP run --dry-run | head -1", {0}),
        pytest.param("APP run --help | true", {0, 141}, marks=thorough),
    ],
)
def test_a_stream_that_is_closed_full_or_gone_is_told_without_a_traceback(command: str, codes: set[int]) -> None:
    """The exit code says whether the work was done; a reader who has seen enough is no error."""
    done = shell(command)

    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_dry_run_onto_a_full_disk_loses_no_count() -> None:
    """What could not be written is dropped, not in flight, and the reason is in the log."""
    with (
        Path("/dev/full").open("wb") as full,
        DaemonProcess("--dry-run", "--count", "2", environ={"HTTP_PORT": "0"}, stdout=full.fileno()) as daemon,
    ):
        assert daemon.wait() == 1

    assert "cannot write to standard output: No space left on device" in daemon.log
    assert "Traceback" not in daemon.log
    assert "In Flight: 0\n" in daemon.log
    assert re.search(r"Messages Sent: 0\n +Messages Failed: [12]\n", daemon.log)


def test_lines_that_a_full_disk_has_still_taken_count_as_sent(tmp_path: Path) -> None:
    """A limit on the file's size in the middle of a line: the whole lines before it are sent, the rest is not."""
    out = tmp_path / "rows"
    done = shell(f"trap '' XFSZ; ulimit -f 8; APP run --dry-run --speed max --count 5000 --seed 1 >{out}")

    whole = out.read_bytes().count(b"\n")
    assert done.returncode == 1
    assert "cannot write to standard output: File too large" in done.stderr
    assert whole > 0
    assert f"Messages Sent: {whole}\n" in done.stderr


def test_sigterm_ends_a_dry_run_whose_reader_does_not_read() -> None:
    """A full pipe does not hold the process after DRAIN_SECONDS."""
    reading, writing = os.pipe()
    flags = ["--dry-run", "--speed", "max", "--drain-seconds", "0.2"]
    with DaemonProcess(*flags, environ={"HTTP_PORT": "0"}, stdout=writing) as daemon:
        os.close(writing)
        wait_until(lambda: is_full(reading), 30, "a pipe that takes nothing more")
        daemon.signal(signal.SIGTERM)
        code = daemon.wait()
    os.close(reading)

    assert code == 0
    assert "drain timed out messages=" in daemon.log


def test_rows_that_had_found_no_room_by_the_end_are_counted(tmp_path: Path) -> None:
    """Sent and failed together are all that the plant has said up to where its ground truth ends."""
    reading, writing = os.pipe()
    truth, start = tmp_path / "truth.jsonl", "2026-01-01T00:00:00Z"
    flags = ["--dry-run", "--speed", "max", "--drain-seconds", "0.2", "--seed", "1", "--start", start]
    with DaemonProcess(*flags, "--truth", str(truth), environ={"HTTP_PORT": "0"}, stdout=writing) as daemon:
        os.close(writing)
        wait_until(lambda: is_full(reading), 30, "a pipe that takes nothing more")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    os.close(reading)
    ended = datetime.fromisoformat(str(truth_lines(truth)[-1]["end"])) - datetime.fromisoformat(start)
    _, whole = ran(*flags, "--duration", str(ended.total_seconds()))

    sent, failed = (int(re.findall(rf"Messages {what}: (\d+)", daemon.log)[-1]) for what in ("Sent", "Failed"))
    assert sent + failed == len(whole.output)


def test_an_error_that_is_not_of_standard_output_is_not_told_as_such() -> None:
    """Too many open files, say: nobody is to look for a full disk."""
    code = (
        "from edge import startup; startup.guarded(lambda: (_ for _ in ()).throw(OSError(24, 'Too many open files')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert "OSError: [Errno 24] Too many open files" in done.stderr
    assert "standard output" not in done.stderr


def test_a_slow_reader_of_a_dry_run_gets_every_row() -> None:
    """It holds the plant back instead of having rows dropped."""
    done = shell("APP run --dry-run --speed 2000 --duration 900 --queue-size 10 | (sleep 2; cat)")

    assert re.search(rf"Messages Sent: {done.stdout.count(chr(10))}\n +Messages Failed: 0\n", done.stderr)


def test_exports_are_utf_8_whatever_the_terminal_says(tmp_path: Path) -> None:
    """A name beyond ASCII in the plant, with an ASCII standard output."""
    plant = tmp_path / "plant.yaml"
    plant.write_text((ROOT / "message_structure.yaml").read_text("utf-8").replace("HullPanel", "Rümpfe"), "utf-8")
    ascii_only = {"MESSAGE_CONFIG_PATH": str(plant), "PYTHONIOENCODING": "ascii"}
    calls = [["export", target] for target in ("schema", "asyncapi", "kql")] + [["check"]]
    ends = f"sys.exit(max(app.main(call, os.environ) for call in {calls}))"
    program = f"from edge import startup; startup.prepare(); import app, os, sys; {ends}"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=ROOT, env=ENVIRONMENT | ascii_only, capture_output=True
    )

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().count("Rümpfe") >= 3


# signals


@pytest.mark.parametrize(
    ("number", "after_seconds"),
    [
        (signal.SIGTERM, 0.0),
        (signal.SIGINT, 0.15),
        (signal.SIGTERM, 0.4),
        pytest.param(signal.SIGINT, 0.0, marks=thorough),
        pytest.param(signal.SIGTERM, 0.15, marks=thorough),
        pytest.param(signal.SIGINT, 0.4, marks=thorough),
    ],
)
def test_a_signal_while_it_starts_ends_it_without_a_traceback(number: signal.Signals, after_seconds: float) -> None:
    """From its first own line on; before there is anything to drain it is gone at once."""
    flags = ["--mqtt-port", "1", "--no-mqtt-tls", "--mqtt-auth-method", "none", "--drain-seconds", "0"]
    with DaemonProcess(*flags, environ={"HTTP_PORT": "0"}, fresh=True) as daemon:
        status = Path(f"/proc/{daemon.process.pid}/status")
        wait_until(lambda: catches(status.read_text(), signal.SIGTERM), 30, "it catches SIGTERM")
        time.sleep(after_seconds)
        daemon.signal(number)
        code = daemon.wait()

    assert code in {0, 128 + number, -number}
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("after_seconds", cases([0.0, 0.01, 0.03, 0.1, 0.3], 3))
def test_a_signal_leaves_no_folder_of_a_demo(after_seconds: float, tmp_path: Path) -> None:
    """Whether the demo has begun or not: the folder has a private key and a token."""
    environ = {"HTTP_PORT": "0", "TMPDIR": str(tmp_path)}
    with DaemonProcess("--demo", "--drain-seconds", "0", environ=environ) as daemon:
        wait_until(lambda: [*tmp_path.iterdir()], 30, "the folder")
        time.sleep(after_seconds)
        daemon.signal(signal.SIGTERM)
        daemon.wait()

    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_signal_while_a_demo_makes_a_file_leaves_none(call: str, tmp_path: Path) -> None:
    """Also in the moment after a file is there, and before anything knows that it has to be removed."""
    code = f"""
import os, signal, sys
from edge import startup
made = os.{call}
def make_and_end(path, *more, **named):
    found = made(path, *more, **named)
    if str(path).startswith({str(tmp_path)!r}):
        os.kill(os.getpid(), signal.SIGTERM)
    return found
os.{call} = make_and_end
from sandbox.demo import Demo
startup.prepare()
sys.exit(startup.guarded(lambda: bool(Demo())))
"""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, check=False)

    assert done.returncode == 128 + signal.SIGTERM, done.stderr.decode()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("reading", ["-1.0", "(_ for _ in ()).throw(OverflowError)"])
def test_a_clock_out_of_range_is_a_line(reading: str) -> None:
    """Before 1970, and after 2262, where Python cannot even import its logging."""
    code = f"import time; time.time = lambda: {reading}; from edge import installed; installed.require()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == "the system clock must be between the years 1970 and 2262 (compare `date -u`)\n"


def catches(status: str, number: signal.Signals) -> bool:
    """Whether a process handles a signal, by its /proc/PID/status."""
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


@pytest.mark.skipif(not AS_ROOT, reason="a PID namespace needs root")
def test_sigterm_reaches_pid_1_while_it_starts() -> None:
    """The kernel gives the first process of a container no default action; what is not handled is lost."""
    command = ["unshare", "-pf", "--kill-child", *APP, "run", "--no-mqtt-tls", "--mqtt-auth-method", "none"]
    outer = subprocess.Popen(command, cwd=ROOT, env={**ENVIRONMENT, "MQTT_PORT": "1", "DRAIN_SECONDS": "0"})
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while not (found := children.read_text().split()):
        time.sleep(0.01)
    status = Path(f"/proc/{found[0]}/status")
    wait_until(lambda: catches(status.read_text(), signal.SIGTERM), 30, "it catches SIGTERM")
    os.kill(int(found[0]), signal.SIGTERM)

    try:
        assert outer.wait(30) in {0, 128 + signal.SIGTERM}
    finally:
        outer.kill()


def test_two_signals_within_a_second_are_one(tmp_path: Path) -> None:
    """GNU timeout sends SIGTERM twice; the drain goes on, and what was in flight is acknowledged."""
    with running(EmbeddedBroker()) as broker:
        broker.faults.delay(1.5, times=None)
        with DaemonProcess(*plain(broker), environ={"HTTP_PORT": "0"}) as daemon:
            daemon.says("connected to")
            time.sleep(1.0)
            daemon.signal(signal.SIGTERM)
            daemon.signal(signal.SIGTERM)
            code = daemon.wait()

    assert code == 0
    assert "Messages Failed: 0\n" in daemon.log.rpartition("Statistics")[2]


@pytest.mark.parametrize("starting", [True, False])
def test_a_further_signal_ends_even_a_process_that_cannot_log(starting: bool) -> None:
    """Its standard error is a pipe that is full and that nobody reads, from the start or from some time on."""
    reading, writing = os.pipe()
    if starting:
        fill(writing)
    command = [*APP, "run", "--mqtt-port", "1", "--no-mqtt-tls", "--mqtt-auth-method", "none", "--drain-seconds", "60"]
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=writing)
    try:
        status = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: catches(status.read_text(), signal.SIGTERM), 30, "it catches SIGTERM")
        wait_until(lambda: unread_bytes(reading) > 100, 30, "its first line")
        time.sleep(1.0)
        fill(writing)
        code = signalled_until_it_ends(process)
    finally:
        process.kill()
        os.close(writing)
        os.close(reading)

    assert code in {0, 1, 128 + signal.SIGTERM}


def signalled_until_it_ends(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that gets a SIGTERM every 1.3 s: where it is busy, it may take two for one."""
    for _ in range(20):
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(1.3)
    return process.wait(5)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nothing_reads_stops_nothing(workers: str) -> None:
    """Messages, probes and the end go on; what the log lacks is counted once somebody reads again."""
    reading, writing = os.pipe()
    port = free_port()
    with running(EmbeddedBroker()) as broker:
        received = broker.counters.publishes
        environ = {**ENVIRONMENT, "HTTP_PORT": str(port), "STATS_INTERVAL": "0.1", "WORKERS": workers}
        process = subprocess.Popen([*APP, "run", *plain(broker)], env=environ, stderr=writing)
        try:
            wait_until(lambda: answer(port, "livez") == 200, 30, "alive")
            fill(writing)
            time.sleep(1.5)  # in which it would log statistics fifteen times
            count = received.total()
            assert answer(port, "livez") == 200
            wait_until(lambda: received.total() > count, 20, "more messages")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
            os.close(writing)
            os.close(reading)


def test_a_log_that_is_read_late_has_its_end(tmp_path: Path) -> None:
    """Nothing is lost of what fits into memory: the final statistics are its last lines."""
    reading, writing = os.pipe()
    fill(writing)
    flags = ["run", "--dry-run", "--duration", "1", "--seed", "1"]
    with (tmp_path / "rows").open("wb") as rows, os.fdopen(reading) as pipe:
        process = subprocess.Popen([*APP, *flags], env=ENVIRONMENT, stdout=rows, stderr=writing, cwd=ROOT)
        os.close(writing)
        time.sleep(2)
        log = pipe.read()
        assert process.wait(20) == 0

    assert "plant: " in log
    assert log.rpartition("Statistics")[2].count("Messages Failed: 0") == 1


def answer(port: int, page: str) -> int:
    """The status code of a page, or 0."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as found:
        return int(found.status)
    return 0


def fill(pipe: int) -> None:
    """Write into a pipe until nothing more goes in."""
    os.set_blocking(pipe, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(pipe, b"x" * size)
    os.set_blocking(pipe, True)


# the ground truth


def truth_lines(path: Path) -> list[dict[str, object]]:
    """The lines of a file, each of which has to be JSON."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_the_truth_of_another_run_is_left_alone(tmp_path: Path) -> None:
    """A second run with the same file is refused, and the first one's is whole."""
    truth = tmp_path / "truth.jsonl"
    flags = ["--dry-run", "--truth", str(truth)]
    with DaemonProcess(*flags, "--speed", "100", environ={"HTTP_PORT": "0"}, stdout=subprocess.DEVNULL) as first:
        first.says("plant: ")
        wait_until(truth.exists, 15, "it writes")
        code, second = ran(*flags, "--count", "1")
        first.signal(signal.SIGTERM)
        assert first.wait() == 0

    assert code == 2
    assert f"--truth: cannot write {truth}: another run is writing to it" in second.log
    assert [line for line in truth_lines(truth) if line["type"] == "run"]


def test_a_run_that_cannot_start_leaves_an_old_truth_alone(tmp_path: Path) -> None:
    """Its port is taken."""
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"type":"run"}\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _ = ran("--dry-run", "--truth", str(truth), "--http-port", str(port))

    assert code == 2
    assert truth.read_text() == '{"type":"run"}\n'


def test_a_full_disk_under_the_truth_ends_the_run_with_a_line(tmp_path: Path) -> None:
    """Messages that wait are still delivered, the statistics are the last word, and the exit code is 1."""
    with running(EmbeddedBroker()) as broker:
        flags = ["--speed", "300", "--truth", "/dev/full", *plain(broker)]
        with DaemonProcess(*flags, environ={"HTTP_PORT": "0"}) as daemon:
            assert daemon.wait() == 1

    assert "cannot write --truth /dev/full: No space left on device" in daemon.log
    assert "Traceback" not in daemon.log
    assert "Messages Failed: 0\n" in daemon.log.rpartition("Statistics")[2]


def test_the_truth_is_not_written_over_the_plant(tmp_path: Path) -> None:
    """A slip of the shell's history."""
    plant = tmp_path / "plant.yaml"
    plant.write_bytes((ROOT / "message_structure.yaml").read_bytes())
    code, done = ran("--dry-run", "--count", "1", "--message-config-path", str(plant), "--truth", str(plant))

    assert code == 2
    assert f"--truth: {plant} is the plant's file" in done.log
    assert plant.read_bytes() == (ROOT / "message_structure.yaml").read_bytes()


def test_a_ground_truth_that_nothing_reads_ends_the_run_with_a_line(tmp_path: Path) -> None:
    """The event loop never waits for long: messages that were queued are delivered, and statistics are the end."""
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with running(EmbeddedBroker()) as broker:
            flags = ["--speed", "max", "--duration", "9d", *changing_often(tmp_path), *plain(broker)]
            flags += ["--truth", str(tmp_path / "pipe")]
            with DaemonProcess(*flags, environ={"HTTP_PORT": "0", "DRAIN_SECONDS": "2"}) as daemon:
                assert daemon.wait(50) == 1
    finally:
        os.close(descriptor)

    assert f"cannot write --truth {tmp_path}/pipe: its reader has read nothing for 2 s" in daemon.log
    assert "Traceback" not in daemon.log
    assert "Messages Failed: " in daemon.log.rpartition("Statistics")[2]


def changing_often(directory: Path) -> list[str]:
    """Flags for a plant that has more ground truth than messages: 35 kB of it for each second."""
    states = "{a: {share: 0.5, dwell_seconds: 1, produces: true}, b: {share: 0.5, dwell_seconds: 1}}"
    press = f"{{count: 500, report_seconds: 30, signals: {{force: {{base: 2}}}}, states: {states}}}"
    (directory / "often.yaml").write_text(f"message_types: {{press: {press}}}\n")
    return ["--message-config-path", str(directory / "often.yaml")]


def unread_bytes(descriptor: int) -> int:
    """How much waits in a pipe."""
    found = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, found)
    return found[0]


def is_full(reading: int) -> bool:
    """Whether a pipe takes nothing more. How many bytes that are depends on how they were written."""
    writing = os.open(f"/proc/self/fd/{reading}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [writing], [], 0)[1]
    finally:
        os.close(writing)


def test_a_stalled_reader_of_the_ground_truth_stops_nothing_at_first(tmp_path: Path) -> None:
    """A run in real time continues for minutes, and a signal ends it soon, with the reason."""
    os.mkfifo(tmp_path / "pipe")
    descriptor, port = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK), free_port()
    try:
        with running(EmbeddedBroker()) as broker:
            flags = ["--truth", str(tmp_path / "pipe"), *changing_often(tmp_path), *plain(broker)]
            with DaemonProcess(*flags, environ={"HTTP_PORT": str(port)}) as daemon:
                wait_until(lambda: answer(port, "livez") == 200, 30, "alive")
                wait_until(lambda: is_full(descriptor), 30, "a pipe that takes nothing more")
                time.sleep(2.5)  # longer than a reader may take at the end
                assert answer(port, "livez") == 200
                daemon.signal(signal.SIGTERM)
                assert daemon.wait() == 1
    finally:
        os.close(descriptor)

    assert f"cannot write --truth {tmp_path}/pipe: its reader has read nothing for 2 s" in daemon.log


def test_a_pipe_gets_the_whole_ground_truth(tmp_path: Path) -> None:
    """However fast the run is, and although its reader begins late."""
    flags = ["--dry-run", "--seed", "1", "--start", "2026-01-01T00:00:00Z", "--duration", "1h", "--speed", "max"]
    ran(*flags, "--truth", str(tmp_path / "file"), stdout=subprocess.DEVNULL)
    os.mkfifo(tmp_path / "pipe")
    hold = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(["bash", "-c", f"sleep 1; cat {tmp_path}/pipe > {tmp_path}/piped"]) as reader:
        code, done = ran(*flags, "--truth", str(tmp_path / "pipe"), stdout=subprocess.DEVNULL)
        os.close(hold)
        reader.wait(20)

    assert code == 0, done.log
    assert (tmp_path / "file").stat().st_size > 4 * PIPE_BYTES, "many times what a pipe takes"
    assert (tmp_path / "file").read_bytes() == (tmp_path / "piped").read_bytes()


@pytest.mark.parametrize("path", [pytest.param("/", marks=thorough), "/no/such/directory/file", "{tmp}/pipe"])
def test_a_truth_that_cannot_be_opened_is_a_line(path: str, tmp_path: Path) -> None:
    """A directory, a missing one, a pipe that nobody reads."""
    os.mkfifo(tmp_path / "pipe")
    code, done = ran("--dry-run", "--count", "1", "--truth", path.format(tmp=tmp_path))

    assert code == 2
    assert re.search(r"--truth: cannot write \S+: ", done.log)
