// The factory's device in Azure Device Registry, by which the MQTT connector discovers its topics. Deploy it with
//
//   az deployment group create -g <RESOURCE_GROUP> -f assets.bicep -p namespaceName=<ADR_NAMESPACE> \
//     customLocationId=<CUSTOM_LOCATION_ID> instanceName=<INSTANCE> connectorVersion=<CONNECTOR_VERSION>
//
// Yours to fill in, in that command:
//   <RESOURCE_GROUP>      the resource group of the Azure IoT Operations instance
//   <ADR_NAMESPACE>       the Azure Device Registry namespace that the instance refers to
//   <CUSTOM_LOCATION_ID>  the resource id of the instance's custom location
//   <INSTANCE>            the name of the instance
//   <CONNECTOR_VERSION>   leave it out where the instance has a connector template for MQTT; the versions there are:
//                         curl https://mcr.microsoft.com/v2/azureiotoperations/akri-connectors/mqtt-metadata/tags/list
//
// The template is the precondition of all discovery. Better made by `az iot ops connector template create`, as in
// register-assets.sh: that reads image and settings from Microsoft's metadata. Here the image's name and tag are inferred
// from those of the metadata; no published example has them.
//
// The assets are for who wants to see or adapt them, and are made only with withAssets=true: Microsoft's pages say that
// the MQTT connector does not support assets made by hand. Import what it discovers instead.
//
// It has been checked for its shape only, never compiled or deployed: run `az bicep build -f assets.bicep` first.
//
// Made by `python app.py export assets` from the plant's YAML: change that, and make it anew.

@description('Azure Device Registry namespace that the Azure IoT Operations instance refers to.')
param namespaceName string

@description('Resource id of the custom location of the Azure IoT Operations instance.')
param customLocationId string

@description('Name of the Azure IoT Operations instance.')
param instanceName string

@description('Version of the MQTT connector for a new connector template; empty: there is one already.')
param connectorVersion string = ''

@description('Azure region of the resources.')
param location string = resourceGroup().location

@description('Also make the assets by hand, which the MQTT connector does not support.')
param withAssets bool = false

@description('Assets to pass over: one deployment takes 798, so a larger plant needs several.')
param first int = 0

var batch = take(skip(assets, first), 798)

var withTemplate = !empty(connectorVersion)

var extendedLocation = {
  type: 'CustomLocation'
  name: customLocationId
}

var factory = {
  name: 'factory-mqtt'
  properties: {
    enabled: true
    externalDeviceId: 'factory-mqtt'
    manufacturer: 'edgemqttsim'
    model: 'simulated factory'
    endpoints: {
      inbound: {
        'mqtt-1': {
          endpointType: 'Microsoft.Mqtt'
          address: 'aio-broker:18883'
          authentication: {
            method: 'Anonymous'
          }
          additionalConfiguration: '{\n  "useBuiltInMqttBroker": true,\n  "assetDiscoveryConfiguration": {\n    "topicFilter": "factory/+",\n    "assetLevel": 2,\n    "topicMappingPrefix": "uns"\n  }\n}'
        }
      }
      outbound: {
        assigned: {}
      }
    }
  }
}

