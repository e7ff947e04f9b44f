"""Facts about the whole process: started, watched, edited under, signalled and ended as its users do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import httpx
import pytest

from cli.run import filters_of
from plant.definition.plant_config import parse
from sandbox.access import Passwords
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import ProjectedVolume
from tests.support.brokers.subscriber import Recorder
from tests.support.processes import ports
from tests.support.processes.daemon import ROOT, DaemonProcess, plain, running
from tests.support.processes.waiting import wait_until

NO_HTTP = ["--http-port", "0"]
NOBODY = ["--mqtt-port", "1", "--no-mqtt-tls", "--mqtt-auth-method", "none"]
"""Flags that lead to a port on which nothing listens."""
BLOCK = re.compile(
    r"📊 Statistics \(Uptime: \d+s\)\n"
    r"   Messages Sent: (\d+)\n"
    r"   Messages Failed: (\d+)\n"
    r"   Queue Depth: (\d+)\n"
    r"   Message Rate: \d+\.\d\d msg/sec\n"
)
DEFAULT = (ROOT / "message_structure.yaml").read_text()


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A plain embedded broker."""
    with running(EmbeddedBroker()) as broker:
        yield broker


@pytest.fixture
def plant_file(tmp_path: Path) -> Path:
    """A plant of one fast CNC machine, to be edited."""
    path = tmp_path / "plant.yaml"
    path.write_text(one_cnc(report_seconds=0.05))
    return path


def one_cnc(report_seconds: float, count: int = 1) -> str:
    """The YAML of a plant of CNC machines alone."""
    return (
        f"global: {{machine_counts: {{cnc: {count}}}}}\n"
        "message_types:\n"
        "  cnc_machine:\n"
        f"    report_seconds: {report_seconds}\n"
        "    cycle_time_range: [10, 15]\n"
        "    quality_distribution: {good: 1}\n"
        "    status_distribution: {running: 1}\n"
        "    part_types: [HullPanel]\n"
        "    station_pattern: S\n"
    )


def final_block(daemon: DaemonProcess) -> tuple[int, int, int]:
    """Sent, failed and queued of the last statistics."""
    sent, failed, queued = BLOCK.findall(daemon.log)[-1]
    return int(sent), int(failed), int(queued)


def seconds_to_first_acknowledgement() -> float:
    """From the start of a demo's process to its first message acknowledged over TLS and K8S-SAT."""
    started = time.monotonic()
    with DaemonProcess("--demo", "--seed", "1") as daemon:
        url = daemon.url()
        wait_until(lambda: httpx.get(f"{url}/healthz").json()["ledger"]["messages_sent"] > 0, 10, "acknowledged")
        return time.monotonic() - started


def test_a_factory_talks_within_three_seconds() -> None:
    """The best of a few starts counts, as other tests keep the machine busy meanwhile."""
    assert any(seconds_to_first_acknowledgement() < 3.0 for _ in range(5))


def test_the_demo_shows_all_seven_kinds_of_message() -> None:
    """A plain client at the port that is printed sees every topic."""
    with DaemonProcess("--demo", "--seed", "1", *NO_HTTP) as daemon:
        port = int(daemon.says(r"mosquitto_sub -V mqttv5 -h localhost -p (\d+)").group(1))
        with Recorder(port) as recorder:
            wait_until(lambda: len({record.topic for record in recorder.records}) == 7, 45, "seven topics")
        daemon.signal(signal.SIGTERM)

        assert daemon.wait() == 0


def test_the_demo_names_the_topics_that_the_plant_has() -> None:
    """A client with the command that is printed sees the messages of a plant with other topics than the default's."""
    with DaemonProcess("--demo", "--message-config-path", "scenarios/sensors.yaml", *NO_HTTP) as daemon:
        said = daemon.says(r"mosquitto_sub -V mqttv5 -h localhost -p (\d+) (.*) -v\n.* topic (.*)\n")

    assert said.groups()[1:] == ("-t 'sensors/#'", "sensors/#")


@pytest.mark.parametrize(
    ("topics", "filters"),
    [
        (["{prefix}/mill", "{prefix}/oven"], ["plant/a/#"]),
        (["site/mill", "{prefix}/oven", "{prefix}/press"], ["plant/a/#", "site/#"]),
        (["{type}/state", "{prefix}/oven"], ["#"]),
    ],
)
def test_filters_are_for_all_topics_of_a_plant(topics: list[str], filters: list[str]) -> None:
    """By first levels, those with most kinds of message first; everything, where a machine decides the first level."""
    types = {f"type_{number}": {"topic": topic, "signals": {"a": {"base": 1}}} for number, topic in enumerate(topics)}

    assert filters_of(parse({"message_types": types}), "plant/a") == filters


