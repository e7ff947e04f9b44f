"""Draws the energy plant as SVGs, by runs of scenarios/energy.yaml: a compressor, a moulding cycle, a week, a year.

python -m tools.pictures.energy      writes docs/pictures/energy; so does `python -m tools.generate`
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.time_zones import zone_info
from tests.support.exports import yamlread
from tools.pictures.drawing import (
    BAND,
    GAP,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    Scale,
    Span,
    block,
    document,
    ends,
    ground,
    heading,
    legend,
    line,
    nice,
    texts_at,
    times,
)  # fmt: skip

ROOT: Final = Path(__file__).parents[2]
SCENARIO, FOLDER = ROOT / "scenarios" / "energy.yaml", "docs/pictures/energy"
SEED: Final = 3
MONDAY: Final = datetime(2026, 6, 8, 7, tzinfo=UTC).timestamp()
"""Midnight between Sunday and Monday in Los Angeles, in summer."""

COLOURS: Final = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700", "#cf222e")
PHASES: Final = {"heating": "#cf222e", "injection": "#8250df", "cooling": "#0969da", "ejection": "#2da44e"}
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS_OF_WEEK: Final = 168
YEAR_DAYS: Final = 364
TALL, SHADES = 5, 8
ZONE: Final = zone_info("America/Los_Angeles")


class Row(NamedTuple):
    """A message: seconds from the beginning of the picture, the class, and what it reports."""

    at: float
    name: str
    values: Mapping[str, Any]


def plant(*kinds: str, **entry: Any) -> PlantConfig:
    """Return the scenario with some of its types, without faults by chance. entry: more keys of each."""
    data = yamlread.value(SCENARIO.read_text(encoding="utf-8"))
    data["global"].pop("fault_chance_per_day")
    types = data["message_types"]
    data["message_types"] = {kind: {**types[kind], **entry} for kind in kinds}
    data["sites"] = {"demo": {}}
    return parse(data)


def seen(config: PlantConfig, begin: float, seconds: float, only: str = "") -> Iterator[Row]:
    """Yield what a plant sends in a time. only: the class of messages, if the others are not wanted."""
    generator = FactoryMessageGenerator.of(config, SEED, start=begin)
    done = 0.0
    while done < seconds:
        done = min(done + 86_400, seconds)
        for message in generator.advance(begin + done):
            name = message.kind.rpartition(".")[2]
            if only in ("", name):
                yield Row(message.time_ms / 1000 - begin, name, orjson.loads(message.payload))


class Panel(NamedTuple):
    """A panel: its name, more about it, and the points of its lines by their names."""

    name: str
    more: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def drawn(title: str, panels: Sequence[Panel], span: Span, more: Sequence[str] = (), names: bool = False) -> str:
    """Return a picture of panels one below the other. names: whether the lines are named at the top."""
    bottom = TOP + len(panels) * (HEIGHT + GAP) - GAP
    parts = [part for at, panel in enumerate(panels) for part in _panel(panel, TOP + at * (HEIGHT + GAP), span)]
    named = legend(dict(zip(panels[0].lines, COLOURS, strict=False)), height=3) if names else ()
    return document(title, bottom + 36, [*parts, *more, *named, *times(span, bottom)])


def _panel(panel: Panel, top: float, span: Span) -> Iterator[str]:
    yield heading(panel.name, panel.more, top)
    yield ground(top)
    values = [value for points in panel.lines.values() for _, value in points]
    scale = Scale(*nice(min(values), max(values)), top)
    yield from texts_at(scale, ends(scale))
    for points, colour in zip(panel.lines.values(), COLOURS, strict=False):
        yield line([(at, scale.y(value)) for at, value in points], span, colour)


def of(rows: Sequence[Row], name: str, key: str) -> list[tuple[float, float]]:
    """Return the points of a key of a class of messages."""
    return [(row.at, row.values[key]) for row in rows if row.name == name]


def compressor() -> str:
    """Draw five minutes of a compressor in a full shift: pressure, power, what is taken from it."""
    rows = [*seen(plant("energy_compressor"), MONDAY + 10 * 3600, 300)]
    span = Span(300, 5, lambda at: f"{at / 60:g} min")
    panels = [
        Panel("pressure_bar", "bar: it switches at 6.5 and 7.5", {"": of(rows, "environmental", "pressure_bar")}),
        Panel("power_kw", "kW, loaded and unloaded", {"": of(rows, "energy", "power_kw")}),
        Panel("flow_rate_m3h", "m3/h, what the consumers take", {"": of(rows, "environmental", "flow_rate_m3h")}),
    ]
    return drawn("Five minutes of a compressor: pressure, power and flow", panels, span)


def moulding() -> str:
    """Draw two cycles of an injection moulding machine, with a message each second."""
    rows = [*seen(plant("energy_molding", report_seconds=1), MONDAY + 10 * 3600, 600)]
    made = [row.at for row in rows if row.name == "production" and row.values["production_count"]]
    begin, cycle = made[0], made[1] - made[0]
    rows = [row._replace(at=row.at - begin) for row in rows if 0 <= row.at - begin <= 2 * cycle]
    span = Span(2 * cycle, 7, lambda at: f"{at:.0f} s")
    panels = [
        Panel("power_kw", "kW", {"": of(rows, "energy", "power_kw")}),
        Panel("machine_temp_c", "Cel, the barrel", {"": of(rows, "environmental", "machine_temp_c")}),
    ]
    bottom = TOP + len(panels) * (HEIGHT + GAP) - GAP
    phases = [*_phases(cycle, span, bottom + 2)]
    return drawn("Two cycles of an injection moulding machine", panels, span, [*phases, *legend(PHASES)])


def _phases(cycle: float, span: Span, y: float) -> Iterator[str]:
    for repeat in range(2):
        at = repeat * cycle
        for part, colour in zip((2, 1, 3, 1), PHASES.values(), strict=True):
            yield block(at, at + cycle * part / 7, span, y, BAND, colour)
            at += cycle * part / 7


WEEK: Final = {
    "energy_compressor": "compressor",
    "energy_hvac": "air conditioning",
    "energy_conveyor": "conveyor",
    "energy_pump": "pump",
    "energy_molding": "moulding",
}


def week() -> str:
    """Draw the mean power of each machine in each hour of a week."""
    lines = {title: hourly(kind, MONDAY, 7, 300) for kind, title in WEEK.items()}
    span = Span(
        7 * 86_400, 7, lambda at: (["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon"])[round(at / 86_400)]
    )
    total = [(points[0][0], sum(value for _, value in points)) for points in zip(*lines.values(), strict=True)]
    panels = [
        Panel("power_kw", "kW, the mean of each hour, by machine", lines),
        Panel("power_kw", "kW, all five machines", {"": total}),
    ]
    return drawn("A week of five machines: full shifts, nights and the weekend", panels, span, names=True)


def hourly(kind: str, begin: float, days: int, seconds: float) -> list[tuple[float, float]]:
    """Return the mean power of a machine in each hour, at its middle. seconds: between two messages."""
    sums, counts = defaultdict[int, float](float), defaultdict[int, int](int)
    for row in seen(plant(kind, report_seconds=seconds), begin, days * 86_400, only="energy"):
        hour = int(row.at // 3600)
        sums[hour] += row.values["power_kw"]
        counts[hour] += 1
    return [((hour + 0.5) * 3600, sums[hour] / counts[hour]) for hour in sorted(sums)]


def year() -> str:
    """Draw the mean power of the air conditioning of a year, by week and local hour of the week."""
    begin = datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp()
    weeks: list[list[float]] = [[0.0] * HOURS_OF_WEEK for _ in range(YEAR_DAYS // 7)]
    for at, value in hourly("energy_hvac", begin, YEAR_DAYS, 1200):
        day, hour = _local(begin + at)
        week_of, day = divmod(day - _local(begin)[0], 7)
        if week_of < len(weeks):
            weeks[week_of][day * 24 + hour] = value
    values = [value for each in weeks for value in each if value]
    low, high = min(values), max(values)
    bottom = TOP + len(weeks) * TALL
    span = Span(7 * 86_400, 7, lambda at: DAYS[round(at / 86_400) % 7])
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    named = (
        f'<text x="{LEFT - 8}" y="{TOP + at * len(weeks) / 12 * TALL + 12:.0f}" text-anchor="end">{month}</text>'
        for at, month in enumerate(months)
    )
    cells = (cell for at, each in enumerate(weeks) for cell in _cells(each, TOP + at * TALL, low, high))
    title = f"power_kw of the air conditioning, from {low:.0f} (white) to {high:.0f} kW (dark)"
    return document(
        "A year of the air conditioning by hour of the week: hot afternoons of full shifts take most",
        bottom + 36,
        [heading(title, "the mean of each hour of 52 weeks", TOP), *cells, *named, *times(span, bottom)],
    )


def _local(time: float) -> tuple[int, int]:
    """Return the local day, by number, and the hour of a moment."""
    local = datetime.fromtimestamp(time, tz=ZONE)
    return local.toordinal(), local.hour


def _cells(values: Sequence[float], y: float, low: float, high: float) -> Iterator[str]:
    """Draw a week as a strip: hours of the same shade together."""
    wide, at = WIDTH / HOURS_OF_WEEK, 0
    for shade, group in groupby(values, key=lambda value: _shade(max(0.0, (value - low) / (high - low)))):
        count = len([*group])
        x, width = LEFT + at * wide, count * wide
        yield f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{TALL}" fill="{shade}"/>'
        at += count


def _shade(share: float) -> str:
    """Return a blue that is darker for a greater share."""
    levels, share = ((255, 9), (255, 60), (255, 130)), round(share * SHADES) / SHADES
    return "#" + "".join(f"{round(light + (dark - light) * share):02x}" for light, dark in levels)


PICTURES: Final[Mapping[str, Callable[[], str]]] = {
    "compressor": compressor,
    "moulding": moulding,
    "week": week,
    "year": year,
}


def main() -> None:
    """Write all pictures."""
    for name, draw in PICTURES.items():
        path = ROOT / FOLDER / f"{name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
