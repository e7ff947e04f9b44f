"""Traces as a collector and a subscriber see them: from whoever acts on the plant to whoever gets the message."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from edge.http.api.commands import PATH
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Record, Recorder
from tests.support.processes.collector import Collector
from tests.support.processes.daemon import ROOT, DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

QUOTA_EXCEEDED: Final = 0x97  # MQTT 5, 3.2.2.2: it may be tried again
NONE: Final = "00-none-of-these"
"""A place in a trace that is none."""
TOKEN: Final = "s3cret-of-http"


class Caller:
    """Somebody whose trace goes through the simulator."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        state = {"traceparent": f"00-{self.trace}-{self.span}-{sampled:02d}", "tracestate": "congo=t61rcWkgMzE"}
        self.headers: Final[Mapping[str, str]] = state


def stop(number: int) -> dict[str, str]:
    """A command for one of the CNC machines; a test takes one that no other takes."""
    return {"command": "stop", "machine_id": f"CNC-{number:02d}"}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A running broker."""
    with running(EmbeddedBroker()) as broker:
        yield broker


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running receiver of traces."""
    with Collector() as collector:
        yield collector


def started(broker: EmbeddedBroker, environ: Mapping[str, str], *flags: str) -> DaemonProcess:
    """A simulator with an HTTP port, whose log is JSON."""
    address = ["--http-port", str(free_port()), "--http-host", "127.0.0.1", "--log-format", "json"]
    return DaemonProcess("run", *address, *plain(broker), *flags, environ=environ)


@dataclass(frozen=True)
class Traced:
    """A simulator that is traced, and those around it."""

    collector: Collector
    recorder: Recorder
    daemon: DaemonProcess
    client: httpx.Client
    hmi: Requester