def test_the_demo_says_what_its_flags_make_of_it(tmp_path: Path) -> None:
    """The file that may be edited, the page at the port that was asked for, and the rates that were left alone."""
    plant, port = tmp_path / "mine.yaml", free_port()
    plant.write_text(DEFAULT.replace("orders_per_hour: 2 ", "orders_per_hour: 99 "))
    with DaemonProcess("--demo", "--http-port", str(port), "--message-config-path", str(plant)) as daemon:
        assert daemon.says(rf"^Look at the plant, and .* in a browser: http://localhost:{port}/\n").start() == 0
        daemon.says(f"edit {plant} while it runs")
        replaced = daemon.says("app: orders: --demo replaces the default rates of the file: dispatches_per_hour=1080\n")
        assert daemon.log.index("app: edgemqttsim ") < replaced.start()
        plant.write_text(plant.read_text().replace("dispatches_per_hour: 3 ", "dispatches_per_hour: 4 "))
        daemon.says("(?s)reloaded .* orders: the rates are those of the file\n")


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--workers", "2"], "--demo: needs a single process: leave out WORKERS\n"),
        (["--message-config-path", "/none.yaml"], "/none.yaml: does not exist\n"),
        (["--message-config-path", "{broken}"], "{broken}:1: global: must be a mapping (key: value), got 1\n"),
    ],
    ids=["workers", "no plant", "broken plant"],
)
def test_a_demo_that_cannot_start_logs_the_error_alone(tmp_path: Path, flags: list[str], error: str) -> None:
    """How to watch the messages is of no use where none will come."""
    broken = tmp_path / "plant.yaml"
    broken.write_text("global: 1\n")
    with DaemonProcess("--demo", *(flag.format(broken=broken) for flag in flags), *NO_HTTP) as daemon:
        assert daemon.wait() == 2

    assert daemon.errors[0] == error.format(broken=broken)
    assert all(line.startswith(str(broken)) for line in daemon.errors[1:])


def test_a_demo_of_the_packaged_plant_names_the_file_to_copy(tmp_path: Path) -> None:
    """An update would replace an edited original, so the user is not sent there to edit it."""
    with DaemonProcess("--demo", "--count", "1", *NO_HTTP, directory=tmp_path) as daemon:
        assert daemon.wait() == 0

    assert f"copy {ROOT / 'message_structure.yaml'} into this directory, start again, and edit the copy" in daemon.log
    assert "while it runs" not in daemon.log


def test_the_demo_logs_json_where_that_is_asked_for() -> None:
    """Every line of stderr is an object, the banner too."""
    with DaemonProcess("--demo", "--log-format", "json", *NO_HTTP, "--count", "1") as daemon:
        assert daemon.wait() == 0
    [banner] = [each for each in map(json.loads, daemon.errors) if "clients" in each]

    assert banner["watch"].startswith("mosquitto_sub -V mqttv5 -h localhost -p ")
    assert banner["plant"] == "message_structure.yaml"
    assert "page" not in banner


def test_a_dry_run_of_the_demo_starts_no_broker() -> None:
    """Nobody would use it."""
    with DaemonProcess("--demo", "--dry-run", "--count", "3", *NO_HTTP) as daemon:
        assert daemon.wait() == 0

    assert len(daemon.output) == 3
    assert "no broker is started" in daemon.log
    assert "mosquitto_sub" not in daemon.log


def test_the_demo_does_not_go_to_another_broker() -> None:
    """Its own would run for nobody: one line says so."""
    with DaemonProcess("--demo", "--mqtt-port", "1884") as daemon:
        assert daemon.wait() == 2

    assert daemon.errors == ["--mqtt-port: --demo starts an embedded broker: leave out one of them\n"]


def test_a_dry_run_is_json_lines_and_nothing_else() -> None:
    """Stdout has one object a message; everything else goes to stderr."""
    with DaemonProcess("--dry-run", "--count", "5", "--topic-layout", "machine", *NO_HTTP) as daemon:
        assert daemon.wait() == 0
    lines = [json.loads(line) for line in daemon.output]

    assert len(lines) == 5
    assert all(list(line) == ["topic", "qos", "retain", "payload"] for line in lines)
    assert all(line["topic"].startswith("factory/") and line["qos"] == 1 and not line["retain"] for line in lines)
    assert final_block(daemon) == (5, 0, 0)


