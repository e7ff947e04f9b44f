"""The result of a scenario as JUnit XML, which GitHub, GitLab, Jenkins and Azure DevOps read: a case for each step."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from cli.scenario.definition.plan import Plan
from cli.scenario.judging.verdict import Outcome
from cli.scenario.report import block, expected, summary, title
from cli.scenario.running.run import Result
from cli.scenario.running.script import Running

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0, 2.2 does not allow."""


class Occasion(NamedTuple):
    """When and where a scenario was run. timestamp: UTC, without zone.  seconds: how long it took.  log: its lines."""

    timestamp: str
    host: str
    seconds: float
    log: str


def junit(result: Result, occasion: Occasion) -> str:
    """Return the document."""
    root = ET.Element("testsuites")  # without attributes, as the schema of Ant's task has it
    suite = ET.SubElement(root, "testsuite", _suite(result, occasion))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(result.plan).items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for running in result.steps:
        _add_case(suite, result, running)
    ET.SubElement(suite, "system-out").text = _clean(occasion.log)
    ET.SubElement(suite, "system-err").text = _clean(summary(result))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(result: Result, occasion: Occasion) -> dict[str, str]:
    return {
        "name": _clean(result.plan.name),
        "tests": str(len(result.steps)),
        "failures": str(result.count(Outcome.FAIL)),
        "errors": "0",
        "skipped": str(result.count(Outcome.OPEN)),
        "time": f"{occasion.seconds:.3f}",
        "timestamp": occasion.timestamp,
        "hostname": _clean(occasion.host),
        "id": "0",
        "package": _clean(str(result.plan.file)),
    }


def _properties(plan: Plan) -> dict[str, str]:
    return {
        "file": str(plan.file),
        "plant": plan.plant_name,
        "seed": plan.seed,
        "broker": plan.broker,
        "speed": "max" if plan.speed == float("inf") else f"{plan.speed:g}",
    }


def _add_case(suite: ET.Element, result: Result, running: Running) -> None:
    """Add the test case of a step; its time is plant time from the start to the verdict, in seconds."""
    plan, step, verdict = result.plan, running.step, running.verdict
    seconds = (verdict.time_ms - plan.start_ms) / 1000 if verdict else 0.0
    name = _clean(f"{step.number}. {title(plan, running)}")
    case = ET.SubElement(suite, "testcase", name=name, classname=_clean(plan.name), time=f"{seconds:.3f}")
    text = _clean("\n".join(block(plan, running)))
    if verdict is None:
        ET.SubElement(case, "skipped", message=f"{plan.file}:{step.line}: not decided")
    elif verdict.failed:
        message = f"{plan.file}:{step.line}: expected {expected(plan, running)}; seen: {verdict.seen}"
        ET.SubElement(case, "failure", message=_clean(message), type="expectation").text = text


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