@contextmanager
def traced(directory: Path, *flags: str) -> Iterator[Traced]:
    """A simulator of which nothing is traced unless somebody acts on it; the broker refuses its first connect."""
    (directory / "token").write_text(TOKEN)
    plant = quick_plant(directory)
    own = ["--trace-rate", "0", "--seed", "1", "--mqtt-commands", "--http-token-file", str(directory / "token")]
    with (
        running(EmbeddedBroker()) as broker,
        Collector() as collector,
        Recorder(broker.port) as recorder,
        Requester(broker.port) as hmi,
    ):
        broker.faults.refuse(QUOTA_EXCEEDED, times=1)
        environ = {**collector.environ, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s3cret-of-otlp"}
        with started(broker, environ, *own, *plant, *flags) as daemon:
            daemon.says("subscribed to commands")
            with client_of(daemon) as client:
                client.headers["Authorization"] = f"Bearer {TOKEN}"
                yield Traced(collector, recorder, daemon, client, hmi)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """One process."""
    with traced(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Several."""
    with traced(tmp_path_factory.mktemp("workers"), "--workers", "2", "--mqtt-client-id", "sim") as workers:
        yield workers


def quick_plant(directory: Path) -> list[str]:
    """Flags for the default plant with five times the messages: a machine has one a second."""
    content = (ROOT / "message_structure.yaml").read_text()
    assert "base_interval: 1.0" in content
    (directory / "quick.yaml").write_text(content.replace("base_interval: 1.0", "base_interval: 0.2"))
    return ["--message-config-path", str(directory / "quick.yaml")]


def client_of(daemon: DaemonProcess) -> httpx.Client:
    """A client of its HTTP port, which is open soon."""
    url = daemon.says(r"HTTP on (http://[\d.:]+): ").group(1)
    return httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5))


def entries(daemon: DaemonProcess, begin: str) -> list[dict[str, Any]]:
    """What it has logged that begins so."""
    found = (json.loads(line) for line in daemon.errors)
    return [entry for entry in found if entry["message"].startswith(begin)]


def carriers(records: list[Record]) -> list[dict[str, str]]:
    """The places in a trace that messages carry."""
    names = "traceparent", "tracestate"
    found = ({key: value for key, value in record.user_properties if key in names} for record in records)
    return [each for each in found if "traceparent" in each]


def continued(recorder: Recorder, trace_id: str, topic: str = "") -> dict[str, str]:
    """Wait for a message of a trace, on a topic if it is given; its place there."""

    def found() -> list[dict[str, str]]:
        records = [record for record in [*recorder.records] if topic in ("", record.topic)]
        return [each for each in carriers(records) if each["traceparent"].split("-")[1] == trace_id]

    wait_until(found, 15.0, f"a message of the trace {trace_id}")
    return found()[0]


def receive(carrier: dict[str, str], collector: Collector) -> None:
    """Do what a subscriber does that is traced too: continue the message's trace."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
    around = TraceContextTextMapPropagator().extract(carrier)
    provider.get_tracer("dashboard").start_span("process", around, SpanKind.CONSUMER).end()
    provider.shutdown()


def test_a_command_is_one_trace_from_its_caller_to_the_subscriber(simulator: Traced) -> None:
    """API call, command, message, and what a subscriber makes of it; each is part of the one before."""
    caller, collector = Caller(), simulator.collector
    assert simulator.client.post(PATH, json=stop(1), headers=caller.headers).status_code == 200
    carrier = continued(simulator.recorder, caller.trace)
    receive(carrier, collector)
    call = collector.find(f"POST {PATH}", trace_id=caller.trace)
    command = collector.find("command", parent=call.span_id)
    message = collector.find("publish", parent=command.span_id)
    subscriber = collector.find("process", trace_id=caller.trace)
    log = [entry for entry in entries(simulator.daemon, "command executed") if entry.get("trace_id") == caller.trace]

    assert (call.parent, call.kind, call.attributes["http.response.status_code"]) == (caller.span, "SERVER", 200)
    assert (message.kind, subscriber.parent) == ("PRODUCER", message.span_id)
    assert {call.trace_id, command.trace_id, message.trace_id, subscriber.trace_id} == {caller.trace}
    assert carrier["traceparent"] == f"00-{caller.trace}-{message.span_id}-01"
    assert carrier["tracestate"] == caller.headers["tracestate"]
    assert message.attributes["edgemqttsim.machine.id"] == command.attributes["edgemqttsim.machine.id"] == "CNC-01"
    assert message.attributes["messaging.destination.name"] == "factory/cnc"
    assert [entry["span_id"] for entry in log] == [command.span_id]


def test_a_trace_goes_through_the_worker_that_has_the_machine(workers: Traced) -> None:
    """Each process exports by itself, and says which one it is."""
    caller, collector = Caller(), workers.collector
    assert workers.client.post(PATH, json=stop(1), headers=caller.headers).status_code == 200
    continued(workers.recorder, caller.trace)
    command = collector.find("command", trace_id=caller.trace)
    message = collector.find("publish", trace_id=caller.trace)
    part = collector.find("execute", span_id=message.parent)
    collector.find("connect")
    log = [entry for entry in entries(workers.daemon, "command executed") if not entry.get("worker")]

    assert part.parent == command.span_id
    assert command.resource["service.instance.id"] == "sim"
    assert part.resource["service.instance.id"] == message.resource["service.instance.id"]
    assert message.resource["service.instance.id"] in {"sim-1", "sim-2"}
    assert caller.trace in {entry["trace_id"] for entry in log}


@pytest.fixture(scope="module", params=["simulator", "workers"])
def each(request: pytest.FixtureRequest) -> Traced:
    """One process or several."""
    found: Traced = request.getfixturevalue(request.param)
    return found


def test_a_command_over_mqtt_is_one_trace_from_its_sender_to_the_subscriber(each: Traced, workers: Traced) -> None:
    """The sender's user properties, command, message; and the answer says to which trace it belongs."""
    caller, collector = Caller(), each.collector
    about = {"UserProperty": [*caller.headers.items()]}
    answer = each.hmi.ask("CNC-03", {"command": "stop"}, properties=about)
    carrier = continued(each.recorder, caller.trace, "factory/cnc")
    message = collector.find("publish", trace_id=caller.trace)
    command = collector.find("command", parent=caller.span)
    part = collector.find("execute", span_id=message.parent) if each is workers else command
    refused = each.hmi.ask("CNC-99", {"command": "stop"}, properties=about)
    each.hmi.ask("CNC-04", {"command": "stop"}, properties={"UserProperty": [("traceparent", NONE)]})
    own = collector.find("command", parent="")
    continued(each.recorder, own.trace_id, "factory/cnc")

    assert answer.content["answer"]["state"] == "stopped"
    assert dict(answer.user_properties) == dict(refused.user_properties) == caller.headers
    assert (command.trace_id, part.trace_id, message.parent) == (caller.trace, caller.trace, part.span_id)
    assert each is not workers or part.parent == command.span_id
    assert command.attributes["edgemqttsim.by"] == "mqtt hmi"
    assert carrier["traceparent"] == f"00-{caller.trace}-{message.span_id}-01"
    assert carrier["tracestate"] == caller.headers["tracestate"]
    assert own.trace_id != caller.trace


def test_what_the_simulator_does_by_itself_begins_traces(
    broker: EmbeddedBroker, collector: Collector, tmp_path: Path
) -> None:
    """Connects, batches with a message each, and reloads."""
    plant = tmp_path / "plant.yaml"
    plant.write_bytes((ROOT / "message_structure.yaml").read_bytes())
    environ = {**collector.environ, "OTEL_SERVICE_NAME": "line-7"}
    with Recorder(broker.port) as recorder, started(broker, environ, "--message-config-path", str(plant)) as daemon:
        connect, batch = collector.find("connect"), collector.find("advance")
        message = collector.find("publish", parent=batch.span_id)
        continued(recorder, message.trace_id)
        plant.write_text("message_types: {no_such_type: {}}\n")
        reload = collector.find("reload")
        log = entries(daemon, "connected to broker")
        daemon.says("tracing is on variable=OTEL_EXPORTER_OTLP_ENDPOINT rate=1")

    assert (connect.parent, batch.parent, reload.parent) == ("", "", "")
    assert {span.resource["service.name"] for span in collector.spans} == {"line-7"}
    assert connect.attributes["server.port"] == broker.port
    assert (connect.attributes["edgemqttsim.connect.attempt"], connect.failed) == (1, False)
    assert batch.begin_ns <= message.begin_ns <= message.end_ns
    assert batch.attributes["edgemqttsim.batch.messages"] >= 1
    assert reload.failed
    assert reload.attributes["edgemqttsim.by"] == "changed"
    assert [entry["trace_id"] for entry in log] == [connect.trace_id]


def test_a_refused_connect_has_the_broker_s_reason_code(simulator: Traced) -> None:
    """And fails."""
    connect = simulator.collector.find("connect", failed=True)
    simulator.daemon.says("the broker refused the connection")

    assert connect.attributes["edgemqttsim.connect.reason_code"] == QUOTA_EXCEEDED


def test_few_messages_are_traced_however_many_there_are(
    broker: EmbeddedBroker, collector: Collector, tmp_path: Path
) -> None:
    """TRACE_RATE of them a second, each at least half of that time after the one before; the others are as ever."""
    flags = ["--duration", "4", "--trace-rate", "4", "--seed", "1", *quick_plant(tmp_path)]
    environ = {**collector.environ, "OTEL_TRACES_SAMPLER": "always_on"}
    with Recorder(broker.port) as recorder, started(broker, environ, *flags) as daemon:
        assert daemon.wait(30) == 0, daemon.log
        sent = int(entries(daemon, "statistics")[-1]["messages_sent"])
        traced = carriers(recorder.wait_for(sent))
    begins = sorted(span.begin_ns for span in collector.spans if span.name.startswith("publish"))

    assert len(traced) == len(begins) >= 4
    assert len(traced) <= 1 + (begins[-1] - begins[0]) / 1e9 * 4 * 1.2, "their times vary by their place in the period"
    assert len(traced) < sent / 3


def test_what_the_sampler_leaves_out_leaves_no_trace(
    broker: EmbeddedBroker, collector: Collector, tmp_path: Path
) -> None:
    """The message after a command carries nothing."""
    environ = {**collector.environ, "OTEL_TRACES_SAMPLER": "always_off"}
    with Recorder(broker.port) as recorder, started(broker, environ, *quick_plant(tmp_path)) as daemon:
        with client_of(daemon) as client:
            assert client.post(PATH, json=stop(3)).status_code == 200
        wait_until(lambda: said_by("CNC-03", recorder)[1:], 15.0, "its messages")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0, daemon.log

    assert carriers(recorder.records) == []
    assert collector.spans == []


def test_what_the_caller_does_not_sample_leaves_no_trace(simulator: Traced) -> None:
    """No more than what is left out by the sampler; what comes after it is traced again."""
    caller, next_one, collector = Caller(sampled=False), Caller(), simulator.collector
    before = len(said_by("CNC-02", simulator.recorder))
    assert simulator.client.post(PATH, json=stop(2), headers=caller.headers).status_code == 200
    wait_until(lambda: said_by("CNC-02", simulator.recorder)[before + 1 :], 15.0, "its messages")
    simulator.client.get("/openapi.json", headers=next_one.headers)
    collector.find("GET", trace_id=next_one.trace)

    assert carriers(said_by("CNC-02", simulator.recorder)) == []
    assert [span for span in collector.spans if span.trace_id == caller.trace] == []
    assert [span for span in collector.spans if span.attributes.get("edgemqttsim.machine.id") == "CNC-02"] == []


def said_by(machine_id: str, recorder: Recorder) -> list[Record]:
    """The messages of a machine so far."""
    return [each for each in [*recorder.records] if machine_id.encode() in each.payload]


def test_no_secret_is_in_a_span(simulator: Traced) -> None:
    """Neither tokens of callers, nor queries, nor passwords, nor what is in the configuration of the export."""
    posts, gets, client = [Caller(), Caller()], Caller(), simulator.client
    for caller, bearer in zip(posts, (TOKEN, "s3cret-that-is-wrong"), strict=True):
        headers = {**caller.headers, "Authorization": f"Bearer {bearer}"}
        client.post(f"{PATH}?key=s3cret-in-query", json=stop(5), headers=headers)
    client.get("/nowhere", headers={**gets.headers, "User-Agent": "Bearer s3cret-of-agent"})
    for caller in posts:
        simulator.collector.find("POST", trace_id=caller.trace)
    simulator.collector.find("GET", trace_id=gets.trace)

    assert b"s3cret" not in simulator.collector.content
    assert simulator.collector.headers["x-key"] == "s3cret-of-otlp"


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/healthz"])
def test_probes_and_scrapes_are_not_traced(simulator: Traced, path: str) -> None:
    """They come every few seconds."""
    caller = Caller()
    for each in (path, "/openapi.json"):
        simulator.client.get(each, headers=caller.headers)
    simulator.collector.find("GET", trace_id=caller.trace)

    spans = [span for span in simulator.collector.spans if span.trace_id == caller.trace]
    assert [span.attributes["url.path"] for span in spans] == ["/openapi.json"]
