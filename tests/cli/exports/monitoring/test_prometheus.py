"""Facts about the exported alerts: promtool plays series to them, and a real Prometheus watches a pod that is ill."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from cli.exports.common.export import Export, TopicIndex
from cli.exports.monitoring.prometheus import ALERTS, prometheus
from edge.status import ConnectionStatus
from tests.edge.observability.test_metrics import registry
from tests.support.exports import yamlread
from tests.support.exports.prometheus import SCRAPES, Scrape, promtool, scraping, why_unavailable
from tests.support.processes.waiting import wait_until

needs_prometheus = pytest.mark.skipif(bool(why_unavailable()), reason=why_unavailable() or "")

EXPORT = Export((), TopicIndex((), "factory"))
MONITOR, RULE = (yamlread.value(file.text) for file in prometheus(EXPORT))
RULES: list[dict[str, Any]] = RULE["spec"]["groups"][0]["rules"]
ROOT = Path(__file__).parents[4]

HEALTHY = {
    "edgemqttsim_build_info": "1x60",
    "edgemqttsim_connected": "1x60",
    'edgemqttsim_messages_generated_total|kind="cnc_machine"': "0+60x60",
    'edgemqttsim_messages_acknowledged_total|kind="cnc_machine"': "0+60x60",
    'edgemqttsim_messages_refused_total|code="0x87"': "3x60",
    'edgemqttsim_messages_dropped_total|reason="oldest"': "7x60",
    "edgemqttsim_token_expiry_timestamp_seconds": "86400x60",
    "edgemqttsim_queue_messages": "400x60",
    "edgemqttsim_queue_size_messages": "1000x60",
    "edgemqttsim_reconnects_total": "0+1x4 4x55",
    'edgemqttsim_reloads_total|outcome="refused"': "1x60",
    'edgemqttsim_lateness_seconds_bucket|le="0.5"': "0+60x60",
    'edgemqttsim_lateness_seconds_bucket|le="5.0"': "0+60x60",
    'edgemqttsim_lateness_seconds_bucket|le="+Inf"': "0+60x60",
    "process_start_time_seconds": "1000x60",
}
"""An hour of a pod that is well, minute by minute, as promtool notes it: start, step, count."""


class Case(NamedTuple):
    """What goes wrong in the tenth minute, and the alert that has to fire: not before `silent`, but by `fires`."""

    alert: str
    series: Mapping[str, str]
    silent: int
    fires: int


AWAY = {
    "edgemqttsim_connected": "1x10 0x49",
    'edgemqttsim_messages_acknowledged_total|kind="cnc_machine"': "0+60x10 600x49",
}
NEVER_TAKEN = {'edgemqttsim_messages_acknowledged_total|kind="cnc_machine"': "0x60"}
CASES = (
    Case("Absent", {"edgemqttsim_build_info": "1x10"}, 14, 22),
    Case("NotReady", AWAY, 15, 24),
    Case(
        "NothingAcknowledged", {'edgemqttsim_messages_acknowledged_total|kind="cnc_machine"': "0+60x10 600x49"}, 14, 22
    ),
    Case("NothingAcknowledged", NEVER_TAKEN, 5, 8),
    Case("TokenNearExpiry", {"edgemqttsim_token_expiry_timestamp_seconds": "1800x60"}, 20, 22),
    Case("QueueFilling", {"edgemqttsim_queue_messages": "0x10 0+200x4 800x44"}, 13, 16),
    Case("MessagesRefused", {'edgemqttsim_messages_refused_total|code="0x87"': "0x10 1x49"}, 10, 12),
    Case("MessagesDropped", {'edgemqttsim_messages_dropped_total|reason="oldest"': "0x10 1x49"}, 10, 12),
    Case("Late", {'edgemqttsim_lateness_seconds_bucket|le="0.5"': "0+60x10 600x49"}, 14, 20),
    Case("Reconnecting", {"edgemqttsim_reconnects_total": "0x10 0+1x49"}, 14, 18),
    Case("Restarting", {"process_start_time_seconds": "1000x10 1000+60x49"}, 11, 15),
    Case("ReloadRefused", {'edgemqttsim_reloads_total|outcome="refused"': "0x10 1x49"}, 10, 12),
)


ADDRESS = "10.0.0.7:8080"
under_each_scrape = pytest.mark.parametrize("scrape", SCRAPES.values(), ids=SCRAPES)


def series(values: Mapping[str, str], scrape: Scrape) -> list[dict[str, str]]:
    """What promtool is given: each name with the labels of the target and its own."""
    added = {**scrape.labels, "job": scrape.job, "instance": ADDRESS}
    labels = [f'{name}="{value}"' for name, value in added.items()]
    split = [(*each.split("|"), values[each]) for each in values]
    return [{"series": f"{name}{{{','.join([*labels, *own])}}}", "values": told} for name, *own, told in split]


def firing(at_minutes: int, alerts: Sequence[str]) -> dict[str, Any]:
    """That just these fire at a minute."""
    samples = [{"labels": f'{{alertname="Edgemqttsim{alert}"}}', "value": 1} for alert in alerts]
    expr = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {"expr": expr, "eval_time": f"{at_minutes}m", "exp_samples": samples}


def played(tests: list[dict[str, Any]], directory: Path) -> str:
    """What promtool says to tests of our rules; nothing but SUCCESS if they hold."""
    (directory / "rules.yaml").write_text(yaml.safe_dump(RULE["spec"]))
    unit = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (directory / "tests.yaml").write_text(yaml.safe_dump(unit))
    return promtool("test", "rules", str(directory / "tests.yaml")).stdout


def test_the_pod_monitor_finds_the_port_of_the_pod() -> None:
    """Labels, port and path are those of deployment.yaml."""
    manifest = yamlread.every((ROOT / "deployment.yaml").read_text("utf-8"))
    pod = next(each for each in manifest if each["kind"] == "Deployment")["spec"]["template"]
    [endpoint] = MONITOR["spec"]["podMetricsEndpoints"]

    assert MONITOR["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert endpoint["path"] == pod["metadata"]["annotations"]["prometheus.io/path"]


def test_the_annotations_are_those_that_azure_iot_operations_scrapes() -> None:
    """Its job keeps "true", takes a port, and has no path but /metrics; it scrapes each port that the pod declares."""
    manifest = yamlread.every((ROOT / "deployment.yaml").read_text("utf-8"))
    pod = next(each for each in manifest if each["kind"] == "Deployment")["spec"]["template"]
    told = {name: text for name, text in pod["metadata"]["annotations"].items() if name.startswith("prometheus.io/")}
    [port] = [port["containerPort"] for container in pod["spec"]["containers"] for port in container.get("ports", [])]

    assert told == {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics"}


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    """A summary that names the pod or namespace, a description of some sentences, and one of two severities."""
    for rule in RULES:
        assert re.search(r"{{ (or \$labels\.pod )?\$labels\.(instance|namespace) }}", rule["annotations"]["summary"])
        assert len(re.findall(r"[.:] |\.$", rule["annotations"]["description"])) >= 2
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_every_alert_is_in_the_documents() -> None:
    """The table of docs/dashboards.md has each alert once, and no other."""
    page = (ROOT / "docs" / "dashboards.md").read_text("utf-8")

    assert re.findall(r"^\| `(Edgemqttsim\w+)` \|", page, re.MULTILINE) == [alert.name for alert in ALERTS]


def test_alerts_ask_for_metrics_of_a_scrape() -> None:
    """Every metric in an alert exists."""
    said = {sample.name for family in registry().collect() for sample in family.samples}
    said |= {"edgemqttsim_last_acknowledgement_age_seconds"}

    for rule in RULES:
        assert set(re.findall(r"\b(?:edgemqttsim|process)_\w+", rule["expr"])) <= said


@needs_prometheus
def test_rules_are_right(tmp_path: Path) -> None:
    """promtool finds no mistake, no duplicate, and nothing odd."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULE["spec"]))

    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml"))

    assert (checked.returncode, f"SUCCESS: {len(ALERTS)} rules found" in checked.stdout) == (0, True), checked.stdout


