"""What holds for plants of any machine types of one's own, whatever their entries have."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.runtime.run_options import RunOptions
from edge.settings.loader import Settings
from edge.workers.partition import _order_of, split_count
from messages import START, FactoryMessageGenerator
from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.machine_types.machine_type import MessageClass
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.telemetry import Message, machine_of
from plant.truth.events import FinishedJob, StateInterval, TruthEvent
from tests.support.examples import THOROUGH, examples
from tests.support.exports.schemas import checks, refused
from tests.support.factory.breaking import Broken, breaking
from tests.support.factory.ownplants import begun, in_pieces, own_plants, published, run, seldom

SECONDS = 150
"""Long enough for a planned stop and some stays in each state."""

moments = st.lists(st.sampled_from([0.001, 3.0, 59.999, 60.0, 77.7, 120.0]) | st.floats(0, SECONDS), max_size=5)
seconds = st.integers(0, SECONDS) | st.sampled_from([60.0, 33.333])


WAITING = ("blocked", "starved", "planned_stop")


def rows_at_once(fewest: int) -> Any:
    """Let so many rows, or more, be made as columns."""
    return patch("plant.fleets.reporter._FEW_ROWS", fewest)


@seldom
@given(own_plants())
def test_rows_and_columns_have_the_same_bytes(config: PlantConfig) -> None:
    """Messages that are made one at a time are those that are made as columns."""
    with rows_at_once(10**9):
        single = run(config, SECONDS)
    with rows_at_once(1), patch("plant.fleets.reporter._ROWS_OF_A_BLOCK", 20):
        assert run(config, SECONDS) == single


@seldom
@given(own_plants(), moments)
def test_no_cut_of_time_changes_a_byte(config: PlantConfig, cuts: list[float]) -> None:
    """Many small advances give the messages of one."""
    assert in_pieces(begun(config), [*cuts, SECONDS]) == run(config, SECONDS)


@seldom
@given(own_plants(), seconds)
def test_nothing_is_due_before_next_due(config: PlantConfig, until: float) -> None:
    """A run that sleeps until `next_due` misses nothing."""
    plant = begun(config)
    plant.advance(START + until)
    due = plant.next_due()
    assume(due < math.inf)

    assert plant.advance(due - 0.001) == []


@seldom
@given(own_plants(coupled=False), st.integers(1, 4))
def test_all_shards_together_are_the_whole(config: PlantConfig, count: int) -> None:
    """The messages of the shards, sorted as the workers sort them, are those of the whole plant."""
    shards = [begun(config, (number, count)) for number in range(1, count + 1)]
    order = _order_of(shards)
    merged = sorted((message for shard in shards for message in shard.advance(START + SECONDS)), key=order)

    assert published(merged) == run(config, SECONDS)


@seldom
@given(own_plants(coupled=False), st.integers(1, 3), st.integers(1, 200))
def test_workers_share_the_first_messages(config: PlantConfig, count: int, first: int) -> None:
    """`--count` is divided so that the workers publish the first messages of the whole, and no others."""
    parts = Settings.load({"SEED": "1", "WORKERS": str(count)}, pid=1).of_workers()
    counts = split_count(RunOptions(count=first, start=START, duration=60.0), parts, config)
    plants = [FactoryMessageGenerator.of(config, part.seed, shard=part.part) for part in parts]
    whole = FactoryMessageGenerator.of(config, parts[0].seed).advance(START + SECONDS)
    assume(len(whole) >= first and whole[first - 1].time_ms <= (START + 60) * 1000)
    divided = [
        message for plant, own in zip(plants, counts, strict=True) for message in plant.advance(START + 60)[:own]
    ]

    assert Counter(divided) == Counter(whole[:first])


@seldom
@given(own_plants(), seconds, st.sampled_from(["reload", "keep", "take back"]))
def test_a_reload_without_a_change_changes_no_byte(config: PlantConfig, until: float, way: str) -> None:
    """Also if it is tried only, and taken back."""
    plant = begun(config)
    messages = plant.advance(START + until)
    if way == "reload":
        plant.reload(config)
    else:
        trial = plant.try_out(config)
        trial.keep() if way == "keep" else trial.take_back()

    assert published([*messages, *plant.advance(START + SECONDS)]) == run(config, SECONDS)


@seldom
@given(own_plants(sequence=False), seconds, seconds)
def test_messages_after_a_silent_time_are_those_without_it(config: PlantConfig, begin: float, end: float) -> None:
    """`advance_silently` drops messages and changes nothing else but their numbers, and when alarms are raised.

    Of alarms nothing is raised or cleared in time that is skipped: tests/plant/alarms/test_alarm_messages.py.
    """
    begin, end = sorted((begin, end))
    plant = begun(config)
    plant.advance(START + begin)
    plant.advance_silently(START + end)
    after = published(plant.advance(START + SECONDS))
    whole = [each for each in run(config, SECONDS) if each.message.time_ms > round((START + end) * 1000)]

    assert unnumbered(not_of_alarms(config, after)) == unnumbered(not_of_alarms(config, whole))


def not_of_alarms(config: PlantConfig, messages: Sequence[Any]) -> list[Any]:
    """Return the messages that do not report that an alarm is raised or cleared."""
    kinds = {each.kind for entry in config.message_types.machines.values() for each in entry.alarm_messages}
    return [each for each in messages if each.message.kind not in kinds]


def unnumbered(messages: Any) -> list[Any]:
    """Return messages without their numbers."""
    return [each._replace(message=each.message._replace(sequence=0)) for each in messages]


@seldom
@given(own_plants(), own_plants(), seconds)
def test_a_trial_that_is_taken_back_leaves_no_trace(first: PlantConfig, then: PlantConfig, until: float) -> None:
    """Whatever was tried."""
    plant = begun(first)
    messages = plant.advance(START + until)
    plant.try_out(then).take_back()

    assert published([*messages, *plant.advance(START + SECONDS)]) == run(first, SECONDS)


@settings(seldom, max_examples=examples(10) if THOROUGH else 4)
@given(own_plants(), own_plants(), seconds, st.floats(0, 1))
def test_a_change_that_fails_leaves_no_trace(first: PlantConfig, then: PlantConfig, until: float, share: float) -> None:
    """Wherever it fails; what keeps it (`reload` does that at once) comes when nothing can fail any more."""
    other = begun(first)
    other.advance(START + until)
    with breaking(0) as called:
        other.try_out(then)
    plant = begun(first)
    messages = plant.advance(START + until)
    try:
        with breaking(1 + int(share * (len(called) - 1))):
            plant.try_out(then)
        assume(False)  # what is computed once only had been computed before
    except Broken:
        pass

    assert published([*messages, *plant.advance(START + SECONDS)]) == run(first, SECONDS)


@seldom
@given(own_plants(), own_plants(), st.integers(0, 100))
def test_any_plant_may_become_any_other(first: PlantConfig, then: PlantConfig, until: int) -> None:
    """And back again: numbers have no gap, no job is reported twice, and the time of each machine adds up."""
    plant, heard = begun(first), list[TruthEvent]()
    plant.listen(heard.append)
    messages = plant.advance(START + until)
    for turn, config in enumerate((then, first), 1):
        plant.oee()  # advances all machines to now
        before = {view.machine_id: view for view in plant.machines()}
        plant.reload(config)
        assert_jobs_kept(before, plant)
        plant.listen(heard.append)
        messages += plant.advance(START + until + 60 * turn)
    plant.close_truth()

    assert_in_order(messages)
    assert_numbered(messages)
    assert_time_adds_up(plant, heard)


def assert_jobs_kept(before: dict[str, Any], plant: FactoryMessageGenerator) -> None:
    """A machine that stays is on the same job, unless its type made nothing before, or it waited to start the next."""
    for view in plant.machines():
        earlier = before.get(view.machine_id)
        if earlier and earlier.job_id and view.job_id and earlier.status not in WAITING:
            assert view.job_id == earlier.job_id


def assert_in_order(messages: Sequence[Message]) -> None:
    """Time never goes back."""
    times = [message.time_ms for message in messages]
    assert times == sorted(times)


def assert_numbered(messages: Sequence[Message]) -> None:
    """The messages of each source are numbered 1, 2, 3 ..."""
    counted: Counter[str] = Counter()
    for message in messages:
        counted[message.source] += 1
        assert message.sequence == counted[message.source], message


def assert_time_adds_up(plant: FactoryMessageGenerator, heard: Sequence[TruthEvent]) -> None:
    """Stays follow each other, and their sums are the OEE figures."""
    stays = defaultdict(list)
    for event in heard:
        if isinstance(event, StateInterval):
            stays[event.machine_id].append(event)
    for figures in plant.oee():
        own = stays[figures.machine_id]
        assert own[-1].to_ms == round(plant.now * 1000)
        total = figures.producing_seconds + sum(figures.stopped_seconds.values())
        assert total == pytest.approx(sum(stay.to_ms - stay.from_ms for stay in since_created(own)) / 1000)


def since_created(stays: Sequence[StateInterval]) -> list[StateInterval]:
    """Return the stays after the last gap: a machine that was removed and added again begins anew."""
    begin = max((place for place in range(1, len(stays)) if stays[place - 1].to_ms != stays[place].from_ms), default=0)
    return [*stays[begin:]]


@seldom
@given(own_plants())
def test_every_message_is_as_its_schema_says(config: PlantConfig) -> None:
    """The schema that is exported, which knows each key."""
    assert [*refused(checks(config), begun(config).advance(START + SECONDS))] == []


@seldom
@given(own_plants())
def test_every_message_has_the_declared_keys_in_order(config: PlantConfig) -> None:
    """JSON with the timestamp first, then the fields, in the objects in which they were declared."""
    messages = begun(config).advance(START + SECONDS)
    classes = {each.kind: each for each in config.message_classes()}

    assert_in_order(messages)
    assert_numbered(messages)
    for message in messages:
        if message.kind not in EVENTS:
            row = orjson.loads(message.payload)
            assert [*paths(row)][: len(declared(classes[message.kind]))] == declared(classes[message.kind])
            assert_stamped(classes[message.kind], row, message)


def paths(row: dict[str, Any], within: str = "") -> Iterator[str]:
    """Yield the place of each value, such as `data.temperature`."""
    for key, value in row.items():
        if isinstance(value, dict):
            yield from paths(value, f"{within}{key}.")
        else:
            yield within + key


def declared(each: MessageClass) -> list[str]:
    """Return the places of the values of a class, in order."""
    return [*([each.timestamp] if each.timestamp else []), *(field.path for field in each.fields)]


def assert_stamped(each: MessageClass, row: dict[str, Any], message: Message) -> None:
    """Timestamp and number in the message are those beside it."""
    if each.timestamp and each.form == "epoch_ms":
        assert row[each.timestamp] == message.time_ms
    elif each.timestamp and each.form == "epoch_s":
        assert round(row[each.timestamp] * 1000) == message.time_ms
    for field in each.fields:
        if field.source is FieldSource.SEQUENCE and not field.within:
            assert row[field.name] == message.sequence


@seldom
@given(own_plants())
def test_every_finished_job_is_reported_once(config: PlantConfig) -> None:
    """In order, by the messages that have its id; at the end one may be left for the next message."""
    plant, heard = begun(config), list[TruthEvent]()
    plant.listen(heard.append)
    messages = plant.advance(START + SECONDS)
    finished, told = defaultdict(list), defaultdict(list)
    for event in heard:
        if isinstance(event, FinishedJob):
            finished[event.machine_id].append(event.job_id)
    names = {each.kind: name for each in config.message_classes() if (name := key_of_finished(each))}
    for message in messages:
        if (name := names.get(message.kind)) and (job := orjson.loads(message.payload)[name]) is not None:
            told[machine_of(message)].append(job)
    for key, machine_type, count in config.machines():
        if key_of_finished(machine_type.main):
            for machine_id in map(machine_type.id_of, range(1, count + 1)):
                assert told[machine_id] == finished[machine_id][: len(told[machine_id])], key
                assert len(finished[machine_id]) - len(told[machine_id]) <= 1, key


def key_of_finished(each: MessageClass) -> str | None:
    """Return the key of the finished job's id in messages of a class, if it is there and in no object."""
    sources = (field for field in each.fields if field.source is FieldSource.FINISHED_ID and not field.within)
    return next((field.name for field in sources), None)
