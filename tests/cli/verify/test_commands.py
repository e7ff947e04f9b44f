"""Messages of a plant agree with its ground truth whatever commands and reloads it gets, and whatever they change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from edge.routing import TopicRouter
from edge.runtime.ground_truth import GroundTruth
from messages import START, FactoryMessageGenerator
from tests.cli.verify.test_verify import Answer, answer_to
from tests.support.factory.acted_on import PLANTS, Command, attempt, content, press, random_log, read
from tests.support.factory.odd_plants import ODD_PLANTS
from tests.test_odd_plants import lines

AGREES = "Every message, job and order agrees with the ground truth."
Log = Iterable[tuple[float, Command]]
"""Commands, each with its time in seconds from the start."""


def recorded(data: Mapping[str, Any], log: Log, seconds: float, path: Path) -> list[bytes]:
    """The lines of a run with commands; its ground truth as the simulator writes it."""
    plant = FactoryMessageGenerator.of(read(data), 1)
    truth = GroundTruth(path, plant, path.parent / "no file")
    truth.begin()
    found: list[bytes] = []
    for at, command in [*log, (seconds, None)]:
        topics = TopicRouter(plant.topic_template, "factory").topic
        found += lines(plant.advance(START + at), topics)
        if command is not None:
            attempt(plant, command)
    assert truth.close() is None
    return found


def reload(data: Mapping[str, Any]) -> Command:
    """The command that another configuration is in force."""
    return {"command": "reload", "content": content(data)}


class Verify:
    """`verify --strict` of the lines of a run."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path, self._capsys = path, capsys

    def run(self, data: Mapping[str, Any], log: Log, seconds: float) -> Answer:
        """The answer to a run with commands."""
        return self.of(recorded(data, log, seconds, self._path / "truth"))

    def of(self, sent: Sequence[bytes]) -> Answer:
        """The answer to other messages of the run that was last recorded."""
        (self._path / "rows").write_bytes(b"\n".join(sent))
        return answer_to([str(self._path / "rows"), "--truth", str(self._path / "truth"), "--strict"], self._capsys)


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """The command."""
    return Verify(tmp_path, capsys)


def agrees(answer: Answer) -> None:
    """Nothing is wrong, missing or unknown; too few figures are no difference."""
    assert answer.code in (0, 3), answer.text + answer.error
    assert AGREES in answer.text
    assert "are not messages of a machine" not in answer.text


# reloads that change how messages are read

STATES = {
    "running": {"share": 0.8, "dwell_seconds": 120, "produces": True},
    "idle": {"share": 0.2, "dwell_seconds": 40},
}
JOB = {"kinds": ["panel", "frame"], "cycle_seconds": [12, 20], "results": {"good": 0.9, "scrap": 0.1}}
LOTS = {"size": [2, 5], "changeover_seconds": [5, 20]}
FIELDS = ["timestamp", "machine_id", "status", {"id": "finished.id"}, {"result": "finished.result"}]


def lathe(**changes: Any) -> dict[str, Any]:
    """A plant of lathes with other keys; None removes one."""
    entry = {"count": 2, "report_seconds": 5, "states": STATES, "job": JOB, "lots": LOTS, "fields": FIELDS} | changes
    return {"message_types": {"lathe": {name: value for name, value in entry.items() if value is not None}}}


