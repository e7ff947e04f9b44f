"""The arrows of docs/design.md: who may import whom, and what the plant may not touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("edgemqttsim", "app", "crew", "daemon", "messages", "plant", "edge", "sandbox")

ARROWS = {
    "edgemqttsim": ("app", "messages", "edge.early", "edge.installed"),
    "app": (
        *("crew", "daemon", "messages", "edge", "sandbox"),
        *("plant.structure", "plant.telemetry", "plant.forecast", "plant.default_plant"),
    ),
    "crew": ("daemon", "messages", "edge", "plant.structure", "plant.telemetry"),
    "daemon": ("messages", "edge", "plant.structure", "plant.telemetry", "plant.forecast", "plant.trial"),
    "messages": ("plant",),
    "plant": ("plant",),
    "edge": ("edge", "plant.telemetry"),
    "edge.reload": ("edge", "plant.telemetry", "plant.structure", "plant.changes"),
    "edge.manifest": ("edge", "plant.telemetry", "plant.structure", "plant.catalogue"),
    "edge.exports": ("edge", "plant.telemetry", "plant.structure", "plant.catalogue"),
    "sandbox": ("sandbox",),
}
"""Module or package -> what of ours it may import; the longest name that fits counts."""

OUTSIDE = {"time", "random", "os", "socket", "asyncio", "threading", "secrets", "subprocess", "logging", "uuid"}
"""What the plant may not import: it looks at no clock, no socket, no environment, and draws only by its seed."""

CLOCKS_AND_ENVIRONMENT = {"time.time", "time.monotonic", "os.environ", "os.getenv", "datetime.now", "datetime.utcnow"}
"""Only app.py, crew.py and daemon.py look at these; all others are handed them. The sandbox is a process of its own."""


def modules() -> list[str]:
    """Every module of the project by its dotted name."""
    packages = (
        path for package in ("edgemqttsim", "plant", "edge", "sandbox") for path in (ROOT / package).rglob("*.py")
    )
    paths = [ROOT / "app.py", ROOT / "crew.py", ROOT / "daemon.py", ROOT / "messages.py", *packages]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in sorted(paths)]


def tree(module: str) -> ast.Module:
    """The syntax tree of a module."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[str]:
    """What a module imports, wherever it does so."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def fits(module: str, allowed: tuple[str, ...]) -> bool:
    """Whether a module is one of those, or inside one."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def rule_for(module: str) -> tuple[str, ...]:
    """What a module may import of ours."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(ARROWS[name] for name in names if name in ARROWS)


@pytest.mark.parametrize("module", modules())
def test_no_arrow_goes_the_wrong_way(module: str) -> None:
    """A module imports of ours only what the table lets it."""
    ours = [name for name in imports(module) if fits(name, OURS)]

    assert [name for name in ours if not fits(name, rule_for(module))] == []


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("plant")])
def test_the_plant_touches_nothing_outside(module: str) -> None:
    """The plant is arithmetic: structure, seed and time in, messages out."""
    assert OUTSIDE & {name.split(".")[0] for name in imports(module)} == set()


@pytest.mark.parametrize(
    "module", [name for name in modules() if not name.startswith(("app", "crew", "daemon", "sandbox"))]
)
def test_only_the_entry_point_reads_clock_and_environment(module: str) -> None:
    """Everyone else is handed the time and the settings."""
    names = {ast.unparse(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}

    assert {name for name in names if fits(name, tuple(CLOCKS_AND_ENVIRONMENT))} == set()


def test_modules_stay_readable() -> None:
    """No module of ours has more than 370 lines."""
    lengths = {module: tree(module).body[-1].end_lineno or 0 for module in modules() if tree(module).body}

    assert {module: lines for module, lines in lengths.items() if lines > 370} == {}
