"""Live traffic: the messages that are really delivered, filtered, paused, opened and copied."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import Simulator, simulating
from tests.support.browser.views import is_live, visit
from tests.support.browser.watched import Watch
from tests.support.processes.ports import free_port

BUSY = """
global: {target_rate: 1000}
message_types:
  press: {count: 50, report_seconds: 1, signals: {force: {base: 2, noise: 0.1}}}
"""
LONG = """
message_types:
  press: {count: 1, report_seconds: 1, signals: {force: {base: 2}}, fields: [timestamp, {note: {constant: %s}}]}
"""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A plant that sends a thousand messages a second."""
    require_chromium()
    folder = tmp_path_factory.mktemp("busy")
    (folder / "busy.yaml").write_text(BUSY)
    with simulating(folder, plant="busy.yaml") as simulator:
        yield simulator


@pytest.fixture
def traffic(open_page: Open, workshop: Simulator) -> Page:
    """The view with messages of a small plant."""
    return shown(open_page(workshop, "/#/traffic", anew=False))


def shown(page: Page) -> Page:
    """A page of the view once it has messages."""
    is_live(page)
    expect(rows(page).first).to_be_visible()
    return page


def rows(page: Page) -> Locator:
    """The messages that are in the page."""
    return page.locator(".traffic-list details")


def column(page: Page, name: str) -> set[str]:
    """What is in a column."""
    return set(page.locator(f".traffic-list .traffic-{name}").all_inner_texts())


def only(page: Page, name: str, pattern: str) -> None:
    """Wait until there are several messages, each with such a text in a column."""
    expect(rows(page).nth(1)).to_be_visible()
    expect(page.locator(f".traffic-list .traffic-{name}").filter(has_not_text=re.compile(pattern))).to_have_count(0)


def button(page: Page, name: str | re.Pattern[str]) -> Locator:
    """A button of the view."""
    return page.get_by_role("main").get_by_role("button", name=name)


def test_messages_come_live_and_the_newest_is_above(traffic: Page) -> None:
    """With time in the plant's zone, topic, machine, category, QoS, size and payload."""
    first = rows(traffic).first.locator("summary")
    expect(first).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3}factory/\S+(PRESS|CONVEYOR)-0\dtelemetryQoS [01]"))
    before = first.inner_text()
    expect(first).not_to_have_text(before)

    times = traffic.locator(".traffic-list .traffic-time").all_inner_texts()
    assert times == sorted(times, reverse=True)
    expect(traffic.locator(".traffic-state")).to_contain_text(re.compile(r"[\d.]+ msg/s, all shown"))


def test_what_came_before_somebody_looked_is_not_in_the_rate(open_page: Open, workshop: Simulator) -> None:
    """Though it is shown, as somebody else has looked before."""
    for _ in range(2):
        page = shown(open_page(workshop, "/#/traffic"))
        expect(rows(page).nth(20)).to_be_visible()

    found = re.match(r"([\d.]+) msg/s, all shown", page.locator(".traffic-state").inner_text())
    assert found
    assert float(found[1]) < 20


def test_messages_are_filtered_by_topic_category_qos_retain_and_text(traffic: Page) -> None:
    """By the simulator; together, and no longer after a reset."""
    traffic.get_by_label("Topic filter").fill("+/belts")
    only(traffic, "topic", "^factory/belts$")
    expect(traffic.locator(".traffic-state")).to_contain_text(re.compile("that match, all shown.* msg/s in all"))
    traffic.get_by_label("Text").fill("conveyor-02")
    only(traffic, "machine", "^CONVEYOR-02$")
    button(traffic, "Reset filters").click()
    expect(traffic.get_by_label("Topic filter")).to_be_focused()
    only(traffic, "topic", "^factory/")
    traffic.get_by_label("QoS").select_option("1")
    only(traffic, "qos", "^QoS 1$")
    traffic.get_by_label("QoS").select_option("")
    traffic.get_by_label("Retained").select_option("Retained")
    only(traffic, "qos", "retained")
    traffic.get_by_label("Retained").select_option("Any")
    traffic.get_by_label("Category").select_option("order")
    expect(traffic.get_by_text("No message that matches has come yet.")).to_be_visible()
    expect(rows(traffic)).to_have_count(0)


