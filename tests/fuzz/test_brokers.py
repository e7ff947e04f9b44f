"""Facts about the fuzzing of the connection: a few of its cases, and that it sees what goes wrong."""

from __future__ import annotations

import pytest

import edge.mqtt.connection
from fuzz.brokers import run


@pytest.mark.usefixtures("patient")
def test_brokers_that_misbehave_do_no_harm() -> None:
    """Six of five hundred cases: nothing raised, nobody kept waiting, the ledger balanced."""
    result = run(7, range(6), lambda _line: None)

    assert (result.cases, list(result.findings)) == (6, [])
    assert sum(result.outcomes.values()) == 6


def test_the_fuzzing_sees_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stumbles in every attempt is a finding, with the number of the case."""

    def stumble(*_: object) -> None:
        raise KeyError(19)

    monkeypatch.setattr(edge.mqtt.connection.Connection, "keep", stumble)
    result = run(7, range(3, 4), lambda _line: None)

    assert any("the connection failed: KeyError: 19" in finding.what for finding in result.findings)
    assert {finding.case for finding in result.findings} == {3}
