"""Facts about `GET /anomalies`: the labels of faults, of a plant at work, and of one with workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml

from edge.http.anomalies_answer import anomalies_answer, merged_anomalies
from edge.labels.ended_episodes import EndedEpisodes
from edge.labels.label import label
from edge.labels.queries import Anomalies, AnomalyQuery, read_place
from edge.runtime.machine_figures import MachineFigures
from edge.status import BadQuery
from messages import FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.truth.events import FaultEpisode
from sandbox.broker import EmbeddedBroker
from tests.edge.http.test_routes import Shown, serving
from tests.edge.runtime.test_simulator import free_port
from tests.plant.faults.test_labels import FAULTS, PRESS, plant_of
from tests.support.brokers.subscriber import Recorder
from tests.support.exports import yamlread
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.waiting import wait_until


class Watched:
    """A plant whose episodes are kept. seconds: how far it has advanced.  most: how many are kept.  shard: of it."""

    def __init__(self, seconds: float = 900, most: int = 10_000, shard: tuple[int, int] = (1, 1)) -> None:
        self.plant = FactoryMessageGenerator.of(plant_of(labels=False), 1, shard=shard)
        self.truth: list[FaultEpisode] = []
        self.plant.listen(lambda event: self.truth.append(event) if isinstance(event, FaultEpisode) else None)
        ended = EndedEpisodes(most)
        self.plant.watch_faults(ended)
        self.figures = MachineFigures(self.plant, ended)
        self.plant.advance(self.plant.now + seconds)

    async def ask(self, **asked: Any) -> Anomalies:
        """Return what answers a query."""
        return await self.figures.anomalies(AnomalyQuery(**asked))

    def labels(self, **asked: Any) -> list[dict[str, Any]]:
        """Return the labels that answer a query."""
        return shown(asyncio.run(self.ask(**asked)), AnomalyQuery(**asked))["anomalies"]  # type: ignore[no-any-return]


def shown(found: Anomalies, query: AnomalyQuery) -> dict[str, Any]:
    """Return the answer as its reader gets it."""
    return orjson.loads(b"".join(asyncio.run(anomalies_answer(found, query))))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def watched() -> Watched:
    """A quarter of an hour of five machines with faults."""
    return Watched()


def test_all_episodes_are_there_in_the_form_of_labels() -> None:
    """Those that have ended and those that go on, which have no end, in order of their begin."""
    watched = Watched()
    found = watched.labels()
    watched.plant.close_truth()
    expected = [label(each) | ({"to": None} if each.is_open else {}) for each in watched.truth]

    assert sorted(found, key=orjson.dumps) == sorted(orjson.loads(orjson.dumps(expected)), key=orjson.dumps)
    assert [each["from"] for each in found] == sorted(each["from"] for each in found)
    assert 0 < sum("open" in each for each in found) < len(found)


def test_each_filter_selects(watched: Watched) -> None:
    """By machine, type, fault, severity, whether it goes on, and whether it is of a sensor."""
    every = watched.labels()
    selections: list[tuple[dict[str, Any], Any]] = [
        ({"machine_id": "PRESS-02"}, lambda each: each["machine_id"] == "PRESS-02"),
        ({"kind": "lathe"}, lambda each: each["machine_id"].startswith("LATHE")),
        ({"fault": "leak"}, lambda each: each["fault"] == "leak"),
        ({"min_severity": 1.0}, lambda each: each["severity"] >= 1),
        ({"is_open": True}, lambda each: "open" in each),
        ({"is_open": False}, lambda each: "open" not in each),
        ({"is_sensor": True}, lambda each: "signal" in each),
        ({"is_sensor": False}, lambda each: "signal" not in each),
    ]
    for asked, is_meant in selections:
        assert watched.labels(**asked) == [each for each in every if is_meant(each)] != []


def test_a_span_selects_what_overlaps_it(watched: Watched) -> None:
    """An episode that ends where the span begins, or begins where it ends, is not in it."""
    ended = watched.truth[2]
    its = orjson.loads(orjson.dumps(label(ended)))
    spans: list[tuple[dict[str, int], bool]] = [
        ({"from_ms": ended.to_ms}, False),
        ({"from_ms": ended.to_ms - 1}, True),
        ({"to_ms": ended.from_ms}, False),
        ({"to_ms": ended.from_ms + 1}, True),
        ({"from_ms": ended.from_ms, "to_ms": ended.to_ms}, True),
    ]

    assert [its in watched.labels(**span) for span, _ in spans] == [is_in for _, is_in in spans]


def test_pages_make_the_whole(watched: Watched) -> None:
    """Each page says where the next one is, and none is twice on them."""
    found, query = list[Any](), AnomalyQuery(limit=7, is_sensor=False)
    while True:
        page = shown(asyncio.run(watched.figures.anomalies(query)), query)
        found += page["anomalies"]
        if "next" not in page:
            break
        url = httpx.URL(page["next"])
        assert (url.path, url.params["limit"], url.params["sensor"]) == ("/anomalies", "7", "false")
        query = AnomalyQuery(limit=7, is_sensor=False, after=read_place(url.params["after"]))

    assert found == watched.labels(is_sensor=False)


def test_the_newest_are_kept_and_the_others_counted() -> None:
    """A run may be long, and its memory is bounded."""
    few, all_of_them = Watched(most=4), Watched()
    found = asyncio.run(few.ask(is_open=False))
    newest = sorted(all_of_them.truth[-4:], key=lambda each: (each.from_ms, each.machine_id, each.fault))

    assert [orjson.loads(entry) for _, entry in found.entries] == orjson.loads(orjson.dumps([*map(label, newest)]))
    assert found.dropped == len(all_of_them.truth) - 4 > 0


def test_parts_make_the_answer_of_the_whole(watched: Watched) -> None:
    """Sorted, cut once more to the limit, with the sum of what was dropped."""
    parts = [asyncio.run(Watched(shard=(part, 2)).ask(limit=9)) for part in (1, 2)]
    together, whole = asyncio.run(merged_anomalies(parts, 9)), asyncio.run(watched.ask(limit=9))

    assert (list(together.entries), together.more, together.dropped) == (list(whole.entries), whole.more, 0)


def test_a_plant_without_faults_has_an_empty_list() -> None:
    """And no count of them anywhere."""
    plant = FactoryMessageGenerator.of(plant_of(labels=False, faults=False), 1)
    figures = MachineFigures(plant, EndedEpisodes())
    plant.advance(plant.now + 600)

    assert asyncio.run(figures.anomalies(AnomalyQuery())).entries == []
    assert figures.active_faults() is None
    assert (plant.snapshot().active_faults, plant.snapshot().ended_faults) == ({}, {})


UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"kind": "prss"}, "machine_type: no such machine type; there are lathe, press"),
    ({"fault": "leek"}, "fault: no such fault; there are bearing, leak, temperature.stuck, tool"),
    (
        {"machine_id": "PRESS-04", "fault": "leak"},
        "machine_id: no such machine; there are LATHE-01, LATHE-02, PRESS-01, PRESS-02, PRESS-03",
    ),
]


@pytest.mark.parametrize(("asked", "error"), UNKNOWN, ids=["type", "fault", "machine"])
def test_a_name_that_there_is_not_is_a_mistake(watched: Watched, asked: dict[str, Any], error: str) -> None:
    """Or the answer would look as if there were no labels. The names that there are follow, ten at most."""
    with pytest.raises(BadQuery, match=f"^{error}$"):
        watched.labels(**asked)


def test_of_many_names_ten_are_listed() -> None:
    """And how many more there are."""
    press = {**PRESS, "count": 40, **FAULTS}
    plant = FactoryMessageGenerator.of(parse({"message_types": {"press": press}}), 1)
    found = asyncio.run(MachineFigures(plant, EndedEpisodes()).anomalies(AnomalyQuery(machine_id="PRESS-41")))

    assert found.unknown.endswith("PRESS-09, PRESS-10 and 30 more")


def test_a_known_name_without_labels_has_an_empty_list() -> None:
    """Nothing has happened yet."""
    watched = Watched(seconds=1)

    assert watched.labels(machine_id="PRESS-01", fault="leak") == []


def test_what_a_reload_takes_away_is_known_as_long_as_there_is_a_label_of_it() -> None:
    """A machine, a type and its faults; and no longer."""
    watched, few = Watched(), Watched(most=1)
    for each in (watched, few):
        each.plant.reload(parse({"message_types": {"mill": {**PRESS, "count": 1}}}))

    assert {each["machine_id"] for each in watched.labels(machine_id="PRESS-03", kind="press", fault="leak")} == {
        "PRESS-03"
    }
    assert watched.labels(machine_id="PRESS-03", fault="leak", min_severity=9.0) == []
    (left,) = few.labels()
    other = "LATHE-01" if left["machine_id"].startswith("PRESS") else "PRESS-01"
    with pytest.raises(BadQuery, match="machine_id: no such machine; there are MILL-01"):
        few.labels(machine_id=other)


def test_a_name_is_known_where_it_is_to_one_part(watched: Watched) -> None:
    """Each worker has the labels of its own machines; unknown to all, it is an error."""
    known, unknown = Anomalies(1.0, (), more=False, dropped=0), Anomalies(1.0, (), more=False, dropped=0, unknown="no")
    merged = [asyncio.run(merged_anomalies(parts, None)) for parts in ([known, unknown], [unknown, unknown])]

    assert [each.unknown for each in merged] == ["", "no"]


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1/PRESS-01", "-1/PRESS-01/leak", "1//leak", "1/PRESS-01/", "\u0661/a/b"]
)
def test_a_wrong_place_is_a_mistake(text: str) -> None:
    """It is to be taken from `next`."""
    with pytest.raises(BadQuery, match="after: "):
        read_place(text)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"min_severity": "nan"}, "min_severity"),
        ({"open": "perhaps"}, "open"),
        ({"limit": "0"}, "limit"),
        ({"machine": "CNC-01"}, "machine"),
    ],
)
def test_a_wrong_parameter_is_named(asked: dict[str, str], named: str) -> None:
    """422, also for one that there is not."""
    with serving(Shown()) as client:
        answer = client.get("/anomalies", params=asked)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", named]


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00Z", "2026-01-01t00:00:00.5z", "2026-01-01 01:00:00+01:00"])
def test_a_time_is_rfc_3339_with_its_offset(moment: str) -> None:
    """In each form that the standard has."""
    with serving(Shown()) as client:
        assert client.get("/anomalies", params={"from": moment}).status_code == 200


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("from", "yesterday"),
        ("to", "2026-01-01T00:00:00"),
        ("from", "2026"),
        ("from", "1767225600"),
        ("from", "2026-01-01"),
        ("to", "20260101T000000Z"),
        ("to", "2026-13-01T00:00:00Z"),
        ("from", "0000-01-01T00:00:00Z"),
        ("to", "2026-01-01T00:00:00+99:99"),
    ],
)
def test_a_wrong_time_is_answered_with_its_form(name: str, text: str) -> None:
    """In one line. As a number it would be seconds since 1970, and `2026` some time in that year's first hour."""
    with serving(Shown()) as client:
        answer = client.get("/anomalies", params={name: text})

    form = "must be RFC 3339 with an offset, such as 2026-01-05T08:00:00Z; a + in an address is %2B"
    assert (answer.status_code, answer.json()) == (422, {"detail": f"{name}: {form}"})


