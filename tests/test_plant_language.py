"""Facts about the pages of the plant language: their pieces are plants, their messages and errors are real."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from cli.exports.schemas.config_schema import schema_of
from messages import FactoryMessageGenerator
from plant.definition import plant_config
from plant.definition.machine_types.entry import MachineEntry
from plant.definition.signals.signal_spec import SOURCES, SignalSpec
from plant.forecast.rate_forecast import check
from tests.support.exports import yamlread
from tests.support.processes.daemon import ROOT
from tests.support.processes.walkthrough import FILE, Block, Walkthrough, laid_over, not_in, sections
from tools.pictures.signals import examples

PAGE, PICTURES_PAGE = "docs/plant-language.md", "docs/signal-pictures.md"
SECTIONS = sections(PAGE)
FIRST, ERRORS, FIELDS = "An entry in ten lines", "Errors", "Fields"
ALARMS, ALARMS_PAGE = "Alarms of signals", "docs/alarms.md"
MEMORY_PAGE = "docs/signals-with-memory.md"
START, SEED = 1_767_592_800.0, 1
"""The start and the seed of the commands on the page."""

NOT_DRAWN = frozenset(
    {"unit", "description", "decimals", "shown", "follows_seconds", "per_seconds", "every_seconds", "calendar"}
)
"""Keys of signals that no picture is about."""


def texts(title: str, language: str) -> list[str]:
    """Return the blocks of a language below a heading."""
    return [block.text for block in SECTIONS[title] if block.language == language]


def plant_of(text: str) -> dict[str, Any]:
    """Return the plant at the top of the page with a piece laid over it."""
    (first,) = texts(FIRST, "yaml")
    return laid_over(yamlread.value(first), yamlread.value(text), frozenset({"signals"}))


def test_the_first_entry_is_a_plant_that_sends_the_message_shown(tmp_path: Path) -> None:
    """The entry in ten lines is checked and run as the page shows, and its message is the one below."""
    assert Walkthrough(tmp_path).follow(SECTIONS[FIRST]) == []


@pytest.mark.parametrize(
    "block",
    [
        block
        for title, blocks in (SECTIONS | sections(PICTURES_PAGE) | sections(MEMORY_PAGE)).items()
        if title != ERRORS
        for block in blocks
        if block.language == "yaml"
    ],
)
def test_each_piece_makes_a_plant(block: Block) -> None:
    """Each piece of YAML, laid over the first entry, has no error."""
    assert plant_config.parse(plant_of(block.text)).machines()


def test_the_message_with_other_fields_is_the_one_shown() -> None:
    """The layout with renamed, constant and nested keys gives the bytes below it."""
    (piece,), (message,) = texts(FIELDS, "yaml"), texts(FIELDS, "json")
    plant = FactoryMessageGenerator.of(plant_config.parse(plant_of(piece)), SEED, start=START)

    assert plant.advance(START + 5)[0].payload.decode() == message.strip()


def test_the_message_of_an_alarm_is_the_one_shown() -> None:
    """The entry on the page about alarms raises and clears the one below it, among others."""
    blocks = sections(ALARMS_PAGE)[ALARMS]
    piece, shown = (next(each.text for each in blocks if each.language == language) for language in ("yaml", "json"))
    plant = FactoryMessageGenerator.of(plant_config.parse(yamlread.value(piece)), SEED, start=START)
    found = [each.payload.decode() for each in plant.advance(START + 3600) if ".alarms" in each.kind]

    assert {*shown.splitlines()} <= {*found}


def test_errors_are_shown_as_check_prints_them(tmp_path: Path) -> None:
    """The file with errors has exactly those that are listed."""
    (wrong,), (shown,) = texts(ERRORS, "yaml"), texts(ERRORS, "text")
    (tmp_path / FILE).write_text(wrong, encoding="utf-8")
    _, text = check(tmp_path / FILE)

    assert text.replace(f"{tmp_path}/", "").splitlines()[:-1] == shown.splitlines()


def keys(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of a machine type at any depth, from their JSON Schema."""
    inner = [*schema.get("anyOf", ()), schema.get("additionalProperties")]
    for key, each in schema.get("properties", {}).items():
        yield key
        inner.append(each)
    for each in inner:
        yield from keys(each) if isinstance(each, dict) else ()


def test_each_key_of_a_machine_type_is_in_a_table() -> None:
    """No key of the language, however deep, is missing on its pages."""
    more = ("docs/how-jobs-vary.md", "docs/faults.md", "docs/alarms.md", "docs/energy-truth.md", "docs/commands.md")
    names = (PAGE, PICTURES_PAGE, MEMORY_PAGE, *more)
    pages = "".join((ROOT / page).read_text("utf-8") for page in names)
    listed = re.findall(r"^\| `(?:[\w.]+\.)?(\w+)` \|", pages, re.MULTILINE)

    assert {*keys(schema_of(MachineEntry))} - {*listed} == set()


def test_each_kind_of_signal_has_a_picture() -> None:
    """Every source of a signal and everything that varies it is in a picture."""
    drawn = chain.from_iterable(each.signals.values() for each in examples().values())

    assert {*SOURCES, *SignalSpec.model_fields} - NOT_DRAWN == {key for each in drawn for key in each} - NOT_DRAWN


def test_a_line_that_was_not_printed_is_found() -> None:
    """A comparison with output reports what is missing, and `...` stands for anything in a line."""
    assert not_in("a 1 b\nc\n", "a ... b\n") == []
    assert not_in("a 1 b\nc\n", "a ... d\n") != []
