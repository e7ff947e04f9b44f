"""The names that the signals of a machine type may refer to."""

from __future__ import annotations

from typing import Final, NamedTuple

QUANTITIES: Final = ("age_seconds", "job_progress", "hour")
"""The quantities that a formula may use beside signals: seconds in the state, share of the job done, local hour."""

MATCHED: Final = ("state", "phase", "kind")
"""What a formula may compare with a name in quotes."""

PLANT: Final = "plant"
"""The prefix of the plant's signals in formulas."""

FUNCTIONS: Final = {
    "abs": (1, 1),
    "sqrt": (1, 1),
    "floor": (1, 1),
    "round": (1, 1),
    "decay": (1, 1),
    "min": (2, 8),
    "max": (2, 8),
    "clip": (3, 3),
}
"""The functions of formulas, with the least and greatest number of arguments. decay(x) is e^-x, and 1 below 0."""

RESERVED: Final = frozenset({*QUANTITIES, *MATCHED, *FUNCTIONS, PLANT, "job"})
"""Names that no signal may have."""


class Vocabulary(NamedTuple):
    """The names of a machine type. Without states, those of the plant's signals.

    producing_state: where jobs advance; None without jobs.  phases, kinds, results: of jobs, where there are any.
    """

    states: tuple[str, ...] = ()
    producing_state: str | None = None
    phases: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    def named(self, what: str) -> tuple[str, ...]:
        """Return the names of states, phases or kinds, by one of MATCHED."""
        return {"state": self.states, "phase": self.phases, "kind": self.kinds}[what]
