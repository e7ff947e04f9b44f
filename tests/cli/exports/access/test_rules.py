"""Facts about access rules of any plant, whatever the broker: least privilege, and what cannot be written is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from cli.exports.access.acl import acl
from cli.exports.access.acl_file import MOST_BLOCKS
from cli.exports.access.rules import AccessRules, AclError, Action, MachineGroup, access_rules
from cli.exports.common.export import Export, TopicIndex
from cli.options.access import AclOptions
from edge.settings.types import TopicLayout
from plant.definition.plant_config import PlantConfig
from tests.support.examples import examples
from tests.support.exports import yamlread
from tests.support.exports.linters import yamllint
from tests.support.exports.schemas import export_of
from tests.support.factory.anyplants import plants
from tests.support.factory.plants import ROOT, config
from tests.support.factory.published import matches

MANY = MOST_BLOCKS + 1


def text_of(export: Export, form: str, **options: str) -> str:
    """The file of a format."""
    [file] = acl(replace(export, acl=AclOptions(form, **options)))
    return file.text


def command(*arguments: str, **environ: str) -> int:
    """`app.py export acl` of the default plant, in this process; its exit code."""
    return app.main(
        ["export", "acl", *arguments], {"MESSAGE_CONFIG_PATH": str(ROOT / "message_structure.yaml"), **environ}
    )


def allowed(group: MachineGroup, machine_id: str, action: Action) -> set[str]:
    """The filters that a machine may use."""
    rules = (*group.common, *group.single.get(machine_id, ()))
    return {rule.of(machine_id) for rule in rules if rule.action is action}


def own_topics(export: Export) -> dict[str, set[str]]:
    """By machine, the topics of its messages."""
    found: dict[str, set[str]] = {}
    for kind in export.kinds:
        for machine, source in zip(kind.machines, kind.sources, strict=False):
            found.setdefault(machine.machine_id, set()).add(export.topics.topic_of(kind, source))
    return found


def each_machine(rules: AccessRules) -> list[tuple[MachineGroup, str]]:
    """All machines with their groups."""
    return [(group, machine_id) for group in rules.groups for machine_id in group.ids]


# Machines


@settings(max_examples=examples(12), deadline=None)
@given(plants(), st.sampled_from(TopicLayout), st.sampled_from(["factory", "site/a"]))
def test_a_machine_of_any_plant_may_write_its_own_topics_and_no_other_ones(
    plant: PlantConfig, layout: TopicLayout, prefix: str
) -> None:
    """Of all topics that the plant publishes to."""
    export = export_of(plant, layout, prefix)
    topics = own_topics(export)
    every = {topic for kind in export.kinds for topic in export.topics.topics_of(kind)}
    rules = access_rules(export)

    assert {machine_id for _, machine_id in each_machine(rules)} == set(topics)
    for group, machine_id in each_machine(rules):
        filters = allowed(group, machine_id, Action.WRITE)
        assert {topic for topic in every if any(matches(each, topic) for each in filters)} == topics[machine_id]


def test_a_machine_may_read_its_commands_and_write_answers_and_its_status() -> None:
    """Nothing else is common to all machines."""
    rules = access_rules(export_of(config({"cnc_machine": 2}), TopicLayout.MACHINE))
    group = next(group for group in rules.groups if group.key == "cnc_machine")

    assert allowed(group, "CNC-02", Action.READ) == {"factory/commands/+/CNC-02"}
    assert allowed(group, "CNC-02", Action.WRITE) == {
        "factory/cnc/CNC-02",
        "factory/replies/+/CNC-02",
        "factory/status/CNC-02",
    }


def test_the_topic_of_commands_is_that_of_the_plant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the YAML has it, whether commands are on or off."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(
        "message_types: {welding: {count: 1}}\ncommands: {topic: '{prefix}/{machine_id}/do/{publisher}'}\n"
    )

    assert command("--format", "mosquitto", "--file", str(plant), "--topic-prefix", "a/b") == 0
    printed = capsys.readouterr().out
    assert "topic read a/b/WELD-01/do/+\n" in printed
    assert "topic write a/b/+/do/controller\n" in printed


def test_the_topic_of_a_machines_status_follows_its_template() -> None:
    """With type and station in it, where it has them; the controller reads the branch."""
    export = replace(export_of(config({"cnc_machine": 1})), status_address="{prefix}/up/{type}/{station_id}")
    rules = access_rules(export)
    group = next(group for group in rules.groups if group.key == "cnc_machine")

    assert "factory/up/cnc_machine/LINE-1-STATION-A" in allowed(group, "CNC-01", Action.WRITE)
    [controller] = [role for role in rules.roles if role.name == "controller"]
    assert "factory/up/cnc_machine/#" in {rule.topics for rule in controller.rules}


def test_a_shared_client_may_publish_for_all_and_machines_nothing() -> None:
    """With --connections shared no machine connects, so none has a rule."""
    export = replace(export_of(config()), acl=AclOptions(connections="shared"))
    rules = access_rules(export)
    [simulator] = [role for role in rules.roles if role.name == "simulator"]
    filters = [rule.topics for rule in simulator.rules if rule.action is Action.WRITE]

    assert rules.groups == ()
    for kind in export.kinds:
        assert all(any(matches(each, topic) for each in filters) for topic in export.topics.topics_of(kind))


# Others


def test_the_controller_reads_branches_of_what_machines_report() -> None:
    """As it subscribes to them; orders and dispatches are not among them, nor the prefix as a whole."""
    own = {"topic": "{prefix}/{machine_id}/state"}
    export = export_of(config(welding=own), TopicLayout.MACHINE)
    [controller] = [role for role in access_rules(export).roles if role.name == "controller"]
    read = {rule.topics for rule in controller.rules if rule.action is Action.READ}

    assert {"factory/cnc/#", "factory/status/#", "factory/+/state", "factory/replies/controller/#"} <= read
    assert not any(matches(each, "factory/orders") for each in read)


def test_a_machine_must_not_have_the_name_of_a_role() -> None:
    """It would get the rights of that role."""
    export = export_of(config({"cnc_machine": 1}))
    kinds = tuple(
        replace(kind, machines=(kind.machines[0]._replace(machine_id="controller"),), sources=("controller",))
        if kind.key == "cnc_machine"
        else kind
        for kind in export.kinds
    )
    renamed = replace(export, kinds=kinds, topics=TopicIndex(kinds, "factory"))

    with pytest.raises(AclError, match=r"machine controller must not have the name of a role"):
        acl(renamed)


# Formats


def test_many_machines_are_a_few_patterns_for_mosquitto() -> None:
    """Ten thousand take as many lines as two, where topics have the machine's id; a comment says what that costs."""
    many = text_of(export_of(config({"cnc_machine": 10_000}), TopicLayout.MACHINE), "mosquitto")

    assert "pattern write factory/cnc/%u\n" in many
    assert len(many.splitlines()) < MOST_BLOCKS
    assert "apply to every user who logs in" in many


