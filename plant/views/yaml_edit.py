"""Other values in the text of a YAML, whose comments and form stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml

_WIDE: Final = 1_000_000


class NotInPlace(Exception):
    """The text has a form in which a value cannot be changed alone."""


class _Edit(NamedTuple):
    begin: int
    end: int
    text: str


def edited(content: bytes, before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    """Return a YAML with other values in it: keys may be added and removed, too.

    before: what the text has.  after: what it is to have; only the order of keys may be another one.
    Raises NotInPlace where the text does not allow that. Whoever calls has to read the result and compare: with aliases
    it may come to something else.
    """
    text = content.decode("utf-8-sig")
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        edits = sorted(_edits(text, root, before, after), reverse=True)
    except (yaml.YAMLError, KeyError) as error:
        raise NotInPlace(str(error)) from error
    for begin, end, new in edits:
        text = text[:begin] + new + text[end:]
    return text.encode()


def _edits(text: str, node: yaml.Node | None, before: Any, after: Any) -> Iterator[_Edit]:
    if before == after or node is None:
        return
    if not (isinstance(node, yaml.MappingNode) and isinstance(before, Mapping) and isinstance(after, Mapping)):
        begin, end = node.start_mark.index, node.end_mark.index
        yield _Edit(begin, end, " " * (begin == end) + _flow(after))
        return
    nodes = {key.value: (key, value) for key, value in node.value}
    for name in before.keys() - after.keys():
        yield _removal(text, *nodes[name])
    for name in before.keys() & after.keys():
        yield from _edits(text, nodes[name][1], before[name], after[name])
    added = {name: value for name, value in after.items() if name not in before}
    if added:
        yield _insertion(text, node, added)


def _insertion(text: str, node: yaml.MappingNode, added: Mapping[str, Any]) -> _Edit:
    """Return what adds keys at the begin of a section."""
    begin = node.start_mark.index
    lines = [_flow({name: value})[1:-1] for name, value in added.items()]
    if node.flow_style:
        return _Edit(begin + 1, begin + 1, ", ".join([*lines, *[""] * bool(node.value)]))
    indent = _indent(text, begin)
    place = begin - len(indent)
    while indent and text.startswith(f"{indent}#", before := text.rfind("\n", 0, place - 1) + 1):
        place = before  # comments on the first key stay with it
    return _Edit(place, place, "".join(f"{indent}{line}\n" for line in lines))


def _removal(text: str, key: yaml.Node, value: yaml.Node) -> _Edit:
    """Return what removes a key that has a line of its own."""
    begin, end = key.start_mark.index, text.find("\n", value.end_mark.index) + 1
    start = begin - len(_indent(text, begin))
    if value.start_mark.line != key.start_mark.line or not isinstance(value, yaml.ScalarNode) or end == 0:
        raise NotInPlace("a key is not in a line of its own")
    return _Edit(start, end, "")


def _indent(text: str, place: int) -> str:
    """Return the blanks between the begin of the line and a place; raises NotInPlace where there is more."""
    found = text[text.rfind("\n", 0, place) + 1 : place]
    if found.strip(" "):
        raise NotInPlace("a key is not at the begin of its line")
    return found


def _flow(value: Any) -> str:
    """Return a value in one line."""
    text = yaml.dump(
        value, Dumper=yaml.CSafeDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=_WIDE
    )
    return text.removesuffix("\n").removesuffix("\n...")
