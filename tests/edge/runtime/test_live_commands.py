"""Commands that are sent to a running daemon: executed at once, and executed again from its ground truth file."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.http.api.commands import PATH
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, content, random_log
from tests.support.processes.acting import OF_MESSAGES, acting, in_journal
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

SECONDS, LIVE_SECONDS = 8, 6
HTTP = r"HTTP on (http://\S+):"


def http() -> list[str]:
    """Flags for a free port on loopback."""
    return ["--http-port", str(free_port()), "--http-host", "127.0.0.1"]


def client_of(daemon: DaemonProcess) -> httpx.Client:
    """A client of its port, which it opens soon after it says so."""
    return httpx.Client(base_url=daemon.says(HTTP).group(1), transport=httpx.HTTPTransport(retries=5))


def plant_file(directory: Path, name: str, rate: float | None = None) -> str:
    """Write one of the plants, which may send so many messages a second."""
    data = PLANTS[name]
    if rate:
        data = data | {"global": data.get("global", {}) | {"target_rate": rate}}
    path = directory / "plant.yaml"
    path.write_text(content(data))
    return str(path)


def sent(client: httpx.Client, commands: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    """Send commands one after the other; the codes of the answers, and the seconds that each took."""
    codes, times = [], []
    for command in commands:
        began = time.monotonic()
        codes.append(client.post(PATH, json=command).status_code)
        times.append(time.monotonic() - began)
    return codes, times


def random_commands(name: str, count: int) -> list[dict[str, Any]]:
    """Random commands for a plant that leave it its types and its rate; some are refused."""
    found = (dict(command) for _, command in random_log(3, 2 * count, SECONDS, PLANTS[name], reloads=0))
    return [command for command in found if command["command"] not in ("rate", "disable", "scale")][:count]


@pytest.mark.parametrize("name", ["faults", "flow"])
def test_a_live_run_with_commands_is_played_again_to_the_byte(name: str, tmp_path: Path) -> None:
    """A hundred of them while the plant sends a thousand messages a second; half of the answers come within 100 ms."""
    truth, again = tmp_path / "truth", tmp_path / "again"
    flags = ["--dry-run", "--seed", "1", "--message-config-path", plant_file(tmp_path, name, 1000)]
    flags += ["--start", "2026-01-01T00:00:00Z", "--duration", str(SECONDS)]
    with DaemonProcess("run", *flags, "--speed", "1", "--truth", str(truth), *http()) as live:
        with client_of(live) as client:
            codes, times = sent(client, random_commands(name, 100))
        assert live.wait(30) == 0, live.log
    fast = ["--speed", "max", "--http-port", "0", "--truth", str(again), "--commands", str(truth)]
    with DaemonProcess("run", *flags, *fast) as replay:
        assert replay.wait(60) == 0, replay.log

    assert set(codes) <= {200, 422}
    assert codes.count(200) > 5
    assert statistics.median(times) < 0.1
    assert len(live.output) > 2000
    assert live.output == replay.output
    assert lines(truth) == lines(again)


def published(*flags: str) -> list[tuple[str, bytes]]:
    """What a subscriber gets of a run that ends by itself."""
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=OF_MESSAGES) as recorder:
        with DaemonProcess("run", *flags, *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        return everything(recorder)


def everything(recorder: Recorder) -> list[tuple[str, bytes]]:
    """What it gets until nothing comes any more."""
    wait_until(lambda: recorder.quiet_seconds() > 0.5, 10.0, "the last message")
    return [(record.topic, record.payload) for record in recorder.records]


def test_what_rest_mqtt_and_reloads_do_to_a_run_is_played_again_to_the_byte(tmp_path: Path) -> None:
    """A hundred commands over HTTP and MQTT in turn, and three reloads, by PUT, POST and SIGHUP.

    From the ground truth and from the journal, a subscriber gets the same in the same order, and the truth is the same.
    """
    plant, truth, journal, again = (tmp_path / name for name in ("plant.yaml", "truth", "journal", "again"))
    data = PLANTS["faults"] | {"global": {"target_rate": 300}}
    plant.write_text(content(data))
    flags = ["--seed", "1", "--message-config-path", str(plant), "--start", "2026-01-01T00:00:00Z"]
    flags += ["--duration", str(LIVE_SECONDS), "--queue-size", "100000", "--reload-seconds", "3600"]
    live = [*flags, "--speed", "1", "--truth", str(truth), "--journal", str(journal), "--mqtt-commands", *http()]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=OF_MESSAGES) as recorder:
        with DaemonProcess("run", *live, *plain(broker)) as daemon:
            with acting(daemon, broker.port, plant) as actors:
                executed = actors.act(random_log(7, 100, SECONDS, data, reloads=3), LIVE_SECONDS - 2)
            assert daemon.wait(30) == 0, daemon.log
        heard = everything(recorder)
    plant.write_text(content(data))
    fast = [*flags, "--speed", "max", "--http-port", "0", "--truth", str(again), "--commands"]
    of_truth, truth_again = published(*fast, str(truth)), lines(again)
    of_journal = published(*fast, str(journal))

    done = in_journal(journal)
    ways = Counter((way, command["command"] == "reload") for way, (_, command) in done)
    assert [way for way, (_, command) in done if command["command"] == "reload"] == ["http", "http", "SIGHUP"]
    assert [each for _, each in done if each[1]["command"] != "reload"] == executed
    assert min(ways["http", False], ways["mqtt", False]) > 10
    assert len(heard) > 1000
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
        wait_until(lambda: any(b'"PRESS-06"' in each.payload for each in recorder.records), 20, "PRESS-06")
        heard = [json.loads(record.payload) for record in recorder.records]
        answers, _ = sent(client, random_commands("faults", 30))

    assert [stop.json()["answer"] for stop in stops] == [
        {"machine_id": f"PRESS-0{number}", "state": "stopped"} for number in (1, 2, 3, 4)
    ]
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/machine_id")
    assert scaled.json()["answer"] == {"message_type": "press", "count": 6}
    assert set(answers) <= {200, 422}
    assert "stopped" in {row["status"] for row in heard if row["machine_id"] == "PRESS-03"}
