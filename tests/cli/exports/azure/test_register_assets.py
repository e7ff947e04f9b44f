"""Facts about register-assets.sh: what it asks of the Azure CLI, with what is there, missing or refused.

No Azure is here: `az` is a mock, a script on the PATH that keeps a record of the calls. It knows no more of the real
command than is written in it, so that the real one takes these arguments is not shown.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.exports.azure.az_cli import commands
from cli.exports.common.export import Export
from edge.settings.types import TopicLayout
from plant.definition.plant_config import load
from tests.support.exports.schemas import export_of
from tests.support.factory.plants import ROOT
from tests.support.factory.published import matches

AZ = r"""#!/usr/bin/env bash
# A mock of the Azure CLI: `show` finds what `create`, `add` or `apply` has made. $STATE/old: an extension without the
# newer commands. $STATE/refuse: part of the calls that fail, as for want of leave.
printf '%s\n' "$*" >> "$LOG"
name=$(sed -n 's/.*--name \([^ ]*\).*/\1/p' <<< "$*")
case "$*" in *" --help") test ! -e "$STATE/old"; exit ;; esac
if [ -e "$STATE/refuse" ] && [[ "$*" == *$(cat "$STATE/refuse")* ]]; then
  echo "ERROR: (AuthorizationFailed) The client has no authorization" >&2
  exit 1
fi
case "$*" in
  *" template list "*) cat "$STATE/templates" ;;
  *" template create "*) echo "$name" >> "$STATE/templates" ;;
  *"device show"*--query*) cat "$STATE/endpoints" ;;
  *" inbound apply "*)
    cp "$(sed -n 's/.*--endpoint-config \([^ ]*\).*/\1/p' <<< "$*")" "$STATE/applied-$name"
    echo "$name" >> "$STATE/endpoints" ;;
  *" inbound add mqtt "*) echo "$name" >> "$STATE/endpoints" ;;
  *" show "*) test -e "$STATE/${name//\//_}" || { echo "ERROR: (ResourceNotFound) $name was not found" >&2; exit 3; } ;;
  *" create "* | *" add "*) touch "$STATE/${name//\//_}" ;;
