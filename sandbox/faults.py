"""Scripted faults: rules that say what the broker does to which packet instead of behaving.

For trying things out and for tests, not for production.

A rule counts the packets of one kind that pass its filter and acts on some of them::

    faults.refuse(0x97, times=3)                               # the first three CONNECTs
    faults.puback(0x87, nth=5, when=lambda p: p.topic == "a")  # the fifth PUBLISH on topic a
    faults.cut(nth=100, every=100, times=20)                   # RST at each hundredth PUBLISH, 20 times
    faults.ignore(PingReqPacket, times=None)                   # never answer a ping

Actions are small callables; `faults.add(Rule(on=PublishPacket, actions=(take, disconnect(0x8B))))` strings
them together. Every rule counts every packet; where several are due, the first that answers the packet wins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, Unpack

from mqtt5 import AuthPacket, AuthReasonCode, ConnectPacket, Packet, PublishPacket

from sandbox.limits import Limits


class Peer(Protocol):
    """What a fault can do to a connection."""

    client_id: str
    limits: Limits

    def take(self, packet: PublishPacket) -> int:
        """Hand a message on as usual, without acknowledging it; the reason code that would be due."""

    def acknowledge(self, packet: PublishPacket, code: int, delay_seconds: float = 0.0) -> None:
        """Send PUBACK if the message has QoS 1."""

    def refuse(self, code: int) -> None:
        """Send CONNACK with a reason code and close."""

    def disconnect(self, code: int) -> None:
        """Send DISCONNECT with a reason code and close."""

    def authenticated(self, code: AuthReasonCode) -> None:
        """Send AUTH."""

    def stall(self, seconds: float | None) -> None:
        """Take bytes and answer nothing, for some seconds or until released."""

    def cut(self) -> None:
        """End the TCP connection with RST."""


Action = Callable[[Peer, Any], bool]
"""Does something to a connection because of a packet. True: the packet is dealt with, the broker shall not take it."""


class Scope(TypedDict, total=False):
    """Which packets a rule acts on: the same names as in `Rule`."""

    nth: int
    every: int
    times: int | None
    when: Callable[[Any], bool]
    client: str | None


def _always(_packet: object) -> bool:
    return True


@dataclass(eq=False, slots=True, kw_only=True)
class Rule:
    """Acts on packets of the kind `on`.

    nth: the first matching packet acted on, from 1.  every: then each so-manyth.
    times: how often in all, or None for ever.  when: a condition on the packet.  client: a client id, or None for all.
    seen: matching packets so far.  hits: how often it acted.
    """

    on: type[Any]
    actions: tuple[Action, ...]
    nth: int = 1
    every: int = 1
    times: int | None = 1
    when: Callable[[Any], bool] = _always
    client: str | None = None
    seen: int = 0
    hits: int = 0

    def cancel(self) -> None:
        """Act no more."""
        self.times = self.hits

    def due(self, client_id: str, packet: Packet) -> bool:
        """Count a packet; whether to act on it."""
        if self.client not in {None, client_id} or not self.when(packet):
            return False
        # Counted even when the rule is spent, so that a test can read how far a client got.
        self.seen += 1
        left = self.times is None or self.hits < self.times
        return left and self.seen >= self.nth and (self.seen - self.nth) % self.every == 0

    def act(self, peer: Peer, packet: Packet) -> bool:
        """Do all the actions; whether one of them dealt with the packet."""
        self.hits += 1
        dealt_with = False
        for action in self.actions:
            dealt_with |= action(peer, packet)
        return dealt_with


class Faults:
    """The rules in force. Each method below adds a rule and returns it, for `hits` and `cancel`."""

    def __init__(self) -> None:
        self._rules: defaultdict[type[Any], list[Rule]] = defaultdict(list)

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force."""
        self._rules[rule.on].append(rule)
        return rule

    def clear(self) -> None:
        """Behave well from now on."""
        self._rules.clear()

    def apply(self, peer: Peer, packet: Packet) -> bool:
        """Called by the broker with each packet. True: the broker shall not take it itself."""
        dealt_with = False
        # Every rule has to be asked, also after one has answered, because asking is counting.
        for rule in self._rules.get(type(packet), ()):
            if rule.due(peer.client_id, packet) and not dealt_with:
                dealt_with = rule.act(peer, packet)
        return dealt_with

    def refuse(self, code: int, **scope: Unpack[Scope]) -> Rule:
        """Answer CONNECT with a reason code, whatever its credentials."""
        return self.add(Rule(on=ConnectPacket, actions=(refuse(code),), **scope))

    def impose(self, limits: Limits, **scope: Unpack[Scope]) -> Rule:
        """Announce and enforce other limits on connections."""
        return self.add(Rule(on=ConnectPacket, actions=(impose(limits),), **scope))

    def puback(self, code: int, **scope: Unpack[Scope]) -> Rule:
        """Answer PUBLISH with a reason code and do not take the message; nothing is said of QoS 0."""
        return self.add(Rule(on=PublishPacket, actions=(acknowledge(code),), **scope))

    def delay(self, seconds: float, **scope: Unpack[Scope]) -> Rule:
        """Take messages and acknowledge them later; the order of acknowledgements stays (MQTT 5, 4.6)."""
        return self.add(Rule(on=PublishPacket, actions=(take, acknowledge(0, seconds)), **scope))

    def withhold(self, **scope: Unpack[Scope]) -> Rule:
        """Take messages and never acknowledge them."""
        return self.add(Rule(on=PublishPacket, actions=(take,), **scope))

    def cut(self, on: type[Any] = PublishPacket, *, taken: bool = True, **scope: Unpack[Scope]) -> Rule:
        """Reset the TCP connection at a packet; a message is `taken` first, or lost with the connection."""
        before = (take,) if taken and on is PublishPacket else ()
        return self.add(Rule(on=on, actions=(*before, cut), **scope))

    def disconnect(
        self, code: int, on: type[Any] = PublishPacket, *, taken: bool = False, **scope: Unpack[Scope]
    ) -> Rule:
        """Answer a packet with DISCONNECT; a message may be `taken` first, without its acknowledgement."""
        before = (take,) if taken and on is PublishPacket else ()
        return self.add(Rule(on=on, actions=(*before, disconnect(code)), **scope))

    def stall(self, seconds: float | None = None, on: type[Any] = PublishPacket, **scope: Unpack[Scope]) -> Rule:
        """From a packet on take bytes and answer nothing, not even this one, until the time is over or `release`."""
        return self.add(Rule(on=on, actions=(stall(seconds),), **scope))

    def ignore(self, on: type[Any], **scope: Unpack[Scope]) -> Rule:
        """Behave as if packets had not come: PingReqPacket, AuthPacket, SubscribePacket and so on."""
        return self.add(Rule(on=on, actions=(ignore,), **scope))

    def postpone_reauthentication(self, **scope: Unpack[Scope]) -> Rule:
        """Answer AUTH with 0x18 and do not take the token, as Azure IoT Operations does when it cannot check it."""
        return self.add(Rule(on=AuthPacket, actions=(challenge,), **scope))