def test_check_holds_the_queue_against_the_rate(tmp_path: Path) -> None:
    """A last line with the seconds it lasts, by QUEUE_SIZE; with advice where they are few."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(one_cnc(report_seconds=0.1, count=100))
    with DaemonProcess("check", str(plant), environ={"QUEUE_SIZE": "2000"}) as check:
        assert check.wait() == 0

    expected = "without a broker the queue is full after 2s: size=2000 rate=1000/s policy=drop-oldest; a longer outage"
    assert check.output[-1].startswith(expected)


def test_a_dry_run_speaks_of_no_connection_and_of_no_option_that_nobody_set() -> None:
    """There is no broker, so neither log nor statistics have one."""
    with DaemonProcess("--dry-run", "--count", "5", "--stats-interval", "0") as daemon:
        assert daemon.wait() == 0

    assert "; options: STATS_INTERVAL=0\n" in daemon.errors[0]
    assert "onnect" not in daemon.log


def test_the_first_row_of_a_kind_is_told_once_it_has_arrived(plant_file: Path) -> None:
    """Not while there is no broker; then once."""
    port = free_port()
    flags = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--no-mqtt-tls", "--mqtt-auth-method", "none"]
    with DaemonProcess(*flags, *NO_HTTP, "--message-config-path", str(plant_file)) as daemon:
        daemon.says("retrying in")
        assert "first on" not in daemon.log
        with running(EmbeddedBroker(Listener(port=port))):
            daemon.says("first on factory/cnc: {")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0

    assert daemon.log.count("first on") == 1


def test_a_dry_run_names_what_triggered_an_extra_row() -> None:
    """As the message on the wire does; a regular row has no such property."""
    plant = ("--message-config-path", str(ROOT / "tests" / "data" / "original.yaml"))
    with DaemonProcess("--dry-run", "--duration", "600", "--speed", "max", *plant, *NO_HTTP) as daemon:
        assert daemon.wait() == 0
    lines = [json.loads(line) for line in daemon.output]
    extra = [line for line in lines if "user_properties" in line]

    assert len(extra) > 50
    assert all(line["user_properties"] == {"trigger": "job"} for line in extra)
    assert all(line["payload"]["quality"] for line in extra)


def test_a_dry_run_whose_reader_leaves_ends_quietly(plant_file: Path) -> None:
    """`| head` closes the pipe: one line and no traceback."""
    reading, writing = os.pipe()
    with DaemonProcess("--dry-run", "--message-config-path", str(plant_file), *NO_HTTP, stdout=writing) as daemon:
        os.close(writing)
        assert os.read(reading, 10) == b'{"topic":"'
        os.close(reading)

        assert daemon.wait() == 0
    assert "the reader of standard output has closed it" in daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("flags", [[], ["--duration", "0.2", "--then-live"]], ids=["live", "after history"])
def test_a_row_is_said_at_the_time_that_it_bears(tmp_path: Path, flags: list[str]) -> None:
    """However long the plant took to be built: what fell due meanwhile comes late, and then a row within 50 ms."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(one_cnc(report_seconds=10, count=30_000))
    reading, writing = os.pipe()
    command = ["--dry-run", *flags, "--message-config-path", str(plant), "--queue-policy", "block", *NO_HTTP]
    with DaemonProcess(*command, stdout=writing), os.fdopen(reading) as lines:
        os.close(writing)
        assert any(time.time() - said_at(line) < 0.05 for line in islice(lines, 50_000))


def said_at(line: str) -> float:
    """The time that a row of a dry run bears."""
    return datetime.fromisoformat(json.loads(line)["payload"]["timestamp"]).timestamp()


def test_a_bounded_run_ends_when_all_is_acknowledged(broker: EmbeddedBroker) -> None:
    """Twenty messages were asked for, twenty arrive, the process says so and ends with 0."""
    with DaemonProcess("--count", "20", *plain(broker), *NO_HTTP) as daemon:
        assert daemon.wait() == 0

    assert final_block(daemon) == (20, 0, 0)
    assert broker.counters.publishes.total() == 20


def test_a_bounded_run_that_cannot_deliver_says_so() -> None:
    """Without a broker the run ends after the time for draining, with 1, and every message is counted as failed."""
    with DaemonProcess("--count", "2", "--drain-seconds", "0.2", *NOBODY, *NO_HTTP) as daemon:
        assert daemon.wait() == 1

    assert final_block(daemon) == (0, 2, 0)
    assert "cannot reach localhost:1" in daemon.log
    assert "never connected, dropping the queued messages count=2" in daemon.log


