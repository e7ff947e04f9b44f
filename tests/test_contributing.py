"""The table of CONTRIBUTING.md leads to the code: names are defined where it says, and texts that users see written."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from plant.forecast.rate_forecast import check
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port

LOG_LINE = re.compile(r"^\S+Z (?:INFO|WARN|ERROR) +\w+: (.+)$", re.MULTILINE)
FIELD = re.compile(r"%[-+0-9.]*[sdgrf]|\0")
ITS_WORDS = ("its words", "its first words")


class Row(NamedTuple):
    """A line of the table."""

    what: str
    place: str
    look_for: str


ROWS = [
    Row(*row)
    for row in re.findall(
        r"^\| ([^|]+) \| `([^`]+)` \| `?([^|`]+)`? \|$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE
    )
]

SEEN = [
    ("a log line of the start", "edgemqttsim "),
    ("a log line of the start", "orders: --demo replaces the default rates of the file"),
    ("a log line of the run, its output, reloads and its end", "plant: "),
    ("a log line of the run, its output, reloads and its end", "HTTP on "),
    ("a log line about messages: the first ones, dropped, rejected", "first on "),
    ("a log line of the run, its output, reloads and its end", "reloaded configuration"),
    ("a log line of the run, its output, reloads and its end", "configuration rejected"),
    ("a log line of the run, its output, reloads and its end", "shutting down"),
    ("a log line of the run, its output, reloads and its end", "never connected"),
    ("a log line of the connection", "connected to broker host="),
    ("a log line of the connection", "retrying in"),
    ("why a connection failed, in words", "cannot reach "),
    ("how long the queue lasts, at the start and in `check`", "without a broker the queue is full after "),
    ("the banner of `--demo`", "An embedded broker runs on this machine"),
    ("the statistics block", "Messages Sent: "),
    ("the topic of a machine type's messages", "/cnc"),
    ("the topic of orders and dispatches", "/orders"),
    ("the text of an error: a value of the wrong type, or out of bounds", "must be "),
    ("the text of an error: a rule between keys", "replaces frequency_weight: give only one of them"),
    ("the text of an error: no valid YAML", "is not valid YAML: "),
]
"""By row, a text that a user sees, which is written at its place."""


def ids(row: Row) -> str:
    """The first column."""
    return row.what


@cache
def files(place: str) -> list[Path]:
    """The file, or the modules of the folder."""
    path = ROOT / place
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@cache
def texts(place: str) -> list[str]:
    """The texts in the code of a place, with a NUL where an f-string has a value; all of it, if it is no code."""
    found: list[str] = []
    for path in files(place):
        source = path.read_text("utf-8")
        found += _texts_of(ast.parse(source)) if path.suffix == ".py" else [source]
    return found


def _texts_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def names(path: Path) -> set[str]:
    """What a module defines, at any depth; of a YAML file, its keys."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"^ *([a-z_0-9]+):", source, re.MULTILINE))
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The log of a demo whose plant is edited twice, and of a run that has no broker."""
    plant = tmp_path_factory.mktemp("plant") / "plant.yaml"
    default = (ROOT / "message_structure.yaml").read_text("utf-8")
    plant.write_text(default, "utf-8")
    flags = ("--file", str(plant), "--http-port", str(free_port()), "--reload-seconds", "0.1")
    with DaemonProcess("--demo", "--seed", "1", "--speed", "20", *flags) as demo:
        demo.says("first on factory/cnc")
        demo.says("first on factory/orders")
        plant.write_text(default.replace("cnc: 5", "cnc: 6"), "utf-8")
        demo.says("reloaded configuration")
        plant.write_text("global: 1\n", "utf-8")
        demo.says("configuration rejected")
        demo.signal(signal.SIGTERM)
        demo.wait()
    nobody = ("--mqtt-port", "1", "--no-mqtt-tls", "--mqtt-auth-method", "none", "--http-port", "0")
    with DaemonProcess(*nobody) as lonely:
        lonely.says("retrying in")
        lonely.signal(signal.SIGTERM)
        lonely.wait()
    return demo.log + lonely.log


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `check` prints of wrong plants."""
    plant, printed = tmp_path_factory.mktemp("wrong") / "plant.yaml", ""
    default = (ROOT / "message_structure.yaml").read_text("utf-8")
    wrong = default.replace("frequency_weight: 2 ", "frequency_weight: 2\n    report_seconds: 5 ", 1)
    for text in (wrong, default.replace("base_interval: 1.0", "base_interval: quick"), "global: [\n"):
        plant.write_text(text, "utf-8")
        printed += check(plant)[1]
    return printed


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_each_place_defines_what_to_look_for(row: Row) -> None:
    """A class, a function, a table or a key; or there is a text that has been seen there."""
    if row.look_for in ITS_WORDS:
        assert row.what in {what for what, _ in SEEN}
    else:
        assert row.look_for in set().union(*map(names, files(row.place)))


@pytest.mark.parametrize(("what", "text"), SEEN)
def test_each_text_that_a_user_sees_is_written_at_the_place_of_its_row(
    what: str, text: str, logged: str, errors: str
) -> None:
    """It is in the output of a real run, and in the code to which the table leads."""
    (row,) = [row for row in ROWS if row.what == what]

    assert text in logged + errors
    assert any(text in each for each in texts(row.place))


def test_every_line_of_a_log_is_written_where_the_table_leads(logged: str) -> None:
    """In one of the places for lines of the log."""
    places = [row.place for row in ROWS if row.what.startswith(("a log line", "how long the queue lasts"))]
    patterns = [
        re.compile(".*".join(map(re.escape, FIELD.split(text))), re.DOTALL)
        for place in places
        for text in (each.partition("\n")[0] for each in texts(place))
        if len(re.findall(r"[a-z]{2,}", FIELD.sub(" ", text))) >= 2
    ]
    lines = LOG_LINE.findall(logged)

    assert len(lines) > 15
    assert [line for line in lines if not any(pattern.match(line) for pattern in patterns)] == []