esac
"""
MAKES = re.compile(r"iot ops (enable-rsync|(?:ns|connector) .*?(?:create|add|apply)\b.*? (?:--name|--device) \S+)")


class Azure:
    """A subscription of the mock: what is there, and what has been asked."""

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.log = path, path / "state", path / "log"
        self.state.mkdir()
        for name in ("templates", "endpoints"):
            self.has(name)
        (path / "az").write_text(AZ)
        (path / "az").chmod(0o755)

    def has(self, name: str, text: str = "") -> None:
        """Let there be something."""
        (self.state / name).write_text(text)

    def register(
        self, *arguments: str, export: Export | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """A run of the script, by default for an instance without a connector template."""
        script = self.path / "register-assets.sh"
        script.write_text(commands(export or plant())[0].text)
        known = {"PATH": f"{self.path}:{os.environ['PATH']}", "STATE": str(self.state), "LOG": str(self.log)}
        settings = {"INSTANCE": "aio", "RESOURCE_GROUP": "rg", "CONNECTOR_VERSION": "1.0.6", **known, **environ}
        return subprocess.run(["bash", script, *arguments], env=settings, capture_output=True, text=True, check=False)

    def made(self) -> Iterator[str]:
        """What `az` was asked to make."""
        for line in self.log.read_text().splitlines():
            yield from MAKES.findall(line)

    def applied(self) -> list[dict[str, object]]:
        """The discovery configuration of each endpoint that was applied."""
        files = sorted(self.state.glob("applied-*"))
        return [json.loads(each.read_text())["assetDiscoveryConfiguration"] for each in files]


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    """A subscription with an instance, and nothing more."""
    return Azure(tmp_path)


def plant(layout: TopicLayout = TopicLayout.TYPE) -> Export:
    """The default plant."""
    return export_of(load(ROOT / "message_structure.yaml"), layout)


def test_registering_twice_makes_everything_once(azure: Azure) -> None:
    """Sync, template, device, endpoint, every asset and dataset; the second time only sync, which may be repeated."""
    first = azure.register("--assets")
    made = list(azure.made())
    azure.log.unlink()
    second = azure.register("--assets", CONNECTOR_VERSION="")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert sum("template create" in call for call in made) == 1
    assert sum("inbound apply" in call for call in made) == 1
    assert sum("asset mqtt create" in call for call in made) == 22 + 7
    assert sum("dataset add" in call for call in made) == 7
    assert list(azure.made()) == ["enable-rsync"]


@pytest.mark.parametrize("layout", TopicLayout)
def test_each_name_that_is_discovered_is_the_one_meant(azure: Azure, layout: TopicLayout) -> None:
    """By the level that names an asset: each kind of topic with a topic a type, each machine with a topic a machine."""
    export = plant(layout)
    assert azure.register(export=export).returncode == 0
    topics = [topic for kind in export.kinds for topic in export.topics.topics_of(kind)]
    names = [
        topic.split("/")[int(str(each["assetLevel"])) - 1]
        for each in azure.applied()
        for topic in topics
        if matches(str(each["topicFilter"]), topic)
    ]

    assert sorted(names) == sorted(topic.split("/")[-1] for topic in topics)
    assert {each["topicMappingPrefix"] for each in azure.applied()} == {"uns"}


def test_an_old_extension_is_warned_of(azure: Azure) -> None:
    """Without `inbound apply` the endpoint is added by the old command, and it is said what discovery makes of it."""
    azure.has("old")
    run = azure.register()

    assert run.returncode == 0
    assert [call for call in azure.made() if "inbound add mqtt" in call]
    assert "asset level 1 in place of 2" in run.stderr
    assert "one asset named factory" in run.stderr
    assert "knows no connector templates" in run.stderr


def test_a_template_that_is_there_is_left(azure: Azure) -> None:
    """Whatever its name, one for MQTT is enough, and no version is asked for."""
    azure.has("templates", "made-in-the-portal\n")
    run = azure.register(CONNECTOR_VERSION="")

    assert run.returncode == 0, run.stderr
    assert "connector template made-in-the-portal is there" in run.stdout
    assert not [call for call in azure.made() if "template create" in call]


def test_without_a_template_a_version_is_needed(azure: Azure) -> None:
    """None there and none to be made: it ends before a device is made, and says where the versions are told."""
    run = azure.register(CONNECTOR_VERSION="")

    assert run.returncode == 1
    assert "curl https://mcr.microsoft.com/v2/azureiotoperations/akri-connectors/mqtt-metadata/tags/list" in run.stderr
    assert list(azure.made()) == ["enable-rsync"]


@pytest.mark.parametrize(
    ("refused", "before"),
    [("template list", "template create"), ("device show", "device create"), ("asset show", "asset mqtt create")],
)
def test_what_cannot_be_seen_is_not_made_anew(azure: Azure, refused: str, before: str) -> None:
    """A refusal is no answer of no: the script ends with it, and makes nothing over what may be there."""
    azure.has("refuse", refused)
    run = azure.register("--assets")

    assert run.returncode == 1
    assert not [call for call in azure.made() if before in call]
    assert "AuthorizationFailed" in run.stderr


def test_a_failure_ends_the_script(azure: Azure) -> None:
    """What cannot be made is not reported as made."""
    azure.has("refuse", "inbound apply")
    run = azure.register()

    assert run.returncode == 1
    assert "discovers" not in run.stdout


def test_registering_says_what_it_needs(azure: Azure) -> None:
    """No instance, or a wrong argument, ends it before anything is asked."""
    assert "INSTANCE" in azure.register(INSTANCE="").stderr
    assert azure.register("--asets").returncode == 2
    assert not azure.log.exists()
