"""Resources against the models that Microsoft publishes of Azure's own API: azure-mgmt-iotoperations, -deviceregistry.

Found: properties that the model does not have, required ones that are not there, values of another type, words that are
none of the model's, and what only Azure may set.

Not to be found, as the models know nothing of it: the rules for text (patterns, lengths, least and greatest number),
what is inside text (the JSON of `additionalConfiguration`), whether what is referred to exists, which properties
exclude each other, and what the service itself refuses. A model is of one version of the API (API_VERSIONS): that of
azure-mgmt-deviceregistry 1.1.0 is older than what is exported, so a property that came later would be a false alarm.
Where the model has a bare string, any text will do. A custom resource is checked as the properties of the resource that
it stands for; that its definition in the cluster has the same fields is Microsoft's practice, and no more.
"""

from __future__ import annotations

import functools
import importlib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

Json = dict[str, Any]

_OPERATIONS, _REGISTRY = "azure.mgmt.iotoperations", "azure.mgmt.deviceregistry"

API_VERSIONS = {"Microsoft.IoTOperations": "2026-07-01", "Microsoft.DeviceRegistry": "2025-10-01"}
"""Of the models, by provider."""

MODELS: dict[str, tuple[str, str]] = {
    "Microsoft.DeviceRegistry/assetEndpointProfiles": (_REGISTRY, "AssetEndpointProfileProperties"),
    "Microsoft.DeviceRegistry/assets": (_REGISTRY, "AssetProperties"),
    "Microsoft.DeviceRegistry/namespaces/assets": (_REGISTRY, "NamespaceAssetProperties"),
    "Microsoft.DeviceRegistry/namespaces/devices": (_REGISTRY, "NamespaceDeviceProperties"),
    "Microsoft.DeviceRegistry/schemaRegistries/schemas": (_REGISTRY, "SchemaProperties"),
    "Microsoft.DeviceRegistry/schemaRegistries/schemas/schemaVersions": (_REGISTRY, "SchemaVersionProperties"),
    "Microsoft.IoTOperations/instances/akriConnectorTemplates": (_OPERATIONS, "AkriConnectorTemplateProperties"),
    "Microsoft.IoTOperations/instances/brokers/authentications": (_OPERATIONS, "BrokerAuthenticationProperties"),
    "Microsoft.IoTOperations/instances/brokers/authorizations": (_OPERATIONS, "BrokerAuthorizationProperties"),
    "Microsoft.IoTOperations/instances/brokers/listeners": (_OPERATIONS, "BrokerListenerProperties"),
    "Microsoft.IoTOperations/instances/dataflowEndpoints": (_OPERATIONS, "DataflowEndpointProperties"),
    "Microsoft.IoTOperations/instances/dataflowProfiles": (_OPERATIONS, "DataflowProfileProperties"),
    "Microsoft.IoTOperations/instances/dataflowProfiles/dataflows": (_OPERATIONS, "DataflowProperties"),
    "Microsoft.IoTOperations/instances/dataflowProfiles/dataflowGraphs": (_OPERATIONS, "DataflowGraphProperties"),
}
"""The model of a resource's `properties`, by the resource's type."""

_NAMESPACES, _CLASSIC = "namespaces.deviceregistry.microsoft.com/v1", "deviceregistry.microsoft.com/v1"
_BROKER, _CONNECTIVITY = "mqttbroker.iotoperations.azure.com/v1", "connectivity.iotoperations.azure.com/v1"
_BROKERS, _FLOWS = "Microsoft.IoTOperations/instances/brokers", "Microsoft.IoTOperations/instances/dataflowProfiles"

CUSTOM: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    (_CLASSIC, "AssetEndpointProfile"): ("Microsoft.DeviceRegistry/assetEndpointProfiles", ()),
    (_CLASSIC, "Asset"): ("Microsoft.DeviceRegistry/assets", ()),
    (_NAMESPACES, "Device"): ("Microsoft.DeviceRegistry/namespaces/devices", ()),
    (_NAMESPACES, "Asset"): ("Microsoft.DeviceRegistry/namespaces/assets", ()),
    (_BROKER, "BrokerAuthentication"): (f"{_BROKERS}/authentications", ("brokerRef",)),
    (_BROKER, "BrokerAuthorization"): (f"{_BROKERS}/authorizations", ("brokerRef",)),
    (_BROKER, "BrokerListener"): (f"{_BROKERS}/listeners", ("brokerRef",)),
    (_CONNECTIVITY, "DataflowEndpoint"): ("Microsoft.IoTOperations/instances/dataflowEndpoints", ()),
    (_CONNECTIVITY, "Dataflow"): (f"{_FLOWS}/dataflows", ("profileRef",)),
}
"""By apiVersion and kind: the type that a custom resource stands for, and what only its spec has, to name a parent."""