def take(peer: Peer, packet: PublishPacket) -> bool:
    """Hand the message on and do not acknowledge it."""
    peer.take(packet)
    return True


def acknowledge(code: int, delay_seconds: float = 0.0) -> Action:
    """PUBACK with a reason code, at once or later."""

    def action(peer: Peer, packet: PublishPacket) -> bool:
        peer.acknowledge(packet, code, delay_seconds)
        return True

    return action


def refuse(code: int) -> Action:
    """CONNACK with a reason code, then close."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.refuse(code)
        return True

    return action


def disconnect(code: int) -> Action:
    """DISCONNECT with a reason code, then close."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.disconnect(code)
        return True

    return action


def stall(seconds: float | None) -> Action:
    """Fall silent; the packet is taken and its answer held back."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.stall(seconds)
        # The broker goes on and takes the packet; its answer waits like all others.
        return False

    return action


def impose(limits: Limits) -> Action:
    """Other limits for this connection."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.limits = limits
        return False

    return action


def cut(peer: Peer, _packet: Packet) -> bool:
    """RST."""
    peer.cut()
    return True


def challenge(peer: Peer, _packet: Packet) -> bool:
    """AUTH 0x18, Continue authentication."""
    peer.authenticated(AuthReasonCode.CONTINUE_AUTHENTICATION)
    return True


def ignore(_peer: Peer, _packet: Packet) -> bool:
    """Nothing."""
    return True
