"""A reload: machines continue where they are, except for what is declared otherwise from then on."""

from __future__ import annotations

import json
from typing import Final

import pytest

from plant.definition.signals.vocabulary import Vocabulary
from plant.signals.fleet_signals import FleetSignals
from tests.plant.signals.press import IDLE, PRESS, RUNNING, START_MS, compiled, machines

NOW_MS: Final = START_MS + 60_000

ACCUMULATING: Final = """
level: {base: {running: 100, else: 0}, follows_seconds: 100, decimals: 6}
total: {integral_of: level, per_seconds: 60}
jobs: {counter: jobs}
seconds: {counter: seconds.running}
wear: {ramp: {per_hour: 3600, resets: maintenance}, limits: [0, 9999]}
oven: {set_point: 180, limits: [0, 300]}
"""


REMEMBERING: Final = """
tank: {switches: {low: 2, high: 8, rises: "0.7", falls: "0.3"}, starts: 3, limits: [0, 10], decimals: 6}
share: {on_share_of: tank, decimals: 6}
heat: {formula: 100 * share, follows_seconds: 40, limits: [0, 100], decimals: 6}
speed: {formula: heat, slews_per_second: 0.2, starts: 5, limits: [0, 100], decimals: 6}
total: {integral_of: heat, per_seconds: 60}
more: {change_of: total}
"""


def worked(text: str) -> FleetSignals:
    """Return two machines, of which the second has worked since the start, and was set to 200."""
    signals = machines(compiled(text), 2)
    signals.change(1, RUNNING, START_MS, new_job=True)
    signals.count_job(1, "good", is_good=True)
    for seconds in range(5, 60, 5):
        signals.row(1, START_MS + 1000 * seconds, advances=True)
    if signals.program.set_points:
        signals.set_point(1, "oven", 200.0, START_MS + 30_000)
    return signals


def reloaded(text: str, earlier: FleetSignals, vocabulary: Vocabulary | None = None) -> FleetSignals:
    """Return the second machine alone, with signals that are declared like this from now on."""
    signals = FleetSignals(compiled(text, vocabulary=vocabulary) if vocabulary else compiled(text))
    signals.carry_over(earlier, [1], NOW_MS)
    return signals


def values(signals: FleetSignals, slot: int, after_seconds: int = 0) -> dict[str, float]:
    """Return the values by name, some seconds after the reload."""
    texts = signals.row(slot, NOW_MS + after_seconds * 1000)
    return dict(zip(signals.program.shown_names, map(json.loads, texts), strict=True))


def test_equal_declarations_make_equal_programs() -> None:
    """Programs are equal when, and only when, all that they compute is declared alike."""
    assert compiled(PRESS) == compiled(PRESS)
    assert compiled(PRESS) != compiled(PRESS.replace("sigma: 0.8", "sigma: 0.9"))


@pytest.mark.parametrize("text", [PRESS, ACCUMULATING, REMEMBERING])
def test_an_equal_program_goes_on_as_if_nothing_had_happened(text: str) -> None:
    """After a reload without a change the machines have the same bytes as without a reload."""
    earlier = worked(text)
    signals = reloaded(text, earlier)
    times = [NOW_MS + 5000 * row for row in range(50)]

    assert [signals.row(0, time_ms, advances=True) for time_ms in times] == [
        earlier.row(1, time_ms, advances=True) for time_ms in times
    ]


def test_what_a_change_does_not_touch_is_kept() -> None:
    """Lags, registers, counters, ramps and set points continue when another signal is added above them."""
    earlier = worked(ACCUMULATING)
    before = values(earlier, 1)
    signals = reloaded("new: {base: 5, follows_seconds: 9}\n" + ACCUMULATING, earlier)

    assert values(signals, 0) == {"new": 5.0, **before}
    assert values(signals, 0, 60) == {"new": 5.0, **values(earlier, 1, 60)}
    assert before == {"level": 45.118836, "total": 22.9, "jobs": 1, "seconds": 60, "wear": 60.0, "oven": 200.0}


