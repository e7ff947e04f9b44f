"""The plant's YAML: what is accepted, which error rejects the rest, and the forecast of a plant."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from messages import FactoryMessageGenerator
from plant.definition.plant_config import EVENTS, PlantConfig, PlantConfigError, load, parse
from plant.forecast.rate_forecast import check, forecast
from tests.support.exports import yamlread

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "message_structure.yaml"
ORIGINAL = ROOT / "tests" / "data" / "original.yaml"
MACHINE_TYPES = ["cnc_machine", "printer_3d", "welding", "painting", "testing"]
LOSSES = ("micro_stops_per_hour", "micro_stop_seconds_range", "slow_cycle_share", "slow_cycle_factor_range")
REMOVED: Any = object()


def plain(path: Path = ORIGINAL) -> dict[str, Any]:
    """A file as plain data, read by PyYAML alone."""
    data: dict[str, Any] = yamlread.value(path.read_text(encoding="utf-8"))
    return data


def edited(**changes: Any) -> dict[str, Any]:
    """The original's data with values set, by paths in which __ separates the steps; REMOVED takes a key out."""
    data = plain()
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = data
        for step in parents:
            place = place[step] if step == "global" else place.get(step) or place["message_types"][step]
        place.pop(last, None) if value is REMOVED else place.update({last: value})
    return data


def told(data: dict[str, Any]) -> list[str]:
    """The mistakes in plain data, as `path: rule`."""
    with pytest.raises(PlantConfigError) as caught:
        parse(copy.deepcopy(data))
    return [f"{mistake.path}: {mistake.rule}" for mistake in caught.value.mistakes]


def written(path: Path, text: str) -> list[str]:
    """The mistakes in a file with this text, as whole lines without the directory."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlantConfigError) as caught:
        load(path)
    return [str(mistake).removeprefix(f"{path.parent}/") for mistake in caught.value.mistakes]


# What loads


def test_the_original_file_loads_unchanged() -> None:
    """Every key and value of an existing installation's file is accepted as it is."""
    taken = load(ORIGINAL)

    expected = plain()["message_types"]
    machines = {key: expected[key] for key in expected if key not in EVENTS}
    for spec in machines.values():
        spec.update({key: [str(name) for name in spec[key]] for key in ("lines", "stations") if key in spec})
    assert as_lists(taken.message_types.entries) == machines
    dumped = taken.message_types.model_dump(mode="json", exclude_unset=True)
    assert dumped == {key: expected[key] for key in expected if key in EVENTS}


def as_lists(value: Any) -> Any:
    """Values of models as YAML has them."""
    if isinstance(value, tuple | list):
        return [as_lists(each) for each in value]
    return {key: as_lists(each) for key, each in value.items()} if isinstance(value, dict) else value


def test_the_predecessors_weights_load_too() -> None:
    """An older edition of the file had other weights."""
    data = edited(cnc_machine__frequency_weight=3, printer_3d__frequency_weight=2, welding__frequency_weight=2)

    assert forecast(parse(data)).machines == 22


def test_the_default_plant_is_the_original_with_three_other_values() -> None:
    """Except for welding 2, painting 3, dispatches 3 an hour and the explicit time of a print, it only adds keys."""
    ours = plain(DEFAULT)
    changed = {"welding__frequency_weight": 2, "painting__frequency_weight": 3, "dispatch__dispatches_per_hour": 3}
    theirs = edited(**changed, printer_3d__progress_increment=REMOVED)

    for key, spec in ours["message_types"].items():
        added = {name for name in spec if name not in theirs["message_types"][key]}
        assert added <= {"dwell_seconds", "test_seconds_range", "print_seconds", *LOSSES}
        ours["message_types"][key] = {name: value for name, value in spec.items() if name not in added}
    assert ours == theirs


def test_what_the_default_file_offers_in_comments_works() -> None:
    """The commented topic becomes valid by taking its # away."""
    text = DEFAULT.read_text(encoding="utf-8").replace("# topic:", "topic:")

    cnc = parse(yamlread.value(text)).message_types.machines["cnc_machine"]
    assert cnc.main.topic == "{prefix}/{type}/{machine_id}"


