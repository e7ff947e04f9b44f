"""The screen of `top` at a real simulator: what it shows, and what its keys do."""

from __future__ import annotations

import re

import pytest

from tests.cli.top.screen import Shown, execute, fetched, on_screen

ABOUT = "edgemqttsim ", "Plant ", "Broker ", "Token ", "Rate ", "Lateness ", "Queue ", "Ledger ", "True OEE "
OEE = r"True OEE [\d.]+ % = availability [\d.]+ % × performance [\d.]+ % × quality [\d.]+ %$"  # noqa: RUF001
BELOW = "Faults ", "Alarms ", "TYPE ", "mill ", "press ", "LAST COMMANDS", "q quit"


def test_the_figures_are_those_of_the_overview(url: str) -> None:
    """Status, broker, token, rate, queue, OEE, machines and the zone of the plant."""

    async def look(screen: Shown) -> None:
        overview = fetched(url, "/api/v1/overview")
        assert re.match(r"edgemqttsim \S+   OK   plant time \d{4}-\d\d-\d\d [\d:]{8} Europe/Berlin", screen.text)
        assert screen.line("Plant ").startswith("Plant    6 machines of 2 types   up ")
        port = overview["broker"]["port"]
        assert screen.line("Broker ") == f"Broker   connected to localhost:{port} (MQTT 5, TLS, K8S-SAT)"
        assert re.match(r"Token    expires in \d+ min", screen.line("Token "))
        asked = overview["rate"]["asked"]
        assert f"asked {asked:.2f}   generated " in screen.line("Rate ")
        assert re.match(r"Queue    \d+ of 1,000 \(drop-oldest\)   in flight \d+   dropped 0", screen.line("Queue "))
        await screen.until(lambda: re.match(OEE, screen.line("True OEE ")), "the first jobs")
        assert re.match(r"press +4  [█▓▒░]+  [a-z]+ \d", screen.line("press "))

    on_screen(url, look)


def test_the_rate_is_a_line_that_grows(url: str) -> None:
    """With the time that it shows."""

    async def look(screen: Shown) -> None:
        await screen.until(lambda: re.search(r"msg/s   [ ▁▂▃▄▅▆▇█]+ over \d", screen.line("Rate ")), "a sparkline")
        before = screen.app.rates.seconds
        await screen.until(lambda: screen.app.rates.seconds >= before + 2, "two more samples")

    on_screen(url, look)


def test_commands_are_shown_with_their_outcome(url: str) -> None:
    """The newest first: done, or refused with the rule."""
    execute(url, command="stop", machine_id="PRESS-02")
    execute(url, command="stop", machine_id="PRESS-77")

    async def look(screen: Shown) -> None:
        await screen.shows("stop machine_id=PRESS-77  refused: machine_id: no machine has the id")
        assert "stop machine_id=PRESS-02  done" in screen.text
        await screen.until(lambda: re.search("stopped [1-9]", screen.line("press ")), "a press that is stopped")

    on_screen(url, look)


def test_a_fault_is_counted_and_named(url: str) -> None:
    """Above with its machine and its age, and at its type."""
    execute(url, command="inject", machine_id="MILL-02", fault="jam", seconds=600)

    async def look(screen: Shown) -> None:
        await screen.until(lambda: "MILL-02 jam" in screen.line("Faults "), "the fault")
        assert re.match(r"Faults   \d+ active: .*MILL-02 jam \d", screen.line("Faults "))

        def is_counted() -> bool:
            active = screen.app.overview.at("types", "mill", "faults").count
            return bool(active and re.search(rf" {active} +0 ", screen.line("mill ")))

        await screen.until(is_counted, "their number")

    on_screen(url, look)


