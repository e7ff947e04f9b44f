"""Facts about following files and reloading the plant's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

import pytest

from edge.reload import FileWatcher, Reloader, with_orders_per_hour
from plant.structure import Mistake, Structure, StructureError, load
from tests.support.plants import ROOT


def looks(watcher: FileWatcher, times: int) -> list[bool]:
    """Look so many times: what each look says."""
    return [watcher.look() for _ in range(times)]


def follow(path: Path) -> FileWatcher:
    """A watcher whose looks the test takes itself."""
    return FileWatcher(path, lambda: None)


def publish(volume: Path, generation: int, text: str) -> None:
    """Put `text` into plant.yaml as kubelet does: a new directory, and the symlink `..data` swapped to it."""
    directory = volume / f"..2026_{generation}"
    directory.mkdir(parents=True)
    (directory / "plant.yaml").write_text(text)
    (volume / "..data_tmp").symlink_to(directory.name)
    (volume / "..data_tmp").replace(volume / "..data")
    with contextlib.suppress(FileExistsError):
        (volume / "plant.yaml").symlink_to("..data/plant.yaml")


def test_every_swap_of_a_projected_volume_is_seen(tmp_path: Path) -> None:
    """Not only the first: the link is followed anew at each look."""
    publish(tmp_path, 1, "one")
    watcher = follow(tmp_path / "plant.yaml")
    seen = []
    for generation, text in enumerate(["two", "three", "three", "four"], start=2):
        publish(tmp_path, generation, text)
        seen.append(looks(watcher, 4))

    assert seen == [[False, True, False, False], [False, True, False, False], [False] * 4, [False, True, False, False]]


def test_a_change_that_leaves_size_and_time_as_they_were_is_seen(tmp_path: Path) -> None:
    """Content counts, whatever the directory entry says."""
    path = tmp_path / "plant.yaml"
    path.write_text("one")
    os.utime(path, (1, 1))
    watcher = follow(path)
    path.write_text("two")
    os.utime(path, (1, 1))

    assert looks(watcher, 2) == [False, True]


def test_a_file_is_not_taken_while_it_is_being_written(tmp_path: Path) -> None:
    """Only content that is the same at two looks in a row counts."""
    path = tmp_path / "plant.yaml"
    path.write_text("one")
    watcher = follow(path)
    seen = []
    for part in ("t", "tw", "two", "two"):
        path.write_text(part)
        seen += looks(watcher, 1)

    assert seen == [False, False, False, True]


def test_a_file_that_is_gone_for_a_while_has_not_changed(tmp_path: Path) -> None:
    """It counts when it is back with other content."""
    path = tmp_path / "plant.yaml"
    path.write_text("one")
    watcher = follow(path)
    path.unlink()
    gone = looks(watcher, 3)
    path.write_text("one")
    same = looks(watcher, 3)
    path.write_text("two")

    assert (gone, same, looks(watcher, 3)) == ([False] * 3, [False] * 3, [False, True, False])


def test_a_file_that_appears_later_has_changed(tmp_path: Path) -> None:
    """A token may be mounted after the start."""
    watcher = follow(tmp_path / "token")
    (tmp_path / "token").write_text("one")

    assert looks(watcher, 3) == [False, True, False]


def test_a_running_watcher_calls_back(tmp_path: Path) -> None:
    """It looks by itself, until it is cancelled."""
    path = tmp_path / "plant.yaml"
    path.write_text("one")

    async def change_once() -> None:
        called = asyncio.Event()
        running = asyncio.create_task(FileWatcher(path, called.set, interval_seconds=0.01).run())
        path.write_text("two")
        await asyncio.wait_for(called.wait(), 5)
        running.cancel()

    asyncio.run(change_once())


class Plant:
    """A file, what is in force of it, and a clock that stands at 100, then goes on by one a look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.in_force: list[Structure] = []
        self.time = 99.0
        self.reloader = Reloader(path, load, self.in_force.append, self.clock)

    def clock(self) -> float:
        self.time += 1
        return self.time

    def write(self, text: str) -> None:
        self.path.write_text(text)


@pytest.fixture
def plant(tmp_path: Path, default_plant: str) -> Plant:
    """A plant whose file is the default one."""
    plant = Plant(tmp_path / "plant.yaml")
    plant.write(default_plant)
    return plant


@pytest.fixture
def default_plant() -> str:
    """The text of the default plant."""
    return (Path(__file__).parent.parent / "message_structure.yaml").read_text()