def test_machine_types_come_in_a_fixed_order() -> None:
    """The order of the YAML's keys changes nothing."""
    data = plain()
    data["message_types"] = dict(reversed(data["message_types"].items()))

    machines = parse(data).machines()

    assert [(key, count) for key, _, count in machines] == list(zip(MACHINE_TYPES, [5, 8, 4, 3, 2], strict=True))


@pytest.mark.parametrize("change", [{"enabled": False}, {"frequency_weight": 0}])
def test_a_type_that_is_off_or_has_weight_0_has_no_machines(change: dict[str, Any]) -> None:
    """Both ways to silence a type leave the others alone."""
    data = plain()
    data["message_types"]["welding"].update(change)

    assert "welding" not in [key for key, _, _ in parse(data).machines()]
    assert forecast(parse(data)).machines == 18


def test_period_follows_from_weight_and_interval() -> None:
    """Ten base intervals by weight: weight 2 at half a second is a message every 2.5 s."""
    config = parse(edited(global__base_interval=0.5))

    assert [config.period_seconds(spec) for _, spec, _ in config.machines()] == [2.5, 5, 5, 5, 5]


def test_report_seconds_replaces_the_weight() -> None:
    """The period can be set directly, and then does not depend on the interval."""
    config = parse(edited(welding__frequency_weight=REMOVED, welding__report_seconds=7, global__base_interval=3.0))

    assert config.period_seconds(config.machines()[2][1]) == 7


def test_job_times_of_each_type() -> None:
    """Printers need period / increment, test rigs have a default, the others must set it."""
    config = load(ORIGINAL)

    times = [config.job_seconds(spec) for _, spec, _ in config.machines()]

    assert times == [(10, 15), (200, 200), (6, 10), (4, 6), (20, 40)]


@pytest.mark.parametrize(("said", "meant"), [(200, (200, 200)), ([150, 250.5], (150, 250.5))])
def test_a_print_takes_the_configured_time(said: object, meant: tuple[float, float]) -> None:
    """Whatever the period of messages: interval and weight are the rate of messages only."""
    time = {"printer_3d__progress_increment": REMOVED, "printer_3d__print_seconds": said}
    usual, slow = (
        parse(edited(**time)),
        parse(edited(**time, global__base_interval=3.0, printer_3d__frequency_weight=7)),
    )

    for plant in (usual, slow):
        assert plant.job_seconds(plant.machines()[1][1]) == meant
    assert usual.period_seconds(usual.machines()[1][1]) != slow.period_seconds(slow.machines()[1][1])


@pytest.mark.parametrize("change", [{"global__base_interval": 4.0}, {"printer_3d__frequency_weight": 5}])
def test_the_rate_of_messages_changes_nothing_that_is_made(change: dict[str, Any]) -> None:
    """Hours of the default plant with other periods: the same stays, jobs and results of every machine."""
    data = plain(DEFAULT)
    for path, value in change.items():
        part, key = path.split("__")
        (data if part == "global" else data["message_types"])[part][key] = value
    usual, other = (FactoryMessageGenerator.of(each, 1) for each in (load(DEFAULT), parse(data)))
    for plant in (usual, other):
        plant.advance_silently(plant.start + 4 * 3600)

    assert [replace(its, period_seconds=0) for its in other.oee()] == [
        replace(its, period_seconds=0) for its in usual.oee()
    ]


def test_a_target_rate_scales_every_period_and_no_job() -> None:
    """All machines together reach the rate, in their old proportions; prints and tests take as long as before."""
    plant = parse(edited(global__target_rate=270.0))
    usual = parse(plain())
    rate = sum(count / plant.period_seconds(spec) for _, spec, count in plant.machines())

    assert rate == pytest.approx(270.0)
    for (_, spec, _), (_, as_usual, _) in zip(plant.machines(), usual.machines(), strict=True):
        assert plant.job_seconds(spec) == usual.job_seconds(as_usual)
        assert usual.period_seconds(as_usual) / plant.period_seconds(spec) == pytest.approx(100.0)


