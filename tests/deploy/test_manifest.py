"""Facts about the image and the manifest: each says what the code expects, and nothing that it does not know."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

import app
from edge.settings.environment_warnings import unknown_variables
from edge.settings.loader import Settings, variables
from tests.edge.http.test_routes import Shown, app_of, serving
from tests.support.exports import yamlread
from tools.generate import GENERATED

ROOT = Path(__file__).parents[2]
NAMESPACE = "azure-iot-operations"
DOCUMENTS: list[dict[str, Any]] = [
    document for document in yamlread.every((ROOT / "deployment.yaml").read_text("utf-8")) if document
]
BY_KIND = {document["kind"]: document for document in DOCUMENTS}
POD = BY_KIND["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
IMPORT = re.compile(r"^[ \t]*(?:from [\w.]+ import (?:\([^)]*\)|[\w., ]+)|import [\w., ]+)", re.MULTILINE)
"""A statement that imports: much sooner found than a whole module is read."""
DOCKERFILE = re.sub(r"\\\n", "", (ROOT / "Dockerfile").read_text("utf-8"))


def environment() -> dict[str, str]:
    """The variables the manifest sets, those from the pod's own fields with a value like theirs."""
    return {entry["name"]: entry.get("value", "edgemqttsim-7d9f") for entry in CONTAINER["env"]}


def settings() -> Settings:
    """What the container runs with."""
    return Settings.load(environment(), pid=1)


def volume(name: str) -> dict[str, Any]:
    """A volume of the pod."""
    return next(each for each in POD["volumes"] if each["name"] == name)


def volume_of(path: Path) -> dict[str, Any]:
    """The volume that a file of the container lies in, directly."""
    mount = next(each for each in CONTAINER["volumeMounts"] if each["mountPath"] == str(path.parent))
    return volume(mount["name"])


@cache
def files_of(module: str) -> Sequence[Path]:
    """The file of one of our modules and of the packages it is in; nothing for a module that is not ours."""
    parts = module.split(".")
    paths = [ROOT.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    return [file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]


def imports(file: Path) -> Iterator[str]:
    """The dotted names that a file imports; of `from a import b` both a and a.b, as b may be a module."""
    for found in IMPORT.finditer(file.read_text("utf-8")):
        for node in ast.parse(found[0].strip()).body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))


def imported_by(file: Path) -> set[Path]:
    """Our files that a file imports; the sandbox is for --demo, and not meant for the image."""
    ours = (name for name in imports(file) if name.split(".")[0] != "sandbox")
    return {found for name in ours for found in files_of(name)}


def needed() -> set[Path]:
    """Every file of ours that the entry point needs, the plant that it runs by default, and the library's types."""
    known, ahead = set[Path](), [ROOT / "app.py"]
    while ahead:
        known.add(file := ahead.pop())
        ahead += imported_by(file) - known
    data = (ROOT / "plant" / "library").glob("*.yaml")
    return {file.relative_to(ROOT) for file in (*known, *data)} | {Path("message_structure.yaml")}


