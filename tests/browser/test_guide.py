"""The guide: exercises that are ticked when they have really happened at the broker, and concepts that light up."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import paho.mqtt.publish
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import is_live
from tests.support.browser.watched import watched
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port


def exercise(page: Page, title: str) -> Locator:
    """The panel of an exercise."""
    return page.locator("details.exercise").filter(has=page.get_by_role("heading", name=title))


def client(simulator: Simulator, *arguments: str) -> None:
    """Do as an exercise says, at a shell."""
    command = [sys.executable, str(ROOT / "app.py"), *arguments, "--port", str(simulator.mqtt_port)]
    subprocess.run(command, check=True, capture_output=True, timeout=50)


@pytest.fixture
def guide(open_page: Open, sandbox: Simulator) -> Page:
    """The guide beside a sandbox."""
    page = open_page(sandbox, "/#/guide", anew=False)
    is_live(page)
    expect(page.get_by_text(re.compile(r"\d+ of 10 exercises done"))).to_be_visible()
    return page


def test_there_are_ten_exercises_with_commands_for_this_broker(guide: Page, sandbox: Simulator) -> None:
    """Each with what to observe and why; the ports are those in use."""
    expect(guide.locator("details.exercise")).to_have_count(10)
    for panel in guide.locator("details.exercise").all():
        if panel.get_attribute("open") is None:
            panel.locator("summary").click()
        expect(panel.get_by_role("group", name="Commands").first).to_be_visible()
        expect(panel).to_contain_text(re.compile("Observe: .*Why: ", re.DOTALL))
    start = guide.locator("section.card").filter(has_text="Begin every terminal so")
    expect(start).to_contain_text(f"export MQTT_PORT={sandbox.mqtt_port}")
    expect(start).to_contain_text(f"localhost:{sandbox.mqtt_port}")


def test_an_exercise_is_ticked_when_it_has_happened(guide: Page, sandbox: Simulator) -> None:
    """Not before; with time and client, while one looks."""
    panel = exercise(guide, "Wildcards")
    expect(panel.locator("summary")).to_contain_text("Not yet")
    client(sandbox, "sub", "--topic", "factory/telemetry/+/temperature", "--count", "1")
    expect(panel.locator("summary")).to_contain_text("1 of 2")
    client(sandbox, "sub", "--topic", "factory/+/robot_arm/#", "--qos", "1", "--count", "1")
    expect(panel.locator("summary")).to_contain_text("✓ Done")
    expect(panel.locator("li.done").first).to_contain_text(re.compile(r"\d\d:\d\d:\d\d by cli-sub, \d times?"))
    expect(guide.get_by_role("status")).to_contain_text("Exercise 1 is done")
    expect(guide.get_by_text(re.compile(r"[1-9] of 10 exercises done"))).to_be_visible()


def test_a_concept_lights_up_when_it_has_happened(guide: Page, sandbox: Simulator) -> None:
    """As here that a message is retained; and what the devices do shows by itself, such as a command."""
    concepts = guide.locator("section.card").filter(has=guide.get_by_role("heading", name="Concepts"))
    expect(concepts.get_by_role("listitem")).to_have_count(12)
    acl = concepts.get_by_role("listitem").filter(has_text="Access control")
    expect(acl).to_contain_text("Not yet")
    paho.mqtt.publish.single("factory/state/press", "{}", 0, False, "127.0.0.1", sandbox.mqtt_port)
    expect(acl).to_contain_text("Done")


def test_commands_are_copied(open_page: Open, sandbox: Simulator) -> None:
    """With the port in use."""
    page = open_page(sandbox, "/#/guide", anew=False)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    is_live(page)
    page.locator("section.card").filter(has_text="Begin every terminal so").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()

    assert f"MQTT_PORT={sandbox.mqtt_port}" in page.evaluate("navigator.clipboard.readText()")


def test_terms_are_explained(guide: Page) -> None:
    """The field's standard ones."""
    for term in ("broker", "topic, filter", "keep-alive"):
        expect(guide.locator("dl.terms dt").filter(has_text=term)).to_be_visible()


def test_another_plant_says_how_to_start_the_sandbox(open_page: Open, workshop: Simulator) -> None:
    """And what applies to its own topics."""
    page = open_page(workshop, "/#/guide", anew=False)
    is_live(page)

    expect(page.get_by_text(re.compile("this is another plant"))).to_be_visible()
    expect(page.get_by_text("make sandbox").first).to_be_visible()


def test_a_dry_run_says_that_it_has_no_broker(browser: Browser, tmp_path: Path) -> None:
    """Instead of what another broker does not tell; nothing empty stands above the exercises."""
    shutil.copy(ROOT / "message_structure.yaml", tmp_path)
    with DaemonProcess("run", "--dry-run", "--http-port", str(free_port()), directory=tmp_path) as daemon:
        url = daemon.url().replace("127.0.0.1", "localhost")
        with watched(browser, url) as (page, watch):
            page.goto(f"{url}/#/guide")
            expect(page.get_by_text("cannot be seen: this is a dry run, without a broker.")).to_be_visible()
            panels = [page.locator(each).first for each in ("details.exercise", ".guide section.card")]
            tops = {each.evaluate("each => each.getBoundingClientRect().top") for each in panels}
        assert watch.wrong == []
    assert len(tops) == 1
