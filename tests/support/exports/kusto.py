"""KQL without a cluster: Microsoft's own parser says whether a text is right, and the queries run over rows in memory.

The parser (`@kusto/language-service-next`, which Fabric's and Azure Data Explorer's editors use) knows all columns and
their types. It runs in node; tests/setup_monitoring.sh gets it. What runs is its syntax tree, and only as much of the
language as the exported queries use. Times and timespans are milliseconds.
"""

from __future__ import annotations

import ast
import json
import math
import re
import shutil
import subprocess
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

Row = dict[str, Any]
Scope = ChainMap[str, Any]

_FOLDER = Path(__file__).parents[3] / "build" / "kusto"
PARSER = _FOLDER / "node_modules" / "@kusto" / "language-service-next" / "Kusto.Language.Bridge.js"
_FUNCTION = re.compile(r"^(\w+)(\([^{]*\)) (\{.*?^\})", re.DOTALL | re.MULTILINE)
_UNIT_MS = {"ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3, "d": 86400e3}


def why_unavailable() -> str | None:
    """Why KQL cannot be parsed here, with what to do about it; None if it can."""
    if shutil.which("node") and (_FOLDER / "node_modules").is_dir():
        return None
    return "no parser of KQL: install Node.js with npm, then run: sh tests/setup_monitoring.sh"


class Node(NamedTuple):
    """A part of a query: kind, what is in it, and its text where it is a name or a literal."""

    kind: str
    children: list[Node]
    text: str = ""


class Answer(NamedTuple):
    """What the parser says of a text: its mistakes, the columns that come out, and its tree."""

    errors: list[str]
    columns: dict[str, str]
    tree: Node


class Database:
    """What the commands of a script make: `tables` and `functions`, as text, and `mappings` as they are given."""

    def __init__(self, script: str) -> None:
        self.commands = re.split(r"\n(?=\.)", script)[1:]
        self.tables = dict(re.findall(r"^\.create-merge table (\w+) (\(.*?\n\))", script, re.DOTALL | re.MULTILINE))
        self.functions: list[tuple[str, str, str]] = _FUNCTION.findall(script)
        found = re.findall(r'ingestion json mapping ("\w+")\n```\n(.*?)\n```', script, re.DOTALL)
        self.mappings: dict[str, list[Any]] = {json.loads(name): json.loads(text) for name, text in found}


class Parser:
    """Context manager: the parser, running. It takes a second to start, and one or two for a whole script."""

    def __enter__(self) -> Self:
        call = ["node", str(Path(__file__).with_suffix(".js")), str(_FOLDER)]
        self._process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._told: dict[str, Answer] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def parse(self, *asked: tuple[Database, str]) -> list[Answer]:
        """What it says of texts, each in its database; it is asked once for each, as that takes it long."""
        questions = [
            json.dumps({"tables": its.tables, "functions": its.functions, "text": text}) for its, text in asked
        ]
        self._ask([each for each in dict.fromkeys(questions) if each not in self._told])
        return [self._told[each] for each in questions]

    def _ask(self, questions: list[str]) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"[{','.join(questions)}]\n")
        self._process.stdin.flush()
        for question, told in zip(questions, json.loads(self._process.stdout.readline()), strict=True):
            self._told[question] = Answer(told["errors"], dict(told["columns"]), _node(told["tree"]))

    def run(self, query: str, made: Database, tables: Mapping[str, list[Row]]) -> list[Row]:
        """The rows that a query gives over tables in memory."""
        lets = "".join(f"let {name} = {parameters} {body};\n" for name, parameters, body in made.functions)
        [answer] = self.parse((made, lets + query))
        assert answer.errors == []
        scope = Scope(dict(tables))
        *declarations, last = _all(answer.tree, "LetStatement", "ExpressionStatement")
        scope.update({let.children[0].text: let.children[1] for let in declarations})
        return _table(last.children[0], scope)


def _node(told: list[Any]) -> Node:
    """The tree without punctuation, keywords and wrapping; a name is its text."""
    kind, inner = told
    if isinstance(inner, str):
        return Node(kind, [], inner)
    nodes = [_node(each) for each in inner if not (isinstance(each[1], str) and _is_mark(kind, each[0]))]
    if kind in {"SeparatedElement", "TokenName", "ParenthesizedExpression", "CompoundStringLiteralExpression"}:
        return nodes[0]
    if kind == "BracketedName":
        return Node(kind, [], ast.literal_eval(nodes[0].text))
    if kind in {"NameReference", "NameDeclaration"} or (kind.endswith("LiteralExpression") and nodes):
        return Node(kind, [], nodes[0].text)
    if kind in {"ExpressionList", "RowSchema"}:
        return nodes[0]
    return Node(kind, [each for each in nodes if each.kind != "List" or each.children])


