"""The command centre where not everything is permitted, or an answer does not arrive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.conftest import Open
from tests.support.browser.chromium import REBOUND
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import Simulator, simulating
from tests.support.browser.watched import Watch, watched

TOKEN = "0123456789abcdef"
TWICE = """async (button) => {
  const answered = new Promise((done) => new MutationObserver(done).observe(button.form.lastChild, {childList: true}));
  button.click();
  await answered;
  button.click();
}"""
"""Clicks a second time as soon as the first answer is there."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator whose commands need a token."""
    require_chromium()
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "token"
    file.write_text(f"{TOKEN}\n")
    with simulating(folder, "--http-token-file", str(file)) as simulator:
        yield simulator


def stop_of(page: Page) -> Locator:
    """The button that stops the chosen machine."""
    return page.get_by_role("button", name="Stop", exact=True)


def names(simulator: Simulator) -> list[str]:
    """The commands of the journal."""
    return [each["command"]["command"] for each in simulator.journal()]


def test_an_answer_that_was_lost_can_be_asked_for_again(
    open_page: Open, workshop: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """The same command is then the same request, and is not executed twice."""
    page = open_page(workshop, "/#/control/PRESS-02", anew=False)
    watch_of(page).allowed.add(0)
    act = page.get_by_role("form", name="Set state")
    expect(act.get_by_label("State")).not_to_have_value("")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/v1/commands", lose, times=1)
    before = names(workshop).count("set_state")
    act.get_by_role("button").click()
    expect(act).to_contain_text("✕ The simulator does not answer")
    with page.expect_response("**/api/v1/commands") as answer:
        act.get_by_role("button").click()

    expect(act).to_contain_text(re.compile(r"✓ \d\d:\d\d:\d\d state running"))
    assert answer.value.headers["idempotency-replayed"] == "true"
    assert names(workshop).count("set_state") == before + 1


def test_a_second_command_of_the_same_words_is_another_one(open_page: Open, workshop: Simulator) -> None:
    """Unlike the second click of a double click."""
    page = open_page(workshop, "/#/control/PRESS-02", anew=False)
    act = page.get_by_role("form", name="Set state")
    expect(act.get_by_label("State")).not_to_have_value("")
    before = names(workshop).count("set_state")
    with page.expect_response("**/api/v1/commands"):
        act.get_by_role("button").evaluate(TWICE)
    expect(act).to_contain_text("✓")
    page.wait_for_timeout(1100)  # later than any double click
    act.get_by_role("button").click()
    expect(page.get_by_role("table").get_by_role("row").filter(has_text="set_state")).to_have_count(before + 2)

    assert names(workshop).count("set_state") == before + 2


def test_a_field_that_is_no_number_is_not_sent(open_page: Open, workshop: Simulator) -> None:
    """The rule is beside it, and it has the focus."""
    page = open_page(workshop, "/#/control/PRESS-02", anew=False)
    act = page.get_by_role("form", name="Set point")
    expect(act).to_contain_text("100 to 300")
    count = len(names(workshop))
    act.get_by_role("button").click()

    expect(act).to_contain_text("✕ must be a number")
    expect(act.get_by_label("Value")).to_be_focused()
    expect(act.get_by_label("Value")).to_have_attribute("aria-invalid", "true")
    assert len(names(workshop)) == count


def test_without_the_token_nothing_is_possible_and_with_it_everything(open_page: Open, guarded: Simulator) -> None:
    """The notice says what to do; the buttons have the reason for screen readers."""
    page = open_page(guarded, "/#/control/CNC-01")
    notice = page.get_by_text("Commands need the token: enter it at the top of the page.")
    expect(notice.first).to_be_visible()
    expect(stop_of(page)).to_have_attribute("aria-disabled", "true")
    expect(stop_of(page)).to_have_accessible_description(re.compile("Commands need the token"))
    stop_of(page).click(force=True)
    page.get_by_role("button", name="Enter token").click()
    page.get_by_label("Token", exact=True).fill(TOKEN)
    page.get_by_role("button", name="Use token").click()

    expect(stop_of(page)).not_to_have_attribute("aria-disabled", "true")
    stop_of(page).click()
    expect(page.locator(".quick")).to_contain_text("state stopped")
    assert names(guarded) == ["stop"]


def test_a_page_from_another_machine_says_that_nothing_is_possible(browser: Browser, workshop: Simulator) -> None:
    """Where there is no token: before somebody tries, and not only after."""
    address = f"http://{REBOUND}:{urlsplit(workshop.url).port}"
    with watched(browser, address) as (page, watch):
        page.goto(f"{address}/#/control/PRESS-02")
        expect(page.get_by_text("Commands are taken from the simulator's own machine").first).to_be_visible()
        expect(stop_of(page)).to_have_attribute("aria-disabled", "true")
        assert [each for each in watch.wrong if "Cross-Origin-Opener-Policy" not in each] == []


def test_what_is_tried_although_it_is_not_possible_is_told_to_screen_readers(
    open_page: Open, workshop: Simulator
) -> None:
    """The button keeps the focus, and sends nothing."""
    page = open_page(workshop, "/#/control", anew=False)
    stop = stop_of(page)
    expect(stop).to_have_accessible_description("Choose a machine: its commands are possible then.")
    stop.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_have_text("Choose a machine: its commands are possible then.")
    expect(stop).to_be_focused()


@pytest.mark.parametrize(
    ("path", "name"), [("control/PRESS-02", "Signals and messages"), ("machines/PRES-02", "Show PRESS-02")]
)
def test_figures_that_come_leave_the_focus_where_it_is(
    path: str, name: str, open_page: Open, workshop: Simulator
) -> None:
    """Whoever works by keyboard could not follow a link otherwise."""
    page = open_page(workshop, f"/#/{path}", anew=False)
    link = page.get_by_role("link", name=name)
    link.focus()
    for _ in range(3):  # seconds, in each of which the stream has the machine once
        expect(page.locator("#clock")).not_to_have_text(page.locator("#clock").inner_text())

    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("PRESS-02")
