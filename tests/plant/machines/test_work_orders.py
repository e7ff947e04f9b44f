"""Orders of machines: several lots of one kind follow each other, and only orders are followed by a changeover."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import orjson
import pytest

from plant.forecast.rate_forecast import forecast
from plant.truth.events import FinishedJob
from tests.support.factory.plants import share_error, standard_error
from tests.support.factory.truths import JOB, Truth, press, truth

KINDS = {"a": 3, "b": 1, "c": 2}
LOTS: dict[str, Any] = {"size": [2, 6], "per_order": [1, 4], "changeover_seconds": 30}
WITH_ORDERS: dict[str, Any] = {"job": {**JOB, "kinds": KINDS}, "lots": LOTS}
Orders = Sequence[Sequence[FinishedJob]]


@pytest.fixture(scope="module")
def made() -> Truth:
    """Twelve machines over ten hours."""
    return truth(press(count=12, **WITH_ORDERS), 10)


def orders_of(jobs: Sequence[FinishedJob]) -> Orders:
    """All orders of a machine, of which the first and the last one may not be whole."""
    return [list(group) for _, group in groupby(jobs, key=lambda job: job.order)]


def whole_orders(made: Truth) -> Orders:
    """The whole orders of all machines."""
    return [order for jobs in made.jobs.values() for order in orders_of(jobs)[1:-1]]


def test_orders_have_numbers_of_lots_of_the_declared_range_all_equally_likely(made: Truth) -> None:
    """1 to 4 lots, each in a quarter of the orders; within 4 standard errors."""
    counts = Counter(len({job.lot for job in order}) for order in whole_orders(made))
    total = sum(counts.values())

    assert set(counts) == {1, 2, 3, 4}
    assert all(abs(each / total - 1 / 4) < 4 * share_error(1 / 4, total) for each in counts.values())


def test_an_order_is_of_one_kind_and_kinds_have_their_shares_of_the_orders(made: Truth) -> None:
    """Also after an order of the same kind, so that the shares are exact."""
    orders = whole_orders(made)
    kinds = Counter(order[0].kind for order in orders)

    assert all(len({job.kind for job in order}) == 1 for order in orders)
    for kind, weight in KINDS.items():
        assert kinds[kind] / len(orders) == pytest.approx(weight / 6, abs=4 * share_error(weight / 6, len(orders)))


def test_no_changeover_comes_between_lots_of_an_order(made: Truth) -> None:
    """A machine changes over as often as its orders change their kind; one may be cut off at the end."""
    for machine_id, stays in made.stays.items():
        changes = sum(stay.state == "changeover" for stay in stays)
        between = sum(before[0].kind != after[0].kind for before, after in pairwise(orders_of(made.jobs[machine_id])))
        assert between <= changes <= between + 1


def test_a_machine_begins_anywhere_in_an_order() -> None:
    """As one would meet it: longer orders more often, so the lots that are left have the mean 1 (1/4 (0 + ... + 3))."""
    made = truth(press(count=400, **WITH_ORDERS), 0.2)
    left = [len({job.lot for job in orders_of(jobs)[0]}) - 1 for jobs in made.jobs.values()]
    mean = sum(lots * (lots - 1) / 2 for lots in range(1, 5)) / sum(range(1, 5))

    assert statistics.mean(left) == pytest.approx(mean, abs=4 * standard_error(left))


def test_messages_and_ground_truth_lead_from_order_to_lot_to_job() -> None:
    """Each finished job is reported with its lot and its order; a lot is in one order."""
    fields = ["timestamp", "machine_id", "finished.id", "job.order", "job.lot", "job.lot_position"]
    made = truth(press(count=2, fields=fields, report_seconds=2, **WITH_ORDERS), 2)
    rows = [row for row in (orjson.loads(message.payload) for message in made.messages) if row.get("finished.id")]
    jobs = {job.job_id: job for job in made.all_jobs}
    orders = {(row["job.lot"], row["job.order"]) for row in rows}

    assert len(rows) > 500
    assert all(row["job.order"] == jobs[row["finished.id"]].order for row in rows)
    assert all(row["job.order"].startswith(f"WO-{row['machine_id']}-") for row in rows)
    assert len({lot for lot, _ in orders}) == len(orders)
    assert len({order for _, order in orders}) < len(orders)


def test_the_forecast_counts_changeovers_between_orders() -> None:
    """The messages of changes that `check` expects are those that come: within 3 %."""
    messages = {"states": {"fields": ["status"], "on_change": True}}
    config = press(count=40, **WITH_ORDERS, messages=messages)
    [found] = [each.extra_per_second for each in forecast(config).types]

    assert found == pytest.approx(sum(bool(each.trigger) for each in truth(config, 5).messages) / 18_000, rel=0.03)


def test_without_a_number_of_lots_each_lot_is_an_order_of_its_own() -> None:
    """So a message about an order always names one."""
    made = truth(press(count=2, **{**WITH_ORDERS, "lots": {"size": [2, 6]}}), 2)

    assert len({job.order for job in made.all_jobs}) == len({job.lot for job in made.all_jobs}) > 10
