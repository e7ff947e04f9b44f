"""Following files as they change, and reloading the plant's: all or nothing, by one path for all who ask.

Files are looked at, not watched by the kernel: a ConfigMap or projected volume changes by swapping the symlink
`..data`, of which a watch on the file sees at most the first, while reading through the path sees every one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from edge.facts import ReloadFacts, ReloadOutcome
from edge.settings import Settings
from edge.topics import TopicError, Topics
from plant.structure import Mistake, Structure, StructureError, load
from plant.telemetry import Message

log = logging.getLogger("reload")


class FileWatcher:
    """Calls back when the content of a file has changed.

    Content counts, not the time stamps: a swapped symlink with the same text is no change. It must be the same for two
    looks in a row, so that a file is not taken while it is being written. A file that is missing has not changed.
    in_force: the digest of the content that is known, taken before the file was first read, so that what has changed
    since is seen; without it, what is there when the watcher is made is known.
    """

    def __init__(
        self,
        path: Path,
        on_change: Callable[[], object],
        interval_seconds: float = 1.0,
        in_force: bytes | None = None,
    ) -> None:
        self._path, self._on_change, self._interval_seconds = path, on_change, interval_seconds
        # Reading the whole file is cheap at a look a second, and no time stamp or inode can then hide a change.
        self._known = self._last_seen = in_force or digest(path)

    async def run(self) -> None:
        """Look, and look again, for ever."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            if self.look():
                self._on_change()

    def look(self) -> bool:
        """Say whether the file has new content, once for each."""
        seen, before = digest(self._path), self._last_seen
        self._last_seen = seen
        if seen is None or seen != before or seen == self._known:
            return False
        self._known = seen
        return True


def digest(path: Path) -> bytes | None:
    """Give a fingerprint of a file's content, or None where it cannot be read now."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return None


class Reloader:
    """Loads the plant's file and hands it over, or keeps what is in force; watcher, SIGHUP and HTTP all come here.

    load: reads and checks the file, raising StructureError with all its mistakes.  hand_over: puts it in force.
    wall_clock: Unix seconds.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[Path], Structure],
        hand_over: Callable[[Structure], None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._path, self._load, self._hand_over, self._wall_clock = path, load, hand_over, wall_clock
        self._accepted = self._refused = 0
        self._last_success = wall_clock()
        self._last_refused: tuple[bytes | None, tuple[str, ...]] | None = None

    def facts(self) -> ReloadFacts:
        """Tell how reloading has gone; the load at the start counts as the first success."""
        return ReloadFacts(self._accepted, self._refused, self._last_success)

    def reload(self, cause: str) -> ReloadOutcome:
        """Load the file anew because of `cause`: the machines now running by type, or the mistakes it has."""
        try:
            structure = self._load(self._path)
        except StructureError as error:
            return self._refuse(tuple(map(str, error.mistakes)), cause)
        self._hand_over(structure)
        return self._accept(structure, cause)

    def _accept(self, structure: Structure, cause: str) -> ReloadOutcome:
        self._accepted += 1
        self._last_success = self._wall_clock()
        self._last_refused = None
        machines = {kind: count for kind, _, count in structure.machines()}
        each = ", ".join(f"{count} {kind}" for kind, count in machines.items())
        log.info("%s: reloaded (%s): %d machines (%s)", self._path, cause, sum(machines.values()), each)
        return ReloadOutcome(machines=machines)

    def _refuse(self, mistakes: tuple[str, ...], cause: str) -> ReloadOutcome:
        self._refused += 1
        # Other content with the same mistakes is somebody's new attempt: they want to read the mistakes again.
        refused = (digest(self._path), mistakes)
        if refused == self._last_refused:
            log.warning("%s: refused again (%s), with the same %d mistakes", self._path, cause, len(mistakes))
        else:
            log.error("%s: refused (%s), the old one stays:\n  %s", self._path, cause, "\n  ".join(mistakes))
        self._last_refused = refused
        return ReloadOutcome(mistakes=mistakes)


class Loading:
    """How a process loads a plant's YAML: with its topics checked.

    template: a kind's topic template in a structure.  orders_per_hour: in place of the default rate, for a demo that
    does not keep one waiting half an hour for an order.
    """

    def __init__(
        self,
        settings: Settings,
        template: Callable[[Structure, str], str],
        orders_per_hour: float | None = None,
    ) -> None:
        self._settings, self._template, self._orders_per_hour = settings, template, orders_per_hour
        self._replaced: Mapping[str, float] | None = None

    def __call__(self, path: Path) -> Structure:
        """The plant of a file; StructureError with every mistake."""
        structure = load(path)
        if mistakes := [*self._unroutable(structure, path)]:
            raise StructureError(mistakes)
        return self._brisk(structure, path) if self._orders_per_hour else structure

    def _brisk(self, structure: Structure, path: Path) -> Structure:
        """The plant with the demo's rates where its YAML has the default ones, which is told where it has changed."""
        brisk, replaced = with_orders_per_hour(structure, self._orders_per_hour or 0.0)
        if replaced != self._replaced:
            rates = " ".join(f"{name}={rate:g}" for name, rate in replaced.items())
            said = f"the demo's rates in place of the default ones, until these are edited: {rates}"
            log.info("%s: %s", path, said if rates else "its own rates of orders and dispatches hold")
        self._replaced = replaced
        return brisk

    def _unroutable(self, structure: Structure, path: Path) -> Iterator[Mistake]:
        """A topic that is no topic once the prefix and a machine are filled in."""
        settings = self._settings
        topics = Topics(partial(self._template, structure), settings.mqtt_topic_prefix, settings.topic_layout)
        stations = {key: spec.station(count) for key, spec, count in structure.machines()}
        for kind in sorted(structure.message_types.model_fields_set):
            try:
                topics.topic(Message(kind, f"{kind}-1", stations.get(kind), 0, 0, b""))
            except TopicError as error:
                yield Mistake(str(path), None, f"message_types.{kind}.topic", str(error))


_DEFAULT_RATES: Final = {"customer_order": ("orders_per_hour", 2.0), "dispatch": ("dispatches_per_hour", 3.0)}
"""Of message_structure.yaml as it comes: the kinds of business event, each with the key and the value of its rate."""


def with_orders_per_hour(structure: Structure, orders: float) -> tuple[Structure, Mapping[str, float]]:
    """The same plant with so many orders an hour, and dispatches in proportion, and the rates that were replaced.

    Only those are that are the default ones: who has edited a rate wants to see it.
    """
    brisk, replaced = {}, {}
    for kind, (name, default) in _DEFAULT_RATES.items():
        spec = getattr(structure.message_types, kind)
        if spec is not None and getattr(spec, name) == default:
            replaced[name] = orders * default / _DEFAULT_RATES["customer_order"][1]
            brisk[kind] = spec.model_copy(update={name: replaced[name]})
    types = structure.message_types.model_copy(update=brisk)
    return structure.model_copy(update={"message_types": types}), replaced
