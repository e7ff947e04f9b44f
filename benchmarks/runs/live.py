"""The simulator as its users run it, `app.py run` as a process, and what it says of itself."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from math import inf
from pathlib import Path

import orjson
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.case import SEED, plant_data
from messages import FactoryMessageGenerator
from plant.definition.plant_config import parse
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port

BEGIN = "2026-01-01T00:00:00Z"
"""START, for the command line."""
_ANSWER_SECONDS = 10.0
_LATENESS = "edgemqttsim_lateness_seconds"


def start(port: int, *flags: str, ca_file: str = "") -> DaemonProcess:
    """Start it against a broker, over TLS where a CA is given; its HTTP port is on, as it is by default."""
    broker = ("--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--mqtt-auth-method", "none")
    tls = ("--mqtt-ca-file", ca_file) if ca_file else ("--no-mqtt-tls",)
    return DaemonProcess("run", *broker, *tls, "--seed", SEED, *flags, environ={"HTTP_PORT": str(free_port())})


def plant_file(directory: Path, machines: int, rate: float) -> str:
    """Write the YAML of a plant that says so many rows a second; its path."""
    path = directory / "plant.yaml"
    path.write_text(yaml.safe_dump(plant_data(machines, rate)), "utf-8")
    return str(path)


def rows_due(machines: int, rate: float, begin: float, seconds: float) -> int:
    """How many rows such a plant says in a stretch of its time: it is arithmetic, so here it is played without any."""
    plant = FactoryMessageGenerator.of(parse(plant_data(machines, rate)), SEED, start=begin)
    steps = [begin + second for second in range(1, int(seconds) + 1)]
    return sum(len(plant.advance(until)) for until in (*steps, begin + seconds))


def began(url: str) -> float:
    """Plant time at the beginning of the run, in Unix seconds."""
    return datetime.fromisoformat(orjson.loads(_get(f"{url}/oee"))["start"]).timestamp()


def turns_by_lateness(url: str) -> dict[float, float]:
    """Its own histogram: how many turns of its run loop were late by so many seconds at most."""
    families = text_string_to_metric_families(_get(f"{url}/metrics").decode())
    samples = (sample for family in families if family.name == _LATENESS for sample in family.samples)
    return {float(sample.labels["le"]): sample.value for sample in samples if "le" in sample.labels}


def bound_of(share: float, turns: Mapping[float, float]) -> float:
    """The least bound of a histogram, in seconds, under which such a share of its turns lies."""
    return min((bound for bound, count in turns.items() if count >= share * max(turns.values())), default=inf)


def said_last(log: str, figure: str) -> float:
    """A number of the last statistics in its log, such as `Messages Sent`."""
    return float(re.findall(rf"{re.escape(figure)}:? (\d+)", log)[-1])


def finish(process: DaemonProcess, seconds: float) -> None:
    """Wait for its end; RuntimeError with what it said where that is not a good one."""
    code = process.wait(seconds)
    if code:
        raise RuntimeError(f"app.py run ended with {code}\n{process.log}")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own, on loopback
        body: bytes = answer.read()
    return body