def test_what_is_declared_otherwise_begins() -> None:
    """A register of another signal starts at 0, a set point at its new start; a lag goes on to its new level."""
    changed = (
        ACCUMULATING.replace("running: 100", "running: 60")
        .replace("set_point: 180", "set_point: 170")
        .replace("per_seconds: 60", "per_seconds: 30")
        .replace("counter: jobs", "counter: scrap")
    )
    after = values(reloaded(changed, worked(ACCUMULATING)), 0)

    assert after == {"level": 45.118836, "total": 0.0, "jobs": 0, "seconds": 60, "wear": 60.0, "oven": 170.0}


def test_memories_go_on_when_something_else_changes() -> None:
    """With another signal above or another threshold they go on from where they were, and since when."""
    earlier = worked(REMEMBERING)
    before = values(earlier, 1, 3)
    signals = reloaded("new: {base: 5, follows_seconds: 9}\n" + REMEMBERING.replace("high: 8", "high: 9"), earlier)
    kept = values(signals, 0, 3)

    assert kept == {"new": 5.0, **before}
    assert before["heat"] not in (0, 100)


def test_memories_of_something_else_begin() -> None:
    """A switch in place of a lag starts, and the change of another register counts from the reload on."""
    changed = REMEMBERING.replace("per_seconds: 60", "per_seconds: 30").replace(
        "heat: {formula: 100 * share, follows_seconds: 40",
        "heat: {switches: {low: 1, high: 9, rises: '1', falls: '1'}, starts: 4",
    )
    earlier = worked(REMEMBERING)
    signals = reloaded(changed, earlier)
    after = values(signals, 0)
    first = signals.row(0, NOW_MS + 5000, advances=True)

    assert (after["heat"], after["total"], after["more"]) == (4.0, 0.0, 0.0)
    assert after["tank"] == values(earlier, 1)["tank"]
    assert first[4] == first[5]


def test_a_change_that_is_new_counts_from_the_reload_on() -> None:
    """It does not begin with all that the register has counted before."""
    earlier = worked(REMEMBERING.replace("more: {change_of: total}", ""))
    signals = reloaded(REMEMBERING, earlier)
    before = values(signals, 0)
    texts = signals.row(0, NOW_MS + 5000, advances=True)

    assert before["total"] > 10
    assert before["more"] == 0
    assert json.loads(texts[5]) == pytest.approx(json.loads(texts[4]) - before["total"])


def test_situations_are_found_by_their_names() -> None:
    """Another order of states and other phases do not change what a machine is doing."""
    vocabulary = Vocabulary(("maintenance", "idle", "running"), "running", ("open", "close"), ("panel",), ("good",))
    text = "a: {formula: \"1 if state == 'running' and phase == 'close' and kind == 'panel' else 0\", limits: [0, 1]}"

    assert values(reloaded(text, worked(text), vocabulary), 0) == {"a": 1.0}


def test_a_machine_that_is_created_again_begins() -> None:
    """`begin` of a slot that was in use leaves nothing of before."""
    signals = worked(ACCUMULATING)
    signals.begin(1, bytes(16), IDLE, NOW_MS)

    assert values(signals, 1) == {"level": 0.0, "total": 0.0, "jobs": 0, "seconds": 0, "wear": 0.0, "oven": 180.0}


def test_pending_rows_have_to_be_computed_first() -> None:
    """A machine cannot begin again, or be taken over, while rows depend on what it was."""
    signals = worked(ACCUMULATING)
    signals.pending.add(1, NOW_MS)

    with pytest.raises(ValueError, match="rows are pending"):
        signals.begin(1, bytes(16), IDLE, NOW_MS)
    with pytest.raises(ValueError, match="rows are pending"):
        reloaded(ACCUMULATING, signals)