def test_few_machines_have_a_block_each_for_mosquitto() -> None:
    """Which is exact; --patterns has it otherwise."""
    export = export_of(config({"cnc_machine": 2}), TopicLayout.MACHINE)

    assert "pattern" not in rules_in(text_of(export, "mosquitto"))
    assert "pattern write factory/cnc/%u\n" in text_of(export, "mosquitto", patterns="always")
    many = export_of(config({"cnc_machine": MANY}), TopicLayout.MACHINE)
    assert f"user CNC-{MANY}\n" in text_of(many, "mosquitto", patterns="never")


def rules_in(text: str) -> str:
    """A file without its comments."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def test_machines_that_share_a_topic_are_named_each_for_mosquitto() -> None:
    """It has no groups: a pattern without %u would open the topic to every user."""
    text = text_of(export_of(config({"cnc_machine": MANY})), "mosquitto")

    assert text.count("topic write factory/cnc\n") == MANY
    assert all("%u" in line for line in text.splitlines() if line.startswith("pattern "))


def test_the_sandbox_broker_gets_the_rules_of_mosquitto() -> None:
    """Only the comments differ."""
    export = export_of(config(), TopicLayout.MACHINE)

    assert rules_in(text_of(export, "sandbox")) == rules_in(text_of(export, "mosquitto"))
    assert "SUBACK 0x87" in text_of(export, "sandbox")


def test_machines_that_share_a_topic_share_a_role_in_dynamic_security() -> None:
    """By a group of the type; each machine has a role of its own beside it, and no client a password."""
    made = json.loads(text_of(export_of(config({"cnc_machine": 2})), "mosquitto-dynsec"))
    groups = {group["groupname"]: group for group in made["groups"]}

    assert groups["machines-cnc_machine"]["clients"] == [{"username": "CNC-01"}, {"username": "CNC-02"}]
    assert {"machine-CNC-01", "machines-cnc_machine", "controller"} <= {role["rolename"] for role in made["roles"]}
    assert all("password" not in client for client in made["clients"])


def test_many_machines_are_a_regular_expression_for_ejabberd() -> None:
    """It matches their user names, which are in lower case there; rules with %u are for them alone."""
    made = yamlread.value(text_of(export_of(config({"cnc_machine": MANY}), TopicLayout.MACHINE), "ejabberd"))
    [expression] = made["acl"]["machines_cnc_machine"].values()

    assert re.search(expression, "cnc-07")
    assert not re.search(expression, "weld-07")
    assert made["modules"]["mod_mqtt"]["access_publish"]["factory/cnc/%u"] == [{"allow": "machines_cnc_machine"}]


def test_topics_for_ejabberd_are_in_double_quotes() -> None:
    """Others it takes for words, and does not start."""
    text = text_of(export_of(config()), "ejabberd")

    assert '    "factory/cnc":\n' in text.replace("      ", "    ")
    assert yamllint([text]) == ""


def test_all_formats_are_made_where_none_is_chosen(tmp_path: Path) -> None:
    """A file each."""
    assert command("--output", str(tmp_path)) == 0
    names = {"mosquitto.acl", "sandbox.acl", "dynamic-security.json", "ejabberd-mqtt.yml"}
    assert {path.name for path in (tmp_path / "acl").iterdir()} == names


def test_the_file_names_the_command_that_makes_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """With the options that were given."""
    flags = ("--format", "mosquitto", "--patterns", "never", "--connections", "per_machine")
    assert command(*flags) == 0
    made = "python app.py export acl --format mosquitto --connections per_machine --patterns never"
    printed = capsys.readouterr().out
    assert f"`{made}`" in printed
    assert max(map(len, printed.splitlines())) <= 120


# What cannot be written


SPACED = "message_types: {welding: {count: 1, machine_id: 'Weld {number}'}}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "mosquitto", "--identity", "client_id"), "topic factory/cnc of cnc_machine must have"),
        (("--format", "mosquitto-dynsec", "--identity", "client_id"), "--identity client_id: must be username"),
    ],
)  # fmt: skip
def test_a_format_that_cannot_have_the_rules_says_why(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line, with exit code 2."""
    assert command(*arguments) == 2
    assert capsys.readouterr().err.startswith(f"export: {said}")


def test_an_id_that_is_no_user_name_of_ejabberd_is_refused_there_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, with the rule; the other formats are made, and `export all` with them."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(SPACED)

    assert command("--format", "ejabberd", "--file", str(plant)) == 2
    assert "machine Weld 1: must have no space" in capsys.readouterr().err
    assert command("--file", str(plant), "--output", str(tmp_path)) == 0
    assert not (tmp_path / "acl" / "ejabberd-mqtt.yml").exists()
    assert "user Weld 1\n" in (tmp_path / "acl" / "mosquitto.acl").read_text()


def test_ids_that_differ_by_case_alone_are_refused_for_ejabberd() -> None:
    """They would be one user."""
    upper = {"machine_id": "M-{number}"}
    lower = {"machine_id": "m-{number}"}

    with pytest.raises(AclError, match=r"machine m-1 must differ from M-1 by more than case"):
        text_of(export_of(config({"cnc_machine": 1, "welding": 1}, cnc_machine=upper, welding=lower)), "ejabberd")


def test_options_of_access_rules_go_with_them_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Another target says so."""
    assert app.main(["export", "kql", "--patterns", "always"], {}) == 2
    assert capsys.readouterr().err.endswith("export: --patterns goes only with acl, not with kql\n")
