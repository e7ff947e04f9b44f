"""Plant files gone wrong: the shipped ones, changed by a few steps that people, editors and merges might take."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant
from typing import Any

import yaml

from benchmarks.case import ROOT

SHIPPED = (
    ROOT / "message_structure.yaml",
    *sorted((ROOT / "scenarios").glob("*.yaml")),
    ROOT / "tests" / "data" / "original.yaml",
)
_NUMBERS = (
    "0", "-1", "1", "2", "7", "0.5", "1000", "-0.0", "1.0e-308", "5.0e-324", "1.7e+308", "1.0e+999", ".nan", ".inf",
    "-.inf", "1.0e-9", "0.001", "1000000", "1000001", "9223372036854775808", "9" * 60, "9" * 6000, "0x1F", "010",
    "1_000", "12:30", "0b1", "1e3",
)  # fmt: skip
_TEXTS = (
    "", "~", "null", "yes", "off", "true", '""', "''", "a", "x" * 300, "é🚀", '"\\u0000"', '"\\uD800"', "2026-12-24",
    "2026-12-24 08:00:00",
    "[]", "{}", "[1, 2]", "[2, 1]", "[a, a]", "{a: 1}", "[[[[]]]]", "running", "good", "UTC",
    "Mars/Olympus", '"{prefix}/#"', '"{nobody}"', '"{"',
    "&a 1", "*a", "*nobody", "&a [*a]", "!!python/object:os.system",
    "!!binary AAAA", "!!float 1", "!!int x", "!!set {a}", "<<", "?", "- -", "|", ">", "%YAML 9.9",
    "---", "...", "\t", "#",
    "[" * 50, "{a: " * 50, "[" * 5000, "{? " * 30,
)  # fmt: skip
_VALUES = (*_NUMBERS, *_TEXTS)
_PLAIN: tuple[Any, ...] = (
    0, -1, 1, 3, 50, 0.5, 1e-308, 5e-324, 1.7e308, 1e-9, 0.001, 600.0, 1_000_001, 10**60, True, None, "", "a", "é🚀",
    "running", "good", "x" * 300,
    [], {}, [1.0, 2.0], [2.0, 1.0], ["a", "b"], {"a": 1}, {"running": 1.0}, "{prefix}/{type}",
)  # fmt: skip
_WHOLE: tuple[bytes, ...] = (
    b"", b"\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"a", b"[]", b"- a\n- b\n", b"global:\n", b"a: " * 1000,
    b"#" * 1_100_000,
    b"---\na: 1\n---\nb: 2\n", b"\t", b"? [a]\n: b\n", b"a: &a {b: *a}\n", "global: 1".encode("utf-16"), b"\x1b[31m",
)  # fmt: skip

_Step = Callable[[Random, list[str]], list[str]]


@cache
def _texts() -> tuple[str, ...]:
    return tuple(path.read_text("utf-8") for path in SHIPPED)


@cache
def _plain() -> tuple[Any, ...]:
    return tuple(yaml.load(text, Loader=yaml.CSafeLoader) for text in _texts())


def mutated(chance: Random) -> bytes:
    """One file's content."""
    way = chance.random()
    if way < 0.02:
        return chance.choice(_WHOLE)
    if way < 0.45:
        return as_yaml(_changed_data(chance))
    lines = chance.choice(_texts()).splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        lines = chance.choice(_STEPS)(chance, lines) or ["\n"]
    content = "".join(lines).encode("utf-8", "surrogatepass")
    return _flipped(chance, content) if chance.random() < 0.15 else content


