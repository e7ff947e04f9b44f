"""The connector template: what makes an instance of Azure IoT Operations run the MQTT connector."""

from __future__ import annotations

from typing import Any, Final

from cli.exports.azure.namespaced import ENDPOINT_TYPE, address
from cli.exports.common.export import Export

TEMPLATE: Final = "mqtt-connector"
IMAGE: Final = "azureiotoperations/akri-connectors/mqtt"
METADATA: Final = f"mcr.microsoft.com/{IMAGE}-metadata"
"""Microsoft's document of what the connector needs; its tags are the connector's versions."""
TAGS: Final = f"https://{METADATA.replace('/', '/v2/', 1)}/tags/list"
"""Where the versions are told."""


def template(export: Export, version: str) -> dict[str, Any]:
    """The template's properties, for a version of the connector: image, endpoint type, and its way to the broker.

    No example is published: the image's name follows that of the metadata, the tag is taken to be the metadata's too.
    """
    registry = {
        "registrySettingsType": "ContainerRegistry",
        "containerRegistrySettings": {"registry": "mcr.microsoft.com"},
    }
    image = {
        "imageName": IMAGE,
        "registrySettings": registry,
        "tagDigestSettings": {"tagDigestType": "Tag", "tag": version},
        "replicas": 1,
    }
    managed = {
        "managedConfigurationType": "ImageConfiguration",
        "imageConfigurationSettings": image,
        "allocation": {"policy": "Bucketized", "bucketSize": 1},
    }
    login = {"method": "ServiceAccountToken", "serviceAccountTokenSettings": {"audience": "aio-internal"}}
    trusted = {"mode": "Enabled", "trustedCaCertificateConfigMapRef": "azure-iot-operations-aio-ca-trust-bundle"}
    return {
        "connectorMetadataRef": f"{METADATA}:{version}",
        "deviceInboundEndpointTypes": [{"endpointType": ENDPOINT_TYPE}],
        "runtimeConfiguration": {
            "runtimeConfigurationType": "ManagedConfiguration",
            "managedConfigurationSettings": managed,
        },
        "mqttConnectionConfiguration": {"host": address(export), "authentication": login, "tls": trusted},
        "diagnostics": {"logs": {"level": "info"}},
    }
