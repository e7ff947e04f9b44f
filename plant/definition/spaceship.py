"""The five machine types of the spaceship factory, declared."""

from __future__ import annotations

from typing import Final

from plant.definition.machine_config import CncMachine, Painting, Printer3d, Testing, Welding
from plant.definition.machine_type import MachineType

_HEAD: Final = {"machine_id": "id_json", "station_id": "station_json", "status": "state.json"}

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
            "part_type": "shown.kind.json",
            "part_id": "finished.id_json",
            "cycle_time": "finished.cycle_json",
            "quality": "finished.result.json",
            "current_part_id": "job.id_json",
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
            "part_type": "shown.kind.json",
            "part_id": "finished.id_json",
            "progress": "progress_json",
            "quality": "finished.result.json",
            "current_part_id": "job.id_json",
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
            "assembly_id": "finished.id_json",
            "assembly_type": "shown.kind.json",
            "last_cycle_time": "finished.cycle_json",
            "quality": "finished.result.json",
            "current_assembly_id": "job.id_json",
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
            "part_id": "finished.id_json",
            "color": "shown.kind.json",
            "cycle_time": "finished.cycle_json",
            "quality": "finished.result.json",
            "current_part_id": "job.id_json",
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
            "target_id": "finished.id_json",
            "target_type": "shown.kind.json",
            "test_result": "finished.result.json",
            "issues_found": "finished.issues_json",
            "current_target_id": "job.id_json",
        },
    ),
)
"""In the order of their numbers."""
