"""The measurement: processor time and memory of the simulator, with viewers and without."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.request import urlopen

import orjson

from benchmarks.broker import BenchBroker
from benchmarks.proc import cpu_seconds, memory_bytes
from benchmarks.progress import Say
from benchmarks.runs.live import plant_file, start
from benchmarks.viewers.watching import Viewers
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.waiting import wait_until

_START_SECONDS: Final = 60.0
_SETTLE_SECONDS: Final = 8.0
"""Within which the tap of messages is closed again, and a viewer that does not read is not looked for any more."""
_LOOK_SECONDS: Final = 15.0


class Scene(NamedTuple):
    """Who looks. viewers: how many.  query: what they ask for beside the overview.  stalled: whether none reads."""

    name: str
    viewers: int
    query: str = ""
    stalled: bool = False


NOBODY: Final = Scene("nobody", 0)
ALL: Final = "?machine={machine}&traffic=true"


class Cost(NamedTuple):
    """seconds: for how long it was watched.  cpu_seconds: of the simulator.  bytes_a_second: that a viewer was sent."""

    seconds: float
    cpu_seconds: float
    bytes_a_second: float

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu_seconds / self.seconds


class Growth(NamedTuple):
    """seconds: for how long it was watched.  samples: seconds since then, and bytes of memory."""

    seconds: float
    samples: list[tuple[float, int]]

    @property
    def bytes(self) -> int:
        """From the mean of the first quarter to that of the last."""
        sizes = [size for _, size in self.samples]
        quarter = max(1, len(sizes) // 4)
        return round(sum(sizes[-quarter:]) / quarter - sum(sizes[:quarter]) / quarter)


@contextmanager
def simulator(machines: int, rate: float) -> Iterator[DaemonProcess]:
    """Run a plant against mosquitto, from when it sends at its rate."""
    with (
        tempfile.TemporaryDirectory() as folder,
        BenchBroker(Path(folder)) as broker,
        start(broker.port, "--message-config-path", plant_file(Path(folder), machines, rate)) as process,
    ):
        process.says("app: first on ", _START_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        yield process


def costs(process: DaemonProcess, scenes: list[Scene], seconds: float, rounds: int, say: Say) -> dict[str, Cost]:
    """Watch the simulator for so many seconds in each scene, in turns, as the machine has other work as well."""
    url, pid = process.url(), process.process.pid
    found = defaultdict[str, list[Cost]](list)
    for number in range(rounds):
        for scene in scenes:
            cost = _cost(url, pid, scene, seconds / rounds)
            found[scene.name].append(cost)
            say(f"round {number + 1} of {rounds}: {scene.name}: {100 * cost.share:.1f} % of a core")
    return {name: _sum(parts) for name, parts in found.items()}


def growth(process: DaemonProcess, scene: Scene, seconds: float, settle_seconds: float, say: Say) -> Growth:
    """Watch the simulator's memory with viewers, after it has settled."""
    with Viewers(process.url(), scene.viewers, scene.query):
        time.sleep(settle_seconds)
        began, samples = time.monotonic(), list[tuple[float, int]]()
        while (passed := time.monotonic() - began) < seconds:
            samples.append((passed, memory_bytes(process.process.pid)))
            if len(samples) % 20 == 1:
                say(f"memory after {passed:.0f} s: {samples[-1][1] / 2**20:.1f} MiB")
            time.sleep(min(_LOOK_SECONDS, seconds / 20))
    return Growth(seconds, samples)


def _cost(url: str, pid: int, scene: Scene, seconds: float) -> Cost:
    with Viewers(url, scene.viewers, scene.query, stalled=scene.stalled) as viewers:
        if scene.viewers and not scene.stalled:
            wait_until(lambda: viewers.received, _START_SECONDS, "the first event")
        time.sleep(_SETTLE_SECONDS)
        began, spent, received = time.perf_counter(), cpu_seconds(pid), viewers.received
        time.sleep(seconds)
        passed = time.perf_counter() - began
        per_viewer = (viewers.received - received) / passed / max(1, scene.viewers)
        return Cost(passed, cpu_seconds(pid) - spent, per_viewer)


def _sum(parts: list[Cost]) -> Cost:
    seconds, spent = (sum(values) for values in list(zip(*parts, strict=True))[:2])
    return Cost(seconds, spent, sum(each.bytes_a_second for each in parts) / len(parts))


def any_machine(process: DaemonProcess) -> str:
    """The id of a machine of the plant."""
    with urlopen(f"{process.url()}/api/v1/machines?limit=1", timeout=_START_SECONDS) as answer:  # noqa: S310 - our own
        found: str = orjson.loads(answer.read())["machines"][0]["machine_id"]
    return found
