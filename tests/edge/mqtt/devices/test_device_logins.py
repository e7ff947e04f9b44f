"""Facts about the logins of machines: one token for all, a certificate or a password for each, and no secret told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from mqtt5 import ConnAckPacket, ConnAckReasonCode

import edge.mqtt.devices.logins
from edge.mqtt.auth.credentials import CredentialsUnavailable, Login
from edge.mqtt.devices.logins import DeviceLogins
from edge.mqtt.devices.places import THE_PLANT, Place
from sandbox.access import Certificates, Passwords
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import write_atomically
from sandbox.observe import fingerprint
from tests.conftest import StartMosquitto
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.machines import PER_MACHINE, connected_machines, device_settings, machines
from tests.support.brokers.mosquitto import PASSWORD, USERNAME
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, secure, settings_for, until
from tests.support.brokers.scenes import Pod
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.ports import free_port

FIRST, SECOND = Place("CNC-01"), Place("CNC-02")
HEAD = "machine_id,username,password\n"


def table(folder: Path, content: str | bytes) -> Path:
    """Write a table of logins."""
    path = folder / "logins.csv"
    write_atomically(path, content.encode() if isinstance(content, str) else content)
    return path


def by_table(path: Path, **options: object) -> dict[str, object]:
    """Options for USERPASS by a table."""
    return {"mqtt_auth_method": "USERPASS", "mqtt_device_logins": path, **options}


def users(*names: str) -> EmbeddedBroker:
    """A broker that lets these users in, each with a password of its own."""
    return EmbeddedBroker(Listener(access=Passwords({name: f"secret of {name}" for name in names})))


def logins(path: Path) -> DeviceLogins:
    """The logins of a table."""
    return DeviceLogins(device_settings(1883, **by_table(path)))


async def problem(content: str | bytes, folder: Path, place: Place = FIRST) -> str:
    """What is said of a table."""
    with pytest.raises(CredentialsUnavailable) as unavailable:
        await logins(table(folder, content)).of(place)
    return str(unavailable.value).removeprefix(f"logins file {folder}/logins.csv ")


# K8S-SAT


@in_loop
async def test_one_token_lets_all_machines_in_and_a_new_one_is_offered_on_each_connection(pod: Pod) -> None:
    """The file is read for all of them at once, AUTH goes out on each, no connection ends, and the figures say so."""
    options = PER_MACHINE | {"mqtt_connect_rate": 0}
    async with pod.broker() as broker:
        settings = settings_for(broker.port, **secure(pod.ca_file, pod.token_file), **options)
        async with Rig(settings, machines(3)) as rig:
            await rig.all_connected(1)
            assert {each.authentication_method for each in broker.connects} == {"K8S-SAT"}
            token = pod.rotate()
            await rig.renewed(1)

            assert sorted(each.client_id for each in broker.auths) == ["rig-CNC-01", "rig-CNC-02", "rig-CNC-03"]
            assert {each.token_sha256 for each in broker.auths} == {fingerprint(token)}
            assert (broker.counters.reauthentications, broker.counters.connects.total()) == (3, 3)
            rig.follow(machines(1))
            await rig.ended("CNC-03")
            assert rig.fleet.facts().token_renewals == 3


@in_loop
async def test_machines_wait_for_a_token_that_is_not_there_yet(pod: Pod, lines: Lines) -> None:
    """Each tries again by itself, the file is named, and the token in no line."""
    token = pod.token_file.read_bytes()
    async with pod.broker() as broker:
        missing = pod.ca_file.with_name("later")
        options = PER_MACHINE | {"mqtt_connect_rate": 0}
        settings = settings_for(broker.port, **secure(pod.ca_file, missing), **options)
        async with Rig(settings, machines(2)) as rig:
            await until(lambda: lines.count(f"token file {missing} is missing (see SAT_TOKEN_PATH)"), "named")
            write_atomically(missing, token)
            await rig.all_connected(1)
    assert lines.count(token.decode().strip()) == 0


# X509


def certificates(folder: Path, credentials: Credentials, names: Sequence[str]) -> dict[str, object]:
    """Options for X509 with a certificate for each machine, whose common name is its id."""
    for name in names:
        pair = credentials.authority.client_certificate(name)
        write_atomically(folder / f"{name}.crt", pair.certificate_pem)
        write_atomically(folder / f"{name}.key", pair.key_pem)
    files = {"mqtt_cert_file": folder / "{machine_id}.crt", "mqtt_key_file": folder / "{machine_id}.key"}
    return {"mqtt_tls": True, "mqtt_ca_file": credentials.ca_file, "mqtt_auth_method": "X509", **files}


@in_loop
async def test_each_machine_has_the_certificate_that_the_template_names(
    tmp_path: Path, credentials: Credentials, lines: Lines
) -> None:
    """One whose file is missing is told of by its file, and the others are connected."""
    tls = credentials.authority.server_context(client_ca_pem=credentials.authority.ca_pem)
    options = certificates(tmp_path, credentials, ["CNC-01", "CNC-02"])
    port = free_port()
    broker = EmbeddedBroker(Listener(port=port, tls=tls, access=Certificates()))
    async with broker, Rig(device_settings(port, **options), machines(3)) as rig:
        await until(lambda: len(broker.connected) == 2, "two are connected")
        missing = f"certificate file {tmp_path}/CNC-03.crt is missing (see MQTT_CERT_FILE)"
        await until(lambda: lines.count(missing), "named")
        certificates(tmp_path, credentials, ["CNC-03"])
        await rig.all_connected(1)


@in_loop
async def test_mosquitto_knows_each_machine_by_its_certificate(
    tmp_path: Path, credentials: Credentials, start_mosquitto: StartMosquitto
) -> None:
    """Its access list for the user `CNC-01`, the common name, lets that machine alone publish."""
    rules = tmp_path / "acl"
    rules.write_text(
        "user CNC-01\ntopic write factory/cnc\ntopic write factory/status/CNC-01\n\n"
        "user CNC-02\ntopic write factory/other\ntopic write factory/status/CNC-02\n"
    )
    broker = await asyncio.to_thread(start_mosquitto, listeners=("x509",), options={"acl_file": rules})
    options = certificates(tmp_path, credentials, ["CNC-01", "CNC-02"])
    async with Rig(device_settings(broker.ports["x509"], mqtt_broker="localhost", **options), machines(2)) as rig:
        await rig.all_connected(1)
        rig.offer("CNC-01 1", "CNC-02 1")
        await rig.finish()

        assert rig.ledger.refused == {0x87: 1}
        assert [source for source, _ in rig.notes.refused] == ["CNC-02"]


# USERPASS


@in_loop
async def test_each_machine_has_the_name_and_password_of_its_row(tmp_path: Path, lines: Lines) -> None:
    """Also with a byte order mark, quotes, empty lines and a comma in the password, as spreadsheets write tables."""
    rows = 'CNC-01,left,"secret of left"\r\n\r\n"CNC-02","ri,ght","secret of ri,ght"\r\n'
    path = table(tmp_path, "\ufeff" + HEAD.replace("\n", "\r\n") + rows)
    async with connected_machines(2, users("left", "ri,ght"), **by_table(path)) as (broker, _):
        assert {each.client_id: each.username for each in broker.connects} == {
            "rig-CNC-01": "left",
            "rig-CNC-02": "ri,ght",
        }
    assert lines.count("secret of") == 0


@in_loop
async def test_a_machine_without_a_row_is_told_of_and_connects_when_it_has_one(tmp_path: Path, lines: Lines) -> None:
    """The file is read again: nobody has to restart anything."""
    path = table(tmp_path, HEAD + "CNC-01,left,secret of left\n")
    async with (
        users("left", "right") as broker,
        Rig(device_settings(broker.port, **by_table(path)), machines(2)) as rig,
    ):
        await until(lambda: lines.count("has no row for the machine CNC-02 (see MQTT_DEVICE_LOGINS)"), "told")
        await until(lambda: broker.connected == ["rig-CNC-01"], "the other is connected")
        table(tmp_path, HEAD + "CNC-01,left,secret of left\nCNC-02,right,secret of right\n")
        await rig.all_connected(1)


@in_loop
async def test_a_password_that_was_changed_is_used_at_the_next_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was refused for its password is let in with the one that the file has then.

    What was read is used for a second; for no time here.
    """
    monkeypatch.setattr(edge.mqtt.devices.logins, "_SHARED_SECONDS", 0.0)
    path = table(tmp_path, HEAD + "CNC-01,left,old\nCNC-02,right,secret of right\n")
    options = by_table(path)
    async with users("left", "right") as broker, Rig(device_settings(broker.port, **options), machines(2)) as rig:
        await until(lambda: broker.counters.refused[0x86] == 1 and rig.is_up("CNC-02"), "one is refused")
        table(tmp_path, HEAD + "CNC-01,left,secret of left\nCNC-02,right,secret of right\n")
        rig.act("reconnect", "CNC-01")
        await rig.all_connected(1)


