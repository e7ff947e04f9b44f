"""Facts about the words of documents and code: plain technical English, with the terms of MQTT, OEE and Kubernetes."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("app.py", "messages.py", "setup.py", "edgemqttsim", "cli", "edge", "plant", "sandbox", "tests/plant")
"""Modules and packages whose strings and comments are checked."""
MODULES = sorted(path for name in CODE for path in [*(ROOT / name).rglob("*.py")] or [ROOT / name])

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
    r"(the|a|its|each|every) truth files?": "ground truth file",
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
    r"books": "accounts, ground truth",
    r"noughts?": "zeros",
    r"liv(e|es|ed) up to": "advance to",
    r"(rows?|messages?) (say|says|said|tell|tells|told|speak|speaks)": "messages report",
    r"(machines?|plants?) (say|says|said|speak|speaks)": "emits, reports",
    r"(is|are|was|were) put by": "is copied, is stored",
    r"put (it )?in force": "apply",
    r"be it (a|an|as|in|of|more|less|the)": "even if it is",
    r"(good|well) again": "repaired, restored",
    r"(farewell|good-bye)s?": "DISCONNECT, last message",
    r"(sandbox|demo) brokers?|(broker of its own|its own broker)": "embedded broker",
}
"""A phrase, as a regular expression -> what to write instead."""

_NUMBERED = "|".join(f"(?P<p{number}>{phrase.replace(' ', ' +')})" for number, phrase in enumerate(INSTEAD))
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
    matches = _ANY.finditer(re.sub(r"\s", " ", text))
    return [
        Found(text.count("\n", 0, at.start()) + 1, " ".join(at[0].split()), instead[int((at.lastgroup or "p0")[1:])])
        for at in matches
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


def texts_in(python: str) -> Iterator[tuple[int, str]]:
    """Yield what a module says to people, with its first line: constants, docstrings, comments in question."""
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    # A comment is the end of a line from a # on: to find all of them takes long, and is seldom needed.
    if any(_ANY.search(line.partition("#")[2]) for line in python.splitlines()):
        for token in tokenize.generate_tokens(io.StringIO(python).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def found_in_python(python: str) -> list[Found]:
    """List the phrases of INSTEAD in a module, by line."""
    return sorted(
        found._replace(line=first + found.line - 1)
        for first, text in texts_in(python)
        for found in found_in(prose(text))
    )


def lines_of(path: Path, phrases: list[Found]) -> list[str]:
    """Return one line for each phrase found in a file: its place, the phrase, and what to write instead."""
    return [f"{path.relative_to(ROOT)}:{each.line}: {each.phrase!r}: write {each.instead}" for each in phrases]


LONGEST = {"README.md": 250, "modules.md": 650, "plant-language.md": 700}
"""The most lines of a page; 400 where it is not named. modules.md is a generated list; plant-language.md has tables
that are generated."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_short_enough_to_read(page: Path) -> None:
    """The README has at most 250 lines, and other pages have at most 400."""
    assert len(page.read_text("utf-8").splitlines()) <= LONGEST.get(page.name, 400)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_in_plain_english(page: Path) -> None:
    """No page uses a phrase that a reader who is not a native speaker stumbles over."""
    assert lines_of(page, found_in(prose(page.read_text("utf-8")))) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_modules_are_in_plain_english(module: Path) -> None:
    """No string, docstring or comment of a module uses such a phrase."""
    assert lines_of(module, found_in_python(module.read_text("utf-8"))) == []


def test_a_phrase_is_found_with_its_line_in_any_case_and_across_lines() -> None:
    """The report names the first line of the phrase and the better words."""
    text = "It starts.\nIt ended In good\norder, as `in good order` says,\nand came back.\n"

    assert found_in(prose(text)) == [
        Found(2, "In good order", "normally, cleanly"),
        Found(4, "came back", "reconnects, returns"),
    ]


def test_a_phrase_is_found_in_strings_docstrings_and_comments_of_a_module() -> None:
    """Names are free; the line is that of the phrase, also where a docstring or a list is indented."""
    module = '''
def anew(anew: str) -> str:
    """Start again.

    The machine says
      nothing of it, as `anew` does.
    """
    # It is gone for good.
    return f"{anew} anew"
'''

    assert [(each.line, each.phrase) for each in found_in_python(module)] == [
        (5, "machine says nothing"),
        (8, "for good"),
        (9, "anew"),
    ]


def test_parts_of_words_and_code_are_not_found() -> None:
    """A phrase inside a longer word, in code, in the target of a link, or between marks is not reported."""
    generated = "<!-- options: begin -->\nanew\n<!-- options: end -->"

    assert found_in(prose(f"unbearable `anew`\n```text\nanew\n```\n[again](anew.md)\n{generated}")) == []
