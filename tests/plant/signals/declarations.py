"""Random declarations of signals, and random events and rows of machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from plant.definition.signals.bounds import signal_bounds
from plant.definition.signals.signal_spec import SignalSpec
from plant.signals.laws.situations import Situation
from tests.plant.signals.press import VOCABULARY

TEXTS: Final = frozenset({"choice", "texts", "text"})
"""The sources of signals that are text."""

_WHOLE: Final = TEXTS | {"binomial"}
"""The sources of signals that have no decimals to choose."""

Declared = dict[str, dict[str, Any]]

_levels: Final = st.one_of(st.integers(-300, 300), st.floats(-1e4, 1e4).map(lambda level: round(level, 3)))
_by_state: Final = st.one_of(
    _levels,
    st.fixed_dictionaries({"running": _levels, "else": _levels}, optional={"running.press": _levels}),
    st.fixed_dictionaries({"running": _levels, "idle": _levels, "maintenance": _levels, "running.frame": _levels}),
)
_sigmas: Final = st.floats(0, 50).map(lambda sigma: round(sigma, 3))
_memories: Final = st.sampled_from([0.001, 0.02, 0.0645, 1, 20, 1800, 86_400, 31_536_000])
_seconds: Final = st.sampled_from([0.001, 0.5, 8, 240, 86_400])
_situations: Final = st.builds(
    Situation,
    st.sampled_from([*VOCABULARY.states, "planned_stop", ""]),
    st.sampled_from([None, *VOCABULARY.phases]),
    st.sampled_from([None, *VOCABULARY.kinds]),
    st.integers(0, 20_000),
    st.sampled_from([0, 1, 12_000]),
    st.integers(0, 1),
)

_parts: Final = st.fixed_dictionaries(
    {},
    optional={
        "walk": st.fixed_dictionaries({"sigma": _sigmas, "memory_seconds": _memories}),
        "noise": st.one_of(_sigmas, st.fixed_dictionaries({"running": _sigmas, "else": _sigmas})),
        "uniform": st.tuples(st.floats(-9, 0), st.floats(0.5, 9)).map(list),
        "daily": st.fixed_dictionaries({"amplitude": _sigmas, "peak_hour": st.floats(0, 24)}),
        "yearly": st.fixed_dictionaries({"amplitude": _sigmas, "peak_day": st.floats(1, 366)}),
        "spread": st.sampled_from([0.01, 0.25]),
    },
)
_ramps: Final = st.fixed_dictionaries({"per_hour": _levels, "resets": st.sampled_from(["job", *VOCABULARY.states])})
_limits: Final = st.tuples(st.floats(-1e5, 0), st.floats(0.5, 1e5)).map(list)
_bounded: Final = st.fixed_dictionaries({"limits": _limits})


_times: Final = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: "{:02d}:{:02d}".format(*time))
_windows: Final = st.fixed_dictionaries(
    {"start": _times, "end": _times, "value": _levels},
    optional={"days": st.lists(st.sampled_from(["mon", "wed", "sat", "sun"]), min_size=1)},
)
_timetables: Final = st.fixed_dictionaries(
    {"timetable": st.fixed_dictionaries({"else": _levels, "times": st.lists(_windows, min_size=1, max_size=4)})}
)
_NUMBERS: Final = ("0", "1", "-1", "0.5", "2.75", "1e-7", "120", "1e15")
_MATCHES: Final = ("state == 'running'", "phase != 'press'", "kind == 'frame'")
_COMPARISONS: Final = tuple(f"{{}} {sign} {{}}" for sign in ("<", "<=", ">", ">=", "==", "!="))
_FORMS: Final = (
    *(f"({{}} {sign} {{}})" for sign in "+-*/%"),
    *(f"({{}}) ** {power}" for power in ("0.5", "1", "1.5", "3", "6")),
    *(f"{name}({{}})" for name in ("abs", "sqrt", "floor", "round", "decay", "-")),
    "min({}, {})", "max({}, {})", "clip({}, {}, 7)",
    *(f"({{}} if {each} else {{}})" for each in (*_COMPARISONS, *_MATCHES)),
    *(f"({{}} if {_MATCHES[0]} {word} {_COMPARISONS[0]} else {{}})" for word in ("and", "or")),
)  # fmt: skip
"""Formulas, with {} for smaller ones. A recursive strategy of hypothesis takes a hundred times as long."""
_DEEPEST: Final = 3


@st.composite
def _formulas(draw: st.DrawFn, names: Sequence[str], plant: Sequence[str]) -> str:
    """Draw a formula over these signals."""
    leaves = ["age_seconds", "job_progress", "hour", *names, *(f"plant.{name}" for name in plant), *_NUMBERS]
    return _formula(draw, st.sampled_from(leaves), st.sampled_from(["{}", *_FORMS]), _DEEPEST)


def _formula(draw: st.DrawFn, leaves: st.SearchStrategy[str], forms: st.SearchStrategy[str], depth: int) -> str:
    form = draw(forms) if depth else "{}"
    if form == "{}":
        return draw(leaves)
    return form.format(*(_formula(draw, leaves, forms, depth - 1) for _ in range(form.count("{}"))))


def _is_few(data: dict[str, Any]) -> bool:
    """Whether a signal is a number of at most 100."""
    return _WHOLE.isdisjoint(data) and signal_bounds(SignalSpec.model_validate(data)).high <= 100


def _merged(*parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _sources(
    declared: Declared, numbers: Sequence[str], plant: Sequence[str]
) -> list[st.SearchStrategy[dict[str, Any]]]:
    """Return strategies for a signal of each source. declared: all above it.  numbers: those that are numbers."""
    base = st.fixed_dictionaries({"base": _by_state}, optional={"follows_seconds": _seconds})
    set_point = st.just({"set_point": 0.25, "follows_seconds": 8})
    formula = st.fixed_dictionaries({"formula": _formulas(numbers, plant)})
    counters = st.sampled_from(["jobs", "good", "scrap", "seconds.running", "seconds.idle"])
    choice = st.fixed_dictionaries(
        {"choice": st.just({"red": 3, "green": 1, "blue": 0})}, optional={"every_seconds": _memories}
    )
    sources = [
        st.builds(_merged, base, _parts),
        st.builds(_merged, base, _parts, _bounded, st.fixed_dictionaries({"ramp": _ramps})),
        st.builds(_merged, set_point, _parts, _bounded),
        st.builds(_merged, formula, _parts, _bounded),
        st.fixed_dictionaries({"counter": counters}),
        choice,
        st.builds(_merged, _timetables, _parts),
    ]
    if not numbers:
        return sources
    conditions = st.builds(
        str.format, st.sampled_from(_COMPARISONS), _formulas(numbers, plant), _formulas(numbers, plant)
    )
    texts = st.tuples(st.sampled_from([("busy", 'q"ü'), ("true", "false")]), conditions)
    items = [name for name, data in declared.items() if _is_few(data)]
    chances = st.one_of(st.sampled_from([0, 0.02, 0.5, 1]), st.sampled_from(numbers))
    binomials = st.fixed_dictionaries({"of": st.sampled_from(items or [""]), "chance": chances})
    return [
        *sources,
        *([st.fixed_dictionaries({"binomial": binomials})] if items else []),
        st.fixed_dictionaries({"integral_of": st.sampled_from(numbers)}),
        texts.map(lambda each: {"texts": dict(zip(each[0], (each[1], "else"), strict=True))}),
        st.sampled_from(numbers).map(lambda name: {"text": f'a{{{{"{{{name}}} ü'}),
    ]


@st.composite
def declarations(draw: st.DrawFn, plant: Sequence[str] = ()) -> Declared:
    """Draw the signals of a machine type. plant: names of the plant's signals."""
    declared: Declared = {}
    for number in range(draw(st.integers(1, 6))):
        numbers = [name for name, data in declared.items() if TEXTS.isdisjoint(data)]
        data = draw(st.one_of(_sources(declared, numbers, plant)))
        if _WHOLE.isdisjoint(data):
            data = data | draw(st.fixed_dictionaries({}, optional={"decimals": st.integers(0, 6)}))
        declared[f"s{number}"] = data
    return declared


class Event(NamedTuple):
    """Something that happens to a machine, after a time since the last one. what: of EVENTS."""

    what: str
    slot: int
    after_ms: int
    situation: Situation
    flag: bool


EVENTS: Final = ("row", "row", "row", "row", "change", "job", "set_point", "cut")
"""Kinds of events; a cut computes the pending rows."""

MACHINES: Final = 3

histories: Final = st.lists(
    st.builds(
        Event,
        st.sampled_from(EVENTS),
        st.integers(0, MACHINES - 1),
        st.sampled_from([0, 0, 1, 700, 5000, 3_600_000, 86_400_000 * 120]),
        _situations,
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
"""Events and rows in the order of time."""
