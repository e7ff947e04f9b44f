"""Pages of other origins, and names that are rebound to this machine: they change nothing, and read nothing across."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.support.browser.chromium import REBOUND
from tests.support.browser.foreign import foreign_site
from tests.support.browser.simulators import Simulator
from tests.support.browser.watched import new_page

STOP = json.dumps({"command": "stop", "machine_id": "CNC-03"})
OWN_WORDS = json.dumps({"command": "start", "machine_id": "CNC-03"})
CHANGES = [("POST", "/api/v1/commands", STOP), ("PUT", "/api/v1/plant", "message_types: {}"), ("POST", "/-/reload", "")]
"""What changes something: method, path, body."""

BY_FETCH = """async ([url, method, mode, type, body]) => {
  try {
    const headers = type ? {"Content-Type": type} : {};
    const answer = await fetch(url, {method, mode, headers, body, credentials: "include"});
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  } catch (error) { return `refused: ${error.name}`; }
}"""
BY_FORM = """([url, type, body]) => new Promise(done => {
  const frame = Object.assign(document.createElement("iframe"), {name: "answer"});
  const form = Object.assign(document.createElement("form"), {method: "post", action: url, target: "answer"});
  form.enctype = type;
  const [name, value] = [body.slice(0, -1), body.slice(-1)];
  form.append(Object.assign(document.createElement("input"), {name, value}));
  document.body.append(frame, form);
  frame.addEventListener("load", () => done("answered"));
  form.submit();
})"""
BY_EVENTS = """url => new Promise(done => {
  const source = new EventSource(url);
  source.onmessage = event => done(`read: ${event.data}`);
  source.addEventListener("snapshot", event => done(`read: ${event.data}`));
  source.onerror = () => { source.close(); done("refused"); };
})"""


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """A page of the browser, without a watch."""
    page = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def attacker() -> Iterator[str]:
    """The address of somebody else's page."""
    with foreign_site("attacker.example") as url:
        yield url


@pytest.fixture
def foreign(tab: Page, attacker: str) -> Page:
    """A page on another origin."""
    tab.goto(attacker)
    return tab


def executed(simulator: Simulator) -> list[object]:
    """The commands that have been executed, but for one that shows that the journal works."""
    simulator.command(command="start", machine_id="CNC-03")
    done = [entry["command"] for entry in simulator.journal() if "command" in entry]
    assert json.loads(OWN_WORDS) in done
    return [each for each in done if each != json.loads(OWN_WORDS)]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_foreign_page_can_change_nothing(
    method: str, path: str, body: str, foreign: Page, default_plant: Simulator
) -> None:
    """By none of the ways in which a browser calls; nor does it read what it is answered."""
    for mode, content_type in product(("cors", "no-cors", "same-origin"), ("", "text/plain", "application/json")):
        said = foreign.evaluate(BY_FETCH, [default_plant.url + path, method, mode, content_type, body])
        assert said == "opaque 0 " or said.startswith("refused"), (mode, content_type)

    assert executed(default_plant) == []
    assert [entry for entry in default_plant.journal() if "reload" in entry] == []


@pytest.mark.parametrize("enctype", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_a_foreign_page_can_change_nothing(enctype: str, foreign: Page, default_plant: Simulator) -> None:
    """Neither by a type that has to ask first nor by one that has not."""
    foreign.evaluate(BY_FORM, [f"{default_plant.url}/api/v1/commands", enctype, STOP])

    assert executed(default_plant) == []


def test_a_foreign_page_reads_nothing(foreign: Page, default_plant: Simulator) -> None:
    """The browser keeps the answers from it."""
    for path in ("/api/v1/overview", "/api/v1/machines", "/healthz", "/api/v1/plant", "/"):
        assert httpx.get(default_plant.url + path).status_code == 200
        assert foreign.evaluate(BY_FETCH, [default_plant.url + path, "GET", "cors", "", None]) == "refused: TypeError"


def test_a_foreign_page_reads_no_events(foreign: Page, default_plant: Simulator) -> None:
    """Not by EventSource either."""
    assert foreign.evaluate(BY_EVENTS, f"{default_plant.url}/api/v1/stream") == "refused"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_foreign_page_can_frame_nothing(path: str, foreign: Page, default_plant: Simulator) -> None:
    """So nobody can be made to click in it unseen."""
    refused: list[str] = []

    def keep(message: ConsoleMessage) -> None:
        refused.append(message.text)

    foreign.on("console", keep)
    foreign.evaluate(
        """url => new Promise(done => {
          const frame = Object.assign(document.createElement("iframe"), {src: url});
          frame.addEventListener("load", done);
          document.body.append(frame);
        })""",
        default_plant.url + path,
    )

    foreign.frames[1].wait_for_url("chrome-error://**")
    foreign.remove_listener("console", keep)
    assert any("frame-ancestors" in each for each in refused)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_name_that_is_rebound_can_change_nothing(
    method: str, path: str, body: str, tab: Page, default_plant: Simulator
) -> None:
    """The page is then of the same origin as what it calls; Host gives it away."""
    rebound = default_plant.url.replace("localhost", REBOUND)
    tab.goto(f"{rebound}/livez")
    said = tab.evaluate(BY_FETCH, [rebound + path, method, "cors", "application/json", body])

    assert said.startswith("basic 403 ")
    assert "by the name localhost" in said
    assert executed(default_plant) == []
