"""What the OTEL_* variables turn on, and what is imported for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from edge.observability.tracing.configuration import TracingUnavailable, tracing_of
from edge.settings.loader import Settings
from tests.support.processes.daemon import ROOT
from tests.support.processes.ports import free_port

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
OFF: list[dict[str, str]] = [
    {},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
    {"OTEL_SERVICE_NAME": "line-7"},
    {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"},
    {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
]
PROGRAM = """
import sys, app
flags = ["run", "--dry-run", "--count", "3", "--speed", "max", *sys.argv[1:]]
code = max(app.main(flags, environ) for environ in {environs})
print(code, *(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))))
"""


def imported(environs: Sequence[Mapping[str, str]], *flags: str) -> list[str]:
    """The exit code of short runs, and the modules of tracing that are then loaded."""
    command = [sys.executable, "-c", PROGRAM.format(environs=[dict(each) for each in environs]), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("environ", OFF)
def test_it_is_off_unless_an_endpoint_is_set(environ: dict[str, str]) -> None:
    """And can be turned off where one is, whatever else is set."""
    assert tracing_of(environ, "0", lambda: 0.0) is None


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_it_is_on_with_an_endpoint(name: str) -> None:
    """Of all signals, or of traces alone."""
    tracing = tracing_of({name: "http://collector:4318"}, "0", lambda: 0.0)

    assert tracing is not None
    assert tracing.variable == name


def test_workers_trace_no_more_together_than_one_process() -> None:
    """Each has its part of TRACE_RATE."""
    settings = Settings.load({"WORKERS": "4", "TRACE_RATE": "2", "SEED": "1"}, pid=1)

    assert [part.trace_rate for part in settings.of_workers()] == [0.5] * 4


def test_nothing_is_imported_where_it_is_off() -> None:
    """Not a module of OpenTelemetry's."""
    assert imported(OFF) == ["0"]


def test_http_brings_no_sdk_along() -> None:
    """FastAPI imports OpenTelemetry's API by itself, and nothing that could export."""
    code, *names = imported([{}], "--http-port", str(free_port()))

    assert code == "0"
    assert {name for name in names if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))} == set()


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf, not 'grpc'"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: must be http/protobuf, not 'http/json'",
        ),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "OTEL_BSP_MAX_QUEUE_SIZE: must be a whole number above 0, not 0"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "-5"}, "OTEL_BSP_SCHEDULE_DELAY: must be a whole number above 0, not -5"),
        (
            {"OTEL_BSP_MAX_QUEUE_SIZE": "100"},
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must be at most OTEL_BSP_MAX_QUEUE_SIZE, which is 100, not 512",
        ),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be otlp or none, not 'zipkin'"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_the_variable(environ: dict[str, str], line: str) -> None:
    """At the start: otherwise nobody would miss the traces until they are needed."""
    with pytest.raises(TracingUnavailable) as raised:
        tracing_of({**ENDPOINT, **environ}, "0", lambda: 0.0)

    assert str(raised.value).startswith(line)
    assert str(raised.value).endswith("; OTEL_SDK_DISABLED=true turns tracing off")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_limit_that_the_sdk_refuses_ends_the_start_with_one_line(workers: str) -> None:
    """Before any worker is there, which would fail by itself."""
    environ = {**ENDPOINT, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many", "WORKERS": workers, "SEED": "1"}
    command = [sys.executable, "app.py", "run", "--duration", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)

    rule = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer but got many"
    assert (done.returncode, done.stderr) == (2, f"{rule}; OTEL_SDK_DISABLED=true turns tracing off\n")


def test_missing_packages_end_the_start_with_one_line() -> None:
    """It names the variable, the packages and the ways out."""
    lacking = ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"]
    program = (
        "import importlib.util as util; find, lacking = util.find_spec, ['']\n"
        "util.find_spec = lambda name: None if name == lacking[0] else find(name)\n"
        f"import app\nfor lacking[0] in {lacking!r}: print(app.main(['run', '--dry-run'], {ENDPOINT!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["2", "2"]
    assert done.stderr.splitlines() == [
        f"OTEL_EXPORTER_OTLP_ENDPOINT: tracing needs packages that are not installed here ({package}): "
        "`pip install -r requirements-otel.txt`; an image has them if it was built with --build-arg OTEL=true; "
        "OTEL_SDK_DISABLED=true turns tracing off"
        for package in ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
    ]


def test_a_package_around_it_may_be_missing_too() -> None:
    """Without `opentelemetry` at all, as without its SDK."""
    program = (
        "import sys\nsys.modules['opentelemetry'] = None\n"
        "from edge.observability.tracing.configuration import PACKAGES\nfrom edge.installed import why_lacking\n"
        "print(why_lacking(PACKAGES, 'it.txt'))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "opentelemetry-sdk, opentelemetry-exporter-otlp-proto-http" in done.stdout
