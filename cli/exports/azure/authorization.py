"""Target `authorization`: permission at the broker to publish the factory's messages, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cli.exports.common.export import Export, File
from cli.exports.common.names import heading, metadata
from cli.exports.common.yaml_text import dump
from plant.catalogue.catalogue import MessageKind

API: Final = "mqttbroker.iotoperations.azure.com/v1"
ATTRIBUTE: Final = ("group", "factory-sim")
"""The attribute that identifies the service account: an annotation there, a principal here."""
TEST_PORT: Final = 8884
MOST_TOPICS: Final = 100
"""Topics of one kind that are listed individually; more are allowed by a filter."""

_NO_COMMANDS: Final = """
Permission to connect and to publish to the factory's topics, and nothing else. The simulator subscribes to nothing,
so Subscribe is not allowed. """
_COMMANDS: Final = """
Permission to connect, to publish to the factory's topics, to subscribe to its commands, and to publish answers to
them below one level of their own, and nothing else. Clients choose response topics there, or get no answer: a topic
elsewhere needs a line below Publish. Who may send commands is a matter of rules for those clients.
"""
_RULES_HEAD: Final = f"""More than {MOST_TOPICS} topics of a kind are one filter, in which `+` matches a level.

It takes effect on a listener that refers to it, such as test-listener.yaml. There, a client without a rule has no
permission: if others use the listener too, add their rules. After adding topics to the plant, generate this again.
Client ids are the pods' names; your own MQTT_CLIENT_ID must begin like them, or be added here. So must those of
machines, where each has a connection of its own (MQTT_DEVICE_CLIENT_ID); they may publish their status, too.

The ServiceAccount belongs to the simulator alone: set serviceAccountName in deployment.yaml to it (the overlay
deploy/overlays/authorization does). The default one, mqtt-client, is also that of Microsoft's quickstart, and is not
changed.
After a change of a BrokerAuthorization the broker disconnects its clients; the simulator reconnects by itself.
"""
_LISTENER_HEAD: Final = f"""
A listener to test the rules of authorization.yaml: port {TEST_PORT}, TLS, service account tokens.

The simulator connects to it with MQTT_PORT={TEST_PORT} and MQTT_BROKER set to the listener's name, and with that port
in the egress of its NetworkPolicy (the overlay deploy/overlays/authorization does all of it). The broker allows one
listener of each service type: if there is another LoadBalancer, add the port to that one. Do not change the listener
`default`: Azure IoT Operations itself depends on it. A LoadBalancer may be reachable from outside the cluster.
"""


def authorization(export: Export) -> list[File]:
    """Broker rules for exactly the topics published, the annotated service account, and a listener to test them.

    Two files, authorization.yaml and test-listener.yaml, for operators. Tested against Microsoft's models of the API
    (azure-mgmt-iotoperations) and the topics of the router; never applied to a cluster.
    """
    head = (_COMMANDS if export.commands else _NO_COMMANDS) + _RULES_HEAD
    rules = dump(_service_account(export), _rules(export), head=heading(head, "authorization"))
    listener = dump(_listener(export), head=heading(_LISTENER_HEAD, "authorization"))
    return [File("authorization.yaml", rules), File("test-listener.yaml", listener)]


def published(export: Export) -> list[str]:
    """Return the topics to allow, each once: by name, or by filter if a kind has too many."""
    return sorted({topic for kind in export.kinds for topic in _of(export, kind)})


def _of(export: Export, kind: MessageKind) -> Sequence[str]:
    topics = export.topics.topics_of(kind)
    return topics if len(topics) <= MOST_TOPICS else (export.topics.filter_of(kind),)


def _service_account(export: Export) -> dict[str, Any]:
    name, value = ATTRIBUTE
    about = metadata(export, export.app) | {"annotations": {f"aio-broker-auth/{name}": value}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about, "automountServiceAccountToken": False}


def _rules(export: Export) -> dict[str, Any]:
    commands = export.command_filter
    topics = published(export) + ([export.answer_filter] if commands else [])
    topics += [export.status_filter] if export.has_statuses else []
    publish = [{"method": "Publish", "topics": topics}] if topics else []
    subscribe = [{"method": "Subscribe", "topics": [commands]}] if commands else []
    connect = {"method": "Connect", "clientIds": [f"{export.app}*"]}
    rule = {"principals": {"attributes": [dict([ATTRIBUTE])]}, "brokerResources": [connect, *publish, *subscribe]}
    spec = {"authorizationPolicies": {"cache": "Enabled", "rules": [rule]}}
    return {"apiVersion": API, "kind": "BrokerAuthorization", "metadata": metadata(export, export.app), "spec": spec}


def _listener(export: Export) -> dict[str, Any]:
    name = f"{export.app}-test"
    names = [name, f"{name}.{export.namespace}", f"{name}.{export.namespace}.svc.cluster.local", "localhost"]
    issuer = {
        "kind": "ClusterIssuer",
        "group": "cert-manager.io",
        "name": "azure-iot-operations-aio-certificate-issuer",
    }
    port = {
        "port": TEST_PORT,
        "protocol": "Mqtt",
        "authenticationRef": "default",
        "authorizationRef": export.app,
        "tls": {
            "mode": "Automatic",
            "certManagerCertificateSpec": {"issuerRef": issuer, "san": {"dns": names, "ip": ["127.0.0.1"]}},
        },
    }
    spec = {"brokerRef": "default", "serviceType": "LoadBalancer", "serviceName": name, "ports": [port]}
    return {"apiVersion": API, "kind": "BrokerListener", "metadata": metadata(export, name), "spec": spec}
