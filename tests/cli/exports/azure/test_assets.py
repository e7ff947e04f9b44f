"""Facts about the exported assets and dataflows: right by schema, named by the rules, and only of what is published."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cli.exports.azure.assets import assets
from cli.exports.azure.bicep import API_VERSION
from cli.exports.azure.classic import classic
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.resources import schemas_of
from cli.exports.common.export import Export, File
from cli.exports.common.names import MAX_NAME_LENGTH, resource_name, unique_name
from cli.exports.schemas.json_schema import schema
from edge.settings.types import TopicLayout
from plant.definition.plant_config import PlantConfig, load, parse
from tests.support.examples import cases, examples
from tests.support.exports.biceptext import declared, value_of
from tests.support.exports.customresources import CONNECTOR, documents, faults
from tests.support.exports.linters import shellcheck, yamllint
from tests.support.exports.schemas import export_of
from tests.support.factory.anyplants import plants
from tests.support.factory.plants import ROOT, config
from tests.support.factory.plants import default as plain
from tests.support.factory.published import PLANTS, matches, published

Json = dict[str, Any]

CLASSIC = ("mqtt-asset-endpoint.yaml", "mqtt-asset-example.yaml")
NAMESPACED = ("mqtt-device.yaml", "mqtt-device-assets.yaml")
FLOWS = ("dataflow-fabric.yaml", "dataflow-adx.yaml", "dataflow-local.yaml")
NAME = re.compile("[a-z0-9][a-z0-9-]*[a-z0-9]")
LAYOUTS = st.sampled_from(TopicLayout)
LONG_PREFIX = "a" * 80
PREFIXES = st.sampled_from(["factory", "uns", "site/a", "Werk 1/Süd", LONG_PREFIX, "it's/${x}", "null", "-"])


class Made:
    """The files made of an export, and the Kubernetes resources in them, each file read once."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self.texts = texts([*assets(export), *dataflow(export)])
        self._read: dict[str, list[Json]] = {}

    def resources(self, *names: str) -> list[Json]:
        """The resources in some of the files."""
        for name in names:
            if name not in self._read:
                self._read[name] = documents(self.texts[name])
        return [resource for name in names for resource in self._read[name]]

    def discovery(self) -> list[Json]:
        """The discovery configuration of each endpoint."""
        inbound = self.resources("mqtt-device.yaml")[0]["spec"]["endpoints"]["inbound"].values()
        return [json.loads(each["additionalConfiguration"])["assetDiscoveryConfiguration"] for each in inbound]

    def sources(self, name: str) -> list[str]:
        """The topic filters that the dataflows of a file read."""
        flows = [each for each in self.resources(name) if each["kind"] == "Dataflow"]
        return [topic for flow in flows for topic in flow["spec"]["operations"][0]["sourceSettings"]["dataSources"]]


def texts(files: Iterable[File]) -> dict[str, str]:
    """Files by name."""
    return {file.name: file.text for file in files}


@functools.cache
def default(layout: TopicLayout = TopicLayout.TYPE) -> Made:
    """What is made of the default plant."""
    return Made(export_of(load(ROOT / "message_structure.yaml"), layout))


def datasets(found: Iterable[Json]) -> list[Json]:
    """The datasets of all assets."""
    return [dataset for resource in found for dataset in resource["spec"].get("datasets", ())]


def covered(made: Made, topics: set[str]) -> None:
    """Assert that all forms of the assets and dataflows name these topics, and that none names another."""
    assert {each["topic"]["path"] for each in datasets(made.resources(*CLASSIC))} == topics
    namespaced = Counter(each["dataSource"] for each in datasets(made.resources(*NAMESPACED)))
    assert namespaced == Counter(topics), "each topic once: the connector copies it for each asset that names it"
    for filters in ([each["topicFilter"] for each in made.discovery()], *map(made.sources, FLOWS)):
        assert {topic for topic in topics if not any(matches(each, topic) for each in filters)} == set()
        assert [each for each in filters if not any(matches(each, topic) for topic in topics)] == []


@pytest.mark.parametrize("layout", TopicLayout)
@pytest.mark.parametrize("path", cases(PLANTS, 3), ids=lambda path: path.name)
def test_assets_name_what_is_published(path: Path, layout: TopicLayout) -> None:
    """Every topic of ten hours is in the assets and dataflows, and no other: default plant and scenarios."""
    plant = load(path)

    covered(Made(export_of(plant, layout)), published(path, layout))


