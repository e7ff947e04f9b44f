"""Facts about the HTTP port: a real server on a real port, asked by a real client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Gauge

from edge.control.control import Control
from edge.control.idempotency import Idempotency
from edge.control.inbox import Command, Executed
from edge.control.journal import Journal
from edge.http.api.app import add_api
from edge.http.api.context import ApiContext
from edge.http.asgi import Outermost
from edge.http.authorization import authorize
from edge.http.connection_limits import Limits
from edge.http.routes import HttpContext, create_app, served
from edge.http.server import Server
from edge.status import (
    BadQuery,
    Busy,
    CheckOutcome,
    ConnectionStatus,
    OeeFigures,
    OeeQuery,
    PortError,
    ReloadOutcome,
    why_not_alive,
    why_not_ready,
)
from plant.telemetry import MachineFilter
from tests.edge.fixed_status import FixedStatus
from tests.edge.page.watching import with_page

AWAY, STOPPED = "not connected to the broker: cannot reach it\n", "the run loop has not turned for 100.0 s\n"


class Shown(FixedStatus):
    """A simulator as the port sees it, and what a test sets of the process around it."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = CollectorRegistry()
        Gauge("temperature_celsius", "How warm it is.", registry=self.registry).set(21.5)
        self.reset()

    def reset(self) -> None:
        """All is well, no token file, and nothing was reloaded."""
        super().__init__()
        self.http_token_file: Path | None = None
        self.outcome = ReloadOutcome(machines={"cnc_machine": 5})
        self.reloads = 0
        self.commands: list[Command] = []
        self.contents: list[bytes] = []
        self.saves: list[bool] = []
        self.journal = Journal(lambda: 1_767_600_000.0)
        self.refusal: Exception | None = None
        self.checked = CheckOutcome({"press": 4}, 1.5)
        self.time = 0.0
        self.idempotency = Idempotency(lambda: self.time)

    def fail(self) -> None:
        """Let the run loop stop."""
        self.turned_ago_seconds = 100.0

    async def reload(self, _by: str) -> ReloadOutcome:
        """Count it."""
        self.reloads += 1
        return self.outcome

    async def put(self, content: bytes, _by: str, *, save: bool = False) -> ReloadOutcome:
        """Note it."""
        self.saves.append(save)
        self.contents.append(content)
        return self.outcome

    async def check(self, content: bytes) -> CheckOutcome:
        """Note it."""
        self.contents.append(content)
        return self.checked

    async def execute(self, command: Command) -> Executed:
        """Note it, and do as the test has it."""
        self.commands.append(command)
        if self.refusal is not None:
            raise self.refusal
        return Executed(1_767_600_000_123, {"machine_id": "CNC-01", "state": "stopped"})

    async def authorize(self, request: Request) -> None:
        """By the token file, if there is one."""
        await authorize(self.http_token_file, request)


def app_of(shown: Shown) -> FastAPI:
    """The application that shows it."""
    context = HttpContext(
        version="0.1.0",
        registry=shown.registry,
        control=Control(shown.journal, shown.execute, shown.reload, shown.put),
        authorize=shown.authorize,
        uptime_seconds=lambda: 1.5,
        patience_seconds=90.0,
    )
    app = create_app(shown, context)
    add_api(app, api_of(shown))
    return with_page(app, shown)


def api_of(shown: Shown) -> ApiContext:
    """What the control API needs of it."""
    return ApiContext(
        source=shown,
        control=Control(shown.journal, shown.execute, shown.reload, shown.put),
        check=shown.check,
        idempotency=shown.idempotency,
        settings={"settings": {"MQTT_QOS": 1}, "given": []},
        authorize=shown.authorize,
        wall_clock=lambda: 1_767_600_000.0,
        uptime_seconds=lambda: 1.5,
        registry=shown.registry,
        began=0.0,
        max_devices=10_000,
    )


def served_of(shown: Shown) -> Outermost:
    """The application as it is served."""
    return served(app_of(shown))


@contextlib.contextmanager
def serving(shown: Shown, host: str = "127.0.0.1", limits: Limits = Limits()) -> Iterator[httpx.Client]:  # noqa: B008
    """Serve in a thread; gives a client of the port."""
    server = Server(served_of(shown), host, 0, limits=limits)
    thread = threading.Thread(target=lambda: asyncio.run(server.run()))
    thread.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            yield client
    finally:
        server.stop()
        thread.join(5)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Shown, httpx.Client]]:
    """One running server for all tests: ending one takes uvicorn 0.2 s."""
    shown = Shown()
    with serving(shown) as client:
        yield shown, client


