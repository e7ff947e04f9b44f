"""Target `azure`: schemas, dataflows, authorization and listener made through Azure, by Bicep or by `az` commands.

What they say is that of the Kubernetes manifests, read back from these: two texts cannot differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from cli.exports.azure.authorization import authorization
from cli.exports.azure.bicep import literal
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.scripts import apply_script, register_script
from cli.exports.common.export import Export, File, commented, json_file
from cli.exports.common.names import heading
from cli.exports.schemas.json_schema import DELTA, delta, draft, schema_name
from plant.catalogue.catalogue import MessageKind

REGISTRY_API: Final = "2026-04-01"
"""Of Microsoft.DeviceRegistry: the newest that is generally available."""
OPERATIONS_API: Final = "2026-07-01"
"""Of Microsoft.IoTOperations."""
FORMATS: Final = {"json": "JsonSchema/draft-07", "delta": DELTA}
"""What the `az` commands call a format, and what the registry calls it."""

_ELSEWHERE: Final = frozenset({"profileRef", "brokerRef"})
"""Parts of a manifest's spec that in Azure are said by the resource's parent."""

_SCHEMAS_HEAD: Final = """
The schemas of the factory's messages in the schema registry, JSON Schema and Delta. Deploy it with

  az deployment group create -g <RESOURCE_GROUP> -f schemas.bicep -p registryName=<SCHEMA_REGISTRY>

Yours to fill in, in that command:
  <RESOURCE_GROUP>   the resource group of the schema registry
  <SCHEMA_REGISTRY>  its name

A version's content cannot be changed. After an edit of the plant make this file anew, with the next number:
`python app.py export azure --schema-version 2`. register-schemas.sh finds the number by itself.

It has been checked for its shape only, never compiled or deployed: run `az bicep build -f schemas.bicep` first.
"""
_VERSIONS: Final = "Microsoft.DeviceRegistry/schemaRegistries/schemas/schemaVersions"
_SCHEMAS_RESOURCES: Final = f"""\
resource registry 'Microsoft.DeviceRegistry/schemaRegistries@{REGISTRY_API}' existing = {{
  name: registryName
}}

resource schema 'Microsoft.DeviceRegistry/schemaRegistries/schemas@{REGISTRY_API}' = [for each in schemas: {{
  parent: registry
  name: each.name
  properties: {{
    format: each.format
    schemaType: 'MessageSchema'
  }}
}}]

resource version '{_VERSIONS}@{REGISTRY_API}' = [for (each, i) in schemas: {{
  parent: schema[i]
  name: schemaVersion
  properties: {{
    description: each.description
    schemaContent: each.content
  }}
}}]
"""

_FLOWS_HEAD: Final = """
Dataflows of the factory's messages, broker rules and a listener to try these on. Deploy it with

  az deployment group create -g <RESOURCE_GROUP> -f dataflow.bicep -p instanceName=<INSTANCE> \\
    customLocationId=<CUSTOM_LOCATION_ID> parts="['fabric']" fabricBootstrapServer=... fabricTopic=...

Yours to fill in, in that command:
  <RESOURCE_GROUP>      the resource group of the Azure IoT Operations instance
  <INSTANCE>            its name
  <CUSTOM_LOCATION_ID>  the resource id of its custom location

parts: any of fabric, adx, local, authorization, listener. adx and local want the schemas of schemas.bicep, local a
PersistentVolumeClaim of the name that localStorageSettings has, authorization the annotated service account of
deploy/overlays/authorization. listener wants authorization, or that this is there.

It has been checked for its shape only, never compiled or deployed: run `az bicep build -f dataflow.bicep` first.
"""

PARAMETERS: Final = {
    "FABRIC_BOOTSTRAP_SERVER": ("fabricBootstrapServer", "Eventstream's custom endpoint, with its port 9093."),
    "FABRIC_TOPIC": ("fabricTopic", "Its topic name, es_..."),
    "ADX_CLUSTER": ("adxCluster", "Azure Data Explorer cluster."),
    "ADX_REGION": ("adxRegion", "Region of that cluster, as its host name has it."),
    "ADX_DATABASE": ("adxDatabase", "Database of that cluster."),
    "SCHEMA_REGISTRY_NAMESPACE": ("schemaRegistryNamespace", "Namespace of the schema registry (not its name)."),
}
"""What stands for a value that only the user has -> the parameter of the Bicep file, and what it is."""


class Schema(NamedTuple):
    """A schema as the registry has it: its name, its format as `az` calls it, its text."""

    name: str
    format: str
    text: str

    @property
    def description(self) -> str:
        """What its version is known by: the service may write content in its own way, but keeps this as it is."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()[:32]}"


class Part(NamedTuple):
    """A resource: which part of the whole it belongs to, its kind in Kubernetes, its name, its properties."""

    part: str
    kind: str
    name: str
    properties: dict[str, Any]

    @property
    def file(self) -> str:
        """Where its properties are, for `az ... apply --config-file`."""
        return f"config/{self.kind.lower()}-{self.name}.json"


