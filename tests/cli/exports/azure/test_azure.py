"""Facts about the export `azure`: it says what the manifests say, and its scripts make all once and nothing of others.

There is no Azure here. A script on the PATH answers in the place of `az` from a file that says what there is; it is a
mock, it knows the calls that the scripts make and no others, and real services may answer otherwise.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from cli.exports.azure.authorization import authorization
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.resources import FORMATS, OPERATIONS_API, PARAMETERS, REGISTRY_API, azure, azure_resources
from cli.exports.command import TARGETS
from cli.exports.common.export import Export
from cli.exports.schemas.json_schema import schema
from edge.settings.types import TopicLayout
from plant.definition.plant_config import load
from tests.support.examples import examples
from tests.support.exports.azuremodels import faults
from tests.support.exports.biceptext import declared, value_of
from tests.support.exports.customresources import documents
from tests.support.exports.linters import shellcheck
from tests.support.exports.schemas import export_of
from tests.support.factory.anyplants import plants
from tests.support.factory.plants import ROOT, config
from tests.support.processes.daemon import DaemonProcess

SCRIPTS = ("azure/register-schemas.sh", "azure/apply.sh")
KINDS = 2
REGISTRY = "Microsoft.DeviceRegistry/schemaRegistries"

AZ = r"""#!PYTHON -IS
# A mock of the Azure CLI: there is no Azure behind it. What there is stands in $STATE.
import json, os, sys

def option(name):
    return words[words.index(name) + 1] if name in words else None

def no(text, code=1):
    sys.stderr.write(text + "\n")
    sys.exit(code)

words = sys.argv[1:]
with open(os.environ["STATE"]) as file:
    state = json.load(file)
with open(os.environ["STATE"] + ".calls", "a") as file:
    file.write(json.dumps(words) + "\n")
if words[0] == "extension":
    sys.exit(0 if state["extension"] else 1)
if words[-1] == "--help":
    sys.exit(0 if state["recent"] else 2)
command = " ".join(words[2:next(i for i, word in enumerate(words) if word.startswith("-"))])
if command in state["failing"]:
    no("(AuthorizationFailed) The client has no leave to do this")
schemas, resources = state["schemas"], state["resources"]
if command == "show":
    option("--name") == "ops" or no("(ResourceNotFound) no such instance", 3)
elif command == "schema registry show":
    print("my-schemas")
elif command == "schema list":
    option("--registry") == "registry" or no("(ResourceNotFound) no such registry", 3)
    for name, each in schemas.items():
        print(name, each["format"], sep="\t")
elif command == "schema version list":
    for number, description in schemas[option("--schema")]["versions"].items():
        print(number, description, sep="\t")
elif command == "schema version add":
    versions = schemas[option("--schema")]["versions"]
    option("--version") not in versions or no("(Conflict) a version cannot be changed")
    json.load(open(option("--content")))
    versions[option("--version")] = option("--desc")
elif command == "schema create":
    json.load(open(option("--version-content")))
    format = {"json": "JsonSchema/draft-07", "delta": "Delta/1.0"}[option("--format")]
    schemas[option("--name")] = {"format": format, "versions": {option("--ver"): option("--vd")}}
elif command.endswith(" show"):
    key = command[:-5] + " " + option("--name")
    key in resources or no("(ResourceNotFound) The Resource was not found.", 3)
    print(json.dumps({"name": option("--name"), "properties": resources[key]}))
elif command.endswith(" apply"):
    added = {"provisioningState": "Succeeded"}
    resources[command[:-6] + " " + option("--name")] = json.load(open(option("--config-file"))) | added
else:
    no("the mock does not know: " + command, 97)
with open(os.environ["STATE"], "w") as file:
    json.dump(state, file)
