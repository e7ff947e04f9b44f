"""Options of a command as its command line gives them."""

from __future__ import annotations

from typing import TypeVar

from cli.commands import parse

T = TypeVar("T")


def parsed(kind: type[T], *arguments: str) -> T:
    """Parse a command line whose command has options of that kind."""
    options = parse(arguments, "0")
    assert isinstance(options, kind)
    return options