@pytest.fixture
def shown(running: tuple[Shown, httpx.Client]) -> Shown:
    """What the running server shows, as at the start."""
    running[0].reset()
    return running[0]


@pytest.fixture
def client(running: tuple[Shown, httpx.Client], shown: Shown) -> httpx.Client:
    """A client of the running server."""
    return running[1]


def test_metrics_are_in_the_format_their_content_type_says(client: httpx.Client) -> None:
    """Prometheus' text by default, OpenMetrics for who asks for it."""
    text = client.get("/metrics")
    openmetrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert text.headers["content-type"].startswith("text/plain; version=")
    assert "\ntemperature_celsius 21.5\n" in text.text
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


def test_probes_say_ok_while_all_is_well(client: httpx.Client) -> None:
    """200 and a word."""
    answers = [client.get(path) for path in ("/livez", "/readyz")]

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "ok\n")] * 2


@pytest.mark.parametrize(
    ("dead", "unready", "livez", "readyz", "healthz"),
    [
        (False, True, (200, "ok\n"), (503, AWAY), (200, "degraded")),
        (True, False, (503, STOPPED), (503, STOPPED), (503, "failing")),
        (False, False, (200, "ok\n"), (200, "ok\n"), (200, "ok")),
    ],
)
def test_probes_give_the_reason(
    dead: bool,
    unready: bool,
    livez: tuple[int, str],
    readyz: tuple[int, str],
    healthz: tuple[int, str],
    shown: Shown,
    client: httpx.Client,
) -> None:
    """A broker that is away makes us unready, not dead: a restart would not bring it back."""
    if dead:
        shown.fail()
    if unready:
        shown.connected = ConnectionStatus(last_reason="cannot reach it")
    answers = {path: client.get(path) for path in ("/livez", "/readyz", "/healthz")}

    assert (answers["/livez"].status_code, answers["/livez"].text) == livez
    assert (answers["/readyz"].status_code, answers["/readyz"].text) == readyz
    assert (answers["/healthz"].status_code, answers["/healthz"].json()["status"]) == healthz
    assert answers["/healthz"].json()["uptime_seconds"] == 1.5


@pytest.mark.parametrize(
    ("facts", "turn_age", "alive"),
    [
        (ConnectionStatus(connected=True, waiting_seconds=89), 1, True),
        (ConnectionStatus(connected=True, waiting_seconds=91), 1, False),
        (ConnectionStatus(connected=False, waiting_seconds=91), 1, True),
        (ConnectionStatus(connected=True), 91, False),
    ],
)
def test_alive_means_the_loop_turns_and_acknowledgements_come(
    facts: ConnectionStatus, turn_age: float, alive: bool
) -> None:
    """With a connection and messages due; without a connection there is nothing to wait for."""
    assert (why_not_alive(facts, turn_age_seconds=turn_age, patience_seconds=90) is None) is alive


def test_ready_means_connected() -> None:
    """Otherwise the last thing that happened to the connection is the reason."""
    assert why_not_ready(ConnectionStatus(connected=True)) is None
    assert "0x97" in (why_not_ready(ConnectionStatus(last_reason="refused with 0x97")) or "")


def test_no_page_shows_a_token(shown: Shown, client: httpx.Client) -> None:
    """What a broker says goes into reasons, and it may repeat what it was given."""
    shown.connected = ConnectionStatus(last_reason="refused: eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhaW8ifQ.c2ln")

    assert not [path for path in ("/readyz", "/healthz") if "eyJ" in client.get(path).text]


@pytest.mark.parametrize("expiry", [float("inf"), float("-inf"), float("nan")])
def test_a_figure_that_json_cannot_say_is_null(expiry: float, shown: Shown, client: httpx.Client) -> None:
    """A token may claim to expire at 1e400; the details are shown all the same."""
    shown.connected = ConnectionStatus(connected=True, token_expiry=expiry)
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()["connection"]["token_expiry"]) == (200, None)


