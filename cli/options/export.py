"""The options of `export`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.options.access import FLAGS, AclOptions
from edge.redaction import shown

NAMESPACE: Final = "azure-iot-operations"
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


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options of `export`.

    target: what to generate.  kind: with `schema`, only that kind of message.  output: directory for files, None for
    standard output.  namespace: of Kubernetes.  schema_version: in the schema registry.  format, identity, connections,
    patterns: of access rules, see AclOptions.  flags: values of settings, as typed.
    """

    target: str
    kind: str | None = None
    output: Path | None = None
    namespace: str = NAMESPACE
    schema_version: int = 1
    format: str | None = None
    identity: str | None = None
    connections: str | None = None
    patterns: str | None = None
    flags: Mapping[str, object] = field(default_factory=dict)

    @property
    def acl(self) -> AclOptions:
        """Return the options of access rules."""
        return AclOptions(self.format, self.identity, self.connections, self.patterns)


def add_export(parser: argparse.ArgumentParser, about: Mapping[str, str]) -> None:
    """Add the options of the command to the parser, and a line about each target."""
    width = max(map(len, about))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["targets:", *(f"  {name:{width}}  {text}" for name, text in about.items())])
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
    for word, values, text in FLAGS:
        parser.add_argument(f"--{word}", choices=[str(value) for value in values], help=text)
    for (flag, *others), name, metavar, text in _SETTINGS:
        parser.add_argument(flag, *others, dest=name, metavar=metavar, help=text)


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
