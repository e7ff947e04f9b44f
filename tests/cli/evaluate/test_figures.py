"""Facts about the figures of `evaluate`: planted ones come out exactly, and a plain count gives the same."""

from __future__ import annotations

import random  # noqa: TID251 - which lines of a test are exchanged is no part of the plant
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.evaluate.evaluation import Evaluation
from cli.evaluate.evaluation import evaluate as evaluated
from cli.options.evaluate import EvaluateOptions
from tests.cli.evaluate.runs import DAY, HOUR, MACHINES, Command, Fault, Found, detection, json_lines, truth_lines
from tests.support.examples import examples

THREE = (
    Fault("CNC-01", 1000, 2000, "bearing_wear", 0.3),
    Fault("CNC-01", 5000, 6000, "tool_breakage", 1.0),
    Fault("CNC-02", 1000, 2000, "temperature.stuck", 5.0, signal="temperature"),
)


def figures(evaluate: Command, faults: Sequence[Fault], detections: Sequence[Found], *flags: str) -> dict[str, Any]:
    """The figures of the detector, as JSON."""
    found = evaluate(truth_lines(faults), detections, "--json", *flags).report["detector"]
    return dict(found)


def on(machine: str, *spans: tuple[float, float]) -> list[Found]:
    """Detections on a machine, each from and to these seconds."""
    return [Found(machine, *span) for span in spans]


def test_planted_precision_recall_f1_and_delays_are_those_computed_by_hand(evaluate: Command) -> None:
    """Two of three labels are found, after 100 and 300 s; three of four detections are true."""
    detections = [*on("CNC-01", (1100, 1200), (1500, 2500), (3000, 3100)), *on("CNC-02", (1300, 1300))]
    found = figures(evaluate, THREE, detections)

    assert (found["labels"], found["found"], found["detections"], found["true"]) == (3, 2, 4, 3)
    assert (found["recall"], found["precision"]) == (2 / 3, 3 / 4)
    assert found["f1"] == pytest.approx(2 * (3 / 4) * (2 / 3) / (3 / 4 + 2 / 3))
    assert found["delay"] == {"mean": 200.0, "median": 200.0, "greatest": 300.0}
    assert found["false_alarms_per_day"] == 1.0


def test_a_perfect_detector_has_ones_and_no_delay(evaluate: Command) -> None:
    """The labels as detections."""
    found = figures(evaluate, THREE, [Found(*each[:3]) for each in THREE])

    ones = ("recall", "precision", "f1", "time_recall", "time_precision", "time_f1")
    assert [found[name] for name in ones] == [1.0] * 6
    assert found["delay"] == {"mean": 0.0, "median": 0.0, "greatest": 0.0}
    assert found["false_alarms_per_day"] == 0.0


def test_the_fault_lines_of_the_ground_truth_are_detections_too(evaluate: Command) -> None:
    """They have machine_id, from, to and fault, so `grep` makes the perfect detector."""
    lines = [each for each in truth_lines(THREE) if each["type"] == "fault"]
    report = evaluate(truth_lines(THREE), json_lines(lines), "--json").report

    assert report["detector"]["f1"] == 1.0
    assert report["names"]["right"] == report["names"]["true"] == 3


def test_time_is_scored_by_the_seconds_that_are_detected_and_labelled(evaluate: Command) -> None:
    """Of 3000 labelled seconds 500 are detected, by 2000 detected seconds; what is detected twice counts once."""
    twice = on("CNC-01", (1500, 2500), (2000, 3000))
    found = figures(evaluate, THREE, [*twice, *on("CNC-02", (3000, 3400)), *on("CNC-03", (0, 100))])

    assert found["time_recall"] == 500 / 3000
    assert found["time_precision"] == 500 / 2000


def test_one_detection_over_several_labels_finds_all_of_them_and_is_one_true_detection(evaluate: Command) -> None:
    """Labels of one machine may also overlap."""
    faults = (Fault("CNC-01", 100, 300), Fault("CNC-01", 200, 400, "other"), Fault("CNC-01", 900, 950))
    found = figures(evaluate, faults, [Found("CNC-01", 250, 1000)])

    assert (found["found"], found["detections"], found["true"]) == (3, 1, 1)
    assert found["delay"]["greatest"] == 150.0


def test_a_label_is_found_at_its_own_ends_and_not_a_millisecond_beyond(evaluate: Command) -> None:
    """Both ends belong to the label."""
    faults = [Fault("CNC-01", 100, 200)]

    assert figures(evaluate, faults, [Found("CNC-01", 200, 300)])["found"] == 1
    assert figures(evaluate, faults, [Found("CNC-01", 200.001, 300)])["found"] == 0
    assert figures(evaluate, faults, [Found("CNC-01", 0, 100)])["found"] == 1
    assert figures(evaluate, faults, [Found("CNC-01", 0, 99.999)])["found"] == 0


