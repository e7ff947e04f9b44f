"""The file of `run --demo-broker`: what it describes, and every error in it at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mqtt5 import ConnAckPacket, PubAckPacket, SubAckPacket, SubscribePacket, TopicFilter

import app
from cli.demo_broker import read_demo_broker
from plant.definition.document.errors import PlantConfigError
from sandbox.demo import MQTTX_WEB, PLACEHOLDERS, Demo
from sandbox.limits import Limits
from tests.support.brokers.rawclient import connected, in_loop, message
from tests.support.processes.daemon import ROOT

SHIPPED = ROOT / "scenarios" / "sandbox" / "broker.yaml"
SECRET = "opensesame"
ORIGIN = "must be an origin such as https://example.org, without a path, or *"


def described(folder: Path, text: str) -> Path:
    """A file with this text."""
    path = folder / "broker.yaml"
    path.write_text(text)
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    """The errors in a file with this text."""
    with pytest.raises(PlantConfigError) as wrong:
        read_demo_broker(described(folder, text))
    return [str(each).replace(f"{folder}/", "") for each in wrong.value.mistakes]


def test_a_file_that_says_nothing_changes_nothing(tmp_path: Path) -> None:
    """Everybody may do everything, as without a file."""
    found = read_demo_broker(described(tmp_path, "limits: {}\n"))

    assert (found.clients.users, found.clients.acl, found.clients.login) == ({}, None, "without TLS or login")
    assert found.clients.origins == {MQTTX_WEB}
    assert (found.limits, found.token_seconds, found.welcome) == (Limits(), 600, None)


def test_each_key_means_what_it_says(tmp_path: Path) -> None:
    """Of the limits, those that are not given stay."""
    text = (
        f"users: {{ann: {SECRET}}}\nanonymous: true\nacl: 'topic read a'\nlimits: {{receive_maximum: 7}}\n"
        "token_seconds: 12\nwebsocket_origins: [https://a.example, http://b:8]\nwelcome: '{port} {users}'\n"
    )
    found = read_demo_broker(described(tmp_path, text))

    assert found.clients.users == {"ann": SECRET}
    assert found.clients.anonymous
    assert found.clients.acl is not None
    assert found.clients.acl.permissions(None, "x").may_read("a")
    assert found.limits == Limits(receive_maximum=7)
    assert found.token_seconds == 12
    assert found.clients.origins == {"https://a.example", "http://b:8"}
    assert found.welcome == "{port} {users}"


def test_all_mistakes_are_named_at_once_with_line_path_and_rule(tmp_path: Path) -> None:
    """Those of the rules with their own lines."""
    text = (
        "users:\n  ann: x\n  '': y\nacl: |\n  topic reed a\n  user bob\n  topics read b\nlimits:\n"
        "  receive_maximum: 0\n  receive_maximun: 3\ntoken_seconds: 1\nwebsocket_origins: [example.org]\n"
        "welcome: '{host}'\n"
    )
    assert mistakes(tmp_path, text) == [
        'broker.yaml:3: users."": must be a user name of one line',
        "broker.yaml:5: acl: access is read, write, readwrite or deny, not 'reed'",
        "broker.yaml:7: acl: a line begins with topic, user or pattern, not with 'topics'",
        "broker.yaml:9: limits.receive_maximum: must be at least 1, got 0",
        "broker.yaml:10: limits.receive_maximun: is an unknown key; did you mean receive_maximum?",
        "broker.yaml:11: token_seconds: must be at least 10, got 1",
        f'broker.yaml:12: websocket_origins[0]: {ORIGIN}, got "example.org"',
        "broker.yaml:13: welcome: may have only {port} {websocket_port} {tls_port} {users} in braces, got {host}",
    ]


def test_rules_of_a_user_who_cannot_log_in_are_a_mistake(tmp_path: Path) -> None:
    """With the name that is like it."""
    text = "users: {controller: x}\nacl: |\n  user contoller\n  topic read a\n"
    assert mistakes(tmp_path, text) == [
        'broker.yaml:2: acl: has rules for "contoller", who is not among the users; did you mean controller?'
    ]


@pytest.mark.parametrize("password", ["12345678", "0123", "''", "[hunter2]", "{hunter2: 1}", "yes", "2001-01-01", "~"])
def test_an_error_shows_no_password(tmp_path: Path, password: str) -> None:
    """Whatever it looks like to YAML."""
    found = mistakes(tmp_path, f"users:\n  ann: {password}\n")

    assert [each.partition(": ")[0] for each in found] == ["broker.yaml:2"]
    assert not [bit for bit in re.findall(r"\w+", password) if bit in found[0]]


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started; exit code 2."""
    missing = str(tmp_path / "none.yaml")

    assert app.main(["run", "--demo", "--demo-broker", missing], {}) == 2
    assert capsys.readouterr().err == f"{missing}: does not exist\n"


@pytest.mark.parametrize(
    ("flags", "what"),
    [([], ""), (["--dry-run"], ", without --dry-run"), (["--demo", "--dry-run"], ", without --dry-run")],
)
def test_without_the_embedded_broker_the_file_is_an_error(
    capsys: pytest.CaptureFixture[str], flags: list[str], what: str
) -> None:
    """It would be about no broker."""
    assert app.main(["run", *flags, "--demo-broker", str(SHIPPED)], {}) == 2
    assert capsys.readouterr().err == f"--demo-broker: needs --demo{what}\n"


@in_loop
async def test_the_demo_is_as_the_shipped_file_says() -> None:
    """Its limits, its rules for who has no login, and its text with the ports that it has."""
    found = read_demo_broker(SHIPPED)
    assert found.welcome is not None
    async with Demo((0, 0, 0), found.clients, found.limits, found.token_seconds) as demo:
        text, facts = demo.how_to_look(["factory/#"], Path("plant.yaml"), None, own=True, welcome=found.welcome)
        secure, plain, web = demo.broker.ports
        assert f"localhost:{plain}, MQTT 5 or 3.1.1, without a login or as controller, dashboard, pump\n" in text
        assert f"ws://localhost:{web}," in text
        assert f"localhost:{secure}," in text
        assert facts["clients"] == f"localhost:{plain}"
        async with connected(plain) as (client, connack):
            assert isinstance(connack, ConnAckPacket)
            assert connack.receive_max == 5
            for number, topic in enumerate(("classroom/a", "factory/state/press", "factory/commands/a/press"), start=1):
                client.send(message(number, topic))
            assert [int((await client.receive(PubAckPacket)).reason_code) for _ in range(3)] == [0x10, 0x87, 0x87]
            client.send(SubscribePacket(4, [TopicFilter("factory/#"), TopicFilter("factory/admin/#")]))
            assert [int(each) for each in (await client.receive(SubAckPacket)).reason_codes] == [1, 0x87]


def test_the_text_of_a_demo_has_no_other_placeholders_than_are_filled_in(tmp_path: Path) -> None:
    """All of them may be used."""
    welcome = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    assert read_demo_broker(described(tmp_path, f"welcome: '{welcome}'\n")).welcome == welcome