OF_LOTS = [*FIELDS, "job.kind", "job.lot", "job.lot_size"]
NAMED = ["timestamp", {"machine": "machine_id"}, {"state": "status"}, {"id": "finished.id"}, {"r": "finished.result"}]
NUMBERED = [*FIELDS, {"n": "sequence"}]
NO_STATUS = ["timestamp", "machine_id", {"id": "finished.id"}, {"result": "finished.result"}]
NO_JOBS = ["timestamp", "machine_id", "status"]
NO_ID = ["timestamp", "station_id", "status", {"id": "finished.id"}, {"result": "finished.result"}]
AT_A_STATION = {"station_pattern": "L{line}", "lines": [1]}
CLASSES = {"main": {"fields": FIELDS}, "state": {"fields": ["timestamp", "machine_id", "status"], "on_change": True}}
CHANGES = {"main": {"fields": [*NO_JOBS, {"n": "sequence"}], "on_change": True}}
UNTIMED = {"main": {"fields": ["machine_id", "status", {"n": "sequence"}], "on_change": True}}
COURSES: Mapping[str, Sequence[dict[str, Any]]] = {
    "lots in messages, and no more": [lathe(fields=OF_LOTS), lathe(), lathe(fields=OF_LOTS, lots=None)],
    "renamed keys": [lathe(), lathe(fields=NAMED), lathe()],
    "all keys, and some": [lathe(fields=None), lathe(), lathe(fields=None)],
    "other forms of the time": [lathe(), lathe(timestamp="epoch_ms"), lathe(timestamp="epoch_s"), lathe()],
    "classes, and one for all": [lathe(), lathe(fields=None, messages=CLASSES), lathe()],
    "states by their changes": [lathe(), lathe(fields=None, messages=CHANGES), lathe(report_seconds=2)],
    "changes with a time, and without": [lathe(fields=None, messages=each) for each in (CHANGES, UNTIMED, CHANGES)],
    "numbers, and none": [lathe(fields=NUMBERED), lathe(), lathe(fields=NUMBERED)],
    "messages without a state": [lathe(), lathe(fields=NO_STATUS), lathe()],
    "messages without jobs": [lathe(), lathe(fields=NO_JOBS), lathe()],
    "a type without jobs": [lathe(), lathe(job=None, lots=None, fields=NO_JOBS), lathe()],
    "another state that produces": [
        lathe(),
        lathe(states={"running": {"share": 0.8, "dwell_seconds": 120}, "idle": STATES["idle"] | {"produces": True}}),
        lathe(states=STATES | {"idle": STATES["idle"] | {"planned": True}}),
    ],
    "other good results": [lathe(), lathe(job=JOB | {"results": {"good": 0.5, "fine": {"weight": 0.5, "good": True}}})],
}


@pytest.mark.parametrize("name", COURSES)
def test_reloads_may_change_how_messages_are_read(name: str, verify: Verify) -> None:
    """Each message is read as it was then, and expected while there are such messages."""
    first, *others = COURSES[name]

    agrees(verify.run(first, [(600 * number, reload(each)) for number, each in enumerate(others, 1)], 2400))


def test_jobs_at_a_time_whose_states_are_unknown_are_no_part_of_performance(verify: Verify) -> None:
    """They were made in a time that no message tells, and to another ideal cycle."""
    quick, slow = (
        JOB | {"kinds": {"panel": {"cycle_seconds": each}, "frame": 1}, "cycle_seconds": each} for each in (2, 60)
    )
    stateless = lathe(fields=[*NO_STATUS, "job.kind"], job=quick)
    log: Log = [(300, reload(lathe(fields=[*FIELDS, "job.kind"], job=slow))), (2100, reload(stateless))]

    agrees(verify.run(stateless, log, 2400))


@pytest.mark.parametrize("count", [1, 2])
def test_messages_that_name_only_a_station_are_expected_while_one_machine_is_there(count: int, verify: Verify) -> None:
    """With more than one there, no message is of one of them, and none is missing."""
    log: Log = [(600, {"command": "scale", "message_type": "lathe", "count": 3 - count})]
    answer = verify.run(lathe(fields=NO_ID, count=count, **AT_A_STATION), log, 1200)

    assert answer.code in (0, 3), answer.text + answer.error
    assert "Messages missing: 0." in answer.text
    assert "Without any message" not in answer.text


