"""OEE accounts: exact at any moment, and equal to the ground truth and to what messages report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.oee_accounting import HOUR_MS, SPANS, Span
from plant.telemetry import MachineOee, Message, Oee
from plant.truth.events import DispatchedOrder, FinishedJob, PlacedOrder, StateInterval, TruthEvent
from tests.support.examples import THOROUGH, examples
from tests.support.factory.plants import NO_LOSSES, by_machine, config, default, job_id, only, original

START_MS = round(1000 * START)
SHIFTS = {"time_zone": "UTC", "shifts": [{"start": "00:00", "end": "02:10"}, {"start": "03:00", "end": "23:00"}]}
BUSY = {"running": 40.0, "idle": 5.0, "maintenance": 8.0, "faulted": 2.0}

Told = TruthEvent
Sums = tuple[dict[str, int], dict[str, int]]
"""Milliseconds by state, jobs by result, without zeros."""


def ms(seconds: float) -> int:
    """Whole milliseconds."""
    return round(1000 * seconds)


def heard(plant: FactoryMessageGenerator) -> list[Told]:
    """Return the list to which a plant's listener adds its events."""
    told: list[Told] = []
    plant.listen(told.append)
    return told


def stays(told: Iterable[Told]) -> dict[str, list[StateInterval]]:
    """Each machine's intervals."""
    found = defaultdict(list)
    for each in told:
        if isinstance(each, StateInterval):
            found[each.machine_id].append(each)
    return found


def jobs(told: Iterable[Told]) -> dict[str, list[FinishedJob]]:
    """Each machine's jobs."""
    found = defaultdict(list)
    for each in told:
        if isinstance(each, FinishedJob):
            found[each.machine_id].append(each)
    return found


def told_sums(told: Iterable[Told], machine_id: str, from_ms: int, to_ms: int) -> Sums:
    """Return a machine's sums from the ground truth; a moment between two spans belongs to the second."""
    its = [each for each in told if each.machine_id == machine_id]
    times, results = Counter[str](), Counter[str]()
    for stay in stays(its)[machine_id]:
        times[stay.state] += max(0, min(stay.to_ms, to_ms) - max(stay.from_ms, from_ms))
    results.update(job.result for job in jobs(its)[machine_id] if from_ms <= job.finished_ms < to_ms)
    return dict(+times), dict(+results)


def book_sums(figures: MachineOee) -> Sums:
    """Return the same from the accounts."""
    times = {figures.producing_state: ms(figures.producing_seconds)}
    times |= {state: ms(seconds) for state, seconds in figures.stopped_seconds.items()}
    return dict(+Counter(times)), dict(+Counter(figures.results))


def bounds(span: Span, now_ms: int) -> tuple[int, int]:
    """From when to when a span is."""
    hour_ms = now_ms - now_ms % HOUR_MS
    return {"run": (0, now_ms + 1), "hour": (hour_ms, now_ms + 1), "last_hour": (hour_ms - HOUR_MS, hour_ms)}[span]


def weld(count: int, report: float, cycle: list[float], dwell: float, **losses: float) -> PlantConfig:
    """Return welding stations that report each job or not, with other stays."""
    dwells = {"running": 3 * dwell, "idle": dwell, "cooling": dwell / 2, "faulted": dwell}
    values = {"report_seconds": report, "cycle_time_range": cycle, "dwell_seconds": dwells}
    return only("welding", count, **values | NO_LOSSES | losses)


PLANTS = st.builds(
    weld,
    st.integers(1, 3),
    st.sampled_from([1.0, 5.0, 12.0]),
    st.sampled_from([[0.5, 1.0], [6.0, 10.0], [40.0, 90.0]]),
    st.sampled_from([2.0, 60.0, 5000.0]),
    micro_stops_per_hour=st.sampled_from([0.0, 100.0]),
    slow_cycle_share=st.sampled_from([0.0, 0.5]),
)
MOMENTS = st.lists(st.floats(0, 3 * 3600), min_size=1, max_size=8).map(sorted)


# The sums


@given(plants=PLANTS, moments=MOMENTS, start=st.integers(0, HOUR_MS))
@settings(max_examples=examples(40, 6), deadline=None)
def test_all_time_is_accounted_for_at_any_moment(plants: PlantConfig, moments: list[float], start: int) -> None:
    """Times by state add up to what has passed: of the run, of this hour, and of the last one, to the millisecond."""
    began = START + start / 1000
    plant = FactoryMessageGenerator.of(plants, 1, start=began)
    for moment in moments:
        plant.advance(began + moment)
        now_ms = ms(began + moment)
        for span in SPANS:
            from_ms, to_ms = bounds(span, now_ms)
            passed = max(0, min(to_ms, now_ms) - max(from_ms, ms(began)))
            assert {sum(book_sums(its)[0].values()) for its in plant.oee(span)} == {passed}


