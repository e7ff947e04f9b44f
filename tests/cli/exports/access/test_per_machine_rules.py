"""Facts about a plant whose machines each have a connection and a login of their own, under exported rules."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import app
from sandbox.access import Passwords
from sandbox.acl import Acl
from sandbox.broker import EmbeddedBroker
from sandbox.connections.listener import Listener
from tests.conftest import StartMosquitto
from tests.support.brokers.plugin import program
from tests.support.factory.plants import ROOT
from tests.support.neutral.access_trial import password
from tests.support.neutral.ejabberd import Ejabberd
from tests.support.neutral.required import require_ejabberd
from tests.support.neutral.visitor import GRANTED, Visitor
from tests.support.processes.daemon import DaemonProcess, running
from tests.support.processes.waiting import wait_until

SANDBOX = ROOT / "scenarios" / "sandbox.yaml"
DEVICES = ("conveyor", "robot_arm", "press", "env_station")
CLIENTS = (*DEVICES, "controller", "dashboard", "observer", "simulator")
USERS = {name: password(name) for name in CLIENTS}


def exported(folder: Path, form: str) -> Path:
    """The rules of the sandbox's plant."""
    assert app.main(["export", "acl", "--format", form, "--file", str(SANDBOX), "--output", str(folder)], {}) == 0
    [path] = (folder / "acl").iterdir()
    return path


@pytest.fixture
def at_mosquitto(start_mosquitto: StartMosquitto, tmp_path: Path) -> int:
    """The port of a mosquitto with the rules."""
    passwords = tmp_path / "passwords"
    passwords.write_text("".join(f"{name}:{word}\n" for name, word in USERS.items()))
    subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True)
    options = {"acl_file": exported(tmp_path, "mosquitto"), "password_file": passwords, "max_queued_messages": 10_000}
    return start_mosquitto(listeners=("closed",), options=options).ports["closed"]


@pytest.fixture
def at_ejabberd(tmp_path: Path) -> Iterator[int]:
    """The port of an ejabberd with the rules."""
    require_ejabberd()
    with Ejabberd(tmp_path / "ejabberd", USERS, rules=exported(tmp_path, "ejabberd")) as broker:
        yield broker.mqtt_port


@pytest.fixture
def at_the_embedded_broker(tmp_path: Path) -> Iterator[int]:
    """The port of an embedded broker with the rules."""
    rules = Acl.read(exported(tmp_path, "sandbox"))
    with running(EmbeddedBroker(Listener(access=Passwords(USERS), acl=rules))) as broker:
        yield broker.port


def flags(port: int, folder: Path) -> list[str]:
    """A run for a minute of plant time, each machine with its own login; the plant's is that of `-`."""
    logins = folder / "logins.csv"
    names = {name: name for name in DEVICES} | {"-": "simulator"}
    rows = [f"{machine_id},{name},{password(name)}" for machine_id, name in names.items()]
    logins.write_text("\n".join(["machine_id,username,password", *rows, ""]))
    address = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--no-mqtt-tls"]
    login = ["--mqtt-auth-method", "userpass", "--mqtt-device-logins", str(logins)]
    own = ["--mqtt-connections", "per_machine", "--mqtt-device-client-id", "{machine_id}", "--mqtt-commands"]
    stretch = ["--http-port", "0", "--duration", "60", "--speed", "6"]
    return ["run", "--file", str(SANDBOX), *address, *login, *own, *stretch]


def check(port: int, folder: Path) -> None:
    """All that machines publish is taken; one stops when told so by the controller, and not by anybody else."""
    with ExitStack() as stack:
        visitors = {
            name: stack.enter_context(Visitor(port, name, password(name), name)) for name in ("controller", "observer")
        }
        seen = visitors["observer"].received
        assert visitors["observer"].subscribe("#") < GRANTED
        with DaemonProcess(*flags(port, folder)) as process:
            topic = "factory/commands/controller/press"
            wait_until(lambda: any(each.topic == "factory/status/press" for each in seen), 30, "press is online")
            wait_until(lambda: visitors["controller"].publish(topic, b'{"command":"stop"}') == 0, 30, "press listens")
            assert process.wait(40) == 0, process.log
        messages = visitors["observer"].caught_up()
    states = [json.loads(each.payload)["state"] for each in messages if each.topic == "factory/state/press"]
    assert states[-1] == "idle"
    assert "refused" not in process.log
    for device in DEVICES:
        status = [json.loads(each.payload)["status"] for each in messages if each.topic == f"factory/status/{device}"]
        assert status == ["online", "offline"], device
        assert any(each.topic.startswith(f"factory/telemetry/{device}/") for each in messages)


def test_machines_at_mosquitto_may_do_all_that_they_do(at_mosquitto: int, tmp_path: Path) -> None:
    """Birth, telemetry, commands, offline: nothing is refused."""
    check(at_mosquitto, tmp_path)


def test_machines_at_ejabberd_may_do_all_that_they_do(at_ejabberd: int, tmp_path: Path) -> None:
    """Birth, telemetry, commands, offline: nothing is refused."""
    check(at_ejabberd, tmp_path)


def test_machines_at_the_embedded_broker_may_do_all_that_they_do(at_the_embedded_broker: int, tmp_path: Path) -> None:
    """Birth, telemetry, commands, offline: nothing is refused."""
    check(at_the_embedded_broker, tmp_path)
