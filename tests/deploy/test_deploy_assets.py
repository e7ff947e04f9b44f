"""Facts about deploy-mqtt-assets.sh: what it says and does in clusters of all conditions.

There is no cluster here. A script on the PATH answers in kubectl's place, from files that say what the cluster has; it
is the only stand-in, and it knows the calls that the script makes and no others.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.exports.customresources import documents
from tests.support.exports.linters import shellcheck
from tests.support.factory.plants import ROOT

SCRIPT = ROOT / "deploy-mqtt-assets.sh"
CLASSIC = ("assetendpointprofiles.deviceregistry.microsoft.com", "assets.deviceregistry.microsoft.com")
NAMESPACED = ("devices.namespaces.deviceregistry.microsoft.com", "assets.namespaces.deviceregistry.microsoft.com")
CA = "azure-iot-operations-aio-ca-trust-bundle"

KUBECTL = r"""#!/usr/bin/env bash
# Answers as kubectl does in front of the cluster that is in the directory $CLUSTER.
shift                                       # --request-timeout
printf '%s\n' "$*" >> "$CLUSTER/calls"
there() { cat "$CLUSTER/$1/$2" 2>/dev/null || { echo "Error from server (NotFound): no $1 $2" >&2; exit 1; }; }
[ ! -e "$CLUSTER/noise" ] || cat "$CLUSTER/noise" >&2
[ ! -e "$CLUSTER/unreachable" ] || { echo "Unable to connect to the server: dial tcp: no such host" >&2; exit 1; }
case "$*" in
  version) echo "Server Version: v1.33.0" ;;
  "get pods "*) cat "$CLUSTER/pods" 2>/dev/null ;;
  "get -f - "*)
    asked=$(sed -n 's/^  name: //p')
    [ ! -e "$CLUSTER/vanish" ] || { echo "Error from server (NotFound): assets not found" >&2; exit 1; }
    case "$*" in
      *jsonpath*) [ ! -e "$CLUSTER/hung" ] || { echo "Error: timeout" >&2; exit 1; }
                  for name in $asked; do echo "Kind/$name=$(cat "$CLUSTER/status" 2>/dev/null)"; done ;;
      *) for name in $asked; do echo "kind/$name"; done ;;
    esac ;;
  "get "*)
    [ ! -e "$CLUSTER/forbid-$2" ] || { echo "Error from server (Forbidden): $2 is forbidden" >&2; exit 1; }
    there "$2" "$3" ;;
  apply*)
    [ ! -e "$CLUSTER/refuse" ] || { cat "$CLUSTER/refuse" >&2; exit 1; }
    case "$*" in *--dry-run=server*) cat > "$CLUSTER/would" ;; *) cat > "$CLUSTER/applied" ;; esac
    echo "applied" ;;
  *) echo "kubectl: not scripted: $*" >&2; exit 97 ;;
