"""Commands: what can be done to a plant while it runs, as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from plant.definition.document.errors import describe_value
from plant.definition.document.validation import validated
from plant.definition.document.value_types import YEAR_SECONDS, MachineCount, Name, Rate, Spec
from plant.definition.document.value_types import described as with_schema
from plant.definition.keys.faults import SeverityNumber
from plant.definition.plant_config import PlantConfig
from plant.definition.signals.signal_spec import Number
from plant.definition.states.state_commands import REPLACEABLE, USUAL

_Seconds = Annotated[float, Field(ge=0.001, le=YEAR_SECONDS)]


class CommandRefused(Exception):
    """A command cannot be executed. place: the field that breaks a rule, or "".  rule: in words."""

    def __init__(self, place: str, rule: str) -> None:
        self.place, self.rule = place, rule
        super().__init__(place, rule)  # so that it can be copied to another process

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}" if self.place else self.rule


class _OfMachine(Spec):
    machine_id: Name = Field(description="Id of the machine.")


class Stop(_OfMachine):
    """Stop a machine until it is started: its state is `stopped`, and stay and job are paused."""

    command: Literal["stop"]


class Start(_OfMachine):
    """Start a machine that was stopped: it continues its stay and its job."""

    command: Literal["start"]


class SetState(_OfMachine):
    """Have a machine enter a state now."""

    command: Literal["set_state"]
    state: Name = Field(description="A state of the machine's type.")
    seconds: _Seconds | None = Field(None, description="How long it stays [drawn].")


class Inject(_OfMachine):
    """Begin a fault."""

    command: Literal["inject"]
    fault: Name = Field(description="A fault of the machine's type, or a sensor fault such as temperature.stuck.")
    severity: SeverityNumber | None = Field(None, description="Its severity, 0.01 to 5 [drawn].")
    seconds: _Seconds | None = Field(None, description="How long it lasts [as declared].")


class Clear(_OfMachine):
    """End a fault, or all faults of the machine."""

    command: Literal["clear"]
    fault: Name | None = Field(None, description="The fault [all].")


class SetPoint(_OfMachine):
    """Set a set point of a machine."""

    command: Literal["set_point"]
    signal: Name = Field(description="A signal with set_point.")
    value: Number = Field(description="Its new value.")


class Scale(Spec):
    """Have another number of machines of a type."""

    command: Literal["scale"]
    message_type: Name = Field(description="Key of the machine type.")
    count: MachineCount = Field(description="Number of machines.")


class SetRate(Spec):
    """Scale all periods so that so many regular messages are sent."""

    command: Literal["rate"]
    messages_per_second: Rate | None = Field(None, description="As global.target_rate [that of the periods].")


class Switch(Spec):
    """Switch the messages of a type on or off."""

    command: Literal["enable", "disable"]
    message_type: Name = Field(description="Key in message_types.")


class Reload(Spec):
    """Apply another configuration."""

    command: Literal["reload"]
    content: str = Field(description="The whole YAML.")


class Connect(_OfMachine):
    """Cut, end or begin the connection of a machine, where each has its own; the machine itself goes on."""

    command: Literal["crash", "disconnect", "reconnect"]
    seconds: _Seconds | None = Field(
        None, description="How long it stays away [crash: it reconnects at once; disconnect: until reconnect]."
    )


class OwnCommand(_OfMachine):
    """Do what the machine's type declares under this name in `commands`."""

    command: Annotated[Name, with_schema(**{"not": {"enum": [*REPLACEABLE, *USUAL]}})]


Command = OwnCommand | Stop | Start | SetState | Inject | Clear | SetPoint | Scale | SetRate | Switch | Reload | Connect

COMMANDS: Final[Mapping[str, type[Command]]] = {
    "stop": Stop,
    "start": Start,
    "set_state": SetState,
    "inject": Inject,
    "clear": Clear,
    "set_point": SetPoint,
    "scale": Scale,
    "rate": SetRate,
    "enable": Switch,
    "disable": Switch,
    "reload": Reload,
    "crash": Connect,
    "disconnect": Connect,
    "reconnect": Connect,
}


def own_names(config: PlantConfig) -> frozenset[str]:
    """Return the names of the commands that types of a plant have beside the usual ones."""
    return frozenset(name for _, each, _ in config.machines() for name in each.commands) - COMMANDS.keys()


def kind_of(name: object, own: Collection[str]) -> type[Command] | None:
    """Return what a command is by its name; None if there is none. own: names that types of the plant have."""
    if not isinstance(name, str):
        return None
    return COMMANDS.get(name, OwnCommand if name in own else None)


def parse(data: Mapping[str, object], own: Collection[str] = ()) -> Command:
    """Return a command from plain data; raises CommandRefused with the first rule that it breaks.

    own: the names of further commands, as types of the plant have them.
    """
    name = data.get("command")
    kind = kind_of(name, own)
    if kind is None:
        names = ", ".join((*COMMANDS, *sorted(own)))
        is_given = f"must be one of {names}, got {describe_value(name)}"
        raise CommandRefused("command", is_given if "command" in data else f"is missing: one of {names}")
    found, wrong = validated(kind, data, {})
    if found is None:
        first = wrong[0] if wrong else None
        place = ".".join(map(str, first.place)) if first else ""
        raise CommandRefused(place, first.rule if first else "has a value that cannot be read")
    return found


def described(command: Command) -> dict[str, object]:
    """Return a command as plain data."""
    return command.model_dump(exclude_none=True)
