"""Facts about the pages with all calls: they need this port and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from tests.edge.http.test_routes import Shown, serving

PAGES = ("/docs", "/redoc")


class Loaded(HTMLParser):
    """What a page loads, and what script it holds itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline = ""
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]
        self.inline += "".join(name for name, _ in attributes if name.startswith("on"))

    def handle_endtag(self, _tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline += data


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a running server."""
    with serving(Shown()) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_made_of_what_this_port_has(path: str, client: httpx.Client) -> None:
    """Scripts and style are there, under addresses without a host, so that a proxy may put them elsewhere."""
    page = client.get(path)
    loaded = Loaded(page.text)
    own = [address for address in loaded.addresses if not address.startswith("data:")]
    parts = [client.get(page.url.join(address)) for address in own]

    assert len(own) >= 2
    assert not [address for address in own if address.startswith("/") or "://" in address]
    assert {part.status_code for part in parts} == {200}
    assert {part.headers["content-type"].split(";")[0] for part in parts} <= {"text/javascript", "text/css"}
    assert [len(part.content) for part in parts] == [int(part.headers["content-length"]) for part in parts]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_load_nothing_from_elsewhere(path: str, client: httpx.Client) -> None:
    """Its policy forbids all other hosts and script within the page, of which it has none."""
    page = client.get(path)
    policy = dict(re.findall(r"([\w-]+) ([^;]+)", page.headers["content-security-policy"]))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"https?:|\*", page.headers["content-security-policy"])
    assert Loaded(page.text).inline == ""


def test_the_package_of_the_scripts_is_not_run() -> None:
    """What is used of it are files."""
    import sys  # noqa: PLC0415

    with serving(Shown()) as client:
        assert client.get("/docs/swagger-ui.css").status_code == 200
    assert "fastapi_offline" not in sys.modules
