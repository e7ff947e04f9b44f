"""Facts about the baselines of `evaluate`: what chance finds, and what rolling z-scores find in messages."""

from __future__ import annotations

import random  # noqa: TID251 - the noise of planted messages is no part of the plant
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.evaluate.zscore_detector import MERGED_ROWS, z_scores
from tests.cli.evaluate.runs import DAY, HOUR, MACHINES, START, Command, Fault, Found, stamp, truth_lines

SPIKES = tuple(Fault(MACHINES[number % 3], 3000 + 4000 * number, 3600 + 4000 * number) for number in range(20))
"""An hour to be quiet, then ten minutes of a fault at a time."""

Message = Mapping[str, Any]


def messages(
    value: Callable[[str, int], float], seconds: int = DAY, period: int = 10, field: str = "vibration"
) -> list[Message]:
    """Messages of all machines as a dry run writes them, with a value of a machine and a second."""
    return [
        {"topic": "factory/cnc", "payload": {"timestamp": stamp(at), "machine_id": each, field: value(each, at)}}
        for at in range(0, seconds, period)
        for each in MACHINES
    ]


def planted(faults: Sequence[Fault], shift: float) -> Callable[[str, int], float]:
    """Noise of standard deviation 1 around 50, and during faults as much more."""
    noise = random.Random(1)

    def value(machine: str, at: int) -> float:
        active = any(each.machine == machine and each.since <= at <= each.until for each in faults)
        return round(noise.gauss(50, 1) + shift * active, 3)

    return value


def test_z_scores_beat_chance_on_strong_faults(evaluate: Command) -> None:
    """Of 20 faults of ten standard deviations all are found within a message, with hardly a false alarm."""
    rows = messages(planted(SPIKES, 10))
    report = evaluate(truth_lines(SPIKES), [], "--json", "--z", "5", messages=rows).report
    found, by_chance = report["z_scores"], report["random_as_z_scores"]

    assert (found["recall"], found["delay"]["greatest"] <= 10) == (1.0, True)
    assert found["precision"] > 0.9
    assert found["average_precision"] > 0.9
    assert by_chance["f1"] < 0.3
    assert found["f1"] > 0.9


def test_z_scores_do_not_beat_chance_where_faults_leave_no_trace(evaluate: Command) -> None:
    """Faults without an effect are found no more often than by the same number of random detections."""
    report = evaluate(truth_lines(SPIKES), [], "--json", "--z", "3", messages=messages(planted(SPIKES, 0))).report
    found, by_chance = report["z_scores"], report["random_as_z_scores"]

    assert found["detections"] == by_chance["detections"] > 30
    assert found["precision"] == pytest.approx(by_chance["precision"], abs=0.1)
    assert found["recall"] == pytest.approx(by_chance["recall"], abs=0.25)


def test_z_scores_have_a_curve_of_their_own_and_all_tables_have_the_baselines(evaluate: Command) -> None:
    """The recall of each group by chance and by z-scores stands beside that of the detector."""
    answer = evaluate(truth_lines(SPIKES), [Found("CNC-01", 0, 60)], messages=messages(planted(SPIKES, 10)))

    assert "needs --messages" not in answer.text
    heads = ["random: recall %", "rolling z-scores: recall %", "random as z-scores: recall %"]
    assert answer.rows["by fault"][-3:] == heads
    assert answer.rows["bearing_wear"][-2] == "100.0"
    assert "rolling z-scores: of 25,920 messages; those at most 5 rows apart are one detection.\n" in answer.text


def test_the_random_detector_finds_a_label_as_often_as_lengths_and_machines_let_it(evaluate: Command) -> None:
    """A third of the detections fall on a machine, and there on a fault of half of the time in half of the cases."""
    half = [Fault("CNC-01", 0, DAY / 2)]
    report = evaluate(truth_lines(half), [Found("CNC-03", at, at) for at in range(3000)], "--json").report["random"]

    assert report["detections"] == 3000
    assert report["precision"] == pytest.approx(1 / 6, abs=0.01)
    assert report["time_precision"] is None


def test_the_random_detector_is_the_same_each_time(evaluate: Command) -> None:
    """Its seed is fixed."""
    detections = [Found("CNC-01", 100 * at, 100 * at + 60) for at in range(50)]
    reports = [evaluate(truth_lines(SPIKES), detections, "--json").report["random"] for _ in range(2)]

    assert reports[0] == reports[1]
    assert 0 < reports[0]["found"] < 20


def test_messages_may_be_in_any_order(evaluate: Command) -> None:
    """They are sorted by machine and time first."""
    rows = messages(planted(SPIKES[:1], 10), 2 * HOUR)
    mixed = random.Random(2).sample(rows, len(rows))
    reports = [evaluate(truth_lines(SPIKES[:1]), [], "--json", messages=each).report for each in (rows, mixed)]

    assert reports[0]["z_scores"]["found"] == 1
    assert reports[0]["z_scores"] == reports[1]["z_scores"]


