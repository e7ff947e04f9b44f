"""Declared transitions are what happens, and each state still has its share of the time."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

import orjson
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.document.errors import PlantConfigError
from plant.definition.plant_config import PlantConfig, parse
from plant.definition.states.transitions import chain, separate
from plant.truth.events import StateInterval, TruthEvent
from tests.support.examples import THOROUGH, examples

MANY: Final = 2_000 if THOROUGH else 700
STATES: Final[dict[str, dict[str, Any]]] = {
    "running": {"share": 0.7, "dwell_seconds": 300, "produces": True},
    "faulted": {"share": 0.1, "dwell_seconds": 120, "distribution": "lognormal"},
    "maintenance": {"share": 0.08, "dwell_seconds": [60, 180]},
    "idle": {"share": 0.08, "dwell_seconds": 90},
    "warming_up": {"share": 0.04, "dwell_seconds": 30, "distribution": "fixed"},
}
ROWS: Final = {
    "faulted": {"maintenance": 0.4, "warming_up": 0.6},
    "running": {"warming_up": 0},
    "warming_up": {"running": 2},
}


def plant(states: Mapping[str, Any], rows: Mapping[str, Any], count: int, **more: Any) -> PlantConfig:
    """A type with these states and transitions."""
    lathe = {"count": count, "report_seconds": 600, "states": states, "transitions": rows} | more
    return parse({"message_types": {"lathe": lathe}})


def mistakes(types: Mapping[str, Any]) -> list[str]:
    """What is wrong with these types, each as place and rule."""
    with pytest.raises(PlantConfigError) as error:
        parse({"message_types": types})
    return [f"{each.path}: {each.rule}" for each in error.value.mistakes]


def followers(config: PlantConfig, seconds: float) -> Counter[tuple[str, str]]:
    """How often each state follows each, over all machines."""
    heard: dict[str, list[str]] = {}

    def listen(event: TruthEvent) -> None:
        if isinstance(event, StateInterval):
            heard.setdefault(event.machine_id, []).append(event.state)

    generator = FactoryMessageGenerator.of(config, 1)
    generator.listen(listen)
    generator.advance(START + seconds)
    generator.oee()  # a machine is otherwise where its last message has left it
    return Counter(pair for states in heard.values() for pair in pairwise(states))


def shares_are_right(config: PlantConfig, hours: int = 3, errors: int = 4) -> None:
    """Assert that each state has its share within so many standard errors: in two messages, and of the time."""
    [(_, lathe, count)] = config.machines()
    generator = FactoryMessageGenerator.of(config, 1)
    for _ in range(2):
        regular = [each for each in generator.advance(generator.now + 600) if not each.trigger]
        told = [orjson.loads(message.payload)["status"] for message in regular]
        for state, share in lathe.shares.items():
            error = math.sqrt(share * (1 - share) / count)
            assert told.count(state) / count == pytest.approx(share, abs=errors * error + 1e-9), state
    generator.advance(START + hours * 3600)
    for state, share in lathe.shares.items():
        if not lathe.states[state].produces:
            of_time = [figures.stopped_seconds.get(state, 0.0) / (hours * 3600) for figures in generator.oee()]
            error = statistics.stdev(of_time) / math.sqrt(count)
            assert statistics.mean(of_time) == pytest.approx(share, abs=errors * error + 1e-9), state


def test_each_state_has_its_share_from_the_first_message_on() -> None:
    """Whatever follows whatever."""
    shares_are_right(plant(STATES, ROWS, MANY))


def test_rows_with_weights_are_all_that_follows_in_proportion_to_them() -> None:
    """Within four standard errors; and a weight of 0 forbids a state alone."""
    found = followers(plant(STATES, ROWS, 400), 20_000)
    after = Counter({to: count for (state, to), count in found.items() if state == "faulted"})
    error = math.sqrt(0.4 * 0.6 / after.total())

    assert {*after} == {"maintenance", "warming_up"}
    assert after["maintenance"] / after.total() == pytest.approx(0.4, abs=4 * error)
    assert {to for state, to in found if state == "warming_up"} == {"running"}
    assert {to for state, to in found if state == "running"} == {"faulted", "maintenance", "idle"}


def test_a_machine_warms_up_after_each_repair() -> None:
    """With the times between failures and to repair: one repair, one warm-up."""
    states = {
        "running": {"share": 0.9, "dwell_seconds": 600, "produces": True},
        "faulted": {"mtbf_hours": 2, "mttr_minutes": 10, "distribution": "lognormal"},
        "warming_up": {"share": 0.9 * 5 / 120, "dwell_seconds": 300, "distribution": "fixed"},
        "idle": {"share": 0.05, "dwell_seconds": 60},
    }
    rows = {
        "faulted": {"warming_up": 1},
        "warming_up": {"running": 1},
        "running": {"warming_up": 0},
        "idle": {"warming_up": 0},
    }
    config = plant(states, rows, 500)
    found = followers(config, 40_000)
    [(_, lathe, _)] = config.machines()
    producing_hours = 500 * 40_000 / 3600 * lathe.shares["running"]
    repairs = sum(count for (state, _), count in found.items() if state == "faulted")

    assert {to for state, to in found if state == "faulted"} == {"warming_up"}
    assert {state for state, to in found if to == "warming_up"} == {"faulted"}
    assert repairs == pytest.approx(producing_hours / 2, rel=4 / math.sqrt(producing_hours / 2))
    shares_are_right(config)


T = TypeVar("T")
names = st.sampled_from("abcde")
rates = st.dictionaries(names, st.floats(1e-3, 1e3), min_size=2)
weights = st.one_of(st.just(0.0), st.floats(0.1, 10))
declared = st.dictionaries(names, st.dictionaries(names, weights, max_size=4), max_size=4)


def four(each: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    """One for each of the states a to d."""
    return st.lists(each, min_size=4, max_size=4)


distributions = four(st.sampled_from([{}, {"distribution": "fixed"}, {"distribution": "lognormal"}]))
transitions = st.dictionaries(
    st.sampled_from("abcd"), st.dictionaries(st.sampled_from("abcd"), weights, min_size=1, max_size=3), min_size=1
)


@settings(max_examples=examples(30))
@given(rates, st.sets(names), declared)
@example({"a": 498.0, "b": 571.0, "c": 0.001}, {"a"}, {})
def test_chances_keep_the_rates_and_the_rules_or_there_are_none(
    entered: dict[str, float], ends: set[str], rows: dict[str, dict[str, float]]
) -> None:
    """Each state is entered at its rate, forbidden pairs have no chance, rows are as given; or there is a reason."""
    final = ends & entered.keys()
    rules = {
        name: {to: weight for to, weight in row.items() if to in entered and not (to == name and name in final)}
        for name, row in rows.items()
    }
    found = chain(entered, final, rules)
    if found.conflict:
        _, _, often, wanted = found.conflict
        assert often > wanted
        return
    for name, rate in entered.items():
        into = sum(entered[other] * found.rows[other].get(name, 0.0) for other in entered)
        assert into == pytest.approx(rate, rel=1e-6)
        given_row = rules.get(name, {})
        assert not any(found.rows[name].get(to) for to, weight in given_row.items() if not weight)
        assert name not in final or name not in found.rows[name]
        if total := sum(given_row.values()):
            assert found.rows[name] == pytest.approx({to: each / total for to, each in given_row.items() if each})


@settings(max_examples=examples(15, 4), deadline=None, phases=[Phase.explicit, Phase.generate])  # a second each
@given(four(st.floats(0.05, 1)), four(st.sampled_from([20, 60, 150])), distributions, transitions)
@example(  # once a stay of b was over within its millisecond, and d followed d
    [0.16, 1.0, 0.7279823622696099, 0.3333333333333333],
    [60, 60, 150, 60],
    [{"distribution": "lognormal"}, {}, {"distribution": "lognormal"}, {}],
    {"d": {"b": 9.798269211700713}},
)
def test_random_plants_keep_shares_and_rules(
    shares: list[float], dwells: list[int], stays: list[dict[str, str]], rows: dict[str, dict[str, float]]
) -> None:
    """Or they are refused, with a sentence about the transitions."""
    config = random_plant(shares, dwells, stays, rows, 300)
    if config is None:
        return
    # Thorough runs have new plants each time, and so much that is within four errors that some of it would not be.
    shares_are_right(config, 1, errors=5)
    follow_the_rows(config, 3_000, rows)


@settings(max_examples=examples(20), deadline=None)
@given(four(st.floats(0.05, 1)), four(st.sampled_from([0.1, 0.3, 60])), distributions, transitions)
@example([1, 1, 1, 1], [0.1] * 4, [{}, {}, {}, {}], {"b": {"c": 1}, "c": {"d": 1}, "d": {"a": 1}})
def test_stays_of_a_moment_keep_the_rules(
    shares: list[float], dwells: list[float], stays: list[dict[str, str]], rows: dict[str, dict[str, float]]
) -> None:
    """However short the stays of a state are, none is left out between two others."""
    config = random_plant(shares, dwells, stays, rows, 2)
    if config is not None:
        follow_the_rows(config, 100, rows)


def random_plant(
    shares: list[float],
    dwells: Sequence[float],
    stays: list[dict[str, str]],
    rows: dict[str, dict[str, float]],
    count: int,
) -> PlantConfig | None:
    """A type with the states a to d; None if its transitions are refused."""
    states = {
        name: {"share": share, "dwell_seconds": dwell} | stay
        for name, share, dwell, stay in zip("abcd", shares, dwells, stays, strict=True)
    }
    try:
        return plant(states, rows, count)
    except PlantConfigError as error:
        assert {each.path.split(".")[2] for each in error.mistakes} == {"transitions"}  # noqa: PT017 - either way
        return None


def follow_the_rows(config: PlantConfig, seconds: float, rows: dict[str, dict[str, float]]) -> None:
    """Assert that no state follows another one, or itself, that the rows do not let follow it."""
    found = followers(config, seconds)
    assert not [pair for pair in found if rows.get(pair[0], {}).get(pair[1]) == 0]
    assert not [state for state, to in found if state == to]  # that is one stay, which lasts longer
    for name, row in rows.items():
        if any(row.values()):
            assert {to for state, to in found if state == name} <= {to for to, weight in row.items() if weight}


def test_rows_that_enter_a_state_too_often_are_refused_with_what_it_takes() -> None:
    """And what they suggest is taken."""
    states = {**STATES, "warming_up": {"share": 0.001, "dwell_seconds": 30}}
    place = "message_types.lathe.transitions.faulted: warming_up is entered"

    assert mistakes({"lathe": {"states": states, "transitions": ROWS}}) == [
        (
            f"{place} 1.873 times an hour after faulted, but its share and stays want 0.1249: "
            "it takes a share of at least 0.015, or stays of at most 2 s"
        )
    ]
    assert plant({**states, "warming_up": {"share": 0.015, "dwell_seconds": 30}}, ROWS, 1)
    assert plant({**states, "warming_up": {"share": 0.001, "dwell_seconds": 2}}, ROWS, 1)


def test_a_state_that_is_entered_too_seldom_is_refused() -> None:
    """Where what leads to it is not visited so often, or where nothing does."""
    only = {name: {"warming_up": 0} for name in STATES if name not in ("faulted", "warming_up")}
    [seldom] = mistakes({"lathe": {"states": STATES, "transitions": {**only, "faulted": {"warming_up": 1}}}})
    [never] = mistakes({"lathe": {"states": STATES, "transitions": {**only, "faulted": {"warming_up": 0}}}})

    rows = {**only, "faulted": {"warming_up": 1}, "warming_up": {"running": 1}}
    [bounded] = mistakes({"lathe": {"states": STATES, "transitions": rows}})

    assert seldom.endswith(
        "warming_up is entered at most 3 times an hour, after faulted, but its share and stays want 4.8: "
        "it takes a share of at most 0.025, or stays of at least 48 s"
    )
    assert bounded.endswith(
        "after faulted, but its share and stays want 4.8: it takes a share of at most 0.025, or stays of at least 48 s"
    )
    assert never.endswith("warming_up is never entered, but its share and stays want 4.8: let a state lead there")


def test_states_between_which_no_way_leads_are_refused() -> None:
    """Each machine would be in some of them only, whatever their shares."""
    states = {name: {"share": 1, "dwell_seconds": 60} for name in "abcd"}
    rows = {"a": {"b": 1}, "b": {"a": 1}}

    assert mistakes({"lathe": {"states": states, "transitions": rows}}) == [
        (
            "message_types.lathe.transitions: never leads from a and b to c and d: "
            "a machine would be in some of its states only"
        )
    ]
    assert separate({"a": {"b": 1.0}, "b": {"a": 1.0}}) == ()


def test_rows_after_which_nothing_may_come_are_refused() -> None:
    """Each state is forbidden there, or others lead to it so often already."""
    states = {name: {"share": 1, "dwell_seconds": 60, "distribution": "fixed"} for name in "abcd"}
    states["a"]["distribution"] = "exponential"
    place, why = "message_types.lathe.transitions", "each state is forbidden there, or entered as often as it may be"

    assert mistakes({"lathe": {"states": states, "transitions": {"d": {"a": 0, "b": 0, "c": 0}}}}) == [
        f"{place}.d: nothing can follow d: {why} by other rows"
    ]
    taken = {"a": {"a": 1}, "b": {"c": 0}, "d": {"b": 0, "c": 0}}
    assert mistakes({"lathe": {"states": states, "transitions": taken}})[0].startswith(f"{place}.d: nothing can follow")


def test_names_and_weights_of_rows_are_checked() -> None:
    """Unknown states, those without a share, and stays that end where they end."""
    states = {**STATES, "off": {"share": 0, "dwell_seconds": 5}}
    rows = {"faultet": {"idle": 1}, "faulted": {"maintenence": 1, "faulted": 1, "off": 2}, "idle": {"running": -1}}

    assert mistakes({"lathe": {"states": states, "transitions": rows}}) == [
        "message_types.lathe.transitions.idle.running: must be at least 0, got -1",
        "message_types.lathe.transitions.faultet: is not a state of this type; did you mean faulted?",
        "message_types.lathe.transitions.faulted.maintenence: is not a state of this type; did you mean maintenance?",
        (
            "message_types.lathe.transitions.faulted.faulted: must be 0: "
            "after a stay of a lognormal distribution comes another state"
        ),
        "message_types.lathe.transitions.faulted.off: must be 0: that state has a share of 0",
    ]


def test_a_machine_may_have_other_states_and_rows() -> None:
    """Its own states under the type's rows, or rows of its own, each as a whole; errors are reported there."""
    own = {"LATHE-01": {"states": {"idle": {"share": 0.2}}}, "LATHE-02": {"transitions": {"faulted": {"idle": 1}}}}
    config = plant(STATES, ROWS, 2, overrides=own)
    [(_, lathe, _)] = config.machines()
    wrong = {"LATHE-01": {"states": {"warming_up": {"share": 0.001}}}}

    assert lathe.of(1).shares["idle"] > 0.15
    assert lathe.of(1).next_after["faulted"] == pytest.approx({"maintenance": 0.4, "warming_up": 0.6})
    assert lathe.of(2).next_after["faulted"] == pytest.approx({"idle": 1})
    assert lathe.of(2).next_after["warming_up"] == pytest.approx({"running": 1})
    [told] = mistakes({"lathe": {"states": STATES, "transitions": ROWS, "overrides": wrong}})
    assert told.startswith('message_types.lathe.overrides."LATHE-01".states: warming_up is entered')


