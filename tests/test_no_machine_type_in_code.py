"""No line of code names a machine type: what the types of the library are is in their YAML, and only there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from plant.definition.machine_types.library import library
from tools.rooms import modules, tree

NAMES = {key.replace("_", ""): key for key in library()}
"""The keys of the types as parts of identifiers, whose letters may be capitals and whose underscores may be missing."""


def named_types(code: ast.AST) -> list[str]:
    """Return the machine types that identifiers and words in strings name; texts of several words are for readers."""
    words = (*_identifiers(code), *(word for text in _strings(code) for word in re.findall(r"\w+", text)))
    return [key for word in words if (key := NAMES.get(word.replace("_", "").lower()))]


def _identifiers(code: ast.AST) -> Iterator[str]:
    """Yield each identifier: of names, attributes, arguments, functions, classes, imported modules."""
    for node in ast.walk(code):
        values = (getattr(node, each, None) for each in ("id", "attr", "arg", "name", "asname", "module"))
        yield from (part for value in values if isinstance(value, str) for part in value.split("."))


def _strings(code: ast.AST) -> Iterator[str]:
    for node in ast.walk(code):
        value = node.value if isinstance(node, ast.Constant) else None
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if isinstance(text, str) and not re.search(r"\s", text):
            yield text


@pytest.mark.parametrize("module", modules())
def test_no_module_names_a_machine_type(module: str) -> None:
    """A type of one's own is treated as those of the library, as no code can tell them apart."""
    assert named_types(tree(module)) == []


@pytest.mark.parametrize(
    "code",
    [
        "CNC_MACHINE = 1", "class CncMachine: pass", "def f(cnc_machine): pass", "f(cnc_machine=1)", "a.cnc_machine",
        "from plant.cnc_machine import x", "import x as CncMachine", "{'cnc_machine': 2}", "b'cnc_machine'",
        "f'{prefix}/cnc_machine/{x}'", "x == 'a.cnc_machine.b'",
    ],
)  # fmt: skip
def test_a_name_is_found_wherever_code_may_have_it(code: str) -> None:
    """As an identifier of any form, and in strings that are no text."""
    assert named_types(ast.parse(code)) == ["cnc_machine"]


@pytest.mark.parametrize(
    "code", ["'''An example, such as cnc_machine.'''", "x = 'testings'", "# cnc_machine", "def cnc_machines(): pass"]
)
def test_texts_and_other_words_are_no_names_of_types(code: str) -> None:
    """Examples in texts are for readers, and other words only look alike."""
    assert named_types(ast.parse(code)) == []
