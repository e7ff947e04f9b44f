"""The tables of the plant language: every key, from the models, and every name of a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final

from pydantic import BaseModel

from cli.exports.schemas.config_schema import schema_of
from plant.definition.document.value_types import YEAR_SECONDS
from plant.definition.keys.alarms import SignalAlarms
from plant.definition.keys.commands import StateCommandEntry
from plant.definition.keys.energy import EnergyEntry
from plant.definition.keys.faults import (
    ConsequenceEntry,
    EffectEntry,
    FaultEntry,
    OnsetEntry,
    ScheduledEntry,
    SensorFaultEntry,
    WearEntry,
)
from plant.definition.keys.jobs import JobEntry, JobOverride, ResultEntry
from plant.definition.keys.messages import MessageEntry
from plant.definition.keys.states import StateEntry, StateOverride
from plant.definition.keys.variation import (
    CycleFactor,
    KindEntry,
    LotsEntry,
    OperatorsEntry,
    OperatorSpread,
    ShiftEntry,
    SpreadEntry,
    StartUpEntry,
    WeightFactor,
)
from plant.definition.machine_types.entry import MachineEntry, MachineOverride, SignalOverride
from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.signals.formula_parser import (
    ARITHMETIC,
    COMPARISONS,
    DEEPEST,
    GREATEST_POWER,
    JUNCTIONS,
    LONGEST,
    MOST_NODES,
)
from plant.definition.signals.signal_spec import (
    SOURCES,
    Binomial,
    Daily,
    Ramp,
    SignalSpec,
    Switches,
    Timetable,
    TimetableWindow,
    Walk,
    Yearly,
)
from plant.definition.signals.vocabulary import FUNCTIONS, MATCHED, PLANT, QUANTITIES
from plant.models.model import Model
from plant.models.registry import models

_Schema = Mapping[str, Any]

_ARGUMENTS: Final = ("x", "a, b", "x, low, high")
"""How the arguments of a function are written, by the least number of them."""

_DEFAULT: Final = re.compile(r" \[(?![a-z]+, [a-z]+\])([^\]]+)\](?=\.)")
"""The default at the end of a description's first sentence; two words are the ends of a range, as [low, high]."""


def tables() -> dict[str, str]:
    """Return the tables by the name in their begin and end marks."""
    return {
        "keys of an entry": _keys({"": MachineEntry}),
        "keys of a state": _keys({"": StateEntry}),
        "keys of a job": _keys({"": JobEntry, "kinds.NAME": KindEntry, "results.NAME": ResultEntry}),
        "keys of a class of messages": _keys({"": MessageEntry}),
        "keys of an override": _keys(
            {"": MachineOverride, "states.NAME": StateOverride, "job": JobOverride, "signals.NAME": SignalOverride}
        ),
        "keys of a fault": _keys({"": FaultEntry, "onset": OnsetEntry, "effects.NAME": EffectEntry}),
        "keys of a sensor fault": _keys({"": SensorFaultEntry}),
        "keys of wear": _keys({"": WearEntry}),
        "keys of a consequence": _keys({"": ConsequenceEntry}),
        "keys of a schedule": _keys({"": ScheduledEntry}),
        "sources of a signal": _keys({"": SignalSpec}, only=_is_source),
        "keys of a signal": _keys(
            {
                "": SignalSpec,
                "walk": Walk,
                "daily": Daily,
                "yearly": Yearly,
                "ramp": Ramp,
                "binomial": Binomial,
                "timetable": Timetable,
                "timetable.times": TimetableWindow,
            },
            only=lambda key: not _is_source(key),
        ),
        "keys of switches": _keys({"switches": Switches}),
        "keys of an alarm": _keys({"": SignalAlarms}),
        "keys of a command": _keys({"": StateCommandEntry}),
        "keys of energy": _keys({"": EnergyEntry}),
        "names of fields": _names_of_fields(),
        "names of formulas": _names_of_formulas(),
        "operators of formulas": _operators(),
        "functions of formulas": _functions(),
        "models": _models(),
    }


def variation() -> str:
    """Return the table of docs/how-jobs-vary.md."""
    models: dict[str, type[BaseModel]] = {
        "lots": LotsEntry,
        "start_up": StartUpEntry,
        "spread": SpreadEntry,
        "shifts.NAME": ShiftEntry,
        "operators": OperatorsEntry,
        "operators.spread": OperatorSpread,
        "start_up.cycle_seconds": CycleFactor,
        "start_up.results.NAME": WeightFactor,
    }
    return _keys(models)


def _is_source(key: str) -> bool:
    return key in SOURCES


def _keys(models: Mapping[str, type[BaseModel]], only: Callable[[str], bool] = lambda _key: True) -> str:
    """Return a table of the keys of models. models: by the path of their keys in the table; "" for none."""
    rows = [
        (f"`{f'{path}.' if path else ''}{key}`", values(schema), *_divided(schema["description"]))
        for path, model in models.items()
        for key, schema in schema_of(model)["properties"].items()
        if only(key)
    ]
    return _table(("key", "value", "default", "meaning"), rows)


