"""The traffic: live messages, filtered by the simulator, paused, opened and cleared; what is sampled is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.brokers.requester import Requester
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import is_live
from tests.support.browser.watched import Watch, soon


def rows(page: Page) -> Locator:
    """The messages, the newest first."""
    return page.locator(".traffic-list details")


def cell(page: Page, name: str) -> list[str]:
    """What a column has, from the top down."""
    return page.locator(f".traffic-list .traffic-{name}").all_text_contents()


@pytest.fixture
def traffic(open_page: Open, workshop: Simulator) -> Page:
    """The view of traffic with messages in it."""
    page = open_page(workshop, "/#/traffic")
    is_live(page)
    expect(rows(page).nth(3)).to_be_visible()
    return page


def test_messages_are_shown_as_they_are_delivered(traffic: Page) -> None:
    """With time, topic, machine, category, QoS, size and the beginning of the payload."""
    press = rows(traffic).filter(has_text="factory/press").first
    expect(press).to_contain_text(
        re.compile(r"\d\d:\d\d:\d\d\.\d{3}factory/pressPRESS-0\dtelemetryQoS 1\d{3} B\{\"timestamp\"")
    )
    belt = rows(traffic).filter(has_text="factory/belts").first
    expect(belt).to_contain_text("QoS 0, retained")
    expect(traffic.locator(".traffic-state")).to_contain_text(re.compile(r"\d msg/s, all shown"))


@pytest.mark.parametrize(
    ("label", "value", "column", "shown"),
    [
        ("Topic filter", "+/belts", "topic", "factory/belts"),
        ("QoS", "0", "qos", "QoS 0, retained"),
        ("QoS", "1", "qos", "QoS 1"),
        ("Retained", "true", "qos", "QoS 0, retained"),
        ("Text", "press-04", "machine", "PRESS-04"),
        ("Category", "telemetry", "category", "telemetry"),
    ],
)
def test_messages_are_filtered(label: str, value: str, column: str, shown: str, traffic: Page) -> None:
    """By the simulator; the rest is counted."""
    field = traffic.get_by_role("search").get_by_label(label)
    if field.evaluate("each => each.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)
    expect(traffic.locator(".traffic-state")).to_contain_text("that match")
    soon(traffic, lambda: len(cell(traffic, column)) >= 2, "messages that match", 15)

    assert set(cell(traffic, column)) == {shown}
    expect(traffic.locator(".traffic-state")).to_contain_text(re.compile(r"that match, all shown.*in all"))
    traffic.get_by_role("button", name="Reset filters").click()
    expect(field).to_have_value("")


def test_alarms_events_and_commands_have_categories_of_their_own(traffic: Page, workshop: Simulator) -> None:
    """An alarm that a command over MQTT has caused, and that command."""
    category = traffic.get_by_label("Category")
    category.select_option("command")
    with Requester(workshop.mqtt_port, "panel") as panel:
        panel.ask("PRESS-01", {"command": "inject", "fault": "overheating", "severity": 2})
    expect(rows(traffic).first).to_contain_text("overheating", timeout=15_000)
    workshop.command(command="clear", machine_id="PRESS-01")
    category.select_option("alarm")
    workshop.command(command="inject", machine_id="PRESS-02", fault="overheating", severity=2)
    expect(rows(traffic).first).to_contain_text(re.compile("factory/press/alarms.*PRESS-02.*alarm"))
    workshop.command(command="clear", machine_id="PRESS-02")


def test_a_wrong_topic_filter_is_said_beside_its_field(traffic: Page, watch_of: Callable[[Page], Watch]) -> None:
    """With the rule; the stream goes on."""
    watch_of(traffic).allowed.add(422)
    field = traffic.get_by_label("Topic filter")
    field.fill("factory/#/x")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(traffic.locator("#traffic-topic-wrong")).not_to_be_empty()
    field.fill("factory/#")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(rows(traffic).first).to_be_visible()


def test_a_filter_that_nothing_passes_says_so(traffic: Page) -> None:
    """With how many have been looked at."""
    traffic.get_by_label("Text").fill("no message has this")

    expect(
        traffic.get_by_text(re.compile(r"No message matches these filters; \d+ have been looked at"))
    ).to_be_visible()


def test_traffic_is_paused_and_goes_on_with_what_came(traffic: Page) -> None:
    """Nothing moves meanwhile; what comes is counted and kept."""
    traffic.get_by_role("button", name="Pause").click()
    before = cell(traffic, "time")
    resume = traffic.get_by_role("button", name=re.compile(r"Resume \((?:[89]|\d\d+) new\)"))
    expect(resume).to_be_visible()
    assert cell(traffic, "time") == before
    resume.click()
    soon(traffic, lambda: len(cell(traffic, "time")) >= len(before) + 8, "what came is there")
    expect(traffic.get_by_role("button", name="Pause")).to_be_visible()


def test_a_message_opens_to_its_payload(traffic: Page, workshop: Simulator) -> None:
    """Pretty-printed, with its machine; nothing moves while somebody reads; Escape closes it."""
    row = rows(traffic).filter(has_text="factory/press").first
    row.locator("summary").click()
    payload = traffic.get_by_role("region", name="Payload")
    expect(payload).to_contain_text(re.compile(r'\{\n  "timestamp": ".*",\n  "machine_id": "PRESS-0\d",\n'))
    assert json.loads(payload.text_content() or "").keys() >= {"timestamp", "machine_id", "status"}
    expect(traffic.locator(".traffic-state")).to_contain_text("Paused while you read")
    payload.press("Escape")
    expect(payload).to_be_hidden()
    traffic.keyboard.press("Escape")
    expect(traffic.get_by_role("button", name="Pause")).to_be_focused()
    expect(traffic.locator(".traffic-state")).not_to_contain_text("Paused")


def test_a_message_leads_to_its_machine_and_to_its_topic(traffic: Page) -> None:
    """By a link, and by a button that filters."""
    rows(traffic).filter(has_text="factory/belts").first.locator("summary").click()
    traffic.get_by_role("button", name="Only this topic").click()
    expect(traffic.get_by_label("Topic filter")).to_have_value("factory/belts")
    rows(traffic).first.locator("summary").click()
    traffic.get_by_role("region", name="Payload").wait_for()
    traffic.get_by_role("link", name=re.compile("CONVEYOR-0")).click()
    expect(traffic.get_by_role("heading", level=1)).to_have_text(re.compile("CONVEYOR-0"))


def test_a_payload_is_copied(open_page: Open, workshop: Simulator) -> None:
    """As it came over the wire."""
    page = open_page(workshop, "/#/traffic")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    is_live(page)
    rows(page).first.locator("summary").click()
    page.get_by_role("button", name="Copy payload").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")

    assert json.loads(copied)["machine_id"]
    assert "\n" not in copied


def test_traffic_is_cleared(traffic: Page) -> None:
    """All rows go; the next messages come."""
    traffic.get_by_role("button", name="Pause").click()
    traffic.get_by_role("button", name="Clear").click()
    assert rows(traffic).count() == 0
    traffic.get_by_role("button", name=re.compile("Resume")).click()
    expect(rows(traffic).first).to_be_visible()


def test_messages_are_read_by_keyboard(traffic: Page) -> None:
    """Arrows go from one to the next, Enter opens, Escape closes."""
    traffic.get_by_role("button", name="Pause").click()
    traffic.get_by_role("group", name="Messages, the newest first").focus()
    traffic.keyboard.press("ArrowDown")
    traffic.keyboard.press("ArrowDown")
    expect(rows(traffic).nth(1).locator("summary")).to_be_focused()
    traffic.keyboard.press("Enter")
    expect(traffic.get_by_role("region", name="Payload")).to_be_visible()
    traffic.keyboard.press("Escape")
    expect(traffic.get_by_role("region", name="Payload")).to_be_hidden()
    expect(rows(traffic).nth(1).locator("summary")).to_be_focused()


def test_a_thousand_messages_are_kept_and_what_is_sampled_is_said(open_page: Open, workshop: Simulator) -> None:
    """At 2,000 a second the page shows some of them, and how many."""
    workshop.command(command="rate", messages_per_second=2000)
    try:
        page = open_page(workshop, "/#/traffic")
        is_live(page)
        state = page.locator(".traffic-state")
        expect(state).to_contain_text(re.compile(r"A sample: [\d,]+ of [\d,]+ msg/s shown"), timeout=15_000)
        soon(page, lambda: rows(page).count() == 1000, "a thousand rows", 20)
        page.wait_for_timeout(500)
        assert rows(page).count() == 1000
    finally:
        workshop.command(command="rate")