def test_a_wrong_topic_filter_is_named_at_its_field(traffic: Page, watch_of: Callable[[Page], Watch]) -> None:
    """And no message is shown that it might have meant, nor a rate of none."""
    watch_of(traffic).allowed.add(422)
    field = traffic.get_by_label("Topic filter")
    field.fill("factory/#/press")

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("# only as its last level"))
    expect(traffic.get_by_text("a filter is wrong")).to_be_visible()
    expect(traffic.locator(".traffic-state")).to_have_text("No messages are counted.")
    field.fill("factory/#")
    expect(rows(traffic).first).to_be_visible()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_where_others_look_for_too_much_it_waits_and_stays_connected(
    open_page: Open, workshop: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """The simulator follows so many questions at a time; the rest of the page is live meanwhile."""
    page = open_page(workshop)
    watch_of(page).allowed.add(503)
    is_live(page)
    busy = {"title": "Service Unavailable", "status": 503, "detail": "too many callers wait"}
    page.route("**/api/v1/stream?*", lambda route: route.fulfill(status=503, json=busy), times=1)
    visit(page, "Traffic")

    expect(page.get_by_text("Others look for so many messages")).to_be_visible()
    expect(page.locator("#status-word")).to_have_text("Delivering")
    expect(rows(page).first).to_be_visible()


def test_filters_may_come_with_the_address(open_page: Open, workshop: Simulator) -> None:
    """So that a selection can be sent to somebody."""
    page = shown(open_page(workshop, "/#/traffic?topic=factory/belts&qos=0", anew=False))

    only(page, "topic", "^factory/belts$")
    expect(page.get_by_label("Topic filter")).to_have_value("factory/belts")
    expect(page.get_by_label("QoS")).to_have_value("0")


def test_a_message_opens_to_its_payload_and_waits_meanwhile(traffic: Page) -> None:
    """In lines, with each number as it was sent; nothing moves while somebody reads."""
    first = rows(traffic).first
    first.locator("summary").click()
    payload = first.get_by_role("region", name="Payload")

    expect(payload).to_contain_text(re.compile(r'^\{\n  "timestamp": "'))
    text, compact = payload.inner_text(), first.locator(".traffic-payload").inner_text()
    assert re.sub(r"\n *", "", text).replace(": ", ":").startswith(compact[:100].rstrip("…"))
    expect(traffic.get_by_text("Paused while you read.")).to_be_visible()
    expect(button(traffic, re.compile(r"Resume \([1-9]"))).to_be_visible()
    expect(payload).to_have_text(text)
    button(traffic, re.compile("Resume")).click()
    expect(traffic.get_by_role("region", name="Payload")).to_have_count(0)
    expect(button(traffic, "Pause")).to_be_visible()


def test_a_payload_is_copied(traffic: Page) -> None:
    """To the byte, and not as it is shown."""
    traffic.context.grant_permissions(["clipboard-read", "clipboard-write"])
    rows(traffic).first.locator("summary").click()
    button(traffic, "Copy payload").click()
    expect(button(traffic, "Copied")).to_be_visible()
    payload = traffic.evaluate("navigator.clipboard.readText()")

    assert "\n" not in payload
    assert json.loads(payload)["machine_id"] == rows(traffic).first.locator(".traffic-machine").inner_text()


def test_an_opened_message_leads_to_its_machine_and_to_its_topic(traffic: Page) -> None:
    """By a link, and by a button that sets the filter."""
    rows(traffic).first.locator("summary").click()
    topic = rows(traffic).first.locator(".traffic-topic").inner_text()
    button(traffic, "Only this topic").click()
    expect(traffic.get_by_label("Topic filter")).to_have_value(topic)
    only(traffic, "topic", f"^{topic}$")
    machine = rows(traffic).first.locator(".traffic-machine").inner_text()
    rows(traffic).first.locator("summary").click()
    rows(traffic).first.get_by_role("link").click()

    expect(traffic.get_by_role("heading", level=1)).to_have_text(re.compile("PRESS|CONVEYOR"))
    assert re.search(r"#/machines/(PRESS|CONVEYOR)-0\d$", traffic.url), machine


def test_a_pause_counts_what_comes_and_shows_it_afterwards(traffic: Page) -> None:
    """Also when everything was cleared meanwhile."""
    button(traffic, "Pause").click()
    newest = rows(traffic).first.inner_text()
    expect(button(traffic, re.compile(r"Resume \(([5-9]|\d\d)"))).to_be_visible()
    assert rows(traffic).first.inner_text() == newest
    button(traffic, "Clear").click()
    expect(rows(traffic)).to_have_count(0)
    expect(traffic.get_by_text("Resume to see what has come")).to_be_visible()
    button(traffic, re.compile("Resume")).click()

    expect(rows(traffic).first).to_be_visible()
    expect(traffic.locator(".traffic-state")).not_to_contain_text("Paused")


def test_all_of_it_works_by_keyboard(traffic: Page) -> None:
    """Arrows go from message to message, Enter opens one, Escape closes it."""
    button(traffic, "Clear").focus()
    traffic.keyboard.press("Tab")
    box = traffic.get_by_role("group", name="Messages, the newest first")
    expect(box).to_be_focused()
    expect(rows(traffic).nth(3)).to_be_visible()
    traffic.keyboard.press("ArrowDown")
    traffic.keyboard.press("ArrowDown")
    expect(rows(traffic).nth(1).locator("summary")).to_be_focused()
    expect(traffic.get_by_text("Paused while you read.")).to_be_visible()
    traffic.keyboard.press("Enter")
    expect(traffic.get_by_role("region", name="Payload")).to_be_visible()
    traffic.keyboard.press("Tab")
    expect(rows(traffic).nth(1).get_by_role("link")).to_be_focused()
    traffic.keyboard.press("Escape")
    expect(rows(traffic).nth(1).locator("summary")).to_be_focused()
    expect(traffic.get_by_role("region", name="Payload")).to_have_count(0)
    traffic.keyboard.press("Escape")
    expect(button(traffic, "Pause")).to_be_focused()


def test_a_long_message_is_marked_as_cut(open_page: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In its row and where it is opened, with its whole size."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "long.yaml").write_text(LONG % ("x" * 20_000))
    with simulating(folder, plant="long.yaml") as simulator:
        page = shown(open_page(simulator, "/#/traffic"))
        expect(rows(page).first).to_contain_text("20 kB, cut")
        rows(page).first.locator("summary").click()

        expect(page.get_by_text(re.compile("Cut: this is only the beginning of 20 kB"))).to_be_visible()
        page.goto("about:blank")


def test_without_a_broker_it_says_so(open_page: Open, tmp_path: Path) -> None:
    """With the reason of the connection."""
    flags = ("--mqtt-broker", "127.0.0.1", "--mqtt-port", str(free_port()), "--mqtt-auth-method", "none")
    with simulating(tmp_path, *flags, "--no-mqtt-tls", broker=False) as simulator:
        page = open_page(simulator, "/#/traffic")
        is_live(page)

        expect(page.get_by_text(re.compile("The broker is away, so nothing is delivered: .+"))).to_be_visible()
        page.goto("about:blank")


def test_who_leaves_the_view_is_sent_no_more_messages(traffic: Page, watch_of: Callable[[Page], Watch]) -> None:
    """The stream is opened again without them."""
    with traffic.expect_request(re.compile(r"/api/v1/stream\??$")):
        visit(traffic, "Overview")

    streams = [each for each in watch_of(traffic).requested if "/api/v1/stream" in each]
    assert "traffic=true" in streams[-2]
    assert "traffic" not in streams[-1]


def test_a_sample_is_said_to_be_one_and_the_page_stays_small(open_page: Open, busy: Simulator) -> None:
    """Of a thousand messages a second; a thousand are kept, and those that somebody scrolls to are in the page."""
    page = shown(open_page(busy, "/#/traffic", anew=False))
    expect(page.locator(".traffic-state")).to_contain_text(re.compile(r"A sample: \d+ of [\d,]+ msg/s shown"))
    expect(rows(page)).to_have_count(60)
    button(page, "Pause").click()
    expect(page.get_by_text("The newest 1,000 are kept.")).to_be_visible()
    button(page, re.compile("Resume")).click()
    box = page.get_by_role("group", name="Messages, the newest first")
    box.evaluate("each => each.addEventListener('scroll', () => each.scrollTo(0, each.scrollHeight))")
    box.evaluate("each => each.scrollTo(0, each.scrollHeight)")

    expect(rows(page)).to_have_count(1000)
    expect(page.get_by_text("Paused while you read.")).to_be_visible()


def test_who_scrolls_back_to_the_newest_is_live_again(open_page: Open, busy: Simulator) -> None:
    """And only what may be seen stays in the page."""
    page = shown(open_page(busy, "/#/traffic", anew=False))
    expect(rows(page)).to_have_count(60)
    box = page.get_by_role("group", name="Messages, the newest first")
    box.evaluate("each => each.scrollTo(0, each.scrollHeight)")
    expect(page.get_by_text("Paused while you read.")).to_be_visible()
    box.evaluate("each => each.scrollTo(0, 0)")
    expect(button(page, "Pause")).to_be_visible()
    expect(rows(page)).to_have_count(60)
