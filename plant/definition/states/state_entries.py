"""Read the states of a machine type from its entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Violation
from plant.definition.states.state_type import EXPONENTIAL, StateType
from plant.definition.states.visits import dominating

RESERVED: Final = ("planned_stop", "blocked", "starved")
"""States that machines are put into from outside."""

_PARAMETERS: Final = {"shape": "weibull", "sigma": "lognormal"}
"""Keys that only one distribution has."""

_UNIFORM: Final = "uniform"

State = Mapping[str, Any]
States = Mapping[str, State]


def read_states(
    declared: States, default_dwell: Callable[[str], float], *, ordered: bool = False
) -> tuple[dict[str, StateType], list[Violation]]:
    """Return the states, and the violations, whose places begin at the mapping of states.

    default_dwell: returns the mean stay in a state that declares none, in seconds.
    ordered: whether the order of the states is declared, which decides whether they can have their shares.
    """
    producing = [name for name, state in declared.items() if state.get("produces")]
    usual = "running" if "running" in declared else next(iter(declared))
    chosen = producing[0] if producing else usual
    wrong = [*_rules(declared, producing, chosen)]
    states = {
        name: _state(state, _share(name, declared, chosen), default_dwell(name), produces=name == chosen)
        for name, state in declared.items()
    }
    if not wrong and not any(state.weight for state in states.values()):
        wrong.append(Violation((), "needs at least one share greater than 0"))
    return states, wrong or ([] if ordered else [*_without_end(states)])


def _state(state: State, share: float, default_dwell: float, *, produces: bool) -> StateType:
    shortest, longest = _dwell(state, default_dwell)
    given = state.get("distribution", _UNIFORM if shortest < longest else EXPONENTIAL)
    # The exponential distribution is the Weibull distribution of shape 1.
    distribution = EXPONENTIAL if given == "weibull" and state.get("shape", 1.0) == 1.0 else given
    return StateType(
        weight=share,
        dwell_seconds=(shortest + longest) / 2,
        produces=produces,
        planned=state.get("planned", False),
        distribution=distribution,
        shape=state.get("shape", 1.0),
        sigma=state.get("sigma", 1.0),
        half_width_seconds=(longest - shortest) / 2,
    )


def _dwell(state: State, default_dwell: float) -> tuple[float, float]:
    """Return the shortest and longest of a uniform distribution, or the mean twice."""
    if "mttr_minutes" in state:
        seconds = 60.0 * state["mttr_minutes"]
        return seconds, seconds
    dwell = state.get("dwell_seconds", default_dwell)
    return (dwell[0], dwell[1]) if isinstance(dwell, tuple | list) else (dwell, dwell)


def _share(name: str, declared: States, chosen: str) -> float:
    """Return the share; of time to repair it is that of the producing state, as repair is to the time between."""
    state = declared[name]
    if "mtbf_hours" not in state:
        return float(state.get("share", 1.0))
    producing = float(declared[chosen].get("share", 1.0))
    return producing * float(state.get("mttr_minutes", 0.0)) / (60.0 * float(state["mtbf_hours"]))


def _rules(declared: States, producing: list[str], chosen: str) -> Iterator[Violation]:
    for name, state in declared.items():
        if name in RESERVED:
            yield Violation((name,), "is a state that machines are put into from outside: choose another name")
        yield from (
            each._replace(place=(name, *each.place)) for each in _rules_of_times(state, is_chosen=name == chosen)
        )
        yield from (each._replace(place=(name, *each.place)) for each in _rules_of_stays(state))
    if len(producing) > 1:
        rule = f"must be true in one state at most; it is in {producing[0]} already"
        yield Violation((producing[1], "produces"), rule)
    if declared[chosen].get("planned"):
        rule = "must be false in the state in which jobs advance: its time is planned working time"
        yield Violation((chosen, "planned"), rule)


def _rules_of_times(state: State, *, is_chosen: bool) -> Iterator[Violation]:
    """Check that a state has either a share, or the time between stays and that of repair."""
    given = [key for key in ("mtbf_hours", "mttr_minutes") if key in state]
    if not given:
        if "share" not in state:
            yield Violation(("share",), "is missing")
        return
    if len(given) == 1:
        missing = "mttr_minutes" if given == ["mtbf_hours"] else "mtbf_hours"
        yield Violation((missing,), f"is missing: {given[0]} needs it")
    if "share" in state:
        yield Violation((given[0],), "replaces share: give only one of them")
    if "dwell_seconds" in state:
        yield Violation(("mttr_minutes",), "replaces dwell_seconds: give only one of them")
    if is_chosen:
        yield Violation((given[0],), "is of a state in which jobs do not advance: the time between is producing time")


def _rules_of_stays(state: State) -> Iterator[Violation]:
    given = state.get("distribution")
    for key, distribution in _PARAMETERS.items():
        if key in state and given != distribution:
            yield Violation((key,), f"needs distribution: {distribution}")
    shortest, longest = _dwell(state, 1.0)
    if given == _UNIFORM and shortest == longest:
        yield Violation(
            ("dwell_seconds",), "must be [shortest, longest] of different lengths: the distribution is uniform"
        )
    if given not in (None, _UNIFORM) and shortest < longest:
        yield Violation(("dwell_seconds",), f"must be one number, the mean: the distribution is {given}")


def _without_end(states: Mapping[str, StateType]) -> Iterator[Violation]:
    """Check that no state would have to follow itself whose stays have the length that is drawn."""
    rates = {name: state.weight / state.dwell_seconds for name, state in states.items() if state.weight}
    final = {name for name in rates if states[name].distribution != EXPONENTIAL}
    if (name := dominating(rates, final)) is not None:
        others = sum(rate for other, rate in rates.items() if other != name)
        rule = (
            f"is too short for its share: after a stay of a {states[name].distribution} distribution comes another "
            f"state, so the mean must be at least {states[name].weight / others:.6g} s, or the share smaller"
        )
        yield Violation((name, "dwell_seconds"), rule)
