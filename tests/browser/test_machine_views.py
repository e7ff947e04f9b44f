"""The list of machines, and the view of one: what they show, and that they follow the plant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.presses import machine, pressing
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import Simulator
from tests.support.browser.watched import PHONE, Watch, soon


@pytest.fixture(scope="module")
def presses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """120 presses, and a scale."""
    require_chromium()
    with pressing(tmp_path_factory.mktemp("presses")) as simulator:
        yield simulator


def rows(page: Page) -> Locator:
    """The machines of the list."""
    return page.get_by_role("table").get_by_role("rowheader")


def card(page: Page, title: str) -> Locator:
    """A part of the view of a machine."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_machines_are_listed_a_page_at_a_time(open_page: Open, presses: Simulator) -> None:
    """Fifty of them, with how many there are."""
    page = open_page(presses, "/#/machines", anew=False)
    pages = page.get_by_role("navigation", name="Pages of machines")
    previous, following = (pages.get_by_role("button", name=name) for name in ("Previous", "Next"))

    expect(rows(page)).to_have_count(50)
    expect(pages).to_contain_text("1 to 50 of 121")
    expect(previous).to_be_disabled()
    following.click()
    expect(pages).to_contain_text("51 to 100 of 121")
    expect(rows(page).first).to_have_text("PRESS-51")
    following.click()
    expect(rows(page).last).to_have_text("SCALE-1")
    expect(following).to_be_disabled()
    previous.click()
    previous.click()
    expect(rows(page).first).to_have_text("PRESS-01")


def test_the_list_follows_the_plant(open_page: Open, presses: Simulator) -> None:
    """State, job, faults and alarms, in rows that stay where they are."""
    page = open_page(presses, "/#/machines?text=press-02", anew=False)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="PRESS-02"))
    expect(row).to_contain_text(re.compile(r"running\s*\d+ \w+\s*(panel|frame) \d+ %\s*none"))
    row.get_by_role("link").focus()
    presses.command(command="inject", machine_id="PRESS-02", fault="bearing_damage")
    presses.command(command="stop", machine_id="PRESS-02")

    expect(row).to_contain_text(re.compile("stopped.*✕ bearing_damage"))
    expect(row.get_by_role("link")).to_be_focused()
    presses.command(command="clear", machine_id="PRESS-02")
    presses.command(command="start", machine_id="PRESS-02")


def test_machines_are_found_by_type_state_fault_and_id(open_page: Open, presses: Simulator) -> None:
    """Each filter offers what the plant has; the address keeps them all."""
    presses.command(command="inject", machine_id="PRESS-77", fault="jam")
    presses.command(command="set_state", machine_id="PRESS-77", state="maintenance")
    page = open_page(presses, "/#/machines", anew=False)
    expect(rows(page)).to_have_count(50)
    page.get_by_label("Type").select_option("scale")
    expect(rows(page)).to_have_text(["SCALE-1"])
    page.get_by_label("Type").select_option("press")
    page.get_by_label("Fault").select_option("jam")
    expect(rows(page)).to_have_text(["PRESS-77"])
    page.get_by_label("State").select_option("running")
    expect(page.get_by_text("No machine is like this now.")).to_be_visible()
    page.get_by_label("State").select_option("maintenance")
    page.get_by_label("Part of the id").fill("ss-77")
    expect(page).to_have_url(re.compile("type=press&state=maintenance&fault=jam&text=ss-77$"))
    page.reload()

    expect(rows(page)).to_have_text(["PRESS-77"])
    expect(page.get_by_label("Fault")).to_have_value("jam")
    presses.command(command="clear", machine_id="PRESS-77")


