"""Facts about compose.yaml and the files of its services: the schema, what each may do, and that all fit together.

No container is started here. A script, or a configuration of a program that there is here, is run: openssl makes
the credentials, mosquitto serves with them, the simulator logs in by the variables of its service, promtool reads the
rules.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from edge.settings.environment_warnings import unknown_variables
from edge.settings.loader import Settings
from tests.conftest import require_mosquitto
from tests.support.brokers import plugin
from tests.support.examples import THOROUGH
from tests.support.exports import prometheus
from tests.support.exports.linters import shellcheck, yamllint
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
FOLDER = ROOT / "deploy" / "compose"
SIMULATOR: dict[str, str] = {
    name: re.sub(r"^\$\{[A-Z_]+:-(.*)\}$", r"\1", value) for name, value in SERVICES["simulator"]["environment"].items()
}
"""Its variables, as they are where nobody sets others."""
WITHOUT_SHELL = {"collector", "tempo"}
"""Whose images have no program that could check their health."""


def configuration(name: str) -> Any:
    """A configuration file of a service."""
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


# what it is


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    """As the package check-jsonschema carries it."""
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.Draft7Validator(json.loads(schema.read_text("utf-8"))).validate(COMPOSE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    """A read-only file system, no capability, no root, limits; the one that makes credentials gives files away."""
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= limits.keys()
    assert not service.keys() & {"privileged", "pid", "ipc", "devices"}
    if name == "credentials":
        assert service["network_mode"] == "none"
        assert service["restart"] == "no"
    else:
        assert "cap_add" not in service
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_one_and_the_same(name: str) -> None:
    """By version and digest, but for our own, which is built here."""
    service = SERVICES[name]
    if "build" in service:
        assert service["build"] == {"context": ".", "args": {"OTEL": "true"}}
    else:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", service["image"])


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"credentials"} - WITHOUT_SHELL))
def test_a_service_says_when_it_is_ready(name: str) -> None:
    """The simulator by /readyz."""
    check = SERVICES[name]["healthcheck"]["test"]

    assert check[0] == "CMD"
    assert name != "simulator" or "/readyz" in check[-1]


def test_ports_are_open_on_loopback_alone() -> None:
    """No two are the same."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)] == []
    assert len(ports) == len({*ports}) == 5


def test_every_mounted_file_is_there_and_cannot_be_changed() -> None:
    """Paths of the repository are read-only, volumes are declared."""
    volumes = [volume.rsplit(":", 2) for service in SERVICES.values() for volume in service.get("volumes", ())]
    volumes = [[re.sub(r"^\$\{PLANT:-(.*)\}$", r"\1", each[0]), *each[1:]] for each in volumes]
    paths = [volume for volume in volumes if volume[0].startswith(".")]

    assert {name for name, *_ in volumes if not name.startswith(".")} == COMPOSE["volumes"].keys()
    assert [path for path, *_ in paths if not (ROOT / path).exists()] == []
    assert {volume[-1] for volume in paths} == {"ro"}


def test_a_service_reads_its_own_credentials_alone() -> None:
    """Only the one that makes them can write them."""
    mounts = {
        (name, volume)
        for name, service in SERVICES.items()
        for volume in service.get("volumes", ())
        if "-credentials:" in volume and name != "credentials"
    }

    assert mounts == {(name, f"{name}-credentials:/credentials:ro") for name in ("broker", "simulator", "grafana")}


