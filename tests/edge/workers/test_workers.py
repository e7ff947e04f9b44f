"""Facts about a plant that several processes on one machine play: to those outside it is one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import httpx
import pytest

import edge.workers.supervisor
from edge.delivery.queue import Ledger
from edge.lateness import Lateness
from edge.runtime.reload import NotApplied
from edge.runtime.run_options import RunOptions, UsageError
from edge.runtime.tasks import TaskSupervisor
from edge.settings.loader import Settings, SettingsError
from edge.status import ConnectionStatus, OeeQuery
from edge.workers.aggregation import sum_connections, sum_ledgers
from edge.workers.channel import Channel
from edge.workers.partition import fork_workers, split_count
from edge.workers.process import ending_of, fork
from edge.workers.supervisor import WorkerDied, WorkerSupervisor
from edge.workers.worker import NotDone
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, PlantConfigError
from plant.definition.plant_config import parse as parse_config
from plant.telemetry import Message
from sandbox.access import Passwords
from sandbox.broker import EmbeddedBroker, Listener
from tests.edge.runtime.test_simulator import final_block, free_port, one_cnc
from tests.support.brokers.subscriber import Record, Recorder
from tests.support.factory.plants import config, default
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.options import parsed
from tests.support.processes.waiting import wait_until

NO_HTTP = ["--http-port", "0"]
REPLAY = ["--count", "300", "--seed", "1", "--start", "2026-01-01T00:00:00Z", "--speed", "max", *NO_HTTP]

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""The threads of the test's process take no part in what the worker does."""


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A plain embedded broker."""
    with running(EmbeddedBroker()) as broker:
        yield broker


@pytest.fixture
def plant_file(tmp_path: Path) -> Path:
    """A plant of six fast CNC machines, 60 rows a second in all."""
    path = tmp_path / "plant.yaml"
    path.write_text(one_cnc(report_seconds=0.1, count=6))
    return path


def rows(broker: EmbeddedBroker, *flags: str) -> Counter[Record]:
    """What a broker gets from a run of 300 messages, each with how often."""
    with Recorder(broker.port) as recorder, DaemonProcess(*flags, *REPLAY, *plain(broker)) as daemon:
        assert daemon.wait() == 0
        assert final_block(daemon) == (300, 0, 0)
        return Counter(record._replace(expiry_seconds=None) for record in recorder.wait_for(300))


def said_by(plant: PlantConfig, part: Settings) -> list[Message]:
    """What a part of a plant says in its first hour."""
    return FactoryMessageGenerator.of(plant, part.seed, shard=part.part).advance(START + 3600)


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processes_of(daemon: DaemonProcess) -> list[int]:
    """The process ids of the workers."""
    return children_of(daemon.process.pid)


def machines_of(recorder: Recorder) -> set[bytes]:
    """Who has been heard."""
    return {name for each in list(recorder.records) for name in re.findall(rb"CNC-\d\d", each.payload)}


def value(metrics: str, name: str) -> float:
    """The sum of all samples of a metric."""
    return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", metrics, re.MULTILINE)))


def test_workers_say_what_one_process_says(broker: EmbeddedBroker) -> None:
    """The first 300 messages of the plant, to the byte and with the same ids, and one final block with their sum."""
    assert rows(broker, "--workers", "3") == rows(broker)


def test_workers_of_a_shard_say_what_the_shard_says(broker: EmbeddedBroker) -> None:
    """So shards may have workers of different number."""
    assert rows(broker, "--workers", "2", "--shard", "2/3") == rows(broker, "--shard", "2/3")


def test_each_worker_is_a_client_of_its_own(broker: EmbeddedBroker) -> None:
    """Ids are made of the configured one, so a restarted process has the same again; log lines say whose they are."""
    for _ in range(2):
        with DaemonProcess("--workers", "2", "--mqtt-client-id", "plant", *plain(broker), *NO_HTTP) as daemon:
            wait_until(lambda: sorted(broker.connected) == ["plant-1", "plant-2"], 15, "both connected")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0
        for number in (1, 2):
            assert re.search(rf"broker: worker {number}: connected to broker .* client_id=plant-{number} ", daemon.log)

    assert broker.sessions == {}


def test_the_http_port_shows_the_whole_plant(broker: EmbeddedBroker, plant_file: Path) -> None:
    """Metrics and details are sums, /oee has every machine in order, ready means all, and a reload is everybody's."""
    flags = ["--workers", "2", "--message-config-path", str(plant_file), *plain(broker)]
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(DaemonProcess(*flags, environ={"HTTP_PORT": str(free_port())}))
        client = stack.enter_context(httpx.Client(base_url=daemon.url(), transport=httpx.HTTPTransport(retries=5)))
        wait_until(lambda: client.get("/readyz").status_code == 200, 15, "ready")
        before = broker.counters.publishes.total()
        metrics, details = client.get("/metrics").text, client.get("/healthz").json()
        machines = [each["machine_id"] for each in client.get("/oee").json()["machines"]]
        plant_file.write_text(one_cnc(report_seconds=0.1, count=8))
        reloaded = client.post("/-/reload").json()
        metrics_then = client.get("/metrics").text

    assert before <= value(metrics, "edgemqttsim_messages_generated_total") <= details["ledger"]["messages_generated"]
    assert (value(metrics, "edgemqttsim_connects_total"), value(metrics, "edgemqttsim_reconnects_total")) == (2, 0)
    assert (details["status"], details["connection"]["clients"]) == ("ok", 2)
    assert machines == [f"CNC-0{number}" for number in range(1, 7)]
    assert reloaded == {"machines": {"cnc_machine": 8}}
    assert [value(text, "edgemqttsim_machines") for text in (metrics, metrics_then)] == [6, 8]


