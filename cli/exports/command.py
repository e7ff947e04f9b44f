"""Generate files for a cluster and for consumers from the plant's YAML, by one function for each target."""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cli.exports.azure.assets import assets
from cli.exports.azure.authorization import authorization
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.resources import azure
from cli.exports.common.export import NAMESPACE, Export, File, Target, TopicIndex
from cli.exports.monitoring.azure_monitor import azure_monitor
from cli.exports.monitoring.grafana import grafana
from cli.exports.monitoring.prometheus import prometheus
from cli.exports.schemas.asyncapi import asyncapi
from cli.exports.schemas.config_schema import config_schema, config_schema_files
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
    "Export",
    "File",
    "Target",
    "TopicIndex",
    "add_export",
    "export_of",
    "run_export",
    "topics_of",
]

SUCCESS, FAILURE = 0, 2

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
PLANT_INDEPENDENT: Final[dict[str, Callable[[], list[File]]]] = {"config-schema": config_schema_files}
"""Targets that are the same for all plants, so they need no valid plant."""
ALL: Final = "all"

CLUSTER_DEFAULTS: Final = {"AIO_BROKER_HOSTNAME": "aio-broker"}
"""The default of the broker for exports: the service that deployment.yaml connects to."""

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
"""Flags for settings of the simulator: their names here, the setting, the metavar, the help."""

_COMMENTS: Final = {".json": "//", ".kql": "//", ".bicep": "//"}
"""The start of a comment by suffix of the file name; others have `#`."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options of `export`.

    target: what to generate.  kind: with `schema`, only that kind of message.  output: directory for files, None for
    standard output.  namespace: of Kubernetes.  schema_version: in the schema registry.  flags: values of settings, as
    typed.
    """

    target: str
    kind: str | None = None
    output: Path | None = None
    namespace: str = NAMESPACE
    schema_version: int = 1
    flags: Mapping[str, object] = field(default_factory=dict)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, and a line for each target, to the parser."""
    width = max(map(len, (*TARGETS, ALL)))
    lines = [f"  {name:{width}}  {_about(target)}" for name, target in TARGETS.items()]
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["targets:", *lines, f"  {ALL:{width}}  All of them."])
    parser.add_argument("target", metavar="TARGET", help="what to generate, see below")
    text = "with schema: only this kind of message, as plain JSON; KIND.delta is its form for tables"
    parser.add_argument("kind", nargs="?", metavar="KIND", help=text)
    parser.add_argument("--output", type=Path, metavar="DIR", help="directory for the files; default: standard output")
    parser.add_argument(
        "--namespace", type=_namespace, default=NAMESPACE, metavar="NAME", help="Kubernetes namespace [%(default)s]"
    )
    parser.add_argument(
        "--schema-version",
        type=_version,
        default=1,
        metavar="N",
        help="version in the schema registry, for dataflow and azure [%(default)s]",
    )
    for (flag, *others), name, metavar, about in _SETTINGS:
        parser.add_argument(flag, *others, dest=name, metavar=metavar, help=about)


def export_of(config: PlantConfig, settings: Settings, version: str, namespace: str) -> Export:
    """Return the input of the exports for a plant. Raise TopicError if a topic is invalid."""
    kinds = catalogue(config)
    return Export(
        kinds=kinds,
        topics=TopicIndex(kinds, settings.mqtt_topic_prefix, settings.topic_layout),
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
    """Return every topic that a plant publishes to, sorted. Raise TopicError if one is invalid."""
    kinds = catalogue(config)
    channels = TopicIndex(kinds, settings.mqtt_topic_prefix, settings.topic_layout)
    return tuple(sorted({topic for kind in kinds for topic in channels.topics_of(kind)}))


def run_export(options: ExportOptions, settings: Settings, load: Callable[[Path], PlantConfig], version: str) -> int:
    """Generate the files of the target, write them, and return the exit code.  load: may raise PlantConfigError."""
    if options.target not in (*TARGETS, ALL):
        return _failed(f"TARGET must be one of {', '.join((*TARGETS, ALL))}, not {shown(options.target)}")
    if options.kind is not None and options.target != "schema":
        return _failed(f"KIND goes only with schema, not with {options.target}")
    try:
        files = _files_of(options, settings, load, version)
        if options.kind is not None:
            files = [_of_kind(options.kind, files)]
        write(files, options.output)
    except BrokenPipeError:  # the reader of standard output has closed it; the rest is discarded
        sys.stdout = io.StringIO()
    except OSError as error:
        return _failed(f"{error.filename or 'standard output'} cannot be written: {error.strerror}")
    except (TopicError, UnknownKind) as error:
        return _failed(str(error))
    return SUCCESS


def _files_of(
    options: ExportOptions, settings: Settings, load: Callable[[Path], PlantConfig], version: str
) -> list[File]:
    """Return the files of the target."""
    if options.target in PLANT_INDEPENDENT:
        return PLANT_INDEPENDENT[options.target]()
    made = export_of(load(settings.message_config_path), settings, version, options.namespace)
    export = replace(made, schema_version=options.schema_version)
    return [file for target in _chosen(options.target) for file in target(export)]


class UnknownKind(Exception):
    """There is no schema of that name; the text lists those that exist."""


def _of_kind(kind: str, schemas: Sequence[File]) -> File:
    """Return the schema of one kind, by the name of its file without folder and `.json`."""
    names = {Path(file.name).name.removesuffix(".json"): file for file in schemas}
    if kind not in names:
        near = nearest(kind, names, 0.4)
        there = ", ".join(name for name in names if not name.endswith(".delta"))
        suggestion = f" (did you mean {near}?)" if near else ""
        raise UnknownKind(f"KIND must be one of {there}, or one of these with .delta, not {shown(kind)}{suggestion}")
    return names[kind]


def _failed(why: str) -> int:
    print(f"export: {why}", file=sys.stderr)
    return FAILURE


def write(files: Sequence[File], directory: Path | None) -> None:
    """Write files below a directory and print their paths, or print the files, each after a comment with its name."""
    for name, text in files:
        if directory is None:
            mark = _COMMENTS.get(Path(name).suffix, "#")
            sys.stdout.write(text if len(files) == 1 else f"{mark} {name}\n{text}")
        else:
            _write_file(directory / name, text)
            print(directory / name)
    sys.stdout.flush()


def _write_file(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; raise OSError with its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()
    if target.exists() and not target.is_file():  # a pipe or a device, which must not be replaced
        target.write_text(text, encoding="utf-8")
        return
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        if target.exists():
            shutil.copymode(target, unfinished)
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


def _chosen(name: str) -> Sequence[Target]:
    return [*TARGETS.values()] if name == ALL else [TARGETS[name]]


def _namespace(text: str) -> str:
    """Return the name of a namespace (RFC 1123, as Kubernetes requires)."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(
            f"must be 1 to 63 lower-case letters, digits and inner dashes, not {shown(text)}"
        )
    return text


def _version(text: str) -> int:
    """Return the version of a schema, as in the registry: 1 to 10 digits."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, of at most 10 digits, not {shown(text)}")
    return int(text)


def _about(target: Target) -> str:
    return (target.__doc__ or "").partition("\n")[0]
