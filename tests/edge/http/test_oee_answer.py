"""Facts about the answer of `GET /oee`: what is in it, how it is cut and put together, and who gets it."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

import edge.http.answers
from edge.http.answers import Answers
from edge.http.oee_answer import merged, oee_answer
from edge.http.shared_work import SharedWork, in_turns
from edge.status import Busy, MachineEntry, OeeFigures, OeeQuery
from messages import START, FactoryMessageGenerator
from plant.telemetry import MachineFilter
from tests.support.factory.answers import answered, truth_of, whole_answer
from tests.support.factory.plants import config

MANY = config({"cnc_machine": 230, "printer_3d": 120, "testing": 210})


@cache
def plant(shard: tuple[int, int] = (1, 1)) -> FactoryMessageGenerator:
    """One that has run for half an hour; it is only looked at."""
    made = FactoryMessageGenerator.of(MANY, 1, shard=shard)
    made.advance_silently(START + 1800)
    return made


def page(query: OeeQuery) -> dict[str, Any]:
    """The answer to a question."""
    found: dict[str, Any] = orjson.loads(asyncio.run(answered(truth_of(plant(), query), query)))
    return found


def test_an_answer_has_every_machine_and_when_it_was() -> None:
    """In order of type and number, with the times of the run; there is nothing after it."""
    answer = orjson.loads(whole_answer(plant()))

    assert [each["machine_id"] for each in answer.pop("machines")] == [each.machine_id for each in plant().oee()]
    assert answer.pop("types")["testing"]["fields"]["test_result"] == "finished_result"
    assert answer == {"span": "run", "start": "2026-01-01T00:00:00.000Z", "now": "2026-01-01T00:30:00.000Z"}


def test_following_next_leads_through_all_machines() -> None:
    """The path keeps span, machine type and limit; the last page has none."""
    query, ids = OeeQuery("hour", MachineFilter("testing", limit=100)), list[str]()
    while True:
        answer = page(query)
        ids += [each["machine_id"] for each in answer["machines"]]
        if "next" not in answer:
            break
        asked = {name: values[0] for name, values in parse_qs(urlsplit(answer["next"]).query).items()}
        query = OeeQuery(asked["span"], MachineFilter(asked["machine_type"], asked["after"], int(asked["limit"])))

    assert ids == [f"TEST-{number:02}" for number in range(1, 211)]


def test_a_page_without_machines_is_an_empty_one() -> None:
    """Behind the last one."""
    answer = page(OeeQuery(which=MachineFilter(after="TEST-210", limit=5)))

    assert (answer["machines"], "next" in answer) == ([], False)


@pytest.mark.parametrize(
    "which",
    [
        MachineFilter(),
        MachineFilter(limit=100),
        MachineFilter(after="CNC-229", limit=3),
        MachineFilter("testing", limit=9),
    ],
)
def test_parts_of_a_plant_answer_as_the_whole(which: MachineFilter) -> None:
    """Whatever page is asked for, machines of all parts are in it by type and number."""
    query = OeeQuery(which=which)
    parts = [truth_of(plant((part, 3)), query) for part in (1, 2, 3)]

    put_together, whole = asyncio.run(merged(parts, which.limit)), truth_of(plant(), query)
    assert list(map(read, put_together.entries)) == list(map(read, whole.entries))
    assert put_together._replace(entries=()) == whole._replace(entries=())


def read(entry: MachineEntry) -> tuple[tuple[int, int], str, dict[str, Any]]:
    """An entry; of results that a machine never had a part does not know."""
    place, machine_id, json = entry
    machine = orjson.loads(json)
    return place, machine_id, {**machine, "results": {name: n for name, n in machine["results"].items() if n}}


def test_an_answer_is_made_in_turns_with_others() -> None:
    """Who is ready meanwhile does not wait for the end of it."""

    async def make() -> int:
        making, turns = asyncio.create_task(answered(truth_of(plant()), OeeQuery())), 0
        while not making.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(make()) > 3


class Kitchen:
    """Makes what is asked for, one by one, and knows how often and how many at a time."""

    def __init__(self) -> None:
        self.made = self.busy = self.most_busy = 0

    async def make(self) -> int:
        """The how-manieth it is."""
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        async for _ in in_turns(range(3)):
            pass
        self.busy -= 1
        self.made += 1
        return self.made


def test_who_waits_for_the_same_gets_the_same() -> None:
    """Made once for all of them, one thing at a time; what was begun before a question does not answer it."""

    async def ask() -> tuple[list[int], Kitchen]:
        kitchen, shared = Kitchen(), SharedWork[int](100)
        early = [asyncio.create_task(shared.get(key, kitchen.make)) for key in "aaabb"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        late = [asyncio.create_task(shared.get(key, kitchen.make)) for key in "ab"]
        return await asyncio.gather(*early, *late), kitchen

    got, kitchen = asyncio.run(ask())
    assert got == [1, 1, 1, 2, 2, 3, 2]
    assert (kitchen.made, kitchen.most_busy) == (3, 1)


def test_who_comes_when_too_many_wait_is_told_to_come_again() -> None:
    """At once; and once they have been served there is room."""

    async def ask() -> tuple[int, int]:
        kitchen, shared = Kitchen(), SharedWork[int](3)
        waiting = [asyncio.create_task(shared.get(key, kitchen.make)) for key in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await shared.get("one more", kitchen.make)
        await asyncio.gather(*waiting)
        return await shared.get("one more", kitchen.make), kitchen.most_busy

    assert asyncio.run(ask()) == (4, 1)


def test_who_gives_up_takes_nothing_from_others() -> None:
    """The answer is made for those who still wait."""

    async def ask() -> int:
        kitchen, shared = Kitchen(), SharedWork[int](3)
        hasty, patient = (asyncio.create_task(shared.get("a", kitchen.make)) for _ in range(2))
        await asyncio.sleep(0)
        hasty.cancel()
        return await patient

    assert asyncio.run(ask()) == 1


def test_no_answer_is_made_while_others_that_are_being_read_take_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy is raised; once an answer has been read there is room."""
    monkeypatch.setattr(edge.http.answers, "_TRIES", 3)

    async def large(_query: OeeQuery) -> OeeFigures:
        return OeeFigures(START, START, [((0, 1), "CNC-01", bytes(20_000_000))], more=False, types=())

    async def ask() -> int:
        answers = Answers(large, oee_answer)
        being_read = await answers.get(OeeQuery())
        with pytest.raises(Busy):
            await answers.get(OeeQuery())
        read = being_read.size_bytes
        del being_read
        return read + (await answers.get(OeeQuery())).size_bytes

    assert asyncio.run(ask()) > 40_000_000
