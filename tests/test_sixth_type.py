"""A machine type that is declared, and nothing more, works wherever the five do: no code knows a type by its name."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from app import main
from plant.definition.jobs.job_type import JobType
from plant.definition.plant_config import PlantConfigError, parse
from sandbox.broker import EmbeddedBroker
from tests.cli.verify.test_verify import Answer, answer_to
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.laser import entry, facts
from tests.support.factory.plants import default
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

REMOVED = object()
SEPARATED = ["LASER_{number:02d}", "LASER-A{number:02d}", "{number}.l2"]


def with_lasers(path: Path, pattern: str = SEPARATED[0], *, flow: bool = False) -> str:
    """The default plant and twelve laser cutters, as a file."""
    data: dict[str, Any] = default()
    data["global"]["machine_counts"]["laser_cutter"] = 12
    data["message_types"]["laser_cutter"] = entry(pattern)
    data["message_types"]["oee"] = {"enabled": True, "report_seconds": 60.0}
    if flow:
        data["flow"] = {}
    file = path / "plant.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(file)


def app(*arguments: str, plant: str = "") -> subprocess.CompletedProcess[str]:
    """Run app.py with that plant."""
    with DaemonProcess(*arguments, environ={"MESSAGE_CONFIG_PATH": plant}) as process:
        code = process.wait(50)
    return subprocess.CompletedProcess(arguments, code, "".join(process.output), process.log)


def called(*arguments: str, plant: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself in this process: the same `main`, without the time that imports take."""
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(io.StringIO()) as errors:
        code = main(arguments, {"MESSAGE_CONFIG_PATH": plant})
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


@pytest.mark.parametrize("pattern", SEPARATED)
def test_parts_are_put_together_whatever_ids_look_like(pattern: str, tmp_path: Path) -> None:
    """Workers emit the messages of the whole plant, figures are in its order, ids are never parsed."""
    found = facts(with_lasers(tmp_path, pattern))
    rows = [tuple(row) for row in found["rows"]]
    ours = [row for row in rows if row[0] == "laser_cutter"]

    assert {source for _, source, _ in ours} == {pattern.format(number=number) for number in range(1, 13)}
    assert Counter(tuple(row) for part in found["dealt"] for row in part) == Counter(rows[:500])
    assert found["in_order"] == found["oee"]
    assert [tuple(row) for row in found["reloaded"]] == [row for row in rows if _after(row, "00:05:00.000")]


def _after(row: tuple[str, str, str], time: str) -> bool:
    return str(json.loads(row[2])["timestamp"])[11:23] > time


def test_a_type_that_the_flow_does_not_know_stands_alone_beside_it(tmp_path: Path) -> None:
    """It never waits and consumes nothing; its messages have the same bytes as without a flow."""
    beside, alone = (facts(with_lasers(tmp_path, flow=flow))["rows"] for flow in (True, False))
    lasers = [row for row in beside if row[0] == "laser_cutter"]

    assert lasers == [row for row in alone if row[0] == "laser_cutter"]
    assert all("consumed_ids" not in orjson.loads(payload) for _, _, payload in lasers)
    assert any("consumed_ids" in orjson.loads(payload) for kind, _, payload in beside if kind == "welding")


@pytest.mark.parametrize("flow", [False, True], ids=["alone", "flow"])
def test_check_run_and_export_know_it(flow: bool, tmp_path: Path) -> None:
    """The forecast has its rate, a dry run its rows, every export its name; all end with 0."""
    file = with_lasers(tmp_path, flow=flow)
    run = ["run", "--dry-run", "--seed", "1", "--count", "200", "--speed", "max"]
    export = ["export", "all", "--output", str(tmp_path / "out")]
    checked, exported = (called(*each, plant=file) for each in (["check"], export))
    ran = app(*run, plant=file)

    assert (checked.returncode, ran.returncode, exported.returncode) == (0, 0, 0), exported.stderr
    assert "laser_cutter 12 5 s 2.40" in " ".join(checked.stdout.split())
    assert '"machine_id":"LASER_12"' in ran.stdout
    assert {"Traceback"}.isdisjoint(ran.stderr.split())
    kql = (tmp_path / "out" / "kql" / "database.kql").read_text(encoding="utf-8")
    assert 'machine_id matches regex "^LASER_[0-9]{2,}$", "laser_cutter"' in kql
    assert "coalesce(quality, test_result, grade)" in kql


def test_workers_deal_its_messages_out(tmp_path: Path) -> None:
    """300 messages of two workers are the first 300 of the plant, at the broker."""
    run = [
        "run",
        "--count",
        "300",
        "--seed",
        "1",
        "--start",
        "2026-01-01T00:00:00Z",
        "--speed",
        "max",
        "--workers",
        "2",
    ]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        file = with_lasers(tmp_path, SEPARATED[1])
        done = app(*run, *plain(broker), "--http-port", "0", plant=file)
        got = Counter(record.payload.decode() for record in recorder.wait_for(300))

    assert done.returncode == 0, done.stderr
    assert got == Counter(payload for _, _, payload in facts(file)["rows"][:300])


MINUTES = ["--dry-run", "--seed", "1", "--start", "2026-01-01T00:00:00Z", "--duration", "40m", "--speed", "max"]


def verified(path: Path, rows: str) -> subprocess.CompletedProcess[str]:
    """What `verify` makes of rows, without a plant that has a sixth type."""
    (path / "rows").write_text(rows, encoding="utf-8")
    return called("verify", str(path / "rows"), "--truth", str(path / "truth"), "--strict")


