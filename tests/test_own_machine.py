"""Facts about docs/your-own-machine.md and the README's own machine: what they tell a reader to do works as shown."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.support.brokers.subscriber import Recorder
from tests.support.exports import yamlread
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until
from tests.support.processes.walkthrough import FILE, Block, Walkthrough, sections

PAGE = "docs/your-own-machine.md"
STEPS = {title: blocks for title, blocks in sections(PAGE).items() if re.match(r"\d", title)}
DEMO, CHANGE = "6. Topics for a dashboard", "7. Change it while it runs"
LIVE = (DEMO, CHANGE)
"""The steps with a simulator that keeps running."""


def block(blocks: list[Block], language: str, place: int = 0) -> str:
    """Return the text of a block by its language."""
    return [each.text for each in blocks if each.language == language][place]


def followed(folder: Path, *, before: str) -> Walkthrough:
    """Return a reader who has written the file as it is before a step, without having run anything."""
    reader = Walkthrough(folder)
    for title, blocks in STEPS.items():
        if title == before:
            break
        reader.follow([each for each in blocks if each.language == "yaml"])
    return reader


@pytest.mark.parametrize("step", [step for step in STEPS if step not in LIVE])
def test_each_step_prints_what_the_page_shows(step: str, tmp_path: Path) -> None:
    """Each command of a step ends with 0, and its output has the lines that follow it."""
    reader = followed(tmp_path, before=step)
    slips = [each for each in STEPS[step] if each.text.startswith(FILE)]

    assert reader.follow([each for each in STEPS[step] if each not in slips]) == []


def test_a_slip_is_reported_as_shown(tmp_path: Path) -> None:
    """The first step shows what `check` prints of a misspelled key."""
    first = next(iter(STEPS.values()))
    reader = Walkthrough(tmp_path)
    reader.follow([Block("yaml", block(first, "yaml").replace("share: 0.3", "shar: 0.3"))])

    reader.follow([Block("bash", f"python app.py check {FILE}")])

    assert reader.follow([each for each in first if each.text.startswith(FILE)]) == []


def test_states_are_shown_to_a_new_subscriber_and_an_edit_is_applied(tmp_path: Path) -> None:
    """The broker has the state of each machine, in the form shown; an edit adds a machine, and the log has the line."""
    reader = followed(tmp_path, before=CHANGE)
    start, watch = (shlex.split(block(STEPS[DEMO], "bash", place)) for place in (0, 1))
    start[start.index(FILE)] = str(tmp_path / FILE)
    shown = [line.split(" ", 1) for line in block(STEPS[DEMO], "text").splitlines()]
    with DaemonProcess(*start[2:], "--http-port", str(free_port())) as simulator:
        port = int(simulator.says(r"-h localhost -p (\d+)")[1])
        simulator.says(r"first on \S+/state")
        with Recorder(port, topics=(watch[watch.index("-t") + 1],)) as recorder:
            wait_until(lambda: len({each.topic for each in recorder.records}) == len(shown), 30, "a state of each")
            assert {each.topic for each in recorder.records} == {topic for topic, _ in shown}
            assert [*json.loads(recorder.records[0].payload)] == [*json.loads(shown[0][1])]
        reader.follow([each for each in STEPS[CHANGE] if each.language == "yaml"])
        line = re.escape(block(STEPS[CHANGE], "text").strip()).replace(r"\.\.\.", ".*")
        simulator.says(line)


def test_the_whole_file_is_what_the_steps_have_made(tmp_path: Path) -> None:
    """The file at the end of the page is that of the last step."""
    whole = yamlread.value(block(sections(PAGE)["The whole file"], "yaml"))

    assert followed(tmp_path, before="the end").plant == whole


def test_the_machine_of_the_readme_reports_what_is_shown(tmp_path: Path) -> None:
    """The README's example is a whole plant, whose first message is the one shown."""
    assert Walkthrough(tmp_path).follow(sections("README.md")["A machine of your own"]) == []