class ReadsOf:
    """Context manager: sees when somebody has read a file (inotify(7))."""

    _CLOSE_NOWRITE, _EVENT_BYTES = 0x10, 16

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_CLOEXEC)
        assert libc.inotify_add_watch(self._descriptor, os.fsencode(self._path), self._CLOSE_NOWRITE) > 0
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def wait(self, times: int) -> None:
        """Wait until it has been opened and closed so often."""
        seen = 0
        while seen < times:
            assert select.select([self._descriptor], [], [], 40)[0], "nobody has read the file"
            seen += len(os.read(self._descriptor, 4096)) // self._EVENT_BYTES


def test_an_edited_plant_is_followed_by_all_workers(broker: EmbeddedBroker, plant_file: Path) -> None:
    """The file is read once and the plant handed on, so that all follow it or none; the log has one line of it."""
    flags = ["--workers", "2", "--message-config-path", str(plant_file), "--reload-seconds", "0.1"]
    with Recorder(broker.port) as recorder, DaemonProcess(*flags, *plain(broker), *NO_HTTP) as daemon:
        recorder.wait_for(5)
        plant_file.write_text(one_cnc(report_seconds=0.1, count=8))
        daemon.says("reloaded")
        wait_until(lambda: {b"CNC-07", b"CNC-08"} <= machines_of(recorder), 20, "a new machine of each worker")

    assert daemon.log.count("reloaded") == 1


def test_an_edit_is_followed_while_the_truth_is_being_asked_for(tmp_path: Path) -> None:
    """What a worker says of one thing is not taken for what it says of another, whichever it says first."""
    plant, port = tmp_path / "plant.yaml", free_port()
    plant.write_text(one_cnc(report_seconds=10, count=300))
    flags = ["--message-config-path", str(plant), "--mqtt-port", str(free_port()), "--mqtt-auth-method", "NONE"]
    done = threading.Event()

    def ask() -> set[int]:
        """Ask for it again and again; the codes of the answers."""
        codes = set[int]()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as asking:
            while not done.is_set():
                codes.add(asking.get("/oee").status_code)
        return codes

    with (
        DaemonProcess(*flags, "--workers", "2", "--http-port", str(port), "--reload-seconds", "3600") as daemon,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client,
        ThreadPoolExecutor(2) as others,
    ):
        wait_until(lambda: answers(client), 30, "an open port")
        asked = [others.submit(ask) for _ in range(2)]
        codes = set[int]()
        for seconds in range(11, 14):
            plant.write_text(one_cnc(report_seconds=seconds, count=300))
            codes.add(client.post("/-/reload").status_code)
        done.set()
        codes |= {code for each in asked for code in each.result()}
        daemon.signal(signal.SIGTERM)
        daemon.wait()

    assert codes == {200}


