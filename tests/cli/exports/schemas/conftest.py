"""The real parser of KQL, shared by the tests of queries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.exports.kusto import Parser, why_unavailable


@pytest.fixture(scope="session")
def parser() -> Iterator[Parser]:
    """The parser, running."""
    if missing := why_unavailable():
        pytest.skip(missing)
    with Parser() as parser:
        yield parser