@given(plants=PLANTS, moments=MOMENTS)
@settings(max_examples=examples(40, 6), deadline=None)
def test_producing_time_is_the_time_of_the_jobs(plants: PlantConfig, moments: list[float]) -> None:
    """What was left of the first job, whole cycles, and the part of the present one that is done: not a ms more."""
    plant = FactoryMessageGenerator.of(plants, 1)
    [fleet] = [fleet for fleet in plant._parts.fleets if fleet.machines]
    done_before = {machine.id: machine.done_ms(START_MS) for machine in fleet.machines}
    told, cycles_ms = heard(plant), Counter[str]()
    for moment in moments:
        plant.advance(START + moment)
        figures = {its.machine_id: its for its in plant.oee()}
        cycles_ms.update({name: sum(job.cycle_ms for job in its) for name, its in jobs(told).items()})
        told.clear()
        for machine in fleet.machines:
            worked_ms = cycles_ms[machine.id] + machine.done_ms(ms(START + moment)) - done_before[machine.id]
            assert ms(figures[machine.id].producing_seconds) == worked_ms


@given(plants=PLANTS, moments=MOMENTS, start=st.integers(0, HOUR_MS))
@settings(max_examples=examples(40, 6), deadline=None)
def test_accounts_and_ground_truth_agree(plants: PlantConfig, moments: list[float], start: int) -> None:
    """Times and results of each span, put together from single stays and jobs."""
    began = START + start / 1000
    plant = FactoryMessageGenerator.of(plants, 1, start=began)
    told = heard(plant)
    for moment in moments:
        plant.advance_silently(began + moment)
        plant.close_truth()
        for span in SPANS:
            found = {its.machine_id: book_sums(its) for its in plant.oee(span)}
            heard_of = {name: told_sums(told, name, *bounds(span, ms(began + moment))) for name in found}
            assert found == heard_of


@given(plants=PLANTS, moments=MOMENTS)
@settings(max_examples=examples(20), deadline=None)
def test_stays_follow_each_other_without_gap_or_overlap(plants: PlantConfig, moments: list[float]) -> None:
    """From the start to where the ground truth was closed, however often it was."""
    plant = FactoryMessageGenerator.of(plants, 1)
    told = heard(plant)
    for moment in moments:
        plant.advance(START + moment)
        plant.close_truth()
    for its in stays(told).values():
        assert (its[0].from_ms, its[-1].to_ms) == (START_MS, ms(plant.now))
        assert all(a.to_ms == b.from_ms for a, b in pairwise(its))
        assert all(stay.from_ms < stay.to_ms for stay in its)


@pytest.mark.parametrize("plants", [config(), original()], ids=["default", "original"])
def test_the_ground_truth_has_the_jobs_that_messages_report(plants: PlantConfig) -> None:
    """The same ids in the same order, results and cycle times; the last job may be unreported."""
    plant = FactoryMessageGenerator.of(plants, 1)
    told = heard(plant)
    reported = by_machine(plant.advance(START + 2 * 3600))
    for machine_id, finished in jobs(told).items():
        its = [row for row in reported[machine_id] if job_id(row)]
        assert 0 <= len(finished) - len(its) <= 1
        for job, row in zip(finished, its, strict=False):
            assert job.job_id == job_id(row)
            assert job.result == row.get("quality", row.get("test_result"))
            cycle = row.get("cycle_time", row.get("last_cycle_time", job.cycle_ms / 1000))
            assert cycle == pytest.approx(job.cycle_ms / 1000, abs=0.0501)


def test_a_job_starts_where_the_one_before_ends() -> None:
    """And the first one as long ago as is done of it: it takes its cycle at least, and more where it was stopped."""
    plant = FactoryMessageGenerator.of(config(), 1)
    told = heard(plant)
    plant.advance_silently(START + 3600)
    for its in jobs(told).values():
        assert its[0].started_ms <= START_MS < its[0].finished_ms
        assert all(a.finished_ms == b.started_ms for a, b in pairwise(its))
        assert all(job.finished_ms - job.started_ms >= job.cycle_ms >= job.ideal_ms for job in its)


