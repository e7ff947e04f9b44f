"""The faults and the wear of scenarios/spaceship-faults.yaml do what docs/faults.md says of them."""

from __future__ import annotations

import ast
import copy
import re
from collections import defaultdict
from functools import cache
from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.faults.fault_type import Effects
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import load, parse
from plant.truth.events import FaultEpisode
from tests.plant.faults.presses import START_MS, Seen, run
from tests.support.examples import THOROUGH, cases, thorough
from tests.support.exports import yamlread
from tools.fault_tables import SCENARIO, SEVERITIES, result_shares

CONFIG: Final = load(SCENARIO)
FAULTS: Final = [
    (key, name)
    for key, machine_type in CONFIG.message_types.machines.items()
    for name, fault in machine_type.causes.faults.items()
    if fault.sensor is None
]
WEAR: Final = [
    (key, name) for key, machine_type in CONFIG.message_types.machines.items() for name in machine_type.causes.wear
]
COUNT: Final = 12 if THOROUGH else 5
FEW: Final = 4
"""Machines where each row is compared for itself: more of them are more of the same."""
ORDER: Final = ("transitions", "only_between_jobs")
PEOPLE: Final = ("shifts", "operators", "start_delay_seconds")


def jobs_alone(key: str, **causes: Any) -> Seen:
    """Machines of a type that always produce, with these causes only, in jobs of 5 s; their messages are few."""
    return alone(key, count=COUNT, job={"cycle_seconds": 5}, report_seconds=600, **causes)


def alone(key: str, *, count: int = FEW, job: dict[str, Any] | None = None, **causes: Any) -> Seen:
    """Machines of a type that always produce, with these causes only."""
    data = yamlread.value(SCENARIO.read_text(encoding="utf-8"))
    entry = data["message_types"][key]
    machine_type = CONFIG.message_types.machines[key]
    states = {name: {"share": float(each.produces)} for name, each in machine_type.states.items()}
    for name in ("wear", "faults", "sensor_faults", "frequency_weight", "lots", "start_up", "spread", *ORDER, *PEOPLE):
        entry.pop(name, None)
    for name in ("kinds", "on_stop"):
        entry.get("job", {}).pop(name, None)
    of_lots = [{"order_id": "job.order"}, {"lot_id": "job.lot"}, "operator"]
    entry["fields"] = [field for field in entry["fields"] if field not in of_lots]
    entry |= {"states": states, "micro_stops_per_hour": 0, "slow_cycle_share": 0, "report_seconds": 20, **causes}
    entry.setdefault("job", {}).update(job or {})
    plant = {"global": {"machine_counts": {}}, "message_types": {key: {**entry, "count": count}}}
    return run(parse(plant), 1.5)


@cache
def healthy(key: str) -> Seen:
    """Machines of a type without any cause."""
    return alone(key)


def declared(key: str, section: str, name: str) -> dict[str, Any]:
    """A fault or wear as the scenario declares it."""
    data = yamlread.value(SCENARIO.read_text(encoding="utf-8"))
    found: dict[str, Any] = copy.deepcopy(data["message_types"][key][section][name])
    return found


def agrees_with(effects: Effects, machine_type: MachineType, healthy: Seen, faulty: Seen, level: float) -> None:
    """Check that each signal under a cause of constant level is what its effect makes of the healthy value."""
    names = {field.detail: field.name for field in machine_type.main.fields if field.detail in effects.signals}
    assert names.keys() == effects.signals.keys()
    for (_, one), (_, other) in zip(healthy.rows(), faulty.rows(), strict=True):
        for signal, key in names.items():
            spec, effect = machine_type.signals[signal], effects.signals[signal]
            assert spec.limits
            expected = one[key] * max(0.0, 1 + effect.more * level) + effect.plus * level
            within = min(max(expected, spec.limits[0]), spec.limits[1])
            assert other[key] == pytest.approx(within, abs=(2 + abs(effect.more) * level) * 10**-spec.places)


