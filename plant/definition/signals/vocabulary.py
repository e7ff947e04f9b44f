"""The names that the signals of a machine type may refer to."""

from __future__ import annotations

from typing import Final, NamedTuple


class Function(NamedTuple):
    """A function of formulas: the least and greatest number of its arguments, and what it returns."""

    least: int
    most: int
    meaning: str


QUANTITIES: Final = {
    "age_seconds": "seconds since the state began",
    "job_progress": "share of the job that is done, 0 to 1; 0 without a job",
    "hour": "local hour of the day, 0 to 24, such as 13.5",
}
"""The quantities that a formula may use beside signals, with their meaning."""

MATCHED: Final = {
    "state": "state of the machine, also one imposed from outside, such as `stopped`",
    "phase": "phase of the job, also while it is interrupted",
    "kind": "kind of the job on the machine",
}
"""What a formula may compare with a name in quotes, with its meaning."""

PLANT: Final = "plant"
"""The prefix of the plant's signals in formulas."""

FUNCTIONS: Final = {
    "abs": Function(1, 1, "the number without its sign"),
    "sqrt": Function(1, 1, "the square root; 0 for numbers below 0"),
    "floor": Function(1, 1, "the greatest whole number that is not above"),
    "round": Function(1, 1, "the nearest whole number; of two, the even one"),
    "decay": Function(1, 1, "e to the power of -x; 1 for numbers below 0"),
    "min": Function(2, 8, "the least of the numbers"),
    "max": Function(2, 8, "the greatest of the numbers"),
    "clip": Function(3, 3, "the first number, cut to the range from the second to the third"),
}
"""The functions of formulas."""

RESERVED: Final = frozenset({*QUANTITIES, *MATCHED, *FUNCTIONS, PLANT, "job"})
"""Names that no signal may have."""


IMPOSED: Final = ("stopped", "planned_stop", "blocked", "starved", "changeover", "late_start", "waiting")
"""The states that are imposed from outside: formulas may compare with them, and no level is declared for them."""


class Vocabulary(NamedTuple):
    """The names of a machine type. Without states, those of the plant's signals.

    producing_state: where jobs advance; None without jobs.  phases, kinds, results: of jobs, where there are any.
    resting_state: whose levels a machine has that is stopped from outside; None for the first that does not produce.
    """

    states: tuple[str, ...] = ()
    producing_state: str | None = None
    phases: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    resting_state: str | None = None

    def named(self, what: str) -> tuple[str, ...]:
        """Return the names of states, phases or kinds that may be compared with, by one of MATCHED."""
        states = (*self.states, *IMPOSED) if self.states else ()
        return {"state": states, "phase": self.phases, "kind": self.kinds}[what]