def test_an_hour_without_an_event_is_in_the_accounts_too() -> None:
    """Stays and jobs of years: three hours on, this hour and the last are what they must be."""
    endless = {"running": 1e7, "idle": 1e7, "maintenance": 1e7, "faulted": 1e7}
    plant = FactoryMessageGenerator.of(
        only("cnc_machine", 20, dwell_seconds=endless, cycle_time_range=[1e7, 1e7], **NO_LOSSES), 1
    )
    plant.advance_silently(START + 3.5 * 3600)

    assert {sum(book_sums(its)[0].values()) for its in plant.oee("hour")} == {HOUR_MS // 2}
    assert {sum(book_sums(its)[0].values()) for its in plant.oee("last_hour")} == {HOUR_MS}


def test_the_sum_of_a_type_is_that_of_its_machines() -> None:
    """Every second, job and result, in each span; types without machines have none."""
    plant = FactoryMessageGenerator.of(config({"testing": 0}), 1)
    plant.advance_silently(START + 5000)
    for span in SPANS:
        single: dict[str, list[MachineOee]] = defaultdict(list)
        for figures in plant.oee(span):
            single[figures.kind].append(figures)
        assert [kind.kind for kind in plant.oee_by_kind(span)] == list(single)
        for kind in plant.oee_by_kind(span):
            its = single[kind.kind]
            assert kind.machines == len(its)
            assert +Counter(kind.results) == sum((Counter(each.results) for each in its), Counter())
            for name in ("planned_seconds", "producing_seconds", "ideal_seconds"):
                assert getattr(kind, name) == pytest.approx(sum(getattr(each, name) for each in its))


# The figures


def test_the_figures_are_those_of_the_standard() -> None:
    """A worked hour: 50 of 60 minutes planned, 40 of them producing, 150 jobs of 12 s at least, 147 of them good."""
    stopped = {"idle": 600.0, "planned_stop": 600.0}
    hour = Oee(3000.0, 2400.0, stopped, 1800.0, {"good": 147, "scrap": 2, "rework": 1}, 147)

    assert (hour.availability, hour.performance, hour.quality) == (0.8, 0.75, 0.98)
    assert hour.oee == pytest.approx(0.588)
    assert (hour.jobs, hour.good) == (150, 147)


def test_a_figure_of_nothing_is_none() -> None:
    """Without planned time, producing time or jobs there is no number."""
    nothing = Oee(0.0, 0.0, {"planned_stop": 60.0}, 0.0, {}, 0)

    assert (nothing.availability, nothing.performance, nothing.quality, nothing.oee) == (None,) * 4


def test_a_passed_test_is_good() -> None:
    """And a failed one is not: a rig's quality is its pass rate, 88 %."""
    plant = FactoryMessageGenerator.of(only("testing", 100), 1)
    plant.advance_silently(START + 6 * 3600)
    [rigs] = plant.oee_by_kind()

    assert rigs.good == rigs.results["pass"]
    assert rigs.quality == pytest.approx(0.88, abs=0.01)


@pytest.mark.parametrize(
    ("key", "ideal", "period"),
    [("cnc_machine", 10, 5), ("printer_3d", 200, 10), ("welding", 6, 5), ("painting", 4, 10 / 3), ("testing", 20, 10)],
)
def test_the_ideal_cycle_is_the_shortest(key: str, ideal: float, period: float) -> None:
    """By the range, by a test, or by a print; it is reported with the machine's period and producing state."""
    [figures] = FactoryMessageGenerator.of(only(key, 1), 1).oee()

    assert figures.ideal_cycle_seconds == ideal
    assert figures.period_seconds == pytest.approx(period)
    assert figures.producing_state == ("testing" if key == "testing" else "running")


@given(plants=st.lists(PLANTS, min_size=1, max_size=3), moments=MOMENTS, start=st.integers(0, HOUR_MS))
@settings(max_examples=examples(40, 6), deadline=None)
def test_performance_is_never_above_1(plants: list[PlantConfig], moments: list[float], start: int) -> None:
    """Of every machine and type, in every span and at any moment, over reloads that change the ideal cycle too."""
    plant = FactoryMessageGenerator.of(plants[0], 1, start=START + start / 1000)
    for number, moment in enumerate(moments):
        plant.advance_silently(plant.start + moment)
        plant.reload(plants[number % len(plants)])
        shown = [each for span in SPANS for each in (*plant.oee(span), *plant.oee_by_kind(span))]
        assert all(each.performance is None or 0 <= each.performance <= 1 for each in shown)
        assert all(each.oee is None or each.oee <= 1 for each in shown)


@pytest.mark.parametrize("extras", [{}, {"flow": {}}, {"calendar": SHIFTS}, {"flow": {}, "calendar": SHIFTS}], ids=str)
def test_hours_add_up_to_the_run(extras: dict[str, Any]) -> None:
    """Producing and ideal time, to the millisecond, with any suspensions; and no hour is above 100 %."""
    plant = FactoryMessageGenerator.of(parse({**default(), **extras}), 1, start=START + 1234.567)
    sums: Counter[tuple[str, str]] = Counter()
    for hour in (*range(1, 7), 6.5):
        plant.advance_silently(START + hour * 3600)
        spans: list[Span] = ["last_hour"] if hour == int(hour) else ["hour"]
        for its in (its for span in spans for its in plant.oee(span)):
            assert its.performance is None or its.performance <= 1
            sums["ideal", its.machine_id] += ms(its.ideal_seconds)
            sums["producing", its.machine_id] += ms(its.producing_seconds)

    run = {its.machine_id: (ms(its.ideal_seconds), ms(its.producing_seconds)) for its in plant.oee()}
    assert {name: (sums["ideal", name], sums["producing", name]) for name in run} == run


def test_work_is_credited_as_it_is_done() -> None:
    """Each job's ideal, times the part of its producing time that lies in the run, rounded down: exactly that."""
    plant = FactoryMessageGenerator.of(config(), 1)
    machines = {machine.id: machine for fleet in plant._parts.fleets for machine in fleet.machines}
    before = {name: its.credit_ms(START_MS) for name, its in machines.items()}
    told = heard(plant)
    plant.advance_silently(START + 4000)
    finished = {name: sum(job.ideal_ms for job in its) for name, its in jobs(told).items()}
    under_way = {name: its.credit_ms(START_MS + 4_000_000) for name, its in machines.items()}

    found = {its.machine_id: ms(its.ideal_seconds) for its in plant.oee()}
    assert found == {name: finished.get(name, 0) + under_way[name] - before[name] for name in machines}


def test_a_print_that_takes_its_time_has_a_performance_of_1() -> None:
    """From the first second on: no spread, no losses, whatever part of a print lies in the time."""
    plant = FactoryMessageGenerator.of(only("printer_3d", 50), 1)
    for seconds in (1, 30, 3000, 86_400):
        plant.advance_silently(START + seconds)
        working = [its.performance for its in plant.oee() if its.producing_seconds]
        assert working == pytest.approx([1.0] * len(working), abs=1e-3 / min(seconds, 3000))


# Time without rows, and no trace of looking


@given(plants=st.lists(PLANTS, min_size=1, max_size=4), silent=st.floats(0, 4000), then=st.floats(0, 10))
@settings(max_examples=examples(40, 6), deadline=None)
def test_dropped_messages_do_not_change_later_ones(plants: list[PlantConfig], silent: float, then: float) -> None:
    """Dropped messages change nothing: the rest of the messages is the same to the byte, also after reloads."""
    quiet, loud = (FactoryMessageGenerator.of(plants[0], 1) for _ in range(2))
    for each in plants:
        quiet.reload(each)
        loud.reload(each)
        quiet.advance_silently(quiet.now + silent)
        loud.advance(loud.now + silent)
        assert quiet.next_due() > quiet.now
        told, whole = (plant.advance(plant.now + then) for plant in (quiet, loud))
        assert [message.payload for message in told] == [message.payload for message in whole]
    assert quiet.oee() == loud.oee()


def test_an_unreported_job_is_kept_over_a_reload_and_dropped_messages() -> None:
    """Of 500 stations many have one that is finished and not reported; one silent second takes only what it has to."""
    quiet, loud = (FactoryMessageGenerator.of(only("welding", 500, **NO_LOSSES), 1) for _ in range(2))
    for plant in (quiet, loud):
        plant.advance(START + 60)
        plant.reload(only("welding", 500, frequency_weight=3, **NO_LOSSES))
    quiet.advance_silently(START + 61)
    loud.advance(START + 61)
    told, whole = (plant.advance(START + 90) for plant in (quiet, loud))

    assert [message.payload for message in told] == [message.payload for message in whole]


@given(plants=PLANTS, looks=st.lists(st.floats(0, 600), max_size=20).map(sorted))
@settings(max_examples=examples(30, 6), deadline=None)
def test_reading_the_accounts_changes_no_byte(plants: PlantConfig, looks: list[float]) -> None:
    """However often and whenever: machines do what they would have done."""
    plant, alone = (FactoryMessageGenerator.of(plants, 1) for _ in range(2))
    told: list[Message] = plant.advance(START)
    for look in looks:
        plant.oee("hour")
        told += plant.advance(START + look)
        plant.close_truth()

    assert told + plant.advance(START + 600) == alone.advance(START + 600)


def test_a_week_of_ground_truth_is_fast() -> None:
    """Half a million jobs without messages, with orders and dispatches; usually but the first two days of it."""
    plant, days = FactoryMessageGenerator.of(config(), 1), 7 if THOROUGH else 2
    events: list[PlacedOrder | DispatchedOrder] = []
    plant.listen(None, events.append)
    plant.advance_silently(START + days * 86_400)

    assert sum(its.jobs for its in plant.oee()) > 71_500 * days
    assert set(plant.snapshot().rows.values()) == {0}
    assert {type(each) for each in events} == {PlacedOrder, DispatchedOrder}


# Reload


def test_accounts_continue_over_a_reload() -> None:
    """Times and jobs of before stay in; each job is credited by the ideal cycle that was in force as it was begun."""
    plant = FactoryMessageGenerator.of(only("welding", 1, **NO_LOSSES), 1)
    [machine] = (machine for fleet in plant._parts.fleets for machine in fleet.machines)
    met_ms = machine.credit_ms(START_MS)
    plant.advance_silently(START + 1000)
    [before] = plant.oee()
    plant.reload(only("welding", 1, cycle_time_range=[20.0, 20.0], **NO_LOSSES))
    [at_once] = plant.oee()
    plant.advance_silently(START + 4000)
    [after] = plant.oee()
    more = after.jobs - before.jobs

    assert book_sums(at_once) == book_sums(before)
    assert at_once.ideal_seconds == before.ideal_seconds
    under_way_ms = machine.credit_ms(START_MS + 4_000_000)
    assert ms(after.ideal_seconds) == 6000 * (before.jobs + 1) + 20_000 * (more - 1) + under_way_ms - met_ms
    assert sum(book_sums(after)[0].values()) == 4_000_000


def test_a_removed_state_ends_and_stays_in_the_accounts() -> None:
    """Its stays end at the reload at the latest, and their time is kept."""
    plant = FactoryMessageGenerator.of(only("cnc_machine", 30, dwell_seconds=BUSY), 1)
    told = heard(plant)
    plant.advance_silently(START + 600)
    before = {its.machine_id: its.stopped_seconds["faulted"] for its in plant.oee() if "faulted" in its.stopped_seconds}
    states = {"running": 1, "idle": 1}
    plant.reload(only("cnc_machine", 30, statuses=list(states), status_distribution=states, dwell_seconds={}))
    plant.advance_silently(START + 1200)
    after = {its.machine_id: its.stopped_seconds for its in plant.oee()}

    assert before
    assert {name: after[name]["faulted"] for name in before} == before
    assert (
        max(stay.to_ms for its in stays(told).values() for stay in its if stay.state == "faulted") <= START_MS + 600_000
    )


def test_a_machine_that_is_taken_away_ends_its_stay() -> None:
    """At that moment; a later machine of the same number has its own account."""
    plant = FactoryMessageGenerator.of(only("welding", 3), 1)
    told = heard(plant)
    plant.advance_silently(START + 100)
    plant.reload(only("welding", 1))
    plant.advance_silently(START + 200)
    plant.reload(only("welding", 3))
    plant.advance_silently(START + 300)
    plant.close_truth()

    edges = [(stay.from_ms, stay.to_ms) for stay in stays(told)["WELD-03"]]
    assert START_MS + 100_000 in {to_ms for _, to_ms in edges}
    assert all(to_ms <= START_MS + 100_000 or from_ms >= START_MS + 200_000 for from_ms, to_ms in edges)
    assert [sum(book_sums(its)[0].values()) for its in plant.oee()] == [300_000, 100_000, 100_000]


def test_nobody_need_listen() -> None:
    """A listener that was removed receives nothing more."""
    plant = FactoryMessageGenerator.of(config(), 1)
    told = heard(plant)
    plant.advance_silently(START + 60)
    plant.listen(None)
    before = len(told)
    plant.advance_silently(START + 600)

    assert before == len(told) > 0
