"""The list of machines, and the view of one: that they follow the plant, and only while somebody looks."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import Simulator
from tests.support.browser.watched import Watch


def card(page: Page, title: str) -> Locator:
    """A part of the view of a machine."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_the_list_follows_the_plant(open_page: Open, workshop: Simulator) -> None:
    """State, job, faults and alarms, in rows that stay where they are, and keep the focus."""
    page = open_page(workshop, "/#/machines?text=press-03")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="PRESS-03"))
    expect(row).to_contain_text(re.compile(r"\d+ \w+\s*Bracket \d+ %\s*none"))
    row.get_by_role("link").focus()
    workshop.command(command="inject", machine_id="PRESS-03", fault="overheating", severity=1.5)
    workshop.command(command="set_state", machine_id="PRESS-03", state="jammed")

    expect(row).to_contain_text(re.compile("jammed.*✕ overheating.*⚠ temperature.high"))
    expect(row.get_by_role("link")).to_be_focused()
    workshop.command(command="clear", machine_id="PRESS-03")


def test_a_filter_that_the_plant_refuses_is_named(
    open_page: Open, workshop: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """In the words of the API, such as of a state that a reload has removed; another one can be chosen."""
    page = open_page(workshop, "/#/machines?type=press&state=runing")
    watch_of(page).allowed.add(422)

    expect(page.get_by_text("✕ state: no such state; did you mean running?")).to_be_visible()
    page.get_by_label("State").select_option("")
    expect(page.get_by_role("rowheader")).to_have_count(6)


def test_the_newest_message_of_each_topic_is_shown(open_page: Open, sandbox: Simulator) -> None:
    """In the order of the topics, with QoS and whether it is retained."""
    page = open_page(sandbox, "/#/machines/press")
    sandbox.command(command="maintenance", machine_id="press")
    topics = card(page, "Newest message of each topic").get_by_role("article")
    expect(topics.get_by_role("heading")).to_have_text(
        [f"factory/{each}" for each in ("state/press", *(f"telemetry/press/{name}" for name in SENSORS))]
    )
    state, pressure = topics.nth(0), topics.nth(1)

    expect(state).to_contain_text("QoS 1")
    expect(state.get_by_text("retained", exact=True)).to_be_visible()
    expect(state.locator("pre")).to_contain_text('"state": "maintenance"')
    expect(pressure).to_contain_text("QoS 0")
    expect(pressure.get_by_text("not retained", exact=True)).to_be_visible()


SENSORS = ("pressure", "temperature", "vibration")


def test_what_others_do_to_a_machine_is_listed_with_its_answer(open_page: Open, workshop: Simulator) -> None:
    """And what they do to other machines is not."""
    page = open_page(workshop, "/#/machines/PRESS-05")
    journal = card(page, "Journal of this machine")
    expect(journal).to_contain_text("No commands yet.")
    workshop.command(command="stop", machine_id="PRESS-06")
    workshop.command(command="set_point", machine_id="PRESS-05", signal="feed", value=200)

    entry = journal.get_by_role("row").nth(1)
    expect(entry).to_contain_text(re.compile(r"\d\d:\d\d:\d\dhttp 127.0.0.1set_point.*feed · value 200✓ signal feed"))
    expect(journal.get_by_role("row")).to_have_count(2)
    page.reload()
    expect(journal.get_by_role("row")).to_have_count(2)
    workshop.command(command="start", machine_id="PRESS-06")


def test_a_machine_is_followed_only_while_its_view_is_there(
    open_page: Open, workshop: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """Then the stream is that of all other viewers."""
    page = open_page(workshop, "/#/machines/PRESS-05")
    expect(card(page, "Job")).to_be_visible()
    with page.expect_request(re.compile(r"/api/v1/stream\??$")):
        page.get_by_role("link", name="All machines").click()

    assert any(url.endswith("/api/v1/stream?machine=PRESS-05") for url in watch_of(page).requested)
