"""A small plant, who may do what in it by our own words, and clients who all try everything at a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import app
from tests.support.neutral.visitor import GRANTED, Visitor

PLANT = """
message_types:
  cnc_machine: {count: 2}
  welding: {count: 1}
  customer_order: {orders_per_hour: 2, product_types: [part], quantity_ranges: {part: [1, 2]}}
  dispatch: {dispatches_per_hour: 1, destinations: [here], carriers: [truck]}
"""

MACHINES = ("CNC-01", "CNC-02", "WELD-01")
CLIENTS = (*MACHINES, "controller", "dashboard", "observer", "simulator", "intruder")
"""Everybody who has a user and a password at the broker; the intruder has them too."""

Topics = Mapping[str, frozenset[str]]


def password(name: str) -> str:
    """The password of a client."""
    return f"the word of {name}"


def exported(folder: Path, form: str, *flags: str) -> Path:
    """The file of `export acl` for the plant, as its users make it."""
    plant = folder / "plant.yaml"
    plant.write_text(PLANT)
    assert app.main(["export", "acl", "--format", form, "--file", str(plant), "--output", str(folder), *flags], {}) == 0
    [path] = (folder / "acl").iterdir()
    return path


def writes(layout: str) -> Topics:
    """What each may publish to."""
    own = {"CNC-01": "factory/cnc", "CNC-02": "factory/cnc", "WELD-01": "factory/welding"}
    leaf = "/{}" if layout == "machine" else ""
    of_machines = {
        name: {topic + leaf.format(name), f"factory/status/{name}", f"factory/replies/controller/{name}"}
        for name, topic in own.items()
    }
    others = {
        "controller": {f"factory/commands/controller/{name}" for name in (*MACHINES, "-")},
        "dashboard": {f"factory/commands/dashboard/{name}" for name in (*MACHINES, "-")},
        "simulator": {"factory/orders", "factory/dispatch", "factory/replies/controller/-"},
    }
    return {name: frozenset(({**of_machines, **others}).get(name, ())) for name in CLIENTS}


def tried_topics(layout: str) -> frozenset[str]:
    """What everybody tries to publish to: all that somebody may, and what nobody may."""
    forbidden = {"factory/commands/intruder/CNC-01", "factory/commands/CNC-01/CNC-02", "factory/admin", "elsewhere"}
    both = {"factory/cnc", "factory/welding", "factory/cnc/WELD-01", "factory/cnc/CNC-02", "factory/welding/WELD-01"}
    return frozenset().union(*writes(layout).values(), forbidden, both)


def reads(layout: str) -> Topics:
    """The topics of which each may receive messages, among those that are published."""
    every = frozenset().union(*writes(layout).values())
    reported = {topic for name in MACHINES for topic in writes(layout)[name]}
    answers = {f"factory/replies/controller/{name}" for name in (*MACHINES, "-")}
    others = {"controller": reported | answers, "dashboard": every, "observer": every}
    others["simulator"] = {"factory/commands/controller/-", "factory/commands/dashboard/-"}
    of_machines = {name: {f"factory/commands/{who}/{name}" for who in ("controller", "dashboard")} for name in MACHINES}
    return {name: frozenset(({**of_machines, **others}).get(name, ())) for name in CLIENTS}


def subscriptions(layout: str) -> Topics:
    """The filters that a broker which checks subscriptions has to grant to each, among those that are tried."""
    leaf = "/#" if layout == "machine" else ""
    controller = {f"factory/cnc{leaf}", f"factory/welding{leaf}", "factory/status/#", "factory/replies/controller/#"}
    observer = tried_filters(layout)
    others = {"controller": controller, "dashboard": observer - {"#", "elsewhere"}, "observer": observer}
    others["simulator"] = {"factory/commands/+/-"}
    machines = {name: {f"factory/commands/+/{name}"} for name in MACHINES}
    return {name: frozenset(({**machines, **others}).get(name, ())) for name in CLIENTS}


def tried_filters(layout: str) -> frozenset[str]:
    """What everybody tries to subscribe to."""
    leaf = "/#" if layout == "machine" else ""
    some = {"#", "factory/#", "factory/commands/#", "factory/commands/+/+", "factory/status/#", "elsewhere"}
    some |= {f"factory/cnc{leaf}", f"factory/welding{leaf}", "factory/replies/controller/#", "factory/replies/#"}
    return frozenset(some | {f"factory/commands/+/{name}" for name in (*MACHINES, "-")})


Enter = Callable[[str], AbstractContextManager[Visitor]]
"""Returns a client, by its name, to be connected."""


def published(enter: Enter, layout: str) -> Topics:
    """On which topics the broker takes a message of each client, of all that are tried."""
    found = {}
    for name in CLIENTS:
        with enter(name) as visitor:
            found[name] = frozenset(t for t in tried_topics(layout) if visitor.publish(t) < GRANTED)
    return found


def refusals(enter: Enter, layout: str) -> set[int]:
    """The reason codes with which messages are refused."""
    with enter("intruder") as visitor:
        return {visitor.publish(topic) for topic in tried_topics(layout)}


def granted(enter: Enter, layout: str) -> Topics:
    """Which filters the broker grants to each client, of all that are tried."""
    found = {}
    for name in CLIENTS:
        with enter(name) as visitor:
            found[name] = frozenset(f for f in tried_filters(layout) if visitor.subscribe(f) < GRANTED)
    return found


def received(enter: Enter, layout: str, filters: Topics | None = None) -> Topics:
    """From which topics each client gets messages, when each publishes on all topics that it may publish to.

    filters: what each subscribes to; None: everybody to everything.
    """
    with ExitStack() as stack:
        visitors = {name: stack.enter_context(enter(name)) for name in CLIENTS}
        for name, visitor in visitors.items():
            for topic_filter in filters[name] if filters else ("#",):
                visitor.subscribe(topic_filter)
        for name, topics in writes(layout).items():
            for topic in topics:
                assert visitors[name].publish(topic) < GRANTED, (name, topic)
        return {name: frozenset(each.topic for each in visitor.caught_up()) for name, visitor in visitors.items()}
