"""Loading the plant's file and putting it in force: all or nothing, by one path for all who ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from edge.blocking import run_aside
from edge.routing import TopicError, TopicRouter
from edge.runtime.plant_file import FileWatcher, PlantFile, digest, take
from edge.settings.loader import Settings
from edge.status import ReloadOutcome, ReloadStatus
from plant.config_changes import describe_changes
from plant.definition.plant_config import ConfigError, PlantConfig, PlantConfigError, load_content
from plant.telemetry import Message

log = logging.getLogger("reload")

_LONGEST_SHOWN = 200


class LoadedPlant(NamedTuple):
    """The structure that the plant follows, the digest of the file it is from, and whether that can be read again."""

    config: PlantConfig
    digest: bytes
    followed: bool = True


class Reloader:
    """Loads the plant's file and hands it over, or keeps what is in force; watcher, SIGHUP and HTTP all come here.

    load: what the file's content describes, raising PlantConfigError with all its mistakes.
    adopt: puts it in force; whatever it raises, nothing has changed then.  wall_clock: Unix seconds.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[bytes], PlantConfig],
        adopt: Callable[[PlantConfig], Awaitable[None]],
        wall_clock: Callable[[], float],
        in_force: LoadedPlant,
    ) -> None:
        self._path, self._load, self._adopt, self._wall_clock = path, load, adopt, wall_clock
        self._in_force, self._file = in_force, PlantFile(path)
        self._accepted = self._refused = 0
        self._last_success = wall_clock()
        self._last_refused: tuple[bytes | None, tuple[str, ...]] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._asked: set[asyncio.Task[ReloadOutcome]] = set()

    def facts(self) -> ReloadStatus:
        """Tell how reloading has gone; the load at the start counts as the first success."""
        return ReloadStatus(self._accepted, self._refused, self._last_success)

    async def follow(self, interval_seconds: float) -> None:
        """Take up what changes in the file, for ever, looking at it so often."""
        if not self._in_force.followed:
            log.warning("%s: is a pipe: it has been read once, and is not followed", self._path)
            await asyncio.Event().wait()
        await FileWatcher(self._file.read, self._in_force.digest).run(self._hear, interval_seconds)

    def ask(self, cause: str) -> None:
        """Have the file loaded soon."""
        task = asyncio.get_running_loop().create_task(self.reload(cause))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def reload(self, cause: str) -> ReloadOutcome:
        """Load the file anew because of `cause`: the machines now running by type, or the mistakes it has."""
        async with self._one_at_a_time:
            try:
                content = await self._file.read()
            except OSError as error:
                return self._refuse(None, (_unreadable(self._path, error),), cause)
            return await self._take(content, cause)

    async def _hear(self, news: bytes | str) -> None:
        """What the watcher has seen: other content, or why there is none."""
        async with self._one_at_a_time:
            if isinstance(news, str):
                self._refuse(None, (str(_mistake(self._path, f"cannot be read: {news}")),), "changed")
            elif digest(news) == self._in_force.digest:
                log.info("%s: as it is in force again", self._path)
                self._last_refused = None
            else:
                await self._take(news, "changed")

    async def _take(self, content: bytes, cause: str) -> ReloadOutcome:
        try:
            with refusals(self._path):
                config = await run_aside(partial(self._load, content))
                changes = describe_changes(self._in_force.config, config)
                await self._adopt(config)
        except PlantConfigError as error:
            if error.__cause__ is not None:
                log.debug("%s: why it is refused", self._path, exc_info=error)
            return self._refuse(digest(content), tuple(map(str, error.mistakes)), cause)
        self._in_force = LoadedPlant(config, digest(content))
        return self._accept(config, changes, cause)

    def _accept(self, config: PlantConfig, changes: str, cause: str) -> ReloadOutcome:
        self._accepted += 1
        self._last_success = self._wall_clock()
        self._last_refused = None
        machines = {kind: count for kind, _, count in config.machines()}
        each = ", ".join(f"{count} {kind}" for kind, count in machines.items())
        log.info("%s: reloaded (%s): %d machines (%s), %s", self._path, cause, sum(machines.values()), each, changes)
        return ReloadOutcome(machines=machines)

    def _refuse(self, content: bytes | None, mistakes: tuple[str, ...], cause: str) -> ReloadOutcome:
        self._refused += 1
        # Other content with the same mistakes is somebody's new attempt: they want to read the mistakes again.
        refused = content, mistakes
        if refused == self._last_refused:
            log.warning("%s: refused again (%s), with the same %d mistakes", self._path, cause, len(mistakes))
        else:
            log.error("%s: refused (%s), the old one stays:\n  %s", self._path, cause, "\n  ".join(mistakes))
        self._last_refused = refused
        return ReloadOutcome(mistakes=mistakes)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Whatever goes wrong in here is a mistake of the file, told in one line."""
    try:
        yield
    except PlantConfigError:
        raise
    except Exception as error:
        lines = str(error).splitlines() or [""]
        what = f"cannot be used: {type(error).__name__}: {lines[0][:_LONGEST_SHOWN]}".removesuffix(": ")
        raise PlantConfigError([_mistake(path, what)]) from error


def _mistake(path: Path, rule: str) -> ConfigError:
    return ConfigError(str(path), None, "(top level)", rule)


def _unreadable(path: Path, error: OSError) -> str:
    return str(_mistake(path, f"cannot be read: {error.strerror or error}"))


def first(path: Path, load: Callable[[bytes, Path], PlantConfig]) -> LoadedPlant:
    """What a file describes as the process starts; it may be a pipe. PlantConfigError with every mistake."""
    path = path.absolute()
    try:
        taken = take(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise PlantConfigError([_mistake(path, f"cannot be read: {reason}")]) from error
    return LoadedPlant(load(taken.content, path), digest(taken.content), taken.followed)


def described(content: bytes, path: Path) -> PlantConfig:
    """The plant that a file's content describes; PlantConfigError with every mistake."""
    with refusals(path):
        return load_content(content, str(path))