def test_a_filter_that_the_plant_refuses_is_named(
    open_page: Open, presses: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """As the API has it, such as a state that a reload has removed."""
    page = open_page(presses, "/#/machines?state=runing", anew=False)
    watch_of(page).allowed.add(422)

    expect(page.get_by_text("✕ state: no such state; did you mean running?")).to_be_visible()
    page.get_by_label("State").select_option("running")
    expect(rows(page)).to_have_count(50)


def test_a_machine_is_shown_with_its_signals_and_their_limits(open_page: Open, presses: Simulator) -> None:
    """Each with value and unit, a chart that grows, its limits, alarms and set point."""
    page = open_page(presses, "/#/machines/PRESS-03", anew=False)

    expect(page.get_by_role("heading", level=1)).to_have_text("PRESS-03")
    expect(card(page, "State")).to_contain_text(re.compile(r"Since this view was opened, at \d\d:\d\d:\d\d\."))
    expect(card(page, "State")).to_contain_text(re.compile(r"In this state for\d+"))
    feed = page.locator("section").filter(has=page.get_by_role("heading", name=re.compile("feed")))
    expect(feed).to_contain_text("180 mm/min")
    expect(feed).to_contain_text("limits 100 to 250 mm/min · set point 180 mm/min")
    vibration = page.locator("section").filter(has=page.get_by_role("heading", name=re.compile("vibration")))
    expect(vibration).to_contain_text("limits 0 to 50 mm/s · alarm high 10 mm/s")
    expect(vibration.locator(".chart-line")).to_have_attribute("d", re.compile(r"M[\d. ]+L[\d. ]+L"))
    expect(page.get_by_text("Of the oil.")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile(r"temperature 55 °C"))).to_be_visible()


def test_a_machine_is_shown_with_its_job(open_page: Open, presses: Simulator) -> None:
    """Kind, id, progress."""
    page = open_page(presses, "/#/machines/PRESS-04", anew=False)
    job = machine(presses, "PRESS-04")["job"]

    expect(card(page, "Job")).to_contain_text(re.compile(r"\d+ % done"))
    expect(card(page, "Job")).to_contain_text(re.compile(f"Id{re.match(r'PRESS-4', job['id'])[0]}"))  # type: ignore[index]
    expect(card(page, "Job")).to_contain_text(re.compile(r"Kind(panel|frame)"))


def test_faults_and_alarms_of_a_machine_come_and_go(open_page: Open, presses: Simulator) -> None:
    """With severity and cause, and what the alarm watches."""
    page = open_page(presses, "/#/machines/PRESS-05", anew=False)
    troubles = card(page, "Faults and alarms")
    expect(troubles).to_contain_text("✓ No fault is active.")
    expect(troubles).to_contain_text("✓ No alarm is active.")
    presses.command(command="inject", machine_id="PRESS-05", fault="bearing_damage", severity=1.5)

    expect(troubles).to_contain_text(re.compile(r"✕ bearing_damage \(command\)1\.5\d\d:\d\d:\d\d, \d+ s"))
    expect(troubles).to_contain_text("⚠ vibration.highcriticalvibration high 10")
    presses.command(command="clear", machine_id="PRESS-05")
    expect(troubles).to_contain_text("✓ No fault is active.")
    expect(troubles).to_contain_text("✓ No alarm is active.")


def test_the_state_of_a_machine_is_drawn_over_time(open_page: Open, presses: Simulator) -> None:
    """Each state since the view was opened, with its share."""
    page = open_page(presses, "/#/machines/PRESS-06", anew=False)
    state = card(page, "State")
    expect(state).to_contain_text(re.compile("100 % ?running"))
    presses.command(command="set_state", machine_id="PRESS-06", state="maintenance")

    expect(state).to_contain_text(re.compile(r"\d\d? % ?running\d\d? % ?maintenance"))
    expect(state.locator("rect")).to_have_count(2)
    expect(page.locator(".machine-head")).to_contain_text("maintenance")


