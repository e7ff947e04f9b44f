"""The five machine types of the spaceship factory, declared."""

from __future__ import annotations

from typing import Final

from plant.definition.field_sources import FieldSource
from plant.definition.machine_config import CncMachine, Painting, Printer3d, Testing, Welding
from plant.definition.machine_type import MachineType

_HEAD: Final = {"machine_id": FieldSource.MACHINE_ID, "station_id": FieldSource.STATION, "status": FieldSource.STATUS}

MACHINE_TYPES: Final = (
    MachineType(
        key="cnc_machine",
        counted="cnc",
        spec=CncMachine,
        title="CNC mill",
        product="part",
        number=1,
        machine_id="CNC-{number:02d}",
        topic="{prefix}/cnc",
        job_id="{initials}-",
        fields=_HEAD
        | {
            "part_type": FieldSource.JOB_KIND,
            "part_id": FieldSource.FINISHED_ID,
            "cycle_time": FieldSource.FINISHED_CYCLE,
            "quality": FieldSource.FINISHED_RESULT,
            "current_part_id": FieldSource.CURRENT_ID,
        },
    ),
    MachineType(
        key="printer_3d",
        counted="printer_3d",
        spec=Printer3d,
        title="3D printer",
        product="print",
        number=2,
        machine_id="3DP-{number:02d}",
        topic="{prefix}/3dprinter",
        job_id="{initials}-",
        fields=_HEAD
        | {
            "part_type": FieldSource.JOB_KIND,
            "part_id": FieldSource.FINISHED_ID,
            "progress": FieldSource.PROGRESS,
            "quality": FieldSource.FINISHED_RESULT,
            "current_part_id": FieldSource.CURRENT_ID,
        },
    ),
    MachineType(
        key="welding",
        counted="welding",
        spec=Welding,
        title="welding station",
        product="assembly",
        number=3,
        machine_id="WELD-{number:02d}",
        topic="{prefix}/welding",
        job_id="A-",
        fields=_HEAD
        | {
            "assembly_id": FieldSource.FINISHED_ID,
            "assembly_type": FieldSource.JOB_KIND,
            "last_cycle_time": FieldSource.FINISHED_CYCLE,
            "quality": FieldSource.FINISHED_RESULT,
            "current_assembly_id": FieldSource.CURRENT_ID,
        },
    ),
    MachineType(
        key="painting",
        counted="painting",
        spec=Painting,
        title="painting booth",
        product="frame",
        number=4,
        machine_id="PAINT-{number:02d}",
        topic="{prefix}/painting",
        job_id="Frame-",
        fields=_HEAD
        | {
            "part_id": FieldSource.FINISHED_ID,
            "color": FieldSource.JOB_KIND,
            "cycle_time": FieldSource.FINISHED_CYCLE,
            "quality": FieldSource.FINISHED_RESULT,
            "current_part_id": FieldSource.CURRENT_ID,
        },
    ),
    MachineType(
        key="testing",
        counted="testing",
        spec=Testing,
        title="test rig",
        product="target",
        number=5,
        machine_id="TEST-{number:02d}",
        topic="{prefix}/testing",
        job_id="{kind}-",
        nicknames={"FullSpaceship": "Spaceship"},
        defective="fail",
        fields=_HEAD
        | {
            "target_id": FieldSource.FINISHED_ID,
            "target_type": FieldSource.JOB_KIND,
            "test_result": FieldSource.FINISHED_RESULT,
            "issues_found": FieldSource.FINISHED_ISSUES,
            "current_target_id": FieldSource.CURRENT_ID,
        },
    ),
)
"""In the order of their numbers."""
