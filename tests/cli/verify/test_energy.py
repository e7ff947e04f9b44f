"""`verify` finds in messages the energy of each machine and site, and says where it is not the true one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from cli.verify.input.ground_truth import GroundTruth as ReadTruth
from cli.verify.input.reference import InvalidInput
from edge.routing import TopicRouter
from edge.runtime.ground_truth import GroundTruth
from fuzz.campaign import random_for
from fuzz.plants.entries import Wanted, plant
from messages import START, FactoryMessageGenerator, topic_template
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.cli.verify.test_verify import Answer, answer_to
from tests.plant.energy.furnaces import HOUR, START_MS, furnaces, leaking
from tests.support.examples import cases
from tests.support.factory.plants import ROOT
from tests.support.processes.daemon import DaemonProcess
from tests.test_odd_plants import lines

Rows = list[dict[str, Any]]
Change = Callable[[Rows], Rows]


@dataclass(frozen=True)
class Run:
    """The messages of a run, and its ground truth file."""

    messages: Sequence[Message]
    truth: bytes

    @cached_property
    def rows(self) -> Rows:
        """The messages as objects."""
        return [orjson.loads(each.payload) for each in self.messages]

    @cached_property
    def triggered(self) -> Rows:
        """The messages as a dry run writes them, with their topics and triggers."""
        kinds = ((each.kind.replace(".", "/"), each) for each in self.messages)
        return [
            {
                "topic": f"factory/{kind}",
                "payload": orjson.loads(each.payload),
                **({"user_properties": {"trigger": each.trigger}} if each.trigger else {}),
            }
            for kind, each in kinds
        ]


def record(path: Path, *course: tuple[float, PlantConfig]) -> Run:
    """Run one plant after the other for some seconds each."""
    generator, messages = FactoryMessageGenerator.of(course[0][1], 1), list[Message]()
    truth = GroundTruth(path, generator, path / "none")
    truth.begin()
    for number, (seconds, config) in enumerate(course):
        if number:
            generator.reload(config)
            truth.record_reload(config)
        messages += in_steps(generator, seconds)
    truth.close()
    return Run(messages, path.read_bytes())


def in_steps(generator: FactoryMessageGenerator, seconds: float) -> list[Message]:
    """The messages of some seconds, a hundred after the other: sensors that are stuck make long steps slow."""
    began = generator.now
    ends = [*range(100, int(seconds), 100), seconds]
    return [message for each in ends for message in generator.advance(began + each)]


@cache
def _day(*, leaks: bool = False) -> Run:
    """Half a day of machines that report seldom: their meters count all the same."""
    furnace = {"report_seconds": 40, **(leaking(4000) if leaks else {})}
    with TemporaryDirectory() as folder:
        return record(Path(folder) / "truth", (12 * HOUR, furnaces(furnace, {"report_seconds": 20})))


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Verify rows against a ground truth file, with options."""

    def run(rows: Rows, truth: bytes, *flags: str) -> Answer:
        (tmp_path / "rows").write_bytes(b"\n".join(map(orjson.dumps, rows)))
        (tmp_path / "truth").write_bytes(truth)
        return answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "truth"), *flags], capsys)

    return run


def energies(answer: Answer) -> Mapping[str, tuple[float, float, str]]:
    """The energy in a report by machine or site: by messages, true, and the difference with its mark."""
    lines = answer.text.partition("energy ")[2].partition("\n\n")[0].splitlines()[1:-1]
    cells = (re.fullmatch(r"(.+?) +(\S+) +(\S+) +(\S+)", line) for line in lines)
    found = (each.groups() for each in cells if each)
    return {name: (float(told.replace(",", "")), float(true.replace(",", "")), off) for name, told, true, off in found}


SELDOM: Mapping[str, Any] = {"report_seconds": 60}
"""Keys of furnaces where a test is about stamps."""


def without_hour(rows: Rows) -> Rows:
    """Lose an hour of messages."""
    return [each for each in rows if not each["timestamp"].startswith("2026-01-01T05:")]


def test_complete_messages_have_the_true_energy(verify: Callable[..., Answer]) -> None:
    """By the meter that they show exactly, and by power nearly so; also together."""
    day = _day(leaks=True)
    answer = verify(day.rows, day.truth, "--strict")
    found = energies(answer)

    assert answer.code == 0, answer.text + answer.error
    assert found.keys() == {"FURNACE-01", "FURNACE-02", "STAMP-01", "together"}
    assert all(told == true for told, true, _ in found.values())
    assert found["together"][1] == pytest.approx(
        sum(true for name, (_, true, _) in found.items() if name != "together")
    )