def test_a_type_takes_over_rows_and_may_replace_each() -> None:
    """An empty row leaves what follows to the shares; states that do not fit are reported where they are."""
    base = {"states": STATES, "transitions": ROWS}
    config = parse({"message_types": {"lathe": base, "mill": {"extends": "lathe", "transitions": {"running": {}}}}})
    mill = config.machine_type("mill")
    assert mill is not None

    assert mill.next_after["running"].keys() >= {"warming_up", "idle"}
    assert mill.next_after["faulted"] == pytest.approx({"maintenance": 0.4, "warming_up": 0.6})
    wrong = {"extends": "lathe", "states": {"warming_up": {"share": 0.001}}}
    [told] = mistakes({"lathe": base, "mill": wrong})
    assert told.startswith("message_types.mill.states: warming_up is entered")


def test_a_reload_of_the_rows_keeps_the_states_and_applies_to_what_follows() -> None:
    """The mix is the same, whatever the order: so nothing is drawn again."""
    generator = FactoryMessageGenerator.of(plant(STATES, {}, 200), 1)
    generator.advance(START + 1000)
    generator.oee()
    before = [machine.status for machine in generator.machines()]
    generator.reload(plant(STATES, ROWS, 200))

    assert [machine.status for machine in generator.machines()] == before


def test_changes_a_second_are_those_that_happen() -> None:
    """As `check` has them where each change is reported."""
    config = plant(STATES, ROWS, 500)
    [(_, lathe, _)] = config.machines()
    changes = followers(config, 20_000).total() / 500 / 20_000 + 1 / 20_000  # and the first

    assert changes == pytest.approx(lathe.changes_per_second, rel=0.02)
