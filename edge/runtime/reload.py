"""Loading and applying the plant's file, as a whole or not at all, at the start and whenever a reload is requested."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from edge.blocking import run_aside
from edge.control.journal import Journal
from edge.control.problems import Problem
from edge.mqtt.commands.plant_topics import wrong_commands
from edge.observability.tracing import spans
from edge.routing import TopicError, TopicRouter
from edge.runtime.plant_file import FileWatcher, NotSaved, PlantFile, digest, read_at_start
from edge.settings.loader import Settings
from edge.status import CheckOutcome, PlantError, PlantFileStatus, ReloadOutcome, ReloadStatus
from plant.config_changes import describe_changes
from plant.definition.document.errors import WHOLE_FILE, unreadable
from plant.definition.files.fleet_config import NOTHING_GIVEN, Given
from plant.definition.plant_config import ConfigError, PlantConfig, PlantConfigError, load_content
from plant.forecast.rate_forecast import forecast
from plant.telemetry import Message

log = logging.getLogger("reload")

_LONGEST_SHOWN = 200
_SENT: Final = Path("(sent)")
"""Where content is from that is not the file's, in messages."""


class NotApplied(Exception):
    """A valid configuration cannot be applied now; the text says why."""


class LoadedPlant(NamedTuple):
    """A configuration, the digest of the file it comes from, and whether that file can be read again."""

    config: PlantConfig
    digest: bytes
    followed: bool = True