def test_a_target_rate_is_the_rate_of_the_plant() -> None:
    """Exactly a thousand messages a second for a minute, with orders and dispatches in addition."""
    plant = FactoryMessageGenerator.of(parse(edited(global__target_rate=1000.0)), 1)
    rows = [row for row in plant.advance(plant.start + 60) if row.station]

    assert abs(len(rows) - 60_000) <= len(list(plant.machines()))


def test_a_tiny_interval_is_reported_at_each_type() -> None:
    """Periods too short to reckon with are mistakes like all others."""
    periods = [mistake for mistake in told(edited(global__base_interval=1e-7)) if "frequency_weight" in mistake]

    assert len(periods) == 5
    assert "message_types.cnc_machine.frequency_weight: makes a message every 5e-07 s" in periods[0]


def test_a_range_may_have_equal_ends() -> None:
    """All jobs may take the same time, and products may have fixed quantities."""
    data = edited(welding__cycle_time_range=[7, 7.0], customer_order__quantity_ranges={"HullRepairKit": [2, 2]})

    assert parse(data).machines()[2][1].job_seconds(5.0) == (7, 7)


def test_stations_are_handed_out_in_turn() -> None:
    """Machine 4 of three lines is back on line 1."""
    machines = load(ORIGINAL).message_types.machines
    cnc, testing = machines["cnc_machine"], machines["testing"]

    assert [cnc.station(number)[:6] for number in (1, 2, 3, 4)] == ["LINE-1", "LINE-2", "LINE-3", "LINE-1"]
    assert testing.station(2) == "QA-STATION-2"


def test_stays_have_lengths_of_their_own() -> None:
    """A stay's mean length is the YAML's, otherwise the default of the state, otherwise two minutes."""
    data = edited(painting__dwell_seconds={"idle": 7}, painting__statuses=REMOVED)
    data["message_types"]["painting"]["status_distribution"]["polishing"] = 1
    painting = parse(data).message_types.machines["painting"]

    assert [painting.states[state].dwell_seconds for state in ("idle", "drying", "polishing")] == [7, 90, 120]


def test_weights_need_not_add_up_to_1() -> None:
    """Shares are weights divided by their sum."""
    data = edited(welding__statuses=REMOVED, welding__status_distribution={"running": 30, "idle": 10})
    welding = parse(data).message_types.machines["welding"]

    assert welding.shares == {"running": 0.75, "idle": 0.25}


def test_products_without_a_range_are_ordered_one_at_a_time() -> None:
    """quantity_ranges may leave products out."""
    order = parse(edited(customer_order__quantity_ranges={"HullRepairKit": [2, 8]})).message_types.customer_order
    assert order is not None

    assert (order.quantity_range("HullRepairKit"), order.quantity_range("SparePartKit")) == ((2, 8), (1, 1))


def test_a_loaded_plant_does_not_change() -> None:
    """The models are frozen."""
    with pytest.raises(ValidationError):
        load(DEFAULT).global_.base_interval = 2.0  # type: ignore[misc]


def test_what_looks_like_what_it_is_loads(tmp_path: Path) -> None:
    """Decimal numbers of any form that YAML takes for one, flags in all their words, bare dates, quoted names."""
    text = ORIGINAL.read_text(encoding="utf-8").replace("lines: [1, 2, 3]", 'lines: ["010", "no", "1:30"]')
    file = tmp_path / "plant.yaml"
    for interval in ("1", "+1", "1.", "1.0", "01.0", "1.0e+0", "0.1e+1"):
        flagged = text.replace("base_interval: 1.0", f"base_interval: {interval}").replace(
            "enabled: true", "enabled: Yes"
        )
        file.write_text(f"{flagged}\ncalendar: {{time_zone: UTC, holidays: [2026-12-25]}}\n", encoding="utf-8")
        plant = load(file)

        assert plant.global_.base_interval == 1
        assert plant.machines()[0][1].lines == ("010", "no", "1:30")


