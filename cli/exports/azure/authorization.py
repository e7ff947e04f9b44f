"""Target `authorization`: leave at the broker to publish what the factory says, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cli.exports.common.export import Export, File
from cli.exports.common.names import heading, metadata
from cli.exports.common.yaml_text import dump
from plant.catalogue.catalogue import MessageKind

API: Final = "mqttbroker.iotoperations.azure.com/v1"
ATTRIBUTE: Final = ("group", "factory-sim")
"""What the service account is known by: an annotation there, a principal here."""
TEST_PORT: Final = 8884
MOST_TOPICS: Final = 100
"""Of one kind of message that are listed one by one; more are allowed by a filter."""

_RULES_HEAD: Final = f"""
Leave to connect and to publish to the factory's topics, and for nothing else. The simulator subscribes to nothing, so
no Subscribe is allowed. Topics of a kind with more than {MOST_TOPICS} are one filter, in which `+` stands for a level.

It takes effect on a listener that refers to it, such as test-listener.yaml. A client there that no rule names may do
nothing: on a listener that others use too, their rules must be added. A plant with more topics needs this made anew.
Client ids are the pods' names; a MQTT_CLIENT_ID of your own must begin like them, or be added here.

The ServiceAccount is the simulator's alone: set serviceAccountName in deployment.yaml to it (the overlay
deploy/overlays/authorization does). The one there by default, mqtt-client, is that of Microsoft's quickstart too,
and is left as it is.
Changing a BrokerAuthorization makes the broker disconnect its clients; the simulator comes back by itself.
"""
_LISTENER_HEAD: Final = f"""
A listener to try the rules of authorization.yaml on: port {TEST_PORT}, TLS, service account tokens.

The simulator goes there with MQTT_PORT={TEST_PORT} and MQTT_BROKER set to the listener's name, and with that port in
the egress of its NetworkPolicy (the overlay deploy/overlays/authorization does all of it). Of each service type the
broker takes one listener: where there is another LoadBalancer, add the port to that one. Leave the listener `default`
as it is, Azure IoT Operations itself depends on it. A LoadBalancer may be reached from outside the cluster.
"""


def authorization(export: Export) -> list[File]:
    """Broker rules for exactly the topics published, the annotated service account, and a listener to test them."""
    rules = dump(_service_account(export), _rules(export), head=heading(_RULES_HEAD, "authorization"))
    listener = dump(_listener(export), head=heading(_LISTENER_HEAD, "authorization"))
    return [File("authorization.yaml", rules), File("test-listener.yaml", listener)]


def published(export: Export) -> list[str]:
    """The topics to allow, each once: by name, or by filter where a kind has too many."""
    return sorted({topic for kind in export.kinds for topic in _of(export, kind)})


def _of(export: Export, kind: MessageKind) -> Sequence[str]:
    topics = export.topics.topics_of(kind)
    return topics if len(topics) <= MOST_TOPICS else (export.topics.filter_of(kind),)


def _service_account(export: Export) -> dict[str, Any]:
    name, value = ATTRIBUTE
    about = metadata(export, export.app) | {"annotations": {f"aio-broker-auth/{name}": value}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about, "automountServiceAccountToken": False}


def _rules(export: Export) -> dict[str, Any]:
    topics = published(export)
    publish = [{"method": "Publish", "topics": topics}] if topics else []
    connect = {"method": "Connect", "clientIds": [f"{export.app}*"]}
    rule = {"principals": {"attributes": [dict([ATTRIBUTE])]}, "brokerResources": [connect, *publish]}
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
