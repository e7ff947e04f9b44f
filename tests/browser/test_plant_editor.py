"""The plant editor: the YAML in force, checked as one types, compared, applied, saved, or handed over as a patch."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Open
from tests.support.browser.required import require_chromium
from tests.support.browser.simulators import PLANTS, Simulator, simulating
from tests.support.browser.views import is_live, visit
from tests.support.browser.watched import Watch, soon

API = "/api/v1/plant"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A plant whose file may be saved, and that looks at it once an hour."""
    require_chromium()
    folder = tmp_path_factory.mktemp("ours")
    shutil.copy(PLANTS / "workshop.yaml", folder)
    with simulating(folder, "--reload-seconds", "3600", plant="workshop.yaml") as simulator:
        yield simulator


@pytest.fixture
def plant(open_page: Open, ours: Simulator, watch_of: Callable[[Page], Watch]) -> Iterator[Page]:
    """The view of a plant as its file has it, which it has again afterwards."""
    text = (PLANTS / "workshop.yaml").read_text("utf-8")
    page = checked(open_page(ours, "/#/plant"))
    watch_of(page).allowed.add(422)  # what is half typed may be checked
    yield page
    ours.plant.write_text(text)
    httpx.post(f"{ours.url}/-/reload", timeout=20).raise_for_status()


def checked(page: Page) -> Page:
    """A page of the view once its YAML is checked."""
    is_live(page)
    expect(page.get_by_text("✓ Valid")).to_be_visible()
    return page


def editor(page: Page) -> Locator:
    """The field with the YAML."""
    return page.get_by_role("textbox", name="The plant's YAML")


def edit(page: Page, old: str, new: str) -> str:
    """Replace something in the YAML, and return the whole."""
    text = editor(page).input_value()
    assert old in text
    editor(page).fill(text.replace(old, new))
    return text.replace(old, new)


def button(page: Page, name: str) -> Locator:
    """A button of the view."""
    return page.get_by_role("main").get_by_role("button", name=name, exact=True)


def in_force(simulator: Simulator) -> str:
    """The YAML in force."""
    return httpx.get(simulator.url + API, timeout=10).text


def test_the_yaml_in_force_is_shown_with_numbered_lines(plant: Page, ours: Simulator) -> None:
    """As the file has it, with its comments, and what it comes to."""
    text = in_force(ours)

    expect(editor(plant)).to_have_value(text)
    expect(plant.locator(".editor-numbers")).to_have_text(
        "\n".join(str(line) for line in range(1, text.count("\n") + 2)), use_inner_text=True
    )
    expect(plant.get_by_role("row", name="press")).to_have_text(re.compile("press66"))
    expect(button(plant, "Apply")).to_be_disabled()


def test_an_edit_is_compared_before_it_is_applied(plant: Page, ours: Simulator) -> None:
    """Messages a second and machines before and after, and each line; then the plant has it, and the file as before."""
    before = ours.plant.read_text()
    text = edit(plant, "count: 6", "count: 9")
    expect(plant.get_by_role("row", name="press")).to_have_text(re.compile(r"press69▲ \+3"))
    expect(plant.get_by_role("row", name="Messages a second")).to_have_text(re.compile(r"▲ \+3"))
    expect(plant.get_by_role("region", name="Difference")).to_contain_text("-    count: 6\n+    count: 9\n")
    expect(plant.get_by_text("The file stays as it is")).to_be_visible()
    button(plant, "Apply").click()

    expect(plant.get_by_text("Applied: 11 machines.")).to_be_visible()
    assert in_force(ours) == text
    assert ours.plant.read_text() == before
    assert ours.journal()[0]["command"]["command"] == "reload"
    expect(plant.get_by_role("region", name="Difference")).to_be_hidden()
    expect(button(plant, "Apply")).to_be_disabled()


