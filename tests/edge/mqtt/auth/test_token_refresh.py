"""Facts about refreshing a token on a live connection; the connection here only records the calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.mqtt.auth.credentials import CredentialsUnavailable, SecretFile, Token, read_token
from edge.mqtt.auth.token_refresh import TokenRefresher


class RecordingConnection:
    """Records the tokens offered, and disconnects with their session expiry."""

    def __init__(self) -> None:
        self.offered: list[bytes] = []
        self.disconnects: list[int | None] = []

    def refresh(self, token: Token) -> None:
        """Record the token."""
        self.offered.append(token.raw)

    def disconnect(self, *, session_expiry_seconds: int | None = None) -> None:
        """Record that the session is kept, or not."""
        self.disconnects.append(session_expiry_seconds)


class Bench:
    """A refresher on a connection that was accepted with the token `first`; the test writes the file."""

    def __init__(self, folder: Path, expires_at: float | None = None) -> None:
        self.file = folder / "token"
        self.file.write_bytes(b"first")
        self.connection = RecordingConnection()
        self.now, self.wall = 0.0, 1000.0
        secret = SecretFile(self.file, "token file", "SAT_TOKEN_PATH")
        self.refresher = TokenRefresher(secret, lambda: self.now, lambda: self.wall, read_at_once)
        self.refresher.present(Token(b"first", expires_at))
        self.refresher.connected(self.connection)

    def tick(self, now: float) -> None:
        """Let the refresher look at that second."""
        self.now = now
        self.refresher.tick()

    def answer(self, code: int, now: float) -> None:
        """Let the broker answer AUTH at that second."""
        self.now = now
        self.refresher.answered(code)


def read_at_once(file: SecretFile) -> Callable[[], Token | None]:
    """Return a source that reads the file when it is called."""

    def latest() -> Token | None:
        try:
            return read_token(file)
        except CredentialsUnavailable:
            return None

    return latest


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A refresher with nothing to do yet."""
    return Bench(tmp_path)


def test_an_unchanged_token_is_left_alone(bench: Bench) -> None:
    """Nothing is sent while the file holds the token in force."""
    bench.tick(1.0)

    assert bench.connection.offered == []


def test_a_new_token_is_offered_once(bench: Bench) -> None:
    """It is sent when it appears, and not again while the answer is due."""
    bench.file.write_bytes(b"second\n")
    bench.tick(1.0)
    bench.tick(2.0)

    assert bench.connection.offered == [b"second"]


def test_an_accepted_token_is_in_force(bench: Bench) -> None:
    """After AUTH 0x00 the next new token is what differs from it."""
    bench.file.write_bytes(b"second")
    bench.tick(1.0)
    bench.answer(0, 1.1)
    bench.tick(2.0)

    assert (bench.refresher.token, bench.refresher.refreshes) == (Token(b"second"), 1)
    assert bench.connection.offered == [b"second"]


def test_a_broker_that_cannot_check_now_is_asked_again_later(bench: Bench) -> None:
    """After AUTH 0x18 the token is offered again ten seconds later."""
    bench.file.write_bytes(b"second")
    bench.tick(1.0)
    bench.answer(0x18, 1.5)
    bench.tick(11.0)
    before = list(bench.connection.offered)
    bench.tick(11.6)

    assert (before, bench.connection.offered) == ([b"second"], [b"second", b"second"])


@pytest.mark.parametrize("answer", [None, 0x87], ids=["no answer", "another answer"])
def test_without_success_there_is_one_planned_reconnect(bench: Bench, answer: int | None) -> None:
    """The client disconnects once, with the session kept."""
    bench.file.write_bytes(b"second")
    bench.tick(1.0)
    if answer is not None:
        bench.answer(answer, 1.5)
    for moment in (12.0, 13.0, 30.0):
        bench.tick(moment)

    assert bench.connection.disconnects == [None]
    assert bench.connection.offered == [b"second"]


@pytest.mark.parametrize("content", [b"", b" \n", None], ids=["empty", "blank", "missing"])
def test_a_file_that_is_missing_for_a_moment_is_ignored(bench: Bench, content: bytes | None) -> None:
    """An empty or missing file is not offered; the token after it is."""
    bench.file.unlink()
    if content is not None:
        bench.file.write_bytes(content)
    bench.tick(1.0)
    bench.file.write_bytes(b"second")
    bench.tick(2.0)

    assert bench.connection.offered == [b"second"]


def test_a_token_about_to_expire_without_a_successor_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute before its `exp` one line reports that there is no new token; the token itself is not shown."""
    bench = Bench(tmp_path, expires_at=1100.0)
    bench.tick(1.0)
    bench.wall = 1041.0
    bench.tick(2.0)
    bench.tick(3.0)

    assert [record.getMessage() for record in caplog.records] == [
        f"the token expires within 60 s and there is no new one file={bench.file}"
    ]


def test_the_refresher_knows_the_state_of_the_token_over_several_connections(bench: Bench) -> None:
    """An accepted token is the one in use after the connection ends; nothing is offered while there is none."""
    bench.file.write_bytes(b"second")
    bench.tick(1.0)
    bench.answer(0, 1.1)
    bench.refresher.disconnected()
    bench.file.write_bytes(b"third")
    bench.tick(2.0)

    assert (bench.refresher.token, bench.connection.offered) == (Token(b"second"), [b"second"])


def test_a_token_is_tolerated_five_times_and_a_new_one_again(bench: Bench) -> None:
    """After five refusals of one token a retry is of no use; another token, or an expired one, is worth waiting for."""
    refresher = bench.refresher
    results = [refresher.refused() for _ in range(6)]
    refresher.present(Token(b"second"))
    after_new = refresher.refused()
    refresher.present(Token(b"second", expires_at=999.0))

    assert [result is None for result in results] == [False] * 5 + [True]
    assert after_new is not None
    assert (refresher.refused(), refresher.expired) == ("; the token has expired; waiting for a new one", True)
