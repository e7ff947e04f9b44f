"""The overview as text: one frame, as `top --once` prints it."""

from __future__ import annotations

from cli.top.document import Node
from cli.top.lists import TYPE_SORTS, TypeColumns, arranged, command_lines, types_of
from cli.top.marks import Samples
from cli.top.panels import upper_lines, zone_of
from cli.top.spans import Line, Span, fitted, line


def frame(overview: Node, rates: Samples, columns: int) -> list[Line]:
    """Return all lines of the overview: its figures, every machine type, and the last commands."""
    types = arranged(types_of(overview), TYPE_SORTS[0], "")
    table = TypeColumns(types, columns)
    shown = [table.line(each) for each in types] or [line(Span("the plant has no machines", "muted"))]
    return [
        *upper_lines(overview, rates, columns),
        (),
        table.head(),
        *shown,
        (),
        commands_head(columns),
        *command_lines(overview, zone_of(overview), columns, 5),
    ]


def commands_head(columns: int) -> Line:
    """Return the title of the last commands."""
    return fitted([Span("LAST COMMANDS", "label")], columns)