def answers(client: httpx.Client) -> bool:
    """Whether the port is open."""
    with contextlib.suppress(httpx.TransportError):
        return client.get("/livez").status_code == 200
    return False


def test_a_plant_edited_during_the_start_is_followed(plant_file: Path) -> None:
    """What changes after the file was read, as here while a count is dealt out, is not lost."""
    flags = ["--mqtt-port", "1", "--no-mqtt-tls", "--mqtt-auth-method", "none", "--drain-seconds", "0", *NO_HTTP]
    flags += ["--workers", "2", "--count", "400000", "--reload-seconds", "0.1"]
    flags += ["--message-config-path", str(plant_file)]
    with ReadsOf(plant_file) as reads, DaemonProcess(*flags) as daemon:
        reads.wait(2)  # it is opened to see what it is, and to be read
        plant_file.write_text(one_cnc(report_seconds=0.1, count=8))
        daemon.says("plant: 6 machines, in 2 workers", 40)
        daemon.says(r"reloaded .*\b8\b", 40)


def test_sigterm_has_all_workers_drain(broker: EmbeddedBroker, plant_file: Path) -> None:
    """Everything said is acknowledged, and counted in one block; a signal to the whole group does no harm."""
    flags = ["--workers", "2", "--message-config-path", str(plant_file), *plain(broker), *NO_HTTP]
    with DaemonProcess(*flags) as daemon:
        wait_until(lambda: broker.counters.publishes.total() >= 30, 15, "messages")
        for pid in (daemon.process.pid, *processes_of(daemon)):
            subprocess.run(["kill", "-TERM", str(pid)], check=False, stderr=subprocess.DEVNULL)  # may be over already
        assert daemon.wait() == 0

    assert final_block(daemon) == (broker.counters.publishes.total(), 0, 0)
    assert daemon.log.count("📊") == 1


def test_a_worker_that_is_killed_ends_the_whole(broker: EmbeddedBroker, plant_file: Path) -> None:
    """No half of a plant goes on: the others drain, the log says who died of what, and the exit code is 1."""
    flags = ["--workers", "2", "--message-config-path", str(plant_file), *plain(broker), *NO_HTTP]
    with DaemonProcess(*flags) as daemon:
        wait_until(lambda: len(broker.connected) == 2, 15, "both connected")
        victim = processes_of(daemon)[1]
        subprocess.run(["kill", "-KILL", str(victim)], check=True)
        assert daemon.wait() == 1

    assert f"worker 2 of 2 (process {victim}) was killed by SIGKILL" in daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize(
    ("exit_code", "ending"),
    [
        (3, "has ended with exit code 3"),
        (-9, "was killed by SIGKILL"),
        (-34, "was killed by SIGRTMIN"),
        (-40, "was killed by SIGRTMIN+6"),
        (-64, "was killed by SIGRTMAX"),
        (-99, "was killed by SIGRTMIN+65"),
        (-33, "was killed by signal 33"),
    ],
)
def test_every_end_of_a_process_has_a_name(exit_code: int, ending: str) -> None:
    """Python has no names for most real-time signals."""
    assert ending_of(exit_code) == ending


