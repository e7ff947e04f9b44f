"""The config.toml of another simulator of sensors, in both forms that it has, and the plant that it means.

What belongs to the plant is read here, and what to the process (broker, ports, traces) is only checked: edge/ uses it.
What a form means where it leaves something out, and of which machine type the sensors are, is in the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from plant.definition.document.errors import Place, Violation
from plant.definition.document.library_files import sections
from plant.definition.document.validation import validated
from plant.definition.document.value_types import MachineCount, Name, PeriodSeconds, Spec, Topic

Given = Mapping[str, Mapping[str, object]]
"""Values by section and key, which hold where the file has none, as those of the environment."""

NOTHING_GIVEN: Final[Given] = MappingProxyType({})

_SIMULATOR, _SIMULATION = "simulator", "simulation"
_OTHERS: Final = ("mqtt", "observability", "server")
_PLANT: Final = "message_types"
_LIBRARY: Final = "fleet_config"

Port = Annotated[int, Field(ge=1, le=65535)]


def _as_template(topic: object) -> object:
    """Return a topic in our words; there, it has the id of a device in braces."""
    return topic.replace("{device_id}", "{machine_id}") if isinstance(topic, str) else topic


class Simulator(Spec):
    """As that simulator's README has it: devices run from the start."""

    device_count: MachineCount | None = None
    publish_interval: PeriodSeconds | None = None


class Simulation(Spec):
    """As it was built: devices are started over HTTP. frequency_sec is a period, in spite of its name."""

    frequency_sec: PeriodSeconds | None = None
    max_devices: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Mqtt(Spec):
    """The broker, and how messages are published."""

    host: Name | None = None
    port: Port | None = None
    topic: Annotated[Topic, BeforeValidator(_as_template)] | None = None
    qos: Annotated[int, Field(ge=0, le=1)] | None = None


class Observability(Spec):
    """Where traces go, under which name, and a port of metrics. trace_endpoint: "" is no traces."""

    trace_endpoint: Annotated[str, Field(max_length=2000)] | None = None
    service_name: Name | None = None
    prometheus_port: Port | None = None


class Server(Spec):
    """The HTTP port."""

    host: Name | None = None
    port: Port | None = None


class FleetConfig(Spec):
    """A whole file; it has either `simulator` or `simulation`."""

    simulator: Simulator | None = None
    simulation: Simulation | None = None
    mqtt: Mqtt = Mqtt()
    observability: Observability = Observability()
    server: Server = Server()


def is_one(data: Mapping[str, Any]) -> bool:
    """Return whether a document is such a file, and not a plant."""
    names = {_SIMULATOR, _SIMULATION, *_OTHERS}
    return _PLANT not in data and bool(names & data.keys())


def read(data: Mapping[str, Any], given: Given = NOTHING_GIVEN) -> tuple[FleetConfig | None, list[Violation]]:
    """Return the file, or None and every violation. given: holds where the file has no value."""
    wrong = (
        []
        if {_SIMULATOR, _SIMULATION} & data.keys()
        else [Violation((_SIMULATION,), "is missing, and so is [simulator], its other form")]
    )
    if {_SIMULATOR, _SIMULATION} <= data.keys():
        wrong.append(Violation((_SIMULATOR,), "is one form of this file, and [simulation] the other: leave out one"))
    wanted = {name for name in given if name in data or name in _OTHERS}
    whole = {**data, **{name: _with(given[name], data.get(name, {})) for name in wanted}}
    found, others = validated(FleetConfig, whole, {})
    return (None if wrong else found), [*wrong, *others]


def _with(given: Mapping[str, object], section: object) -> object:
    return {**given, **section} if isinstance(section, Mapping) else section


def as_plant(found: FleetConfig, lines: Mapping[Place, int]) -> tuple[dict[str, Any], dict[Place, int]]:
    """Return the data of the plant, and the line of each place in it. lines: of the file."""
    known = sections(_LIBRARY)[0]
    key, form = known["message_type"], _SIMULATOR if found.simulator else _SIMULATION
    own = {name: (place, value) for name, (place, value) in _of_plant(found, form).items() if value is not None}
    entry = {**known[form], **{name: value for name, (_, value) in own.items()}}
    first = lines.get((form,), 1)
    places: dict[Place, int] = {(): 1, (_PLANT,): first, (_PLANT, key): first}
    places |= {(_PLANT, key, name): lines.get(place, first) for name, (place, _) in own.items()}
    return {_PLANT: {key: entry}}, places


def _of_plant(found: FleetConfig, form: str) -> dict[str, tuple[Place, object]]:
    """Return the place and the value of each key that a machine type has from the file."""
    simulator, simulation = found.simulator or Simulator(), found.simulation or Simulation()
    is_simulator = form == _SIMULATOR
    period = simulator.publish_interval if is_simulator else simulation.frequency_sec
    return {
        "count": ((form, "device_count"), simulator.device_count),
        "report_seconds": ((form, "publish_interval" if is_simulator else "frequency_sec"), period),
        "topic": (("mqtt", "topic"), found.mqtt.topic),
        "qos": (("mqtt", "qos"), found.mqtt.qos),
    }
