"""The event queue, and machines suspended from outside: their time is paused, and their bytes are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import BLOCKED, NEVER, PLANNED_STOP, STARVED, State
from plant.oee_accounting import SPANS, OeeAccounts
from plant.telemetry import Message
from plant.truth.events import FinishedJob, StateInterval, TruthEvent
from tests.support.examples import examples
from tests.support.factory.acted_on import CALENDAR, press, read
from tests.support.factory.plants import NO_LOSSES, by_machine, config, consecutive, job_id, only, original, said

START_MS = round(1000 * START)
BUSY = {"running": 20.0, "idle": 5.0, "maintenance": 8.0, "faulted": 2.0}

Told = TruthEvent


class Stops:
    """Suspends some machines for a reason, again and again: `every_ms` from start to start, `for_ms` each time."""

    def __init__(self, machines: Sequence[Machine], reason: State, every_ms: int, for_ms: int) -> None:
        self._machines, self._reason = machines, reason
        self._edges = ((START_MS + n * every_ms + edge, edge == 0) for n in range(1, 10**9) for edge in (0, for_ms))
        self.next_ms, self._begins = next(self._edges)

    def advance_to(self, until_ms: int) -> None:
        """Begin or end a stop."""
        for machine in self._machines:
            (machine.suspend if self._begins else machine.resume)(self._reason, until_ms)
        self.next_ms, self._begins = next(self._edges)


def machines(plant: FactoryMessageGenerator) -> list[Machine]:
    """All machines of a plant."""
    return [machine for fleet in plant._parts.fleets for machine in fleet.machines]


def stopped(plants: PlantConfig, every_ms: int, for_ms: int, *reasons: State) -> FactoryMessageGenerator:
    """Return a plant whose machines are suspended together, now and then, for each of the reasons."""
    plant = FactoryMessageGenerator.of(plants, 1)
    reasons = reasons or (PLANNED_STOP,)
    plant.set_participants(
        *(Stops(machines(plant), reason, every_ms + 700 * n, for_ms) for n, reason in enumerate(reasons))
    )
    return plant


def mill(**values: Any) -> Machine:
    """One CNC mill on its own, of short stays."""
    plant = only("cnc_machine", 1, **{"dwell_seconds": BUSY} | NO_LOSSES | values)
    [(_, machine_type, _)] = plant.machines()
    return Machine(MachineTypeRuntime(machine_type, plant, Counter(), OeeAccounts(1)), 1, 1, START_MS)


# One machine, held


def test_a_suspended_machine_has_no_event_of_its_own() -> None:
    """However long it is suspended; its state is the reason, and its job stays as it is."""
    one = mill()
    one.advance_to(START_MS + 60_000)
    job, progress = one.job, one.progress(START_MS + 60_000)
    one.suspend(BLOCKED, START_MS + 60_000)
    one.advance_to(START_MS + 10**9)

    assert (one.next_ms, one.state.name) == (NEVER, "blocked")
    assert (one.job, one.progress(START_MS + 10**9)) == (job, progress)


@given(at=st.integers(0, 200_000), held=st.integers(0, 10**7))
@settings(max_examples=examples(50), deadline=None)
def test_a_resumed_machine_continues_its_stay_and_its_job(at: int, held: int) -> None:
    """State, rest of the stay, rest of the job: every event is late by the length of the suspension."""
    one, free = mill(), mill()
    one.suspend(BLOCKED, START_MS + at)
    one.resume(BLOCKED, START_MS + at + held)
    free.advance_to(START_MS + at - 1)
    for _ in range(30):
        assert (one.next_ms, one.state.name, one.job.number) == (free.next_ms + held, free.state.name, free.job.number)
        one.step()
        free.step()


def test_the_first_in_rank_of_several_reasons_shows() -> None:
    """A planned stop before blocked, blocked before starved; in any order of suspending and resuming."""
    one, shown = mill(), []
    for act, reason in (
        *((one.suspend, STARVED), (one.suspend, PLANNED_STOP), (one.suspend, BLOCKED)),
        *((one.resume, PLANNED_STOP), (one.resume, STARVED), (one.resume, BLOCKED)),
    ):
        act(reason, START_MS)
        shown.append(one.state.name)

    assert shown == ["starved", "planned_stop", "planned_stop", "blocked", "blocked", mill().state.name]


def test_a_reason_counts_once_and_an_unknown_one_not_at_all() -> None:
    """Suspending twice needs one resume; resuming an unknown reason changes nothing."""
    one = mill()
    one.resume(STARVED, START_MS)
    assert one.suspension is None
    one.suspend(BLOCKED, START_MS + 10)
    one.suspend(BLOCKED, START_MS + 20)
    one.resume(STARVED, START_MS + 30)
    assert one.state is BLOCKED
    one.resume(BLOCKED, START_MS + 40)

    assert one.suspension is None
    assert one.next_ms == mill().next_ms + 30


def test_the_time_of_each_reason_is_in_the_accounts() -> None:
    """As it showed: 10 s starved, 20 s in a planned stop, 10 s blocked; only the planned stop is not planned time."""
    plant = FactoryMessageGenerator.of(only("cnc_machine", 1), 1)
    [one] = machines(plant)
    for at, act, reason in (
        (10, one.suspend, STARVED),
        (20, one.suspend, PLANNED_STOP),
        (30, one.suspend, BLOCKED),
        (40, one.resume, PLANNED_STOP),
        (50, one.resume, STARVED),
        (50, one.resume, BLOCKED),
    ):
        act(reason, START_MS + 1000 * at)
    plant.advance_silently(START + 60)
    [figures] = plant.oee()

    assert {"starved": 10, "planned_stop": 20, "blocked": 10}.items() <= figures.stopped_seconds.items()
    assert figures.planned_seconds == 40


def test_a_suspended_machine_may_get_another_runtime() -> None:
    """It keeps its own state, or draws one if that was removed; it stays suspended, and then continues in it."""
    plant = FactoryMessageGenerator.of(only("cnc_machine", 30, dwell_seconds=BUSY), 1)
    for one in machines(plant):
        one.suspend(BLOCKED, START_MS)
    states = {"running": 1.0, "asleep": 1.0}
    plant.reload(only("cnc_machine", 30, statuses=list(states), status_distribution=states, dwell_seconds={}))
    assert {one.state.name for one in machines(plant)} == {"blocked"}
    for one in machines(plant):
        one.resume(BLOCKED, START_MS)

    assert {one.state.name for one in machines(plant)} == {"running", "asleep"}


# All in step


PLANTS = st.builds(
    lambda count, report, cycle, dwell: config(
        {"welding": count, "cnc_machine": 2},
        welding={"report_seconds": report, "cycle_time_range": cycle},
        cnc_machine={"dwell_seconds": dwell},
        customer_order={"orders_per_hour": 600.0},
    ),
    st.integers(0, 3),
    st.sampled_from([0.7, 5.0, 12.0]),
    st.sampled_from([[0.5, 1.0], [6.0, 10.0], [12.0, 13.0]]),
    st.sampled_from([BUSY, {}]),
)
CUTS = st.lists(st.floats(0, 300), max_size=20).map(sorted)


@given(plants=st.lists(PLANTS, min_size=1, max_size=4), seconds=st.floats(1, 60))
@settings(max_examples=examples(40), deadline=None)
def test_living_in_step_is_living_alone_where_nobody_interferes(plants: list[PlantConfig], seconds: float) -> None:
    """Byte for byte, over reloads that change periods and cycles too."""
    alone, in_step = (FactoryMessageGenerator.of(plants[0], 1) for _ in range(2))
    in_step.set_participants(Stops((), BLOCKED, 7_000, 3_000))
    for then in plants:
        alone.reload(then)
        in_step.reload(then)
        assert in_step.advance(in_step.now + seconds) == alone.advance(alone.now + seconds)


def test_an_unreported_job_is_reported_in_order_when_its_type_starts_to_report_each_job() -> None:
    """At the machine's next event, or in its next message if that is earlier."""
    restless = {"dwell_seconds": {"running": 5.0, "idle": 2.0, "cooling": 2.0, "faulted": 2.0}}
    crowd = only("welding", 300, cycle_time_range=[0.5, 1.0], **restless)
    alone, in_step = (FactoryMessageGenerator.of(only("welding", 300, **restless), 1) for _ in range(2))
    in_step.set_participants(Stops((), BLOCKED, 7_000, 3_000))
    told = []
    for plant in (alone, in_step):
        told.append(plant.advance(START + 60))
        plant.reload(crowd)
        told.append(plant.advance(START + 90))

    assert told[:2] == told[2:]


