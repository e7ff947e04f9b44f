"""Facts about exported rules at a real mosquitto: what each client may do there, and how the rest is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.conftest import StartMosquitto
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.plugin import program
from tests.support.factory.plants import ROOT
from tests.support.neutral import access_trial
from tests.support.neutral.access_trial import CLIENTS, exported, password, reads, subscriptions, writes
from tests.support.neutral.visitor import GRANTED, NOT_AUTHORIZED, NotLetIn, Visitor

LAYOUTS = ("machine", "type")
ADMIN = ("admin", "the word of admin")
QUEUE: dict[str, object] = {"max_queued_messages": 1000}
"""Its default. With 0, no limit, mosquitto 2.0.11 ends the connection after each refused message."""


def password_file(folder: Path) -> Path:
    """A password file with all clients."""
    path = folder / "passwords"
    path.write_text("".join(f"{name}:{password(name)}\n" for name in CLIENTS))
    subprocess.run([program("mosquitto_passwd"), "-U", str(path)], check=True)
    return path


def with_acl_file(start: StartMosquitto, folder: Path, rules: Path) -> Mosquitto:
    """A broker with a file of rules."""
    options = QUEUE | {"acl_file": rules, "password_file": password_file(folder)}
    return start(listeners=("closed",), options=options)


def entering(broker: Mosquitto) -> access_trial.Enter:
    """How clients connect, each as the user of its name."""
    return lambda name: Visitor(broker.ports["closed"], name, password(name))


# acl_file


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_client_publishes_what_it_may_and_nothing_else(
    layout: str, start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """Machines their own topics, controller and dashboard their commands, others nothing: PUBACK 0x87."""
    rules = exported(tmp_path, "mosquitto", "--topic-layout", layout)
    broker = with_acl_file(start_mosquitto, tmp_path, rules)

    assert access_trial.published(entering(broker), layout) == writes(layout)
    assert access_trial.refusals(entering(broker), layout) == {NOT_AUTHORIZED}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_client_receives_what_it_may_and_nothing_else(
    layout: str, start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """All subscribe to everything, which an acl_file does not refuse; the messages are withheld."""
    rules = exported(tmp_path, "mosquitto", "--topic-layout", layout)
    broker = with_acl_file(start_mosquitto, tmp_path, rules)

    assert access_trial.received(entering(broker), layout) == reads(layout)
    with entering(broker)("intruder") as intruder:
        assert intruder.subscribe("factory/#") < GRANTED


def test_nobody_is_let_in_without_a_name_or_with_a_wrong_password(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """Anonymous clients get nothing, as they do not get in."""
    broker = with_acl_file(start_mosquitto, tmp_path, exported(tmp_path, "mosquitto"))

    for name, word in ((None, None), ("CNC-01", "wrong"), ("stranger", "x")):
        with pytest.raises(NotLetIn) as refused, Visitor(broker.ports["closed"], name, word):
            pass
        assert refused.value.code == NOT_AUTHORIZED


def test_a_refused_message_of_mqtt_3_1_1_is_acknowledged_and_goes_nowhere(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """That version has no reason code in PUBACK (MQTT 3.1.1, 3.3.5)."""
    broker = with_acl_file(start_mosquitto, tmp_path, exported(tmp_path, "mosquitto"))
    old = Visitor(broker.ports["closed"], "intruder", password("intruder"), version=MQTTProtocolVersion.MQTTv311)

    with entering(broker)("observer") as observer, old as intruder:
        observer.subscribe("#")
        assert intruder.publish("factory/commands/controller/CNC-01") < GRANTED
        assert observer.caught_up() == []


def test_patterns_allow_the_same_but_for_topics_with_ones_own_name(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """That is what they cost: a user of any name may write to the topics that a machine of that name would have."""
    rules = exported(tmp_path, "mosquitto", "--topic-layout", "machine", "--patterns", "always")
    broker = with_acl_file(start_mosquitto, tmp_path, rules)
    expected = dict(writes("machine")) | {"WELD-01": writes("machine")["WELD-01"] | {"factory/cnc/WELD-01"}}

    assert "user CNC-01" not in rules.read_text()
    assert access_trial.published(entering(broker), "machine") == expected
    assert access_trial.received(entering(broker), "machine") == reads("machine")
    with entering(broker)("intruder") as intruder:
        assert intruder.publish("factory/status/intruder") < GRANTED


def test_client_ids_open_the_topics_of_a_machine_to_whoever_takes_its_id(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """So they are weak, as the file says: any user is a machine by its client id."""
    flags = ("--topic-layout", "machine", "--identity", "client_id")
    rules = exported(tmp_path, "mosquitto", *flags)
    broker = with_acl_file(start_mosquitto, tmp_path, rules)

    assert "This is weak" in rules.read_text()
    for client_id, taken in (("CNC-01", True), ("other", False)):
        with Visitor(broker.ports["closed"], "intruder", password("intruder"), client_id) as visitor:
            assert (visitor.publish("factory/cnc/CNC-01") < GRANTED) == taken
            assert visitor.publish("factory/cnc/CNC-02") == NOT_AUTHORIZED


# Dynamic security


@contextmanager
def with_dynamic_security(start: StartMosquitto, folder: Path, layout: str) -> Iterator[Mosquitto]:
    """A broker with the plugin, set up as docs/access-control.md has it: an administrator first, then the rules."""
    [plugin] = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    rules = exported(folder, "mosquitto-dynsec", "--topic-layout", layout)
    initial = folder / "initial.json"
    control = program("mosquitto_ctrl")
    subprocess.run([control, "dynsec", "init", str(initial), *ADMIN], check=True, capture_output=True)
    (folder / "dynamic-security.json").write_text(merge(initial, rules))
    options = QUEUE | {"plugin": plugin, "plugin_opt_config_file": folder / "dynamic-security.json"}
    broker = start(listeners=("closed",), options=options)
    address = ["-h", "localhost", "-p", str(broker.ports["closed"]), "-u", ADMIN[0], "-P", ADMIN[1]]
    for name in CLIENTS:
        if name == "intruder":
            subprocess.run(
                [control, *address, "dynsec", "createClient", name, "-p", password(name)],
                check=True,
                capture_output=True,
            )
        else:
            subprocess.run(
                [control, *address, "dynsec", "setClientPassword", name, password(name)],
                check=True,
                capture_output=True,
            )
    yield broker


def merge(initial: Path, rules: Path) -> str:
    """The plugin's file with the rules beside what is in another, by the program in docs/access-control.md."""
    page = (ROOT / "docs" / "access-control.md").read_text("utf-8")
    [program_text] = re.findall(r"<<'END'\n(.*?)^END$", page, re.DOTALL | re.MULTILINE)
    command = [sys.executable, "-", str(initial), str(rules)]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, input=program_text, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dynamic_security_refuses_messages_and_subscriptions(
    layout: str, start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """PUBACK 0x87 and SUBACK 0x87 for all that is not allowed; what is allowed arrives."""
    with with_dynamic_security(start_mosquitto, tmp_path, layout) as broker:
        enter = entering(broker)

        assert access_trial.published(enter, layout) == writes(layout)
        assert access_trial.refusals(enter, layout) == {NOT_AUTHORIZED}
        assert access_trial.granted(enter, layout) == subscriptions(layout)
        assert access_trial.received(enter, layout, subscriptions(layout)) == reads(layout)
        with enter("intruder") as intruder:
            assert intruder.subscribe("#") == NOT_AUTHORIZED


def test_a_client_of_dynamic_security_is_locked_out_until_it_has_a_password(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """The exported file has none."""
    [plugin] = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    shutil.copy(exported(tmp_path, "mosquitto-dynsec"), tmp_path / "as-exported.json")
    options = QUEUE | {"plugin": plugin, "plugin_opt_config_file": tmp_path / "as-exported.json"}
    broker = start_mosquitto(listeners=("closed",), options=options)

    for word in ("", "x"):
        with pytest.raises(NotLetIn), Visitor(broker.ports["closed"], "CNC-01", word):
            pass


def test_rules_that_are_made_again_leave_passwords_and_other_clients_as_they_are(tmp_path: Path) -> None:
    """By the same program, with the broker's file in the place of the initial one."""
    rules = exported(tmp_path, "mosquitto-dynsec")
    broken = json.loads(rules.read_text())
    del broken["clients"][1], broken["roles"][:2]
    broken["clients"][0] |= {"password": "p", "salt": "s", "iterations": 101, "roles": []}
    broken["clients"].append({"username": "admin", "password": "q"})
    broken["roles"].append({"rolename": "admin", "acls": []})
    before = tmp_path / "before.json"
    before.write_text(json.dumps(broken))
    made, new = json.loads(merge(before, rules)), json.loads(rules.read_text())

    kept = {"password": "p", "salt": "s", "iterations": 101}
    assert made["clients"] == [
        new["clients"][0] | kept,
        *new["clients"][1:],
        {"username": "admin", "password": "q"},
    ]
    assert made["roles"] == [*new["roles"], {"rolename": "admin", "acls": []}]
    assert made["groups"] == new["groups"]
