"""What the plant's file may be, and how it is read and followed: bounded, away from the loop, and never in silence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from edge.runtime import plant_file
from edge.runtime.plant_file import MOST_BYTES, FileWatcher, PlantFile, digest, read_at_start
from plant.definition.document.yaml_file import MAX_BYTES
from tests.edge.runtime.test_simulator import free_port
from tests.support.examples import thorough
from tests.support.factory.plants import ROOT
from tests.support.processes.daemon import DaemonProcess

YAML = (ROOT / "message_structure.yaml").read_bytes()


class Watched:
    """A file and a watcher of it, which looks when told to."""

    def __init__(self, path: Path, known: bytes | None = None) -> None:
        self.path = path
        before = digest(path.read_bytes()) if path.exists() else None
        self._watcher = FileWatcher(PlantFile(path, timeout_seconds=0.1).read, known or before)

    def looks(self, times: int) -> list[bytes | str | None]:
        """Look so many times: what each look finds new."""

        async def look() -> list[bytes | str | None]:
            return [await self._watcher.poll() for _ in range(times)]

        return asyncio.run(look())


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A file that says `one`."""
    (tmp_path / "plant.yaml").write_text("one")
    return Watched(tmp_path / "plant.yaml")


def publish(volume: Path, generation: int, text: str) -> None:
    """Put `text` into plant.yaml as kubelet does: a new directory, and the symlink `..data` swapped to it."""
    directory = volume / f"..2026_{generation}"
    directory.mkdir(parents=True)
    (directory / "plant.yaml").write_text(text)
    (volume / "..data_tmp").symlink_to(directory.name)
    (volume / "..data_tmp").replace(volume / "..data")
    if not (volume / "plant.yaml").is_symlink():
        (volume / "plant.yaml").symlink_to("..data/plant.yaml")


def test_every_swap_of_a_projected_volume_is_seen(tmp_path: Path) -> None:
    """Not only the first: the link is followed anew at each look."""
    publish(tmp_path, 1, "one")
    watched, seen = Watched(tmp_path / "plant.yaml"), []
    for generation, text in enumerate(["two", "three", "three", "four"], start=2):
        publish(tmp_path, generation, text)
        seen.append(watched.looks(4))

    assert seen == [[None, b"two", None, None], [None, b"three", None, None], [None] * 4, [None, b"four", None, None]]


def test_a_change_that_leaves_size_and_time_as_they_were_is_seen(watched: Watched) -> None:
    """Content counts, whatever the directory entry says."""
    os.utime(watched.path, (1, 1))
    watched.path.write_text("two")
    os.utime(watched.path, (1, 1))

    assert watched.looks(2) == [None, b"two"]


def test_a_file_is_not_taken_while_it_is_being_written(watched: Watched) -> None:
    """Only content that is the same at two looks in a row counts."""
    seen = []
    for part in ("t", "tw", "two", "two"):
        watched.path.write_text(part)
        seen += watched.looks(1)

    assert seen == [None, None, None, b"two"]


def test_a_file_that_goes_missing_is_told_once_and_so_is_its_return(watched: Watched) -> None:
    """In words; while it is being replaced, and gone for one look, nothing is told."""
    watched.path.unlink()
    gone = watched.looks(3)
    watched.path.write_text("one")
    back = watched.looks(3)
    watched.path.unlink()
    brief = watched.looks(1)
    watched.path.write_text("one")

    assert gone == [None, "does not exist", None]
    assert back == [None, b"one", None]
    assert brief + watched.looks(3) == [None] * 4


