"""Facts about `export`: channels are the topics of messages, AsyncAPI is valid, and files come out as asked for."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from jsonschema import Draft7Validator

import app
from cli.exports.command import TARGETS
from cli.exports.common.export import Export, TopicIndex
from cli.exports.common.yaml_text import dump
from cli.exports.schemas.asyncapi import asyncapi, document
from edge.routing import TopicError, TopicRouter
from edge.settings.types import TopicLayout
from messages import topic_template
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, load, parse
from plant.telemetry import Message
from tests.cli.exports.schemas.test_json_schema import FILES, eventful
from tests.support.examples import THOROUGH, cases, examples
from tests.support.exports import yamlread
from tests.support.exports.asyncapi import DOCUMENT, references, resolved
from tests.support.exports.schemas import export_of
from tests.support.factory.anyplants import plants
from tests.support.factory.plants import ROOT, config, default, said

LAYOUTS = list(TopicLayout)


def published(
    plant: PlantConfig, messages: Iterable[Message], layout: TopicLayout, prefix: str = "factory"
) -> set[str]:
    """Every topic that the router sends a plant's messages to."""
    topics = TopicRouter(lambda kind: topic_template(plant, kind), prefix, layout)
    return {topics.topic(message) for message in messages}


@cache
def plant_of(path: Path) -> PlantConfig:
    """The plant of a file."""
    return load(path)


@cache
def speakers(path: Path) -> list[Message]:
    """A message of each source in an hour: that is what topics follow."""
    hour = said(plant_of(path), 3600)
    return [*{(each.kind, each.source, each.station): each for each in hour}.values()]


def addresses(export: Export) -> set[str]:
    """Every address in the AsyncAPI document."""
    return {channel["address"] for channel in document(export)["channels"].values()}


def export(*arguments: str, **environ: str) -> int:
    """The command, in this process; its exit code."""
    return app.main(["export", *arguments], {"MESSAGE_CONFIG_PATH": str(ROOT / "message_structure.yaml"), **environ})


# Channels


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("path", cases(FILES, 5), ids=lambda path: path.name)
def test_channels_are_the_topics_that_are_published_to(path: Path, layout: TopicLayout) -> None:
    """None is missing and none is silent: in the default plant, the original's and each scenario."""
    plant = plant_of(path)
    business = {"orders", "dispatch"}

    told, known = published(plant, speakers(path), layout), addresses(export_of(plant, layout))
    # Orders and dispatches are rare: an hour may have none.
    assert told <= known
    assert {topic.split("/")[1] for topic in known - told} <= business


@settings(max_examples=examples(12), deadline=None)
@given(plants())
def test_channels_of_any_plant_are_its_topics(plant: PlantConfig) -> None:
    """Whatever its templates, also where kinds share a topic, in both layouts and below a prefix of several levels."""
    messages = said(plant, 300)
    for layout in LAYOUTS:
        assert addresses(export_of(plant, layout, "a/b c")) == published(plant, messages, layout, "a/b c")


@settings(max_examples=examples(12), deadline=None)
@given(plants())
def test_a_filter_takes_all_topics_of_a_kind(plant: PlantConfig) -> None:
    """By its levels, where `+` is any one and `#` any more of them; a single topic is its own filter."""
    for layout in LAYOUTS:
        made = export_of(plant, layout)
        for kind in made.kinds:
            topics, wanted = made.topics.topics_of(kind), made.topics.filter_of(kind)
            assert all(_takes(wanted, topic) for topic in topics)
            assert len(topics) > 1 or topics == (wanted,)


def _takes(wanted: str, topic: str) -> bool:
    levels, given_levels = wanted.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels, given_levels = levels[:-1], given_levels[: len(levels) - 1]
    return len(levels) == len(given_levels) and all(a in {"+", b} for a, b in zip(levels, given_levels, strict=True))


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{prefix}/cnc", "factory/cnc/+"),
        ("{prefix}/{machine_id}/x", "factory/+/x"),
        ("{prefix}/{station_id}", "factory/#"),
    ],
)
def test_a_filter_is_no_wider_than_it_must_be(template: str, wanted: str) -> None:
    """With one machine whose station is called like it, the last template gives topics of two lengths."""
    lines = {"station_pattern": "{line}", "lines": ["CNC-01", "B"]}
    made = export_of(config({"cnc_machine": 2}, cnc_machine={"topic": template, **lines}), TopicLayout.MACHINE)

    assert made.topics.filter_of(made.kinds[0]) == wanted


