"""Facts about the command `evaluate`: what it prints, what it ends with, and what it does at the edges."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.commands import parse
from tests.cli.evaluate.runs import DAY, HOUR, Command, Fault, Found, json_lines, stamp, truth_lines

TWO = (Fault("CNC-01", 1000, 2000), Fault("CNC-02", 1000, 2000, "temperature.stuck", 5.0, signal="temperature"))
HIT, MISS = Found("CNC-01", 1100, 1200, 5.0), Found("CNC-03", 1100, 1200, 3.0)


# the report


def test_the_report_has_the_figures_of_the_detector_beside_those_of_the_random_one(evaluate: Command) -> None:
    """By events: labels, found, recall, detections, true, precision, F1, false alarms, delays."""
    answer = evaluate(truth_lines(TWO), [HIT, MISS])

    counts = ["2", "1", "50.0", "2", "1", "50.0", "50.0", "1"]
    assert answer.code == 0
    assert answer.rows["your detector"] == [*counts, "100.0 s", "100.0 s", "100.0 s"]
    assert answer.rows["random"][3] == "2"
    assert answer.rows["temperature.stuck"][:3] == ["1", "0", "0.0"]
    assert answer.rows["2 and above"][:3] == ["1", "0", "0.0"]
    assert answer.rows["of machines"][:3] == ["1", "1", "100.0"]
    assert answer.rows["CNC-03"] == ["0", "0", "-", "1", "0", "0.0", "1"]


def test_the_report_says_what_the_baseline_of_messages_needs(evaluate: Command) -> None:
    """Where there are none."""
    assert "rolling z-scores: needs --messages FILE\n" in evaluate(truth_lines(TWO), [HIT]).text


def test_the_curve_is_shown_with_the_best_threshold(evaluate: Command) -> None:
    """Of the detections with a score of at least 5 one of one is true."""
    answer = evaluate(truth_lines(TWO), [HIT, MISS])

    assert answer.rows["5"] == ["1", "1", "1", "50.0", "100.0", "66.7"]
    assert answer.rows["3"] == ["2", "1", "1", "50.0", "50.0", "50.0"]
    assert "Average precision: 50.0 %.\nBest F1: 66.7 %, of the detections with a score of at least 5.\n" in answer.text


def test_a_curve_of_many_scores_is_thinned_for_display(evaluate: Command) -> None:
    """To ten lines, of which the first, the last and the best are some."""
    many = [Found("CNC-01", 1000 + number, 1001 + number, float(number)) for number in range(500)]
    text = evaluate(truth_lines(TWO), many).text
    rows = text.partition("score at least")[2].partition("Average precision")[0].splitlines()[1:]

    assert len(rows) <= 10
    assert [rows[0].split()[0], rows[-1].split()[0]] == ["499", "0"]


def test_there_is_no_curve_where_a_detection_has_no_score(evaluate: Command) -> None:
    """And the report says why."""
    answer = evaluate(truth_lines(TWO), [HIT, MISS._replace(score=None)])

    assert "score at least" not in answer.text
    assert "* No curve over scores: 1 detection without one.\n" in answer.text


def test_machines_are_listed_with_most_false_alarms_first_and_twenty_at_most(evaluate: Command) -> None:
    """The JSON has all of them."""
    machines = [f"M-{number:02}" for number in range(30)]
    alarms = [Found(each, 10 * second, 10 * second) for number, each in enumerate(machines) for second in range(number)]
    answer = evaluate(truth_lines([], machines=machines), alarms)
    listed = answer.text.partition("by machine")[2].splitlines()[1:21]

    assert [each.split()[0] for each in listed] == machines[:9:-1]
    assert "and 9 more machines" in answer.text
    assert len(evaluate(truth_lines([], machines=machines), alarms, "--json").report["by_machine"]) == 29


def test_the_json_has_the_figures_of_all_tables(evaluate: Command) -> None:
    """One object, with null for what is not defined."""
    report = evaluate(truth_lines(TWO), [HIT, MISS], "--json").report

    assert report["detector"]["by_fault"]["bearing_wear"]["recall"] == 1.0
    assert report["detector"]["curve"]["best"]["threshold"] == 5.0
    assert report["random"]["detections"] == 2
    assert report["z_scores"] is None
    assert report["names"] is None
    assert report["by_machine"]["CNC-03"]["recall"] is None


# exit codes


@pytest.mark.parametrize(("least", "code"), [("0.5", 0), ("0.51", 1)])
def test_a_lower_f1_than_asked_for_ends_with_1(evaluate: Command, least: str, code: int) -> None:
    """One that is the same is a success."""
    answer = evaluate(truth_lines(TWO), [HIT, MISS], "--f1-at-least", least)

    assert answer.code == code
    assert answer.error == ("evaluate: F1 is 0.5000, not at least 0.51\n" if code else "")


@pytest.mark.parametrize(
    ("pattern", "note"),
    [
        (
            ("--only", "bering*"),
            "* No fault has a name that matches --only; there are bearing_wear, temperature.stuck.\n",
        ),
        (("--machines", "CMC-*"), "* No machine of the ground truth has an id that matches --machines.\n"),
    ],
)
def test_a_pattern_that_matches_nothing_is_reported(evaluate: Command, pattern: tuple[str, str], note: str) -> None:
    """It is more likely misspelt than meant, so what there is is named where it is known."""
    answer = evaluate(truth_lines(TWO), [HIT, MISS], *pattern)

    assert note in answer.text


def test_without_labels_there_is_no_f1_so_one_that_is_asked_for_ends_with_1(evaluate: Command) -> None:
    """Every detection is a false alarm; recall is not defined."""
    answer = evaluate(truth_lines([]), [HIT], "--f1-at-least", "0")

    assert (answer.code, answer.error) == (1, "evaluate: there is no F1, not at least 0\n")
    assert "* There is no label: nothing can be found, and every detection is a false alarm.\n" in answer.text
    assert answer.rows["your detector"][:7] == ["0", "0", "-", "1", "0", "0.0", "-"]


@pytest.mark.parametrize("text", ["", "\n\n", "machine,from,to\n"])
def test_a_file_without_detections_has_a_recall_and_an_f1_of_0(evaluate: Command, text: str) -> None:
    """Empty, or with a header alone; precision is not defined."""
    answer = evaluate(truth_lines(TWO), text)

    assert answer.code == 0
    assert answer.rows["your detector"][:8] == ["2", "0", "0.0", "0", "0", "-", "0.0", "0"]
    assert "* There is no detection: precision is not defined.\n" in answer.text


def test_inputs_that_are_not_there_end_with_2(evaluate: Command, tmp_path: Path) -> None:
    """Not named, or not to be read; the line says which."""
    nowhere = str(tmp_path / "nowhere")
    truth = tmp_path / "truth"
    truth.write_text(json_lines(truth_lines(TWO)))
    answers = [evaluate.call(), evaluate.call(nowhere, "--truth", str(truth)), evaluate.call("-", "--truth", nowhere)]

    assert [each.code for each in answers] == [2, 2, 2]
    assert [each.error for each in answers] == [
        "evaluate: name the detections (a file, or - for standard input) and the ground truth (--truth)\n",
        "evaluate: cannot read nowhere: No such file or directory\n",
        "evaluate: cannot read nowhere: No such file or directory\n",
    ]


def test_a_share_outside_of_0_to_1_is_a_wrong_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """80 is no F1."""
    with pytest.raises(SystemExit):
        parse(["evaluate", "x", "--f1-at-least", "80"], "0")
    assert "--f1-at-least: must be a number from 0 to 1, not '80'" in capsys.readouterr().err


# edges


def test_detections_of_unknown_machines_are_false_alarms_and_are_named(evaluate: Command) -> None:
    """With the machine that may be meant."""
    answer = evaluate(truth_lines(TWO), [HIT, Found("CNC-1", 1100, 1200), Found("OVEN", 0, 1)])

    assert answer.rows["your detector"][3:6] == ["3", "1", "33.3"]
    line = (
        "* Machines that the ground truth does not have: CNC-1 (did you mean CNC-01?), OVEN. That is 2 false alarms.\n"
    )
    assert line in answer.text


def test_detections_outside_of_the_run_are_left_out(evaluate: Command) -> None:
    """Nobody knows whether they are true; one that reaches into the run counts."""
    outside = [Found("CNC-01", -500, -100), Found("CNC-01", DAY + 1, DAY + 2)]
    answer = evaluate(truth_lines(TWO), [HIT, *outside, Found("CNC-03", -10, 10)])

    assert answer.rows["your detector"][3:5] == ["2", "1"]
    assert "Left out, outside the time scored: 2 detections.\n" in answer.text


def test_repeated_detections_count_once_with_the_greatest_score(evaluate: Command) -> None:
    """The same machine, begin, end and name."""
    answer = evaluate(truth_lines(TWO), [HIT, HIT, HIT._replace(score=9.0), HIT._replace(fault="other")])

    assert answer.rows["your detector"][3] == "2"
    assert answer.rows["9"][0] == "1"
    assert "Left out, as repeated: 2 detections.\n" in answer.text


def test_a_label_that_is_open_reaches_to_the_end_of_the_run(evaluate: Command) -> None:
    """As the line says, or where it has no end."""
    faults = truth_lines([Fault("CNC-01", 1000, DAY, is_open=True), Fault("CNC-02", 1000, DAY, is_open=True)])
    del faults[-2]["to"]
    answer = evaluate(faults, [Found("CNC-01", DAY - 1, DAY), Found("CNC-02", DAY - 1, DAY)])

    assert answer.rows["your detector"][:3] == ["2", "2", "100.0"]
    assert "Still active at the end of the run: 2 labels.\n" in answer.text


def test_a_ground_truth_file_without_its_end_ends_with_the_latest_time_in_it(evaluate: Command) -> None:
    """Even if its last line is cut off."""
    interval = {"type": "interval", "machine_id": "CNC-01", "state": "running", "from": stamp(0), "to": stamp(HOUR)}
    lines = json_lines([*truth_lines(TWO)[:-1], interval]) + '{"type":"interval","mach'
    answer = evaluate(lines, [HIT, Found("CNC-01", HOUR + 1, HOUR + 2)])

    assert f"{stamp(0)} to {stamp(HOUR)} (0.04 days).\n" in answer.text
    assert "* The ground truth has no end of the run: it ends with the latest time in the file.\n" in answer.text
    assert "Left out, outside the time scored: 1 detection.\n" in answer.text


def test_a_run_of_no_time_has_no_rate_of_false_alarms(evaluate: Command) -> None:
    """Instead of a division by 0."""
    answer = evaluate(truth_lines([Fault("CNC-01", 0, 0)], 0), [Found("CNC-01", 0, 0), Found("CNC-02", 0, 0)])

    assert answer.rows["your detector"][:8] == ["1", "1", "100.0", "2", "1", "50.0", "66.7", "-"]


def test_standard_input_and_compressed_files_are_read(
    evaluate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detections by -, the ground truth as gzip."""
    truth = tmp_path / "truth.gz"
    truth.write_bytes(gzip.compress(json_lines(truth_lines(TWO)).encode()))
    text = f"machine,time\nCNC-01,{stamp(1500)}\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    assert evaluate.call("-", "--truth", str(truth)).rows["your detector"][:2] == ["2", "1"]