def test_a_file_that_is_too_large_is_told_once_and_never_read(watched: Watched) -> None:
    """Its size is looked at, not its content."""
    with watched.path.open("wb") as file:
        file.truncate(400 << 20)
    began = time.process_time()

    assert watched.looks(50) == [None, "cannot be read: it is larger than 1,048,576 bytes", *[None] * 48]
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "it is a pipe, not a file"),
        (lambda path: path.mkdir(), "it is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_any_more_is_told_once(watched: Watched, make: Callable[[Path], object], why: str) -> None:
    """Nothing is waited for, and nothing read."""
    watched.path.unlink()
    make(watched.path)

    assert watched.looks(3) == [None, f"cannot be read: {why}", None]


def test_a_reading_that_hangs_is_told_and_none_is_begun_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on meanwhile; once the mount answers, all is as before."""
    begun, mount = [], threading.Event()

    def hang(path: Path, most_bytes: int) -> bytes:
        begun.append((path, most_bytes))
        mount.wait(10)
        return b"one"

    monkeypatch.setattr(plant_file, "read_small", hang)

    async def follow() -> tuple[list[bytes | str | None], int, list[bytes | str | None]]:
        file = PlantFile(tmp_path / "plant.yaml", timeout_seconds=0.05)
        watcher = FileWatcher(file.read, digest(b"one"))
        news = [await watcher.poll() for _ in range(4)]
        with pytest.raises(OSError, match="no answer in time"):
            await file.read()
        readings = len(begun)
        mount.set()
        return news, readings, [await watcher.poll() for _ in range(3)]

    assert asyncio.run(follow()) == ([None, "cannot be read: no answer in time", None, None], 1, [None, b"one", None])


def test_a_running_watcher_tells_what_is_new(watched: Watched) -> None:
    """It looks by itself, until it is cancelled, and hands over the very bytes that it has seen."""

    async def change_once() -> bytes | str:
        news: asyncio.Queue[bytes | str] = asyncio.Queue()
        watcher = FileWatcher(PlantFile(watched.path).read, digest(b"one"))

        async def note(change: bytes | str) -> bool:
            await news.put(change)
            return True

        running = asyncio.create_task(watcher.run(note, 0.01))
        watched.path.write_text("two")
        seen = await asyncio.wait_for(news.get(), 5)
        running.cancel()
        return seen

    assert asyncio.run(change_once()) == b"two"


def test_a_change_that_cannot_be_applied_yet_is_told_again(watched: Watched) -> None:
    """Until it can be, and then no more."""

    async def follow() -> list[bytes | str]:
        told: list[bytes | str] = []

        async def note(change: bytes | str) -> bool:
            told.append(change)
            return len(told) == 3

        watcher = FileWatcher(PlantFile(watched.path).read, digest(b"one"))
        running = asyncio.create_task(watcher.run(note, 0.001))
        watched.path.write_text("two")
        while len(told) < 3:  # noqa: ASYNC110 - soon over
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        running.cancel()
        return told

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == [b"two"] * 3


# At the start


def test_the_same_limit_holds_for_the_file_and_for_its_content() -> None:
    """Of what is read, nothing is refused for its length."""
    assert MOST_BYTES == MAX_BYTES


def test_a_regular_file_is_taken_and_can_be_followed(watched: Watched) -> None:
    """By its path."""
    assert read_at_start(watched.path) == (b"one", True)


def test_a_pipe_is_read_to_its_end_once(tmp_path: Path) -> None:
    """However slowly it comes, and in however many pieces."""
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        with (tmp_path / "pipe").open("wb") as pipe:
            for byte in b"global:":
                pipe.write(bytes([byte]))
                pipe.flush()
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    taken = read_at_start(tmp_path / "pipe")
    writer.join()

    assert taken == (b"global:", False)


def test_a_pipe_into_which_nobody_writes_is_refused(tmp_path: Path) -> None:
    """After a while, in which somebody might begin."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe to which nothing was written"):
        read_at_start(tmp_path / "pipe", first_byte_seconds=0.05)


