"""Facts about docs/scenarios.md: its example runs, its report is the one that comes, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.scenario.definition.actions import BROKER_FAULTS
from cli.scenario.definition.expectations import Expect
from cli.scenario.definition.models import ScenarioFile, StepSpec
from cli.scenario.definition.plan import Plan
from cli.scenario.definition.reading import read
from cli.scenario.report import report
from tests.cli.scenario.scenes import files, outcome_of, plan_of
from tests.support.factory.plants import ROOT

PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```yaml\n(# yaml-language-server.*?)```", PAGE, re.DOTALL)[0]


def section(title: str) -> str:
    """The text below a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named(text: str) -> set[str]:
    """What stands in the first column of its tables, by the first word in code."""
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)", row)}


def plan(folder: Path, text: str) -> Plan:
    """The plan of the example."""
    path = folder / "press.yaml"
    path.write_text(text, encoding="utf-8")
    return read(path, files(folder))


def test_the_example_passes(tmp_path: Path) -> None:
    """Every step of it."""
    assert outcome_of(plan(tmp_path, EXAMPLE)).passed


def test_the_report_is_the_one_that_comes(tmp_path: Path) -> None:
    """Where the last step expects 80 at most, all lines that are shown are in the report."""
    text = report(outcome_of(plan(tmp_path, EXAMPLE.replace("max: 90", "max: 80"))))
    shown = re.findall(r"```text\n(PASS .*?)```", PAGE, re.DOTALL)[0]

    assert [line for line in shown.splitlines() if line.removesuffix("...") not in text] == []


def test_the_tables_are_complete() -> None:
    """All keys of the head and of steps, all kinds of expectations, all faults of the broker."""
    assert named(section("The file")) == {*ScenarioFile.model_fields}
    assert named(section("Steps")) >= {*StepSpec.model_fields} - {"do", "expect"}
    assert named(section("Expectations")) == {*Expect.model_fields}
    assert set(re.findall(r"^\| `broker: (\w+)`", section("Brokers"), re.MULTILINE)) == {*BROKER_FAULTS}


@pytest.mark.parametrize(("kind", "example"), re.findall(r"^\| `(\w+)` \| `(\{.*?\})` \|", PAGE, re.MULTILINE))
def test_every_example_of_an_expectation_is_understood(kind: str, example: str, tmp_path: Path) -> None:
    """As it stands in the table."""
    found = plan_of(f"- {{at: 1m, expect: {{{kind}: {example}}}}}", tmp_path)

    assert len(found.steps) == 1
