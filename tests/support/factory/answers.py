"""What `GET /oee` answers, without a port."""

from __future__ import annotations

import asyncio

from edge.http.oee_answer import machine_entry, oee_answer
from edge.status import OeeFigures, OeeQuery
from messages import FactoryMessageGenerator


def whole_answer(plant: FactoryMessageGenerator) -> bytes:
    """The JSON for a plant's whole run up to now."""
    return asyncio.run(answered(truth_of(plant), OeeQuery()))


def truth_of(plant: FactoryMessageGenerator, query: OeeQuery = OeeQuery()) -> OeeFigures:  # noqa: B008 - frozen
    """What is true of the machines that are asked for."""
    still = plant.oee_snapshot(query.span, query.which)
    entries = [machine_entry(place, machine) for some in still.figures() for place, machine in some]
    return OeeFigures(plant.start, plant.now, entries, still.more, plant.machine_types())


async def answered(truth: OeeFigures, query: OeeQuery) -> bytes:
    """The answer in one piece."""
    return b"".join(await oee_answer(truth, query))