def _is_mark(parent: str, kind: str) -> bool:
    named = parent == "TokenName" or parent.endswith("LiteralExpression")
    return not named and kind.endswith(("Token", "Keyword"))


def _all(node: Node, *kinds: str) -> list[Node]:
    """The outermost nodes of these kinds."""
    if node.kind in kinds:
        return [node]
    return [found for child in node.children for found in _all(child, *kinds)]


# tables


def _table(node: Node, scope: Scope) -> list[Row]:
    if node.kind == "PipeExpression":
        source, operator = node.children
        return _OPERATORS[operator.kind](_table(source, scope), operator.children, scope)
    if node.kind == "FunctionCallExpression":
        return _call(node, scope)
    if node.kind == "DataTableExpression":
        return _datatable(node, scope)
    if node.kind == "UnionOperator":
        return [row for table in node.children[-1].children for row in _table(table, scope)]
    found: list[Row] = scope[node.text]
    return found


def _call(node: Node, scope: Scope, *first: list[Row]) -> list[Row]:
    """A function of ours: its parameters are what is given, else their defaults."""
    name, *given = node.children
    declared: Node = scope[name.text]
    values = [*first, *(_value(each, {}, scope) for part in given for each in part.children)]
    inner = scope.new_child()
    for place, parameter in enumerate(_all(declared, "FunctionParameter")):
        name_and_type, *default = parameter.children
        value = values[place] if place < len(values) else _value(default[0].children[0], {}, scope)
        inner[name_and_type.children[0].text] = value
    return _table(declared.children[-1].children[-1], inner)


def _datatable(node: Node, scope: Scope) -> list[Row]:
    schema, *values = node.children
    names = [each.children[0].text for each in schema.children]
    flat = [_value(each, {}, scope) for part in values for each in part.children]
    return [dict(zip(names, flat[at:], strict=False)) for at in range(0, len(flat), len(names))]


