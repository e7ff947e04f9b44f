"""Reads one YAML file into plain data, with the line of each place.

The parser's events are processed one by one without recursion, so that no file, however deeply nested and however
often it refers to itself, costs more than the limits below. In addition to the rules of YAML 1.1 as in PyYAML, keys
must be text and must not be repeated, and numbers must be what they look like: a loader would ignore such mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from plant.definition.document.errors import Place, Violation, quote, unreadable
from plant.definition.document.yaml_surprises import misread_null, misread_number

MAX_BYTES: Final = 1_048_576
"""The limit of a Kubernetes ConfigMap."""

MAX_DEPTH: Final = 40
MAX_VALUES: Final = 20_000
"""The most values in a file, with aliases expanded; the default plant has about 200."""

MAX_NUMBER_LENGTH: Final = 64
"""The most characters of a number or date: longer ones cost much time and have no use."""

_CORE: Final = "tag:yaml.org,2002:"
_TEXT: Final = f"{_CORE}str"
_MERGE: Final = f"{_CORE}merge"
_NUMBER_LIKE: Final = {f"{_CORE}{name}" for name in ("int", "float", "timestamp")}
_TAGS: Final[Mapping[type, set[str]]] = {
    yaml.ScalarEvent: {f"{_CORE}{name}" for name in ("str", "int", "float", "bool", "null")} | {"!"},
    yaml.MappingStartEvent: {f"{_CORE}map", "!"},
    yaml.SequenceStartEvent: {f"{_CORE}seq", "!"},
}
_MEANINGS: Final[Mapping[str, str]] = {
    f"{_CORE}bool": "true or false",
    f"{_CORE}null": "null",
    f"{_CORE}int": "a number",
    f"{_CORE}float": "a number",
    f"{_CORE}timestamp": "a date",
}
_FLAGS_BELOW, _FLAGS = "texts", ("true", "false")
"""The key below which true and false are keys, as what messages have, and how these are written."""
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that are not printable by YAML 1.1, 5.1."""