@in_loop
async def test_the_plants_own_connection_has_a_row_too(tmp_path: Path) -> None:
    """Named by a dash, as in topics of commands; without it the error says whose row is missing."""
    path = table(tmp_path, HEAD + "-,factory,secret\n")
    login = await logins(path).of(THE_PLANT)

    assert (login.username, login.password) == ("factory", b"secret")
    expected = "has no row for the plant's own connection, - (see MQTT_DEVICE_LOGINS)"
    assert await problem(HEAD + "CNC-01,a,b\n", tmp_path, THE_PLANT) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must begin with the line machine_id,username,password"),
        ("machine,user,password\n", "must begin with the line machine_id,username,password"),
        (HEAD + "CNC-01,a,b\nCNC-02,b\n", "needs three columns, the first two not empty: line 3"),
        (HEAD + "CNC-01,a,b,c\n", "needs three columns, the first two not empty: line 2"),
        (HEAD + "CNC-01,,b\n", "needs three columns, the first two not empty: line 2"),
        (HEAD + ",a,b\n", "needs three columns, the first two not empty: line 2"),
        (HEAD + 'CNC-01,a,"b\nb"\n\nCNC-01,c,d\n', "has the machine CNC-01 twice: line 5"),
        (HEAD + 'CNC-01,a,"b" c\n', "is no CSV: line 2"),
        (HEAD + 'CNC-01,a,"b\n', "is no CSV: line 2"),
        (HEAD.encode() + b"CNC-01,a,b\nCNC-02,b,\xff\n", "is not UTF-8: line 3"),
        (HEAD + "CNC-02,a,b\n", "has no row for the machine CNC-01"),
    ],
)
@in_loop
async def test_a_wrong_table_is_told_of_with_its_line(content: str | bytes, said: str, tmp_path: Path) -> None:
    """One sentence with the file, what is wrong and where, and the option; never with what a row contains."""
    assert await problem(content, tmp_path) == f"{said} (see MQTT_DEVICE_LOGINS)"