def test_a_worker_that_is_killed_leaves_no_message_uncounted(broker: EmbeddedBroker, plant_file: Path) -> None:
    """What it had queued or in flight is dropped, for the reason `worker`; the others' is delivered or dropped."""
    broker.faults.withhold(times=None)
    flags = ["--workers", "2", "--message-config-path", str(plant_file), *plain(broker), *NO_HTTP]
    with DaemonProcess(*flags, environ={"DRAIN_SECONDS": "1", "STATS_INTERVAL": "0.2"}) as daemon:
        wait_until(lambda: broker.counters.publishes.total() >= 4, 15, "messages")
        daemon.says("In Flight: [1-9]")
        for victim in processes_of(daemon):
            subprocess.run(["kill", "-40", str(victim)], check=True)
        assert daemon.wait() == 1

    for number in (1, 2):
        assert re.search(rf"worker {number} of 2 \(process \d+\) was killed by SIGRTMIN\+6", daemon.log)
    assert "Traceback" not in daemon.log
    block = daemon.log.rpartition("Statistics")[2]
    assert (block.count("Queue Depth: 0"), block.count("In Flight: 0")) == (1, 1)
    assert re.search(r"Dropped: [1-9]\d* worker\n", block)


def test_a_worker_that_hangs_stops_no_other_one(broker: EmbeddedBroker, plant_file: Path) -> None:
    """A reload is rejected in words while the healthy worker publishes, and /livez fails soon, with the reason."""
    flags = ["--workers", "2", "--message-config-path", str(plant_file), *plain(broker), "--reload-seconds", "60"]
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(DaemonProcess(*flags, environ={"HTTP_PORT": str(free_port())}))
        client = stack.enter_context(httpx.Client(base_url=daemon.url(), timeout=30))
        wait_until(lambda: len(broker.counters.publishes) == 2, 15, "messages of both")
        hung, healthy = processes_of(daemon)[1], "-1"
        publisher = next(name for name in broker.counters.publishes if name.endswith(healthy))
        os.kill(hung, signal.SIGSTOP)
        time.sleep(0.2)
        plant_file.write_text(one_cnc(report_seconds=0.1, count=8))
        before, began = broker.counters.publishes[publisher], time.monotonic()
        answer = client.post("/-/reload")
        enough = before + 0.7 * (time.monotonic() - began) * 30  # messages a second of half of the plant
        wait_until(lambda: broker.counters.publishes[publisher] >= enough, 20, "the messages of that time")
        wait_until(lambda: client.get("/livez").status_code == 503, 15, "not alive")
        reason = client.get("/livez").text
        os.kill(hung, signal.SIGCONT)
        wait_until(lambda: client.get("/livez").status_code == 200, 20, "alive")

    (mistake,) = answer.json()["errors"]
    assert mistake.endswith(f"cannot be applied now: worker 2 of 2 (process {hung}) does not answer")
    assert re.match(rf"worker 2 of 2 \(process {hung}\) has not reported for [1-9]\d\.\d s$", reason.strip())


def test_workers_do_not_outlive_the_process_at_the_front(broker: EmbeddedBroker) -> None:
    """Even where that was killed they say good-bye to the broker, and are gone."""
    with DaemonProcess("--workers", "2", *plain(broker), *NO_HTTP) as daemon:
        wait_until(lambda: len(broker.connected) == 2, 15, "both connected")
        pids = processes_of(daemon)
        daemon.signal(signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20, "all gone")

    assert broker.sessions == {}


def test_a_second_signal_ends_all_workers_at_once(broker: EmbeddedBroker, plant_file: Path) -> None:
    """Nobody waits for a broker that acknowledges nothing."""
    broker.faults.withhold(times=None)
    flags = [*plain(broker), "--drain-seconds", "60", *NO_HTTP]
    with DaemonProcess("--workers", "2", "--message-config-path", str(plant_file), *flags) as daemon:
        wait_until(lambda: len(broker.counters.publishes) == 2, 15, "messages of both in flight")
        pids = processes_of(daemon)
        daemon.signal(signal.SIGTERM)
        daemon.says("received SIGTERM, shutting down")
        time.sleep(1.1)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 1
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20, "all gone")


CHANGE = {"ping": None, "hold": 1.0, "try": 1}
"""What a worker is asked before it follows another configuration, and what it answers: plant times."""