@settings(max_examples=examples(6), deadline=None)
@given(plants(), LAYOUTS, PREFIXES)
def test_assets_of_any_plant_name_its_topics_and_obey_the_rules(
    plant: PlantConfig, layout: TopicLayout, prefix: str
) -> None:
    """Whatever its names and templates: topics covered, names legal and unique, no unknown field, clean YAML."""
    made = Made(export_of(plant, layout, prefix))
    covered(made, {topic for kind in made.export.kinds for topic in made.export.topics.topics_of(kind)})
    found = made.resources(*CLASSIC, *NAMESPACED, *FLOWS)

    assert faults(found) == []
    names = Counter((each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found)
    assert [name for name, count in names.items() if count > 1] == []
    # A topic in a block of JSON cannot be broken, however long its prefix is.
    texts = (made.texts[name].replace(LONG_PREFIX, LONG_PREFIX[:60]) for name in (*CLASSIC, *NAMESPACED, *FLOWS))
    assert yamllint(texts) == ""


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=3))
def test_any_text_becomes_a_legal_name(parts: list[str]) -> None:
    """3 to 63 of a-z, 0-9 and dashes, none at either end (Azure Device Registry, RFC 1123)."""
    for name in (resource_name(*parts), unique_name(*parts)):
        assert NAME.fullmatch(name)
        assert 3 <= len(name) <= MAX_NAME_LENGTH


def test_names_are_told_apart_where_signs_are_lost() -> None:
    """What looks the same when written in small letters and dashes is not the same name."""
    assert resource_name("factory", "CNC-01") == "factory-cnc-01"
    assert resource_name("site/a", "mqtt") == "site-a-mqtt"
    assert len({unique_name(text) for text in ("A 1", "A-1", "a-1", "ä-1")}) == 4


def test_there_is_an_asset_for_each_kind_and_each_machine() -> None:
    """Classic: one for each kind of message. Namespaced: one for each machine, and for each topic they share."""
    made = default()
    flat, namespaced = (made.resources(names[1]) for names in (CLASSIC, NAMESPACED))
    identities = {each["spec"]["externalAssetId"] for each in namespaced}

    assert [each["spec"]["externalAssetId"] for each in flat] == [kind.key for kind in made.export.kinds]
    assert {machine.machine_id for kind in made.export.kinds for machine in kind.machines} < identities
    assert "factory/cnc" in identities


def test_a_machine_with_a_topic_of_its_own_has_a_dataset_of_its_own() -> None:
    """With TOPIC_LAYOUT=machine each machine's asset has its topic, and its messages' fields as data points."""
    made = default(TopicLayout.MACHINE)
    found = {each["metadata"]["name"]: each["spec"] for each in made.resources(*NAMESPACED)}
    (dataset,) = found["factory-cnc-03"]["datasets"]

    assert dataset["dataSource"] == "factory/cnc/CNC-03"
    assert "cycle_time" in [point["name"] for point in dataset["dataPoints"]]
    assert dataset["destinations"][0]["configuration"]["topic"] == "uns/factory/cnc/CNC-03"
    assert "factory-cnc-machine" not in found


@pytest.mark.parametrize("path", cases(PLANTS, 3), ids=lambda path: path.name)
def test_data_points_are_the_fields_of_the_schema(path: Path) -> None:
    """Each dataset has a data point for each field that messages on its topic have, and no other."""
    made = Made(export_of(load(path)))
    schemas = {name: json.loads(text)["properties"] for name, text in texts(schema(made.export)).items()}

    for asset in made.resources(CLASSIC[1]):
        fields = schemas[f"schema/{asset['spec']['model']}.json"]
        for dataset in asset["spec"]["datasets"]:
            assert [point["dataSource"] for point in dataset["dataPoints"]] == list(places(fields))


def places(properties: dict[str, Any], within: str = "") -> Iterator[str]:
    """Where each value of a message is, by its schema; a value in an object after the object's key and a dot."""
    for name, field in properties.items():
        if field["type"] == "object":
            yield from places(field["properties"], f"{within}{name}.")
        else:
            yield within + name


def test_many_topics_are_several_assets() -> None:
    """No asset grows beyond what Kubernetes stores: 250 machines with topics of their own are three assets."""
    export = export_of(config({"cnc_machine": 250}), TopicLayout.MACHINE)
    found = documents(texts(classic(export))[CLASSIC[1]])
    mills = [each for each in found if each["spec"]["externalAssetId"] == "cnc_machine"]

    assert [len(each["spec"]["datasets"]) for each in mills] == [100, 100, 50]
    assert len({each["metadata"]["name"] for each in mills}) == 3


