"""A clean run of any declaration is verified: what its messages cannot tell is not asked of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.routing import TopicRouter
from messages import topic_template
from plant.definition.plant_config import PlantConfig, parse
from tests.cli.verify.test_reloads import Course, record
from tests.cli.verify.test_verify import Answer, answer_to
from tests.support.exports import yamlread
from tests.test_odd_plants import lines

STATES = "{running: {share: 0.8, dwell_seconds: 300, produces: true}, idle: {share: 0.2, dwell_seconds: 100}}"
BRIEF = "{a: {share: 1, dwell_seconds: 0.1}, b: {share: 1, dwell_seconds: 0.1}, c: {share: 1, dwell_seconds: 0.1}}"
CALENDAR = '{time_zone: UTC, shifts: [{start: "00:10", end: "00:40"}]}'
CHANGES = "messages: {s: {on_change: true, fields: [timestamp, machine_id, status]}}"
LEVEL = "signals: {p: {base: 5}}"
TOPICS = 'messages: {m: {topic: "{prefix}/{class}"}, k: {topic: "{prefix}/{machine_id}/m"}}'
VARIED = (
    f"count: 3, states: {STATES}, job: {{kinds: {{a: {{weight: 2, cycle_seconds: [20, 24]}}, b: 1}}, "
    "cycle_seconds: [9, 14], results: {good: 0.9, scrap: 0.1}}, lots: {size: [5, 9], changeover_seconds: [60, 90]}, "
    "start_up: {after_stop_seconds: 60, jobs: 3, cycle_seconds: {times: 1.5}}"
)
"""Keys of a type whose jobs vary."""
LOST = VARIED.replace("results:", "on_stop: {idle: torn}, results:").replace("0.1}", "0.1, torn: 0}")
"""The same, and a stop ends a job."""

DECLARATIONS = {
    "no states, and a calendar": f"{{calendar: {CALENDAR}, message_types: {{press: {{job: {{cycle_seconds: 9}}}}}}}}",
    "no states, and a flow": (
        "{flow: {processes: {drill: saw}, buffers: {saw: 2}}, message_types: {saw: {job: {cycle_seconds: 9}}, "
        "drill: {job: {cycle_seconds: 12}}}}"
    ),
    "consumed pieces at a place of their own": (
        "{flow: {processes: {drill: saw}}, message_types: {saw: {job: {cycle_seconds: 9}}, drill: "
        f"{{states: {STATES}, job: {{cycle_seconds: 12}}, fields: [timestamp, machine_id, status, "
        "{job: {id: finished.id, result: finished.result, from: finished.consumed}}]}}}"
    ),
    "a job of which nothing is reported": (
        f"{{message_types: {{press: {{states: {STATES}, job: {{cycle_seconds: 20}}, {LEVEL}, "
        "fields: [timestamp, machine_id, status, p]}}}"
    ),
    "a job of which the id is reported": (
        f"{{message_types: {{press: {{states: {STATES}, job: {{cycle_seconds: 20}}, "
        "fields: [timestamp, machine_id, status, {id: finished.id}, {now: job.progress}]}}}"
    ),
    "short jobs that no class reports": (
        f"{{message_types: {{press: {{states: {STATES}, job: {{cycle_seconds: 2}}, {CHANGES}}}}}}}"
    ),
    "states of a millisecond": f"{{message_types: {{press: {{states: {BRIEF}, {CHANGES}}}}}}}",
    "lots, changeovers, and kinds with cycles of their own": f"{{message_types: {{press: {{{VARIED}}}}}}}",
    "the same, and no message tells the kind": (
        f"{{message_types: {{press: {{{VARIED}, fields: [timestamp, machine_id, status, {{id: finished.id}}, "
        "{result: finished.result}, {cycle: finished.cycle_seconds}]}}}"
    ),
    "machines that differ": (
        f"{{message_types: {{press: {{count: 5, states: {STATES}, job: {{cycle_seconds: [20, 40]}}, "
        "spread: {shares: 0.3, cycle_seconds: 0.1}}}}"
    ),
    "lots in a flow with a calendar": (
        f"{{calendar: {CALENDAR}, flow: {{processes: {{drill: press}}, buffers: {{press: 2}}}}, message_types: "
        f"{{press: {{{VARIED}}}, drill: {{job: {{cycle_seconds: 12}}}}}}}}"
    ),
    "lots in a flow, and changes of the state": (
        "{flow: {processes: {drill: press}, buffers: {press: 2}}, message_types: {press: {job: {cycle_seconds: 30}}, "
        f"drill: {{{VARIED}, {CHANGES}}}}}}}"
    ),
    "jobs that a stop ends, and kinds with cycles of their own": f"{{message_types: {{press: {{{LOST}}}}}}}",
    "jobs that a stop ends, and a cycle for all": (
        f"{{message_types: {{press: {{count: 3, states: {STATES}, job: {{cycle_seconds: [20, 24], "
        "on_stop: {idle: scrap}, results: {good: 0.9, scrap: 0.1}}}}}"
    ),
    "stops between jobs in lots": f"{{message_types: {{press: {{{VARIED}, only_between_jobs: [idle]}}}}}}",
    "a topic that ends as another class": f"{{message_types: {{d: {{{LEVEL}, {TOPICS}}}}}}}",
}


def verified(course: Course, path: Path, capsys: pytest.CaptureFixture[str]) -> Answer:
    """The answer to a course of a plant; all its configurations have the same topics."""
    messages = record(course, path / "truth")
    topics = TopicRouter(lambda kind: topic_template(course[-1][1], kind), "factory").topic
    (path / "rows").write_bytes(b"\n".join(lines(messages, topics)))
    return answer_to([str(path / "rows"), "--truth", str(path / "truth"), "--strict"], capsys)


@pytest.mark.parametrize("name", DECLARATIONS)
def test_two_hours_agree_with_the_ground_truth(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every message, job and figure that there is; too few figures are no difference.

    Ten minutes are as many messages where the state changes ten times a second.
    """
    seconds = 600 if BRIEF in DECLARATIONS[name] else 7200
    answer = verified([(seconds, plant(DECLARATIONS[name]))], tmp_path, capsys)

    assert answer.code in (0, 3), answer.text + answer.error


