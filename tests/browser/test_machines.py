"""The machines: their list with filters, and the view of one with all that is known of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import is_live
from tests.support.browser.watched import Watch, soon


def card(page: Page, title: str) -> Locator:
    """The panel with a heading."""
    return page.locator("section.card").filter(has=page.get_by_role("heading", name=title, exact=True))


@pytest.fixture
def machine(open_page: Open, workshop: Simulator) -> Page:
    """The view of a machine that runs, with its figures."""
    workshop.command(command="start", machine_id="PRESS-01")
    page = open_page(workshop, "/#/machines/PRESS-01")
    is_live(page)
    expect(card(page, "State")).to_be_visible()
    return page


def test_all_machines_are_listed_with_their_states(open_page: Open, workshop: Simulator) -> None:
    """Each a row whose first cell leads to it."""
    page = open_page(workshop, "/#/machines")
    is_live(page)
    rows = page.get_by_role("table").get_by_role("row")

    expect(rows).to_have_count(1 + 8)
    expect(rows.nth(1)).to_contain_text(re.compile("CONVEYOR-01.*running"))
    page.get_by_role("link", name="PRESS-04").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PRESS-04")
    page.get_by_role("link", name="All machines").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Machines")


def test_the_list_is_filtered_by_type_state_fault_and_id(open_page: Open, workshop: Simulator) -> None:
    """The filters are in the address, so that a selection can be sent to somebody."""
    workshop.command(command="inject", machine_id="PRESS-05", fault="worn_belt", severity=1)
    workshop.command(command="stop", machine_id="PRESS-06")
    page = open_page(workshop, "/#/machines")
    is_live(page)
    names = page.get_by_role("rowheader")

    page.get_by_label("Type").select_option("conveyor")
    expect(names).to_have_text(["CONVEYOR-01", "CONVEYOR-02"])
    page.get_by_label("Type").select_option("press")
    page.get_by_label("Fault").select_option("worn_belt")
    expect(names).to_have_text(["PRESS-05"])
    page.get_by_label("Fault").select_option("")
    page.get_by_label("State").select_option("stopped")
    expect(names).to_have_text(["PRESS-06"])
    page.get_by_label("State").select_option("")
    page.get_by_label("Part of the id").fill("s-03")
    expect(names).to_have_text(["PRESS-03"])
    assert page.url.endswith("#/machines?type=press&text=s-03")
    page.get_by_label("Part of the id").fill("nothing")
    expect(page.get_by_text("No machine is like this now")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Part of the id")).to_have_value("nothing")
    for machine, command in (("PRESS-05", "clear"), ("PRESS-06", "start")):
        workshop.command(command=command, machine_id=machine)


def test_a_long_list_comes_page_by_page(open_page: Open, workshop: Simulator) -> None:
    """Fifty at a time, to and fro."""
    workshop.command(command="scale", message_type="press", count=120)
    page = open_page(workshop, "/#/machines")
    is_live(page)
    pages = page.get_by_role("navigation", name="Pages of machines")
    expect(page.get_by_role("rowheader")).to_have_count(50)
    expect(pages.get_by_role("button", name="Previous")).to_be_disabled()
    pages.get_by_role("button", name="Next").click()
    expect(page.get_by_role("rowheader").first).to_have_text("PRESS-49")
    expect(pages).to_contain_text("51 to 100")
    pages.get_by_role("button", name="Next").click()
    expect(page.get_by_role("rowheader")).to_have_count(22)
    expect(pages.get_by_role("button", name="Next")).to_be_disabled()
    pages.get_by_role("button", name="Previous").click()
    pages.get_by_role("button", name="Previous").click()
    expect(page.get_by_role("rowheader").first).to_have_text("CONVEYOR-01")
    workshop.command(command="scale", message_type="press", count=6)


def test_a_machine_shows_its_state_and_how_long_it_has_been_in_it(machine: Page, workshop: Simulator) -> None:
    """As a timeline since the view was opened, which follows a command."""
    state = card(machine, "State")
    expect(state).to_contain_text(re.compile("Since this view was opened, at .*In this state for"))
    expect(state.get_by_role("group", name="States")).to_be_visible()
    workshop.command(command="stop", machine_id="PRESS-01")
    expect(machine.locator(".machine-head")).to_contain_text("stopped")
    expect(state.locator(".state-stopped").first).to_be_attached()
    expect(state.locator(".legend")).to_contain_text("stopped")


def test_a_machine_shows_its_job_and_how_far_it_is(machine: Page) -> None:
    """With what is being made, and what was finished before."""
    job = card(machine, "Job")

    expect(job).to_contain_text(re.compile(r"\d+ % done"))
    expect(job).to_contain_text("Bracket")
    expect(job).to_contain_text(re.compile(r"Jobs finished\s*\d+"))
    begun = job.locator("dd").filter(has_text="PRESS-").text_content()
    expect(job).not_to_contain_text(str(begun), timeout=15_000)


def test_each_signal_is_a_chart_with_limits_set_point_and_unit(machine: Page, workshop: Simulator) -> None:
    """The line grows, and the set point in force is drawn."""
    feed = machine.locator(".grid section.card").filter(has_text="set point")
    expect(feed).to_contain_text("mm/s")
    expect(feed).to_contain_text("limits 100 to 300 · set point 180")
    line = feed.locator("path.chart-line")
    before = line.get_attribute("d")
    soon(machine, lambda: line.get_attribute("d") != before, "the line grows")
    workshop.command(command="set_point", machine_id="PRESS-01", signal="feed", value=222)
    expect(feed).to_contain_text("set point 222")
    assert feed.locator("path.chart-set-point").get_attribute("d")
    temperature = machine.locator(".grid section.card").filter(has_text="Oil of the press")
    expect(temperature).to_contain_text("°C")
    expect(temperature).to_contain_text("alarm high 80")


def test_faults_and_alarms_come_and_go(machine: Page, workshop: Simulator) -> None:
    """A fault with severity, cause and age; the alarm it raises with its severity and limit."""
    troubles = card(machine, "Faults and alarms")
    expect(troubles).to_contain_text(re.compile("No fault is active.*No alarm is active"))
    workshop.command(command="inject", machine_id="PRESS-01", fault="overheating", severity=2)
    expect(troubles.get_by_role("row", name=re.compile(r"overheating \(command\) 2 "))).to_be_visible()
    expect(
        troubles.get_by_role("row", name=re.compile("temperature.high critical temperature high 80"))
    ).to_be_visible()
    workshop.command(command="clear", machine_id="PRESS-01")
    expect(troubles).to_contain_text(re.compile("No fault is active.*No alarm is active"))


def test_the_newest_message_of_each_topic_is_shown_as_json(machine: Page) -> None:
    """Its topic, QoS and whether it is retained; the next one takes its place."""
    message = machine.get_by_role("article").filter(
        has=machine.get_by_role("heading", name="factory/press", exact=True)
    )
    expect(message).to_contain_text("QoS 1")
    expect(message).to_contain_text("not retained")
    body = message.locator("pre")
    expect(body).to_contain_text('"machine_id": "PRESS-01"')
    first = body.text_content()
    soon(machine, lambda: body.text_content() != first, "the next message is shown")


def test_the_usual_commands_are_right_there(machine: Page) -> None:
    """Stop, start and clear, each gated by what is possible, with its answer."""
    commands = card(machine, "Commands")
    start, stop = (commands.get_by_role("button", name=name, exact=True) for name in ("Start", "Stop"))
    expect(start).to_have_attribute("aria-disabled", "true")
    expect(commands).to_contain_text("not stopped")
    stop.click()
    expect(commands).to_contain_text("state stopped")
    expect(stop).to_have_attribute("aria-disabled", "true")
    start.click()
    expect(commands).to_contain_text(re.compile("state (running|idle|jammed)"))
    expect(card(machine, "Journal of this machine").get_by_role("row").nth(1)).to_contain_text("start")
    commands.get_by_role("link", name="More commands").click()
    expect(machine.get_by_role("heading", level=1)).to_have_text("Command centre")
    expect(machine.get_by_role("combobox", name="Machine")).to_have_value("PRESS-01")


def test_an_unknown_machine_says_what_may_be_meant(
    open_page: Open, watch_of: Callable[[Page], Watch], workshop: Simulator
) -> None:
    """With a link to it."""
    page = open_page(workshop, "/#/machines/PRES-02")
    watch_of(page).allowed |= {404, 422}
    page.get_by_role("link", name="Show PRESS-02").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("PRESS-02")
    expect(card(page, "State")).to_be_visible()


def test_times_are_those_of_the_plant(machine: Page) -> None:
    """Of its zone, which is named, whatever the browser's is."""
    expect(machine.locator("#zone")).to_have_text("Asia/Kolkata")
    plant = (machine.locator("#clock").text_content() or "")[:2]
    begun = re.search(r"at (\d\d):", card(machine, "State").text_content() or "")

    assert begun
    assert (int(plant) - int(begun[1])) % 24 in (0, 1)
