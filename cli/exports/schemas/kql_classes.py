"""OEE in KQL where a type's messages differ from the usual ones: several classes, other keys, another form of the time.

States and jobs of a type are read from the tables that have them, and then put together. Of regular messages, each
represents one period in its status. Where changes of the state are reported, a message represents the time up to the
next one; that time is divided at whole minutes, so that each part belongs to one hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from string import Template
from typing import Final, NamedTuple

from cli.exports.common.names import placed_columns
from cli.exports.schemas.kql_rows import ends_early, is_good, is_no_planned_stop, oee_functions
from cli.exports.schemas.kql_tables import identifier, literal
from plant.catalogue.catalogue import FieldSource, MessageKind

_MOST_STATIONS: Final = 200
"""Machines that are listed with their stations, where messages have no machine id."""

_EPOCHS: Final = {"epoch_ms": "unixtime_milliseconds_todatetime", "epoch_s": "unixtime_seconds_todatetime"}


def is_usual(kind: MessageKind, table: str, shared_table: str) -> bool:
    """Return whether rows have time, machine and status, in the table that is shared, and all machines are alike."""
    places = (FieldSource.MACHINE_ID, ("machine_id",)), (FieldSource.STATUS, ("status",))
    has_places = all(kind.path_of(role) == place for role, place in places)
    is_regular = kind.period_seconds is not None and not kind.on_change
    is_whole = not (kind.own_ideal_seconds or kind.ideal_cycles or reports_part(kind))
    return table == shared_table and has_places and is_regular and is_whole


def reports_part(kind: MessageKind) -> bool:
    """Return whether rows report the cycle times of jobs that may end early, by which they count in part."""
    return bool(kind.ends_early) and kind.path_of(FieldSource.FINISHED_CYCLE) is not None


def class_functions(machines: Sequence[MessageKind], tables: Mapping[str, str]) -> list[str]:
    """Return the commands that create the functions. tables: of each kind of message, by its key."""
    types = [_TypeTables(tuple(kinds), tables) for _, kinds in groupby(machines, key=lambda kind: kind.machine_type)]
    known = [each for each in types if each.states or each.jobs]
    if not known:
        return []
    firsts = [each.kinds[0] for each in known]
    states = [_states(each.states, tables) for each in known if each.states]
    reporting = [each.jobs for each in known if each.jobs]
    by_kind = [kind for kind in reporting if kind.ideal_cycles and kind.path_of(FieldSource.JOB_KIND)]
    early = [kind for kind in reporting if reports_part(kind)]
    jobs = [_jobs(kind, tables, with_kinds=bool(by_kind), with_cycles=bool(early)) for kind in reporting]
    content = {
        "types": ",\n        ".join(map(_nameplate, firsts)),
        "states": ",\n        ".join(states) or _NO_STATES,
        "jobs": ",\n        ".join(jobs) or _NO_JOBS,
        "ideal": _ideal(firsts, by_kind),
        "no_job": (', job_kind = ""' if by_kind else "") + (", cycle_seconds = 0.0" if early else ""),
        "early": f"{_EARLY} = {ends_early(early)}," if early else "",
        "is_good": is_good(firsts),
        "is_no_planned_stop": is_no_planned_stop(firsts),
    }
    content |= _FIGURES_OF_PARTS if early else _FIGURES_OF_WHOLE_JOBS
    texts = (_MACHINE_TYPES, _STATES, _JOBS, _ROWS, _FIGURES)
    functions = (Template(text).substitute(content) for text in texts)
    return [*functions, *oee_functions(_SUMS_OF_PARTS if early else _SUMS)]


class _TypeTables(NamedTuple):
    """The kinds of message of a type, and their tables."""

    kinds: tuple[MessageKind, ...]
    tables: Mapping[str, str]

    @property
    def states(self) -> MessageKind | None:
        """The kind that reports the states: at the shortest period, otherwise at their changes.

        Where machines have no states, each regular message reports that there is a machine.
        """
        found = [kind for kind in self._identified if not kind.has_states or kind.path_of(FieldSource.STATUS)]
        regular = [kind for kind in found if kind.period_seconds and not kind.on_change]
        return min(regular or found, key=lambda kind: kind.period_seconds or 0.0, default=None)

    @property
    def jobs(self) -> MessageKind | None:
        """The kind that reports the results of finished jobs."""
        return next((kind for kind in self._identified if kind.path_of(FieldSource.FINISHED_RESULT)), None)

    @property
    def _identified(self) -> Iterator[MessageKind]:
        return (kind for kind in self.kinds if _machine(kind))


def _nameplate(kind: MessageKind) -> str:
    texts = map(literal, (kind.machine_type or kind.key, kind.producing_state or ""))
    return ", ".join([*texts, repr(kind.ideal_cycle_seconds or 0.0)])


def _ideal(kinds: Sequence[MessageKind], by_kind: Sequence[MessageKind]) -> str:
    """Return the ideal cycle of a row: that of its kind of job or its machine, otherwise that of the type.

    by_kind: the kinds of message that report kinds of jobs with their own ideal cycles.
    """
    forms = [
        f"machine_type == {literal(each.machine_type or '')} and job_kind == {literal(name)}, {seconds!r}"
        for each in by_kind
        for name, seconds in each.ideal_cycles
    ]
    own = (each for kind in kinds for each in kind.own_ideal_seconds)
    forms += (f"machine_id == {literal(machine_id)}, {seconds!r}" for machine_id, seconds in own)
    return f"ideal_cycle_seconds = case({', '.join(forms)}, ideal_cycle_seconds)" if forms else "ideal_cycle_seconds"


def _states(kind: MessageKind, tables: Mapping[str, str]) -> str:
    columns = [time_column(kind), _machine(kind), _status(kind)]
    content = {
        "rows": _rows(kind, tables, columns),
        "type": literal(kind.machine_type or ""),
        "period": repr(kind.period_seconds or 0.0),
        "ends": f"min_of(next_row, timestamp + {kind.period_seconds!r} * 1s)" if kind.period_seconds else "next_row",
    }
    if not kind.on_change:
        return Template(_BEATS).substitute(content, only=_only_regular(kind))
    return Template(_STAYS).substitute(content)


def _jobs(kind: MessageKind, tables: Mapping[str, str], *, with_kinds: bool, with_cycles: bool) -> str:
    columns = [
        time_column(kind),
        _machine(kind),
        _named(kind, "job", FieldSource.FINISHED_ID),
        _named(kind, "result", FieldSource.FINISHED_RESULT),
    ]
    columns += [_named(kind, "job_kind", FieldSource.JOB_KIND)] if with_kinds else []
    columns += [_cycle(kind)] if with_cycles else []
    content = {"rows": _rows(kind, tables, columns), "type": literal(kind.machine_type or "")}
    more = (", job_kind" if with_kinds else "") + (", cycle_seconds" if with_cycles else "")
    return Template(_REPORTED_JOBS).substitute(content, more=more)


def _rows(kind: MessageKind, tables: Mapping[str, str], columns: Sequence[str]) -> str:
    """Return the rows of a kind, and of no other kind of the same table, with uniform names."""
    columns = [*columns, *([] if kind.path_of(FieldSource.FINISHED_RESULT) is None else [_result(kind)])]
    machine = f"\n        | where machine_id matches regex {literal(kind.machine_ids or '')}"
    return f"{tables[kind.key]}\n        | project {', '.join(dict.fromkeys(columns))}{machine}"


def _only_regular(kind: MessageKind) -> str:
    """Return a condition for the rows that represent a period, where each job has an additional row."""
    additional = kind.reports_each_job and kind.path_of(FieldSource.FINISHED_RESULT)
    return " and isempty(result)" if additional else ""


def time_column(kind: MessageKind) -> str:
    """Return the column of the time; without one in the messages, it is that of their arrival."""
    if kind.timestamp is None and kind.path_of(FieldSource.TIMESTAMP) is None:
        return "timestamp = ingestion_time()"
    column = identifier(kind.timestamp) if kind.timestamp else _column(kind, FieldSource.TIMESTAMP)
    convert = _EPOCHS.get(kind.timestamp_form)
    return f"timestamp = {convert}({column})" if convert else _as("timestamp", column)


def _machine(kind: MessageKind) -> str:
    """Return the column of the machine: its id, or else its station if it is the only machine there; empty without."""
    if kind.path_of(FieldSource.MACHINE_ID):
        return _named(kind, "machine_id", FieldSource.MACHINE_ID)
    stations = {machine.station: machine.machine_id for machine in kind.machines}
    if (
        kind.path_of(FieldSource.STATION) is None
        or len(stations) < len(kind.machines)
        or len(stations) > _MOST_STATIONS
    ):
        return ""
    station = _column(kind, FieldSource.STATION)
    forms = (f"{station} == {literal(name)}, {literal(machine_id)}" for name, machine_id in stations.items())
    return f"machine_id = case({', '.join(forms)}, {literal('')})"


def _status(kind: MessageKind) -> str:
    if kind.path_of(FieldSource.STATUS) is None:
        return f"status = {literal(kind.producing_state or '')}"
    return _named(kind, "status", FieldSource.STATUS)


def _result(kind: MessageKind) -> str:
    return _named(kind, "result", FieldSource.FINISHED_RESULT)


def _cycle(kind: MessageKind) -> str:
    """Return the column of the cycle time of a finished job; 0 without."""
    if kind.path_of(FieldSource.FINISHED_CYCLE) is None:
        return "cycle_seconds = 0.0"
    return _named(kind, "cycle_seconds", FieldSource.FINISHED_CYCLE)


def _named(kind: MessageKind, name: str, role: FieldSource) -> str:
    """Return the column of a role under a name; empty text if the kind has none."""
    return _as(name, _column(kind, role))


def _column(kind: MessageKind, role: FieldSource) -> str:
    places = {leaf.path: column for column, leaf in placed_columns(kind.fields).items()}
    path = kind.path_of(role)
    return identifier(places[path]) if path else literal("")


def _as(name: str, expression: str) -> str:
    return name if name == expression else f"{name} = {expression}"


_NO_STATES: Final = (
    "(datatable(timestamp: datetime, machine_id: string, machine_type: string, status: string, seconds: real) [])"
)
_NO_JOBS: Final = (
    "(datatable(timestamp: datetime, machine_id: string, machine_type: string, job: string, result: string) [])"
)

_MACHINE_TYPES: Final = """\
.create-or-alter function with (docstring = "Properties of machine types that are not in their rows.")
FactoryMachineTypes() {
    datatable(machine_type: string, producing_state: string, ideal_cycle_seconds: real) [
        $types
    ]
}"""

_BEATS: Final = """\
($rows
        | where timestamp > since and timestamp <= until and isnotempty(status)$only
        | distinct timestamp, machine_id, status
        | project timestamp, machine_id, machine_type = $type, status, seconds = $period)"""

_STAYS: Final = """\
($rows
        | where timestamp > since - 1d and timestamp <= until and isnotempty(status)
        | distinct timestamp, machine_id, status
        | sort by machine_id asc, timestamp asc
        | extend next_row = iff(next(machine_id) == machine_id, next(timestamp), until)
        | extend begins = max_of(timestamp, since), ends = $ends
        | where ends > begins
        | mv-expand minute = range(bin(begins, 1m), bin(ends - 1ms, 1m), 1m) to typeof(datetime)
        | extend begins = max_of(begins, minute), ends = min_of(ends, minute + 1m)
        | project timestamp = ends, machine_id, machine_type = $type, status, seconds = (ends - begins) / 1s)"""

_REPORTED_JOBS: Final = """\
($rows
        | where timestamp > since and timestamp <= until and isnotempty(result)
        | distinct timestamp, machine_id, job, result$more
        | project timestamp, machine_id, machine_type = $type, job, result$more)"""

_STATES: Final = """\
.create-or-alter function with (docstring = "The time of machines in their states, after one moment and up to another.")
FactoryMachineStates(since: datetime, until: datetime) {
    union
        $states
}"""

_JOBS: Final = """\
.create-or-alter function with (docstring = "Jobs that rows report, after one moment and up to another, each once.")
FactoryMachineJobs(since: datetime, until: datetime) {
    union
        $jobs
}"""

_ROWS: Final = """\
.create-or-alter function with (docstring = "Times in states, and jobs, with what OEE needs.")
FactoryMachineRows(since: datetime, until: datetime) {
    union
        (FactoryMachineStates(since, until) | extend job = "", result = ""$no_job),
        (FactoryMachineJobs(since, until) | extend status = "", seconds = 0.0)
    | lookup kind=inner (FactoryMachineTypes()) on machine_type
    | extend finished = isnotempty(result)
    | project timestamp, machine_id, machine_type, status, job, result, $ideal, finished, seconds,$early
        is_good = $is_good,
        is_planned = isnotempty(status) and $is_no_planned_stop,
        is_producing = status == producing_state
}"""

_EARLY: Final = "\n        cycle_seconds, ends_early"
"""What rows have besides, where jobs may end early."""

_FIGURES: Final = """\
.create-or-alter function with (docstring = "ISO 22400-2 from seconds and counts; null if a denominator is 0.")
FactoryFigures(counts: (planned_seconds: real, producing_seconds: real, jobs: long, good: long$counts)) {
    counts
    | extend$ideal_of_work
        availability = iff(planned_seconds > 0, producing_seconds / planned_seconds, real(null)),
        performance = iff(producing_seconds > 0, $ideal_seconds / producing_seconds, real(null)),
        quality = iff(jobs > 0, todouble(good) / jobs, real(null))
    | extend oee = availability * performance * quality
    | project-away $away
}"""
_FIGURES_OF_WHOLE_JOBS: Final = {
    "counts": ", ideal_seconds: real",
    "ideal_of_work": "",
    "ideal_seconds": "ideal_seconds",
    "away": "ideal_seconds",
}
_FIGURES_OF_PARTS: Final = {
    "counts": """,
    ideal_seconds: real, early_ideal: real, early_cycles: real, cycle_ideals: real, cycle_squares: real""",
    "ideal_of_work": """
        // Of a job that has ended early, as much counts as others have for the time: those that take long are met more.
        ideal_of_early = iff(cycle_squares > 0, early_cycles * cycle_ideals / cycle_squares, early_ideal)
    | extend""",
    "ideal_seconds": "(ideal_seconds + ideal_of_early)",
    "away": "ideal_seconds, early_ideal, early_cycles, cycle_ideals, cycle_squares, ideal_of_early",
}

_SUMS: Final = """\
        planned_seconds = sum(iff(is_planned, seconds, 0.0)), producing_seconds = sum(iff(is_producing, seconds, 0.0)),
        jobs = countif(finished), good = countif(is_good),
        ideal_seconds = sum(iff(finished, ideal_cycle_seconds, 0.0))"""
_SUMS_OF_PARTS: Final = """\
        planned_seconds = sum(iff(is_planned, seconds, 0.0)), producing_seconds = sum(iff(is_producing, seconds, 0.0)),
        jobs = countif(finished), good = countif(is_good),
        ideal_seconds = sum(iff(finished and not(ends_early), ideal_cycle_seconds, 0.0)),
        early_ideal = sum(iff(ends_early, ideal_cycle_seconds, 0.0)),
        early_cycles = sum(iff(ends_early, cycle_seconds, 0.0)),
        cycle_ideals = sum(iff(finished and not(ends_early), cycle_seconds * ideal_cycle_seconds, 0.0)),
        cycle_squares = sum(iff(finished and not(ends_early), cycle_seconds * cycle_seconds, 0.0))"""
