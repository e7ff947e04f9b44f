"""The parts of a plant, what emits messages or changes machines, and how a configuration is applied to them.

A configuration is applied in steps whose order matters: machines must have advanced to now before they change, planned
stops must have suspended new machines before pieces flow to them, and the event queue is built from complete machines.
Each step returns what the next one takes, so another order does not type-check.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from plant.calendar import PlannedStops
from plant.definition.plant_config import PlantConfig
from plant.energy.metering import EnergyMetering
from plant.event_queue import EventQueue, Participant
from plant.faults.fault_log import FaultListener
from plant.fleets.fleet import Fleet
from plant.fleets.snapshot import alarm_counts, machines_at
from plant.forecast.rate_forecast import forecast
from plant.interventions.fault_spreading import FaultSpreading
from plant.machines.machine import Machine
from plant.machines.states import NEVER
from plant.material_flow.flow import Flow
from plant.orders import OrderBook
from plant.reports.fault_labels import FaultLabels
from plant.reports.oee_reports import Reports
from plant.shift_times import ShiftAt, Shifts, no_shift
from plant.telemetry import Message, Snapshot
from plant.truth.energy import EnergyListener
from plant.truth.events import Listener, OrderListener

if TYPE_CHECKING:
    from plant.signals.fleet_signals import FleetSignals


class Present(NamedTuple):
    """All machines have advanced to this moment."""

    now_ms: int


class FleetsApplied(NamedTuple):
    """Each fleet has the machines of the configuration, and planned stops are applied to them."""

    now_ms: int
    participants: tuple[Participant, ...]


class FlowApplied(NamedTuple):
    """Pieces flow between these machines, or no longer do."""

    now_ms: int
    participants: tuple[Participant, ...]
    flow: Flow | None


class OrdersApplied(NamedTuple):
    """Orders arrive at the configured rates, and the flow, if there is one, ships them."""

    now_ms: int
    participants: tuple[Participant, ...]


class PlantParts:
    """The parts of one plant, or of one shard of it.

    fleets: one for each machine type there is or was, in the order of their numbers.
    order_book, reports, labels: what else emits messages.
    energy: reads the meters of machines, where the ground truth asks for it.
    event_queue: advances all machines in one order of time; None where each may advance by itself.
    machine_counts: how many machines each type has in the whole plant, of which a shard has some.
    external: participants from outside that change machines, see `FactoryMessageGenerator.set_participants`.
    listener: called with every stay and every job when it ends; a trial hands it to types that are new.
    fault_listener: called with every episode of a fault when it ends.
    """

    __slots__ = (
        "_begin_ms", "_planned_stops", "_seed", "_shard", "energy", "event_queue", "external", "fault_listener",
        "fleets", "flow", "labels", "listener", "machine_counts", "order_book", "reports",
    )  # fmt: skip

    def __init__(self, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self._seed, self._shard, self._begin_ms = seed, shard, begin_ms
        self.fleets: list[Fleet] = []
        self.order_book = OrderBook(seed, begin_ms, shard)
        self.reports, self.labels, self.energy = Reports(), FaultLabels(), EnergyMetering()
        self._planned_stops = PlannedStops(self.fleets)
        self.flow: Flow | None = None
        self.external: Sequence[Participant] = ()
        self.listener: Listener | None = None
        self.fault_listener: FaultListener | None = None
        self.event_queue: EventQueue | None = None
        self.machine_counts: Mapping[str, int] = {}

    @property
    def emitters(self) -> Sequence[Fleet | EventQueue | OrderBook]:
        """What emits the messages of machines and orders, in the order for messages of the same millisecond."""
        return (self.event_queue, self.order_book) if self.event_queue else (*self.fleets, self.order_book)

    def read_meters(self, listener: EnergyListener | None, now_ms: int) -> None:
        """Call a listener with the energy of machines from now on, up to which they have advanced."""
        self.energy.listener = listener
        self.listen(self.listener, self.order_book.listener, self.fault_listener)
        self.energy.begin(self.fleets, now_ms)

    def listen(self, listener: Listener | None, orders: OrderListener | None, faults: FaultListener | None) -> None:
        """Call listeners from now on: with stays and jobs, with orders and dispatches, and with episodes of faults."""
        self.listener, self.order_book.listener, self.fault_listener = listener, orders, faults
        ended = self.energy.noting(faults)
        for fleet in self.fleets:
            fleet.accounts.listener, fleet.faults.listener = listener, ended

    @property
    def next_report_ms(self) -> int:
        """The time at which OEE reports or labels are due, or meters are read; NEVER without any of these."""
        return min(self.reports.next_ms, self.labels.next_ms, self.energy.next_ms)

    def take_reports(self, now_ms: int) -> list[Message]:
        """Return the OEE reports and the labels due at a moment, and read the meters if that is due.

        All other messages up to then have been taken.
        """
        self.advance_dependent(now_ms)
        messages: list[Message] = []
        if self.energy.next_ms == now_ms:
            self.energy.close(now_ms)
        if self.reports.next_ms == now_ms:
            machines = machines_at(self.fleets, self.machine_counts, self.reports.places)
            for machine in machines:
                machine.advance_to(now_ms)
            messages += self.reports.emit([machine.oee("run", now_ms) for machine in machines])
        if self.labels.next_ms == now_ms:
            for fleet in self.fleets:
                if fleet.fault_names:
                    fleet.advance_to(now_ms)
            messages += self.labels.emit([fleet.faults for fleet in self.fleets])
        return messages

    def skip_to(self, until_ms: int) -> None:
        """Advance to a time, and drop all messages up to it."""
        while (read_ms := self.energy.next_ms) <= until_ms:
            self._skip_machines_to(read_ms)
            self.energy.close(read_ms)
        self._skip_machines_to(until_ms)
        self.reports.skip_to(until_ms)
        self.labels.skip_to(until_ms, [fleet.faults for fleet in self.fleets])

    def _skip_machines_to(self, until_ms: int) -> None:
        for emitter in self.emitters:
            emitter.skip_to(until_ms)

    def close_truth(self, now_ms: int) -> None:
        """End every stay, and what meters have counted since they were read; all machines have advanced to now."""
        for fleet in self.fleets:
            fleet.close_accounts(now_ms)
        self.energy.close(now_ms)

    def counts(self, now_ms: int, states: Mapping[tuple[str, str], int] | None) -> Snapshot:
        """Return counts over the plant. states: those of machines by state, if they are known already."""
        fleets = {fleet.key: fleet for fleet in self.fleets}
        if states is None:
            states = Counter((key, machine.state.name) for key, fleet in fleets.items() for machine in fleet.machines)
        jobs = {(key, result): count for key, fleet in fleets.items() for result, count in fleet.results.items()}
        rows = {kind: count for fleet in fleets.values() for kind, count in fleet.message_counts.items()}
        rows |= self.order_book.message_counts
        names = [(key, fleet.faults, name) for key, fleet in fleets.items() for name in fleet.fault_names]
        active = {(key, name): log.active[name] for key, log, name in names}
        ended = {(key, name): log.ended[name] for key, log, name in names}
        return Snapshot(
            now_ms, rows, states, jobs, self.order_book.open_orders, *alarm_counts(self.fleets), active, ended
        )

    def advance_to(self, now_ms: int) -> Present:
        """Advance all machines to a moment; this changes no message."""
        for part in [self.event_queue] if self.event_queue else self.fleets:
            part.advance_to(now_ms)
        return Present(now_ms)

    def advance_dependent(self, now_ms: int) -> None:
        """Advance machines to a moment that depend on each other, if they do."""
        if self.event_queue:
            self.event_queue.advance_to(now_ms)

    def advance_one(self, machine: Machine, now_ms: int) -> None:
        """Advance a machine to a moment, with all those that it depends on."""
        (self.event_queue or machine).advance_to(now_ms)

    def started(self, machine: Machine, now_ms: int) -> None:
        """Let a machine that a command has started again take its place in the line, if there is one."""
        if self.flow is not None:
            self.flow.started(machine, now_ms)

    def apply(self, config: PlantConfig, now_ms: int) -> None:
        """Apply a configuration from now on. An exception leaves the parts half changed: see ConfigTrial."""
        present = self.advance_to(now_ms)
        self.energy.close(now_ms)
        orders = self._apply_orders(config, self._apply_flow(config, self._apply_fleets(config, present)))
        self._apply_reports(config, now_ms)
        self.event_queue = self._build_event_queue(config, orders)
        self.energy.begin(self.fleets, now_ms)

    def subset(self, machines_per_type: int, now_ms: int) -> Self:
        """Return the same plant with fewer machines of each type. They must not depend on each other."""
        subset = copy.copy(self)
        subset.energy = EnergyMetering()  # rehearsed machines are read by nobody
        subset.fleets = [fleet.subset(machines_per_type, now_ms) for fleet in self.fleets]
        subset._planned_stops = PlannedStops(subset.fleets)  # noqa: SLF001 - of the same class
        return subset

    def max_events_per_second(self, config: PlantConfig) -> Iterator[float]:
        """Yield upper bounds on the rates of events; their sum bounds the cost of a second of plant time."""
        yield from (each.per_second for each in forecast(config).types if each.machines is None)
        yield from (fleet.max_events_per_second for fleet in self.fleets)

    def _apply_fleets(self, config: PlantConfig, present: Present) -> FleetsApplied:
        now_ms = present.now_ms
        self._add_fleets(config)
        sites = [_site_of(config, fleet.key) for fleet in self.fleets]
        self._planned_stops.apply([config.calendar_of(site) for site in sites], now_ms)
        stops = self._planned_stops.next_ms < NEVER  # a calendar that never stops a machine needs no event queue
        own = ((self._planned_stops, stops), (self.order_book, config.flow))
        participants = (*(part for part, wanted in own if wanted), *self.external)
        signals = {site: _plant_signals(config, site, self._seed) for site in dict.fromkeys(sites)}
        shifts = {site: _shift_at(config, site) for site in signals}
        for fleet, site in zip(self.fleets, sites, strict=True):
            coupled = bool(participants) or _faults_spread(config)
            fleet.apply(config, now_ms, signals[site], shifts[site], coupled=coupled)
        self._planned_stops.advance_to(now_ms)  # for machines that are new
        self.machine_counts = {key: count for key, _, count in config.machines()}
        return FleetsApplied(now_ms, participants)

    def _add_fleets(self, config: PlantConfig) -> None:
        """Add a fleet for each type that is new, and bring all into the order of the types."""
        known = {fleet.key for fleet in self.fleets}
        for key, machine_type, _ in config.declared():
            if key not in known:
                self.fleets.append(Fleet(machine_type, self._seed, self._shard, self._begin_ms))
        places = {key: place for place, (key, _, _) in enumerate(config.declared())}
        self.fleets.sort(key=lambda fleet: (places.get(fleet.key, len(places)), fleet.key))

    def _apply_flow(self, config: PlantConfig, fleets: FleetsApplied) -> FlowApplied:
        now_ms, participants = fleets
        if config.flow:
            self.flow = self.flow or Flow(config.flow, self._seed, self._shard, now_ms)
            self.flow.apply(config.flow, self.fleets, now_ms)
        elif self.flow:
            self.flow.end(self.fleets, now_ms)
            self.flow = None
        return FlowApplied(now_ms, participants, self.flow)

    def _apply_orders(self, config: PlantConfig, flow: FlowApplied) -> OrdersApplied:
        self.order_book.apply(config.message_types, flow.flow, flow.now_ms)
        return OrdersApplied(flow.now_ms, flow.participants)

    def _apply_reports(self, config: PlantConfig, now_ms: int) -> None:
        self.reports.apply(config.message_types.oee, sum(self.machine_counts.values()), now_ms)
        self.labels.apply(config.message_types.fault_labels, [fleet.faults for fleet in self.fleets], now_ms)

    def _build_event_queue(self, config: PlantConfig, orders: OrdersApplied) -> EventQueue | None:
        """Return what advances machines that depend on each other or on a participant, where there are any."""
        if _faults_spread(config):
            FaultSpreading(self.fleets, config.flow.line if config.flow else None)
        elif not orders.participants:
            return None
        return EventQueue(self.fleets, orders.participants)


def _faults_spread(config: PlantConfig) -> bool:
    """Return whether a fault of one machine may lead to one of another machine."""
    return any(machine_type.causes.reach_others for _, machine_type, _ in config.machines())


def _site_of(config: PlantConfig, key: str) -> str | None:
    """Return the site of a machine type; None if it is at none, or gone."""
    machine_type = config.machine_type(key)
    return machine_type.site if machine_type else None


def _shift_at(config: PlantConfig, site: str | None) -> ShiftAt:
    """Return what tells the shift that is on at a site."""
    calendar = config.calendar_of(site)
    return Shifts(calendar).at if calendar else no_shift


def _plant_signals(config: PlantConfig, site: str | None, seed: int | str) -> FleetSignals | None:
    """Return the signals of the plant at a site; None if it has none."""
    if not config.plant_signals_of(site):
        return None
    from plant.fleets.fleet_measurements import plant_signals  # noqa: PLC0415  signals need some megabytes

    return plant_signals(config, site, seed)
