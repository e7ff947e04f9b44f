"""The benchmark: that it measures what it says, and writes it where it should. No figure is judged here."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import soak
from benchmarks.__main__ import counted
from benchmarks.broker import BenchBroker
from benchmarks.case import Case, Measured, config_of
from benchmarks.proc import cpu_seconds, memory_bytes
from benchmarks.reporting.bounds import Bound, bounds, held_bounds, paced_bounds
from benchmarks.reporting.page import BENCH, PAGE, SOAK_MEMORY, SOAK_PACE, write
from benchmarks.reporting.picture import draw, growth, overview, stall
from benchmarks.reporting.report import held_table, markdown
from benchmarks.reporting.results import Results
from benchmarks.runs.arrivals import Arrivals
from benchmarks.runs.idle import Idle, idle
from benchmarks.runs.lateness import Late, Stall, by_second, caught_up, outside
from benchmarks.runs.live import bound_of, rows_due
from benchmarks.runs.memory import Held, Load, Sample, hold
from benchmarks.runs.pace import Asked, Paced, pace
from benchmarks.runs.rates import Kept, keep
from benchmarks.scenes import Ports, scenes
from benchmarks.sender import SENDERS
from benchmarks.senders.raw import connect
from edge.mqtt.protocol.codec import text, varint
from tests.support.examples import thorough

NO_MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH')}:/usr/sbin") is None
CASES = [(scene, case) for scene in scenes(Ports(1, 2, 3, "ca.crt")) for case in scene.cases]
SECONDS = [float(second) for second in range(20)]
HALT = Stall(5.5, 8.5)
CAME = [max(second + 0.001, HALT.end + 0.001 * second) if second > HALT.begin else second + 0.001 for second in SECONDS]
"""A row a second, each a millisecond late but for those that were due while the broker stood still."""


def paced(delivered: int = 60_000, p99_ms: float = 5.0) -> Paced:
    """A run that kept its pace, or did not."""
    late, counts = Late(1.0, p99_ms, 20.0), (60_000, delivered, 60_000, 60_000)
    return Paced(1000, 60, 5, *counts, late, late, 1.0, 5.0, caught_up_seconds=0.1, arrived=[1000] * 60)


def held(growth_mib: int = 1, missing: int = 0) -> Held:
    """A long run: 20 MiB more within the first minute, and then so much."""
    samples = [Sample(30.0 * look, (60 + min(look, 2) * 10 + growth_mib * look // 10) * 2**20) for look in range(11)]
    return Held(Load(100, 1000, 330, 60, 30), 330_000, 330_000 - missing, 1.0, samples)


def results() -> Results:
    """As if every sender had sent each of its messages in a microsecond, in two runs."""
    kept = [Kept(10_000, 10, 100_000, 100_000 + wrong, 5, 5, 0.2) for wrong in (0, 2)]
    made = Results("Somewhere.", first_seconds=[0.5, 0.6], paced=paced(), idle=Idle(20, 0.005, 2**26), kept=kept)
    for scene, case in CASES * 2:
        made.add(scene, case, Measured(case.messages, case.messages / 1e6, case.messages / 1e6, 2**20))
    return made


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchBroker]:
    """One mosquitto for all."""
    if NO_MOSQUITTO:
        pytest.skip("mosquitto is not installed")
    with BenchBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running


def test_a_measurement_counts_what_the_broker_got(broker: BenchBroker) -> None:
    """Our sender's messages are those that the broker counts; they have taken time, and the sender some memory."""
    measured = counted(broker, Case("ours", broker.port, messages=300, machines=100))

    assert (measured.messages, measured.seconds > 0, measured.cpu_seconds > 0) == (300, True, True)
    assert 2**24 < measured.rss_bytes < 2**28


def test_the_memory_of_another_program_is_seen(broker: BenchBroker) -> None:
    """mosquitto_pub's memory is its own, not that of the process that starts it."""
    measured = counted(broker, Case("mosquitto_pub", broker.port, messages=5_000, machines=100))

    assert 2**20 < measured.rss_bytes < 2**25


@pytest.fixture
def collector() -> Iterator[None]:
    """What a sender sets of the garbage collector, in a process of its own, is put back."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@thorough
@pytest.mark.skipif(NO_MOSQUITTO, reason="mosquitto is not installed")
@pytest.mark.usefixtures("collector")
def test_a_quick_look_comes_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every sender of every scene at the least scale; the tables, and no page."""

    def once(_broker: BenchBroker, _scale: float, made: Results) -> None:
        made.paced, made.idle, made.kept = results().paced, results().idle, results().kept

    # In this process, and without the broker's own count, for which each would have to wait a second.
    monkeypatch.setattr(BenchBroker, "count_to", lambda _broker, wanted: wanted)
    monkeypatch.setattr(bench, "counted", lambda _broker, case: bench.measure(case))
    monkeypatch.setattr(bench, "measure", lambda case: SENDERS[case.sender](case))
    monkeypatch.setattr(bench, "run_once", once)
    monkeypatch.setattr(bench, "STORE", tmp_path / "bench.json")
    monkeypatch.setattr(bench, "write", None)
    monkeypatch.setattr(sys, "argv", ["bench", "--scale", "0.001", "--rounds", "1", "--no-page"])
    bench.main()

    stored = Results.load(tmp_path / "bench-quick.json")
    assert sum(map(len, stored.runs.values())) == len(CASES)
    assert markdown(stored) in capsys.readouterr().out