@needs_prometheus
@under_each_scrape
def test_nothing_fires_while_all_is_well(scrape: Scrape, tmp_path: Path) -> None:
    """Not for old losses, a queue below a half, some reconnects, nor a token renewed in time."""
    checks = [firing(minute, []) for minute in range(0, 60, 2)]

    said = played([{"interval": "1m", "input_series": series(HEALTHY, scrape), "promql_expr_test": checks}], tmp_path)

    assert said.strip().endswith("SUCCESS"), said


@needs_prometheus
@under_each_scrape
@pytest.mark.parametrize("case", CASES, ids=[f"{case.alert}-{case.silent}" for case in CASES])
def test_an_alert_fires_in_time_and_no_sooner(case: Case, scrape: Scrape, tmp_path: Path) -> None:
    """And no other does."""
    checks = [firing(case.silent, []), firing(case.fires, [case.alert])]
    ill = series({**HEALTHY, **case.series}, scrape)

    said = played([{"interval": "1m", "input_series": ill, "promql_expr_test": checks}], tmp_path)

    assert said.strip().endswith("SUCCESS"), said


def test_every_alert_has_a_case() -> None:
    """None goes untested."""
    assert {f"Edgemqttsim{case.alert}" for case in CASES} == {alert.name for alert in ALERTS}


@needs_prometheus
@under_each_scrape
def test_pods_of_another_namespace_are_nothing_to_us(scrape: Scrape, tmp_path: Path) -> None:
    """Their ills raise no alert of ours, and their health does not hide that we have no pod."""
    others = {name: "elsewhere" if "namespace" in name else value for name, value in scrape.labels.items()}
    ill = series({**HEALTHY, **AWAY}, scrape._replace(labels=others))

    said = played([{"interval": "1m", "input_series": ill, "promql_expr_test": [firing(30, ["Absent"])]}], tmp_path)

    assert said.strip().endswith("SUCCESS"), said


@needs_prometheus
@under_each_scrape
def test_a_pod_that_is_away_is_seen(scrape: Scrape, tmp_path: Path) -> None:
    """A real Prometheus over our own metrics: the alert is there with its pod, and its words are filled in."""
    away = registry(connected=ConnectionStatus())
    with scraping(away, tmp_path, scrape, RULE["spec"]) as server:
        alerts: list[dict[str, Any]] = []

        def is_alone() -> bool:  # where a scrape fails on a busy machine, another one is pending for a moment
            alerts[:] = server.alerts()
            return [each["labels"]["alertname"] for each in alerts] == ["EdgemqttsimNotReady"]

        wait_until(is_alone, 40.0, "an alert")

    [alert] = alerts
    labels = alert["labels"]
    named = scrape.labels.get("pod", labels["instance"])
    assert labels.items() >= scrape.labels.items()
    assert alert["annotations"]["summary"].startswith(f"{named} has had no connection")