def test_a_tolerance_prolongs_labels_at_their_end_and_before_at_their_begin(evaluate: Command) -> None:
    """A detection before the begin has no delay; the time that is labelled stays the same."""
    faults = [Fault("CNC-01", 100, 200)]
    after, before = [Found("CNC-01", 230, 260)], [Found("CNC-01", 50, 80)]

    assert figures(evaluate, faults, after, "--tolerance", "29")["found"] == 0
    assert figures(evaluate, faults, after, "--tolerance", "30s")["delay"]["mean"] == 130.0
    assert figures(evaluate, faults, before, "--before", "19")["found"] == 0
    assert figures(evaluate, faults, before, "--before", "20s")["delay"]["mean"] == 0.0
    assert figures(evaluate, faults, before, "--before", "20s")["time_recall"] == 0.0


@pytest.mark.parametrize("flag", ["--tolerance", "--before"])
def test_any_tolerance_is_understood(evaluate: Command, flag: str) -> None:
    """More than the whole run is the whole run."""
    faults = [Fault("CNC-01", DAY / 2, DAY / 2 + 1)]
    ends = [Found("CNC-01", 0, 0), Found("CNC-01", DAY, DAY)]

    assert figures(evaluate, faults, ends, flag, "1e300") == figures(evaluate, faults, ends, flag, "1d")
    assert figures(evaluate, faults, ends, flag, "1e300")["true"] == 1


def test_detections_of_other_machines_find_nothing(evaluate: Command) -> None:
    """A fault of CNC-01 is not found on CNC-02."""
    found = figures(evaluate, [Fault("CNC-01", 100, 200)], [Found("CNC-02", 100, 200)])

    assert (found["found"], found["true"], found["f1"]) == (0, 0, 0.0)


def test_labels_are_grouped_by_fault_severity_and_kind(evaluate: Command) -> None:
    """A class of severity contains its lower bound; faults of sensors are those with a signal."""
    faults = [*THREE, Fault("CNC-03", 0, 50, "leak", 0.5), Fault("CNC-03", 100, 150, "leak", 2.0)]
    faults += [Fault("CNC-03", 200, 250, "leak", None)]
    found = figures(evaluate, faults, [Found("CNC-03", 120, 130), Found("CNC-02", 1010, 1020)])
    counts = {
        name: {group: (each["labels"], each["found"]) for group, each in found[name].items()}
        for name in ("by_fault", "by_severity", "by_kind")
    }

    assert counts == {
        "by_fault": {"bearing_wear": (1, 0), "leak": (3, 1), "temperature.stuck": (1, 1), "tool_breakage": (1, 0)},
        "by_severity": {
            "below 0.5": (1, 0), "0.5 to 1": (1, 0), "1 to 2": (1, 0), "2 and above": (2, 2), "not given": (1, 0),
        },
        "by_kind": {"of machines": (5, 1), "of sensors": (1, 1)},
    }  # fmt: skip
    assert found["by_fault"]["leak"]["delay"]["mean"] == 20.0


def test_names_are_right_where_a_detection_overlaps_a_label_of_that_name(evaluate: Command) -> None:
    """A true detection may have a wrong name; one without a name does not count."""
    detections = (
        Found("CNC-01", 1100, 1200, fault="bearing_wear"),
        Found("CNC-01", 5100, 5200, fault="bearing_wear"),
        Found("CNC-02", 1100, 1200),
    )
    names = evaluate(truth_lines(THREE), detections, "--json").report["names"]

    assert names == {"true": 2, "right": 1, "labels": {"bearing_wear": 1}}


# laws


SECONDS = st.integers(0, 60)
SPANS = st.tuples(SECONDS, SECONDS).map(sorted)
FAULTS = st.lists(
    st.builds(
        lambda machine, span, fault: Fault(machine, span[0], span[1], fault),
        st.sampled_from(MACHINES),
        SPANS,
        st.sampled_from(["wear", "leak"]),
    ),
    max_size=6,
)
DETECTIONS = st.lists(
    st.builds(
        lambda machine, span, score: Found(machine, span[0], span[1], score),
        st.sampled_from([*MACHINES, "unknown"]),
        SPANS,
        st.integers(0, 3),
    ),
    max_size=8,
)


def evaluation(
    folder: Path, truth: Sequence[dict[str, Any]], found: Sequence[Found], tolerance: float, before: float
) -> Evaluation:
    """The evaluation of files."""
    (folder / "truth").write_text(json_lines(truth), "utf-8")
    (folder / "detections").write_text(json_lines(map(detection, found)), "utf-8")
    names = str(folder / "detections"), str(folder / "truth")
    return evaluated(EvaluateOptions(*names, tolerance=tolerance, before=before))


def meets(fault: Fault, found: Found, tolerance: float, before: float) -> bool:
    """Whether a detection overlaps the window of a label, written as the definition is."""
    begins_in_time = found.since <= fault.until + tolerance
    return fault.machine == found.machine and begins_in_time and found.until >= fault.since - before


