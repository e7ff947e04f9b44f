"""The rules between the keys of faults and wear, and between the causes of a machine type."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Place, Violation, quote
from plant.definition.faults.fault_type import DRIFT, DROPOUT, ON_MACHINE, SPIKE, STUCK, Causes

_Data = Mapping[str, Any]
MOST_CAUSES: Final = 50
"""The most faults of a machine type, sensor faults and wear included."""

_NAME: Final = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
_OF_KIND: Final = {"per_hour": DRIFT, "amplitude": SPIKE, "chance": SPIKE}
"""Keys that only one kind of sensor fault has."""

_NEEDED: Final = {DRIFT: "per_hour", SPIKE: "amplitude"}


def broken(entry: _Data, causes: Causes, states: Collection[str], signals: Mapping[str, bool]) -> Iterator[Violation]:
    """Yield the broken rules. states: of the type.  signals: those that are measured, with whether they have limits."""
    faults, wear = entry.get("faults", {}), entry.get("wear", {})
    yield from _wrong_names(faults, wear)
    for name, each in faults.items():
        yield from _of_fault(("faults", name), each, causes, states)
    for name, each in wear.items():
        yield from _unknown_state(("wear", name, "resets"), each["resets"], states)
        yield from _of_consequences(("wear", name), each, causes, states, is_wear=True)
    for signal, kinds in entry.get("sensor_faults", {}).items():
        yield from _of_sensor(signal, kinds, signals)
    if (count := len(causes.faults) + len(wear)) > MOST_CAUSES:
        rule = f"must have at most {MOST_CAUSES} faults, with sensor faults and wear, got {count}"
        yield Violation(("faults",), rule)


def _wrong_names(faults: _Data, wear: _Data) -> Iterator[Violation]:
    for section, name in (*(("faults", name) for name in faults), *(("wear", name) for name in wear)):
        if not _NAME.fullmatch(name):
            rule = "must begin with a letter, and have only letters, digits and _, at most 64"
            yield Violation((section, name), f"is no name of a fault: it {rule}")
    for name in wear:
        if name in faults:
            yield Violation(("wear", name), "is the name of a fault already: choose another name")


def _of_fault(place: Place, data: _Data, causes: Causes, states: Collection[str]) -> Iterator[Violation]:
    yield from _of_episodes(place, data)
    if "until" in data:
        yield from _unknown_state((*place, "until"), data["until"], states)
    if "every_hours" in data and "until" not in data and "duration_seconds" not in data:
        yield Violation(place, "needs an end: duration_seconds or until")
    yield from _of_consequences(place, data, causes, states, is_wear=False)


def _of_episodes(place: Place, data: _Data) -> Iterator[Violation]:
    for number, each in enumerate(data.get("schedule", ())):
        if ("at" in each) == ("after_seconds" in each):
            yield Violation((*place, "schedule", number), "needs either at or after_seconds")


def _of_consequences(
    place: Place, data: _Data, causes: Causes, states: Collection[str], *, is_wear: bool
) -> Iterator[Violation]:
    unwanted, instead = ("after_seconds", "wear: use at") if is_wear else ("at", "faults: use after_seconds")
    for number, each in enumerate(data.get("leads_to", ())):
        here = (*place, "leads_to", number)
        yield from _of_consequence(here, each, causes, states, str(place[-1]))
        if unwanted in each:
            yield Violation((*here, unwanted), f"is not for {instead}")


def _of_consequence(
    here: Place, data: _Data, causes: Causes, states: Collection[str], cause: str
) -> Iterator[Violation]:
    if ("state" in data) == ("fault" in data):
        yield Violation(here, "needs either state or fault")
    elif "state" in data:
        yield from _of_led_state(here, data, states)
    else:
        yield from _of_led_fault(here, data, causes, cause)


def _of_led_state(here: Place, data: _Data, states: Collection[str]) -> Iterator[Violation]:
    yield from _unknown_state((*here, "state"), data["state"], states)
    for key in ("spreads_to", "severity"):
        if key in data:
            yield Violation((*here, key), "is for a fault that begins: a state is that of the machine itself")


def _of_led_fault(here: Place, data: _Data, causes: Causes, cause: str) -> Iterator[Violation]:
    fault, spreads_to = data["fault"], data.get("spreads_to", ON_MACHINE)
    if spreads_to == "neighbours" and not causes.neighbours:
        rule = "needs neighbours in the entry: the ids of other machines, by machine"
        yield Violation((*here, "spreads_to"), rule)
    if spreads_to != ON_MACHINE:
        return
    if fault not in causes.faults:
        rule = f"must be a fault of this type, got {quote(fault)}"
        yield Violation((*here, "fault"), rule, [*causes.faults], fault)
    if fault == cause:
        yield Violation((*here, "fault"), "is this fault itself")


def _of_sensor(signal: str, kinds: _Data, signals: Mapping[str, bool]) -> Iterator[Violation]:
    place: Place = ("sensor_faults", signal)
    if signal not in signals:
        yield Violation(place, "is no measured signal of this type", [*signals])
        return
    for kind, data in kinds.items():
        here = (*place, kind)
        yield from _of_episodes(here, data)
        if "every_hours" in data and "duration_seconds" not in data:
            yield Violation(here, "needs an end: duration_seconds")
        for key, only in _OF_KIND.items():
            if key in data and kind != only:
                yield Violation((*here, key), f"is for {only} only")
        if kind in _NEEDED and _NEEDED[kind] not in data:
            yield Violation((*here, _NEEDED[kind]), "is missing")
        if kind not in (STUCK, DROPOUT) and not signals[signal]:
            yield Violation(here, f"needs limits in signals.{signal}: what is reported may be anywhere")


def _unknown_state(place: Place, name: str, states: Collection[str]) -> Iterator[Violation]:
    if name not in states:
        yield Violation(place, f"must be a state of this type, got {quote(name)}", [*states], name)
