"""Facts about fuzz/settings.py: a few of its cases find nothing, and it does find what is planted."""

from __future__ import annotations

import pytest

from edge.settings.loader import Settings
from fuzz.settings import run
from tests.support.examples import THOROUGH

CASES = 30 if THOROUGH else 11


@pytest.mark.usefixtures("patient")
def test_environments_and_command_lines_of_all_kinds_end_in_a_line_each() -> None:
    """Some of them as processes of their own."""
    result = run(7, range(CASES), lambda _line: None)

    assert (result.findings, result.cases, sum(result.outcomes.values())) == ([], CASES, CASES)


def test_a_traceback_and_a_secret_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that fall over what they are given, and tell it."""

    def load(environ: dict[str, str], *_: object, **__: object) -> None:
        raise RuntimeError(f"{environ}")

    monkeypatch.setattr(Settings, "load", load)
    found = run(7, range(1, 10), lambda _line: None).findings

    assert any("RuntimeError" in finding.what for finding in found)
