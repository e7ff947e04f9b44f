"""The front of all commands: whoever gives one, it is executed, answered and noted in the same way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from edge.control.inbox import Command, Executed, described
from edge.control.journal import Journal
from edge.control.problems import FieldError, Problem, problem_of
from edge.observability.tracing import spans
from edge.redaction import printable
from edge.status import ReloadOutcome
from edge.timestamps import rfc3339
from plant.interventions.commands import COMMANDS

Execute = Callable[[Command], Awaitable[Executed]]
Load = Callable[[str], Awaitable[ReloadOutcome]]


class Put(Protocol):
    """Applies another content of the plant's file, by whom, and saves it on request; may raise Problem."""

    async def __call__(self, content: bytes, by: str, /, *, save: bool) -> ReloadOutcome:
        """Return the machines now running by type, or the errors because of which nothing has changed."""


log = logging.getLogger("app")

_ANSWER_SECONDS: Final = 10.0
OTHER_PART: Final = "another part of the plant has this machine (SHARD)"
"""Why a machine is neither shown nor acted on here."""

_TOO_LATE: Final = "not executed: nobody waits for it any more"
_NO_RELOAD: Final = FieldError("/command", "another configuration comes by PUT /api/v1/plant")


class Control:
    """Executes commands, each by the name of whoever gives it: `http 127.0.0.1`, `mqtt`, `page`.

    execute: has one executed by the plant; where it is cancelled, either the command is not executed, or it goes on.
    load: loads the plant's file again.  put: applies another content.
    """

    def __init__(self, journal: Journal, execute: Execute, load: Load, put: Put) -> None:
        self.journal = journal
        self._execute, self._load, self._put = execute, load, put
        self._at_work = set[asyncio.Task[Executed]]()

    async def execute(self, command: Command, by: str) -> Executed:
        """Have a command executed at once; raises Problem."""
        with spans.span("command", _attributes(command, by)) as span:
            executed = await self._execute_and_note(command, by)
            span.set("edgemqttsim.command.plant_time", rfc3339(executed.at_ms))
            return executed

    async def _execute_and_note(self, command: Command, by: str) -> Executed:
        """Have a command executed and noted, but wait no longer than its caller may have to.

        One that cannot be taken back any more goes on, and is noted when it is executed: a run is to be had again.
        """
        noted = asyncio.get_running_loop().create_task(self._noted(command, by))
        noted.add_done_callback(self._at_work.discard)
        self._at_work.add(noted)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.shield(noted)
        except TimeoutError as error:
            if noted.done():  # meanwhile, as where the command itself took so long
                return noted.result()
            raise problem_of(error) or error from None
        finally:
            noted.cancel()

    async def _noted(self, command: Command, by: str) -> Executed:
        try:
            executed = _of_this_part(await self._execute(_without_reload(command)))
        except asyncio.CancelledError:
            self.journal.refused(command, by, _TOO_LATE)
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            self.journal.refused(command, by, problem.detail)
            raise problem from None
        self.journal.executed(command, by, executed.at_ms, executed.answer)
        log.info("command executed %s", described(command, by, executed))
        return executed

    async def reload(self, by: str) -> ReloadOutcome:
        """Load the plant's file again."""
        return await self._load(by)

    async def put(self, content: bytes, by: str, *, save: bool = False) -> ReloadOutcome:
        """Apply another content of the plant's file. save: save it, too; otherwise the file stays as it is.

        Raises Problem where it cannot be saved.
        """
        return await self._put(content, by, save=save)


def _attributes(command: Command, by: str) -> spans.Attributes:
    name, machine = command.get("command"), command.get("machine_id")
    return {
        "edgemqttsim.by": by,
        "edgemqttsim.command.name": name if isinstance(name, str) and name in COMMANDS else "unknown",
        **({spans.MACHINE: printable(machine)} if isinstance(machine, str) else {}),
    }


def _of_this_part(executed: Executed) -> Executed:
    """Return what was executed; raises Problem where another part of the plant has the machine."""
    if not executed.answer:
        raise Problem(404, f"machine_id: {OTHER_PART}", [FieldError("/machine_id", OTHER_PART)])
    return executed


def _without_reload(command: Command) -> Command:
    """Return a command as it is; raises Problem for a reload, which has a way of its own."""
    if command.get("command") == "reload":
        raise Problem(422, f"command: {_NO_RELOAD.detail}", [_NO_RELOAD])
    return command
