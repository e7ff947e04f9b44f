"""Write the golden values, which pin the external behaviour of the product, into tests/data/golden/.

    python -m tools.golden      after a change that is meant to change one of them; then read `git diff tests`

Exports are stored as the SHA-256 of each file, the rest as readable text. Nothing depends on the time, the machine or
the version of Python. Most values come from the command line and a running process, so they do not depend on the
structure of the code.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import NamedTuple
from unittest.mock import patch

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import app
from cli.commands import parsers
from cli.exports.command import TARGETS
from edge.delivery.queue import MessageQueue
from edge.observability.statistics import statistics_block
from edge.runtime.reload import PlantLoader
from edge.settings.loader import Settings, variables
from edge.status import ClockStatus, ConnectionStatus
from messages import topic_template
from plant.telemetry import Message
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.scenes import Pod
from tests.support.processes.daemon import DaemonProcess, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "data" / "golden"

Files = Mapping[str, str]
"""Texts by the names of their files below tests/data/golden/."""

OEE_PATHS = (
    *(f"/oee?span={span}" for span in ("run", "hour", "last_hour")),
    "/oee?machine_type=cnc_machine&limit=2",
    "/oee?after=TEST-06",
    "/oee?span=week",
)
"""All spans; a page with a next one, one without machines, and an error."""

_RUN = (
    "run", "--mqtt-broker", "localhost", "--message-config-path", "scenarios/spaceship-flow.yaml", "--seed", "golden",
    "--start", "2026-01-01T06:15:00Z", "--duration", "90m", "--then-live", "--history-rate", "0",
    "--queue-policy", "block", "--log-format", "json",
)  # fmt: skip
_HISTORY_ENDS = "2026-01-01T07:45"
"""In the middle of an hour, and late enough for every machine to have finished a job in that hour."""
_OF_THE_PLANT = {"kind", "state", "result", "version"}
"""Labels whose values depend on the plant and the release; all other values are constant."""
_KEYS = {"stopped_seconds": "STATE", "results": "RESULT"}
"""Objects whose keys depend on what the machines have done so far."""
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


# Exports


class Shipped(NamedTuple):
    """A plant that the project ships, and a layout of topics to export it with."""

    path: Path
    layout: str

    @property
    def file(self) -> str:
        """The file of its exports' hashes; the plants of overlays have the same file name."""
        place = self.path.parent if self.path.parent.parent.name == "overlays" else self.path
        return f"exports/{place.stem}.{self.layout}.txt"


def shipped() -> list[Shipped]:
    """The default plant, the scenarios and the overlays' plants by topic per type; small ones per machine, too."""
    small = [ROOT / "message_structure.yaml", *sorted((ROOT / "scenarios").glob("*.yaml"))]
    large = sorted((ROOT / "deploy" / "overlays").glob("*/message_structure.yaml"))
    return [*(Shipped(path, "type") for path in small + large), *(Shipped(path, "machine") for path in small)]


def exported(plant: Shipped) -> Files:
    """The hash of each file of each target, as the command writes it; the plant is read once for all of them."""
    lines = []
    read = functools.cache(PlantLoader(Settings.load({}, pid=1), topic_template))
    for target in TARGETS:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            flags = ["--output", folder, "--file", str(plant.path), "--topic-layout", plant.layout]
            with patch.object(app, "PlantLoader", lambda *_: read):
                code = app.main(["export", target, *flags], {})
            lines += [f"{target} {name} {digest}" for name, digest in hashes(Path(folder))]
        if code != app.OK:
            lines.append(f"{target}: exit code {code}")
    return {plant.file: _text(lines)}


