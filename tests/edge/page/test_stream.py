"""Facts about the stream of one viewer: what it gets, when it does not read, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope

from edge.http.connection_limits import Limits
from edge.page.stream import EventStream, Place, event
from edge.status import ConnectionStatus, MachineFound, MachinesFound
from edge.traffic import TrafficBatch, TrafficQuery, TrafficRow
from plant.telemetry import Snapshot
from plant.views.plant_views import ViewQuery
from tests.edge.fixed_status import FixedStatus
from tests.edge.page.watching import Serving, Viewer
from tests.support.processes.waiting import wait_until

SHORT = Limits(connections=5, request_seconds=0.3, stalled_seconds=0.3)


@dataclass
class Plant(FixedStatus):
    """A plant of so many presses. looks: how often each figure was asked for."""

    presses: int = 2
    looks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("refresh", "machines", "machine"), 0))

    def snapshot(self) -> Snapshot:
        return Snapshot(1_767_600_001_000, {"press": 5}, {("press", "running"): self.presses}, {}, 0)

    async def refresh(self) -> None:
        self.looks["refresh"] += 1

    async def machines(self, query: ViewQuery) -> MachinesFound:  # noqa: ARG002
        self.looks["machines"] += 1
        if self.error is not None:
            raise self.error
        rows = [
            {"machine_id": f"PRESS-{number}", "machine_type": "press", "state": "running", "faults": [], "alarms": []}
            for number in range(self.presses)
        ]
        entries = [((0, n), str(row["machine_id"]), json.dumps(row).encode()) for n, row in enumerate(rows)]
        return MachinesFound(0.0, entries, more=False)

    async def machine(self, machine_id: str) -> MachineFound:
        self.looks["machine"] += 1
        return MachineFound(b'{"machine_id":"%b"}' % machine_id.encode())


@pytest.fixture
def plant() -> Plant:
    """A small one."""
    return Plant()


@pytest.fixture
def serving(plant: Plant) -> Iterator[Serving]:
    """Its page, on a port."""
    with Serving(plant, SHORT) as found:
        yield found


def test_a_viewer_gets_a_snapshot_and_then_what_changes(plant: Plant, serving: Serving) -> None:
    """Without the tiles, which have an event of their own."""
    with Viewer(serving.port) as viewer:
        first, snapshot = next(viewer.events())
        plant.ledger.queued = 7
        overview = viewer.until("overview", lambda data: "queue" in data)

    assert first == "snapshot"
    assert [row[0] for row in snapshot["overview"]["tiles"]] == ["PRESS-0", "PRESS-1"]
    assert overview.keys() < snapshot["overview"].keys() - {"tiles"}
    assert overview["queue"]["depth"] == 7


def test_the_head_of_the_answer_lets_no_proxy_keep_it(serving: Serving) -> None:
    """Nor a browser."""
    with Viewer(serving.port) as viewer:
        head = viewer.head.lower()

    assert "content-type: text/event-stream" in head
    assert "x-accel-buffering: no" in head
    assert "cache-control: no-store" in head
    assert "content-length" not in head


def test_a_stream_outlasts_the_time_for_a_request(serving: Serving) -> None:
    """It does not wait for one."""
    with Viewer(serving.port) as viewer:
        began = time.monotonic()
        for _ in viewer.events():
            if time.monotonic() - began > 5 * SHORT.request_seconds:
                break
        else:
            pytest.fail("the stream has ended")


def test_streams_count_as_connections_and_the_oldest_gives_way(serving: Serving) -> None:
    """A probe is always answered."""
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(serving.port)) for _ in range(SHORT.connections)]
        assert httpx.get(f"{serving.url}/page/nothing", trust_env=False).status_code == 404
        with pytest.raises((ConnectionError, ValueError)):
            list(viewers[0].events())
        assert viewers[-1].first("snapshot")


def test_by_head_a_stream_has_an_end(serving: Serving) -> None:
    """The head alone is asked for."""
    answer = httpx.head(f"{serving.url}/api/v1/stream?machine=A&traffic=true", trust_env=False)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert serving.hub.viewers == 0


def test_all_who_look_cost_one_look(plant: Plant, serving: Serving) -> None:
    """Also at the same machine."""
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(serving.port, "?machine=PRESS-1")) for _ in range(4)]
        for viewer in viewers:
            assert viewer.first("machine")["machine"] == {"machine_id": "PRESS-1"}
        before, began = dict(plant.looks), time.monotonic()
        for viewer in viewers:
            viewer.first("machine")
        took = time.monotonic() - began

    assert plant.looks["machine"] - before["machine"] <= took + 2
    assert plant.looks["refresh"] - before["refresh"] <= took + 2
    wait_until(lambda: serving.hub.viewers == 0, 20, "all have gone")


def test_without_viewers_only_the_history_is_kept(plant: Plant, serving: Serving) -> None:
    """A count for a point each five seconds at most, and no look at single machines."""
    with Viewer(serving.port) as viewer:
        viewer.first("snapshot")
    wait_until(lambda: serving.hub.viewers == 0, 20, "it has gone")
    time.sleep(0.3)
    before = dict(plant.looks)
    time.sleep(2.5)

    assert plant.looks["machines"] == before["machines"]
    assert plant.looks["refresh"] - before["refresh"] <= 1


def test_other_machines_make_another_snapshot(plant: Plant, serving: Serving) -> None:
    """After a reload, or when there are too many for tiles."""
    with Viewer(serving.port) as viewer:
        viewer.first("snapshot")
        plant.presses = 3
        grown = viewer.first("snapshot")["overview"]
        plant.presses = 201
        many = viewer.first("snapshot")["overview"]

    assert (len(grown["tiles"]), grown["machines"]) == (3, 3)
    assert (many["tiles"], many["machines"]) == (None, 201)


def test_an_error_while_looking_ends_neither_stream_nor_process(
    plant: Plant, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and the stream goes on when there is something to see again."""
    with Viewer(serving.port) as viewer:
        viewer.first("snapshot")
        plant.error = RuntimeError("no machine can be read")
        wait_until(lambda: "the page is not up to date" in caplog.text, 20, "the error")
        time.sleep(2.2)
        plant.error = None
        plant.ledger.queued = 9
        assert viewer.until("overview", lambda data: data.get("queue", {}).get("depth") == 9)

    assert caplog.text.count("the page is not up to date") <= 1


