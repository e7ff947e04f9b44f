"""`export`: files for a cluster and for consumers, made from the plant's YAML. One function for each target."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cli.exports.azure.assets import assets
from cli.exports.azure.authorization import authorization
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.resources import azure
from cli.exports.common.export import NAMESPACE, Channels, Export, File, Target
from cli.exports.monitoring.azure_monitor import azure_monitor
from cli.exports.monitoring.grafana import grafana
from cli.exports.monitoring.prometheus import prometheus
from cli.exports.schemas.asyncapi import asyncapi
from cli.exports.schemas.config_schema import config_schema, files_of_program
from cli.exports.schemas.json_schema import schema
from cli.exports.schemas.kql import kql
from edge.redaction import shown
from edge.routing import TopicError
from edge.settings.loader import Settings
from edge.settings.suggestions import nearest
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig

__all__ = [
    "ALL",
    "TARGETS",
    "Channels",
    "Export",
    "File",
    "Target",
    "add_export",
    "export_of",
    "run_export",
    "topics_of",
]

WELL, WRONG = 0, 2

TARGETS: Final[dict[str, Target]] = {
    "schema": schema,
    "asyncapi": asyncapi,
    "assets": assets,
    "authorization": authorization,
    "dataflow": dataflow,
    "azure": azure,
    "kql": kql,
    "grafana": grafana,
    "prometheus": prometheus,
    "azure-monitor": azure_monitor,
    "config-schema": config_schema,
}
OF_PROGRAM: Final[dict[str, Callable[[], list[File]]]] = {"config-schema": files_of_program}
"""Targets that are the same for all plants, so that none has to be right for them."""
ALL: Final = "all"

IN_THE_CLUSTER: Final = {"AIO_BROKER_HOSTNAME": "aio-broker"}
"""Where the broker is, unless the environment says so: the service that deployment.yaml connects to."""

_SETTINGS: Final = (
    (
        ("--message-config-path", "--file"),
        "message_config_path",
        "FILE",
        "the plant's YAML [MESSAGE_CONFIG_PATH, message_structure.yaml]",
    ),
    (
        ("--topic-prefix", "--mqtt-topic-prefix"),
        "mqtt_topic_prefix",
        "PREFIX",
        "first levels of all topics [MQTT_TOPIC_PREFIX]",
    ),
    (("--topic-layout",), "topic_layout", "type|machine", "a topic per machine type, or per machine [TOPIC_LAYOUT]"),
    (("--broker", "--mqtt-broker"), "mqtt_broker", "HOST", "the broker's name [MQTT_BROKER, aio-broker]"),
)
"""Flags for settings of the daemon: how they are called here, the setting, what to put there, what it is."""

_COMMENTS: Final = {".json": "//", ".kql": "//", ".bicep": "//"}
"""How a comment begins, by the end of a file's name; others have `#`."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What `export` is asked for.

    target: what to make.  kind: with `schema`, that kind of message alone.  output: the directory for files, None for
    standard output.  namespace: of Kubernetes.  schema_version: in the schema registry.
    flags: values of settings, as they were typed.
    """

    target: str
    kind: str | None = None
    output: Path | None = None
    namespace: str = NAMESPACE
    schema_version: int = 1
    flags: Mapping[str, object] = field(default_factory=dict)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Give the parser the options of the command, and a sentence for each target."""
    width = max(map(len, (*TARGETS, ALL)))
    lines = [f"  {name:{width}}  {_about(target)}" for name, target in TARGETS.items()]
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["targets:", *lines, f"  {ALL:{width}}  All of them."])
    parser.add_argument("target", metavar="TARGET", help="what to make, see below")
    text = "with schema: this kind of message alone, as plain JSON; KIND.delta is its form for tables"
    parser.add_argument("kind", nargs="?", metavar="KIND", help=text)
    parser.add_argument("--output", type=Path, metavar="DIR", help="write files there, not to standard output")
    parser.add_argument(
        "--namespace", type=_namespace, default=NAMESPACE, metavar="NAME", help="of Kubernetes [%(default)s]"
    )
    parser.add_argument(
        "--schema-version",
        type=_version,
        default=1,
        metavar="N",
        help="of the schemas in the schema registry, for dataflow and azure [%(default)s]",
    )
    for (flag, *others), name, metavar, about in _SETTINGS:
        parser.add_argument(flag, *others, dest=name, metavar=metavar, help=about)


