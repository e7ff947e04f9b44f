"""What both screens have in common: figures above, a list to move in, and keys that sort and filter it."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.css.query import NoMatches
from textual.events import Key
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from cli.top.document import clean
from cli.top.lists import Entry, Sort, arranged
from cli.top.marks import is_bar
from cli.top.spans import Line, Role, Span, fitted, line, plain, width

if TYPE_CHECKING:
    from cli.top.app import TopApp

_STYLES: Final[dict[Role, str]] = {
    "plain": "",
    "title": "bold",
    "label": "bold",
    "good": "ansi_green",
    "warn": "ansi_yellow",
    "bad": "bold ansi_red",
    "muted": "dim",
    "accent": "ansi_cyan",
}

_HELP: Final = (
    ("q, Ctrl-C", "quit"),
    ("p", "pause, and go on"),
    ("s", "sort the list by something else"),
    ("/", "filter the list: a part of a name or state"),
    ("up, down", "select a line"),
    ("Enter, right", "list the machines of the type"),
    ("Escape, left", "back; end the filter"),
    ("?", "this list"),
)


def content(lines: Iterable[Line]) -> Content:
    """Return lines as Textual shows them: their text is never read as markup."""
    return Content("\n").join(
        Content.assemble(*(Content.styled(text, _STYLES[role]) for text, role in each)) for each in lines
    )


def _selected(pieces: Line, columns: int) -> Content:
    """Return the line that is selected: in reverse, except for bars, whose colours would change places."""
    rest = Span(" " * (columns - width(plain(pieces))))
    styled = (
        Content.styled(text, _STYLES[role] if is_bar(text) else f"{_STYLES[role]} reverse")
        for text, role in (*pieces, rest)
    )
    return Content.assemble(*styled)


class ListScreen(Screen[None]):
    """Figures, a list and its titles, lines below, and the keys. sorts: the orders of the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "quit"),
        Binding("p", "app.pause", "pause"),
        Binding("s", "sort", "sort"),
        Binding("slash", "filter", "filter"),
        Binding("question_mark", "help", "help"),
        Binding("escape,left", "back", "back"),
    ]
    AUTO_FOCUS = "OptionList"
    app: TopApp

    def __init__(self, sorts: Sequence[Sort]) -> None:
        super().__init__()
        self._sorts, self._sort = sorts, 0
        self._keys: list[str] = []
        self._lines: list[Line] = []
        self._is_composed = False

    def compose(self) -> ComposeResult:
        """Compose it from the top down."""
        yield Static(id="upper")
        yield Static(id="head")
        yield OptionList(id="list", compact=True, markup=False)
        yield Static(id="lower")
        yield Input(id="filter", placeholder="a part of a name or state; Enter keeps it, Escape ends it", compact=True)
        yield Static(id="foot")

    def on_unmount(self) -> None:
        """Show nothing more."""
        self._is_composed = False

    @abstractmethod
    def entries(self) -> Sequence[Entry]:
        """Return what is listed, before it is sorted and filtered."""

    @abstractmethod
    def table(self, shown: Sequence[Entry], columns: int) -> tuple[Line, list[Line]]:
        """Return the titles of the list, and a line for each entry."""

    @abstractmethod
    def upper(self, columns: int) -> list[Line]:
        """Return the lines above the list."""

    def lower(self, columns: int) -> list[Line]:  # noqa: ARG002 - of those that have some
        """Return the lines below the list."""
        return []

    def on_mount(self) -> None:
        """Show what is known."""
        self.query_one("#filter").display = False
        self._is_composed = True
        self.draw()

    def on_resize(self) -> None:
        """Fit it into the new size."""
        self.draw()

    def draw(self) -> None:
        """Show what is known now."""
        columns = self.app.size.width
        if not self._is_composed or not columns:  # an answer may come before, or after its end
            return
        with contextlib.suppress(NoMatches):  # or while it ends: its parts go first
            self._draw(columns)

    def _draw(self, columns: int) -> None:
        self._static("#upper", [*self._banner(columns), *self.upper(columns)])
        shown = arranged(self.entries(), self._sorts[self._sort], self.query_one(Input).value)
        head, lines = self.table(shown, columns - 2)  # for the scroll bar, and a space
        nothing = [] if shown else [line(Span(self._why_nothing(), "muted"))]
        self._static("#head", [head, *nothing] if self.app.heard.overview else [])
        self._list([each.key for each in shown], lines)
        self._static("#lower", self.lower(columns))
        self._static("#foot", [fitted(self._foot(), columns)])

    def _static(self, where: str, lines: Sequence[Line]) -> None:
        found = self.query_one(where, Static)
        found.display = bool(lines)
        found.update(content(lines))

    def _list(self, keys: list[str], lines: list[Line]) -> None:
        """Show the entries; the one that was selected stays so, wherever it is now."""
        options = self.query_one(OptionList)
        at, selected = options.highlighted, self.selected
        self._lines = lines
        if len(lines) != options.option_count:
            options.set_options([Option(content([each])) for each in lines])
        if keys and (keys != self._keys or options.highlighted is None):
            options.highlighted = keys.index(selected) if selected in keys else min(at or 0, len(keys) - 1)
        self._keys = keys
        self._paint()

    def _paint(self) -> None:
        """Write the lines, the selected one in reverse: Textual's own style of it would leave that out."""
        options = self.query_one(OptionList)
        for place, pieces in enumerate(self._lines):
            is_selected = place == options.highlighted
            shown = _selected(pieces, self.app.size.width) if is_selected else content([pieces])
            before = options.get_option_at_index(place).prompt
            if not (isinstance(before, Content) and before.is_same(shown)):
                options.replace_option_prompt_at_index(place, shown)

    def on_option_list_option_highlighted(self) -> None:
        """Show another line as the selected one."""
        with contextlib.suppress(NoMatches):  # the list may be gone, where this ends
            self._paint()

    @property
    def selected(self) -> str | None:
        """The key of the entry that is selected."""
        at = self.query_one(OptionList).highlighted
        return self._keys[at] if at is not None and at < len(self._keys) else None

    def _why_nothing(self) -> str:
        wanted = self.query_one(Input).value
        return f"nothing has {wanted!r} in its name or state: Escape ends the filter" if wanted else self.why_empty()

    @abstractmethod
    def why_empty(self) -> str:
        """Return why there is nothing to list."""

    def _banner(self, columns: int) -> list[Line]:
        heard = self.app.heard
        if heard.lost:
            known = f"NO ANSWER for {self.app.lost_for}: " if heard.overview else "NO ANSWER: "
            return [fitted([Span(f"{known}{heard.lost}; trying again", "bad")], columns)]
        if self.app.is_paused:
            return [line(Span("PAUSED: p goes on", "warn"))]
        return [] if heard.overview else [line(Span(f"waiting for {self.app.address}", "muted"))]

    def _foot(self) -> list[Span]:
        wanted = self.query_one(Input).value
        keys = [("q", "quit"), ("?", "help"), ("p", "go on" if self.app.is_paused else "pause"), *self.more_keys()]
        keys += [
            ("s", f"sort: {self._sorts[self._sort].title}"),
            ("/", f"filter: {clean(wanted)}" if wanted else "filter"),
        ]
        return [span for key, does in keys for span in (Span(key, "accent"), Span(f" {does}   ", "muted"))]

    def more_keys(self) -> list[tuple[str, str]]:
        """Return further keys, and what they do."""
        return []

    def action_sort(self) -> None:
        """Sort the list by the next order."""
        self._sort = (self._sort + 1) % len(self._sorts)
        self.draw()

    def action_filter(self) -> None:
        """Ask for a text to filter by."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def action_back(self) -> None:
        """End the filter, or go back to where one has come from."""
        field = self.query_one(Input)
        if field.display or field.value:
            self._end_filter("")
        elif len(self.app.screen_stack) > 2:  # below this one: the first, and Textual's own
            self.app.pop_screen()

    def action_help(self) -> None:
        """List the keys."""
        self.app.push_screen(HelpScreen())

    def on_input_changed(self) -> None:
        """Filter while the text is typed."""
        self.draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        self._end_filter(event.value)

    def _end_filter(self, wanted: str) -> None:
        field = self.query_one(Input)
        field.value, field.display = wanted, False
        self.query_one(OptionList).focus()
        self.draw()


class HelpScreen(ModalScreen[None]):
    """The keys."""

    def compose(self) -> ComposeResult:
        """Compose it."""
        width = max(len(key) for key, _ in _HELP)
        keys = [line(Span(f"{key:{width}}", "accent"), Span(f"   {does}")) for key, does in _HELP]
        yield Static(content([line(Span("Keys", "title")), (), *keys, (), line(Span("any key closes this", "muted"))]))

    def on_key(self, event: Key) -> None:
        """Close it; the key does nothing else."""
        event.stop()
        event.prevent_default()
        self.dismiss()
