"""The `az iot ops` commands that register the factory with Azure, as a shell script."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from edge.exports.export import Export, File, commented
from edge.exports.names import heading
from edge.exports.namespaced import EXPIRY_SECONDS, Resource, asset_resources, device
from edge.exports.places import discoveries, mapping_prefix

FILE: Final = "register-assets.sh"

_HEAD: Final = """
Registers the factory with Azure Device Registry, by the Azure CLI and its extension azure-iot-ops:

  INSTANCE=<INSTANCE> RESOURCE_GROUP=<RESOURCE_GROUP> bash register-assets.sh            discovery
  INSTANCE=<INSTANCE> RESOURCE_GROUP=<RESOURCE_GROUP> bash register-assets.sh --assets   the assets too

Yours to fill in:
  <INSTANCE>        the name of the Azure IoT Operations instance
  <RESOURCE_GROUP>  the resource group it is in

Discovery is what Microsoft supports for MQTT: the connector reports each topic as it sees a message on it, and
you import what it found. --assets creates all of them by command. Neither the level of a topic that names the asset
(assetLevel) nor data points can be given by command: assets.bicep has both, and is the better way. What is there
already is left as it is. The script has not been tried on a real instance.
"""

_FUNCTIONS: Final = """\
set -euo pipefail

: "${INSTANCE:?set INSTANCE to the name of the Azure IoT Operations instance}"
: "${RESOURCE_GROUP:?set RESOURCE_GROUP to the resource group of the instance}"
case "${1:-}" in
  "" | --assets) ;;
  *) echo "usage: INSTANCE=... RESOURCE_GROUP=... bash register-assets.sh [--assets]" >&2; exit 2 ;;
esac

ops() { az iot ops "$@" --instance "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors --output none; }

device() {
  if ops ns device show --name "$DEVICE" 2>/dev/null; then
    echo "device $DEVICE is there"
  else
    ops ns device create --name "$DEVICE"
    echo "device $DEVICE created"
  fi
}

# asset NAME ENDPOINT EXTERNAL_ID DISPLAY_NAME MODEL
asset() {
  if ops ns asset show --name "$1" 2>/dev/null; then
    echo "asset $1 is there"
  else
    ops ns asset mqtt create --name "$1" --device "$DEVICE" --endpoint "$2" \\
      --external-asset-id "$3" --display-name "$4" --model "$5"
    echo "asset $1 created"
  fi
}

# dataset ASSET TOPIC DESTINATION RETAIN
dataset() {
  if ops ns asset mqtt dataset show --asset "$1" --name "$2" 2>/dev/null; then
    return
  fi
  ops ns asset mqtt dataset add --asset "$1" --name "$2" --data-source "$2" \\
    --destination "topic=$3" qos=Qos1 "retain=$4" "ttl=$TTL"
}

# endpoint NAME FILTER PREFIX
endpoint() {
  if az iot ops ns device show --name "$DEVICE" --instance "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors \\
    --query 'keys(properties.endpoints.inbound)' --output tsv 2>/dev/null | grep -qx "$1"; then
    echo "endpoint $1 is there; to change what it discovers, delete the device $DEVICE first"
    return
  fi
  ops ns device endpoint inbound add mqtt --device "$DEVICE" --name "$1" --endpoint-address "$ADDRESS" \\
    --topic-filter "$2" --topic-mapping-prefix "$3"
  echo "endpoint $1 discovers $2"
}

# Without this sync nothing that a connector discovers is seen in Azure. It may be run again.
az iot ops enable-rsync -n "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors --output none
"""


def commands(export: Export) -> list[File]:
    """One script: sync, device and endpoints; with --assets every asset."""
    variables = f"DEVICE={_word(device(export).name)}\nADDRESS={_word(_address(export))}\nTTL={EXPIRY_SECONDS}\n"
    comment = commented(heading(_HEAD, "assets"))
    parts = ("#!/usr/bin/env bash\n" + comment, _FUNCTIONS, variables, _device_lines(export), _asset_lines(export))
    return [File(FILE, "\n".join(parts))]


def _address(export: Export) -> str:
    """The broker as the commands want it: without a scheme for the built-in one."""
    return f"{export.broker_host}:{export.broker_port}"


def _device_lines(export: Export) -> str:
    prefix = mapping_prefix(export)
    endpoints = [f"endpoint {each.name} {_word(each.topic_filter)} {_word(prefix)}" for each in discoveries(export)]
    return "\n".join(("device", *endpoints)) + "\n"


def _asset_lines(export: Export) -> str:
    lines = [line for resource in asset_resources(export) for line in _asset(resource)] or ["  :"]
    return "\n".join(('if [ "${1:-}" = --assets ]; then', *lines, "fi")) + "\n"


def _asset(resource: Resource) -> Iterator[str]:
    spec = resource.spec
    about = (spec["deviceRef"]["endpointName"], spec["externalAssetId"], spec["displayName"], spec["model"])
    yield "  asset " + " ".join(map(_word, (resource.name, *about)))
    for dataset in spec.get("datasets", ()):
        target = dataset["destinations"][0]["configuration"]
        words = (resource.name, dataset["dataSource"], target["topic"], target["retain"])
        yield "  dataset " + " ".join(map(_word, words))


def _word(text: str) -> str:
    return shlex.quote(text)
