"""A Grafana dashboard over our Prometheus metrics: delivery, connection, plant and OEE of one namespace's pods.

The panels are the table in edge/exports/panels.py. Their places follow from it: left to right and top to bottom on
Grafana's grid of 24 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

from edge.exports.export import Export, File, json_file
from edge.exports.panels import ROWS, Panel, Query, Row

SCHEMA_VERSION: Final = 39
"""Of the dashboard's JSON, as Grafana 10.4 and 11 write it; later ones bring it up to date when they load it."""

COLUMNS: Final = 24
SELECTOR: Final = 'namespace="$namespace", pod=~"$pod"'
"""Labels that a PodMonitor's targets have, and the dashboard's variables for them."""

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def grafana(export: Export) -> list[File]:
    """Grafana dashboard over the Prometheus metrics: delivery, connection, machines by state, OEE by type."""
    dashboard = {
        "uid": export.app,
        "title": f"{export.app}: the factory and its messages",
        "description": "Made by: python app.py export grafana",
        "tags": [export.app, "mqtt"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables(export)},
        "panels": list(_placed(ROWS)),
    }
    return [json_file("grafana/dashboard.json", dashboard)]


def _variables(export: Export) -> list[dict[str, Any]]:
    """Which Prometheus, and which pods of which namespace."""
    chosen = {"text": export.namespace, "value": export.namespace}
    everything = {"text": "All", "value": "$__all"}
    pods = 'label_values(edgemqttsim_build_info{namespace="$namespace"}, pod)'
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        _from_labels("namespace", "label_values(edgemqttsim_build_info, namespace)", current=chosen),
        _from_labels("pod", pods, current=everything) | {"includeAll": True, "multi": True},
    ]


def _from_labels(name: str, query: str, *, current: dict[str, str]) -> dict[str, Any]:
    on_time_range = 2
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": query,
        "current": current,
        "refresh": on_time_range,
        "sort": 1,
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
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
            yield {"id": next(ids)} | _panel(panel) | _at(x, y, panel.width, row.height)
            x += panel.width
        y += row.height


def _at(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(letter, query) for letter, query in zip("ABCDEF", panel.queries, strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(letter: str, query: Query) -> dict[str, Any]:
    expr = query.expr.replace("@", SELECTOR)
    return {"refId": letter, "datasource": _SOURCE, "expr": expr, "legendFormat": query.legend, "range": True}


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
