"""Facts about what viewers are sent: what has changed, once, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from edge.page.figures.history import POINTS, History, Point
from edge.page.state import State


def overview(tiles: list[tuple[Any, ...]] | None, **parts: Any) -> dict[str, Any]:
    """An overview of which only some parts are looked at."""
    return {"tiles": tiles, **parts}


def events(sent: bytes) -> list[tuple[str, Any]]:
    """The events in what is sent."""
    blocks = [block.split("\n") for block in sent.decode().split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


RUNNING, STOPPED = ("A-1", "press", "running", 0, 0), ("A-1", "press", "stopped", 0, 0)
OTHER = ("A-2", "press", "running", 0, 0)


def test_only_what_has_changed_is_sent() -> None:
    """By keys of the overview, and by rows of the tiles."""
    state = State(History())
    state.publish(overview([RUNNING, OTHER], rate=1, queue={"depth": 0}))
    state.publish(overview([STOPPED, OTHER], rate=2, queue={"depth": 0}))

    assert events(state.changes(1)) == [("overview", {"rate": 2}), ("tiles", [[0, list(STOPPED)]])]
    assert events(state.changes(2)) == []


def test_who_has_missed_some_gets_the_newest_of_each() -> None:
    """And not one after the other."""
    state = State(History())
    for rate in range(5):
        state.publish(overview([STOPPED if rate == 1 else RUNNING], rate=rate, queue=rate < 2))

    assert events(state.changes(1)) == [
        ("overview", {"rate": 4, "queue": False}),
        ("tiles", [[0, list(RUNNING)]]),
    ]


def test_a_snapshot_has_all_there_is() -> None:
    """Tiles and history included."""
    history = History()
    history.add(Point(1.5, None, 3, 0.5))
    state = State(history)
    state.publish(overview([RUNNING], rate=1), {"visible": False})
    [(name, data), wire] = events(state.snapshot())

    assert name == "snapshot"
    assert data == {
        "overview": {"rate": 1, "tiles": [list(RUNNING)]},
        "history": {"step_seconds": 5, "rate": [1.5], "lateness_ms": [None], "queue": [3], "oee": [0.5]},
    }
    assert wire == ("wire", {"visible": False})
    assert json.loads(state.overview()) == data["overview"]


def test_tiles_of_other_machines_begin_an_era() -> None:
    """Rows by their index would mean other machines then, so whoever is from before needs a snapshot."""
    state = State(History())
    state.publish(overview([RUNNING]))
    first = state.era
    state.publish(overview([STOPPED]))
    same = state.era
    state.publish(overview([RUNNING, OTHER]))
    grown = state.era
    state.publish(overview(None))

    assert (first, same, grown, state.era) == (1, 1, 3, 4)
    assert json.loads(state.overview())["tiles"] is None


def test_what_viewers_at_one_place_get_is_made_once() -> None:
    """However many there are."""
    state = State(History())
    state.publish(overview(None, rate=1))
    state.publish(overview(None, rate=2))

    assert state.changes(1) is state.changes(1)
    assert state.snapshot() is state.snapshot()


def test_the_wire_is_sent_when_it_has_changed() -> None:
    """It is told at each look."""
    state = State(History())
    for count in (1, 1, 2):
        state.publish(overview(None, rate=1), {"count": count})

    assert events(state.changes(1)) == [("wire", {"count": 2})]
    assert events(state.changes(3)) == []


def test_the_history_keeps_a_quarter_of_an_hour() -> None:
    """A point each five seconds, the oldest first; further ones are sent one by one."""
    history = History()
    state = State(history)
    for number in range(POINTS + 20):
        history.add(Point(float(number), None, 0, None))
    state.publish(overview(None))
    described = history.described()["rate"]
    further = [data["rate"] for _, data in events(state.points(POINTS + 18))]

    assert isinstance(described, list)
    assert (len(described), described[0], described[-1]) == (POINTS, 20.0, POINTS + 19.0)
    assert further == [POINTS + 18.0, POINTS + 19.0]
    assert len(events(state.points(0))) == POINTS