""".replace("PYTHON", sys.executable)

WHERE = {"RESOURCE_GROUP": "rg", "SCHEMA_REGISTRY": "registry"}
VALUES = {"FABRIC_BOOTSTRAP_SERVER": "x.servicebus.windows.net:9093", "FABRIC_TOPIC": "es_1"}
VALUES |= {"ADX_CLUSTER": "c", "ADX_REGION": "r", "ADX_DATABASE": "d", "INSTANCE": "ops"}


def default() -> Export:
    """The default plant."""
    return export_of(load(ROOT / "message_structure.yaml"))


def small(**more: Any) -> Export:
    """A plant of two kinds of message, perhaps edited."""
    machines = {"printer_3d": 0, "painting": 0, "testing": 0}
    return export_of(config(machines, customer_order={"enabled": False}, **more))


@functools.cache
def texts() -> dict[str, str]:
    """The files of the default plant."""
    return {file.name: file.text for file in azure(default())}


class Mocked:
    """The files in a directory, and a mock of Azure that keeps what has been made."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / "state"
        (path / "bin").mkdir()
        (path / "bin" / "az").write_text(AZ)
        (path / "bin" / "az").chmod(0o755)
        (path / "bin" / "python3").symlink_to(sys.executable)  # that on the PATH may be a slow wrapper
        self.keep({"extension": True, "recent": True, "failing": [], "schemas": {}, "resources": {}})
        self.export(small())

    def export(self, made: Export) -> None:
        """Write the files of a plant."""
        for file in azure(made):
            (self.path / file.name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / file.name).write_text(file.text)

    def keep(self, state: dict[str, Any]) -> None:
        """Let there be this."""
        self.file.write_text(json.dumps(state))

    def state(self) -> dict[str, Any]:
        """What there is."""
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def but(self, **changes: Any) -> None:
        """Let something be otherwise."""
        self.keep({**self.state(), **changes})

    def calls(self) -> list[str]:
        """What has been asked that changes something, as words; the list is empty afterwards."""
        log = Path(f"{self.file}.calls")
        lines = [" ".join(json.loads(line)[2:]) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if re.match(r"(.* )?(apply|create|add) --", line) and "--help" not in line]

    def run(self, name: str, *arguments: str, path: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """A run of one of the scripts."""
        known = {"PATH": path or f"{self.path / 'bin'}:{os.environ['PATH']}", "STATE": str(self.file)}
        command = ["/usr/bin/env", "bash", str(self.path / "azure" / name), *arguments]
        environ = {**known, **WHERE, **environ}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    def register(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A run of register-schemas.sh."""
        return self.run("register-schemas.sh", *arguments, **environ)

    def apply(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A run of apply.sh with all values."""
        return self.run("apply.sh", *arguments, **{**VALUES, **environ})


@pytest.fixture
def mocked(tmp_path: Path) -> Mocked:
    """A mock of an empty Azure."""
    return Mocked(tmp_path)


def versions(mocked: Mocked) -> set[tuple[str, ...]]:
    """The versions that schemas have."""
    return {tuple(each["versions"]) for each in mocked.state()["schemas"].values()}


# What is exported


def test_azure_gets_what_the_manifests_say() -> None:
    """Each resource of the manifests is a file and a part of the Bicep, with its spec but for references to parents."""
    made = default()
    manifests = [each for file in (*dataflow(made), *authorization(made)) for each in documents(file.text)]
    ours = {
        (each["kind"], each["metadata"]["name"]): each["spec"] for each in manifests if "iotop" in each["apiVersion"]
    }
    for spec in ours.values():
        spec.pop("profileRef", None)
        spec.pop("brokerRef", None)
    bicep = texts()["azure/dataflow.bicep"]
    inside = [
        each for name in ("authorization", "listener", "endpoint", "flow") for each in value_of(bicep, f"{name}s")
    ]

    assert {(each.kind, each.name): each.properties for each in azure_resources(made)} == ours
    assert all(json.loads(texts()[f"azure/{each.file}"]) == each.properties for each in azure_resources(made))
    assert sorted((each["name"], str(each["properties"])) for each in inside) == sorted(
        (name, str(spec)) for (_, name), spec in ours.items()
    )


@settings(max_examples=examples(6), deadline=None)
@given(plants(), st.sampled_from(TopicLayout), st.sampled_from(["factory", "it's/${x}", "Werk 1/Süd", "a" * 80]))
def test_a_schema_has_one_name_everywhere(plant: Any, layout: TopicLayout, prefix: str) -> None:
    """Script, Bicep, files and the dataflows' references agree, whatever the plant; the content is that of `schema`."""
    made = export_of(plant, layout, prefix)
    files = {file.name: file.text for file in azure(made)}
    rows = re.findall(r"^(?:SCHEMAS=')?(\S+) (json|delta) (\S+) (sha256:\S+?)'?$", files[SCRIPTS[0]], re.MULTILINE)
    bicep = value_of(files["azure/schemas.bicep"], "schemas")
    used = {name for text in files.values() for name in re.findall(r"aio-sr://<[A-Z_]+>/([^:'\"]+):1", text)}

    assert [(each["name"], each["format"], each["description"]) for each in bicep] == [
        (name, long, digest) for name, _, long, digest in rows
    ]
    assert used == {name for name, form, *_ in rows if form == "delta"}
    assert [files[f"azure/schemas/{name}.json"] for name, *_ in rows] == [file.text for file in schema(made)]
    assert [each["content"] for each in bicep] == [file.text for file in schema(made)]
    assert {FORMATS[form] for _, form, *_ in rows} <= {long for *_, long, _ in rows}
    assert "default" not in {each.name for each in azure_resources(made)}


def test_what_is_sent_is_what_the_published_models_know() -> None:
    """The properties of each resource, of schemas too, have no fault by the models that Microsoft publishes."""
    found = []
    bicep = texts()["azure/dataflow.bicep"]
    for name, kind in re.findall(r"resource (\w+) '([^@]+)@[^']+' = \[", bicep):
        found += [fault for each in value_of(bicep, f"{name}s") for fault in faults(kind, each["properties"])]
    for each in value_of(texts()["azure/schemas.bicep"], "schemas"):
        about = {"format": each["format"], "schemaType": "MessageSchema"}
        version = {"description": each["description"], "schemaContent": each["content"]}
        found += faults(f"{REGISTRY}/schemas", about) + faults(f"{REGISTRY}/schemas/schemaVersions", version)

    assert found == []
    assert faults("Microsoft.IoTOperations/instances/dataflowProfiles/dataflows", {"mode": "Enabled"})


def test_bicep_declares_what_it_uses() -> None:
    """Resource types of the newest stable APIs, a parameter for each placeholder, and no name that is not declared."""
    flows, schemas = texts()["azure/dataflow.bicep"], texts()["azure/schemas.bicep"]
    for text in (flows, schemas):
        used = set(re.findall(r"(?:parent|extendedLocation): (\w+)|, (\w+)\)", text))
        assert {name for pair in used for name in pair if name} <= declared(text) | {"i"}

    assert set(re.findall(r"Microsoft\.\w+/[^@']+@([^']+)'", flows)) == {OPERATIONS_API}
    assert set(re.findall(r"Microsoft\.\w+/[^@']+@([^']+)'", schemas)) == {REGISTRY_API}
    body = re.sub(r"(?m)^//.*\n", "", flows)
    assert set(re.findall(r"<([A-Z_]+)>", body)) == set(PARAMETERS)


def test_the_version_is_that_of_the_flag(tmp_path: Path) -> None:
    """--schema-version is in the dataflows' references and in the Bicep; 1 where it is not given, never below."""
    for target in ("azure", "dataflow"):
        assert app.main(["export", target, "--schema-version", "3", "--output", str(tmp_path)], {}) == 0
    said = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".sh")
    with DaemonProcess("export", "azure", "--schema-version", "0") as wrong:
        code = wrong.wait()

    assert set(re.findall(r"aio-sr://[^\s:]+:(\d+)", said)) == {"3"}
    assert "param schemaVersion string = '3'" in said
    assert (code, "Traceback" in wrong.log) == (2, False)
    assert re.findall(r"aio-sr://[^\s:]+:(\d+)", texts()["azure/dataflow.bicep"])[:1] == ["1"]


def test_deploy_has_all_of_it_and_nothing_else() -> None:
    """deploy/azure is what the export makes of the default plant."""
    there = {f"azure/{path.relative_to(ROOT / 'deploy/azure')}" for path in (ROOT / "deploy/azure").rglob("*.*")}

    assert there == set(texts())
    assert "azure" in TARGETS


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_are_clean_and_explain_themselves(name: str, mocked: Mocked) -> None:
    """shellcheck finds nothing; --help tells each exit code that the script has, and each placeholder."""
    text = texts()[name]
    table = re.findall(r"(\d) (?=[a-z])", mocked.run(Path(name).name, "--help").stdout.partition("Exit codes:")[2])

    assert shellcheck(text) == ""
    assert {*table} >= {"0", *re.findall(r"\bfail (\d)", text)}
    assert not mocked.calls()


# Schemas


def test_schemas_are_registered_once(mocked: Mocked) -> None:
    """All with version 1; the second time nothing is changed."""
    first, made = mocked.register(), mocked.calls()
    second = mocked.register()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(made) == len(mocked.state()["schemas"]) == 2 * KINDS
    assert mocked.calls() == []
    assert first.stdout.splitlines()[-1] == second.stdout.splitlines()[-1] == "schema version: 1"


def test_an_edit_is_the_next_version_of_all(mocked: Mocked) -> None:
    """Also where one message alone has changed; what to do with it is said; and then it is quiet again."""
    mocked.register()
    mocked.export(small(cnc_machine={"part_types": ["Other"]}))
    mocked.calls()
    run = mocked.register()

    assert versions(mocked) == {("1", "2")}
    assert run.stdout.splitlines()[-1] == "schema version: 2"
    assert "--schema-version 2" in run.stdout
    assert len(mocked.calls()) == 2 * KINDS
    mocked.register()
    assert mocked.calls() == []


def test_what_was_broken_off_is_completed(mocked: Mocked) -> None:
    """A run that ended in the middle of a version is gone on with, by the same number."""
    mocked.register()
    state = mocked.state()
    name, *_ = state["schemas"]
    for each in list(state["schemas"])[5:]:
        state["schemas"][each]["versions"] = {}
    del state["schemas"][name]
    mocked.keep(state)
    run = mocked.register()

    assert (run.returncode, versions(mocked)) == (0, {("1",)})


def test_a_version_made_by_hand_is_passed_over(mocked: Mocked) -> None:
    """It is never changed; ours is the next. A schema of another format is not ours at all."""
    foreign = {"format": "Delta/1.0", "versions": {"4": "None"}}
    mocked.but(schemas={"factory-welding-delta": foreign})

    assert mocked.register().stdout.splitlines()[-1] == "schema version: 5"
    assert mocked.state()["schemas"]["factory-welding-delta"]["versions"]["4"] == "None"
    mocked.but(schemas={"factory-welding": foreign})
    mocked.calls()
    assert mocked.register().returncode == 7
    assert mocked.calls() == []


def test_a_dry_run_changes_nothing(mocked: Mocked) -> None:
    """It prints the commands, by both scripts."""
    schemas, all_of_it = mocked.register("--dry-run"), mocked.apply("--dry-run", "all")

    assert (schemas.returncode, all_of_it.returncode) == (0, 0), all_of_it.stderr
    assert schemas.stdout.count("would run: az iot ops schema create") == 2 * KINDS
    assert all_of_it.stdout.count(" apply --name ") == len(azure_resources(small()))
    assert mocked.calls() == []


# All of it


def test_all_is_applied_once(mocked: Mocked) -> None:
    """Schemas, then what is referred to before what refers; values filled in; the second time nothing is changed."""
    first, made = mocked.apply("all"), mocked.calls()
    second = mocked.apply("all")
    found = mocked.state()["resources"]

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(found) == len(azure_resources(small())) == len(made) - 2 * KINDS
    assert mocked.calls() == []
    assert "<" not in json.dumps(found)
    assert "aio-sr://my-schemas/factory-welding-delta:1" in json.dumps(found["dataflow factory-adx-welding"])
    order = [" ".join(call.split(" --profile")[0].split()[:4]) for call in made]
    assert order.index("dataflow endpoint apply --name") < order.index("dataflow apply --name factory-fabric")


def test_an_edit_goes_into_the_dataflows_by_the_new_version(mocked: Mocked) -> None:
    """Without --replace what is to change is told and nothing is changed, not even a schema; with it, it is done."""
    mocked.apply("adx")
    mocked.export(small(cnc_machine={"part_types": ["Other"]}))
    mocked.calls()
    before = mocked.state()
    refused = mocked.apply("adx")

    assert (refused.returncode, mocked.calls(), mocked.state()) == (7, [], before)
    assert "Dataflow factory-adx-welding is there and differs" in refused.stderr
    assert mocked.apply("adx", "--replace").returncode == 0
    assert "factory-welding-delta:2" in json.dumps(mocked.state()["resources"])
    assert not [call for call in mocked.calls() if call.startswith("dataflow endpoint")]


def test_what_another_has_made_stays(mocked: Mocked) -> None:
    """A resource under one of our names that says something else is not replaced; others are not looked at."""
    mocked.but(resources={"broker listener edgemqttsim-test": {"ports": []}, "broker listener default": {"ports": []}})
    run = mocked.apply("authorization", "listener")

    assert run.returncode == 7
    assert "az iot ops broker listener show --name edgemqttsim-test" in run.stderr
    assert mocked.calls() == []


FAULTS: dict[str, tuple[dict[str, Any], dict[str, str], int, str]] = {
    "no extension": ({"extension": False}, {}, 4, "az extension add"),
    "an old extension": ({"recent": False}, {}, 4, "az extension update"),
    "no instance": ({}, {"INSTANCE": "other"}, 5, "no instance other"),
    "no registry": ({}, {"SCHEMA_REGISTRY": "other"}, 5, "no schema registry other"),
    "no leave to look": ({"failing": ["dataflow endpoint show"]}, {}, 5, "AuthorizationFailed"),
    "no leave to see the registry": ({"failing": ["schema registry show"]}, {}, 5, "AuthorizationFailed"),
    "values missing": ({}, {"ADX_REGION": "", "ADX_CLUSTER": ""}, 6, "set ADX_CLUSTER ADX_REGION for: adx"),
}
"""What is wrong -> what makes it so in the mock and in the variables, the exit code, and what is said."""


@pytest.mark.parametrize(("state", "environ", "code", "said"), FAULTS.values(), ids=FAULTS)
def test_what_is_missing_is_said_before_anything_is_changed(
    mocked: Mocked, state: dict[str, Any], environ: dict[str, str], code: int, said: str
) -> None:
    """One line that names it, an exit code of its own."""
    mocked.but(**state)
    run = mocked.apply("adx", **environ)

    assert run.returncode == code, run.stderr
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert mocked.calls() == []


def test_a_refusal_in_the_middle_ends_it(mocked: Mocked) -> None:
    """What az says is told; what is done stays, and the next run does the rest."""
    mocked.but(failing=["dataflow apply"])
    run = mocked.apply("fabric")
    mocked.but(failing=[])

    assert (run.returncode, "AuthorizationFailed" in run.stderr) == (5, True)
    assert list(mocked.state()["resources"]) == ["dataflow endpoint factory-fabric"]
    assert mocked.apply("fabric").returncode == 0
    assert len(mocked.state()["resources"]) == 2


@pytest.mark.parametrize("arguments", [[], ["fabrik"], ["--dry"]])
def test_wrong_arguments_are_refused(mocked: Mocked, arguments: list[str]) -> None:
    """Before anything is asked."""
    assert mocked.apply(*arguments).returncode == 2
    assert not Path(f"{mocked.file}.calls").exists()


def test_without_az_there_is_no_going_on(mocked: Mocked) -> None:
    """A machine without the Azure CLI: where to get it."""
    tools = mocked.path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "sed", "cat", "env", "mktemp", "rm", "basename", "python3"):
        (tools / name).symlink_to(Path("/usr/bin", name))
    run = mocked.apply("fabric", path=str(tools))

    assert run.returncode == 3
    assert "az is not on the PATH" in run.stderr
