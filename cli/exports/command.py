"""Generate files for a cluster and for consumers from the plant's YAML, by one function for each target."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from cli.exports.access.acl import acl
from cli.exports.access.rules import AclError
from cli.exports.azure.assets import assets
from cli.exports.azure.authorization import authorization
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.resources import azure
from cli.exports.common.export import Export, File, Target, TopicIndex
from cli.exports.monitoring.azure_monitor import azure_monitor
from cli.exports.monitoring.grafana import grafana
from cli.exports.monitoring.prometheus import prometheus
from cli.exports.schemas.asyncapi import asyncapi
from cli.exports.schemas.config_schema import config_schema, config_schema_files
from cli.exports.schemas.json_schema import schema
from cli.exports.schemas.kql import kql
from cli.exports.schemas.scenario_schema import scenario_schema, scenario_schema_files
from cli.options.export import ExportOptions
from edge.mqtt.commands.plant_topics import address_of_commands
from edge.redaction import shown
from edge.routing import TopicError
from edge.settings.loader import Settings
from edge.settings.suggestions import nearest
from edge.settings.types import Connections
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig

__all__ = [
    "ALL",
    "TARGETS",
    "Export",
    "File",
    "Target",
    "TopicIndex",
    "about_targets",
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
    "acl": acl,
    "dataflow": dataflow,
    "azure": azure,
    "kql": kql,
    "grafana": grafana,
    "prometheus": prometheus,
    "azure-monitor": azure_monitor,
    "config-schema": config_schema,
    "scenario-schema": scenario_schema,
}
PLANT_INDEPENDENT: Final[dict[str, Callable[[], list[File]]]] = {
    "config-schema": config_schema_files,
    "scenario-schema": scenario_schema_files,
}
"""Targets that are the same for all plants, so they need no valid plant."""
ALL: Final = "all"

_COMMENTS: Final = {".json": "//", ".kql": "//", ".bicep": "//"}
"""The start of a comment by suffix of the file name; others have `#`."""


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
        commands=address_of_commands(config, settings) if settings.mqtt_commands else None,
        mqtt=settings.mqtt_version,
        command_address=address_of_commands(config, settings),
        status_address=settings.mqtt_status_topic,
        has_statuses=settings.mqtt_connections is Connections.PER_MACHINE,
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
    if options.acl.given and options.target not in ("acl", ALL):
        return _failed(f"{options.acl.given[0]} goes only with acl, not with {options.target}")
    try:
        files = _files_of(options, settings, load, version)
        if options.kind is not None:
            files = [_of_kind(options.kind, files)]
        write(files, options.output)
    except BrokenPipeError:  # the reader of standard output has closed it; the rest is discarded
        sys.stdout = io.StringIO()
    except OSError as error:
        return _failed(f"{error.filename or 'standard output'} cannot be written: {error.strerror}")
    except (TopicError, UnknownKind, AclError) as error:
        return _failed(str(error))
    return SUCCESS


def _files_of(
    options: ExportOptions, settings: Settings, load: Callable[[Path], PlantConfig], version: str
) -> list[File]:
    """Return the files of the target."""
    if options.target in PLANT_INDEPENDENT:
        return PLANT_INDEPENDENT[options.target]()
    made = export_of(load(settings.message_config_path), settings, version, options.namespace)
    export = replace(made, schema_version=options.schema_version, acl=options.acl)
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


def about_targets() -> dict[str, str]:
    """Return the first line of what each target says about itself, for the help."""
    return {name: (target.__doc__ or "").partition("\n")[0] for name, target in TARGETS.items()} | {ALL: "All of them."}