def azure(export: Export) -> list[File]:
    """Schemas, dataflows, authorization and listener through Azure: Bicep, and scripts of `az` commands."""
    schemas, found = schemas_of(export), parts(export)
    rows = [(each.name, each.format, FORMATS[each.format], each.description) for each in schemas]
    lines = [(each.part, each.kind, each.name, each.file) for each in found]
    return [
        File("azure/register-schemas.sh", register_script(rows)),
        File("azure/apply.sh", apply_script(lines, [*PARAMETERS])),
        File("azure/schemas.bicep", _schemas_bicep(export, schemas)),
        File("azure/dataflow.bicep", _flows_bicep(found)),
        *(File(f"azure/schemas/{each.name}.json", each.text) for each in schemas),
        *(json_file(f"azure/{each.file}", each.properties) for each in found),
    ]


def schemas_of(export: Export) -> list[Schema]:
    """Both schemas of each kind of message."""
    return [each for kind in export.kinds for each in _both(export, kind)]


def _both(export: Export, kind: MessageKind) -> Iterator[Schema]:
    for format_name, content in (("json", draft(kind)), ("delta", delta(kind))):
        name = schema_name(export, kind, format_name)
        yield Schema(name, format_name, json_file("", content).text)


def parts(export: Export) -> list[Part]:
    """All resources of Azure IoT Operations that the manifests have, each after those that it refers to."""
    files = {file.name: file.text for file in (*dataflow(export), *authorization(export))}
    named = {"authorization": "authorization.yaml", "listener": "test-listener.yaml"}
    named |= {part: f"dataflow-{part}.yaml" for part in ("fabric", "adx", "local")}
    return [each for part, name in named.items() for each in _parts(part, files[name])]


def _parts(part: str, text: str) -> Iterator[Part]:
    for document in yaml.safe_load_all(text):
        if "iotoperations.azure.com/" in document["apiVersion"]:
            properties = {key: value for key, value in document["spec"].items() if key not in _ELSEWHERE}
            yield Part(part, document["kind"], document["metadata"]["name"], properties)


def _schemas_bicep(export: Export, schemas: list[Schema]) -> str:
    found = [
        {"name": each.name, "format": FORMATS[each.format], "description": each.description, "content": each.text}
        for each in schemas
    ]
    parameters = [
        _parameter("registryName", "Schema registry.", ""),
        _parameter("schemaVersion", "Version of all schemas.", f" = '{export.schema_version}'"),
    ]
    comment = commented(heading(_SCHEMAS_HEAD, "azure"), "//")
    return "\n".join((comment, *parameters, f"var schemas = {literal(found)}\n", _SCHEMAS_RESOURCES))


def _flows_bicep(found: list[Part]) -> str:
    parameters = [
        _parameter("instanceName", "Azure IoT Operations instance.", ""),
        _parameter("customLocationId", "Resource id of the custom location of the instance.", ""),
        "@description('What to make: any of fabric, adx, local, authorization, listener.')\nparam parts array\n",
        *(_parameter(name, about, " = ''") for name, about in PARAMETERS.values()),
    ]
    place = "var extendedLocation = {\n  type: 'CustomLocation'\n  name: customLocationId\n}\n"
    variables = [_variable(name, kind, found) for kind, (name, _, _) in _RESOURCES.items()]
    resources = [_resource(*each) for each in _RESOURCES.values()]
    comment = commented(heading(_FLOWS_HEAD, "azure"), "//")
    return "\n".join((comment, *parameters, place, *variables, _PARENTS, *resources))


def _parameter(name: str, about: str, default: str) -> str:
    return f"@description({literal(about)})\nparam {name} string{default}\n"


def _variable(name: str, kind: str, found: list[Part]) -> str:
    mine = [
        {"part": each.part, "name": each.name, "properties": each.properties} for each in found if each.kind == kind
    ]
    return f"var {name}s = {literal(mine)}\n"


_PARENTS: Final = f"""\
resource instance 'Microsoft.IoTOperations/instances@{OPERATIONS_API}' existing = {{
  name: instanceName
}}

resource broker 'Microsoft.IoTOperations/instances/brokers@{OPERATIONS_API}' existing = {{
  parent: instance
  name: 'default'
}}

resource profile 'Microsoft.IoTOperations/instances/dataflowProfiles@{OPERATIONS_API}' existing = {{
  parent: instance
  name: 'default'
}}
"""
_RESOURCES: Final = {
    "BrokerAuthorization": ("authorization", "brokers/authorizations", ("broker", "")),
    "BrokerListener": ("listener", "brokers/listeners", ("broker", "authorization")),
    "DataflowEndpoint": ("endpoint", "dataflowEndpoints", ("instance", "")),
    "Dataflow": ("flow", "dataflowProfiles/dataflows", ("profile", "endpoint")),
}
"""Kind in Kubernetes -> name in the Bicep file, resource type, its parent and what must be there before."""


def _resource(name: str, kind: str, around: tuple[str, str]) -> str:
    parent, before = around
    whole = f"Microsoft.IoTOperations/instances/{kind}@{OPERATIONS_API}"
    lines = [
        f"resource {name} '{whole}' = [for each in {name}s: if (contains(parts, each.part)) {{",
        f"  parent: {parent}",
        "  name: each.name",
        "  extendedLocation: extendedLocation",
        f"  properties: {_filled()}",
        *(["  dependsOn: [", f"    {before}", "  ]"] if before else []),
        "}]\n",
    ]
    return "\n".join(lines)


def _filled() -> str:
    """The properties with the parameters in place of what stands for them."""
    text = "string(each.properties)"
    for mark, (name, _) in PARAMETERS.items():
        text = f"replace({text}, '<{mark}>', {name})"
    return f"json({text})"
