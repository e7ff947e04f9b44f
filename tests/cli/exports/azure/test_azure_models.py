"""Facts about all exported resources of Azure: right by the models that Microsoft publishes of the API.

What the models cannot show is told in tests/support/exports/azuremodels.py. None of it has been sent to Azure.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest

from cli.exports.azure.assets import assets
from cli.exports.azure.authorization import authorization
from cli.exports.azure.dataflow import dataflow
from edge.settings.types import TopicLayout
from plant.definition.plant_config import load
from tests.support.exports import azuremodels
from tests.support.exports.biceptext import value_of
from tests.support.exports.customresources import documents
from tests.support.exports.schemas import export_of
from tests.support.factory.plants import ROOT

Json = dict[str, Any]

DEVICES, ASSETS = "Microsoft.DeviceRegistry/namespaces/devices", "Microsoft.DeviceRegistry/namespaces/assets"
TEMPLATES = "Microsoft.IoTOperations/instances/akriConnectorTemplates"
ENDPOINTS = "Microsoft.IoTOperations/instances/dataflowEndpoints"


def made(layout: TopicLayout) -> dict[str, str]:
    """The files of every target that is about Azure, of the default plant."""
    export = export_of(load(ROOT / "message_structure.yaml"), layout)
    return {file.name: file.text for target in (assets, authorization, dataflow) for file in target(export)}


@pytest.mark.parametrize("layout", TopicLayout)
def test_custom_resources_are_right_by_the_models(layout: TopicLayout) -> None:
    """Device, assets of both models, endpoints, dataflows, listener and rules; what is not Azure's is passed over."""
    files = made(layout)
    found = [each for name, text in files.items() if name.endswith(".yaml") for each in documents(text)]
    others = {each["kind"] for each in found if (each["apiVersion"], each["kind"]) not in azuremodels.CUSTOM}

    assert azuremodels.custom_faults(found) == []
    assert others == {"PersistentVolumeClaim", "ServiceAccount"}


@pytest.mark.parametrize("layout", TopicLayout)
def test_bicep_is_right_by_the_models(layout: TopicLayout) -> None:
    """The device, each asset and the connector template of the Bicep file, as it is read back."""
    text = made(layout)["assets.bicep"].replace("${connectorVersion}", "1.0.6")
    found = azuremodels.faults(DEVICES, value_of(text, "factory")["properties"])
    found += azuremodels.faults(TEMPLATES, value_of(text, "connector"))
    found += [fault for each in value_of(text, "assets") for fault in azuremodels.faults(ASSETS, each["properties"])]

    assert found == []


WRONG = {
    "unknown": (DEVICES, {"enabled": True, "colour": "red"}, "colour: not known"),
    "missing": (ASSETS, {"deviceRef": {"deviceName": "factory"}}, "deviceRef.endpointName: required"),
    "type": (DEVICES, {"enabled": "yes"}, "enabled: 'yes' is no bool"),
    "text for a number": (TEMPLATES, {"mqttConnectionConfiguration": {"keepAliveSeconds": "9"}}, "'9' is no int"),
    "read-only": (DEVICES, {"uuid": "0f0f"}, "uuid: only Azure may set it"),
    "no object": (ASSETS, {"deviceRef": "factory"}, "deviceRef: 'factory' is no object"),
    "no list": (ASSETS, {"datasets": {}}, "datasets: {} is no list"),
    "word": (ENDPOINTS, {"endpointType": "Kafkaesque"}, "endpointType: 'Kafkaesque' is none of"),
    "variant": (
        ASSETS,
        {"datasets": [{"name": "a", "destinations": [{"target": "Post"}]}]},
        "datasets[0].destinations[0]: no such variant",
    ),
    "inside a variant": (
        ASSETS,
        {"datasets": [{"name": "a", "destinations": [{"target": "Mqtt", "configuration": {"qos": "Qos1"}}]}]},
        "configuration.topic: required",
    ),
    "type of resource": ("Microsoft.IoTOperations/nothing", {}, "no model of"),
}
"""What is wrong: the type, its properties, and what is said of it."""


@pytest.mark.parametrize(("type_name", "properties", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found(type_name: str, properties: Json, said: str) -> None:
    """The check refuses each kind of fault that a model can show, and names the place."""
    assert [fault for fault in azuremodels.faults(type_name, properties) if said in fault]


def test_the_models_are_those_of_the_versions_told() -> None:
    """The packages are the pinned ones, whose API versions stand in the table."""
    pinned = dict(line.split("==") for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if "==" in line)

    for name in ("azure-mgmt-iotoperations", "azure-mgmt-deviceregistry"):
        assert version(name) == pinned[name]
