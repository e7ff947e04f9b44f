"""Facts about the words of the documents: plain technical English, with the terms of MQTT, OEE and Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

INSTEAD = {
    r"in good order": "normally, cleanly",
    r"the old one stays": "keeping the previous one",
    r"(is|are|was|were|be) told( of| once| with)?": "is reported, is logged",
    r"(tells?|telling) of": "reports, describes",
    r"(speaks?|spoken) of": "names, mentions",
    r"(has|have|had) (its|their) say": "is sent, decides",
    r"a word in front": "a prefix",
    r"without a word": "without an error, silently",
    r"(becomes|became|come|comes|came) of (it|them|each|that|this)": "happens to it, results from it",
    r"whatever becomes of": "whatever happens to",
    r"\w+ says? nothing": "sends nothing, logs nothing",
    r"(is|are|was|were) said": "is published, is reported",
    r"has (the plant|it) say": "makes it emit",
    r"books of the truth|the books": "the ground truth",
    r"(?<!ground )truth files?": "ground truth file",
    r"lets? us in": "accepts the login",
    r"for good": "permanently",
    r"anew": "again",
    r"(take|takes|taken|took) up": "apply, use, process",
    r"(held|hold|holds) (it|them|each \w+|every \w+) against": "compared with",
    r"dealt out|deals? \w+ out": "distributed, divided",
    r"(for want of|needs|in want of) leave": "permission",
    r"chances? to dispatch": "possible dispatches",
    r"(would|must|could) else|[,;:] else": "otherwise",
    r"but for": "except",
    r"(bear|bears|borne|bore)": "has, contains",
    r"gives? way": "is dropped",
    r"on (its|their) way": "in flight",
    r"the way to the broker": "the connection to the broker",
    r"under way": "in progress",
    r"(comes?|came) back": "reconnects, returns",
    r"(stands?|stood) still": "stops",
    r"extra rows?": "additional messages",
    r"(machine's|regular|next|of its) rows?": "messages; a row is one of a table",
    r"as good as": "the same as",
    r"(do|does|did) no matter|is no matter|of no concern": "is ignored",
    r"after the manner of|in the manner of": "like",
    r"so (long|often|many|much) (a|an) \w+": "this long, this many",
}
"""A phrase, as a regular expression -> what to write instead."""

_NUMBERED = "|".join(f"(?P<p{number}>{phrase})" for number, phrase in enumerate(INSTEAD))
_ANY = re.compile(rf"(?<![\w-])(?:{_NUMBERED})(?![\w-])", re.IGNORECASE)


class Found(NamedTuple):
    """A phrase that should not be there."""

    line: int
    """Counted from 1."""
    phrase: str
    instead: str


def found_in(text: str) -> list[Found]:
    """List the phrases of INSTEAD in a text, also where a line break is inside one."""
    instead = list(INSTEAD.values())
    flat = re.sub(r"\s", " ", text)
    return [
        Found(text.count("\n", 0, match.start()) + 1, match[0], instead[int((match.lastgroup or "p0")[1:])])
        for match in _ANY.finditer(flat)
    ]


def prose(markdown: str) -> str:
    """Blank out what is written elsewhere: code, the targets of links, and text that the code generates between marks.

    Line numbers stay the same.
    """
    elsewhere = re.compile(
        r"<!-- [^>]*?(begin|from here) -->.*?<!-- [^>]*?(end|to here) -->|^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)",
        re.DOTALL | re.MULTILINE,
    )
    return elsewhere.sub(lambda match: re.sub(r"[^\n]", "_", match[0]), markdown)


def lines_of(path: Path) -> Iterator[str]:
    """Write one line for each phrase found in a page: its place, the phrase, and what to write instead."""
    for found in found_in(prose(path.read_text("utf-8"))):
        yield f"{path.relative_to(ROOT)}:{found.line}: {found.phrase!r}: write {found.instead}"


LONGEST = {"README.md": 250, "design.md": 700}
"""The most lines of a page; 400 where it is not named. Half of design.md is a generated list of modules."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_short_enough_to_read(page: Path) -> None:
    """The README has at most 250 lines, and other pages have at most 400."""
    assert len(page.read_text("utf-8").splitlines()) <= LONGEST.get(page.name, 400)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_in_plain_english(page: Path) -> None:
    """No page uses a phrase that a reader who is not a native speaker stumbles over."""
    assert list(lines_of(page)) == []


def test_a_phrase_is_found_with_its_line_in_any_case_and_across_lines() -> None:
    """The report names the first line of the phrase and the better words."""
    text = "It starts.\nIt ended In good\norder, as `in good order` says,\nand came back.\n"

    assert found_in(prose(text)) == [
        Found(2, "In good order", "normally, cleanly"),
        Found(4, "came back", "reconnects, returns"),
    ]


def test_parts_of_words_and_code_are_not_found() -> None:
    """A phrase inside a longer word, in code, in the target of a link, or between marks is not reported."""
    generated = "<!-- options: begin -->\nanew\n<!-- options: end -->"

    assert found_in(prose(f"unbearable `anew`\n```text\nanew\n```\n[again](anew.md)\n{generated}")) == []
