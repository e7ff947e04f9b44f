"""Any file loads or is rejected with file, path and rule: soon, and in little memory."""

from __future__ import annotations

import copy
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from plant.definition.plant_config import ConfigError, PlantConfigError, load, parse
from plant.forecast.rate_forecast import forecast
from tests.support.examples import cases, examples
from tests.support.exports import yamlread

ROOT = Path(__file__).parents[3]
ORIGINAL = (ROOT / "tests" / "data" / "original.yaml").read_text(encoding="utf-8")
MAX_SECONDS = 2.0
MAX_MIB = 256
BRIEFLY = settings(max_examples=12 * examples(4), deadline=None, suppress_health_check=[HealthCheck.too_slow])

Judge = Callable[[str | bytes], list[ConfigError]]


@pytest.fixture(scope="module")
def check_file(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Return the errors of a file with this content; check their form and the time that they took."""
    file = tmp_path_factory.mktemp("bad") / "plant.yaml"

    def mistakes(content: str | bytes) -> list[ConfigError]:
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        start = time.process_time()
        found = _mistakes(file)
        assert time.process_time() - start < MAX_SECONDS
        assert all(each.file == str(file) and each.path and each.rule for each in found)
        assert not any(character in str(each) for each in found for character in "\n\r\0")
        return found

    return mistakes


def _mistakes(file: Path) -> list[ConfigError]:
    try:
        forecast(load(file)).text()
    except PlantConfigError as error:
        return error.mistakes
    return []


def deep(opening: str) -> str:
    """Return a megabyte of openings."""
    return opening * (1_000_000 // len(opening))


def bomb(first: str, level: str) -> str:
    """Nine times nine times nine ... by aliases; `level` has # for the nine aliases."""
    levels = (f"a{n}: &a{n} {level.replace('#', ','.join([f'*a{n - 1}'] * 9))}" for n in range(1, 12))
    return "\n".join([f"a0: &a0 {first}", *levels])


def with_interval(value: str) -> str:
    """The original with another text for base_interval."""
    return ORIGINAL.replace("base_interval: 1.0", f"base_interval: {value}")


LONG = "x" * 1_000_000
INTERVAL = "global.base_interval"
MANY = [f"state_of_{number:05d}" for number in range(9_000)]
ALIKE = [name.replace("_", "-") for name in MANY]
WELDING = "message_types.welding"
CNC = "message_types.cnc_machine"
NASTY: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "(top level)", "is empty"),
    "comments only": ("# nothing\n", "(top level)", "is empty"),
    "a text": ("plant", "(top level)", "must be a mapping of keys to values"),
    "a list": ("- plant", "(top level)", "must be a mapping of keys to values"),
    "two documents": ("a: 1\n---\nb: 2", "(top level)", "must be one document"),
    "not UTF-8": ("global: é".encode("latin-1"), "(top level)", "must be UTF-8, got the byte 0xe9"),
    "UTF-16": ("global: 1".encode("utf-16"), "(top level)", "must be UTF-8, got the byte 0xff"),
    "NUL": ("global: \0", "(top level)", "must not contain the control character U+0000"),
    "half a character": (r'global: "\ud800"', "global", "invalid Unicode character escape code"),
    "tab": ("global:\n\tbase_interval: 1", "global", "is indented with a tab"),
    "open bracket": ("global: [1, 2\nb: c", "global[2]", "did not find expected ',' or ']'"),
    "open quote": ("global: 'abc", "global", "found unexpected end of stream"),
    "colon in text": ("global: a: b", "(top level)", "mapping values are not allowed"),
    "YAML 3": ("%YAML 3.0\n---\na: 1", "(top level)", "incompatible YAML document"),
    "list as key": ("? [a]\n: b", "(top level)", "must have text as a key"),
    "alias as key": ("global: &a b\n*a : c", "(top level)", "must have text as a key, got an alias"),
    "unknown alias": ("global: *a", "global", "must refer to an anchor defined above it, got *a"),
    "holds itself": ("global: &a\n  base_interval: *a", INTERVAL, "must not contain itself, as *a does"),
    "merges itself": ("global: &a\n  <<: *a", "global", "must not contain itself, as *a does"),
    "merges a number": (ORIGINAL.replace("cnc: 5", "<<: 5"), "global.machine_counts", "can merge (<<) only"),
    "key twice": (with_interval("1.0\n  base_interval: 2.0"), INTERVAL, "is given twice, first in line 4"),
    "number as key": (
        ORIGINAL.replace("pass:", "5:"),
        'message_types.testing.test_distribution."5"',
        'is read by YAML as a number, but keys are text: write "5"',
    ),
    "on as key": (
        ORIGINAL.replace("pass:", "on:"),
        "message_types.testing.test_distribution.on",
        'is read by YAML as true or false, but keys are text: write "on"',
    ),
    "no key": (
        ORIGINAL.replace("pass:", "~:"),
        'message_types.testing.test_distribution."~"',
        "is read by YAML as null, but keys",
    ),
    **{
        f"{text} as a number": (
            with_interval(text),
            INTERVAL,
            f'is read by YAML as the number {value}: write {meant}, or "{text}" for a name or a time',
        )
        for text, value, meant in (
            *(("010", "8", "10"), ("-0_17", "-15", "-17"), ("00", "0", "0"), ("0x1F", "31", "31"), ("0b101", "5", "5")),
            *(
                ("1:30", "90", "90"),
                ("-1:30.5", "-90.5", "-90.5"),
                ("1_000", "1000", "1000"),
                ("1_0.5", *["10.5"] * 2),
            ),
        )
    },
    **{
        f"{text} as a name": (ORIGINAL.replace("- HullPanel", f"- {text}"), f"{CNC}.part_types[0]", rule)
        for text, rule in (
            ("no", 'must be text, got false (YAML reads a bare no as false: write "no")'),
            ("On", 'must be text, got true (YAML reads a bare On as true: write "On")'),
            ("007", 'is read by YAML as the number 7: write 7, or "007" for a name or a time'),
            ("12:30", 'is read by YAML as the number 750: write 750, or "12:30" for a name or a time'),
            ("null", 'is read by YAML as null: write "null" for a name, or leave it out'),
            ("~", 'is read by YAML as null: write "~" for a name, or leave it out'),
            ("2026-01-05", "must be text, got 2026-01-05: put it in quotes"),
            (".inf", "must be text, got inf: put it in quotes"),
        )
    },
    "no as a line": (
        ORIGINAL.replace("lines: [1, 2, 3]", "lines: [1, no]", 1),
        f"{CNC}.lines[1]",
        'must be a whole number or text, got false (YAML reads a bare no as false: write "no")',
    ),
    "octal lines": (
        ORIGINAL.replace("lines: [1, 2, 3]", "lines: [09, 010]", 1),
        f"{CNC}.lines[1]",
        'is read by YAML as the number 8: write 10, or "010" for a name or a time',
    ),
    **{
        f"{key} as a key": (
            ORIGINAL.replace("pass:", f"{key}:"),
            f"message_types.testing.test_distribution.{key if key.isidentifier() else json.dumps(key)}",
            f', but keys are text: write "{key}"',
        )
        for key in ("010", "1:30", "No", "off", "null", "2026-01-05", "0x1F", "1_000", ".5", ".inf")
    },
    **{
        f"{text} is text": (
            with_interval(text),
            INTERVAL,
            f'must be a number, got the text "{text}": write {meant}, unquoted',
        )
        for text, meant in (("1e3", "1000"), (".5e3", "500"), ("08", "8"), ("0o10", "8"))
    },
    "code": (with_interval("!!python/object/apply:os.system [ls]"), INTERVAL, "must not have the tag"),
    "binary": (with_interval("!!binary AAAA"), INTERVAL, 'must not have the tag "!!binary"'),
    "false int": (with_interval("!!int abc"), INTERVAL, "cannot be read as a number"),
    "false bool": (with_interval("!!bool abc"), INTERVAL, "cannot be read as true or false"),
    "no such day": (with_interval("2001-99-99"), INTERVAL, "cannot be read as a date; if it is text, put it in quotes"),
    "a day": (with_interval("2001-01-01"), INTERVAL, "must be a number, got 2001-01-01"),
    "5000 digits": (with_interval("9" * 5000), INTERVAL, "must not be a number of 5,000 characters"),
    "hexadecimal": (with_interval("0x" + "f" * 5000), INTERVAL, "must not be a number of 5,002 characters"),
    "base 60": (with_interval("1" + ":1" * 400_000), INTERVAL, "must not be a number of 800,001 characters"),
    "infinite": (with_interval("1.0e+999"), INTERVAL, "must be a finite number, got inf"),
    "not a number": (with_interval(".nan"), INTERVAL, "must be a finite number, got nan"),
    "1 MB value": (with_interval(LONG), INTERVAL, "... (1,000,000 characters)"),
    "1 MB key": (
        f"? {LONG}\n: 1\nglobal: 1",
        '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"... (1,000,000 characters)',
        "unknown",
    ),
    "1 MB text": (LONG, "(top level)", "must be a mapping of keys to values"),
    "2 MB": (LONG + LONG, "(top level)", "must have at most 1,048,576 bytes"),
    "deep lists": (deep("["), "[0]" * 40, "must not be nested deeper than 40 levels"),
    "deep mappings": (deep("{a: "), ".".join("a" * 40), "must not be nested deeper than 40 levels"),
    "deep dashes": (deep("- "), "[0]" * 40, "must not be nested deeper than 40 levels"),
    "deep questions": (deep("? "), "(top level)", "must have text as a key"),
    "a million quotes": (deep('"'), "(top level)", "is not valid YAML"),
    "alias bomb": (bomb("[x]", "[#]"), "a5[0]", "must have at most 20,000 values, with aliases written out"),
    "merge bomb": (bomb("{x: 1}", "{<<: [#]}"), "a5[0]", "must have at most 20,000 values"),
    "many values": ("a: [" + "1," * 100_000 + "]", "a[19998]", "must have at most 20,000 values"),
    "many unlisted states": (
        f"message_types: {{welding: {{statuses: {ALIKE}, status_distribution: {dict.fromkeys(MANY, 1)}}}}}",
        f"{WELDING}.status_distribution.{MANY[-1]}",
        "is not in statuses",
    ),
    "unknown key below a name": (
        "flow: {parts_by_assembly_type: {DockingPort: {cnc: 2}}}",
        "flow.parts_by_assembly_type.DockingPort.cnc",
        "is an unknown key; known names: cnc_machine, printer_3d",
    ),
    "mapping below a name": (
        "message_types: {welding: {dwell_seconds: {running: {mean: 2}}}}",
        f"{WELDING}.dwell_seconds.running",
        "must be a number, got a mapping",
    ),
    "many unknown keys": (
        "global: {" + ",".join(f"k{n}: 1" for n in range(19_000)) + "}",
        "global.k1",
        "is an unknown key",
    ),
}


