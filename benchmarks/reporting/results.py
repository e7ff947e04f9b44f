"""Everything that was measured, and its file, from which page and picture can be made again."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.case import Case, Measured
from benchmarks.runs.idle import Idle
from benchmarks.runs.pace import Paced
from benchmarks.runs.rates import Kept
from benchmarks.scenes import Scene

Figure = Callable[[Measured], float]


@dataclass(slots=True)
class Results:
    """By scene title and case, what came of each run.

    first_seconds: from a daemon's start to its first message.  paced, idle: None until they are measured.
    kept: runs at high rates.  circumstances: when and on what, as a paragraph.
    """

    circumstances: str
    runs: dict[tuple[str, Case], list[Measured]] = field(default_factory=dict)
    first_seconds: list[float] = field(default_factory=list)
    paced: Paced | None = None
    idle: Idle | None = None
    kept: list[Kept] = field(default_factory=list)

    def add(self, scene: Scene, case: Case, measured: Measured) -> None:
        """One more run of a case."""
        self.runs.setdefault((scene.title, case), []).append(measured)

    def senders(self, title: str, figure: Figure) -> dict[str, float]:
        """Median of a figure by sender, in a scene."""
        return {case.sender: median(runs, figure) for (scene, case), runs in self.runs.items() if scene == title}

    def sizes(self, title: str, figure: Figure) -> dict[int, float]:
        """Median of a figure by number of machines, in a scene."""
        return {case.machines: median(runs, figure) for (scene, case), runs in self.runs.items() if scene == title}

    def save(self, path: Path) -> None:
        """Write it all as JSON."""
        flat = [
            {"scene": title, "case": dataclasses.asdict(case), "runs": [dataclasses.asdict(run) for run in runs]}
            for (title, case), runs in self.runs.items()
        ]
        whole = {"circumstances": self.circumstances, "runs": flat, "first_seconds": self.first_seconds}
        whole["kept"] = [dataclasses.asdict(kept) for kept in self.kept]
        save(path, whole | {name: plain(getattr(self, name)) for name in ("paced", "idle")})

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` has written."""
        stored = json.loads(path.read_text("utf-8"))
        runs = {
            (flat["scene"], Case(**flat["case"])): [Measured(**run) for run in flat["runs"]] for flat in stored["runs"]
        }
        paced = stored["paced"] and Paced.of(stored["paced"])
        idle = stored["idle"] and Idle(**stored["idle"])
        kept = [Kept(**each) for each in stored["kept"]]
        return cls(stored["circumstances"], runs, stored["first_seconds"], paced, idle, kept)


def rate(measured: Measured) -> float:
    """Messages a second."""
    return measured.rate


def cpu_us(measured: Measured) -> float:
    """Microseconds of the sender's processor time a message."""
    return measured.cpu_us


def rss_mib(measured: Measured) -> float:
    """The most memory the sender had, in MiB."""
    return measured.rss_bytes / 2**20


def median(runs: Sequence[Measured], figure: Figure) -> float:
    """The median of a figure over the runs."""
    return statistics.median(map(figure, runs))


def save(path: Path, stored: dict[str, Any]) -> None:
    """Write plain data as JSON, in a directory that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored, indent=1) + "\n", "utf-8")


def plain(measured: Paced | Idle | None) -> dict[str, Any] | None:
    """It as plain data."""
    return dataclasses.asdict(measured) if measured else None
