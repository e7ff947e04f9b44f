"""The traffic has what is rare, too: commands of others over MQTT, their answers' effects, and alarms."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.support.brokers.requester import Requester
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import is_live


def chosen(open_page: Open, simulator: Simulator, category: str) -> Page:
    """The traffic of one category."""
    page = open_page(simulator, "/#/traffic")
    is_live(page)
    page.get_by_label("Category").select_option(category)
    expect(page.locator(".traffic-state")).to_contain_text("that match")
    return page


def test_a_command_over_mqtt_is_shown(open_page: Open, workshop: Simulator) -> None:
    """As it came, with its topic."""
    page = chosen(open_page, workshop, "command")
    with Requester(workshop.mqtt_port, "panel") as panel:
        panel.ask("PRESS-01", {"command": "inject", "fault": "worn_belt", "severity": 2})
    row = page.locator(".traffic-list details").filter(has_text="worn_belt").first
    expect(row).to_contain_text(re.compile("factory/commands/panel/PRESS-01.*command"))
    workshop.command(command="clear", machine_id="PRESS-01")


def test_an_alarm_is_shown(open_page: Open, workshop: Simulator) -> None:
    """When it is raised."""
    page = chosen(open_page, workshop, "alarm")
    workshop.command(command="inject", machine_id="PRESS-02", fault="overheating", severity=2)
    row = page.locator(".traffic-list details").first
    expect(row).to_contain_text(re.compile("factory/press/alarms.*PRESS-02.*alarm.*raised"))
    workshop.command(command="clear", machine_id="PRESS-02")
