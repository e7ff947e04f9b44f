"""How far the times of messages may be off: by their resolution, and as they deviate from a regular period."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from cli.verify.counts.message_counts import jitter
from cli.verify.input.received_messages import MessageContent
from cli.verify.input.reference import InvalidInput
from cli.verify.input.timeline import Timeline

COARSE_MS: Final = 1000
"""If all times are multiples of this, they are taken to be rounded to it."""

_FIRST_MESSAGES: Final = 500
_JITTER_SHARE: Final = 0.4


def time_tolerance_ms(
    source: str, records: Iterable[tuple[int, MessageContent]], timeline: Timeline, resolution_ms: int
) -> float:
    """Return how far the times of a source's messages may be off. Raise InvalidInput if that is too far."""
    first = [*islice(records, _FIRST_MESSAGES)]
    jitter_ms = jitter((time_ms for time_ms, content in first if _is_regular(time_ms, content, timeline)), timeline)
    coarse_ms = resolution_ms if resolution_ms >= COARSE_MS else 0
    period_ms = timeline.shortest_period_ms
    if coarse_ms > period_ms / 2 or jitter_ms > _JITTER_SHARE * period_ms:
        problem_ = f"have a resolution of {coarse_ms / 1000:g} s" if coarse_ms > period_ms / 2 else "are irregular"
        problem = f"too coarse for a message period of {period_ms / 1000:g} s"
        raise InvalidInput(f"the times of {source} {problem_}, {problem}")
    return jitter_ms + coarse_ms


def _is_regular(time_ms: int, content: MessageContent, timeline: Timeline) -> bool:
    parameters = timeline.at(time_ms)
    return parameters is not None and not parameters.is_additional(content)
