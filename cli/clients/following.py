"""Staying connected: what `sub`, `observe` and `controller` have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from cli.clients.clock import Clock
from cli.clients.session import Accepted, Dropped, Session

DONE, FAILED, WRONG = 0, 1, 2
_SIGNALLED: Final = (130, 143)
"""Exit codes at SIGINT and SIGTERM (edge/startup.py)."""
_FIRST_SECONDS, _MOST_SECONDS = 1.0, 30.0


class Follower(Protocol):
    """What is done with a connection."""

    def opened(self, accepted: Accepted) -> None:
        """Begin on a new connection; raises Dropped."""

    def look(self) -> None:
        """Process what was received, and what is due."""

    def is_done(self) -> bool:
        """Whether to end."""

    @property
    def has_succeeded(self) -> bool:
        """Whether all that was wanted has happened."""

    @property
    def patience_seconds(self) -> float:
        """How long nothing is due, if nothing is received."""


def follow(session: Session, follower: Follower, note: Callable[[str], object], clock: Clock) -> None:
    """Connect, and reconnect after each loss, until the follower is done; raises Dropped where no retry would help."""
    pause = _FIRST_SECONDS
    session.give_up = follower.is_done
    while not follower.is_done():
        try:
            follower.opened(session.open())
            pause = _FIRST_SECONDS
            while not follower.is_done():
                session.step(follower.patience_seconds)
                follower.look()
        except Dropped as dropped:
            follower.look()  # at what came before
            if dropped.final:
                raise
            if follower.is_done():
                if not follower.has_succeeded:
                    note(str(dropped))
                return
            note(f"{dropped}; trying again in {pause:g} s")
            _wait(follower, pause, clock)
            pause = min(2 * pause, _MOST_SECONDS)


def _wait(follower: Follower, seconds: float, clock: Clock) -> None:
    end = clock.elapsed() + seconds
    while not follower.is_done() and (left := end - clock.elapsed()) > 0:
        clock.sleep(max(0.0, min(left, follower.patience_seconds)))
        follower.look()


def exit_code_of(session: Session, follower: Follower, note: Callable[[str], object], clock: Clock) -> int:
    """Follow until it is done, or until Ctrl-C or SIGTERM, which are the usual end; return the exit code."""
    try:
        follow(session, follower, note, clock)
    except Dropped as dropped:
        note(str(dropped))
        return FAILED
    except KeyboardInterrupt:
        return DONE
    except SystemExit as ended:
        if ended.code not in _SIGNALLED:
            raise
        return DONE
    finally:
        session.close()
    return DONE if follower.has_succeeded else FAILED
