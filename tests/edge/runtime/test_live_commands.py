"""Commands that are sent to a running daemon: executed at once, and executed again from its ground truth file."""

from __future__ import annotations

import json
import re
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from edge.http.api.commands import PATH
from messages import START
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, content, random_log
from tests.support.processes.acting import OF_MESSAGES, acting, in_journal
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

SECONDS, LIVE_SECONDS = 8, 3
HTTP, START_SECONDS = r"HTTP on (http://\S+):", 40.0


def http() -> list[str]:
    """Flags for a free port on loopback."""
    return ["--http-port", str(free_port()), "--http-host", "127.0.0.1"]


def client_of(daemon: DaemonProcess) -> httpx.Client:
    """A client of its port, which it opens soon after it says so."""
    return httpx.Client(base_url=daemon.says(HTTP, START_SECONDS).group(1), transport=httpx.HTTPTransport(retries=5))


def plant_file(directory: Path, name: str, rate: float | None = None) -> str:
    """Write one of the plants, which may send so many messages a second."""
    data = PLANTS[name]
    if rate:
        data = data | {"global": data.get("global", {}) | {"target_rate": rate}}
    path = directory / "plant.yaml"
    path.write_text(content(data))
    return str(path)


class Sent(NamedTuple):
    """Codes of answers to commands, the seconds that each took, and those of a probe beside each."""

    codes: list[int]
    seconds: list[float]
    probes: list[float]


def sent(client: httpx.Client, commands: list[dict[str, Any]]) -> Sent:
    """Send commands one after the other, and a probe before each."""
    found = Sent([], [], [])
    for command in commands:
        found.probes.append(seconds_of(partial(client.get, "/livez"))[1])
        answer, seconds = seconds_of(partial(client.post, PATH, json=command))
        found.codes.append(answer.status_code)
        found.seconds.append(seconds)
    return found


def seconds_of(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    """The answer to a call, and how long it took."""
    began = time.monotonic()
    return call(), time.monotonic() - began


def said_until(truth: Path) -> str:
    """For how long a plant was played that was ended by a signal, as its ground truth has it."""
    end = json.loads(truth.read_bytes().splitlines()[-1])["end"]
    return f"{datetime.fromisoformat(end).timestamp() - START:.3f}"


def random_commands(name: str, count: int) -> list[dict[str, Any]]:
    """Random commands for a plant that leave it its types and its rate; some are refused."""
    found = (dict(command) for _, command in random_log(3, 2 * count, SECONDS, PLANTS[name], reloads=0))
    return [command for command in found if command["command"] not in ("rate", "disable", "scale")][:count]


@pytest.mark.parametrize("name", ["faults", "flow"])
def test_a_live_run_with_commands_is_played_again_to_the_byte(name: str, tmp_path: Path) -> None:
    """A hundred of them while the plant sends a thousand messages a second; half of the answers come within 100 ms.

    On a busy machine they take as much longer as a few probes do, which nothing has to be executed for.
    """
    truth, again = tmp_path / "truth", tmp_path / "again"
    flags = ["--dry-run", "--seed", "1", "--message-config-path", plant_file(tmp_path, name, 1000)]
    flags += ["--start", "2026-01-01T00:00:00Z"]
    with DaemonProcess("run", *flags, "--speed", "1", "--truth", str(truth), *http()) as live:
        with client_of(live) as client:
            found = sent(client, random_commands(name, 100))
        wait_until(lambda: len(live.output) > 2000, 30, "two seconds of the plant")
        live.signal(signal.SIGTERM)
        assert live.wait(30) == 0, live.log
    fast = ["--duration", said_until(truth), "--speed", "max", "--http-port", "0", "--truth", str(again)]
    with DaemonProcess("run", *flags, *fast, "--commands", str(truth)) as replay:
        assert replay.wait(60) == 0, replay.log

    assert set(found.codes) <= {200, 422}
    assert found.codes.count(200) > 5
    assert statistics.median(found.seconds) < 0.1 + 4 * statistics.median(found.probes)
    assert live.output == replay.output
    assert lines(truth) == lines(again)


def published(*flags: str) -> list[tuple[str, bytes]]:
    """What a subscriber gets of a run that ends by itself."""
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=OF_MESSAGES) as recorder:
        with DaemonProcess("run", *flags, *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        return everything(recorder, daemon)


def everything(recorder: Recorder, ended: DaemonProcess) -> list[tuple[str, bytes]]:
    """What it gets of a run: as much as was sent."""
    count = int(re.findall(r"Messages Sent: (\d+)", ended.log)[-1])
    return [(record.topic, record.payload) for record in recorder.wait_for(count, 30.0)]


def test_what_rest_mqtt_and_reloads_do_to_a_run_is_played_again_to_the_byte(tmp_path: Path) -> None:
    """A hundred commands over HTTP and MQTT in turn, and three reloads, by PUT, POST and SIGHUP.

    From the ground truth and from the journal, a subscriber gets the same in the same order, and the truth is the same.
    """
    plant, truth, journal, again = (tmp_path / name for name in ("plant.yaml", "truth", "journal", "again"))
    data = PLANTS["faults"] | {"global": {"target_rate": 150}}
    plant.write_text(content(data))
    flags = ["--seed", "1", "--message-config-path", str(plant), "--start", "2026-01-01T00:00:00Z"]
    flags += ["--queue-size", "100000", "--reload-seconds", "3600"]
    live = [*flags, "--speed", "1", "--truth", str(truth), "--journal", str(journal), "--mqtt-commands", *http()]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=OF_MESSAGES) as recorder:
        with DaemonProcess("run", *live, *plain(broker)) as daemon:
            with acting(daemon, broker.port, plant) as actors:
                executed = actors.act(random_log(7, 100, SECONDS, data, reloads=3), LIVE_SECONDS)
            recorder.wait_for(500, 30.0)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(30) == 0, daemon.log
        heard = everything(recorder, daemon)
    plant.write_text(content(data))
    fast = [*flags, "--duration", said_until(truth), "--speed", "max", "--http-port", "0"]
    fast += ["--truth", str(again), "--commands"]
    of_truth, truth_again = published(*fast, str(truth)), lines(again)
    of_journal = published(*fast, str(journal))

    done = in_journal(journal)
    ways = Counter((way, command["command"] == "reload") for way, (_, command) in done)
    assert [way for way, (_, command) in done if command["command"] == "reload"] == ["http", "http", "SIGHUP"]
    assert [each for _, each in done if each[1]["command"] != "reload"] == executed
    assert min(ways["http", False], ways["mqtt", False]) > 10
    assert heard == of_truth
    assert heard == of_journal
    assert lines(truth) == truth_again == lines(again)