def _where(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    return [row for row in rows if _value(parts[0], row, scope)]


def _extend(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    """New columns, which `next` may take from the row after, of rows that are sorted."""
    after = [*rows, {}][1:]
    return [row | _named(parts[0], row, scope.new_child({_NEXT: its})) for row, its in zip(rows, after, strict=True)]


def _sort(rows: list[Row], parts: list[Node], _scope: Scope) -> list[Row]:
    names = [each.children[0].text for each in parts[0].children]
    return sorted(rows, key=lambda row: [row[name] for name in names])


def _mv_expand(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    [expanded] = parts[0].children
    name, values = expanded.children[0].children
    return [row | {name.text: value} for row in rows for value in _value(values, row, scope)]


def _project(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    return [_named(parts[0], row, scope) for row in rows]


def _project_away(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    away = {each.text for each in parts[0].children}
    return [{name: value for name, value in row.items() if name not in away} for row in rows]


def _distinct(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    return [dict(found) for found in dict.fromkeys(tuple(_named(parts[0], row, scope).items()) for row in rows)]


def _lookup(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    options, right, on = parts
    assert options.children[0].children[1].text == "inner"
    [key] = [each.text for each in on.children[0].children]
    others = {row[key]: row for row in _table(right, scope)}
    return [row | others[row[key]] for row in rows if row[key] in others]


def _summarize(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    sums, by = parts
    groups: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(_named(by.children[0], row, scope).items()), []).append(row)
    return [dict(key) | _named(sums, {}, scope.new_child({_GROUP: group})) for key, group in groups.items()]


def _invoke(rows: list[Row], parts: list[Node], scope: Scope) -> list[Row]:
    return _call(parts[0], scope, rows)


_GROUP = "the rows of a group"
_NEXT = "the row after this one"
INGESTED = "ingestion_time()"
"""The key of a row's time of arrival."""
_OPERATORS: dict[str, Callable[[list[Row], list[Node], Scope], list[Row]]] = {
    "FilterOperator": _where,
    "ExtendOperator": _extend,
    "SortOperator": _sort,
    "MvExpandOperator": _mv_expand,
    "ProjectOperator": _project,
    "ProjectAwayOperator": _project_away,
    "DistinctOperator": _distinct,
    "LookupOperator": _lookup,
    "SummarizeOperator": _summarize,
    "InvokeOperator": _invoke,
}


# values


def _named(names: Node, row: Row, scope: Scope) -> Row:
    pairs = ((each, each) if each.kind == "NameReference" else each.children for each in names.children)
    return {name.text: _value(value, row, scope) for name, value in pairs}


def _value(node: Node, row: Row, scope: Scope) -> Any:
    if node.kind == "NameReference":
        return row[node.text] if node.text in row else scope[node.text]
    if node.kind in _LITERALS:
        return _LITERALS[node.kind](node.text)
    if node.kind == "FunctionCallExpression":
        return _function(node, row, scope)
    if node.kind == "InExpression":
        one, many = node.children
        return _value(one, row, scope) in [_value(each, row, scope) for each in many.children]
    return _BINARY[node.kind](*(_value(each, row, scope) for each in node.children))


def _function(node: Node, row: Row, scope: Scope) -> Any:
    name, *given = node.children
    arguments = [each for part in given for each in part.children]
    if name.text == "next":
        return scope[_NEXT].get(arguments[0].text)
    if name.text == "ingestion_time":
        return row[INGESTED]
    if name.text in _AGGREGATES:
        group = scope[_GROUP]
        return _AGGREGATES[name.text]([_value(each, one, scope) for one in group for each in arguments])
    return _FUNCTIONS[name.text](*(_value(each, row, scope) for each in arguments))


def _divide(a: Any, b: Any) -> Any:
    """Two whole numbers give a whole number; by nothing there is none."""
    if not b:
        return math.nan
    return a // b if isinstance(a, int) and isinstance(b, int) else a / b


def _of_known(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Null goes through."""
    return lambda a, b: None if a is None or b is None else operation(a, b)


@cache
def _time(text: str) -> float:
    return datetime.fromisoformat(text[9:-1]).replace(tzinfo=UTC).timestamp() * 1000


@cache
def _span(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNIT_MS[unit]


@cache
def _string(text: str) -> str:
    return text[2:-1] if text.startswith("@") else str(ast.literal_eval(text))


_LITERALS: dict[str, Callable[[str], Any]] = {
    "StringLiteralExpression": _string,
    "RealLiteralExpression": lambda text: None if text == "real(null)" else float(text),
    "LongLiteralExpression": int,
    "BooleanLiteralExpression": lambda text: text == "true",
    "DateTimeLiteralExpression": _time,
    "TimespanLiteralExpression": _span,
}
_BINARY: dict[str, Callable[..., Any]] = {
    "AndExpression": lambda a, b: a and b,
    "EqualExpression": lambda a, b: a == b,
    "MatchesRegexExpression": lambda text, pattern: re.search(pattern, text) is not None,
    "NotEqualExpression": lambda a, b: a != b,
    "GreaterThanExpression": lambda a, b: a > b,
    "LessThanOrEqualExpression": lambda a, b: a <= b,
    "AddExpression": _of_known(lambda a, b: a + b),
    "SubtractExpression": _of_known(lambda a, b: a - b),
    "MultiplyExpression": _of_known(lambda a, b: a * b),
    "DivideExpression": _of_known(_divide),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "isnotempty": lambda text: text not in ("", None),
    "coalesce": lambda *each: next((one for one in each if one not in ("", None)), each[-1]),
    "case": lambda *each: next((then for when, then in zip(each[::2], each[1::2], strict=False) if when), each[-1]),
    "iff": lambda condition, yes, no: yes if condition else no,
    "not": lambda value: not value,
    "todouble": float,
    "bin": lambda value, size: value // size * size,
    "isempty": lambda text: text in ("", None),
    "min_of": min,
    "max_of": max,
    "range": lambda low, high, step: [low + step * at for at in range(int((high - low) // step) + 1)],
    "unixtime_milliseconds_todatetime": float,
    "unixtime_seconds_todatetime": lambda seconds: 1000 * seconds,
}
_AGGREGATES: dict[str, Callable[[Iterable[Any]], Any]] = {
    "countif": lambda values: sum(map(bool, values)),
    "count_distinct": lambda values: len(set(values)),
    "take_any": lambda values: next(iter(values)),
    "sum": sum,
}
