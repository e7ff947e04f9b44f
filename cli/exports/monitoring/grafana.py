"""A Grafana dashboard over our Prometheus metrics: delivery, connection, plant and OEE of one namespace's pods.

The panels are the table in panels.py. Their places follow from it: left to right and top to bottom on Grafana's grid of
24 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

from cli.exports.common.export import Export, File, json_file
from cli.exports.monitoring.panels import GOOD, ROWS, Panel, Query, Row, good_jobs
from cli.exports.monitoring.prometheus import selector

SCHEMA_VERSION: Final = 39
"""Of the dashboard's JSON, as Grafana 10.4 and 11 write it; later ones bring it up to date when they load it."""

COLUMNS: Final = 24
SELECTOR: Final = selector("$namespace") + ', instance=~"$pod"'
"""The dashboard's variables as labels. Of `pod` and `instance` only the second is in every scrape."""
SCRAPE_INTERVAL: Final = "1m"
"""The longest between two scrapes that rates put up with: that of the job which Azure IoT Operations documents.

Grafana takes rates over four of them ($__rate_interval); left to the data source it takes 15 s, and finds one sample.
"""

INPUT: Final = "DS_PROMETHEUS"
_SOURCE: Final = {"type": "prometheus", "uid": f"${{{INPUT}}}"}


def grafana(export: Export) -> list[File]:
    """Grafana dashboard over the Prometheus metrics: delivery, connection, machines by state, OEE by type."""
    dashboard = _dashboard(export)
    choice = {"name": INPUT, "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return [
        json_file("grafana/dashboard.json", {"__inputs": _INPUTS, "__requires": _requires()} | dashboard),
        json_file("grafana/provisioned.json", dashboard | _templating([choice, *_variables(export)])),
    ]


def _dashboard(export: Export) -> dict[str, Any]:
    return {
        "uid": export.app,
        "title": f"{export.app}: the factory and its messages",
        "description": "Made by: python app.py export grafana",
        "tags": [export.app, "mqtt"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        **_templating(_variables(export)),
        "panels": list(_placed(ROWS, _good(export))),
    }


_INPUTS: Final = [
    {
        "name": INPUT,
        "label": "Prometheus",
        "description": "Where the metrics of edgemqttsim are",
        "type": "datasource",
        "pluginId": "prometheus",
        "pluginName": "Prometheus",
    }
]
"""What an import asks for. Only an import fills it in: a file that is provisioned needs a variable of that name."""


def _requires() -> list[dict[str, str]]:
    kinds = sorted({panel.kind for row in ROWS for panel in row.panels})
    return [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0"},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds),
    ]


def _templating(variables: list[dict[str, Any]]) -> dict[str, Any]:
    return {"templating": {"list": variables}}


def _variables(export: Export) -> list[dict[str, Any]]:
    """Which pods of which namespace, read from series as Grafana writes them: labels in the order of their names."""
    chosen = {"text": export.namespace, "value": export.namespace}
    everything = {"text": "All", "value": "$__all"}
    namespaces = "count by (namespace, kubernetes_namespace) (edgemqttsim_build_info)"
    pods = f"count by (instance, pod) (edgemqttsim_build_info{{{selector('$namespace')}}})"
    named = r'/instance="(?<value>[^"]+)"(?:.*pod="(?<text>[^"]+)")?/'
    every = {"includeAll": True, "allValue": ".*", "multi": True}
    return [
        _from_labels("namespace", namespaces, r'/namespace="([^"]+)"/', current=chosen),
        _from_labels("pod", pods, named, current=everything) | every,
    ]


def _from_labels(name: str, expr: str, regex: str, *, current: dict[str, str]) -> dict[str, Any]:
    on_time_range = 2
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": f"query_result({expr})",
        "regex": regex,
        "current": current,
        "refresh": on_time_range,
        "sort": 1,
    }


def _good(export: Export) -> str:
    """Return the query for the rate of good jobs, each machine type by its own good results."""
    by_results: dict[tuple[str, ...], list[str]] = {}
    for kind in export.kinds:
        if kind.good:
            by_results.setdefault(kind.good, []).append(kind.key)
    return good_jobs(by_results) if by_results else "vector(0)"


def _placed(rows: Sequence[Row], good: str) -> Iterator[dict[str, Any]]:
    """The panels with their ids and places. A panel that would not fit begins a new line."""
    ids, y = count(1), 0
    for row in rows:
        yield {"id": next(ids), "type": "row", "title": row.title, "collapsed": False, "panels": []} | _at(
            0, y, COLUMNS, 1
        )
        x, y = 0, y + 1
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + row.height
            yield {"id": next(ids)} | _panel(panel, good) | _at(x, y, panel.width, row.height)
            x += panel.width
        y += row.height


def _at(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(panel: Panel, good: str) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(letter, query, good) for letter, query in zip("ABCDEF", panel.queries, strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(letter: str, query: Query, good: str) -> dict[str, Any]:
    expr = query.expr.replace(GOOD, good).replace("@", SELECTOR)
    asked = {"refId": letter, "datasource": _SOURCE, "expr": expr, "legendFormat": query.legend}
    return asked | {"range": True, "interval": SCRAPE_INTERVAL}


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": color} for value, color in panel.steps]
    names = {value: {"text": text} for value, text in panel.names}
    said = {
        "unit": panel.unit,
        "min": None if panel.unit == "s" else 0,
        "max": panel.greatest,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "mappings": [{"type": "value", "options": names}] if names else None,
        "custom": {"fillOpacity": 20, "stacking": {"mode": "normal"}} if panel.stacked else None,
    }
    return {key: value for key, value in said.items() if value is not None}


_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "stat": {"reduceOptions": _LAST, "colorMode": "value", "graphMode": "area"},
    "gauge": {"reduceOptions": _LAST},
    "state-timeline": {"showValue": "never", "mergeValues": True},
}
