"""`top --once`: one frame as text, for pipes, scripts and images without the packages of the screen."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import NamedTuple

import pytest

import app
from cli.ctl.client import Client
from cli.top.watch import rates_until_now
from tests.cli.top.answering import answering
from tests.cli.top.screen import execute
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port


class Done(NamedTuple):
    """How it has ended."""

    returncode: int
    stdout: str
    stderr: str


def once(*arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    """Run it, as in a pipe."""
    with DaemonProcess("top", *arguments, environ=environ) as process:
        code = process.wait(50)
        return Done(code, "".join(process.output), process.log)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    """Run it in this process, where a test is about what is printed."""
    code = app.main(["top", *arguments], {})
    said = capsys.readouterr()
    return Done(code, said.out, said.err)


@pytest.mark.parametrize("arguments", [("--once",), ()], ids=["asked for", "no terminal"])
def test_a_frame_has_all_of_the_overview(url: str, arguments: tuple[str, ...]) -> None:
    """Without control characters, and at most 100 columns wide; the exit code is 0."""
    done = once(url, *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    names = [
        "edgemqttsim",
        "Plant",
        "Broker",
        "Token",
        "Rate",
        "Lateness",
        "Queue",
        "Ledger",
        "True",
        "Faults",
        "Alarms",
    ]
    rows = [line.split()[0] for line in done.stdout.split("\n\n")[0].splitlines()]
    assert [row for row in rows if row != "Reported"] == names  # which comes once jobs were seen
    assert re.search(r"^press +4  [█▓▒░]+  [a-z]+ \d", done.stdout, re.MULTILINE)
    assert "LAST COMMANDS" in done.stdout
    assert all(line.isprintable() and len(line) <= 100 for line in done.stdout.splitlines())


def test_the_rates_of_before_are_in_it(url: str) -> None:
    """As the simulator has kept them, one each five seconds."""
    while not any(rates_until_now(Client(url, timeout_seconds=5))):
        time.sleep(0.5)

    assert re.search(r"^Rate .* msg/s   [ ▁▂▃▄▅▆▇█]{2,} over \d", once(url).stdout, re.MULTILINE)


def test_its_width_is_that_of_the_variable(url: str) -> None:
    """COLUMNS, as for other programs."""
    lines = once(url, environ={"COLUMNS": "60"}).stdout.splitlines()

    assert max(map(len, lines)) <= 60


def test_the_simulator_is_the_one_that_the_variables_describe(url: str) -> None:
    """So that it needs no address in the simulator's own pod."""
    port = url.rpartition(":")[2]

    assert once(environ={"HTTP_HOST": "0.0.0.0", "HTTP_PORT": port}).stdout.startswith("edgemqttsim ")


def test_where_nothing_answers_that_is_said_in_one_line() -> None:
    """With exit code 1, and how to name another address."""
    port = free_port()
    done = once(environ={"HTTP_PORT": str(port)})

    wanted = "nothing listens there; is the simulator running, with HTTP_PORT? `top URL` names another address"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"http://127.0.0.1:{port} does not answer: {wanted}\n"


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"<html>\x1b[31mred", 200, "it is something else"),
        (b"{}", 200, "it is something else"),
        (b"<h1>Not\x1b[2J Found</h1>", 404, "HTTP 404: <h1>Not?[2J Found</h1>"),
        (b'{"title": "Not Found", "detail": "no such\\u001b call"}', 404, "no such? call"),
    ],
)
def test_something_else_that_answers_is_taken_for_no_simulator(
    content: bytes, status: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text reaches the terminal without control characters."""
    with answering(lambda _: content, status) as address:
        done = printed(capsys, address)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{address} answers, but not as a simulator of this version: {why}\n"


def test_text_from_outside_does_nothing_to_the_terminal(url: str) -> None:
    """Control sequences in a command are shown as text, and so is what some programs take for markup."""
    execute(url, command="stop", machine_id="[bold red]X[/]\x1b]0;owned\x07\u202e")

    assert "stop machine_id=[bold red]X[/]?]0;owned??" in once(url).stdout


@pytest.mark.parametrize(
    "overview",
    [
        {"process": {}},
        {"process": {"status": 1, "time_zone": "no/where", "uptime_seconds": "x"}, "types": [], "rate": 7},
        {
            "process": {"status": "ok"},
            "types": {"a": {"states": {"x": -1}, "machines": "1e999"}, "b": None},
            "at": "no",
        },
        {"process": {"status": "odd"}, "broker": {"token_expiry": 1e300}, "wall": "2026-01-01T00:00:00Z"},
        {"process": {"x": 1}, "journal": [{"command": {"command": "reload", "x": [[[[[[1]]]]]]}}, 5, None]},
    ],
)
def test_what_is_not_known_is_a_dash(overview: Mapping[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    """An overview with parts that are missing, or are something else, is shown as far as it goes."""
    with answering(lambda _: json.dumps(overview).encode()) as address:
        done = printed(capsys, address, "--once")

    assert (done.returncode, done.stderr) == (0, "")
    assert "asked –   generated –   delivered –" in done.stdout  # noqa: RUF001