def test_values_of_one_fault_are_one_detection_and_distant_ones_are_two(evaluate: Command) -> None:
    """From the first value above the threshold to the last, with the greatest z; six rows apart are too many."""
    alarms = [2000, 2010, 2000 + 10 * (MERGED_ROWS + 1), 2000 + 20 * (MERGED_ROWS + 1)]
    faults = [Fault("CNC-01", 2000, 2000 + 10 * (MERGED_ROWS + 1)), Fault("CNC-02", 0, 1)]

    def value(machine: str, at: int) -> float:
        return 1000.0 if machine == "CNC-01" and at in alarms else 50.0 + at / 10 % 2

    report = evaluate(truth_lines(faults), [], "--json", "--z", "2", messages=messages(value, 2 * HOUR)).report

    assert (report["z_scores"]["detections"], report["z_scores"]["true"]) == (2, 1)
    assert report["z_scores"]["time_recall"] == 60 / 61
    assert report["z_scores"]["curve"]["points"][0]["threshold"] == (1000 - 50.5) / 0.5


@pytest.mark.parametrize(("flags", "found"), [((), 2), (("--field", "vib*"), 1), (("--field", "none"), 0)])
def test_fields_are_chosen_by_a_pattern(evaluate: Command, flags: Sequence[str], found: int) -> None:
    """Texts, truth values and what is null are no numbers; objects in a message are looked into."""
    odd = {"status": "running", "quality": None, "list": [1, 2]}

    def of(machine: str, at: int) -> Message:
        vibration, power = 50 + at / 10 % 2 + 50 * (at == 3000), at / 10 % 3 + 50 * (at == 4000)
        return {
            "timestamp": stamp(at),
            "machine_id": machine,
            "vibration": vibration,
            "data": {"power": power},
            **odd,
            "on": at % 600 == 0,
        }

    rows = [of(each, at) for at in range(0, 2 * HOUR, 10) for each in MACHINES[:1]]
    report = evaluate(truth_lines(SPIKES), [], "--json", *flags, messages=rows).report

    assert report["z_scores"]["detections"] == found


def test_messages_of_machine_types_of_ones_own_are_read_as_the_ground_truth_says(evaluate: Command) -> None:
    """The machine in the topic, the time as a number in an object; the sequence number is no measurement."""
    entry = {
        "name": "", "topic": "{prefix}/press/{machine_id}/data", "period_seconds": 10.0, "on_change": False,
        "timestamp": "meta.ts", "form": "epoch_ms", "constants": {"site": 7},
        "fields": {"meta.n": "sequence", "p": "signal", "site": "constant"},
    }  # fmt: skip
    kind = {"type": "machine_type", "machine_type": "cnc_machine", "fields": {}, "good": [], "messages": [entry]}
    first, *rest = truth_lines([Fault("CNC-01", 4000, 4010)])

    def row(at: int) -> Message:
        meta = {"ts": 1000 * (START + at), "n": 9**9 if at == 3000 else at}
        payload = {"meta": meta, "p": 1000 if at == 4000 else at % 7, "site": 7}
        return {"topic": "factory/press/CNC-01/data", "payload": payload}

    rows = [row(at) for at in range(0, 2 * HOUR, 10)]
    found = evaluate([first, kind, *rest], [], "--json", messages=rows).report["z_scores"]

    assert (found["detections"], found["true"], found["delay"]["mean"]) == (1, 1, 0.0)


def test_a_file_without_messages_is_an_error(evaluate: Command) -> None:
    """It says what the lines were."""
    answer = evaluate(truth_lines(SPIKES), [], messages=[{"event_type": "order_placed"}])

    assert answer.code == 2
    assert answer.error == "evaluate: messages: no message of a machine in 1 lines: 0 unreadable\n"


def test_standard_input_is_read_once(evaluate: Command) -> None:
    """It cannot be detections and messages."""
    answer = evaluate.call("-", "--truth", "truth", "--messages", "-")

    assert (answer.code, answer.error) == (2, "evaluate: only one input can be standard input\n")


def windows(values: Sequence[float], window: int) -> Iterator[tuple[float, Sequence[float]]]:
    """Each value after the first ones, with those before it."""
    return ((values[place], values[place - window : place]) for place in range(window, len(values)))


@settings(deadline=None)
@given(values=st.lists(st.integers(-1000, 1000).map(lambda each: each / 8), max_size=40), window=st.integers(1, 10))
def test_z_scores_are_those_of_the_window_before_each_value(values: Sequence[float], window: int) -> None:
    """There is none before the window is full, and none where all its values are the same."""
    expected = [
        abs(value - mean(before)) / pstdev(before) if len({*before}) > 1 else 0.0
        for value, before in windows(values, window)
    ]

    found = z_scores(np.array(values, np.float64), window).tolist()
    assert found[:window] == [0.0] * min(window, len(values))
    assert found[window:] == pytest.approx(expected)


def test_z_scores_of_long_series_are_exact_far_from_zero() -> None:
    """Noise of a thousandth around a million, over several blocks of windows."""
    noise = random.Random(3)
    values = [1e6 + noise.gauss(0, 1e-3) for _ in range(9000)]
    expected = [abs(value - mean(before)) / pstdev(before) for value, before in [*windows(values, 20)][::500]]

    assert z_scores(np.array(values), 20)[20::500].tolist() == pytest.approx(expected, rel=1e-4)
