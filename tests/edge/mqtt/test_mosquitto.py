"""Facts with mosquitto, the independent broker: TLS and K8S-SAT end to end, and each way of not being let in."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from messages import START, FactoryMessageGenerator
from sandbox.credentials import Authority, write_atomically
from tests.conftest import StartMosquitto
from tests.support.brokers.checks import check, check_nothing_lost, identified
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.proxy import Proxy
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, busy_plant, secure, settings_for, until
from tests.support.brokers.scenes import refusal
from tests.support.brokers.subscriber import Record, Recorder
from tests.support.examples import THOROUGH
from tests.support.factory import plants

MESSAGES = 10_000 if THOROUGH else 2_000
WINDOW = 50
TIMES = 20
BETWEEN = 60
"""Messages from one fault to the next."""


class Pod:
    """A mosquitto with K8S-SAT over TLS, and the two files with which a pod gets in."""

    def __init__(self, mosquitto: Mosquitto, folder: Path) -> None:
        self.mosquitto, self.credentials = mosquitto, mosquitto.credentials
        self.ca_file, self.token_file = folder / "ca.crt", folder / "token"
        self.mend()

    def mend(self) -> None:
        """Put the right CA and a good token in the files."""
        self.trust(self.credentials.authority)
        self.log_in_with(self.credentials.token())

    def trust(self, authority: Authority) -> None:
        """Put another CA in the file."""
        write_atomically(self.ca_file, authority.ca_pem)

    def log_in_with(self, token: bytes) -> None:
        """Put another token in the file."""
        write_atomically(self.token_file, token)

    def rig(self, listener: str = "sat", **options: object) -> Rig:
        """A client of this pod."""
        return Rig(settings_for(self.mosquitto.ports[listener], **secure(self.ca_file, self.token_file, **options)))


@pytest.fixture
def pod(mosquitto: Mosquitto, tmp_path: Path) -> Pod:
    """A pod that gets in."""
    return Pod(mosquitto, tmp_path)


@in_loop
async def test_thousands_of_messages_arrive_as_the_ledger_has_them(pod: Pod) -> None:
    """A busy plant's rows of all seven kinds, handed over at once: each is there once, with topic, payload and
    properties as they were said."""
    said = FactoryMessageGenerator.of(busy_plant(), "thousands").advance(START + MESSAGES / 400)[:MESSAGES]
    with Recorder(pod.mosquitto.ports["plain"]) as recorder:
        async with pod.rig() as rig:
            rig.hand_over(said)
            await rig.finish()
        records = await asyncio.to_thread(recorder.wait_for, MESSAGES, 15.0)
    assert check(rig, records) == (MESSAGES, 0)
    check_nothing_lost(rig, records)
    assert {message.kind for message in said} == {*plants.COUNTED, "customer_order", "dispatch"}
    assert {(one.qos, one.retain, one.content_type, one.payload_format) for one in records} == {
        (1, False, "application/json", 1)
    }
    assert {one.expiry_seconds for one in records} <= set(range(3500, 3601))


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux lets a program acknowledge at once")
@in_loop
async def test_acknowledgements_that_the_broker_holds_back_are_asked_for(pod: Pod) -> None:
    """A hundred windows take no 40 ms each: mosquitto lets all but a window's first go when that is acknowledged."""
    async with pod.rig(mqtt_window=WINDOW) as rig:
        await rig.connected()
        times = [time.monotonic()]
        for number in range(100):
            rig.offer(*(f"CNC-{machine} {number}" for machine in range(WINDOW)))
        for number in range(1, 101):
            await until(lambda number=number: rig.ledger.acknowledged >= number * WINDOW, "a window")  # type: ignore[misc]
            times.append(time.monotonic())
        await rig.drained()
        # Held back, each of them would take that; on a busy machine some do.
        assert sorted(later - sooner for sooner, later in pairwise(times))[25] < 0.03
        assert rig.ledger.acknowledged == 100 * WINDOW