def test_no_password_is_written_anywhere() -> None:
    """Each variable about a secret names a file, which is made at the first start."""
    named = {name: value for service in SERVICES.values() for name, value in service.get("environment", {}).items()}
    secrets = {name: value for name, value in named.items() if re.search("PASSWORD|SECRET|TOKEN", name)}

    assert len(secrets) == 4
    assert {re.sub(r"/[\w-]+$", "", value) for value in secrets.values()} == {"/credentials"}
    assert SERVICES["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_scripts_and_files_are_clean() -> None:
    """shellcheck and yamllint have nothing to say."""
    scripts = [path.read_text("utf-8") for path in FOLDER.rglob("*.sh")]
    texts = [path.read_text("utf-8") for path in (ROOT / "compose.yaml", *FOLDER.rglob("*.yaml"))]

    assert [found for found in map(shellcheck, scripts) if found] == []
    assert len(scripts) == 2
    assert yamllint(texts) == ""


# that all fit together


def test_the_simulator_knows_all_its_options() -> None:
    """And its user is that of the image."""
    settings = Settings.load({**SIMULATOR, "TRACE_RATE": "1"}, pid=1)

    assert unknown_variables(SIMULATOR) == []
    assert settings.tls_server_name == "broker"
    assert f"USER {SERVICES['simulator']['user']}\n" in (ROOT / "Dockerfile").read_text("utf-8")


def urls() -> list[str]:
    """Every address of one service that another one has."""
    sources = configuration("grafana/datasources/datasources.yaml")["datasources"]
    (job,) = configuration("prometheus/prometheus.yaml")["scrape_configs"]
    return [
        *(source["url"] for source in sources),
        configuration("collector/collector.yaml")["exporters"]["otlp_http"]["endpoint"],
        re.sub(r"^\$\{COMPOSE_PROFILES:\+(.*)\}$", r"\1", SIMULATOR["OTEL_EXPORTER_OTLP_ENDPOINT"]),
        *(f"http://{target}" for config in job["static_configs"] for target in config["targets"]),
        f"mqtts://{SIMULATOR['MQTT_BROKER']}:{SIMULATOR['MQTT_PORT']}",
    ]


def test_every_address_is_where_a_service_listens() -> None:
    """By the service's own configuration."""
    tempo = configuration("tempo/tempo.yaml")
    collector = configuration("collector/collector.yaml")["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    receiver = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    broker = re.findall(r"^listener (\d+)$", (FOLDER / "broker" / "mosquitto.conf").read_text("utf-8"), re.MULTILINE)
    listening = {
        ("broker", int(broker[0])),
        ("simulator", 8080),
        ("prometheus", 9090),
        ("collector", urlsplit(f"//{collector}").port),
        ("tempo", urlsplit(f"//{receiver}").port),
        ("tempo", tempo["server"]["http_listen_port"]),
    }

    assert {(parts.hostname, parts.port) for parts in map(urlsplit, urls())} == listening
    assert [*broker] == ["8883"]


def test_the_collector_uses_what_it_declares() -> None:
    """In its one pipeline, which is that of traces."""
    collector = configuration("collector/collector.yaml")
    (pipeline,) = collector["service"]["pipelines"].items()

    assert pipeline[0] == "traces"
    for kind in ("receivers", "processors", "exporters"):
        assert {*pipeline[1][kind]} == collector[kind].keys()


def test_the_dashboard_finds_its_source_and_its_series() -> None:
    """A default data source of the type it asks for, and the labels it selects by."""
    (provider,) = configuration("grafana/dashboards/dashboards.yaml")["providers"]
    sources = configuration("grafana/datasources/datasources.yaml")["datasources"]
    mounted = {Path(path): ROOT / source for source, path, _ in (v.split(":") for v in mounts("grafana"))}
    page = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    variables = {each["name"]: each for each in json.loads(mounted[page].read_text("utf-8"))["templating"]["list"]}
    (job,) = configuration("prometheus/prometheus.yaml")["scrape_configs"]

    assert page.parent == Path(provider["options"]["path"])
    assert [source["type"] for source in sources if source.get("isDefault")] == [variables["DS_PROMETHEUS"]["query"]]
    assert job["static_configs"][0]["labels"]["namespace"] == variables["namespace"]["current"]["value"]


def mounts(name: str) -> list[str]:
    """What a service has of the repository."""
    return [volume for volume in SERVICES[name]["volumes"] if volume.startswith("./")]


# that it works, as far as it can be run here


class Credentials:
    """What credentials.sh makes in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self) -> str:
        """Run it; what it says."""
        command = ["sh", str(FOLDER / "credentials.sh"), str(self.directory)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def content(self) -> dict[str, bytes]:
        """All files."""
        paths = [path for path in self.directory.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Made once."""
    credentials = Credentials(tmp_path_factory.mktemp("compose"))
    assert credentials.make() == "credentials were made\n"
    return credentials


def test_credentials_are_made_once(credentials: Credentials) -> None:
    """At every further start they stay; nobody but their reader can read them, and no key of an authority is left."""
    before = credentials.content()
    secrets = [content for name, content in before.items() if not name.endswith((".crt", ".key"))]
    private = [path for path in credentials.directory.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]

    assert credentials.make() == "credentials are there\n"
    assert credentials.content() == before
    assert {name for name in before if name.endswith(".key")} == {"broker/server.key"}
    assert len({*secrets}) == 6
    assert all(re.fullmatch(rb"[0-9a-f]{48}\n", secret) for secret in secrets)
    assert private == []


def test_a_certificate_that_is_about_to_expire_is_made_anew(tmp_path: Path) -> None:
    """With new passwords of the broker; Grafana keeps its own, which it has in its data."""
    credentials = Credentials(tmp_path)
    script = (FOLDER / "credentials.sh").read_text("utf-8").replace("\ndays=825\n", "\ndays=20\n")
    (tmp_path / "short.sh").write_text(script)
    subprocess.run(["sh", "short.sh", "."], cwd=tmp_path, check=True, capture_output=True)
    before = credentials.content()

    assert credentials.make() == "credentials were made\n"
    after = credentials.content()
    assert after.keys() == before.keys()
    same = {name for name in after if after[name] == before[name]}
    assert same == {"grafana/admin-password", "grafana/secret-key", "short.sh"}


FATAL = """#!/bin/sh
calls=$(($(cat {counter}) - 1))
echo $calls >{counter}
[ $calls -ne 0 ] || kill -9 $PPID
exec {program} "$@"
"""
"""A program of whose calls one is the end of the script that calls it."""


def test_a_start_that_was_killed_is_made_good_by_the_next_one(tmp_path: Path) -> None:
    """Wherever that was, and also where a certificate was being replaced: all that belongs together agrees."""
    bin_directory, counter = tmp_path / "bin", tmp_path / "counter"
    bin_directory.mkdir()
    for name in ("cp", "chown", "openssl"):
        (bin_directory / name).write_text(FATAL.format(counter=counter, program=shutil.which(name)))
        (bin_directory / name).chmod(0o755)
    environ = {"PATH": f"{bin_directory}:{os.environ['PATH']}"}
    script = FOLDER / "credentials.sh"
    (tmp_path / "short.sh").write_text(script.read_text("utf-8").replace("\ndays=825\n", "\ndays=20\n"))
    for call in range(1, 100, 1 if THOROUGH else 3):
        directory = tmp_path / str(call)
        if call % 2:
            subprocess.run(["sh", "short.sh", directory], cwd=tmp_path, check=True, capture_output=True)
        counter.write_text(str(call))
        killed = subprocess.run(["sh", script, directory], env=environ, check=False, capture_output=True).returncode
        Credentials(directory).make()
        assert disagreements(directory) == [], f"killed at call {call}"
        if killed == 0:
            break
    assert call > 10


def disagreements(directory: Path) -> list[str]:
    """What is wrong between the files of the services."""
    broker, simulator, grafana = (directory / name for name in ("broker", "simulator", "grafana"))
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", simulator / "ca.crt", broker / "server.crt"], check=False, capture_output=True
    )
    keys = [
        subprocess.run(["openssl", *command], check=True, capture_output=True).stdout
        for command in (
            ("x509", "-in", broker / "server.crt", "-noout", "-pubkey"),
            ("pkey", "-in", broker / "server.key", "-pubout"),
        )
    ]
    owners = {broker: 1883, simulator: 10001, grafana: 472} if os.getuid() == 0 else {}
    strange = [
        f"{path} is of {path.stat().st_uid}"
        for folder, owner in owners.items()
        for path in (folder, *folder.iterdir())
        if path.stat().st_uid != owner
    ]
    return [
        *([] if verified.returncode == 0 else ["the authority is another one"]),
        *([] if keys[0] == keys[1] else ["the key is another one"]),
        *([] if (broker / "ca.crt").read_bytes() == (simulator / "ca.crt").read_bytes() else ["two authorities"]),
        *(
            []
            if (broker / "simulator.password").read_bytes() == (simulator / "password").read_bytes()
            else ["passwords"]
        ),
        *strange,
    ]


class Broker:
    """mosquitto, as the service starts it, with paths and port of this machine."""

    def __init__(self, credentials: Credentials, directory: Path) -> None:
        self.port, self.home = free_port(), directory
        self.credentials = credentials.directory / "broker"
        for path in (FOLDER / "broker").iterdir():
            text = path.read_text("utf-8").replace("/tmp/", f"{directory}/").replace("8883", str(self.port))
            text = text.replace("/credentials/", f"{self.credentials}/")
            (directory / path.name).write_text(text.replace("/mosquitto/config/", f"{directory}/"))
        with (directory / "mosquitto.conf").open("a") as file:
            file.write("user root\n")
        command = ["sh", str(directory / "start.sh"), str(self.credentials), str(directory), str(directory)]
        self._log = (directory / "log").open("wb")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=self._environ)

    @property
    def _environ(self) -> Mapping[str, str]:
        path = f"{Path(plugin.program('mosquitto')).parent}:/usr/bin:/bin"
        return {"HOME": str(self.home), "PATH": path}

    def client(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a client as `docker compose exec broker` does."""
        command = [program, *arguments]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False, timeout=120)

    def healthy(self) -> bool:
        """What its health check says."""
        program, *arguments = [each.replace("$$", "$") for each in SERVICES["broker"]["healthcheck"]["test"][1:]]
        return self.client(program, *arguments).returncode == 0

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)
        self._log.close()


@pytest.fixture(scope="module")
def broker(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Running, and healthy by its own check."""
    require_mosquitto()
    broker = Broker(credentials, tmp_path_factory.mktemp("broker"))
    try:
        wait_until(broker.healthy, 15.0, "the broker is healthy")
        yield broker
    finally:
        broker.close()


def simulator(broker: Broker, credentials: Credentials, *flags: str, **changed: str) -> DaemonProcess:
    """The simulator with the variables of its service."""
    own = {
        name: value.replace("/credentials/", f"{credentials.directory}/simulator/") for name, value in SIMULATOR.items()
    }
    here = {"MQTT_BROKER": "localhost", "MQTT_PORT": str(broker.port), "HTTP_PORT": str(free_port())}
    here |= {"MESSAGE_CONFIG_PATH": str(ROOT / "message_structure.yaml"), "TRACE_RATE": "1"}
    here |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "HTTP_HOST": "127.0.0.1"}
    return DaemonProcess("run", *flags, environ={**own, **here, **changed})