def test_messages_of_no_machine_are_readable_whatever_the_form_of_their_time(verify: Verify) -> None:
    """They name none, and their time has another form than that of the same keys before."""
    nameless = {"count": 2, "fields": ["timestamp", {"cycle": "finished.cycle_seconds"}]}
    other: Log = [(300, reload(lathe(timestamp="epoch_ms", **nameless))), (600, reload(lathe()))]
    answer = verify.run(lathe(**nameless), other, 900)

    assert answer.code in (0, 3), answer.text
    assert "unreadable" not in answer.text


def test_a_message_that_is_lost_after_a_reload_is_missing(verify: Verify, tmp_path: Path) -> None:
    """And so is one that is in a form which no longer holds."""
    sent = recorded(lathe(), [(600, reload(lathe(fields=NAMED)))], 1200, tmp_path / "truth")
    renamed = [place for place, line in enumerate(sent) if b'"machine":' in line]
    lost = verify.of([line for place, line in enumerate(sent) if place != renamed[40]])
    back = orjson.loads(sent[renamed[40]])
    payload = back["payload"]
    back["payload"] = {"timestamp": payload["timestamp"], "machine_id": payload["machine"], "status": "running"}
    wrong = verify.of([*sent[: renamed[40]], orjson.dumps(back), *sent[renamed[40] + 1 :]])

    assert re.search(r"Messages missing: 1 \(LATHE-0\d 1\)\.", lost.text), lost.text
    assert "1 lines are not messages of a machine" in wrong.text
    assert "Messages missing: 1 (" in wrong.text


# commands


@pytest.mark.parametrize("name", [*PLANTS, *sorted(ODD_PLANTS.keys() - {"late"})])
def test_random_commands_leave_nothing_wrong(name: str, verify: Verify) -> None:
    """Stops, states, faults, other counts and rates, types off and on, reloads; but no rate too high for the times."""
    data = {**PLANTS, **ODD_PLANTS}[name]
    log = [(at / 1000 - START, command) for at, command in random_log(5, 40, 240, data, 2 if name in PLANTS else 0)]
    answer = verify.run(data, log, 240)

    assert answer.code in (0, 3), answer.text + answer.error
    assert AGREES in answer.text


def test_an_alarm_that_ends_with_its_machine_lacks_no_message(verify: Verify, tmp_path: Path) -> None:
    """The type is switched off and on, the declaration is taken away and added; a lost message is still missing."""
    hot = press(faults=None, sensor_faults=None, wear=None, messages=None)
    entry = hot["message_types"]["press"]
    alarmed = {"message_types": {"press": entry | {"alarms": {"temperature": {"high": 26}}}}}
    switched: Log = [
        (60, {"command": "disable", "message_type": "press"}),
        (90, {"command": "enable", "message_type": "press"}),
        (150, reload(hot)),
        (180, reload(alarmed)),
        (210, {"command": "scale", "message_type": "press", "count": 1}),
        (240, {"command": "scale", "message_type": "press", "count": 4}),
    ]
    sent = recorded(alarmed, switched, 300, tmp_path / "truth")
    answer = verify.of(sent)
    raised = [line for line in sent if b'"raised"' in line]

    agrees(answer)
    assert "Alarm messages missing: 0." in answer.text
    assert len(raised) > 12
    again = orjson.loads(raised[0])
    again["payload"]["timestamp"] = again["payload"]["timestamp"].replace("00:00:0", "00:00:3")
    assert "Alarm messages missing: 1 (" in verify.of([*sent, orjson.dumps(again)]).text


def test_a_stop_of_a_machine_whose_state_is_not_told_is_no_difference(verify: Verify) -> None:
    """It has no states of its own, so nobody can say how long it was stopped."""
    meter = {"message_types": {"meter": {"signals": {"power": {"base": 5}}, "report_seconds": 5}}}
    stop: Log = [(100, {"command": "stop", "machine_id": "METER-01"})]
    told, untold = verify.run(meter, [], 600), verify.run(meter, stop, 600)

    assert "METER-01" in told.text
    agrees(untold)
    assert re.search(r"^0 machines", untold.text, re.MULTILINE)
