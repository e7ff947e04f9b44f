"""The page of a real process, with workers and without: what it shows is the plant's, and it changes nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from edge.http.connection_limits import Limits
from sandbox.broker import EmbeddedBroker
from tests.edge.page.watching import Viewer
from tests.edge.runtime.test_live_commands import client_of, http, plant_file
from tests.support.factory.acted_on import PLANTS, content
from tests.support.processes.daemon import ROOT, DaemonProcess, plain, running

API = "/api/v1"
RATE = 200


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "workers"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a daemon whose plant has everything."""
    plant = plant_file(tmp_path_factory.mktemp("plant"), "faults", RATE)
    flags = ["--workers", str(request.param), "--message-config-path", plant, "--seed", "1", *http()]
    with (
        running(EmbeddedBroker()) as broker,
        DaemonProcess("run", *flags, *plain(broker)) as daemon,
        client_of(daemon) as client,
    ):
        daemon.says("connected")
        yield client


def watching(client: httpx.Client, query: str = "") -> Viewer:
    """A viewer of the same port."""
    assert client.base_url.port
    return Viewer(client.base_url.port, query)


def did(client: httpx.Client, **command: Any) -> None:
    """Have a command executed."""
    answer = client.post(f"{API}/commands", json=command)
    assert answer.status_code == 200, answer.text


def overview(client: httpx.Client) -> dict[str, Any]:
    """As it is now."""
    found: dict[str, Any] = client.get(f"{API}/overview").json()
    return found


def test_the_overview_has_the_form_that_openapi_says(client: httpx.Client) -> None:
    """In the snapshot of the stream as well."""
    forms = client.get("/openapi.json").json()["components"]
    form = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/Overview", "components": forms})
    with watching(client) as viewer:
        snapshot = viewer.first("snapshot")
    form.validate(overview(client))
    form.validate(snapshot["overview"])

    assert snapshot["history"]["step_seconds"] == 5


def test_the_overview_is_what_the_other_calls_say(client: httpx.Client) -> None:
    """Of machines, states, rate and ledger; and the ledger balances."""
    did(client, command="stop", machine_id="PRESS-02")
    found, machines = overview(client), client.get(f"{API}/machines").json()["machines"]
    ledger, press = found["ledger"], found["types"]["press"]

    assert [row[0] for row in found["tiles"]] == [each["machine_id"] for each in machines]
    assert ["PRESS-02", "press", "stopped"] in [row[:3] for row in found["tiles"]]
    assert (found["machines"], press["machines"], sum(press["states"].values())) == (4, 4, 4)
    assert (press["producing"], press["enabled"]) == ("running", True)
    assert press["states"]["stopped"] == 1
    assert found["rate"]["asked"] == pytest.approx(RATE, rel=0.3)
    parts = ("messages_sent", "messages_failed", "queue_depth", "in_flight")
    assert ledger["messages_generated"] == sum(ledger[name] for name in parts)
    assert found["process"]["changes"] == "local"
    assert (found["process"]["plant_file"], found["process"]["plant_file_writable"]) == ("plant.yaml", True)
    assert found["journal"][0]["command"] == {"command": "stop", "machine_id": "PRESS-02"}
    assert found["oee"]["reported"] is None or found["oee"]["reported"].keys() == found["oee"]["truth"].keys()


def test_rates_and_lateness_are_those_of_the_last_seconds(client: httpx.Client) -> None:
    """In the stream they come with each look; what was late when the process began is over soon."""
    with watching(client) as viewer:
        viewer.until("overview", lambda data: data.get("rate", {}).get("delivered") == pytest.approx(RATE, rel=0.5))
        late = viewer.until("overview", lambda data: bool(data.get("lateness", {}).get("max_ms")))["lateness"]

    assert 0 <= late["p50_ms"] <= late["p99_ms"] <= late["max_ms"]


def test_the_newest_faults_are_listed(client: httpx.Client) -> None:
    """The newest first, and away when they are cleared."""
    for machine_id, severity in (("PRESS-03", 2.0), ("PRESS-04", 3.0)):
        did(client, command="inject", machine_id=machine_id, fault="jam", severity=severity)
    found = overview(client)["faults"]
    jams = [(each["machine_id"], each["severity"]) for each in found["list"] if each["fault"] == "jam"]
    for machine_id in ("PRESS-03", "PRESS-04"):
        did(client, command="clear", machine_id=machine_id)
    after = overview(client)["faults"]["list"]

    assert jams[:2] == [("PRESS-04", 3.0), ("PRESS-03", 2.0)]
    assert found["active"] >= 2
    assert [each for each in after if each["fault"] == "jam" and each["machine_id"] in ("PRESS-03", "PRESS-04")] == []


def test_the_rate_that_is_asked_for_follows_commands(client: httpx.Client) -> None:
    """As the check of a YAML says it."""
    before = overview(client)["rate"]["asked"]
    did(client, command="rate", messages_per_second=3 * RATE)
    after = overview(client)["rate"]["asked"]
    did(client, command="rate", messages_per_second=RATE)

    assert after > 2 * before


def test_machines_that_become_too_many_are_shown_by_type_alone(client: httpx.Client) -> None:
    """And again one by one when they are few."""
    with watching(client) as viewer:
        assert len(viewer.first("snapshot")["overview"]["tiles"]) == 4
        did(client, command="scale", message_type="press", count=201)
        many = viewer.first("snapshot")["overview"]
        did(client, command="scale", message_type="press", count=4)
        few = viewer.first("snapshot")["overview"]

    assert (many["tiles"], many["machines"], many["types"]["press"]["machines"]) == (None, 201, 201)
    assert len(few["tiles"]) == 4


