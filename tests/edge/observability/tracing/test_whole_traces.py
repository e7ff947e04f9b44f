"""Traces as a collector and a subscriber see them: from whoever acts on the plant to whoever gets the message."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "congo=t61rcWkgMzE"}
STOP = {"command": "stop", "machine_id": "CNC-03"}


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


def test_a_command_is_one_trace_from_its_caller_to_the_subscriber(broker: EmbeddedBroker, collector: Collector) -> None:
    """API call, command, message, and what a subscriber makes of it; each is part of the one before."""
    with Recorder(broker.port) as recorder, started(broker, collector.environ) as daemon:
        with client_of(daemon) as client:
            assert client.post(PATH, json=STOP, headers=HEADERS).status_code == 200
        carrier = continued(recorder, TRACE)
        receive(carrier, collector)
        call = collector.find(f"POST {PATH}")
        command = collector.find("command", parent=call.span_id)
        message = collector.find("publish", parent=command.span_id)
        subscriber = collector.find("process")
        log = entries(daemon, "command executed")

    assert (call.parent, call.kind, call.attributes["http.response.status_code"]) == (CALLER, "SERVER", 200)
    assert (message.kind, subscriber.parent) == ("PRODUCER", message.span_id)
    assert {call.trace_id, command.trace_id, message.trace_id, subscriber.trace_id} == {TRACE}
    assert carrier["traceparent"] == f"00-{TRACE}-{message.span_id}-01"
    assert carrier["tracestate"] == HEADERS["tracestate"]
    assert message.attributes["edgemqttsim.machine.id"] == command.attributes["edgemqttsim.machine.id"] == "CNC-03"
    assert message.attributes["messaging.destination.name"] == "factory/cnc"
    assert [(entry["trace_id"], entry["span_id"]) for entry in log] == [(TRACE, command.span_id)]


def test_a_trace_goes_through_the_worker_that_has_the_machine(broker: EmbeddedBroker, collector: Collector) -> None:
    """Each process exports by itself, and says which one it is."""
    flags = ["--workers", "2", "--seed", "1", "--mqtt-client-id", "sim"]
    with Recorder(broker.port) as recorder, started(broker, collector.environ, *flags) as daemon:
        with client_of(daemon) as client:
            assert client.post(PATH, json=STOP, headers=HEADERS).status_code == 200
        continued(recorder, TRACE)
        command = collector.find("command", trace_id=TRACE)
        message = collector.find("publish", trace_id=TRACE)
        part = collector.find("execute", span_id=message.parent)
        collector.find("connect")
        log = [entry for entry in entries(daemon, "command executed") if not entry.get("worker")]

    assert part.parent == command.span_id
    assert command.resource["service.instance.id"] == "sim"
    assert part.resource["service.instance.id"] == message.resource["service.instance.id"]
    assert message.resource["service.instance.id"] in {"sim-1", "sim-2"}
    assert {entry["trace_id"] for entry in log} == {TRACE}


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_a_command_over_mqtt_is_one_trace_from_its_sender_to_the_subscriber(
    broker: EmbeddedBroker, collector: Collector, flags: list[str]
) -> None:
    """The sender's user properties, command, message; and the answer says to which trace it belongs."""
    commands = ["--mqtt-commands", "--seed", "1", *flags]
    with (
        Recorder(broker.port) as recorder,
        started(broker, collector.environ, *commands) as daemon,
        Requester(broker.port) as hmi,
    ):
        daemon.says("subscribed to commands")
        stop = {"command": "stop"}
        answer = hmi.ask("CNC-03", stop, properties={"UserProperty": [*HEADERS.items()]})
        carrier = continued(recorder, TRACE, "factory/cnc")
        message = collector.find("publish", trace_id=TRACE)
        command = collector.find("command", parent=CALLER)
        part = collector.find("execute", span_id=message.parent) if flags else command
        refused = hmi.ask("CNC-99", stop, properties={"UserProperty": [*HEADERS.items()]})
        hmi.ask("CNC-01", stop, properties={"UserProperty": [("traceparent", "00-none-of-these")]})
        own = collector.find("command", parent="")
        continued(recorder, own.trace_id, "factory/cnc")

    assert answer.content["answer"]["state"] == "stopped"
    assert dict(answer.user_properties) == dict(refused.user_properties) == HEADERS
    assert (command.trace_id, part.trace_id, message.parent) == (TRACE, TRACE, part.span_id)
    assert not flags or part.parent == command.span_id
    assert command.attributes["edgemqttsim.by"] == "mqtt hmi"
    assert carrier == {"traceparent": f"00-{TRACE}-{message.span_id}-01", "tracestate": HEADERS["tracestate"]}
    assert own.trace_id != TRACE


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


def test_a_refused_connect_has_the_broker_s_reason_code(collector: Collector, broker: EmbeddedBroker) -> None:
    """And fails."""
    broker.faults.refuse(0x86, times=1)
    with started(broker, collector.environ) as daemon:
        connect = collector.find("connect")
        daemon.says("the broker refused the connection")

    assert connect.failed
    assert connect.attributes["edgemqttsim.connect.reason_code"] == 0x86