@pytest.mark.parametrize("key", ["enter", "right"])
def test_a_type_leads_to_its_machines_and_back(url: str, key: str) -> None:
    """By Enter or the arrow to the right; Escape goes back to the type that was selected."""

    async def look(screen: Shown) -> None:
        await screen.press("down", key)
        await screen.shows("PRESS-04")
        assert "press: 4 machines" in screen.text
        assert "MILL-01" not in screen.text
        head = screen.line("MACHINE ").split()
        assert head == ["MACHINE", "STATE", "FOR", "JOB", "FAULTS,", "ALARMS"]
        execute(url, command="stop", machine_id="PRESS-03")
        await screen.until(lambda: screen.line("PRESS-03").split()[1] == "stopped", "a press that is stopped")
        await screen.press("escape")
        await screen.shows("TYPE ")
        assert screen.selected == "press"

    on_screen(url, look)


def test_the_types_are_sorted_by_what_one_chooses(url: str) -> None:
    """The line below names the order; the type that is selected stays selected."""

    async def look(screen: Shown) -> None:
        assert "s sort: plant order" in screen.text
        assert screen.text.index("\nmill ") < screen.text.index("\npress ")
        assert screen.selected == "mill"
        await screen.press("s", "s")
        assert "s sort: most machines" in screen.text
        assert screen.text.index("\npress ") < screen.text.index("\nmill ")
        assert screen.selected == "mill"

    on_screen(url, look)


def test_the_list_is_filtered_while_one_types(url: str) -> None:
    """Enter keeps the filter, Escape ends it; a letter of it is no command."""

    async def look(screen: Shown) -> None:
        await screen.press("slash", "p", "r", "e", "s")
        assert screen.line("press ")
        assert not screen.line("mill ")
        assert not screen.app.is_paused
        await screen.press("q", "enter")
        assert "nothing has 'presq' in its name or state" in screen.text
        assert "/ filter: presq" in screen.text
        await screen.press("escape")
        assert screen.line("mill ")

    on_screen(url, look)


def test_a_pause_holds_what_is_shown(url: str) -> None:
    """Until the same key ends it."""

    async def look(screen: Shown) -> None:
        await screen.press("p")
        assert screen.text.startswith("PAUSED")
        await screen.wait(1.0)  # for an answer that was on its way
        before = screen.app.heard.taken
        execute(url, command="start", machine_id="PRESS-01")
        await screen.wait(1.5)
        assert screen.app.heard.taken == before
        assert "start machine_id=PRESS-01" not in screen.text
        await screen.press("p")
        await screen.shows("start machine_id=PRESS-01")
        assert not screen.text.startswith("PAUSED")

    on_screen(url, look)


def test_help_lists_the_keys_and_any_key_closes_it(url: str) -> None:
    """That key does nothing else."""

    async def look(screen: Shown) -> None:
        await screen.press("question_mark")
        assert "list the machines of the type" in screen.text
        await screen.press("p")
        await screen.shows("True OEE")
        assert "list the machines of the type" not in screen.text
        assert not screen.app.is_paused

    on_screen(url, look)


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (110, 32), (240, 60)])
def test_all_of_it_fits_into_the_terminal(url: str, columns: int, lines: int) -> None:
    """80 columns and 24 lines are enough for each figure, every type, commands and keys; nothing is wrapped."""

    async def look(screen: Shown) -> None:
        await screen.until(lambda: "▁" in screen.text or "█" in screen.line("Rate "), "a sparkline")
        assert len(screen.lines) == lines
        found = [next((name for name in (*ABOUT, *BELOW) if line.startswith(name)), None) for line in screen.lines]
        assert [name for name in found if name] == [*ABOUT, *BELOW]
        assert screen.lines[-1].rstrip().endswith("/ filter")
        await screen.until(lambda: re.match(OEE, screen.line("True OEE ")), "the first jobs")

    on_screen(url, look, columns, lines)


def test_another_size_of_the_terminal_is_used_at_once(url: str) -> None:
    """Bars and texts take the columns that there are."""

    async def look(screen: Shown) -> None:
        await screen.resize(80, 24)
        narrow = len(re.findall("[█▓▒░]", screen.line("press ")))
        await screen.resize(200, 40)
        assert (narrow, len(re.findall("[█▓▒░]", screen.line("press ")))) == (10, 39)

    on_screen(url, look)
