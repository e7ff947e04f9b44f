// Dataflows of the factory's messages, broker rules and a listener to try these on. Deploy it with
//
//   az deployment group create -g <RESOURCE_GROUP> -f dataflow.bicep -p instanceName=<INSTANCE> \
//     customLocationId=<CUSTOM_LOCATION_ID> parts="['fabric']" fabricBootstrapServer=... fabricTopic=...
//
// Yours to fill in, in that command:
//   <RESOURCE_GROUP>      the resource group of the Azure IoT Operations instance
//   <INSTANCE>            its name
//   <CUSTOM_LOCATION_ID>  the resource id of its custom location
//
// parts: any of fabric, adx, local, authorization, listener. adx and local want the schemas of schemas.bicep, local a
// PersistentVolumeClaim of the name that localStorageSettings has, authorization the annotated service account of
// deploy/overlays/authorization. listener wants authorization, or that this is there.
//
// It has been checked for its shape only, never compiled or deployed: run `az bicep build -f dataflow.bicep` first.
//
// Made by `python app.py export azure` from the plant's YAML: change that, and make it anew.

@description('Azure IoT Operations instance.')
param instanceName string

@description('Resource id of the custom location of the instance.')
param customLocationId string

@description('What to make: any of fabric, adx, local, authorization, listener.')
param parts array

@description('Eventstream\'s custom endpoint, with its port 9093.')
param fabricBootstrapServer string = ''

@description('Its topic name, es_...')
param fabricTopic string = ''

@description('Azure Data Explorer cluster.')
param adxCluster string = ''

@description('Region of that cluster, as its host name has it.')
param adxRegion string = ''

@description('Database of that cluster.')
param adxDatabase string = ''

@description('Namespace of the schema registry (not its name).')
param schemaRegistryNamespace string = ''

var extendedLocation = {
  type: 'CustomLocation'
  name: customLocationId
}

var authorizations = [
  {
    part: 'authorization'
    name: 'edgemqttsim'
    properties: {
      authorizationPolicies: {
        cache: 'Enabled'
        rules: [
          {
            principals: {
              attributes: [
                {
                  group: 'factory-sim'
                }
              ]
            }
            brokerResources: [
              {
                method: 'Connect'
                clientIds: [
                  'edgemqttsim*'
                ]
              }
              {
                method: 'Publish'
                topics: [
                  'factory/3dprinter'
                  'factory/cnc'
                  'factory/dispatch'
                  'factory/orders'
                  'factory/painting'
                  'factory/testing'
                  'factory/welding'
                ]
              }
            ]
          }
        ]
      }
    }
  }
]

var listeners = [
  {
    part: 'listener'
    name: 'edgemqttsim-test'
    properties: {
      serviceType: 'LoadBalancer'
      serviceName: 'edgemqttsim-test'
      ports: [
        {
          port: 8884
          protocol: 'Mqtt'
          authenticationRef: 'default'
          authorizationRef: 'edgemqttsim'
          tls: {
            mode: 'Automatic'
            certManagerCertificateSpec: {
              issuerRef: {
                kind: 'ClusterIssuer'
                group: 'cert-manager.io'
                name: 'azure-iot-operations-aio-certificate-issuer'
              }
              san: {
                dns: [
                  'edgemqttsim-test'
                  'edgemqttsim-test.azure-iot-operations'
                  'edgemqttsim-test.azure-iot-operations.svc.cluster.local'
                  'localhost'
                ]
                ip: [
                  '127.0.0.1'
                ]
              }
            }
          }
        }
      ]
    }
  }
]

var endpoints = [
  {
    part: 'fabric'
    name: 'factory-fabric'
    properties: {
      endpointType: 'Kafka'
      kafkaSettings: {
        host: '<FABRIC_BOOTSTRAP_SERVER>'
        authentication: {
          method: 'SystemAssignedManagedIdentity'
          systemAssignedManagedIdentitySettings: {}
        }
        tls: {
          mode: 'Enabled'
        }
        copyMqttProperties: 'Enabled'
        cloudEventAttributes: 'Propagate'
      }
    }
  }
  {
    part: 'adx'
    name: 'factory-adx'
    properties: {
      endpointType: 'DataExplorer'
      dataExplorerSettings: {
        host: '<ADX_CLUSTER>.<ADX_REGION>.kusto.windows.net'
        database: '<ADX_DATABASE>'
        authentication: {
          method: 'SystemAssignedManagedIdentity'
          systemAssignedManagedIdentitySettings: {}
        }
      }
    }
  }
  {
    part: 'local'
    name: 'factory-local'
    properties: {
      endpointType: 'LocalStorage'
      localStorageSettings: {
        persistentVolumeClaimRef: 'factory-local'
      }
    }
  }
]