@pytest.mark.parametrize("severity", cases(SEVERITIES, 1))
@pytest.mark.parametrize(("key", "name"), FAULTS)
def test_a_shipped_fault_does_what_the_page_says(key: str, name: str, severity: float) -> None:
    """In each row of its signals, in each cycle, and in the share of each result within noise, all together."""
    machine_type = CONFIG.message_types.machines[key]
    fault = machine_type.causes.faults[name]
    entry = declared(key, "faults", name)
    shown = {signal: each for signal, each in entry["effects"].items() if signal in machine_type.signals}
    schedule = [{"after_seconds": 0, "severity": severity}]
    still = {"schedule": schedule, "effects": shown}  # with the jobs of a healthy machine, to compare row by row
    agrees_with(fault.effects, machine_type, healthy(key), alone(key, faults={name: still}), severity)

    seen = jobs_alone(key, faults={name: {"schedule": schedule, "effects": entry["effects"]}})
    jobs = [each for each in seen.jobs if each.started_ms > START_MS]
    assert [*{each.cycle_ms for each in jobs}] == [pytest.approx(5000 * (1 + fault.effects.cycle * severity), abs=1)]
    for result, share in result_shares(machine_type, fault.effects, severity).items():
        found = sum(each.result == result for each in jobs) / len(jobs)
        assert found == pytest.approx(share, abs=4.5 * (share * (1 - share) / len(jobs)) ** 0.5)


@pytest.mark.parametrize(("key", "name"), WEAR)
def test_shipped_wear_does_what_the_page_says(key: str, name: str) -> None:
    """Cycles are those of the wear at their start, which reaches 1 after the life; jobs tell the wear."""
    machine_type = CONFIG.message_types.machines[key]
    worn = machine_type.causes.wear[name]
    entry = {**declared(key, "wear", name), "leads_to": []}
    seen = jobs_alone(key, wear={name: entry})
    cycles = defaultdict[str, list[tuple[int, int]]](list)
    for job in sorted(seen.jobs, key=lambda job: job.started_ms):
        cycles[job.machine_id].append((job.started_ms, job.cycle_ms))

    assert len(cycles) == COUNT
    for found in cycles.values():
        (first_ms, first), *_, (last_ms, last) = found[1:]
        grown = worn.effects.cycle * (last_ms - first_ms) / worn.life_ms * 5000
        assert last - first == pytest.approx(grown, abs=2)


@pytest.mark.parametrize("key", [*CONFIG.message_types.machines])
def test_each_type_has_a_causal_chain(key: str) -> None:
    """Wear with a consequence, and a fault that changes signals, cycles or results, and leads to a state or ends."""
    causes = CONFIG.message_types.machines[key].causes
    faults = [each for each in causes.faults.values() if each.sensor is None]

    assert any(each.leads_to for each in causes.wear.values())
    assert any(each.effects.signals and each.effects.change_jobs for each in faults)


@thorough
def test_the_shipped_plant_has_labels_of_wear_of_each_type() -> None:
    """In half a day, by name and cause; each ends where it began on a machine of its type."""
    with_wear = {(CONFIG.message_types.machines[key].id_of(1)[:4], name) for key, name in WEAR}
    plant, found = FactoryMessageGenerator.of(CONFIG, 1, start=START), list[FaultEpisode]()
    plant.listen(lambda event: found.append(event) if isinstance(event, FaultEpisode) else None)
    plant.advance_silently(START + 43_200)
    plant.close_truth()
    worn = [each for each in found if each.why == "wear"]

    assert {(each.machine_id[:4], each.fault) for each in worn} == with_wear
    assert {each.fault for each in worn if not each.is_open} == {name for _, name in WEAR}


def test_the_detector_of_the_page_reads_what_the_scenario_writes() -> None:
    """Its syntax, the keys of messages that it reads, and the columns of detections that it writes."""
    page = (SCENARIO.parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    texts = {node.value for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Constant)}
    machine_type = CONFIG.message_types.machines["cnc_machine"]
    keys = {field.name for field in machine_type.main.fields} | {machine_type.main.timestamp}

    assert {"machine_id", "status", "vibration", "timestamp"} <= texts & keys
    assert machine_type.producing_state in texts
    assert len([line for line in example.splitlines() if line and "import" not in line]) <= 12
