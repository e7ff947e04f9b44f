"""docs/clients.md: its commands do what it shows, at both brokers, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.clients.controller.rules import Recovery, Rule, RulesError, read_rules
from sandbox.broker import EmbeddedBroker
from tests.conftest import StartMosquitto
from tests.support.examples import thorough
from tests.support.processes.daemon import ROOT, running
from tests.support.processes.walkthrough import Block, Walkthrough, sections

PAGE = "docs/clients.md"
SECTIONS = sections(PAGE)
TEXT = (ROOT / PAGE).read_text("utf-8")


def follow(folder: Path, port: int) -> list[str]:
    """Do all that the page asks for at a broker; what differs."""
    reader = Walkthrough(folder)
    wrong: list[str] = []
    for title, blocks in SECTIONS.items():
        if any(block.language == "bash" for block in blocks):
            first = [Block(each.language, f"export MQTT_PORT={port}\n{each.text}") for each in blocks[:1]]
            wrong += [f"{title}: {each}" for each in reader.follow([*first, blocks[1]])]
    return wrong


@thorough
def test_the_commands_of_the_page_do_what_it_shows_at_the_embedded_broker(tmp_path: Path) -> None:
    """In their order."""
    with running(EmbeddedBroker()) as broker:
        assert follow(tmp_path, broker.port) == []


def test_the_commands_of_the_page_do_what_it_shows_at_mosquitto(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """The same lines."""
    assert follow(tmp_path, start_mosquitto(listeners=("plain",)).ports["plain"]) == []


def test_the_rules_of_the_page_are_rules(tmp_path: Path) -> None:
    """And its table has all their keys."""
    (block,) = [block for block in SECTIONS["Rules"] if block.language == "yaml"]
    (tmp_path / "rules.yaml").write_text(block.text)
    keys = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", TEXT, re.MULTILINE))))

    assert [rule.command for rule in read_rules(tmp_path / "rules.yaml")] == ["stop", "maintenance"]
    assert {*Rule.model_fields, *Recovery.model_fields} <= keys


def test_the_errors_of_the_page_are_those_of_the_reader(tmp_path: Path) -> None:
    """With their lines."""
    slips = "rules:\n  - command: stop\n\n    alarm: highest\n\n    cool_down: 5\n"
    (tmp_path / "rules.yaml").write_text(slips)
    with pytest.raises(RulesError) as wrong:
        read_rules(tmp_path / "rules.yaml")
    shown = SECTIONS["Rules"][-1].text

    assert [str(each).replace(f"{tmp_path}/", "") for each in wrong.value.mistakes] == shown.splitlines()