def test_anchors_and_merge_keys_mean_what_they_say(tmp_path: Path) -> None:
    """What is written goes before what is merged, and an earlier source before a later one."""
    file = tmp_path / "plant.yaml"
    file.write_text(
        "message_types: {}\n"
        "global:\n"
        "  base_interval: &two 2\n"
        "  machine_counts:\n"
        "    cnc: 1\n"
        "    <<: [{cnc: 5, testing: *two}, {testing: 3, welding: 4}]\n",
        encoding="utf-8",
    )

    counts = load(file).global_.machine_counts

    assert (counts["cnc"], counts["testing"], counts["welding"]) == (1, 2, 4)


# What is refused, and in which words

RULES: dict[str, tuple[dict[str, Any], str]] = {
    "two times of a print": (
        {"printer_3d__print_seconds": 200},
        "printer_3d.print_seconds: replaces progress_increment: give only one of them",
    ),
    **{
        f"a print of {value!r}": (
            {"printer_3d__progress_increment": REMOVED, "printer_3d__print_seconds": value},
            f"printer_3d.print_seconds{rule}",
        )
        for value, rule in (
            (0.05, ": must be 0.1 to 31,536,000, got 0.05"),
            (math.nan, ": must be 0.1 to 31,536,000, got nan"),
            ("long", ': must be a number of seconds or [shortest, longest], got the text "long"'),
            (True, ": must be a number of seconds or [shortest, longest], got true"),
            ([300, 200], ": must be [low, high] with low <= high, got [300, 200]"),
            ([200], "[1]: is missing"),
        )
    },
    "unknown key below a name of one's own": (
        {"flow": {"parts_by_assembly_type": {"HullSeam": {"cnc": 2}}}},
        "flow.parts_by_assembly_type.HullSeam.cnc: is an unknown key; known names: cnc_machine, printer_3d",
    ),
    "next to no increment": (
        {"printer_3d__progress_increment": 1e-308},
        "printer_3d.progress_increment: must be at least 1e-09, got 1e-308",
    ),
    "next to no rate": (
        {"global__target_rate": 1e-9},
        "global.target_rate: must be at least 8.56e-07 here: a machine sends at least one message a year",
    ),
    "interval of 0": ({"global__base_interval": 0}, "global.base_interval: must be greater than 0, got 0"),
    "nan": ({"global__base_interval": math.nan}, "global.base_interval: must be a finite number, got nan"),
    "huge": ({"global__base_interval": 10**60}, "global.base_interval: must be at most 31,536,000, got 1000"),
    "true is no number": ({"global__base_interval": True}, "global.base_interval: must be a number, got true"),
    "a number in quotes": (
        {"global__base_interval": "1"},
        'global.base_interval: must be a number, got the text "1": write 1, unquoted',
    ),
    "half a machine": (
        {"global__machine_counts": {"cnc": 0.5}},
        "global.machine_counts.cnc: must be a whole number, got 0.5",
    ),
    "too many machines": (
        {"global__machine_counts": {"cnc": 1_000_001}},
        "global.machine_counts.cnc: must be at most 1,000,000, got 1000001",
    ),
    "too few machines": (
        {"global__machine_counts": {"cnc": -1}},
        "global.machine_counts.cnc: must be at least 0, got -1",
    ),
    "unknown key": ({"welding__frequency_wait": 1}, "is an unknown key; did you mean frequency_weight?"),
    "unknown type": (
        {"message_types__weldings": {"frequency_weight": 2}},
        (
            "message_types.weldings: is no machine type of the library, and declares none of its own:"
            " no states, job, signals or extends; did you mean welding?"
        ),
    ),
    "nothing near": (
        {"message_types__xyz": {}},
        (
            "message_types.xyz: is no machine type of the library, and declares none of its own:"
            " no states, job, signals or extends; known names: cnc_machine, printer_3d"
        ),
    ),
    "negative weight": ({"welding__frequency_weight": -1}, "welding.frequency_weight: must be at least 0, got -1"),
    "weight and period": (
        {"welding__report_seconds": 5},
        "report_seconds: replaces frequency_weight: give only one of them",
    ),
    "short period": (
        {"welding__frequency_weight": REMOVED, "welding__report_seconds": 0.0001},
        "welding.report_seconds: must be at least 0.001, got 0.0001",
    ),
    "short by weight": (
        {"welding__frequency_weight": 20_000},
        "welding.frequency_weight: makes a message every 0.0005 s",
    ),
    "short print": (
        {"printer_3d__frequency_weight": 1000, "printer_3d__progress_increment": 0.5},
        "printer_3d.progress_increment: makes a print take 0.02 s",
    ),
    "no progress": ({"printer_3d__progress_increment": 0}, "progress_increment: must be greater than 0, got 0"),
    "short job": (
        {"welding__cycle_time_range": [0.05, 1]},
        "welding.cycle_time_range[0]: must be at least 0.1, got 0.05",
    ),
    "share above one": ({"welding__slow_cycle_share": 1.5}, "welding.slow_cycle_share: must be at most 1, got 1.5"),
    "factor below one": (
        {"welding__slow_cycle_factor_range": [0.5, 1.5]},
        "welding.slow_cycle_factor_range[0]: must be at least 1, got 0.5",
    ),
    "nothing but stops": (
        {"welding__micro_stops_per_hour": 4000},
        "welding.micro_stops_per_hour: must be at most 3,600, got 4000",
    ),
    "stop upon stop": (
        {"welding__micro_stops_per_hour": 60, "welding__cycle_time_range": [6, 1_000_000]},
        "micro_stops_per_hour: makes 16,667 micro-stops in a job of 1e+06 s: must be at most 1,000",
    ),
    "stop upon stop in a print": (
        {"printer_3d__micro_stops_per_hour": 60, "printer_3d__progress_increment": 0.00001},
        "printer_3d.micro_stops_per_hour: makes 16,667 micro-stops in a job of 1e+06 s",
    ),
    "range upside down": (
        {"welding__cycle_time_range": [10, 6]},
        "welding.cycle_time_range: must be [low, high] with low <= high, got [10, 6]",
    ),
    "range of three": ({"welding__cycle_time_range": [1, 2, 3]}, "cycle_time_range: must have 2 entries, got 3"),
    "range of one": ({"welding__cycle_time_range": [1]}, "welding.cycle_time_range[1]: is missing"),
    "no range": ({"welding__cycle_time_range": 6}, "welding.cycle_time_range: must be [low, high], got 6"),
    "all zero": ({"welding__quality_distribution": {"good": 0}}, "needs at least one entry greater than 0"),
    "empty distribution": ({"welding__quality_distribution": {}}, "needs at least one entry greater than 0"),
    "vanishing weight": ({"welding__quality_distribution": {"good": 1e-300}}, "good: must be 0 or at least 1e-09"),
    "state not listed": (
        {"welding__status_distribution": {"running": 1, "coolin": 1}},
        "welding.status_distribution.coolin: is not in statuses; did you mean cooling?",
    ),
    "dwell of no state": (
        {"welding__dwell_seconds": {"runing": 5}},
        "dwell_seconds.runing: is not a state of this type; did",
    ),
    "dwell of nothing": ({"welding__dwell_seconds": {"idle": 0}}, "dwell_seconds.idle: must be at least 0.1, got 0"),
    "never running": (
        {"welding__statuses": REMOVED, "welding__status_distribution": {"idle": 1}},
        "welding.status_distribution: must have the state running: jobs advance in it",
    ),
    "never testing": (
        {"testing__statuses": ["idle"], "testing__status_distribution": {"idle": 1}},
        "testing.statuses: must have the state testing",
    ),
    "nothing to make": ({"welding__assembly_types": []}, "welding.assembly_types: needs at least one entry"),
    "made twice": ({"welding__assembly_types": ["a", "b", "a"]}, 'welding.assembly_types[2]: is repeated: "a"'),
    "no name": ({"welding__assembly_types": [""]}, "welding.assembly_types[0]: must not be empty"),
    "unquoted yes": (
        {"welding__assembly_types": [True]},
        "assembly_types[0]: must be text, got true",
    ),
    "unquoted number": ({"welding__assembly_types": [5]}, "assembly_types[0]: must be text, got 5: put it in quotes"),
    "control character": ({"welding__assembly_types": ["a\0"]}, "must not contain control characters, got the text"),
    "strange placeholder": (
        {"welding__station_pattern": "{row}"},
        "welding.station_pattern: may have only {line} {station} in braces, got {row}",
    ),
    "format tricks": ({"welding__station_pattern": "{line:>999999999}"}, "must have only a name in braces, got"),
    "single brace": ({"welding__station_pattern": "LINE-{line"}, "station_pattern: has an unmatched brace"),
    "no stations": (
        {"welding__station_pattern": "QA-{station}"},
        "welding.stations: is missing: station_pattern has {station}",
    ),
    "line true": ({"welding__lines": [True]}, "welding.lines[0]: must be a whole number or text, got true"),
    "state without a name": (
        {"welding__statuses": REMOVED, "welding__status_distribution": {"running": 1, "": 1}},
        'welding.status_distribution."": must not be empty',
    ),
    "line of no kind": ({"welding__lines": [1.5]}, "welding.lines[0]: must be a whole number or text, got 1.5"),
    "line of topics": ({"welding__lines": ["a/b"]}, "welding.lines[0]: must not contain the topic characters /"),
    "wildcards": ({"welding__topic": "a/+/#"}, "welding.topic: must not contain the wildcards # +"),
    "empty level": ({"welding__topic": "a//b"}, "welding.topic: must not have an empty level"),
    "brokers' own": ({"welding__topic": "$SYS/a"}, "welding.topic: must not start with $"),
    "long topic": ({"welding__topic": "é" * 40_000}, "welding.topic: must have at most 65,535 bytes"),
    "nul in topic": ({"dispatch__topic": "a\0"}, "dispatch.topic: must not contain control characters"),
    "unknown in topic": (
        {"dispatch__topic": "{line}"},
        "may have only {prefix} {type} {machine_id} {station_id} in braces",
    ),
    "negative issues": ({"testing__issues_range": [0, 5]}, "testing.issues_range[0]: must be at least 1, got 0"),
    "half an issue": ({"testing__issues_range": [1, 1.5]}, "testing.issues_range[1]: must be a whole number, got 1.5"),
    "unordered product": (
        {"customer_order__quantity_ranges": {"HullRepairKits": [1, 2]}},
        "quantity_ranges.HullRepairKits: is not in product_types; did you mean HullRepairKit?",
    ),
    "too many orders": ({"customer_order__orders_per_hour": 1e9}, "orders_per_hour: must be at most 36,000"),
    "no value": ({"dispatch__carriers": None}, "dispatch.carriers: has no value: give it one or leave it out"),
    "type without value": ({"message_types__welding": None}, "message_types.welding: has no value"),
    "quoted flag": ({"welding__enabled": "true"}, 'must be true or false, got the text "true": remove the quotes'),
    "list for a type": ({"message_types__welding": []}, "must be a mapping (key: value), got an empty list"),
}