var assets = [
  {
    name: 'factory-cnc-01'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'CNC-01'
      displayName: 'CNC-01 (CNC mill)'
      description: 'State and work of a CNC mill, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'cnc_machine'
      attributes: {
        messageType: 'cnc_machine'
        station: 'LINE-1-STATION-A'
        topic: 'factory/cnc'
      }
    }
  }
  {
    name: 'factory-cnc-02'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'CNC-02'
      displayName: 'CNC-02 (CNC mill)'
      description: 'State and work of a CNC mill, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'cnc_machine'
      attributes: {
        messageType: 'cnc_machine'
        station: 'LINE-2-STATION-A'
        topic: 'factory/cnc'
      }
    }
  }
  {
    name: 'factory-cnc-03'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'CNC-03'
      displayName: 'CNC-03 (CNC mill)'
      description: 'State and work of a CNC mill, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'cnc_machine'
      attributes: {
        messageType: 'cnc_machine'
        station: 'LINE-3-STATION-A'
        topic: 'factory/cnc'
      }
    }
  }
  {
    name: 'factory-cnc-04'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'CNC-04'
      displayName: 'CNC-04 (CNC mill)'
      description: 'State and work of a CNC mill, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'cnc_machine'
      attributes: {
        messageType: 'cnc_machine'
        station: 'LINE-1-STATION-A'
        topic: 'factory/cnc'
      }
    }
  }
  {
    name: 'factory-cnc-05'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'CNC-05'
      displayName: 'CNC-05 (CNC mill)'
      description: 'State and work of a CNC mill, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'cnc_machine'
      attributes: {
        messageType: 'cnc_machine'
        station: 'LINE-2-STATION-A'
        topic: 'factory/cnc'
      }
    }
  }
  {
    name: 'factory-cnc-machine'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/cnc'
      displayName: 'factory/cnc (CNC mill)'
      description: 'State and work of a CNC mill, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'cnc_machine'
      attributes: {
        messageType: 'cnc_machine'
        sources: '5'
      }
      datasets: [
        {
          name: 'factory/cnc'
          dataSource: 'factory/cnc'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'machine_id'
              dataSource: 'machine_id'
            }
            {
              name: 'station_id'
              dataSource: 'station_id'
            }
            {
              name: 'status'
              dataSource: 'status'
            }
            {
              name: 'part_type'
              dataSource: 'part_type'
            }
            {
              name: 'part_id'
              dataSource: 'part_id'
            }
            {
              name: 'cycle_time'
              dataSource: 'cycle_time'
            }
            {
              name: 'quality'
              dataSource: 'quality'
            }
            {
              name: 'current_part_id'
              dataSource: 'current_part_id'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/cnc'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
  {
    name: 'factory-3dp-01'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-01'
      displayName: '3DP-01 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-1-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-02'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-02'
      displayName: '3DP-02 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-2-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-03'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-03'
      displayName: '3DP-03 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-3-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-04'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-04'
      displayName: '3DP-04 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-1-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-05'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-05'
      displayName: '3DP-05 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-2-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-06'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-06'
      displayName: '3DP-06 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-3-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-07'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-07'
      displayName: '3DP-07 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-1-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-3dp-08'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: '3DP-08'
      displayName: '3DP-08 (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        station: 'LINE-2-STATION-B'
        topic: 'factory/3dprinter'
      }
    }
  }
  {
    name: 'factory-printer-3d'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/3dprinter'
      displayName: 'factory/3dprinter (3D printer)'
      description: 'State and work of a 3D printer, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'printer_3d'
      attributes: {
        messageType: 'printer_3d'
        sources: '8'
      }
      datasets: [
        {
          name: 'factory/3dprinter'
          dataSource: 'factory/3dprinter'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'machine_id'
              dataSource: 'machine_id'
            }
            {
              name: 'station_id'
              dataSource: 'station_id'
            }
            {
              name: 'status'
              dataSource: 'status'
            }
            {
              name: 'part_type'
              dataSource: 'part_type'
            }
            {
              name: 'part_id'
              dataSource: 'part_id'
            }
            {
              name: 'progress'
              dataSource: 'progress'
            }
            {
              name: 'quality'
              dataSource: 'quality'
            }
            {
              name: 'current_part_id'
              dataSource: 'current_part_id'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/3dprinter'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
  {
    name: 'factory-weld-01'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'WELD-01'
      displayName: 'WELD-01 (welding station)'
      description: 'State and work of a welding station, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'welding'
      attributes: {
        messageType: 'welding'
        station: 'LINE-1-STATION-C'
        topic: 'factory/welding'
      }
    }
  }
  {
    name: 'factory-weld-02'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'WELD-02'
      displayName: 'WELD-02 (welding station)'
      description: 'State and work of a welding station, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'welding'
      attributes: {
        messageType: 'welding'
        station: 'LINE-2-STATION-C'
        topic: 'factory/welding'
      }
    }
  }
  {
    name: 'factory-weld-03'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'WELD-03'
      displayName: 'WELD-03 (welding station)'
      description: 'State and work of a welding station, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'welding'
      attributes: {
        messageType: 'welding'
        station: 'LINE-1-STATION-C'
        topic: 'factory/welding'
      }
    }
  }
  {
    name: 'factory-weld-04'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'WELD-04'
      displayName: 'WELD-04 (welding station)'
      description: 'State and work of a welding station, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'welding'
      attributes: {
        messageType: 'welding'
        station: 'LINE-2-STATION-C'
        topic: 'factory/welding'
      }
    }
  }
  {
    name: 'factory-welding'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/welding'
      displayName: 'factory/welding (welding station)'
      description: 'State and work of a welding station, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'welding'
      attributes: {
        messageType: 'welding'
        sources: '4'
      }
      datasets: [
        {
          name: 'factory/welding'
          dataSource: 'factory/welding'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'machine_id'
              dataSource: 'machine_id'
            }
            {
              name: 'station_id'
              dataSource: 'station_id'
            }
            {
              name: 'status'
              dataSource: 'status'
            }
            {
              name: 'assembly_id'
              dataSource: 'assembly_id'
            }
            {
              name: 'assembly_type'
              dataSource: 'assembly_type'
            }
            {
              name: 'last_cycle_time'
              dataSource: 'last_cycle_time'
            }
            {
              name: 'quality'
              dataSource: 'quality'
            }
            {
              name: 'current_assembly_id'
              dataSource: 'current_assembly_id'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/welding'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
  {
    name: 'factory-paint-01'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'PAINT-01'
      displayName: 'PAINT-01 (painting booth)'
      description: 'State and work of a painting booth, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'painting'
      attributes: {
        messageType: 'painting'
        station: 'LINE-1-STATION-D'
        topic: 'factory/painting'
      }
    }
  }
  {
    name: 'factory-paint-02'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'PAINT-02'
      displayName: 'PAINT-02 (painting booth)'
      description: 'State and work of a painting booth, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'painting'
      attributes: {
        messageType: 'painting'
        station: 'LINE-2-STATION-D'
        topic: 'factory/painting'
      }
    }
  }
  {
    name: 'factory-paint-03'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'PAINT-03'
      displayName: 'PAINT-03 (painting booth)'
      description: 'State and work of a painting booth, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'painting'
      attributes: {
        messageType: 'painting'
        station: 'LINE-1-STATION-D'
        topic: 'factory/painting'
      }
    }
  }
  {
    name: 'factory-painting'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/painting'
      displayName: 'factory/painting (painting booth)'
      description: 'State and work of a painting booth, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'painting'
      attributes: {
        messageType: 'painting'
        sources: '3'
      }
      datasets: [
        {
          name: 'factory/painting'
          dataSource: 'factory/painting'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'machine_id'
              dataSource: 'machine_id'
            }
            {
              name: 'station_id'
              dataSource: 'station_id'
            }
            {
              name: 'status'
              dataSource: 'status'
            }
            {
              name: 'part_id'
              dataSource: 'part_id'
            }
            {
              name: 'color'
              dataSource: 'color'
            }
            {
              name: 'cycle_time'
              dataSource: 'cycle_time'
            }
            {
              name: 'quality'
              dataSource: 'quality'
            }
            {
              name: 'current_part_id'
              dataSource: 'current_part_id'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/painting'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
  {
    name: 'factory-test-01'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'TEST-01'
      displayName: 'TEST-01 (test rig)'
      description: 'State and work of a test rig, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'testing'
      attributes: {
        messageType: 'testing'
        station: 'QA-STATION-1'
        topic: 'factory/testing'
      }
    }
  }
  {
    name: 'factory-test-02'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'TEST-02'
      displayName: 'TEST-02 (test rig)'
      description: 'State and work of a test rig, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'testing'
      attributes: {
        messageType: 'testing'
        station: 'QA-STATION-2'
        topic: 'factory/testing'
      }
    }
  }
  {
    name: 'factory-testing'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/testing'
      displayName: 'factory/testing (test rig)'
      description: 'State and work of a test rig, reported at a regular period.'
      manufacturer: 'edgemqttsim'
      model: 'testing'
      attributes: {
        messageType: 'testing'
        sources: '2'
      }
      datasets: [
        {
          name: 'factory/testing'
          dataSource: 'factory/testing'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'machine_id'
              dataSource: 'machine_id'
            }
            {
              name: 'station_id'
              dataSource: 'station_id'
            }
            {
              name: 'status'
              dataSource: 'status'
            }
            {
              name: 'target_id'
              dataSource: 'target_id'
            }
            {
              name: 'target_type'
              dataSource: 'target_type'
            }
            {
              name: 'test_result'
              dataSource: 'test_result'
            }
            {
              name: 'issues_found'
              dataSource: 'issues_found'
            }
            {
              name: 'current_target_id'
              dataSource: 'current_target_id'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/testing'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
  {
    name: 'factory-customer-order'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/orders'
      displayName: 'factory/orders (customer order)'
      description: 'A customer orders up to 3 products. Orders are placed at random.'
      manufacturer: 'edgemqttsim'
      model: 'customer_order'
      attributes: {
        messageType: 'customer_order'
      }
      datasets: [
        {
          name: 'factory/orders'
          dataSource: 'factory/orders'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'event_type'
              dataSource: 'event_type'
            }
            {
              name: 'order_id'
              dataSource: 'order_id'
            }
            {
              name: 'items'
              dataSource: 'items'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/orders'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
  {
    name: 'factory-dispatch'
    properties: {
      deviceRef: {
        deviceName: 'factory-mqtt'
        endpointName: 'mqtt-1'
      }
      enabled: true
      externalAssetId: 'factory/dispatch'
      displayName: 'factory/dispatch (dispatch)'
      description: 'The oldest open order is dispatched. Dispatches take place at random.'
      manufacturer: 'edgemqttsim'
      model: 'dispatch'
      attributes: {
        messageType: 'dispatch'
      }
      datasets: [
        {
          name: 'factory/dispatch'
          dataSource: 'factory/dispatch'
          dataPoints: [
            {
              name: 'timestamp'
              dataSource: 'timestamp'
            }
            {
              name: 'event_type'
              dataSource: 'event_type'
            }
            {
              name: 'order_id'
              dataSource: 'order_id'
            }
            {
              name: 'destination'
              dataSource: 'destination'
            }
            {
              name: 'carrier'
              dataSource: 'carrier'
            }
          ]
          destinations: [
            {
              target: 'Mqtt'
              configuration: {
                topic: 'uns/factory/dispatch'
                qos: 'Qos1'
                retain: 'Never'
                ttl: 3600
              }
            }
          ]
        }
      ]
    }
  }
]

var connector = {
  connectorMetadataRef: 'mcr.microsoft.com/azureiotoperations/akri-connectors/mqtt-metadata:${connectorVersion}'
  deviceInboundEndpointTypes: [
    {
      endpointType: 'Microsoft.Mqtt'
    }
  ]
  runtimeConfiguration: {
    runtimeConfigurationType: 'ManagedConfiguration'
    managedConfigurationSettings: {
      managedConfigurationType: 'ImageConfiguration'
      imageConfigurationSettings: {
        imageName: 'azureiotoperations/akri-connectors/mqtt'
        registrySettings: {
          registrySettingsType: 'ContainerRegistry'
          containerRegistrySettings: {
            registry: 'mcr.microsoft.com'
          }
        }
        tagDigestSettings: {
          tagDigestType: 'Tag'
          tag: '${connectorVersion}'
        }
        replicas: 1
      }
      allocation: {
        policy: 'Bucketized'
        bucketSize: 1
      }
    }
  }
  mqttConnectionConfiguration: {
    host: 'aio-broker:18883'
    authentication: {
      method: 'ServiceAccountToken'
      serviceAccountTokenSettings: {
        audience: 'aio-internal'
      }
    }
    tls: {
      mode: 'Enabled'
      trustedCaCertificateConfigMapRef: 'azure-iot-operations-aio-ca-trust-bundle'
    }
  }
  diagnostics: {
    logs: {
      level: 'info'
    }
  }
}

resource instance 'Microsoft.IoTOperations/instances@2026-07-01' existing = {
  name: instanceName
}

resource template 'Microsoft.IoTOperations/instances/akriConnectorTemplates@2026-07-01' = if (withTemplate) {
  parent: instance
  name: 'mqtt-connector'
  extendedLocation: extendedLocation
  properties: connector
}

resource registry 'Microsoft.DeviceRegistry/namespaces@2026-04-01' existing = {
  name: namespaceName
}

resource device 'Microsoft.DeviceRegistry/namespaces/devices@2026-04-01' = {
  parent: registry
  name: factory.name
  location: location
  extendedLocation: extendedLocation
  properties: factory.properties
}

resource asset 'Microsoft.DeviceRegistry/namespaces/assets@2026-04-01' = [for each in batch: if (withAssets) {
  parent: registry
  name: each.name
  location: location
  extendedLocation: extendedLocation
  properties: each.properties
  dependsOn: [
    device
  ]
}]
