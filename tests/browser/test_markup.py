"""Names, payloads, YAML and errors that look like markup or code are shown as they are, and do nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
import paho.mqtt.publish
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.support.brokers.requester import Requester
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import PLANTS, Simulator, simulating
from tests.support.browser.views import VIEWS, is_live, visit
from tests.support.browser.watched import Watch
from tests.support.processes.daemon import ROOT

MACHINE: Final = "<img src=x onerror=alert('id')>-1"
MARKUP: Final = "<script>alert('{}')</script><img src=x onerror=alert('{}')>"
PLACES: Final = {**VIEWS, "Machine": f"#/machines/{quote(MACHINE, safe='')}"}

FOUND: Final = """() => {
  const own = new Set([...document.querySelectorAll("head script, head link, .brand > img")]);
  const strange = [...document.querySelectorAll("script, img, iframe, object, embed, link, base, form[action]")];
  const acts = ({name, value}) => /^on/.test(name) || (name !== "value" && /^\\s*javascript:/i.test(value));
  const handlers = [...document.querySelectorAll("*")].filter(each => [...each.attributes].some(acts));
  return strange.filter(each => !own.has(each)).concat(handlers).map(each => each.outerHTML.slice(0, 200));
}"""
"""What of a document could load or run something, beside what index.html has."""


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A plant whose names look like markup, with commands over MQTT, and machines with connections of their own."""
    require_chromium()
    folder = tmp_path_factory.mktemp("marked")
    (folder / "markup.yaml").write_text((PLANTS / "markup.yaml").read_text("utf-8"), "utf-8")
    with simulating(folder, "--mqtt-commands", plant="markup.yaml") as simulator:
        _act(simulator)
        yield simulator


def _act(simulator: Simulator) -> None:
    """Have what is done to the plant look like markup, too: refused commands, and messages of other clients."""
    words = MARKUP.format("command", "command")
    simulator.command(command="inject", machine_id=MACHINE, fault="leak", severity=1)
    simulator.command(command="stop", machine_id=MACHINE.replace("-1", "-2"))
    for body in (
        {"command": words, "machine_id": MACHINE},
        {"command": "inject", "machine_id": MACHINE, "fault": words},
        {"command": "set_state", "machine_id": MACHINE, "state": words},
        {"command": "stop", "machine_id": words, "reason": words},
    ):
        assert httpx.post(f"{simulator.url}/api/v1/commands", json=body).status_code >= 400
    for topic in (f"factory/{words}".replace("#", ""), f"factory/commands/me/{words}"):
        paho.mqtt.publish.single(
            topic, json.dumps({"command": words, "reason": words}), 1, True, "127.0.0.1", simulator.mqtt_port
        )


@pytest.mark.parametrize("place", PLACES)
def test_markup_in_names_is_text(place: str, open_page: Open, marked: Simulator) -> None:
    """On every view: nothing runs, nothing is loaded, and no element is there that the page has not made."""
    page = open_page(marked, f"/{PLACES[place]}")
    is_live(page)
    if place in ("Overview", "Machines", "Machine", "Control"):
        expect(page.get_by_role("main")).to_contain_text("onerror=alert('id')>")

    assert page.evaluate(FOUND) == []


def test_markup_in_topics_and_payloads_is_text(open_page: Open, marked: Simulator) -> None:
    """In the rows of traffic, and in the payload that is opened."""
    page = open_page(marked, "/#/traffic")
    is_live(page)
    row = page.locator(".traffic-list details").filter(has_text="factory/<script>alert('topic')</script>").first
    expect(row).to_be_visible()
    assert page.evaluate(FOUND) == []
    row.locator("summary").click()
    expect(page.get_by_role("region", name="Payload")).to_contain_text("onerror=alert('id')")

    assert page.evaluate(FOUND) == []


def test_markup_in_commands_over_mqtt_is_text(open_page: Open, marked: Simulator) -> None:
    """In their reasons, which other clients write."""
    page = open_page(marked, "/#/traffic?category=command")
    is_live(page)
    words = MARKUP.format("reason", "reason")
    with Requester(marked.mqtt_port, "panel") as panel:
        panel.ask(MACHINE, {"command": "start", "reason": words})
    row = page.locator(".traffic-list details").filter(has_text="alert('reason')").first
    row.locator("summary").click()
    expect(page.get_by_role("region", name="Payload")).to_contain_text(words)

    assert page.evaluate(FOUND) == []


def test_markup_in_yaml_and_in_its_errors_is_text(
    open_page: Open, watch_of: Callable[[Page], Watch], marked: Simulator
) -> None:
    """In comments, keys and values of what is checked."""
    page = open_page(marked, "/#/plant")
    watch_of(page).allowed.add(422)
    is_live(page)
    editor = page.get_by_role("textbox").first
    expect(editor).to_have_value(re.compile("alert\\('comment'\\)"))
    editor.fill(f'# {MARKUP.format("c", "c")}\n"{MARKUP.format("key", "key")}": "javascript:alert(\'value\')"\n')
    expect(page.get_by_text("is an unknown key").first).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("<script>alert('key')</script>")

    assert page.evaluate(FOUND) == []


def test_markup_in_addresses_is_text(open_page: Open, watch_of: Callable[[Page], Watch], marked: Simulator) -> None:
    """A link that somebody sends leads to a text at most."""
    words = quote(MARKUP.format("a", "a"), safe="")
    for path in (f"/#/machines/{words}", f"/#/{words}", f"/#/traffic?topic={words}", "/#/machines/javascript:alert(1)"):
        page = open_page(marked, path)
        watch_of(page).allowed |= {404, 422}
        with suppress(AssertionError):
            is_live(page)
        expect(page.get_by_role("main")).not_to_be_empty()

        assert page.evaluate(FOUND) == []


def test_a_text_cannot_become_markup_even_by_mistake(
    open_page: Open, watch_of: Callable[[Page], Watch], marked: Simulator
) -> None:
    """The browser refuses it for every element of the page, as the policy asks for trusted types, of which none are."""
    page = open_page(marked)
    is_live(page)
    said = page.evaluate(
        """() => ["innerHTML", "outerHTML"].map(name => {
          try { document.querySelector("h1")[name] = "<b>x</b>"; return "taken"; } catch (error) { return error.name; }
        })"""
    )

    assert said == ["TypeError", "TypeError"]
    assert page.evaluate("window.violations.length") == 2
    watch_of(page).wrong.clear()


def test_the_journal_shows_refusals_as_text(open_page: Open, marked: Simulator) -> None:
    """With the words of who sent them."""
    page = open_page(marked)
    is_live(page)
    visit(page, "Control")
    visit(page, "Overview")

    assert page.evaluate(FOUND) == []
    assert [entry for entry in marked.journal() if "error" in entry]


def test_nothing_of_the_plant_is_in_the_file_that_is_served(marked: Simulator) -> None:
    """The page's HTML is the same for every plant."""
    text = httpx.get(marked.url, headers={"accept": "text/html"}).text

    assert text == (Path(ROOT) / "edge" / "page" / "files" / "index.html").read_text("utf-8")