def test_control_characters_of_names_do_not_reach_the_terminal(evaluate: Command) -> None:
    """Names of faults and machines come from files."""
    faults = [Fault("CNC-\x1b[31m01", 0, 10, "wear\x1b[2J")]
    answer = evaluate(truth_lines(faults), [Found("X\x1b]0;title\x07", 0, 1)])

    assert answer.code == 0
    assert not {each for each in answer.text if not each.isprintable()} - {"\n"}


# filters


def test_only_the_machines_that_match_are_scored(evaluate: Command) -> None:
    """Their labels and their detections; those of others, known or not, are as if they were not there."""
    answer = evaluate(truth_lines(TWO), [HIT, MISS, Found("OVEN", 0, 1)], "--machines", "CNC-0[12]")

    assert answer.rows["your detector"][:6] == ["2", "1", "50.0", "1", "1", "100.0"]
    assert "does not have" not in answer.text


def test_only_the_faults_that_match_are_scored_and_what_finds_others_is_no_false_alarm(evaluate: Command) -> None:
    """A detection of another fault alone is left out."""
    stuck = Found("CNC-02", 1500, 1600)
    answer = evaluate(truth_lines(TWO), [HIT, stuck, MISS], "--only", "*.stuck")

    assert answer.rows["your detector"][:6] == ["1", "1", "100.0", "2", "1", "50.0"]
    assert "Left out, as only of other faults: 1 detection.\n" in answer.text