@in_loop
async def test_a_new_token_is_taken_on_the_live_connection(pod: Pod) -> None:
    """mosquitto answers AUTH 0x19 with success, and messages go on arriving over the one connection."""
    async with pod.rig() as rig:
        await rig.connected()
        for number in (1, 2):
            pod.log_in_with(pod.credentials.token())
            await rig.renewed(number)
            rig.offer(f"CNC-01 {number}")
        await rig.finish()
        assert (rig.ledger.acknowledged, rig.broker.facts().connects) == (2, 1)


@in_loop
async def test_a_bad_new_token_costs_the_connection_not_the_session(pod: Pod, hurried: None, lines: Lines) -> None:
    """mosquitto answers AUTH with a second CONNACK 0x87 and closes; with a good token the session goes on."""
    async with pod.rig() as rig:
        await rig.connected()
        pod.log_in_with(pod.credentials.token(audience="somebody-else"))
        await until(lambda: lines.count("the broker closed the connection: 0x87 Not authorized"), "closed")
        await until(lambda: lines.count("the broker refused the connection: 0x87 Not authorized"), "refused")
        pod.mend()
        await rig.connected(times=2)
        assert lines.count("session=kept") == 1


PASSING: dict[str, tuple[Callable[[Pod], object], str]] = {
    "expired": (
        lambda pod: pod.log_in_with(pod.credentials.token(lifetime_seconds=-10)),
        "its audience and the BrokerAuthentication); the token has expired; waiting for a new one",
    ),
    "missing token": (lambda pod: pod.token_file.unlink(), "token file {pod.token_file} is missing"),
    "empty token": (lambda pod: pod.log_in_with(b""), "token file {pod.token_file} is empty"),
    "wrong CA": (
        lambda pod: pod.trust(Authority("Another Root CA")),
        "certificate in certificate chain (see MQTT_CA_FILE)",
    ),
    "no CA": (
        lambda pod: write_atomically(pod.ca_file, b"?"),
        "CA file {pod.ca_file} contains no certificate in PEM form (see MQTT_CA_FILE)",
    ),
}
"""What may mend itself: how it comes about, and the words that tell it from all others."""


@pytest.mark.parametrize("case", PASSING)
@in_loop
async def test_what_may_mend_itself_is_tried_again(case: str, pod: Pod, hurried: None, lines: Lines) -> None:
    """Any number of attempts, each with a line that says what is wrong; as soon as it is right, we are in."""
    spoil, words = PASSING[case]
    spoil(pod)
    async with pod.rig() as rig:
        await until(lambda: lines.count(words.format(pod=pod)) >= 7, "seven attempts")
        pod.mend()
        await rig.connected()


@in_loop
async def test_a_wrong_host_name_is_told_from_a_wrong_ca(pod: Pod, hurried: None, lines: Lines) -> None:
    """A certificate of the right CA for another host: tried again, and the line names both host and option."""
    async with pod.rig(mqtt_tls_server_name="elsewhere.example"):
        words = "certificate is not valid for 'elsewhere.example' (see MQTT_TLS_SERVER_NAME)"
        await until(lambda: lines.count(words) >= 7, "seven attempts")


FINAL: dict[str, tuple[Callable[[Pod], Rig], int, int, str]] = {
    "wrong audience": (
        lambda pod: _with_token(pod, pod.credentials.token(audience="somebody-else")),
        0x87,
        5,
        " - the token's audience is somebody-else",
    ),
    "garbage": (
        lambda pod: _with_token(pod, b"garbage"),
        0x87,
        5,
        "contains no JWT with an audience (see SAT_TOKEN_PATH)",
    ),
    "wrong method": (lambda pod: pod.rig("plain", mqtt_tls=False, mqtt_ca_file=None), 0x8C, 0, "MQTT_AUTH_METHOD"),
    "no method": (lambda pod: pod.rig(mqtt_auth_method="NONE"), 0x87, 0, "requires a login (MQTT_AUTH_METHOD)"),
}
"""What will not mend itself: who comes, the code of the end, how often it is tried again before, and its words."""