def test_each_machine_has_its_topic() -> None:
    """By its id; business by its kind, and a report by the name that its messages bear."""
    made = export_of(eventful(), TopicLayout.MACHINE)
    kinds = {kind.key: kind for kind in made.kinds}

    assert made.topics.topic_of(kinds["welding"], "WELD-01") == "factory/welding/WELD-01"
    assert made.topics.topic_of(kinds["dispatch"], "dispatch") == "factory/dispatch"
    assert made.topics.topic_of(kinds["oee"], "oee/WELD-01") == "factory/oee/WELD-01"


def test_a_topic_that_no_broker_takes_is_not_exported() -> None:
    """Too long, once prefix and machine are filled in."""
    with pytest.raises(TopicError, match="65535"):
        TopicIndex(catalogue(config()), "p" * 65_530)


# AsyncAPI


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plant", [eventful(), eventful(flow={})], ids=["plain", "line"])
def test_the_document_is_valid(plant: PlantConfig, layout: TopicLayout) -> None:
    """By the rules of AsyncAPI 3.0, and every reference in it leads somewhere."""
    made = document(export_of(plant, layout))

    assert [error.message for error in Draft7Validator(DOCUMENT).iter_errors(made)] == []
    assert all(resolved(made, reference) for reference in references(made))


@settings(max_examples=examples(12), deadline=None)
@given(plants())
def test_the_document_of_any_plant_is_valid(plant: PlantConfig) -> None:
    """Also where topics are alike but for characters that a name may not have."""
    made = document(export_of(plant, TopicLayout.MACHINE, "ä ö/ä.ö"))

    assert Draft7Validator(DOCUMENT).is_valid(made)
    assert all(resolved(made, reference) for reference in references(made))


def test_every_operation_sends_what_its_channel_has() -> None:
    """One for each kind on each channel, with quality of service, retention and expiry as messages have them."""
    made = document(export_of(eventful(), TopicLayout.MACHINE))
    sent = set()
    for operation in made["operations"].values():
        channel, (message,) = operation["channel"]["$ref"], operation["messages"]
        assert message["$ref"].startswith(f"{channel}/messages/")
        key = message["$ref"].rpartition("/")[2]
        sent.add((resolved(made, channel)["address"], key))
        assert operation["bindings"]["mqtt"]["retain"] == (key == "oee")
        assert operation["bindings"]["mqtt"]["messageExpiryInterval"] == 3600
    assert sent == {(each["address"], key) for each in made["channels"].values() for key in each["messages"]}


def test_kinds_that_share_a_topic_share_a_channel() -> None:
    """It then has the messages of both."""
    both = {"topic": "{prefix}/shop"}
    made = document(export_of(config(cnc_machine=both, welding=both)))

    assert list(made["channels"]["factory.shop"]["messages"]) == ["cnc_machine", "welding"]


def test_payloads_are_the_exported_schemas() -> None:
    """The same but for the line that names the draft."""
    made = export_of(eventful())
    schemas = {file.name: orjson.loads(file.text) for file in TARGETS["schema"](made)}

    for key, content in document(made)["components"]["schemas"].items():
        assert schemas[f"schema/{key}.json"] == {"$schema": "http://json-schema.org/draft-07/schema#", **content}


def test_the_file_is_the_document() -> None:
    """YAML reads it back as it was, names that look like something else included."""
    data = default()
    data["message_types"]["cnc_machine"]["part_types"] = ["null", "on", "1e3", "- x", "ä: #y", "2026-01-01"]
    made = export_of(parse(data))
    (file,) = asyncapi(made)

    assert yamlread.value(file.text) == document(made)


def test_the_source_of_events_is_told_by_a_pattern_for_all_tools(capsys: pytest.CaptureFixture[str]) -> None:
    """ECMA 262 with the flag `u`, which many validators set, takes no escape that is not needed, such as of a dash."""
    export("asyncapi", MQTT_CLOUD_EVENTS_SOURCE="aio://my-site.eu")
    headers = yamlread.value(capsys.readouterr().out)["components"]["messages"]["welding"]["headers"]

    assert headers["properties"]["source"]["pattern"] == r"^aio:\/\/my-site\.eu/"


