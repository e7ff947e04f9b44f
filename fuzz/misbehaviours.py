"""Faults of a broker on one connection, each as a script with random details."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant
from typing import Final

from fuzz.rogue import CONNECT, PUBLISH, Peer, length, packet

Misbehaviour = Callable[[Peer, Random], Awaitable[None]]

_PATIENCE_SECONDS = 0.3
"""How long a broker keeps the connection after its last packet."""

_NOTICE_SECONDS = 4.0
"""The client must leave a silent broker within this: its keep-alive is a second."""

_PROPERTIES: Final = {
    1: "byte", 2: "four", 3: "text", 8: "text", 9: "text", 11: "varint", 17: "four", 18: "text", 19: "two", 21: "text",
    22: "text", 23: "byte", 24: "four", 25: "byte", 26: "text", 28: "text", 31: "text", 33: "two", 34: "two", 35: "two",
    36: "byte", 37: "byte", 38: "pair", 39: "four", 40: "byte", 41: "byte", 42: "byte",
}  # fmt: skip
"""MQTT 5, 2.2.2.2: each property and how its value is written."""


class StillThere(Exception):
    """The client has not left a silent broker."""


def text(chance: Random) -> bytes:
    """Text with its length in front: mostly some, sometimes long, odd, or no UTF-8 at all."""
    long = chance.random() < 0.1
    said = chance.choice(("red", "\x1b[31m\r\n", "\0", "…" * 20, "eyJhbGciOi.eyJz.c2ln", "\u202egnol", "")).encode()
    said = said * 3000 if long else said
    if chance.random() < 0.1:
        said = chance.randbytes(20)
    said = said[:65_000]
    claimed = len(said) if chance.random() < 0.95 else chance.randrange(65_536)
    return claimed.to_bytes(2, "big") + said


def properties(chance: Random) -> bytes:
    """Some properties, known or not, with their length in front, which is mostly right."""
    made = b"".join(_property(chance) for _ in range(chance.randrange(4)))
    if chance.random() < 0.05:
        made = (b"\x26" + b"\x00\x01a\x00\x01b") * chance.randrange(9000)
    return length(len(made) if chance.random() < 0.95 else chance.randrange(300)) + made


def _property(chance: Random) -> bytes:
    number = chance.choice(list(_PROPERTIES)) if chance.random() < 0.95 else chance.randrange(256)
    values = {
        "byte": lambda: bytes((chance.choice((0, 1, 2, 255)),)),
        "two": lambda: chance.choice((0, 1, 2, 65_535)).to_bytes(2, "big"),
        "four": lambda: chance.choice((0, 1, 60, 120, 400, 65_536, 2**32 - 1)).to_bytes(4, "big"),
        "varint": lambda: length(chance.choice((0, 1, 268_435_455))),
        "text": lambda: text(chance),
        "pair": lambda: text(chance) + text(chance),
    }
    return bytes((number,)) + values[_PROPERTIES.get(number, "byte")]()


def frame(chance: Random) -> bytes:
    """Any packet: its kind, flags and content drawn by chance, and now and then a bit turned over."""
    kinds: dict[int, Callable[[], bytes]] = {
        0x20: lambda: bytes((chance.choice((0, 0, 1, 2)), _code(chance))) + properties(chance),
        0x30: lambda: text(chance) + properties(chance) + b"x" * chance.choice((0, 10, 60_000)),
        0x32: lambda: text(chance) + b"\x00\x07" + properties(chance),
        0x34: lambda: text(chance) + b"\x00\x07" + properties(chance),
        0x40: lambda: _packet_id(chance) + chance.choice((b"", bytes((_code(chance),)), b"\x87" + properties(chance))),
        0x50: lambda: _packet_id(chance),
        0x62: lambda: _packet_id(chance),
        0x70: lambda: _packet_id(chance),
        0x90: lambda: _packet_id(chance) + properties(chance) + b"\x00",
        0xB0: lambda: _packet_id(chance) + properties(chance) + b"\x00",
        0xC0: lambda: b"",
        0xD0: lambda: b"",
        0xE0: lambda: chance.choice((b"", bytes((_code(chance),)), bytes((_code(chance),)) + properties(chance))),
        0xF0: lambda: chance.choice((b"", bytes((_code(chance),)), b"\x18" + properties(chance))),
    }
    first = chance.choice(list(kinds))
    made = bytearray(packet(first, kinds[first]()))
    if chance.random() < 0.2:
        made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made) if chance.random() < 0.95 else bytes(made[: chance.randrange(len(made))])


def _code(chance: Random) -> int:
    return chance.choice((0, 0x10, 0x18, 0x19, 0x80, 0x87, 0x91, 0x97, 0x9C, 0x9D, chance.randrange(256)))


def _packet_id(chance: Random) -> bytes:
    return chance.choice((0, 1, 1023, 1024, 1030, 65_535, chance.randrange(65_536))).to_bytes(2, "big")


def grants(chance: Random) -> bytes:
    """A successful CONNACK with limits at their edges."""
    possible = (
        b"\x21" + chance.choice((1, 2, 65_535)).to_bytes(2, "big"),
        b"\x27" + chance.choice((1, 120, 400, 500, 2**32 - 1)).to_bytes(4, "big"),
        b"\x24" + bytes((chance.choice((0, 1)),)),
        b"\x25\x00",
        b"\x13" + chance.choice((0, 1, 2, 65_535)).to_bytes(2, "big"),
        b"\x11" + chance.choice((0, 1)).to_bytes(4, "big"),
        b"\x12\x00\x02me",
        b"\x22\xff\xff",
        b"\x1f" + (60_000).to_bytes(2, "big") + b"\n" * 60_000,
    )
    made = b"".join(each for each in possible if chance.random() < 0.25)
    return packet(0x20, bytes((0, 0)) + length(len(made)) + made)


async def _greet(peer: Peer, chance: Random) -> None:
    await peer.hear(CONNECT)
    await peer.say(peer.welcome if chance.random() < 0.5 else grants(chance))


async def _linger(peer: Peer, seconds: float = _PATIENCE_SECONDS) -> None:
    try:
        async with asyncio.timeout(seconds):
            await peer.gone()
    except TimeoutError:
        peer.reset()


# before CONNACK


async def closes_at_once(peer: Peer, chance: Random) -> None:
    """Close or reset without any packet."""
    if chance.random() < 0.5:
        await peer.hear(CONNECT)
    (peer.reset if chance.random() < 0.5 else peer.close)()


async def answers_with_something_else(peer: Peer, chance: Random) -> None:
    """HTTP, TLS, an SSH banner, or random bytes."""
    if chance.random() < 0.7:
        await peer.hear(CONNECT)
    hello = (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"SSH-2.0-x\r\n", b"\x16\x03\x03")
    await peer.say(chance.choice((*hello, chance.randbytes(chance.randrange(1, 3000)))))
    await _linger(peer)


async def answers_connect_oddly(peer: Peer, chance: Random) -> None:
    """CONNACK with any code and properties, whole or not."""
    await peer.hear(CONNECT)
    answer = packet(0x20, bytes((chance.choice((0, 0, 0, 1, 255)), _code(chance))) + properties(chance))
    await peer.say(answer if chance.random() < 0.8 else answer[: chance.randrange(len(answer))])
    await _linger(peer)


async def answers_as_mqtt_3_does(peer: Peer, chance: Random) -> None:
    """Two bytes, the second of which is a return code."""
    await peer.hear(CONNECT)
    await peer.say(b"\x20\x02\x00" + bytes((chance.choice((0, 1, 2, 3, 4, 5, 6, 0x87, 0x89)),)))
    await _linger(peer)


async def speaks_before_its_turn(peer: Peer, chance: Random) -> None:
    """Any packets instead of CONNACK."""
    for _ in range(chance.randrange(1, 4)):
        await peer.say(frame(chance))
    await _linger(peer)


# after CONNACK


async def talks_nonsense(peer: Peer, chance: Random) -> None:
    """Random bytes at random times."""
    await _greet(peer, chance)
    for _ in range(chance.randrange(1, 6)):
        await peer.say(chance.randbytes(chance.randrange(1, 200)))
        await asyncio.sleep(chance.random() * 0.03)
    await _linger(peer)


async def sends_any_packets(peer: Peer, chance: Random) -> None:
    """Any packets, whole or not, one after the other."""
    await _greet(peer, chance)
    for _ in range(chance.randrange(1, 10)):
        await peer.say(frame(chance))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.02)
    await _linger(peer)


async def announces_too_much(peer: Peer, chance: Random) -> None:
    """A header of up to 256 MiB, and megabytes after it."""
    await _greet(peer, chance)
    first = chance.choice((0x20, 0x30, 0x32, 0x40, 0xD0, 0xE0, 0xF0))
    await peer.say(bytes((first,)) + length(chance.choice((65_533, 65_534, 100_000, 2**21, 268_435_455))))
    for _ in range(chance.randrange(1, 64)):
        await peer.say(chance.randbytes(1) * 65_536)
    await _linger(peer)


async def floods(peer: Peer, chance: Random) -> None:
    """Megabytes of one packet: PUBLISH, AUTH, PINGRESP, PUBACK, SUBACK, CONNACK, DISCONNECT."""
    await _greet(peer, chance)
    one = chance.choice(
        (
            packet(0x30, b"\x00\x01t\x00" + b"x" * chance.choice((0, 60_000))),
            packet(0xF0, b"\x00" + properties(chance)),
            b"\xd0\x00",
            b"\x40\x02" + _packet_id(chance),
            packet(0x90, b"\x00\x01\x00\x00"),
            peer.welcome,
            packet(0xE0, b"\x00" + properties(chance)),
            b"\xc0\x00",
            frame(chance),
        )
    )
    for _ in range(chance.randrange(1, 32)):
        await peer.say(one * max(1, 65_536 // max(1, len(one))))
    await _linger(peer)


async def acknowledges_wrongly(peer: Peer, chance: Random) -> None:
    """Some of the messages, or others, or twice, or with any code; then it goes on or is gone."""
    await _greet(peer, chance)
    for _ in range(chance.randrange(1, 40)):
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                _, body = await peer.hear(PUBLISH)
        except TimeoutError:
            break
        topic = int.from_bytes(body[:2], "big")
        right = body[2 + topic : 4 + topic]
        packet_id = chance.choice((right, right, right, _packet_id(chance)))
        ending = chance.choice((b"", b"\x10", bytes((_code(chance),)), b"\x00\x00"))
        await peer.say(packet(0x40, packet_id + ending) * chance.choice((0, 1, 1, 1, 2, 50)))
    (peer.reset if chance.random() < 0.5 else peer.close)()


async def disconnects(peer: Peer, chance: Random) -> None:
    """DISCONNECT with any code and any text, at any moment, and further packets."""
    await _greet(peer, chance)
    await asyncio.sleep(chance.random() * 0.05)
    code = peer.number * 37 % 256 if chance.random() < 0.3 else chance.choice((0, *range(0x80, 0xA3)))
    more = chance.choice((b"", properties(chance)))
    await peer.say(packet(0xE0, bytes((code,)) + more))
    if chance.random() < 0.5:
        await peer.say(frame(chance) * 5)
    await _linger(peer)


async def answers_auth_oddly(peer: Peer, chance: Random) -> None:
    """Waits for AUTH, and answers with any code, more than once, or with a second CONNACK."""
    await _greet(peer, chance)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await peer.hear(0xF0)
    except TimeoutError:
        pass
    answers = (
        packet(0xF0, bytes((_code(chance),)) + properties(chance)),
        b"\xf0\x00",
        b"\x20\x03\x00\x87\x00",
        peer.welcome,
    )
    for _ in range(chance.randrange(1, 200)):
        await peer.say(chance.choice(answers))
    await _linger(peer)


async def drips(peer: Peer, chance: Random) -> None:
    """Correct packets, a byte at a time."""
    await peer.hear(CONNECT)
    for byte in peer.welcome:
        await peer.say(bytes((byte,)))
        await asyncio.sleep(0.001)
    for _ in range(chance.randrange(1, 10)):
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                _, body = await peer.hear(PUBLISH)
        except TimeoutError:
            break
        topic = int.from_bytes(body[:2], "big")
        for byte in b"\x40\x02" + body[2 + topic : 4 + topic]:
            await peer.say(bytes((byte,)))
            await asyncio.sleep(0.001)
    peer.close()


async def falls_silent(peer: Peer, chance: Random) -> None:
    """CONNACK and then silence; StillThere if the client does not notice."""
    await _greet(peer, chance)
    try:
        async with asyncio.timeout(_NOTICE_SECONDS):
            await peer.gone()
    except TimeoutError:
        raise StillThere from None


async def resets_in_mid_packet(peer: Peer, chance: Random) -> None:
    """Part of a packet, and then no connection."""
    await _greet(peer, chance)
    made = frame(chance)
    await peer.say(made[: chance.randrange(1, len(made) + 1)] if made else b"\x40")
    await asyncio.sleep(chance.random() * 0.01)
    (peer.reset if chance.random() < 0.5 else peer.close)()


def command(chance: Random) -> bytes:
    """A PUBLISH on a topic of commands, mostly well-formed, with any payload, properties and flags."""
    target = chance.choice((b"CNC-01", b"CNC-02", b"-", b"NOPE", "\u202e".encode(), b"a/b"))
    topic = chance.choice((b"factory/commands/hmi/" + target, b"factory/commands/" + target, b"other"))
    known = chance.choice((b"", b"\x08\x00\x07reply/x", b"\x08\x00\x01+", b"\x09\x00\x02\xff\x00\x08\x00\x01r"))
    described = length(len(known)) + known if chance.random() < 0.8 else properties(chance)
    payload = chance.choice(
        (
            b'{"command":"stop"}',
            b'{"command":"rate","messages_per_second":5}',
            b"[" * chance.randrange(60_000),
            b'{"command":' + b'{"a":' * 5_000,
            chance.randbytes(chance.randrange(40_000)),
            b'{"command":"' + "\u0000\u202e\n".encode() * 3_000 + b'"}',
        )
    )
    first = chance.choice((0x30, 0x31, 0x32, 0x32, 0x33, 0x3A, 0x3A))
    identifier = chance.choice((b"\x00\x01", b"\x00\x02", b"\xff\xff")) if first & 6 else b""
    return packet(first, len(topic).to_bytes(2, "big") + topic + identifier + described + payload)


async def sends_commands(peer: Peer, chance: Random) -> None:
    """Grant or refuse the subscription, whether it was asked for or not, and send commands."""
    await _greet(peer, chance)
    if chance.random() < 0.8:
        await peer.say(packet(0x90, b"\x00\x01\x00" + bytes((chance.choice((0, 1, 2, 0x87, 0x8F)),))))
    for _ in range(chance.choice((1, 20, 300))):
        await peer.say(command(chance))
    await _linger(peer)


ALL: Final[tuple[Misbehaviour, ...]] = (
    closes_at_once,
    answers_with_something_else,
    answers_connect_oddly,
    answers_as_mqtt_3_does,
    speaks_before_its_turn,
    talks_nonsense,
    sends_any_packets,
    sends_any_packets,
    announces_too_much,
    floods,
    floods,
    acknowledges_wrongly,
    acknowledges_wrongly,
    disconnects,
    disconnects,
    answers_auth_oddly,
    drips,
    resets_in_mid_packet,
    sends_commands,
    sends_commands,
    sends_commands,
)
"""Those that are over soon, some of them more often than others. `falls_silent` takes seconds and runs separately."""