def test_a_part_of_the_run_can_be_scored(evaluate: Command) -> None:
    """Labels are cut to it, so a delay counts from its begin; what lies outside is left out."""
    faults = [*TWO, Fault("CNC-03", 5000, 6000)]
    detections = [Found("CNC-01", 1100, 1200), Found("CNC-01", 1550, 1560), Found("CNC-03", 5100, 5200)]
    part = evaluate(truth_lines(faults), detections, "--from", stamp(1500), "--until", stamp(4000), "--json").report

    assert part["detector"]["labels"] == 2
    assert part["detector"]["delay"]["mean"] == 50.0
    assert part["left_out"]["outside"] == 2
    assert (part["from"], part["to"]) == (stamp(1500), stamp(4000))


def test_windows_beyond_the_scored_part_change_neither_delays_nor_times(evaluate: Command) -> None:
    """A label is cut before it is prolonged, and time is scored up to the ends of the part alone."""
    detections = [Found("CNC-01", 1500, 1600), Found("CNC-03", 3900, 4900)]
    flags = ("--from", stamp(1500), "--until", stamp(4000), "--before", "100", "--tolerance", "3000", "--json")
    part = evaluate(truth_lines(TWO), detections, *flags).report["detector"]

    assert part["delay"]["mean"] == 0.0
    assert part["time_recall"] == 100 / 1000
    assert part["time_precision"] == 100 / 200


def test_a_part_outside_of_the_run_is_an_error(evaluate: Command) -> None:
    """Rather than a report of nothing."""
    answer = evaluate(truth_lines(TWO), [HIT], "--from", stamp(2 * DAY))

    assert answer.code == 2
    assert answer.error == "evaluate: the time from --from to --until is not within the run\n"
