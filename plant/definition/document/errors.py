"""Errors in a plant's YAML: the place, the broken rule, and the sentence that describes it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]
"""The path of a value in the file: keys and list indexes from the top; () is the file itself."""


class Violation(NamedTuple):
    """A broken rule at a place. known: the valid names, where the place ends in an unknown name, or `name` is one."""

    place: Place
    rule: str
    known: Sequence[str] = ()
    name: str | None = None


WHOLE_FILE: Final = "(top level)"
"""The place () as text."""

LONGEST_SHOWN: Final = 40
"""The most characters of an input that an error repeats."""

MOST_COMPARED: Final = 100
"""The most unknown names that get a suggestion, and known names to compare each with: comparing is slow."""

MOST_LISTED: Final = 20
"""The most known names that an error lists."""


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One error in a file. line: counted from 1; None where there is none, as for a missing file.

    path: the place as text; WHOLE_FILE is the file itself.
    """

    file: str
    line: int | None
    path: str
    rule: str

    def __str__(self) -> str:
        if self.is_about_file:
            return f"{self.file}: {self.rule}"
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.rule}"

    @property
    def is_about_file(self) -> bool:
        """Whether it is about the file as a whole, such as that it does not exist."""
        return self.line is None and self.path == WHOLE_FILE


class PlantConfigError(Exception):
    """A plant's YAML cannot be used. mistakes: every error, in the order of the file."""

    def __init__(self, mistakes: Iterable[ConfigError]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def unreadable(error: OSError | ValueError) -> str:
    """Return the rule that a file breaks which cannot be read. ValueError: a NUL in its path."""
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def quote(text: str) -> str:
    """Return a text on one line and in quotes; of a long text, the beginning and its length."""
    if len(text) <= LONGEST_SHOWN:
        return json.dumps(text, ensure_ascii=not text.isprintable())
    head = text[:LONGEST_SHOWN]
    return f"{json.dumps(head, ensure_ascii=not head.isprintable())}... ({len(text):,} characters)"


def format_place(place: Place) -> str:
    """Return a place as text: `message_types.welding.lines[2]`."""
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step if step.isidentifier() and len(step) <= LONGEST_SHOWN else quote(step)}"
    return text.removeprefix(".") or WHOLE_FILE


_UNITS: Final = ("seconds", "minutes", "hours")


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return the known name that is most like an unknown one, otherwise a list of the known names.

    A name that lacks its unit, such as `dwell` for `dwell_seconds`, is like no other name more.
    """
    compared = known[:MOST_COMPARED] if len(name) <= LONGEST_SHOWN else []
    near = [each for each in compared if each in {f"{name}_{unit}" for unit in _UNITS}] or difflib.get_close_matches(
        name, compared, n=1
    )
    if near:
        return f"did you mean {format_place((near[0],))}?"
    names = [*dict.fromkeys(known)]
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return f"known names: {', '.join(format_place((each,)) for each in names[:MOST_LISTED])}{more}"


_DESCRIPTIONS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: str(value).lower(),
    int: lambda value: str(value) if value.bit_length() < 512 else "a number of hundreds of digits",
    float: str,
    str: lambda value: f"the text {quote(value)}",
    list: lambda value: f"a list of {len(value)}" if value else "an empty list",
    tuple: lambda value: f"a list of {len(value)}" if value else "an empty list",
    dict: lambda _: "a mapping",
    type(None): lambda _: "nothing",
}


def describe_value(value: object) -> str:
    """Describe a wrong value, short enough for an error."""
    return _DESCRIPTIONS.get(type(value), lambda other: str(other)[:LONGEST_SHOWN])(value)


def _text_hint(value: object) -> str:
    return "" if isinstance(value, list | dict | bool) else ": put it in quotes"


_PREFIXED: Final = re.compile(r"[-+]?0[box]", re.IGNORECASE)


def _number_hint(value: object) -> str:
    """Return the number that the author meant by `1e3`, `08`, `0o10` or `"5"`, which YAML 1.1 reads as text."""
    if not isinstance(value, str) or len(value) >= LONGEST_SHOWN:
        return ""
    try:
        meant = f"{int(value, 0) if _PREFIXED.match(value) else float(value):.15g}"
    except (ValueError, OverflowError):
        return ""
    return f": write {meant}, unquoted" if meant.strip("-.0123456789") == "" != meant else ""


def _flag_hint(value: object) -> str:
    return ": remove the quotes" if isinstance(value, str) and value.lower() in {"true", "false"} else ""


_Rule = Callable[[Any, Mapping[str, Any]], str]


def _must_be(what: str, hint: Callable[[object], str] = lambda _: "") -> _Rule:
    return lambda value, _: f"must be {what}, got {describe_value(value)}{hint(value)}"


def _bounded(words: str, bound: str) -> _Rule:
    return lambda value, context: f"must be {words} {context[bound]:,.10g}, got {describe_value(value)}"


def _entries(bound: str, words: Mapping[str, str]) -> _Rule:
    """Return a rule on the number of entries; without words for a type, such as a tuple, the number is exact."""

    def rule(_: object, context: Mapping[str, Any]) -> str:
        limit = f"{words.get(context['field_type'], '')}{context[bound]}"
        noun = "entry" if context[bound] == 1 else "entries"
        return f"must have {limit} {noun}, got {context['actual_length']}"

    return rule


_MAPPING: Final = _must_be("a mapping (key: value)")
_WHOLE: Final = _must_be("a whole number", _number_hint)
_RULES: Final[Mapping[str, _Rule]] = {
    "missing": lambda *_: "is missing",
    "value_error": lambda _, context: str(context["error"]),
    "float_type": _must_be("a number", _number_hint),
    "finite_number": _must_be("a finite number"),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _must_be("true or false", _flag_hint),
    "string_type": _must_be("text", _text_hint),
    "tuple_type": _must_be("a list"),
    "list_type": _must_be("a list"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "greater_than": _bounded("greater than", "gt"),
    "greater_than_equal": _bounded("at least", "ge"),
    "less_than_equal": _bounded("at most", "le"),
    "string_too_short": lambda *_: "must not be empty",
    "string_too_long": lambda value, context: (
        f"must have at most {context['max_length']:,} characters, got {quote(value)}"
    ),
    "literal_error": lambda value, context: f"must be {context['expected']}, got {describe_value(value)}",
    "too_short": _entries("min_length", {"List": "at least "}),
    "too_long": _entries("max_length", {"List": "at most "}),
}


def rule_of(error: ErrorDetails) -> str:
    """Return the rule that a validation error means, in plain words (error types: pydantic's "Validation Errors")."""
    rule = _RULES.get(error["type"])
    return rule(error["input"], error.get("ctx", {})) if rule else error["msg"]


def with_lines(violations: Iterable[Violation], file: str, lines: Mapping[Place, int]) -> list[ConfigError]:
    """Return the violations with their lines, in the order of the file; a place without a line has its parent's."""
    found = ((_line(violation.place, lines), violation) for violation in violations)
    in_order = sorted(found, key=lambda pair: pair[0] or 0)
    return [
        ConfigError(file, line, format_place(broken.place), _advice(broken) if number < MOST_COMPARED else broken.rule)
        for number, (line, broken) in enumerate(in_order)
    ]


def _advice(broken: Violation) -> str:
    if not broken.known:
        return broken.rule
    return f"{broken.rule}; {suggestion(str(broken.name or broken.place[-1]), broken.known)}"


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    parents = (place[:length] for length in range(len(place), -1, -1))
    return next((lines[parent] for parent in parents if parent in lines), None)
