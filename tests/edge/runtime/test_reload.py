"""Facts about reloading the plant's file: all or nothing, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge.runtime.plant_file import digest
from edge.runtime.reload import (
    LoadedPlant,
    NotApplied,
    PlantLoader,
    Reloader,
    as_config_errors,
    load_at_start,
    parse_plant,
    with_orders_per_hour,
)
from edge.status import ReloadOutcome
from messages import topic_template
from plant.definition.plant_config import ConfigError, PlantConfig, PlantConfigError, load
from tests.support.brokers.rig import settings_for
from tests.support.factory.plants import ROOT

DEFAULT = (ROOT / "message_structure.yaml").read_text()


class Plant:
    """A file, what is in force of it, and a clock that stands at 100, then goes on by one a look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.in_force: list[PlantConfig] = []
        self.time = 99.0
        self.path.write_text(DEFAULT)
        self.load: Callable[[bytes], PlantConfig] = lambda content: parse_plant(content, path)
        self.adopt: Callable[[PlantConfig], Awaitable[int]] = self.take
        self.reloader = Reloader(
            path,
            self._load,
            self._adopt,
            self.clock,
            LoadedPlant(load(path), digest(path.read_bytes())),
        )

    def _load(self, content: bytes) -> PlantConfig:
        return self.load(content)

    async def _adopt(self, config: PlantConfig) -> int:
        return await self.adopt(config)

    async def take(self, config: PlantConfig) -> int:
        self.in_force.append(config)
        return 0

    def reload(self, cause: str = "SIGHUP") -> ReloadOutcome:
        """Have the file loaded, as a signal or a request does."""
        return asyncio.run(self.reloader.reload(cause))

    def hear(self, news: bytes | str) -> bool:
        """What the watcher hands over; whether that is the end of it."""
        return asyncio.run(self.reloader._on_change(news))

    def clock(self) -> float:
        self.time += 1
        return self.time

    def write(self, text: str) -> None:
        self.path.write_text(text)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """A plant whose file is the default one."""
    return Plant(tmp_path / "plant.yaml")


def test_a_good_file_is_handed_over_and_counted(plant: Plant) -> None:
    """The outcome names the machines by type; the time of success moves on."""
    outcome = plant.reload("SIGHUP")

    assert not outcome.errors
    assert outcome.machines == {kind: count for kind, _, count in plant.in_force[0].machines()}
    facts = plant.reloader.status()
    assert (facts.accepted, facts.refused, facts.last_success) == (1, 0, 101.0)


