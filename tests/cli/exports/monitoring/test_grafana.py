"""Facts about the exported dashboard: its form, and each of its queries asked of a real Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cli.exports.monitoring.grafana import COLUMNS, grafana
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import KindOee, Snapshot
from tests.edge.fixed_status import FixedStatus
from tests.edge.observability.test_metrics import CONNECTED, OEE, SNAPSHOT, ledger, registry, registry_of
from tests.support.exports import yamlread
from tests.support.exports.prometheus import NAMESPACE, SCRAPES, Server, scraping, why_unavailable
from tests.support.exports.schemas import export_of
from tests.support.processes.daemon import ROOT

needs_prometheus = pytest.mark.skipif(bool(why_unavailable()), reason=why_unavailable() or "")


def with_alarms() -> PlantConfig:
    """The default plant, and a machine that measures and has an alarm and a fault."""
    data = yamlread.value((ROOT / "message_structure.yaml").read_text("utf-8"))
    meter = {"signals": {"level": {"base": 5}}, "alarms": {"level": {"high": 4}}, "faults": {"leak": {}}}
    data["message_types"]["meter"] = meter
    return parse(data)


DASHBOARD, PROVISIONED = (json.loads(file.text) for file in grafana(export_of(with_alarms())))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [(panel["title"], target) for panel in PANELS for target in panel.get("targets", [])]
VARIABLES: dict[str, dict[str, Any]] = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
ADDED = {"namespace", "kubernetes_namespace", "pod", "instance", "le"}
"""Labels that are not ours: of the target, and of every histogram."""
AT_WORK = replace(CONNECTED, last_ack_age_seconds=0.1)


def asked(expr: str) -> str:
    """A query as Grafana sends it, with its variables filled in."""
    values = {"$namespace": NAMESPACE, "$pod": ".*", "$__rate_interval": "4m"}
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], expr)


def scraped() -> Iterator[tuple[str, set[str]]]:
    """Each sample's name and labels in a scrape."""
    for family in text_string_to_metric_families(generate_latest(registry(connected=AT_WORK)).decode()):
        for sample in family.samples:
            yield sample.name, set(sample.labels)


class Moving(FixedStatus):
    """A plant that goes on: at each scrape more has been emitted, acknowledged, lost and made than before."""

    def __init__(self) -> None:
        super().__init__(ledger=ledger(), connected=AT_WORK)
        self.scrapes = 0

    def snapshot(self) -> Snapshot:
        self.scrapes += 1
        self.lateness.observe(0.3)
        self.ledger.generated_by_kind["cnc_machine"] += 3
        self.ledger.acknowledged_by_kind["cnc_machine"] += 2
        self.ledger.refused[0x87] += 1
        self.ledger.dropped["oldest"] += 1
        jobs = {each: count + self.scrapes for each, count in SNAPSHOT.jobs.items()}
        events = {each: count + self.scrapes for each, count in SNAPSHOT.alarm_events.items()}
        return replace(SNAPSHOT, jobs=jobs, alarm_events=events)

    def oee_by_kind(self) -> list[KindOee]:
        seconds = {name: getattr(OEE, name) + self.scrapes for name in ("planned_seconds", "producing_seconds")}
        more = {**seconds, "ideal_seconds": OEE.ideal_seconds + self.scrapes}
        return [KindOee(kind=OEE.kind, machines=5, stopped_seconds={}, results=OEE.results, good=OEE.good, **more)]


