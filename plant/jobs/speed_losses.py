"""Performance losses: slow cycles and micro-stops, which make a job take longer than it should.

A slow cycle takes a drawn multiple of its time. Micro-stops come at random while the machine works (a Poisson process,
which is paused during a stop), and each adds its drawn length. The machine stays in the producing state: both losses
show only in the cycle time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

from plant.definition.jobs.job_type import LossesType
from plant.random_stream import WORD_TO_UNIT, RandomStream, between, between_by_size, exponential

HOUR_MS: Final = 3_600_000


class Losses:
    """The losses of one machine type; the same stream and job number give the same losses."""

    __slots__ = (
        "_factors", "_slow_below", "_slow_share", "_stop_ms", "_stops_per_ms", "_stops_per_ms_words",
    )  # fmt: skip

    def __init__(self, spec: LossesType) -> None:
        self._slow_share, self._factors = spec.slow_cycle_share, spec.slow_cycle_factor_range
        self._slow_below = self._slow_share / WORD_TO_UNIT
        self._stops_per_ms = spec.micro_stops_per_hour / HOUR_MS
        self._stops_per_ms_words = self._stops_per_ms / WORD_TO_UNIT
        shortest, longest = spec.micro_stop_seconds_range
        self._stop_ms = shortest * 1000, longest * 1000

    def cycle_ms(self, plain_ms: float, job_words: Sequence[int], stream: RandomStream, number: int) -> int:
        """Return the length of a cycle with its losses, in milliseconds.

        plain_ms: the length without losses.  job_words: the job's eight words, of which the last four are used here.
        Most jobs have no loss, which two comparisons find out.
        """
        _, _, _, _, slow_at, factor_at, gap_at, _ = job_words
        if slow_at < self._slow_below:
            plain_ms *= between(*self._factors, factor_at * WORD_TO_UNIT)
        work_ms = ceil(plain_ms)
        # The gap to the first stop is never shorter than its mean times its draw, so most gaps are known to be longer
        # than the work without a logarithm.
        if gap_at >= work_ms * self._stops_per_ms_words:
            return work_ms
        return work_ms + self._stopped_ms(work_ms, stream, number, job_words)

    def cycle_in_progress_ms(self, plain_ms: float, job_words: Sequence[int], stream: RandomStream, number: int) -> int:
        """Return the length of a cycle that is in progress at a random moment of producing, in milliseconds.

        plain_ms: the length without losses, drawn in proportion to its size.
        The length of a cycle is its work and its stops. So it is drawn in proportion to the work and, as often as the
        moment falls into a stop, with one more stop, drawn in proportion to its own length: a sum of a Poisson number
        of terms, weighted by its value, is such a sum and one more term weighted by its value.
        """
        slow_at, factor_at, in_stop_at, met_at = stream.draws(b"met", number)
        slow, stopped = self._slow_share * sum(self._factors) / 2, self._stops_per_ms * sum(self._stop_ms) / 2
        is_slow, in_stop = slow_at < slow / (slow + 1 - self._slow_share), in_stop_at < stopped / (stopped + 1)
        work_ms = ceil(plain_ms * between_by_size(*self._factors, factor_at) if is_slow else plain_ms)
        more_ms = round(between_by_size(*self._stop_ms, met_at)) if in_stop else 0
        return work_ms + more_ms + self._stopped_ms(work_ms, stream, number, job_words)

    def _stopped_ms(self, work_ms: int, stream: RandomStream, number: int, job_words: Sequence[int]) -> int:
        """Return the total length of the micro-stops in this work: two draws for each, the first two by the job."""
        if not self._stops_per_ms:
            return 0
        gap_at, stop_at = (word * WORD_TO_UNIT for word in job_words[6:])
        done_ms, stopped_ms, stops = exponential(1 / self._stops_per_ms, gap_at), 0, 0
        while done_ms < work_ms:
            stopped_ms, stops = stopped_ms + round(between(*self._stop_ms, stop_at)), stops + 1
            gap_at, stop_at, _, _ = stream.draws(b"stop %d/" % stops, number)
            done_ms += exponential(1 / self._stops_per_ms, gap_at)
        return stopped_ms