def _is_call(path: str) -> bool:
    """Not a file that a page of the documentation loads."""
    return path.rpartition("/")[0] in {"", "/-", "/api/v1", "/api/v1/plant"}


def test_the_root_lists_every_call(shown: Shown, client: httpx.Client) -> None:
    """A newcomer finds everything from the port alone: pages that exist, and what changes something."""
    index = client.get("/").json()
    listed = {f"GET {path}" for path in index["links"]} | set(index["actions"])
    routes = [route for route in app_of(shown).routes if isinstance(route, APIRoute)]
    calls = {f"{method} {route.path}" for route in routes for method in route.methods or () if _is_call(route.path)}

    assert index["name"] == "edgemqttsim"
    assert {client.head(path).status_code for path in index["links"]} == {200}  # a stream has no end
    assert listed | {"GET /"} == calls | {"GET /openapi.json"}


def test_a_cache_does_not_take_the_list_of_calls_for_the_page(client: httpx.Client) -> None:
    """Both are at the same address, and what is accepted decides."""
    assert client.get("/", headers={"Accept": "application/json"}).headers["vary"] == "Accept"


def test_the_documentation_lists_every_call(client: httpx.Client) -> None:
    """OpenAPI knows the paths and what reload may answer."""
    paths = client.get("/openapi.json").json()["paths"]

    assert {"/metrics", "/livez", "/readyz", "/healthz", "/-/reload"} <= paths.keys()
    assert {"200", "401", "403", "422"} <= paths["/-/reload"]["post"]["responses"].keys()


def test_a_reload_answers_with_the_machines(client: httpx.Client) -> None:
    """What is in force now, by type."""
    answer = client.post("/-/reload")

    assert (answer.status_code, answer.json()) == (200, {"machines": {"cnc_machine": 5}})


def test_a_refused_reload_answers_with_all_mistakes(shown: Shown, client: httpx.Client) -> None:
    """422, for the file was understood and found wrong."""
    shown.outcome = ReloadOutcome(errors=("plant.yaml:3: a: b", "plant.yaml:9: c: d"))

    answer = client.post("/-/reload")

    assert (answer.status_code, answer.json()) == (422, {"errors": ["plant.yaml:3: a: b", "plant.yaml:9: c: d"]})


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("Basic s3cret", 401),
        ("Bearer s3crét", 401),
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
    ],
)
def test_with_a_token_file_a_change_needs_the_token(
    authorization: str | None, status: int, shown: Shown, client: httpx.Client, tmp_path: Path
) -> None:
    """Loopback or not; a wrong one gets 401 and a challenge, and nothing is reloaded."""
    shown.http_token_file = tmp_path / "token"
    shown.http_token_file.write_text("s3cret\n")
    headers = {b"Authorization": authorization.encode()} if authorization else {}

    answer = client.post("/-/reload", headers=headers)

    assert answer.status_code == status
    assert shown.reloads == (status == 200)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert "s3cret" not in answer.text


def test_the_token_file_is_read_anew_at_each_call(shown: Shown, client: httpx.Client, tmp_path: Path) -> None:
    """A rotated token counts at once, the old one no more."""
    shown.http_token_file = tmp_path / "token"
    codes = []
    for content in ("one", "two"):
        shown.http_token_file.write_text(content)
        codes.append(client.post("/-/reload", headers={"Authorization": "Bearer one"}).status_code)

    assert codes == [200, 401]


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_token_file_without_a_token_lets_nobody_in(
    content: str | None, shown: Shown, client: httpx.Client, tmp_path: Path
) -> None:
    """Not loopback, and not an empty token that equals an empty file."""
    shown.http_token_file = tmp_path / "token"
    if content is not None:
        shown.http_token_file.write_text(content)

    answers = [client.post("/-/reload", headers=headers) for headers in ({}, {"Authorization": "Bearer"})]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert shown.reloads == 0


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "cannot be read: it is a pipe, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot be read: it is a device, not a file"),
        (lambda path: path.mkdir(), "cannot be read: it is a directory"),
        (lambda path: path.write_bytes(b"x" * 70_000), "cannot be read: it is larger than 65,536 bytes"),
    ],
    ids=["a pipe", "endless", "a directory", "too long"],
)
def test_a_token_file_that_is_no_file_keeps_nobody_waiting_and_lets_nobody_in(
    make: Callable[[Path], object], why: str, shown: Shown, client: httpx.Client, tmp_path: Path
) -> None:
    """The answer says what is wrong with it."""
    shown.http_token_file = tmp_path / "token"
    make(shown.http_token_file)

    answer = client.post("/-/reload", headers={"Authorization": "Bearer x"})

    assert (answer.status_code, shown.reloads) == (403, 0)
    assert answer.json()["detail"] == f"HTTP_TOKEN_FILE names a file that {why}: changes are not permitted"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:8080"}, 403),
        ({"Host": "[broken"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X-Forwarded-For": "127.0.0.1"}, 403),
    ],
)
def test_without_a_token_file_only_this_machine_may_change_things(
    headers: dict[str, str], status: int, shown: Shown, client: httpx.Client
) -> None:
    """Not a web page by a rebound name or across sites, nor a proxy for somebody else."""
    answer = client.post("/-/reload", headers=headers)

    assert answer.status_code == status
    assert shown.reloads == (status == 200)