@pytest.mark.parametrize("scale", [0.001, 0.02, 0.05, 0.3])
def test_a_plant_can_say_what_a_scaled_case_asks_of_it(scale: float) -> None:
    """However small the look is."""
    for case in {case for scene in scenes(Ports(1, 2, 3, ""), scale) for case in scene.cases if case.target_rate}:
        assert config_of(case).global_.target_rate == case.target_rate


def test_a_daemon_keeps_its_pace_over_a_stall(broker: BenchBroker) -> None:
    """What subscriber, broker and daemon count is what the plant says offline, though the broker stood still."""
    said: list[str] = []
    run = pace(broker, Asked(rate=200, seconds=7, stall_seconds=0.8), said.append)

    assert run.off <= 1
    assert (abs(run.rate_error) < 0.02, sum(run.arrived)) == (True, run.delivered)
    assert run.whole.max_ms > 700 > run.outside.p50_ms > 0
    assert any("the broker stands still for 0.8 s" in line for line in said)


@thorough
def test_a_daemon_keeps_a_high_rate_over_tls(broker: BenchBroker) -> None:
    """The broker counts what was due, while the daemon is watched."""
    kept = keep(broker, 2_000, 7)

    assert kept.off <= 1 < kept.due == pytest.approx(14_000, rel=0.01)
    assert (0 < kept.cpu_share < 1, kept.told_p50_ms < 1000) == (True, True)


def test_our_sender_by_the_clock_sends_what_it_is_asked_for(broker: BenchBroker) -> None:
    """It takes no less time than so many rows do."""
    measured = counted(broker, Case("ours", broker.port, messages=4_000, machines=500, target_rate=2_000))

    assert measured.seconds > 0.2  # of 2 s: what fell due while a busy machine held it up is sent at once; unpaced 0.04


def test_a_daemon_is_watched_while_it_idles(broker: BenchBroker) -> None:
    """The share of a core lies between nothing and all of it."""
    watched = idle(broker.port, 0.5)

    assert 0 <= watched.cpu_share < 1
    assert 2**24 < watched.rss_bytes < 2**28


@thorough
def test_memory_is_looked_at_again_and_again(broker: BenchBroker) -> None:
    """A look each half second, and a line for it; the broker's count is the plant's own."""
    said: list[str] = []
    run = hold(broker, Load(machines=50, rate=500, seconds=5, settle_seconds=1, look_seconds=0.5), said.append)

    assert abs(run.counted - run.due) <= 1 < run.due
    assert len(run.samples) == sum("MiB" in line for line in said) >= 2


def test_a_subscriber_reads_rows_however_they_are_cut(broker: BenchBroker) -> None:
    """A row whose frame comes in two pieces counts once, with its own time."""
    payload = b'{"timestamp":"2026-01-31T14:22:05.250Z","x":"' + b"-" * 300_000 + b'"}'
    body = text("factory/x") + b"\x00" + payload
    frame = b"\x30" + varint(len(body)) + body
    with Arrivals(broker.port) as arrivals:
        sock = connect(broker.port, "", "bench-test")
        for piece in (frame[:40], frame[40:], frame):
            sock.sendall(piece)
        broker.count_to(broker.received + 2)
        sock.close()

    assert list(arrivals.due) == [1769869325.25] * 2


def test_rows_due_are_those_of_the_rate() -> None:
    """A plant at a rate says that many rows, give or take one and a few orders, in whole seconds or a part of one."""
    assert rows_due(22, 100, 1e9, 10) == pytest.approx(1000, abs=3)
    assert rows_due(22, 100, 1e9, 10.5) - rows_due(22, 100, 1e9, 10) == pytest.approx(50, abs=3)


def test_lateness_is_judged_without_the_stall() -> None:
    """Rows that the stall has kept back count only in the whole."""
    late = outside(SECONDS, CAME, HALT)

    assert caught_up(SECONDS, CAME, HALT) == pytest.approx(9.001)
    assert len(late) == len(SECONDS) - 4
    assert Late.of(late).max_ms == pytest.approx(1)
    assert Late.of([came - due for due, came in zip(SECONDS, CAME, strict=True)]).max_ms == pytest.approx(2506)


def test_arrivals_are_counted_by_second() -> None:
    """A second in which nothing came counts none."""
    assert by_second([10.0, 10.9, 12.1], 10.0) == [2, 0, 1]


