"""TOML wherever YAML is taken: the same plant, and the same errors at file, line, path and rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.document.toml_file import is_toml, parse
from plant.definition.document.yaml_file import UnreadableError
from plant.definition.plant_config import PlantConfigError, load_content
from plant.views.plant_yaml import yaml_in_force
from tests.support.factory.plants import ROOT

PLANTS = [ROOT / "message_structure.yaml", *sorted((ROOT / "scenarios").glob("*.yaml"))]

PRESS = """\
# A plant of one press.
global.base_interval = 1.0

[message_types.press]
count = 2
report_seconds = 5
# note

[message_types.press.states.running]
share = 1.0
produces = true
"""


def toml(data: Mapping[str, Any], *path: str) -> Iterator[str]:
    """Plain data as the lines of a TOML file: a header for each mapping, values below."""
    if path:
        yield "[" + ".".join(map(quoted, path)) + "]"
    yield from (f"{quoted(key)} = {value(each)}" for key, each in data.items() if not isinstance(each, dict))
    for key, each in data.items():
        if isinstance(each, dict):
            yield from toml(each, *path, key)


def quoted(each: Any) -> str:
    """A value as JSON has it, whose texts TOML reads too."""
    return json.dumps(each, ensure_ascii=False)


def value(each: Any) -> str:
    """A value on one line."""
    if isinstance(each, dict):
        return "{" + ", ".join(f"{quoted(key)} = {value(one)}" for key, one in each.items()) + "}"
    if isinstance(each, list):
        return "[" + ", ".join(map(value, each)) + "]"
    return each.isoformat() if hasattr(each, "isoformat") else quoted(each)


@pytest.mark.parametrize("path", PLANTS, ids=lambda path: path.stem)
def test_a_plant_is_the_same_in_toml(path: Any) -> None:
    """Whatever it has: the plants that come with the program, written again."""
    content = path.read_bytes()
    same = load_content("\n".join(toml(yaml.safe_load(content))).encode(), "plant.toml")

    assert same.from_content(b"") == load_content(content, "plant.yaml").from_content(b"")


def errors(text: str) -> list[str]:
    """The errors in a plant's TOML."""
    with pytest.raises(PlantConfigError) as found:
        load_content(text.encode(), "plant.toml")
    return [*map(str, found.value.mistakes)]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("# note", "cuont = 3", 7, "message_types.press.cuont: is an unknown key; did you mean count?"),
        ("count = 2", 'count = "2"', 5, 'message_types.press.count: must be a whole number, got the text "2"'),
        ("share = 1.0", "share = -1", 10, "message_types.press.states.running.share: must be at least 0, got -1"),
        ("interval = 1.0", "interval = 0", 2, "global.base_interval: must be greater than 0, got 0"),
        ("# note", 'stations = [\n "A",\n # B\n {b = 1},\n]', 10, "message_types.press.stations[1]: must be a whole"),
    ],
)  # fmt: skip
def test_an_error_has_file_line_path_and_rule(old: str, new: str, line: int, said: str) -> None:
    """Also below dotted keys and headers, in inline tables, and in lists over several lines."""
    (found,) = errors(PRESS.replace(old, new))

    assert found.startswith(f"plant.toml:{line}: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nb = 1\nb = 2\n[c]\nd = 1\n", "plant.toml:3: a.b: is not valid TOML: Cannot overwrite a value"),
        ("[a]\n[a]\n", "plant.toml:2: a: is not valid TOML: Cannot declare ('a',) twice"),
        ("a = 1\n\nb = tru\n", "plant.toml:3: b: is not valid TOML: Invalid value"),
        ('a = """\nx\n', "plant.toml:2: a: is not valid TOML: Unterminated string"),
        ("[a]\nb = [1,\n 2", "plant.toml:3: a.b[1]: is not valid TOML: Unclosed array"),
        ("a = " + "9" * 5000, "plant.toml:1: a: must not be a number of 5,000 characters"),
        ("a = 1\n= 2\n", "plant.toml:2: a: is not valid TOML: Invalid statement"),
        ("# only a comment\n", "plant.toml:1: (top level): is empty"),
    ],
)  # fmt: skip
def test_an_error_of_syntax_has_its_line(text: str, said: str) -> None:
    """And the place before which all was well."""
    assert errors(text) == [said]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a = " + "[" * 50_000, "must not be nested deeper than 40 levels"),
        (".".join("a" * 200_000) + " = 1", "must not be nested deeper than 40 levels"),
        ("[" + ".".join("a" * 200_000) + "]", "must not be nested deeper than 40 levels"),
        ("a = [" + "1," * 30_000 + "]", "must have at most 20,000 values"),
        ("a = " + "{b=" * 50_000, "must not be nested deeper than 40 levels"),
    ],
)
def test_what_would_cost_much_is_refused_before_it_is_read(text: str, rule: str) -> None:
    """With its line."""
    with pytest.raises(UnreadableError) as found:
        parse(text)
    assert (found.value.line, found.value.rule) == (1, rule)


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\r\"'#[]{}=.,\\")
NAMES = st.text(LETTERS, min_size=1, max_size=6)
LEAVES = st.integers(-9, 9) | st.booleans() | st.text(LETTERS, max_size=8)
INNER = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(NAMES, LEAVES, max_size=3)
VALUES = LEAVES | st.lists(INNER, max_size=3) | st.dictionaries(NAMES, INNER, max_size=3)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_each_place_has_its_line(data: dict[str, Any]) -> None:
    """Of all tables and values: the line in which its key stands."""
    text = "\n".join(toml(data))
    lines = text.split("\n")
    document = parse(text)

    assert document.data == data
    for place in places(data):
        key = next(step for step in reversed(place) if isinstance(step, str))
        assert quoted(key) in lines[document.lines[place] - 1], place


