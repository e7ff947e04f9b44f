"""The benchmark: that it measures what it says, and writes it where it should. No figure is judged here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.__main__ import PAGE, counted
from benchmarks.broker import BenchBroker
from benchmarks.case import Case, Measured
from benchmarks.report import BEGIN, END, Bound, Results, bounds, markdown, write
from benchmarks.scenes import Ports, scenes

NO_MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH')}:/usr/sbin") is None
CASES = [(scene, case) for scene in scenes(Ports(1, 2, 3, "ca.crt")) for case in scene.cases]


def results() -> Results:
    """As if every sender had sent each of its messages in a microsecond, in two runs."""
    made = Results(first_seconds=[0.5, 0.6])
    for scene, case in CASES * 2:
        made.add(scene, case, Measured(case.messages, case.messages / 1e6, case.messages / 1e6, 2**20))
    return made


@pytest.mark.skipif(NO_MOSQUITTO, reason="mosquitto is not installed")
def test_a_measurement_counts_what_the_broker_got(tmp_path: Path) -> None:
    """Our sender's messages are those that the broker counts, and time has passed for them."""
    with BenchBroker(tmp_path) as broker:
        measured = counted(broker, Case("ours", broker.port, messages=300, machines=100))

    assert (measured.messages, measured.seconds > 0, measured.cpu_seconds > 0) == (300, True, True)


def test_every_case_is_a_row() -> None:
    """The tables have a row for each case that is measured."""
    rows = [line for line in markdown(results(), "Somewhere.").splitlines() if "msg/s" not in line and "µs |" in line]

    assert len(rows) == len(CASES)


def test_a_bound_is_met_or_it_is_not() -> None:
    """With all senders as fast as each other, only what is asked of one alone can be met."""
    met = {bound.what.partition(":")[2] for bound in bounds(results()) if bound.met}

    assert " of the limit" in met
    assert " times stock paho" not in met
    assert Bound("", 4.1, 4, least=False).met is False


def test_the_tables_go_between_the_marks(tmp_path: Path) -> None:
    """Writing replaces what was measured before and nothing else."""
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\nold \\1\n{END}\nbelow\n", "utf-8")
    for _ in range(2):
        write(page, "new \\1")

    assert page.read_text("utf-8") == f"above\n{BEGIN}\n\nnew \\1\n\n{END}\nbelow\n"


def test_the_page_has_the_marks(tmp_path: Path) -> None:
    """The page of the documents can be written to; one without marks is refused."""
    (tmp_path / "other.md").write_text("nothing", "utf-8")

    assert PAGE.read_text("utf-8").count(BEGIN) == PAGE.read_text("utf-8").count(END) == 1
    with pytest.raises(ValueError, match=r"other\.md has no marks"):
        write(tmp_path / "other.md", "new")