@pytest.fixture(scope="module", params=SCRAPES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus that scrapes a plant that goes on, in each of the ways there are."""
    with scraping(registry_of(Moving()), tmp_path_factory.mktemp("prometheus"), SCRAPES[request.param]) as server:
        yield server


def test_panels_are_told_apart() -> None:
    """Ids and titles come once, and each query of a panel has a letter of its own."""
    ids = [panel["id"] for panel in PANELS]
    letters = [(title, target["refId"], target["expr"]) for title, target in QUERIES]

    assert len(set(ids)) == len(ids) == len(PANELS) > 25
    assert len(set(letters)) == len(letters) > 30


def test_panels_lie_on_the_grid_and_not_on_each_other() -> None:
    """Each is within 24 columns, and no two share a place."""
    places = [panel["gridPos"] for panel in PANELS]

    assert all(at["x"] >= 0 and at["x"] + at["w"] <= COLUMNS for at in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, (a, b)


def test_every_panel_says_what_it_shows() -> None:
    """In words that a tooltip can hold."""
    for panel in PANELS:
        assert panel["type"] == "row" or re.fullmatch(r"[A-Z].{20,120}\.", panel["description"]), panel["title"]


def test_every_metric_and_label_is_one_of_a_scrape() -> None:
    """Names in queries, labels in `by`, in braces and in legends: all are in what /metrics says."""
    samples = list(scraped())
    known = {label for _, labels in samples for label in labels} | ADDED
    for title, target in QUERIES:
        names = set(re.findall(r"\b(?:edgemqttsim|process)_\w+", target["expr"]))
        labels = set(re.findall(r"(\w+)=~?\"", target["expr"])) | set(re.findall(r"by \((\w+)\)", target["expr"]))
        assert names, title
        assert names <= {name for name, _ in samples}, title
        assert labels | set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= known, title


def test_every_metric_that_matters_is_shown() -> None:
    """All of ours but what other queries already hold, or what is told in words."""
    exprs = " ".join(target["expr"] for _, target in QUERIES)
    unseen = {name for name, _ in scraped() if name.startswith("edgemqttsim_") and name not in exprs}

    assert {re.sub(r"_(sum|count|bucket)$", "", name) for name in unseen} == {
        "edgemqttsim_availability_ratio",
        "edgemqttsim_build_info",
        "edgemqttsim_connects_total",
        "edgemqttsim_last_reload_success_timestamp_seconds",
        "edgemqttsim_lateness_seconds",
        "edgemqttsim_oee_ratio",
        "edgemqttsim_performance_ratio",
        "edgemqttsim_quality_ratio",
        "edgemqttsim_stopped_seconds_total",
    }


@needs_prometheus
def test_every_query_has_an_answer(server: Server) -> None:
    """A real Prometheus that scrapes our metrics finds series for each of them, with a value and a full legend."""
    for title, target in QUERIES:
        series = server.query(asked(target["expr"]))
        assert series, title
        for each in series:
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) - {"pod"} <= each["metric"].keys(), title
            assert each["value"][1] != "NaN", title


@needs_prometheus
def test_the_figures_on_the_dashboard_are_those_of_the_plant(server: Server) -> None:
    """Of a plant that makes a good and a bad job at each scrape, and does nothing but produce: OEE is a half."""
    [expr] = [target["expr"] for title, target in QUERIES if title == "OEE, by type"]

    [series] = server.query(asked(expr))

    assert series["metric"] == {"kind": "cnc_machine"}
    assert float(series["value"][1]) == pytest.approx(0.5, abs=0.02)


def options(server: Server, name: str) -> list[dict[str, str]]:
    """What Grafana offers for a variable: its regex over series, each written with its labels sorted by name."""
    variable = VARIABLES[name]
    expr = re.fullmatch(r"query_result\((.*)\)", asked(variable["query"]))
    assert expr is not None
    pattern = re.sub(r"\(\?<(?=\w)", "(?P<", variable["regex"].strip("/"))
    labels = [sorted(each["metric"].items()) for each in server.query(expr[1])]
    texts = ["{" + ",".join(f'{label}="{value}"' for label, value in each) + "} 1 1700000000000" for each in labels]
    found = [re.search(pattern, text) for text in texts]
    return [match.groupdict() or {"value": match[1]} for match in found if match]


@needs_prometheus
def test_the_variables_offer_namespaces_and_pods(server: Server) -> None:
    """Each by its name where the scrape says it; a pod's value is its address, by which queries find it."""
    [build] = server.query("edgemqttsim_build_info")
    labels = build["metric"]
    [namespace], [pod] = options(server, "namespace"), options(server, "pod")

    assert namespace == {"value": NAMESPACE}
    assert pod == {"value": labels["instance"], "text": labels.get("pod")}
    assert server.query(f'edgemqttsim_connected{{instance=~"{pod["value"]}"}}')


def test_rates_are_taken_over_four_scrapes_of_a_minute() -> None:
    """Each query has a minute as its least step; by Grafana's own 15 s, a rate would find one sample."""
    assert {target["interval"] for _, target in QUERIES} == {"1m"}


def sources(of: object) -> list[str]:
    """The uid of each data source in a dashboard."""
    if isinstance(of, list):
        return [uid for each in of for uid in sources(each)]
    if not isinstance(of, dict):
        return []
    own = [of["datasource"]["uid"]] if isinstance(of.get("datasource"), dict) else []
    return own + [uid for each in of.values() for uid in sources(each)]


def test_an_import_asks_for_the_data_source() -> None:
    """One input, which all panels, queries and variables read; and what Grafana needs to have is told."""
    [asks] = DASHBOARD["__inputs"]
    needed = {(each["type"], each["id"]) for each in DASHBOARD["__requires"]}

    assert (asks["type"], asks["pluginId"]) == ("datasource", "prometheus")
    assert set(sources(DASHBOARD)) == {f"${{{asks['name']}}}"}
    assert len(sources(DASHBOARD)) == len(VARIABLES) + len(QUERIES) + sum(panel["type"] != "row" for panel in PANELS)
    assert needed >= {("panel", panel["type"]) for panel in PANELS if panel["type"] != "row"}
    assert needed >= {("grafana", "grafana"), ("datasource", "prometheus")}


def test_a_dashboard_that_is_provisioned_asks_nothing() -> None:
    """Grafana fills in no inputs of such a file: a variable of the same name takes the place, all else is the same."""
    [source, *rest] = PROVISIONED["templating"]["list"]

    assert (source["name"], source["type"]) == (DASHBOARD["__inputs"][0]["name"], "datasource")
    assert PROVISIONED.keys() == DASHBOARD.keys() - {"__inputs", "__requires"}
    assert (rest, PROVISIONED["panels"]) == ([*VARIABLES.values()], PANELS)