def test_the_newest_message_of_each_topic_is_shown(open_page: Open, sandbox: Simulator) -> None:
    """In lines and in the order of the topics, with QoS and whether it is retained; the next one takes its place."""
    page = open_page(sandbox, "/#/machines/press", anew=False)
    sandbox.command(command="maintenance", machine_id="press")
    topics = card(page, "Newest message of each topic").get_by_role("article")
    measured = [f"factory/telemetry/press/{name}" for name in ("pressure", "temperature", "vibration")]
    expect(topics.get_by_role("heading")).to_have_text(["factory/state/press", *measured])
    state, pressure = topics.nth(0), topics.nth(1)

    expect(state).to_contain_text("QoS 1")
    expect(state.get_by_text("retained", exact=True)).to_be_visible()
    expect(state.locator("pre")).to_contain_text('\n  "state": "maintenance"')
    expect(pressure).to_contain_text("QoS 0")
    expect(pressure.get_by_text("not retained", exact=True)).to_be_visible()
    first = pressure.locator("pre").inner_text()
    expect(pressure.locator("pre")).not_to_have_text(first)


def test_a_machine_that_there_is_not_leads_to_the_one_that_may_be_meant(open_page: Open, presses: Simulator) -> None:
    """In the words of the API."""
    page = open_page(presses, "/#/machines/PRES-07", anew=False)

    expect(page.get_by_text('no machine has the id "PRES-07"; did you mean "PRESS-07"?')).to_be_visible()
    page.get_by_role("link", name="Show PRESS-07").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PRESS-07")
    expect(card(page, "Job")).to_be_visible()


def test_what_others_do_to_a_machine_is_listed_with_its_answer(open_page: Open, presses: Simulator) -> None:
    """And what they do to other machines is not."""
    page = open_page(presses, "/#/machines/PRESS-08", anew=False)
    journal = card(page, "Journal of this machine")
    expect(journal).to_contain_text("No commands yet.")
    presses.command(command="stop", machine_id="PRESS-09")
    presses.command(command="set_point", machine_id="PRESS-08", signal="feed", value=200)

    entry = journal.get_by_role("row").nth(1)
    expect(entry).to_contain_text(
        re.compile(r"\d\d:\d\d:\d\dhttp 127.0.0.1set_point.*signal feed · value 200✓ signal feed · value 200")
    )
    expect(journal.get_by_role("row")).to_have_count(2)
    presses.command(command="start", machine_id="PRESS-09")


def test_the_usual_commands_are_right_there(open_page: Open, presses: Simulator) -> None:
    """Stop, start and those of the type, each possible where it makes sense, with what it answered."""
    page = open_page(presses, "/#/machines/PRESS-10", anew=False)
    commands = card(page, "Commands")
    stop, start = (commands.get_by_role("button", name=name) for name in ("Stop", "Start"))
    expect(start).to_have_attribute("aria-disabled", "true")
    expect(commands).to_contain_text("Its state is running, not stopped.")
    expect(commands).to_contain_text("No fault is active.")
    stop.click()

    expect(commands).to_contain_text(re.compile(r"✓ \d\d:\d\d:\d\d state stopped"))
    expect(commands).to_contain_text("It is stopped already.")
    expect(stop).to_have_attribute("aria-disabled", "true")
    start.click()
    soon(page, lambda: machine(presses, "PRESS-10")["state"] == "running", "the press runs")
    commands.get_by_role("button", name="maintenance").click()
    soon(page, lambda: machine(presses, "PRESS-10")["state"] == "maintenance", "the press is in maintenance")
    commands.get_by_role("link", name="More commands").click()
    expect(page.get_by_role("combobox", name="Machine")).to_have_value("PRESS-10")


def test_a_machine_is_followed_only_while_its_view_is_there(
    open_page: Open, presses: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """Then the stream is that of all other viewers."""
    page = open_page(presses, "/#/machines/PRESS-11", anew=False)
    expect(card(page, "Job")).to_be_visible()
    with page.expect_request(re.compile(r"/api/v1/stream\??$")):
        page.get_by_role("link", name="All machines").click()

    assert any(url.endswith("/api/v1/stream?machine=PRESS-11") for url in watch_of(page).requested)


def test_a_machine_fits_on_a_telephone(open_page: Open, presses: Simulator) -> None:
    """Nothing is beside the screen."""
    page = open_page(presses, "/#/machines/PRESS-12", PHONE)
    expect(card(page, "Job")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