def test_a_good_file_is_handed_over_and_counted(plant: Plant) -> None:
    """The outcome names the machines by type; the time of success moves on."""
    outcome = plant.reloader.reload("SIGHUP")

    assert not outcome.mistakes
    assert outcome.machines == {kind: count for kind, _, count in plant.in_force[0].machines()}
    facts = plant.reloader.facts()
    assert (facts.accepted, facts.refused, facts.last_success) == (1, 0, 101.0)


def test_the_log_says_what_the_plant_has_now(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    """How many machines, and how many of each type."""
    with caplog.at_level(logging.INFO, "reload"):
        plant.reloader.reload("changed")

    assert caplog.messages[-1].endswith(
        "reloaded (changed): 22 machines (5 cnc_machine, 8 printer_3d, 4 welding, 3 painting, 2 testing)"
    )


def test_a_bad_file_is_refused_as_a_whole_with_all_its_mistakes(plant: Plant, default_plant: str) -> None:
    """Nothing is handed over; the time of the last success stays."""
    plant.write(default_plant.replace("base_interval: 1.0", "base_interval: -1") + "\nfrobnicate: 1\n")

    outcome = plant.reloader.reload("file changed")

    assert not plant.in_force
    assert not outcome.machines
    assert any("base_interval" in line for line in outcome.mistakes)
    assert any("frobnicate" in line for line in outcome.mistakes)
    facts = plant.reloader.facts()
    assert (facts.accepted, facts.refused, facts.last_success) == (0, 1, 100.0)


def test_the_same_bad_content_is_told_in_full_once(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    """Asked again, one short line; after a good one, or with other content, in full again."""
    with caplog.at_level(logging.INFO):
        for text in ("frobnicate: 1", "frobnicate: 1", "# new\nfrobnicate: 1"):
            plant.write(text)
            plant.reloader.reload("SIGHUP")

    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "ERROR"]
    assert "frobnicate" in caplog.records[0].getMessage()
    assert "\n" not in caplog.records[1].getMessage()


def test_a_missing_file_is_a_mistake_like_any_other(plant: Plant) -> None:
    """The old plant stays and the process lives."""
    plant.path.unlink()

    outcome = plant.reloader.reload("SIGHUP")

    assert len(outcome.mistakes) == 1
    assert str(plant.path) in outcome.mistakes[0]


def test_a_mended_file_is_taken_after_a_bad_one(plant: Plant, default_plant: str) -> None:
    """A refusal leaves no trace but its count."""
    plant.write("nonsense")
    plant.reloader.reload("file changed")
    plant.write(default_plant)

    assert plant.reloader.reload("file changed").machines
    assert plant.reloader.facts().accepted == 1


def test_what_the_loader_adds_to_the_mistakes_counts(plant: Plant) -> None:
    """Any check that raises StructureError refuses the file, such as that of the topics."""

    def strict(path: Path) -> Structure:
        load(path)
        raise StructureError([Mistake(str(path), None, "message_types.welding.topic", "has a wildcard")])

    outcome = Reloader(plant.path, strict, plant.in_force.append, plant.clock).reload("SIGHUP")

    assert outcome.mistakes == (f"{plant.path}: message_types.welding.topic: has a wildcard",)
    assert not plant.in_force


# the demo's rates


@pytest.mark.parametrize(
    ("orders", "dispatches", "replaced"),
    [
        (2, 3, {"orders_per_hour": 720, "dispatches_per_hour": 1080}),
        (2, 4, {"orders_per_hour": 720}),
        (60, 3, {"dispatches_per_hour": 1080}),
        (60, 90, {}),
    ],
)
def test_the_demo_replaces_default_rates_alone(orders: float, dispatches: float, replaced: dict[str, float]) -> None:
    """A rate that was edited holds; the default ones are those of the file that comes with the program."""
    plant = load(ROOT / "message_structure.yaml")
    rates = {"customer_order": {"orders_per_hour": orders}, "dispatch": {"dispatches_per_hour": dispatches}}
    types = {kind: getattr(plant.message_types, kind).model_copy(update=rate) for kind, rate in rates.items()}
    edited = plant.model_copy(update={"message_types": plant.message_types.model_copy(update=types)})

    brisk, told = with_orders_per_hour(edited, 720.0)

    expected = {"orders_per_hour": orders, "dispatches_per_hour": dispatches} | replaced
    order, dispatch = brisk.message_types.customer_order, brisk.message_types.dispatch
    assert told == replaced
    assert order is not None
    assert dispatch is not None
    assert {"orders_per_hour": order.orders_per_hour, "dispatches_per_hour": dispatch.dispatches_per_hour} == expected
    assert with_orders_per_hour(plant, 720.0)[1].keys() == {"orders_per_hour", "dispatches_per_hour"}
