"""Access control by the file that mosquitto's option `acl_file` takes.

For demos and tests, not for production.

It has three kinds of lines, beside empty ones and comments that begin with `#`::

    topic [read|write|readwrite|deny] FILTER     of clients without a name; after `user`: of that one
    user NAME                                    whose lines follow
    pattern [read|write|readwrite|deny] FILTER   of all clients; a level %u is their user name, %c their client id

What no line allows is refused. As in mosquitto, a client's own lines decide before patterns, and among lines of the
same sort `deny` before all others. Unlike there, a subscription is refused too if no line allows all its topics.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from sandbox.protocol.rules import is_filter
from sandbox.protocol.topics import covers, matches, split_share


class Right(enum.Flag):
    """What a line allows; `deny` is the right to nothing."""

    DENY = 0
    READ = enum.auto()
    WRITE = enum.auto()


ACCESS = {"read": Right.READ, "write": Right.WRITE, "readwrite": Right.READ | Right.WRITE, "deny": Right.DENY}
CLIENT_ID, USER = "%c", "%u"
Levels = Sequence[str]


class Line(NamedTuple):
    """A right to the topics of a filter, which is split at `/`."""

    right: Right
    levels: tuple[str, ...]


class AclError(ValueError):
    """All mistakes of a file.  mistakes: the number of each line, counted from 1, and the rule that it breaks."""

    def __init__(self, name: str, mistakes: Sequence[tuple[int, str]]) -> None:
        super().__init__("\n".join(f"{name}:{number}: {rule}" for number, rule in mistakes))
        self.mistakes = mistakes


class Permissions:
    """What one client may do.  sorts: its lines, in the order in which they decide; None refuses all that is left."""

    def __init__(self, sorts: Iterable[Sequence[Line] | None]) -> None:
        self._sorts = tuple(None if lines is None else tuple(sorted(lines, key=_allows)) for lines in sorts)

    @property
    def denies(self) -> bool:
        """Whether there are `deny` lines, so that a subscription may match topics that are not to be delivered."""
        return any(lines is None or any(not each.right for each in lines) for lines in self._sorts)

    def may_write(self, topic: str) -> bool:
        """Return whether the client may publish on a topic."""
        return self._decide(Right.WRITE, topic.split("/"), matches)

    def may_read(self, topic: str) -> bool:
        """Return whether the client may receive a topic's messages."""
        return self._decide(Right.READ, topic.split("/"), matches)

    def may_subscribe(self, pattern: str) -> bool:
        """Return whether the client may subscribe to a filter: it may read all its topics, but those denied singly."""
        return self._decide(Right.READ, split_share(pattern)[1].split("/"), covers)

    def _decide(self, right: Right, levels: Levels, fits: Callable[[Levels, Levels], bool]) -> bool:
        for lines in self._sorts:
            if lines is None:
                return False
            for line in lines:
                if fits(line.levels, levels) and (not line.right or right in line.right):
                    return bool(line.right)
        return False


class Acl:
    """The lines of a file: of clients without a name, of users, and of all clients."""

    def __init__(self, anonymous: list[Line], users: dict[str, list[Line]], patterns: list[Line]) -> None:
        self._anonymous = anonymous
        self._users = users
        self._patterns = patterns

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raise AclError with all its mistakes, OSError if it cannot be read."""
        return cls.parse(path.read_text(encoding="utf-8"), str(path))

    @classmethod
    def parse(cls, text: str, name: str = "acl") -> Self:
        """Parse a file's text; raise AclError with all its mistakes.  name: what to call the file in them."""
        parser = _Parser()
        for number, line in enumerate(text.splitlines(), 1):
            try:
                parser.feed(line.strip())
            except ValueError as error:
                parser.mistakes.append((number, str(error)))
        if parser.mistakes:
            raise AclError(name, parser.mistakes)
        return cls(parser.anonymous, parser.users, parser.patterns)

    @property
    def users(self) -> frozenset[str]:
        """The users who have lines of their own."""
        return frozenset(self._users)

    def permissions(self, user: str | None, client_id: str) -> Permissions:
        """Return what a client may do.  user: the name that the listener has checked, or None."""
        own = self._anonymous if user is None else self._users.get(user, [])
        return Permissions((own, self._filled_in({CLIENT_ID: client_id, USER: user})))

    def _filled_in(self, values: dict[str, str | None]) -> list[Line] | None:
        """Return the patterns with a client's values; None if one of these would make other topics of them."""
        lines: list[Line] = []
        for right, levels in self._patterns:
            if any(set(values.get(level) or "") & set("+#/") for level in levels):
                return None
            filled = tuple(values.get(level, level) for level in levels)
            # Without a user name, a pattern with one is of no use to the client.
            if None not in filled:
                lines.append(Line(right, tuple(level for level in filled if level is not None)))
        return lines


class _Parser:
    def __init__(self) -> None:
        self.anonymous: list[Line] = []
        self.users: dict[str, list[Line]] = {}
        self.patterns: list[Line] = []
        self.mistakes: list[tuple[int, str]] = []
        self._current = self.anonymous

    def feed(self, line: str) -> None:
        """Process a line; raise ValueError with the rule that it breaks."""
        if not line or line.startswith("#"):
            return
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if word == "user":
            _require(rest, "'user' needs a name")
            self._current = self.users.setdefault(rest, [])
        elif word == "topic":
            self._current.append(_line(word, rest))
        elif word == "pattern":
            self.patterns.append(_pattern(rest))
        else:
            raise ValueError(f"a line begins with topic, user or pattern, not with {word!r}")


def _line(word: str, rest: str) -> Line:
    """Return what a line allows; without an access word that is reading and writing."""
    first, _, after = rest.partition(" ")
    if first in ACCESS:
        right, pattern = ACCESS[first], after.strip()
    else:
        # A filter may have blanks, but then an access word has to stand before it.
        _require(not after, f"access is read, write, readwrite or deny, not {first!r}")
        right, pattern = ACCESS["readwrite"], first
    _require(pattern, f"{word!r} needs a topic filter")
    _require(is_filter(pattern), f"{pattern!r} is no topic filter: + and # are whole levels, # the last one")
    return Line(right, tuple(pattern.split("/")))


def _pattern(rest: str) -> Line:
    line = _line("pattern", rest)
    parts = [level for level in line.levels if level not in {CLIENT_ID, USER}]
    inside = [level for level in parts if CLIENT_ID in level or USER in level]
    _require(not inside, f"%c and %u are whole levels, not parts of one as in {''.join(inside[:1])!r}")
    return line


def _allows(line: Line) -> bool:
    """Sort `deny` first: False comes before True."""
    return bool(line.right)


def _require(right: object, otherwise: str) -> None:
    if not right:
        raise ValueError(otherwise)
