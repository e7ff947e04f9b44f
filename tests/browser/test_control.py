"""The command centre: every command by its controls, what is not possible, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import is_live
from tests.support.browser.watched import Watch, soon


def form(page: Page, title: str) -> Locator:
    """The form of a command."""
    return page.locator(".grid, .plant-actions").get_by_role("form", name=title, exact=True)


def quick(page: Page, name: str) -> Locator:
    """The button of a command without fields."""
    return page.locator(".quick").get_by_role("button", name=name, exact=True)


@pytest.fixture
def control(open_page: Open, workshop: Simulator) -> Page:
    """The command centre with a machine chosen that runs and has no faults."""
    workshop.command(command="start", machine_id="PRESS-02")
    workshop.command(command="clear", machine_id="PRESS-02")
    page = open_page(workshop, "/#/control/PRESS-02", anew=False)
    is_live(page)
    expect(page.locator(".chosen")).to_contain_text("no faults")
    return page


def done(simulator: Simulator, command: str) -> list[object]:
    """The commands of a name that the journal has, the newest first."""
    return [entry for entry in simulator.journal() if entry.get("command", {}).get("command") == command]


def test_a_command_is_for_the_machine_that_the_field_names(control: Page, workshop: Simulator) -> None:
    """Who types another id and clicks at once does not stop the machine from before; an emptied field keeps it."""
    box = control.get_by_role("combobox", name="Machine")
    before = len(done(workshop, "stop"))
    box.fill("ESS")
    quick(control, "Stop").click()
    expect(control.locator(".chosen")).to_contain_text('no machine has the id "ESS"')
    assert len(done(workshop, "stop")) == before

    box.fill("PRESS-03")
    box.press("Tab")
    expect(control.locator(".chosen")).to_contain_text("no faults")
    assert control.url.endswith("#/control/PRESS-03")
    box.fill("")
    box.press("Tab")
    expect(box).to_have_value("PRESS-03")


def test_what_does_not_apply_says_nothing_of_values(open_page: Open, faulty: Simulator) -> None:
    """A type without set points has no value "now"."""
    page = open_page(faulty, "/#/control/WELD-01")
    act = form(page, "Set point")
    expect(act).to_contain_text("This type has no set points.")
    expect(act).not_to_contain_text("now")


def test_a_machine_is_chosen_by_keyboard_among_suggestions(open_page: Open, workshop: Simulator) -> None:
    """By a part of its id; Escape closes the list, arrows and Enter choose."""
    page = open_page(workshop, "/#/control", anew=False)
    is_live(page)
    expect(page.locator(".chosen")).to_contain_text("Choose a machine")
    box = page.get_by_role("combobox", name="Machine")
    box.press_sequentially("ess-0")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options).to_have_count(6)
    box.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    box.press("ArrowDown")
    expect(options).to_have_count(6)
    for _ in range(3):
        box.press("ArrowDown")
    expect(page.get_by_role("listbox").get_by_role("option", selected=True)).to_contain_text("PRESS-03")
    box.press("Enter")
    expect(box).to_have_value("PRESS-03")
    expect(page.locator(".chosen").get_by_role("link", name="Signals and messages")).to_be_visible()
    assert page.url.endswith("#/control/PRESS-03")


def test_a_machine_is_chosen_with_the_mouse(open_page: Open, workshop: Simulator) -> None:
    """By a click on a suggestion."""
    page = open_page(workshop, "/#/control", anew=False)
    is_live(page)
    page.get_by_role("combobox", name="Machine").press_sequentially("conv")
    page.get_by_role("option", name=re.compile("CONVEYOR-02")).click()

    expect(page.locator(".chosen")).to_contain_text("running")


def test_stop_and_start_are_gated_by_the_state_and_answered(control: Page, workshop: Simulator) -> None:
    """The reason is beside the button that does nothing, and the journal has who did it."""
    expect(quick(control, "Start")).to_have_attribute("aria-disabled", "true")
    expect(control.locator(".quick")).to_contain_text("not stopped")
    quick(control, "Stop").click()
    expect(control.locator(".quick")).to_contain_text("state stopped")
    expect(quick(control, "Stop")).to_have_attribute("aria-disabled", "true")
    expect(control.locator(".quick")).to_contain_text("It is stopped already")
    before = len(done(workshop, "stop"))
    quick(control, "Stop").click(force=True)
    quick(control, "Start").click()
    expect(quick(control, "Start")).to_have_attribute("aria-disabled", "true")
    row = control.get_by_role("table").get_by_role("row").nth(1)
    expect(row).to_contain_text(re.compile(r"http 127\.0\.0\.1.*start PRESS-02"))
    assert len(done(workshop, "stop")) == before


def test_a_state_is_set_for_some_seconds(control: Page) -> None:
    """And answered with what is then so."""
    act = form(control, "Set state")
    act.get_by_label("State").select_option("idle")
    act.get_by_label("For (s)").fill("600")
    act.get_by_role("button", name="Set state").click()

    expect(act).to_contain_text("state idle")
    expect(control.locator(".chosen")).to_contain_text("idle")


def test_a_set_point_is_set_and_a_wrong_one_is_refused_beside_its_field(
    control: Page, watch_of: Callable[[Page], Watch], workshop: Simulator
) -> None:
    """With the rule that it broke."""
    act = form(control, "Set point")
    expect(act).to_contain_text("100 to 300")
    act.get_by_label("Value").fill("250")
    act.get_by_role("button", name="Set point").click()
    expect(act).to_contain_text("✓")
    assert workshop.get("/api/v1/machines/PRESS-02")["signals"]["feed"]["set_point"] == 250
    watch_of(control).allowed.add(422)
    act.get_by_label("Value").fill("1000")
    act.get_by_role("button", name="Set point").click()
    expect(act.get_by_label("Value")).to_have_attribute("aria-invalid", "true")
    expect(act).to_contain_text(re.compile("✕.*300"))
    expect(act.get_by_label("Value")).to_be_focused()


def test_a_fault_is_injected_with_severity_and_duration_and_cleared(control: Page, workshop: Simulator) -> None:
    """Then it is active, cannot be injected again, and can be cleared."""
    inject, clear = form(control, "Inject a fault"), form(control, "Clear faults")
    expect(clear).to_contain_text("No fault is active")
    inject.get_by_label("Fault").select_option("worn_belt")
    inject.get_by_label("Severity").fill("2.5")
    inject.get_by_label("For (s)").fill("300")
    inject.get_by_role("button", name="Inject a fault").click()
    expect(inject).to_contain_text("✓")
    expect(control.locator(".chosen")).to_contain_text("✕ worn_belt")
    expect(inject.get_by_role("option", name="worn_belt (active)")).to_be_disabled()
    (fault,) = workshop.get("/api/v1/machines/PRESS-02")["faults"]
    assert (fault["fault"], fault["severity"], fault["cause"]) == ("worn_belt", 2.5, "command")
    clear.get_by_label("Fault").select_option("worn_belt")
    clear.get_by_role("button", name="Clear faults").click()
    expect(control.locator(".chosen")).to_contain_text("no faults")


@pytest.mark.parametrize(("severity", "rule"), [("9", "5"), ("0", "0.01"), ("-1", "0.01")])
def test_a_severity_that_is_no_such_is_refused(
    severity: str, rule: str, control: Page, watch_of: Callable[[Page], Watch]
) -> None:
    """The rule is beside the field, which is marked for screen readers."""
    watch_of(control).allowed.add(422)
    act = form(control, "Inject a fault")
    act.get_by_label("Severity").fill(severity)
    act.get_by_role("button", name="Inject a fault").click()

    expect(act.get_by_label("Severity")).to_have_attribute("aria-invalid", "true")
    expect(act.locator(".field", has=control.get_by_label("Severity"))).to_contain_text(rule)


def test_the_connection_is_one_for_all_machines_and_says_so(control: Page) -> None:
    """Crash, disconnect and reconnect need a connection of the machine's own."""
    for title in ("Crash", "Disconnect", "Reconnect"):
        button = control.get_by_role("button", name=title, exact=True)
        expect(button).to_have_attribute("aria-disabled", "true")
    expect(control.get_by_role("main")).to_contain_text("The machines share one connection")


