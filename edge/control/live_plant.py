"""The plant as commands and configurations change it while it runs, between two of its steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from typing import Protocol, TypeVar

from edge.control.inbox import Command, Executed, Inbox, described
from edge.control.journal import BY_FILE, Note
from edge.timestamps import rfc3339
from messages import CommandRefused, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.interventions.command_log import CommandLog
from plant.trial import ConfigTrial

log = logging.getLogger("app")
_T = TypeVar("_T")

_STOPPED_SECONDS, _LOOK_SECONDS = 0.1, 0.002


class RunLoop(Protocol):
    """What drives the plant."""

    def suspend(self) -> None:
        """Leave the plant alone until `resume`."""

    def resume(self) -> None:
        """Drive the plant again."""


class Script(Protocol):
    """What acts on the plant at times of its own, once all messages up to each of them have been emitted."""

    def next_seconds(self) -> float:
        """Return when it acts next, in seconds since 1970; inf if it does not."""

    def act(self, now: float, execute: Callable[[Command], Executed]) -> None:
        """Do what is due up to a plant time. execute: executes a command; raises CommandRefused."""


class LivePlant:
    """Executes commands, those of a file at their times, and follows other configurations.

    file: the commands of a file.  wake: called when something is to be done.
    on_config: called when another configuration is in force.  on_kept: called when one that was tried is kept.
    on_live: called with each command that came meanwhile and was executed, in the context of whoever gave it.
    on_connection: called with each command for the connection of a machine of this part; may raise CommandRefused.
    is_first: whether it logs what concerns the plant as a whole, which its other parts do not.
    script: acts after the commands of the file.
    """

    def __init__(  # noqa: PLR0913 - the plant, what acts on it, and whom it tells
        self,
        plant: FactoryMessageGenerator,
        file: CommandLog,
        wake: Callable[[], None],
        on_config: Callable[[], None],
        on_kept: Callable[[PlantConfig], None],
        *,
        is_first: bool,
        script: Script | None = None,
        on_live: Callable[[Command], None] = lambda _command: None,
        on_connection: Callable[[Command], None] = lambda _command: None,
    ) -> None:
        self._on_connection = on_connection
        self.refused = 0
        self._free_from = -inf
        self._note: Note | None = None
        self._plant, self._file, self._inbox = plant, file, Inbox(wake)
        self._on_config, self._on_kept, self._is_first = on_config, on_kept, is_first
        self._script = script
        self._on_live = on_live
        self._loop: RunLoop | None = None
        self._trial: ConfigTrial | None = None
        self._trying: asyncio.Future[None] | None = None

    def drive_by(self, loop: RunLoop) -> None:
        """Have a run loop drive the plant."""
        self._loop = loop

    def note_by(self, note: Note) -> None:
        """Have the commands of the file noted that are executed; by the first part alone where there are several."""
        self._note = note if self._is_first else None

    def next_seconds(self) -> float:
        """Return when the next command is due, in seconds since 1970; inf if there is none."""
        of_script = inf if self._script is None else self._script.next_seconds()
        of_inbox = max(self._inbox.next_seconds(), self._free_from) if self._inbox.next_seconds() < inf else inf
        return min(self._file.next_seconds(), of_inbox, of_script)

    def execute_due(self) -> None:
        """Do what is due."""
        before = self._plant.config
        for command in self._file.due(self._plant.now):
            self._execute_of_file(command)
        if self._script is not None:
            self._script.act(self._plant.now, self._execute_planned)
        if self._plant.now >= self._free_from:
            self._settle_due()
        if self._plant.config is not before and self._trial is None:
            self._on_config()

    def _settle_due(self) -> None:
        for waiting in self._inbox.due(self._plant.now):
            waiting.settle()
            self._occupy()

    def _occupy(self) -> None:
        """Leave the rest of this millisecond to what has just been done.

        Messages may come between that and what is done next; in the same millisecond a replay would do both first.
        """
        self._free_from = (self._now_ms + 1) / 1000

    async def execute(self, command: Command) -> Executed:
        """Have a command executed at once; raises CommandRefused, or Busy where too many wait."""
        return await self._inbox.run(partial(self._execute_live, command))

    def hold(self) -> float:
        """Emit nothing until `execute_at`, `try_out_at` or `release`; return the plant's time."""
        self._suspend()
        return self._plant.now

    async def execute_at(self, command: Command, at: float) -> Executed:
        """Go on, and have a command executed at a plant time that has not passed; raises CommandRefused, or Busy."""
        return await self._go_on_to(at, partial(self._execute_live, command))

    async def try_out_at(self, config: PlantConfig, at: float) -> int:
        """Go on to a plant time that has not passed, and try a configuration there; raises its error.

        Returns the time in milliseconds. Nothing is emitted from there on until it is kept or taken back.
        """
        self._trying = asyncio.ensure_future(self._go_on_to(at, partial(self._try_out, config)))
        await self._trying
        return self._now_ms

    def release(self) -> None:
        """Go on after `hold`."""
        if self._loop is not None:
            self._loop.resume()

    async def apply(self, config: PlantConfig) -> int:
        """Follow another configuration from now on, and return when, in milliseconds of plant time.

        If this raises, nothing has changed. A plant that has stopped, as for a full queue, is not waited for.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOPPED_SECONDS):
                while self._plant.now < self._free_from:  # noqa: ASYNC110 - over with the plant's next step
                    await asyncio.sleep(_LOOK_SECONDS)
        self._try_out(config)
        self.keep()
        return self._now_ms

    def keep(self) -> None:
        """Keep the configuration that was tried."""
        self._end_trial(ConfigTrial.keep)
        self._occupy()
        self._on_kept(self._plant.config)
        self._on_config()

    def take_back(self) -> None:
        """Go on as if the configuration had never been tried."""
        if self._trying is not None:
            self._trying.cancel()  # where the plant has not come to its time yet
        self._end_trial(ConfigTrial.take_back)

    @property
    def _now_ms(self) -> int:
        return round(self._plant.now * 1000)

    async def _go_on_to(self, at: float, work: Callable[[], _T]) -> _T:
        result = asyncio.ensure_future(self._inbox.run(work, at))
        await asyncio.sleep(0)
        self.release()
        return await result

    def _execute_of_file(self, command: Command) -> None:
        try:
            executed = self._execute_planned(command)
        except CommandRefused as error:
            self.refused += 1
            at = rfc3339(self._now_ms)
            log.warning("command refused command=%s at=%s reason=%s", command["command"], at, error)
        else:
            if self._note is not None:
                self._note(command, BY_FILE, executed.at_ms, executed.answer)

    def _execute_live(self, command: Command) -> Executed:
        executed = self._execute_one(command)
        self._on_live(command)
        return executed

    def _execute_planned(self, command: Command) -> Executed:
        """Execute a command of the file or the script, and log it; raises CommandRefused."""
        executed = self._execute_one(command)
        if self._is_first or executed.answer:
            log.info("command executed %s", described(command, BY_FILE, executed))
        return executed

    def _execute_one(self, command: Command) -> Executed:
        """Execute a command now; raises CommandRefused."""
        at_ms = self._now_ms
        answer = self._plant.execute(command)
        if "connection" in answer:
            self._on_connection(command)
        return Executed(at_ms, answer)

    def _try_out(self, config: PlantConfig) -> None:
        """Follow another configuration, and emit nothing until it is kept or taken back; raises its error."""
        self._trial = self._plant.try_out(config)
        self._suspend()

    def _suspend(self) -> None:
        if self._loop is not None:
            self._loop.suspend()

    def _end_trial(self, end: Callable[[ConfigTrial], None]) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            end(trial)
        self.release()