@pytest.mark.parametrize("reason", ["x" * 100_000, "x" * 10_000], ids=["paused", "nearly"])
def test_a_stream_ends_at_once_where_the_process_ends(
    plant: Plant, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that nobody reads, however long it may take otherwise; nothing of it is an error."""
    monkeypatch.setattr("edge.page.stream._PATIENCE_SECONDS", 9.0)
    caplog.set_level(logging.INFO)
    plant.connected = ConnectionStatus(connected=True, last_reason=reason)
    with (
        Serving(plant) as serving,
        Viewer(serving.port, buffer_bytes=2048) as stalled,
        Viewer(serving.port) as reading,
    ):
        reading.first("snapshot")
        assert "200" in stalled.head
        took = serving.stop()
        assert {name for name, _ in reading.events()} <= {"snapshot", "overview", "tiles", "history"}

    assert took < 8
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


def test_who_does_not_read_is_closed_after_a_while(plant: Plant, serving: Serving) -> None:
    """Its connection is given to others. What it has been sent by then is bounded by the socket's buffers."""
    plant.presses = 200
    plant.connected = ConnectionStatus(connected=True, last_reason="x" * 100_000)
    with Viewer(serving.port, buffer_bytes=2048) as stalled:
        wait_until(lambda: serving.hub.viewers == 1, 20, "it looks")
        wait_until(lambda: serving.hub.viewers == 0, 20, "nobody looks for it any more")
        time.sleep(2 * SHORT.stalled_seconds)
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while some := stalled.socket.recv(65536):
                got += len(some)

    assert got < 500_000


def test_a_viewer_that_was_slow_before_is_not_taken_for_one_that_has_stalled(plant: Plant) -> None:
    """Each time it has all of its patience again."""
    plant.connected = ConnectionStatus(connected=True, last_reason="x" * 100_000)
    patient = SHORT._replace(stalled_seconds=1.5)
    with Serving(plant, patient) as serving, Viewer(serving.port, buffer_bytes=2048) as viewer:
        for number in range(4):
            time.sleep(patient.stalled_seconds / 3)
            plant.connected = ConnectionStatus(connected=True, last_reason=str(number) * 100_000)
            viewer.until("overview", lambda data: "broker" in data)


def test_nothing_is_looked_at_for_a_viewer_that_does_not_read(plant: Plant) -> None:
    """Until it reads again; then it gets what is so by then."""
    plant.connected = ConnectionStatus(connected=True, last_reason="x" * 100_000)
    with Serving(plant) as serving, Viewer(serving.port, buffer_bytes=2048) as stalled:
        wait_until(lambda: serving.hub.viewers == 1, 20, "it looks")
        wait_until(lambda: serving.hub.viewers == 0, 20, "nobody looks for it any more")
        plant.ledger.queued = 5
        found = stalled.until("overview", lambda data: data.get("queue", {}).get("depth") == 5)
        assert serving.hub.viewers == 1

    assert found


class Counter:
    """A feed of numbers that counts what it is asked for."""

    is_closed = False

    def __init__(self) -> None:
        self.number, self.asked = 0, list[Place | None]()
        self.notify: Any = None

    def join(self, notify: Any) -> None:
        self.notify = notify
        notify()

    def leave(self, notify: Any) -> None:
        assert notify == self.notify

    def events(self, since: Place | None) -> tuple[bytes, Place | None]:
        self.asked.append(since)
        place = (self.number,)
        return b"" if since == place else event("number", str(self.number).encode()), place

    def add(self) -> None:
        """Go on."""
        self.number += 1
        self.notify()


class Slow:
    """A caller that takes what is sent only when it is let. taken: bodies that it has."""

    def __init__(self) -> None:
        self.taken, self.gone = list[bytes](), asyncio.Event()
        self._may = asyncio.Event()
        self._may.set()

    def stall(self) -> None:
        """Take nothing any more."""
        self._may.clear()

    def read(self) -> None:
        """Take all again."""
        self._may.set()

    async def send(self, message: Message) -> None:
        await self._may.wait()
        if message.get("body"):
            self.taken.append(message["body"])

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def settled() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_while_a_viewer_does_not_read_nothing_is_made_for_it() -> None:
    """And then it gets what is so when it reads again, once."""

    async def scene() -> tuple[list[Place | None], list[bytes]]:
        feed, caller = Counter(), Slow()
        scope: Scope = {"type": "http", "method": "GET"}
        stream = asyncio.create_task(EventStream(lambda: [feed])(scope, caller.receive, caller.send))
        await settled()
        caller.stall()
        for _ in range(1000):
            feed.add()
            await asyncio.sleep(0)
        asked = [*feed.asked]
        caller.read()
        await settled()
        caller.gone.set()
        await stream
        return asked, caller.taken

    asked, taken = asyncio.run(scene())

    assert asked == [None]
    assert taken[1:] == [event("number", b"0"), event("number", b"1000")]


def test_a_silent_stream_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which a proxy, and the page, see that it is there."""
    monkeypatch.setattr("edge.page.stream._HEARTBEAT_SECONDS", 0.02)

    class Silent(Counter):
        def events(self, since: Place | None) -> tuple[bytes, Place | None]:
            return b"", since or (0,)

    async def scene() -> list[bytes]:
        caller = Slow()
        scope: Scope = {"type": "http", "method": "GET"}
        stream = asyncio.create_task(EventStream(lambda: [Silent()])(scope, caller.receive, caller.send))
        await asyncio.sleep(0.2)
        caller.gone.set()
        await stream
        return caller.taken

    assert asyncio.run(scene())[1:4] == [b":\n\n"] * 3


def row(number: int) -> TrafficRow:
    """A message."""
    return TrafficRow("2026-01-05T08:00:00.000Z", f"a/{number}", 1, False, "telemetry", "PRESS-1", 2, "{}", False)


@dataclass
class Chatty(Plant):
    """Each pull finds a hundred messages more, ten of which are asked for."""

    pulls: int = 0

    async def traffic(self, query: TrafficQuery, after: int | None, limit: int) -> TrafficBatch:
        if query.topic == "first/#":
            return TrafficBatch(0, 0, 0, ())
        self.pulls += 1
        rows = [row(self.pulls * 10 + number) for number in range(10)]
        return TrafficBatch(self.pulls, 100, 10, rows[-limit:] if after is not None or limit > 1 else ())


def test_traffic_comes_with_what_was_seen_and_matched_since_the_event_before() -> None:
    """Five times a second at most, the newest fifty of each."""
    with Serving(Chatty()) as serving, Viewer(serving.port, "?traffic=true&category=telemetry") as viewer:
        found = list[Any]()
        began = time.monotonic()
        for name, data in viewer.events():
            if name == "traffic":
                found.append(data)
            if (seconds := time.monotonic() - began) > 2:
                break

    assert len(found) <= 5 * seconds + 2
    assert all(each["seen"] == 10 * each["matched"] for each in found[1:])
    assert all(len(each["rows"]) == min(50, each["matched"]) for each in found)
    topics = [int(each["topic"].removeprefix("a/")) for data in found for each in data["rows"]]
    assert topics == sorted(set(topics))


def test_nothing_comes_before_the_snapshot() -> None:
    """Whatever else a viewer has asked for is there sooner."""
    with Serving(Chatty()) as serving:
        for _ in range(3):
            with Viewer(serving.port, "?traffic=true&machine=PRESS-1") as viewer:
                assert next(viewer.events())[0] == "snapshot"


def test_a_machine_comes_with_the_newest_message_of_each_of_its_topics() -> None:
    """By topic, the newest last."""
    with Serving(Chatty()) as serving, Viewer(serving.port, "?machine=PRESS-1") as viewer:
        viewer.first("machine")
        data = viewer.first("machine")

    assert (data["machine"], data["error"]) == ({"machine_id": "PRESS-1"}, None)
    assert 10 < len(data["messages"]) <= 50
    assert len({each["topic"] for each in data["messages"]}) == len(data["messages"])


def test_a_machine_that_there_is_not_is_said_in_the_stream() -> None:
    """In the words of the API; the stream goes on."""

    class Unknown(Plant):
        async def machine(self, machine_id: str) -> MachineFound:
            return MachineFound(None, f'no machine has the id "{machine_id}"')

    with Serving(Unknown()) as serving, Viewer(serving.port, "?machine=X") as viewer:
        data = viewer.first("machine")

    assert (data["machine"], data["error"]) == (None, 'no machine has the id "X"')
