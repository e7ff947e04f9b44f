"""The keys of jobs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from plant.definition.document.errors import describe_value
from plant.definition.document.value_types import (
    CountRange,
    Increment,
    JobSecondsOrRange,
    Name,
    Spec,
    Weight,
    Weights,
    not_all_zero,
    placeholders,
)
from plant.definition.keys.variation import Kinds


def _job_id(pattern: str) -> str:
    names = sorted(set(placeholders(pattern)) - {"initials", "kind"})
    if names:
        raise ValueError(f"may have only {{initials}} {{kind}} in braces, got {{{names[0]}}}")
    if pattern[-1:].isdigit() or pattern.endswith("}"):
        raise ValueError("must end in a character that is no digit, as the number follows it")
    return pattern


JobId = Annotated[Name, AfterValidator(_job_id)]


class ResultEntry(Spec):
    """A result of jobs. weight: its share, relative to the other results."""

    weight: Weight = Field(description="Share of jobs with this result, relative to the others.")
    good: bool | None = Field(None, description="Whether it counts as good [only `good` and `pass` do].")
    issues: CountRange | None = Field(None, description="Issues that such a job has: [fewest, most] [none].")


def _result(value: object) -> object:
    """Return a result with only a weight as an entry."""
    if isinstance(value, bool) or not isinstance(value, int | float | dict | ResultEntry):
        raise ValueError(f"must be a weight or a mapping, got {describe_value(value)}")  # noqa: TRY004
    return {"weight": float(value)} if isinstance(value, int | float) else value


Result = Annotated[
    ResultEntry,
    BeforeValidator(_result),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, ResultEntry.model_json_schema()]}),
]


def _some_result(results: dict[str, ResultEntry]) -> dict[str, ResultEntry]:
    not_all_zero({name: result.weight for name, result in results.items()})
    return results


class JobEntry(Spec):
    """What machines of the type make."""

    product: Name | None = Field(None, description="Name of what a job makes, for texts and keys [part].")
    id: JobId | None = Field(
        None,
        description="Beginning of the jobs' ids, over {initials} and {kind} [the type's key in capitals, and -]. The"
        " machine's and the job's number follow.",
    )
    code: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        None, description="Begins the number in the ids, so that types with the same `id` have different ones [none]."
    )
    kinds: Kinds | None = Field(
        None,
        description="Kinds of jobs: a list, each as likely as the others, or each with a weight, or with `weight`,"
        " `cycle_seconds` and `results`.",
    )
    cycle_seconds: JobSecondsOrRange | None = Field(
        None, description="Seconds of producing that a job takes: a number, or [shortest, longest]."
    )
    period_share: Increment | None = Field(
        None, description="Share of a job done between two messages, in place of `cycle_seconds`: up to 1."
    )
    phases: dict[Name, Annotated[float, Field(gt=0, le=1e6)]] | None = Field(
        None, description="Phases of the cycle in their order, each with its share of the cycle."
    )
    results: Annotated[dict[Name, Result], AfterValidator(_some_result)] | None = Field(
        None, description="Results of jobs: each with a weight, or with `weight`, `good` and `issues`."
    )
    issues: dict[Name, CountRange] | None = Field(
        None, description="Issues that jobs of a result have: [fewest, most]."
    )
    on_stop: dict[Name, Name] | None = Field(
        None,
        description="What becomes of a job in work, by state that the machine enters: continues after it, restarts, "
        "or the result, one that is not good, with which it ends at once [continues].",
    )
    nicknames: dict[Name, Name] | None = Field(None, description="What stands for a kind in the jobs' ids.")


class JobOverride(Spec):
    """What a single machine makes."""

    cycle_seconds: JobSecondsOrRange | None = Field(None, description="Seconds of producing that a job takes.")
    results: dict[Name, Weight] | None = Field(None, description="Weights of results of the type.")
    kinds: Weights | None = Field(None, description="Weights of kinds of the type.")
