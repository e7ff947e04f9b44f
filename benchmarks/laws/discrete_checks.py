"""The figures of signals that are counts, texts, or steps by the clock on the wall."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from benchmarks.laws.figures import Figure, exact, moments
from benchmarks.laws.sample import Sample, code

_ITEMS, _CHANCE = 40, 0.2
_SATURDAY: Final = 5


def binomial(sample: Sample) -> Iterator[Figure]:
    """Yield mean and deviation of a draw from forty items."""
    deviation = math.sqrt(_ITEMS * _CHANCE * (1 - _CHANCE))
    yield from moments("binomial", "bad", sample.signals["bad"], _ITEMS * _CHANCE, deviation)


def by_clock(sample: Sample, local_times: Sequence[datetime]) -> Iterator[Figure]:
    """Yield how far a tariff and the load are away from those of weekday and hour. local_times: the local times."""
    shape = sample.times_ms.shape
    weekday = np.array([each.weekday() for each in local_times]).reshape(shape)
    hour = np.array([each.hour for each in local_times]).reshape(shape)
    tariff = np.where((weekday < _SATURDAY) & (hour >= 8) & (hour < 20), 0.3, 0.2)
    yield exact(("timetable", "tariff", "greatest error"), sample.signals["tariff"] - tariff, 1e-9, "none")
    began = np.where(hour < 6, weekday - 1, weekday) % 7
    load = np.where((hour >= 6) & (hour < 22), 0.75, 0.5) * np.where(began >= _SATURDAY, 0.5, 1.0)
    yield exact(("calendar", "asked", "greatest error"), sample.signals["asked"] - load, 1e-9, "none")


def texts(sample: Sample) -> Iterator[Figure]:
    """Yield how often a text is not that of the first condition that holds, or a number in a text another one."""
    running = sample.signals["status"] == code("running")
    others = np.where(sample.signals["noise"] > 0, code("slow"), code("resting"))
    wrong = sample.signals["mode"] != np.where(running, code("busy"), others)
    yield exact(("texts", "mode", "wrong ones"), wrong.astype(np.float64), 0.0, "none")
    jobs = sample.signals["jobs"]
    codes = {each: code(f"recipe_{each:.0f}") for each in np.unique(jobs).tolist()}
    expected = np.vectorize(codes.__getitem__, otypes=[np.float64])(jobs)
    yield exact(
        ("text", "recipe", "wrong ones"), (sample.signals["recipe"] != expected).astype(np.float64), 0.0, "none"
    )
