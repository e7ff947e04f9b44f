"""The file of `run --demo-broker`: what the embedded broker of a demo is to other clients, or every error in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from plant.definition.document import yaml_file
from plant.definition.document.errors import (
    ConfigError,
    Place,
    PlantConfigError,
    Violation,
    format_place,
    quote,
    with_lines,
)
from plant.definition.document.validation import validated
from plant.definition.document.value_types import ListOf, Spec, only_placeholders, passes
from sandbox.demo import MQTTX_WEB, PLACEHOLDERS, TOKEN_SECONDS, Acl, AclError, Clients, Demo, Limits

_USERS: Final = "users"
_OF_LOGIN: Final = "must be text that is not empty, in quotes where it looks like something else"
_OF_NAME: Final = "must be a user name of one line"


class DemoBroker(NamedTuple):
    """What a file says.  welcome: what is printed at the start in place of the usual text, or None."""

    clients: Clients
    limits: Limits
    token_seconds: float
    welcome: str | None


def _password(value: object) -> object:
    # Never with the value: whoever reads an error is not meant to know it.
    if not isinstance(value, str) or not value:
        raise ValueError(_OF_LOGIN)
    return value


def _origin(text: str) -> str:
    if text != "*" and not re.fullmatch(r"https?://[^/\s]+", text):
        raise ValueError(f"must be an origin such as https://example.org, without a path, or *, got {quote(text)}")
    return text


class _Limits(Spec):
    """What the broker allows each client; the first five are announced in CONNACK (MQTT 5, 3.2.2.3)."""

    receive_maximum: Annotated[int, Field(ge=1, le=65_535)] | None = None
    maximum_qos: Literal[0, 1] | None = None
    maximum_packet_size: Annotated[int, Field(ge=4_096, le=268_435_455)] | None = None
    server_keep_alive_seconds: Annotated[int, Field(ge=1, le=65_535)] | None = None
    session_expiry_maximum_seconds: Annotated[int, Field(ge=0, le=4_294_967_295)] | None = None
    outgoing_window: Annotated[int, Field(ge=1, le=65_535)] | None = None
    queue_messages: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class _File(Spec):
    users: dict[str, Annotated[str, BeforeValidator(_password)]] = Field({}, repr=False)
    anonymous: bool = False
    acl: str | None = None
    limits: _Limits = _Limits()
    token_seconds: Annotated[float, Field(ge=10, le=86_400)] = TOKEN_SECONDS
    websocket_origins: ListOf[Annotated[str, AfterValidator(_origin)]] = (MQTTX_WEB,)
    welcome: Annotated[str, passes(only_placeholders(*PLACEHOLDERS))] | None = None


def demo_of(path: str | None) -> tuple[Demo, str | None]:
    """Return the demo that a file describes, or the usual one without a file, and what it prints if that is its own."""
    if path is None:
        return Demo(), None
    found = read_demo_broker(Path(path))
    return Demo(clients=found.clients, limits=found.limits, token_seconds=found.token_seconds), found.welcome


def read_demo_broker(path: Path) -> DemoBroker:
    """Return what a file says; raise PlantConfigError with every error in it, none of which shows a password."""
    try:
        text = yaml_file.text_of(yaml_file.content_of(path))
        document = yaml_file.parse(text)
    except yaml_file.UnreadableError as error:
        raise PlantConfigError([ConfigError(str(path), error.line, format_place(error.place), error.rule)]) from None
    file, wrong = validated(_File, document.data, document.flags)
    acl, wrong_lines = _acl(document.data)
    wrong = [_without_passwords(each) for each in (*document.violations, *wrong, *_names(document.data, acl))]
    # The reading and the validation may both complain about a password, and then in the same words.
    mistakes = with_lines({(each.place, each.rule): each for each in wrong}.values(), str(path), document.lines)
    mistakes += _of_acl(wrong_lines, str(path), text, document.lines)
    if mistakes or file is None:
        raise PlantConfigError(sorted(mistakes, key=lambda each: each.line or 0))
    clients = Clients(users=file.users, anonymous=file.anonymous, acl=acl, origins=frozenset(file.websocket_origins))
    return DemoBroker(clients, Limits(**file.limits.model_dump(exclude_none=True)), file.token_seconds, file.welcome)


def _acl(data: Mapping[str, object]) -> tuple[Acl | None, Sequence[tuple[int, str]]]:
    """Return the rules, and the wrong lines of their text."""
    text = data.get("acl")
    if not isinstance(text, str):
        return None, ()
    try:
        return Acl.parse(text), ()
    except AclError as error:
        return None, error.mistakes


def _names(data: Mapping[str, object], acl: Acl | None) -> Iterator[Violation]:
    """Yield what is wrong about user names."""
    users = data.get(_USERS)
    known = list(users) if isinstance(users, dict) else []
    for name in known:
        if not name or not name.isprintable():
            yield Violation((_USERS, name), _OF_NAME)
    for name in sorted(acl.users - {*known}) if acl is not None else ():
        yield Violation(("acl",), f"has rules for {quote(name)}, who is not among the users", known, name)


def _without_passwords(broken: Violation) -> Violation:
    """Return a violation in whose text there is no password, whatever is wrong about it."""
    is_of_user = broken.place[:1] == (_USERS,) and len(broken.place) > 1
    return broken._replace(rule=_OF_LOGIN) if is_of_user and broken.rule != _OF_NAME else broken


def _of_acl(
    wrong: Sequence[tuple[int, str]], file: str, text: str, lines: Mapping[Place, int]
) -> Iterator[ConfigError]:
    """Yield the wrong lines of the rules, with their lines in the file where they are a block (`acl: |`) there."""
    first = lines.get(("acl",), 0)
    is_block = re.search(r":\s*[|>]", (text.splitlines() or [""])[first - 1]) is not None
    for number, rule in wrong:
        line, place = (first + number, "acl") if is_block else (first, f"acl (line {number})")
        yield ConfigError(file, line, place, rule)