def test_references_lead_somewhere() -> None:
    """Assets of both models refer to an endpoint that is there, and no endpoint is without assets."""
    for layout in TopicLayout:
        made = default(layout)
        device, *namespaced = made.resources(*NAMESPACED)
        endpoint, *flat = made.resources(*CLASSIC)
        inbound = device["spec"]["endpoints"]["inbound"]
        used = {tuple(each["spec"]["deviceRef"].values()) for each in namespaced}

        assert {each["spec"]["assetEndpointProfileRef"] for each in flat} == {endpoint["metadata"]["name"]}
        assert used == {(device["metadata"]["name"], name) for name in inbound}


def test_the_connector_is_configured_by_its_own_schema() -> None:
    """Known keys, no empty text, and asset names from the level at which the machines' ids are."""
    for layout in TopicLayout:
        inbound = default(layout).resources("mqtt-device.yaml")[0]["spec"]["endpoints"]["inbound"]
        for each in inbound.values():
            Draft202012Validator(CONNECTOR).validate(json.loads(each["additionalConfiguration"]))

    assert [(each["topicFilter"], each["assetLevel"]) for each in default().discovery()] == [("factory/+", 2)]
    per_machine = {(each["topicFilter"], each["assetLevel"]) for each in default(TopicLayout.MACHINE).discovery()}
    assert per_machine == {("factory/+/+", 3), ("factory/+", 2)}


def test_no_topic_is_discovered_twice() -> None:
    """Where ids are on different levels, no endpoint finds the topics of another, which would be named in two ways."""
    made = Made(export_of(config(cnc_machine={"topic": "{prefix}/{machine_id}/state"}), TopicLayout.MACHINE))
    topics = [topic for kind in made.export.kinds for topic in made.export.topics.topics_of(kind)]

    assert {"factory/CNC-01/state", "factory/welding/WELD-01"} < set(topics)
    for topic in topics:
        assert sum(matches(each["topicFilter"], topic) for each in made.discovery()) == 1


def test_what_the_connector_publishes_it_does_not_discover() -> None:
    """Copies go where no filter looks, also where the plant itself publishes under the usual prefix."""
    for prefix in ("factory", "uns"):
        made = Made(export_of(load(ROOT / "message_structure.yaml"), prefix=prefix))
        copies = [each["destinations"][0]["configuration"]["topic"] for each in datasets(made.resources(*NAMESPACED))]

        assert [copy for copy in copies for each in made.discovery() if matches(each["topicFilter"], copy)] == []


def test_retained_messages_stay_retained() -> None:
    """Reports of the truth are retained by the plant, and are so in the assets."""
    data = plain()
    data["message_types"]["oee"] = {"enabled": True}
    made = Made(export_of(parse(data)))
    found = {each["dataSource"]: each for each in datasets(made.resources(*NAMESPACED))}

    assert found["factory/oee/CNC-01"]["destinations"][0]["configuration"]["retain"] == "Keep"
    assert found["factory/cnc"]["destinations"][0]["configuration"]["retain"] == "Never"


def test_an_unknown_field_is_found() -> None:
    """The check of custom resources refuses what the API does not have, such as a uuid of one's own."""
    (endpoint,) = Made(default().export).resources(CLASSIC[0])
    endpoint["spec"]["uuid"] = "0f0f"

    assert len(faults([endpoint])) == 1


def test_storage_reads_only_what_its_schema_is_of() -> None:
    """Where one filter would take in topics of other kinds, a kind's flow names its topics one by one."""
    made = Made(export_of(config({"cnc_machine": 2}, cnc_machine={"topic": "{prefix}/{machine_id}"})))
    topics = sorted(topic for kind in made.export.kinds for topic in made.export.topics.topics_of(kind))

    assert {"factory/CNC-01", "factory/CNC-02", "factory/orders"} < set(topics)
    for name in FLOWS:
        assert sorted(made.sources(name)) == topics


def test_cloud_events_go_to_fabric() -> None:
    """The Kafka endpoint hands the attributes on, verifies the server, and logs in without a secret."""
    endpoint, flow = default().resources(FLOWS[0])
    kafka = endpoint["spec"]["kafkaSettings"]

    assert (kafka["cloudEventAttributes"], kafka["copyMqttProperties"]) == ("Propagate", "Enabled")
    assert kafka["tls"] == {"mode": "Enabled"}
    assert [each["operationType"] for each in flow["spec"]["operations"]] == ["Source", "Destination"]


