"""The tools of these tests notice what they are for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.support.browser.simulators import Simulator
from tests.support.browser.watched import soon, watched


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
def test_what_goes_wrong_on_a_page_is_noticed(
    script: str, said: str, browser: Browser, default_plant: Simulator
) -> None:
    """Errors, dialogs, requests to other hosts, violations of the policy, and answers that were not expected."""
    with watched(browser, default_plant.url) as (page, watch):
        page.goto(f"{default_plant.url}/docs")
        expect(page.get_by_text("edgemqttsim").first).to_be_visible()
        try:
            page.evaluate(f"() => {{ {script} }}")
        except Error as error:  # where the script itself is refused
            watch.wrong.append(error.message)
        soon(page, lambda: said in "\n".join(watch.wrong), f"{said} in {watch.wrong}")