def test_a_broker_that_never_came_is_not_waited_for_after_a_run_longer_than_the_drain() -> None:
    """It had DRAIN_SECONDS from the start of the run."""
    flags = ["--duration", "2", "--drain-seconds", "1.5", *NOBODY, *NO_HTTP]
    with DaemonProcess(*flags) as daemon:
        daemon.says("retrying in")
        started = time.monotonic()
        assert daemon.wait() == 1

    assert time.monotonic() - started < 3
    assert "never connected, dropping the queued messages count=" in daemon.log
    assert "drain timed out" not in daemon.log


def test_a_short_run_waits_for_a_broker_that_starts_later() -> None:
    """Whoever starts both at once need not know which of them is quicker."""
    port = free_port()
    flags = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--no-mqtt-tls", "--mqtt-auth-method", "none"]
    with DaemonProcess("--count", "2", "--speed", "max", *flags, *NO_HTTP) as daemon:
        daemon.says("retrying in")
        with running(EmbeddedBroker(Listener(port=port))):
            assert daemon.wait() == 0

    assert final_block(daemon) == (2, 0, 0)


def test_a_signal_ends_the_wait_of_a_complete_run_for_its_broker() -> None:
    """The work is complete, and the user wants it to end."""
    flags = ["--count", "2", "--speed", "max", "--drain-seconds", "60", *NOBODY, *NO_HTTP]
    with DaemonProcess(*flags) as daemon:
        daemon.says("retrying in")
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 1

    assert time.monotonic() - started < 3
    assert "never connected, dropping the queued messages count=2" in daemon.log


def test_a_duration_is_kept(broker: EmbeddedBroker, plant_file: Path) -> None:
    """Two seconds of a machine that reports each 50 ms are 40 rows, one more or less."""
    flags = ["--duration", "2", "--message-config-path", str(plant_file), *plain(broker), *NO_HTTP]
    with DaemonProcess(*flags) as daemon:
        assert daemon.wait() == 0

    assert 39 <= final_block(daemon)[0] <= 41


def test_sigterm_drains_and_leaves_politely(broker: EmbeddedBroker) -> None:
    """Generation stops, the rest is acknowledged, the session is given up, the block is last, the exit code 0."""
    with DaemonProcess(*plain(broker), *NO_HTTP) as daemon:
        wait_until(lambda: broker.counters.publishes.total() >= 3, 15, "messages")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0

    assert final_block(daemon) == (broker.counters.publishes.total(), 0, 0)
    assert broker.sessions == {}


def test_a_second_signal_ends_at_once(broker: EmbeddedBroker) -> None:
    """While draining to a broker that acknowledges nothing, another SIGTERM is obeyed within a second."""
    broker.faults.withhold(times=None)
    with DaemonProcess("--drain-seconds", "60", *plain(broker), *NO_HTTP) as daemon:
        wait_until(lambda: broker.counters.publishes.total() >= 1, 15, "a message")
        daemon.signal(signal.SIGTERM)
        daemon.says("received SIGTERM, shutting down")
        time.sleep(1.1)
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)

        assert daemon.wait() != 0
        assert time.monotonic() - started < 1.0


def test_a_signal_before_any_connection_waits_for_nothing() -> None:
    """A broker that was never there will acknowledge nothing: what is queued is dropped; the end says why."""
    with DaemonProcess(*NOBODY, "--drain-seconds", "60", *NO_HTTP, "--stats-interval", "0.2") as daemon:
        daemon.says("retrying in")
        daemon.says("Queue Depth: [1-9]")
        started = time.monotonic()
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0

    sent, failed, queued = final_block(daemon)
    assert (sent, failed > 0, queued) == (0, True, 0)
    assert time.monotonic() - started < 5
    assert "never connected, dropping the queued messages count=" in daemon.log
    assert "Connection: not connected, cannot reach localhost:1: " in daemon.log


def test_a_laptop_without_a_token_is_told_what_else_to_do() -> None:
    """One line, and none in a pod, where the token may come later."""
    with DaemonProcess(*NO_HTTP) as laptop, DaemonProcess(*NO_HTTP, environ={"KUBERNETES_SERVICE_HOST": "x"}) as pod:
        laptop.says("no token at /var/run/secrets/tokens/broker-sat.*--demo.*--dry-run.*MQTT_AUTH_METHOD")
        pod.says("is missing .*; retrying in")
        assert "--demo" not in pod.log


