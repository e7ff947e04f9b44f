"""What a page holds in the browser: memory of its scripts, elements, listeners."""

from __future__ import annotations

from typing import NamedTuple

from playwright.sync_api import CDPSession


class Figures(NamedTuple):
    """What is alive after the collection of garbage.

    heap_mb: the memory that scripts use, in MB.  nodes: of documents, also detached ones that something refers to.
    """

    heap_mb: float
    nodes: int
    listeners: int


def figures_of(session: CDPSession) -> Figures:
    """Collect the garbage of a page, and tell what is left. session: of Chrome's protocol, for that page."""
    session.send("Performance.enable")
    for _ in range(2):  # what the first collection frees may hold more
        session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return Figures(metrics["JSHeapUsedSize"] / 1e6, int(metrics["Nodes"]), int(metrics["JSEventListeners"]))
