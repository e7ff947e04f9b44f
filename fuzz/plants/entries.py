"""Random small plants as plain data: entries of machine types with all that they may have, valid by construction.

In each choice what is simplest stands first, so that a generator of random numbers that prefers small ones, as that of
hypothesis does when it shrinks an example, gives simple plants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - makes the plants; no part of one
from typing import Any, Final

from fuzz.plants.alarms import alarms
from fuzz.plants.choices import Data, maybe, some
from fuzz.plants.energy import energy
from fuzz.plants.faults import causes, spread
from fuzz.plants.flows import flow
from fuzz.plants.signals import plant_signals, signals
from fuzz.plants.states import ODD, order, reason_fields, reasons, states
from fuzz.plants.variation import in_shifts, variation

KEYS: Final = ("press", "oven", "meter", "packer-2")
"""Keys of machine types."""

CALENDAR: Final[Data] = {
    "time_zone": "UTC",
    "shifts": [{"start": "00:00", "end": "00:01"}, {"name": "day", "start": "00:02", "end": "23:00"}],
}
"""A minute of planned stop, soon after the start."""

_SITE: Final[Data] = {
    "time_zone": "Europe/Berlin",
    "factors": "load",
    "shifts": [
        {"name": "day", "start": "00:02", "end": "01:02", "factor": 0.5},
        {"start": "01:03", "end": "00:01", "factor": 0.75},
    ],
}
"""A load, with another shift and a minute of planned stop soon after the start, UTC."""

_RESULTS: Final[dict[str, Any]] = {
    "good": 0.8,
    "scrap": {"weight": 0.2, "good": False},
    "seconds {}": {"weight": 0.3, "issues": [1, 4]},
}
_PROPERTIES: Final[Data] = {
    "site": 'Berlin "Süd" %',
    "place": "{machine_id} at {station_id}, {number}",
    "rated_power": 55.5,
    "floor": -1,
    "tested": True,
}
_PERIODS: Final = (2.0, 1.0, 7.5, 0.4)
_PERIOD_FORMS: Final = ("rfc3339", "epoch_ms", "epoch_s")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What plants may have. nested: objects in messages.  sequence: numbers of messages.  coupled: flow, calendar."""

    nested: bool = True
    sequence: bool = True
    coupled: bool = True


ANYTHING: Final = Wanted()


def plant(chance: Random, wanted: Wanted = ANYTHING) -> Data:
    """Return the data of a plant with one to three machine types."""
    shared = plant_signals(chance) if maybe(chance) else {}
    keys = KEYS[: chance.choice((1, 2, 3))]
    types = {key: entry(chance, key, [*shared], wanted) for key in keys}
    if maybe(chance, 0.25):
        types["press_b"] = _extending(chance, "press", types["press"])
    data: Data = {"global": _global(chance), "message_types": types}
    if shared:
        data["plant_signals"] = shared
    if wanted.coupled:
        _couple(chance, data)
    if maybe(chance, 0.2):
        types["oee"] = {"enabled": True, "report_seconds": 30.0}
    if maybe(chance, 0.2):
        types["fault_labels"] = {"enabled": True}
    return data


def _couple(chance: Random, data: Data) -> None:
    """Let machines depend on a calendar, on pieces of each other, and on faults of each other."""
    types = data["message_types"]
    making = [key for key, each in types.items() if "job" in each or "job" in types.get(each.get("extends"), {})]
    if maybe(chance, 0.25):
        data["calendar"] = CALENDAR
        for key in [key for key in making if "job" in types[key]]:
            types[key] |= in_shifts(chance)
    if maybe(chance, 0.3):
        data |= flow(chance, types, making)
    elif maybe(chance, 0.3):
        _place_at_site(chance, data)
    if maybe(chance, 0.3):
        _spread(chance, data)


def _place_at_site(chance: Random, data: Data) -> None:
    """Place some types at a site, where the plant's signals are others."""
    own = {name: {"calendar": "load"} for name in data.get("plant_signals", {}) if maybe(chance)}
    data["sites"] = {"there": {"calendar": _SITE, "plant_signals": own}}
    for key in some(chance, [key for key in KEYS if key in data["message_types"]]):
        data["message_types"][key]["site"] = "there"


def _spread(chance: Random, data: Data) -> None:
    """Let faults spread between types that no other one extends, as that would take over the names of neighbours."""
    types = data["message_types"]
    keys = [key for key in KEYS if key in types and not (key == "press" and "press_b" in types)]
    spread(chance, {key: types[key] for key in keys}, flows="flow" in data)


