"""Facts about every manifest: valid Kubernetes, restricted pods, and overlays that fit together and do as they say."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions, major_minor
from packaging.version import Version

from cli.commands import parse
from cli.exports.command import TARGETS
from cli.options.preflight import PreflightOptions
from edge.settings.loader import Settings
from messages import FactoryMessageGenerator
from plant.definition import plant_config
from sandbox.broker import EmbeddedBroker
from tests.deploy.test_manifest import NAMESPACE
from tests.edge.runtime.test_simulator import BLOCK
from tests.support.exports import yamlread
from tests.support.exports.customresources import faults
from tests.support.exports.kustomize import OVERLAYS, ROOT, Resource, build, manifest, one, overlay, pods, read
from tests.support.exports.linters import hadolint, shellcheck, yamllint
from tests.support.exports.podsecurity import violations
from tests.support.exports.yamlread import documents
from tests.support.processes.daemon import DaemonProcess, plain, running
from tools.generate import exported

FILES = ["deployment.yaml", "docs/mqtt-client.yaml"]
VERSIONS = sorted({major_minor(version) for version in all_versions()}, key=Version)[-3:]
TOGETHER = ["authorization", "monitoring", "scaled", "test-listener"]
"""Components that may be in one factory."""


def shown(path: Path) -> str:
    """A path as a test is named after it."""
    return str(path.relative_to(ROOT))


def environment(container: Mapping[str, Any], pod_name: str) -> dict[str, str]:
    """The variables of a container in the pod of that name."""
    return {entry["name"]: entry.get("value", pod_name) for entry in container["env"]}


def settings_of(container: Mapping[str, Any], pod_name: str = "edgemqttsim-0") -> Settings:
    """What the simulator runs with in the pod of that name; LOAD_* is for the command line alone."""
    return Settings.load(environment(container, pod_name), pid=1)


def container_of(resource: Resource) -> dict[str, Any]:
    """The container that runs the simulator."""
    (container,) = resource["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "edgemqttsim"
    return dict(container)


def command_line(container: Mapping[str, Any]) -> list[str]:
    """The arguments as Kubernetes passes them: `$(NAME)` is the variable."""
    return [
        re.sub(r"\$\((\w+)\)", lambda name: environment(container, "x")[name[1]], each) for each in container["args"]
    ]


def names(resources: list[Resource]) -> set[tuple[str, str]]:
    """Kind and name of each resource."""
    return {(each["kind"], each["metadata"]["name"]) for each in resources}


def selectors(resource: Resource) -> Iterator[dict[str, str]]:
    """The labels by which a resource finds its pods."""
    spec = resource.get("spec", {})
    if resource["kind"] == "Service":
        yield spec["selector"]
    yield from (spec[key]["matchLabels"] for key in ("selector", "podSelector") if "matchLabels" in spec.get(key, {}))


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of deploy/ to change."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path / "deploy"


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """The package reads all definitions of a version again for each resource, which takes a fifth of a second."""
    with patch.object(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents)):
        yield


def combined(deploy: Path, components: list[str]) -> list[Resource]:
    """What a kustomization of one's own builds that names so many components."""
    text = {"resources": ["../../base"], "components": [f"../../components/{name}" for name in components]}
    mine = deploy / "overlays" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return build(mine)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [*FILES, *OVERLAYS])
def test_every_manifest_is_valid(name: str, version: str) -> None:
    """Each resource of Kubernetes itself obeys its schema, unknown fields refused, in the three newest versions."""
    core = [each for each in manifest(name) if not custom(each)]
    for resource in core:
        kubernetes_validate.validate(resource, version, strict=True)

    assert {"Pod", "Deployment", "StatefulSet", "Job"} & {each["kind"] for each in core}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_exported_resource_is_valid(version: str) -> None:
    """What `export` makes of Kubernetes' own kinds obeys their schemas, too."""
    core = [each for each in exported_resources() if not custom(each)]
    for resource in core:
        kubernetes_validate.validate(resource, version, strict=True)

    assert "ServiceAccount" in {each["kind"] for each in core}


@cache
def exported_resources() -> Sequence[Resource]:
    """Every Kubernetes resource in what `export all` makes of the default plant."""
    files = {name: text for target in TARGETS for name, text in exported(target).items()}
    found = (each for name, text in files.items() if name.endswith(".yaml") for each in documents(text))
    return [each for each in found if "apiVersion" in each]