@pytest.mark.parametrize(("content", "path", "rule"), NASTY.values(), ids=NASTY.keys())
def test_a_nasty_file_is_refused_at_the_right_place(
    check_file: Judge, content: str | bytes, path: str, rule: str
) -> None:
    """Each way to break a file has its own words."""
    assert any(each.path == path and rule in each.rule for each in check_file(content))


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("missing.yaml", "does not exist"),
        (".", "cannot be read: Is a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
        ("/dev/zero", "cannot be read: it is not a regular file"),
    ],
)
def test_a_file_that_is_none_is_refused(path: str, rule: str) -> None:
    """Without a file there is no line to point at."""
    with pytest.raises(PlantConfigError) as caught:
        load(path)

    assert caught.value.mistakes == [ConfigError(path, None, "(top level)", rule)]


def test_an_unreadable_value_is_reported_once(check_file: Judge) -> None:
    """What could not be read is not also of the wrong type."""
    assert [each.rule for each in check_file(with_interval("2001-99-99"))] == [
        "cannot be read as a date; if it is text, put it in quotes"
    ]


# Anything at all

TOKENS = [*"ab01.:-,[]{}&*!|>'\"%@`#?~<= \n\t\\eE+_\0é", "<<", ": ", "\n  ", "- ", "---\n", "&a ", "*a", "global:"]
SYNTAX = st.lists(st.sampled_from(TOKENS)).map("".join)
WEIRD = (
    st.sampled_from(
        [math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324, 2**63, -(2**63), 10**60, True, False, None, ""]
    )
    | st.integers()
    | st.floats()
    | st.text(max_size=300)
    | st.dates(date(1, 1, 1))
)
VALUES = st.recursive(
    WEIRD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the places of all values, including lists and mappings."""
    yield place
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in steps:
        yield from leaves(each, (*place, step))


PLAIN = yamlread.value(ORIGINAL)
PLACES = list(leaves(PLAIN))[1:]
KEYS = {step for place in PLACES for step in place}
TYPES = [("message_types", key) for key in ("cnc_machine", "printer_3d", "testing", "customer_order", "dispatch")]
STRICT = [("global",), ("global", "machine_counts"), ("message_types",), *TYPES]
STRICT += [("message_types", "welding", "status_distribution"), ("message_types", "customer_order", "quantity_ranges")]
"""Mappings whose keys are not for the user to name."""


def replaced(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The original's data with another value at one place."""
    data: Any = copy.deepcopy(PLAIN)
    holder = data
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return dict(data)


@BRIEFLY
@given(SYNTAX | st.text() | st.binary())
def test_any_text_gets_an_answer(check_file: Judge, content: str | bytes) -> None:
    """No text of any kind is a plant."""
    assert check_file(content)


@BRIEFLY
@given(st.data())
def test_a_torn_file_gets_an_answer(check_file: Judge, data: st.DataObject) -> None:
    """The original with a part replaced by something else loads or is rejected."""
    start = data.draw(st.integers(0, len(ORIGINAL)))
    length = data.draw(st.integers(0, 60) | st.integers(0, len(ORIGINAL)))
    check_file(ORIGINAL[:start] + data.draw(SYNTAX | st.text(max_size=20)) + ORIGINAL[start + length :])


@BRIEFLY
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_anywhere_gets_an_answer(check_file: Judge, place: tuple[str | int, ...], value: Any) -> None:
    """A value of any kind at any place of the original loads or is refused, and what loads can be forecast."""
    check_file(yaml.safe_dump(replaced(place, value), allow_unicode=True))


@BRIEFLY
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_plain_data_gets_an_answer(place: tuple[str | int, ...], value: Any) -> None:
    """Data from elsewhere than a file is taken or refused all the same."""
    with suppress(PlantConfigError):
        parse(replaced(place, value))


@BRIEFLY
@given(
    place=st.sampled_from(STRICT), name=st.from_regex(re.compile(r"[a-z]{3,12}_[a-z]{1,6}", re.ASCII), fullmatch=True)
)
def test_an_unknown_key_is_reported_at_any_place(check_file: Judge, place: tuple[str | int, ...], name: str) -> None:
    """A key that has no meaning at its place is refused there."""
    assume(name not in KEYS)

    found = check_file(yaml.safe_dump(replaced((*place, name), 1)))

    told = [each.rule for each in found if each.path.endswith(f".{name}")]
    assert any("did you mean" in rule or "known names" in rule for rule in told)


# The whole process

PROBE = """
import runpy, sys
sys.argv = ["app.py", "check", sys.argv[1]]
try:
    runpy.run_path("app.py", run_name="__main__")
finally:
    from pathlib import Path
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line for line in lines if line.startswith("VmHWM")), file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize(
    "case", cases(["alias bomb", "1 MB value", "deep mappings", "5000 digits", "many unknown keys"], 2)
)
def test_check_refuses_in_little_memory(tmp_path: Path, case: str) -> None:
    """The command ends with exit code 2, every line is a mistake with its path, and no traceback is shown."""
    file = tmp_path / "plant.yaml"
    file.write_text(str(NASTY[case][0]), encoding="utf-8")

    ended = subprocess.run([sys.executable, "-c", PROBE, file], capture_output=True, text=True, cwd=ROOT, check=False)

    *mistakes, count, peak = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert all(line.startswith(f"{file}:") for line in mistakes)
    assert re.fullmatch(rf"[\d,]+ errors? in {file}", count)
    assert int(peak.split()[1]) < MAX_MIB * 1024
