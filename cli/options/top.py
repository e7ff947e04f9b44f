"""The options of `top`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopOptions:
    """The options of `top`.

    url: where the simulator's HTTP port is; None: as the variables of this process have it.
    once: whether to print one frame and exit.
    """

    url: str | None = None
    once: bool = False


def add_top(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to the parser."""
    text = "the simulator's HTTP port [http://127.0.0.1:8080, or as HTTP_HOST and HTTP_PORT say]"
    parser.add_argument("url", nargs="?", metavar="URL", help=text)
    text = "print one frame as text and exit; so it does where standard output is no terminal"
    parser.add_argument("--once", action="store_true", help=text)
    parser.epilog = (
        "Keys: q quit, p pause, s sort, / filter, arrow keys select a type, Enter lists its machines, Escape goes "
        "back, ? help. It only reads, so it needs no token. The screen needs the packages of requirements-tui.txt; "
        "--once needs none."
    )
