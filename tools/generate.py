"""Update generated copies: the plant in manifests and scenarios, the table of options in docs/configuration.md,
the tables of docs/plant-language.md, docs/faults.md and docs/how-jobs-vary.md, the pictures of docs/signal-pictures.md,
the rooms in docs/modules.md, and the files of deploy/ that are copied or exported.

    python -m tools.generate      after a change to message_structure.yaml, deployment.yaml or the code

Some copies are between a begin and an end mark in a file that is otherwise written by hand. Tests fail while a copy is
out of date.
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import yaml

from cli.exports.command import TARGETS, export_of
from cli.exports.common.yaml_text import dump
from cli.options.export import CLUSTER_DEFAULTS, NAMESPACE
from edge.runtime.simulator import VERSION
from edge.settings.loader import Settings, markdown_table
from plant.definition.plant_config import load
from tools import fault_tables, language_tables, rooms
from tools.pictures import energy, faults, fleet, losses, signals

ROOT = Path(__file__).parent.parent
SCHEMA_LINE = "# yaml-language-server: $schema=message_structure.schema.json\n"
"""The first line of a plant, by which editors find its JSON Schema."""


def with_plant(manifest: str) -> str:
    """Return the manifest with the current message_structure.yaml in its ConfigMap."""
    plant = (ROOT / "message_structure.yaml").read_text(encoding="utf-8").rstrip("\n")
    return between(manifest, "\n  message_structure.yaml: |", "\n---\n", "\n" + textwrap.indent(plant, "    "))


def with_default_plant(scenario: str) -> str:
    """Return the scenario with the current message_structure.yaml after its own part."""
    own, last_line, _ = scenario.partition("`python -m tools.generate` copies it.\n")
    plant = (ROOT / "message_structure.yaml").read_text(encoding="utf-8")
    return f"{own}{last_line}\n{plant.removeprefix(SCHEMA_LINE).lstrip()}"


def with_options(page: str) -> str:
    """Return the page with the current table of options."""
    return between(page, "<!-- options: begin -->\n", "<!-- options: end -->", markdown_table())


def with_calendar(page: str) -> str:
    """Return docs/calendar.md with the calendar of scenarios/two-shifts.yaml."""
    scenario = (ROOT / "scenarios" / "two-shifts.yaml").read_text(encoding="utf-8")
    calendar = scenario[scenario.index("\ncalendar:\n") + 1 : scenario.index("\n\n# From here on")]
    return between(page, "<!-- two shifts: begin -->\n", "<!-- two shifts: end -->", f"```yaml\n{calendar}\n```\n")


def with_tables(page: str) -> str:
    """Return a page with the current tables of the language that it has."""
    for name, table in language_tables.tables().items():
        if f"<!-- {name}: begin -->" in page:
            page = between(page, f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->", table)
    return page


def with_faults(page: str) -> str:
    """Return docs/faults.md with its tables, and what the faults of the scenario do."""
    begin, end = "<!-- spaceship faults: begin -->\n", "<!-- spaceship faults: end -->"
    return between(with_tables(page), begin, end, fault_tables.tables())


def with_energy(page: str) -> str:
    """Return docs/energy.md with what the faults of the scenario do."""
    marks = "<!-- energy faults: begin -->\n", "<!-- energy faults: end -->"
    return between(page, *marks, fault_tables.energy_table())


def with_variation(page: str) -> str:
    """Return docs/how-jobs-vary.md with the current table."""
    marks = "<!-- keys of variation: begin -->\n", "<!-- keys of variation: end -->"
    return between(page, *marks, language_tables.variation())


def picture(name: str) -> Callable[[str], str]:
    """Return a picture of a signal."""
    return lambda _old: signals.svg(name)


def picture_of_faults(name: str) -> Callable[[str], str]:
    """Return a picture of faults or wear."""
    return lambda _old: faults.PICTURES[name]()


def picture_of_energy(name: str) -> Callable[[str], str]:
    """Return a picture of the energy plant."""
    return lambda _old: energy.PICTURES[name]()


def picture_of_losses(_old: str) -> str:
    """Return the picture of losses by machine."""
    return losses.svg()


def with_modules(page: str) -> str:
    """Return docs/modules.md with the current rooms and their modules."""
    return between(page, "<!-- rooms: begin -->\n", "<!-- rooms: end -->", rooms.layout())


def with_arrows(page: str) -> str:
    """Return docs/arrows.md with the current arrows between rooms."""
    return between(page, "<!-- arrows: begin -->\n", "<!-- arrows: end -->", rooms.table())


def with_more_machines(_old: str) -> str:
    """Return message_structure.yaml with a hundred times the machines: the plant of the load test."""
    plant = (ROOT / "message_structure.yaml").read_text(encoding="utf-8")
    plant = plant.replace("$schema=", "$schema=../../../", 1)
    before, key, after = plant.partition("  machine_counts:\n")
    counts, blank, types = after.partition("\n\n")
    return before + key + re.sub(r"(?m)$", "00", counts) + blank + types


def copy_of(name: str) -> Callable[[str], str]:
    """Return a file of the root directory."""
    return lambda _old: (ROOT / name).read_text(encoding="utf-8")


@functools.cache
def exported(target: str) -> dict[str, str]:
    """Return the exports of the default plant: name -> text."""
    settings = Settings.load(CLUSTER_DEFAULTS, pid=1)
    export = export_of(load(ROOT / "message_structure.yaml"), settings, VERSION, NAMESPACE)
    return {file.name: file.text for file in TARGETS[target](export)}


def whole(target: str, name: str) -> Callable[[str], str]:
    """Return an exported file."""
    return lambda _old: exported(target)[name]


def resource(target: str, name: str, kind: str) -> Callable[[str], str]:
    """Return one resource of an exported file, with the comment at the file's head."""

    def of(_old: str) -> str:
        head, *documents = exported(target)[name].split("---\n")
        return head + "---\n" + next(each for each in documents if f"\nkind: {kind}\n" in f"\n{each}")

    return of