@pytest.mark.parametrize("events", ["true", "false"])
def test_extra_rows_are_told_of_by_a_header_of_machines(events: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It need not be there; orders have none. Without CloudEvents it is all that there is."""
    export("asyncapi", MQTT_CLOUD_EVENTS=events)
    messages = yamlread.value(capsys.readouterr().out)["components"]["messages"]

    headers = messages["welding"]["headers"]
    assert headers["properties"]["trigger"]["const"] == "job"
    assert "trigger" not in headers.get("required", ())
    assert "trigger" not in messages["customer_order"].get("headers", {}).get("properties", {})


OLD = {"MQTT_VERSION": "3.1.1", "MQTT_AUTH_METHOD": "NONE"}


def test_with_mqtt_3_1_1_the_document_has_no_properties(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor headers, nor an answer to commands: only topics, payloads, quality of service and retained messages."""
    export("asyncapi", **OLD, MQTT_COMMANDS="true")
    found = yamlread.value(capsys.readouterr().out)

    assert [error.message for error in Draft7Validator(DOCUMENT).iter_errors(found)] == []
    assert all(resolved(found, reference) for reference in references(found) if reference.startswith("#/c"))
    assert found["servers"]["broker"]["protocolVersion"] == "3.1.1"
    assert {key for each in found["operations"].values() for key in each["bindings"]["mqtt"]} == {
        "qos", "retain", "bindingVersion",
    }  # fmt: skip
    assert not any("headers" in each or "bindings" in each for each in found["components"]["messages"].values())
    assert "command-answers" not in found["channels"]
    assert "reply" not in found["operations"]["command-requests"]


# The command


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_made_for_every_plant(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the default plant and each scenario, to standard output; in haste each is made of every third plant."""
    for path in FILES if THOROUGH else FILES[[*TARGETS].index(target) % 3 :: 3]:
        assert export(target, "--file", str(path)) == 0
        assert capsys.readouterr().out


def test_several_files_on_one_stream_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Each comes after a comment with its name; one alone comes as it is."""
    export("schema")
    marks = [line for line in capsys.readouterr().out.splitlines() if line.startswith("//")]
    assert marks[:2] == ["// schema/cnc_machine.json", "// schema/cnc_machine.delta.json"]
    assert len(marks) == 14

    export("asyncapi")
    assert yamlread.value(capsys.readouterr().out)["asyncapi"] == "3.0.0"


def test_files_are_written_where_they_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, in a directory that is made for them, and each is named."""
    assert export("all", "--output", str(tmp_path / "new")) == 0
    names = {str(path) for path in (tmp_path / "new").rglob("*") if path.is_file()}

    assert {*capsys.readouterr().out.splitlines()} == names
    assert {str(tmp_path / "new" / name) for name in ("asyncapi.yaml", "schema/welding.json")} < names


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    """The line names the file, what was there before stays, and files that are complete are printed."""
    before = list(tmp_path.iterdir())
    (tmp_path / "asyncapi.yaml").write_text("before")
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1000, 1000))
    command = [sys.executable, "app.py", "export", "asyncapi", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, preexec_fn=limit, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.endswith(f"export: {tmp_path}/asyncapi.yaml cannot be written: File too large\n")
    assert (tmp_path / "asyncapi.yaml").read_text() == "before"
    assert [*tmp_path.iterdir()] == [*before, tmp_path / "asyncapi.yaml"]


def test_a_link_leads_where_it_led(tmp_path: Path) -> None:
    """To the same file, whose mode stays."""
    (tmp_path / "real.yaml").write_text("before")
    (tmp_path / "real.yaml").chmod(0o600)
    (tmp_path / "asyncapi.yaml").symlink_to("real.yaml")
    assert export("asyncapi", "--output", str(tmp_path)) == 0

    assert (tmp_path / "asyncapi.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text().startswith("# Generated by")
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o600


def test_flags_and_variables_say_where_messages_go(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag wins over its variable; the broker is the cluster's unless one is named."""
    export("asyncapi", "--topic-prefix", "a/b", "--topic-layout", "machine", MQTT_TOPIC_PREFIX="c")
    made = yamlread.value(capsys.readouterr().out)
    export("asyncapi", MQTT_TOPIC_PREFIX="c", MQTT_BROKER="here", MQTT_PORT="1883", MQTT_TLS="false")
    other = yamlread.value(capsys.readouterr().out)

    assert made["channels"]["a.b.cnc.CNC-05"]["address"] == "a/b/cnc/CNC-05"
    assert made["servers"]["broker"]["host"] == "aio-broker:18883"
    assert other["channels"]["c.cnc"]["address"] == "c/cnc"
    assert other["servers"]["broker"]["host"] == "here:1883"
    assert [each["servers"]["broker"]["protocol"] for each in (made, other)] == ["secure-mqtt", "mqtt"]


@pytest.mark.parametrize(
    ("arguments", "said_so"),
    [
        (["everything"], "export: TARGET must be one of schema, asyncapi"),
        (["schema", "--namespace", "A_b"], "must be 1 to 63 lower-case letters"),
        (["schema", "--topic-prefix", "a/#"], "without the wildcards"),
        (["schema", "--topic-layout", "none"], "must be one of type, machine"),
        (["schema", "--file", "/nowhere.yaml"], "/nowhere.yaml"),
        (["schema", "--output", "/dev/null/x"], "export: /dev/null/x/schema cannot be written: Not a directory"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_made_is_said(arguments: list[str], said_so: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence, and exit code 2."""
    try:
        code: Any = export(*arguments)
    except SystemExit as end:
        code = end.code

    assert code == 2
    assert said_so in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "said_so", "code"),
    [
        ("| head -n 1", "", 0),
        ("> /dev/full", "export: standard output cannot be written: No space left on device\n", 2),
    ],
)
def test_standard_output_that_takes_no_more(target: str, said_so: str, code: int) -> None:
    """A reader that has seen enough is no mistake; a full disk is, and is said."""
    command = f"set -o pipefail; {sys.executable} app.py export all {target}"
    run = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (code, said_so)


def test_the_schema_of_one_kind_is_plain_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One object, and its form for tables by `.delta`; in a folder, that one file."""
    assert export("schema", "welding") == 0
    assert orjson.loads(capsys.readouterr().out)["title"] == "welding"
    assert export("schema", "welding.delta", "--output", str(tmp_path)) == 0
    assert [path.name for path in tmp_path.rglob("*.json")] == ["welding.delta.json"]


@pytest.mark.parametrize(
    ("arguments", "said_so"),
    [
        (["schema", "weldin"], "export: KIND must be one of cnc_machine, printer_3d, "),
        (["schema", "weldin"], ", not 'weldin' (did you mean welding?)"),
        (["kql", "welding"], "export: KIND goes only with schema, not with kql"),
    ],
)
def test_a_kind_that_is_none_is_refused(arguments: list[str], said_so: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are, and the nearest."""
    assert export(*arguments) == 2
    assert said_so in capsys.readouterr().err


def test_the_plants_file_has_one_name_for_all_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The flag of the option, as for `run`; `check` also takes it without a flag, and both must agree."""
    plant, other = tmp_path / "plant.yaml", tmp_path / "other.yaml"
    plant.write_text("message_types: {welding: {}}\n")
    environ = {"MESSAGE_CONFIG_PATH": str(other)}

    checked = [
        app.main(["check", *arguments, str(plant)], environ)
        for arguments in ([], ["--message-config-path"], ["--file"])
    ]
    ways = capsys.readouterr()
    assert len(set(checked)) == 1
    assert "other.yaml" not in ways.out + ways.err
    assert app.main(["check", str(plant), "--message-config-path", str(other)], {}) == 2
    assert capsys.readouterr().err.startswith("--message-config-path: must agree with FILE: ")
    assert app.main(["check"], {"MESSAGE_CONFIG_PATH": "a\nb"}) == 2
    assert capsys.readouterr().err.startswith("MESSAGE_CONFIG_PATH: must be a path of ")
    for name in ("--message-config-path", "--file"):
        assert export("schema", name, str(other)) == 2
        assert "other.yaml" in capsys.readouterr().err


def test_a_plant_with_mistakes_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All its mistakes are told, as by `check`."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("global: {base_interval: -1}\nmessage_types: {cnc: {}}\n", encoding="utf-8")

    assert export("schema", "--file", str(wrong)) == 2
    assert len(capsys.readouterr().err.splitlines()) > 1


def test_help_has_a_sentence_for_each_target(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, which ends as a sentence does."""
    with pytest.raises(SystemExit):
        export("--help")
    lines = capsys.readouterr().out.splitlines()

    for target in (*TARGETS, "all"):
        (line,) = (line for line in lines if line.startswith(f"  {target} "))
        assert line.endswith(".")
        assert len(line.split()) > 3


# YAML


def test_yaml_is_written_for_people() -> None:
    """A comment, documents with their mark, lists set in, text of several lines as a block, nothing by reference."""
    both = ["x"]
    text = dump({"a": both, "b": both, "c": "one\ntwo\n", "d": None}, {"e": "word " * 40 + "end"}, head="Made by:\nus")

    assert text.startswith("# Made by:\n# us\n---\na:\n  - x\nb:\n  - x\nc: |\n  one\n  two\nd: null\n---\ne: >")
    assert max(map(len, text.splitlines())) <= 102
    assert list(yamlread.every(text)) == [
        {"a": both, "b": both, "c": "one\ntwo\n", "d": None},
        {"e": "word " * 40 + "end"},
    ]
