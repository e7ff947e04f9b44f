"""Validates plain data by a strict model, and puts each error of pydantic into plain words with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from plant.definition.document import yaml_file
from plant.definition.document.errors import Place, Violation, rule_of
from plant.definition.document.yaml_surprises import flag_hint

M = TypeVar("M", bound=BaseModel)

Flags = Mapping[Place, str]
"""The words that were read as true or false, as typed."""


def validated(
    model: type[M], data: Mapping[str, Any], flags: Flags, at: Place = ()
) -> tuple[M | None, list[Violation]]:
    """Return the model of the data, or None and every violation. at: the place of the data in the file."""
    try:
        return model.model_validate(dict(data)), []
    except ValidationError as error:
        found = [each for each in error.errors(include_url=False) if not _is_reported(each)]
        return None, [_violation(model, each, flags, at) for each in found]


def _is_reported(error: ErrorDetails) -> bool:
    """Return whether the value is empty or unreadable, for which there is a violation already."""
    return error["type"] != "extra_forbidden" and (error["input"] is None or error["input"] is yaml_file.UNREAD)


def _place(error: ErrorDetails) -> Place:
    """Return the place of an error; for a key, pydantic adds one more step."""
    return error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]


def _violation(model: type[BaseModel], error: ErrorDetails, flags: Flags, at: Place) -> Violation:
    place = _place(error)
    if error["type"] == "extra_forbidden":
        return Violation((*at, *place), "is an unknown key", _known_keys(model, place[:-1]))
    no_text = error["type"] in {"string_type", "value_error"} and isinstance(error["input"], bool)
    hint = flag_hint(flags[*at, *place], error["input"]) if no_text and (*at, *place) in flags else ""
    return Violation((*at, *place), rule_of(error) + hint)


def _known_keys(model: type[BaseModel], place: Place) -> list[str]:
    """Return the valid keys of a mapping; none if they are not known, as below a name chosen by the user."""
    annotation: object = model
    for step in place:
        annotation = next(_types_below(annotation, step), None)
    return [name for each in _alternatives(annotation) if _is_model(each) for name in _fields(each)]


def _types_below(annotation: object, step: str | int) -> Iterator[object]:
    """Yield the types of values one step below a value of that type."""
    for each in _alternatives(annotation):
        if _is_model(each):
            yield from (field.annotation for name, field in _fields(each).items() if name == step)
        elif get_origin(each) in (dict, tuple, list):
            yield get_args(each)[1 if get_origin(each) is dict else 0]


def _alternatives(annotation: object) -> Iterator[object]:
    """Yield the types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        yield from (each for choice in get_args(annotation) for each in _alternatives(choice))
    else:
        yield annotation


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}