def test_the_simulator_publishes_over_tls_with_its_password(broker: Broker, credentials: Credentials) -> None:
    """All that it sends is accepted, and who may look sees it by the command of the docs."""
    with simulator(broker, credentials) as daemon:
        daemon.says("connected to broker")
        seen = broker.client("mosquitto_sub", "-t", "factory/#", "-C", "3", "-W", "100")
        assert seen.returncode == 0, seen.stderr
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(30) == 0, daemon.log

    assert [json.loads(line)["timestamp"][:2] for line in seen.stdout.splitlines()] == ["20"] * 3
    assert '"messages_failed":0' in daemon.log
    assert "tls=on" in daemon.log


def test_the_energy_plant_publishes_there_with_the_calls_of_its_simulator(
    broker: Broker, credentials: Credentials
) -> None:
    """By the command of the docs: HTTP_COMPAT leaves login, TLS and port as the service has them."""
    plant = str(ROOT / "scenarios" / "energy.yaml")
    with simulator(broker, credentials, MESSAGE_CONFIG_PATH=plant, HTTP_COMPAT="enms") as daemon:
        seen = broker.client("mosquitto_sub", "-t", "factory/demo/compressor-1/energy", "-C", "2", "-W", "20")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(30) == 0, daemon.log

    assert SERVICES["simulator"]["ports"] == [f"127.0.0.1:{SIMULATOR['HTTP_PORT']}:{SIMULATOR['HTTP_PORT']}"]
    assert [json.loads(line)["power_kw"] > 0 for line in seen.stdout.splitlines()] == [True, True]
    assert '"messages_failed":0' in daemon.log
    assert "auth=USERPASS tls=on" in daemon.log


