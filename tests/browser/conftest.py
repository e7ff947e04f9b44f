"""One browser for all files of this folder, simulators that a file shares, and a page for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.browser.chromium import chromium
from tests.support.browser.required import require_chromium
from tests.support.browser.screens import Kept, Screens
from tests.support.browser.simulators import PLANTS, SANDBOX, Simulator, simulating
from tests.support.browser.watched import PATIENCE_MS, WIDE, Watch

Open = Callable[..., Page]
expect.set_options(timeout=PATIENCE_MS)
_watches = pytest.StashKey[dict[Page, Watch]]()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser; ended with the last test of this folder, as its event loop would be in the way of other tests."""
    require_chromium()
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def screens(browser: Browser) -> Screens:
    """The pages that tests use one after another."""
    return Screens(browser)


@pytest.fixture(scope="module")
def kept(screens: Screens) -> Iterator[Kept]:
    """The pages whose document stays as long as the tests of a file run."""
    with Kept(screens) as kept:
        yield kept


@pytest.fixture
def open_page(screens: Screens, kept: Kept, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Call it with a simulator and a path for a page, which must be free of errors to the end of the test.

    With `anew=False`, the page is that of the tests before, if they had one, and only its view is made anew.
    """
    watches: dict[Page, Watch] = {}
    request.node.stash[_watches] = watches
    with ExitStack() as used:

        def open_(
            simulator: Simulator,
            path: str = "/",
            viewport: ViewportSize = WIDE,
            *,
            anew: bool = True,
            **options: bool,
        ) -> Page:
            if not anew:
                page, watch = used.enter_context(kept.one(simulator.url, path))
            else:
                page, watch = used.enter_context(screens.one(simulator.url, viewport, **options))
                page.goto(simulator.url + path)
            watches[page] = watch
            return page

        yield open_
    wrong = [each for watch in watches.values() for each in watch.wrong]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def watch_of(request: pytest.FixtureRequest, open_page: Open) -> Callable[[Page], Watch]:
    """Call it with a page for its watch."""
    watches: dict[Page, Watch] = request.node.stash[_watches]
    return watches.__getitem__


@pytest.fixture(scope="module")
def default_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The default plant, as `make run` has it."""
    require_chromium()
    with simulating(tmp_path_factory.mktemp("default")) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The spaceship factory with faults, alarms and signals."""
    require_chromium()
    with simulating(tmp_path_factory.mktemp("faulty"), plant="scenarios/spaceship-faults.yaml") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Devices to learn MQTT with, as `make sandbox` has them."""
    require_chromium()
    with simulating(tmp_path_factory.mktemp("sandbox"), *SANDBOX) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A small plant that has something for each panel, and sends often."""
    require_chromium()
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copy(PLANTS / "workshop.yaml", folder)
    with simulating(folder, "--mqtt-commands", plant="workshop.yaml") as simulator:
        yield simulator
