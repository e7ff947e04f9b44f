"""The section `sites:` of a plant's YAML: places with a calendar and signals of their own, and their rules.

A machine type is at a site by its key `site`. Without that key, what stands at the top level applies to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from plant.definition import calendar_config
from plant.definition.calendar_config import CalendarSpec
from plant.definition.document.errors import Violation, format_place, quote
from plant.definition.document.value_types import Name, Spec
from plant.definition.machine_types.inheritance import in_order_of_use
from plant.definition.machine_types.library import library
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.reading import SECTION, MachineTypes, Site
from plant.definition.signals import signal_rules
from plant.definition.signals.signal_spec import SignalSpec

_Data = Mapping[str, Any]


class SiteSpec(Spec):
    """A site: what is different for the machine types that have its name as `site`."""

    calendar: CalendarSpec | None = Field(
        None, description="When the machines of the site work, in place of the plant's `calendar`."
    )
    plant_signals: dict[Name, SignalSpec] = Field(
        {}, description="Signals of the site, beside those of the plant, or in place of those of the same names."
    )


def signals_by_site(data: _Data) -> dict[Site, _Data]:
    """Return the signals that formulas of each site may use, as plain data; those of the top level by None."""
    shared = _mapping(data, "plant_signals")
    sites: dict[Site, _Data] = {
        name: merged(shared, _mapping(site, "plant_signals")) for name, site in _sites(data).items()
    }
    return {None: shared, **sites}


def merged(shared: _Data, own: _Data) -> dict[str, Any]:
    """Return the signals of a site, as plain data: its own replace those of the same names."""
    together = {**shared, **own}
    usable = {name: each for name, each in together.items() if isinstance(name, str) and isinstance(each, dict)}
    return {**in_order_of_use(usable), **{name: each for name, each in together.items() if name not in usable}}


def merged_specs(shared: Mapping[str, SignalSpec], own: Mapping[str, SignalSpec]) -> dict[str, SignalSpec]:
    """Return the same of signals that have been read."""
    together = {**shared, **own}
    return {name: together[name] for name in merged({}, {name: each.plain for name, each in together.items()})}


def with_waiting(
    types: Mapping[str, MachineType], calendar_of: Callable[[Site], CalendarSpec | None]
) -> dict[str, MachineType]:
    """Return machine types that know whether their machines wait by the load of their calendar."""

    def waits(each: MachineType) -> bool:
        calendar = calendar_of(each.site)
        return each.job is not None and calendar is not None and calendar.has_load

    return {key: _with_waiting(each, waits=waits(each)) for key, each in types.items()}


def _with_waiting(machine_type: MachineType, *, waits: bool) -> MachineType:
    if machine_type.waits is waits:
        return machine_type
    overrides = {number: _with_waiting(each, waits=waits) for number, each in machine_type.overrides.items()}
    return replace(machine_type, waits=waits, overrides=overrides)


def broken(data: _Data, types: MachineTypes, entries: _Data) -> Iterator[Violation]:
    """Yield the broken rules of calendars and of the plant's signals, at the top level and at each site.

    data: the plant as plain data.  types: its machine types.  entries: the same as plain data.
    """
    yield from _wrong_signals(data)
    yield from calendar_config.broken(data.get("calendar"), list(types.entries) or list(library()))
    for name, site in _sites(data).items():
        here = [key for key, each in types.types.items() if each.site == name]
        for each in calendar_config.broken(site.get("calendar"), here, "a machine type of this site"):
            yield each._replace(place=("sites", name, *each.place))
    yield from _unknown_shifts(data, types, entries)


def _wrong_signals(data: _Data) -> Iterator[Violation]:
    by_site = signals_by_site(data)
    shared = [*signal_rules.broken_plant_signals(by_site.pop(None))]
    yield from (each._replace(place=("plant_signals", *each.place)) for each in shared)
    for name, signals in by_site.items():
        own, place = _mapping(_sites(data)[str(name)], "plant_signals"), ("sites", str(name), "plant_signals")
        for each in signal_rules.broken_plant_signals(signals):
            if not each.place or each.place[0] in own:
                yield each._replace(place=(*place, *each.place))
            elif each not in shared:
                yield Violation(place, f"makes plant_signals.{format_place(each.place)} wrong: {each.rule}")


def _unknown_shifts(data: _Data, types: MachineTypes, entries: _Data) -> Iterator[Violation]:
    """Check the shifts that machine types name, each by the calendar of its site."""
    for key, entry in entries.items():
        machine_type = types.types.get(key)
        site = _sites(data).get(machine_type.site or "", {}) if machine_type else {}
        calendar = site.get("calendar", data.get("calendar"))
        yield from calendar_config.unknown_shifts(calendar, {key: entry})
        if machine_type and isinstance(entry, dict) and "site" in entry and "shifts" not in entry:
            for each in calendar_config.unknown_shifts(calendar, {key: {"shifts": dict(machine_type.shifts)}}):
                rule = f"has no shift {quote(str(each.place[-1]))} in its calendar, of which `shifts` says something"
                yield Violation((SECTION, key, "site"), rule)


def _sites(data: _Data) -> dict[str, _Data]:
    """Return the sites that are mappings."""
    found = _mapping(data, "sites").items()
    return {name: each for name, each in found if isinstance(name, str) and isinstance(each, dict)}


def _mapping(data: _Data, key: str) -> _Data:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
