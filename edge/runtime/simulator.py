"""One simulator: the plant, its run loop and its output, wired together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from edge.control.inbox import Command, Executed, Front
from edge.control.journal import Note
from edge.control.live_plant import LivePlant
from edge.delivery.queue import Ledger
from edge.delivery.stdout import ReaderGone, StdoutFailed
from edge.labels.ended_episodes import EndedEpisodes
from edge.labels.queries import Anomalies, AnomalyQuery
from edge.lateness import Lateness
from edge.mqtt.connection import BrokerRefused
from edge.reported.meter import OeeMeter, Reported
from edge.runtime.ground_truth import GroundTruth, GroundTruthLost
from edge.runtime.history import LatePolicy, Progress, Throttle, history_rate
from edge.runtime.machine_figures import MachineFigures, MachineReader
from edge.runtime.output import NOBODY, Observer, Output
from edge.runtime.pacer import Pacer, PacerHooks, Timing
from edge.runtime.reload import as_config_errors
from edge.runtime.run_clock import LONG_STEP_SECONDS, RunClock, step_line
from edge.runtime.run_options import RunOptions, commands_of
from edge.runtime.tasks import TaskSupervisor
from edge.settings.loader import Settings
from edge.settings.types import CatchUp
from edge.status import (
    AlarmStatus,
    ClockStatus,
    ConnectionStatus,
    MachineFound,
    MachinesFound,
    OeeFigures,
    OeeQuery,
)
from edge.timestamps import LAST_SECOND
from edge.traffic import TrafficBatch, TrafficQuery
from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.forecast.rate_forecast import forecast
from plant.interventions.command_log import CommandLog
from plant.telemetry import KindOee, Snapshot
from plant.views.plant_views import ViewQuery

log = logging.getLogger("app")

VERSION = "0.1.0"
OK, DIED, CONFIGURATION, REFUSED = 0, 1, 2, 3

_DISCONNECT_SECONDS = 5.0


class Simulator:
    """One factory, or a part of one, with its output: what a service runs, or a worker.

    is_first: whether it logs what concerns the plant as a whole, which its other parts do not.
    commands: to be executed; None where they are to be read.  observer: takes part in the run.
    live: what changes the plant while it runs.
    command_part: of the plant, where its commands are executed by several processes together; None: this one's.
    start_ms: when the run begins, in plant time.
    Raises UsageError where the options contradict each other, PlantConfigError where the plant cannot be made.
    """

    def __init__(
        self,
        options: RunOptions,
        settings: Settings,
        config: PlantConfig,
        *,
        is_first: bool = True,
        commands: CommandLog | None = None,
        command_part: tuple[int, int] | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self._options, self._settings, self._is_first = options, settings, is_first
        self._has_own_sink = observer.make_sink is not None
        timing = options.timing(time.time())
        self.start_ms = round(timing.start * 1000)
        self._clock_steps: list[float] = []
        self._clock = RunClock(
            time.monotonic, time.time if timing.follows_wall else time.monotonic, self._clock_steps.append
        )
        timing = replace(timing, end=min(timing.end, LAST_SECOND), process_start=self._clock.read_at)
        with as_config_errors(settings.message_config_path.absolute()):
            self._plant = FactoryMessageGenerator.of(config, settings.seed, start=timing.start, shard=settings.part)
            self._plant.rehearse()
        wake = asyncio.Event()
        self._output = Output(
            settings,
            self._plant,
            wake,
            time.monotonic,
            time.time,
            dry_run=options.dry_run,
            show_first=is_first,
            command_part=command_part or settings.part,
            make_sink=observer.make_sink,
        )
        traces = self._output.traces
        self.live = LivePlant(
            self._plant,
            commands or commands_of(options, settings, config, timing.start),
            wake.set,
            self._follow_config,
            self._record_reload,
            is_first=is_first,
            script=observer.script,
            on_live=traces.follow if traces else lambda _command: None,
            on_connection=self._output.connect,
        )
        self.lateness = Lateness()
        self._throttle = Throttle(self._late_rate(config), observer.room)
        self._pacer = Pacer(
            self._plant,
            self._output.queue,
            timing,
            self._clock,
            wake=wake,
            hooks=PacerHooks(
                on_turn=self._on_traced_turn if traces else self._handle_clock_steps,
                on_messages=traces.queued if traces else observer.on_messages,
                on_late=self.lateness.observe,
                next_command=self.live.next_seconds,
                on_command=self.live.execute_due,
            ),
            count=options.count,
            late_policy=LatePolicy(settings.catch_up, self._throttle, self._progress(timing), self._restart),
        )
        self.live.drive_by(self._pacer)
        plant_file = settings.message_config_path
        self._truth = GroundTruth(Path(options.truth), self._plant, plant_file) if options.truth else None
        self._truth_error: GroundTruthLost | None = None
        self._asked_to_end = asyncio.Event()
        self._ended_faults = EndedEpisodes()
        self._plant.watch_faults(self._ended_faults)
        self._figures = MachineFigures(self._plant, self._ended_faults)
        self._reader = MachineReader(self._plant)
        figures, listen = self._figures, self._output.tap.listen
        self._meter = OeeMeter(
            listen, figures.oee, figures.refresh, figures.oee_by_kind, lambda: self._plant.config, time.monotonic
        )

    # status

    @property
    def ledger(self) -> Ledger:
        """The counts of messages by what happened to them."""
        return self._output.ledger

    @property
    def seed(self) -> int | str:
        """The seed of the plant's random streams."""
        return self._plant.seed

    def connection(self) -> ConnectionStatus:
        """Return the status of the connection to the broker."""
        return self._output.sink.facts()

    def clock(self) -> ClockStatus:
        """Return how plant time relates to the wall clock."""
        return ClockStatus(self._clock.steps, self._clock.ahead_seconds - self._pacer.stretched_seconds)

    def alarms(self) -> AlarmStatus:
        """Return how many alarms were raised and cleared, and how many are active."""
        return AlarmStatus.of(self._figures.snapshot())

    def turn_age_seconds(self) -> float:
        """Return the time since the run loop last turned."""
        return time.monotonic() - self._clock.read_at

    def why_stuck(self) -> str | None:
        """Return None: it has no other part than its run loop."""
        return None

    def snapshot(self) -> Snapshot:
        """Return the plant's counts, with its machines as of the last `refresh`."""
        return self._figures.snapshot()

    def oee_by_kind(self) -> Sequence[KindOee]:
        """Return the OEE sums of each machine type as of the last `refresh`."""
        return self._figures.oee_by_kind()

    def active_faults(self) -> int | None:
        """Return how many faults machines have now; None if no type has any."""
        return self._figures.active_faults()

    async def refresh(self) -> None:
        """Count the machines again, in turns with the run loop."""
        await self._figures.refresh()

    async def oee(self, query: OeeQuery) -> OeeFigures:
        """Return the OEE figures of each machine as of one moment, in turns with the run loop; raises BadQuery."""
        return await self._figures.oee(query)

    async def anomalies(self, query: AnomalyQuery) -> Anomalies:
        """Return episodes of faults that go on or have ended, in turns with the run loop; raises BadQuery."""
        return await self._figures.anomalies(query)

    async def machines(self, query: ViewQuery) -> MachinesFound:
        """Return machines as they are now, in turns with the run loop; raises BadQuery."""
        return await self._reader.machines(query)

    async def machine(self, machine_id: str) -> MachineFound:
        """Return one machine as it is now."""
        return self._reader.machine(machine_id)

    async def config(self) -> PlantConfig:
        """Return the configuration in force."""
        return self._plant.config

    async def traffic(self, query: TrafficQuery, after: int | None, limit: int) -> TrafficBatch:
        """Return what was delivered since a batch; raises Busy."""
        return self._output.tap.pull(query, after, limit)

    async def reported(self) -> Reported | None:
        """Return OEE as delivered messages report it, and the truth of the same time; None before there is any."""
        return await self._meter.read()

    # from start to exit code

    @property
    def shutdown_seconds(self) -> float:
        """How long closing the connection and the HTTP port may take."""
        return _DISCONNECT_SECONDS

    def describe(self) -> str:
        """Return the number of machines, in words."""
        return f"{sum(1 for _ in self._plant.machines())} machines"

    def start(self, tasks: TaskSupervisor, note: Note) -> None:
        """Start to emit and publish messages. note: notes the commands of a file."""
        self.live.note_by(note)
        self._asked_to_end = tasks.asked_to_end
        if self._truth is not None:
            self._truth.begin()
            tasks.start("truth", self._truth.run())
        tasks.start("delivery", self._output.run())
        tasks.start("plant", self._run_plant(tasks))

    def before_statistics(self) -> None:
        """Log how many lines about rare events were held back."""
        self._output.flush_log()

    async def shutdown(self, failure: Exception | None) -> None:
        """Stop emitting, drain the queue, disconnect, and complete the ground truth."""
        self._pacer.stop()
        self._output.take_no_commands()
        if refused := self.live.refused:
            log.warning("commands were refused count=%d, so the run is not the one that was planned", refused)
        drain = failure is None or isinstance(failure, GroundTruthLost)
        await self._output.shutdown(self._pacer.pending, self._asked_to_end, drain=drain)
        if self._truth is not None:
            self._truth_error = self._truth.close()

    def exit_code(self, failure: Exception | None) -> int:
        """Return the exit code, and log why the run failed."""
        if isinstance(failure, BrokerRefused):
            log.error("giving up: %s", failure)
            return REFUSED
        failure = failure or self._truth_error
        if isinstance(failure, ReaderGone):
            log.info("%s", failure)
            return OK
        if failure is not None:
            log.error("%s", failure, exc_info=None if isinstance(failure, StdoutFailed | GroundTruthLost) else failure)
            return DIED
        complete = self.ledger.acknowledged == self.ledger.generated
        return OK if complete or not self._options.bounded else DIED

    async def _run_plant(self, tasks: TaskSupervisor) -> None:
        await self._pacer.run()
        tasks.complete()

    # commands and configurations

    def obey(self, front: Front) -> None:
        """Have commands that come over MQTT executed by a front."""
        if self._output.commands is not None:
            self._output.commands.desk.obey(front)

    async def execute(self, command: Command) -> Executed:
        """Have a command executed at once; raises CommandRefused, or Busy where too many wait."""
        return await self.live.execute(command)

    async def apply(self, config: PlantConfig) -> int:
        """Follow another configuration from now on, and return when, in plant time; if this raises, nothing changed."""
        at_ms = await self.live.apply(config)
        await asyncio.sleep(0)  # so that who waits for an earlier command hears of it before
        return at_ms

    def _record_reload(self, config: PlantConfig) -> None:
        if self._truth is not None:
            self._truth.record_reload(config)

    def _follow_config(self) -> None:
        """Follow the configuration that the plant has now."""
        self._output.invalidate()
        self._throttle.rate = self._late_rate(self._plant.config)

    # time

    def _late_rate(self, config: PlantConfig) -> float:
        """Return the most late messages a second."""
        _, parts = self._settings.part
        without_broker = self._options.dry_run or self._has_own_sink
        unlimited = without_broker or (self._options.speed == inf and not self._options.then_live)
        plant_rate = forecast(config).per_second / parts
        return history_rate(self._settings.history_rate, plant_rate, unlimited=unlimited, parts=parts)

    def _progress(self, timing: Timing) -> Progress | None:
        if not (self._is_first and timing.begins_with_history):
            return None
        live, count = timing.speed < inf, self._options.count or inf
        return Progress(timing.start, lambda: self.ledger.generated, live=live, count=count)

    def _on_traced_turn(self) -> None:
        if self._output.traces:
            self._output.traces.turn()
        self._handle_clock_steps()

    def _handle_clock_steps(self) -> None:
        """Log each step of the wall clock, and restart the plant after one that is too far to catch up."""
        for seconds in self._clock_steps:
            catch_up = self._settings.catch_up
            too_far = seconds > LONG_STEP_SECONDS and self._truth is None and catch_up is not CatchUp.STRETCH
            restarted = too_far and self._pacer.restart()
            if self._is_first:
                log.log(*step_line(seconds, catch_up, restarted=restarted))
        self._clock_steps.clear()

    def _restart(self, start: float) -> None:
        self._plant.begin_anew(start)
        self._plant.watch_faults(self._ended_faults)
        self._output.restart_run()
