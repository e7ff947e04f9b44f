"""The token field: there where the API needs a token, which is kept in the page's memory and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Open
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import Simulator, simulating
from tests.support.browser.views import is_live
from tests.support.browser.watched import Watch, soon

TOKEN: Final = "s3cret-of-this-test"
KEPT: Final = """async () => JSON.stringify([
  {...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state,
  await indexedDB.databases(), await caches.keys(), window.name, document.documentElement.outerHTML,
  [...document.querySelectorAll("input, textarea")].map(each => each.value),
])"""
STOP: Final = """() => {
  window.answer = null;
  import("/page/api.js").then(api => api.command({command: "stop", machine_id: "CNC-03"}))
    .then(done => { window.answer = done.answer; }, error => { window.answer = error.message; });
}"""
"""What a view does for a command, without waiting for its end."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator that wants a token for changes."""
    require_chromium()
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(f"{TOKEN}\n")
    with simulating(folder, "--http-token-file", str(folder / "token")) as simulator:
        yield simulator
        assert TOKEN not in simulator.daemon.log


def use(page: Page, token: str) -> None:
    """Type a token into the open field."""
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Use token").click()


def test_a_change_asks_for_the_token_and_is_then_made(
    open_page: Open, watch_of: Callable[[Page], Watch], guarded: Simulator
) -> None:
    """A wrong token is asked for again; the right one makes the change that was asked for, once."""
    page = open_page(guarded)
    watch_of(page).allowed.add(401)
    is_live(page)
    page.evaluate(STOP)
    field = page.get_by_label("Token", exact=True)
    expect(field).to_be_focused()
    use(page, "wrong")
    expect(page.get_by_text("refused this token")).to_be_visible()
    use(page, TOKEN)
    expect(field).to_be_hidden()
    soon(page, lambda: page.evaluate("window.answer !== null"), "the command is answered")

    assert page.evaluate("window.answer.state") == "stopped"
    done = [entry for entry in guarded.journal() if entry.get("command", {}).get("machine_id") == "CNC-03"]
    assert len(done) == 1


def test_a_token_that_cannot_be_sent_is_refused_at_the_field(
    open_page: Open, watch_of: Callable[[Page], Watch], guarded: Simulator
) -> None:
    """As it was copied with a mark beside it perhaps: no header has such a character."""
    page = open_page(guarded)
    watch_of(page).allowed.add(401)
    is_live(page)
    page.evaluate(STOP)
    use(page, f"{TOKEN}\N{CHECK MARK}")
    expect(page.get_by_text("This has a character that no token has.")).to_be_visible()
    use(page, TOKEN)
    soon(page, lambda: page.evaluate("window.answer !== null"), "the command is answered")

    assert page.evaluate("window.answer.state") == "stopped"


def test_the_token_is_kept_in_memory_only(
    open_page: Open, watch_of: Callable[[Page], Watch], guarded: Simulator
) -> None:
    """No storage, cookie, address or element has it; it goes to this simulator, with changes alone; then it is gone."""
    page = open_page(guarded)
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))  # noqa: PLW0108 - Playwright wants a function of Python
    is_live(page)
    page.get_by_role("button", name="Enter token").click()
    use(page, TOKEN)
    page.evaluate(STOP)
    soon(page, lambda: page.evaluate("window.answer !== null"), "the command is answered")

    assert page.evaluate("window.answer.state") == "stopped"
    assert TOKEN not in page.evaluate(KEPT)
    assert TOKEN not in str(page.context.storage_state())
    with_token = [each for each in sent if TOKEN in str(each.headers) or TOKEN in f"{each.url} {each.post_data}"]
    assert {(each.method, each.url) for each in with_token} == {("POST", f"{guarded.url}/api/v1/commands")}
    expect(page.get_by_role("button", name="Token set")).to_be_visible()
    page.reload()
    is_live(page)
    expect(page.get_by_role("button", name="Enter token")).to_be_visible()


def test_the_field_is_left_by_escape_and_the_token_is_forgotten_by_a_button(
    open_page: Open, watch_of: Callable[[Page], Watch], guarded: Simulator
) -> None:
    """The focus is then where it was; what was asked for is refused with what the API says."""
    page = open_page(guarded)
    watch_of(page).allowed.add(401)
    is_live(page)
    page.evaluate(STOP)
    expect(page.get_by_label("Token", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    soon(page, lambda: page.evaluate("window.answer !== null"), "the command is answered")
    assert "HTTP_TOKEN_FILE" in page.evaluate("window.answer")

    button = page.get_by_role("button", name=re.compile("Enter token|Token set"))
    button.click()
    use(page, TOKEN)
    button.click()
    page.get_by_role("button", name="Forget token").click()
    expect(page.get_by_role("button", name="Enter token")).to_be_focused()
    page.evaluate(STOP)
    expect(page.get_by_label("Token", exact=True)).to_be_visible()


def test_where_no_token_is_needed_there_is_no_field(open_page: Open, default_plant: Simulator) -> None:
    """Changes are then for callers on this machine."""
    page = open_page(default_plant)
    is_live(page)
    soon(page, lambda: page.evaluate("!!document.querySelector('#token-form')"), "the header is there")

    expect(page.get_by_role("button", name="Enter token")).to_be_hidden()
    page.evaluate(STOP)
    soon(page, lambda: page.evaluate("window.answer !== null"), "the command is answered")
    assert page.evaluate("window.answer.state") == "stopped"