def recalls(end: socket.socket) -> int:
    """The life of a worker that answers a question with the names of all that it has been told up to then."""

    async def live() -> None:
        channel, told = await Channel.over(end), list[str]()
        async for name, value in channel.messages():
            told.append(name)
            if name in {"first", "second", *CHANGE}:
                channel.send("answer", (value[0], told if name in {"first", "second"} else CHANGE[name]))
            if name == "second":
                break
        await channel.close()

    asyncio.run(live())
    return 0


@FORKS
def test_what_is_said_to_a_worker_at_once_is_heard() -> None:
    """A signal, a reload or a scrape may come before its channel is there: nothing is lost, and no answer mixed up."""
    (worker,) = fork([recalls], time.monotonic)
    workers = WorkerSupervisor([worker], 1, "", time.monotonic, 0.0)

    async def talk() -> list[object]:
        workers.start(life := TaskSupervisor(), lambda *_: None)
        await workers.apply(config())
        heard = [await asyncio.wait_for(worker.ask(question), 30.0) for question in ("first", "second")]
        await life.until_ended()
        return heard

    assert asyncio.run(talk()) == [
        ["start", *CHANGE, "keep", "first"],
        ["start", *CHANGE, "keep", "first", "second"],
    ]


def tries(answer: int | Exception | None, end: socket.socket) -> int:
    """The life of a worker that is asked to try a structure: it answers so, or not at all."""

    async def live() -> None:
        channel, told = await Channel.over(end), list[str]()
        async for name, value in channel.messages():
            told.append(name)
            if name in CHANGE and (name != "try" or answer is not None):
                channel.send("answer", (value[0], answer if name == "try" else CHANGE[name]))
            if name == "what":
                channel.send("answer", (value[0], told))
                break
        await channel.close()

    asyncio.run(live())
    return 0


@FORKS
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NotDone("KeyError: 'x'"), r"worker 2 of 3 \(process \d+\): KeyError: 'x'$"),
        (None, "worker 2 of 3 .* does not answer"),
    ],
)
def test_a_structure_that_one_worker_cannot_follow_is_followed_by_none(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | None, why: str
) -> None:
    """All have tried it, and all take it back, also who answers too late."""
    monkeypatch.setattr(edge.workers.supervisor, "_TRIAL_SECONDS", 3.0)
    forked = fork([functools.partial(tries, each) for each in (1, answer, 1)], time.monotonic)
    workers = WorkerSupervisor(forked, 1, "", time.monotonic, 0.0)

    async def talk() -> list[object]:
        workers.start(life := TaskSupervisor(), lambda *_: None)
        with pytest.raises(NotApplied, match=why):
            await workers.apply(config())
        told = [await asyncio.wait_for(worker.ask("what"), 30.0) for worker in forked]
        await workers.shutdown(None)
        await life.close()
        return told

    assert asyncio.run(talk()) == [["start", *CHANGE, "take back", "what"]] * 3