@in_loop
async def test_a_table_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    """Missing, or no file at all."""
    for path, why in ((tmp_path / "none.csv", "is missing"), (tmp_path, "cannot be read: it is a directory")):
        with pytest.raises(CredentialsUnavailable) as unavailable:
            await logins(path).of(FIRST)
        assert str(unavailable.value) == f"logins file {path} {why} (see MQTT_DEVICE_LOGINS)"


@in_loop
async def test_a_name_and_a_password_file_may_be_templates(tmp_path: Path) -> None:
    """MQTT_USERNAME and MQTT_PASSWORD_FILE with {machine_id} in them; a slash in an id leads into no other folder."""
    (tmp_path / "CNC-01.pw").write_text("secret of line-CNC-01\n")
    (tmp_path / "CNC-02.pw").write_text("secret of line-CNC-02\n")
    (tmp_path / "a_b.pw").write_text("other\n")
    names = {"mqtt_username": "line-{machine_id}", "mqtt_password_file": tmp_path / "{machine_id}.pw"}
    options = {"mqtt_auth_method": "USERPASS", **names}
    async with connected_machines(2, users("line-CNC-01", "line-CNC-02"), **options) as (broker, _):
        assert sorted(str(each.username) for each in broker.connects) == ["line-CNC-01", "line-CNC-02"]
    login = await DeviceLogins(device_settings(1883, **options)).of(Place("a/b"))
    assert (login.username, login.password) == ("line-a/b", b"other")