def export_of(config: PlantConfig, settings: Settings, version: str, namespace: str) -> Export:
    """What the plant of a structure gives to export; TopicError where a topic is none."""
    kinds = catalogue(config)
    return Export(
        kinds=kinds,
        topics=Channels(kinds, settings.mqtt_topic_prefix, settings.topic_layout),
        prefix=settings.mqtt_topic_prefix,
        namespace=namespace,
        broker_host=settings.mqtt_broker,
        broker_port=settings.mqtt_port,
        version=version,
        tls=settings.mqtt_tls,
        qos=settings.mqtt_qos,
        message_expiry_seconds=settings.mqtt_message_expiry,
        cloud_events=settings.mqtt_cloud_events,
        events_source=settings.mqtt_cloud_events_source,
    )


def topics_of(config: PlantConfig, settings: Settings) -> tuple[str, ...]:
    """Every topic to which the plant of a structure publishes, sorted; TopicError where one is none."""
    kinds = catalogue(config)
    channels = Channels(kinds, settings.mqtt_topic_prefix, settings.topic_layout)
    return tuple(sorted({topic for kind in kinds for topic in channels.topics_of(kind)}))


def run_export(options: ExportOptions, settings: Settings, load: Callable[[Path], PlantConfig], version: str) -> int:
    """Make the files of the target and write them; the exit code. `load` may raise StructureError."""
    if options.target not in (*TARGETS, ALL):
        return _failed(f"TARGET must be one of {', '.join((*TARGETS, ALL))}, not {shown(options.target)}")
    if options.kind is not None and options.target != "schema":
        return _failed(f"KIND goes only with schema, not with {options.target}")
    try:
        files = _made(options, settings, load, version)
        if options.kind is not None:
            files = [_of_kind(options.kind, files)]
        write(files, options.output)
    except BrokenPipeError:  # who reads standard output has seen enough; what is left goes nowhere
        sys.stdout = io.StringIO()
    except OSError as error:
        return _failed(f"{error.filename or 'standard output'} cannot be written: {error.strerror}")
    except (TopicError, UnknownKind) as error:
        return _failed(str(error))
    return WELL


def _made(options: ExportOptions, settings: Settings, load: Callable[[Path], PlantConfig], version: str) -> list[File]:
    """Return the files of the target that is asked for."""
    if options.target in OF_PROGRAM:
        return OF_PROGRAM[options.target]()
    made = export_of(load(settings.message_config_path), settings, version, options.namespace)
    export = replace(made, schema_version=options.schema_version)
    return [file for target in _chosen(options.target) for file in target(export)]


class UnknownKind(Exception):
    """There is no schema of that name; the text says which there are."""


def _of_kind(kind: str, schemas: Sequence[File]) -> File:
    """The schema of one kind, by the name of its file without folder and `.json`."""
    names = {Path(file.name).name.removesuffix(".json"): file for file in schemas}
    if kind not in names:
        near = nearest(kind, names, 0.4)
        there = ", ".join(name for name in names if not name.endswith(".delta"))
        suggestion = f" (did you mean {near}?)" if near else ""
        raise UnknownKind(f"KIND must be one of {there}, or one of these with .delta, not {shown(kind)}{suggestion}")
    return names[kind]


def _failed(why: str) -> int:
    print(f"export: {why}", file=sys.stderr)
    return WRONG


def write(files: Sequence[File], directory: Path | None) -> None:
    """Write files below a directory and say which, or print them: each of several after a comment with its name."""
    for name, text in files:
        if directory is None:
            mark = _COMMENTS.get(Path(name).suffix, "#")
            sys.stdout.write(text if len(files) == 1 else f"{mark} {name}\n{text}")
        else:
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)
    sys.stdout.flush()


def _chosen(name: str) -> Sequence[Target]:
    return [*TARGETS.values()] if name == ALL else [TARGETS[name]]


def _namespace(text: str) -> str:
    """A namespace's name (RFC 1123, as Kubernetes takes it)."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(
            f"must be 1 to 63 lower-case letters, digits and inner dashes, not {shown(text)}"
        )
    return text


def _version(text: str) -> int:
    """A version of a schema, as the registry names it: 1 to 10 digits."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, of at most 10 digits, not {shown(text)}")
    return int(text)


def _about(target: Target) -> str:
    return (target.__doc__ or "").partition("\n")[0]