class Counted:
    """The figures, counted one by one."""

    def __init__(self, faults: Sequence[Fault], found: Sequence[Found], tolerance: float, before: float) -> None:
        self.detections = {*((each.machine, each.since, each.until) for each in found)}
        distinct = [Found(*each) for each in self.detections]
        by_label = {
            number: [each for each in distinct if meets(fault, each, tolerance, before)]
            for number, fault in enumerate(faults)
        }
        self.found = sum(bool(each) for each in by_label.values())
        self.true = sum(any(meets(fault, each, tolerance, before) for fault in faults) for each in distinct)
        self.delays = [
            max(0.0, min(each.since for each in hits) - faults[number].since)
            for number, hits in by_label.items()
            if hits
        ]
        self.labelled = {
            (each.machine, second) for each in faults for second in range(int(each.since), int(each.until))
        }
        self.detected = {
            (each.machine, second) for each in distinct for second in range(int(each.since), int(each.until))
        }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(25))
@given(faults=FAULTS, found=DETECTIONS, tolerance=st.integers(0, 5), before=st.integers(0, 5))
def test_a_count_one_by_one_gives_the_same_figures(
    tmp_path: Path, faults: Sequence[Fault], found: Sequence[Found], tolerance: int, before: int
) -> None:
    """For any labels and detections, within a run that contains all of them."""
    outcome = evaluation(tmp_path, truth_lines(faults, 60), found, tolerance, before).outcome.figures
    counted = Counted(faults, found, tolerance, before)

    assert (outcome.labels, outcome.found) == (len(faults), counted.found)
    assert (outcome.detections, outcome.true) == (len(counted.detections), counted.true)
    assert outcome.recall == (counted.found / len(faults) if faults else None)
    assert outcome.precision == (counted.true / len(counted.detections) if found else None)
    delays = (mean(counted.delays), median(counted.delays), max(counted.delays)) if counted.delays else (None,) * 3
    assert tuple(outcome.delay) == pytest.approx(delays)
    both = counted.labelled & counted.detected
    assert outcome.time_recall == (len(both) / len(counted.labelled) if counted.labelled else None)
    assert outcome.time_precision == (len(both) / len(counted.detected) if counted.detected else None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(25))
@given(faults=FAULTS.filter(bool), found=DETECTIONS.filter(bool))
def test_each_point_of_the_curve_is_that_of_the_detections_with_these_scores(
    tmp_path: Path, faults: Sequence[Fault], found: Sequence[Found]
) -> None:
    """The best of them has the best F1, and average precision is the area below the steps."""
    outcome = evaluation(tmp_path, truth_lines(faults, 60), found, 0, 0).outcome
    assert outcome.curve is not None
    points = [*outcome.curve.thinned(100)]
    counts = [Counted(faults, [each for each in found if (each.score or 0) >= one.threshold], 0, 0) for one in points]

    scores = {each[:3]: each.score for each in sorted(found, key=lambda each: each.score or 0)}  # the greatest remains
    assert [one.threshold for one in points] == sorted({each or 0 for each in scores.values()}, reverse=True)
    assert [(one.detections, one.true, one.found) for one in points] == [
        (len(each.detections), each.true, each.found) for each in counts
    ]
    best = max(points, key=lambda one: (one.f1, one.threshold))
    assert outcome.curve.best == best
    steps = zip([0.0, *(one.recall for one in points)], points, strict=False)
    area = sum((one.recall - before) * one.precision for before, one in steps)
    assert outcome.figures.average_precision == pytest.approx(area)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(15))
@given(faults=FAULTS, found=DETECTIONS, order=st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(
    tmp_path: Path, faults: Sequence[Fault], found: Sequence[Found], order: random.Random
) -> None:
    """Of the detections, and of the ground truth between its first and last line; the random detector included."""
    first, *lines, last = truth_lines(faults, 60)
    before = evaluation(tmp_path, [first, *lines, last], found, 0, 0)
    exchanged = order.sample([*found], len(found))
    after = evaluation(tmp_path, [first, *order.sample(lines, len(lines)), last], exchanged, 0, 0)

    assert after.outcome.figures == before.outcome.figures
    assert after.by_machine() == before.by_machine()
    assert (after.by_chance is None) == (before.by_chance is None)
    if before.by_chance and after.by_chance:
        assert after.by_chance.figures == before.by_chance.figures


def test_a_detector_that_reports_the_whole_run_is_perfect_by_events_and_not_by_time(evaluate: Command) -> None:
    """Which is why both are shown, and the random detector beside them."""
    report = evaluate(
        truth_lines(THREE, 10 * HOUR), [Found(each, 0, 10 * HOUR) for each in MACHINES[:2]], "--json"
    ).report

    assert report["detector"]["f1"] == 1.0
    assert report["detector"]["time_precision"] == 3000 / (20 * HOUR)
    assert report["random"]["recall"] > 0.5