def test_a_pipe_that_does_not_end_is_refused(tmp_path: Path) -> None:
    """One that stays open, and one that gives more than a plant's file may have."""
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"global:")
    with pytest.raises(OSError, match="reading did not end"):
        read_at_start(tmp_path / "pipe", seconds=0.1)
    os.close(writer)
    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
        assert endless.stdout
        with pytest.raises(OSError, match="it has more than 1,048,576 bytes"):
            read_at_start(Path(f"/dev/fd/{endless.stdout.fileno()}"))
        endless.kill()


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """With a reason that follows `cannot be read:`."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, why in (("socket", "No such device"), (".", "it is a directory"), ("none", "No such file")):
            with pytest.raises(OSError, match=why):
                read_at_start(tmp_path / name)
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_at_start(Path("/dev/zero"))


def app(command: str, path: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`app.py` with a plant's file, from another directory."""
    flags = {
        "check": ["check", path],
        "run": ["run", "--dry-run", "--count", "2", "--seed", "1", "--message-config-path", path],
        "export": ["export", "schema"],
    }[command]
    environ = {"PATH": os.environ["PATH"], "HTTP_PORT": "0", "MESSAGE_CONFIG_PATH": path}
    line = [sys.executable, str(ROOT / "app.py"), *flags]
    return subprocess.run(line, input=stdin, capture_output=True, timeout=30, cwd="/", env=environ, check=False)


@pytest.mark.parametrize("command", ["check", "run", "export"])
def test_a_plant_may_come_from_a_pipe(command: str) -> None:
    """`cat plant.yaml | app.py check /dev/stdin`, and the same with `<(...)`."""
    done = app(command, "/dev/stdin", YAML)

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout


DEVICE, NONE = ("/dev/zero", "cannot be read: it is a device, not a file"), ("/none.yaml", "does not exist")


@pytest.mark.parametrize(
    ("command", "path", "why"),
    [
        ("check", *DEVICE),
        ("run", *NONE),
        pytest.param("run", *DEVICE, marks=thorough),
        ("export", *DEVICE),
        *(pytest.param(command, *NONE, marks=thorough) for command in ("check", "export")),
    ],
)
def test_what_is_no_file_is_an_error_in_one_line(command: str, path: str, why: str) -> None:
    """The path, the rule, and nothing else, such as a count of errors; exit code 2."""
    done = app(command, path)

    assert (done.returncode, done.stderr.decode(), done.stdout) == (2, f"{path}: {why}\n", b"")


def test_a_plant_whose_file_is_replaced_by_a_pipe_goes_on(tmp_path: Path) -> None:
    """It is told once, counted, and refused to who asks; probes are answered, and the file is taken again."""
    path = tmp_path / "plant.yaml"
    path.write_bytes(YAML)
    flags = ["--message-config-path", str(path), "--reload-seconds", "0.1", "--http-port", "0", "--dry-run"]
    with DaemonProcess(*flags, "--http-port", str(free_port()), stdout=subprocess.DEVNULL) as daemon:
        url = daemon.url()
        path.unlink()
        os.mkfifo(path)
        daemon.says("cannot be read: it is a pipe, not a file")
        assert httpx.get(f"{url}/livez").status_code == 200
        answer = httpx.post(f"{url}/-/reload")
        assert answer.status_code == 422
        assert answer.json() == {"errors": [f"{path}: cannot be read: it is a pipe, not a file"]}
        path.unlink()
        path.write_bytes(YAML.replace(b"cnc: 5", b"cnc: 6"))
        daemon.says(r"cause=changed machines=23 .* changed: cnc_machine: 5 to 6 machines")
        assert 'reloads_total{outcome="refused"} 2.0' in httpx.get(f"{url}/metrics").text
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert daemon.log.count("keeping the previous one") == 1


def test_a_file_that_is_gone_is_not_said_to_be_writable(tmp_path: Path) -> None:
    """It could be saved before, and can be again when it is back."""
    path = tmp_path / "plant.yaml"
    path.write_text("one")

    async def found() -> list[str | None]:
        """Why it cannot be saved: while it is there, gone, and back."""
        file, said = PlantFile(path), list[str | None]()
        for change in (lambda: None, path.unlink, lambda: path.write_text("two")):
            change()
            with contextlib.suppress(OSError):
                await file.read()
            said.append(file.why_not_writable)
        return said

    assert asyncio.run(found()) == [None, "it does not exist", None]