def hashes(folder: Path) -> list[tuple[str, str]]:
    """Each file below a folder, and the SHA-256 of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


# A running process


def shown() -> Files:
    """Return the answers of a process with a flow and a token, after an hour and a half of history."""
    paths = ("/metrics", "/healthz", *OEE_PATHS)
    with _playing() as process:
        with httpx.Client(base_url=process.url(), trust_env=False) as client:
            wait_until(lambda: _has_ended(client), 40.0, "the history ends")
            pages = {path: client.get(path) for path in paths}
        process.signal(SIGTERM)
        process.wait()
    metrics = text_string_to_metric_families(pages.pop("/metrics").text)
    shapes = {path: [f"{page.status_code}", *shape(page.json())] for path, page in pages.items()}
    events = [json.loads(line) for line in process.errors]
    return {
        "metrics.txt": _text(sorted(map(_metric, metrics))),
        "healthz.txt": _text(shapes.pop("/healthz")),
        "oee.txt": _text(f"{path} {line}" for path, lines in shapes.items() for line in lines),
        "statistics_event.txt": _text(shape(next(event for event in events if event["message"] == "statistics"))),
    }


def _has_ended(client: httpx.Client) -> bool:
    """Return whether the history has; that is seldom asked, as each answer takes time from it."""
    time.sleep(0.1)
    return bool(client.get("/oee?limit=1").json()["now"] >= _HISTORY_ENDS)


@contextlib.contextmanager
def _playing() -> Iterator[DaemonProcess]:
    """Run the process, and a broker that requires a token over TLS."""
    with tempfile.TemporaryDirectory() as folder:
        pod = Pod(Credentials(Path(folder)), Path(folder))
        pod.rotate()
        login = ("--mqtt-ca-file", str(pod.ca_file), "--sat-token-path", str(pod.token_file))
        with running(pod.broker()) as broker:
            ports = ("--mqtt-port", str(broker.port), "--http-port", str(free_port()))
            with DaemonProcess(*_RUN, *login, *ports) as process:
                yield process


def _metric(family: Metric) -> str:
    """Name, type, labels and help; of labels that are not the plant's, their values too."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for sample in family.samples:
        for label, value in sample.labels.items():
            values[label][value] = None
    labels = [label if label in _OF_THE_PLANT else f"{label}={'|'.join(found)}" for label, found in values.items()]
    name = family.name if family.type == "histogram" or not family.samples else family.samples[0].name
    return f"{name} {family.type} {{{','.join(labels)}}} {family.documentation}"


def shape(value: object) -> list[str]:
    """Every path to a value in JSON, with the types that are found there."""
    types: dict[str, set[str]] = defaultdict(set)
    for path, kind in _leaves(value, "$"):
        types[path].add(kind)
    return [f"{path}: {'|'.join(sorted(kinds))}" for path, kinds in types.items()]


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        varied = _KEYS.get(path.rpartition(".")[2])
        if not value and not varied:
            yield path, "object"
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{varied or key}")
    elif isinstance(value, list):
        yield path, "array"
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path, _TYPES[type(value)]


# What is declared


def declared() -> Files:
    """Options, flags, the exit codes in `--help`, and the lines of the statistics block."""
    commands = _commands()
    flags = {each.dest: each.option_strings for each in _flags_of(commands["run"]) if each.help != argparse.SUPPRESS}
    return {
        "options.txt": _text(_option(name, flags.get(name, ())) for name in Settings.model_fields),
        "flags.txt": _text(
            f"{command} {_flag(action)}" for command, parser in commands.items() for action in _flags_of(parser)
        ),
        "help_epilogs.txt": _text(f"{command}: {parser.epilog}" for command, parser in commands.items()),
        "statistics_block.txt": _text(line.partition(":")[0] for line in _block().splitlines()),
    }


def _commands() -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command: how `--help` lays out what they declare differs between versions of Python."""
    return parsers(app.VERSION, "app.py")[1]


def _flags_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse has no other way to them


def _option(name: str, flags: Iterable[str]) -> str:
    """Its variables, ours first, its default and its flags."""
    default = Settings.model_fields[name].default
    return f"{' '.join(variables(name))} | default {default} | {' '.join(flags) or 'no flag'}"


def _flag(action: argparse.Action) -> str:
    """Its names or its place, what is put after it, and its default."""
    takes = action.metavar or (action.dest if action.nargs != 0 else "nothing")
    return f"{' '.join(action.option_strings) or 'argument'} | takes {takes} | default {action.default}"


def _block() -> str:
    """Return a statistics block with every possible line."""
    outbox = MessageQueue(10)
    for number in range(3):
        outbox.offer(Message("cnc_machine", "CNC-01", None, number, number, b"{}"))
    outbox.refused(outbox.take(1)[0], 0x97)
    outbox.discard(outbox.take(1)[0], "too_large")
    connection, clock = ConnectionStatus(connected=True), ClockStatus(steps=1, ahead_seconds=2.0)
    return statistics_block(60.0, outbox.ledger, connection, recent_rate=1.0, lateness_seconds=9.0, clock=clock)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


GROUPS: dict[str, Callable[[], Files]] = {
    **{plant.file: partial(exported, plant) for plant in shipped()},
    "a running process": shown,
    "what is declared": declared,
}
"""Functions that make groups of golden values."""


@functools.cache
def made(group: str) -> Files:
    """Return the current golden values of a group."""
    return GROUPS[group]()


def main() -> None:
    """Write all golden values, and remove obsolete ones."""
    files = {name: text for group in GROUPS for name, text in made(group).items()}
    for old in GOLDEN.rglob("*.txt"):
        old.unlink()
    for name, text in files.items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
