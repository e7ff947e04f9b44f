"""Random alarms of signals, valid by construction."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random  # noqa: TID251 - makes the alarms; no part of a plant
from typing import Any

from fuzz.plants.drawn_signals import TEXTS

Data = dict[str, Any]


def alarms(chance: Random, entry: Mapping[str, Any]) -> Data:
    """Return alarms of some signals of an entry; none if it has no numbers, or sends no regular messages."""
    numbers = [name for name, each in entry.get("signals", {}).items() if TEXTS.isdisjoint(each)]
    if not numbers or not _is_regular(entry):
        return {}
    return {name: _of_signal(chance) for name in chance.sample(numbers, chance.randint(1, len(numbers)))}


def _is_regular(entry: Mapping[str, Any]) -> bool:
    classes = entry.get("messages", {"": {}}).values()
    return any(
        "report_seconds" in each or (not each.get("on_change") and each.get("frequency_weight", 1) > 0)
        for each in classes
    )


def _of_signal(chance: Random) -> Data:
    limit = chance.choice((0, 5.5, -3, 40))
    made: Data = chance.choice(
        (
            {"high": limit},
            {"low": limit},
            {"high": limit, "clear_below": limit - 1, "low": limit - 2},
            {"hi": {"high": limit, "delay_seconds": 3}, "lo": {"low": limit, "clear_above": limit}},
        )
    )
    if chance.random() > 0.5:
        made = {**made, "severity": chance.choice(("info", "warning", "critical"))}
    return {**made, **({"qos": 0, "retain": True, "topic": "{prefix}/{type}/bells"} if chance.random() > 0.8 else {})}