def rules_alone(_old: str) -> str:
    """Return the alerts as Prometheus itself reads them, without the resource of its operator."""
    text = exported("prometheus")["prometheus/prometheusrule.yaml"]
    return dump(yaml.safe_load(text)["spec"], head=text.partition("\n")[0].removeprefix("# "))


def between(text: str, begin: str, end: str, new: str) -> str:
    """Replace the text between `begin` and the next `end`. Raise ValueError if one is missing."""
    start = text.index(begin) + len(begin)
    return text[:start] + new + text[text.index(end, start) :]


GENERATED: dict[str, Callable[[str], str]] = {
    "message_structure.schema.json": whole("config-schema", "message_structure.schema.json"),
    "scenario.schema.json": whole("scenario-schema", "scenario.schema.json"),
    "deployment.yaml": with_plant,
    "docs/calendar.md": with_calendar,
    "docs/configuration.md": with_options,
    "docs/how-jobs-vary.md": with_variation,
    "docs/energy-truth.md": with_tables,
    "docs/modules.md": with_modules,
    "docs/arrows.md": with_arrows,
    "docs/plant-language.md": with_tables,
    "docs/faults.md": with_faults,
    "docs/energy.md": with_energy,
    "docs/alarms.md": with_tables,
    "docs/commands.md": with_tables,
    "docs/models.md": with_tables,
    "docs/signals-with-memory.md": with_tables,
    **{f"{signals.FOLDER}/{name}.svg": picture(name) for name in signals.examples()},
    **{f"{faults.FOLDER}/{name}.svg": picture_of_faults(name) for name in faults.PICTURES},
    **{f"{energy.FOLDER}/{name}.svg": picture_of_energy(name) for name in energy.PICTURES},
    "docs/pictures/losses.svg": picture_of_losses,
    "docs/pictures/fleet.svg": lambda _old: fleet.picture_of_fleet(),
    "scenarios/two-shifts.yaml": with_default_plant,
    "mqtt-asset-endpoint.yaml": whole("assets", "mqtt-asset-endpoint.yaml"),
    "mqtt-asset-example.yaml": whole("assets", "mqtt-asset-example.yaml"),
    "deploy/assets/mqtt-device.yaml": whole("assets", "mqtt-device.yaml"),
    "deploy/assets/mqtt-device-assets.yaml": whole("assets", "mqtt-device-assets.yaml"),
    "deploy/assets/assets.bicep": whole("assets", "assets.bicep"),
    "deploy/assets/register-assets.sh": whole("assets", "register-assets.sh"),
    "deploy/base/deployment.yaml": copy_of("deployment.yaml"),
    "deploy/overlays/load-test/message_structure.yaml": with_more_machines,
    "deploy/components/authorization/service-account.yaml": resource(
        "authorization", "authorization.yaml", "ServiceAccount"
    ),
    "deploy/components/authorization/rules.yaml": resource(
        "authorization", "authorization.yaml", "BrokerAuthorization"
    ),
    "deploy/components/monitoring/dashboard.json": whole("grafana", "grafana/provisioned.json"),
    "deploy/components/monitoring/podmonitor.yaml": whole("prometheus", "prometheus/podmonitor.yaml"),
    "deploy/components/monitoring/prometheusrule.yaml": whole("prometheus", "prometheus/prometheusrule.yaml"),
    "deploy/compose/prometheus/rules.yaml": rules_alone,
    "deploy/azure-monitor/podmonitor.yaml": whole("azure-monitor", "azure-monitor/podmonitor.yaml"),
    "deploy/azure-monitor/alerts.bicep": whole("azure-monitor", "azure-monitor/alerts.bicep"),
    "deploy/azure-monitor/dashboard.json": whole("grafana", "grafana/dashboard.json"),
    "deploy/components/test-listener/listener.yaml": resource("authorization", "test-listener.yaml", "BrokerListener"),
    **{f"deploy/{name}": whole("azure", name) for name in exported("azure")},
}
"""File -> function that returns its current text from the old one."""


def main() -> None:
    """Update all files."""
    for name, renew in GENERATED.items():
        path = ROOT / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(renew(old), encoding="utf-8")


if __name__ == "__main__":
    main()
