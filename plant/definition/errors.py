"""A mistake in a plant's YAML: where it is, which rule it breaks, and the plain sentence that says so."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]
"""The way to a value in the file: keys and list positions, from the top; () is the file itself."""


class Violation(NamedTuple):
    """A broken rule at a place; where the place ends in an unknown name, `known` has those that would do."""

    place: Place
    rule: str
    known: Sequence[str] = ()


LONGEST_SHOWN: Final = 40
"""Characters of an input that a message repeats; the rest is cut."""

MOST_COMPARED: Final = 100
"""Unknown names that get a suggestion, and known names looked at for each: likeness is slow to measure."""


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One broken rule. `line` counts from 1; None where there is no line to point at, as for a missing file."""

    file: str
    line: int | None
    path: str
    rule: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.rule}"


class PlantConfigError(Exception):
    """A plant's YAML cannot be used; `mistakes` holds every reason, in the order of the file."""

    def __init__(self, mistakes: Iterable[ConfigError]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def cut(text: str) -> str:
    """The text's beginning, on one line and in quotes, with its length where it was cut."""
    if len(text) <= LONGEST_SHOWN:
        return json.dumps(text, ensure_ascii=not text.isprintable())
    head = text[:LONGEST_SHOWN]
    return f"{json.dumps(head, ensure_ascii=not head.isprintable())}... ({len(text):,} characters)"


def spell(place: Place) -> str:
    """A place as people write it: `message_types.welding.lines[2]`."""
    spelt = ""
    for step in place:
        if isinstance(step, int):
            spelt += f"[{step}]"
        else:
            spelt += f".{step if step.isidentifier() and len(step) <= LONGEST_SHOWN else cut(step)}"
    return spelt.removeprefix(".") or "(top level)"


def suggestion(name: str, known: Sequence[str]) -> str:
    """The known name that an unknown one may stand for, else those that would do."""
    near = difflib.get_close_matches(name, known[:MOST_COMPARED], n=1) if len(name) <= LONGEST_SHOWN else []
    if near:
        return f"did you mean {spell((near[0],))}?"
    return f"known here: {', '.join(spell((each,)) for each in dict.fromkeys(known[:20]))}"


_SHOWN: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: str(value).lower(),
    int: lambda value: str(value) if value.bit_length() < 512 else "a number of hundreds of digits",
    float: str,
    str: lambda value: f"the text {cut(value)}",
    list: lambda value: f"a list of {len(value)}" if value else "an empty list",
    tuple: lambda value: f"a list of {len(value)}" if value else "an empty list",
    dict: lambda _: "a mapping",
    type(None): lambda _: "nothing",
}


def shown(value: object) -> str:
    """What was found instead, short enough for a message."""
    return _SHOWN.get(type(value), lambda other: str(other)[:LONGEST_SHOWN])(value)


def _text_hint(value: object) -> str:
    return "" if isinstance(value, list | dict | bool) else ": put it in quotes"


_PREFIXED: Final = re.compile(r"[-+]?0[box]", re.IGNORECASE)


def _number_hint(value: object) -> str:
    """YAML 1.1 takes `1e3`, `08`, `0o10` and `"5"` for text; float() and int() read what the author meant."""
    if not isinstance(value, str) or len(value) >= LONGEST_SHOWN:
        return ""
    try:
        meant = f"{int(value, 0) if _PREFIXED.match(value) else float(value):.15g}"
    except (ValueError, OverflowError):
        return ""
    return f": write {meant}, unquoted" if meant.strip("-.0123456789") == "" != meant else ""


def _flag_hint(value: object) -> str:
    return ": remove the quotes" if isinstance(value, str) and value.lower() in {"true", "false"} else ""


_Teller = Callable[[Any, Mapping[str, Any]], str]


def _wanted(what: str, hint: Callable[[object], str] = lambda _: "") -> _Teller:
    return lambda value, _: f"must be {what}, got {shown(value)}{hint(value)}"


def _bounded(words: str, bound: str) -> _Teller:
    return lambda value, context: f"must be {words} {context[bound]:,.10g}, got {shown(value)}"


_MAPPING: Final = _wanted("a mapping (key: value)")
_WHOLE: Final = _wanted("a whole number", _number_hint)
_TELLERS: Final[Mapping[str, _Teller]] = {
    "missing": lambda *_: "is missing",
    "value_error": lambda _, context: str(context["error"]),
    "float_type": _wanted("a number", _number_hint),
    "finite_number": _wanted("a finite number"),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _wanted("true or false", _flag_hint),
    "string_type": _wanted("text", _text_hint),
    "tuple_type": _wanted("a list"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "greater_than": _bounded("greater than", "gt"),
    "greater_than_equal": _bounded("at least", "ge"),
    "less_than_equal": _bounded("at most", "le"),
    "string_too_short": lambda *_: "must not be empty",
    "string_too_long": lambda value, context: (
        f"must have at most {context['max_length']:,} characters, got {cut(value)}"
    ),
    "too_long": lambda _, context: f"must have {context['max_length']} entries, got {context['actual_length']}",
}


def sentence(error: ErrorDetails) -> str:
    """The rule that a validation error stands for, in plain words (error types: pydantic's "Validation Errors")."""
    teller = _TELLERS.get(error["type"])
    return teller(error["input"], error.get("ctx", {})) if teller else error["msg"]


def located(faults: Iterable[Violation], file: str, lines: Mapping[Place, int]) -> list[ConfigError]:
    """The faults with their lines, in the order of the file; a place without a line has that of what holds it."""
    in_order = sorted(((_line(fault.place, lines), fault) for fault in faults), key=lambda pair: pair[0] or 0)
    return [
        ConfigError(file, line, spell(fault.place), _advice(fault) if number < MOST_COMPARED else fault.rule)
        for number, (line, fault) in enumerate(in_order)
    ]


def _advice(fault: Violation) -> str:
    return f"{fault.rule}; {suggestion(str(fault.place[-1]), fault.known)}" if fault.known else fault.rule


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    holders = (place[:length] for length in range(len(place), -1, -1))
    return next((lines[holder] for holder in holders if holder in lines), None)