def lines(file: Path) -> list[bytes]:
    """The lines of a ground truth file; those of the same time may come in another order."""
    return sorted(file.read_bytes().splitlines())


def test_a_command_reaches_the_worker_that_has_the_machine(tmp_path: Path) -> None:
    """And all of them what is for all; a refusal of theirs is one answer."""
    flags = ["--workers", "2", "--seed", "1", "--message-config-path", plant_file(tmp_path, "faults")]
    with (
        running(EmbeddedBroker()) as broker,
        Recorder(broker.port) as recorder,
        DaemonProcess("run", *flags, *http(), *plain(broker)) as daemon,
        client_of(daemon) as client,
    ):

        def ask(command: str, **fields: object) -> httpx.Response:
            return client.post(PATH, json={"command": command, **fields})

        stops = [ask("stop", machine_id=f"PRESS-0{number}") for number in (1, 2, 3, 4)]
        wrong = ask("stop", machine_id="PRESS-99")
        scaled = ask("scale", message_type="press", count=6)
        wait_until(lambda: any(b'"PRESS-06"' in each.payload for each in [*recorder.records]), 20, "PRESS-06")
        wait_until(lambda: "stopped" in statuses(recorder, "PRESS-03"), 20, "PRESS-03 stops")
        answers = sent(client, random_commands("faults", 30)).codes

    assert [stop.json()["answer"] for stop in stops] == [
        {"machine_id": f"PRESS-0{number}", "state": "stopped"} for number in (1, 2, 3, 4)
    ]
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/machine_id")
    assert scaled.json()["answer"] == {"message_type": "press", "count": 6}
    assert set(answers) <= {200, 422}


def statuses(recorder: Recorder, machine_id: str) -> set[str]:
    """Those in the messages of a machine so far."""
    rows = [json.loads(record.payload) for record in [*recorder.records]]
    return {row["status"] for row in rows if row["machine_id"] == machine_id}
