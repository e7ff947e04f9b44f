"""The rolling z-score detector: values far from the mean of the values before, in standard deviations of those.

For each machine and each numeric field of its messages, z = |x - mean| / sigma, with mean and sigma (that of the
population) of the `window` values before x. There is none before the window is full, and none where all its values are
the same. Values above the threshold make one detection while they follow each other with few others between them: from
the first of them to the last, with the greatest z as its score. It knows nothing of states, kinds of jobs or faults.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cli.evaluate.input.detections import Collector, DetectionColumns
from cli.evaluate.input.message_values import MessageValues, Series
from cli.evaluate.spans import Numbers

MERGED_ROWS: Final = 5
"""Two values above the threshold that are at most this many rows of the field apart are one detection."""

_BLOCK: Final = 4096
"""Values at once: their windows are in memory together."""


def z_scores(values: Numbers, window: int) -> Numbers:
    """Return z of each value; 0 where there is none, also because the numbers are too large to be squared."""
    found = np.zeros(values.size)
    if values.size <= window:
        return found
    before = np.lib.stride_tricks.sliding_window_view(values[:-1], window)
    for since in range(0, before.shape[0], _BLOCK):
        block = before[since : since + _BLOCK]
        place = slice(window + since, window + since + block.shape[0])
        varies = block.max(axis=1) > block.min(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            np.divide(np.abs(values[place] - block.mean(axis=1)), block.std(axis=1), out=found[place], where=varies)
    found[~np.isfinite(found)] = 0.0
    return found


def z_detections(messages: MessageValues, threshold: float, window: int) -> DetectionColumns:
    """Return the detections of all machines and fields."""
    collector = Collector()
    for series in messages.series():
        _detect(series, threshold, window, collector)
    return collector.columns()


def _detect(series: Series, threshold: float, window: int, collector: Collector) -> None:
    scores = z_scores(np.array(series.values), window)
    rows = np.flatnonzero(scores > threshold)
    if not rows.size:
        return
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > MERGED_ROWS) + 1):
        begin, end = series.times[run[0]], series.times[run[-1]]
        collector.add(series.machine_id, begin, end, float(scores[run].max()))
