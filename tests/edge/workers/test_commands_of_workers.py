"""Commands in a plant of several workers: together they execute what one process executes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from edge.timestamps import rfc3339
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, content, played, random_log, read
from tests.support.processes.daemon import DaemonProcess, plain, running

SECONDS = 60


def test_workers_with_commands_say_what_one_process_says(tmp_path: Path) -> None:
    """Each of them executes all commands on its part of the plant."""
    plant, commands = tmp_path / "plant.yaml", tmp_path / "commands"
    plant.write_text(content(PLANTS["faults"]))
    log = random_log(5, 40, SECONDS, PLANTS["faults"], reloads=1)
    commands.write_text("".join(json.dumps({"at": rfc3339(at), **command}) + "\n" for at, command in log))
    expected = Counter(message.payload for message in played(read(PLANTS["faults"]), log, SECONDS).messages)
    flags = ["--workers", "2", "--message-config-path", str(plant), "--commands", str(commands), "--http-port", "0"]
    flags += ["--seed", "1", "--start", "2026-01-01T00:00:00Z", "--speed", "max", "--duration", str(SECONDS)]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *flags, *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        heard = Counter(record.payload for record in recorder.wait_for(expected.total()))

    assert heard == expected
    assert "command executed" in daemon.log