def places(data: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """All places below a place."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, each in pairs:
        yield (*path, step)
        yield from places(each, *path, step)


def test_lists_of_tables_have_their_lines() -> None:
    """Each `[[header]]` begins another one, and `[header.below]` belongs to the last."""
    document = parse('[[a.b]]\nx = 1\n[a.b.c]\ny = """\n[[a.b]]\n"""\n\n[[a.b]]\nx = 2 # [[a.b]]\n"d.e".f = \'#\'\n')

    assert document.data["a"]["b"][1] == {"x": 2, "d.e": {"f": "#"}}
    assert {place: line for place, line in document.lines.items() if len(place) > 2} == {
        ("a", "b", 0): 1, ("a", "b", 0, "x"): 2, ("a", "b", 0, "c"): 3, ("a", "b", 0, "c", "y"): 4,
        ("a", "b", 1): 8, ("a", "b", 1, "x"): 9, ("a", "b", 1, "d.e"): 10, ("a", "b", 1, "d.e", "f"): 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("[global]\n", True),
        ("# note: x\n\n  message_types.press.count = 2\n", True),
        ("[[a]] # list\n", True),
        ("'a b' . c = 1", True),
        ("global:\n  base_interval: 1\n", False),
        ("# a = 1\nglobal: {}\n", False),
        ("[a, b]\n", False),
        ("{global: {}}\n", False),
        ("---\nglobal: {}\n", False),
        ("a: [b = c]\n", False),
        ("", False),
    ],
)
def test_toml_is_known_by_its_first_line(text: str, is_one: bool) -> None:
    """So it can be sent over HTTP, and in a command, with no name."""
    assert is_toml(text, "content") is is_one


@pytest.mark.parametrize(("text", "is_one"), [("device_count 10\n", True), ("", True), ("a: 1\n", False)])
def test_a_name_says_what_a_first_line_does_not(text: str, is_one: bool) -> None:
    """A mistake in the first line of plant.toml is one of TOML; but YAML may be sent to who began with TOML."""
    assert is_toml(text, "plant.toml") is is_one
    assert not is_toml(text, "plant.yaml")


def test_a_plant_in_toml_is_shown_as_yaml_and_can_be_sent_by_a_command() -> None:
    """A ground truth file, and GET of the plant, have YAML, which is read again with no name."""
    plant = FactoryMessageGenerator.of(
        load_content((ROOT / "message_structure.yaml").read_bytes(), "x"), 1, start=START
    )
    answer = plant.execute({"command": "reload", "content": PRESS})
    shown = yaml_in_force(plant.config)

    assert answer == {"machines": {"press": 2}}
    assert yaml.safe_load(shown)["message_types"]["press"]["count"] == 2
    assert load_content(shown, "content") == plant.config


def test_the_example_in_the_documents_is_taken() -> None:
    """Devices in a cold store."""
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "fleet.md").read_text("utf-8"), re.DOTALL)
    plant = FactoryMessageGenerator.of(load_content(text.encode(), "plant.toml"), 1, start=START)
    rows = [json.loads(message.payload) for message in plant.advance(START + 5)]

    assert len(rows) == 100
    assert all(-25 <= row["temperature"] <= -18 and 30 <= row["humidity"] <= 70 for row in rows)
