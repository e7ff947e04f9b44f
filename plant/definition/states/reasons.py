"""The reasons of stays and of results, as a machine type declares them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Violation
from plant.definition.states.transitions import Row, Rows

REASONS: Final = "reasons"
REASON_FIELDS: Final = ("state.reason", "state.reason_code", "finished.reason", "finished.reason_code")
"""What messages can report of them."""


def read_reasons(entry: Mapping[str, Any]) -> Rows:
    """Return the weights of the reasons, by state and result."""
    found: Mapping[str, Row] = entry.get(REASONS) or {}
    return found


def wrong_reasons(entry: Mapping[str, Any], results: Collection[str]) -> Iterator[Violation]:
    """Yield a violation for each name that is neither a state nor one of the results of jobs."""
    known = [*(entry.get("states") or {}), *results]
    for name in read_reasons(entry):
        if name not in known:
            yield Violation((REASONS, name), "is neither a state nor a result of this type", known)


def code_and_text(reason: str) -> tuple[str, str]:
    """Return the code of a reason, which is its first word, and the text after it; one word is both."""
    code, _, text = reason.strip().partition(" ")
    return code, text.strip() or code
