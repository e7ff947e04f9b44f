"""What EnMS does to machines: to start and stop them, and to begin and end faults. All of it is commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from edge.control.problems import FieldError, Problem
from edge.http.api.context import ApiContext
from edge.http.compat.enms.answers import no_machine, reply
from edge.http.compat.enms.forms import Anomaly, Selection
from edge.http.compat.enms.machines import Found, factories, find
from edge.status_source import StatusSource
from plant.definition.document.errors import quote
from plant.definition.plant_config import PlantConfig
from plant.machines.states import STOPPED
from plant.views.plant_views import ViewQuery

_DONE: Final = {"start": "started", "stop": "stopped"}
_MOST_NAMED: Final = 50


class Counts(dict[str, int]):
    """How many machines are not stopped, and how many there are, as EnMS answers it."""


async def counts(source: StatusSource) -> Counts:
    """Count the machines."""
    await source.refresh()
    states = source.snapshot().states
    stopped = sum(count for (_, state), count in states.items() if state == STOPPED.name)
    total = sum(states.values())
    return Counts(running_machines=total - stopped, total_machines=total)


class Operation:
    """Starts and stops machines, and begins and ends faults, of each one caller after the other.

    at_work: `starting` or `stopping` while it does, else "".  clock: seconds since the process began.
    """

    def __init__(self, context: ApiContext, clock: Callable[[], float]) -> None:
        self.at_work = ""
        self._context, self._clock = context, clock
        self._since: float | None = 0.0
        self._one_switch, self._one_injection = asyncio.Lock(), asyncio.Lock()

    def uptime_seconds(self, running: int) -> float:
        """Return for how long machines have been running; 0 where none does. running: how many do now."""
        if not running:
            self._since = None
            return 0.0
        now = self._clock()
        self._since = now if self._since is None else self._since
        return now - self._since

    async def switch(self, command: str, selection: Selection, by: str) -> object:
        """Start or stop the machines that are selected, those that are not so yet; return the envelope."""
        async with self._one_switch:
            self.at_work = "starting" if command == "start" else "stopping"
            try:
                for machine_id in await self._to_switch(command, selection):
                    await self._context.control.execute({"command": command, "machine_id": machine_id}, by)
            finally:
                self.at_work = ""
        found = await counts(self._context.source)
        self.uptime_seconds(found["running_machines"])
        return reply(f"Simulator {_DONE[command]} successfully", found)

    async def inject(self, machine_id: str, asked: Anomaly, by: str) -> object:
        """Begin a fault in place of those that the machine has; return the envelope."""
        if asked.machine_id not in (None, machine_id):
            raise Problem(400, "Machine ID in URL does not match request body", [_MISMATCH])
        found = await self._found(machine_id)
        _check_fault(found, asked.anomaly_type)
        target = {"machine_id": machine_id}
        seconds, severity = float(asked.duration_seconds), asked.severity
        fault = {"fault": asked.anomaly_type, "seconds": seconds, "severity": severity}
        async with self._one_injection:
            await self._context.control.execute({"command": "clear", **target}, by)
            await self._context.control.execute({"command": "inject", **target, **fault}, by)
        told = asked.model_dump(exclude={"machine_id"})
        return reply(f"Anomaly '{asked.anomaly_type}' injected successfully", {**target, **told})

    async def clear(self, machine_id: str, by: str) -> object:
        """End all faults of a machine, if it has any; return the envelope."""
        await self._found(machine_id)
        await self._context.control.execute({"command": "clear", "machine_id": machine_id}, by)
        return reply("Anomaly cleared successfully", {"machine_id": machine_id})

    async def _found(self, machine_id: str) -> Found:
        found = find(await self._context.source.config(), machine_id)
        if found is None:
            raise no_machine(machine_id)
        return found

    async def _to_switch(self, command: str, selection: Selection) -> Sequence[str]:
        """Return the ids of the machines that are selected and not in that condition yet; unknown ones are left out."""
        source = self._context.source
        config, listed = await source.config(), await source.machines(ViewQuery())
        machines = [orjson.loads(json) for _, _, json in listed.entries]
        is_started = command == "start"
        return [
            each["machine_id"]
            for each in machines
            if (each["state"] == STOPPED.name) is is_started and _selects(selection, config, each)
        ]


_MISMATCH: Final = FieldError("/machine_id", "must be that of the address")


def _selects(selection: Selection, config: PlantConfig, machine: Mapping[str, object]) -> bool:
    """Return whether a machine is of one of the factories, or has one of the ids; without any, all are selected."""
    if not (selection.factory_ids or selection.machine_ids):
        return True
    machine_id = str(machine["machine_id"])
    found = find(config, machine_id) if selection.factory_ids else None
    named = factories(*found) if found is not None else []
    return machine_id in (selection.machine_ids or ()) or any(name in (selection.factory_ids or ()) for name in named)


def _check_fault(found: Found, name: str) -> None:
    """Raise Problem where machines of the type have no such fault, with those that there are."""
    known = [*found.machine_type.causes.faults]
    if name not in known:
        more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
        advice = f"must be one of {', '.join(known[:_MOST_NAMED])}{more}" if known else "this machine can have none"
        rule = f"{advice}, got {quote(name)}"
        raise Problem(422, f"anomaly_type: {rule}", [FieldError("/anomaly_type", rule)])