var flows = [
  {
    part: 'fabric'
    name: 'factory-fabric'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/3dprinter'
              'factory/cnc'
              'factory/dispatch'
              'factory/orders'
              'factory/painting'
              'factory/testing'
              'factory/welding'
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-fabric'
            dataDestination: '<FABRIC_TOPIC>'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-cnc-machine'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/cnc'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-cnc-machine-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-printer-3d'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/3dprinter'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-printer-3d-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-welding'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/welding'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-welding-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-painting'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/painting'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-painting-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-testing'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/testing'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-testing-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-customer-order'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/orders'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-customer-order-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'adx'
    name: 'factory-adx-dispatch'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/dispatch'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-dispatch-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-adx'
            dataDestination: 'Factory'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-cnc-machine'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/cnc'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-cnc-machine-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'cnc_machine'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-printer-3d'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/3dprinter'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-printer-3d-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'printer_3d'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-welding'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/welding'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-welding-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'welding'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-painting'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/painting'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-painting-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'painting'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-testing'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/testing'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-testing-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'testing'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-customer-order'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/orders'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-customer-order-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'customer_order'
          }
        }
      ]
    }
  }
  {
    part: 'local'
    name: 'factory-local-dispatch'
    properties: {
      mode: 'Enabled'
      operations: [
        {
          operationType: 'Source'
          sourceSettings: {
            endpointRef: 'default'
            serializationFormat: 'Json'
            dataSources: [
              'factory/dispatch'
            ]
          }
        }
        {
          operationType: 'BuiltInTransformation'
          builtInTransformationSettings: {
            serializationFormat: 'Parquet'
            schemaRef: 'aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/factory-dispatch-delta:1'
            map: [
              {
                type: 'PassThrough'
                inputs: [
                  '*'
                ]
                output: '*'
              }
            ]
          }
        }
        {
          operationType: 'Destination'
          destinationSettings: {
            endpointRef: 'factory-local'
            dataDestination: 'dispatch'
          }
        }
      ]
    }
  }
]

resource instance 'Microsoft.IoTOperations/instances@2026-07-01' existing = {
  name: instanceName
}

resource broker 'Microsoft.IoTOperations/instances/brokers@2026-07-01' existing = {
  parent: instance
  name: 'default'
}

resource profile 'Microsoft.IoTOperations/instances/dataflowProfiles@2026-07-01' existing = {
  parent: instance
  name: 'default'
}

resource authorization 'Microsoft.IoTOperations/instances/brokers/authorizations@2026-07-01' = [for each in authorizations: if (contains(parts, each.part)) {
  parent: broker
  name: each.name
  extendedLocation: extendedLocation
  properties: json(replace(replace(replace(replace(replace(replace(string(each.properties), '<FABRIC_BOOTSTRAP_SERVER>', fabricBootstrapServer), '<FABRIC_TOPIC>', fabricTopic), '<ADX_CLUSTER>', adxCluster), '<ADX_REGION>', adxRegion), '<ADX_DATABASE>', adxDatabase), '<SCHEMA_REGISTRY_NAMESPACE>', schemaRegistryNamespace))
}]

resource listener 'Microsoft.IoTOperations/instances/brokers/listeners@2026-07-01' = [for each in listeners: if (contains(parts, each.part)) {
  parent: broker
  name: each.name
  extendedLocation: extendedLocation
  properties: json(replace(replace(replace(replace(replace(replace(string(each.properties), '<FABRIC_BOOTSTRAP_SERVER>', fabricBootstrapServer), '<FABRIC_TOPIC>', fabricTopic), '<ADX_CLUSTER>', adxCluster), '<ADX_REGION>', adxRegion), '<ADX_DATABASE>', adxDatabase), '<SCHEMA_REGISTRY_NAMESPACE>', schemaRegistryNamespace))
  dependsOn: [
    authorization
  ]
}]

resource endpoint 'Microsoft.IoTOperations/instances/dataflowEndpoints@2026-07-01' = [for each in endpoints: if (contains(parts, each.part)) {
  parent: instance
  name: each.name
  extendedLocation: extendedLocation
  properties: json(replace(replace(replace(replace(replace(replace(string(each.properties), '<FABRIC_BOOTSTRAP_SERVER>', fabricBootstrapServer), '<FABRIC_TOPIC>', fabricTopic), '<ADX_CLUSTER>', adxCluster), '<ADX_REGION>', adxRegion), '<ADX_DATABASE>', adxDatabase), '<SCHEMA_REGISTRY_NAMESPACE>', schemaRegistryNamespace))
}]

resource flow 'Microsoft.IoTOperations/instances/dataflowProfiles/dataflows@2026-07-01' = [for each in flows: if (contains(parts, each.part)) {
  parent: profile
  name: each.name
  extendedLocation: extendedLocation
  properties: json(replace(replace(replace(replace(replace(replace(string(each.properties), '<FABRIC_BOOTSTRAP_SERVER>', fabricBootstrapServer), '<FABRIC_TOPIC>', fabricTopic), '<ADX_CLUSTER>', adxCluster), '<ADX_REGION>', adxRegion), '<ADX_DATABASE>', adxDatabase), '<SCHEMA_REGISTRY_NAMESPACE>', schemaRegistryNamespace))
  dependsOn: [
    endpoint
  ]
}]
