"""Facts about OEE from messages: what a dashboard shows, held against the ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge.reported.message_oee import Nameplate, ReportedOee
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import KindOee, MachineFilter, Message
from tests.support.factory import flows, plants

HOURS = 2
FACTORS = ("availability", "performance", "quality", "oee")


def reader(plant: FactoryMessageGenerator) -> ReportedOee:
    """What reads the messages of a plant, with the nameplates of its machines."""
    plates = {}
    for info in plant.machine_types():
        for group in plant.oee_snapshot("run", MachineFilter(info.kind, None, 1)).figures():
            for _, machine in group:
                plate = Nameplate(machine.producing_state, machine.ideal_cycle_seconds, machine.ideal_cycles or {})
                plates[info.kind] = plate
    return ReportedOee(plant.machine_types(), plates)


def read(config: PlantConfig) -> tuple[dict[str, KindOee], dict[str, KindOee], Sequence[Message]]:
    """What the messages of some hours say, by type, and what was so; and the messages."""
    plant = FactoryMessageGenerator.of(config, "1", start=START)
    reported, messages = reader(plant), plant.advance(START + HOURS * 3600)
    reported.add(messages)
    truth = {each.kind: each for each in plant.oee_by_kind()}
    return {each.kind: each for each in reported.figures()}, truth, messages


@pytest.mark.parametrize("config", [plants.config(), flows.scenario()], ids=["default", "flow"])
def test_the_figures_of_each_type_come_close_to_the_truth(config: PlantConfig) -> None:
    """Within a few hours a dashboard is within two points of the truth, though not exactly there."""
    reported, truth, _ = read(config)
    assert reported.keys() == truth.keys()
    for kind, figures in reported.items():
        for factor in FACTORS:
            assert getattr(figures, factor) == pytest.approx(getattr(truth[kind], factor), abs=0.02), (kind, factor)
    assert any(reported[kind].oee != truth[kind].oee for kind in reported)


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_job_that_had_begun_before_does_not_count_in_the_first_minute(seed: str) -> None:
    """It would count with its whole ideal cycle and some seconds of its time, which is several hundred per cent."""
    plant = FactoryMessageGenerator.of(plants.config(), seed, start=START)
    plant.advance(START + 100)
    reported, shown = reader(plant), list[float]()
    for seconds in range(5, 65, 5):
        reported.add(plant.advance(START + 100 + seconds))
        figures = reported.figures()
        producing = sum(each.producing_seconds for each in figures)
        shown += [sum(each.ideal_seconds for each in figures) / producing] if producing else []
    assert shown
    assert 0.5 < min(shown) <= max(shown) < 1.3, shown


def test_a_lost_result_is_missing_in_the_figures_and_in_nothing_else() -> None:
    """The truth knows of a job whose message was lost; a dashboard does not."""
    plant = FactoryMessageGenerator.of(plants.config(), "1", start=START)
    reported, messages = reader(plant), plant.advance(START + 3600)
    with_scrap = [each for each in messages if each.kind == "cnc_machine" and b'"scrap"' in each.payload]
    reported.add([each for each in messages if each not in with_scrap])
    figures = {each.kind: each for each in reported.figures()}["cnc_machine"]
    truth = {each.kind: each for each in plant.oee_by_kind()}["cnc_machine"]
    assert with_scrap
    assert (figures.quality, "scrap" in figures.results) == (1.0, False)
    assert truth.quality is not None
    assert truth.quality < 1


def test_a_type_whose_messages_report_no_job_has_no_figures() -> None:
    """Without jobs there is neither performance nor quality, and so no OEE to compare."""
    data = plants.default()
    data["message_types"]["meter"] = {"count": 2, "report_seconds": 1, "states": {"on": {"share": 1}}}
    plant = FactoryMessageGenerator.of(parse(data), "1", start=START)
    reported = reader(plant)
    reported.add(plant.advance(START + 60))
    kinds = {each.kind for each in reported.figures()}
    assert "meter" not in kinds
    assert "cnc_machine" in kinds


def test_what_comes_before_the_first_message_of_a_machine_is_not_counted() -> None:
    """A dashboard that begins in the middle of a run counts from there, and says since when."""
    plant = FactoryMessageGenerator.of(plants.config(), "1", start=START)
    reported = reader(plant)
    plant.advance(START + 3600)
    messages = plant.advance(START + 3660)
    reported.add(messages)
    figures = reported.figures()
    assert reported.start_ms == messages[0].time_ms
    assert all(0 < each.planned_seconds <= 60 * each.machines for each in figures)
