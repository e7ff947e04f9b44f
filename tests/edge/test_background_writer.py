"""Facts about writing in the background: in order, bounded, and never longer than promised."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.background_writer import BackgroundFile, BackgroundWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends for reading and for writing; what the test has closed stays closed."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def all_of(reading: int, pause_seconds: float = 0.0) -> bytes:
    """Read until the other end is closed."""
    pieces = []
    while piece := os.read(reading, 4096):
        pieces.append(piece)
        time.sleep(pause_seconds)
    return b"".join(pieces)


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=20))
def test_what_is_offered_arrives_in_order(items: list[bytes]) -> None:
    """Whole, whatever the reader takes at a time."""
    reading, writing = os.pipe()
    arrived: list[bytes] = []
    reader = Thread(target=lambda: arrived.append(all_of(reading)))
    reader.start()
    writer = BackgroundWriter(writing, 10**6)
    assert all(writer.offer(item) for item in items)
    assert writer.flush(10)
    writer.close()
    os.close(writing)
    reader.join()
    os.close(reading)

    assert arrived == [b"".join(items)]


def test_without_a_reader_the_oldest_lines_are_dropped_and_counted(pipe: tuple[int, int]) -> None:
    """Nobody waits; what is kept is bounded, and the last line is there once somebody reads."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    while True:
        try:
            os.write(writing, b"before\n" * 512)
        except BlockingIOError:
            break
    os.set_blocking(writing, True)
    writer = BackgroundWriter(writing, 10_000, lambda count: b"dropped %d\n" % count)
    for number in range(100_000):
        writer.offer(b"%06d\n" % number)
    assert not writer.flush(0.05)

    got = b""
    while not got.endswith(b"099999\n"):
        got += os.read(reading, 65_536)
    writer.close()
    lines = [line for line in got.splitlines() if line[:1] in b"0123456789d"]
    noted = sum(int(line.split()[1]) for line in lines if line.startswith(b"dropped"))
    assert len([line for line in lines if not line.startswith(b"dropped")]) + noted == 100_000


def test_a_file_waits_for_a_slow_reader_and_loses_nothing(pipe: tuple[int, int]) -> None:
    """Its writer is slowed down instead."""
    reading, writing = pipe
    arrived: list[bytes] = []
    reader = Thread(target=lambda: arrived.append(all_of(reading, 0.001)))
    reader.start()
    with BackgroundFile(writing, 20_000, 1.0) as file:
        for _ in range(100):
            file.write(b"x" * 8192)
    reader.join()

    assert [len(each) for each in arrived] == [819_200]


def test_a_file_that_nothing_reads_is_an_error_soon(pipe: tuple[int, int]) -> None:
    """First nothing waits, as there is room; then it waits once, and not again to close."""
    file, before = BackgroundFile(pipe[1], 200_000, 3.0), time.monotonic()
    with pytest.raises(OSError, match=r"its reader has read nothing for 3 s") as error:
        file.writelines([b"x" * 8192] * 1000)
    assert error.value.errno == errno.ETIMEDOUT
    with pytest.raises(OSError, match="its reader"):
        file.close()
    assert time.monotonic() - before < 5.5


def test_a_reader_that_has_gone_is_an_error(pipe: tuple[int, int]) -> None:
    """Of the next write, or of closing."""
    file = BackgroundFile(pipe[1], 200_000, 0.3)
    os.close(pipe[0])
    file.write(b"x")
    with pytest.raises(BrokenPipeError):
        file.close()
