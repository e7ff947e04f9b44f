#!/usr/bin/env bash
# Registers the factory with Azure Device Registry, by the Azure CLI and its extension azure-iot-ops:
#
#   INSTANCE=<INSTANCE> RESOURCE_GROUP=<RESOURCE_GROUP> bash register-assets.sh            discovery
#   INSTANCE=<INSTANCE> RESOURCE_GROUP=<RESOURCE_GROUP> bash register-assets.sh --assets   the assets too
#
# Yours to fill in:
#   <INSTANCE>        the name of the Azure IoT Operations instance
#   <RESOURCE_GROUP>  the resource group it is in
#
# Discovery is what Microsoft supports for MQTT: the connector reports each topic as it sees a message on it, and
# you import what it found. --assets creates all of them by command. Neither the level of a topic that names the asset
# (assetLevel) nor data points can be given by command: assets.bicep has both, and is the better way. What is there
# already is left as it is. The script has not been tried on a real instance.
#
# Made by `python app.py export assets` from the plant's YAML: change that, and make it anew.

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
    ops ns asset mqtt create --name "$1" --device "$DEVICE" --endpoint "$2" \
      --external-asset-id "$3" --display-name "$4" --model "$5"
    echo "asset $1 created"
  fi
}

# dataset ASSET TOPIC DESTINATION RETAIN
dataset() {
  if ops ns asset mqtt dataset show --asset "$1" --name "$2" 2>/dev/null; then
    return
  fi
  ops ns asset mqtt dataset add --asset "$1" --name "$2" --data-source "$2" \
    --destination "topic=$3" qos=Qos1 "retain=$4" "ttl=$TTL"
}

# endpoint NAME FILTER PREFIX
endpoint() {
  if az iot ops ns device show --name "$DEVICE" --instance "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors \
    --query 'keys(properties.endpoints.inbound)' --output tsv 2>/dev/null | grep -qx "$1"; then
    echo "endpoint $1 is there; to change what it discovers, delete the device $DEVICE first"
    return
  fi
  ops ns device endpoint inbound add mqtt --device "$DEVICE" --name "$1" --endpoint-address "$ADDRESS" \
    --topic-filter "$2" --topic-mapping-prefix "$3"
  echo "endpoint $1 discovers $2"
}

# Without this sync nothing that a connector discovers is seen in Azure. It may be run again.
az iot ops enable-rsync -n "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors --output none

DEVICE=factory-mqtt
ADDRESS=aio-broker:18883
TTL=3600

device
endpoint mqtt-1 factory/+ uns

if [ "${1:-}" = --assets ]; then
  asset factory-cnc-01 mqtt-1 CNC-01 'CNC-01 (CNC mill)' cnc_machine
  asset factory-cnc-02 mqtt-1 CNC-02 'CNC-02 (CNC mill)' cnc_machine
  asset factory-cnc-03 mqtt-1 CNC-03 'CNC-03 (CNC mill)' cnc_machine
  asset factory-cnc-04 mqtt-1 CNC-04 'CNC-04 (CNC mill)' cnc_machine
  asset factory-cnc-05 mqtt-1 CNC-05 'CNC-05 (CNC mill)' cnc_machine
  asset factory-cnc-machine mqtt-1 factory/cnc 'factory/cnc (CNC mill)' cnc_machine
  dataset factory-cnc-machine factory/cnc uns/factory/cnc Never
  asset factory-3dp-01 mqtt-1 3DP-01 '3DP-01 (3D printer)' printer_3d
  asset factory-3dp-02 mqtt-1 3DP-02 '3DP-02 (3D printer)' printer_3d
  asset factory-3dp-03 mqtt-1 3DP-03 '3DP-03 (3D printer)' printer_3d
  asset factory-3dp-04 mqtt-1 3DP-04 '3DP-04 (3D printer)' printer_3d
  asset factory-3dp-05 mqtt-1 3DP-05 '3DP-05 (3D printer)' printer_3d
  asset factory-3dp-06 mqtt-1 3DP-06 '3DP-06 (3D printer)' printer_3d
  asset factory-3dp-07 mqtt-1 3DP-07 '3DP-07 (3D printer)' printer_3d
  asset factory-3dp-08 mqtt-1 3DP-08 '3DP-08 (3D printer)' printer_3d
  asset factory-printer-3d mqtt-1 factory/3dprinter 'factory/3dprinter (3D printer)' printer_3d
  dataset factory-printer-3d factory/3dprinter uns/factory/3dprinter Never
  asset factory-weld-01 mqtt-1 WELD-01 'WELD-01 (welding station)' welding
  asset factory-weld-02 mqtt-1 WELD-02 'WELD-02 (welding station)' welding
  asset factory-weld-03 mqtt-1 WELD-03 'WELD-03 (welding station)' welding
  asset factory-weld-04 mqtt-1 WELD-04 'WELD-04 (welding station)' welding
  asset factory-welding mqtt-1 factory/welding 'factory/welding (welding station)' welding
  dataset factory-welding factory/welding uns/factory/welding Never
  asset factory-paint-01 mqtt-1 PAINT-01 'PAINT-01 (painting booth)' painting
  asset factory-paint-02 mqtt-1 PAINT-02 'PAINT-02 (painting booth)' painting
  asset factory-paint-03 mqtt-1 PAINT-03 'PAINT-03 (painting booth)' painting
  asset factory-painting mqtt-1 factory/painting 'factory/painting (painting booth)' painting
  dataset factory-painting factory/painting uns/factory/painting Never
  asset factory-test-01 mqtt-1 TEST-01 'TEST-01 (test rig)' testing
  asset factory-test-02 mqtt-1 TEST-02 'TEST-02 (test rig)' testing
  asset factory-testing mqtt-1 factory/testing 'factory/testing (test rig)' testing
  dataset factory-testing factory/testing uns/factory/testing Never
  asset factory-customer-order mqtt-1 factory/orders 'factory/orders (customer order)' customer_order
  dataset factory-customer-order factory/orders uns/factory/orders Never
  asset factory-dispatch mqtt-1 factory/dispatch 'factory/dispatch (dispatch)' dispatch
  dataset factory-dispatch factory/dispatch uns/factory/dispatch Never
fi
