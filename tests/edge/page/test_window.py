"""Facts about the figures of the last seconds."""

from __future__ import annotations

from edge.delivery.queue import Ledger
from edge.lateness import Lateness
from edge.page.figures.pace import Pace
from edge.page.figures.window import LateBy, Rates, Window


def test_rates_are_those_of_the_last_five_seconds() -> None:
    """Not of the whole run: who changes the rate wants to see it."""
    window, ledger, lateness = Window(), Ledger(), Lateness()
    for second in range(30):
        window.look(second, ledger, lateness)
        ledger.generated += 10 if second < 20 else 100
        ledger.acknowledged += 10 if second < 20 else 50

    assert window.rates() == Rates(100, 50)


def test_one_look_tells_no_rate() -> None:
    """There is nothing to compare it with."""
    window = Window()
    window.look(0.0, Ledger(), Lateness())

    assert (window.rates(), window.late_by()) == (Rates(None, None), LateBy(None, None, None))


def test_rates_go_by_the_time_that_has_passed() -> None:
    """A look may come late, or twice in a second."""
    window, ledger = Window(), Ledger()
    for at in (0.0, 0.5, 4.0):
        ledger.generated = round(100 * at)
        window.look(at, ledger, Lateness())

    assert window.rates().generated == 100


def test_a_late_turn_is_forgotten_after_ten_seconds() -> None:
    """And is there until then, also as the worst."""
    window, ledger, lateness = Window(), Ledger(), Lateness()
    worst = list[float | None]()
    for second in range(14):
        lateness.observe(0.0001)
        if second == 1:
            lateness.observe(2.0)
        window.look(second, ledger, lateness)
        worst.append(window.late_by().max_ms)

    assert worst[1:11] == [2000.0] * 10
    assert worst[12:] == [0.1, 0.1]


def test_no_percentile_is_above_the_worst() -> None:
    """Turns are counted between bounds, and the worst is known exactly."""
    window, lateness = Window(), Lateness()
    window.look(0.0, Ledger(), lateness)
    lateness.observe(0.0021)
    window.look(1.0, Ledger(), lateness)
    found = window.late_by()

    assert found.max_ms == 2.1
    assert found.p50_ms is not None
    assert found.p99_ms is not None
    assert 2.0 <= found.p50_ms <= found.p99_ms <= 2.1


def test_without_turns_nothing_is_late() -> None:
    """A plant that has stopped: null, and not zero."""
    window, lateness = Window(), Lateness()
    lateness.observe(0.1)
    for second in range(3):
        window.look(second, Ledger(), lateness)

    assert window.late_by() == LateBy(None, None, None)


def test_costly_work_is_done_more_seldom() -> None:
    """A twentieth of a core for what takes 4 s in turns, half of which it sleeps: each 40 s."""
    pace = Pace(0.05, 1.0)
    pace.done(100.0, 104.0)
    cheap = Pace(0.05, 1.0)
    cheap.done(100.0, 100.001)

    assert (pace.is_due(139.9), pace.is_due(140.0)) == (False, True)
    assert (cheap.is_due(100.5), cheap.is_due(101.0)) == (False, True)
