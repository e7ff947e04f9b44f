"""KQL for Fabric Eventhouse and Azure Data Explorer: a table for all messages, and OEE from its rows.

The functions follow the contract of docs/messages.md. A row represents one period in its status; a row with a
result is one finished job, too. Types whose jobs may be shorter than the period report each job in an additional row,
which represents no time. A row may be delivered twice (MQTT's at least once) and counts once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from string import Template
from typing import Final

from cli.exports.common.export import Export, File
from plant.catalogue.catalogue import FieldSource, FieldSpec, MessageKind
from plant.telemetry import PLANNED_STOP

TABLE: Final = "Factory"
"""The table of messages of machines, orders and dispatches; a column that a kind does not have is empty."""

REPORTS: Final = "FactoryReports"
"""The table of OEE reports, whose `quality` is a number."""

MAPPING: Final = "Json"
"""Suffix of a table's ingestion mapping, which maps each key of a message to the column of its name."""

_TYPES: Final = {"string": "string", "number": "real", "integer": "long", "boolean": "bool", "array": "dynamic"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def kql(export: Export) -> list[File]:
    """KQL for Fabric Eventhouse or Azure Data Explorer: tables, mappings, OEE functions, queries for a dashboard.

    Two files, kql/database.kql to run once and kql/queries.kql, for those who store messages. Tested by Microsoft's
    parser (@kusto/language-service-next), and by running the functions over messages of a plant in an interpreter.
    """
    machines = [kind for kind in export.kinds if kind.machines]
    tables = [
        part for name, kinds in tables_of(export.kinds).items() for part in (_table(name, kinds), _mapping(name, kinds))
    ]
    # No empty line: in the editors of both services it ends the statement.
    script = "\n".join([_SCRIPT, *tables, *(_functions(machines) if machines else ())])
    queries = [_COUNTS, *([_OEE] if machines else []), *([_GROUND_TRUTH] if REPORTS in tables_of(export.kinds) else [])]
    return [File("kql/database.kql", f"{script}\n"), File("kql/queries.kql", "\n".join([_HEAD, *queries]))]


def tables_of(kinds: Iterable[MessageKind]) -> dict[str, list[MessageKind]]:
    """Return the tables, and the kinds of message stored in each."""
    found: dict[str, list[MessageKind]] = {}
    for kind in kinds:
        found.setdefault(table_of(kind), []).append(kind)
    return found


def table_of(kind: MessageKind) -> str:
    """Return the table of a kind of message."""
    return REPORTS if kind.retained else TABLE


def columns(kinds: Iterable[MessageKind]) -> dict[str, str]:
    """Return the columns of a table with their types: all fields of all kinds, dynamic where the kinds differ."""
    found: dict[str, str] = {}
    for field in (field for kind in kinds for field in kind.fields):
        its = _column_type(field)
        found[field.name] = its if found.get(field.name, its) == its else "dynamic"
    return found


def literal(text: str) -> str:
    """Return a string literal for any text."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def identifier(name: str) -> str:
    """Return a column's name, quoted if necessary."""
    return name if _NAME.fullmatch(name) else f"[{literal(name)}]"


def _column_type(field: FieldSpec) -> str:
    return "datetime" if field.format == "date-time" else _TYPES[field.json_type]


def _table(table: str, kinds: Iterable[MessageKind]) -> str:
    lines = ",\n".join(f"    {identifier(name)}: {its}" for name, its in columns(kinds).items())
    return f".create-merge table {table} (\n{lines}\n)"


def _mapping(table: str, kinds: Iterable[MessageKind]) -> str:
    entries = [{"column": name, "Properties": {"Path": _path(name)}} for name in columns(kinds)]
    lines = ",\n".join(f"    {json.dumps(entry)}" for entry in entries)
    return f".create-or-alter table {table} ingestion json mapping {literal(table + MAPPING)}\n```\n[\n{lines}\n]\n```"


def _path(name: str) -> str:
    return f"$.{name}" if _NAME.fullmatch(name) else f"$[{json.dumps(name)}]"


def _functions(machines: list[MessageKind]) -> Iterable[str]:
    content = {
        "table": TABLE,
        "types": ",\n        ".join(map(_nameplate, machines)),
        "machine_type": _machine_type(machines),
        "job": _first_of(machines, FieldSource.FINISHED_ID),
        "result": _first_of(machines, FieldSource.FINISHED_RESULT),
        "is_good": _is_good(machines),
        "planned_stop": literal(PLANNED_STOP),
    }
    return [
        Template(text).substitute(content) for text in (_MACHINE_TYPES, _MACHINE_ROWS, _FIGURES, _BY_MACHINE, _BY_TYPE)
    ]


def _machine_type(machines: Iterable[MessageKind]) -> str:
    """Return an expression for the type of a machine, by its id; empty if it is not in this plant."""
    forms = (f"machine_id matches regex {literal(kind.machine_ids or '')}, {literal(kind.key)}" for kind in machines)
    return "case(\n        " + ",\n        ".join([*forms, literal("")]) + ")"


def _nameplate(kind: MessageKind) -> str:
    """Return the properties of a type that are not in its messages, as a row of a datatable."""
    period, ideal = kind.period_seconds or 0.0, kind.ideal_cycle_seconds or 0.0
    # Additional rows report jobs if the shortest job is shorter than the period, in whole milliseconds as in the plant.
    extra = round(ideal * 1000) < math.ceil(round(period * 1000, 6))
    texts = map(literal, (kind.key, kind.producing_state or ""))
    return ", ".join([*texts, repr(period), repr(ideal), str(extra).lower()])


def _first_of(machines: list[MessageKind], role: FieldSource) -> str:
    """Return an expression for a role's value, under any name; by type if a name has another role in another type."""
    names = {kind.key: field.name for kind in machines for field in kind.fields if field.role == role}
    distinct = [identifier(name) for name in dict.fromkeys(names.values())]
    others = {field.name for kind in machines for field in kind.fields if field.role != role}
    if others & {*names.values()}:
        by_type = [(kind, identifier(names[kind.key])) for kind in machines if kind.key in names]
        forms = (f"machine_id matches regex {literal(kind.machine_ids or '')}, {name}" for kind, name in by_type)
        return f"case({', '.join(forms)}, '')"
    return distinct[0] if len(distinct) == 1 else f"coalesce({', '.join(distinct)})"


def _is_good(machines: list[MessageKind]) -> str:
    """Whether a row's result is good, for its type."""
    if len({kind.good for kind in machines}) == 1:
        return f"result in ({_literals(machines[0].good)})"
    forms = (f"machine_type == {literal(kind.key)}, result in ({_literals(kind.good)})" for kind in machines)
    return f"case({', '.join(forms)}, false)"


def _literals(texts: Iterable[str]) -> str:
    return ", ".join(map(literal, texts))


_SCRIPT: Final = """\
// The tables, mappings and OEE functions of this plant, for Fabric Eventhouse and Azure Data Explorer.
// Generated by: python app.py export kql
// Run it as a whole, and again after a change to the plant. Existing data is kept.
.execute database script with (ThrowOnErrors = true) <|"""

_MACHINE_TYPES: Final = """\
.create-or-alter function with (docstring = "Properties of machine types that are not in their rows.")
FactoryMachineTypes() {
    datatable(
        machine_type: string, producing_state: string, period_seconds: real, ideal_cycle_seconds: real, extra_rows: bool
    ) [
        $types
    ]
}"""

_MACHINE_ROWS: Final = """\
.create-or-alter function with (docstring = "Rows of machines after one moment and up to another, each once.")
FactoryMachineRows(since: datetime, until: datetime) {
    $table
    | where timestamp > since and timestamp <= until and isnotempty(machine_id) and isnotempty(status)
    | extend job = $job, result = $result
    | distinct timestamp, machine_id, status, job, result
    | extend machine_type = $machine_type
    | lookup kind=inner (FactoryMachineTypes()) on machine_type
    | extend finished = isnotempty(result)
    | extend beat = not(extra_rows and finished)
    | project timestamp, machine_id, machine_type, status, job, result, period_seconds, ideal_cycle_seconds, finished,
        seconds = iff(beat, period_seconds, 0.0),
        is_good = $is_good,
        is_planned = beat and status != $planned_stop,
        is_producing = beat and status == producing_state
}"""

_FIGURES: Final = """\
.create-or-alter function with (docstring = "ISO 22400-2 from counts; null if a denominator is 0.")
FactoryFigures(counts: (planned: long, producing: long, jobs: long, good: long, period: real, ideal: real)) {
    counts
    | extend
        availability = iff(planned > 0, todouble(producing) / planned, real(null)),
        performance = iff(producing > 0, ideal * jobs / (producing * period), real(null)),
        quality = iff(jobs > 0, todouble(good) / jobs, real(null))
    | extend oee = availability * performance * quality
    | project-away period, ideal
}"""

_SUMS: Final = """\
        planned = countif(is_planned), producing = countif(is_producing),
        jobs = countif(finished), good = countif(is_good),
        period = take_any(period_seconds), ideal = take_any(ideal_cycle_seconds)"""

_BY_MACHINE: Final = f"""\
.create-or-alter function with (docstring = "OEE of each machine, by hour or another span.")
FactoryOeeByMachine(since: datetime, until: datetime, span: timespan = 1h) {{
    FactoryMachineRows(since, until)
    | summarize
{_SUMS}
        // A row on the hour represents the time before it.
        by machine_type, machine_id, begins = bin(timestamp - 1ms, span)
    | invoke FactoryFigures()
}}"""

_BY_TYPE: Final = f"""\
.create-or-alter function with (docstring = "OEE of all machines of a type together.")
FactoryOeeByType(since: datetime, until: datetime, span: timespan = 1h) {{
    FactoryMachineRows(since, until)
    | summarize
        machines = count_distinct(machine_id),
{_SUMS}
        by machine_type, begins = bin(timestamp - 1ms, span)
    | invoke FactoryFigures()
}}"""

_HEAD: Final = """\
// Queries for a dashboard. Each is independent: put the cursor in it and run it.
"""

_COUNTS: Final = f"""\
// Messages in the last hour.
{TABLE}
| where timestamp > ago(1h)
| count
"""

_OEE: Final = """\
// OEE of each machine in each hour of the last day.
FactoryOeeByMachine(bin(now(), 1h) - 1d, bin(now(), 1h))
| order by machine_type asc, machine_id asc, begins asc

// OEE of each type, yesterday.
FactoryOeeByType(startofday(ago(1d)), startofday(now()), 1d)

// OEE by type and hour, as a chart.
FactoryOeeByType(bin(now(), 1h) - 1d, bin(now(), 1h))
| project begins, machine_type, oee
| render timechart

// Hours in each state, by type.
FactoryMachineRows(ago(1d), now())
| summarize hours = sum(seconds) / 3600 by machine_type, status
| order by machine_type asc, hours desc

// Jobs by result and hour.
FactoryMachineRows(ago(1d), now())
| where finished
| summarize jobs = count() by machine_type, result, begins = bin(timestamp, 1h)
| order by machine_type asc, begins asc
"""

_GROUND_TRUTH: Final = f"""\
// Ground truth since the start of the run: each machine's last report, to compare with the figures above.
{REPORTS}
| where isnotnull(planned_seconds)
| summarize arg_max(timestamp, *) by machine_id
"""