def test_the_simulator_publishes_nowhere_else(broker: Broker, credentials: Credentials) -> None:
    """Below another first level the broker refuses every message, by name."""
    with simulator(broker, credentials, "--duration", "2", MQTT_TOPIC_PREFIX="plant") as daemon:
        assert daemon.wait(30) == 1, daemon.log

    assert "the broker rejected a message on plant/" in daemon.log
    assert '"messages_sent":0' in daemon.log


def test_a_wrong_password_is_refused(broker: Broker, credentials: Credentials, tmp_path: Path) -> None:
    """The simulator gives up, and says so."""
    (tmp_path / "password").write_text("guessed\n")
    with simulator(broker, credentials, MQTT_PASSWORD_FILE=str(tmp_path / "password")) as daemon:
        assert daemon.wait(30) == 3, daemon.log


def test_an_operator_acts_on_machines_where_commands_are_turned_on(broker: Broker, credentials: Credentials) -> None:
    """By the command of the docs."""
    command = ["-q", "1", "-t", "factory/commands/operator/CNC-03", "-m", '{"command": "stop"}']
    with simulator(broker, credentials, MQTT_COMMANDS="true") as daemon:
        daemon.says("subscribed to commands")
        sent = broker.client("mosquitto_pub", *command)
        daemon.says("command executed command=stop")

    assert sent.returncode == 0, sent.stderr


