"""Facts about renewing a token on a live connection; the connection here only notes what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.mqtt.auth.credentials import CredentialsUnavailable, SecretFile, Token, read_token
from edge.mqtt.auth.token_refresh import TokenRefresher


class NotingConnection:
    """Remembers the tokens offered and whether it was left."""

    def __init__(self) -> None:
        self.offered: list[bytes] = []
        self.left: list[int | None] = []

    def renew(self, token: Token) -> None:
        """Note the token."""
        self.offered.append(token.raw)

    def leave(self, *, session_expiry_seconds: int | None = None) -> None:
        """Note that the session is kept, or not."""
        self.left.append(session_expiry_seconds)


class Bench:
    """A renewal of the token `first`, whose file the test writes."""

    def __init__(self, folder: Path, expires_at: float | None = None) -> None:
        self.file = folder / "token"
        self.file.write_bytes(b"first")
        self.connection = NotingConnection()
        self.wall = 1000.0
        self.secret = SecretFile(self.file, "token file", "SAT_TOKEN_PATH")
        first = Token(b"first", expires_at)
        self.renewal = TokenRefresher(self.secret, first, self.connection, self.latest, lambda: self.wall)

    def latest(self) -> Token | None:
        """What the file holds now."""
        try:
            return read_token(self.secret)
        except CredentialsUnavailable:
            return None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A renewal with nothing to do yet."""
    return Bench(tmp_path)


def test_an_unchanged_token_is_left_alone(bench: Bench) -> None:
    """Nothing is sent while the file holds the token in force."""
    bench.renewal.tick(1.0)

    assert bench.connection.offered == []


def test_a_new_token_is_offered_once(bench: Bench) -> None:
    """It is sent when it appears, and not again while the answer is due."""
    bench.file.write_bytes(b"second\n")
    bench.renewal.tick(1.0)
    bench.renewal.tick(2.0)

    assert bench.connection.offered == [b"second"]


def test_an_accepted_token_is_in_force(bench: Bench) -> None:
    """After AUTH 0x00 the next new token is what differs from it."""
    bench.file.write_bytes(b"second")
    bench.renewal.tick(1.0)
    renewed = bench.renewal.answered(0, 1.1)
    bench.renewal.tick(2.0)

    assert renewed == Token(b"second")
    assert bench.connection.offered == [b"second"]


def test_a_broker_that_cannot_check_now_is_asked_again_later(bench: Bench) -> None:
    """After AUTH 0x18 the token is offered again ten seconds later."""
    bench.file.write_bytes(b"second")
    bench.renewal.tick(1.0)
    bench.renewal.answered(0x18, 1.5)
    bench.renewal.tick(11.0)
    before = list(bench.connection.offered)
    bench.renewal.tick(11.6)

    assert (before, bench.connection.offered) == ([b"second"], [b"second", b"second"])


@pytest.mark.parametrize("answer", [None, 0x87], ids=["no answer", "another answer"])
def test_without_success_there_is_one_planned_reconnect(bench: Bench, answer: int | None) -> None:
    """The connection is left once, with the session kept."""
    bench.file.write_bytes(b"second")
    bench.renewal.tick(1.0)
    if answer is not None:
        bench.renewal.answered(answer, 1.5)
    for moment in (12.0, 13.0, 30.0):
        bench.renewal.tick(moment)

    assert bench.connection.left == [None]
    assert bench.connection.offered == [b"second"]


@pytest.mark.parametrize("content", [b"", b" \n", None], ids=["empty", "blank", "missing"])
def test_a_file_that_is_away_for_a_moment_is_no_news(bench: Bench, content: bytes | None) -> None:
    """An empty or missing file is not offered; the token after it is."""
    bench.file.unlink()
    if content is not None:
        bench.file.write_bytes(content)
    bench.renewal.tick(1.0)
    bench.file.write_bytes(b"second")
    bench.renewal.tick(2.0)

    assert bench.connection.offered == [b"second"]


def test_a_token_about_to_expire_without_a_successor_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute before its `exp` one line says that no new token is there; the token itself is not shown."""
    bench = Bench(tmp_path, expires_at=1100.0)
    bench.renewal.tick(1.0)
    bench.wall = 1041.0
    bench.renewal.tick(2.0)
    bench.renewal.tick(3.0)

    assert [record.getMessage() for record in caplog.records] == [
        "the token expires within 60 s and no new one is there"
    ]