def test_kinds_with_cycles_of_their_own_are_compared_by_the_ideal_one_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the kind that messages report; changed by a reload as well. Without the kinds no performance is told."""
    first = plant(DECLARATIONS["lots, changeovers, and kinds with cycles of their own"])
    slower = plant(f"{{message_types: {{press: {{{VARIED.replace('[20, 24]', '[40, 44]')}}}}}}}")
    told = verified([(7200, first), (7200, slower)], tmp_path, capsys)
    untold = verified([(7200, plant(DECLARATIONS["the same, and no message tells the kind"]))], tmp_path, capsys)

    assert told.code == 0, told.text + told.error
    assert "Every compared figure is within its bound." in told.text
    assert "performance" in told.text.partition("Largest differences")[2].partition("\n")[0]
    assert "performance" not in untold.text.partition("Largest differences")[2].partition("\n")[0]


def test_a_type_that_is_added_is_in_the_ground_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its stays and jobs from its first moment on, also when it was away for a time."""
    one = f"press: {{states: {STATES}, job: {{cycle_seconds: 20}}}}"
    both = f"{one}, oven: {{states: {STATES}, job: {{cycle_seconds: 15}}}}"
    alone, together = (plant(f"{{message_types: {{{types}}}}}") for types in (one, both))
    answer = verified([(600, alone), (1200, together), (600, alone), (1200, together)], tmp_path, capsys)

    assert answer.code == 0, answer.text + answer.error
    assert "OVEN-01" in answer.text


def plant(text: str) -> PlantConfig:
    """The plant of a YAML."""
    return parse(yamlread.value(text))
