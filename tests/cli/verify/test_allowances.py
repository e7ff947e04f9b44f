"""A difference is a fault only where it is more than the messages of a true plant can cause."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random  # noqa: TID251 - draws stays and jobs of which the sums are known; no part of a plant
from typing import Any

import orjson
import pytest

from cli.verify.command import read_late
from cli.verify.comparison import Difference, Severity, compare
from cli.verify.counts.job_sums import JobSums, most_seconds_off
from cli.verify.counts.message_counts import MessageCounts
from cli.verify.counts.sampling import SampledTime
from cli.verify.input.received_messages import ReceivedMessages
from cli.verify.input.reference import MachineTotals
from cli.verify.input.timeline import MachineParameters, Timeline
from tests.cli.verify.test_commands import Verify, recorded, reload
from tests.cli.verify.test_commands import verify as verify  # noqa: PLC0414 - a fixture
from tests.plant.material_flow.order_lines import TYPES, line_data
from tests.support.factory.acted_on import press
from tests.support.factory.own_lines import CHECK, PRESS

PUMP = MachineParameters(0, math.inf, 30_000, 10.0, "running", planned_stops=frozenset({"service"}))


@pytest.mark.parametrize("unseen", ["running", "idle"])
def test_time_that_no_message_reports_is_a_share_of_the_planned_time(unseen: str) -> None:
    """Before the first change, all of it may be producing time, or none; a planned stop leaves less to compare with."""
    counts = MessageCounts("PUMP-01", Timeline([PUMP]))
    counts.unseen_seconds = 24.0
    for state, from_s, to_s in (("running", 24, 300), ("service", 300, 900), ("idle", 900, 1200)):
        counts.add_stay(state, from_s * 1000, to_s * 1000)
    states = {"running": 276_000.0, "service": 600_000.0, "idle": 300_000.0}
    states[unseen] += 24_000
    totals = MachineTotals("PUMP-01", "pump", 30, 10.0, "running", 1_200_000, 600_000, states["running"], states=states)

    availability = compare(counts, totals)[0]

    assert abs(availability.value) == pytest.approx(24 / 600 * {"running": 1 - 276 / 576, "idle": 276 / 576}[unseen])
    assert availability.severity is Severity.ALLOWED


def test_a_difference_that_such_time_cannot_cause_exceeds_the_bound() -> None:
    """Twice as much as it was."""
    counts = MessageCounts("PUMP-01", Timeline([PUMP]))
    counts.unseen_seconds = 24.0
    counts.add_stay("running", 24_000, 900_000)
    counts.add_stay("idle", 900_000, 1_200_000)

    def availability(idle_ms: float) -> Difference:
        states = {"running": 1_200_000 - idle_ms, "idle": idle_ms}
        return compare(
            counts,
            MachineTotals("PUMP-01", "pump", 30, 10.0, "running", 1.2e6, 1.2e6, states["running"], states=states),
        )[0]

    assert availability(324_000).severity is Severity.ALLOWED
    assert availability(348_000).severity is Severity.EXCEEDED


@pytest.mark.parametrize("dwell", [0.2, 0.5, 1, 3, 30])
def test_sampled_time_is_off_by_as_much_as_changes_and_samples_tell(dwell: float) -> None:
    """Over 200 runs of 400 samples, the root mean square of the error is what is expected of it, to a fifth.

    dwell: the mean stay in periods, down to stays of which most are not seen at all.
    """
    chance, off, expected = Random(1), 0.0, 0.0
    for _ in range(200):
        sampled, producing, at, error = SampledTime(), chance.random() < 0.5, 0.0, 0.0
        ends = chance.expovariate(1 / dwell)
        for sample in range(1, 401):
            while ends < sample:
                error -= (ends - at) * producing
                at, producing, ends = ends, not producing, ends + chance.expovariate(1 / dwell)
            error -= (sample - at) * producing
            at = sample
            error += producing
            sampled.add("running" if producing else "idle", 1.0, 0)
        off += error**2
        expected += ((sampled.most_seconds_off - 1) / 4) ** 2

    assert math.sqrt(expected / off) == pytest.approx(1, abs=0.2)


def test_the_job_at_an_end_of_a_span_may_be_the_longest_one() -> None:
    """One of 60 s among a thousand of 0.8 s is no thousandth of the ideal time."""
    parameters = PUMP._replace(ideal_cycles=(("long", 60.0), ("short", 0.8)))
    counts = MessageCounts("PUMP-01", Timeline([parameters]))
    sums = counts._job_sums.setdefault(parameters, JobSums(parameters, first=True))
    for kind, jobs in (("long", 1), ("short", 999)):
        for _ in range(jobs):
            sums.add(kind, "good", None)

    assert counts.longest_share == pytest.approx(60 / (60 + 999 * 0.8))


CYCLES: list[Callable[[float], float]] = [lambda _: 20.0, lambda at: 10 + 90 * at, lambda at: 10 / (1.1 - at)]


@pytest.mark.parametrize("cycle", CYCLES, ids=["fixed", "10 to 100", "often short"])
def test_the_work_of_jobs_that_end_early_is_right_on_average(cycle: Callable[[float], float]) -> None:
    """A stop meets long jobs more often than short ones; no run is off by more than is allowed for it."""
    chance, parameters = Random(2), PUMP._replace(ends_early=frozenset({"torn"}), ideal_seconds=10.0)
    parameters = parameters._replace(ideal_cycles=(("part", 10.0),))
    shares = []
    for _ in range(200):
        sums, ideal, stop = JobSums(parameters, first=True), 0.0, chance.expovariate(1 / 100)
        for _ in range(300):
            seconds = cycle(chance.random())
            done = min(seconds, stop)
            ideal += 10 * done / seconds
            sums.add("part", "torn" if done < seconds else "good", done)
            stop = chance.expovariate(1 / 100) if done < seconds else stop - done
        assert abs(sums.ideal_seconds - ideal) <= most_seconds_off(sums.early_variance) + sums.early_bias + 1e-6
        shares.append(sums.ideal_seconds / ideal)

    assert sum(shares) / len(shares) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("late", [1, 3])
def test_messages_that_are_late_are_waited_for(late: int) -> None:
    """Until a later one than the last that is wanted has come; without any, for half a minute."""
    messages = ReceivedMessages(0, 60_000)
    asked: list[float] = []

    def arriving(seconds: float) -> list[bytes]:
        asked.append(seconds)
        text = b'{"timestamp":"1970-01-01T00:%bZ","machine_id":"A","status":"idle"}'
        return [text % b"00:59", text % b"01:01"] if len(asked) == late else []

    read_late(messages, arriving)
    assert (len(asked), messages.machines["A"].messages, messages.outside) == (late, 1, 1)

    read_late(ReceivedMessages(0, 120_000), arriving)
    assert sum(asked[late:]) == 30


def test_a_wrong_reason_is_found(verify: Verify, tmp_path: Any) -> None:
    """Of a state and of a result, text and code, each by itself."""
    sent = recorded(REASONED, [], 1800, tmp_path / "truth")

    def with_other(old: bytes, new: bytes) -> str:
        place = next(place for place, line in enumerate(sent) if place > 300 and old in line)
        return verify.of([*sent[:place], sent[place].replace(old, new), *sent[place + 1 :]]).text

    assert verify.of(sent).code == 0
    text = with_other(b'"code":"E101"', b'"code":"E202"')
    assert "Messages with a wrong value in another field: 1 (PRESS-0" in text
    assert "reason E202 jam instead of E101 jam (since " in text
    assert "reason E101 heat instead of E101 jam" in with_other(b'"why":"jam"', b'"why":"heat"')
    assert "reason none instead of E101" in with_other(b'"code":"E101","why":"jam"', b'"code":null,"why":null')
    assert "reason size instead of scratch" in with_other(b'"of":"scratch"', b'"of":"size"')
    assert "Jobs reported with wrong values: 1 (PRESS-0" in with_other(b'"of":"scratch"', b'"of":null')


def test_reasons_over_reloads_agree(verify: Verify) -> None:
    """A stay that goes on has another reason from then on, or none."""
    entry = REASONED["message_types"]["press"]
    other = {"message_types": {"press": entry | {"reasons": {"faulted": {"E9 other": 1}, "scrap": {"size": 1}}}}}
    answer = verify.run(REASONED, [(at, reload(each)) for at, each in ((600, other), (900, REASONED))], 1500)

    assert answer.code == 0, answer.text + answer.error


def test_a_machine_of_a_line_may_wait_for_less_than_a_millisecond(verify: Verify, tmp_path: Any) -> None:
    """A message of the millisecond in which it starves may say that it is blocked: no ground truth has such a stay."""
    types = {key: entry | {"report_seconds": 9.0} for key, entry in TYPES.items()}
    sent = recorded(line_data(types, buffers={PRESS: 1, CHECK: 20}), [], 1800, tmp_path / "truth")
    told = [orjson.loads(line) for line in (tmp_path / "truth").read_bytes().splitlines()]
    starved = {(each["machine_id"], each["from"]) for each in told if each.get("state") == "starved"}
    rows = [orjson.loads(line).get("payload", {}) for line in sent]
    [place, *_] = [n for n, row in enumerate(rows) if (row.get("machine_id"), row.get("timestamp")) in starved]

    def with_status(status: bytes) -> str:
        line = sent[place].replace(b'"starved"', status)
        return verify.of([*sent[:place], line, *sent[place + 1 :]]).text

    assert "wrong status" not in with_status(b'"blocked"')
    assert "Messages with a wrong status: 1 (" in with_status(b'"idle"')


_PRESS = press(faults=None, sensor_faults=None, wear=None, signals=None)["message_types"]["press"]
REASONED: dict[str, Any] = {
    "message_types": {
        "press": {name: value for name, value in _PRESS.items() if name != "messages"}
        | {
            "states": {
                "running": {"share": 0.6, "dwell_seconds": 60, "produces": True},
                "faulted": {"share": 0.4, "dwell_seconds": 30},
            },
            "report_seconds": 2,
            "job": {"cycle_seconds": [4, 6], "results": {"good": 0.7, "scrap": 0.3}},
            "reasons": {"faulted": {"E101 jam": 2, "E202 drive overload": 1}, "scrap": {"scratch": 1, "size": 1}},
            "fields": [
                *("timestamp", "machine_id", "status", {"code": "state.reason_code"}, {"why": "state.reason"}),
                *({"id": "finished.id"}, {"result": "finished.result"}, {"of": "finished.reason"}),
            ],
        }
    }
}
