"""Random signals that are text, a draw, or a level by the time of the week, valid by construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random  # noqa: TID251 - makes the signals; no part of them
from typing import Any, Final

Data = dict[str, Any]

TEXTS: Final = frozenset(("choice", "texts", "text"))
"""The sources of signals that are text."""

_CONDITIONS: Final = ("{} > 3", "{} < 20 and hour > 12", "{} != 55 or age_seconds > 30")
_TEXTS: Final = (("high", 'lo"w %s {ü}'), ("true", "false"))
_WINDOWS: Final = (
    {"start": "06:00", "end": "22:00", "value": 0.5},
    {"days": ["thu", "fri"], "start": "22:00", "end": "06:00", "value": -7},
    {"days": ["thu"], "start": "00:00", "end": "00:01", "value": 3},
)


def timetable(chance: Random) -> Data:
    """Return a level by the time of the week."""
    times = [dict(each) for each in chance.sample(_WINDOWS, chance.choice((1, 2, 3)))]
    return {"timetable": {"else": chance.choice((0, 2)), "times": times}}


def drawn(chance: Random, made: Mapping[str, Data], numbers: Sequence[str]) -> Data:
    """Return a signal that is made of others: of text, or a binomial draw. made: all above.  numbers: among them."""
    name = chance.choice(numbers)
    few = [each for each in numbers if "limits" in made[each] and made[each]["limits"][1] <= 1000]
    way = chance.choice(("text", "texts", "binomial") if few else ("text", "texts"))
    if way == "text":
        return {"text": chance.choice((f"{{{name}}}", f'n{{{{"{{{name}}} %s ü'))}
    if way == "texts":
        text, other = chance.choice(_TEXTS)
        return {"texts": {text: chance.choice(_CONDITIONS).format(name), other: "else"}}
    return {"binomial": {"of": chance.choice(few), "chance": chance.choice((0.02, 0.5, name))}}
