"""The overview: each panel shows what the simulator reports, as it is now, from one stream."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import yaml
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import PLANTS, Simulator, simulating
from tests.support.browser.views import is_live
from tests.support.browser.watched import WALL, Watch
from tests.support.examples import THOROUGH

TENTH: Final = 1000 if THOROUGH else 200
"""A tenth of many machines: no tile for each of them is possible with either."""


def card(page: Page, title: str) -> Locator:
    """The panel with a heading."""
    return page.locator("section.card").filter(has=page.get_by_role("heading", name=title, exact=True))


def figure(page: Page, title: str) -> Locator:
    """One of the key figures."""
    return page.get_by_role("region", name="Key figures").locator(".figure").filter(has_text=title)


@pytest.fixture
def overview(open_page: Open, workshop: Simulator) -> Page:
    """The overview of a small plant."""
    return shown(open_page(workshop, "/#/", anew=False))


def shown(page: Page) -> Page:
    """A page of the overview once it has its machines."""
    is_live(page)
    expect(page.get_by_role("link", name=re.compile("PRESS-01"))).to_be_visible()
    return page


def test_everything_comes_from_one_stream(
    open_page: Open, workshop: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """Nothing else is asked again and again."""
    page = shown(open_page(workshop))
    run = card(page, "Run")
    expect(run).not_to_have_text(run.text_content() or "")
    calls = [each for each in watch_of(page).requested if "/api/" in each]

    assert [each for each in calls if each.endswith("/api/v1/stream")] == calls[:1]
    assert len(calls) == len(set(calls)) <= 3


def test_each_machine_is_a_tile_with_its_state_in_words(overview: Page, workshop: Simulator) -> None:
    """It leads to the machine, follows its state at once, and tells faults and alarms to screen readers too."""
    tile = overview.locator("a.tile").filter(has_text="PRESS-03")
    expect(overview.locator("a.tile")).to_have_count(8)
    workshop.command(command="stop", machine_id="PRESS-03")
    expect(tile).to_contain_text("stopped")
    expect(tile).to_have_class(re.compile("state-stopped"))
    workshop.command(command="start", machine_id="PRESS-03")
    workshop.command(command="inject", machine_id="PRESS-03", fault="overheating", severity=2)
    expect(tile).to_have_accessible_name(re.compile("1 fault, 1 alarm"))
    workshop.command(command="clear", machine_id="PRESS-03")
    expect(tile).not_to_have_accessible_name(re.compile("fault"))
    tile.click()
    expect(overview.get_by_role("heading", level=1)).to_have_text("PRESS-03")


def test_each_type_has_its_machines_by_state(overview: Page, workshop: Simulator) -> None:
    """As a strip with a legend of numbers and words; its name leads to the list."""
    press = overview.locator("section.type").filter(has_text="PRESS-01")
    expect(press).to_contain_text("6 machines")
    workshop.command(command="set_state", machine_id="PRESS-06", state="jammed", seconds=600)
    expect(press.locator(".legend")).to_contain_text(re.compile(r"\d\s*jammed"))
    press.get_by_role("heading", level=3).get_by_role("link").click()
    expect(overview.get_by_role("heading", level=1)).to_have_text("Machines")
    expect(overview.get_by_label("Type")).to_have_value("press")
    workshop.command(command="set_state", machine_id="PRESS-06", state="running")


def test_oee_has_its_three_factors_of_the_ground_truth(overview: Page) -> None:
    """In per cent, as a bar and a number, since when."""
    oee = card(overview, "OEE")
    for name in ("OEE", "Availability", "Performance", "Quality"):
        expect(oee.get_by_role("row", name=re.compile(rf"^{name} .*\d+(\.\d)? %"))).to_be_visible()
    expect(oee).to_contain_text(re.compile(r"Since \d\d:\d\d:\d\d, plant time"))


def test_the_rate_that_is_asked_and_delivered_is_shown(overview: Page, workshop: Simulator) -> None:
    """And follows a command."""
    rate = figure(overview, "Delivered")
    expect(rate).to_contain_text("7 msg/s asked")
    workshop.command(command="rate", messages_per_second=40)
    expect(rate).to_contain_text("40 msg/s asked")
    expect(rate.locator(".figure-value")).to_have_text(re.compile(r"^[34]\d(\.\d)? msg/s"))
    workshop.command(command="rate")


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Lateness", r"ms.*median"),
        ("Queue", r"0\s*of 1,000"),
        ("OEE", r"ground truth"),
        ("Machines", r"8\s*\d producing"),
        ("Wrong now", r"\d faults?\s*\d+ alarms?"),
    ],
)
def test_a_key_figure_is_shown_with_its_unit(title: str, text: str, overview: Page) -> None:
    """With what belongs to it below."""
    expect(figure(overview, title)).to_contain_text(re.compile(text))


def test_the_last_fifteen_minutes_are_drawn(overview: Page) -> None:
    """As lines that have a text for screen readers."""
    for title in ("Delivered", "Lateness", "Queue", "OEE"):
        expect(figure(overview, title).get_by_role("img")).to_have_accessible_name(re.compile("last 15 minutes"))
    line = figure(overview, "Delivered").locator(".spark path:not(.spark-area)")
    expect(line).to_have_attribute("d", re.compile("L"))  # two points are there


def test_the_ledger_balances(overview: Page, workshop: Simulator) -> None:
    """What was generated is acknowledged, in flight, queued, refused or dropped: as one strip, and in numbers."""
    delivery = card(overview, "Delivery")
    expect(delivery).to_contain_text(re.compile(r"[1-9][\d,]* generated"))
    text = delivery.text_content() or ""
    numbers = [
        int(each.replace(",", ""))
        for each in re.findall(r"(?:Acknowledged|In flight|Queued|Refused|Dropped)([\d,]+)", text)
    ]
    generated = re.search(r"([\d,]+) generated", text)

    assert generated
    assert len(numbers) == 5
    assert sum(numbers) == int(generated[1].replace(",", "")) > 0
    expect(delivery.get_by_role("img")).to_have_accessible_name(re.compile("Acknowledged .*, Dropped 0"))


def test_the_broker_and_its_token_are_shown(overview: Page, workshop: Simulator) -> None:
    """Address, version, TLS, and when the token expires."""
    broker = card(overview, "Broker")
    shown = workshop.get("/api/v1/overview")["broker"]
    for text in ("Connected", f"localhost:{shown['port']}", "MQTT 5, TLS", "K8S-SAT", "one for all machines"):
        expect(broker).to_contain_text(text)
    expect(broker).to_contain_text(re.compile(r"expires in \d+ (min|s)"))


def test_faults_and_alarms_now_are_listed_with_their_machines(overview: Page, workshop: Simulator) -> None:
    """The newest first, each with a link, its severity and its age."""
    workshop.command(command="inject", machine_id="PRESS-05", fault="overheating", severity=1.5)
    troubles = card(overview, "Faults and alarms")
    fault = troubles.get_by_role("listitem").filter(has=overview.get_by_role("link", name="PRESS-05"))
    expect(fault).to_contain_text(re.compile(r"overheating severity 1\.5"))
    expect(troubles).to_contain_text("1 alarm, critical")
    workshop.command(command="clear", machine_id="PRESS-05")
    expect(troubles).not_to_contain_text("PRESS-05")
    expect(troubles).to_contain_text(re.compile(r"Alarms so far: \d+ raised, \d+ cleared"))


def test_the_newest_fault_becomes_older(overview: Page, workshop: Simulator) -> None:
    """Also while no other comes."""
    workshop.command(command="inject", machine_id="PRESS-04", fault="worn_belt", severity=1)
    newest = figure(overview, "Wrong now").get_by_text("newest: PRESS-04 worn belt, ")
    expect(newest).not_to_have_text(newest.text_content() or "")
    workshop.command(command="clear", machine_id="PRESS-04")


def test_the_last_commands_are_listed(overview: Page, workshop: Simulator) -> None:
    """With who gave them; refused ones with the rule."""
    workshop.command(command="set_point", machine_id="PRESS-02", signal="feed", value=201)
    journal = card(overview, "Last commands")

    expect(journal.get_by_role("listitem").first).to_contain_text(re.compile("set point PRESS-02.*201.*done, by http"))


def test_what_would_make_the_run_again_is_shown(overview: Page) -> None:
    """Version, plant, seed, and how long it has run."""
    run = card(overview, "Run")

    expect(run).to_contain_text(re.compile(r"Plantworkshop\.yaml.*Seed7.*Running for\d+"))


def test_a_plant_in_another_time_is_not_said_to_be_with_the_wall_clock(open_page: Open, tmp_path: Path) -> None:
    """It began where --start has it, a second before midnight, and goes as fast as the wall clock."""
    with simulating(tmp_path, "--start", "2020-01-01T23:59:59Z") as simulator:
        page = open_page(simulator)
        is_live(page)
        expect(card(page, "Run")).to_contain_text(re.compile(r"Plant clock\d[\d,]* d( \d+ h)? behind"))
        expect(card(page, "OEE")).to_contain_text("Since Wed, 1 Jan 2020, 23:59:59, plant time.")
        page.goto("about:blank")


def test_a_broker_that_is_away_is_said_in_words(open_page: Open, tmp_path: Path) -> None:
    """In the header, in the panel of the broker; and what waits is in the queue."""
    with simulating(
        tmp_path, "--mqtt-port", "1", "--no-mqtt-tls", "--mqtt-auth-method", "none", broker=False
    ) as simulator:
        page = open_page(simulator)
        expect(page.locator("#status-word")).to_have_text("Degraded")
        expect(card(page, "Broker")).to_contain_text("Not connected")
        expect(figure(page, "Queue").locator(".figure-value")).not_to_have_text("0")
        page.goto("about:blank")


def test_a_plant_without_machines_says_what_to_do(open_page: Open, workshop: Simulator) -> None:
    """With the way to the plant's YAML and to the command centre."""
    for kind in ("press", "conveyor"):
        workshop.command(command="scale", message_type=kind, count=0)
    page = open_page(workshop)
    is_live(page)
    expect(page.get_by_text("No machine runs here")).to_be_visible()
    workshop.command(command="scale", message_type="press", count=6)
    workshop.command(command="scale", message_type="conveyor", count=2)
    expect(page.locator("a.tile")).to_have_count(8)


def test_many_machines_are_one_block_for_each_type(open_page: Open, tmp_path: Path) -> None:
    """Thousands of them, with the share of each state; there are no more elements than for a few."""
    plant = yaml.safe_load((PLANTS / "workshop.yaml").read_text("utf-8"))
    plant["message_types"]["press"] |= {"count": 9 * TENTH, "report_seconds": 60}
    plant["message_types"]["conveyor"] |= {"count": TENTH, "report_seconds": 60}
    (tmp_path / "many.yaml").write_text(yaml.safe_dump(plant, sort_keys=False))
    with simulating(tmp_path, plant="many.yaml") as simulator:
        page = open_page(simulator, "/", WALL)
        is_live(page)
        expect(page.locator("section.type").first).to_contain_text(re.compile(rf"({TENTH:,}|{9 * TENTH:,}) machines"))
        expect(figure(page, "Machines")).to_contain_text(f"{10 * TENTH:,}")
        expect(page.locator("a.tile")).to_have_count(0)
        assert page.evaluate("document.querySelectorAll('*').length") < 1500
        page.goto("about:blank")
