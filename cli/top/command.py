"""Show a running simulator in the terminal: a screen that changes each second, or one frame as text."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from cli.ctl.client import Client, NoAnswer, default_url
from cli.options.top import TopOptions
from cli.top.frame import frame
from cli.top.marks import Samples
from cli.top.spans import coloured, plain
from cli.top.watch import overview_of, rates_until_now
from edge.installed import why_lacking

PACKAGES: Final = {"rich": "rich", "textual": "textual"}
"""Modules that the screen imports -> their packages in requirements-tui.txt."""

_OK, _FAILED, _LACKING = 0, 1, 2
_ANSWER_SECONDS: Final = 10.0
"""Longer than the simulator waits for a worker that hangs."""
_COLUMNS: Final = 100
"""Width of a frame where there is no terminal to ask."""


def run_top(options: TopOptions, environ: Mapping[str, str], elapsed: Callable[[], float]) -> int:
    """Show it until the user quits, and return the exit code; 1 where one frame was wanted and nothing answers.

    elapsed: monotonic seconds.
    """
    url = options.url or default_url(environ)
    try:
        client = Client(url, timeout_seconds=_ANSWER_SECONDS, elsewhere="`top URL`")
        if options.once or not _is_screen(environ):
            return _once(client, environ, sys.stdout)
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return _FAILED
    if lacking := why_lacking(PACKAGES, "requirements-tui.txt"):
        image = "an image has them if it was built with --build-arg TUI=true"
        print(f"top {lacking}; {image}; `top --once` needs none of them", file=sys.stderr)
        return _LACKING
    from cli.top.app import TopApp  # noqa: PLC0415 - its packages may be missing

    app = TopApp(client, elapsed)
    app.run(mouse=False)  # text can be selected as everywhere in the terminal
    return app.return_code or _OK


def _once(client: Client, environ: Mapping[str, str], out: TextIO) -> int:
    overview = overview_of(client)
    rates = Samples(rates_until_now(client))
    rates.add(overview.at("rate", "delivered").number)
    drawn = coloured if out.isatty() and _has_colours(environ) else plain
    print(*map(drawn, frame(overview, rates, _columns(environ, out))), sep="\n", file=out)
    return _OK


def _is_screen(environ: Mapping[str, str]) -> bool:
    """Return whether there is a terminal to draw on, and to read keys from; Textual draws through standard error."""
    streams = sys.stdin, sys.stdout, sys.stderr
    return all(each is not None and each.isatty() for each in streams) and environ.get("TERM") != "dumb"


def _has_colours(environ: Mapping[str, str]) -> bool:
    """Return whether colours are wanted: https://no-color.org."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _columns(environ: Mapping[str, str], out: TextIO) -> int:
    if environ.get("COLUMNS", "").isdecimal():
        return max(40, int(environ["COLUMNS"]))
    return max(40, os.get_terminal_size(out.fileno()).columns) if out.isatty() else _COLUMNS