def test_what_is_typed_while_an_edit_is_applied_is_kept(plant: Page, ours: Simulator) -> None:
    """It is compared with what is in force from then on."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    plant.route(f"**{API}", hold)
    edit(plant, "count: 6", "count: 9")
    expect(plant.get_by_text("✓ Valid")).to_be_visible()
    expect(button(plant, "Apply")).to_be_enabled()
    button(plant, "Apply").click()
    expect(button(plant, "Applying …")).to_be_visible()
    text = edit(plant, "count: 9", "count: 8")
    soon(plant, lambda: held, "the request is held")
    plant.unroute(f"**{API}")  # which lets go what is held

    expect(plant.get_by_text("Applied: 11 machines.")).to_be_visible()
    expect(editor(plant)).to_have_value(text)
    expect(plant.get_by_role("region", name="Difference")).to_contain_text("-    count: 9\n+    count: 8\n")


def test_mistakes_are_listed_and_marked_at_their_lines(plant: Page) -> None:
    """With path and rule; a click goes to the line. Nothing that is wrong can be applied."""
    edit(plant, "count: 6", "count: -6")
    edit(plant, "limits: [0, 120]", "limitz: [0, 120]")
    expect(plant.get_by_text("✗ 3 mistakes")).to_be_visible()
    mistake = plant.get_by_role(
        "button", name=re.compile(r"Line \d+ message_types\.press\.signals\.temperature\.limitz")
    )
    expect(mistake).to_contain_text("is an unknown key; did you mean limits?")
    expect(plant.locator(".editor-marks .is-bad")).to_have_count(3)
    expect(button(plant, "Apply")).to_be_disabled()
    expect(editor(plant)).to_have_attribute("aria-invalid", "true")
    mistake.click()

    expect(editor(plant)).to_be_focused()
    assert (
        plant.evaluate(
            """() => { const {value, selectionStart} = document.activeElement;
                   return value.slice(selectionStart).split("\\n")[0]; }"""
        )
        .lstrip()
        .startswith("temperature: {base: 55")
    )
    button(plant, "Undo all edits").click()
    expect(plant.get_by_text("✓ Valid")).to_be_visible()
    expect(plant.locator(".editor-marks > *")).to_have_count(0)


def test_a_yaml_is_saved_where_its_file_may_be_written(plant: Page, ours: Simulator) -> None:
    """The file has what is applied, and what it had is beside it; the same is not offered once more."""
    before = ours.plant.read_text()
    text = edit(plant, "count: 6", "count: 7")
    plant.get_by_role("checkbox", name="Save it in workshop.yaml, too").check()
    expect(plant.get_by_text("What the file has now is kept as workshop.yaml.bak.")).to_be_visible()
    button(plant, "Apply and save").click()

    expect(plant.get_by_text("Saved in workshop.yaml; what it had is in workshop.yaml.bak.")).to_be_visible()
    expect(button(plant, "Apply and save")).to_be_disabled()
    assert ours.plant.read_text() == text == in_force(ours)
    assert ours.plant.with_name("workshop.yaml.bak").read_text() == before


def test_a_file_that_somebody_has_edited_is_not_overwritten(
    plant: Page, ours: Simulator, watch_of: Callable[[Page], Watch]
) -> None:
    """The reason is shown, and the edits are still there."""
    watch_of(plant).allowed.add(409)
    ours.plant.write_text(ours.plant.read_text() + "# theirs\n")
    text = edit(plant, "count: 6", "count: 7")
    plant.get_by_role("checkbox", name="Save it in workshop.yaml, too").check()
    button(plant, "Apply and save").click()

    expect(plant.get_by_role("alert").filter(has_text="it has changed since it was last applied")).to_be_visible()
    expect(editor(plant)).to_have_value(text)
    assert ours.plant.read_text().endswith("# theirs\n")


def test_a_plant_that_somebody_has_changed_is_compared_first(plant: Page, ours: Simulator) -> None:
    """The edits stay, against what is in force now; nothing is applied by that click."""
    text = edit(plant, "count: 6", "count: 7")
    expect(button(plant, "Apply")).to_be_enabled()
    ours.command(command="scale", message_type="conveyor", count=3)
    button(plant, "Apply").click()

    expect(plant.get_by_text("Somebody else has changed the plant.")).to_be_visible()
    expect(plant.get_by_role("region", name="Difference")).to_contain_text("-global: {machine_counts: {conveyor: 3}}")
    expect(editor(plant)).to_have_value(text)
    assert "conveyor: 3" in in_force(ours)


def test_what_others_change_is_shown_where_nothing_is_edited(plant: Page, ours: Simulator) -> None:
    """Soon after it was done."""
    ours.command(command="scale", message_type="conveyor", count=5)

    expect(editor(plant)).to_have_value(re.compile("machine_counts: {conveyor: 5}"))
    expect(plant.get_by_role("heading", name="YAML in force")).to_be_visible()


def test_edits_are_kept_for_who_looks_at_another_view(plant: Page) -> None:
    """Until the page is closed, of which the browser warns."""
    text = edit(plant, "count: 6", "count: 8")
    visit(plant, "Overview")
    visit(plant, "Plant")

    expect(editor(plant)).to_have_value(text)
    expect(plant.get_by_role("heading", name="YAML, edited")).to_be_visible()
    button(plant, "Undo all edits").click()
    expect(plant.get_by_role("heading", name="YAML in force")).to_be_visible()


def test_keys_indent_and_yet_the_keyboard_may_leave(plant: Page) -> None:
    """Tab only passes through for who has not typed; then it indents, until Escape."""
    press = plant.keyboard.press
    button(plant, "Copy YAML").focus()
    press("Tab")
    expect(editor(plant)).to_be_focused()
    press("Shift+Tab")
    expect(button(plant, "Copy YAML")).to_be_focused()
    press("Tab")
    press("Control+Home")
    plant.keyboard.type("a:")
    press("Enter")
    press("Tab")
    plant.keyboard.type("b: 1")
    press("Enter")
    plant.keyboard.type("c: 2")
    expect(editor(plant)).to_have_value(re.compile("^a:\n  b: 1\n  c: 2"))
    press("Shift+Tab")
    expect(editor(plant)).to_have_value(re.compile("^a:\n  b: 1\nc: 2"))
    press("Control+z")
    expect(editor(plant)).to_have_value(re.compile("^a:\n  b: 1\n  c: 2"))
    press("Escape")
    press("Tab")
    expect(editor(plant)).not_to_be_focused()
    button(plant, "Undo all edits").click()


def test_a_file_that_cannot_be_saved_is_changed_by_a_patch(open_page: Open, tmp_path: Path) -> None:
    """As in a pod, whose file is from a ConfigMap: the patch makes the file, and a command brings it to the cluster."""
    (tmp_path / "..one").mkdir()
    shutil.copy(PLANTS / "workshop.yaml", tmp_path / "..one" / "workshop.yaml")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "workshop.yaml").symlink_to("..data/workshop.yaml")
    with simulating(tmp_path, plant="workshop.yaml") as simulator:
        page = checked(open_page(simulator, "/#/plant"))
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        expect(page.get_by_text("It cannot be saved from here: it is mounted from a ConfigMap")).to_be_visible()
        expect(page.get_by_role("checkbox")).to_have_count(0)
        text = edit(page, "count: 6", "count: 9")
        button(page, "Copy patch").click()
        expect(button(page, "Copied")).to_be_visible()
        (tmp_path / "plant.diff").write_text(page.evaluate("navigator.clipboard.readText()"))
        commands = page.get_by_role("region", name="Commands").inner_text()
        page.goto("about:blank")
    own = tmp_path / "mine"
    own.mkdir()
    shutil.copy(PLANTS / "workshop.yaml", own / "workshop.yaml")
    shutil.copy(tmp_path / "plant.diff", own)
    patch, _, kubectl = commands.partition("\n")
    subprocess.run(["sh", "-c", patch], cwd=own, check=True, capture_output=True)

    assert (own / "workshop.yaml").read_text() == text
    assert "kubectl create configmap edgemqttsim -n azure-iot-operations --from-file=workshop.yaml" in kubectl
    if shutil.which("kubectl"):
        made = subprocess.run(
            ["sh", "-c", kubectl.rpartition("|")[0]], cwd=own, check=True, capture_output=True, text=True
        )
        assert "count: 9" in made.stdout
        assert re.search(r"labels:\n +app: edgemqttsim", made.stdout)


def test_with_a_token_nothing_is_checked_before_it_is_given(
    open_page: Open, watch_of: Callable[[Page], Watch], tmp_path: Path
) -> None:
    """A check needs it, as a change does; the page asks for it once."""
    (tmp_path / "token").write_text("s3cret")
    environ = {"HTTP_TOKEN_FILE": str(tmp_path / "token")}
    with simulating(tmp_path, environ=environ) as simulator:
        page = open_page(simulator, "/#/plant")
        watch_of(page).allowed.add(401)
        is_live(page)
        expect(page.get_by_text("Checking and applying need a token.")).to_be_visible()
        button(page, "Check").click()
        page.get_by_label("Token", exact=True).fill("s3cret")
        page.get_by_role("button", name="Use token").click()
        checked(page)
        edit(page, "welding: 4", "welding: 5")
        button(page, "Apply").click()

        expect(page.get_by_text(re.compile("Applied: 23 machines."))).to_be_visible()
        page.goto("about:blank")