def entry(chance: Random, key: str, shared: Sequence[str] = (), wanted: Wanted = ANYTHING) -> Data:
    """Return an entry of a machine type. shared: the names of the plant's signals that are numbers, or all of them."""
    made: Data = {"count": chance.choice((1, 2, 3, 0)), "report_seconds": chance.choice(_PERIODS)}
    if maybe(chance, 0.8):
        made["states"] = states(chance)
    if maybe(chance, 0.6):
        made["job"] = _job(chance)
        made |= variation(chance, made)
    if maybe(chance, 0.6) or not {"states", "job"} & made.keys():
        made["signals"] = signals(chance, made, shared)
    made |= _place(chance) | _losses(chance)
    if maybe(chance, 0.3) and (found := reasons(chance, made)):
        made["reasons"] = found
    made |= _messages(chance, made, wanted)
    if "messages" not in made and "job" in made and maybe(chance, 0.2):
        del made["job"]["cycle_seconds"]
        made["job"]["period_share"] = chance.choice((0.5, 1.0))
    made |= order(chance, made)
    return made | _of_machines(chance, key, made) | energy(chance, made, shared)


def _of_machines(chance: Random, key: str, made: Data) -> Data:
    """Return what is different for machines, what goes wrong on them, and what is reported of that."""
    own: Data = {}
    if maybe(chance, 0.4):
        own |= causes(chance, key, made)
    if maybe(chance, 0.3):
        own["overrides"] = _overrides(chance, key, made)
    if maybe(chance, 0.3) and (found := alarms(chance, made)):
        own["alarms"] = found
    if "states" in made and maybe(chance, 0.3):
        own["commands"] = {name: _command(chance, made) for name in some(chance, ("stop", "start", "rest"))}
    return own


def _command(chance: Random, made: Data) -> Data:
    return {"state": chance.choice([*made["states"]]), **({"latched": True} if maybe(chance) else {})}


def _losses(chance: Random) -> Data:
    made: Data = {}
    if maybe(chance, 0.2):
        made |= {"micro_stops_per_hour": 900.0, "micro_stop_seconds_range": [1.0, 2.0]}
    if maybe(chance, 0.2):
        made |= {"slow_cycle_share": 0.5, "slow_cycle_factor_range": [1.5, 2.0]}
    return made


def _global(chance: Random) -> Data:
    made: Data = {"base_interval": chance.choice((1.0, 0.5, 1.7))}
    if maybe(chance, 0.2):
        made["target_rate"] = chance.choice((3.0, 20.0))
    if maybe(chance, 0.2):
        made["fault_chance_per_day"] = chance.choice((0.1, 1.0))
    return made


def _extending(chance: Random, key: str, base: Data) -> Data:
    made: Data = {"extends": key, "count": chance.choice((1, 2))}
    if maybe(chance):
        made["report_seconds"] = chance.choice(_PERIODS)
    if maybe(chance) and "states" in base:
        made["states"] = {name: {"share": 2.0} for name in [name for name in base["states"] if name != ODD][:1]}
    if maybe(chance) and "job" in base:
        made["job"] = {"cycle_seconds": [2.0, 4.0]}
    return made


def _place(chance: Random) -> Data:
    made: Data = {}
    if maybe(chance, 0.3):
        made |= {"station_pattern": "L{line} {station}", "lines": [1, 2, 3][: chance.choice((1, 3))]}
        made["stations"] = ["A", 'B"ö'][: chance.choice((1, 2))]
    if maybe(chance, 0.2):
        made["topic"] = chance.choice(("plant/all", "{prefix}/{type}/{machine_id}", "{prefix}/{type}/{number:03d}"))
    if maybe(chance, 0.2):
        made["qos"] = chance.choice((0, 1))
    if maybe(chance, 0.2):
        made["retain"] = True
    if maybe(chance, 0.3):
        made["timestamp"] = chance.choice(_PERIOD_FORMS)
    if maybe(chance, 0.3):
        made["properties"] = {name: _PROPERTIES[name] for name in some(chance, [*_PROPERTIES])}
    return made


def _job(chance: Random) -> Data:
    kinds: Any = ["panel", "FrameStrut"] if maybe(chance) else {"panel": 3.0, 'k"1': 1.0, "none": 0.0}
    made: Data = {"kinds": kinds, "cycle_seconds": chance.choice((5.0, [3.0, 8.0], [0.1, 0.3], 60.0))}
    if maybe(chance, 0.2):
        made["product"] = "sheet"
    if maybe(chance, 0.6):
        made["results"] = {name: _RESULTS[name] for name in some(chance, [*_RESULTS])}
    if maybe(chance):
        made["phases"] = {"close": 1.0, "press": 3.0, "open": 0.5}
    return made