class _Resolver(yaml.resolver.Resolver):
    """Resolves the type of a bare text by a copy of PyYAML's table: other libraries add to the original."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as its base has it
        first: [*each] for first, each in yaml.resolver.Resolver.yaml_implicit_resolvers.items()
    }


_RESOLVER: Final = _Resolver()
_CONSTRUCTOR: Final = yaml.constructor.SafeConstructor()
_CONSTRUCTORS: Final[Mapping[str, Callable[[Any, yaml.ScalarNode], object]]] = {
    f"{_CORE}{name}": _CONSTRUCTOR.yaml_constructors[f"{_CORE}{name}"]
    for name in ("str", "int", "float", "bool", "null", "timestamp")
}

UNREAD: Final = object()
"""In place of a value that could not be read."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file.

    data: unreadable values are UNREAD in it.  lines: the line of each place, counted from 1.
    violations: errors that did not stop the reading.  flags: words that YAML reads as true or false, as typed.
    is_yaml: whether it was YAML, and not TOML.
    """

    data: dict[str, Any]
    lines: Mapping[Place, int]
    violations: list[Violation]
    flags: Mapping[Place, str]
    is_yaml: bool = True


class UnreadableError(Exception):
    """A file that cannot be read to its end. line: counted from 1; None if the error is not in a line."""

    def __init__(self, line: int | None, place: Place, rule: str) -> None:
        super().__init__(rule)
        self.line = line
        self.place = place
        self.rule = rule


def read(path: Path) -> Document:
    """Return the document in a file; UnreadableError with the first error."""
    return decode(content_of(path))


def decode(content: bytes) -> Document:
    """Return the document in the content of a file; UnreadableError with the first error."""
    return parse(text_of(content))


def text_of(content: bytes) -> str:
    """Return content as text; UnreadableError where it cannot be, or is too long."""
    if len(content) > MAX_BYTES:
        raise UnreadableError(None, (), f"must have at most {MAX_BYTES:,} bytes")
    _check_characters(text := _decoded(content))
    return text


def parse(text: str) -> Document:
    """Return the document in a text; UnreadableError with the first error."""
    builder = _Builder()
    with _syntax_errors(text, builder):
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.process(event)
    return builder.document()


def content_of(path: Path) -> bytes:
    """Return the content of a regular file; UnreadableError where it cannot be read."""
    if path.is_fifo() or path.is_char_device() or path.is_block_device() or path.is_socket():
        raise UnreadableError(None, (), "cannot be read: it is not a regular file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UnreadableError(None, (), unreadable(error)) from error


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableError(line, (), f"must be UTF-8, got the byte 0x{content[error.start]:02x}") from error


def _check_characters(text: str) -> None:
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UnreadableError(line, (), f"must not contain the control character U+{ord(found[0]):04X}")


@contextmanager
def _syntax_errors(text: str, builder: _Builder) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableError(mark.line + 1 if mark else 1, builder.place(), _syntax_rule(error, text)) from error
    except yaml.YAMLError as error:
        raise UnreadableError(1, builder.place(), f"is not valid YAML: {quote(str(error))}") from error


def _syntax_rule(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    line = text.splitlines()[mark.line : mark.line + 1] if mark else []
    if line and "\t" in line[0][: len(line[0]) - len(line[0].lstrip())]:
        return "is indented with a tab: YAML allows only spaces"
    return f"is not valid YAML: {', '.join(filter(None, (error.context, error.problem)))}"


@dataclass(slots=True)
class _Frame:
    """A list or mapping under construction."""

    into: Any
    place: Place
    anchor: str | None
    values_before: int
    key: str | None = None
    merging: bool = False
    merged: list[dict[str, Any]] = field(default_factory=list)


class _Builder:
    """Builds a document from the events of the parser."""

    def __init__(self) -> None:
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._lines: dict[Place, int] = {(): 1}
        self._violations: list[Violation] = []
        self._flags: dict[Place, str] = {}
        self._root: list[Any] = []
        self._values = 0

    def process(self, event: yaml.Event) -> None:
        """Process one event."""
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    def document(self) -> Document:
        """Return the document; UnreadableError if it is empty or no mapping."""
        if not self._root or self._root[0] is None:
            raise UnreadableError(1, (), "is empty")
        if not isinstance(self._root[0], dict):
            raise UnreadableError(1, (), "must be a mapping of keys to values, such as `global:`")
        return Document(self._root[0], self._lines, self._violations, self._flags)

    def place(self) -> Place:
        """Return the place of the next value."""
        if not self._frames:
            return ()
        frame = self._frames[-1]
        if isinstance(frame.into, list):
            return (*frame.place, len(frame.into))
        return frame.place if frame.key is None else (*frame.place, frame.key)

    def _violation(self, rule: str) -> None:
        self._violations.append(Violation(self.place(), rule))

    def _fatal(self, event: yaml.Event, rule: str) -> UnreadableError:
        return UnreadableError(_line(event), self.place(), rule)

    def _expects_key(self) -> bool:
        frame = self._frames[-1] if self._frames else None
        return frame is not None and isinstance(frame.into, dict) and frame.key is None and not frame.merging

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise self._fatal(event, f"must have at most {MAX_VALUES:,} values, with aliases written out")
        self._lines.setdefault(self.place(), _line(event))

    def start_document(self, event: yaml.Event) -> None:
        if self._root:
            raise self._fatal(event, "must be one document: --- starts a second one")

    def start_container(self, event: yaml.CollectionStartEvent) -> None:
        if self._expects_key():
            raise self._fatal(event, "must have text as a key, got a list or a mapping")
        if len(self._frames) == MAX_DEPTH:
            raise self._fatal(event, f"must not be nested deeper than {MAX_DEPTH} levels")
        self._count(event, 1)
        self._is_tag_allowed(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        into: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._frames.append(_Frame(into, self.place(), event.anchor, self._values))

    def end_container(self, _: yaml.Event) -> None:
        frame = self._frames.pop()
        for merged in frame.merged:
            for key, value in merged.items():
                frame.into.setdefault(key, value)
        self._add(frame.into, frame.anchor, self._values - frame.values_before + 1)

    def alias(self, event: yaml.AliasEvent) -> None:
        if self._expects_key():
            raise self._fatal(event, "must have text as a key, got an alias")
        name = str(event.anchor)
        if name not in self._anchors:
            raise self._fatal(event, f"must refer to an anchor defined above it, got *{name[:40]}")
        target = self._anchors[name]
        if target is None:
            raise self._fatal(event, f"must not contain itself, as *{name[:40]} does")
        self._count(event, target[1])
        self._add(target[0])

    def scalar(self, event: yaml.ScalarEvent) -> None:
        tag = event.tag or _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        if self._expects_key():
            self._open_key(event, tag)
            return
        self._count(event, 1)
        self._add(self._value(tag, event.value) if self._is_tag_allowed(event) else UNREAD, event.anchor, 1)

    def _open_key(self, event: yaml.ScalarEvent, tag: str) -> None:
        frame = self._frames[-1]
        if tag == _MERGE:
            frame.merging = True
            return
        frame.key = event.value
        if event.anchor:
            self._anchors[event.anchor] = (event.value, 1)
        is_flag = frame.place[-1:] == (_FLAGS_BELOW,) and event.value in _FLAGS
        if self._is_tag_allowed(event) and tag in _MEANINGS and not is_flag:
            self._violation(f"is read by YAML as {_MEANINGS[tag]}, but keys are text: write {quote(event.value)}")
        if event.value in frame.into:
            self._violation(f"is given twice, first in line {self._lines[self.place()]}")
        self._lines[self.place()] = _line(event)

    def _is_tag_allowed(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> bool:
        is_allowed = event.tag is None or event.tag in _TAGS[type(event)]
        if not is_allowed:
            self._violation(f"must not have the tag {quote(str(event.tag).replace(_CORE, '!!'))}")
        return is_allowed

    def _value(self, tag: str, text: str) -> object:
        if tag in _NUMBER_LIKE and len(text) > MAX_NUMBER_LENGTH:
            self._violation(f"must not be a number of {len(text):,} characters")
            return UNREAD
        construct = _CONSTRUCTORS.get(tag, _CONSTRUCTORS[_TEXT])
        try:
            value = construct(_CONSTRUCTOR, yaml.ScalarNode(tag, text))
        except (ValueError, OverflowError, LookupError):
            self._violation(f"cannot be read as {_MEANINGS[tag]}; if it is text, put it in quotes")
            return UNREAD
        if isinstance(value, bool):
            self._flags[self.place()] = text
        elif rule := misread_null(text) if value is None and text else misread_number(text, value):
            self._violation(rule)
            return UNREAD
        return value

    def _add(self, value: Any, anchor: str | None = None, values: int = 1) -> None:
        if anchor:
            self._anchors[anchor] = (value, values)
        if not self._frames:
            self._root.append(value)
            return
        frame = self._frames[-1]
        if isinstance(frame.into, list):
            frame.into.append(value)
        elif frame.merging:
            self._merge(frame, value)
        elif frame.key is not None:
            frame.into[frame.key] = value
            frame.key = None

    def _merge(self, frame: _Frame, value: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        frame.merged.extend(source for source in sources if isinstance(source, dict))
        if not all(isinstance(source, dict) for source in sources):
            self._violation("can merge (<<) only mappings")
        frame.merging = False


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


_HANDLERS: Final[Mapping[type, Callable[[_Builder, Any], None]]] = {
    yaml.DocumentStartEvent: _Builder.start_document,
    yaml.MappingStartEvent: _Builder.start_container,
    yaml.SequenceStartEvent: _Builder.start_container,
    yaml.MappingEndEvent: _Builder.end_container,
    yaml.SequenceEndEvent: _Builder.end_container,
    yaml.AliasEvent: _Builder.alias,
    yaml.ScalarEvent: _Builder.scalar,
}