def test_one_machine_comes_once_a_second_with_its_messages(client: httpx.Client) -> None:
    """As the API has it, and the newest of each of its topics."""
    with watching(client, "?machine=PRESS-01") as viewer:
        data = viewer.until("machine", lambda data: bool(data["messages"]))
    alone = client.get(f"{API}/machines/PRESS-01").json()

    assert data["error"] is None
    assert data["machine"].keys() == alone.keys()
    assert {row["machine_id"] for row in data["messages"]} == {"PRESS-01"}


def test_a_machine_that_there_is_not_is_named_in_the_stream(client: httpx.Client) -> None:
    """As the API does, with what may be meant."""
    with watching(client, "?machine=PRES-01") as viewer:
        data = viewer.first("machine")

    assert (data["machine"], data["messages"]) == (None, [])
    assert data["error"] == client.get(f"{API}/machines/PRES-01").json()["detail"]


def test_traffic_comes_as_it_is_asked_for(client: httpx.Client) -> None:
    """By its filters; what is left out is counted."""
    with watching(client, "?traffic=true&topic=factory/%2B/%23&text=PRESS-03") as viewer:
        data = viewer.until("traffic", lambda data: bool(data["rows"]))
        more = viewer.until("traffic", lambda data: bool(data["rows"]))

    assert all("PRESS-03" in row["payload"] for row in (*data["rows"], *more["rows"]))
    assert more["seen"] > more["matched"] >= len(more["rows"])
    assert data["rows"][0].keys() >= {
        "at",
        "topic",
        "qos",
        "retain",
        "category",
        "machine_id",
        "bytes",
        "payload",
        "cut",
    }


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("?machin=A", "machin: no such parameter; did you mean machine?"),
        ("?topic=a", "topic: needs traffic=true"),
        ("?traffic=true&qos=5", "qos: must be at most "),
        ("?traffic=true&topic=a%23", "topic: "),
    ],
)
def test_a_stream_that_makes_no_sense_is_refused(client: httpx.Client, query: str, detail: str) -> None:
    """With the parameter and its rule, before it begins."""
    answer = client.get(f"{API}/stream{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["detail"].startswith(detail)


CHANGING = [
    ("POST", f"{API}/commands", b'{"command": "stop", "machine_id": "PRESS-01"}'),
    ("PUT", f"{API}/plant", content(PLANTS["plain"]).encode()),
    ("POST", f"{API}/plant/check", content(PLANTS["plain"]).encode()),
    ("POST", "/-/reload", b""),
]
"""What the page calls beside GET."""


@pytest.mark.parametrize(("method", "path", "body"), CHANGING)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.example", "Content-Type": "text/plain"},
        {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
        {"Host": "evil.example"},
    ],
)
def test_a_foreign_page_changes_nothing(
    client: httpx.Client, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    """Neither across sites nor by a name that it has rebound to this machine."""
    before = client.get(f"{API}/journal").json()["entries"][:1], client.get(f"{API}/plant").content
    answer = client.request(method, path, content=body, headers=headers)

    assert answer.status_code == 403
    assert (client.get(f"{API}/journal").json()["entries"][:1], client.get(f"{API}/plant").content) == before


def test_a_foreign_page_may_not_read_the_stream(client: httpx.Client) -> None:
    """No header permits it; the page itself has the same origin, and needs none."""
    answer = client.head(f"{API}/stream", headers={"Origin": "https://evil.example"})

    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_ends_sends_its_viewers_away(workers: int, tmp_path: Path) -> None:
    """At once, not after the time that a caller has to read, which one of them does not; its log has no error."""
    flags = ["--workers", str(workers), "--message-config-path", plant_file(tmp_path, "faults", RATE), *http()]
    with (
        running(EmbeddedBroker()) as broker,
        DaemonProcess("run", *flags, *plain(broker)) as daemon,
        client_of(daemon) as client,
        watching(client) as viewer,
        watching(client, "?traffic=true&machine=PRESS-01") as stalled,
    ):
        assert viewer.first("snapshot")
        assert "200 OK" in stalled.head
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        names = {name for name, _ in viewer.events()}
        code = daemon.wait()
        took = time.monotonic() - began

    assert code == 0
    assert names <= {"snapshot", "overview", "tiles", "history", "wire"}
    assert took < Limits().stalled_seconds
    assert [line for line in daemon.errors[-30:] if re.search(" (WARN |ERROR) (http|app): (?!without)", line)] == []
    assert "Traceback" not in daemon.log


def test_a_shard_shows_its_own_machines_and_its_part_of_the_rate(tmp_path: Path) -> None:
    """And says which part it is."""
    plant = plant_file(tmp_path, "faults", RATE)
    flags = ["--shard", "1/2", "--seed", "1", "--dry-run", "--message-config-path", plant, *http()]
    with DaemonProcess("run", *flags) as daemon, client_of(daemon) as client:
        found = overview(client)

    assert [row[0] for row in found["tiles"]] == ["PRESS-01", "PRESS-03"]
    assert (found["process"]["shard"], found["machines"]) == ("1/2", 2)
    assert found["rate"]["asked"] == pytest.approx(RATE / 2, rel=0.3)


def test_without_a_port_nothing_of_the_page_is_loaded() -> None:
    """Neither its modules nor what serves them."""
    unwanted = ("edge.page", "fastapi", "starlette", "uvicorn")
    code = (
        "import app, sys; code = app.main(['run', '--dry-run', '--count', '1', '--http-port', '0'], {}); "
        f"print(code, *(name for name in sys.modules if name.startswith({unwanted})), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )

    assert found.stderr.splitlines()[-1] == "0"