def put(chance: Random, path: Path, content: bytes) -> None:
    """Put a file of that content at the path or, rarely, something that is not a file."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    if chance.random() < 0.99:
        path.write_bytes(content)
    else:
        chance.choice(_NO_FILES)(path)


_NO_FILES: tuple[Callable[[Path], object], ...] = (
    Path.mkdir,
    os.mkfifo,
    lambda path: path.symlink_to(path),
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to("/dev/null"),
    lambda _path: None,
)


# Steps on lines


def _drop(chance: Random, lines: list[str]) -> list[str]:
    at = chance.randrange(len(lines))
    return lines[:at] + lines[at + chance.choice((1, 1, 1, 5)) :]


def _double(chance: Random, lines: list[str]) -> list[str]:
    at = chance.randrange(len(lines))
    return [*lines[: at + 1], *lines[at:]] if chance.random() < 0.5 else [*lines, lines[at]]


def _swap(chance: Random, lines: list[str]) -> list[str]:
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines = [*lines]
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def _indent(chance: Random, lines: list[str]) -> list[str]:
    at = chance.randrange(len(lines))
    by = chance.choice(("  ", " ", "\t", None))
    return [*lines[:at], lines[at].removeprefix("  ") if by is None else by + lines[at], *lines[at + 1 :]]


def _other_value(chance: Random, lines: list[str]) -> list[str]:
    at = chance.choice([number for number, line in enumerate(lines) if ": " in line] or [0])
    key = lines[at].partition(":")[0]
    value = chance.choice(_VALUES)
    if chance.random() < 0.2:
        value = chance.choice(lines).partition(":")[2].strip() or value
    return [*lines[:at], f"{key}: {value}\n", *lines[at + 1 :]]


def _other_key(chance: Random, lines: list[str]) -> list[str]:
    at = chance.choice([number for number, line in enumerate(lines) if ":" in line] or [0])
    key, _, value = lines[at].partition(":")
    name, pad = key.strip(), key[: len(key) - len(key.lstrip())]
    names = (
        name[:-1],
        name + "s",
        name.upper(),
        chance.choice(lines).partition(":")[0].strip(),
        "é",
        "1",
        "~",
        '"a b"',
    )
    return [*lines[:at], f"{pad}{chance.choice(names)}:{value}", *lines[at + 1 :]]


def _spliced(chance: Random, lines: list[str]) -> list[str]:
    """The beginning of this one, the end of another: a merge gone wrong."""
    other = chance.choice(_texts()).splitlines(keepends=True)
    return lines[: chance.randrange(len(lines)) + 1] + other[chance.randrange(len(other)) :]


_STEPS: tuple[_Step, ...] = (
    _drop,
    _double,
    _swap,
    _indent,
    _other_value,
    _other_value,
    _other_value,
    _other_key,
    _spliced,
)


def _flipped(chance: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 10))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


# Steps on plain data, after which more of them are still plants


def _changed_data(chance: Random) -> Any:
    data = copy.deepcopy(chance.choice(_plain()))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        changed(chance, data, _another)
    return data


def _another(chance: Random) -> Any:
    return chance.choice(_plain())


def changed(chance: Random, data: Any, other: Callable[[Random], Any]) -> None:
    """Change a value in plain data, if it has any, or remove it.

    other: returns other data, whose value in the same place may do.
    """
    if not (found := [*places(data)]):
        return
    place = chance.choice(found)
    holder = at(data, place[:-1])
    holder[place[-1]] = _new_value(chance, holder[place[-1]], place, other)
    if chance.random() < 0.1:
        del holder[place[-1]]


def _new_value(chance: Random, value: Any, place: tuple[Any, ...], other: Callable[[Random], Any]) -> Any:
    """Something like it, what another file has in its place, or anything."""
    way = chance.random()
    if way < 0.5 and isinstance(value, int | float) and not isinstance(value, bool):
        return type(value)(value * chance.choice((0, 0.5, 0.9, 1, 2, 3)))
    if way < 0.8:
        try:
            return copy.deepcopy(at(other(chance), place))
        except (LookupError, TypeError):
            return value
    return copy.deepcopy(chance.choice(_PLAIN))


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value in plain data."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in steps:
        yield (*place, step)
        yield from places(each, (*place, step))


def at(data: Any, place: tuple[Any, ...]) -> Any:
    """Return the value in a place. Raises LookupError or TypeError where there is none."""
    for step in place:
        data = data[step]
    return data


def as_yaml(data: Any) -> bytes:
    """Return plain data as YAML."""
    return yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False).encode(
        "utf-8", "surrogatepass"
    )
