"""Mutated plant files: by `check`, and by reload into a plant that is publishing.

After a refusal the plant must say what its twin says, which was never asked; after a change, what a twin says that was
changed at the same moment. What leaves the plant passes a real pacer and outbox; a reader takes and acknowledges it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from math import inf
from pathlib import Path
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant

from edge.delivery.queue import MessageQueue
from edge.runtime.pacer import Pacer, PacerHooks, Timing
from edge.runtime.plant_file import digest
from edge.runtime.reload import LoadedPlant, PlantLoader, Reloader, load_at_start, parse_plant
from edge.settings.loader import Settings
from edge.settings.types import QueuePolicy
from fuzz.campaign import LONGEST_SECONDS, Finding, Log, Result, random_for
from fuzz.plantfiles import SHIPPED, mutated, put
from messages import START, FactoryMessageGenerator, topic_template
from plant.definition.plant_config import PlantConfig, load
from plant.forecast.rate_forecast import check
from plant.telemetry import Message

_MOST_MACHINES = 500
"""Larger plants are only checked: building one takes longer than a case may, which is not a fault."""

_QUEUE, _READ_AT_ONCE, _READ_SECONDS = 60, 20, 0.0005
_ROWS_AFTER, _RUN_SECONDS = 400, 1800.0
_LOGGED_EVERY = 1000


def run(seed: int, cases: range, say: Log) -> Result:
    """Run the cases of these numbers; the same seed and number give the same case."""
    outcomes, slowest, findings = Counter[str](), 0.0, list[Finding]()
    plants = [load(path) for path in SHIPPED]
    with tempfile.TemporaryDirectory() as directory, _without_logs():
        for done, number in enumerate(cases, 1):
            case = _Case(random_for(seed, number), Path(directory) / "plant.yaml", plants)
            case.run()
            outcomes[case.outcome] += 1
            slowest = max(slowest, case.seconds)
            findings += [Finding(number, what) for what in case.wrong]
            if done % _LOGGED_EVERY == 0:
                say(f"files: {done} of {len(cases)} cases, {len(findings)} findings")
    return Result(len(cases), dict(outcomes), slowest, findings)


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Suppress the log lines of thousands of expected rejections."""
    log = logging.getLogger("reload")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


class _TooLarge(Exception):
    """The plant is too large to be built."""


class _Case:
    """A mutated file and its outcome.  seconds: the longest that anything worked on it, in processor time."""

    def __init__(self, random: Random, path: Path, plants: list[PlantConfig]) -> None:
        self.outcome, self.seconds, self.wrong = "refused", 0.0, list[str]()
        self._random, self._path = random, path
        self._applied: tuple[float, PlantConfig] | None = None
        self._before = random.choice(plants)
        begun = START + random.uniform(0, _RUN_SECONDS)
        self._plant, self._twin = (FactoryMessageGenerator.of(self._before, "fuzz") for _ in range(2))
        for each in (self._plant, self._twin):
            each.advance_silently(begun)
        wake = asyncio.Event()
        self._outbox = MessageQueue(_QUEUE, QueuePolicy.BLOCK, on_room=wake.set)
        self._said, self._twin_said, self._reading_slowly = list[Message](), list[Message](), True
        timing = Timing(self._plant.now, end=self._plant.now + _RUN_SECONDS, speed=inf)
        self._pacer = Pacer(
            self._plant,
            self._outbox,
            timing,
            time.monotonic,
            wake=wake,
            hooks=PacerHooks(on_messages=self._said.extend),
        )
        put(random, path, mutated(random))

    def run(self) -> None:
        """Try the file, and record what is wrong."""
        try:
            # A check waits a while for a writer of a pipe, as documented.
            code = 2 if self._path.is_fifo() else self._check()
            asyncio.run(self._reload())
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self.wrong.append(f"{type(error).__name__} leaves: {error}"[:200])
            return
        if code and self.outcome != "refused":
            self.wrong.append("check refuses what a reload takes")
        if self.seconds > LONGEST_SECONDS:
            self.wrong.append(f"{self.outcome}, and takes {self.seconds:.1f} s")

    def _check(self) -> int:
        began = time.process_time()
        code, text = check(self._path, lambda path: load_at_start(Path(path), parse_plant).config)
        self._measure(began)
        if (code, bool(text)) not in ((0, True), (2, True)):
            self.wrong.append(f"check ends with {code} and says {text[:50]!r}")
        return code

    async def _reload(self) -> None:
        running = [asyncio.create_task(self._pacer.run()), asyncio.create_task(self._read())]
        await asyncio.sleep(_READ_SECONDS)
        began = time.process_time()
        outcome = await self._reloader().reload("fuzz")
        self._measure(began)
        if self._applied is not None:
            at, config = self._applied
            self._twin_said += self._twin.advance(at)
            self._twin.reload(config)
        self._check_outcome(outcome.errors)
        await self._publish_more(running[0])
        await self._stop(running)
        self._twin_said += self._twin.advance(self._plant.now)
        self._check_messages()

    def _reloader(self) -> Reloader:
        settings = Settings.load({}, pid=1)
        loader = PlantLoader(settings, topic_template)
        in_force = LoadedPlant(self._before, digest(b""))
        return Reloader(self._path, lambda content: loader.parse(content, self._path), self._apply, time.time, in_force)

    async def _apply(self, config: PlantConfig) -> int:
        if sum(count for _, _, count in config.machines()) > _MOST_MACHINES:
            raise _TooLarge
        self._plant.try_out(config).keep()
        self.outcome, self._applied = "taken", (self._plant.now, config)
        self._pacer.resume()
        return round(self._plant.now * 1000)

    async def _read(self) -> None:
        """Act as the broker: slow at first, so that the plant still publishes when the file arrives."""
        while True:
            taken = self._outbox.take(_READ_AT_ONCE)
            self._outbox.acknowledged(*taken)
            await asyncio.sleep(_READ_SECONDS if self._reading_slowly else 0)

    async def _publish_more(self, pacing: asyncio.Task[None]) -> None:
        self._reading_slowly, enough = False, len(self._said) + _ROWS_AFTER
        for _ in itertools.takewhile(lambda _: not pacing.done() and len(self._said) < enough, range(10_000)):
            await asyncio.sleep(0)
        self._pacer.stop()

    async def _stop(self, running: list[asyncio.Task[None]]) -> None:
        pacing, reading = running
        async with asyncio.timeout(LONGEST_SECONDS):
            await pacing
        for _ in itertools.takewhile(lambda _: self._outbox.ledger.pending, range(10_000)):
            await asyncio.sleep(0)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    def _check_outcome(self, mistakes: tuple[str, ...]) -> None:
        if any(_TooLarge.__name__ in each for each in mistakes):
            self.outcome = "only checked, being large"
        elif bool(mistakes) == (self.outcome == "taken"):
            self.wrong.append(f"{self.outcome}, and says {mistakes}")
        if any("cannot be used" in each for each in mistakes) and self.outcome == "refused":
            self.wrong.append(f"refused by accident: {mistakes[0][:150]}")

    def _check_messages(self) -> None:
        ledger = self._outbox.ledger
        if not ledger.balances() or ledger.generated != len(self._said):
            self.wrong.append(f"{ledger} after {len(self._said)} messages")
        if self._said != self._twin_said[: len(self._said)]:
            self.wrong.append(f"{self.outcome}, and then says other bytes than its twin")

    def _measure(self, began: float) -> None:
        self.seconds = max(self.seconds, time.process_time() - began)