def test_energy_is_computed_from_power_where_no_meter_is_shown(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """Each regular message stands for its period; what reports a job does not."""
    meter = {"integral_of": "power", "per_seconds": 3600, "unit": "kW.h", "decimals": 3, "shown": False}
    plant = furnaces(SELDOM, hidden_meter(meter) | {"report_seconds": 60})
    run = record(tmp_path / "run", (6 * HOUR, plant))
    answer = verify(run.rows, run.truth)
    told, true, off = energies(answer)["STAMP-01"]

    assert any(each.trigger for each in run.messages)
    assert b'"energy":{"power":"power"}' in run.truth
    assert told == pytest.approx(true, abs=0.02)
    assert off == "+0.00"


def hidden_meter(meter: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of stamps with another meter, on which their energy depends by nothing but their jobs."""
    power = {"base": {"running": 12, "idle": 2}, "noise": 0.1, "limits": [0, 100], "unit": "kW"}
    return {"signals": {"power": power, "meter": meter}, "energy": {"meter": "meter"}}


def test_a_lost_hour_is_missing_where_power_is_reported(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """A meter shows later what was used meanwhile."""
    meter = {"integral_of": "power", "per_seconds": 3600, "unit": "kW.h", "decimals": 3, "shown": False}
    run = record(tmp_path / "run", (7 * HOUR, furnaces(SELDOM, hidden_meter(meter))))
    answer = verify(without_hour(run.rows), run.truth)
    found = energies(answer)
    hour = sum(each["power"] * 5 / 3600 for each in run.rows if each["machine_id"] == "STAMP-01" and _in_hour(each))

    assert answer.code == 1
    assert found["FURNACE-01"][2] == "+0.00"
    assert found["STAMP-01"][1] - found["STAMP-01"][0] == pytest.approx(hour, abs=0.01)
    assert found["STAMP-01"][2].endswith("*")
    assert re.search(r"^\* energy off: STAMP-01 -\d+\.\d\d %", answer.text, re.MULTILINE)
    assert "Every compared figure" not in answer.text


def _in_hour(row: Mapping[str, Any]) -> bool:
    return bool(row["timestamp"].startswith("2026-01-01T05:"))


def test_the_end_of_the_run_is_missing_of_a_meter(verify: Callable[..., Answer]) -> None:
    """No later message shows it."""
    day = _day()
    rows = [each for each in day.rows if each["machine_id"] != "FURNACE-01" or each["timestamp"] < "2026-01-01T10"]
    found = energies(verify(rows, day.truth))

    assert found["FURNACE-01"][2].startswith("-")
    assert found["FURNACE-01"][2].endswith("*")
    assert found["STAMP-01"][2] == "+0.00"


def test_a_wrong_meter_is_found(verify: Callable[..., Answer]) -> None:
    """One that shows a hundredth too much."""
    day = _day()
    rows = [
        {**each, "energy": round(each["energy"] * 1.01, 3)} if each["machine_id"] == "FURNACE-02" else each
        for each in day.rows
    ]
    answer = verify(rows, day.truth)

    assert answer.code == 1
    assert energies(answer)["FURNACE-02"][2] == "+1.00*"
    assert "* energy off: FURNACE-02 +1.00 %" in answer.text


def test_the_bound_is_an_option(verify: Callable[..., Answer]) -> None:
    """In percent of the true energy."""
    day = _day()
    rows = [
        {**each, "meter": round(each["meter"] * 1.01, 3)} if each["machine_id"] == "STAMP-01" else each
        for each in day.rows
    ]

    assert verify(rows, day.truth, "--energy-within", "2").code == 0
    assert verify(rows, day.truth, "--energy-within", "0.9").code == 1


def test_repeated_messages_count_once(verify: Callable[..., Answer]) -> None:
    """In whatever order they come."""
    day = _day()
    rows = day.rows

    assert energies(verify([*rows, *reversed(rows)], day.truth)) == energies(verify(rows, day.truth))


def test_messages_of_a_part_of_the_time_are_compared_by_its_lines(verify: Callable[..., Answer]) -> None:
    """Of a meter, from its first reading on."""
    day = _day(leaks=True)
    part = [each for each in day.rows if "2026-01-01T03:07" <= each["timestamp"] < "2026-01-01T08:03"]
    answer = verify(part, day.truth)
    lines = [orjson.loads(each) for each in day.truth.splitlines()]
    covered = [
        each["kwh"]
        for each in lines
        if each["type"] == "energy"
        and each["machine_id"] == "FURNACE-01"
        and each["from"] >= "2026-01-01T03:07"
        and each["to"] <= "2026-01-01T08:03"
    ]

    assert energies(answer)["FURNACE-01"][1] == pytest.approx(sum(covered))
    assert {off for _, _, off in energies(answer).values()} == {"+0.00"}


def test_machines_that_are_not_asked_for_are_not_compared(verify: Callable[..., Answer]) -> None:
    """Nor are they in the sum."""
    day = _day()
    found = energies(verify(day.rows, day.truth, "--machines", "FURNACE-*"))

    assert [*found] == ["FURNACE-01", "FURNACE-02", "together"]


def growing(**changes: Any) -> dict[str, Any]:
    """Keys of stamps whose messages say what the meter has grown by."""
    meter = {"integral_of": "power", "per_seconds": 3600, "unit": "kW.h", "decimals": 6, "shown": False}
    keys = hidden_meter(meter)
    return {**keys, "signals": {**keys["signals"], "energy_kwh": {"change_of": "meter", "unit": "kW.h"}}, **changes}


def test_what_messages_have_grown_by_adds_up_to_the_energy_exactly(
    tmp_path: Path, verify: Callable[..., Answer]
) -> None:
    """Not what a message repeats that is sent outside the period; a lost one is missing."""
    fields = ["timestamp", "machine_id", "status", "power", "energy_kwh"]
    classes = {"energy": {"report_seconds": 30, "on_change": True, "fields": fields}}
    run = record(tmp_path / "run", (6 * HOUR, furnaces(SELDOM, growing(messages=classes))))
    answer, bare = verify(run.triggered, run.truth), verify(run.rows, run.truth)
    told, true, off = energies(answer)["STAMP-01"]
    place = next(
        place for place, each in enumerate(run.messages) if each.source.startswith("STAMP") and not each.trigger
    )
    lost = energies(verify([*run.triggered[:place], *run.triggered[place + 1 :]], run.truth))["STAMP-01"]

    assert sum(each.trigger == "change" for each in run.messages) > 10
    assert (told, off) == (true, "+0.00")
    assert lost[0] == pytest.approx(told - run.rows[place]["energy_kwh"], abs=1e-3)
    assert "STAMP-01" not in energies(bare)  # nothing tells which messages are regular


def test_the_best_of_several_keys_is_taken(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """The growth before the power, which is rounded; so a wrong power is not energy."""
    run = record(tmp_path / "run", (3 * HOUR, furnaces(SELDOM, growing())))
    rows = [{**each, "power": 0.0} if "energy_kwh" in each else each for each in run.rows]

    assert b'"energy":{"power":"power","energy_kwh":"growth"}' in run.truth
    assert energies(verify(rows, run.truth))["STAMP-01"][2] == "+0.00"


def test_power_of_a_sensor_that_may_be_wrong_is_not_energy(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """What it reports is not what has been used."""
    meter = {"integral_of": "power", "per_seconds": 3600, "unit": "kW.h", "shown": False}
    faults = {"sensor_faults": {"power": {"stuck": {"every_hours": 1, "duration_seconds": 600}}}}
    run = record(tmp_path / "run", (HOUR, furnaces(stamp=hidden_meter(meter) | faults)))

    assert [*energies(verify(run.rows, run.truth))] == ["FURNACE-01", "FURNACE-02", "together"]


CLASSES: Mapping[str, Any] = {
    "messages": {
        "data": {"report_seconds": 20, "fields": ["timestamp", "machine_id", "power", "meter"]},
        "state": {"on_change": True, "fields": ["timestamp", "machine_id", "status"]},
    }
}


def test_classes_of_messages_are_told_apart(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """Energy is in one of them."""
    run = record(tmp_path / "run", (6 * HOUR, furnaces(SELDOM, CLASSES)))
    answer = verify(run.triggered, run.truth)

    assert answer.code == 0, answer.text
    assert energies(answer)["STAMP-01"][2] == "+0.00"


def test_energy_is_compared_over_reloads(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """Other periods, machines that are gone and come again, and a register of something else."""
    other = {"integral_of": "power", "per_seconds": 1800, "unit": "kW.h", "decimals": 3}
    signals = {"power": {"base": 5, "limits": [0, 9], "unit": "kW"}, "meter": other}
    run = record(
        tmp_path / "run",
        (5000, furnaces()),
        (3000, furnaces({"count": 1}, {"report_seconds": 3})),
        (4000, furnaces({"count": 2}, {"signals": signals, "energy": {"meter": "meter"}})),
    )
    answer = verify(run.rows, run.truth)

    assert [*energies(answer)] == ["FURNACE-01", "FURNACE-02", "STAMP-01", "together"]
    assert {off for _, _, off in energies(answer).values()} == {"+0.00"}, answer.text
    assert answer.code == 0, answer.text


def test_a_ground_truth_without_energy_is_compared_without_it(tmp_path: Path, verify: Callable[..., Answer]) -> None:
    """As one of an older version is."""
    run = record(tmp_path / "run", (HOUR, furnaces({"energy": None}, {"energy": None})))
    answer = verify(run.rows, run.truth)

    assert "energy" not in answer.text


def test_lines_of_energy_have_to_follow_each_other(tmp_path: Path) -> None:
    """An error names the line and the rule."""
    lines = _day().truth.splitlines()
    place = next(number for number, line in enumerate(lines) if b'"type":"energy"' in line)
    (tmp_path / "truth").write_bytes(b"\n".join([*lines[: place + 1], *lines[place:]]))

    with pytest.raises(InvalidInput, match=f":{place + 2}: .*the energy of FURNACE-01 must follow that of the line"):
        ReadTruth(tmp_path / "truth")


def metered() -> Iterator[PlantConfig]:
    """Random plants with meters."""
    for number in count():
        found = parse(plant(random_for(7, number), Wanted(coupled=number % 2 == 0)))
        if any(its.energy and there for _, its, there in found.machines()):
            yield found


@pytest.mark.parametrize("number", cases(range(19), 4))
def test_messages_of_any_plant_have_its_energy(tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    """Where they report it; and no message differs from those of a plant whose meters nobody reads."""
    config = next(islice(metered(), number, None))
    run = record(tmp_path / "truth", (2000, config))
    topics = TopicRouter(lambda kind: topic_template(config, kind), "factory").topic
    (tmp_path / "rows").write_bytes(b"\n".join(lines(run.messages, topics)))
    answer = answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "truth")], capsys)

    assert "energy off" not in answer.text
    assert run.messages == in_steps(FactoryMessageGenerator.of(config, 1), 2000)


def test_the_day_on_the_page_is_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of docs/energy-truth.md make the lines and the table that it shows, also without an hour."""
    page = (ROOT / "docs" / "energy-truth.md").read_text("utf-8")
    (plant,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    lines, figures, table, lost = re.findall(r"```text\n(.*?) *```", page, re.DOTALL)
    run, verify = (
        shlex.split(each.replace("\\\n", " ")) for each in re.findall(r"```bash\npython (.*?)```", page, re.DOTALL)
    )
    (tmp_path / "energy.yaml").write_text(plant)
    monkeypatch.chdir(tmp_path)
    rows = printed(*run[: run.index(">")])
    truth = Path("truth.jsonl").read_text("utf-8").splitlines()
    Path("rows.jsonl").write_text(rows)
    whole = printed(*verify)
    Path("rows.jsonl").write_text("".join(each for each in rows.splitlines(keepends=True) if "05T12:" not in each))
    part = printed(*verify).splitlines()

    assert {*lines.splitlines()} < {*truth}
    assert [each for each in truth if '"energy_totals"' in each] == figures.splitlines()
    assert table in whole
    assert {each.strip() for each in lost.splitlines()} < {*part}


def printed(*words: str) -> str:
    """What a command of this program prints."""
    assert words[0] == "app.py"
    with DaemonProcess(*words[1:], directory=Path.cwd()) as process:
        process.wait(50)
        return "".join(process.output)


def test_the_file_has_a_line_a_quarter_and_the_figures_at_the_end() -> None:
    """Of machines, and of all together; numbers are whole decimals."""
    lines = [orjson.loads(each) for each in _day(leaks=True).truth.splitlines()]
    energy = [each for each in lines if each["type"] == "energy"]
    totals = [each for each in lines if each["type"] == "energy_totals"]

    assert energy[0] == {
        "type": "energy",
        "machine_id": "FURNACE-01",
        "machine_type": "furnace",
        "from": "2026-01-01T00:00:00.000Z",
        "to": "2026-01-01T00:15:00.000Z",
        "kwh": pytest.approx(9, abs=2),
        "cost": pytest.approx(2, abs=1),
        "co2_kg": pytest.approx(3.6, abs=1),
        "units": 0,
        "good": 0,
        "drivers": {"outdoor": pytest.approx(4, abs=4)},
        "fault_seconds": 0.0,
    }
    assert {each["to"] for each in energy if each["fault_seconds"]} == {
        f"2026-01-01T0{hour}:{minute:02d}:00.000Z" for hour in (1, 2, 3) for minute in (0, 15, 30, 45)
    } - {"2026-01-01T01:00:00.000Z", "2026-01-01T03:45:00.000Z", "2026-01-01T03:30:00.000Z"}
    assert [each.get("machine_id") for each in totals] == ["FURNACE-01", "FURNACE-02", "STAMP-01", None]
    assert totals[0]["baseline"].keys() == {
        "constant", "drivers", "r2", "quarters", "expected_kwh", "actual_kwh", "ratio"
    }  # fmt: skip
    assert totals[2]["kwh_per_unit"] > 0
    assert START_MS == START * 1000
