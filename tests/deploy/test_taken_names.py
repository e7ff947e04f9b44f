"""Facts about names that others use in the same namespace: Microsoft's quickstart has a ServiceAccount mqtt-client."""

from __future__ import annotations

import re

import pytest

from tests.support.exports.kustomize import ROOT, Resource, manifest, pods

FACTORIES = ["deployment.yaml", "authorization", "monitoring", "scaled"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TAKEN = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "mqtt-client", "namespace": "azure-iot-operations"},
}
"""All that may be applied of it: what was there keeps its annotations, labels and settings."""


def commands() -> list[str]:
    """The lines of the pages that delete, continued ones joined."""
    text = "".join(page.read_text("utf-8") for page in PAGES).replace("\\\n", "")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("kubectl delete ")]


def removed() -> set[str]:
    """The kinds that the pages delete by the simulator's label, in small letters."""
    found = [re.fullmatch(r"kubectl delete (\S+) .*-l app=edgemqttsim", line) for line in commands()]
    return {kind for match in found if match for kind in match[1].split(",")}


@pytest.mark.parametrize("name", FACTORIES)
def test_an_account_that_was_there_stays_as_it_was(name: str) -> None:
    """Of the ServiceAccount mqtt-client only the name is applied: no label, annotation or setting."""
    assert [each for each in manifest(name) if each["metadata"]["name"] == "mqtt-client"] == [TAKEN]


@pytest.mark.parametrize("name", FACTORIES)
def test_removing_leaves_the_account_and_nothing_else(name: str) -> None:
    """The commands of the pages find each resource by kind and label, and mqtt-client by neither."""
    left = [each for each in manifest(name) if not found(each)]

    assert left == [TAKEN]
    assert "serviceaccount" not in removed(), "an older manifest gave mqtt-client the label"


def found(resource: Resource) -> bool:
    """Whether the pages' commands delete it."""
    kind, about = resource["kind"].lower(), resource["metadata"]
    by_name = f"kubectl delete {kind} -n {about['namespace']} {about['name']}" in commands()
    return by_name or (kind in removed() and about.get("labels", {}).get("app") == "edgemqttsim")


def test_no_page_deletes_what_holds_the_account() -> None:
    """No command takes deployment.yaml or an overlay with mqtt-client in it as a whole."""
    wrong = re.compile(r"-f deployment\.yaml|-k deploy/overlays/(authorization|monitoring|scaled|\.\.\.)|mqtt-client$")

    assert [line for line in commands() if wrong.search(line)] == []


def test_authorization_is_for_an_account_of_its_own() -> None:
    """The overlay's pod runs as the account that has the attribute, which is not the quickstart's."""
    (pod,) = pods(manifest("authorization"))
    annotated = [each for each in manifest("authorization") if "annotations" in each["metadata"]]
    (account,) = (each["metadata"]["name"] for each in annotated if each["kind"] == "ServiceAccount")

    assert pod["spec"]["serviceAccountName"] == account == "edgemqttsim"


def test_the_client_pod_has_names_of_its_own() -> None:
    """Pod and ServiceAccount can be made and deleted beside those of the quickstart; the pod says what it needs."""
    resources = manifest("docs/mqtt-client.yaml")
    (pod,) = pods(resources)

    assert {each["metadata"]["name"] for each in resources} == {"edgemqttsim-client"}
    assert pod["spec"]["serviceAccountName"] == "edgemqttsim-client"
    assert set(pod["spec"]["containers"][0]["resources"]) == {"requests", "limits"}