def test_the_log_says_what_the_plant_has_now(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    """How many machines, and how many of each type; what has changed, and the messages that come of it."""
    plant.write(DEFAULT.replace("painting: 3", "painting: 4"))
    with caplog.at_level(logging.INFO, "reload"):
        plant.reload("changed")

    assert caplog.messages[-1] == (
        f"reloaded configuration path={plant.path} cause=changed machines=23 "
        "(5 cnc_machine, 8 printer_3d, 4 welding, 4 painting, 2 testing), "
        "4.001 messages/s; changed: painting: 3 to 4 machines"
    )


def test_a_bad_file_is_refused_as_a_whole_with_all_its_mistakes(plant: Plant) -> None:
    """Nothing is handed over; the time of the last success stays."""
    plant.write(DEFAULT.replace("base_interval: 1.0", "base_interval: -1") + "\nfrobnicate: 1\n")

    outcome = plant.reload("file changed")

    assert not plant.in_force
    assert not outcome.machines
    assert any("base_interval" in line for line in outcome.errors)
    assert any("frobnicate" in line for line in outcome.errors)
    facts = plant.reloader.status()
    assert (facts.accepted, facts.refused, facts.last_success) == (0, 1, 100.0)


def test_the_same_bad_content_is_told_in_full_once(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    """Asked again, one short line; after a good one, or with other content, in full again."""
    with caplog.at_level(logging.INFO):
        for text in ("frobnicate: 1", "frobnicate: 1", "# new\nfrobnicate: 1"):
            plant.write(text)
            plant.reload("SIGHUP")

    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "ERROR"]
    assert "frobnicate" in caplog.records[0].getMessage()
    assert "\n" not in caplog.records[1].getMessage()


def test_a_missing_file_is_a_mistake_like_any_other(plant: Plant) -> None:
    """The old plant stays and the process lives."""
    plant.path.unlink()

    outcome = plant.reload("SIGHUP")

    assert len(outcome.errors) == 1
    assert str(plant.path) in outcome.errors[0]


def test_a_mended_file_is_taken_after_a_bad_one(plant: Plant) -> None:
    """A refusal leaves no trace but its count."""
    plant.write("nonsense")
    plant.reload("file changed")
    plant.write(DEFAULT)

    assert plant.reload("file changed").machines
    assert plant.reloader.status().accepted == 1


def test_what_the_loader_adds_to_the_mistakes_counts(plant: Plant) -> None:
    """Any check that raises PlantConfigError refuses the file, such as that of the topics."""

    def strict(_: bytes) -> PlantConfig:
        raise PlantConfigError([ConfigError(str(plant.path), None, "message_types.welding.topic", "has a wildcard")])

    plant.load = strict

    assert plant.reload().errors == (f"{plant.path}: message_types.welding.topic: has a wildcard",)
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


ERRORS = [
    IndexError("array index out of range"),
    OSError(28, "No space left on device"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    RuntimeError("a\nb"),
]


@pytest.mark.parametrize("where", ["load", "adopt"])
@pytest.mark.parametrize("error", ERRORS, ids=[type(error).__name__ for error in ERRORS])
def test_whatever_goes_wrong_is_a_refusal_in_one_line(
    plant: Plant, caplog: pytest.LogCaptureFixture, where: str, error: Exception
) -> None:
    """The type of the error and what it says; the traceback is for who asks for it, at debug level."""

    def fail(_: object) -> PlantConfig:
        raise error

    async def fail_to_adopt(_: object) -> None:
        raise error

    setattr(plant, where, fail if where == "load" else fail_to_adopt)
    with caplog.at_level(logging.DEBUG):
        outcome = plant.reload()

    assert len(outcome.errors) == 1
    assert outcome.errors[0].startswith(f"{plant.path}: cannot be used: {type(error).__name__}")
    assert "\n" not in outcome.errors[0]
    facts = plant.reloader.status()
    assert (facts.accepted, facts.refused, facts.last_success) == (0, 1, 100.0)
    assert not plant.in_force
    told = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert [record.exc_info for record in told] == [None]
    assert [record.exc_info[1] for record in caplog.records if record.exc_info]


def test_a_mistake_found_as_the_process_starts_is_told_the_same_way(tmp_path: Path) -> None:
    """With the whole path, though it was given from the working directory."""

    def fail(_: bytes, __: Path) -> PlantConfig:
        with as_config_errors(tmp_path):
            raise RecursionError("too deep")

    (tmp_path / "plant.yaml").write_text("global: 1")
    with pytest.raises(PlantConfigError, match=r"cannot be used: RecursionError: too deep"):
        load_at_start(tmp_path / "plant.yaml", fail)
    with pytest.raises(PlantConfigError) as caught:
        PlantLoader(settings_for(1), topic_template)(Path("none.yaml"))
    assert str(caught.value).startswith(str(Path("none.yaml").absolute()))


def test_what_the_watcher_has_seen_is_what_is_loaded(plant: Plant) -> None:
    """The very bytes, whatever the file holds by now."""
    plant.write("nonsense")
    plant.hear(DEFAULT.replace("cnc: 5", "cnc: 6").encode())

    assert plant.in_force[0].global_.machine_counts["cnc"] == 6


def test_a_file_that_cannot_be_read_any_more_is_refused_once(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    """And told again once it is back as it was, which is no reload."""
    with caplog.at_level(logging.INFO):
        plant.hear("does not exist")
        plant.hear(DEFAULT.encode())

    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert f"{plant.path}: does not exist" in caplog.messages[0]
    assert caplog.messages[1] == f"file matches the running configuration again path={plant.path}"
    assert (plant.reloader.status().refused, plant.in_force) == (1, [])


def test_what_was_loaded_on_request_is_not_loaded_again_by_the_watcher(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    """An edit and a POST are one line, whether it is accepted or rejected; what was rejected and repaired is two."""
    good, bad = DEFAULT.replace("cnc: 5", "cnc: 6"), "frobnicate: 1"
    with caplog.at_level(logging.INFO):
        for content in (good, bad):
            plant.write(content)
            plant.reload("HTTP")
            plant.hear(content.encode())
        plant.hear(good.encode())

    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "INFO"]
    assert "matches the running configuration again" in caplog.messages[2]
    assert (plant.reloader.status().accepted, plant.reloader.status().refused) == (1, 1)


def test_a_change_that_cannot_be_applied_now_is_offered_again(plant: Plant) -> None:
    """As when a worker does not answer: the file is right, and nobody edits it a second time. Wrong content is not."""

    async def fail(_: object) -> int:
        raise NotApplied("worker 2 of 2 does not answer")

    plant.adopt, good = fail, DEFAULT.replace("cnc: 5", "cnc: 6").encode()
    heard = [plant.hear(good), plant.hear(b"frobnicate: 1"), plant.hear(good)]
    plant.adopt = plant.take
    heard.append(plant.hear(good))

    assert heard == [False, True, False, True]
    assert [config.global_.machine_counts["cnc"] for config in plant.in_force] == [6]


def test_content_that_was_put_is_in_force_until_the_file_changes(plant: Plant) -> None:
    """The file stays as it is; loading it again applies it again."""
    content = DEFAULT.replace("cnc: 5", "cnc: 6").encode()
    outcome = asyncio.run(plant.reloader.put(content, "http 127.0.0.1"))
    again = plant.reload("SIGHUP")

    assert (outcome.machines["cnc_machine"], again.machines["cnc_machine"]) == (6, 5)
    assert plant.path.read_text() == DEFAULT
    assert [(each.by, each.command["command"]) for each in plant.reloader.journal.entries()] == [
        ("SIGHUP", "reload"),
        ("http 127.0.0.1", "reload"),
    ]


def test_what_is_wrong_in_content_that_was_put_is_not_laid_at_the_files_door(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is the file's own error left out where it is the same."""
    wrong = b"frobnicate: 1"
    outcome = asyncio.run(plant.reloader.put(wrong, "http 127.0.0.1"))
    plant.hear(wrong)

    assert all(error.startswith("(sent):1: ") for error in outcome.errors)
    assert [message.partition(" errors=")[0] for message in caplog.messages] == [
        "configuration rejected, keeping the previous one path=(sent) cause=http 127.0.0.1",
        f"configuration rejected, keeping the previous one path={plant.path} cause=changed",
    ]


def test_a_plant_from_a_pipe_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That is said, and nothing is read from it again."""

    async def follow() -> None:
        in_force = LoadedPlant(load(ROOT / "message_structure.yaml"), b"", followed=False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await Reloader(tmp_path, lambda _: in_force.config, adopt, lambda: 0.0, in_force).follow(0.01)

    async def adopt(_: PlantConfig) -> int:
        raise AssertionError

    asyncio.run(follow())

    assert caplog.messages == [f"configuration was read from a pipe, changes are not followed path={tmp_path}"]
