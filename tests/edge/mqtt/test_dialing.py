"""Facts about hosts with several addresses (RFC 8305), and about name servers that do not answer."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import app
from cli.verify.input.subscriber import Subscriber
from edge.mqtt.dialing import Address, Dialer, NotReached, interleaved
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.rig import Rig, settings_for
from tests.support.brokers.scenes import Pod
from tests.support.processes.addresses import black_hole, name
from tests.support.processes.daemon import running
from tests.support.processes.ports import free_port

HOLE, CLOSED = "127.0.0.2", "127.0.0.3"


def addresses(*texts: str) -> list[Address]:
    """Addresses as a resolver gives them."""
    return [Address(socket.AF_INET6 if ":" in text else socket.AF_INET, (text, 1)) for text in texts]


def test_families_take_turns_and_no_address_comes_twice() -> None:
    """The first address's family begins (RFC 8305, 4)."""
    given = addresses("::1", "::2", "::1", "::3", "10.0.0.1", "10.0.0.2")

    assert [address.text for address in interleaved(given)] == ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]


def test_the_address_of_a_link_is_told_with_its_zone() -> None:
    """Two links may both have a fe80::1."""
    assert Address(socket.AF_INET6, ("fe80::1", 1, 0, socket.if_nametoindex("lo"))).text == "fe80::1%lo"


def test_an_address_that_swallows_everything_keeps_nobody_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an IPv6 route that leads nowhere: the connection is there in a moment."""
    name(monkeypatch, {"dual.test": [HOLE, "127.0.0.1"]})

    async def scene() -> float:
        async with EmbeddedBroker() as broker:
            with black_hole(HOLE, broker.port):
                began = time.monotonic()
                async with Rig(settings_for(broker.port, mqtt_broker="dual.test")) as rig:
                    await rig.connected()
                    return time.monotonic() - began

    assert asyncio.run(scene()) < 3


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "closes"])
def test_an_address_that_takes_connections_and_no_more_comes_last_at_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """Somebody else listens there: it has won the race for the connection, and has not let us in."""
    name(monkeypatch, {"dual.test": [HOLE, "127.0.0.1"]})
    monkeypatch.setattr("edge.mqtt.connection._ANSWER_SECONDS", 1.0)

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if silent:
            await reader.read()
        writer.close()

    async def scene() -> None:
        async with (
            EmbeddedBroker() as broker,
            await asyncio.start_server(other, HOLE, broker.port),
            Rig(settings_for(broker.port, mqtt_broker="dual.test")) as rig,
        ):
            await asyncio.wait_for(rig.connected(), 20)
            await rig.finish()

    asyncio.run(scene())


def test_where_no_address_answers_one_line_tells_what_each_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of the same fate together, and the patience named."""
    name(monkeypatch, {"many.test": [HOLE, "127.0.0.1", CLOSED]})

    async def scene(port: int) -> None:
        with pytest.raises(NotReached) as lost:
            await Dialer("many.test", port, attempt_seconds=0.5).connect()
        assert str(lost.value) == f"no answer within 0.5 s ({HOLE}), Connection refused (127.0.0.1, {CLOSED})"
        with pytest.raises(NotReached, match=r"^Connection refused$"):
            await Dialer("127.0.0.1", port).connect()

    with black_hole(HOLE, free_port()) as port:
        asyncio.run(scene(port))


def test_a_lookup_that_hangs_costs_one_thread_and_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt waits for the same lookup, and the end of the loop for none."""
    asked, release = list[Any](), threading.Event()

    def hang(host: bytes, *_: object, **__: object) -> None:
        asked.append(host)
        release.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "at last")

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def scene() -> None:
        dialer = Dialer("slow.test", 1, lookup_seconds=0.1)
        for _ in range(3):
            with pytest.raises(socket.gaierror, match=r"no answer from a name server within 0\.1 s"):
                await dialer.connect()

    began = time.monotonic()
    asyncio.run(scene())
    release.set()
    assert (asked, time.monotonic() - began < 5) == ([b"slow.test"], True)


def test_a_host_with_a_final_dot_is_looked_up_with_it_and_certified_without(
    monkeypatch: pytest.MonkeyPatch, credentials: Credentials, tmp_path: Path
) -> None:
    """The certificate is for localhost; the name server is asked for an absolute name."""
    name(monkeypatch, {"localhost.": ["127.0.0.1"], "localhost": [HOLE]})
    pod = Pod(credentials, tmp_path)
    pod.rotate()

    async def scene() -> None:
        async with pod.broker() as broker, pod.rig(broker.port, mqtt_broker="LocalHost.") as rig:
            await rig.connected()

    asyncio.run(scene())


def test_a_lookup_that_ended_unheard_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host may have moved since."""
    answers = iter([(0.3, "127.0.0.2"), (0.0, "127.0.0.3")])

    def slow(*_: object, **__: object) -> list[Any]:
        seconds, address = next(answers)
        time.sleep(seconds)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 1))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def scene() -> list[str]:
        dialer = Dialer("moving.test", 1, lookup_seconds=0.1)
        with pytest.raises(socket.gaierror):
            await dialer.resolve()
        await asyncio.sleep(0.5)
        return [address.text for address in await dialer.resolve()]

    assert asyncio.run(scene()) == ["127.0.0.3"]


def test_preflight_says_which_address_answers_and_which_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that is used, and a warning for each other."""
    name(monkeypatch, {"dual.test": [HOLE, "127.0.0.1", CLOSED]})
    monkeypatch.setattr("cli.preflight.network._OTHER_ADDRESS_SECONDS", 0.3)
    environ = {"MQTT_BROKER": "dual.test", "MQTT_TLS": "false", "MQTT_AUTH_METHOD": "NONE"}

    with running(EmbeddedBroker()) as broker, black_hole(HOLE, broker.port):
        code = app.main(["preflight"], {**environ, "MQTT_PORT": str(broker.port)})

    said = capsys.readouterr().out
    assert code == 0, said
    assert f"ok    DNS        dual.test is {HOLE}, 127.0.0.1, {CLOSED}\n" in said
    assert f"ok    TCP        127.0.0.1 port {broker.port} accepts connections\n" in said
    assert f"warn  TCP        {HOLE} port {broker.port}: no answer within 0.3 s\n" in said
    assert f"warn  TCP        {CLOSED} port {broker.port}: connection refused" in said


def test_verify_listens_at_the_address_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """paho alone would try one after the other, for five seconds each."""
    name(monkeypatch, {"dual.test": [HOLE, "127.0.0.1"]})

    with running(EmbeddedBroker()) as broker, black_hole(HOLE, broker.port):
        began = time.monotonic()
        with Subscriber(settings_for(broker.port, mqtt_broker="dual.test"), "factory/#"):
            assert time.monotonic() - began < 3
