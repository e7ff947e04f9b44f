"""`top` in a terminal: how it ends, its colours, and what it needs."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time

import pytest

from tests.cli.top.terminal import Terminal, lines_of, top

FULL_SCREEN_ENDS = b"\x1b[?1049l"
COLOUR = rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m"
"""SGR with a colour other than the terminal's own (ECMA-48, 8.3.117)."""


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "Ctrl-C"])
def test_a_key_ends_it_and_the_terminal_is_as_before(url: str, key: bytes) -> None:
    """With exit code 0."""
    with top(url) as terminal:
        terminal.shows(b"LAST COMMANDS")
        terminal.type(key)

        assert terminal.wait() == 0
        assert terminal.is_as_before
        assert FULL_SCREEN_ENDS in terminal.output
        assert b"Traceback" not in terminal.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(url: str, number: signal.Signals) -> None:
    """With the exit code of that signal."""
    with top(url) as terminal:
        terminal.shows(b"LAST COMMANDS")
        terminal.process.send_signal(number)

        assert terminal.wait() == 128 + number
        assert terminal.is_as_before
        assert FULL_SCREEN_ENDS in terminal.output


def test_it_ends_at_once_while_no_answer_comes() -> None:
    """An address that lets one wait does not hold the screen."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with top(f"http://127.0.0.1:{port}") as terminal:
            terminal.shows(f"waiting for http://127.0.0.1:{port}".encode())
            terminal.type(b"q")
            begin = time.monotonic()

            assert terminal.wait() == 0
            assert time.monotonic() - begin < 5  # which an answer may take


def test_it_has_the_colours_of_the_terminal(url: str) -> None:
    """The 16 that each terminal has in its own way, and its own background."""
    with top(url) as terminal:
        terminal.shows(b"LAST COMMANDS")

        assert re.search(rb"\x1b\[32;49mOK", terminal.output)
        assert b"38;" not in terminal.output
        assert b"48;" not in terminal.output


@pytest.mark.parametrize("arguments", [(), ("--once",)], ids=["screen", "once"])
def test_it_has_no_colours_where_none_are_wanted(url: str, arguments: tuple[str, ...]) -> None:
    """NO_COLOR: the text is the same."""
    with top(url, *arguments, environ={"NO_COLOR": "1"}) as terminal:
        terminal.shows(b"LAST COMMANDS")

        assert b"OK" in terminal.output
        assert re.findall(COLOUR, terminal.output) == []


def test_one_frame_has_colours_in_a_terminal(url: str) -> None:
    """As wide as the terminal at most."""
    with top(url, "--once") as terminal:
        assert terminal.wait() == 0

        assert b"\x1b[32mOK\x1b[0m" in terminal.output
        assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines_of(terminal.output)) <= 80


def test_a_terminal_that_cannot_draw_gets_one_frame(url: str) -> None:
    """TERM=dumb, as in some editors."""
    with top(url, environ={"TERM": "dumb"}) as terminal:
        assert terminal.wait() == 0

        assert b"\x1b" not in terminal.output
        assert b"LAST COMMANDS" in terminal.output


WITHOUT_TEXTUAL = (
    "import sys, importlib.util as util; find = util.find_spec\n"
    "util.find_spec = lambda name: None if name == 'textual' else find(name)\n"
    "import app; sys.exit(app.main(['top', *sys.argv[1:]], {}))"
)


def test_without_its_packages_it_says_what_to_install(url: str) -> None:
    """And that one frame needs none of them: exit code 2."""
    with Terminal(sys.executable, "-c", WITHOUT_TEXTUAL, url) as terminal:
        assert terminal.wait() == 2

        (said,) = lines_of(terminal.output)
        where = "`pip install -r requirements-tui.txt`; an image has them if it was built with --build-arg TUI=true"
        assert said.startswith(f"top needs packages that are not installed here (textual): {where}; ")
        assert said.endswith("; `top --once` needs none of them")
    with Terminal(sys.executable, "-c", WITHOUT_TEXTUAL, url, "--once") as terminal:
        assert terminal.wait() == 0
