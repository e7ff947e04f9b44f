"""The lower part of the overview: machines by type, those of a type, and the last commands, a line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Final, NamedTuple

from cli.top import words
from cli.top.document import Node, clean
from cli.top.marks import ordered, role, state_bar
from cli.top.spans import Line, Role, Span, cell, cut, fitted, line, width

_NAME_COLUMNS: Final = (8, 28)
_BAR_SHARE, _SHORTEST_BAR = 0.2, 10
_WIDE: Final = 100
"""Columns of a terminal from which on a bar takes its share of them."""


class Entry(NamedTuple):
    """A line of a list. key: what it is about, as the simulator has it.  name: the same, to be shown."""

    key: str
    name: str
    node: Node


class Sort(NamedTuple):
    """An order of a list, in words, and by what."""

    title: str
    key: Callable[[Entry], tuple[float | str, ...]]


def _worst(entry: Entry) -> float:
    oee = entry.node.at("oee", "oee").number
    return 2.0 if oee is None else oee


def _not_well(entry: Entry) -> int:
    return -(entry.node.at("faults").count + entry.node.at("alarms").count)


TYPE_SORTS: Final = (
    Sort("plant order", lambda _: ()),
    Sort("name", lambda entry: (entry.name,)),
    Sort("most machines", lambda entry: (-entry.node.at("machines").count,)),
    Sort("faults, alarms", lambda entry: (_not_well(entry),)),
    Sort("lowest OEE", lambda entry: (_worst(entry),)),
)

MACHINE_SORTS: Final = (
    Sort("number", lambda _: ()),
    Sort("state", lambda entry: (entry.node.at("state").text,)),
    Sort(
        "faults, alarms",
        lambda entry: (-len(entry.node.at("faults").items()) - len(entry.node.at("alarms").items()),),
    ),
    Sort("longest in its state", lambda entry: (entry.node.at("since").text,)),
)


def types_of(overview: Node) -> list[Entry]:
    """Return the machine types, in the order that the plant has them in."""
    return [Entry(key, clean(key), node) for key, node in overview.at("types").entries()]


def machines_of(answer: Node) -> list[Entry]:
    """Return the machines in an answer of `GET /api/v1/machines`."""
    ids = ((node.at("machine_id").value, node) for node in answer.at("machines").items())
    return [Entry(str(key), clean(str(key)), node) for key, node in ids]


def arranged(entries: Sequence[Entry], sort: Sort, wanted: str) -> list[Entry]:
    """Return the entries with a text in their name or state, whatever its case, in an order."""
    text = wanted.casefold()
    return sorted(
        (each for each in entries if text in f"{each.name} {each.node.at('state').text}".casefold()), key=sort.key
    )


class TypeColumns:
    """The columns of machines by type, for a width of the terminal and the types that there are."""

    def __init__(self, entries: Sequence[Entry], columns: int) -> None:
        least, most = _NAME_COLUMNS
        longest = max((width(each.name) for each in entries), default=0)
        self.name = max(least, min(most, longest, columns // 4))
        self.bar = int(columns * _BAR_SHARE) if columns >= _WIDE else _SHORTEST_BAR
        fixed = self.name + 1 + 8 + 2 + self.bar + 2 + 2 + 6 + 2 + 6 + 2 + 7
        self.states = max(8, columns - fixed)
        self._columns = columns

    def head(self) -> Line:
        """Return the titles."""
        left = f"{cell('TYPE', self.name)} {'MACHINES':>8}  {cell('STATES', self.bar + 2 + self.states)}"
        return fitted([Span(f"{left}  FAULTS  ALARMS  {'OEE':>7}", "label")], self._columns)

    def line(self, entry: Entry) -> Line:
        """Return the line of a type."""
        node = entry.node
        producing = node.at("producing").text or None
        states = ordered({clean(state): each.count for state, each in node.at("states").entries()}, producing)
        is_on = node.at("enabled").value is not False
        text = ", ".join(f"{state} {count:,}" for state, count in states)
        oee = words.percent(node.at("oee", "oee").number)
        pieces = [
            Span(f"{cell(entry.name, self.name)} {cell(words.number(node.at('machines').number), 8, right=True)}  "),
            *state_bar(states, producing, self.bar),
            Span("  "),
            *([] if is_on else [Span("off ", "warn")]),
            Span(cell(text, self.states - (0 if is_on else 4))),
            Span("  "),
            _count(node.at("faults").number, 6),
            Span("  "),
            _count(node.at("alarms").number, 6),
            Span(f"  {cell(oee, 7, right=True)}"),
        ]
        return fitted(pieces, self._columns)


class MachineColumns:
    """The columns of the machines of a type. now: plant time of what is shown."""

    def __init__(self, entries: Sequence[Entry], columns: int, now: str, producing: str | None) -> None:
        least, most = _NAME_COLUMNS
        longest = max((width(each.name) for each in entries), default=0)
        self.name = max(least, min(most, longest))
        self._columns, self._now, self._producing = columns, now, producing
        left = columns - self.name - 2 - 14 - 2 - 12 - 2
        self.job = max(10, min(28, left // 2))
        self._rest = max(8, left - self.job - 2)

    def head(self) -> Line:
        """Return the titles."""
        titles = f"{cell('MACHINE', self.name)}  {'STATE':14}  {'FOR':>12}  {cell('JOB', self.job)}  FAULTS, ALARMS"
        return fitted([Span(titles, "label")], self._columns)

    def line(self, entry: Entry) -> Line:
        """Return the line of a machine."""
        node = entry.node
        state, since = node.at("state").text, words.since(node.at("since").text, self._now)
        job = node.at("job")
        share = words.percent(job.at("progress").number) if job.is_there else ""
        not_well = [each.at("fault").text for each in node.at("faults").items()]
        not_well += [str(each) for each in node.at("alarms").items()]
        pieces = [
            Span(f"{cell(entry.name, self.name)}  "),
            Span(cell(state, 14), role(state, self._producing)),
            Span(f"  {cell(words.duration(since), 12, right=True)}  "),
            Span(cell(f"{job.at('kind').text} {share}".strip(), self.job)),
            Span("  "),
            Span(cut(", ".join(not_well), self._rest), "bad") if not_well else Span("none", "muted"),
        ]
        return fitted(pieces, self._columns)


def command_lines(overview: Node, zone: tzinfo, columns: int, most: int) -> list[Line]:
    """Return the newest commands, the newest first, or that there are none."""
    entries = overview.at("journal").items()[:most]
    return [_command(each, zone, columns) for each in entries] or [line(Span("none so far", "muted"))]


def _command(entry: Node, zone: tzinfo, columns: int) -> Line:
    command = entry.at("command")
    keys = " ".join(f"{clean(key)}={each}" for key, each in command.entries() if key not in ("command", "content"))
    refused = entry.at("error").text
    outcome = Span(f"refused: {refused}", "bad") if refused else Span("done", "good")
    head = f"{words.clock(entry.at('time').text, zone)}  {entry.at('by').text}  "
    pieces = [Span(head, "muted"), Span(f"{command.at('command').text} {keys}".rstrip()), Span("  "), outcome]
    return fitted(pieces, columns)


def _count(value: float | None, columns: int) -> Span:
    shade: Role = "bad" if value else "plain"
    return Span(cell(words.number(value), columns, right=True), shade)