class Reloader:
    """Loads the plant's file and applies it, or keeps the current configuration, for file watcher, SIGHUP and HTTP.

    load: returns the configuration of a file's content; raises PlantConfigError with all its errors.
    apply: applies a configuration; if it raises, nothing has changed.  wall_clock: Unix seconds.
    on_accepted: called once a configuration has been applied.  journal: where what was done is noted.
    apply returns the plant time from which it applies, in milliseconds.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[bytes], PlantConfig],
        apply: Callable[[PlantConfig], Awaitable[int]],
        wall_clock: Callable[[], float],
        current: LoadedPlant,
        journal: Journal | None = None,
        on_accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_accepted = on_accepted
        self.journal = journal or Journal(wall_clock)
        self._path, self._load, self._apply, self.wall_clock = path, load, apply, wall_clock
        self._current, self._file = current, PlantFile(path)
        self._of_file, self._is_file = current.digest, current.followed
        self._accepted = self._rejected = 0
        self._last_success = wall_clock()
        self._last_rejected: tuple[bytes | None, tuple[str, ...]] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._requested: set[asyncio.Task[ReloadOutcome]] = set()

    def status(self) -> ReloadStatus:
        """Return the counts of reloads; loading at the start counts as the first success."""
        return ReloadStatus(self._accepted, self._rejected, self._last_success)

    def file_status(self) -> PlantFileStatus:
        """Return the name of the plant's file, unless that was a pipe, and whether it can be saved."""
        return PlantFileStatus(self._path.name if self._is_file else None, self._file.why_not_writable)

    async def follow(self, interval_seconds: float) -> None:
        """Apply changes of the file for as long as the process runs, checking it at this interval."""
        if not self._current.followed:
            log.warning("configuration was read from a pipe, changes are not followed path=%s", self._path)
            self._file.why_not_writable = "it was read from a pipe"
            await asyncio.Event().wait()
        with suppress(OSError):  # which the watcher will find, too
            await self._file.read()
        await FileWatcher(self._file.read, self._current.digest).run(self._on_change, interval_seconds)

    def request(self, cause: str) -> None:
        """Have the file loaded soon."""
        task = asyncio.get_running_loop().create_task(self.reload(cause))
        self._requested.add(task)
        task.add_done_callback(self._requested.discard)

    async def reload(self, cause: str) -> ReloadOutcome:
        """Load and apply the file because of `cause`; return the machines now running by type, or its errors."""
        async with self._one_at_a_time:
            try:
                content = await self._file.read()
            except OSError as error:
                return self._reject(None, (str(_error(self._path, unreadable(error))),), cause)
            return await self._load_and_apply(content, cause)

    async def check(self, content: bytes) -> CheckOutcome:
        """Return what other content describes, or all its errors; nothing changes."""
        try:
            with as_config_errors(self._path):
                return await run_aside(lambda: _described(self._load(content)))
        except PlantConfigError as error:
            return CheckOutcome(errors=_places(error))

    async def put(self, content: bytes, cause: str, *, save: bool = False) -> ReloadOutcome:
        """Apply other content because of `cause`; the file stays as it is, and its next change applies again.

        save: put the content in the place of the file's as well. Raises Problem where that cannot be.
        """
        async with self._one_at_a_time:
            return await (self._apply_and_save(content, cause) if save else self._load_and_apply(content, cause, _SENT))

    async def _apply_and_save(self, content: bytes, cause: str) -> ReloadOutcome:
        so = "nothing has changed"
        try:  # what may fail comes first: a plant that is applied and not saved is neither one nor the other
            async with self._file.replacement(content, self._of_file) as commit:
                outcome = await self._load_and_apply(content, cause, _SENT)
                if outcome.errors:
                    return outcome
                so = "it is applied"
                backup = await commit()
        except NotSaved as error:
            problem = Problem(409, f"{self._path.name}: cannot be saved: {error}; {so}")
            self.journal.refused({"command": "reload"}, cause, str(problem))
            raise problem from None
        self._of_file = digest(content)
        log.info("configuration saved path=%s cause=%s backup=%s", self._path, cause, backup)
        return replace(outcome, saved=self._path.name, backup=backup.name)

    async def _on_change(self, change: bytes | str) -> bool:
        """Apply new content; a text is the rule that a file breaks which cannot be read.

        Returns False for content that cannot be applied now, and may be later.
        """
        async with self._one_at_a_time:
            if isinstance(change, str):
                self._reject(None, (str(_error(self._path, change)),), "changed")
            elif digest(change) == self._current.digest:
                self._of_file = self._current.digest
                if self._last_rejected is not None:  # otherwise it has been loaded for another cause
                    log.info("file matches the running configuration again path=%s", self._path)
                self._last_rejected = None
            elif self._last_rejected is None or digest(change) != self._last_rejected[0]:
                outcome = await self._load_and_apply(change, "changed")
                return not (outcome.errors and self._last_rejected and self._last_rejected[0] is None)
        return True

    async def _load_and_apply(self, content: bytes, cause: str, source: Path | None = None) -> ReloadOutcome:
        """Load and apply content. source: where it is from, in messages, if not from the file."""
        source = source or self._path
        with spans.span("reload", {"edgemqttsim.by": cause, "edgemqttsim.plant.file": str(source)}) as span:
            outcome = await self._try_to_apply(content, cause, source)
            span.set("edgemqttsim.plant.machines", sum(outcome.machines.values()))
            if outcome.errors:
                span.set("edgemqttsim.plant.errors", len(outcome.errors))
                span.fail("rejected", outcome.errors[0])
            return outcome

    async def _try_to_apply(self, content: bytes, cause: str, source: Path) -> ReloadOutcome:
        try:
            with as_config_errors(source):
                config = await run_aside(partial(self._load, content))
                changes = describe_changes(self._current.config, config)
                at_ms = await self._apply(config)
        except NotApplied as error:
            # No digest: another attempt with the same content may succeed.
            why = (str(_error(source, f"cannot be applied now: {error}")),)
            rejected = self._reject(None, why, cause, source)
            return replace(rejected, is_busy=True)
        except PlantConfigError as error:
            if error.__cause__ is not None:
                log.debug("configuration rejected because of an exception path=%s", source, exc_info=error)
            errors = tuple(str(replace(each, file=str(source))) for each in error.mistakes)
            return replace(self._reject(digest(content), errors, cause, source), places=_places(error))
        self._current = LoadedPlant(config, digest(content))
        if source == self._path:
            self._of_file = self._current.digest
        outcome = self._accept(config, changes, cause, source)
        as_yaml = content if config.content is None else config.content  # with what the environment has added
        self.journal.executed({"command": "reload", "content": as_yaml.decode()}, cause, at_ms)
        return outcome

    def _accept(self, config: PlantConfig, changes: str, cause: str, source: Path) -> ReloadOutcome:
        self._accepted += 1
        self._last_success = self.wall_clock()
        self._last_rejected = None
        machines = {kind: count for kind, _, count in config.machines()}
        each, total = ", ".join(f"{count} {kind}" for kind, count in machines.items()), sum(machines.values())
        text = "reloaded configuration path=%s cause=%s machines=%d (%s), %s"
        log.info(text, source, cause, total, each, changes)
        self._on_accepted()
        return ReloadOutcome(machines=machines)

    def _reject(
        self, content: bytes | None, errors: tuple[str, ...], cause: str, source: Path | None = None
    ) -> ReloadOutcome:
        self._rejected += 1
        self.journal.refused({"command": "reload"}, cause, "\n".join(errors))
        source = source or self._path
        # Other content with the same errors is somebody's next attempt: they want to read the errors again.
        rejected = content, errors
        if rejected == self._last_rejected:
            text = "configuration rejected again with the same errors path=%s cause=%s errors=%d"
            log.warning(text, source, cause, len(errors))
        else:
            text = "configuration rejected, keeping the previous one path=%s cause=%s errors=%d\n  %s"
            log.error(text, source, cause, len(errors), "\n  ".join(errors))
        if source == self._path:  # content that was sent is not the file's
            self._last_rejected = rejected
        return ReloadOutcome(errors=errors)


def _described(config: PlantConfig) -> CheckOutcome:
    found = forecast(config)
    return CheckOutcome({key: count for key, _, count in config.machines()}, found.per_second, found.notes)


def _places(error: PlantConfigError) -> tuple[PlantError, ...]:
    return tuple(PlantError(each.line, each.path, each.rule) for each in error.mistakes)


