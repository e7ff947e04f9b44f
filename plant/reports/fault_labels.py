"""Labels of faults as messages: a retained one when an episode begins, and one when it ends; only where asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson

from plant.definition.event_kinds import FaultLabelsReport
from plant.faults.fault_log import Change, FaultLog
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import EPOCH, TimestampPrefix
from plant.telemetry import Message
from plant.truth.events import FaultEpisode

KIND: Final = "fault_labels"
TOPICS: Final = {KIND: "{prefix}/{machine_id}"}
"""Default topic."""

BEGIN, END = "begin", "end"

_PERIOD_MS: Final = 1000


class FaultLabels:
    """Emits what has begun and ended, at whole seconds since 1970.

    A machine is advanced only when its next message is due, and then knows what happened before. To emit a label at the
    very moment, all machines would have to be asked at every turn of the run loop when their next event is.
    """

    def __init__(self) -> None:
        self.next_ms = NEVER
        self._timestamp_prefix = TimestampPrefix()
        self._sequences: Counter[str] = Counter()

    def apply(self, spec: FaultLabelsReport | None, logs: Iterable[FaultLog], now_ms: int) -> None:
        """Apply a configuration from now on."""
        is_enabled = spec is not None and spec.enabled
        for log in logs:
            log.follow(is_followed=is_enabled)
        if not is_enabled:
            self.next_ms = NEVER
        elif self.next_ms == NEVER:
            self.next_ms = (now_ms // _PERIOD_MS + 1) * _PERIOD_MS

    def emit(self, logs: Iterable[FaultLog]) -> list[Message]:
        """Return the messages due at `next_ms`, up to which the machines of each log have advanced."""
        messages = [self._message(log.kind, change) for log in logs for change in log.take_changes()]
        self.next_ms += _PERIOD_MS
        return messages

    def skip_to(self, until_ms: int, logs: Iterable[FaultLog]) -> None:
        """Drop the messages that are due up to a time."""
        if self.next_ms <= until_ms:
            self.next_ms = (until_ms // _PERIOD_MS + 1) * _PERIOD_MS
            for log in logs:
                log.take_changes()

    def _message(self, kind: str, change: Change) -> Message:
        source = label_source(change.episode.machine_id)
        self._sequences[source] += 1
        payload = self._timestamp_prefix(self.next_ms) + orjson.dumps(_fields(kind, *change))[1:]
        return Message(KIND, source, None, self.next_ms, self._sequences[source], payload)


def label_source(machine_id: str) -> str:
    """Return the source of the labels of a machine: not its own id, which is the source of its regular messages."""
    return f"labels/{machine_id}"


def _fields(kind: str, episode: FaultEpisode, active: Sequence[str]) -> dict[str, Any]:
    """Return the fields after the timestamp. active: the faults of the machine that are there after the event."""
    return {
        "machine_id": episode.machine_id,
        "machine_type": kind,
        "fault": episode.fault,
        "event": BEGIN if episode.is_open else END,
        "from": _rfc3339(episode.from_ms),
        "to": None if episode.is_open else _rfc3339(episode.to_ms),
        "severity": episode.severity,
        "cause": episode.why,
        "signal": episode.signal,
        "active": active,
    }


def _rfc3339(time_ms: int) -> str:
    moment = EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment.isoformat('T', 'milliseconds').removesuffix('+00:00')}Z"
