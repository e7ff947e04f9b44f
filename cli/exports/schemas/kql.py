"""KQL for Fabric Eventhouse and Azure Data Explorer: a table for all rows, and OEE from them.

The functions follow the contract of docs/messages.md. A regular row stands for one period in the state that it names;
a row with a result is one finished job. Types whose jobs may be shorter than the period of their rows say each job in
an extra row, which stands for no time. A row may come twice (MQTT's at least once) and counts once.
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
"""Rows of machines, orders and dispatches go to this table; a column that a kind does not have is empty there."""

REPORTS: Final = "FactoryReports"
"""Reports of the truth go to this one: what they call quality is a number."""

MAPPING: Final = "Json"
"""Added to a table's name it is that of its ingestion mapping: each key of a message to the column of its name."""

_TYPES: Final = {"string": "string", "number": "real", "integer": "long", "boolean": "bool", "array": "dynamic"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def kql(export: Export) -> list[File]:
    """KQL for Fabric Eventhouse or Azure Data Explorer: tables, mappings, OEE functions, queries for a dashboard."""
    machines = [kind for kind in export.kinds if kind.machines]
    tables = [
        part for name, kinds in tables_of(export.kinds).items() for part in (_table(name, kinds), _mapping(name, kinds))
    ]
    # No empty line: to the editors of both services one ends what they run.
    script = "\n".join([_SCRIPT, *tables, *(_functions(machines) if machines else ())])
    queries = [_COUNTS, *([_OEE] if machines else []), *([_TRUTH] if REPORTS in tables_of(export.kinds) else [])]
    return [File("kql/database.kql", f"{script}\n"), File("kql/queries.kql", "\n".join([_HEAD, *queries]))]


def tables_of(kinds: Iterable[MessageKind]) -> dict[str, list[MessageKind]]:
    """The tables, and the kinds of message that go to each."""
    found: dict[str, list[MessageKind]] = {}
    for kind in kinds:
        found.setdefault(table_of(kind), []).append(kind)
    return found


def table_of(kind: MessageKind) -> str:
    """The table that a kind of message goes to."""
    return REPORTS if kind.retained else TABLE


def columns(kinds: Iterable[MessageKind]) -> dict[str, str]:
    """The columns of the table with their types: all fields of all kinds. Where kinds disagree it is dynamic."""
    found: dict[str, str] = {}
    for field in (field for kind in kinds for field in kind.fields):
        its = _column_type(field)
        found[field.name] = its if found.get(field.name, its) == its else "dynamic"
    return found


def literal(text: str) -> str:
    """A string literal that means exactly this text, whatever is in it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def identifier(name: str) -> str:
    """A column's name as KQL takes it."""
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
    said = {
        "table": TABLE,
        "types": ",\n        ".join(map(_nameplate, machines)),
        "machine_type": _machine_type(machines),
        "job": _first_of(machines, FieldSource.FINISHED_ID),
        "result": _first_of(machines, FieldSource.FINISHED_RESULT),
        "is_good": _is_good(machines),
        "planned_stop": literal(PLANNED_STOP),
    }
    return [
        Template(text).substitute(said) for text in (_MACHINE_TYPES, _MACHINE_ROWS, _FIGURES, _BY_MACHINE, _BY_TYPE)
    ]


def _machine_type(machines: Iterable[MessageKind]) -> str:
    """The type of a machine, by the form of its id; empty where it is no machine of this plant."""
    forms = (f"machine_id matches regex {literal(kind.machine_ids or '')}, {literal(kind.key)}" for kind in machines)
    return "case(\n        " + ",\n        ".join([*forms, literal("")]) + ")"


def _nameplate(kind: MessageKind) -> str:
    """What is known of a type and is not in its rows, as a row of a datatable."""
    period, ideal = kind.period_seconds or 0.0, kind.ideal_cycle_seconds or 0.0
    # Jobs are said in extra rows where the shortest is shorter than the period, in whole milliseconds as in the plant.
    extra = round(ideal * 1000) < math.ceil(round(period * 1000, 6))
    texts = map(literal, (kind.key, kind.producing_state or ""))
    return ", ".join([*texts, repr(period), repr(ideal), str(extra).lower()])


def _first_of(machines: list[MessageKind], role: FieldSource) -> str:
    """The value of a row in a role, whatever its type calls it; by type where a name has another role in another."""
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
// Made by: python app.py export kql
// Run it as a whole; run it again after a change to the plant. Data that is there stays.
.execute database script with (ThrowOnErrors = true) <|"""

_MACHINE_TYPES: Final = """\
.create-or-alter function with (docstring = "What rows do not say of a machine type.")
FactoryMachineTypes() {
    datatable(
        machine_type: string, producing_state: string, period_seconds: real, ideal_cycle_seconds: real, extra_rows: bool
    ) [
        $types
    ]
}"""

_MACHINE_ROWS: Final = """\
.create-or-alter function with (docstring = "Machines' rows after one moment and up to another, each once.")
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
.create-or-alter function with (docstring = "ISO 22400-2 from counts; null where a denominator is 0.")
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
.create-or-alter function with (docstring = "OEE of each machine, by hour or by another span.")
FactoryOeeByMachine(since: datetime, until: datetime, span: timespan = 1h) {{
    FactoryMachineRows(since, until)
    | summarize
{_SUMS}
        // A row on the hour tells of the time before it.
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
// Queries for a dashboard. Each stands by itself: put the cursor in it and run it.
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

// Where the time went: hours of each state, by type.
FactoryMachineRows(ago(1d), now())
| summarize hours = sum(seconds) / 3600 by machine_type, status
| order by machine_type asc, hours desc

// Jobs by result and hour.
FactoryMachineRows(ago(1d), now())
| where finished
| summarize jobs = count() by machine_type, result, begins = bin(timestamp, 1h)
| order by machine_type asc, begins asc
"""

_TRUTH: Final = f"""\
// What is true since the start of the run: each machine's last report, to hold the figures above against.
{REPORTS}
| where isnotnull(planned_seconds)
| summarize arg_max(timestamp, *) by machine_id
"""