def test_nobody_comes_in_without_a_name(broker: Broker) -> None:
    """Nor in the clear."""
    address = ["-h", "localhost", "-p", str(broker.port), "-t", "factory/#", "-W", "3"]
    anonymous = subprocess.run(
        ["mosquitto_sub", *address, "--cafile", str(broker.credentials / "ca.crt")],
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    clear = broker.client("mosquitto_sub", *address, "--cafile", "/dev/null")

    assert (anonymous.returncode != 0, clear.returncode != 0) == (True, True)
    assert "not authori" in anonymous.stderr.lower()


def test_who_looks_cannot_act(broker: Broker) -> None:
    """A viewer's message is refused; an operator's goes to the topics of commands, and nowhere else."""
    viewer = (broker.credentials / "viewer.password").read_text().strip()
    message = ["-q", "1", "-m", "{}"]
    commands, other = ["-t", "factory/commands/a/b", *message], ["-t", "factory/cnc", *message]

    allowed = broker.client("mosquitto_pub", *commands)
    elsewhere = broker.client("mosquitto_pub", *other)
    looking = broker.client("mosquitto_pub", *commands, "-u", "viewer", "-P", viewer)

    assert "not authori" not in (allowed.stdout + allowed.stderr).lower()
    assert "not authori" in (elsewhere.stdout + elsewhere.stderr).lower()
    assert "not authori" in (looking.stdout + looking.stderr).lower()


def test_promtool_accepts_configuration_and_rules(tmp_path: Path) -> None:
    """Those that the service mounts."""
    if why := prometheus.why_unavailable():
        pytest.skip(why)
    text = (FOLDER / "prometheus" / "prometheus.yaml").read_text("utf-8")
    (tmp_path / "prometheus.yaml").write_text(text.replace("/etc/prometheus/", f"{FOLDER}/prometheus/"))
    checked = prometheus.promtool("check", "config", str(tmp_path / "prometheus.yaml"))

    assert checked.returncode == 0, checked.stdout
    assert re.search(r"SUCCESS: \d+ rules found", checked.stdout)
