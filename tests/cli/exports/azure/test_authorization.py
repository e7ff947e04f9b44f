"""Facts about the exported authorization: leave for exactly what the factory publishes, and nothing left out."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.exports.azure.authorization import MOST_TOPICS, authorization
from cli.exports.azure.authorization import published as allowed
from cli.exports.common.export import Export
from edge.settings.types import TopicLayout
from plant.definition.plant_config import PlantConfig, load
from tests.support.examples import cases, examples
from tests.support.exports import yamlread
from tests.support.exports.customresources import documents, faults
from tests.support.exports.linters import yamllint
from tests.support.exports.schemas import export_of
from tests.support.factory.anyplants import plants
from tests.support.factory.plants import ROOT, config
from tests.support.factory.published import PLANTS, matches, published

Json = dict[str, Any]

MANIFEST = list(yamlread.every((ROOT / "deployment.yaml").read_text("utf-8")))


def resources(export: Export) -> dict[str, Json]:
    """The exported resources by kind."""
    return {each["kind"]: each for file in authorization(export) for each in documents(file.text)}


def default(layout: TopicLayout = TopicLayout.TYPE) -> dict[str, Json]:
    """Those of the default plant."""
    return resources(export_of(load(ROOT / "message_structure.yaml"), layout))


def rules(found: dict[str, Json]) -> dict[str, Json]:
    """What is allowed, by method."""
    (rule,) = found["BrokerAuthorization"]["spec"]["authorizationPolicies"]["rules"]
    return {each["method"]: each for each in rule["brokerResources"]}


def manifest(kind: str) -> Json:
    """A resource of deployment.yaml."""
    found: Json = next(document for document in MANIFEST if document["kind"] == kind)
    return found


@pytest.mark.parametrize("layout", TopicLayout)
@pytest.mark.parametrize("path", cases(PLANTS, 3), ids=lambda path: path.name)
def test_what_is_published_is_allowed_and_nothing_else(path: Path, layout: TopicLayout) -> None:
    """Topic by topic what the default plant and each scenario say in ten hours; nothing may be subscribed to."""
    found = rules(resources(export_of(load(path), layout)))

    assert set(found["Publish"]["topics"]) == published(path, layout)
    assert set(found) == {"Connect", "Publish"}


@settings(max_examples=examples(10), deadline=None)
@given(plants(), st.sampled_from(TopicLayout), st.sampled_from(["factory", "site/a", "Werk 1/Süd", "null"]))
def test_any_plant_is_allowed_what_it_publishes(plant: PlantConfig, layout: TopicLayout, prefix: str) -> None:
    """Whatever its templates: each topic is allowed by name, the resources have no unknown field, the YAML is clean."""
    export = export_of(plant, layout, prefix)
    topics = {topic for kind in export.kinds for topic in export.topics.topics_of(kind)}

    assert set(allowed(export)) == topics
    assert set(rules(resources(export)).get("Publish", {"topics": []})["topics"]) == topics
    assert faults(resources(export).values()) == []
    assert yamllint(file.text for file in authorization(export)) == ""


def test_commands_are_subscribed_to_and_answered_where_they_are_on() -> None:
    """Their filter may be subscribed to, and answers published below one level; nothing else is added."""
    export = export_of(load(ROOT / "message_structure.yaml"))
    on = replace(export, commands="factory/commands/{publisher}/{machine_id}")
    found, before = rules(resources(on)), rules(resources(export))

    assert found["Subscribe"]["topics"] == ["factory/commands/+/+"]
    assert set(found["Publish"]["topics"]) - set(before["Publish"]["topics"]) == {"factory/replies/#"}
    assert found["Connect"] == before["Connect"]
    assert faults(resources(on).values()) == []
    assert yamllint(file.text for file in authorization(on)) == ""
    assert "subscribes to nothing" in authorization(export)[0].text
    assert "subscribes to nothing" not in authorization(on)[0].text


@pytest.mark.parametrize(
    ("template", "allowed_filter"),
    [("{prefix}/status/{machine_id}", "factory/status/+"), ("{prefix}/{type}/at-{station_id}/up", "factory/+/+/up")],
)
def test_machines_with_a_connection_each_may_announce_themselves(template: str, allowed_filter: str) -> None:
    """Without that, the broker refuses each of them for its last will; with one connection for all, it is not added."""
    export = export_of(load(ROOT / "message_structure.yaml"))
    on = replace(export, has_statuses=True, status_address=template)
    found, before = rules(resources(on)), rules(resources(export))

    assert set(found["Publish"]["topics"]) - set(before["Publish"]["topics"]) == {allowed_filter}
    assert found["Connect"] == before["Connect"]
    assert faults(resources(on).values()) == []


def test_very_many_topics_are_one_filter() -> None:
    """A kind with more topics than can be listed is allowed by a filter that all of them match."""
    export = export_of(config({"cnc_machine": MOST_TOPICS + 1}), TopicLayout.MACHINE)
    kind = export.kinds[0]

    assert "factory/cnc/+" in allowed(export)
    assert all(matches("factory/cnc/+", topic) for topic in export.topics.topics_of(kind))
    assert len(allowed(export)) < MOST_TOPICS


def test_the_principal_is_a_service_account_of_its_own() -> None:
    """The rule's attribute is the account's annotation; the account is none that others may have, as mqtt-client is."""
    account = default()["ServiceAccount"]
    (rule,) = default()["BrokerAuthorization"]["spec"]["authorizationPolicies"]["rules"]
    annotations = {f"aio-broker-auth/{key}": value for key, value in rule["principals"]["attributes"][0].items()}

    assert account["metadata"]["annotations"] == annotations
    assert account["metadata"]["name"] == manifest("Deployment")["metadata"]["name"] == "edgemqttsim"


def test_pods_may_connect_by_their_names() -> None:
    """The MQTT client id is the pod's name, which begins with the deployment's; a stranger's is not allowed."""
    (pattern,) = rules(default())["Connect"]["clientIds"]
    name = manifest("Deployment")["metadata"]["name"]

    assert fnmatchcase(f"{name}-7d9f6c-x2x9z", pattern)
    assert fnmatchcase(f"{name}-0", pattern)
    assert not fnmatchcase("historian-0", pattern)


def test_the_test_listener_applies_the_rules() -> None:
    """One port, with TLS, tokens and these rules: no port on which anyone may do anything."""
    listener = default()["BrokerListener"]
    (port,) = listener["spec"]["ports"]

    assert port["authorizationRef"] == default()["BrokerAuthorization"]["metadata"]["name"]
    assert port["authenticationRef"] == "default"
    assert port["tls"]["mode"] == "Automatic"
    assert listener["spec"]["serviceName"] in port["tls"]["certManagerCertificateSpec"]["san"]["dns"]
    assert (listener["metadata"]["name"], port["port"]) != ("default", 18883)


def test_a_principal_that_does_not_exist_is_found() -> None:
    """The check of custom resources refuses principals that the broker would pass over in silence."""
    found = default()["BrokerAuthorization"]
    rule = found["spec"]["authorizationPolicies"]["rules"][0]
    rule["principals"] = {"serviceAccounts": ["mqtt-client"]}

    assert len(faults([found])) == 1