esac
"""


class Cluster:
    """What there is in the cluster: a file for each thing, which holds what kubectl says of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bin").mkdir()
        (path / "bin" / "kubectl").write_text(KUBECTL)
        (path / "bin" / "kubectl").chmod(0o755)
        self.has("namespace/azure-iot-operations")
        self.has("service/aio-broker", "18883 8883")
        self.has(f"configmap/{CA}", '{"ca.crt":"-----BEGIN CERTIFICATE-----"}')
        for definition in (*CLASSIC, *NAMESPACED):
            self.has(f"crd/{definition}")
        self.has("pods", "pod/edgemqttsim-7d9f")
        self.has("status", '{"version":1}')

    def has(self, name: str, answer: str = "") -> None:
        """Let there be something."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(answer)

    def lacks(self, name: str) -> None:
        """Let something be gone."""
        (self.path / name).unlink()

    def applied(self, name: str = "applied") -> str:
        """What has been applied, or nothing."""
        path = self.path / name
        return path.read_text() if path.exists() else ""

    def deploy(
        self, *arguments: str, script: Path = SCRIPT, path: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A run of the script in front of this cluster."""
        environ = {"CLUSTER": str(self.path), "PATH": path or f"{self.path / 'bin'}:{os.environ['PATH']}"}
        command = ["/usr/bin/env", "bash", str(script), *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster that has everything."""
    return Cluster(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (["--wait", "9"], ["mqtt-asset-endpoint.yaml", "mqtt-asset-example.yaml"]),
        (["--namespaced"], ["deploy/assets/mqtt-device.yaml", "deploy/assets/mqtt-device-assets.yaml"]),
    ],
)
def test_everything_is_applied_verified_and_explained(cluster: Cluster, arguments: list[str], files: list[str]) -> None:
    """Where nothing is missing: the files as they stand, then what came of it, sync and discovery; exit 0."""
    run = cluster.deploy(*arguments)

    assert run.returncode == 0, run.stderr
    assert cluster.applied() == "".join((ROOT / name).read_text() for name in files)
    count = len(documents(cluster.applied()))
    assert f"{count} resources are there" in run.stdout
    assert "have a status" in run.stdout
    assert all(word in run.stdout for word in ("source of truth", "enable-rsync", "discovered asset"))


def test_what_kubectl_says_beside_its_answer_is_no_answer(cluster: Cluster) -> None:
    """Where some API does not answer, kubectl complains of it at each call; counts and ports are right all the same."""
    cluster.has(
        "noise", "E1121 memcache.go:287] couldn't get resource list for metrics.k8s.io/v1beta1: unable to serve"
    )
    run = cluster.deploy("--wait", "1")

    assert run.returncode == 0, run.stderr
    assert f"{len(documents(cluster.applied()))} resources are there" in run.stdout


def test_the_classic_model_is_not_waited_for_unless_asked(cluster: Cluster) -> None:
    """No connector of Azure IoT Operations reads MQTT in it, so no status would come: said, and exit 0."""
    cluster.lacks("status")
    run = cluster.deploy()

    assert run.returncode == 0, run.stderr
    assert "no connector of Azure IoT Operations reads MQTT in the classic model" in run.stdout


def test_a_second_run_is_as_good(cluster: Cluster) -> None:
    """It may be run again: the same calls, the same end."""
    first = cluster.deploy()
    calls = (cluster.path / "calls").read_text()
    (cluster.path / "calls").unlink()

    assert cluster.deploy().stdout == first.stdout
    assert (cluster.path / "calls").read_text() == calls


def test_a_dry_run_checks_all_and_changes_nothing(cluster: Cluster) -> None:
    """The cluster itself judges the resources, and keeps none of them."""
    run = cluster.deploy("--dry-run")

    assert run.returncode == 0
    assert "nothing was changed" in run.stdout
    assert (cluster.applied(), documents(cluster.applied("would"))[0]["kind"]) == ("", "AssetEndpointProfile")


def test_another_namespace_is_that_of_all_resources(cluster: Cluster) -> None:
    """--namespace looks for the broker there, and puts the resources there."""
    cluster.has("namespace/aio-2")
    run = cluster.deploy("--namespace", "aio-2")

    assert run.returncode == 0
    assert {each["metadata"]["namespace"] for each in documents(cluster.applied())} == {"aio-2"}
    assert "-n azure-iot-operations" not in (cluster.path / "calls").read_text()


def test_another_plant_comes_from_its_directory(cluster: Cluster, tmp_path: Path) -> None:
    """--dir takes what `export assets --output` has made, and looks for the broker that it names."""
    for name in ("mqtt-asset-endpoint.yaml", "mqtt-asset-example.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text().replace("aio-broker:18883", "edge-mqtt:8884"))
    refused = cluster.deploy("--dir", str(tmp_path))
    cluster.has("service/edge-mqtt", "8884")

    assert (refused.returncode, cluster.deploy("--dir", str(tmp_path)).returncode) == (8, 0)
    assert "no service edge-mqtt" in refused.stderr


MISSING = {
    "cluster": ("unreachable", 5, "does not answer kubectl", "az connectedk8s proxy"),
    "classic definition": (f"-crd/{CLASSIC[0]}", 7, f"no resource definition {CLASSIC[0]}", "add --namespaced"),
    "namespace": ("-namespace/azure-iot-operations", 6, "no namespace azure-iot-operations", "--namespace"),
    "broker": ("-service/aio-broker", 8, "no service aio-broker", "kubectl get brokerlisteners"),
    "CA bundle": (f"-configmap/{CA}", 9, f"no ConfigMap {CA}", "--ca"),
    "sight": ("forbid-crd", 13, "does not say whether there is crd", "kubectl auth can-i get crd"),
    "leave": ("refuse", 10, "the cluster refused: ", "kubectl auth can-i create"),
    "permanence": ("vanish", 11, "not there after it was applied", "-w"),
    "answers": ("hung", 13, "no longer answers", "run this again"),
}
"""What is missing -> what makes it so (a leading - takes away), exit code, what is said of it and of the next step."""


@pytest.mark.parametrize(("change", "code", "said", "following"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_with_the_next_step(
    cluster: Cluster, change: str, code: int, said: str, following: str
) -> None:
    """Each has an exit code of its own, a sentence that names the thing, and a command or option to mend it."""
    if change.startswith("-"):
        cluster.lacks(change[1:])
    else:
        cluster.has(change, "Error from server (Forbidden)")
    run = cluster.deploy("--wait", "9")

    assert run.returncode == code
    assert said in run.stderr
    assert following in run.stderr.partition("next:")[2]
    assert code in (11, 13) or not cluster.applied()


def test_without_kubectl_there_is_no_going_on(cluster: Cluster, tmp_path: Path) -> None:
    """A machine without kubectl: where to get it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "sed", "cat", "head", "env", "mktemp", "rm"):
        (tools / name).symlink_to(Path("/usr/bin", name))
    run = cluster.deploy(path=str(tools))

    assert run.returncode == 4
    assert "kubectl is not on the PATH" in run.stderr


