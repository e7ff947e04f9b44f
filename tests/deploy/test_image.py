"""Facts about the built image: how much it adds, and that it works with as few rights as a pod gives it.

Building takes a minute or two, root, and buildah: `make test-image` does it, `make test` leaves it out.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

import app
from tests.cli.top.terminal import Terminal
from tests.deploy.test_manifest import CONTAINER, POD, environment, volume
from tests.edge.runtime.test_simulator import BLOCK
from tests.support.brokers.scenes import Pod
from tests.support.processes.collector import Collector
from tests.support.processes.daemon import ROOT, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

IMAGE = "localhost/edgemqttsim:test"
MEMORY_MIB = 128
APP_LAYER_MIB = 40
PODMAN = ["podman", "--runtime", "runc", "--cgroup-manager=cgroupfs"]
# podman asks for more open files and processes than a container without rights of its own may have.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--memory", f"{MEMORY_MIB}m"]
RIGHTS = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
LOOK_INSIDE = """
import json, pathlib
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
try:
    pathlib.Path("/app/new").touch()
    written = None
except OSError as error:
    written = error.strerror
print(json.dumps([status["Uid"].split(), status["CapEff"].strip(), status["NoNewPrivs"].strip(), written]))
"""


@pytest.fixture(scope="module")
def base() -> str:
    """The image to build on; made where there is none."""
    if os.environ.get("EDGEMQTTSIM_TEST_IMAGE") != "1":
        pytest.skip("building the image takes a minute or two, and root: make test-image")
    run = subprocess.run(["sh", "tests/setup_image.sh"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.split()[-1]


@pytest.fixture(scope="module")
def image(base: str) -> str:
    """The image, built from the Dockerfile as `make image` does."""
    return built(IMAGE, f"--build-arg BASE={base}")


@pytest.fixture(scope="module")
def tracing_image(base: str) -> str:
    """The same with what tracing needs, as compose.yaml builds it."""
    return built(f"{IMAGE}-otel", f"--build-arg BASE={base} --build-arg OTEL=true")


def built(name: str, options: str) -> str:
    """Build an image; its name."""
    arguments = [f"IMAGE={name}", f"IMAGE_ARGS={options}"]
    environ = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    run = subprocess.run(["make", "image", *arguments], cwd=ROOT, env=environ, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return name


def podman_run(*arguments: str) -> list[str]:
    """The command that starts a container with the rights of the pod and no more."""
    return [*PODMAN, "run", "--rm", "--no-healthcheck", "--network=host", *RIGHTS, *LIMITS, *arguments]


def said(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A short run of the image to its end."""
    return subprocess.run(podman_run(*arguments), capture_output=True, text=True, check=False)


def megabytes(image: str) -> float:
    """The size of an image, in MiB."""
    run = subprocess.run(
        ["podman", "image", "inspect", "--format", "{{.Size}}", image], capture_output=True, check=True
    )
    return int(run.stdout) / 2**20


