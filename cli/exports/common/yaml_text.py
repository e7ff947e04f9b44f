"""Write YAML that passes yamllint: documents with `---`, indented sequences, long text as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from cli.exports.common.export import commented

WIDTH: Final = 100
"""Characters of a line, at which text is broken at a space."""
LONG: Final = 76
"""Characters, above which a text is a block: in a deep level it would be broken inside its quotes."""


class Quoted(str):
    """A text that is written in double quotes, for readers that take other texts for something else."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper with indented sequences, block text, and no aliases; it looks at equal texts once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._analyses: dict[str, yaml.emitter.ScalarAnalysis] = {}

    def analyze_scalar(self, scalar: str) -> yaml.emitter.ScalarAnalysis:
        if (found := self._analyses.get(scalar)) is None:
            found = self._analyses[scalar] = super().analyze_scalar(scalar)
        return found

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > LONG and " " in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _quoted(dumper: _Dumper, text: Quoted) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Quoted, _quoted)


def dump(*documents: Mapping[str, Any], head: str = "") -> str:
    """Return the documents as YAML, keys in their order.  head: a comment above them."""
    text = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=WIDTH
    )
    return commented(head) + text
