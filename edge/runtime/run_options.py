"""The options of `run` that are not settings: which run, over which plant time, and with which commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Self

from edge.runtime.pacer import Timing
from edge.runtime.reload import PlantLoader
from edge.settings.loader import Settings
from edge.timestamps import FIRST_SECOND, LAST_SECOND
from messages import topic_template
from plant.definition.machine_ids import machine_ids
from plant.definition.plant_config import PlantConfig
from plant.interventions.command_log import CommandFileError, CommandLog, read_commands
from plant.interventions.commands import own_names


class UsageError(Exception):
    """The command line asks for something impossible; the text says what."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of one run.

    demo: against the embedded broker.  demo_broker: the YAML that describes it for other clients.
    dry_run: messages go to standard output.  count: messages to stop after.
    truth: the ground truth file.  commands: a file of commands, which are executed at their times.
    journal: a file of what was done to the plant, for `commands`.
    start: plant time at the beginning, in Unix seconds; None is now.
    duration: plant seconds to simulate.  speed: plant seconds a second; inf is as fast as possible, None the default.
    then_live: start and duration describe history, after which the run continues in real time.
    log_config: a logging configuration in TOML.
    flags: values of settings on the command line, as they were typed.
    """

    demo: bool = False
    demo_broker: str | None = None
    dry_run: bool = False
    count: int | None = None
    truth: str | None = None
    commands: str | None = None
    journal: str | None = None
    start: float | None = None
    duration: float | None = None
    speed: float | None = None
    then_live: bool = False
    log_config: str | None = None
    flags: Mapping[str, object] = field(default_factory=dict)

    @property
    def bounded(self) -> bool:
        """Whether the run ends by itself."""
        return bool(self.count is not None or (self.duration and not self.then_live))

    def timing(self, now: float) -> Timing:
        """Return the timing of a run that begins at the wall clock's `now` (Unix seconds).

        Raises UsageError where options contradict each other, or lead out of the calendar.
        """
        timing = self._timing(now)
        if timing.start < FIRST_SECOND:
            raise UsageError("--duration: the history would begin before 1970")
        if (timing.live_from if timing.end == inf else timing.end) > LAST_SECOND:
            raise UsageError("--duration: plant time would go beyond the year 9899")
        return timing

    def pinned(self, now: float) -> Self:
        """Return the same run with a fixed start, for several processes that begin it one after the other.

        In real time each of them catches up with the clock, so none lags behind because it began late.
        Raises UsageError as `timing` does.
        """
        timing = self.timing(now)
        if self.start is not None:
            return self
        live = self.then_live or (self.duration is None and self.speed in (None, 1.0))
        return replace(self, start=timing.start, duration=None if live else self.duration, then_live=live)

    def _timing(self, now: float) -> Timing:
        if self.then_live:
            return self._timing_of_history(now)
        follows = self.start is None and not self.duration and self.speed in (None, 1.0)
        start = now if self.start is None else self.start
        return Timing(start, start + self.duration if self.duration else inf, self.speed or 1.0, follows_wall=follows)

    def _timing_of_history(self, now: float) -> Timing:
        """Return the timing of a run that goes through history first, and then goes on in real time."""
        start, duration = self.start, self.duration
        if self.speed is not None and self.speed <= 1.0:
            raise UsageError("--then-live: history has to be faster than real time: --speed must be above 1, or max")
        if start is None and duration is None:
            raise UsageError("--then-live: needs the length of the history: --duration, --start or both")
        follows = start is None or not duration
        if start is None:
            start = now - (duration or 0.0)
        live_from = start + duration if duration else now
        if live_from <= start:
            raise UsageError("--then-live: --start must be in the past, or --duration give the length of the history")
        return Timing(start, live_from=live_from, history_speed=self.speed or inf, follows_wall=follows)


def commands_of(options: RunOptions, settings: Settings, config: PlantConfig, start: float) -> CommandLog:
    """Return the commands of a run that begins at a time, in seconds since 1970; raises UsageError with every error.

    Where machines do not start by themselves, the first commands stop all of them.
    """
    loader = PlantLoader(settings, topic_template)
    stopped = () if settings.auto_start else machine_ids(config)
    stops = [(round(start * 1000), {"command": "stop", "machine_id": machine_id}) for machine_id in stopped]
    try:
        return read_commands(
            options.commands,
            (start, LAST_SECOND),
            lambda content: loader.parse(content, Path("content")),
            stops,
            own_names(config),
        )
    except CommandFileError as error:
        raise UsageError(f"--commands: {error}") from None