def custom(resource: Resource) -> bool:
    """Whether a resource is of a kind that Kubernetes itself does not have."""
    group: str = resource["apiVersion"].partition("/")[0]
    return group.endswith((".azure.com", ".microsoft.com", ".coreos.com"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_custom_resources_are_those_exported(name: str) -> None:
    """An overlay has them as `export` makes them, whose tests hold them to their schemas."""
    mine = [each for each in overlay(name) if custom(each)]

    assert [each for each in mine if each not in exported_resources()] == []
    assert faults(each for each in mine if ".azure.com/" in each["apiVersion"]) == []


@pytest.mark.parametrize("name", [*FILES, *OVERLAYS])
def test_every_pod_is_restricted(name: str) -> None:
    """It meets the restricted Pod Security Standard, as namespaces may demand it, and does not write to its root."""
    for pod in pods(manifest(name)):
        assert violations(pod["spec"]) == []
        assert "automountServiceAccountToken" in pod["spec"]


@pytest.mark.parametrize(
    ("wrong", "path", "value"),
    [
        ("host namespaces", ("hostNetwork",), True),
        ("volume types", ("volumes",), [{"name": "root", "hostPath": {"path": "/"}}]),
        ("sysctls", ("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
        ("running as non-root", ("securityContext", "runAsNonRoot"), False),
        ("running as user 0", ("securityContext", "runAsUser"), 0),
        ("seccomp", ("securityContext", "seccompProfile"), {"type": "Unconfined"}),
        ("AppArmor", ("securityContext", "appArmorProfile"), {"type": "Unconfined"}),
        ("SELinux", ("securityContext", "seLinuxOptions"), {"type": "spc_t"}),
        ("host process", ("securityContext", "windowsOptions"), {"hostProcess": True}),
        ("privileged", ("containers", 0, "securityContext", "privileged"), True),
        ("privilege escalation", ("containers", 0, "securityContext", "allowPrivilegeEscalation"), None),
        ("capabilities dropped", ("containers", 0, "securityContext", "capabilities"), {}),
        ("capabilities added", ("containers", 0, "securityContext", "capabilities", "add"), ["SYS_ADMIN"]),
        ("/proc mount", ("containers", 0, "securityContext", "procMount"), "Unmasked"),
        ("host ports", ("containers", 0, "ports"), [{"containerPort": 8080, "hostPort": 80}]),
        ("host probes", ("containers", 0, "livenessProbe", "httpGet", "host"), "10.0.0.1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_standard_is_held_control_by_control(wrong: str, path: tuple[str | int, ...], value: object) -> None:
    """The check is not blind: each control, broken alone in the pod of deployment.yaml, is named."""
    pod = copy.deepcopy(next(pods(manifest("deployment.yaml")))["spec"])
    holder: Any = pod
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value

    assert [name.partition(":")[0] for name in violations(pod)] == [wrong]


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlays_stay_in_their_namespace(name: str) -> None:
    """Everything is where the broker's CA is, each name once, and every selector finds the overlay's own pods."""
    resources = overlay(name)
    (labels,) = (pod["metadata"]["labels"] for pod in pods(resources))

    assert len(names(resources)) == len(resources)
    assert {each["metadata"].get("namespace") for each in resources} == {NAMESPACE}
    assert [found for each in resources for found in selectors(each) if not found.items() <= labels.items()] == []


@pytest.mark.parametrize("name", sorted({"scaled", "monitoring", "authorization"}))
def test_overlays_are_the_root_manifest_and_more(name: str) -> None:
    """What an overlay is not about, it leaves as it is: the pod's rights, mounts, probes and resources."""
    (original,), (changed,) = ([pod["spec"] for pod in pods(manifest(each))] for each in ("deployment.yaml", name))
    (before,), (after,) = original.pop("containers"), changed["containers"]

    assert {key for key in original if original[key] != changed[key]} <= {"serviceAccountName"}
    assert {key for key in before if before[key] != after[key]} <= {"env"}


def test_components_go_together(deploy: Path) -> None:
    """All of them in one factory, with a few lines of one's own."""
    resources = combined(deploy, TOGETHER)
    container = container_of(one(resources, "StatefulSet"))

    assert {"PodMonitor", "PrometheusRule", "BrokerAuthorization", "PodDisruptionBudget"} <= {
        each["kind"] for each in resources
    }
    assert (settings_of(container).mqtt_port, settings_of(container).part) == (8884, (1, 4))


def test_the_registry_is_named_once(deploy: Path) -> None:
    """deploy/base/kustomization.yaml has it for all pods of all overlays, init containers too."""
    path = deploy / "base" / "kustomization.yaml"
    path.write_text(path.read_text().replace("newName: <YOUR_REGISTRY>/", "newName: registry.example/mine/"))
    specs = [pod["spec"] for name in OVERLAYS for pod in pods(build(deploy / "overlays" / name))]
    images = {each["image"] for spec in specs for each in [*spec["containers"], *spec.get("initContainers", [])]}

    assert {image.partition(":")[0] for image in images} == {"registry.example/mine/edgemqttsim"}


def test_a_login_at_the_registry_is_one_command_away(deploy: Path) -> None:
    """The one in docs/deploy.md: every pod then names the secret, and until then none does."""
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    (command,) = re.findall(r"^sed -i .*imagePullSecrets.*$", page, re.MULTILINE)
    shutil.copy(ROOT / "deployment.yaml", deploy.parent)
    subprocess.run(["sh", "-c", command], cwd=deploy.parent, check=True)
    built = [read(deploy.parent / "deployment.yaml"), *(build(deploy / "overlays" / name) for name in OVERLAYS)]
    specs = [pod["spec"] for resources in built for pod in pods(resources)]

    assert {spec["imagePullSecrets"][0]["name"] for spec in specs} == {"registry"}
    assert "imagePullSecrets" not in next(pods(manifest("deployment.yaml")))["spec"]


def test_the_documents_name_what_there_is() -> None:
    """Every path of deploy/ in a document exists, and every overlay is in docs/deploy.md."""
    texts = {path: path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
    named = {
        path for text in texts.values() for path in re.findall(r"(?<!tests/)\bdeploy/(?!edgemqttsim)[\w./-]*\w", text)
    }
    applied = set(re.findall(r"kubectl apply -k deploy/overlays/([\w-]+)", texts[ROOT / "docs" / "deploy.md"]))

    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert applied == set(OVERLAYS)


# scaled


@pytest.mark.parametrize("count", [4, 7])
def test_the_parts_are_the_whole(deploy: Path, count: int) -> None:
    """As many parts as replicas, each machine in one of them, one seed, and client ids that stay and differ."""
    path = deploy / "components" / "scaled" / "kustomization.yaml"
    path.write_text(path.read_text().replace("count: 4", f"count: {count}"))
    resources = build(deploy / "overlays" / "scaled")
    stateful = one(resources, "StatefulSet")
    every = [settings_of(container_of(stateful), f"edgemqttsim-{ordinal}") for ordinal in range(count)]
    plant = plant_config.parse(yamlread.value(one(resources, "ConfigMap")["data"]["message_structure.yaml"]))
    machines = [view.machine_id for each in every for view in part_of(plant, each).machines()]

    assert stateful["spec"]["replicas"] == count
    assert [each.part for each in every] == [(part, count) for part in range(1, count + 1)]
    assert sorted(machines) == sorted(view.machine_id for view in FactoryMessageGenerator.of(plant, 1).machines())
    assert (len({each.seed for each in every}), len({each.mqtt_client_id for each in every})) == (1, count)


def part_of(plant: plant_config.PlantConfig, settings: Settings) -> FactoryMessageGenerator:
    """The part of a plant that a pod plays."""
    return FactoryMessageGenerator.of(plant, 1, shard=settings.part)


def test_the_fleet_starts_together_and_is_drained_one_by_one() -> None:
    """A StatefulSet with a headless Service, parallel starts, and a budget of one pod."""
    resources = overlay("scaled")
    spec = one(resources, "StatefulSet")["spec"]
    headless = next(each for each in resources if each["metadata"]["name"] == spec["serviceName"])

    assert "Deployment" not in {each["kind"] for each in resources}
    assert spec["podManagementPolicy"] == "Parallel"
    assert headless["spec"]["clusterIP"] == "None"
    assert one(resources, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


@pytest.fixture
def kubectl(tmp_path: Path) -> Callable[..., tuple[int, list[list[str]]]]:
    """Runs scale.sh with a kubectl that only writes down how it is called; the exit code, and the calls."""
    calls = tmp_path / "calls"
    calls.touch()
    scripted = tmp_path / "kubectl"
    scripted.write_text(f'#!/bin/sh\nprintf "%s\\037" "$@" >> {calls}\nprintf "\\036" >> {calls}\n')
    scripted.chmod(0o755)

    def scale(*arguments: str) -> tuple[int, list[list[str]]]:
        path = f"{tmp_path}:{os.environ['PATH']}"
        script = [str(ROOT / "deploy" / "scale.sh"), *arguments]
        run = subprocess.run(["sh", *script], env={"PATH": path}, capture_output=True, check=False)
        return run.returncode, [call.split("\037")[:-1] for call in calls.read_text().split("\036")[:-1]]

    return scale


def test_one_command_deals_the_fleet_out_anew(kubectl: Callable[..., tuple[int, list[list[str]]]]) -> None:
    """scale.sh has all pods end before the first of the new number starts; replicas and SHARD change in one call."""
    code, calls = kubectl("8", "factory")
    patch = json.loads(calls[2][calls[2].index("--patch") + 1])
    (container,) = patch["spec"]["template"]["spec"]["containers"]

    assert code == 0
    assert [call[:3] for call in calls] == [
        ["--namespace", "factory", verb] for verb in ("scale", "wait", "patch", "rollout")
    ]
    assert "--replicas=0" in calls[0]
    assert patch["spec"]["replicas"] == 8
    assert container == {"name": "edgemqttsim", "env": [{"name": "SHARD", "value": "ordinal/8"}]}


@pytest.mark.parametrize("arguments", [[], ["0"], ["-1"], ["x"]])
def test_a_fleet_of_no_pods_is_refused(
    kubectl: Callable[..., tuple[int, list[list[str]]]], arguments: list[str]
) -> None:
    """Exit code 2, and the cluster is left alone."""
    assert kubectl(*arguments) == (2, [])


# load-test and preflight


@pytest.mark.parametrize("name", ["load-test", "preflight", "scenario"])
def test_jobs_share_nothing_with_the_factory(name: str) -> None:
    """They may run beside it, and be deleted, and no Service or policy takes their pods for its own."""
    resources, factory = overlay(name), manifest("deployment.yaml")
    (pod,), (other,) = pods(resources), pods(factory)

    assert names(resources) & names(factory) == set()
    assert not other["metadata"]["labels"].items() <= pod["metadata"]["labels"].items()
    assert "Service" not in {each["kind"] for each in resources}


@pytest.mark.parametrize("name", ["load-test", "preflight", "scenario"])
def test_jobs_run_once(name: str) -> None:
    """Their exit code is the answer, so nothing is tried again; and nothing restarts them meanwhile."""
    spec = one(overlay(name), "Job")["spec"]

    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert [key for key in container_of({"spec": spec}) if key.endswith("Probe")] == []


def test_the_load_test_ends_with_a_summary_and_an_exit_code(tmp_path: Path) -> None:
    """Its own command line, plant and window, with a smaller count, against the embedded broker."""
    resources = overlay("load-test")
    container = container_of(one(resources, "Job"))
    plant = tmp_path / "message_structure.yaml"
    plant.write_text(one(resources, "ConfigMap")["data"][plant.name])
    container["env"] = [*container["env"], {"name": "LOAD_COUNT", "value": "3000"}]
    flags = ["--message-config-path", str(plant), "--mqtt-window", str(settings_of(container).mqtt_window)]
    with (
        running(EmbeddedBroker()) as broker,
        DaemonProcess(*command_line(container), *flags, "--http-port", "0", *plain(broker)) as daemon,
    ):
        assert daemon.wait() == 0

    assert BLOCK.findall(daemon.log)[-1] == ("3000", "0", "0")


def test_the_scenario_of_a_job_is_run_and_judged(tmp_path: Path) -> None:
    """Its own command line, files and options, against the embedded broker: exit code 0, and each step passed."""
    resources = overlay("scenario")
    container = container_of(one(resources, "Job"))
    (mount,) = (each["mountPath"] for each in container["volumeMounts"] if each["name"] == "plant")
    for name, text in one(resources, "ConfigMap")["data"].items():
        (tmp_path / name).write_text(text)
    arguments = [each.replace(mount, str(tmp_path)) for each in command_line(container)]
    environ = {"MQTT_TOPIC_PREFIX": environment(container, "x")["MQTT_TOPIC_PREFIX"]}
    with (
        running(EmbeddedBroker()) as broker,
        DaemonProcess(*arguments, "--speed", "max", *plain(broker), environ=environ) as process,
    ):
        assert process.wait() == 0, process.output + process.errors

    assert [line for line in process.output if line.startswith(("FAIL", "OPEN"))] == []


@pytest.mark.parametrize("name", ["load-test", "preflight"])
def test_the_preflight_looks_at_what_will_run(name: str) -> None:
    """Environment, mounts and rights of the preflight are those of the run."""
    (pod,) = pods(overlay(name))
    run = container_of(one(overlay(name), "Job"))
    (first,) = pod["spec"].get("initContainers", [run])

    assert first["args"][0] == "preflight"
    assert isinstance(parse(first["args"], "0"), PreflightOptions)
    assert {key: first[key] for key in ("image", "env", "volumeMounts", "securityContext")}.items() <= run.items()


# style


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.yaml"), *(ROOT / "deploy").rglob("*.yaml")]), ids=shown)
def test_every_yaml_file_is_clean(path: Path) -> None:
    """yamllint has nothing to say, nor warn of."""
    assert yamllint([path.read_text("utf-8")]) == ""


@pytest.mark.parametrize("path", [ROOT / "deploy" / "scale.sh", ROOT / "tests" / "setup_image.sh"], ids=shown)
def test_every_script_is_clean(path: Path) -> None:
    """shellcheck has nothing to say."""
    assert shellcheck(path.read_text("utf-8")) == ""


def test_the_dockerfile_is_clean() -> None:
    """hadolint has nothing to say."""
    assert hadolint((ROOT / "Dockerfile").read_text("utf-8")) == ""
