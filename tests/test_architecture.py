"""The arrows between the rooms of the code: who may import whom, and what the plant may not touch."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from typing import NamedTuple

import pytest

from tests.support.processes.daemon import ROOT
from tools.rooms import ARROWS, arrows, imported, modules, room_of, tree

LAYERS = ("app", "cli", "edge", "messages", "plant", "sandbox")
"""From the top down: none of them imports one that stands before it."""

OUTSIDE = {"time", "random", "os", "socket", "asyncio", "threading", "secrets", "subprocess", "logging", "uuid"}
"""What the plant may not import: it looks at no clock, no socket, no environment, and draws only by its seed."""

CLOCKS_AND_ENVIRONMENT = {"time.time", "time.monotonic", "os.environ", "os.getenv", "datetime.now", "datetime.utcnow"}
_ENDS = {name.rpartition(".")[2] for name in CLOCKS_AND_ENVIRONMENT}
READERS = (
    "app",
    "cli.run",
    "edge.installed",
    "edge.runtime.simulator",
    "edge.workers.partition",
    "sandbox.credentials",
)
"""The modules that look at clocks and at the environment; all others are handed them."""

LONGEST_MODULE, FULLEST_FOLDER = 350, 12


class Seen(NamedTuple):
    """What is looked at in a module. read: clocks and environment.  hooks: those it sets on objects.  lines: of it."""

    read: set[str]
    hooks: list[str]
    lines: int


@cache
def seen(module: str) -> Seen:
    """Read a module once for all tests."""
    code = tree(module)
    nodes = [*ast.walk(code)]
    names = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute) and node.attr in _ENDS]
    read = {name for name in names for read in CLOCKS_AND_ENVIRONMENT if f"{name}.".startswith(f"{read}.")}
    assigned = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    hooks = [each for each in assigned if isinstance(each, ast.Attribute) and each.attr.startswith("on_")]
    set_elsewhere = [ast.unparse(each) for each in hooks if ast.unparse(each.value) != "self"]
    return Seen(read, set_elsewhere, (code.body[-1].end_lineno or 0) if code.body else 0)


def test_rooms_import_what_the_table_lets_them_and_no_more() -> None:
    """Every arrow between two rooms stands in the table, and every arrow of the table is there in the code."""
    assert {room: set(names) for room, names in ARROWS.items()} == arrows()


def test_no_arrow_goes_back() -> None:
    """Each room stands above all that it imports, so there is no cycle; the layers stand in their order."""
    place = {room: place for place, room in enumerate(ARROWS)}
    layers = [LAYERS.index(room.partition(".")[0]) for room in ARROWS]

    assert [(room, name) for room, names in ARROWS.items() for name in names if place[name] <= place[room]] == []
    assert layers == sorted(layers)
    assert [*TopologicalSorter(ARROWS).static_order()]


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("plant")])
def test_the_plant_touches_nothing_outside(module: str) -> None:
    """The plant is arithmetic: structure, seed and time in, messages out."""
    assert OUTSIDE & {name.split(".")[0] for name in imported(module)} == set()


@pytest.mark.parametrize("module", [name for name in modules() if name not in READERS])
def test_few_modules_read_clock_and_environment(module: str) -> None:
    """Everyone else is handed the time and the settings."""
    assert seen(module).read == set()


HOOKED = ("edge.runtime", "edge.workers", "edge.http", "edge.observability")
"""The rooms in which hooks are given when an object is made."""


@pytest.mark.parametrize("module", [name for name in modules() if room_of(name) in HOOKED])
def test_hooks_are_given_when_an_object_is_made(module: str) -> None:
    """No module sets a hook, whose name begins with `on_`, on another object: its constructor shows all it calls."""
    assert seen(module).hooks == []


def test_the_sandbox_stands_alone() -> None:
    """The embedded broker is a counterpart: it imports nothing of the simulator, which imports only its demo."""
    imports = [(room.partition(".")[0], name) for room, names in ARROWS.items() for name in names]

    assert {name for layer, name in imports if layer == "sandbox" and not name.startswith("sandbox.")} == set()
    assert {name for layer, name in imports if layer != "sandbox" and name.startswith("sandbox.")} == {"sandbox.demo"}


def test_modules_and_folders_stay_readable() -> None:
    """No module is longer than a few screens, and no folder, also of benchmarks and test support, has over a dozen."""
    lengths = {module: seen(module).lines for module in modules()}
    others = [path for name in ("benchmarks", "tests/support") for path in (ROOT / name).rglob("*.py")]
    paths = [*(ROOT.joinpath(*module.split(".")) for module in modules()), *others]
    folders = Counter(str(path.parent.relative_to(ROOT)) for path in paths if path.stem != "__init__")

    assert {module: lines for module, lines in lengths.items() if lines > LONGEST_MODULE} == {}
    assert {folder: count for folder, count in folders.items() if count > FULLEST_FOLDER} == {}


def test_every_room_says_what_it_is_for() -> None:
    """Each room's docstring is a sentence, from which docs/modules.md is made."""
    assert [room for room in ARROWS if not ast.get_docstring(tree(room))] == []
    assert {room_of(module) for module in modules()} == set(ARROWS)