def test_an_end_is_after_its_begin() -> None:
    """Whatever their offsets."""
    with serving(Shown()) as client:
        answer = client.get("/anomalies", params=BACKWARDS)

    assert (answer.status_code, answer.json()["detail"]) == (422, "to: must be after from")


BACKWARDS = {"from": "2026-01-01T01:00:00+01:00", "to": "2026-01-01T00:00:00Z"}


@contextmanager
def at_work(tmp_path: Path, *flags: str) -> Iterator[tuple[httpx.Client, EmbeddedBroker]]:
    """Five machines with faults in ten minutes a second, and a broker."""
    path = tmp_path / "plant.yaml"
    types = {"press": {**PRESS, **FAULTS}, "lathe": {**PRESS, "count": 2, **FAULTS}}
    path.write_text(yaml.safe_dump({"message_types": {**types, "fault_labels": {"enabled": True}}}))
    parse(yamlread.value(path.read_text()))
    port = free_port()
    with running(EmbeddedBroker()) as broker:
        named = ["--message-config-path", str(path), "--speed", "60", "--seed", "1", *plain(broker)]
        with DaemonProcess(*named, *flags, environ={"HTTP_PORT": str(port), "STATS_INTERVAL": "1"}) as daemon:
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=daemon.url(), transport=transport, timeout=20) as client:
                yield client, broker
            daemon.says("Active faults: ")  # each second


@pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_the_labels_of_a_plant_at_work(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """HTTP and metrics have the same faults, and who subscribes later gets the last label of each machine."""
    with at_work(tmp_path, *flags) as (client, broker):
        wait_until(lambda: len(client.get("/anomalies?open=false").json()["anomalies"]) > 5, 30, "faults have ended")
        before = client.get("/anomalies?open=false&sensor=false&limit=3")
        unknown = client.get("/anomalies?machine_id=PRESS-77")
        metrics = client.get("/metrics").text
        after = client.get("/anomalies?open=false").json()["anomalies"]
        with Recorder(broker.port) as recorder:
            recorder.wait_for(3)
            retained = [each for each in list(recorder.records) if "/labels/" in each.topic]
    assert unknown.status_code == 422
    assert unknown.json()["detail"].startswith("machine_id: no such machine; there are ")
    ended = sum(
        float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("edgemqttsim_fault_episodes_total{")
    )

    assert [each["from"] for each in before.json()["anomalies"]] == sorted(
        each["from"] for each in before.json()["anomalies"]
    )
    assert before.links["next"]["url"] == before.json()["next"]
    assert 3 < ended <= len(after)
    assert 'edgemqttsim_active_faults{fault="leak",kind="press"}' in metrics
    assert 'edgemqttsim_messages_generated_total{kind="fault_labels"}' in metrics
    assert retained
    assert all(orjson.loads(each.payload)["event"] in ("begin", "end") for each in retained)