def test_a_type_is_scaled(control: Page, workshop: Simulator) -> None:
    """The number is shown before and after."""
    act = form(control, "Scale")
    act.get_by_label("Type").select_option("conveyor")
    expect(act).to_contain_text("now 2")
    act.get_by_label("Machines").fill("3")
    act.get_by_role("button", name="Scale").click()
    expect(act).to_contain_text("✓")
    expect(act).to_contain_text("now 3")
    workshop.command(command="scale", message_type="conveyor", count=2)


def test_the_rate_is_set_and_taken_back(control: Page, workshop: Simulator) -> None:
    """What was asked and what it is now are both there; empty means as declared."""
    act = form(control, "Set rate")
    act.get_by_label("Messages per second").fill("50")
    act.get_by_role("button", name="Set rate").click()
    expect(act).to_contain_text("now 50")
    soon(control, lambda: workshop.get("/api/v1/overview")["rate"]["asked"] == 50, "the rate is 50")
    act.get_by_label("Messages per second").fill("")
    act.get_by_role("button", name="Set rate").click()
    expect(act).to_contain_text("now 7")


def test_messages_of_a_type_are_switched_off_and_on(control: Page, workshop: Simulator) -> None:
    """Each is offered where it is possible."""
    off, on = form(control, "Switch off"), form(control, "Switch on")
    expect(on).to_contain_text("Everything is switched on")
    off.get_by_label("Messages of").select_option("conveyor")
    off.get_by_role("button", name="Switch off").click()
    expect(off).to_contain_text("✓")
    expect(on.get_by_role("option", name="conveyor")).to_be_attached()
    on.get_by_role("button", name="Switch on").click()
    expect(on).to_contain_text("Everything is switched on")
    types = {each["machine_type"]: each["enabled"] for each in workshop.get("/api/v1/machine-types")["machine_types"]}
    assert types == {"conveyor": True, "press": True}


