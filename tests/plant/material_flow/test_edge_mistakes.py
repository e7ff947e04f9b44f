"""Mistakes in edges are named with place and rule, all at once, and unknown names with the nearest known one."""

from __future__ import annotations

from typing import Any

import pytest

from plant.definition.plant_config import PlantConfigError, parse
from tests.support.factory.own_lines import CHECK, PRESS, SAW, THREE, machine_type, orders, plant_data
from tests.support.factory.plants import default

LINE = {"assembles": {PRESS: {SAW: 2}}, "processes": {CHECK: PRESS}}


def mistakes(data: dict[str, Any]) -> list[str]:
    """Return the mistakes of a plant, each with its place; none if there is none."""
    try:
        parse(data)
    except PlantConfigError as refused:
        return [f"{each.path}: {each.rule}" for each in refused.mistakes]
    return []


def in_three(flow: dict[str, Any], **types: Any) -> list[str]:
    """Return the mistakes of the plant of three types with that flow."""
    return mistakes(plant_data(THREE | types, flow, **orders()))


IS_UNKNOWN = "is not in message_types; did you mean {}?"


@pytest.mark.parametrize(
    ("flow", "found"),
    [
        ({"assembles": {"pres": {SAW: 2}}}, f"flow.assembles.pres: {IS_UNKNOWN.format(PRESS)}"),
        ({"assembles": {PRESS: {"saww": 2}}}, f"flow.assembles.press.saww: {IS_UNKNOWN.format(SAW)}"),
        ({"processes": {"chekc": PRESS}}, f"flow.processes.chekc: {IS_UNKNOWN.format(CHECK)}"),
        (
            {"processes": {CHECK: "prass"}},
            'flow.processes.check: is not in message_types, got "prass"; did you mean press?',
        ),
        (
            {**LINE, "assembles_by_kind": {"pres": {"Box": {SAW: 2}}}},
            f"flow.assembles_by_kind.pres: {IS_UNKNOWN.format(PRESS)}",
        ),
        (
            {**LINE, "assembles_by_kind": {PRESS: {"Bix": {SAW: 2}}}},
            "flow.assembles_by_kind.press.Bix: is not in press.job.kinds; did you mean Box?",
        ),
        (
            {**LINE, "assembles_by_kind": {PRESS: {"Box": {SAW: 0}}}},
            "flow.assembles_by_kind.press.Box: needs at least one part",
        ),
        ({"assembles": {PRESS: {SAW: 0}}}, "flow.assembles.press: needs at least one part"),
        ({"assembles": {PRESS: {}}}, "flow.assembles.press: needs at least one part"),
        ({"assembles": {PRESS: {SAW: -1}}}, "flow.assembles.press.saw: must be at least 0, got -1"),
        (
            {"assembles": {PRESS: {SAW: 1}}, "processes": {PRESS: SAW}},
            "flow.processes.press: also assembles: a job either makes something new, or works on one piece",
        ),
        (
            {"assembles": {PRESS: {CHECK: 1}}, "processes": {CHECK: PRESS}},
            "flow.processes.check: is part of a circle: check <- press <- check",
        ),
        ({"processes": {CHECK: CHECK}}, "flow.processes.check: is part of a circle: check <- check"),
        (
            {"assembles": {PRESS: {SAW: 1}, CHECK: {SAW: 1}}},
            "flow.ships: is missing: no type takes the pieces of check, press; which fill orders?",
        ),
        ({**LINE, "ships": "chek"}, 'flow.ships: is no stage: no edge names it, got "chek"; did you mean check?'),
        (
            {"processes": {CHECK: PRESS}, "buffers": {SAW: 3}},
            "flow.buffers.saw: is no stage: no edge names it; known names: check, press",
        ),
        (
            {**LINE, "repairs": {"broken": "pres"}},
            'flow.repairs.broken: is no stage: no edge names it, got "pres"; did you mean press?',
        ),
        (
            {**LINE, "repairs": {"again": CHECK}},
            'flow.repairs.again: "check" cannot take pieces of press: it did not work on them',
        ),
        (
            {**LINE, "repairs": {"broken": SAW}},
            'flow.repairs.broken: "saw" cannot take pieces of check: it did not work on them',
        ),
        (
            {"processes": {CHECK: PRESS}, "assembles_by_kind": {CHECK: {"fast": {SAW: 1}}}},
            "flow.assembles_by_kind.check: does not assemble: it is not in assembles",
        ),
        ({"assembles": {}}, "flow: has no stages, so nothing ships what is ordered: give edges, or leave flow out"),
        ({"asembles": {PRESS: {SAW: 2}}}, "flow.asembles: is an unknown key; did you mean assembles?"),
        ({"assembles": [PRESS]}, "flow.assembles: must be a mapping (key: value), got a list of 1"),
    ],
)
def test_a_mistake_is_named(flow: dict[str, Any], found: str) -> None:
    """With its place and its rule, and alone: it brings no others with it."""
    assert in_three(flow) == [found]