def _with_token(pod: Pod, token: bytes) -> Rig:
    pod.log_in_with(token)
    return pod.rig()


@pytest.mark.parametrize("case", FINAL)
@in_loop
async def test_what_will_not_mend_itself_ends(case: str, pod: Pod, hurried: None, lines: Lines) -> None:
    """The daemon's end with exit code 3, at once or after five more tries with the same token."""
    come, code, tries, words = FINAL[case]
    async with come(pod) as rig:
        refused = await refusal(rig)
    assert (refused.code, refused.final) == (code, True)
    assert len(lines.waits) == tries
    assert words in "\n".join([*lines.said, str(refused)])


OLD: dict[str, object] = {"mqtt_version": "3.1.1", "mqtt_window": 5, "mqtt_keep_alive": 1}
KILLED: dict[str, tuple[str, dict[str, object]]] = {
    "MQTT 5": ("sat", {"mqtt_keep_alive": 1}),
    "MQTT 3.1.1": ("plain", OLD),
    "MQTT 3.1.1, sessions kept": ("plain", OLD | {"mqtt_session_expiry": 3600}),
}
"""Versions: by which listener, and with which options. MQTT 3.1.1 has no Receive Maximum, which limits the window."""


@pytest.mark.parametrize("version", KILLED)
def test_it_may_be_killed_20_times(
    version: str, start_mosquitto: StartMosquitto, tmp_path: Path, hurried: None
) -> None:
    """SIGKILL and restart with persistence, over TLS and K8S-SAT, with five messages in flight at most; resets and a
    stalled link between: nothing is lost, doubled without cause or out of order.

    Just before it is killed mosquitto saves, and the link is held still: what it acknowledges between its last save and
    SIGKILL is lost, which is its doing.
    """
    seldom = {"autosave_on_changes": "false", "autosave_interval": 1800}
    broker = start_mosquitto(persistence=True, options={"max_inflight_messages": 5, **seldom})
    token = tmp_path / "token"
    write_atomically(token, broker.credentials.token())
    listener, options = KILLED[version]
    if listener == "sat":
        options = secure(broker.credentials.ca_file, token, **options)
    with Recorder(broker.ports["plain"]) as recorder, Proxy(broker.ports[listener]) as proxy:
        rig, records = asyncio.run(_kill_reset_and_stall(broker, proxy, options, recorder))
    if "3.1.1" in version:
        records = identified(rig, records)
    outcome = check(rig, records, broker_repeats=True)
    check_nothing_lost(rig, records)
    assert outcome.arrived > TIMES * BETWEEN
    assert rig.notes.most_in_flight == 5


async def _kill_reset_and_stall(
    broker: Mosquitto, proxy: Proxy, options: Mapping[str, object], recorder: Recorder
) -> tuple[Rig, list[Record]]:
    async with Rig(settings_for(proxy.port, **options), busy_plant(0.08)) as rig:
        for number in range(TIMES):
            await _acknowledged(rig)
            proxy.stall()
            await asyncio.to_thread(broker.save)
            broker.kill()
            proxy.reset()
            proxy.restore()
            await asyncio.to_thread(broker.start)
            if number % 5 == 0:
                await _acknowledged(rig)
                proxy.reset()
        await _acknowledged(rig)
        proxy.stall()
        await until(lambda: not rig.broker.facts().connected, "given up")
        proxy.restore()
        await _acknowledged(rig)
        await rig.finish()
        await asyncio.to_thread(recorder.wait_for, len(rig.notes.said))
        payloads = {message.payload for message in rig.notes.said.values()}
        await until(lambda: {one.payload for one in recorder.records} >= payloads, "all arrived")
        return rig, recorder.records


async def _acknowledged(rig: Rig) -> None:
    """Wait until the broker has taken some more messages."""
    goal = rig.ledger.acknowledged + BETWEEN
    await until(lambda: rig.ledger.acknowledged >= goal, "more acknowledged")