def test_the_namespaced_model_is_checked_against_the_broker_too(cluster: Cluster) -> None:
    """Its address has no scheme, and is found all the same."""
    cluster.lacks("service/aio-broker")
    run = cluster.deploy("--namespaced")

    assert run.returncode == 8
    assert "no service aio-broker" in run.stderr


def test_a_file_that_is_not_there_is_named(cluster: Cluster) -> None:
    """Before anything is asked of the cluster."""
    run = cluster.deploy("--dir", "/nowhere")

    assert run.returncode == 3
    assert "/nowhere/mqtt-asset-endpoint.yaml" in run.stderr
    assert not (cluster.path / "calls").exists()


def test_all_that_is_missing_is_told_at_once(cluster: Cluster) -> None:
    """Definitions, service and CA bundle in one run; the first gives the code; nothing is applied."""
    for name in (*(f"crd/{each}" for each in (*CLASSIC, *NAMESPACED)), "service/aio-broker", f"configmap/{CA}"):
        cluster.lacks(name)
    run = cluster.deploy()

    assert run.returncode == 7
    assert run.stderr.count("next:") == 4
    assert "az iot ops create" in run.stderr
    assert cluster.applied() == ""


@pytest.mark.parametrize(
    ("name", "answer", "code", "said"),
    [
        ("service/aio-broker", "1883", 8, "has no port 18883, only: 1883"),
        (f"configmap/{CA}", "{}", 9, "no certificate"),
    ],
)
def test_what_is_there_must_be_of_use(cluster: Cluster, name: str, answer: str, code: int, said: str) -> None:
    """A service without the port, and a bundle without a certificate, are as good as none."""
    cluster.has(name, answer)
    run = cluster.deploy()

    assert run.returncode == code
    assert said in run.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"), [((), "no connector of Azure IoT Operations"), (("--namespaced",), "connector template")]
)
def test_resources_that_nothing_takes_up_are_told_of(cluster: Cluster, arguments: tuple[str, ...], reason: str) -> None:
    """They are there, but no status comes within the time: exit 12, and whose turn it is. --wait 0 does not look."""
    cluster.lacks("status")
    run = cluster.deploy(*arguments, "--wait", "1")

    assert run.returncode == 12
    assert reason in run.stderr
    assert cluster.deploy(*arguments, "--wait", "0").returncode == 0


def test_no_simulator_is_only_a_note(cluster: Cluster) -> None:
    """Assets may come first; but discovery needs messages."""
    cluster.lacks("pods")
    run = cluster.deploy()

    assert run.returncode == 0
    assert "no simulator runs" in run.stdout


@pytest.mark.parametrize(
    "arguments", [["--namespce"], ["--wait"], ["--wait", "soon"], ["--namespace", "A b"], ["--namespace", "x/y"]]
)
def test_wrong_arguments_are_refused(cluster: Cluster, arguments: list[str]) -> None:
    """With the usage, before anything is asked."""
    run = cluster.deploy(*arguments)

    assert run.returncode == 2
    assert "usage:" in run.stderr
    assert not (cluster.path / "calls").exists()


def test_help_tells_every_exit_code(cluster: Cluster) -> None:
    """The table of codes, and that of docs/assets.md, has each code that the script ends with, and no other."""
    text = cluster.deploy("--help").stdout
    table = {int(code) for code in re.findall(r"(\d+)  [a-z]", text.partition("Exit codes:")[2])}
    page = (ROOT / "docs" / "assets.md").read_text("utf-8")
    used = {int(code) for code in re.findall(r"\b(?:fail|missing|look|exit) (\d+)\b", SCRIPT.read_text())}

    assert table == used | {0}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == used - {0}


def test_the_script_is_clean() -> None:
    """shellcheck finds nothing."""
    assert shellcheck(SCRIPT.read_text()) == ""
