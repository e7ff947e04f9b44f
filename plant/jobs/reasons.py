"""The reasons of stays and of results: each is drawn by the machine and the number of the stay, or of the job.

So the reason of a stay or a job is the same whenever it is asked for, and nothing else depends on it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from plant.definition.states.reasons import code_and_text
from plant.definition.states.transitions import Rows
from plant.jobs.jobs import NULL, Job, json_text
from plant.random_stream import RandomStream, WeightedChoice


class Reason(NamedTuple):
    """A reason. name: code and text as declared, None for no reason.  json, code_json: what messages report."""

    name: str | None
    json: bytes
    code_json: bytes


NO_REASON: Final = Reason(None, NULL, NULL)


class Reasons:
    """The reasons of a machine type, to draw from. declared: their weights, by state and result."""

    __slots__ = ("_choices",)

    def __init__(self, declared: Rows) -> None:
        # YAML mappings have no order: sorted, so that another order in the file changes no draw.
        self._choices = {
            name: WeightedChoice((_reason(each), weight) for each, weight in sorted(row.items()))
            for name, row in declared.items()
        }

    def of_stay(self, stream: RandomStream, state: str, number: int) -> Reason:
        """Return the reason of a machine's stay in a state. number: of the stay."""
        return self._draw(stream, b"reason of stay", state, number)

    def of_job(self, stream: RandomStream, job: Job) -> Reason:
        """Return the reason of the result of a machine's job."""
        return self._draw(stream, b"reason of job", job.result.name, job.number)

    def _draw(self, stream: RandomStream, purpose: bytes, name: str, number: int) -> Reason:
        choice = self._choices.get(name)
        return NO_REASON if choice is None else choice.pick(stream.draws(purpose, number)[0])


def _reason(name: str) -> Reason:
    code, text = code_and_text(name)
    return Reason(name, json_text(text), json_text(code))
