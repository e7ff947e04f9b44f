"""What a step can do: a command of the plant, another configuration, or a fault of the embedded broker."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema

from plant.definition.document.errors import Place, PlantConfigError, Violation, describe_value
from plant.definition.document.validation import Flags, validated
from plant.definition.document.value_types import Spec
from plant.interventions.commands import COMMANDS

_Seconds = Annotated[float, Field(gt=0, le=3600)]


def _code(value: object) -> object:
    """Return a reason code, which the standard writes in hexadecimal digits; YAML needs quotes for that."""
    return int(value, 16) if isinstance(value, str) and re.fullmatch("0x[89A-Fa-f][0-9A-Fa-f]", value) else value


_Code = Annotated[
    int,
    Field(ge=0x80, le=0xFF),
    BeforeValidator(_code),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^0x[89A-Fa-f][0-9A-Fa-f]$"}]}),
]
_Times = Annotated[int, Field(ge=1, le=1_000_000)]
_Every = Annotated[int, Field(ge=1, le=1_000_000)]
_CODE: Final = 'Reason code of MQTT 5, such as "0x97".'
_SECONDS: Final = "Seconds of the clock, not of plant time."
_TIMES: Final = "How often [once]."
_EVERY: Final = "At each n-th PUBLISH [each]."


class Cut(Spec):
    """Reset all connections now."""

    broker: Literal["cut"]


class Disconnect(Spec):
    """Send DISCONNECT to all clients now."""

    broker: Literal["disconnect"]
    code: _Code = Field(0x8B, description=_CODE)


class Refuse(Spec):
    """Answer the next CONNECTs with a reason code."""

    broker: Literal["refuse"]
    code: _Code = Field(0x88, description=_CODE)
    times: _Times = Field(1, description=_TIMES)


class Puback(Spec):
    """Answer PUBLISHes with a reason code, and do not route the messages."""

    broker: Literal["puback"]
    code: _Code = Field(0x97, description=_CODE)
    times: _Times = Field(1, description=_TIMES)
    every: _Every = Field(1, description=_EVERY)


class Withhold(Spec):
    """Route messages and never acknowledge them."""

    broker: Literal["withhold"]
    times: _Times = Field(1, description=_TIMES)
    every: _Every = Field(1, description=_EVERY)


class Delay(Spec):
    """Acknowledge messages later."""

    broker: Literal["delay"]
    seconds: _Seconds = Field(description=_SECONDS)
    times: _Times = Field(1, description=_TIMES)


class Stall(Spec):
    """Read and do not answer, for a time."""

    broker: Literal["stall"]
    seconds: _Seconds = Field(description=_SECONDS)


class Restart(Spec):
    """End like a killed process, and start again after a time."""

    broker: Literal["restart"]
    seconds: _Seconds = Field(0.5, description=_SECONDS)
    lose_sessions: bool = Field(False, description="Whether sessions and retained messages are lost.")


class ClearFaults(Spec):
    """End all faults of the broker."""

    broker: Literal["clear"]


class ReloadFile(Spec):
    """Another configuration applies: the file, relative to the scenario."""

    reload: Annotated[str, Field(min_length=1)] = Field(description="The plant's YAML, relative to the scenario.")


BrokerFault = Cut | Disconnect | Refuse | Puback | Withhold | Delay | Stall | Restart | ClearFaults
BROKER_FAULTS: Final[Mapping[str, type[BrokerFault]]] = {
    "cut": Cut,
    "disconnect": Disconnect,
    "refuse": Refuse,
    "puback": Puback,
    "withhold": Withhold,
    "delay": Delay,
    "stall": Stall,
    "restart": Restart,
    "clear": ClearFaults,
}
MODELS: Final[tuple[type[Spec], ...]] = (
    *dict.fromkeys(each for name, each in COMMANDS.items() if name != "reload"),
    ReloadFile,
    *BROKER_FAULTS.values(),
)
"""What may stand in `do`."""

_FORMS: Final = "a command (command: stop), another plant (reload: FILE) or a fault of the broker (broker: cut)"


class Action(NamedTuple):
    """Something to do: a command as plain data, or a fault of the broker. text: as the report has it."""

    text: str
    command: Mapping[str, object] | None = None
    fault: BrokerFault | None = None


Load = Callable[[Path], bytes]
"""Returns the content of a plant's file, which is valid; raises PlantConfigError."""


def read_action(data: Mapping[str, Any], at: Place, flags: Flags, load: Load) -> tuple[Action | None, list[Violation]]:
    """Return an action of plain data, or every violation. at: its place in the file."""
    if "broker" in data:
        return _read_fault(data, at, flags)
    if "reload" in data:
        return _read_reload(data, at, flags, load)
    name = data.get("command")
    if "command" not in data:
        return None, [Violation(at, f"must be {_FORMS}")]
    if name == "reload":
        return None, [Violation((*at, "command"), "another plant is `reload: FILE` in a scenario")]
    if not isinstance(name, str) or name not in COMMANDS:
        known = [each for each in COMMANDS if each != "reload"]
        return None, [Violation((*at, "command"), f"must be a command, got {describe_value(name)}", known, str(name))]
    found, wrong = validated(COMMANDS[name], data, flags, at)
    return (Action(_command_text(data), dict(data)) if found else None), wrong


def _read_fault(data: Mapping[str, Any], at: Place, flags: Flags) -> tuple[Action | None, list[Violation]]:
    name = data["broker"]
    if not isinstance(name, str) or name not in BROKER_FAULTS:
        rule = f"must be a fault of the embedded broker, got {describe_value(name)}"
        return None, [Violation((*at, "broker"), rule, [*BROKER_FAULTS], str(name))]
    found, wrong = validated(BROKER_FAULTS[name], data, flags, at)
    return (Action(f"broker: {_text(name, data, 'broker')}", fault=found) if found else None), wrong


def _read_reload(data: Mapping[str, Any], at: Place, flags: Flags, load: Load) -> tuple[Action | None, list[Violation]]:
    found, wrong = validated(ReloadFile, data, flags, at)
    if found is None:
        return None, wrong
    try:
        content = load(Path(found.reload)).decode()
    except PlantConfigError as error:
        return None, [Violation((*at, "reload"), str(each)) for each in error.mistakes]
    return Action(f"reload {found.reload}", {"command": "reload", "content": content}), []


def _command_text(data: Mapping[str, Any]) -> str:
    return _text(str(data["command"]), data, "command")


def _text(name: str, data: Mapping[str, Any], without: str) -> str:
    """Return a name and its values as the report has them: `inject CNC-03 fault=tool_breakage`."""
    rest = [f"{key}={value}" for key, value in data.items() if key not in (without, "machine_id")]
    return " ".join([name, *([str(data["machine_id"])] if "machine_id" in data else []), *rest])
