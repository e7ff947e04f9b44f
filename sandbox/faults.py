"""Scripted faults: rules that change what the broker does with certain packets.

For demos and tests, not for production.

A rule counts the packets of one kind that pass its filter and acts on some of them::

    faults.refuse(0x97, times=3)                               # the first three CONNECTs
    faults.puback(0x87, nth=5, when=lambda p: p.topic == "a")  # the fifth PUBLISH on topic a
    faults.cut(nth=100, every=100, times=20)                   # RST at each hundredth PUBLISH, 20 times
    faults.ignore(PingReqPacket, times=None)                   # never answer a ping

Actions are small callables; `faults.add(Rule(on=PublishPacket, actions=(take, disconnect(0x8B))))` combines
them. Every rule counts every packet; where several are due, the first that answers the packet wins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, Unpack

from mqtt5 import AuthPacket, AuthReasonCode, ConnectPacket, Packet, PublishPacket, SubscribePacket

from sandbox.limits import Limits


class Peer(Protocol):
    """What a fault can do to a connection."""

    client_id: str
    limits: Limits

    def take(self, packet: PublishPacket) -> int:
        """Route a message without acknowledging it; return the reason code of its acknowledgement."""

    def acknowledge(self, packet: PublishPacket, code: int, delay_seconds: float = 0.0) -> None:
        """Send PUBACK if the message has QoS 1."""

    def refuse_subscription(self, packet: SubscribePacket, code: int) -> None:
        """Send SUBACK with a reason code for each filter."""

    def refuse(self, code: int) -> None:
        """Send CONNACK with a reason code and close."""

    def disconnect(self, code: int) -> None:
        """Send DISCONNECT with a reason code and close."""

    def authenticated(self, code: AuthReasonCode) -> None:
        """Send AUTH."""

    def stall(self, seconds: float | None) -> None:
        """Read and do not answer, for some seconds or until released."""

    def cut(self) -> None:
        """End the TCP connection with RST."""


Action = Callable[[Peer, Any], bool]
"""Acts on a connection because of a packet; returns True if the broker must not process the packet itself."""


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

    nth: the first matching packet acted on, from 1.  every: from then on each n-th.
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
        """Stop acting."""
        self.times = self.hits

    def due(self, client_id: str, packet: Packet) -> bool:
        """Count a packet; return whether to act on it."""
        if self.client not in {None, client_id} or not self.when(packet):
            return False
        # Counted even when the rule no longer acts, so that a test can read how far a client got.
        self.seen += 1
        left = self.times is None or self.hits < self.times
        return left and self.seen >= self.nth and (self.seen - self.nth) % self.every == 0

    def act(self, peer: Peer, packet: Packet) -> bool:
        """Do all actions; return whether one of them has processed the packet."""
        self.hits += 1
        processed = False
        for action in self.actions:
            processed |= action(peer, packet)
        return processed


class Faults:
    """The active rules. Each method below adds a rule and returns it, for `hits` and `cancel`."""

    def __init__(self) -> None:
        self._rules: defaultdict[type[Any], list[Rule]] = defaultdict(list)

    def add(self, rule: Rule) -> Rule:
        """Activate a rule."""
        self._rules[rule.on].append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def apply(self, peer: Peer, packet: Packet) -> bool:
        """Apply the rules to a packet; return True if the broker must not process it itself."""
        processed = False
        # Every rule has to be called, also after one has answered, because each call counts a packet.
        for rule in self._rules.get(type(packet), ()):
            if rule.due(peer.client_id, packet) and not processed:
                processed = rule.act(peer, packet)
        return processed

    def refuse(self, code: int, **scope: Unpack[Scope]) -> Rule:
        """Answer CONNECT with a reason code, whatever its credentials."""
        return self.add(Rule(on=ConnectPacket, actions=(refuse(code),), **scope))

    def impose(self, limits: Limits, **scope: Unpack[Scope]) -> Rule:
        """Announce and enforce other limits on connections."""
        return self.add(Rule(on=ConnectPacket, actions=(impose(limits),), **scope))

    def puback(self, code: int, **scope: Unpack[Scope]) -> Rule:
        """Answer PUBLISH with a reason code and do not route the message; QoS 0 is not answered."""
        return self.add(Rule(on=PublishPacket, actions=(acknowledge(code),), **scope))

    def suback(self, code: int, **scope: Unpack[Scope]) -> Rule:
        """Answer SUBSCRIBE with a reason code, and subscribe to nothing."""
        return self.add(Rule(on=SubscribePacket, actions=(refuse_subscription(code),), **scope))

    def delay(self, seconds: float, **scope: Unpack[Scope]) -> Rule:
        """Route messages and acknowledge them later, in the same order (MQTT 5, 4.6)."""
        return self.add(Rule(on=PublishPacket, actions=(take, acknowledge(0, seconds)), **scope))

    def withhold(self, **scope: Unpack[Scope]) -> Rule:
        """Route messages and never acknowledge them."""
        return self.add(Rule(on=PublishPacket, actions=(take,), **scope))

    def cut(self, on: type[Any] = PublishPacket, *, taken: bool = True, **scope: Unpack[Scope]) -> Rule:
        """Reset the TCP connection at a packet; a message is routed first if `taken`, or lost with the connection."""
        before = (take,) if taken and on is PublishPacket else ()
        return self.add(Rule(on=on, actions=(*before, cut), **scope))

    def disconnect(
        self, code: int, on: type[Any] = PublishPacket, *, taken: bool = False, **scope: Unpack[Scope]
    ) -> Rule:
        """Answer a packet with DISCONNECT; a message is routed first if `taken`, without its acknowledgement."""
        before = (take,) if taken and on is PublishPacket else ()
        return self.add(Rule(on=on, actions=(*before, disconnect(code)), **scope))

    def stall(self, seconds: float | None = None, on: type[Any] = PublishPacket, **scope: Unpack[Scope]) -> Rule:
        """From a packet on, read and do not answer, not even this one, until the time is over or `release`."""
        return self.add(Rule(on=on, actions=(stall(seconds),), **scope))

    def ignore(self, on: type[Any], **scope: Unpack[Scope]) -> Rule:
        """Ignore packets: PingReqPacket, AuthPacket, SubscribePacket and so on."""
        return self.add(Rule(on=on, actions=(ignore,), **scope))

    def postpone_reauthentication(self, **scope: Unpack[Scope]) -> Rule:
        """Answer AUTH with 0x18 and ignore the token, like Azure IoT Operations when it cannot check it."""
        return self.add(Rule(on=AuthPacket, actions=(challenge,), **scope))


def take(peer: Peer, packet: PublishPacket) -> bool:
    """Route the message and do not acknowledge it."""
    peer.take(packet)
    return True


def acknowledge(code: int, delay_seconds: float = 0.0) -> Action:
    """Return an action that sends PUBACK with a reason code, at once or later."""

    def action(peer: Peer, packet: PublishPacket) -> bool:
        peer.acknowledge(packet, code, delay_seconds)
        return True

    return action


def refuse_subscription(code: int) -> Action:
    """Return an action that sends SUBACK with a reason code."""

    def action(peer: Peer, packet: SubscribePacket) -> bool:
        peer.refuse_subscription(packet, code)
        return True

    return action


def refuse(code: int) -> Action:
    """Return an action that sends CONNACK with a reason code, then closes."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.refuse(code)
        return True

    return action


def disconnect(code: int) -> Action:
    """Return an action that sends DISCONNECT with a reason code, then closes."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.disconnect(code)
        return True

    return action


def stall(seconds: float | None) -> Action:
    """Return an action that stalls; the packet is processed, and its answer delayed."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.stall(seconds)
        # The broker processes the packet; its answer is delayed like all others.
        return False

    return action


def impose(limits: Limits) -> Action:
    """Return an action that sets other limits for this connection."""

    def action(peer: Peer, _packet: Packet) -> bool:
        peer.limits = limits
        return False

    return action


def cut(peer: Peer, _packet: Packet) -> bool:
    """Reset the connection."""
    peer.cut()
    return True


def challenge(peer: Peer, _packet: Packet) -> bool:
    """Send AUTH 0x18, Continue authentication."""
    peer.authenticated(AuthReasonCode.CONTINUE_AUTHENTICATION)
    return True


def ignore(_peer: Peer, _packet: Packet) -> bool:
    """Do nothing."""
    return True