def test_another_machine_may_not_change_things_without_a_token() -> None:
    """A caller that does not come over loopback gets 403, whatever Host it claims, and may still read."""
    shown = Shown()
    with serving(shown, "0.0.0.0") as client:
        port = client.base_url.port
        other = f"http://{own_address()}:{port}"
        answer = httpx.post(f"{other}/-/reload", headers={"Host": "localhost"}, trust_env=False)
        metrics = httpx.get(f"{other}/metrics", trust_env=False)

    assert (answer.status_code, shown.reloads, metrics.status_code) == (403, 0, 200)
    assert "HTTP_TOKEN_FILE" in answer.json()["detail"]


def own_address() -> str:
    """An address of this machine that is not loopback; connecting a UDP socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def test_a_name_stands_for_all_its_addresses() -> None:
    """localhost is ::1 and 127.0.0.1, and which of them a client takes is its own affair: the port is the same."""
    addresses = sorted({found[4][0] for found in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)})
    with serving(Shown(), "localhost") as client:
        port = client.base_url.port
        urls = [
            f"http://[{each}]:{port}/livez" if ":" in str(each) else f"http://{each}:{port}/livez" for each in addresses
        ]
        answers = [httpx.get(url, trust_env=False).status_code for url in urls]

    assert answers == [200] * len(addresses)


def addresses(*names: str) -> Callable[..., list[tuple[object, ...]]]:
    """A resolver that knows these addresses, whatever it is asked for."""
    families = {":" in name: socket.AF_INET6 if ":" in name else socket.AF_INET for name in names}

    def resolve(_host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        return [
            (families[":" in name], socket.SOCK_STREAM, 6, "", (name, port, 0, 0) if ":" in name else (name, port))
            for name in names
        ]

    return resolve


def test_an_address_that_this_machine_has_not_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """/etc/hosts knows ::1 on machines without IPv6 too; one address at least has to be there."""
    monkeypatch.setattr(socket, "getaddrinfo", addresses("192.0.2.1", "127.0.0.1", "127.0.0.2"))
    server = Server(served_of(Shown()), "some.name", 0)
    with contextlib.closing(server):
        for address in ("127.0.0.1", "127.0.0.2"):
            with socket.socket() as caller:
                caller.connect((address, server.port))


def test_a_port_has_to_be_free_at_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a client of the name might reach somebody else there; nothing stays open behind a refusal."""
    monkeypatch.setattr(socket, "getaddrinfo", addresses("127.0.0.1", "127.0.0.2"))
    with socket.create_server(("127.0.0.2", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(PortError, match="Address already in use"):
            Server(served_of(Shown()), "some.name", port)
        socket.create_server(("127.0.0.1", port)).close()


def test_where_it_may_the_server_takes_the_next_port_that_is_free() -> None:
    """The first one that nobody has, and says which."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with contextlib.closing(Server(served_of(Shown()), "127.0.0.1", port, further_ports=20)) as server:
            assert port < server.port <= port + 20
            assert server.url == f"http://127.0.0.1:{server.port}"


def test_a_busy_port_gives_one_clear_error() -> None:
    """At once, when the server is made, with the address, the reason and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(PortError) as refusal:
            Server(served_of(Shown()), "127.0.0.1", port)

    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in str(refusal.value)
    assert "HTTP_PORT=0" in str(refusal.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "fe80::1%none"])
def test_an_address_that_is_not_ours_gives_one_clear_error(host: str) -> None:
    """Whether it cannot be bound or not even be resolved."""
    with pytest.raises(PortError, match=f"cannot listen on {host}:8080: \\w+"):
        Server(served_of(Shown()), host, 8080)


def test_the_process_keeps_its_own_signal_handlers() -> None:
    """uvicorn would take SIGTERM over; draining the queue is ours to do."""

    async def handler_while_serving() -> object:
        server = Server(served_of(Shown()), "127.0.0.1", 0)
        running = asyncio.create_task(server.run())
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            assert (await client.get("/livez")).text == "ok\n"
        during = signal.getsignal(signal.SIGTERM)
        server.stop()
        await asyncio.wait_for(running, 5)
        return during

    before = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(handler_while_serving()) is before


def test_a_cancelled_server_closes_its_port_and_its_connections() -> None:
    """Once the task has ended nobody is answered any more, not even over a connection that was kept."""

    async def ask_after_the_end() -> None:
        server = Server(served_of(Shown()), "127.0.0.1", 0)
        running = asyncio.create_task(server.run())
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            await client.get("/livez")
            running.cancel()
            await asyncio.wait([running], timeout=20)
            await client.get("/livez")

    with pytest.raises(httpx.ConnectError):
        asyncio.run(ask_after_the_end())


def test_a_server_that_never_ran_gives_its_port_back() -> None:
    """Where the process fails between opening and serving."""
    server = Server(served_of(Shown()), "127.0.0.1", 0)
    server.close()

    socket.create_server(("127.0.0.1", server.port)).close()


def test_the_truth_is_there_by_span_and_machines(shown: Shown, client: httpx.Client) -> None:
    """The run and all machines unless something else is asked for."""
    asked: dict[str, str | int] = {"span": "last_hour", "machine_type": "cnc_machine", "after": "CNC-01", "limit": 2}
    answers = [client.get("/oee", params=params).json() for params in (dict[str, str | int](), asked)]

    assert [answer["span"] for answer in answers] == ["run", "last_hour"]
    assert shown.queries == [OeeQuery(), OeeQuery("last_hour", MachineFilter("cnc_machine", "CNC-01", 2))]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"span": "year"}, "span"),
        ({"limit": "0"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"after": "x" * 201}, "after"),
        ({"kind": "cnc_machine"}, "kind"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_mistake(asked: dict[str, str], named: str, client: httpx.Client) -> None:
    """422 with the parameter's name, and so for one that there is not: else it would be answered with all machines."""
    answer = client.get("/oee", params=asked)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", named]


def test_a_page_says_where_the_next_one_is(shown: Shown, client: httpx.Client) -> None:
    """In the header too, as RFC 8288 has it."""
    shown.figures = OeeFigures(0.0, 0.0, [((0, 2), "CNC-02", b"{}")], more=True, types=())

    assert client.get("/oee?limit=2").links == {"next": {"url": "/oee?span=run&after=CNC-02&limit=2", "rel": "next"}}


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (BadQuery("type: no such machine type; there are a, b"), 422, "there are a, b"),
        (Busy(), 503, "try again"),
        (TimeoutError(), 503, "does not answer"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(
    refusal: Exception, status: int, text: str, shown: Shown, client: httpx.Client
) -> None:
    """Who is to try again is told when."""
    shown.error = refusal
    answer = client.get("/oee")

    assert (answer.status_code, text in answer.json()["detail"]) == (status, True)
    assert ("retry-after" in answer.headers) is isinstance(refusal, Busy)


def test_an_answer_does_not_wait_for_an_acknowledgement(client: httpx.Client) -> None:
    """Its head and its body go out at once, where Nagle's algorithm would hold the body back for 40 ms."""
    times = []
    for _ in range(15):
        began = time.monotonic() - held_up_seconds()
        client.get("/livez")
        times.append(time.monotonic() - held_up_seconds() - began)

    assert statistics.median(times) < 0.03


def held_up_seconds() -> float:
    """For how long our threads could have run, and others did (schedstat in proc(5)): a busy machine is no delay."""
    return sum(int(each.read_text().split()[1]) for each in Path("/proc/self/task").glob("*/schedstat")) / 1e9