@pytest.mark.parametrize("flow", [False, True], ids=["alone", "flow"])
def test_verify_reads_its_keys_from_the_ground_truth(flow: bool, tmp_path: Path) -> None:
    """Forty minutes agree to the last message; a result in a key of its own, flipped in one message, is found."""
    file = with_lasers(tmp_path, SEPARATED[1], flow=flow)
    run = app("run", *MINUTES, "--truth", str(tmp_path / "truth"), plant=file)
    right = verified(tmp_path, run.stdout)
    wrong = verified(tmp_path, run.stdout.replace('"grade":"A"', '"grade":"C"', 1))

    assert (run.returncode, right.returncode) == (0, 0), right.stdout
    assert "LASER-A12" in right.stdout
    assert wrong.returncode == 1
    assert "LASER-A" in wrong.stdout


def listened(file: Path, capsys: pytest.CaptureFixture[str]) -> Answer:
    """What `verify` makes of a plant that runs at a hundred times real time, when it listens for three seconds."""
    with running(EmbeddedBroker()) as broker:
        run = ["run", "--seed", "1", "--speed", "100", *plain(broker), "--http-port", str(free_port())]
        with DaemonProcess(*run, "--message-config-path", str(file)) as daemon:
            daemon.says("first on ")
            asked = ["--from-mqtt", "--duration", "3", "--truth", f"{daemon.url()}/oee"]
            return answer_to([*asked, *plain(broker)], capsys)


def test_verify_listens_to_it_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages from the broker agree with what /oee adds up meanwhile."""
    answer = listened(Path(with_lasers(tmp_path, SEPARATED[1])), capsys)

    assert answer.code == 0, answer.text + answer.error
    assert "LASER-A12" in answer.text


def test_a_reload_adds_it_and_takes_it_away(tmp_path: Path) -> None:
    """Its messages come and go with its machines; those of the others stay what they are."""
    found = facts(with_lasers(tmp_path))

    assert [sum(kind == "laser_cutter" for kind, _, _ in part) > 0 for part in found["reloads"]] == [False, True, False]


def test_grafana_and_kql_ask_for_its_good_results(tmp_path: Path) -> None:
    """A result counts as good only for the types that say so: its own is A, that of the others good or pass."""
    done = called("export", "all", "--output", str(tmp_path / "out"), plant=with_lasers(tmp_path))
    kql = (tmp_path / "out" / "kql" / "database.kql").read_text(encoding="utf-8")
    grafana = (tmp_path / "out" / "grafana" / "dashboard.json").read_text(encoding="utf-8")

    assert done.returncode == 0, done.stderr
    assert 'machine_type == "laser_cutter", result in ("A")' in kql
    assert 'machine_type == "cnc_machine", result in ("good", "pass")' in kql
    assert 'kind=~\\"laser_cutter\\", result=~\\"A\\"' in grafana


@pytest.mark.parametrize(
    ("results", "said"),
    [({"godo": 0.9, "scrap": 0.1}, "did you mean good?"), ({"scrap": 1}, "so quality is 0")],
)
def test_check_warns_where_no_result_is_good(results: dict[str, float], said: str, tmp_path: Path) -> None:
    """It is a plant all the same, which has no mistake."""
    data = default()
    data["message_types"]["cnc_machine"]["quality_distribution"] = results
    (tmp_path / "plant.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    done = called("check", str(tmp_path / "plant.yaml"))

    assert done.returncode == 0
    assert said in " ".join(done.stdout.split())


def test_no_type_code_is_the_beginning_of_another() -> None:
    """So type 1's machine 11 and type 11's machine 1 have no job id in common, however many types there are."""
    job = JobType("sheet", "S-", None, {"sheet": 1.0}, (1.0, 1.0), None, {"good": 1.0})
    codes = [replace(job, code=code).type_code for code in range(1, 1200)]

    assert codes[:11] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "010", "011"]
    assert not any(after.startswith(before) for before, after in pairwise(sorted(codes)))


SAME = "may give a {what} the id of one of {of}"
CLASHES: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"machine_id": "LASER"}, "machine_id: must have {number}"),
    "two numbers": ({"machine_id": "{number}{number}"}, "machine_id: must have {number}"),
    "a digit before the job's number": ({"job": {"id": "L1"}}, "job.id: must end in a character that is no digit"),
    "machines like another type's": ({"machine_id": "CNC-1{number}"}, SAME.format(what="machine", of="cnc_machine")),
    "jobs like another type's": ({"job": {"code": 1}}, SAME.format(what="job", of="cnc_machine")),
    "jobs without a code": ({"job": {"id": "A-", "code": REMOVED}}, SAME.format(what="job", of="welding")),
}


@pytest.mark.parametrize("case", CLASHES)
def test_a_pattern_by_which_ids_could_be_the_same_is_refused(case: str) -> None:
    """Two machines, or two jobs, never have the same id."""
    change, rule = CLASHES[case]
    data = default()
    laser = data["message_types"]["laser_cutter"] = entry()
    job = {**laser["job"], **change.get("job", {})}
    data["message_types"]["laser_cutter"] = {
        **laser,
        **change,
        "job": {key: value for key, value in job.items() if value is not REMOVED},
    }

    with pytest.raises(PlantConfigError) as refused:
        parse(data)
    assert len(refused.value.mistakes) == 1
    assert rule in str(refused.value)
