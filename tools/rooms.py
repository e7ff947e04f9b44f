"""The rooms of the code, and the arrows between them, as in docs/modules.md and docs/arrows.md.

An arrow says which room may import which.

A room is a folder of modules, or a module beside such folders.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("cli", "edge", "plant", "sandbox")

ARROWS: Final = {
    room: tuple(others.split())
    for room, _, others in (
        line.partition(":")
        for line in """\
app: cli.commands cli.clients cli.clients.controller cli.ctl cli.top cli.run cli.exports cli.verify cli.evaluate cli.preflight cli.scenario cli.options edge.runtime edge.mqtt.commands edge.routing edge.settings edge.startup edge.installed messages plant.forecast plant.default_plant plant.definition
cli.commands: cli.exports cli.options cli.arguments edge.runtime edge.settings edge.redaction
cli.run: cli.demo_broker cli.demo_wire edge.workers edge.runtime edge.mqtt.protocol edge.control edge.redaction edge.timestamps edge.observability edge.observability.tracing edge.delivery edge.installed edge.settings edge.status messages plant.forecast plant.default_plant plant.definition sandbox.demo edge.background_writer cli.run_start edge.settings.foreign edge.http
cli.demo_wire: edge.mqtt.commands edge.routing edge.settings edge.redaction edge.timestamps messages plant.definition sandbox.demo
cli.demo_broker: plant.definition.document sandbox.demo
cli.run_start: edge.settings.foreign edge.runtime edge.settings edge.redaction plant.default_plant
cli.scenario: cli.scenario.running cli.scenario.judging cli.scenario.definition cli.verify.input cli.options edge.runtime edge.mqtt.auth edge.observability edge.settings edge.redaction edge.timestamps messages plant.definition plant.definition.document
cli.scenario.running: cli.scenario.judging cli.scenario.definition cli.verify.input edge.runtime edge.control edge.observability edge.delivery edge.routing edge.installed edge.settings edge.status edge.blocking messages plant.interventions plant.oee_accounting plant.telemetry sandbox.demo
cli.scenario.judging: cli.scenario.definition edge.delivery edge.oee_sums edge.timestamps plant.machines plant.oee_accounting plant.telemetry plant.definition.machine_types plant.definition.document
cli.exports: cli.exports.access cli.exports.monitoring cli.exports.azure cli.exports.schemas cli.exports.common cli.options edge.routing edge.settings edge.redaction plant.catalogue plant.definition edge.mqtt.commands
cli.exports.access: cli.exports.common cli.options edge.mqtt.commands plant.catalogue
cli.exports.monitoring: cli.exports.azure cli.exports.common
cli.exports.azure: cli.exports.schemas cli.exports.common edge.routing plant.catalogue
cli.verify: cli.verify.counts cli.verify.input cli.verify.forms cli.verify.alarms cli.options edge.mqtt.auth edge.settings edge.routing edge.redaction
cli.evaluate: cli.evaluate.input cli.verify.input cli.options edge.settings edge.redaction edge.timestamps
cli.evaluate.input: cli.verify.input cli.verify.forms edge.settings edge.redaction edge.timestamps
cli.exports.schemas: cli.exports.common cli.scenario.definition edge.mqtt.protocol edge.routing plant.interventions plant.catalogue plant.telemetry plant.definition plant.definition.machine_types
cli.verify.counts: cli.verify.input cli.verify.forms
cli.verify.input: cli.verify.forms cli.verify.alarms edge.mqtt edge.mqtt.auth edge.mqtt.protocol edge.routing edge.settings edge.blocking edge.redaction edge.timestamps
cli.verify.alarms: cli.verify.forms
cli.verify.forms: edge.routing
cli.clients.controller: cli.clients cli.options edge.runtime plant.definition.document
cli.clients: cli.options edge.mqtt.protocol edge.runtime edge.redaction edge.timestamps
cli.top: cli.ctl cli.options edge.installed edge.redaction
cli.ctl: cli.options edge.runtime edge.redaction
cli.preflight: cli.options edge.mqtt edge.mqtt.auth edge.mqtt.protocol edge.settings edge.status edge.redaction
cli.exports.common: cli.options edge.routing edge.settings plant.catalogue plant.telemetry
cli.scenario.definition: cli.arguments edge.routing edge.settings edge.timestamps plant.interventions plant.definition plant.definition.document
cli.options: cli.arguments edge.settings edge.redaction
cli.arguments: edge.settings edge.redaction edge.timestamps
edge.workers: edge.reported edge.runtime edge.control edge.http edge.observability edge.observability.tracing edge.delivery edge.lateness edge.settings edge.status edge.oee_sums messages plant.telemetry plant.definition plant.interventions edge.labels plant.reports edge.http.api plant.views edge.traffic
edge.runtime: edge.reported edge.control edge.http edge.http.compat edge.mqtt.devices edge.mqtt edge.observability edge.observability.tracing edge.status_source edge.mqtt.protocol edge.delivery edge.routing edge.settings edge.status edge.oee_sums edge.lateness edge.blocking edge.background_writer edge.timestamps edge.startup messages plant.interventions plant.config_changes plant.forecast plant.telemetry plant.definition plant.definition.document plant.definition.files plant.truth edge.labels edge.http.api plant.views edge.mqtt.commands edge.traffic edge.page edge.page.figures
edge.page: edge.page.figures edge.http.api edge.http edge.control edge.traffic edge.status_source edge.status
edge.page.figures: edge.oee_sums edge.reported edge.control edge.observability edge.labels edge.delivery edge.lateness edge.status_source edge.status edge.settings edge.blocking edge.redaction edge.timestamps plant.views plant.forecast plant.telemetry plant.definition
edge.http.compat: edge.http.compat.enms edge.http.compat.vf edge.http edge.http.api edge.control edge.observability.tracing edge.blocking edge.settings plant.definition.machine_types
edge.http.compat.vf: edge.http.api edge.http edge.control edge.observability edge.status edge.traffic edge.redaction edge.timestamps plant.views plant.telemetry plant.definition
edge.http.compat.enms: edge.http.api edge.http edge.control edge.status_source edge.status edge.blocking edge.redaction edge.timestamps plant.views plant.machines plant.definition plant.definition.machine_types plant.definition.document
edge.http.api: edge.traffic edge.routing edge.http edge.control edge.status_source edge.status edge.blocking edge.redaction edge.timestamps plant.views plant.interventions plant.telemetry plant.definition.document
edge.http: edge.control edge.observability edge.status_source edge.status edge.blocking edge.redaction edge.timestamps plant.telemetry edge.labels
edge.mqtt.devices: edge.mqtt.commands edge.mqtt edge.mqtt.auth edge.mqtt.protocol edge.delivery edge.routing edge.settings edge.status edge.blocking edge.redaction edge.timestamps plant.definition plant.telemetry edge.traffic
edge.mqtt.commands: edge.control edge.mqtt edge.mqtt.protocol edge.observability edge.observability.tracing edge.routing edge.settings edge.status edge.redaction edge.timestamps messages plant.interventions plant.reports plant.telemetry plant.definition plant.definition.machine_types edge.traffic edge.delivery
edge.control: edge.status edge.observability.tracing edge.redaction edge.timestamps messages plant.interventions plant.definition plant.trial
edge.mqtt: edge.mqtt.auth edge.mqtt.protocol edge.observability.tracing edge.delivery edge.routing edge.settings edge.status edge.blocking edge.redaction plant.telemetry
edge.mqtt.auth: edge.mqtt.protocol edge.settings edge.blocking edge.redaction
edge.observability.tracing: edge.observability edge.installed edge.redaction edge.timestamps plant.telemetry
edge.observability: edge.status_source edge.mqtt.protocol edge.delivery edge.routing edge.lateness edge.settings edge.status edge.background_writer edge.redaction plant.telemetry
edge.status_source: edge.reported edge.traffic edge.labels edge.delivery edge.lateness edge.status plant.telemetry plant.views plant.definition
edge.reported: edge.oee_sums edge.status plant.telemetry
edge.labels: edge.status edge.timestamps plant.truth
edge.mqtt.protocol: edge.routing edge.settings edge.redaction edge.timestamps plant.telemetry
edge.delivery: edge.traffic edge.timestamps edge.routing edge.settings edge.status edge.blocking plant.telemetry plant.definition plant.definition.machine_types
edge.routing: edge.settings plant.telemetry
edge.settings.foreign: plant.definition.files edge.settings edge.blocking edge.redaction plant.definition.document
edge.settings: edge.redaction
edge.status: plant.telemetry
edge.oee_sums: plant.telemetry
edge.lateness:
edge.blocking:
edge.background_writer:
edge.redaction:
edge.timestamps:
edge.traffic:
edge.startup:
edge.installed:
messages: plant.views plant.interventions plant.parts plant.trial plant.catalogue plant.event_queue plant.fleets plant.machines plant.oee_accounting plant.default_plant plant.telemetry plant.definition plant.truth plant.faults
plant.parts: plant.energy plant.forecast plant.event_queue plant.interventions plant.calendar plant.orders plant.material_flow plant.fleets plant.machines plant.signals plant.shift_times plant.definition plant.truth plant.reports plant.faults plant.telemetry
plant.energy: plant.fleets plant.machines plant.signals plant.signals.laws plant.definition.energy plant.definition.signals plant.truth
plant.views: plant.fleets plant.machines plant.telemetry plant.definition plant.definition.machine_types plant.definition.document plant.jobs
plant.config_changes: plant.forecast plant.definition
plant.forecast: plant.catalogue plant.orders plant.machines plant.jobs plant.definition plant.definition.alarms plant.definition.flow plant.definition.machine_types plant.definition.signals plant.definition.document plant.definition.faults plant.definition.jobs
plant.trial: plant.orders plant.machines plant.oee_accounting plant.truth plant.faults
plant.catalogue: plant.definition.identity plant.orders plant.machines plant.telemetry plant.definition plant.definition.alarms plant.definition.machine_types plant.definition.signals plant.jobs plant.reports plant.definition.jobs plant.definition.states
plant.orders: plant.material_flow plant.machines plant.random_stream plant.telemetry plant.definition plant.jobs plant.truth
plant.reports: plant.machines plant.faults plant.truth plant.telemetry plant.definition
plant.material_flow: plant.fleets plant.machines plant.random_stream plant.telemetry plant.definition.flow plant.jobs
plant.event_queue: plant.fleets plant.machines plant.telemetry plant.jobs
plant.interventions: plant.definition.states plant.fleets plant.machines plant.faults plant.definition plant.definition.flow plant.definition.faults plant.definition.machine_types plant.definition.keys plant.definition.signals plant.definition.document
plant.calendar: plant.fleets plant.machines plant.shift_times plant.definition plant.definition.document plant.random_stream
plant.fleets: plant.alarms plant.machines plant.signals plant.signals.compilation plant.signals.columns plant.signals.laws plant.shift_times plant.faults plant.oee_accounting plant.random_stream plant.telemetry plant.definition plant.definition.machine_types plant.definition.signals plant.jobs plant.truth plant.definition.jobs
plant.alarms: plant.machines plant.signals.laws plant.telemetry plant.definition.machine_types plant.definition.alarms plant.jobs
plant.machines: plant.shift_times plant.faults plant.oee_accounting plant.random_stream plant.telemetry plant.definition plant.definition.faults plant.definition.machine_types plant.definition.states plant.definition.jobs plant.jobs plant.truth
plant.jobs: plant.random_stream plant.truth plant.definition.machine_types plant.definition.jobs plant.definition.states
plant.oee_accounting: plant.telemetry plant.truth
plant.signals.compilation: plant.signals.memory plant.signals.laws plant.definition.faults plant.definition.signals plant.definition.document
plant.signals.memory: plant.signals plant.signals.laws
plant.signals: plant.signals.columns plant.signals.laws plant.faults plant.shift_times plant.time_zones
plant.signals.columns: plant.signals.laws plant.shift_times plant.time_zones
plant.signals.laws: plant.definition plant.definition.signals plant.models
plant.faults: plant.random_stream plant.definition.faults plant.truth
plant.shift_times: plant.time_zones plant.definition plant.definition.document
plant.time_zones: plant.definition
plant.default_plant:
plant.random_stream:
plant.truth:
plant.telemetry:
plant.definition: plant.definition.files plant.definition.flow plant.definition.machine_types plant.definition.faults plant.definition.jobs plant.definition.signals plant.definition.document
plant.definition.files: plant.definition.document
plant.definition.flow: plant.definition.machine_types plant.definition.document
plant.definition.machine_types: plant.definition.identity plant.definition.alarms plant.definition.energy plant.definition.keys plant.definition.faults plant.definition.states plant.definition.signals plant.definition.document plant.models plant.definition.jobs
plant.definition.identity:
plant.definition.alarms: plant.definition.keys plant.definition.signals plant.definition.document
plant.definition.energy: plant.definition.document
plant.definition.faults: plant.definition.keys plant.definition.document
plant.definition.keys: plant.definition.signals plant.definition.document plant.definition.jobs
plant.definition.jobs: plant.definition.document
plant.definition.signals: plant.definition.document plant.models
plant.definition.states: plant.definition.document
plant.definition.document:
plant.models:
sandbox.demo: sandbox.broker sandbox.lessons sandbox.limits sandbox.access sandbox.acl sandbox.credentials
sandbox.broker: sandbox.connections sandbox.sessions sandbox.faults sandbox.observe sandbox.lessons sandbox.protocol sandbox.limits
sandbox.connections: sandbox.sessions sandbox.access sandbox.acl sandbox.faults sandbox.observe sandbox.lessons sandbox.protocol sandbox.limits
sandbox.sessions: sandbox.observe sandbox.lessons sandbox.protocol sandbox.limits
sandbox.access: sandbox.credentials sandbox.protocol
sandbox.acl: sandbox.protocol
sandbox.faults: sandbox.limits
sandbox.observe: sandbox.lessons
sandbox.lessons:
sandbox.credentials:
sandbox.protocol: sandbox.limits
sandbox.limits:
""".splitlines()  # noqa: E501 - a line a room
    )
}
"""Room -> the rooms that it may import, from the top down: no room imports one above it."""


@cache
def modules() -> Sequence[str]:
    """Return the dotted names of all modules of the product, without packages."""
    inside = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.stem != "__init__")
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in inside]
    return ["app", "messages", *sorted(names)]


def room_of(module: str) -> str:
    """Return the room of a module: its folder, or the module itself where it lies beside folders."""
    parts = module.split(".")
    return ".".join(parts[:-1]) if len(parts) > 2 else module


def tree(module: str) -> ast.Module:
    """Parse a module, or the `__init__` of a package."""
    return ast.parse(_source(module))


def docstring(module: str) -> str:
    """Return what a module, or a package, says of itself, without reading what follows."""
    return ast.get_docstring(ast.parse('"""'.join(_source(module).split('"""', 2)[:2]) + '"""')) or ""


