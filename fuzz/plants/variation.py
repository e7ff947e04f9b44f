"""What random plants have that makes jobs differ: lots, starts, shifts, operators, and the machines themselves."""

from __future__ import annotations

from random import Random  # noqa: TID251 - makes the entries; no part of them

from fuzz.plants.choices import Data, maybe


def variation(chance: Random, made: Data) -> Data:
    """Return what makes jobs differ: lots, stops, and the machines themselves.

    Its jobs may get fates, and kinds their own cycles.
    """
    own: Data = {}
    if "states" in made and maybe(chance, 0.3):
        made["job"]["on_stop"] = _fates(chance, made)
    kinds, results = [*made["job"]["kinds"]], [*made["job"].get("results", {"good": 1.0})]
    if maybe(chance, 0.3):
        kind: Data = {"weight": 2.0, "cycle_seconds": chance.choice((4.0, [0.5, 3.0]))}
        made["job"]["kinds"] = {
            **dict.fromkeys(kinds[1:], 1.0),
            kinds[0]: kind | {"results": {results[0]: {"times": 2}}},
        }
    if maybe(chance, 0.4):
        changeovers = chance.choice((None, 5.0, {"default": [1.0, 9.0], f"{kinds[0]}>{kinds[1]}": 3.0}))
        own["lots"] = {"size": chance.choice((3, [1, 6]))} | (
            {"changeover_seconds": changeovers, "per_order": [1, 3]} if changeovers else {}
        )
    if maybe(chance, 0.3):
        factors: Data = {"cycle_seconds": {"times": 1.5}, "results": {results[-1]: {"times": 3}}}
        own["start_up"] = {"after_stop_seconds": 4.0, "jobs": chance.choice((1, 4))} | factors
    if maybe(chance, 0.3):
        own["spread"] = {"shares": chance.choice((0.0, 0.4)), "cycle_seconds": 0.1, "results": 0.3}
    return own


def in_shifts(chance: Random) -> Data:
    """Return what depends on the calendar."""
    own: Data = {}
    if maybe(chance, 0.4):
        own["shifts"] = {"day": {"cycle_seconds": {"times": 1.5}}}
    if maybe(chance, 0.4):
        own["operators"] = {"names": ["Ann", 'B"en'], "spread": {"cycle_seconds": 0.2, "results": 0.4}}
    if maybe(chance, 0.4):
        own["start_delay_seconds"] = chance.choice(([0, 9], [2.5, 2.5]))
    return own


def _fates(chance: Random, made: Data) -> dict[str, str]:
    """Return what becomes of jobs in work, by state."""
    bad = [name for name in made["job"].get("results", {}) if name != "good"]
    states = [name for name, state in made["states"].items() if not state.get("produces") and name != "running"]
    return {name: chance.choice(("restarts", "continues", *bad)) for name in states}
