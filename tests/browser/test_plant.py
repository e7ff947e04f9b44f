"""The plant's YAML: in force, checked as one types, compared, applied, saved or handed over as a patch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import PLANTS, Simulator, simulating
from tests.support.browser.views import is_live, visit
from tests.support.browser.watched import Watch, soon

ORIGINAL = (PLANTS / "workshop.yaml").read_text("utf-8")
EDITED = ORIGINAL.replace("count: 6", "count: 9")


@pytest.fixture(scope="module")
def edited_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A plant whose file is looked at seldom, so that only the page applies it."""
    require_chromium()
    folder = tmp_path_factory.mktemp("edited")
    shutil.copy(PLANTS / "workshop.yaml", folder)
    with simulating(folder, "--reload-seconds", "3600", plant="workshop.yaml") as simulator:
        yield simulator


def field(page: Page) -> Locator:
    """The text field of the YAML."""
    return page.get_by_role("textbox", name="The plant's YAML")


@pytest.fixture
def plant(open_page: Open, edited_plant: Simulator) -> Iterator[Page]:
    """The view with the YAML in force, which is the original again afterwards."""
    page = open_page(edited_plant, "/#/plant")
    page.on("dialog", lambda dialog: dialog.accept())
    is_live(page)
    expect(field(page)).to_have_value(ORIGINAL)
    expect(page.get_by_text("✓ Valid")).to_be_visible()
    yield page
    edited_plant.put_plant(ORIGINAL)


def test_the_yaml_in_force_is_shown_with_line_numbers(plant: Page) -> None:
    """To the byte; nothing can be applied before something is edited."""
    expect(plant.locator(".editor-numbers")).to_contain_text(str(len(ORIGINAL.splitlines())))
    expect(plant.get_by_role("button", name="Apply")).to_be_disabled()
    expect(plant.get_by_role("button", name="Undo all edits")).to_be_disabled()


def test_messages_a_second_are_shown_before_and_after(plant: Page) -> None:
    """And machines by type; undo takes it back."""
    field(plant).fill(EDITED)
    expect(plant.get_by_role("row", name=re.compile("Messages a second 7 10"))).to_be_visible()
    expect(plant.get_by_role("row", name=re.compile("^press 6 9"))).to_be_visible()
    plant.get_by_role("button", name="Undo all edits").click()
    expect(field(plant)).to_have_value(ORIGINAL)
    expect(plant.get_by_role("row", name=re.compile("^press 6 6"))).to_be_visible()


def test_a_mistake_is_marked_at_its_line_and_leads_there(plant: Page, watch_of: Callable[[Page], Watch]) -> None:
    """With path and rule, as one types."""
    watch_of(plant).allowed.add(422)
    field(plant).fill(ORIGINAL.replace("count: 6", "cuont: 6"))
    mistake = plant.get_by_role("button", name=re.compile("Line 5.*did you mean count"))
    expect(mistake).to_be_visible()
    expect(plant.get_by_text("✗ 1 mistake")).to_be_visible()
    expect(plant.locator(".editor-marks .is-bad")).to_have_count(1)
    expect(field(plant)).to_have_attribute("aria-invalid", "true")
    expect(plant.get_by_role("button", name="Apply")).to_be_disabled()
    mistake.click()
    expect(field(plant)).to_be_focused()
    begin = field(plant).evaluate("each => each.selectionStart")
    assert field(plant).input_value()[:begin].count("\n") == 4


def test_what_is_no_yaml_is_said(plant: Page, watch_of: Callable[[Page], Watch]) -> None:
    """With its line, and without an end to the page."""
    watch_of(plant).allowed.add(422)
    field(plant).fill("message_types: [\n")

    expect(plant.get_by_text(re.compile("is not valid YAML"))).to_be_visible()


def test_what_changes_is_shown_as_a_patch(plant: Page) -> None:
    """Which can be copied."""
    plant.context.grant_permissions(["clipboard-read", "clipboard-write"])
    field(plant).fill(EDITED)
    changes = plant.get_by_role("region", name="Difference")
    expect(changes).to_contain_text(re.compile(r"-    count: 6\s+\+    count: 9"))
    plant.get_by_role("button", name="Copy patch").click()
    soon(plant, lambda: "+    count: 9" in str(plant.evaluate("navigator.clipboard.readText()")), "the patch is copied")