def faults(type_name: str, properties: Any) -> list[str]:
    """What is wrong with the `properties` of a resource of a type such as Microsoft.IoTOperations/instances/brokers."""
    if type_name not in MODELS:
        return [f"no model of {type_name}"]
    package, name = MODELS[type_name]
    return list(_in_model(_models(package)[name], properties, name))


def custom_faults(resources: Iterable[Json]) -> list[str]:
    """What is wrong with custom resources; those of other owners, such as a ServiceAccount, are passed over."""
    found = []
    for each in resources:
        if (key := (each["apiVersion"], each["kind"])) in CUSTOM:
            type_name, own = CUSTOM[key]
            properties = {name: value for name, value in each["spec"].items() if name not in own}
            found += [f"{each['metadata']['name']}: {fault}" for fault in faults(type_name, properties)]
    return found


@functools.cache
def _models(package: str) -> Mapping[str, Any]:
    return vars(importlib.import_module(f"{package}.models"))


@functools.cache
def _hints(model: type) -> Mapping[str, Any]:
    """The types of a model's attributes; the package writes them for its own eyes, as names in `_models`."""
    package, module = model.__module__.rpartition(".")[0], importlib.import_module(model.__module__)
    return typing.get_type_hints(model, {**vars(module), "_models": importlib.import_module(package)})


@functools.cache
def _fields(model: Any) -> Mapping[str, Any]:
    """By its name in JSON, each property: the attribute's name and the description that the package has of it."""
    model({})  # the package fills in the names at the first use
    return {field._rest_name: (attribute, field) for attribute, field in model._attr_to_rest_field.items()}


def _in_model(model: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    model = _variant(model, value)
    if model is None:
        yield f"{path}: no such variant: {value}"
        return
    properties, hints = _fields(model), _hints(model)
    for name in value.keys() - properties.keys():
        yield f"{path}.{name}: not known to {model.__name__}"
    for name, (attribute, field) in properties.items():
        if field._visibility == ["read"]:
            yield from [f"{path}.{name}: only Azure may set it"] if name in value else []
        elif name in value:
            yield from _in_type(hints[attribute], value[name], f"{path}.{name}")
        elif type(None) not in typing.get_args(hints[attribute]):
            yield f"{path}.{name}: required"


def _variant(model: Any, value: Json) -> Any:
    """The model of this variant, as the value of the property says that tells variants apart; None where it is none."""
    variants = vars(model).get("__mapping__")
    if not variants:
        return model
    key = next(name for name, (_, field) in _fields(model).items() if field._is_discriminator)
    found = variants.get(value.get(key))
    return _variant(found, value) if found else None


def _in_type(hint: Any, value: Any, path: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        yield from _in_union([each for each in arguments if each is not type(None)], value, path)
    elif origin is list:
        yield from _in_list(arguments[0], value, path)
    elif origin is dict:
        yield from _in_mapping(arguments[1], value, path)
    elif origin is typing.Literal:
        yield from [] if value in [_word(each) for each in arguments] else [f"{path}: {value!r} is none of {arguments}"]
    elif getattr(hint, "__module__", "").endswith(".models._models"):
        yield from _in_model(hint, value, path)
    elif hint is not typing.Any:
        yield from [] if _is(hint, value) else [f"{path}: {value!r} is no {hint.__name__}"]


def _in_union(hints: list[Any], value: Any, path: str) -> Iterator[str]:
    """A word of an enumeration is written `str | Enumeration` there: only the enumeration says which words."""
    words = [each for each in hints if isinstance(each, type) and issubclass(each, Enum)]
    if words and value not in (known := [each.value for each in words[0]]):
        yield f"{path}: {value!r} is none of {known}"
    elif not words:
        found = [list(_in_type(each, value, path)) for each in hints]
        yield from [] if [] in found else found[0]


def _in_list(hint: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: {value!r} is no list"
        return
    for number, each in enumerate(value):
        yield from _in_type(hint, each, f"{path}[{number}]")


def _in_mapping(hint: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    for name, each in value.items():
        yield from _in_type(hint, each, f"{path}.{name}")


def _word(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _is(hint: type, value: Any) -> bool:
    """Whether a value of JSON is of a type: a truth value is no number, a whole number is one with a point too."""
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    return isinstance(value, (int, float)) if hint is float else isinstance(value, hint)
