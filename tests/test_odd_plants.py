"""Every consumer of a declaration follows from it: exports, schemas, `check`, `verify`, workers and statistics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft7Validator

from cli.exports.azure.assets import assets
from cli.exports.azure.authorization import authorization
from cli.exports.azure.dataflow import dataflow
from cli.exports.command import TARGETS
from cli.exports.schemas.asyncapi import document
from cli.exports.schemas.config_schema import document as config_schema
from cli.exports.schemas.json_schema import delta, schema_name
from cli.exports.schemas.kql_tables import columns
from edge.routing import TopicRouter
from edge.runtime.run_options import RunOptions
from edge.settings.loader import Settings
from edge.settings.types import TopicLayout
from edge.workers.partition import split_count
from messages import START, FactoryMessageGenerator, topic_template
from plant.catalogue.catalogue import MessageKind, catalogue
from plant.definition.plant_config import PlantConfig
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import forecast
from plant.telemetry import Message
from tests.cli.verify.test_reloads import record
from tests.cli.verify.test_verify import Answer, answer_to
from tests.support.exports import azuremodels
from tests.support.exports.asyncapi import DOCUMENT, references, resolved
from tests.support.exports.customresources import documents
from tests.support.exports.schemas import checks, export_of, refused
from tests.support.factory.odd_plants import ODD_PLANTS, odd_plant
from tests.support.factory.published import matches
from tests.test_sixth_type import listened

HOUR = 3600.0
NAMES = sorted(ODD_PLANTS)


@cache
def plant_of(name: str) -> PlantConfig:
    """One of the plants."""
    return odd_plant(name)


@cache
def run_of(name: str) -> tuple[FactoryMessageGenerator, Sequence[Message]]:
    """The plant after an hour, to be looked at, and the messages of that."""
    plant = FactoryMessageGenerator.of(plant_of(name), 1)
    return plant, plant.advance(START + HOUR)


def hour_of(name: str) -> Sequence[Message]:
    """The messages of an hour of it."""
    return run_of(name)[1]


@cache
def editor() -> Draft7Validator:
    """The schema of a plant's file, as an editor has it."""
    return Draft7Validator(config_schema())


def kinds_of(name: str) -> dict[str, MessageKind]:
    """Its kinds of message by key."""
    return {kind.key: kind for kind in catalogue(plant_of(name))}


BELOW_FIELDS = frozenset({"lots", "start-up", "spread", "after", "reasons"})
"""What lines below the fields of a kind begin with."""


# exports


@pytest.mark.parametrize("layout", TopicLayout)
@pytest.mark.parametrize("name", NAMES)
def test_every_target_makes_its_files(name: str, layout: TopicLayout) -> None:
    """None fails, no two files of a target have the same name, and no name needs quotes in a shell."""
    export = export_of(plant_of(name), layout)
    for target in TARGETS.values():
        files = [file.name for file in target(export)]
        assert files
        assert len(files) == len(set(files))
        assert all(re.fullmatch(r"[\w./-]+", file) for file in files)


