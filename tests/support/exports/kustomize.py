"""Manifests as a cluster would get them: files as they stand, and overlays as `kubectl kustomize` builds them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.exports.yamlread import documents

ROOT = Path(__file__).parents[3]
OVERLAYS = sorted(path.parent.name for path in (ROOT / "deploy" / "overlays").glob("*/kustomization.yaml"))
NO_KUBECTL = "no kubectl"
"""How the reason of every skip for want of it begins."""

Resource = dict[str, Any]


def require_kubectl() -> None:
    """Skip the test where there is no kubectl; fail it where EDGEMQTTSIM_REQUIRE_KUBECTL=1 says that there must be."""
    if shutil.which("kubectl"):
        return
    missing = f"{NO_KUBECTL} here to build overlays with (https://kubernetes.io/docs/tasks/tools/)"
    if os.environ.get("EDGEMQTTSIM_REQUIRE_KUBECTL") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def read(path: Path) -> list[Resource]:
    """All resources of a file."""
    return documents(path.read_text("utf-8"))


@functools.cache
def build(directory: Path) -> list[Resource]:
    """All resources of a directory with a kustomization.yaml, by `kubectl kustomize` without further flags."""
    require_kubectl()
    run = subprocess.run(["kubectl", "kustomize", str(directory)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return documents(run.stdout)


def overlay(name: str) -> list[Resource]:
    """What `kubectl apply -k deploy/overlays/NAME` applies."""
    return build(ROOT / "deploy" / "overlays" / name)


def manifest(name: str) -> list[Resource]:
    """An overlay by its name, or a file by its path in the repository."""
    return overlay(name) if name in OVERLAYS else read(ROOT / name)


def one(resources: Sequence[Resource], kind: str) -> Resource:
    """The only resource of a kind."""
    (found,) = (each for each in resources if each["kind"] == kind)
    return found


def pods(resources: Sequence[Resource]) -> Iterator[Resource]:
    """The metadata and spec of every pod that the resources make."""
    for each in resources:
        if each["kind"] == "Pod":
            yield each
        elif "template" in each.get("spec", {}):
            yield each["spec"]["template"]