@contextmanager
def as_config_errors(path: Path) -> Iterator[None]:
    """Turn every exception raised inside into a PlantConfigError about the file, in one line."""
    try:
        yield
    except (PlantConfigError, NotApplied):
        raise
    except Exception as error:
        lines = str(error).splitlines() or [""]
        what = f"cannot be used: {type(error).__name__}: {lines[0][:_LONGEST_SHOWN]}".removesuffix(": ")
        raise PlantConfigError([_error(path, what)]) from error


def _error(path: Path, rule: str) -> ConfigError:
    return ConfigError(str(path), None, WHOLE_FILE, rule)


def load_at_start(path: Path, load: Callable[[bytes, Path], PlantConfig]) -> LoadedPlant:
    """Return the plant of a file, or of a pipe; raises PlantConfigError with every error."""
    path = path.absolute()
    try:
        file = read_at_start(path)
    except (OSError, ValueError) as error:
        raise PlantConfigError([_error(path, unreadable(error))]) from error
    return LoadedPlant(load(file.content, path), digest(file.content), file.followed)


def parse_plant(content: bytes, path: Path, given: Given = NOTHING_GIVEN) -> PlantConfig:
    """Return the plant that a file's content describes; raises PlantConfigError with every error.

    given: what holds where a config.toml of another simulator leaves something out.
    """
    with as_config_errors(path):
        return load_content(content, str(path), given)


class PlantLoader:
    """Loads a plant's YAML, and checks its topics.

    template: returns a kind's topic template in a configuration.  orders_per_hour: replaces the default rate, for a
    demo in which nobody wants to wait half an hour for an order.
    given: what holds where a config.toml of another simulator leaves something out.
    """

    def __init__(
        self,
        settings: Settings,
        template: Callable[[PlantConfig, str], str],
        orders_per_hour: float | None = None,
        given: Given = NOTHING_GIVEN,
    ) -> None:
        self._given = given
        self._settings, self._template, self._orders_per_hour = settings, template, orders_per_hour
        self._replaced: Mapping[str, float] = {}
        self._replaced_before: Mapping[str, float] = {}

    def __call__(self, path: Path) -> PlantConfig:
        """Return the plant of a file, read once; raises PlantConfigError with every error."""
        return load_at_start(path, self.parse).config

    def parse(self, content: bytes, path: Path) -> PlantConfig:
        """Return the plant that a file's content describes; raises PlantConfigError with every error."""
        config = self.checked(parse_plant(content, path, self._given), path)
        with as_config_errors(path):
            if not self._orders_per_hour:
                return config
            config, self._replaced = with_orders_per_hour(config, self._orders_per_hour)
            return config

    def checked(self, config: PlantConfig, path: Path) -> PlantConfig:
        """Return a configuration whose topics are valid; raises PlantConfigError with every topic that is not."""
        with as_config_errors(path):
            if errors := [*self._topic_errors(config, path)]:
                raise PlantConfigError(errors)
        return config

    def changed_demo_rates(self) -> Mapping[str, float] | None:
        """Return the rates of a demo that replace those of the file, or None if they are those of the last call."""
        before, self._replaced_before = self._replaced_before, self._replaced
        return None if self._replaced == before else self._replaced

    def _topic_errors(self, config: PlantConfig, path: Path) -> Iterator[ConfigError]:
        """Yield an error for each topic that is invalid once the prefix and a machine are filled in."""
        settings = self._settings
        topics = TopicRouter(partial(self._template, config), settings.mqtt_topic_prefix, settings.topic_layout)
        stations = {key: spec.station(count) for key, spec, count in config.machines()}
        ids = {key: spec.id_of(1) for key, spec, _ in config.declared()}
        for kind in sorted(config.kinds):
            try:
                machine_id = ids.get(kind.partition(".")[0], f"{kind}-1")
                topics.topic(Message(kind, machine_id, stations.get(kind), 0, 0, b""))
            except TopicError as error:
                yield ConfigError(str(path), None, f"message_types.{kind}.topic", str(error))
        if config.commands is not None or settings.mqtt_commands:
            yield from map(partial(ConfigError, str(path), None, "commands.topic"), wrong_commands(config, settings))


_DEFAULT_RATES: Final = {"customer_order": ("orders_per_hour", 2.0), "dispatch": ("dispatches_per_hour", 3.0)}
"""Of the packaged message_structure.yaml: the kinds of business event, each with the key and value of its rate."""


def with_orders_per_hour(config: PlantConfig, orders: float) -> tuple[PlantConfig, Mapping[str, float]]:
    """Return the plant with this many orders an hour, and dispatches in proportion, and the rates that were replaced.

    Only default rates are replaced: somebody who has edited a rate wants to see it.
    """
    faster, replaced = {}, {}
    for kind, (name, default) in _DEFAULT_RATES.items():
        spec = getattr(config.message_types, kind)
        if spec is not None and getattr(spec, name) == default:
            replaced[name] = orders * default / _DEFAULT_RATES["customer_order"][1]
            faster[kind] = spec.model_copy(update={name: replaced[name]})
    types = config.message_types.model_copy(update=faster)
    return config.model_copy(update={"message_types": types}), replaced