class Running:
    """The image with the manifest's environment and mounts, against a broker on this machine. A context manager."""

    def __init__(self, image: str, pod: Pod, folder: Path, port: int) -> None:
        self.name = f"edgemqttsim-test-{os.getpid()}"
        self._log = folder / "log"
        here = {"MQTT_BROKER": "localhost", "MQTT_PORT": str(port), "HTTP_PORT": str(free_port())}
        variables = {**environment(), "STATS_INTERVAL": "0", **here}
        flags = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        sources = {"broker-sat": pod.token_file.parent, "aio-ca": ca_folder(pod, folder), "plant": plant_folder(folder)}
        flags += [word for mount in mounts(sources) for word in ("--volume", mount)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                podman_run("--name", self.name, *flags, image), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*PODMAN, "kill", self.name], capture_output=True, check=False)
        self.process.wait()

    @property
    def log(self) -> str:
        """All it has said so far."""
        return self._log.read_text("utf-8")

    def says(self, pattern: str) -> None:
        """Wait until the log matches."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.log):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def look_inside(self) -> list[object]:
        """User ids, capabilities, no-new-privileges, and what became of writing a file, as a process inside sees it."""
        command = [*PODMAN, "exec", self.name, "python", "-c", LOOK_INSIDE]
        found: list[object] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return found


def ca_folder(pod: Pod, folder: Path) -> Path:
    """The mounted ConfigMap with the CA."""
    (folder / "ca").mkdir()
    (folder / "ca" / "ca.crt").write_bytes(pod.ca_file.read_bytes())
    return folder / "ca"


def plant_folder(folder: Path) -> Path:
    """The mounted ConfigMap with the plant."""
    (folder / "plant").mkdir()
    (folder / "plant" / "message_structure.yaml").write_bytes((ROOT / "message_structure.yaml").read_bytes())
    return folder / "plant"


def mounts(sources: dict[str, Path]) -> Iterator[str]:
    """The mounts of the manifest, each from a folder here that stands for its volume."""
    for mount in CONTAINER["volumeMounts"]:
        assert volume(mount["name"])
        yield f"{sources[mount['name']]}:{mount['mountPath']}:ro"


def test_the_app_adds_little_to_its_base(image: str, base: str) -> None:
    """Code and libraries are at most 40 MiB."""
    assert 0 < megabytes(image) - megabytes(base) <= APP_LAYER_MIB


def test_it_runs_with_no_rights_and_ends_in_good_order(image: str, pod: Pod, tmp_path: Path) -> None:
    """Read-only, not root, no capabilities, 128 MiB: it logs in, delivers, drains at SIGTERM, and ends with 0."""
    with running(pod.broker()) as broker, Running(image, pod, tmp_path, broker.port) as container:
        container.says("first on factory/cnc: ")
        user = str(POD["securityContext"]["runAsUser"])
        assert container.look_inside() == [[user] * 4, "0" * 16, "1", "Read-only file system"]
        wait_until(lambda: broker.counters.publishes, 10, "messages")
        container.process.send_signal(signal.SIGTERM)

        assert container.process.wait(30) == 0, container.log
    sent, failed, queued = map(int, BLOCK.findall(container.log)[-1])
    assert sent > 0
    assert (failed, queued) == (0, 0)


def test_every_command_is_in_the_image(image: str) -> None:
    """Not only `run`: what the other commands need was copied, too."""
    assert said(image, "--version").stdout == f"edgemqttsim {app.VERSION}\n"
    assert said(image, "check").returncode == 0
    assert "\nkind: BrokerAuthorization\n" in said(image, "export", "all").stdout
    assert (
        "no process listens"
        in said("--env", "MQTT_BROKER=localhost", "--env", "MQTT_PORT=1", image, "preflight").stdout
    )


def test_an_image_traces_where_it_was_built_for_it(image: str, tracing_image: str) -> None:
    """Otherwise it ends at the start, and names the build argument."""
    away = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": "1", "MQTT_AUTH_METHOD": "NONE", "MQTT_TLS": "false"}
    flags = [word for name, value in away.items() for word in ("--env", f"{name}={value}")]
    with Collector() as collector:
        flags += ["--env", f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}"]
        refused = said(*flags, image, "run")
        said(*flags, tracing_image, "run", "--duration", "1", "--drain-seconds", "1")
        connect = collector.find("connect")

    assert refused.returncode == 2
    assert "an image has them if it was built with --build-arg OTEL=true" in refused.stderr
    assert connect.failed


def test_an_image_has_the_screen_of_top_where_it_was_built_for_it(image: str, base: str) -> None:
    """Otherwise it says what it lacks, and `top --once` works all the same."""
    nobody = f"http://127.0.0.1:{free_port()}"
    screen_image = built(f"{IMAGE}-tui", f"--build-arg BASE={base} --build-arg TUI=true")
    with Terminal(*podman_run("--tty", "--interactive", image, "top", nobody)) as terminal:
        assert terminal.wait() == 2
        assert b"TUI=true" in terminal.output
    with Terminal(*podman_run("--tty", "--interactive", screen_image, "top", nobody)) as terminal:
        terminal.shows(f"NO ANSWER: {nobody} does not answer".encode())
        terminal.type(b"q")
        assert terminal.wait() == 0, terminal.output
    assert said(image, "top", "--once", nobody).returncode == 1


def test_nothing_that_builds_or_tests_is_in_the_image(image: str) -> None:
    """No pip, no sandbox, no tests."""
    names = ("pip", "sandbox", "tests", "pytest")
    look = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"

    assert said("--entrypoint", "python", image, "-c", look).stdout == "[]\n"