@pytest.mark.parametrize("layout", TopicLayout)
@pytest.mark.parametrize("name", NAMES)
def test_resources_are_right_by_the_models_of_azure(name: str, layout: TopicLayout) -> None:
    """Each asset, dataflow, endpoint and rule; names are unique, in lower case and without dots."""
    export = export_of(plant_of(name), layout)
    files = [file for target in (assets, authorization, dataflow) for file in target(export)]
    found = [each for file in files if file.name.endswith(".yaml") for each in documents(file.text)]
    named = Counter((each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found)

    assert azuremodels.custom_faults(found) == []
    assert max(named.values()) == 1
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", each) for _, _, each in named)


@pytest.mark.parametrize("name", NAMES)
def test_each_topic_is_in_one_dataset_with_a_data_point_for_each_value(name: str) -> None:
    """Whether a machine has several topics, or several machines share one."""
    export = export_of(plant_of(name))
    device_assets = next(file for file in assets(export) if file.name == "mqtt-device-assets.yaml")
    datasets = [each for asset in documents(device_assets.text) for each in asset["spec"].get("datasets", ())]
    topics = {topic for kind in export.kinds for topic in export.topics.topics_of(kind)}

    assert Counter(each["dataSource"] for each in datasets) == dict.fromkeys(topics, 1)
    router = TopicRouter(lambda kind: topic_template(plant_of(name), kind), "factory")
    points = {each["dataSource"]: {point["dataSource"] for point in each["dataPoints"]} for each in datasets}
    for message in hour_of(name):
        assert {*places(orjson.loads(message.payload))} <= points[router.topic(message)]


def places(value: dict[str, Any], within: str = "") -> list[str]:
    """Where each value of a message is."""
    return [
        place
        for key, each in value.items()
        for place in (places(each, f"{within}{key}.") if isinstance(each, dict) else [within + key])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_asyncapi_has_a_channel_for_each_topic_with_the_options_of_its_class(name: str) -> None:
    """QoS and RETAIN of each operation are those that the sender uses; no reference leads nowhere."""
    plant = FactoryMessageGenerator.of(plant_of(name))
    made = document(export_of(plant_of(name)))
    Draft7Validator(DOCUMENT).validate(made)
    for reference in references(made):
        resolved(made, reference)

    for operation in made["operations"].values():
        kind = operation["messages"][0]["$ref"].rpartition("/")[2]
        options = operation["bindings"]["mqtt"]
        assert (options["qos"], options["retain"]) == (plant.qos_by_kind.get(kind, 1), kind in plant.retained_kinds)
    router = TopicRouter(plant.topic_template, "factory")
    published = {(router.topic(message), message.kind) for message in hour_of(name)}
    announced = {(each["address"], kind) for each in made["channels"].values() for kind in each["messages"]}
    assert published == announced


@pytest.mark.parametrize("name", NAMES)
def test_asyncapi_announces_the_triggers_that_come(name: str) -> None:
    """A finished job, a change of the state, both or none, for each kind; and no other."""
    made = document(export_of(plant_of(name)))["components"]["messages"]
    announced = {kind: _triggers(each["headers"]["properties"].get("trigger", {})) for kind, each in made.items()}

    for message in hour_of(name):
        assert not message.trigger or message.trigger in announced[message.kind]


def _triggers(header: dict[str, Any]) -> list[str]:
    return [*header["enum"]] if "enum" in header else [header["const"]] if header else []


@pytest.mark.parametrize("layout", TopicLayout)
@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_published_is_allowed(name: str, layout: TopicLayout) -> None:
    """And nothing else: every topic of the rules is one of a message."""
    router = TopicRouter(lambda kind: topic_template(plant_of(name), kind), "factory", layout)
    published = {router.topic(message) for message in hour_of(name)}
    [rules] = [
        each
        for file in authorization(export_of(plant_of(name), layout))
        for each in documents(file.text)
        if each["kind"] == "BrokerAuthorization"
    ]
    resources = rules["spec"]["authorizationPolicies"]["rules"][0]["brokerResources"]
    [allowed] = [each["topics"] for each in resources if each["method"] == "Publish"]

    assert all(any(matches(topic_filter, topic) for topic_filter in allowed) for topic in published)
    assert all(any(matches(topic_filter, topic) for topic in published) for topic_filter in allowed)


@pytest.mark.parametrize("name", NAMES)
def test_stored_columns_are_those_of_the_table(name: str) -> None:
    """The Delta schema that a dataflow refers to has the columns of the KQL table, and its mapping makes them."""
    export = export_of(plant_of(name))
    flows = {
        each["spec"]["operations"][1]["builtInTransformationSettings"]["schemaRef"].split("/")[-1].split(":")[0]: each
        for file in dataflow(export)
        if file.name == "dataflow-adx.yaml"
        for each in documents(file.text)
        if each["kind"] == "Dataflow"
    }
    for kind in export.kinds:
        names = [column["name"] for column in delta(kind)["properties"]["fields"]]
        assert names == [*columns([kind])]
        maps = flows[schema_name(export, kind, "delta")]["spec"]["operations"][1]["builtInTransformationSettings"][
            "map"
        ]
        made = [each["output"].strip('"') for each in maps]
        assert made == (["*"] if all(field.json_type != "object" for field in kind.fields) else names)


# schemas and the forecast


@pytest.mark.parametrize("name", NAMES)
def test_every_message_of_an_hour_is_as_its_schema_says(name: str) -> None:
    """Every key, unit and range, in objects too; and every kind comes."""
    assert [*refused(checks(plant_of(name)), hour_of(name))][:3] == []
    assert {message.kind for message in hour_of(name)} == kinds_of(name).keys()


@pytest.mark.parametrize("name", NAMES)
def test_an_editor_finds_no_mistake(name: str) -> None:
    """The schema of the plant's file accepts the YAML."""
    editor().validate(orjson.loads(orjson.dumps(ODD_PLANTS[name])))


@pytest.mark.parametrize("name", NAMES)
def test_check_has_a_table_of_the_fields_of_each_kind(name: str) -> None:
    """With the place of each value, its unit and its range; and the rate that an hour has, which alarms have not."""
    expected = forecast(plant_of(name))
    tables = field_tables(plant_of(name), expected).split("\n\n")[1:]
    counts = Counter(message.kind for message in hour_of(name))

    assert [table.split(": ")[0] for table in tables] == [*kinds_of(name)]
    for table, (key, kind) in zip(tables, kinds_of(name).items(), strict=True):
        shown, paths = [line.split()[0] for line in table.splitlines()[1:]], _paths(kind)
        assert shown[: len(paths)] == [".".join(path) for path in paths]
        assert {*shown[len(paths) :]} <= ({"alarm"} if kind.reports_alarms else BELOW_FIELDS)
        rate = next(each.per_second for each in expected.types if each.key == key)
        assert kind.reports_alarms or counts[key] == pytest.approx(rate * HOUR, rel=0.5, abs=12)


def _paths(kind: MessageKind) -> list[tuple[str, ...]]:
    return [path for field in kind.fields for path in _paths_in(field, ())]


def _paths_in(field: Any, within: tuple[str, ...]) -> list[tuple[str, ...]]:
    path = (*within, field.name)
    return [each for part in field.parts for each in _paths_in(part, path)] if field.json_type == "object" else [path]


def test_check_shows_units_and_ranges() -> None:
    """Of a signal in an object, of a state, and of a machine's id."""
    tables = field_tables(plant_of("classes"), forecast(plant_of("classes")))

    assert re.search(r"\n  data\.power +number +kW +0 to 100\n", tables)
    assert re.search(r"\n  status +text +running, idle, service, stopped\n", tables)
    assert re.search(r"\n  machine_id +text +PUMP-01, PUMP-02, PUMP-03, PUMP-04\n", tables)
    assert "pump.status: every 30 s and at each change of the state from each of 4, " in tables


# verify


def lines(messages: Sequence[Message], topics: Callable[[Message], str]) -> list[bytes]:
    """Lines as a dry run writes them."""
    return [
        orjson.dumps(
            {"topic": topics(each), "payload": orjson.loads(each.payload)}
            | ({"user_properties": {"trigger": each.trigger}} if each.trigger else {})
        )
        for each in messages
    ]


class Verified:
    """An hour of a plant with its ground truth, for `verify`."""

    def __init__(self, name: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path, self._capsys = path, capsys
        self.messages = record([(HOUR, plant_of(name))], path / "truth")
        self.lines = lines(
            self.messages, TopicRouter(lambda kind: topic_template(plant_of(name), kind), "factory").topic
        )

    def __call__(self, sent: Sequence[bytes]) -> Answer:
        """The answer to lines."""
        (self._path / "rows").write_bytes(b"\n".join(sent))
        arguments = [str(self._path / "rows"), "--truth", str(self._path / "truth"), "--strict"]
        return answer_to(arguments, self._capsys)


@pytest.mark.parametrize("name", NAMES)
def test_an_hour_agrees_with_the_ground_truth(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every message, job, change and figure; each line is recognised."""
    verify = Verified(name, tmp_path, capsys)
    answer = verify(verify.lines)

    assert answer.code == 0, answer.text + answer.error
    assert "Every message, job and order agrees with the ground truth." in answer.text
    reports = sum(message.kind == "oee" for message in verify.messages)
    assert ("lines are not messages" in answer.text) == bool(reports)


@pytest.mark.parametrize("name", ["beside", "classes", "renamed"])
def test_bare_payloads_are_recognised_by_their_keys(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without topic and trigger the answer is the same."""
    verify = Verified(name, tmp_path, capsys)

    assert verify([message.payload for message in verify.messages]) == verify(verify.lines)


def changed(line: bytes, **values: object) -> bytes:
    """A line whose message has other values."""
    found = orjson.loads(line)
    found["payload"] |= values
    return orjson.dumps(found)


def test_what_is_wrong_in_one_class_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong state, a wrong result, a lost number, a lost change, a message that came twice."""
    verify = Verified("classes", tmp_path, capsys)
    kinds = [message.kind for message in verify.messages]
    changes = [at for at, message in enumerate(verify.messages) if message.trigger == "change" and at > 1000]
    state = kinds.index("pump.status", 1000)
    job = next(at for at, message in enumerate(verify.messages) if b'"result":"good"' in message.payload and at > 1000)
    meter = kinds.index("pump.energy", 1000)
    sent = verify.lines

    def without(at: int) -> Answer:
        return verify([*sent[:at], *sent[at + 1 :]])

    def with_values(at: int, **values: object) -> Answer:
        return verify([*sent[:at], changed(sent[at], **values), *sent[at + 1 :]])

    assert "Messages with a wrong status: 1" in with_values(state, status="service").text
    assert "Jobs reported with wrong values: 1" in with_values(job, result="scrap").text
    assert "Message numbers missing: 1 (PUMP-0" in without(meter).text
    assert "Messages missing: 1 (PUMP-0" in without(meter).text
    silent = [line for line, kind in zip(sent, kinds, strict=True) if kind != "pump.energy"]
    assert re.search(r"Messages missing: 1,4\d\d \(PUMP-01/energy 3\d\d", verify(silent).text)
    assert "Changes of the state without a message: 1 (PUMP-0" in without(changes[0]).text
    assert "Messages repeated: 1 (PUMP-0" in verify([*sent[:state], sent[state], *sent[state:]]).text


def test_verify_listens_to_classes_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages from the broker agree with what /oee adds up meanwhile, which describes the classes too."""
    file = tmp_path / "plant.yaml"
    file.write_text(yaml.safe_dump(ODD_PLANTS["classes"], sort_keys=False), encoding="utf-8")
    answer = listened(file, capsys)

    assert answer.code == 0, answer.text + answer.error
    assert "lines are not messages" not in answer.text


# workers and statistics


@pytest.mark.parametrize("name", NAMES)
def test_workers_share_a_count_as_one_process_emits_it(name: str) -> None:
    """The first 400 messages of two parts together are the first 400 of the whole, whatever their classes."""
    parts = Settings.load({"SEED": "1", "WORKERS": "2"}, pid=1).of_workers()
    counts = split_count(RunOptions(count=400, start=START), parts, plant_of(name))
    plants = [FactoryMessageGenerator.of(plant_of(name), part.seed, shard=part.part) for part in parts]
    dealt = [first_of(each, count) for each, count in zip(plants, counts, strict=True)]

    first = first_of(FactoryMessageGenerator.of(plant_of(name), "1"), 400)  # a seed as workers are given it, as text
    assert Counter((message.source, message.payload) for part in dealt for message in part) == Counter(
        (message.source, message.payload) for message in first
    )


def first_of(plant: FactoryMessageGenerator, count: int) -> Sequence[Message]:
    """So many messages of a plant; fewer if it has fewer in an hour."""
    messages: list[Message] = []
    while len(messages) < count and plant.now < START + HOUR:
        messages += plant.advance(plant.now + 60)
    return messages[:count]


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_counted_by_kind_and_machines_by_type(name: str) -> None:
    """What /metrics and the statistics have as labels: each kind of message, and no machine type twice."""
    plant, messages = run_of(name)
    counts = {kind: count for kind, count in plant.snapshot().rows.items() if count}
    types = [each.kind for each in plant.oee_by_kind()]

    assert counts == {kind: count for kind, count in Counter(each.kind for each in messages).items() if kind != "oee"}
    assert types == [*dict.fromkeys(kind.machine_type for kind in kinds_of(name).values() if kind.machine_type)]


def test_the_dashboard_asks_for_good_jobs_by_machine_type() -> None:
    """Metrics of jobs have the type as their label, however many classes of messages it has."""
    files = TARGETS["grafana"](export_of(plant_of("beside")))

    assert "gauge-2.all" not in files[0].text
    assert "sum by (kind) (rate(edgemqttsim_jobs_finished_total{" in files[0].text
