"""The real Prometheus: a server that scrapes our metrics and answers PromQL, and promtool, which tests alert rules.

tests/setup_monitoring.sh unpacks both from Debian's package.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml
from prometheus_client import CollectorRegistry, start_http_server

from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

_FOLDER = Path(__file__).parents[3] / "build" / "prometheus"
_START_SECONDS = 40.0

NAMESPACE, POD = "azure-iot-operations", "edgemqttsim-0"


class Scrape(NamedTuple):
    """A way in which a pod is scraped. pod: its labels and annotations as discovery tells them, which are the target's.

    relabelings: what the job makes of them.  labels: those that its series then have, beside `instance`.
    """

    job: str
    pod: Mapping[str, str]
    relabelings: Sequence[Mapping[str, Any]]
    labels: Mapping[str, str]


_DISCOVERED = {
    "__meta_kubernetes_namespace": NAMESPACE,
    "__meta_kubernetes_pod_name": POD,
    "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
}

SCRAPES = {
    "operator": Scrape(
        f"{NAMESPACE}/edgemqttsim",
        _DISCOVERED,
        [
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
            {"target_label": "container", "replacement": "edgemqttsim"},
            {"target_label": "endpoint", "replacement": "http"},
        ],
        {"namespace": NAMESPACE, "pod": POD, "container": "edgemqttsim", "endpoint": "http"},
    ),
    # The job of the article "Deploy observability resources" of Azure IoT Operations, but for where it finds pods.
    "aio": Scrape(
        "aio-annotated-pod-metrics",
        _DISCOVERED,
        [
            {"action": "drop", "regex": "true", "source_labels": ["__meta_kubernetes_pod_container_init"]},
            {
                "action": "keep",
                "regex": "true",
                "source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"],
            },
            {
                "regex": r"([^:]+)(?::\d+)?;(\d+)",
                "replacement": "$1:$2",
                "source_labels": ["__address__", "__meta_kubernetes_pod_annotation_prometheus_io_port"],
                "target_label": "__address__",
            },
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "kubernetes_namespace"},
            {"action": "keep", "regex": NAMESPACE, "source_labels": ["kubernetes_namespace"]},
        ],
        {"kubernetes_namespace": NAMESPACE},
    ),
}
"""The Prometheus Operator with a PodMonitor, and Azure Monitor as Azure IoT Operations sets it up."""


def why_unavailable() -> str | None:
    """Why there is no Prometheus here, with what to do about it; None if there is one."""
    return None if (_FOLDER / "promtool").exists() else "no Prometheus: on Debian, run: sh tests/setup_monitoring.sh"


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool; both outputs are in `stdout`."""
    call = [str(_FOLDER / "promtool"), *arguments]
    return subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


class Server:
    """A Prometheus that has scraped a registry a few times. `rules`: the groups of a PrometheusRule."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"
        self._at: dict[str, str] = {}

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that an expression gives, once they `stood`, then; raises OSError where it is wrong."""
        found: list[dict[str, Any]] = self._get("query", query=expr, **self._at)["result"]
        return found

    def stood(self) -> bool:
        """Whether some scrapes have gone well, the last one too; what is asked later is of that time.

        On a busy machine a scrape may fail later, after which there would be no series for a while.
        """
        try:
            found = self.query("sum_over_time(up[1m]) > 4 and up == 1")
        except OSError:  # it has not begun yet
            return False
        self._at = {"time": str(found[0]["value"][0])} if found else {}
        return bool(found)

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or fire."""
        found: list[dict[str, Any]] = self._get("alerts")["alerts"]
        return found

    def _get(self, what: str, **parameters: str) -> Any:
        with urlopen(f"{self._url}/{what}?{urlencode(parameters)}", timeout=10) as answer:  # noqa: S310 - on loopback
            return json.load(answer)["data"]


@contextmanager
def scraping(
    registry: CollectorRegistry, directory: Path, scrape: Scrape, rules: Mapping[str, Any] | None = None
) -> Iterator[Server]:
    """A Prometheus that scrapes a registry five times a second, and evaluates rules as often."""
    ours, its = free_port(), free_port()
    often = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    port = {"__meta_kubernetes_pod_annotation_prometheus_io_port": str(ours)}
    pods = [{"targets": [f"127.0.0.1:{ours}"], "labels": {**scrape.pod, **port}}]
    job = {"job_name": scrape.job, "static_configs": pods, "relabel_configs": scrape.relabelings}
    (directory / "rules.yaml").write_text(yaml.safe_dump(rules or {"groups": []}))
    configuration = {"global": often, "scrape_configs": [job], "rule_files": ["rules.yaml"]}
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    call = [
        str(_FOLDER / "prometheus"),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{its}",
        "--log.level=error",
    ]
    page, _ = start_http_server(ours, "127.0.0.1", registry)
    with subprocess.Popen(call, stdout=subprocess.DEVNULL) as process:
        try:
            server = Server(its)
            wait_until(server.stood, _START_SECONDS, "Prometheus has scraped")
            yield server
        finally:
            process.terminate()
            process.wait()
            page.shutdown()
            page.server_close()
