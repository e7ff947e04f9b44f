"""The screens of `top` in the terminal: the overview, and the machines of a type."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList

from cli.ctl.client import Client
from cli.top import words
from cli.top.document import Node, clean
from cli.top.frame import commands_head
from cli.top.list_screen import ListScreen
from cli.top.lists import (
    MACHINE_SORTS,
    TYPE_SORTS,
    Entry,
    MachineColumns,
    TypeColumns,
    command_lines,
    machines_of,
    types_of,
)
from cli.top.marks import Samples, ordered
from cli.top.panels import upper_lines, zone_of
from cli.top.spans import Line, Span, fitted
from cli.top.watch import MOST_MACHINES, Heard, Watch

_LOW_LINES: Final = 26
"""On a terminal with fewer lines, fewer of the last commands are shown."""


class TopApp(App[None]):
    """A simulator at a glance. client: asks it.  elapsed: monotonic seconds."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Static { height: auto; text-wrap: nowrap; }
    #list { height: 1fr; scrollbar-size-vertical: 1; padding: 0; }
    #list > .option-list--option-highlighted { color: ansi_default; background: ansi_default; text-style: reverse; }
    #list:focus > .option-list--option-highlighted {
        color: ansi_default; background: ansi_default; text-style: reverse;
    }
    #head { padding-top: 1; }
    #filter { height: 1; }
    HelpScreen { align: center middle; }
    HelpScreen Static { width: auto; padding: 1 3; border: solid ansi_cyan; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", show=False, priority=True)]

    class Answer(Message):
        """An answer of the simulator, or that there is none."""

        def __init__(self, heard: Heard) -> None:
            super().__init__()
            self.heard = heard

    def __init__(self, client: Client, elapsed: Callable[[], float]) -> None:
        super().__init__(ansi_color=True)  # from the start: by it, Textual decides what NO_COLOR means
        self.theme = "ansi-dark"  # the terminal's own colours, on its own background
        self.animation_level = "none"
        self.heard, self.rates, self.is_paused = Heard(), Samples(), False
        self.address = clean(client.shown_url)
        self.watch_simulator = Watch(client, self._hear, elapsed)
        self._elapsed = elapsed

    @property
    def lost_for(self) -> str:
        """How long there has been no answer, in words."""
        return words.duration(self._elapsed() - self.heard.since)

    @property
    def overview(self) -> Node:
        """The newest overview; one in which nothing is known before the first."""
        return self.heard.overview or Node(None)

    def on_mount(self) -> None:
        """Begin to ask."""
        if not self.is_headless:  # a test keeps its own
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self._end, 128 + number)
        self.push_screen(OverviewScreen())
        self.watch_simulator.start()

    def on_unmount(self) -> None:
        """Ask no more."""
        self.watch_simulator.close()

    def _end(self, code: int) -> None:
        self.exit(return_code=code)

    def _hear(self, heard: Heard) -> None:
        """Hand an answer to the screen; called in the thread that asks."""
        with contextlib.suppress(RuntimeError):  # the screen has just ended
            self.post_message(self.Answer(heard))

    def on_top_app_answer(self, event: Answer) -> None:
        """Show an answer."""
        if event.heard.before is not None:
            self.rates = Samples(event.heard.before)
        if event.heard.taken > self.heard.taken and event.heard.overview is not None:
            self.rates.add(event.heard.overview.at("rate", "delivered").number)
        self.heard = event.heard
        self._draw()

    def action_pause(self) -> None:
        """Stop asking for a while, or go on."""
        self.is_paused = not self.is_paused
        self.watch_simulator.pause(self.is_paused)
        self._draw()

    def _draw(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, ListScreen):
                screen.draw()


class OverviewScreen(ListScreen):
    """The figures of the simulator, machines by type, and the last commands."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("right", "machines", "machines")]

    def __init__(self) -> None:
        super().__init__(TYPE_SORTS)

    def entries(self) -> Sequence[Entry]:
        """Return the machine types."""
        return types_of(self.app.overview)

    def table(self, shown: Sequence[Entry], columns: int) -> tuple[Line, list[Line]]:
        """Return the machine types, a line each."""
        found = TypeColumns(self.entries(), columns)
        return found.head(), [found.line(each) for each in shown]

    def upper(self, columns: int) -> list[Line]:
        """Return the figures."""
        return upper_lines(self.app.overview, self.app.rates, columns) if self.app.heard.overview else []

    def why_empty(self) -> str:
        """Return that there are no types."""
        return "the plant has no machines"

    def lower(self, columns: int) -> list[Line]:
        """Return the last commands."""
        overview = self.app.heard.overview
        if overview is None:
            return []
        is_low = self.app.size.height < _LOW_LINES
        rows = command_lines(overview, zone_of(overview), columns, 2 if is_low else 5)
        return [*([] if is_low else [()]), commands_head(columns), *rows]

    def more_keys(self) -> list[tuple[str, str]]:
        """Return the key that leads to machines."""
        return [("Enter", "machines")]

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """List the machines of the type that is selected."""
        self.action_machines()

    def action_machines(self) -> None:
        """List the machines of the type that is selected."""
        if self.selected is not None:
            self.app.push_screen(MachinesScreen(self.selected))


class MachinesScreen(ListScreen):
    """The machines of a type. kind: the type."""

    def __init__(self, kind: str) -> None:
        super().__init__(MACHINE_SORTS)
        self._kind = kind

    def on_mount(self) -> None:
        """Ask for its machines too."""
        self.app.watch_simulator.want(self._kind)

    def on_unmount(self) -> None:
        """Ask for them no more."""
        self.app.watch_simulator.want(None)

    @property
    def _answer(self) -> Node:
        heard = self.app.heard
        return heard.machines if heard.machines and heard.kind == self._kind else Node(None)

    def entries(self) -> Sequence[Entry]:
        """Return the machines."""
        return machines_of(self._answer)

    def table(self, shown: Sequence[Entry], columns: int) -> tuple[Line, list[Line]]:
        """Return the machines, a line each."""
        producing = self._type.at("producing").text or None
        found = MachineColumns(self.entries(), columns, self._answer.at("now").text, producing)
        return found.head(), [found.line(each) for each in shown]

    def upper(self, columns: int) -> list[Line]:
        """Return the status of the simulator, and how the type is."""
        count = self._type.at("machines").count
        states = {clean(state): each.count for state, each in self._type.at("states").entries()}
        producing = self._type.at("producing").text or None
        shown = ", ".join(f"{number:,} {state}" for state, number in ordered(states, producing))
        about = [Span(f"{clean(self._kind)}: {words.plural(count, 'machine')}", "title"), Span(f"   {shown}")]
        left_out = [Span(f"the first {MOST_MACHINES} of {count:,} are listed", "warn")] if self._is_cut else []
        status = upper_lines(self.app.overview, self.app.rates, columns)[:1]
        return [*status, fitted(about, columns), *([fitted(left_out, columns)] if left_out else [])]

    def why_empty(self) -> str:
        """Return that they are not known yet, or that there are none."""
        return "the type has no machines now" if self._answer.is_there else "asking for the machines"

    def more_keys(self) -> list[tuple[str, str]]:
        """Return the key that leads back."""
        return [("Esc", "back")]

    @property
    def _type(self) -> Node:
        return dict(self.app.overview.at("types").entries()).get(self._kind, Node(None))

    @property
    def _is_cut(self) -> bool:
        return self._answer.at("next").is_there
