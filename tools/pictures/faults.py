"""Draws a damaged bearing, faults of a sensor, and wear as SVGs, by runs of the plants of docs/faults.md.

python -m tools.pictures.faults      writes docs/pictures/faults; so does `python -m tools.generate`
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import yaml

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.truth.events import FaultEpisode, FinishedJob, StateInterval, TruthEvent
from tools.pictures.drawing import (
    BAND,
    GAP,
    GREY,
    HEIGHT,
    RED,
    STATES,
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
PAGE, FOLDER = ROOT / "docs" / "faults.md", "docs/pictures/faults"
BLUE, ORANGE, PURPLE, LIGHT, SILVER = "#0969da", "#bc4c00", "#8250df", "#ffebe9", "#afb8c1"
FIRST, SMALL = 66, 40
"""Where the first panel begins if the labels stand above it, and the height of a small panel."""


class Window(NamedTuple):
    """What a picture shows: the seed, its first hour from the start of the run, and its axis of time."""

    seed: int
    first_hour: float
    span: Span


def minutes(at: float) -> str:
    """Return a time of the axis."""
    return f"{at / 60:g} min"


BEARING: Final = Window(29, 62.8, Span(9000, 5, minutes))
"""Hours in which a bearing is damaged and repaired, and nothing else happens."""

SENSOR: Final = Window(2, 0, Span(3600, 6, minutes))
WEAR: Final = Window(1, 0, Span(3 * 86_400, 6, lambda at: f"{at / 3600:g} h"))


@dataclass
class Seen:
    """A window of the run of a machine. Times are in seconds from its beginning."""

    begin_ms: float
    rows: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)
    truth: list[TruthEvent] = field(default_factory=list)

    def at(self, time_ms: float) -> float:
        """Return a time in seconds from the beginning."""
        return (time_ms - self.begin_ms) / 1000

    @property
    def stays(self) -> list[StateInterval]:
        """The stays of the machine, also of before the window."""
        return [each for each in self.truth if isinstance(each, StateInterval)]

    @property
    def jobs(self) -> list[FinishedJob]:
        """The jobs that were finished in the window."""
        return [each for each in self.truth if isinstance(each, FinishedJob) and each.finished_ms >= self.begin_ms]

    @property
    def episodes(self) -> list[FaultEpisode]:
        """The faults in the window."""
        return [each for each in self.truth if isinstance(each, FaultEpisode) and each.to_ms > self.begin_ms]


def plants() -> list[dict[str, Any]]:
    """Return the plants of the page: the first one, and those of sensors and of wear."""
    found = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    pieces = map(yaml.safe_load, found)
    return [each for each in pieces if "message_types" in each][:3]


def seen(data: Mapping[str, Any], window: Window) -> Seen:
    """Return what a plant of one machine sends in a window, and what really happens up to its end."""
    generator = FactoryMessageGenerator.of(parse(data), window.seed)
    found = Seen((START + window.first_hour * 3600) * 1000)
    generator.listen(found.truth.append)
    generator.advance_silently(found.begin_ms / 1000)
    for message in generator.advance(found.begin_ms / 1000 + window.span.seconds):
        found.rows.append((found.at(message.time_ms), orjson.loads(message.payload)))
    generator.close_truth()
    return found


# a damaged bearing


def bearing() -> str:
    """Draw signals, cycle times and results of a press before, in and after a fault, and its label."""
    found, span = seen(plants()[0], BEARING), BEARING.span
    (episode,) = (each for each in found.episodes if each.fault == "bearing_damage")
    tops = [FIRST + at * (HEIGHT + GAP) for at in range(4)]
    bottom = tops[3] + SMALL
    parts = [
        *labels([(episode, f"label: {episode.fault}, severity {episode.severity:.2f}, by {episode.why}")], found, span),
        *(ground(top) for top in tops[:3]), ground(tops[3], SMALL),
        *shades([episode], found, span, FIRST, bottom),
        *signal(found, "vibration", "mm/s", tops[0], span),
        *signal(found, "temperature", "Cel", tops[1], span),
        *cycles(found, "; declared: 40 to 60", tops[2], span),
        *results(found, episode, tops[3], span),
        *band(found, span, bottom + 2),
        *legend(states_of(found, span)),
        *times(span, bottom),
    ]  # fmt: skip
    return document("A damaged bearing: signals, cycle times and results of a press, and its label", bottom + 36, parts)


def labels(texts: Sequence[tuple[FaultEpisode, str]], found: Seen, span: Span) -> Iterator[str]:
    """Draw labels above the panels: their ramp, and their text."""
    for episode, text in texts:
        begin, full, end = (found.at(each) for each in (episode.from_ms, _full_ms(episode), episode.to_ms))
        x, steep, last = span.x(begin), span.x(full), span.x(min(end, span.seconds))
        yield f'<path d="M{x:.1f} 46L{steep:.1f} 34H{last:.1f}V46Z" fill="{RED}"/>'
        yield f'<text x="{x:.1f}" y="30" fill="{RED}">{text}</text>'


def _full_ms(episode: FaultEpisode) -> int:
    return min(episode.to_ms, episode.from_ms + episode.ramp_ms)


def shades(episodes: Iterable[FaultEpisode], found: Seen, span: Span, top: float, bottom: float) -> Iterator[str]:
    """Draw the times of faults behind the panels."""
    for each in episodes:
        yield block(found.at(each.from_ms), found.at(each.to_ms), span, top, bottom - top, LIGHT)


def signal(found: Seen, name: str, unit: str, top: float, span: Span) -> Iterator[str]:
    """Draw a signal as it is reported."""
    values = [row[name] for _, row in found.rows if row[name] is not None]
    scale = Scale(*nice(min(values), max(values)), top)
    yield heading(name, unit, top)
    yield from texts_at(scale, ends(scale))
    yield from lines(
        [(at, None if row[name] is None else scale.y(row[name])) for at, row in found.rows], span, BLUE, 1.2
    )


def cycles(found: Seen, more: str, top: float, span: Span) -> Iterator[str]:
    """Draw the cycle time of each job. more: a text about the cycle times."""
    values = [each.cycle_ms / 1000 for each in found.jobs]
    scale = Scale(*nice(min(values), max(values)), top)
    yield heading("cycle time", f"s, of each job as it finishes{more}", top)
    yield from texts_at(scale, ends(scale))
    for job, value in zip(found.jobs, values, strict=True):
        yield _dot(span.x(found.at(job.finished_ms)), scale.y(value), ORANGE)


def lines(points: Sequence[tuple[float, float | None]], span: Span, colour: str, width: float) -> Iterator[str]:
    """Draw a line through points, with gaps where there is no height."""
    for is_there, piece in groupby(points, key=lambda each: each[1] is not None):
        if is_there:
            yield line([(at, y) for at, y in piece if y is not None], span, colour, width)


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>'


def results(found: Seen, episode: FaultEpisode, top: float, span: Span) -> Iterator[str]:
    """Draw a mark for each job, a tall one for scrap, and how many there are in the fault and beside it."""
    within = [each for each in found.jobs if episode.from_ms <= each.finished_ms < episode.to_ms]
    beside = [each for each in found.jobs if each not in within]
    counts = f"in the fault {_scrap(within)}, before and after it {_scrap(beside)}"
    yield heading("scrap", f"tall marks, among all jobs: {counts}", top)
    for colour, is_scrap, height in ((GREY, False, 12), (RED, True, SMALL - 6)):
        marks = (found.at(each.finished_ms) for each in found.jobs if (each.result == "scrap") is is_scrap)
        path = "".join(f"M{span.x(at):.1f} {top + SMALL}v-{height}" for at in marks)
        yield f'<path d="{path}" stroke="{colour}" stroke-width="{2 if is_scrap else 1}"/>'


def _scrap(jobs: Sequence[FinishedJob]) -> str:
    return f"{sum(each.result == 'scrap' for each in jobs)} of {len(jobs)}"


def band(found: Seen, span: Span, y: float) -> Iterator[str]:
    """Draw the states of the machine."""
    for stay in found.stays:
        if found.at(stay.to_ms) > 0:
            yield block(found.at(stay.from_ms), found.at(stay.to_ms), span, y, BAND, STATES[stay.state])


def states_of(found: Seen, span: Span) -> dict[str, str]:
    """Return the colours of the states in the window."""
    names = {each.state for each in found.stays if found.at(each.to_ms) > 0 and found.at(each.from_ms) < span.seconds}
    return {name: colour for name, colour in STATES.items() if name in names}


# faults of a sensor


def sensor() -> str:
    """Draw what a faulty sensor reports, and the true value, which the same plant without the faults reports."""
    data, span = plants()[1], SENSOR.span
    healthy = copy.deepcopy(data)
    for entry in healthy["message_types"].values():
        del entry["sensor_faults"]
    faulty, true = (seen(each, SENSOR) for each in (data, healthy))
    values = [row["temperature"] for each in (faulty, true) for _, row in each.rows if row["temperature"] is not None]
    scale = Scale(*nice(min(values), max(values)), FIRST, 2 * HEIGHT)
    bottom = FIRST + 2 * HEIGHT

    def heights(found: Seen) -> list[tuple[float, float | None]]:
        return [(at, None if row["temperature"] is None else scale.y(row["temperature"])) for at, row in found.rows]

    named = [(each, each.fault.partition(".")[2]) for each in faulty.episodes]
    parts = [
        *labels(named, faulty, span),
        ground(FIRST, 2 * HEIGHT),
        *shades(faulty.episodes, faulty, span, FIRST, bottom),
        heading("temperature", "Cel", 22),
        *texts_at(scale, ends(scale)),
        *lines(heights(true), span, SILVER, 5),
        *lines(heights(faulty), span, BLUE, 1.6),
        *legend({"reported": BLUE, "true": SILVER}, height=3, letter=8),
        *times(span, bottom),
    ]
    return document("Four faults of a sensor: what it reports, and what is true", bottom + 36, parts)


# wear


def wear() -> str:
    """Draw the wear of a tool, the signal that shows it, and the mean cycle time, over some days."""
    data, span = plants()[2], WEAR.span
    (entry,) = data["message_types"].values()
    found = seen(data, WEAR)
    top = 40
    tops = [top + at * (HEIGHT + GAP) for at in range(3)]
    bottom = tops[2] + HEIGHT
    resets = [found.at(each.to_ms) for each in found.stays if each.state == "maintenance"]
    while_running = Seen(
        found.begin_ms,
        [(at, row if row["status"] == "running" else {**row, "force": None}) for at, row in found.rows],
    )
    parts = [
        *(ground(each) for each in tops),
        *(f'<path d="M{span.x(at):.1f} {top}V{bottom}" stroke="{PURPLE}" stroke-dasharray="3 3"/>' for at in resets),
        *worn(found, entry["wear"]["tool"]["life_hours"] * 3600, tops[0], span),
        *signal(while_running, "force", "kN, while running", tops[1], span),
        *cycles(found, "", tops[2], span),
        *band(found, span, bottom + 2),
        *legend(states_of(found, span)),
        *times(span, bottom),
    ]
    return document("Wear of a tool over three days: its effects grow until maintenance resets it", bottom + 36, parts)


def worn(found: Seen, life_seconds: float, top: float, span: Span) -> Iterator[str]:
    """Draw the wear from the first reset on: the time of producing since then, as a share of the life."""
    scale, wear, points = Scale(0, 1, top), None, list[tuple[float, float]]()
    yield heading("wear", "from the ground truth, after the first reset", top)
    yield from texts_at(scale, ends(scale))
    for stay in found.stays:
        begin, end = found.at(stay.from_ms), found.at(stay.to_ms)
        if wear is not None:
            points.append((begin, scale.y(wear)))
            wear += (end - begin) / life_seconds if stay.state == "running" else 0
            points.append((end, scale.y(wear)))
        if stay.state == "maintenance":
            wear = 0.0
    yield line(points, span, PURPLE, 2)


PICTURES: Final[Mapping[str, Callable[[], str]]] = {"bearing": bearing, "sensor": sensor, "wear": wear}
"""The pictures by the names of their files."""


def main() -> None:
    """Write every picture."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        (ROOT / FOLDER / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
