"""YAML as yamllint likes it: documents with `---`, sequences indented, long and multi-line text as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from cli.exports.common.export import commented

WIDTH: Final = 100
"""Lines of text are broken there, where there is a space."""
LONG: Final = 76
"""Text of more characters is a block: deep inside a document it would be broken in the middle of its quotes."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's, but for how it indents sequences, breaks text, and never refers from one place to another."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > LONG and " " in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(*documents: Mapping[str, Any], head: str = "") -> str:
    """The documents, one after the other, keys in the order they have. head: a comment above them all."""
    text = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=WIDTH
    )
    return commented(head) + text
