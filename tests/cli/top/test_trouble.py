"""The screen of `top` where something is wrong: a simulator that is lost or has trouble, and text that attacks."""

from __future__ import annotations

import asyncio
import json
import signal

from textual.widgets import OptionList
from textual.widgets.option_list import Option

from sandbox.broker import EmbeddedBroker
from tests.cli.top.answering import answering
from tests.cli.top.screen import Shown, execute, fetched, on_screen, shown
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port


def test_a_simulator_that_is_lost_is_found_again() -> None:
    """What was known stays, with how long there has been no answer; another one at the address begins afresh."""
    port = free_port()
    flags = ("run", "--dry-run", "--speed", "1", "--http-port", str(port))

    async def look(screen: Shown, first: DaemonProcess) -> None:
        first.process.kill()
        first.wait()
        await screen.shows("NO ANSWER for ")
        assert f"http://127.0.0.1:{port} does not answer: nothing listens there" in screen.text
        assert "seed 5eed" in screen.text
        with DaemonProcess(*flags, "--seed", "other") as second:
            second.url()
            await screen.shows("seed other")
            await screen.until(lambda: "NO ANSWER" not in screen.text, "an answer")

    with DaemonProcess(*flags, "--seed", "5eed") as first:
        on_screen(first.url(), lambda screen: look(screen, first))


def test_a_simulator_may_begin_later_than_the_screen() -> None:
    """It is found without a key."""
    port = free_port()

    async def look() -> None:
        async with shown(f"http://127.0.0.1:{port}") as screen:
            await screen.shows("NO ANSWER: ")
            with DaemonProcess("run", "--dry-run", "--http-port", str(port)) as late:
                late.url()
                await screen.shows("LAST COMMANDS")

    asyncio.run(look())


def test_a_broker_that_is_gone_is_the_reason() -> None:
    """In words, as in /healthz."""

    async def look(screen: Shown) -> None:
        await screen.until(lambda: screen.line("Reason   "), "a reason")
        assert "   OK   " not in screen.text
        assert "not connected to 127.0.0.1:" in screen.line("Broker ")

    with running(EmbeddedBroker()) as broker:
        flags = [*plain(broker), "--http-port", str(free_port())]
        daemon = DaemonProcess("run", *flags)
        daemon.says("connected to broker")
    with daemon:
        on_screen(daemon.url(), look)
        daemon.signal(signal.SIGKILL)


MARKUP = "[bold red]X[/bold red][@click=app.quit]Y[/]"
CONTROL = "\x1b]0;owned\x07\x1b[2J\r\n"


def test_text_of_commands_is_never_markup(url: str) -> None:
    """It is shown as it was sent, without its control characters."""
    execute(url, command="stop", machine_id=f"{MARKUP}{CONTROL}")

    async def look(screen: Shown) -> None:
        await screen.until(lambda: f"machine_id={MARKUP}?]0;owned??[2J??" in screen.text, "the id as text")

    on_screen(url, look, columns=200)


def test_names_of_types_and_machines_are_never_markup(url: str) -> None:
    """Nor are states, faults and alarms; a type of such a name can be selected."""
    name = f"{MARKUP}{CONTROL}"
    overview = {**fetched(url, "/api/v1/overview")}
    overview["types"] = {name: {**overview["types"]["press"], "states": {name: 4}, "producing": name}}
    overview["faults"] = {"active": 1, "list": [{"machine_id": name, "fault": name, "since": overview["at"]}]}
    overview["alarms"] = {"declared": True, "raised": 1, "cleared": 0, "active": {name: 1}}
    machine = {
        "machine_id": name,
        "state": name,
        "since": overview["at"],
        "faults": [{"fault": name}],
        "alarms": [name],
    }
    machines = {"now": overview["at"], "machines": [machine], "next": None}

    async def look(screen: Shown) -> None:
        shown_as = f"{MARKUP}?]0;owned??[2J??"
        assert screen.line("Faults ") == f"Faults   1 active: {shown_as} {shown_as} 0 s"
        assert screen.line("Alarms ").startswith(f"Alarms   1 {shown_as} active")
        await screen.press("enter")
        await screen.until(lambda: f"{shown_as}, {shown_as}" in screen.text, "fault and alarm of the machine")
        assert all(line.isprintable() for line in screen.lines)

    def content(path: str) -> bytes:
        return json.dumps(machines if path.startswith("/api/v1/machines") else overview).encode()

    with answering(content) as address:
        on_screen(address, look, columns=240)


def test_a_long_list_of_machines_says_what_it_leaves_out(url: str) -> None:
    """As the simulator's answer does."""
    overview = {**fetched(url, "/api/v1/overview")}
    overview["types"]["mill"]["machines"] = 12_000
    machines = {"now": overview["at"], "machines": [], "next": "/api/v1/machines?after=X"}

    async def look(screen: Shown) -> None:
        await screen.press("enter")
        await screen.shows("the first 500 of 12,000 are listed")

    with answering(lambda path: json.dumps(machines if "machines?" in path else overview).encode()) as address:
        on_screen(address, look)


def test_a_selection_that_is_told_of_while_the_screen_ends_is_nothing(url: str) -> None:
    """The list goes before the screen, and what it has said of itself may come after that."""

    async def look(screen: Shown) -> None:
        top = screen.app.screen
        await top.query_one(OptionList).remove()
        top.post_message(OptionList.OptionHighlighted(OptionList("x"), Option("x"), 0))
        await screen.wait(0.1)

    on_screen(url, look)
