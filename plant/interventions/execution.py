"""Commands executed on a plant: each is checked against what the plant declares, and answered with what is then so."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from plant.definition.changes import with_count, with_enabled, with_rate
from plant.definition.document.errors import Violation, quote, suggestion
from plant.definition.document.value_types import YEAR_SECONDS
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.overrides import number_of
from plant.definition.plant_config import PlantConfig, PlantConfigError, load_content
from plant.faults.episodes import BY_COMMAND, Injected
from plant.fleets.fleet import Fleet
from plant.interventions.commands import (
    COMMANDS,
    Clear,
    Command,
    CommandRefused,
    Connect,
    Inject,
    OwnCommand,
    Reload,
    Scale,
    SetPoint,
    SetRate,
    SetState,
    Start,
    Stop,
    Switch,
)
from plant.machines.machine import Machine
from plant.machines.states import STOPPED

Answer = Mapping[str, object]
"""What is so after a command; empty where another shard has the machine."""

_LATCHED_MS: Final = round(YEAR_SECONDS * 1000)
"""How long a machine stays in a state that is latched: longer than anyone waits for the next command."""

_number: Final = attrgetter("number")
_CONNECTIONS: Final = {"crash": "crashed", "disconnect": "disconnected", "reconnect": "reconnecting"}


class _Parts(Protocol):
    """The machines of the plant."""

    @property
    def fleets(self) -> Sequence[Fleet]: ...

    def advance_one(self, machine: Machine, now_ms: int) -> None: ...

    def started(self, machine: Machine, now_ms: int) -> None: ...


class Target(NamedTuple):
    """The plant that commands are for. reload: applies a configuration from now on; raises what prevents it."""

    config: PlantConfig
    parts: _Parts
    now_ms: int
    reload: Callable[[PlantConfig], None]


def execute(target: Target, command: Command) -> Answer:
    """Execute a command now; raises CommandRefused, and then nothing has changed."""
    answer: Answer = _EXECUTIONS[type(command)](target, command)
    return answer


class _Found(NamedTuple):
    """A machine, if this shard has it, and its type."""

    machine_type: MachineType
    machine: Machine | None


def _find(target: Target, machine_id: str) -> _Found:
    """Return the machine of an id, which has advanced to now."""
    for key, machine_type, count in target.config.machines():
        number = number_of(machine_id, machine_type)
        if number is not None and number <= count:
            machines = next(fleet.machines for fleet in target.parts.fleets if fleet.key == key)
            place = bisect_left(machines, number, key=_number)
            found = machines[place] if place < len(machines) and machines[place].number == number else None
            if found is not None:
                target.parts.advance_one(found, target.now_ms)
            return _Found(machine_type.of(number), found)
    raise CommandRefused("machine_id", f"no machine has the id {quote(machine_id)}")


def _stop(target: Target, command: Stop) -> Answer:
    machine_type, machine = _find(target, command.machine_id)
    if command.command in machine_type.commands:
        return _own(target, command)
    if machine is not None:
        machine.suspend(STOPPED, target.now_ms)
        _commanded(machine, target.now_ms)
    return _state(machine)


def _start(target: Target, command: Start) -> Answer:
    machine_type, machine = _find(target, command.machine_id)
    if command.command in machine_type.commands:
        return _own(target, command)
    if machine is not None and machine.is_stopped:
        machine.resume(STOPPED, target.now_ms)
        target.parts.started(machine, target.now_ms)
        _commanded(machine, target.now_ms)
    return _state(machine)


def _own(target: Target, command: OwnCommand | Stop | Start) -> Answer:
    """Have a machine enter the state that its type declares for a command, and report it even if it is there."""
    machine_type, machine = _find(target, command.machine_id)
    _known("command", command.command, [*COMMANDS, *machine_type.commands], "a command of this type")
    if machine is None:
        return {}
    own = machine_type.commands[command.command]
    before = machine.state
    machine.set_state(machine.runtime.states[own.state], _LATCHED_MS if own.is_latched else None, target.now_ms)
    machine.resume(STOPPED, target.now_ms)
    _commanded(machine, target.now_ms, confirms=machine.state is before)
    _rescheduled(machine)
    return _state(machine)


def _set_state(target: Target, command: SetState) -> Answer:
    machine_type, machine = _find(target, command.machine_id)
    _known("state", command.state, [*machine_type.states], "a state of this type")
    if machine is not None:
        stay_ms = None if command.seconds is None else max(1, round(command.seconds * 1000))
        machine.set_state(machine.runtime.states[command.state], stay_ms, target.now_ms)
        _commanded(machine, target.now_ms)
        _rescheduled(machine)
    return _state(machine)


def _commanded(machine: Machine, now_ms: int, *, confirms: bool = False) -> None:
    if machine.runtime.observer is not None:
        machine.runtime.observer.state_commanded(machine, now_ms, confirms=confirms)


def _inject(target: Target, command: Inject) -> Answer:
    machine_type, machine = _find(target, command.machine_id)
    _known("fault", command.fault, [*machine_type.causes.faults], "a fault of this type")
    if machine is None or machine.conditions is None:
        return {}
    duration_ms = None if command.seconds is None else max(1, round(command.seconds * 1000))
    injected = Injected(command.fault, command.severity, duration_ms, BY_COMMAND)
    if not machine.conditions.begin(injected, target.now_ms):
        raise CommandRefused("fault", f"{quote(command.fault)} is there already: clear it first")
    _rescheduled(machine)
    return _faults(machine)


def _clear(target: Target, command: Clear) -> Answer:
    machine_type, machine = _find(target, command.machine_id)
    if command.fault is not None:
        _known("fault", command.fault, [*machine_type.causes.faults], "a fault of this type")
    if machine is None or machine.conditions is None:
        return {} if machine is None else _faults(machine)
    names = [*machine.conditions.active] if command.fault is None else [command.fault]
    cleared = [name for name in names if machine.conditions.clear(name, target.now_ms)]
    if command.fault is not None and not cleared:
        raise CommandRefused("fault", f"{quote(command.fault)} is not there")
    _rescheduled(machine)
    return _faults(machine)


def _set_point(target: Target, command: SetPoint) -> Answer:
    machine_type, machine = _find(target, command.machine_id)
    points = {name: spec for name, spec in machine_type.signals.items() if spec.set_point is not None}
    _known("signal", command.signal, [*points], "a signal with set_point of this type")
    low, high = points[command.signal].limits or (-float("inf"), float("inf"))
    if not low <= command.value <= high:
        raise CommandRefused("value", f"must be within the limits, {low:g} to {high:g}, got {command.value:g}")
    if machine is None:
        return {}
    if machine.runtime.observer is not None:
        machine.runtime.observer.set_point(machine, command.signal, command.value, target.now_ms)
    _rescheduled(machine)
    return {"machine_id": machine.id, "signal": command.signal, "value": command.value}


def _scale(target: Target, command: Scale) -> Answer:
    _known("message_type", command.message_type, [*target.config.message_types.machines], "a machine type")
    _reload(target, with_count(target.config, command.message_type, command.count), "count")
    return {"message_type": command.message_type, "count": command.count}


def _set_rate(target: Target, command: SetRate) -> Answer:
    _reload(target, with_rate(target.config, command.messages_per_second), "messages_per_second")
    return {"messages_per_second": command.messages_per_second}


def _switch(target: Target, command: Switch) -> Answer:
    _known("message_type", command.message_type, target.config.switchable, "a key in message_types")
    is_on = command.command == "enable"
    _reload(target, with_enabled(target.config, command.message_type, enabled=is_on), "message_type")
    return {"message_type": command.message_type, "enabled": is_on}


def _reload_content(target: Target, command: Reload) -> Answer:
    try:
        config = load_content(command.content.encode(), "content")
    except PlantConfigError as error:
        raise CommandRefused("content", str(error)) from error
    _apply(target, config, "content")
    return {"machines": {key: count for key, _, count in config.machines()}}


def _reload(target: Target, changed: PlantConfig | Violation, place: str) -> None:
    if isinstance(changed, Violation):
        raise CommandRefused(place, changed.rule)
    _apply(target, changed, place)


def _apply(target: Target, config: PlantConfig, place: str) -> None:
    try:
        target.reload(config)
    except Exception as error:
        raise CommandRefused(place, f"cannot be used: {type(error).__name__}: {error}") from error


def _connect(target: Target, command: Connect) -> Answer:
    """Find the machine: its connection is not the plant's, which only keeps the command for a replay."""
    machine = _find(target, command.machine_id).machine
    return {} if machine is None else {"machine_id": machine.id, "connection": _CONNECTIONS[command.command]}


def _known(place: str, name: str, known: list[str], what: str) -> None:
    if name not in known:
        advice = suggestion(name, known) if known else "there is none"
        raise CommandRefused(place, f"must be {what}, got {quote(name)}; {advice}")


def _rescheduled(machine: Machine) -> None:
    machine.reschedule()
    machine.runtime.on_rescheduled(machine)


def _state(machine: Machine | None) -> Answer:
    return {} if machine is None else {"machine_id": machine.id, "state": machine.state.name}


def _faults(machine: Machine) -> Answer:
    active = machine.conditions.active if machine.conditions is not None else {}
    return {"machine_id": machine.id, "faults": {name: each.severity for name, each in active.items()}}


_EXECUTIONS: Final[Mapping[type[Command], Callable[[Target, Any], Answer]]] = {
    OwnCommand: _own,
    Stop: _stop,
    Start: _start,
    SetState: _set_state,
    Inject: _inject,
    Clear: _clear,
    SetPoint: _set_point,
    Scale: _scale,
    SetRate: _set_rate,
    Switch: _switch,
    Reload: _reload_content,
    Connect: _connect,
}
