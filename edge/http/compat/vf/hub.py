"""What all clients of `/ws` get: devices, messages and the state of the broker, made once for all of them.

It looks at the traffic from the start of the process on, as devices have announced themselves before any client is
there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Final

import orjson

from edge.http.api.context import ApiContext
from edge.http.compat.vf.devices import Devices, seconds_of
from edge.http.compat.vf.viewer import MOST_ENTRIES, Viewer
from edge.status import BadQuery, Busy
from edge.timestamps import rfc3339_seconds
from edge.traffic import ALARM, STATUS, TrafficQuery, TrafficRow
from plant.telemetry import MachineFilter
from plant.views.plant_views import ViewQuery

log = logging.getLogger("http")

_LOOK_SECONDS: Final = 0.2
_ROWS_A_LOOK: Final = 50
_DEVICES_SECONDS: Final = 0.5
"""How often devices are sent at most."""
_MACHINES_SECONDS: Final = 2.0
_MOST_DEVICES: Final = 200
_EVERYTHING: Final = TrafficQuery()
_NEVER_LOST: Final = (TrafficQuery(category=ALARM), TrafficQuery(category=STATUS))
"""What a device is known by is looked for by itself, so that it is found among more messages than are looked at."""


class Hub:
    """Follows the simulator while `run` runs, for all viewers."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._source = context, context.source
        self._devices = Devices(announce=self._setting("MQTT_CONNECTIONS") == "per_machine")
        self._traffic = deque[str](maxlen=MOST_ENTRIES)
        self._viewers = set[Viewer]()
        self._positions: dict[TrafficQuery, int] = {}
        self._broker = ""
        self._machines_due = self._devices_due = 0.0

    @property
    def base_topic(self) -> str:
        """The first levels of all topics."""
        return self._setting("MQTT_TOPIC_PREFIX")

    async def run(self) -> None:
        """Look again and again, as long as the process works."""
        while True:
            try:
                await self._look()
            except (TimeoutError, Busy, BadQuery) as error:
                log.debug("no news for /ws: %s: %s", type(error).__name__, error)
            await asyncio.sleep(_LOOK_SECONDS)

    def join(self) -> Viewer:
        """Return a new viewer, to whom everything up to now is sent first."""
        viewer = Viewer(self._snapshot())
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self._viewers.discard(viewer)

    def commanded(self, command: str, device_id: str, reason: str) -> None:
        """Show a command that a client has given, as if it had been published: clients wait for that."""
        at = rfc3339_seconds(self._context.wall_clock())
        content = {"command": command, "device_id": device_id, "reason": reason, "ts": at}
        topic = f"{self.base_topic}/commands/dashboard/{device_id}"
        self._tell([_entry(at, topic, 1, retain=False, payload=orjson.dumps(content).decode())])

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._positions:  # before all else, as machines take a moment, in which devices announce themselves
            for query in (_EVERYTHING, *_NEVER_LOST):
                await self._new(query, 0)
        if now >= self._machines_due:
            self._machines_due = now + _MACHINES_SECONDS
            await self._follow_machines()
        rows = await self._new(_EVERYTHING, _ROWS_A_LOOK)
        for query in _NEVER_LOST:
            for row in await self._new(query, _MOST_DEVICES):
                self._devices.heard(row)
        for row in rows:
            if row.category not in (ALARM, STATUS):
                self._devices.heard(row)
        self._tell(map(_entry_of, rows), self._states(now))

    async def _new(self, query: TrafficQuery, limit: int) -> list[TrafficRow]:
        batch = await self._source.traffic(query, self._positions.get(query), limit)
        self._positions[query] = batch.position
        return [*batch.rows]

    async def _follow_machines(self) -> None:
        found = await self._source.machines(ViewQuery(MachineFilter(limit=_MOST_DEVICES)))
        self._devices.follow(map(orjson.loads, (json for _, _, json in found.entries)), await self._source.config())

    def _states(self, now: float) -> Iterable[tuple[str, str]]:
        """Yield what is to be sent beside messages: the state of the broker, and all devices: clients replace them."""
        broker = self._broker_status()
        self._devices.connected(is_connected=broker == "connected")
        if broker != self._broker:
            self._broker = broker
            yield "broker", _text({"type": "broker", "status": broker})
        if self._devices.changed and now >= self._devices_due:
            self._devices.changed, self._devices_due = False, now + _DEVICES_SECONDS
            if self._viewers:
                yield "devices", _text({"type": "devices", "devices": self._devices.described()})

    def _tell(self, entries: Iterable[str], states: Iterable[tuple[str, str]] = ()) -> None:
        new, changed = [*entries], [*states]
        self._traffic.extend(new)
        events = [f'{{"type":"event","entry":{entry}}}' for entry in new] if self._viewers else []
        for viewer in self._viewers:
            viewer.give(events, changed)

    def _snapshot(self) -> str:
        host, port = self._address()
        self._devices.connected(is_connected=self._broker_status() == "connected")
        head = _text({"type": "snapshot", "devices": self._devices.described()})
        meta = {"base_topic": self.base_topic, "broker_host": host, "broker_port": port}
        tail = _text({"meta": meta, "broker_status": self._broker_status()})
        return f'{head[:-1]},"traffic":[{",".join(self._traffic)}],{tail[1:]}'

    def _broker_status(self) -> str:
        return "connected" if self._source.connection().connected else "disconnected"

    def _address(self) -> tuple[str, int]:
        """Return where clients find the broker: the embedded one has another port for them than for devices."""
        wire = self._context.wire() if self._context.wire is not None else {}
        addresses = wire.get("addresses")
        known = addresses.get("mqtt") if isinstance(addresses, dict) else None
        host, _, port = (known or "").rpartition(":")
        return (host, int(port)) if host else (self._setting("MQTT_BROKER"), int(self._setting("MQTT_PORT") or 0))

    def _setting(self, variable: str) -> str:
        settings = self._context.settings["settings"]
        return str(settings.get(variable, "")) if isinstance(settings, dict) else ""


def _entry_of(row: TrafficRow) -> str:
    return _entry(seconds_of(row.at), row.topic, row.qos, retain=row.retain, payload=row.payload)


def _entry(at: str, topic: str, qos: int, *, retain: bool, payload: str) -> str:
    return _text({"ts": at, "topic": topic, "qos": qos, "retain": retain, "payload": payload})


def _text(content: object) -> str:
    return orjson.dumps(content).decode()
