"""Facts about what Azure Monitor's Prometheus is given: the same scraping and the same alerts in its own form.

The form is that of the published template reference of Microsoft.AlertsManagement/prometheusRuleGroups 2023-03-01. Not
shown here: that Bicep compiles the file, that Azure takes it, and that it fills in annotations as Prometheus does.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from cli.exports.common.export import Export, TopicIndex
from cli.exports.monitoring.azure_monitor import azure_monitor
from cli.exports.monitoring.prometheus import prometheus
from tests.support.exports import yamlread
from tests.support.exports.biceptext import declared, value_of

EXPORT = Export((), TopicIndex((), "factory"), namespace="factory-7")
MONITOR, BICEP = (file.text for file in azure_monitor(EXPORT))
THEIRS, RULE = (yamlread.value(file.text) for file in prometheus(EXPORT))
RULES: list[dict[str, Any]] = value_of(BICEP, "rules")
PROPERTIES = {"clusterName", "description", "enabled", "interval", "rules", "scopes"}
RULE_PROPERTIES = {"alert", "annotations", "enabled", "expression", "for", "labels", "resolveConfiguration", "severity"}
MOST_RULES = 20
"""In one group, by the limits of Azure Monitor."""


def test_the_pod_monitor_is_the_same_but_for_its_group() -> None:
    """Azure's agent reads azmonitoring.coreos.com/v1 alone."""
    assert yamlread.value(MONITOR) == THEIRS | {"apiVersion": "azmonitoring.coreos.com/v1"}


def test_the_alerts_are_those_of_the_prometheus_rule() -> None:
    """Read back, names, queries, labels and words are the same, and a duration says the same in ISO 8601."""
    written = [
        {
            "alert": each["alert"],
            "expr": each["expression"],
            **({"for": each["for"].removeprefix("PT").lower()} if "for" in each else {}),
            "labels": each["labels"],
            "annotations": each["annotations"],
        }
        for each in RULES
    ]

    assert written == RULE["spec"]["groups"][0]["rules"]


def test_each_alert_has_the_form_of_azure() -> None:
    """Only properties of the API, on by itself, gone by itself, and Azure's number for how bad it is."""
    assert 0 < len(RULES) <= MOST_RULES
    for each in RULES:
        assert each.keys() <= RULE_PROPERTIES
        assert each["enabled"] is True
        assert each["severity"] == {"critical": 0, "warning": 2}[each["labels"]["severity"]]
        assert each["resolveConfiguration"]["autoResolved"] is True
        for duration in (each.get("for", "PT1M"), each["resolveConfiguration"]["timeToResolve"]):
            assert re.fullmatch(r"PT[0-9]+[MH]", duration)


def test_the_group_has_the_properties_of_azure() -> None:
    """All that it needs, nothing that is unknown, and no name that the file does not declare."""
    group = BICEP[BICEP.index("\nresource group ") :]
    used = set(re.findall(r"^ +(?:location|enabled|scopes): (\w+)$", group, re.MULTILINE))

    assert "'Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01'" in group
    assert set(re.findall(r"^    (\w+):", group, re.MULTILINE)) == PROPERTIES
    assert used | {"actions", "rules", "clusterName"} <= declared(BICEP)
    assert "name: 'edgemqttsim-factory-7'" in group


@pytest.mark.parametrize("placeholder", sorted(set(re.findall(r"<[A-Z_]+>", BICEP))))
def test_what_the_user_fills_in_is_listed_at_the_top(placeholder: str) -> None:
    """Every <PLACEHOLDER> is explained in the file's head."""
    assert re.search(rf"^//   {placeholder}  ", BICEP, re.MULTILINE)
