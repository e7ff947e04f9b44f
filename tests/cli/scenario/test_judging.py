"""Laws of the judges: what always holds is never otherwise, and how a span is cut or an order made changes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.scenario.definition.expectations import FieldExpectation, MessagesExpectation
from cli.scenario.definition.plan import Form, Span
from cli.scenario.judging.message_judges import CountJudge, FieldJudge, MessageJudge, Seen
from cli.scenario.judging.sampling import Look, SamplingJudge
from cli.scenario.judging.verdict import Outcome, Verdict
from cli.scenario.report import report
from cli.scenario.running.feed import matches
from plant.telemetry import Message
from sandbox.protocol import topics
from tests.cli.scenario.scenes import outcome_of, plan_of, verdicts

TIMES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=12).map(sorted)
"""Messages: their times, each with a value."""
SPANS = st.tuples(st.integers(0, 20), st.integers(0, 20), st.booleans()).map(
    lambda drawn: (min(drawn[:2]), max(drawn[:2]), drawn[2])
)


def span(form: Form, drawn: tuple[int, int, bool]) -> Span:
    """A span of that form."""
    first, last, from_start = drawn
    return Span(form, first, last, 1, from_start)


def decided(judge: MessageJudge, messages: Sequence[tuple[int, int]]) -> Verdict:
    """The verdict on these messages."""
    for number, (time_ms, value) in enumerate(messages):
        payload = orjson.dumps({"value": value})
        judge.see(Seen("a", Message("press", "PRESS-01", None, time_ms, number, payload)))
    judge.close()
    assert judge.verdict is not None
    return judge.verdict


def field(value: dict[str, Any]) -> FieldExpectation:
    """An expectation of the value."""
    return FieldExpectation.model_validate({"topic": "a", "path": "value", "value": value})


@given(TIMES, SPANS, st.integers(0, 3))
def test_always_is_never_the_opposite(messages: list[tuple[int, int]], drawn: tuple[int, int, bool], most: int) -> None:
    """A value is always at most 1 where it is never 2 or more; without a message neither is known, and both fail."""
    always = decided(FieldJudge(field({"max": most}), span(Form.ALWAYS, drawn)), messages)
    never = decided(FieldJudge(field({"min": most + 1}), span(Form.NEVER, drawn)), messages)

    assert (always.outcome, always.time_ms) == (never.outcome, never.time_ms)


@given(TIMES, SPANS, st.integers(0, 6), st.one_of(st.none(), st.integers(0, 6)))
def test_never_so_many_is_not_always_so_many(
    messages: list[tuple[int, int]], drawn: tuple[int, int, bool], least: int, most: int | None
) -> None:
    """The number of messages in a span is within bounds or it is not, and both are decided at the same time."""
    bounds = {"min": least} if most is None else {"min": min(least, most), "max": max(least, most)}
    wanted = MessagesExpectation.model_validate({"topic": "a", "count": bounds})
    always = decided(CountJudge(wanted, span(Form.ALWAYS, drawn)), messages)
    never = decided(CountJudge(wanted, span(Form.NEVER, drawn)), messages)

    assert {always.outcome, never.outcome} == {Outcome.PASS, Outcome.FAIL}
    assert always.time_ms == never.time_ms


@given(TIMES, SPANS, st.integers(1, 6))
def test_a_number_is_the_number_in_the_span(
    messages: list[tuple[int, int]], drawn: tuple[int, int, bool], count: int
) -> None:
    """Messages at its beginning count only where that is the start of the scenario, those at its end always."""
    first, last, from_start = drawn
    inside = sum((first < time_ms or from_start) and time_ms <= last for time_ms, _ in messages)
    wanted = MessagesExpectation.model_validate({"topic": "a", "count": count})

    assert decided(CountJudge(wanted, span(Form.ALWAYS, drawn)), messages).outcome == (
        Outcome.PASS if inside == count else Outcome.FAIL
    )


@given(st.lists(st.booleans(), min_size=11, max_size=11), st.integers(0, 5), st.integers(5, 10), st.integers(1, 4))
def test_looks_obey_the_same_laws(states: list[bool], first: int, last: int, every: int) -> None:
    """Always is never the opposite; within is not never; and both ends of the span are looked at."""
    found: dict[str, tuple[Verdict, list[int]]] = {}
    for name, form, wanted in (
        ("always", Form.ALWAYS, True),
        ("never otherwise", Form.NEVER, False),
        ("within", Form.WITHIN, True),
        ("never", Form.NEVER, True),
    ):
        found[name] = looked(Span(form, first, last, every, from_start=False), states, wanted=wanted)

    assert found["always"][0].outcome == found["never otherwise"][0].outcome
    assert found["within"][0].outcome != found["never"][0].outcome
    assert found["within"][0].time_ms == found["never"][0].time_ms
    for _, moments in found.values():
        assert moments == [*range(first, last, every), last][: len(moments)]


def looked(of: Span, states: Sequence[bool], *, wanted: bool) -> tuple[Verdict, list[int]]:
    """The verdict, and the moments that were looked at, where `states` has what is so at each."""
    moments: list[int] = []

    def look() -> Look:
        moments.append(judge.next_ms)
        return Look(states[judge.next_ms] == wanted, "")

    judge = SamplingJudge(of, look)
    while judge.verdict is None:
        judge.look()
    return judge.verdict, moments


TOPICS = st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=4).map("/".join)
FILTERS = st.lists(st.sampled_from(["a", "b", "+", ""]), min_size=1, max_size=4).flatmap(
    lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"]), "#"])
)


@given(FILTERS, TOPICS)
def test_topic_filters_match_as_at_a_broker(pattern: str, topic: str) -> None:
    """As in the embedded broker, which real clients are tested with."""
    assert matches(pattern.split("/"), topic) == topics.matches(pattern.split("/"), topic.split("/"))


STATES = ("running", "idle")


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_steps_of_the_same_time_are_run_in_the_order_of_the_file(order: tuple[int, ...], tmp_path: Path) -> None:
    """An expectation sees what the steps above it have done, and not what those below it do."""
    lines = [
        "- {at: 1m, do: {command: set_state, machine_id: PRESS-01, state: running, seconds: 600}}",
        "- {at: 1m, do: {command: set_state, machine_id: PRESS-01, state: idle, seconds: 600}}",
        "- {at: 1m, expect: {state: {machine_id: PRESS-01, state: running}}}",
        "- {at: 1m, expect: {state: {machine_id: PRESS-01, state: idle}}}",
    ]
    before = "- {at: 0s, do: {command: set_state, machine_id: PRESS-01, state: running, seconds: 600}}\n"
    result = outcome_of(plan_of(before + "\n".join(lines[each] for each in order), tmp_path))

    state, wanted = "running", []
    for each in order:
        if each < 2:
            state = STATES[each]
        wanted.append("PASS" if each < 2 or STATES[each - 2] == state else "FAIL")
    assert verdicts(result)[1:] == wanted


STEPS = """\
- {at: 1m, do: {command: inject, machine_id: PRESS-01, fault: overheating, severity: 1}}
- {within: 30s, expect: {alarm: {machine_id: PRESS-01}}}
- {within: 2m, expect: {messages: {topic: factory/press/alarms, where: {event: cleared}}}}
- {always: {}, expect: {messages: {topic: factory/#, rate: {min: 0.4}}}}
- {always: {}, expect: {state: {machine_id: PRESS-02, state: [running, idle]}}}
- {never: {}, expect: {field: {topic: factory/press, path: quality, value: scrap}}}
- {at: 5m, do: {command: scale, message_type: press, count: 4}}
- {within: 5m, expect: {field: {topic: factory/press, machine_id: PRESS-04, path: quality, value: good}}}
- {at: 10m, expect: {oee: {availability: [0, 1]}, }}
- {at: 10m, expect: {ledger: {balances: true, dropped: 0}}}
- {at: 10m, expect: {metric: {name: edgemqttsim_jobs_finished_total, labels: {result: good}, value: {min: 1}}}}
"""


@pytest.mark.parametrize("fail_fast", [False, True])
def test_the_report_is_the_same_however_time_is_cut(tmp_path: Path, *, fail_fast: bool) -> None:
    """At any speed, byte for byte; with another seed it is another one."""
    plan = plan_of(STEPS, tmp_path)
    reports = {
        report(outcome_of(replace(plan, speed=speed), fail_fast=fail_fast)) for speed in (1200.0, 20000.0, float("inf"))
    }

    assert len(reports) == 1
    assert report(outcome_of(replace(plan, seed="2"), fail_fast=fail_fast)) not in reports


def test_after_the_first_failure_nothing_more_is_done_if_so_asked(tmp_path: Path) -> None:
    """What was not decided by then is reported as such."""
    text = """\
        - {at: 1m, expect: {state: {machine_id: PRESS-01, state: [running, idle]}}}
        - {at: 2m, do: {command: stop, machine_id: PRESS-09}}
        - {at: 3m, do: {command: stop, machine_id: PRESS-01}}
        """
    plan = plan_of(text, tmp_path)

    assert verdicts(outcome_of(plan, fail_fast=True)) == ["PASS", "FAIL", "OPEN"]
    assert verdicts(outcome_of(plan)) == ["PASS", "FAIL", "PASS"]


def test_a_refused_command_fails_with_its_rule(tmp_path: Path) -> None:
    """The step has the rule that it breaks."""
    (running,) = outcome_of(
        plan_of("- {at: 1m, do: {command: inject, machine_id: PRESS-01, fault: x}}", tmp_path)
    ).steps

    assert running.verdict is not None
    assert running.verdict.seen == (
        'inject PRESS-01 fault=x: refused: fault: must be a fault of this type, got "x"; known names: overheating'
    )


def test_a_list_of_commands_is_told_in_its_order_also_where_one_is_refused(tmp_path: Path) -> None:
    """The others are executed all the same."""
    do = "[{command: clear, machine_id: PRESS-01, fault: overheating}, {command: stop, machine_id: PRESS-01}]"
    (running,) = outcome_of(plan_of(f"- {{at: 1m, do: {do}}}", tmp_path)).steps

    assert running.verdict is not None
    assert running.verdict.failed
    assert running.verdict.seen == (
        'clear PRESS-01 fault=overheating: refused: fault: "overheating" is not there; '
        'stop PRESS-01: {"machine_id":"PRESS-01","state":"stopped"}'
    )


@pytest.mark.parametrize(
    ("expect", "seen"),
    [
        ("state: {machine_id: PRESS-9, state: running}", 'no machine has the id "PRESS-9"'),
        ("state: {machine_id: PRESS-01, state: runing}", 'PRESS-01 has no state "runing"; did you mean running'),
        ("fault: {machine_id: PRESS-01, fault: x}", 'PRESS-01 has no fault "x"; known names: overheating'),
        ("alarm: {machine_id: PRESS-01, alarm: x}", 'PRESS-01 has no alarm "x"; known names'),
        ("oee: {machine_type: pres, oee: 1}", 'there is no machine type with machines "pres"; did you mean press?'),
        ("metric: {name: edgemqttsim_machine, value: 1}", 'no sample "edgemqttsim_machine"; did you mean'),
        ("metric: {name: edgemqttsim_machines, labels: {kind: x}, value: 1}", "no sample of edgemqttsim_machines has"),
        ("field: {topic: factory/pres, path: status, value: {present: true}}", "no message"),
        ("field: {topic: factory/press, path: satus, value: {present: true}}", "satus absent at"),
    ],
)
@pytest.mark.parametrize("form", ["always", "never"])
def test_a_slip_in_a_name_fails_and_passes_nothing_silently(form: str, expect: str, seen: str, tmp_path: Path) -> None:
    """What does not exist is neither so nor not so. A value that is absent is not present: that is a fact."""
    (running,) = outcome_of(plan_of(f"- {{{form}: {{}}, expect: {{{expect}}}}}", tmp_path)).steps

    assert running.verdict is not None
    if "satus" in expect and form == "never":
        assert not running.verdict.failed
        return
    assert running.verdict.failed
    assert re.search(re.escape(seen), running.verdict.seen)


def test_what_is_due_at_the_end_is_judged(tmp_path: Path) -> None:
    """The last moment belongs to the scenario: its messages, its looks and its commands."""
    text = """\
        - {at: 10m, do: {command: stop, machine_id: PRESS-01}}
        - {at: 10m, expect: {state: {machine_id: PRESS-01, state: stopped}}}
        - {at: 10m, expect: {messages: {topic: factory/press, count: 240}}}
        """
    assert verdicts(outcome_of(plan_of(text, tmp_path))) == ["PASS", "PASS", "PASS"]


def test_another_plant_is_loaded_from_its_file(tmp_path: Path) -> None:
    """Relative to the scenario, with its own machine types."""
    (tmp_path / "other.yaml").write_text("message_types:\n  sensor_device: {count: 2}\n")
    text = """\
        - {at: 1m, do: {reload: other.yaml}}
        - {always: {to: 1m}, expect: {messages: {topic: sensors/#, count: 0}}}
        - {within: 10s, expect: {messages: {topic: sensors/+, count: {min: 4}}}}
        - {never: {from: 1m}, expect: {messages: {topic: factory/#}}}
        """
    assert verdicts(outcome_of(plan_of(text, tmp_path))) == ["PASS"] * 4


def test_without_a_broker_nothing_is_dropped_however_small_the_queue_is(tmp_path: Path) -> None:
    """The plant waits instead, also in accelerated time, and every message is judged."""
    text = """\
        - {at: 0s, do: {command: rate, messages_per_second: 50}}
        - {at: 10m, expect: {ledger: {balances: true, dropped: 0, acknowledged: 30000}}}
        - {at: 10m, expect: {messages: {topic: factory/press, count: 30000}}}
        """
    plan = replace(plan_of(text, tmp_path), speed=200.0, settings={"QUEUE_SIZE": "20"})

    assert verdicts(outcome_of(plan)) == ["PASS", "PASS", "PASS"]