def test_edits_are_applied_to_the_running_plant(plant: Page, edited_plant: Simulator) -> None:
    """At once, as a whole; the file stays as it is."""
    field(plant).fill(EDITED)
    plant.get_by_role("button", name="Apply", exact=True).click()
    expect(plant.get_by_text("Applied: 11 machines.")).to_be_visible()
    expect(field(plant)).to_have_value(EDITED)

    assert edited_plant.get("/api/v1/overview")["process"]["plant_file"] == "workshop.yaml"
    types = {each["machine_type"]: each["count"] for each in edited_plant.get("/api/v1/machine-types")["machine_types"]}
    assert types["press"] == 9
    assert edited_plant.plant.read_text("utf-8") == ORIGINAL


def test_edits_are_saved_in_the_file_with_a_backup(plant: Page, edited_plant: Simulator) -> None:
    """Where the file can be written, and that is asked for."""
    field(plant).fill(EDITED)
    plant.get_by_label("Save it in workshop.yaml, too").check()
    plant.get_by_role("button", name="Apply and save").click()
    expect(plant.get_by_text(re.compile(r"Saved in .*workshop\.yaml; what it had is in .*\.bak"))).to_be_visible()

    assert edited_plant.plant.read_text("utf-8") == EDITED
    assert edited_plant.plant.with_name("workshop.yaml.bak").read_text("utf-8") == ORIGINAL
    edited_plant.plant.write_text(ORIGINAL, "utf-8")


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(plant: Page, edited_plant: Simulator) -> None:
    """The edits are kept and compared with it; only another click applies them."""
    other = ORIGINAL.replace("count: 2", "count: 3")
    field(plant).fill(EDITED)
    expect(plant.get_by_role("row", name=re.compile("^press 6 9"))).to_be_visible()
    edited_plant.put_plant(other)
    plant.get_by_role("button", name="Apply", exact=True).click()
    expect(plant.get_by_text("Somebody else has changed the plant")).to_be_visible()
    expect(field(plant)).to_have_value(EDITED)
    expect(plant.get_by_role("row", name=re.compile("^conveyor 3 2"))).to_be_visible()
    assert edited_plant.get_text("/api/v1/plant") == other


def test_edits_survive_a_look_at_another_view(plant: Page) -> None:
    """They are there on coming back."""
    field(plant).fill(EDITED)
    expect(plant.get_by_role("row", name=re.compile("^press 6 9"))).to_be_visible()
    visit(plant, "Overview")
    visit(plant, "Plant")
    expect(field(plant)).to_have_value(EDITED)


def test_the_keyboard_indents_and_leaves_the_field(plant: Page, watch_of: Callable[[Page], Watch]) -> None:
    """Tab indents while one types; Escape, then Tab, leaves."""
    watch_of(plant).allowed.add(422)
    field(plant).fill("")
    field(plant).press_sequentially("a:\nb")
    field(plant).press("Home")
    field(plant).press("Tab")
    expect(field(plant)).to_have_value("a:\n  b")
    field(plant).press("Escape")
    field(plant).press("Tab")
    expect(field(plant)).not_to_be_focused()


def test_a_file_that_cannot_be_written_leads_to_a_patch_and_commands(open_page: Open, tmp_path: Path) -> None:
    """As a ConfigMap in Kubernetes, whose files are links into a folder that is swapped."""
    data = tmp_path / "..data"
    data.mkdir()
    shutil.copy(PLANTS / "workshop.yaml", data)
    (tmp_path / "workshop.yaml").symlink_to(data / "workshop.yaml")
    with simulating(tmp_path, plant="workshop.yaml") as simulator:
        page = open_page(simulator, "/#/plant")
        is_live(page)
        page.on("dialog", lambda dialog: dialog.accept())
        expect(field(page)).to_have_value(ORIGINAL)
        field(page).fill(EDITED)
        expect(page.get_by_role("region", name="Commands")).to_contain_text("kubectl create configmap")
        expect(page.get_by_label(re.compile("Save it in"))).to_be_hidden()
        expect(page.get_by_text(re.compile("cannot be saved from here"))).to_be_visible()
        page.close(run_before_unload=False)