@pytest.mark.parametrize("name", FLOWS[1:])
def test_storage_gets_the_exported_schema_of_each_kind(name: str) -> None:
    """Its dataflows refer to just the Delta schemas of `export azure`, and the head says how these are registered."""
    made = default()
    text = made.texts[name]
    used = re.findall(r"schemaRef: aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/(\S+):1", text)

    assert used == [each.name for each in schemas_of(made.export) if each.format == "delta"]
    assert "register-schemas.sh" in text[: text.index("---")]


def test_the_page_tells_of_the_filters_that_are_exported() -> None:
    """docs/assets.md has the topic filters and levels of both layouts, and the names of all files."""
    page = (ROOT / "docs" / "assets.md").read_text("utf-8")
    rows = {layout: line for layout in TopicLayout for line in page.splitlines() if line.startswith(f"| `{layout}`")}

    for layout in TopicLayout:
        _, _, filters, levels, _ = rows[layout].strip("| ").split(" | ")
        assert re.findall(r"`([^`]+)`", filters) == [each["topicFilter"] for each in default(layout).discovery()]
        assert re.findall(r"\d", levels) == [str(each["assetLevel"]) for each in default(layout).discovery()]
    assert set(re.findall(r"^\| `([a-z.-]+)` \|", page, re.MULTILINE)) >= set(texts(assets(default().export)))


@pytest.mark.parametrize("name", [*FLOWS, "assets.bicep", "register-assets.sh"])
def test_what_the_user_fills_in_is_listed_at_the_top(name: str) -> None:
    """Every <PLACEHOLDER> of a file is explained in its head."""
    text = default().texts[name]
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith(("#", "//")))

    listed = set(re.findall(r"<[A-Z_]+>", head[head.index("Replace") :]))
    assert set(re.findall(r"<[A-Z_]+>", text)) == listed


@settings(max_examples=examples(10), deadline=None)
@given(plants(), LAYOUTS, PREFIXES)
def test_bicep_says_the_same_as_the_yaml(plant: PlantConfig, layout: TopicLayout, prefix: str) -> None:
    """Read back, the Bicep file's device and assets are those of the YAML, whatever is in their names."""
    made = Made(export_of(plant, layout, prefix))
    text = made.texts["assets.bicep"]
    device, *rest = [{"name": r["metadata"]["name"], "properties": r["spec"]} for r in made.resources(*NAMESPACED)]

    assert value_of(text, "factory") == device
    assert value_of(text, "assets") == rest


def test_bicep_declares_what_it_uses() -> None:
    """Resource types of the newest stable API, and no name that is not declared in the file."""
    text = default().texts["assets.bicep"]
    types = re.findall(r"'Microsoft\.DeviceRegistry/([a-zA-Z/]+)@([^']+)'", text)
    used = set(re.findall(r"(?:parent|name|location|extendedLocation|properties): (\w+)", text)) - {"each"}

    assert types == [(name, API_VERSION) for name in ("namespaces", "namespaces/devices", "namespaces/assets")]
    assert used - {"factory"} <= declared(text)


def test_bicep_makes_assets_only_when_asked() -> None:
    """The connector supports none that are made by hand: by default a deployment makes device and template alone."""
    text = default().texts["assets.bicep"]

    assert "param withAssets bool = false\n" in text
    assert "[for each in batch: if (withAssets) {\n" in text


def test_the_connector_is_told_the_broker_in_one_form() -> None:
    """Host and port without a scheme, as Microsoft has the built-in broker: device, Bicep, script and template."""
    made = default()
    (inbound,) = made.resources("mqtt-device.yaml")[0]["spec"]["endpoints"]["inbound"].values()

    assert inbound["address"] == "aio-broker:18883"
    assert "ADDRESS=aio-broker:18883\n" in made.texts["register-assets.sh"]
    assert "host: 'aio-broker:18883'\n" in made.texts["assets.bicep"]
    assert not [
        name for name in ("assets.bicep", "mqtt-device.yaml", "register-assets.sh") if "mqtt://" in made.texts[name]
    ]


def test_the_files_are_clean() -> None:
    """yamllint with the project's rules, shellcheck with its own, for both layouts."""
    for layout in TopicLayout:
        found = default(layout).texts

        assert yamllint(text for name, text in found.items() if name.endswith(".yaml")) == ""
        assert shellcheck(found["register-assets.sh"]) == ""