@FORKS
def test_a_dead_worker_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for the truth of a plant that is not whole any more is told so, long before an answer would be due."""
    monkeypatch.setattr(edge.workers.supervisor, "_ANSWER_SECONDS", 600.0)
    (worker,) = fork([lambda _end: 0], time.monotonic)
    workers = WorkerSupervisor([worker], 1, "", time.monotonic, 0.0)

    async def talk() -> None:
        workers.start(life := TaskSupervisor(), lambda *_: None)
        assert isinstance(await life.until_ended(), WorkerDied)
        await workers.refresh()
        with pytest.raises(TimeoutError):
            await workers.oee(OeeQuery())

    asyncio.run(talk())


def test_the_exit_code_is_the_worst_of_all(tmp_path: Path) -> None:
    """A broker that refuses the workers for good is exit 3, as with one process."""
    secret = tmp_path / "password"
    secret.write_text("wrong")
    with running(EmbeddedBroker(Listener(access=Passwords({"me": "right"})))) as broker:
        flags = [*plain(broker)[:-1], "userpass", "--mqtt-username", "me", "--mqtt-password-file", str(secret)]
        with DaemonProcess("--workers", "2", *flags, *NO_HTTP) as daemon:
            assert daemon.wait() == 3

    assert "0x86 Bad user name or password" in daemon.log


def cannot_be_built(plant: FactoryMessageGenerator) -> None:
    """Stand in for the rehearsal of a plant whose second part cannot be built."""
    if plant.shard[0] == 2:
        raise KeyError("no\nsuch key")


def out_of_memory(_plant: FactoryMessageGenerator, _config: PlantConfig) -> None:
    """Stand in for the building of a plant that is too large for this machine."""
    raise MemoryError


@FORKS
@pytest.mark.parametrize(
    ("step", "fails", "why"),
    [("rehearse", cannot_be_built, r"KeyError: 'no\\nsuch key'"), ("_apply", out_of_memory, "MemoryError")],
)
@pytest.mark.parametrize("flags", [[], ["--count", "50"]], ids=["unbounded", "count"])
def test_a_plant_that_a_worker_cannot_build_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], step: str, fails: Callable[..., None], why: str
) -> None:
    """As in one process: one line with the file, before anything runs, and no worker is left."""
    monkeypatch.setattr(FactoryMessageGenerator, step, fails)
    before = children_of(os.getpid())
    with pytest.raises(PlantConfigError, match=rf"^/.*\.yaml: cannot be used: {why}$"):
        fork_workers(parsed(RunOptions, *flags), Settings.load({"WORKERS": "3"}, pid=1), config())
    assert children_of(os.getpid()) == before


@pytest.mark.parametrize("flags", [["--dry-run"], ["--demo"], ["--truth", "truth.jsonl"]], ids=" ".join)
def test_what_one_process_alone_can_do_is_refused(flags: list[str]) -> None:
    """Before anything runs, and in one sentence."""
    with pytest.raises(UsageError, match=f"^{flags[0]}: needs a single process: leave out WORKERS$"):
        fork_workers(parsed(RunOptions, *flags), Settings.load({"WORKERS": "2"}, pid=1), config())


@pytest.mark.parametrize("shard", ["1/1", "2/3"])
@pytest.mark.parametrize("count", [1, 2, 150, 22, 2500])
def test_a_count_is_dealt_out_exactly(shard: str, count: int) -> None:
    """What the workers say, each its share, is the beginning of what one says; also amid reports that come together."""
    plant = dealt_plant()
    whole, of_parts = said_in_an_hour(shard)
    dealt = split_count(RunOptions(count=count, start=1_767_225_600.0), settings_of(shard).of_workers(), plant)
    said = [rows[:number] for rows, number in zip(of_parts, dealt, strict=True)]

    assert sum(dealt) == count
    assert Counter(row for rows in said for row in rows) == Counter(whole[:count])


@functools.cache
def dealt_plant() -> PlantConfig:
    """The default plant with reports, and with a type that says little."""
    data = default()
    data["message_types"] |= {"oee": {"enabled": True, "report_seconds": 30.0}}
    data["message_types"]["welding"]["frequency_weight"] = 0.5
    return parse_config(data)


def settings_of(shard: str) -> Settings:
    """Those of four workers."""
    return Settings.load({"SHARD": shard, "SEED": "1", "WORKERS": "4"}, pid=1)


@functools.cache
def said_in_an_hour(shard: str) -> tuple[list[Message], list[list[Message]]]:
    """What one process says, and each of the workers."""
    settings = settings_of(shard)
    return said_by(dealt_plant(), settings), [said_by(dealt_plant(), part) for part in settings.of_workers()]


# the settings of parts


@pytest.mark.parametrize(("pod", "part"), [("x-2", (3, 3)), ("plant-7-0", (1, 3))])
def test_a_pod_of_a_stateful_set_is_the_part_that_its_name_ends_in(pod: str, part: tuple[int, int]) -> None:
    """Kubernetes counts from 0, and parts are counted from 1."""
    settings = Settings.load({"SHARD": "ordinal/3", "SEED": "1", "POD_NAME": pod}, pid=1)

    assert settings.part == part
    assert settings.of_workers()[0].mqtt_client_id == f"{pod}-{part[0]}"


@pytest.mark.parametrize(
    ("pod", "rule"),
    [
        ("x-3", "at least ordinal/4 in the pod 'x-3'"),
        ("x", "a part such as 2/3, as POD_NAME, 'x', does not end in the number of a pod in a StatefulSet"),
        ("a-5f-bc", "a part such as 2/3, as POD_NAME, 'a-5f-bc', does not end in the number of a pod in a StatefulSet"),
        ("", "a part such as 2/3, as POD_NAME is not set"),
    ],
)
def test_a_pod_whose_name_tells_no_part_is_told_so(pod: str, rule: str) -> None:
    """Its ordinal is not below the number of parts, or there is none."""
    with pytest.raises(SettingsError) as refusal:
        Settings.load({"SHARD": "ordinal/3", "SEED": "1", "POD_NAME": pod}, pid=1)

    assert str(refusal.value) == f"SHARD: must be {rule}, not 'ordinal/3'"


def test_no_two_parts_of_a_plant_share_a_client_id_or_a_machine() -> None:
    """Three shards of two workers are six parts; what the queue holds in all stays the same."""
    environ = {"SEED": "1", "WORKERS": "2", "MQTT_CLIENT_ID": "plant", "QUEUE_SIZE": "1001"}
    parts = [part for k in (1, 2, 3) for part in Settings.load({**environ, "SHARD": f"{k}/3"}, pid=1).of_workers()]

    assert [part.shard for part in parts] == ["1/6", "4/6", "2/6", "5/6", "3/6", "6/6"]
    assert sorted(part.mqtt_client_id for part in parts) == [f"plant-{number}" for number in range(1, 7)]
    assert [part.queue_size for part in parts[:2]] == [501, 500]


# sums


def test_the_sum_of_connections_is_as_good_as_the_worst() -> None:
    """One client that is away makes the whole not ready, and each one's first connect is no reconnect."""
    up = ConnectionStatus(
        connected=True, connects=3, last_reason="connected", token_expiry=9.0, last_ack_age_seconds=1.0
    )
    away = ConnectionStatus(connects=1, last_reason="cannot reach it", token_expiry=5.0, last_ack_age_seconds=4.0)
    both = sum_connections([up, away])

    assert (both.connected, both.last_reason) == (False, "cannot reach it")
    assert (both.connects, both.reconnects) == (4, 2)
    assert (both.token_expiry, both.last_ack_age_seconds) == (5.0, 4.0)


