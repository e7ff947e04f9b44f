"""Plants that commands are executed on while they run, logs of random commands, and what is heard of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, NamedTuple

import orjson

from messages import START, CommandRefused, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, load_content
from plant.random_stream import RandomStream
from plant.telemetry import MachineOee, Message
from tests.support.factory.flows import QUICK
from tests.support.factory.plants import COUNTED, default

Command = Mapping[str, Any]
Timed = tuple[int, Command]
"""A command, and its time in milliseconds since 1970."""

PRESS: Final[dict[str, Any]] = {
    "count": 4,
    "states": {
        "running": {"share": 0.75, "dwell_seconds": 60, "produces": True},
        "idle": {"share": 0.2, "dwell_seconds": 20},
        "maintenance": {"share": 0.04, "dwell_seconds": 30},
        "faulted": {"share": 0.01, "dwell_seconds": 15},
    },
    "job": {"kinds": ["panel", "frame"], "cycle_seconds": [4, 6], "results": {"good": 0.95, "scrap": 0.05}},
    "signals": {
        "vibration": {"base": {"running": 2, "else": 0.1}, "noise": 0.1, "limits": [0, 50]},
        "temperature": {"base": {"running": 55, "else": 24}, "follows_seconds": 24, "limits": [0, 200]},
        "feed": {"set_point": 180, "follows_seconds": 30, "noise": 1, "limits": [100, 250]},
        "made": {"counter": "jobs"},
    },
    "faults": {
        "bearing_damage": {
            "every_hours": 0.1,
            "until": "faulted",
            "onset": {"ramp_seconds": 30},
            "severity": [0.3, 1],
            "effects": {
                "vibration": {"times": 4},
                "temperature": {"plus": 12},
                "cycle_seconds": {"times": 1.15},
                "results": {"scrap": {"times": 3}},
            },
            "leads_to": {"state": "faulted", "after_seconds": 90},
        },
        "jam": {"duration_seconds": [5, 20], "effects": {"dwell_seconds": {"idle": {"times": 2}}}},
    },
    "sensor_faults": {
        "temperature": {"stuck": {"every_hours": 0.1, "duration_seconds": [6, 60]}},
        "vibration": {"dropout": {"duration_seconds": 20}},
    },
    "wear": {
        "tool": {
            "life_hours": 0.1,
            "resets": "maintenance",
            "effects": {"cycle_seconds": {"times": 1.1}, "results": {"scrap": {"times": 2}}},
            "leads_to": {"state": "maintenance"},
        }
    },
    "messages": {
        "production": {"report_seconds": 3},
        "state": {"fields": ["timestamp", "machine_id", "status", "sequence"], "on_change": True},
    },
}
"""A machine type with everything that a command can reach; see docs/faults.md."""

SPREADING: Final[dict[str, Any]] = {
    "neighbours": {"PRESS-01": ["PRESS-02", "PRESS-03"]},
    "faults": {
        "bearing_damage": {
            "every_hours": 0.1,
            "duration_seconds": 40,
            "leads_to": [{"fault": "jam", "spreads_to": "neighbours", "after_seconds": 2}],
        },
        "jam": {"duration_seconds": [5, 20], "effects": {"cycle_seconds": {"times": 2}}},
    },
}
"""The same with faults that spread."""

CALENDAR: Final[dict[str, Any]] = {
    "time_zone": "UTC",
    "shifts": [
        {"start": "00:00", "end": "00:02"},
        {"start": "00:03", "end": "00:06"},
        {"start": "00:07", "end": "23:00"},
    ],
}


def press(**changes: Any) -> dict[str, Any]:
    """A plant of presses, as plain data of one's own. changes: of keys of the type; None removes one."""
    entry = {name: deepcopy(value) for name, value in (PRESS | changes).items() if value is not None}
    return {"message_types": {"press": entry}}


def plain(**extras: Any) -> dict[str, Any]:
    """Some machines of each type of the default plant with short jobs, and orders. extras: sections of the YAML."""
    data = default() | extras
    data["global"]["machine_counts"] = dict.fromkeys(COUNTED.values(), 2)
    types = data["message_types"]
    for key, quick in QUICK.items():
        types[key] = {name: value for name, value in (types[key] | quick).items() if name != "frequency_weight"}
        types[key]["report_seconds"] = 2.0
    types["customer_order"]["orders_per_hour"] = types["dispatch"]["dispatches_per_hour"] = 300
    types["oee"] = {"enabled": True, "report_seconds": 30.0}
    return data


PLANTS: Final[Mapping[str, dict[str, Any]]] = {
    "faults": press(),
    "faults that spread": press(**SPREADING),
    "plain": plain(),
    "flow": plain(flow={"buffers": {"welding": 1}}),
    "calendar": plain(calendar=CALENDAR),
}

NOWHERE: Final = "jamm"
"""No state, fault or signal of any plant."""

