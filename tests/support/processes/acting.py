"""Whoever acts on a simulator that runs: over HTTP and MQTT in turn, by signal, and by its plant's file."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.brokers.requester import Requester
from tests.support.factory.acted_on import Timed
from tests.support.processes.daemon import DaemonProcess

OF_MESSAGES = ["factory/+", "factory/+/+"]
"""Topics of messages: commands have a level more, and answers go elsewhere."""

_ABOUT = {"at", "by"}


class Actors:
    """Give commands and other configurations, one after the other, each by another way than the one before."""

    def __init__(self, daemon: DaemonProcess, client: httpx.Client, hmi: Requester, plant: Path) -> None:
        self._daemon, self._client, self._hmi, self._plant = daemon, client, hmi, plant
        self._commands, self._reloads = [self._by_http, self._by_mqtt], [self._put, self._post, self._hang_up]

    def act(self, log: Sequence[Timed], seconds: float) -> list[Timed]:
        """Do what is in a log, over so many seconds; the commands that were executed, each with its plant time."""
        began, executed = time.monotonic(), list[Timed]()
        for number, (_, command) in enumerate(log):
            time.sleep(max(0.0, began + seconds * number / len(log) - time.monotonic()))
            if command["command"] == "reload":
                self._reloads.pop(0)(command["content"])
            elif (at := self._in_turn(command)) is not None:
                executed.append((in_ms(at), command))
        return executed

    def _in_turn(self, command: Mapping[str, Any]) -> str | None:
        self._commands.reverse()
        at: str | None = self._commands[0](command).get("at")
        return at

    def _by_http(self, command: Mapping[str, Any]) -> Any:
        return self._client.post("/api/v1/commands", json=command).json()

    def _by_mqtt(self, command: Mapping[str, Any]) -> Any:
        said = {key: value for key, value in command.items() if key != "machine_id"}
        return self._hmi.ask(command.get("machine_id", "-"), said).content

    def _put(self, content: str) -> None:
        assert self._client.put("/api/v1/plant", content=content).status_code == 200

    def _post(self, content: str) -> None:
        self._plant.write_text(content)
        assert self._client.post("/-/reload").status_code == 200

    def _hang_up(self, content: str) -> None:
        self._plant.write_text(content)
        self._daemon.signal(signal.SIGHUP)
        self._daemon.says("reloaded configuration .*cause=SIGHUP")


@contextmanager
def acting(daemon: DaemonProcess, port: int, plant: Path) -> Iterator[Actors]:
    """Actors at a simulator that takes commands over HTTP, and from the broker at a port."""
    daemon.says("subscribed to commands")
    transport = httpx.HTTPTransport(retries=5)
    with httpx.Client(base_url=daemon.url(), transport=transport) as client, Requester(port) as hmi:
        yield Actors(daemon, client, hmi, plant)


def in_ms(at: str) -> int:
    """A time in milliseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def in_journal(journal: Path) -> list[tuple[str, Timed]]:
    """The commands in a journal: by which way each came, and it with its plant time."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [
        (line["by"].split()[0], (in_ms(line["at"]), {key: line[key] for key in line if key not in _ABOUT}))
        for line in lines
        if line.get("type") != "run"
    ]