def test_few_messages_are_traced_however_many_there_are(broker: EmbeddedBroker, collector: Collector) -> None:
    """TRACE_RATE of them a second; the others are the bytes that they were."""
    flags = ["--duration", "6", "--trace-rate", "2", "--seed", "1"]
    environ = {**collector.environ, "OTEL_TRACES_SAMPLER": "always_on"}
    with Recorder(broker.port) as recorder, started(broker, environ, *flags) as daemon:
        assert daemon.wait(30) == 0, daemon.log
        records = recorder.wait_for(20)
    traced = carriers(records)

    assert 6 <= len(traced) <= 14
    assert len(traced) == len([span for span in collector.spans if span.name.startswith("publish")])
    assert len(traced) < len(records)


@pytest.mark.parametrize(
    ("environ", "headers"),
    [
        ({"OTEL_TRACES_SAMPLER": "always_off"}, {}),
        ({}, {"traceparent": f"00-{TRACE}-{CALLER}-00"}),
    ],
    ids=["sampler", "caller"],
)
def test_what_is_not_sampled_leaves_no_trace(
    broker: EmbeddedBroker, collector: Collector, environ: dict[str, str], headers: dict[str, str]
) -> None:
    """Whether a sampler decides it or the caller, the message after a command carries nothing."""
    every = {**collector.environ, **environ}
    with Recorder(broker.port) as recorder, started(broker, every, "--trace-rate", "0") as daemon:
        with client_of(daemon) as client:
            assert client.post(PATH, json=STOP, headers=headers).status_code == 200
        wait_until(lambda: sum(b"CNC-03" in each.payload for each in [*recorder.records]) > 1, 15.0, "its messages")
        seen = [span.name for span in collector.spans]

    assert carriers(recorder.records) == []
    assert [name for name in seen if name != "connect"] == []


def test_no_secret_is_in_a_span(broker: EmbeddedBroker, collector: Collector, tmp_path: Path) -> None:
    """Neither tokens of callers, nor queries, nor passwords, nor what is in the configuration of the export."""
    token = tmp_path / "token"
    token.write_text("s3cret-of-http")
    environ = {**collector.environ, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s3cret-of-otlp"}
    with started(broker, environ, "--http-token-file", str(token)) as daemon:
        with client_of(daemon) as client:
            for bearer in ("s3cret-of-http", "s3cret-that-is-wrong"):
                client.post(f"{PATH}?key=s3cret-in-query", json=STOP, headers={"Authorization": f"Bearer {bearer}"})
            client.get("/nowhere", headers={"User-Agent": "Bearer s3cret-of-agent"})
        collector.find("POST")
        collector.find("GET")

    assert b"s3cret" not in collector.content
    assert collector.headers["x-key"] == "s3cret-of-otlp"


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/healthz"])
def test_probes_and_scrapes_are_not_traced(broker: EmbeddedBroker, collector: Collector, path: str) -> None:
    """They come every few seconds."""
    with started(broker, collector.environ) as daemon, client_of(daemon) as client:
        client.get(path)
        client.get("/openapi.json")
        collector.find("GET")

    assert [span.attributes["url.path"] for span in collector.spans if span.kind == "SERVER"] == ["/openapi.json"]


def silent_endpoint() -> socket.socket:
    """A port that accepts connections and never answers."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_collector_that_is_away_costs_one_line(broker: EmbeddedBroker) -> None:
    """Every message is delivered in time, and the end waits two seconds at most."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:s3cret@127.0.0.1:{free_port()}"}
    environ |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with Recorder(broker.port), started(broker, environ, "--duration", "5", "--trace-rate", "100") as daemon:
        assert daemon.wait(30) == 0, daemon.log
        lines = [json.loads(line) for line in daemon.errors]
    warnings = [line for line in lines if line["level"] not in ("info", "debug")]

    assert [line["logger"] for line in warnings] == ["tracing"]
    assert re.match(
        r"spans cannot be exported endpoint=http://127\.0\.0\.1:\d+/v1/traces lost=", warnings[0]["message"]
    )
    assert "s3cret" not in daemon.log


@pytest.mark.parametrize(
    "headers", ["authorization=Bearer%0Azq7hidden7secret", "Authorization zq7hidden7secret", "a=zq7hidden7secret%0Ab"]
)
def test_no_secret_is_in_the_log_where_it_cannot_be_sent(broker: EmbeddedBroker, headers: str) -> None:
    """The SDK, and the library that it sends by, quote a header that is none."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_HEADERS": headers}
    environ |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with started(broker, environ, "--duration", "3", "--trace-rate", "100") as daemon:
        assert daemon.wait(30) == 0, daemon.log

    assert "spans cannot be exported" in daemon.log or "Header format invalid" in daemon.log
    assert "hidden7secret" not in daemon.log


def test_a_collector_that_never_answers_does_not_hold_up_the_end(broker: EmbeddedBroker) -> None:
    """Two seconds at most."""
    with silent_endpoint() as silent:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with started(broker, environ, "--duration", "2") as daemon:
            daemon.says('"logger":"statistics"')
            ended = time.monotonic()
            assert daemon.wait(30) == 0, daemon.log

    assert 1.5 < time.monotonic() - ended < 4.0