def test_without_its_packages_it_ends_in_a_sentence() -> None:
    """As a Python has none but its own: what to install, no traceback, exit code 2."""
    command = [sys.executable, "-S", str(ROOT / "app.py"), "check"]
    ended = subprocess.run(command, env={}, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "pip install -r requirements.txt" in ended.stderr


def test_a_password_of_the_environment_lets_us_in_and_is_nowhere_to_be_seen() -> None:
    """Not in the log, not at the HTTP port."""
    user = {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "me", "MQTT_PASSWORD": "hunter2", "LOG_LEVEL": "debug"}
    with running(EmbeddedBroker(Listener(access=Passwords({"me": "hunter2"})))) as broker:
        environ = {**user, "MQTT_BROKER": f"mqtt://LOCALHOST:{broker.port}"}
        with DaemonProcess("--http-port", "0", "--workers", "2", environ=environ) as workers:
            workers.says(r"connected to broker host=localhost port=\d+ client_id=")
        with DaemonProcess("--http-port", str(ports.free_port()), environ=environ) as daemon:
            daemon.says(r"connected to broker host=localhost port=\d+ client_id=")
            seen = [httpx.get(daemon.url() + path).text for path in ("/healthz", "/metrics", "/oee")]
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0

    assert "MQTT_PASSWORD: other users may see it" in daemon.log
    assert "hunter2" not in daemon.log + workers.log + "".join(seen)


def test_a_broker_that_refuses_for_good_is_exit_3(tmp_path: Path) -> None:
    """A wrong password (CONNACK 0x86) is no use trying again; the line says what was refused, not the password."""
    with running(EmbeddedBroker(Listener(access=Passwords({"me": "right"})))) as broker:
        secret = tmp_path / "password"
        secret.write_text("hunter2")
        flags = [*plain(broker)[:-1], "userpass", "--mqtt-username", "me", "--mqtt-password-file", str(secret)]
        with DaemonProcess(*flags, *NO_HTTP, "--log-level", "debug") as daemon:
            assert daemon.wait() == 3

    assert "0x86 Bad user name or password" in daemon.log
    assert "hunter2" not in daemon.log
    assert "Traceback" not in daemon.log


def test_wrong_settings_are_exit_2_with_a_line_each() -> None:
    """Two bad values are two lines and nothing more."""
    with DaemonProcess("--mqtt-qos", "7", environ={"QUEUE_POLICY": "keep-all"}) as daemon:
        assert daemon.wait() == 2

    assert len(daemon.errors) == 2
    assert any("--mqtt-qos" in line for line in daemon.errors)
    assert any("QUEUE_POLICY" in line for line in daemon.errors)


def test_a_wrong_plant_is_exit_2_with_all_its_mistakes(plant_file: Path) -> None:
    """`run` refuses a file just as `check` does: file, line, path and rule, and no traceback."""
    plant_file.write_text(one_cnc(1).replace("part_types", "part_typos").replace("good: 1", "good: -1"))
    for command in (["check", str(plant_file)], ["run", "--message-config-path", str(plant_file), *NO_HTTP]):
        with DaemonProcess(*command) as daemon:
            assert daemon.wait() == 2
        assert "did you mean" in daemon.log
        assert "quality_distribution.good" in daemon.log
        assert "Traceback" not in daemon.log


def test_a_topic_that_no_broker_takes_is_a_mistake_of_the_plant(plant_file: Path) -> None:
    """The prefix counts too: a topic of more than 65,535 bytes is found before anything runs."""
    with DaemonProcess("--message-config-path", str(plant_file), environ={"MQTT_TOPIC_PREFIX": "p" * 65_535}) as daemon:
        assert daemon.wait() == 2

    assert "message_types.cnc_machine.topic" in daemon.log
    assert "65535" in daemon.log


def test_check_says_what_the_default_plant_will_say() -> None:
    """22 machines and 3.7 messages per second."""
    with DaemonProcess("check") as daemon:
        assert daemon.wait() == 0

    assert re.search(r"^total +22 +3\.7", "".join(daemon.output), re.MULTILINE)


@pytest.mark.parametrize(
    "environ", [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "pod"}], ids=["laptop", "pod"]
)
def test_a_second_one_takes_the_next_http_port_but_not_in_a_pod(
    environ: dict[str, str], broker: EmbeddedBroker
) -> None:
    """It says which; in a pod, where probes know the port, it is a clear error."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # taken by somebody else just now: just as well
            stack.enter_context(socket.create_server(("127.0.0.1", 8080)))
        daemon = stack.enter_context(DaemonProcess(*plain(broker), environ=environ))
        if environ:
            assert daemon.wait() == 2
            assert "HTTP_HOST, HTTP_PORT: cannot listen on 127.0.0.1:8080: Address already in use" in daemon.log
        else:
            port = daemon.says(r"port 8080 is taken: HTTP takes (\d+); HTTP_PORT sets it").group(1)
            assert httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200


def test_a_busy_http_port_is_one_clear_line(broker: EmbeddedBroker) -> None:
    """It names the port and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with DaemonProcess(*plain(broker), "--http-port", str(port)) as daemon:
            assert daemon.wait() == 2

    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in daemon.errors[-1]