def test_a_double_click_sends_one_command(control: Page, workshop: Simulator) -> None:
    """It has one key; the second request is the same."""
    before = len(done(workshop, "set_state"))
    act = form(control, "Set state")
    act.get_by_label("State").select_option("jammed")
    act.get_by_role("button", name="Set state").dblclick()
    expect(act).to_contain_text("✓")
    control.get_by_role("button", name="Stop").click()
    expect(control.locator(".quick")).to_contain_text("state stopped")

    assert len(done(workshop, "set_state")) == before + 1


def test_the_journal_has_what_others_did_and_what_was_refused(control: Page, workshop: Simulator) -> None:
    """As it happens, with who and when."""
    workshop.command(command="set_state", machine_id="PRESS-04", state="idle")
    journal = control.locator("section.card").filter(has=control.get_by_role("heading", name="Journal"))
    expect(journal.get_by_role("row").nth(1)).to_contain_text(
        re.compile(r"\d\d:\d\d:\d\d.*http 127.*set_state PRESS-04.*idle")
    )
    expect(journal.get_by_role("columnheader")).to_have_text(["Time", "By", "Command", "Answer"])


def test_an_unknown_machine_is_said(open_page: Open, watch_of: Callable[[Page], Watch], workshop: Simulator) -> None:
    """With what may be meant; nothing can be sent to it."""
    page = open_page(workshop, "/#/control/PRESS-2", anew=False)
    watch_of(page).allowed |= {404, 422}
    expect(page.locator(".chosen")).to_contain_text("did you mean")

    expect(quick(page, "Stop")).to_have_attribute("aria-disabled", "true")


def test_devices_crash_disconnect_and_reconnect(open_page: Open, sandbox: Simulator) -> None:
    """Where each has a connection of its own."""
    page = open_page(sandbox, "/#/control/press", anew=False)
    is_live(page)
    for title, seconds in (("Crash", "1"), ("Disconnect", ""), ("Reconnect", None)):
        act = form(page, title)
        if seconds:
            act.get_by_label("For (s)").fill(seconds)
        act.get_by_role("button", name=title).click()
        expect(act).to_contain_text("✓")
    names = [entry["command"]["command"] for entry in sandbox.journal()]
    assert names[:3] == ["reconnect", "disconnect", "crash"]


def test_a_types_own_commands_have_buttons(open_page: Open, sandbox: Simulator) -> None:
    """With the state that they lead to."""
    page = open_page(sandbox, "/#/control/conveyor", anew=False)
    is_live(page)
    expect(page.locator(".quick")).to_contain_text("Sets maintenance")
    quick(page, "maintenance").click()
    expect(page.locator(".chosen")).to_contain_text("maintenance")
    quick(page, "Start").click()
    expect(page.locator(".quick")).to_contain_text("state running")


def test_the_rate_in_force_is_shown_as_the_command_takes_it(control: Page) -> None:
    """In plant time and of the whole plant, also where the process is a part of it and time goes faster."""
    shown = """() => import("/page/commands.js").then(({PLANT_ACTIONS: [{fields: [{hint}]}]}) => [
      [3.6, 1, null], [216, 60, null], [1.2, 1, "2/3"], [null, null, null],
    ].map(([asked, speed, shard]) => hint({overview: {rate: {asked}, process: {speed, shard}}})))"""

    assert control.evaluate(shown) == [
        "now 3.60, empty: as declared",
        "now 3.60 a second of plant time, empty: as declared",
        "now 3.60, empty: as declared",
        "now \N{EN DASH} a second of plant time, empty: as declared",
    ]