_OFTEN: Final = ("stop", "start", "set_state", "set_state", "inject", "clear", "set_point")
_SELDOM: Final = ("scale", "rate", "enable", "enable", "disable")


def content(data: Mapping[str, Any]) -> str:
    """The YAML of a plant."""
    return orjson.dumps(data).decode()


def read(data: Mapping[str, Any]) -> PlantConfig:
    """The configuration of a plant."""
    return load_content(content(data).encode(), "plant.yaml")


class _Chance:
    """Draws for a log of commands."""

    def __init__(self, seed: int) -> None:
        self._stream, self._count = RandomStream(seed, "commands"), 0

    def below(self, limit: float) -> float:
        self._count += 1
        return self._stream.draws(b"command", self._count)[0] * limit

    def of(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.below(len(choices)))]


def random_log(seed: int, count: int, seconds: float, data: Mapping[str, Any], reloads: int = 3) -> list[Timed]:
    """Commands of all kinds at random times, some of which are refused, and some reloads among them."""
    chance, config = _Chance(seed), read(data)
    begin_ms = round(START * 1000)
    commands = [_random(chance, config) for _ in range(count)]
    commands += [{"command": "reload", "content": content(_changed(data, number))} for number in range(reloads)]
    timed = [(begin_ms + int(chance.below(seconds * 1000)), each) for each in commands]
    return sorted(timed, key=lambda each: each[0])


def _random(chance: _Chance, config: PlantConfig) -> dict[str, Any]:
    name = chance.of(_OFTEN if chance.below(1) < 0.95 else _SELDOM)
    machine_type, seconds = chance.of([*config.message_types.machines.values()]), chance.of([None, 0.5, 7, 60])
    faults = [*machine_type.causes.faults]
    points = {name: spec.limits for name, spec in machine_type.signals.items() if spec.set_point is not None}
    low, high = chance.of([limits for limits in points.values() if limits] or [(0.0, 9.0)])
    value = low - 10 + chance.below(high - low + 30)
    of_machine = {"command": name, "machine_id": machine_type.id_of(1 + int(chance.below(3)))}
    of_type = {"command": name, "message_type": chance.of([machine_type.key, *config.switchable, "pres"])}
    found: dict[str, dict[str, Any]] = {
        "set_state": {"state": chance.of([*machine_type.states, NOWHERE]), "seconds": seconds},
        "inject": {"fault": chance.of([*faults, NOWHERE]), "seconds": seconds, "severity": chance.of([None, 0.5, 2])},
        "clear": {"fault": chance.of([None, *faults, NOWHERE])},
        "set_point": {"signal": chance.of([*points, *points, *machine_type.signals, NOWHERE]), "value": value},
        "scale": {"count": int(chance.below(6))},
        "rate": {"messages_per_second": chance.of([None, 3.0, 20.0])},
    }
    target = of_machine if name in _OFTEN else {"command": name} if name == "rate" else of_type
    return {key: value for key, value in (target | found.get(name, {})).items() if value is not None}


def _changed(data: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The same plant with another period, and every second time with other shares of states."""
    period = {"report_seconds": (2.0, 5.0, 0.7)[number % 3]}
    types = {
        key: entry | period if "report_seconds" in entry else entry for key, entry in data["message_types"].items()
    }
    if "press" in types and number % 2:
        press = types["press"]
        types["press"] = press | {"faults": {**press["faults"], "jam": {"duration_seconds": 9}}, "wear": {}}
    return {**data, "message_types": types}


class Heard(NamedTuple):
    """A run as its consumers have it."""

    messages: list[Message]
    truth: list[Any]
    commands: list[Timed]
    figures: list[MachineOee]


def played(
    config: PlantConfig,
    log: Iterable[Timed],
    seconds: float,
    cuts: Iterable[float] = (),
    shard: tuple[int, int] = (1, 1),
) -> Heard:
    """Return what is heard of a run in which commands are executed at their times; refused ones are left out.

    cuts: where time is cut besides, in seconds from the start.
    """
    plant, heard = FactoryMessageGenerator.of(config, 1, shard=shard), Heard([], [], [], [])
    plant.listen(
        heard.truth.append, heard.truth.append, lambda time_ms, command: heard.commands.append((time_ms, command))
    )
    due = sorted(
        [*((START + each, None) for each in cuts), *((time_ms / 1000, each) for time_ms, each in log)], key=_at
    )
    for at, command in due:
        heard.messages.extend(plant.advance(at))
        if command is not None:
            attempt(plant, command)
    heard.messages.extend(plant.advance(START + seconds))
    plant.close_truth()
    heard.figures.extend(plant.oee())
    return heard


def attempt(plant: FactoryMessageGenerator, command: Command) -> bool:
    """Execute a command, and return whether that was possible."""
    try:
        plant.execute(command)
    except CommandRefused:
        return False
    return True


def _at(due: tuple[float, object]) -> float:
    return due[0]