# Messages


def _messages(chance: Random, made: Data, wanted: Wanted) -> Data:
    way = chance.choice(("all", "fields", "classes", "classes"))
    if way == "all":
        return {}
    names = _field_names(made)
    if way == "fields":
        return {"fields": _fields(chance, some(chance, names), wanted)}
    classes: Data = {}
    reporting = [name for name in names if name.startswith("finished.")]
    rest = [name for name in names if name not in reporting]
    for number, name in enumerate(("main", "energy", "st-1")[: chance.choice((1, 2, 3))]):
        own: Data = {"fields": _fields(chance, some(chance, rest if number else names), wanted)}
        classes[name] = own | _class_keys(chance, made)
    order = some(chance, [*classes])
    together = {"together": True} if maybe(chance, 0.3) else {}
    return {"messages": {name: classes[name] for name in dict.fromkeys((*order, *classes))}, **together}


def _class_keys(chance: Random, made: Data) -> Data:
    own: Data = {}
    if maybe(chance):
        own |= chance.choice(
            ({"report_seconds": chance.choice(_PERIODS)}, {"frequency_weight": chance.choice((9.0, 0.0))})
        )
    if "states" in made and maybe(chance, 0.4):
        own["on_change"] = True
    if maybe(chance, 0.2):
        own["timestamp"] = chance.choice(_PERIOD_FORMS)
    if maybe(chance, 0.2):
        own |= {"qos": 0, "retain": True}
    return own


def _field_names(made: Data) -> list[str]:
    shown = [name for name, each in made.get("signals", {}).items() if each.get("shown", True)]
    names = ["machine_id", *shown, *made.get("properties", {})]
    if "states" in made:
        names.append("status")
    if "station_pattern" in made:
        names.append("station_id")
    if "job" in made:
        names += ["job.kind", "job.id", "job.progress", "finished.id", "finished.result", "finished.cycle_seconds"]
        names += ["finished.issues"]
    if "lots" in made:
        names += ["job.order", "job.lot", "job.lot_size", "job.lot_position"]
    return [*names, *reason_fields(made)]


def _fields(chance: Random, names: Sequence[str], wanted: Wanted) -> list[Any]:
    """Return fields with these values, renamed or nested or not, with constants and numbers among them."""
    fields: list[Any] = []
    for number, name in enumerate(names):
        key = name.replace(".", "_")
        fields.append(
            name
            if key == name and maybe(chance)
            else {f'{key} "%s{number}' if maybe(chance, 0.1) else f"{key}{number}": name}
        )
    if maybe(chance, 0.3):
        fields.insert(chance.randint(0, len(fields)), {"version": {"constant": chance.choice((1, "a{b}%", 2.5, True))}})
    if wanted.sequence and maybe(chance, 0.4):
        fields.insert(chance.randint(0, len(fields)), {"sequence": True})
    if wanted.nested and maybe(chance, 0.3):
        cut = chance.randint(0, len(fields) - 1)
        inner: Any = fields[cut:]
        fields = [*fields[:cut], {"data": [{"deep": inner}, {"unit": {"constant": "x"}}] if maybe(chance) else inner}]
    if maybe(chance, 0.9):
        fields.insert(0, {"ts": "timestamp"} if maybe(chance, 0.3) else "timestamp")
    return fields


def _overrides(chance: Random, key: str, made: Data) -> Data:
    head = key.upper().replace("_", "-")
    return {f"{head}-{number:02d}": _override(chance, made) for number in chance.sample((1, 2, 9), 2)}


def _override(chance: Random, made: Data) -> Data:
    own: Data = {}
    if "states" in made and maybe(chance):
        own["states"] = {"running": chance.choice(({"share": 0.5}, {"dwell_seconds": 3.0}))}
    if made.get("transitions") and maybe(chance):
        own["transitions"] = {next(iter(made["transitions"])): {}}
    if "job" in made and maybe(chance):
        own["job"] = {"kinds": {"panel": 1.0}}
        if "period_share" not in made["job"]:
            own["job"]["cycle_seconds"] = chance.choice((2.0, [0.2, 9.0]))
    with_base = [name for name, each in made.get("signals", {}).items() if "base" in each]
    if with_base and maybe(chance):
        own["signals"] = {with_base[0]: {"base": chance.choice((3, 0, -17))}}
    if not own:
        own["micro_stops_per_hour"] = 60.0
    return own