@given(plants=PLANTS, cuts=CUTS, every=st.integers(2_000, 60_000))
@settings(max_examples=examples(40), deadline=None)
def test_steps_of_time_change_no_byte_of_suspended_machines(plants: PlantConfig, cuts: list[float], every: int) -> None:
    """Messages and ground truth do not depend on the steps of time, nor on OEE figures that are read meanwhile."""
    whole, pieces = (stopped(plants, every, every // 3, PLANNED_STOP, STARVED) for _ in range(2))
    heard: list[list[Told]] = [[], []]
    for plant, told in zip((whole, pieces), heard, strict=True):
        plant.listen(told.append)
    rows: list[Message] = []
    for cut in cuts:
        rows += pieces.advance(START + cut)
        pieces.oee()

    assert rows + pieces.advance(START + 300) == whole.advance(START + 300)
    assert heard[0] == heard[1]


def without_suspensions(stays: Sequence[StateInterval]) -> Iterator[tuple[str, int]]:
    """States with their lengths, as if no time had passed in planned stops; neighbours put together."""
    state, length_ms = "", 0
    for stay in stays:
        if stay.state not in (state, "planned_stop"):
            yield state, length_ms
            state, length_ms = stay.state, 0
        length_ms += (stay.to_ms - stay.from_ms) * (stay.state != "planned_stop")
    yield state, length_ms


@pytest.mark.parametrize("plants", [config(), original()], ids=["default", "original"])
def test_stays_and_jobs_pass_on_operating_time_alone(plants: PlantConfig) -> None:
    """Take the planned stops out of a plant's time, and what is left is the plant without them."""
    told: list[list[Told]] = [[], []]
    plant, free = stopped(plants, 60_000, 20_000), FactoryMessageGenerator.of(plants, 1)
    for its, heard in zip((plant, free), told, strict=True):
        its.listen(heard.append)
    plant.advance_silently(START + 3620)  # 60 stops of 20 s, the last of them just over
    free.advance_silently(START + 3620 - 60 * 20)
    for its in (plant, free):
        its.close_truth()

    for name in (view.machine_id for view in plant.machines()):
        held, unstopped = ([each for each in its if each.machine_id == name] for its in told)
        stays = [[each for each in its if isinstance(each, StateInterval)] for its in (held, unstopped)]
        assert list(without_suspensions(stays[0])) == list(without_suspensions(stays[1]))
        jobs = [[each for each in its if isinstance(each, FinishedJob)] for its in (held, unstopped)]
        assert [job.job_id for job in jobs[0]] == [job.job_id for job in jobs[1]]


def test_suspended_machines_report_the_reason() -> None:
    """At their times as ever, a third of them from a stop of a third of the time."""
    told = by_machine(stopped(config(), 60_000, 20_000).advance(START + 3600))
    free = by_machine(said(config(), 3600))

    for name, its in told.items():
        assert [row["timestamp"] for row in its] == [row["timestamp"] for row in free[name]]
        share = sum(row.get("status") == "planned_stop" for row in its) / len(its)
        assert share == pytest.approx(1 / 3 if "status" in its[0] else 0, abs=0.02)


@pytest.mark.parametrize("plants", [config(), original()], ids=["default", "original"])
def test_no_job_is_lost_or_repeated_in_a_stop(plants: PlantConfig) -> None:
    """Each machine's numbers are consecutive, whether its type reports each job or not."""
    for name, its in by_machine(stopped(plants, 6_000, 2_000).advance(START + 3600)).items():
        ids = [identity for row in its if "machine_id" in row and (identity := job_id(row))]
        assert consecutive(ids)
        assert ids or name in ("customer_order", "dispatch")


@given(plants=PLANTS, silent=st.floats(0, 600), every=st.integers(2_000, 60_000))
@settings(max_examples=examples(30), deadline=None)
def test_after_dropped_messages_suspended_machines_emit_the_same(
    plants: PlantConfig, silent: float, every: int
) -> None:
    """As without suspensions: the rest of the messages is the same to the byte."""
    quiet, loud = (stopped(plants, every, every // 3) for _ in range(2))
    quiet.advance_silently(START + silent)
    loud.advance(START + silent)
    rows = [[row.payload for row in plant.advance(START + silent + 60)] for plant in (quiet, loud)]

    assert rows[0] == rows[1]
    assert all(quiet.oee(span) == loud.oee(span) for span in SPANS)


def test_the_next_deadline_is_known_in_step_too() -> None:
    """No message is emitted before it."""
    plant = stopped(original(), 20_000, 10_000)
    for _ in range(500):
        due = plant.next_due()
        assert plant.advance(due - 0.001) == []
        plant.advance(due)


def test_machines_may_be_left_to_themselves_again() -> None:
    """Without participants the plant goes on from its current state."""
    plant = stopped(config(), 60_000, 20_000)
    plant.advance(START + 90)
    plant.set_participants()

    assert {row["status"] for its in by_machine(plant.advance(START + 600)).values() for row in its if "status" in row}


def test_a_long_step_makes_messages_of_some_thousand_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks at a signal meanwhile goes through the rows that wait; the messages are those of short steps."""
    taken: list[int] = []

    def take(fleet: Fleet) -> list[tuple[int, int, int, Message]]:
        collected = take_collected(fleet)
        taken.append(len(collected))
        return collected

    take_collected = Fleet.take_collected
    monkeypatch.setattr(Fleet, "take_collected", take)
    presses = read(press() | {"calendar": CALENDAR})
    whole = said(presses, 7200)
    most, in_steps = max(taken), FactoryMessageGenerator.of(presses, 1)

    assert len(whole) > 8_000
    assert most < 5_000
    assert [each for end in range(9, 7201, 9) for each in in_steps.advance(START + end)] == whole