@pytest.mark.parametrize(("changes", "expected"), RULES.values(), ids=RULES.keys())
def test_one_error_is_reported_once_and_plainly(changes: dict[str, Any], expected: str) -> None:
    """A single slip makes a single line, with the path and the rule."""
    mistakes = told(edited(**changes))

    assert len(mistakes) == 1, mistakes
    assert expected in mistakes[0]


def test_a_target_rate_beyond_the_limits_of_machines_is_an_error() -> None:
    """No machine has two messages in a millisecond; the error names the highest rate of this plant."""
    (mistake,) = told(edited(global__target_rate=1e6))

    assert mistake.startswith("global.target_rate: must be at most 13500 here")


def test_all_errors_are_reported_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Each has file, line and path; the rules between values are not hidden by other errors."""
    mistakes = written(
        tmp_path / "plant.yaml",
        """\
global:
  base_interval: -1
  machine_counts: {cnc: many}
message_types:
  dispatch:
    dispatches_per_hour: 1
    destinations: [Moon, Moon, 5]
  welding:
    frequency_weight: .inf
    report_seconds: 5
    lime: green
    cycle_time_range: [6.0, 10.0]
    quality_distribution: {good: 1}
    statuses: [running, idle, 3]
    status_distribution: {running: 1, idel: x}
    assembly_types: [a]
    station_pattern: "{line}"
