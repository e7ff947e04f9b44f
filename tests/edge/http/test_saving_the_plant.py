"""A YAML that is applied and saved in the plant's file, of a real process: as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.broker import EmbeddedBroker
from tests.edge.runtime.test_live_commands import client_of, http
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.waiting import wait_until

API, SAVE = "/api/v1/plant", {"save": "true"}
BEFORE = "# Ours.\nmessage_types:\n  press:\n    count: 2\n    report_seconds: 3\n    signals: {force: {base: 2}}\n"
AFTER = BEFORE.replace("count: 2", "count: 3  # one more")
NOTHING = "nothing has changed"


class Plant:
    """A daemon, its plant's file, and a client of it."""

    def __init__(self, path: Path, daemon: DaemonProcess, client: httpx.Client) -> None:
        self.path, self.daemon, self._client = path, daemon, client

    def restart(self) -> None:
        """Have the file, alone in its folder, and the plant as they were at the start."""
        for each in [*self.path.parent.iterdir()]:
            each.rmdir() if each.is_dir() else each.unlink()
        self.path.write_text(BEFORE)
        self.path.chmod(0o640)
        assert self._client.post("/-/reload").status_code == 200

    def save(self, text: str = AFTER, **headers: str) -> httpx.Response:
        """Have a YAML applied and saved."""
        return self._client.put(API, params=SAVE, content=text, headers=headers)

    def in_force(self) -> str:
        """The YAML in force."""
        return self._client.get(API).text

    def names(self) -> list[str]:
        """The files beside the plant's, and itself."""
        return sorted(each.name for each in self.path.parent.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plant's file."""
    (tmp_path / "plant").mkdir()
    path = tmp_path / "plant" / "mine.yaml"
    path.write_text(BEFORE)
    path.chmod(0o640)
    return path.parent


@contextlib.contextmanager
def daemon_of(path: Path, **environ: str) -> Iterator[Plant]:
    """A daemon with a file that looks at it once an hour."""
    flags = ["--message-config-path", str(path), "--reload-seconds", "3600", *http()]
    with (
        running(EmbeddedBroker()) as broker,
        DaemonProcess("run", *flags, *plain(broker), environ=environ) as daemon,
        client_of(daemon) as client,
    ):
        yield Plant(path, daemon, client)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A daemon whose file can be saved."""
    path = tmp_path_factory.mktemp("plant") / "mine.yaml"
    path.write_text(BEFORE)
    with daemon_of(path) as plant:
        yield plant


@pytest.fixture
def plant(shared: Plant) -> Plant:
    """The same one, as it was at the start."""
    shared.restart()
    return shared


def test_the_file_gets_the_bytes_that_are_applied(plant: Plant) -> None:
    """What it had is kept beside it, and nothing else is left there; its mode stays."""
    answer = plant.save()

    assert answer.json() == {"machines": {"press": 3}, "saved": "mine.yaml", "backup": "mine.yaml.bak"}
    assert plant.path.read_text() == AFTER == plant.in_force()
    assert plant.path.with_name("mine.yaml.bak").read_text() == BEFORE
    assert plant.names() == ["mine.yaml", "mine.yaml.bak"]
    assert [stat.S_IMODE((plant.path.parent / name).stat().st_mode) for name in plant.names()] == [0o640, 0o640]


def test_it_is_saved_as_often_as_one_likes(plant: Plant) -> None:
    """Each time what was there before is kept."""
    assert plant.save().status_code == 200
    assert plant.save(BEFORE).status_code == 200

    assert plant.path.read_text() == BEFORE == plant.in_force()
    assert plant.path.with_name("mine.yaml.bak").read_text() == AFTER


def test_without_the_parameter_the_file_stays(plant: Plant) -> None:
    """As ever; and it can be saved afterwards."""
    applied = httpx.put(f"{plant.daemon.url()}{API}", content=AFTER)

    assert applied.json() == {"machines": {"press": 3}}
    assert (plant.path.read_text(), plant.in_force(), plant.names()) == (BEFORE, AFTER, ["mine.yaml"])
    assert plant.save(AFTER).status_code == 200


def test_a_wrong_yaml_changes_neither_plant_nor_file(plant: Plant) -> None:
    """And leaves nothing beside it."""
    answer = plant.save(BEFORE.replace("count", "cuont"))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "message_types.press.cuont"
    assert (plant.path.read_text(), plant.in_force(), plant.names()) == (BEFORE, BEFORE, ["mine.yaml"])


def test_a_file_that_somebody_has_changed_is_left_to_them(plant: Plant) -> None:
    """409 with the reason; once their content is applied, it can be saved."""
    theirs = BEFORE.replace("count: 2", "count: 5")
    plant.path.write_text(theirs)
    refused = plant.save()

    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        f"mine.yaml: cannot be saved: it has changed since it was last applied; load it again first; {NOTHING}"
    )
    assert (plant.path.read_text(), plant.in_force()) == (theirs, BEFORE)
    assert httpx.post(f"{plant.daemon.url()}/-/reload").status_code == 200
    assert plant.save().status_code == 200


def test_where_what_it_had_cannot_be_kept_nothing_is_applied(plant: Plant) -> None:
    """Plant and file change both or neither."""
    plant.path.with_name("mine.yaml.bak").mkdir()
    answer = plant.save()

    assert answer.status_code == 409
    assert answer.json()["detail"].endswith(f"is a folder; {NOTHING}")
    assert (plant.path.read_text(), plant.in_force(), plant.names()) == (BEFORE, BEFORE, ["mine.yaml", "mine.yaml.bak"])


def test_it_is_refused_to_who_may_not_change_things(folder: Path, tmp_path: Path) -> None:
    """By the token, as without saving."""
    (tmp_path / "token").write_text("s3cret")
    with daemon_of(folder / "mine.yaml", HTTP_TOKEN_FILE=str(tmp_path / "token")) as plant:
        refused, taken = plant.save(), plant.save(Authorization="Bearer s3cret")

        assert (refused.status_code, taken.status_code) == (401, 200)


def test_a_configmap_is_not_written(tmp_path: Path) -> None:
    """Kubernetes would undo it: the file is a link by way of `..data`."""
    (tmp_path / "..2026_11_29").mkdir()
    (tmp_path / "..2026_11_29" / "mine.yaml").write_text(BEFORE)
    (tmp_path / "..data").symlink_to("..2026_11_29")
    (tmp_path / "mine.yaml").symlink_to("..data/mine.yaml")
    with daemon_of(tmp_path / "mine.yaml") as plant:
        answer = plant.save()

        why = "it is mounted from a ConfigMap or Secret, which has to be changed instead"
        assert (answer.status_code, answer.json()["detail"]) == (409, f"mine.yaml: cannot be saved: {why}; {NOTHING}")
        assert (plant.path.read_text(), plant.in_force()) == (BEFORE, BEFORE)


def test_what_a_link_leads_to_is_saved_and_the_link_stays(folder: Path, tmp_path: Path) -> None:
    """As editors do it."""
    link = tmp_path / "link.yaml"
    link.symlink_to(folder / "mine.yaml")
    with daemon_of(link) as plant:
        answer = plant.save()

        assert (answer.json()["saved"], answer.json()["backup"]) == ("link.yaml", "mine.yaml.bak")
        assert link.is_symlink()
        assert (folder / "mine.yaml").read_text() == AFTER


def test_a_pipe_is_not_written(tmp_path: Path) -> None:
    """It was read to its end."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=[BEFORE])
    writer.start()
    with daemon_of(tmp_path / "pipe") as plant:
        answer = plant.save()
    writer.join()

    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        f"pipe: cannot be saved: it is no regular file; {NOTHING}",
    )


def test_another_save_with_the_same_key_is_another_request(plant: Plant) -> None:
    """The key is of the call with its parameters."""
    key = {"Idempotency-Key": secrets.token_hex()}
    first = plant.save(AFTER, **key)
    again = plant.save(AFTER, **key)
    other = httpx.put(f"{plant.daemon.url()}{API}", content=AFTER, headers=key)

    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert other.status_code == 422


def test_the_log_says_where_it_was_saved(plant: Plant) -> None:
    """And where what was there before is."""
    before = len(plant.daemon.errors)
    plant.save()

    line = rf"configuration saved path={plant.path} cause=http 127.0.0.1 backup=\S+mine.yaml.bak"
    wait_until(lambda: re.search(line, "".join(plant.daemon.errors[before:])), 15, "it is told")