@pytest.mark.parametrize("cause", ["a change of the file", "SIGHUP", "POST /-/reload"])
def test_an_edited_plant_is_in_force_soon(broker: EmbeddedBroker, plant_file: Path, cause: str) -> None:
    """A machine more and ten times the rate, by each way to reload."""
    looking = "0.1" if cause == "a change of the file" else "3600"
    flags = ["--message-config-path", str(plant_file), "--reload-seconds", looking, *plain(broker)]
    with DaemonProcess(*flags, environ={"HTTP_PORT": str(free_port())}) as daemon:
        url = daemon.url()
        wait_until(lambda: broker.counters.publishes.total() >= 2, 15, "messages")
        plant_file.write_text(one_cnc(report_seconds=0.005, count=2))
        if cause == "SIGHUP":
            daemon.signal(signal.SIGHUP)
        elif cause.startswith("POST"):
            assert httpx.post(f"{url}/-/reload").json() == {"machines": {"cnc_machine": 2}}
        daemon.says("reloaded")
        before = broker.counters.publishes.total()
        wait_until(lambda: broker.counters.publishes.total() > before + 200, 5, "two hundred rows at 400 a second")
        machines = [line for line in httpx.get(f"{url}/metrics").text.splitlines() if "edgemqttsim_machines{" in line]

    assert machines == ['edgemqttsim_machines{kind="cnc_machine",state="running"} 2.0']


def test_a_swapped_config_map_is_seen_every_time_and_a_bad_one_refused_whole(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The kubelet swaps a symlink: the second swap is seen like the first; a wrong file changes nothing."""
    volume = ProjectedVolume(tmp_path)
    volume.write({"plant.yaml": one_cnc(0.05).encode()})
    flags = ["--message-config-path", str(tmp_path / "plant.yaml"), "--reload-seconds", "0.1"]
    with DaemonProcess(*flags, *plain(broker), *NO_HTTP) as daemon:
        daemon.says("first on factory")
        volume.write({"plant.yaml": one_cnc(0.05, count=2).encode()})
        daemon.says(r"reloaded configuration .* machines=2 \(2 cnc_machine\)")
        volume.write({"plant.yaml": one_cnc(-1).encode()})
        daemon.says(r"(?s)rejected.*report_seconds")
        before = broker.counters.publishes.total()
        volume.write({"plant.yaml": one_cnc(0.05, count=3).encode()})
        daemon.says(r"reloaded configuration .* machines=3 \(3 cnc_machine\)")
        daemon.signal(signal.SIGTERM)

        assert daemon.wait() == 0
        assert broker.counters.publishes.total() > before


def test_json_logs_are_json_to_the_last_line(broker: EmbeddedBroker) -> None:
    """Every line of stderr is one object, the statistics too."""
    with DaemonProcess("--count", "3", "--log-format", "json", *plain(broker), *NO_HTTP) as daemon:
        assert daemon.wait() == 0
    events = [json.loads(line) for line in daemon.errors]

    assert events[-1]["message"] == "statistics"
    assert events[-1]["messages_sent"] == 3


def test_the_daemon_stays_small(broker: EmbeddedBroker) -> None:
    """The default plant, connected and scraped, keeps within 90 MiB."""
    with DaemonProcess(*plain(broker), environ={"HTTP_PORT": str(free_port())}, fresh=True) as daemon:
        url = daemon.url()
        wait_until(lambda: broker.counters.publishes.total() >= 5, 15, "messages")
        for path in ("metrics", "livez", "readyz", "healthz", "openapi.json"):
            assert httpx.get(f"{url}/{path}").status_code == 200
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()

    kilobytes = int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))  # type: ignore[union-attr]
    assert kilobytes / 1024 <= 90


def free_port() -> int:
    """A port for the daemon's HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