""",
    )

    assert mistakes == [
        "plant.yaml:2: global.base_interval: must be greater than 0, got -1",
        'plant.yaml:3: global.machine_counts.cnc: must be a whole number, got the text "many"',
        "plant.yaml:5: message_types.dispatch.carriers: is missing",
        "plant.yaml:7: message_types.dispatch.destinations[2]: must be text, got 5: put it in quotes",
        'plant.yaml:7: message_types.dispatch.destinations[1]: is repeated: "Moon"',
        "plant.yaml:9: message_types.welding.frequency_weight: must be a finite number, got inf",
        "plant.yaml:10: message_types.welding.report_seconds: replaces frequency_weight: give only one of them",
        "plant.yaml:11: message_types.welding.lime: is an unknown key; did you mean lines?",
        "plant.yaml:14: message_types.welding.statuses[2]: must be text, got 3: put it in quotes",
        'plant.yaml:15: message_types.welding.status_distribution.idel: must be a number, got the text "x"',
        "plant.yaml:15: message_types.welding.status_distribution.idel: is not in statuses; did you mean idle?",
    ]


# What a plant comes to


def test_the_default_plant_emits_3_7_messages_a_second() -> None:
    """Every finished job fits into a regular message, so there is no note."""
    expected = forecast(load(DEFAULT))

    assert [round(each.per_second, 9) for each in expected.types[:5]] == [1.0, 0.8, 0.8, 0.9, 0.2]
    assert expected.per_second == pytest.approx(3.7 + 4 / 3600)
    assert expected.notes == ()


def test_the_forecast_is_the_rate_of_the_plant() -> None:
    """The original's welding and painting report each job: these messages are part of the rate."""
    generator = FactoryMessageGenerator(str(ORIGINAL), seed=3, start=0.0)
    expected = forecast(load(ORIGINAL)).per_second * 36_000

    assert len(generator.advance(36_000.0)) == pytest.approx(expected, rel=0.02)


