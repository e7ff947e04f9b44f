"""The devices as the clients of `/ws` know them: made of the machines of the plant, and of what is heard of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from edge.traffic import ALARM, TrafficRow
from plant.definition.plant_config import PlantConfig

ONLINE, OFFLINE, UNKNOWN = "online", "offline", "unknown"
_STATUS: Final = (ONLINE, OFFLINE)
_DEEPEST: Final = 3
"""Levels of objects in a payload that are looked at."""


class _Form(NamedTuple):
    """What is the same for all devices of a machine type. units: of its signals, by name."""

    device_type: str
    units: Mapping[str, str]


@dataclass(slots=True)
class _Device:
    device_id: str
    form: _Form
    state: str = UNKNOWN
    device_type: str | None = None
    announced: str | None = None
    sensors: dict[str, dict[str, object]] = field(default_factory=dict)
    last_alarm: dict[str, Any] | None = None
    last_seen: str | None = None

    def described(self, *, is_connected: bool, otherwise: str) -> dict[str, object]:
        """Return it as clients get it. otherwise: the status of one that has announced none."""
        return {
            "device_id": self.device_id,
            "device_type": self.device_type or self.form.device_type,
            "status": (self.announced or otherwise) if is_connected else OFFLINE,
            "state": self.state,
            "sensors": self.sensors,
            "last_alarm": self.last_alarm,
            "last_seen": self.last_seen,
        }


class Devices:
    """All devices.

    announce: whether each has a connection of its own, and so is offline until it announces that it is online.
    changed: whether anything has changed since this was last set to false.
    """

    def __init__(self, *, announce: bool) -> None:
        self._otherwise = OFFLINE if announce else ONLINE
        self._devices: dict[str, _Device] = {}
        self._forms: dict[str, _Form] = {}
        self._is_connected = False
        self.changed = False

    def follow(self, machines: Iterable[Mapping[str, Any]], config: PlantConfig) -> None:
        """Have a device for each machine, in the state in which it is."""
        self._forms = {key: _form_of(config, key) for key, _, _ in config.declared()}
        before, self._devices = self._devices, {}
        for machine in machines:
            machine_id, form = machine["machine_id"], self._forms.get(machine["machine_type"])
            if form is None:  # of a configuration that was replaced just now
                continue
            device = self._devices[machine_id] = before.get(machine_id) or _Device(machine_id, form)
            self.changed |= device.state != machine["state"]
            device.form, device.state = form, machine["state"]
        self.changed |= before.keys() != self._devices.keys()

    def connected(self, *, is_connected: bool) -> None:
        """Note whether the simulator is connected to its broker."""
        self.changed |= self._is_connected != is_connected
        self._is_connected = is_connected

    def heard(self, row: TrafficRow) -> None:
        """Note what a message reports of its device; one that is no JSON object shows that it is there."""
        device = self._devices.get(row.machine_id or "")
        if device is None:
            return
        self.changed = True
        device.last_seen = seconds_of(row.at)
        content = _json_object(row)
        if row.category == ALARM:
            device.last_alarm = content or device.last_alarm
            return
        if isinstance(device_type := content.get("device_type"), str):
            device.device_type = device_type
        if content.get("status") in _STATUS:
            device.announced = content["status"]
        if isinstance(state := content.get("state"), str):
            device.state = state
        device.sensors |= {
            name: {"value": value, "unit": unit, "ts": device.last_seen}
            for name, value, unit in _values(content, device.form.units)
        }

    def described(self) -> dict[str, dict[str, object]]:
        """Return all devices as clients get them."""
        connected, otherwise = self._is_connected, self._otherwise
        return {
            each.device_id: each.described(is_connected=connected, otherwise=otherwise)
            for each in self._devices.values()
        }


def seconds_of(at: str) -> str:
    """Return a time in whole seconds, as clients know it."""
    return f"{at[:19]}Z"


def _form_of(config: PlantConfig, key: str) -> _Form:
    machine_type = config.message_types.machines[key]
    units = {name: spec.unit or "" for name, spec in machine_type.signals.items()}
    return _Form(str(machine_type.properties.get("device_type", key)), units)


def _json_object(row: TrafficRow) -> dict[str, Any]:
    try:
        found = orjson.loads(row.payload)
    except orjson.JSONDecodeError:  # also where it was cut
        return {}
    return found if isinstance(found, dict) else {}


def _values(content: Mapping[str, Any], units: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    """Yield the values in a payload: the one of the sensor that it names, or those of the signals of its machine."""
    sensor, value = content.get("sensor"), content.get("value")
    if isinstance(sensor, str):
        if _is_number(value):
            yield sensor, value, str(content.get("unit") or units.get(sensor, ""))
        return
    yield from ((name, found, units[name]) for name, found in _leaves(content, _DEEPEST) if name in units)


def _leaves(content: Mapping[str, Any], depth: int) -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, dict) and depth:
            yield from _leaves(value, depth - 1)
        elif _is_number(value):
            yield name, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