def copied() -> list[str]:
    """What the image is made from: the sources of COPY, apart from those of an earlier stage."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


@pytest.mark.parametrize("name", GENERATED)
def test_copies_are_up_to_date(name: str) -> None:
    """What stands in two places is the same in both; `python -m tools.generate` makes it so."""
    text = (ROOT / name).read_text("utf-8")

    assert text == GENERATED[name](text)


def test_the_config_map_is_the_default_plant_byte_by_byte() -> None:
    """A cluster runs what message_structure.yaml says."""
    assert BY_KIND["ConfigMap"]["data"] == {
        "message_structure.yaml": (ROOT / "message_structure.yaml").read_text("utf-8")
    }


def test_everything_is_where_the_ca_bundle_is() -> None:
    """A pod mounts ConfigMaps of its own namespace only."""
    kinds = ["ServiceAccount", "ConfigMap", "Deployment", "Service", "NetworkPolicy"]
    assert [document["kind"] for document in DOCUMENTS] == kinds
    assert {document["metadata"]["namespace"] for document in DOCUMENTS} == {NAMESPACE}


def test_every_variable_is_an_option() -> None:
    """No variable of the manifest is unknown to the settings, and all their values are taken."""
    known = {variable for name in Settings.model_fields for variable in variables(name)}

    assert set(environment()) - known == {"POD_NAME"}
    assert unknown_variables(environment()) == []
    assert settings().mqtt_client_id == "edgemqttsim-7d9f"


def test_the_token_is_where_the_settings_look_for_it() -> None:
    """A projected token of the pod's own account for the broker's audience, a day long."""
    path = settings().sat_token_path
    token = {"path": path.name, "audience": "aio-internal", "expirationSeconds": 86400}

    assert volume_of(path)["projected"]["sources"] == [{"serviceAccountToken": token}]
    assert POD["serviceAccountName"] == BY_KIND["ServiceAccount"]["metadata"]["name"] == "mqtt-client"
    assert POD["automountServiceAccountToken"] is False


def test_the_ca_bundle_is_where_the_settings_look_for_it() -> None:
    """The trust bundle of Azure IoT Operations, verified against: TLS is on and nothing is taken unseen."""
    path = settings().mqtt_ca_file

    assert path is not None
    assert volume_of(path)["configMap"]["name"] == "azure-iot-operations-aio-ca-trust-bundle"
    assert volume_of(path)["configMap"]["items"] == [{"key": "ca.crt", "path": path.name}]
    assert (settings().mqtt_tls, settings().mqtt_tls_insecure) == (True, False)


def test_the_plant_is_where_the_settings_look_for_it() -> None:
    """The ConfigMap is mounted whole, under the path the simulator follows."""
    path = settings().message_config_path

    assert volume_of(path)["configMap"] == {"name": BY_KIND["ConfigMap"]["metadata"]["name"]}
    assert path.name in BY_KIND["ConfigMap"]["data"]


def test_nothing_is_mounted_by_sub_path() -> None:
    """Files mounted by subPath never follow their volume: an expired token would stay for good."""
    assert [mount for mount in CONTAINER["volumeMounts"] if "subPath" in mount or "subPathExpr" in mount] == []
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {each["name"] for each in POD["volumes"]}


def test_probes_ask_what_there_is_to_ask() -> None:
    """Each probe is a route of the HTTP port, and that port is open to the kubelet."""
    routes = {route.path for route in app_of(Shown()).routes if isinstance(route, APIRoute)}
    probes = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {probe["path"] for probe in probes.values()} <= routes
    assert {probe["port"] for probe in probes.values()} == {CONTAINER["ports"][0]["name"]}
    assert (settings().http_host, settings().http_port) == ("0.0.0.0", CONTAINER["ports"][0]["containerPort"])


def test_prometheus_and_the_service_find_the_port() -> None:
    """Annotations and Service name the port that is open, and a route that exists."""
    metadata = BY_KIND["Deployment"]["spec"]["template"]["metadata"]
    service = BY_KIND["Service"]["spec"]

    assert metadata["annotations"]["prometheus.io/path"] == "/metrics"
    assert metadata["annotations"]["prometheus.io/port"] == str(settings().http_port)
    assert service["ports"][0]["targetPort"] == CONTAINER["ports"][0]["name"]
    assert service["selector"] == metadata["labels"] == BY_KIND["Deployment"]["spec"]["selector"]["matchLabels"]


def test_the_container_may_do_nothing_it_need_not() -> None:
    """The restricted Pod Security Standard, and a read-only root beyond it."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_network_is_what_the_settings_need() -> None:
    """In to the HTTP port; out to the broker's port in its namespace, and to DNS wherever it is; nothing else."""
    policy = BY_KIND["NetworkPolicy"]["spec"]
    broker, dns = policy["egress"]

    assert policy["podSelector"] == BY_KIND["Deployment"]["spec"]["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": settings().http_port}]}]
    assert broker["ports"] == [{"protocol": "TCP", "port": settings().mqtt_port}]
    assert broker["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}]
    assert dns == {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}


def test_resources_are_bounded() -> None:
    """What the node must have for it, and what it may never pass."""
    assert CONTAINER["resources"] == {
        "requests": {"cpu": "100m", "memory": "96Mi"},
        "limits": {"cpu": "500m", "memory": "256Mi"},
    }


def test_there_is_time_to_drain() -> None:
    """Kubernetes waits longer than the simulator drains and says good-bye, which takes two seconds at most."""
    assert POD["terminationGracePeriodSeconds"] > settings().drain_seconds + 2


def test_there_is_never_a_second_one() -> None:
    """One pod, and the old one gone before the new one starts: no machine speaks twice."""
    assert BY_KIND["Deployment"]["spec"]["replicas"] == 1
    assert BY_KIND["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def matched_by(pattern: str) -> str:
    """What a pattern of .dockerignore matches, as a regular expression: a file, or a folder with all that is in it."""
    return re.escape(pattern).replace(r"\*", "[^/]*") + "(?:/.*)?"


def test_the_image_has_every_module_that_is_imported() -> None:
    """Whatever app.py reaches by imports is copied, and passes the .dockerignore."""
    patterns = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    files = {str(path) for path in needed()}

    assert {"edge/mqtt/protocol/codec.py", "plant/random_stream.py", "messages.py"} <= files
    assert {file for file in files if not {file, file.split("/")[0]} & set(copied())} == set()
    assert {file for file in files if not any(re.fullmatch(matched_by(pattern), file) for pattern in allowed)} == set()


def test_the_image_has_only_what_runs() -> None:
    """Run-time requirements alone, those of tracing and of `top` if they are asked for, no sandbox, no tests."""
    assert {"requirements-dev.txt", "sandbox", "tests", "."} & set(copied()) == set()
    assert re.findall(r"-r (\S+)", DOCKERFILE) == ["/build/requirements.txt"]
    assert "\nARG OTEL=false\n" in DOCKERFILE
    assert "\nARG TUI=false\n" in DOCKERFILE


def test_the_image_runs_as_the_user_of_the_manifest() -> None:
    """A number, for Kubernetes cannot see that a name is not root; and the entry point gets the signals itself."""
    identity = POD["securityContext"]

    assert f"USER {identity['runAsUser']}:{identity['runAsGroup']}\n" in DOCKERFILE
    assert identity["runAsUser"] == identity["fsGroup"] == 10001
    assert DOCKERFILE.rstrip().endswith('ENTRYPOINT ["python", "app.py"]')


@pytest.mark.parametrize(
    ("failing", "names", "status"),
    [
        (False, {"HTTP_PORT": True}, 0),
        (True, {"HTTP_PORT": True}, 1),
        (False, {"HTTP_PORT": True, "API_PORT": False}, 0),
        (False, {"HTTP_COMPAT": "enms", "API_PORT": True, "HTTP_PORT": ""}, 0),
        (True, {"HTTP_COMPAT": "ENMS", "SIMULATOR_PORT": True}, 1),
    ],
)
def test_the_health_check_is_livez(failing: bool, names: dict[str, str | bool], status: int) -> None:
    """The command of HEALTHCHECK, run as it stands, says what /livez says. names: of variables; true is the port."""
    found = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    shown = Shown()
    if failing:
        shown.fail()
    with serving(shown) as client:
        command = [sys.executable, *json.loads(found[1] if found else "")[1:]]
        ports: dict[bool, str] = {True: str(client.base_url.port), False: "9"}
        environ = {name: ports[each] if isinstance(each, bool) else each for name, each in names.items()}
        run = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, check=False)

    assert run.returncode == status, run.stderr


def test_one_version_everywhere() -> None:
    """Code, project, Makefile, image, manifest and change log speak of the same version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["dynamic"]
    image = subprocess.run(["make", "-pn", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    changes = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert changes is not None
    assert project["version"] == {"attr": "edge.runtime.simulator.VERSION"}
    assert f"\nVERSION := {app.VERSION}\n" in image
    assert changes[1] == app.VERSION
    assert f"ARG VERSION={app.VERSION}\n" in DOCKERFILE
    assert CONTAINER["image"].endswith(f"/edgemqttsim:{app.VERSION}")