def test_the_forecast_knows_that_losses_make_fewer_jobs() -> None:
    """Stops make every job twice as long and halve the messages for jobs: 60 stops of a minute in an hour of work."""
    stops = {"micro_stops_per_hour": 60, "micro_stop_seconds_range": [60, 60]}
    plain, halted = (edited(**{f"welding__{key}": value for key, value in its.items()}) for its in ({}, stops))
    extra, fewer = (forecast(parse(data)).types[2].extra_per_second for data in (plain, halted))
    said = FactoryMessageGenerator.of(parse(halted), seed=3, start=0.0).advance(36_000.0)

    assert fewer == pytest.approx(extra / 2)
    assert sum(message.kind == "welding" for message in said) / 36_000 == pytest.approx(0.4 + fewer, rel=0.02)


def test_what_a_note_advises_makes_it_unnecessary() -> None:
    """With the weights that the notes on the original name, every job fits into a regular message."""
    before = forecast(load(ORIGINAL)).notes
    data = edited(welding__frequency_weight=1.67, painting__frequency_weight=2.5, dispatch__dispatches_per_hour=3)

    assert [note.split(": ")[0] for note in before] == ["welding", "painting", "customer_order"]
    assert "frequency_weight: 1.67 avoids" in before[0]
    assert "frequency_weight: 2.5 avoids" in before[1]
    assert "dispatches_per_hour: 3 keeps" in before[2]
    assert forecast(parse(data)).notes == ()


def test_a_note_speaks_of_report_seconds_where_the_file_does() -> None:
    """The remedy is in the terms of the file."""
    data = edited(painting__frequency_weight=REMOVED, painting__report_seconds=60, welding__enabled=False)

    assert forecast(parse(data)).notes[0].endswith("report_seconds: 4 avoids that.")


