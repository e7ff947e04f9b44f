"""The tools of these tests notice what they are for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Error, expect

from tests.support.browser.screens import Screen, Screens
from tests.support.browser.simulators import Simulator
from tests.support.browser.watched import soon


@pytest.fixture(scope="module")
def documents(screens: Screens, default_plant: Simulator) -> Iterator[Screen]:
    """The page with the documents of the calls, whose policy permits no script at all."""
    with screens.one(default_plant.url) as screen:
        screen.page.goto(f"{default_plant.url}/docs")
        expect(screen.page.get_by_text("edgemqttsim").first).to_be_visible()
        assert screen.watch.wrong == []
        yield screen


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("setTimeout(() => { throw new Error('broken') })", "broken"),
        ("console.error('complains')", "complains"),
        ("setTimeout(() => alert('moved'))", "dialog"),
        ("fetch('http://other.example:9/x', {mode: 'no-cors'}).catch(() => null)", "other.example"),
        ("document.head.append(Object.assign(document.createElement('script'), {text: '1'}))", "script-src"),
        ("fetch('/api/v1/nothing')", "404"),
    ],
)
def test_what_goes_wrong_on_a_page_is_noticed(script: str, said: str, documents: Screen) -> None:
    """Errors, dialogs, requests to other hosts, violations of the policy, and answers that were not expected."""
    page, watch = documents
    assert said not in "\n".join(watch.wrong)
    try:
        page.evaluate(f"() => {{ {script} }}")
    except Error as error:  # where the script itself is refused
        watch.wrong.append(error.message)
    soon(page, lambda: said in "\n".join(watch.wrong), f"{said} in {watch.wrong}")