def test_a_histogram_gives_the_bound_of_a_percentile() -> None:
    """The least bound under which enough turns lie."""
    turns = {0.001: 50.0, 0.005: 98.0, 0.02: 99.5, float("inf"): 100.0}

    assert [bound_of(share, turns) for share in (0.5, 0.9, 0.99, 1.0)] == [0.001, 0.005, 0.02, float("inf")]


def test_a_process_is_looked_at_from_outside() -> None:
    """Its memory and its time are figures while it runs; of one that has ended there are none."""
    with subprocess.Popen(["true"]) as ended:
        pass

    assert 2**20 < memory_bytes(os.getpid()) <= memory_bytes(os.getpid(), "VmHWM")
    assert cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.1)
    with pytest.raises(ProcessLookupError):
        memory_bytes(ended.pid)


def test_every_case_is_a_row() -> None:
    """The tables have a row for each case that is measured, with its memory."""
    rows = [line for line in markdown(results()).splitlines() if "µs | " in line and line.endswith(" MiB |")]

    assert len(rows) == len(CASES)


def test_a_bound_is_met_or_it_is_not() -> None:
    """With all senders as fast as each other, only what is asked of one alone can be met."""
    met = {bound.what.partition(":")[2] for bound in bounds(results()) if bound.met}

    assert " of the limit" in met
    assert " times stock paho" not in met
    assert [bound.met for bound in bounds(results()) if "over TLS: rows" in bound.what] == [False]
    assert Bound("", 4.1, 4, least=False).met is False


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        (paced_bounds(paced()), [True, True, True]),
        (paced_bounds(paced(delivered=60_002, p99_ms=10.1)), [False, False, True]),
        (held_bounds(held()), [True, True, True]),
        (held_bounds(held(growth_mib=10, missing=2)), [False, True, False]),
    ],
)
def test_a_soak_is_judged(asked: list[Bound], met: list[bool]) -> None:
    """One row too many or too few is let pass; growth counts from the end of the first minute."""
    assert [bound.met for bound in asked] == met


@pytest.mark.parametrize("last_seconds", [3590.0, 3590.3, 0.1])
def test_the_table_of_memory_ends_with_the_last_look(last_seconds: float) -> None:
    """Whatever fraction of a second that was at."""
    samples = [Sample(last_seconds * look / 6, 2**26) for look in range(6)] + [Sample(last_seconds, 2**27)]
    run = Held(Load(100, 1000, last_seconds, 0, 1), 0, 0, 0.0, samples)

    assert "| 128.00 MiB |" in held_table(run).splitlines()[-3]


def test_a_soak_ends_with_1_where_a_bound_is_not_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured before is judged anew and written into the page, with its picture."""
    codes, page = [], tmp_path / "page.md"
    page.write_text("\n".join(SOAK_MEMORY), "utf-8")
    for name, value in {"ROOT": tmp_path, "PAGE": page, "PICTURES": tmp_path}.items():
        monkeypatch.setattr(soak, name, value)
    monkeypatch.setattr(sys, "argv", ["soak", "--part", "memory", "--stored"])
    for run in (held(), held(growth_mib=10)):
        soak.store(tmp_path / "build" / "soak-memory.json", "Somewhere.", run)
        codes.append(soak.main())

    assert codes == [0, 1]
    assert "pictures/soak-memory.svg" in page.read_text("utf-8")
    assert (tmp_path / "soak-memory.svg").exists()


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    """From the file comes the same page."""
    results().save(tmp_path / "build" / "bench.json")

    assert markdown(Results.load(tmp_path / "build" / "bench.json")) == markdown(results())


def test_pictures_are_drawn(tmp_path: Path) -> None:
    """The same figures make the same picture, with every sender in it."""
    for name in ("one.svg", "two.svg"):
        draw(overview(results()), tmp_path / name)
    draw(stall(paced()), tmp_path / "stall.svg")
    draw(growth(held()), tmp_path / "growth.svg")

    drawn = (tmp_path / "one.svg").read_text("utf-8")
    assert drawn == (tmp_path / "two.svg").read_text("utf-8")
    assert all(name in drawn for name in ("mosquitto_pub -l", "stock paho loop", "plant by the clock", "--speed max"))


def test_the_tables_go_between_the_marks(tmp_path: Path) -> None:
    """Writing replaces what was measured before and nothing else."""
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BENCH.begin}\nold \\1\n{BENCH.end}\nbelow\n", "utf-8")
    for _ in range(2):
        write(page, BENCH, "new \\1")

    assert page.read_text("utf-8") == f"above\n{BENCH.begin}\n\nnew \\1\n\n{BENCH.end}\nbelow\n"


def test_the_page_has_the_marks(tmp_path: Path) -> None:
    """The page of the documents can be written to; one without marks is refused."""
    (tmp_path / "other.md").write_text("nothing", "utf-8")

    page = PAGE.read_text("utf-8")
    assert [page.count(mark) for marks in (BENCH, SOAK_PACE, SOAK_MEMORY) for mark in marks] == [1] * 6
    with pytest.raises(ValueError, match=r"other\.md has no marks"):
        write(tmp_path / "other.md", BENCH, "new")
