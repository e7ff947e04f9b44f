"""The texts of the guide: its commands are those of docs/sandbox.md, and its facts those that the broker notes."""

from __future__ import annotations

import re
from typing import Final

import pytest

from edge.http.api.openapi import EXAMPLES
from plant.definition.machine_ids import machine_ids
from plant.definition.plant_config import load
from sandbox.lessons import CONNECTED, FACTS
from tests.support.processes.daemon import ROOT
from tests.support.processes.walkthrough import sections

TEXTS: Final = (ROOT / "edge/page/files/guide_exercises.js").read_text("utf-8")
PAGE: Final = (ROOT / "docs/sandbox.md").read_text("utf-8")
RAW: Final = re.compile(r"raw`([^`]*)`")
EXERCISES: Final = re.split(r'^    title: "(.*)",\n', TEXTS.split("export const CONCEPTS")[0], flags=re.MULTILINE)[1:]
WORDS: Final = {f"${{{name}}}": text for name, text in re.findall(r'^const (\w+) = "(.*)";$', TEXTS, re.MULTILINE)}
TITLES: Final = [each for each in sections("docs/sandbox.md") if each[0].isdigit()]


def of(number: int) -> str:
    """What the guide has of an exercise."""
    return EXERCISES[2 * number - 1]


def commands_in(text: str) -> list[str]:
    """The commands in a text of the guide, with the names in them replaced by what they stand for."""
    return [re.sub(r"\$\{\w+\}", lambda found: WORDS[found[0]], each) for each in RAW.findall(text)]


def facts_of(number: int) -> list[str]:
    """The facts that tick an exercise."""
    (listed,) = re.findall(r"facts: \{(.*?)\},?\n", of(number), re.DOTALL)
    return re.findall(r"(\w+): \"", listed)


def concepts() -> dict[str, list[str]]:
    """The facts of each concept."""
    (listed,) = re.findall(r"CONCEPTS = \[\n(.*?)\n\];", TEXTS, re.DOTALL)
    lines = [re.findall(r'"((?:[^"\\]|\\.)*)"', line) for line in listed.splitlines()]
    return {name: facts for name, _, *facts in lines}


def test_the_guide_has_the_ten_exercises_of_the_page() -> None:
    """With their numbers and titles, in their order."""
    assert [f"{number} {title}" for number, title in enumerate(EXERCISES[::2], 1)] == TITLES
    assert len(TITLES) == 10


@pytest.mark.parametrize("title", TITLES)
def test_commands_are_those_of_the_page(title: str) -> None:
    """Each block, to the character."""
    commands = [block.text for block in sections("docs/sandbox.md")[title] if block.language == "bash"]

    assert commands_in(of(int(title.split(maxsplit=1)[0]))) == commands


def test_a_terminal_begins_as_on_the_page() -> None:
    """The environment, and the port."""
    (beginning,) = (block.text for block in sections("docs/sandbox.md")["Start"] if "export" in block.text)

    assert commands_in(TEXTS)[0] == beginning


def test_the_devices_are_those_of_the_sandbox() -> None:
    """By which the page knows whether the exercises can be done as they are."""
    (listed,) = re.findall(r"DEVICES = \[(.*)\];", TEXTS)

    assert {*re.findall(r'"(\w+)"', listed)} == {*machine_ids(load(ROOT / "scenarios/sandbox.yaml"))}


@pytest.mark.parametrize("number", range(1, 11))
def test_an_exercise_is_ticked_by_facts_that_the_broker_notes(number: int) -> None:
    """There is at least one."""
    assert facts_of(number)
    assert {*facts_of(number)} <= {*FACTS}


def test_no_fact_ticks_two_exercises() -> None:
    """Otherwise one would be done by doing the other."""
    facts = [fact for number in range(1, 11) for fact in facts_of(number)]

    assert sorted(facts) == sorted(set(facts))


def test_each_concept_is_lit_by_facts_that_the_broker_notes() -> None:
    """Twelve, each in one line."""
    found = concepts()

    assert len(found) == 12
    assert all(found.values())
    assert {fact for facts in found.values() for fact in facts} <= {*FACTS}


def test_every_fact_is_shown() -> None:
    """Except that a client connected, which the API has."""
    shown = {fact for facts in concepts().values() for fact in facts}
    shown |= {fact for number in range(1, 11) for fact in facts_of(number)}

    assert {*FACTS} - shown == {CONNECTED}


def test_terms_and_concepts_are_all_of_the_glossary() -> None:
    """The guide has each term of the page, with the concepts or beside them."""
    glossary = re.findall(r"^\| ([^|]+) \| ", PAGE[PAGE.index("## Glossary") :], re.MULTILINE)[1:]
    (listed,) = re.findall(r"TERMS = \[\n(.*?)\n\];", TEXTS, re.DOTALL)
    terms = {each.lower() for each in re.findall(r'^  \["([^"]+)"', listed, re.MULTILINE)}
    terms |= {name.lower() for name in concepts()} | {"qos"}

    assert {each for each in glossary if each.lower() not in terms} == set()


def test_the_example_of_the_api_has_a_fact_that_there_is() -> None:
    """As OpenAPI shows it."""
    example = EXAMPLES["wire"]

    assert isinstance(example, dict)
    assert {*example["facts"]} <= {*FACTS}


def test_the_table_of_facts_is_what_the_code_says() -> None:
    """docs/sandbox-broker.md has each with its meaning."""
    page = (ROOT / "docs/sandbox-broker.md").read_text("utf-8")
    section = page[page.index("## What it counts") :].split("\n## ")[0]

    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)) == FACTS