def test_what_a_connection_has_counted_counts_on_when_it_is_over() -> None:
    """A counter never falls because a worker is done; whether the whole is connected is not for that one to say."""
    up, done = ConnectionStatus(connected=True, connects=1), ConnectionStatus(connects=3, token_renewals=2)
    whole = sum_connections([up], [done])

    assert (whole.connected, whole.connects, whole.reconnects, whole.token_renewals) == (True, 4, 2, 2)


def test_workers_that_have_never_connected_are_a_connection_too() -> None:
    """No client so far is not no broker, as in a dry run: the statistics say why there is no connection."""
    away = ConnectionStatus(last_reason="cannot reach it")
    whole = sum_connections([away, away])

    assert (whole.clients > 0, whole.reconnects, whole.last_reason) == (True, 0, "cannot reach it")


def test_sums_balance_as_their_parts_do() -> None:
    """Each figure of a ledger is added up, by kind and reason too; a histogram bucket by bucket."""
    parts, late = [Ledger(), Ledger()], [Lateness(), Lateness()]
    for number, ledger in enumerate(parts, 1):
        ledger.generated, ledger.acknowledged, ledger.queued = 5 * number, 3 * number, number
        ledger.dropped["oldest"] = number
        late[number - 1].observe(0.3)
    whole, lateness = Ledger(), Lateness()
    sum_ledgers(whole, parts)
    lateness.set_to_sum(late)

    assert (whole.generated, whole.dropped, whole.balances()) == (15, {"oldest": 3}, True)
    assert dict(lateness.buckets())["0.5"] == 2
