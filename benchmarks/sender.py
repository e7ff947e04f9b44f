"""`python -m benchmarks.sender CASE`: measures one case, a JSON object, in a process of its own; prints what came."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable

from benchmarks.case import Case, Measured
from benchmarks.senders.alone import plant_alone
from benchmarks.senders.others import mosquitto_pub, stock_paho, wait_each
from benchmarks.senders.ours import ours
from benchmarks.senders.raw import limit

SENDERS: dict[str, Callable[[Case], Measured]] = {
    "ours": ours,
    "ours_fast": ours,
    "limit": limit,
    "limit_quick": limit,
    "mosquitto_pub": mosquitto_pub,
    "stock_paho": stock_paho,
    "wait_each": wait_each,
    "plant_alone": plant_alone,
}
"""Who sends, by the name in a case."""


def main(argument: str) -> None:
    """Measure and print."""
    case = Case(**json.loads(argument))
    print(json.dumps(dataclasses.asdict(SENDERS[case.sender](case))))


if __name__ == "__main__":
    main(sys.argv[1])