@pytest.mark.parametrize("flow", [{}, {"initial_fill": 0.5}])
def test_a_plant_without_types_of_the_library_needs_edges(flow: dict[str, Any]) -> None:
    """The library's edges are between the types that a plant has, and here there are none."""
    assert in_three(flow) == [
        "flow: has no stages, so nothing ships what is ordered: give edges, or leave flow out",
    ]


def test_a_type_without_jobs_is_no_stage() -> None:
    """It makes nothing that could be taken."""
    meter = {"signals": {"power": {"base": 5}}}

    assert in_three({"assembles": {PRESS: {"meter": 1}}}, meter=meter) == [
        "flow.assembles.press: meter makes nothing: it has no job, so it can be no stage"
    ]


@pytest.mark.parametrize(
    ("older", "newer", "name"),
    [
        ({"parts": {"cnc_machine": 2}}, {"assembles": {"welding": {"cnc_machine": 1}}}, "assembles"),
        ({"parts": {"cnc_machine": 2}}, {"processes": {"painting": "welding"}}, "processes"),
        (
            {"parts_by_assembly_type": {"WingJoint": {"printer_3d": 2}}},
            {"assembles_by_kind": {"welding": {"WingJoint": {"printer_3d": 1}}}},
            "assembles_by_kind",
        ),
    ],
)
def test_older_and_newer_key_together_are_a_mistake_that_names_both(
    older: dict[str, Any], newer: dict[str, Any], name: str
) -> None:
    """As it is not clear which one counts."""
    (key,) = older

    assert mistakes(default() | {"flow": {**older, **newer}}) == [
        f"flow.{key}: is an older key than {name}, which replaces it: give only one of them"
    ]


def test_all_mistakes_are_named_at_once() -> None:
    """Also of other sections, and of values that have a wrong type."""
    data = plant_data(
        {**THREE, "drill": machine_type(-1)},
        {"assembles": {"pres": {SAW: "two"}}, "processes": {CHECK: "prss"}, "initial_fill": 2},
        **orders(),
    )

    places = [each.partition(":")[0] for each in mistakes(data)]
    assert sorted(places) == [
        "flow.assembles.pres",
        "flow.assembles.pres.saw",
        "flow.initial_fill",
        "flow.processes.check",
        "message_types.drill.count",
    ]


@pytest.mark.parametrize("key", ["parts", "parts_by_assembly_type"])
def test_the_older_keys_name_types_of_the_plant(key: str) -> None:
    """A part of a type that was taken out of `message_types` is an error, as in the newer keys."""
    data = default()
    del data["message_types"]["printer_3d"]
    bill = {"cnc_machine": 2, "printer_3d": 1}
    place = "flow.parts" if key == "parts" else "flow.parts_by_assembly_type.WingJoint"

    (found,) = mistakes(data | {"flow": {key: bill if key == "parts" else {"WingJoint": bill}}})
    assert found.startswith(f"{place}.printer_3d: is not in message_types; ")