class PlantLoader:
    """How a process loads a plant's YAML: with its topics checked.

    template: a kind's topic template in a structure.  orders_per_hour: in place of the default rate, for a demo that
    does not keep one waiting half an hour for an order.
    """

    def __init__(
        self,
        settings: Settings,
        template: Callable[[PlantConfig, str], str],
        orders_per_hour: float | None = None,
    ) -> None:
        self._settings, self._template, self._orders_per_hour = settings, template, orders_per_hour
        self._replaced: Mapping[str, float] | None = None

    def __call__(self, path: Path) -> PlantConfig:
        """The plant of a file, read once; PlantConfigError with every mistake."""
        return first(path, self.of).config

    def of(self, content: bytes, path: Path) -> PlantConfig:
        """The plant that a file's content describes; PlantConfigError with every mistake."""
        config = described(content, path)
        with refusals(path):
            if mistakes := [*self._unroutable(config, path)]:
                raise PlantConfigError(mistakes)
            return self._brisk(config, path) if self._orders_per_hour else config

    def _brisk(self, config: PlantConfig, path: Path) -> PlantConfig:
        """The plant with the demo's rates where its YAML has the default ones, which is told where it has changed."""
        brisk, replaced = with_orders_per_hour(config, self._orders_per_hour or 0.0)
        if replaced != self._replaced:
            rates = " ".join(f"{name}={rate:g}" for name, rate in replaced.items())
            said = f"the demo's rates in place of the default ones, until these are edited: {rates}"
            log.info("%s: %s", path, said if rates else "its own rates of orders and dispatches hold")
        self._replaced = replaced
        return brisk

    def _unroutable(self, config: PlantConfig, path: Path) -> Iterator[ConfigError]:
        """A topic that is no topic once the prefix and a machine are filled in."""
        settings = self._settings
        topics = TopicRouter(partial(self._template, config), settings.mqtt_topic_prefix, settings.topic_layout)
        stations = {key: spec.station(count) for key, spec, count in config.machines()}
        for kind in sorted(config.message_types.model_fields_set):
            try:
                topics.topic(Message(kind, f"{kind}-1", stations.get(kind), 0, 0, b""))
            except TopicError as error:
                yield ConfigError(str(path), None, f"message_types.{kind}.topic", str(error))


_DEFAULT_RATES: Final = {"customer_order": ("orders_per_hour", 2.0), "dispatch": ("dispatches_per_hour", 3.0)}
"""Of message_structure.yaml as it comes: the kinds of business event, each with the key and the value of its rate."""


def with_orders_per_hour(config: PlantConfig, orders: float) -> tuple[PlantConfig, Mapping[str, float]]:
    """The same plant with so many orders an hour, and dispatches in proportion, and the rates that were replaced.

    Only those are that are the default ones: who has edited a rate wants to see it.
    """
    brisk, replaced = {}, {}
    for kind, (name, default) in _DEFAULT_RATES.items():
        spec = getattr(config.message_types, kind)
        if spec is not None and getattr(spec, name) == default:
            replaced[name] = orders * default / _DEFAULT_RATES["customer_order"][1]
            brisk[kind] = spec.model_copy(update={name: replaced[name]})
    types = config.message_types.model_copy(update=brisk)
    return config.model_copy(update={"message_types": types}), replaced