def _source(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


@cache
def imported(module: str) -> tuple[str, ...]:
    """Return every module that a module imports anywhere."""
    return tuple(_imported(module))


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            inside = [f"{source}.{name.name}" for name in node.names if _is_module(f"{source}.{name.name}")]
            yield from inside or [source]


def arrows() -> dict[str, set[str]]:
    """Return the rooms that each room imports in fact."""
    ours = modules()
    found: dict[str, set[str]] = {room_of(module): set() for module in ours}
    for module in ours:
        room = room_of(module)
        found[room] |= {room_of(name) for name in imported(module) if name in ours} - {room}
    return found


def layout() -> str:
    """Return the rooms and their modules as text, a line each with the first paragraph of its docstring."""
    lines: list[str] = []
    for room in ARROWS:
        inside = [module for module in modules() if room_of(module) == room]
        if inside == [room]:
            lines.append(_line(f"{room.replace('.', '/')}.py", room))
            continue
        lines.append(_line(f"{room.replace('.', '/')}/", room))
        lines += [_line(f"    {module.rpartition('.')[2]}.py", module) for module in inside]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def table() -> str:
    """Return the arrows as a Markdown table."""
    rows = [f"| `{room}` | {' '.join(f'`{name}`' for name in names) or '-'} |" for room, names in ARROWS.items()]
    return "\n".join(["| room | may import |", "|---|---|", *rows]) + "\n"


_NAME_WIDTH, _LINE_WIDTH = 32, 150


def _line(name: str, module: str) -> str:
    first = docstring(module).split("\n\n")[0].replace("\n", " ")
    return f"{name:<{_NAME_WIDTH}}{first.rstrip('.')}"[:_LINE_WIDTH].rstrip()


def _is_module(name: str) -> bool:
    return ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file()