@in_loop
async def test_mosquitto_lets_machines_in_by_their_rows(
    tmp_path: Path, credentials: Credentials, start_mosquitto: StartMosquitto
) -> None:
    """One row is right, the other has a wrong password: that machine alone is refused."""
    broker = await asyncio.to_thread(start_mosquitto, listeners=("password",))
    path = table(tmp_path, f"{HEAD}CNC-01,{USERNAME},{PASSWORD}\nCNC-02,{USERNAME},wrong\n")
    options = by_table(path, mqtt_tls=True, mqtt_ca_file=credentials.ca_file, mqtt_broker="localhost")
    async with Rig(device_settings(broker.ports["password"], **options), machines(2)) as rig:
        await until(lambda: rig.is_up("CNC-01"), "one is connected")
        await until(lambda: rig.fleet.facts().devices.refused == 1, "the other is refused")  # type: ignore[union-attr]
        with_access = broker.access("password")
        recorder = await asyncio.to_thread(
            Recorder(broker.ports["password"], with_access, topics=["factory/status/+"]).__enter__
        )
        [state] = await asyncio.to_thread(recorder.wait_for, 1)
        await asyncio.to_thread(recorder.__exit__)

        assert (state.topic, state.retain, state.qos) == ("factory/status/CNC-01", True, 1)
        assert b'"status":"online"' in state.payload


# Nothing is told, nothing waits


def busy(text: str) -> bytes:
    """A CONNACK that asks to come later, with a Reason String."""
    return ConnAckPacket(reason_code=ConnAckReasonCode.SERVER_BUSY, reason_str=f"no {text}").write()


@in_loop
async def test_a_broker_that_repeats_a_machines_password_gets_it_into_no_line(tmp_path: Path, lines: Lines) -> None:
    """Whichever of many passwords it is: each text of a broker is held against that of its own connection."""
    passwords = {f"CNC-{number:02}": hashlib.sha256(b"%d" % number).hexdigest()[:24] for number in range(1, 9)}

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await reader.read(4096)
        await asyncio.sleep(0.3)  # until the passwords of all others have been read
        name = next(name for name, password in passwords.items() if password.encode() in connect)
        writer.write(busy(passwords[name]))
        writer.close()

    path = table(tmp_path, HEAD + "".join(f"{name},u,{password}\n" for name, password in passwords.items()))
    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    async with server, Rig(device_settings(server.sockets[0].getsockname()[1], **by_table(path)), machines(8)) as rig:
        await until(lambda: lines.count("0x89 Server busy") >= 8, "all refused")
        reason = rig.fleet.facts().last_reason
    assert [one for one in passwords.values() if one in reason or lines.count(one)] == []


@in_loop
async def test_reading_a_long_table_leaves_the_loop_to_others(tmp_path: Path) -> None:
    """A hundred thousand rows take their time in a thread: telemetry goes on meanwhile."""
    rows = "".join(f"M-{number},user-{number},password-{number}\n" for number in range(100_000))
    source, turns = logins(table(tmp_path, HEAD + rows)), 0
    reading = asyncio.ensure_future(source.of(Place("M-99999")))
    while not reading.done():
        turns += 1
        await asyncio.sleep(0.002)

    login: Login = reading.result()
    assert login.username == "user-99999"
    assert turns > 5


@pytest.mark.parametrize("shown", [repr, str])
@in_loop
async def test_a_login_does_not_show_its_password(shown: Callable[[object], str], tmp_path: Path) -> None:
    """However it gets into a text."""
    login = await logins(table(tmp_path, HEAD + "CNC-01,left,very secret\n")).of(FIRST)

    assert login.password == b"very secret"
    assert "very" not in shown(login)
