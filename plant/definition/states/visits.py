"""Which state follows which, so that each takes its share of the time.

A state is entered at the rate share / dwell. Where stays are exponential, a state may follow itself, which prolongs the
stay and leaves it exponential. Stays of another distribution have the length that was drawn, so the state after them is
another one. Both hold where the next state is drawn with weights q, and among the others only after such a stay: the
chain is reversible, and enters a state in proportion to q if it may follow itself, otherwise to q (1 - q).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import fsum, sqrt
from typing import Final

_HALVINGS: Final = 100
_HALF, _TOLERANCE = 0.5, 1e-9


def next_weights(rates: Mapping[str, float], final: Collection[str]) -> dict[str, float] | None:
    """Return the weight of each state as the next one; None if there is no solution.

    rates: at which states are entered, relative to each other, above 0.  final: those of them that do not follow
    themselves.
    """
    if dominating(rates, final) is not None:
        return None
    if not final or len(rates) == 1 or len(rates) == len(final) == 2:  # the two take turns, at equal rates
        return dict(rates)
    total = fsum(rates.values())
    shares = {name: rate / total for name, rate in rates.items()}
    most = max(final, key=lambda name: (shares[name], name))
    highest = 1 / (4 * shares[most])
    is_enough = fsum(_weights(shares, final, highest).values()) >= 1
    return _solved(shares, final, highest, "" if is_enough else most)


def dominating(rates: Mapping[str, float], final: Collection[str]) -> str | None:
    """Return a state that would have to follow itself, but cannot: half of all visits or more; None without one.

    Two states that take turns are each half of them.
    """
    if len(rates) == 1:
        return None
    most = fsum(rates.values()) * (_HALF + _TOLERANCE if len(rates) == len(final) == 2 else _HALF - _TOLERANCE)
    return next((name for name, rate in rates.items() if name in final and rate > most), None)


def _solved(shares: Mapping[str, float], final: Collection[str], highest: float, most: str) -> dict[str, float]:
    """Return the weights for the factor at which they add up to 1.

    most: a state of which the greater of two solutions is taken; their sum then falls with the factor.
    """
    low, high = 0.0, highest
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = (fsum(_weights(shares, final, middle, most).values()) < 1) != bool(most)
        low, high = (middle, high) if is_below else (low, middle)
    found = _weights(shares, final, (low + high) / 2, most)
    total = fsum(found.values())
    return {name: weight / total for name, weight in found.items()}


def _weights(shares: Mapping[str, float], final: Collection[str], factor: float, most: str = "") -> dict[str, float]:
    """Return q with q = c share, or q (1 - q) = c share for states that do not follow themselves. factor: c."""
    found = {}
    for name, share in shares.items():
        root = sqrt(max(0.0, 1 - 4 * factor * share))
        found[name] = (1 + root if name == most else 1 - root) / 2 if name in final else factor * share
    return found
