"""Which senders are measured side by side, with how many messages."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.case import Case


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the broker is: plain, TLS, and through the proxy that makes a round trip take 10 ms."""

    plain: int
    tls: int
    late: int
    ca_file: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Senders that are compared with each other.  counted: the broker's count has to agree."""

    title: str
    cases: tuple[Case, ...]
    counted: bool = True


PLAIN = "QoS 1, plain"
PLAIN_EVENTS = "QoS 1, plain, CloudEvents"
TLS = "QoS 1, TLS"
TLS_EVENTS = "QoS 1, TLS, CloudEvents"
UNCONFIRMED = "QoS 0, plain"
LATE = "QoS 1, plain, 10 ms round trip"
SIZES = "QoS 1, plain, by machines"
ALONE = "plant alone"

TARGET_RATE = 500_000.0
"""What the plant is asked for: more than can go, so that the broker sets the pace."""

_FEWEST_MACHINES = 22
_MESSAGES = {"mosquitto_pub": 60_000, "stock_paho": 20_000, "wait_each": 5_000}
_LATE_MESSAGES = {"stock_paho": 1_000, "wait_each": 100}
_OURS_AND_LIMITS = ("ours", "ours_fast", "limit", "limit_quick")
_FAST = ("ours_fast", "plant_alone")
_EVERYONE = (*_OURS_AND_LIMITS, "mosquitto_pub", "stock_paho", "wait_each")


def scenes(ports: Ports, scale: float = 1.0) -> list[Scene]:
    """All of them.  scale: less than 1 for fewer messages and machines, to try things out."""
    plain = Case("", ports.plain, messages=200_000, target_rate=TARGET_RATE)
    tls = replace(plain, port=ports.tls, ca_file=ports.ca_file)
    told = (
        Scene(PLAIN, _senders(plain, _EVERYONE, _MESSAGES)),
        Scene(PLAIN_EVENTS, _senders(replace(plain, events=True), _OURS_AND_LIMITS)),
        Scene(TLS, _senders(tls, _EVERYONE, _MESSAGES)),
        Scene(TLS_EVENTS, _senders(replace(tls, events=True), _OURS_AND_LIMITS)),
        Scene(UNCONFIRMED, _senders(replace(plain, qos=0), ("ours", "ours_fast", "limit"))),
        Scene(LATE, _senders(replace(plain, port=ports.late), ("ours", "stock_paho", "wait_each"), _LATE_MESSAGES)),
        Scene(SIZES, _sizes(_case(plain, "ours_fast"), {22: 20_000, 1_000: 60_000, 100_000: 200_000})),
        Scene(ALONE, _sizes(_case(plain, "plant_alone"), dict.fromkeys((22, 1_000, 100_000), 400_000)), False),
    )
    return [replace(scene, cases=tuple(_scaled(case, scale) for case in scene.cases)) for scene in told]


def _senders(like: Case, names: tuple[str, ...], messages: dict[str, int] | None = None) -> tuple[Case, ...]:
    fewer = messages or {}
    return tuple(replace(_case(like, name), messages=fewer.get(name, like.messages)) for name in names)


def _case(like: Case, sender: str) -> Case:
    """The same for another sender; the plant runs by the clock where it is not said to be as fast as it goes."""
    return replace(like, sender=sender, target_rate=0.0 if sender in _FAST else like.target_rate)


def _sizes(like: Case, messages: dict[int, int]) -> tuple[Case, ...]:
    return tuple(replace(like, machines=machines, messages=count) for machines, count in messages.items())


def _scaled(case: Case, scale: float) -> Case:
    """A smaller one. Machines that are asked for a rate are as many as before: fewer could not say so much."""
    fewer = case.machines > _FEWEST_MACHINES and not case.target_rate
    machines = max(_FEWEST_MACHINES, round(case.machines * scale)) if fewer else case.machines
    return replace(case, messages=max(20, round(case.messages * scale)), machines=machines)