def _divided(description: str) -> tuple[str, str]:
    """Return the default at the end of a description, and the description without it."""
    found = _DEFAULT.search(description)
    if found is None:
        return "", description
    default = f"[{found[1]}]" if re.fullmatch(r"[\d., ]+,[\d., ]+", found[1]) else found[1]
    return default, _DEFAULT.sub("", description)


def values(schema: _Schema) -> str:
    """Return which values a key takes, in words, from its JSON Schema."""
    if "anyOf" in schema:
        choices = dict.fromkeys(map(values, schema["anyOf"]))
        return ", or ".join(each for each in choices if each != "whole number")
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else _FORMS[kind](schema)


def _number(word: str) -> Callable[[_Schema], str]:
    return lambda schema: word + _range(schema)


def _range(schema: _Schema) -> str:
    """Return the bounds of a number, except those that are so far away that they keep out slips only."""
    low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    shown = {None: None, YEAR_SECONDS: "a year"}.get(high, f"{high:,.10g}" if high and high < YEAR_SECONDS else None)
    if above is not None:
        return f" above {above:g}" + (f", at most {shown}" if shown else "")
    if low is None or low <= -YEAR_SECONDS:
        return ""
    return f", {low:g} to {shown}" if shown else f", {low:g} or more"


def _list(schema: _Schema) -> str:
    each = schema["items"]
    if schema.get("maxItems") != 2:
        return "list"
    word = {"integer": "whole number", "number": "number"}[each["type"]]
    return f"[{word}, {word}]{_range(each)}"


def _object(schema: _Schema) -> str:
    each = schema.get("additionalProperties")
    inner = values(each) if isinstance(each, dict) and "properties" not in schema else ""
    return f"by name: {inner}" if inner else "mapping"


_FORMS: Final[Mapping[str, Callable[[_Schema], str]]] = {
    "boolean": lambda _: "true or false",
    "integer": _number("whole number"),
    "number": _number("number"),
    "string": lambda _: "text",
    "array": _list,
    "object": _object,
}


def _names_of_fields() -> str:
    """Return a table of what `fields` may name beside the timestamp, properties and signals."""
    rows = [
        (f"`{source.yaml_name}`", _sentence(source.meaning.replace("`{producing}`", "the producing state")))
        for source in FieldSource
        if source.path
    ]
    return _table(("name", "value"), rows)


def _sentence(meaning: str) -> str:
    return meaning.replace("{product}", "job").rstrip(".") + "."


def _names_of_formulas() -> str:
    rows = [
        ("`SIGNAL`", "a signal above this one"),
        (f"`{PLANT}.SIGNAL`", "a signal of `plant_signals`"),
        *((f"`{name}`", meaning) for name, meaning in QUANTITIES.items()),
        *((f"`{name} == '...'`, `{name} != '...'`", meaning) for name, meaning in MATCHED.items()),
    ]
    return _table(("name", "value"), rows)


def _operators() -> str:
    powers = f"a power: 0.5, 1, 1.5 and so on, up to {GREATEST_POWER}"
    rows = [
        (_code(ARITHMETIC.values()), "x / 0 and x % 0 are 0"),
        ("`**`", powers),
        ("`A if CONDITION else B`", "one of two numbers"),
        (_code((*COMPARISONS.values(), *JUNCTIONS.values())), "in a condition only"),
    ]
    limits = f"At most {LONGEST} characters, {MOST_NODES} names, numbers, operators and calls, {DEEPEST} levels deep."
    return f"{_table(('operators', 'meaning'), rows)}\n{limits}\n"


def _models() -> str:
    """Return a table of the models in this package; other packages may offer more."""
    own = ((name, model) for name, model in models().items() if type(model).__module__.startswith("plant.models."))
    rows = [row for name, model in own for row in _outputs(name, model)]
    return _table(("model", "inputs", "output", "meaning"), rows)


def _outputs(name: str, model: Model) -> Iterator[tuple[str, str, str, str]]:
    inputs = _code((*model.inputs, *(f"{PLANT}.{each}" for each in model.plant_inputs)))
    heads = chain([(f"`{name}`", inputs)], repeat(("", "")))
    for head, (output, meaning) in zip(heads, model.outputs.items(), strict=False):
        yield *head, f"`{output}`", meaning


def _code(words: Iterable[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _functions() -> str:
    rows = [
        (f"`{name}({_ARGUMENTS[function.least - 1]}{', ...' if function.most > function.least else ''})`", meaning)
        for name, function in FUNCTIONS.items()
        for meaning in [function.meaning]
    ]
    return _table(("function", "value"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(_lines(head, rows))


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n"
    yield f"|{'---|' * len(head)}\n"
    for row in rows:
        yield re.sub(" {2,}", " ", f"| {' | '.join(row)} |\n")
