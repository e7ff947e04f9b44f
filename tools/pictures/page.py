"""Takes the pictures of the page: real runs in Chromium, as the tests of the page make them.

    python -m tools.pictures.page [FOLDER]

Seeds are fixed, and each picture waits for what it shows; figures of delivery, such as lateness, are those of the
machine, and times those of the day. It takes four minutes.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import paho.mqtt.publish
import paho.mqtt.subscribe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.support.browser.chromium import chromium
from tests.support.browser.simulators import SANDBOX, Simulator, simulating
from tests.support.browser.views import is_live
from tests.support.browser.watched import PHONE, Watch, soon, watched
from tests.support.processes.daemon import ROOT

FOLDER: Final = ROOT / "docs" / "pictures"
SCREEN: Final = ViewportSize(width=1440, height=1000)
HIGH: Final = ViewportSize(width=1440, height=1250)
MOST_BYTES: Final = 200_000
FACTORY: Final = "scenarios/spaceship-faults.yaml"
BEGIN: Final = "2026-01-06T07:00:00Z"
MACHINE: Final = "CNC-03"

_POINTS: Final = 40
_COLOURS: Final = 192


class Studio:
    """Opens pages in a browser, and keeps pictures of them in a folder."""

    def __init__(self, browser: Browser, folder: Path, stack: ExitStack) -> None:
        self._browser, self._folder, self._stack = browser, folder, stack
        self._watches: list[Watch] = []

    def page(self, simulator: Simulator, path: str, screen: ViewportSize = SCREEN, *, dark: bool = False) -> Page:
        """Open a page, which is live."""
        page, watch = self._stack.enter_context(watched(self._browser, simulator.url, screen, dark=dark))
        self._watches.append(watch)
        page.goto(f"{simulator.url}/{path}")
        is_live(page)
        return page

    def take(self, page: Page, name: str) -> None:
        """Keep a picture of what is on the screen; ValueError where it is too large for a document."""
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
        path = self._folder / f"page-{name}.png"
        picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        size = path.stat().st_size
        print(f"{path.name}: {picture.width} x {picture.height}, {size:,} bytes")
        if size > MOST_BYTES:
            raise ValueError(f"{path}: has {size:,} bytes; a picture has {MOST_BYTES:,} at most")

    def wrong(self) -> list[str]:
        """What went wrong on the pages."""
        return [each for watch in self._watches for each in watch.wrong]


def main(folder: Path = FOLDER) -> int:
    """Take all pictures; 1 where something went wrong on a page."""
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        studio = Studio(browser, folder, stack)

        def run(*flags: str, **options: str) -> Simulator:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return stack.enter_context(simulating(place, *flags, **options))  # type: ignore[arg-type]

        # An hour of the plant in a minute, so that there is something to see.
        fast = run("--start", BEGIN, "--speed", "60", plant=FACTORY)
        overviews = [
            (studio.page(fast, "#/"), "overview"),
            (studio.page(fast, "#/", dark=True), "overview-dark"),
            (studio.page(fast, "#/", PHONE), "overview-phone"),
        ]
        factory = run(plant=FACTORY)
        _machine(studio, factory)
        _control(studio, factory)
        _traffic(studio, factory)
        _plant(studio, factory)
        _guide(studio, run(*SANDBOX))
        for page, name in overviews:
            _overview(studio, page, name)
        print(*studio.wrong(), sep="\n", file=sys.stderr)
        return 1 if studio.wrong() else 0


def _overview(studio: Studio, page: Page, name: str) -> None:
    """The plant after some hours of its time."""
    line = page.locator(".spark path:not(.spark-area)").first
    soon(page, lambda: (line.get_attribute("d") or "").count("L") >= _POINTS, f"{_POINTS} points", 300)
    studio.take(page, name)


def _machine(studio: Studio, factory: Simulator) -> None:
    """A mill whose tool breaks while one looks."""
    page = studio.page(factory, f"#/machines/{MACHINE}", HIGH)
    lines = page.locator("path.chart-line")
    _grown(page, lines, 25)
    factory.command(command="inject", machine_id=MACHINE, fault="tool_breakage", severity=2)
    expect(page.get_by_text("tool_breakage").first).to_be_visible()
    _grown(page, lines, 45)
    expect(page.get_by_role("article").first).to_be_visible(timeout=30_000)
    studio.take(page, "machine")


def _grown(page: Page, lines: Locator, points: int) -> None:
    soon(page, lambda: (lines.first.get_attribute("d") or "").count("L") >= points, f"{points} points", 120)


def _control(studio: Studio, factory: Simulator) -> None:
    """The commands of a machine, one of them answered."""
    page = studio.page(factory, "#/control/CNC-02", HIGH)
    fault = page.get_by_role("form", name="Inject a fault")
    fault.get_by_label("Severity").fill("1.5")
    fault.get_by_label("For (s)").fill("600")
    fault.get_by_role("button").click()
    expect(page.get_by_text("✕ tool_breakage").first).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile("✓.*state stopped")).first).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_attribute("aria-disabled", "true")
    page.mouse.move(0, 0)
    studio.take(page, "control")


def _traffic(studio: Studio, factory: Simulator) -> None:
    """Messages, one of them opened."""
    factory.command(command="rate", messages_per_second=40)
    page = studio.page(factory, "#/traffic")
    soon(page, lambda: page.locator(".traffic-list details").count() >= 20, "messages", 60)
    page.locator(".traffic-list details").filter(has_text=re.compile("factory/cnc")).nth(1).locator("summary").click()
    expect(page.get_by_role("region", name="Payload")).to_be_visible()
    studio.take(page, "traffic")
    factory.command(command="rate")


def _plant(studio: Studio, factory: Simulator) -> None:
    """The YAML with an edit that is checked, and a mistake in it."""
    page = studio.page(factory, "#/plant", HIGH)
    field = page.get_by_role("textbox", name="The plant's YAML")
    expect(field).to_have_value(re.compile("printer_3d: 8"))
    field.fill(field.input_value().replace("printer_3d: 8", "printer_3d: 12").replace("welding: 2", "welding: 3"))
    expect(page.get_by_role("row", name=re.compile("printer_3d 8 12"))).to_be_visible()
    expect(page.get_by_role("region", name="Difference")).to_be_visible()
    field.press("Control+Home")
    studio.take(page, "plant")
    page.once("dialog", lambda dialog: dialog.accept())


def _guide(studio: Studio, sandbox: Simulator) -> None:
    """The guide with the first exercise done."""
    page = studio.page(sandbox, "#/guide")
    for topic in ("factory/telemetry/+/temperature", "factory/status/#"):
        paho.mqtt.subscribe.simple(  # type: ignore[no-untyped-call]
            topic, hostname="127.0.0.1", port=sandbox.mqtt_port, qos=1, client_id="cli-sub"
        )
    paho.mqtt.publish.single("classroom/note", "back at ten", 1, True, "127.0.0.1", sandbox.mqtt_port, "cli-pub")
    expect(page.get_by_text(re.compile("[1-9] of 10 exercises"))).to_be_visible()
    studio.take(page, "guide")


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
