"""The connections of all machines: one for each that the plant has, from the start of the run to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from math import ceil
from typing import Final

from edge.delivery.lanes import Lane, Lanes
from edge.delivery.queue import MessageQueue
from edge.delivery.tap import NoteMessage, unheard
from edge.mqtt.auth.credentials import Token, token_file
from edge.mqtt.auth.token_refresh import read_in_background
from edge.mqtt.commands.lane import CommandLane
from edge.mqtt.connection import BrokerRefused
from edge.mqtt.devices.device import Device, Shared
from edge.mqtt.devices.figures import Figures
from edge.mqtt.devices.gate import ConnectGate
from edge.mqtt.devices.logins import DeviceLogins
from edge.mqtt.devices.open_files import raise_limit
from edge.mqtt.devices.places import Place
from edge.mqtt.devices.presence import Announcements, Presence
from edge.mqtt.dialing import Dialer
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.mqtt.publisher import MessageSource, Publisher
from edge.settings.loader import AuthMethod, Settings
from edge.status import ConnectionStatus

log = logging.getLogger("broker")

_ROUND_SECONDS, _SLICE_SECONDS = 1.0, 0.05
"""Each connection is looked after once in a round, and the round is cut into slices, so that none takes long."""
_SLICES_A_READ: Final = 4
"""How often the token file is read, or what was read is taken: a new token is noticed within half a second."""
_LOOKUP_KEPT_SECONDS: Final = 5.0
_REFUSED_BEFORE_GIVING_UP: Final = 10
_CLOSE_SECONDS: Final = 2.0
_LEAVING_AT_ONCE: Final = 200


class DeviceFleet:
    """A client for each machine, and one for the plant where something is no machine's.

    places: returns which connections there are to be.  queue, lanes: the messages of all, with a lane for each.
    publisher: makes that of a connection.  commands: None where they are off.
    clock: seconds, monotonic.  wall_clock: Unix seconds.  note: as for Announcements.
    """

    def __init__(  # noqa: PLR0913 - what a fleet is made of
        self,
        settings: Settings,
        places: Callable[[], Iterable[Place]],
        queue: MessageQueue,
        lanes: Lanes,
        publisher: Callable[[MessageSource], Publisher],
        commands: CommandLane | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        note: NoteMessage = unheard,
    ) -> None:
        self._settings, self._places, self._clock = settings, places, clock
        self._queue, self._lanes, self._publisher, self._commands = queue, lanes, publisher, commands
        self._figures = Figures(clock)
        file = token_file(settings)
        self._token = read_in_background(file) if settings.mqtt_auth_method is AuthMethod.K8S_SAT else lambda: None
        self._latest: Token | None = None
        self._shared = Shared(
            settings,
            clock,
            wall_clock,
            Dialer(settings.mqtt_broker, settings.mqtt_port, keep_seconds=_LOOKUP_KEPT_SECONDS),
            ConnectGate(settings.mqtt_connect_rate),
            DeviceLogins(settings),
            file,
            lambda: self._latest,
            self._figures,
            self._on_refused,
            self._on_accepted,
        )
        self._announcements = Announcements(settings, wall_clock, self._on_status_refused, note)
        self._devices: dict[str, Device] = {}
        self._leaving: dict[Device, asyncio.Task[None]] = {}
        self._renewals_before = 0
        self._round_seconds = _ROUND_SECONDS
        self._stopping = asyncio.Event()
        self._refused: dict[str, BrokerRefused] = {}
        self._is_started = False

    # Sink

    def facts(self) -> ConnectionStatus:
        """Return the state of all connections together."""
        devices, figures = [*self._devices.values(), *self._leaving], self._figures
        newest = max((at for each in devices if (at := each.publisher.last_acknowledgement) is not None), default=None)
        up = [each for each in devices if each.is_up]
        blocked = [each.publisher.blocked for each in up]
        why = f": {figures.last_end}" if figures.last_end else ""
        self._count_leaving()
        # With no machine there is nothing to connect: the HTTP port has to be reachable for who adds some.
        connected = bool(up) or (self._is_started and not figures.wanted)
        reason = f"{figures.wanted_up:,} of {figures.wanted:,} connections are up{why}"
        return ConnectionStatus(
            connected=connected,
            connects=figures.connects,
            token_renewals=self._renewals_before + sum(each.tokens.refreshes for each in devices),
            token_expiry=min((at for each in up if (at := each.tokens.expires_at) is not None), default=None),
            last_reason="connected" if figures.wanted_up >= figures.wanted else reason,
            last_ack_age_seconds=None if newest is None else self._clock() - newest,
            waiting_seconds=min((wait for each in up if (wait := each.publisher.waiting_seconds)), default=0.0),
            blocked=blocked[0] if blocked and all(blocked) else None,
            clients=max(1, figures.clients),
            commands=self._commands.status() if self._commands is not None else None,
            devices=figures.status(),
        )

    async def run(self) -> None:
        """Connect and reconnect until `stop`; raise BrokerRefused where the broker takes none of the machines."""
        self._is_started = True
        self.follow()
        try:
            while not self._stopping.is_set():
                await self._look_after_all()
                self._count_leaving()
                self._figures.write_lines()
                if (refused := self._refused_for_good()) is not None:
                    raise refused
        finally:
            for device in self._devices.values():
                device.leave()
            await asyncio.gather(*(device.end() for device in self._devices.values()), *self._leaving.values())

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until everything is acknowledged, or the broker takes no machine; return whether it is.

        What a machine that is away has not sent stays queued.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Polling each 20 ms is cheap and soon over.
                while self._queue.ledger.pending and self._refused_for_good() is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        return not self._queue.ledger.pending

    async def stop(self) -> None:
        """Announce each machine as offline, and disconnect it, ending its session; then let `run` return."""
        self._stopping.set()
        devices = iter(self._devices.values())
        while batch := list(islice(devices, _LEAVING_AT_ONCE)):
            for device in batch:
                device.leave()
            await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._figures.up:  # noqa: ASYNC110 - over as soon as the last byte has left
                    await asyncio.sleep(0.02)

    def abandon(self, reason: str) -> None:
        """Count what is left as dropped."""
        for device in (*self._devices.values(), *self._leaving):
            device.publisher.abandon(reason)
        self._queue.drop_all(reason)

    # The plant

    def follow(self) -> None:
        """Have a connection for each machine that the plant has now: new ones connect, those of others end."""
        if not self._is_started or self._stopping.is_set():
            return
        wanted = {place.machine_id: place for place in self._places()}
        if wrong := raise_limit(len(wanted)):
            log.error("%s", wrong)
        for machine_id in self._devices.keys() - wanted.keys():
            self._retire(self._devices.pop(machine_id))
        for machine_id, place in wanted.items():
            if machine_id not in self._devices:
                self._devices[machine_id] = self._kept(machine_id) or self._started(place)
            self._put_in_place(self._devices[machine_id], place)
        self._figures.wanted = len(wanted)

    def is_up(self, machine_id: str) -> bool:
        """Return whether a machine that there is now is connected."""
        return machine_id in self._devices and self._devices[machine_id].is_up

    @property
    def leaving(self) -> list[Place]:
        """The machines that there no longer are, and whose last messages are being sent."""
        return [device.place for device in self._leaving]

    def act(self, command: Mapping[str, object]) -> None:
        """Do what a command says to the connection of its machine, where that has one now."""
        device, seconds = self._devices.get(str(command["machine_id"])), command.get("seconds")
        if device is not None:
            _ACTIONS[str(command["command"])](device, seconds if isinstance(seconds, int | float) else None)

    # inside

    def _count_leaving(self) -> None:
        self._figures.leaving_up = sum(device.is_up for device in self._leaving)

    def _kept(self, machine_id: str) -> Device | None:
        """Return the client of a machine that is here again before its last messages were sent, if there is one."""
        for device, task in self._leaving.items():
            if device.place.machine_id == machine_id and not device.is_ending:
                task.cancel()
                del self._leaving[device]
                return device
        return None

    def _put_in_place(self, device: Device, place: Place) -> None:
        """Have a machine announced elsewhere where its topic is another one now, as that of its station."""
        before, device.place = device.place, place
        topic = self._announcements.topic
        if place.is_machine and before != place and topic(before) != topic(place):
            device.move(place)

    def _started(self, place: Place) -> Device:
        """Return a new client, which connects when one of the same id, if there is one, has gone."""
        device = self._new(place)
        device.start([task for each, task in self._leaving.items() if each.place.machine_id == place.machine_id])
        return device

    def _new(self, place: Place) -> Device:
        machine_id = place.machine_id
        subscription = self._commands.subscription_of(machine_id) if self._commands is not None else None
        presence = Presence(place, self._announcements if place.is_machine else None, subscription)
        return Device(self._shared, place, self._publisher(Lane(self._queue, self._lanes, machine_id)), presence)

    def _retire(self, device: Device) -> None:
        self._refused.pop(device.place.machine_id, None)
        self._figures.refused = len(self._refused)
        self._leaving[device] = asyncio.get_running_loop().create_task(self._let_go(device))

    async def _let_go(self, device: Device) -> None:
        """End a connection once its machine's last messages are sent, or cannot be."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                while not device.publisher.idle and not self._stopping.is_set():
                    device.tick()
                    await asyncio.sleep(0.1)
        device.leave()
        await device.end()
        del self._leaving[device]
        lane = Lane(self._queue, self._lanes, device.place.machine_id)
        self._renewals_before += device.tokens.refreshes
        if device.place.machine_id in self._devices:  # it is there again, and waits for the end of this one
            lane.put_back(*device.publisher.give_up())
            return
        device.publisher.abandon("shutdown")
        self._lanes.disconnect(device.place.machine_id)
        if self._commands is not None:
            self._commands.forget(device.place.machine_id)

    async def _look_after_all(self) -> None:
        """Look after each connection once, a slice at a time."""
        devices = list(self._devices.values())
        slices = max(1, round(self._round_seconds / _SLICE_SECONDS))
        size = max(1, ceil(len(devices) / slices))
        for number in range(slices):
            if not number % _SLICES_A_READ:
                self._latest = self._token() or self._latest
            first = number * size
            for device in devices[first : first + size]:
                device.tick()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _SLICE_SECONDS)
                return

    def _on_accepted(self, place: Place, keep_alive_seconds: int) -> None:
        """Look after connections often enough for their keep-alive: a broker may close after 1.5 times that."""
        self._refused.pop(place.machine_id, None)
        self._figures.refused = len(self._refused)
        self._round_seconds = max(4 * _SLICE_SECONDS, min(self._round_seconds, keep_alive_seconds / 4))

    def _on_refused(self, place: Place, refused: BrokerRefused) -> None:
        if place.machine_id not in self._refused and len(self._refused) < _REFUSED_BEFORE_GIVING_UP:
            log.error("machine=%s: %s", place.machine_id, refused)
        self._refused[place.machine_id] = refused
        self._figures.refused = len(self._refused)

    def _refused_for_good(self) -> BrokerRefused | None:
        """Return why the broker takes none of the machines, if it has never taken one, and refuses enough of them."""
        enough = min(len(self._devices), _REFUSED_BEFORE_GIVING_UP)
        if self._figures.connects or not enough or len(self._refused) < enough:
            return None
        return next(iter(self._refused.values()))

    def _on_status_refused(self, machine_id: str, code: int) -> None:
        self._figures.ended(f"the broker refused a status message: {explain(Packet.PUBACK, code)}")
        log.debug("the broker refused the status of machine=%s", machine_id)


_ACTIONS: Final[Mapping[str, Callable[[Device, float | None], None]]] = {
    "crash": Device.crash,
    "disconnect": Device.disconnect,
    "reconnect": lambda device, _seconds: device.reconnect(),
}
"""What commands do to the connection of a machine."""
