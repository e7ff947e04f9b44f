"""Facts about the files of the page: who gets them, what they may load, and that nothing else is given."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from edge.page.page_files import FOLDER, accepts_html, files_of
from tests.edge.fixed_status import FixedStatus
from tests.edge.page.watching import Serving

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FILES = files_of()
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|javascript:"
    r"|\beval\(|new Function|localStorage|sessionStorage|indexedDB|document\.cookie|\son\w+=|\sstyle="
)
"""What would make markup or code of a text, or keep something in the browser."""


def with_index(app: FastAPI) -> FastAPI:
    """An application that has something else at the same path."""

    @app.get("/")
    async def index() -> dict[str, str]:
        return {"name": "json"}

    return app


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Of a page that is served."""
    with (
        Serving(FixedStatus(), wrap=with_index) as serving,
        httpx.Client(base_url=serving.url, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (BROWSER, True),
        ("TEXT/HTML", True),
        ("*/*", False),
        ("application/json", False),
        ("text/html;q=0, */*", False),
        ("text/html; q=0.0", False),
        ("text/html;q=0.1", True),
        ("", False),
    ],
)
def test_the_page_is_for_who_accepts_html_and_the_index_for_all_others(
    client: httpx.Client, accept: str, is_page: bool
) -> None:
    """At the same path, also where another call has it."""
    answer = client.get("/", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.text.startswith("<!DOCTYPE html>") is is_page
    assert accepts_html({"type": "http", "headers": [(b"accept", accept.encode())]}) is is_page


def test_a_cache_tells_the_two_apart(client: httpx.Client) -> None:
    """By what is accepted."""
    assert client.get("/", headers={"Accept": BROWSER}).headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("name", [*FILES])
def test_each_file_may_load_nothing_from_elsewhere(client: httpx.Client, name: str) -> None:
    """Nor run what is written into it, be framed, or be taken for something else."""
    answer = client.get(f"/page/{name}")
    policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))

    assert answer.content == (FOLDER / name).read_bytes()
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"
    kinds = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])


def test_the_page_itself_has_the_same_rules(client: httpx.Client) -> None:
    """At its own path."""
    page, file = client.get("/", headers={"Accept": BROWSER}), client.get("/page/index.html")

    for name in ("content-security-policy", "x-content-type-options", "etag", "cache-control"):
        assert page.headers[name] == file.headers[name]


def test_a_file_that_has_not_changed_is_not_sent_again(client: httpx.Client) -> None:
    """Whatever form the tag comes back in."""
    tag = client.get("/page/index.html").headers["etag"]
    known = [client.get("/page/index.html", headers={"If-None-Match": each}) for each in (tag, f'"x", {tag[2:]}', "*")]
    other = client.get("/page/index.html", headers={"If-None-Match": '"x"'})

    assert [(each.status_code, each.content) for each in known] == [(304, b"")] * 3
    assert {each.headers["etag"] for each in known} == {tag}
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/", "/page/nothing.js", "/page/../page_files.py", "/page/%2e%2e%2fpage_files.py", "/page/a/b.js"]
)
def test_nothing_else_is_given(client: httpx.Client, path: str) -> None:
    """Only names that are there; nothing is looked up."""
    with httpx.Client(base_url=client.base_url, trust_env=False) as raw:
        request = raw.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        assert raw.send(request).status_code == 404


def test_a_file_is_answered_to_head_and_says_what_it_takes(client: httpx.Client) -> None:
    """As every path does."""
    head, wrong = client.head("/page/index.html"), client.post("/page/index.html")

    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(FILES["index.html"].packed)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_file_is_packed_for_those_who_take_that(client: httpx.Client) -> None:
    """As all browsers do; others get it as it is."""
    accepted = {"gzip, br": "gzip", "br, GZIP;q=0.5": "gzip", "gzip;q=0": None, "identity": None, "": None}
    for encodings, coding in accepted.items():
        answer = client.get("/page/style.css", headers={"Accept-Encoding": encodings})
        assert answer.headers.get("content-encoding") == coding, encodings
        assert answer.content == FILES["style.css"].content
        assert "Accept-Encoding" in answer.headers["vary"]


def test_all_files_together_are_small_on_the_wire() -> None:
    """They come over the lines of factories, packed; and who reads them has not much to read either."""
    assert sum(len(file.packed) for file in FILES.values()) < 75_000
    assert sum(len(file.content) for file in FILES.values()) < 185_000


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".html"))])
def test_no_source_makes_markup_of_text_keeps_anything_or_names_another_host(name: str) -> None:
    """Text from outside is only ever text."""
    text = FILES[name].content.decode()

    assert FORBIDDEN.findall(text) == []
    assert {*re.findall(r"(?:https?|wss?)://([\w.-]+)", text)} <= {"www.w3.org"}  # which names SVG