def test_a_note_on_a_plant_with_a_target_rate_names_the_rate_that_helps() -> None:
    """Periods follow the rate, so a weight of one type would change those of all; the rate named is enough."""
    data = edited(dispatch__dispatches_per_hour=3)
    data["global"]["target_rate"] = 2
    before = [float(note.split("target_rate: ")[1].split()[0]) for note in forecast(parse(data)).notes]
    data["global"]["target_rate"] = max(before)

    assert before
    assert forecast(parse(data)).notes == ()


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, "2 orders an hour are placed, but at most 1.5 are dispatched: open orders accumulate by 12 a day."),
        ({"dispatch__dispatches_per_hour": 2}, "at most 2 are dispatched: open orders accumulate without bound."),
        ({"dispatch__dispatches_per_hour": 2.01}, "waits for 4.17 days on average. dispatches_per_hour: 3 shortens"),
        ({"customer_order__orders_per_hour": 36_000, "dispatch__dispatches_per_hour": 36_000},
         "without bound. orders_per_hour: 24000 keeps their number small."),
        ({"customer_order__enabled": False}, "dispatch: 1.5 dispatches an hour are configured, but no orders are"),
        ({"flow": {}, "dispatch__dispatches_per_hour": 300, "customer_order__orders_per_hour": 200},
         "flow: orders need 1,040 units an hour, but printer_3d limits the line to 74, and less"),
        ({"flow": {}, "dispatch__dispatches_per_hour": 30, "global__machine_counts": {"cnc": 5, "printer_3d": 8}},
         "but welding limits the line to 0, and less"),
    ],
)  # fmt: skip
def test_check_tells_where_orders_outrun_dispatches(changes: dict[str, Any], note: str) -> None:
    """By the rates, and where pieces flow by what the slowest station lets through; with a setting that mends it."""
    assert note in forecast(parse(edited(**changes))).notes[-1]


@pytest.mark.parametrize("file", [DEFAULT, *(ROOT / "scenarios").glob("*.yaml")], ids=lambda file: file.stem)
def test_orders_are_in_balance_in_what_we_ship(file: Path) -> None:
    """No shipped plant has notes."""
    assert forecast(load(file)).notes == ()


def test_no_more_is_dispatched_than_ordered() -> None:
    """Dispatches that find no order are not in the forecast."""
    expected = forecast(parse(edited(dispatch__dispatches_per_hour=5)))

    assert expected.types[-1].per_second == pytest.approx(2 / 3600)
    assert not any("dispatch" in note for note in expected.notes)


def test_counted_machines_without_a_description_are_noted() -> None:
    """A type that is counted but not described is silent, which may surprise."""
    notes = forecast(parse(edited(message_types__cnc_machine=REMOVED))).notes

    assert "cnc_machine: 5 counted, but message_types does not describe it, so its machines send no messages." in notes


def test_the_table_is_aligned_and_adds_up() -> None:
    """One line a type, points in line, the sum below a rule."""
    lines = forecast(load(DEFAULT)).text().splitlines()

    assert lines == [
        "type             machines    every   messages/s",
        "-----------------------------------------------",
        "cnc_machine             5      5 s       1.00",
        "printer_3d              8     10 s       0.80",
        "welding                 4      5 s       0.80",
        "painting                3   3.33 s       0.90",
        "testing                 2     10 s       0.20",
        "customer_order              30 min       0.0006",
        "dispatch                    30 min       0.0006",
        "-----------------------------------------------",
        "total                  22                3.7011",
    ]


def test_disabled_types_never_report() -> None:
    """A type that is switched off stays in the table, at nothing."""
    lines = forecast(parse(edited(welding__enabled=False))).text().splitlines()

    assert lines[4].split() == ["welding", "0", "never", "0.00"]


def test_check_answers_with_exit_code_and_text(tmp_path: Path) -> None:
    """0 and the table, or 2 with all mistakes and how many they are."""
    file = tmp_path / "plant.yaml"
    file.write_text("global: 5\n", encoding="utf-8")

    assert check(DEFAULT) == (0, forecast(load(DEFAULT)).text())
    code, text = check(file)
    assert (code, text.splitlines()) == (
        2,
        [
            f"{file}:1: global: must be a mapping (key: value), got 5",
            f"{file}:1: message_types: is missing",
            f"2 errors in {file}",
        ],
    )


def test_a_plant_may_be_empty() -> None:
    """No machines and no events is a plant, if a quiet one."""
    config: PlantConfig = parse({"global": {"machine_counts": {}}, "message_types": {}})

    assert (config.machines(), forecast(config).per_second) == ([], 0)
