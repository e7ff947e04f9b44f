"""What has really happened at the broker, by facts with a name: what the exercises of docs/sandbox.md are about.

For demos and tests, not for production.

A fact is counted where it happens, by the broker's own code. Nothing is kept but how often, when last, and by whom, so
that a broker that runs for days does not grow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mqtt5 import PublishPacket

CONNECTED: Final = "connected"
WILDCARD_PLUS, WILDCARD_HASH = "wildcard_plus", "wildcard_hash"
QOS_0, QOS_1, QOS_BOTH, QOS_KEPT = "qos_0", "qos_1", "qos_both", "qos_kept"
RETAINED_GOT, RETAINED_LEFT, RETAINED_DELETED = "retained_got", "retained_left", "retained_deleted"
WILL_PUBLISHED, WILL_FORGOTTEN = "will_published", "will_forgotten"
SESSION_RESUMED, SESSION_ANSWERED = "session_resumed", "session_answered"
PUBLISH_REFUSED, SUBSCRIBE_REFUSED = "publish_refused", "subscribe_refused"
ALARM, ALARM_GOT, COMMAND = "alarm", "alarm_got", "command"
AUTH_RENEWED, RECEIVE_MAXIMUM, SHARED = "auth_renewed", "receive_maximum", "shared"

FACTS: Final[Mapping[str, str]] = {
    CONNECTED: "a client connected",
    WILDCARD_PLUS: "a client subscribed to a filter with `+`",
    WILDCARD_HASH: "a client subscribed to a filter with `#`",
    QOS_0: "a client got a message of QoS 0",
    QOS_1: "a client acknowledged a message of QoS 1",
    QOS_BOTH: "a client got messages of QoS 0 and of QoS 1 on one connection",
    QOS_KEPT: "a client got what was kept for it at QoS 1, and not what was sent at QoS 0 while it was away",
    RETAINED_GOT: "a client got a retained message because it subscribed",
    RETAINED_LEFT: "a client published a message to be retained",
    RETAINED_DELETED: "a client deleted a retained message by an empty one",
    WILL_PUBLISHED: "the broker published a will: a connection ended without DISCONNECT",
    WILL_FORGOTTEN: "the broker forgot a will: its client sent DISCONNECT",
    SESSION_RESUMED: "a client came for its session, and got a message that it had missed",
    SESSION_ANSWERED: "a client sent a command on a connection on which it got what it had missed",
    PUBLISH_REFUSED: "a client published where it may not",
    SUBSCRIBE_REFUSED: "a client subscribed to what it may not read",
    ALARM: "an alarm was published",
    ALARM_GOT: "a client got an alarm",
    COMMAND: "a client sent a command",
    AUTH_RENEWED: "a client renewed its login by AUTH on the connection that it has",
    RECEIVE_MAXIMUM: "flow control held messages back: as many were unacknowledged as Receive Maximum allows",
    SHARED: "a member of a shared subscription got a message, and another one the message before it",
}
"""Names of facts -> what has happened.

A client is one that comes from elsewhere. The wills, alarms and renewals are those of all, also of the plant's own
clients, which log in by a token.
"""

_CACHED_TOPICS = 20_000


@dataclass(slots=True)
class Fact:
    """How often something has happened; when last, in Unix seconds, and the client id that it was with, if it was."""

    count: int = 0
    last: float | None = None
    by: str = ""


class Lessons:
    """All facts.  clock: Unix seconds."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self._clock = clock
        self._facts = {name: Fact() for name in FACTS}
        self._is_alarm: Callable[[str], bool] = _no_topic
        self._is_command: Callable[[str], bool] = _no_topic
        self._known: dict[str, str] = {}

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The facts by name, also those that have not happened."""
        return self._facts

    def watch(self, is_alarm: Callable[[str], bool], is_command: Callable[[str], bool]) -> None:
        """Take for alarms, and for commands, what is published on the topics of which these are true."""
        self._is_alarm, self._is_command = is_alarm, is_command
        self._known.clear()

    def note(self, name: str, client_id: str) -> None:
        """Note that a fact has happened."""
        fact = self._facts[name]
        fact.count += 1
        fact.last = self._clock()
        fact.by = client_id

    def meaning(self, topic: str) -> str:
        """Return ALARM or COMMAND, or nothing for any other topic."""
        meaning = self._known.get(topic)
        if meaning is None:
            # Topics with a level that always changes would fill the memory.
            if len(self._known) >= _CACHED_TOPICS:
                self._known.clear()
            meaning = ALARM if self._is_alarm(topic) else COMMAND if self._is_command(topic) else ""
            self._known[topic] = meaning
        return meaning


class Learner:
    """One connection's part in the facts.  own: whether its client is the plant's, of which less is noted."""

    __slots__ = ("_got", "_has_missed", "_lessons", "_own", "client_id")

    def __init__(self, lessons: Lessons, client_id: str, *, own: bool) -> None:
        self._lessons, self.client_id, self._own = lessons, client_id, own
        self._got = [False, False]
        self._has_missed = False

    def note(self, name: str) -> None:
        """Note a fact of any client."""
        self._lessons.note(name, self.client_id)

    def does(self, name: str) -> None:
        """Note a fact of a client that comes from elsewhere."""
        if not self._own:
            self._lessons.note(name, self.client_id)

    def subscribes(self, pattern: str) -> None:
        """Note a subscription that was granted."""
        levels = pattern.split("/")
        for level, name in (("+", WILDCARD_PLUS), ("#", WILDCARD_HASH)):
            if level in levels:
                self.does(name)

    def publishes(self, packet: PublishPacket, *, replaces: bool) -> None:
        """Note a message that the client may publish.  replaces: whether a message of this topic was retained."""
        meaning = self._lessons.meaning(packet.topic)
        if meaning == ALARM:
            self.note(ALARM)
        if self._own:
            return
        if meaning == COMMAND:
            self.does(COMMAND)
            if self._has_missed:
                self.does(SESSION_ANSWERED)
        if packet.retain and packet.payload:
            self.does(RETAINED_LEFT)
        elif packet.retain and replaces:
            self.does(RETAINED_DELETED)

    def gets(self, topic: str, qos: int) -> None:
        """Note a message that is sent to the client."""
        if self._own:
            return
        if qos == 0:
            self.does(QOS_0)
        if not self._got[qos]:
            self._got[qos] = True
            if all(self._got):
                self.does(QOS_BOTH)
        if self._lessons.meaning(topic) == ALARM:
            self.does(ALARM_GOT)

    def gets_missed(self, *, but_not_all: bool) -> None:
        """Note the first message that was kept while the client was away.  but_not_all: others were not kept."""
        self._has_missed = True
        self.does(SESSION_RESUMED)
        if but_not_all:
            self.does(QOS_KEPT)


def _no_topic(_topic: str) -> bool:
    return False


UNSEEN: Final = Learner(Lessons(), "", own=True)
"""Stands for a connection before its client is known."""
