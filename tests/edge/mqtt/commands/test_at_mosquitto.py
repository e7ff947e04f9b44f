"""Commands over MQTT as their users have them: the program, mosquitto, and a controller on the broker."""

from __future__ import annotations

import json
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fuzz.campaign import random_for
from tests.conftest import StartMosquitto
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

STOP, START = {"command": "stop"}, {"command": "start"}


def flags(broker: Mosquitto, *more: str, client_id: str = "sim", commands: bool = True) -> list[str]:
    """The flags of a simulator at a broker's plain listener."""
    address = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(broker.ports["plain"]), "--no-mqtt-tls"]
    own = ["--mqtt-auth-method", "none", "--mqtt-client-id", client_id, "--http-port", str(free_port())]
    return ["run", *address, *own, *(["--mqtt-commands"] if commands else []), "--stats-interval", "0", *more]


@contextmanager
def simulators(*each: list[str]) -> Iterator[list[DaemonProcess]]:
    """Run simulators that have subscribed to commands."""
    with ExitStack() as running:
        daemons = [running.enter_context(DaemonProcess(*arguments)) for arguments in each]
        for daemon in daemons:
            daemon.says("subscribed to commands topics=factory/commands/\\+/\\+ qos=1")
        yield daemons


@pytest.fixture
def broker(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A mosquitto with a plain listener."""
    return start_mosquitto(listeners=("plain",))


def details(daemon: DaemonProcess) -> Any:
    """What /healthz says."""
    return httpx.get(f"{daemon.url()}/healthz").json()


def counts(daemon: DaemonProcess) -> dict[str, int]:
    """Commands over MQTT by outcome, without those that have not happened."""
    found: dict[str, int] = details(daemon)["connection"]["commands"]["counts"]
    return {outcome: count for outcome, count in found.items() if count}


def state(daemon: DaemonProcess, requester: Requester, machine: str, command: dict[str, object]) -> str:
    """Execute a command, and return the state of the machine by the answer."""
    answer: str = requester.ask(machine, command).content["answer"]["state"]
    assert daemon.process.poll() is None
    return answer


def test_a_machine_is_stopped_and_started_over_mqtt_and_its_messages_say_so(broker: Mosquitto) -> None:
    """The answer has the correlation data, at QoS 1; metrics and log have the command."""
    topics = Recorder(broker.ports["plain"], topics=["factory/cnc"])
    with topics as heard, simulators(flags(broker)) as (daemon,), Requester(broker.ports["plain"]) as hmi:
        stopped = hmi.ask("CNC-03", STOP)
        hmi.ask("-", {"command": "rate", "messages_per_second": 400})
        wait_until(lambda: "stopped" in states_of(heard, "CNC-03"), 10.0, "a message of the stopped machine")
        assert state(daemon, hmi, "CNC-03", dict(START)) != "stopped"
        page = httpx.get(f"{daemon.url()}/metrics").text
        answered = details(daemon)["connection"]["commands"]["answers"]
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0

    assert stopped.content["answer"] == {"machine_id": "CNC-03", "state": "stopped"}
    assert (stopped.qos, stopped.content_type) == (1, "application/json")
    assert 'edgemqttsim_commands_total{by="mqtt",outcome="executed"} 3.0' in page
    assert "edgemqttsim_commands_subscribed 1.0" in page
    assert answered == {"acknowledged": 3, "refused": 0, "dropped": 0}
    assert "command executed command=stop" in daemon.log


def states_of(recorder: Recorder, machine: str) -> set[str]:
    """The states that a machine has reported."""
    contents = [json.loads(record.payload) for record in list(recorder.records)]
    return {content["status"] for content in contents if content["machine_id"] == machine}


def test_an_answer_is_not_held_back_for_fuller_segments(start_mosquitto: StartMosquitto) -> None:
    """The kernel would keep it for 40 ms beside 400 messages a second, until the broker acknowledges those."""
    broker = start_mosquitto(listeners=("plain",), options={"set_tcp_nodelay": "true"})
    with simulators(flags(broker)) as (daemon,), Requester(broker.ports["plain"]) as hmi:
        hmi.ask("-", {"command": "rate", "messages_per_second": 400})
        took: list[float] = []
        for command in [STOP, START] * 15:
            began = time.monotonic()
            state(daemon, hmi, "CNC-03", dict(command))
            took.append(time.monotonic() - began)

    assert statistics.median(took) < 0.03


def test_with_workers_each_command_reaches_the_worker_that_has_the_machine(broker: Mosquitto) -> None:
    """The first worker subscribes alone; machines of all workers are stopped, and each command is answered once."""
    with (
        simulators(flags(broker, "--workers", "2", "--seed", "1")) as (daemon,),
        Requester(broker.ports["plain"]) as hmi,
    ):
        for machine in ("CNC-01", "CNC-02", "CNC-03", "3DP-02"):
            assert state(daemon, hmi, machine, dict(STOP)) == "stopped"
        hmi.ask("-", {"command": "scale", "message_type": "cnc_machine", "count": 9})
        refused = hmi.ask("CNC-02", {"command": "inject", "fault": "rust"})
        nowhere = hmi.ask("CNC-77", dict(STOP))
        assert state(daemon, hmi, "CNC-08", dict(STOP)) == "stopped"
        wait_until(lambda: counts(daemon).get("executed") == 6, 20.0, "the worker's report")
        page = httpx.get(f"{daemon.url()}/metrics").text

    assert refused.content["errors"][0]["pointer"] == "/fault"
    assert nowhere.content["status"] == 422
    assert counts_in(page) == {"executed": 6, "refused": 1, "unknown_machine": 1}
    assert daemon.log.count("subscribed to commands") == 1
    assert len(hmi.replies) == 8


def counts_in(page: str) -> dict[str, int]:
    """The counts of a page of metrics that are not 0."""
    lines = [line for line in page.splitlines() if line.startswith('edgemqttsim_commands_total{by="mqtt"')]
    found = {line.split('outcome="')[1].split('"')[0]: int(float(line.split()[-1])) for line in lines}
    return {outcome: count for outcome, count in found.items() if count}


def test_two_shards_beside_each_other_execute_what_concerns_them_and_answer_once(broker: Mosquitto) -> None:
    """A command for the plant is executed by both; the first answers, as for machines that exist nowhere."""
    both = [flags(broker, "--shard", f"{part}/2", "--seed", "1", client_id=f"sim-{part}") for part in (1, 2)]
    with simulators(*both) as (first, second), Requester(broker.ports["plain"]) as hmi:
        for machine in ("CNC-01", "CNC-02", "WELD-03", "WELD-04"):
            assert state(first, hmi, machine, dict(STOP)) == "stopped"
        hmi.ask("-", {"command": "scale", "message_type": "cnc_machine", "count": 8})
        assert hmi.ask("CNC-99", dict(STOP)).content["status"] == 422
        assert state(second, hmi, "CNC-08", dict(STOP)) == "stopped"
        wait_until(lambda: counts(second).get("executed") == 4, 20.0, "the second shard has executed its own")

        assert counts(first) == {"executed": 3, "unknown_machine": 1}
        assert counts(second) == {"executed": 4}
        assert len(hmi.replies) == 7
        for daemon in (first, second):
            assert "CNC-99" not in daemon.log or daemon is first


def test_a_retained_command_is_executed_neither_when_it_is_published_nor_at_the_next_start(broker: Mosquitto) -> None:
    """It is refused when it is published, and not sent to those who subscribe later."""
    with Requester(broker.ports["plain"]) as hmi:
        with simulators(flags(broker, client_id="a")) as (daemon,):
            refused = hmi.ask("CNC-03", dict(STOP), retain=True)
            assert counts(daemon) == {"retained": 1}
        with simulators(flags(broker, client_id="b")) as (daemon,):
            assert state(daemon, hmi, "CNC-01", dict(STOP)) == "stopped"
            assert counts(daemon) == {"executed": 1}

    assert "a retained command is ignored" in refused.content["detail"]


def test_where_the_acl_refuses_the_subscription_telemetry_goes_on_and_the_log_says_why(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """Reason code and likely cause, in the log and in /healthz; the simulator stays ready."""
    rules = tmp_path / "dynamic-security.json"
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules.write_text(json.dumps({"defaultACLAccess": access, "clients": [], "groups": [], "roles": []}))
    options = {"plugin": dynamic_security(), "plugin_opt_config_file": rules}
    broker = start_mosquitto(listeners=("plain",), options=options)
    with DaemonProcess(*flags(broker)) as daemon:
        daemon.says("no commands over MQTT: the broker refused the subscription to factory/commands/\\+/\\+: 0x87 Not")
        wait_until(lambda: details(daemon)["ledger"]["messages_sent"] > 5, 10.0, "telemetry")
        found = details(daemon)

        assert found["status"] == "ok"
        assert found["connection"]["connects"] == 1
        assert not found["connection"]["commands"]["subscribed"]
        assert "0x87 Not authorized (subscribing to these topics" in found["connection"]["commands"]["why_not"]
        assert "edgemqttsim_commands_subscribed 0.0" in httpx.get(f"{daemon.url()}/metrics").text


def dynamic_security() -> Path:
    """The plugin of mosquitto that refuses subscriptions; an acl_file only withholds their messages."""
    found = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
    return found or pytest.skip("needs mosquitto's plugin for dynamic security")


def test_a_command_sent_while_the_simulator_is_away_is_executed_once_after_its_return(broker: Mosquitto) -> None:
    """It was killed, and comes back with its client id; a command that has expired by then is not executed."""
    with Requester(broker.ports["plain"]) as hmi:
        with simulators(flags(broker)) as (daemon,):
            daemon.signal(signal.SIGKILL)
            daemon.wait()
        hmi.send("CNC-03", STOP, correlation=b"kept")
        hmi.send("CNC-01", STOP, correlation=b"expired", properties={"MessageExpiryInterval": 1})
        subprocess.run(["sleep", "2.5"], check=True)  # mosquitto counts whole seconds
        with simulators(flags(broker)) as (daemon,):
            daemon.says("session=kept")
            answer = hmi.answer_to(b"kept")
            assert state(daemon, hmi, "CNC-02", dict(STOP)) == "stopped"
            assert counts(daemon) == {"executed": 2}

    assert answer.content["answer"] == {"machine_id": "CNC-03", "state": "stopped"}
    assert [reply.correlation for reply in hmi.replies].count(b"kept") == 1
    assert not any(reply.correlation == b"expired" for reply in hmi.replies)


def test_off_nothing_is_subscribed_and_a_command_has_no_subscriber(broker: Mosquitto) -> None:
    """Nor does /healthz have a word about commands."""
    with DaemonProcess(*flags(broker, commands=False)) as daemon, Requester(broker.ports["plain"]) as hmi:
        daemon.says("connected to broker")
        wait_until(lambda: details(daemon)["ledger"]["messages_sent"] > 3, 10.0, "telemetry")
        hmi.send("CNC-03", STOP)

        assert "commands" not in details(daemon)["connection"]
        assert "command" not in daemon.log
    assert hmi.replies == []


MOST_RSS_GROWTH_KIB = 32 * 1024


def malformed(number: int) -> tuple[str, bytes, dict[str, object]]:
    """Return target, payload and properties of a command that must not be executed."""
    chance = random_for(1, number)
    payloads: list[bytes] = [
        chance.randbytes(chance.choice((1, 10, 1000, 30_000, 60_000))),
        b"",
        b"[" * chance.randrange(1, 60_000),
        b'{"command":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
        b'{"command":"stop","x":[' + b"[]," * 10_000 + b"[]]}",
        b'{"command":"set_point","signal":"x","value":1' + b"0" * chance.randrange(1, 30_000) + b"}",
        b'{"command":"stop"}'.decode().encode("utf-16"),
        b'\xef\xbb\xbf{"command":"stop"}',
        b'{"command":"stop","command":"' + b"e" * 1000 + b'"}',
        b'{"command":null}',
        b'{"command":"inject","fault":["a"],"severity":"high"}',
        b'{"command":"set_state","state":"' + b"s" * 30_000 + b'"}',
        b'{"command":"stop","machine_id":"CNC-04"}',
        b'{"command":"reload","content":"a: 1"}',
        b'"stop"',
        b"NaN",
    ]
    targets = ["CNC-03", "-", "CNC-99999999999999999999", "\u202e{}", "x" * 5000, "CNC-03"]
    responses: list[dict[str, object]] = [{}, {}, {"ResponseTopic": "factory/cnc"}, {"ResponseTopic": "$SYS/broker"}]
    return chance.choice(targets), payloads[number % len(payloads)], chance.choice(responses)


def test_five_hundred_malformed_commands_are_counted_and_answered_and_nothing_else_happens(
    broker: Mosquitto,
) -> None:
    """Telemetry goes on, the ledger balances, memory stays, no machine has changed, and no message is unaccounted."""
    with simulators(flags(broker, "--seed", "7")) as (daemon,), Requester(broker.ports["plain"]) as intruder:
        before = resident_kib(daemon)
        asked = 0
        for number in range(500):
            target, payload, properties = malformed(number)
            intruder.send(target, payload, correlation=str(number).encode(), properties=properties)
            asked += "ResponseTopic" not in properties
        sent_before = details(daemon)["ledger"]["messages_sent"]
        replies = intruder.wait_for(asked, 20.0)
        wait_until(lambda: details(daemon)["ledger"]["messages_sent"] > sent_before + 5, 10.0, "telemetry")
        found, grown = details(daemon), resident_kib(daemon) - before
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    outcomes, ledger = found["connection"]["commands"]["counts"], found["ledger"]

    assert sum(outcomes.values()) == 500
    assert (outcomes["executed"], outcomes["failed"], found["connection"]["connects"]) == (0, 0, 1)
    assert outcomes["response_topic"] == 500 - asked
    assert len(replies) == asked
    assert {reply.content["status"] for reply in replies} == {400, 413, 422}
    assert ledger["messages_failed"] == 0
    assert ledger["messages_generated"] == ledger["messages_sent"] + ledger["queue_depth"] + ledger["in_flight"]
    assert grown < MOST_RSS_GROWTH_KIB
    assert daemon.log.count("command over MQTT not executed") < 20


def resident_kib(daemon: DaemonProcess) -> int:
    """The memory of a process."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.skipif(not shutil.which("mosquitto_rr"), reason="needs mosquitto-clients")
def test_the_examples_of_the_page_work_with_the_mosquitto_clients(broker: Mosquitto) -> None:
    """Each mosquitto_rr of docs/commands.md gets the answer that stands below it, but for the time."""
    page = (Path(__file__).parents[4] / "docs" / "commands.md").read_text("utf-8")
    examples = [part.split("```") for part in page.split("```bash\n")[1:] if part.startswith("mosquitto_rr")]
    assert len(examples) >= 2
    with simulators(flags(broker)) as (daemon,):
        for shell, _, answer in (example[:3] for example in examples):
            at_broker = shell.replace("-p 1883", f"-p {broker.ports['plain']}")
            ran = subprocess.run(["bash", "-ec", at_broker], capture_output=True, text=True, check=True, timeout=20)
            got, said = json.loads(ran.stdout), json.loads(answer.removeprefix("text\n"))
            assert {**got, "at": ""} == {**said, "at": ""}
        assert counts(daemon)["executed"] >= 1
