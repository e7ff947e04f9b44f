"""An alarm of a signal, complete: its limit, and where it is cleared, with every default filled in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

SEVERITIES: Final = ("info", "warning", "critical")
"""From the least urgent to the most urgent one."""


class Side(Enum):
    """On which side of its limit a signal is in alarm. sign: what makes both sides the upper one."""

    HIGH = "high", 1
    LOW = "low", -1

    def __init__(self, yaml_name: str, sign: int) -> None:
        self.yaml_name, self.sign = yaml_name, sign


@dataclass(frozen=True, slots=True)
class AlarmType:
    """An alarm of the machines of a type.

    name: the signal's, a dot, and its own.  kind: of its messages.
    limit: where it is raised; clear: beyond which, towards normal values, it is cleared.
    delay_ms: how long the value is at or beyond the limit before it is raised.
    """

    name: str
    kind: str
    signal: str
    side: Side
    limit: float
    clear: float
    severity: str
    delay_ms: int = 0

    def raised_from(self, unit: int) -> int:
        """Return the least whole number of last decimals, times the sign of its side, at which it is raised."""
        return _least(self.side.sign * self.limit, unit)

    def cleared_below(self, unit: int) -> int:
        """Return the number below which such a number clears it. unit: 1 / unit is the last decimal."""
        return _least(self.side.sign * self.clear, unit)


def _least(value: float, unit: int) -> int:
    """Return the least whole number of last decimals that is not below a value.

    A value such as 0.07 is slightly more or less than seven hundredths, so it is rounded to a millionth first.
    """
    return math.ceil(round(value * unit, 6))
