"""Facts about the documents: what they name exists, what exists is named, and what they show is what comes."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from fastapi.routing import APIRoute

import app
from cli.commands import CheckOptions, parse
from cli.options.clients import ClientOptions
from cli.options.ctl import ACTIONS
from cli.options.evaluate import EvaluateOptions
from cli.options.top import TopOptions
from edge.delivery.queue import Ledger
from edge.http.compat.profiles import add_profile
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.observability.statistics import statistics_block
from edge.settings.loader import AuthMethod, Settings, markdown_table, variables
from edge.settings.types import HttpCompat
from edge.status import CommandStatus, ConnectionStatus, DeviceStatus
from messages import START, FactoryMessageGenerator
from plant.definition import plant_config
from plant.definition.machine_types import spellings
from plant.forecast.rate_forecast import check, forecast
from tests.edge.http.test_routes import Shown, api_of, app_of
from tests.edge.observability.test_metrics import CONNECTED, registry
from tests.support.exports import yamlread

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
OTHER_VARIABLES = {"POD_NAME", "PYTHONUNBUFFERED", "EDGEMQTTSIM_REQUIRE_MOSQUITTO", "MQTT_CONNECTION_CONFIGURATION"} | {
    "MQTT_URL",  # so other tools call
    "MQTT_USER",  # what has another name here
    "MQTT_CAFILE",
    "MQTT_TOPIC",  # of another simulator
    "COMPOSE_PROFILES",  # of docker compose
    "PLANT",
}
"""Variables that the documents may name though they are no options."""


OF_PROFILES = {"docs/energy-api.md": HttpCompat.ENMS}
"""Pages about the calls of another simulator, by the value of HTTP_COMPAT."""

OF_OTHER_PLANTS = {
    "docs/plant-language.md",
    "docs/signal-pictures.md",
    "docs/signals-with-memory.md",
    "docs/your-own-machine.md",
    "docs/alarms.md",
    "docs/clients.md",
    "docs/scenarios.md",
    "docs/energy.md",
    "docs/energy-truth.md",
}
"""Pages whose YAML and messages are not of the default plant; they have tests of their own."""


def blocks(language: str, *, but: Collection[str] = ()) -> list[str]:
    """All code blocks of a language, except those of some pages."""
    return [
        re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
        for page, text in TEXTS.items()
        if page not in but
        for indent, block in re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    ]


def code(*, but: Collection[str] = ()) -> Iterator[str]:
    """All code in running text, except that of some pages."""
    for text in (text for page, text in TEXTS.items() if page not in but):
        yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def commands() -> Iterator[list[str]]:
    """Every command line in the documents, as words, with the lines that a backslash joins."""
    for block in blocks("bash"):
        for line in block.replace("\\\n", " ").splitlines():
            with contextlib.suppress(ValueError):
                yield from parts(shlex.split(line, comments=True))


def parts(words: list[str]) -> Iterator[list[str]]:
    """The single commands of a line."""
    line = re.sub(r" > ?\S+", "", " ".join(words)).replace("$k", "1")
    yield from (part.split() for part in re.split(r" (?:&&|\||2>&1|2>/dev/null|&$) ?", line))


def anchors(text: str) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A plant with a piece of YAML put over it; distributions, stays and topics are replaced as a whole."""
    whole = {"status_distribution", "quality_distribution", "dwell_seconds"}
    deep = {key for key, value in change.items() if isinstance(value, dict) and key not in whole}
    return {**base, **change, **{key: merged(base.get(key, {}), change[key]) for key in deep}}


def sources() -> Iterator[str]:
    """Every text in the code of the daemon, and every reason code in words."""
    for path in [ROOT / "app.py", *(ROOT / "cli").rglob("*.py"), *(ROOT / "edge").rglob("*.py")]:
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        yield from (node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str))
    yield from (explain(*each) for each in product(Packet, range(256), AuthMethod))


def shape(line: str) -> str:
    """A line with its numbers taken out."""
    return re.sub(r"\d+(\.\d+)?", "N", line)


def test_the_table_of_options_is_the_declaration() -> None:
    """The table in docs/configuration.md is the one that the settings generate."""
    assert markdown_table() in TEXTS["docs/configuration.md"]


def test_every_variable_that_is_named_is_an_option() -> None:
    """No document speaks of a variable that nothing reads."""
    named = set(re.findall(r"\b(?:AIO|MQTT|SAT|HTTP|QUEUE|LOG|STATS|TOPIC|DRAIN|RELOAD|MESSAGE)_[A-Z_]+[A-Z]\b", ALL))
    known = {variable for name in Settings.model_fields for variable in variables(name)}

    assert named - known - OTHER_VARIABLES == set()


def test_every_flag_that_is_named_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """Flags in running text are flags of a command, or of a script."""
    helps = ""
    for arguments in (
        ["--help"],
        ["run", "--help"],
        ["check", "--help"],
        ["verify", "--help"],
        ["evaluate", "--help"],
        ["export", "--help"],
        ["preflight", "--help"],
        ["scenario", "--help"],
        ["ctl", "--help"],
        ["top", "--help"],
        *([command, "--help"] for command in ("pub", "sub", "observe", "bad-actor", "controller")),
        *(["ctl", action, "--help"] for action in ACTIONS),
    ):
        with pytest.raises(SystemExit):
            parse(arguments, "0")
        helps += capsys.readouterr().out
    helps += (ROOT / "deploy-mqtt-assets.sh").read_text("utf-8") + (ROOT / "fuzz" / "__main__.py").read_text("utf-8")
    helps += (ROOT / "deploy" / "azure" / "apply.sh").read_text("utf-8")
    named = {match for text in code() for match in re.findall(r"^--[a-z][a-z0-9-]*", text)}

    assert {flag for flag in named - {"--trust-settings"} if not re.search(rf"{flag}\b", helps)} == set()


@pytest.mark.parametrize("words", [words for words in commands() if "app.py" in words], ids=" ".join)
def test_every_command_line_is_understood(words: list[str]) -> None:
    """Each call of app.py in the documents has a command and flags that exist, and values that are taken."""
    options = parse(words[words.index("app.py") + 1 :], "0")

    assert isinstance(options, CheckOptions | EvaluateOptions | TopOptions | ClientOptions) or Settings.load(
        {}, options.flags, pid=1
    )


def test_every_make_target_that_is_named_exists() -> None:
    """The two commands of the README and all other targets are in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {words[1] for words in commands() if words[:1] == ["make"]}
    named |= {text.split()[1] for text in code() if text.startswith("make ")}

    assert {"run", "test", "check", "help"} <= named
    assert named - targets == set()


def test_the_readme_begins_with_the_two_commands() -> None:
    """A newcomer's first block of commands is make run and make test, in this order."""
    first = re.search(r"```bash\n(.*?)```", TEXTS["README.md"], re.DOTALL)

    assert first is not None
    assert re.findall(r"^\S+ \S+", first[1], re.MULTILINE) == ["make run", "make test"]


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    """Every link to a file of ours, and to a heading in it, resolves."""
    lost = []
    for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        path, _, anchor = link.partition("#")
        if "://" not in link:
            target = ROOT / page if not path else (ROOT / page).parent / path
            known = anchors(target.read_text("utf-8")) if anchor and target.exists() else {anchor}
            lost += [link] if not target.exists() or anchor not in known else []

    assert lost == []


def test_every_metric_is_in_the_table_and_every_name_exists() -> None:
    """docs/monitoring.md has each metric, and no document has one that does not exist."""
    kinds = {"counter": "_total", "info": "_info"}
    devices = DeviceStatus(connect_seconds=[("+Inf", 0.0)])
    with_all = replace(CONNECTED, commands=CommandStatus("factory/commands/+/+"), devices=devices)
    collected = registry(connected=with_all).collect()
    families = [family for family in collected if family.name.startswith("edgemqttsim")]
    exposed = {family.name + kinds.get(family.type, "") for family in families}
    table = set(re.findall(r"^\| `(edgemqttsim_\w+)` \|", TEXTS["docs/monitoring.md"], re.MULTILINE))

    assert table == exposed
    assert set(re.findall(r"\bedgemqttsim_[a-z_]+", ALL)) - exposed == set()


EXAMPLE = "GET /api/v1/machines/CNC-03"


def test_every_route_is_documented_and_every_documented_one_exists() -> None:
    """The calls of the HTTP port are those of docs/monitoring.md."""
    served = app_of(Shown())
    found = [route for route in served.routes if isinstance(route, APIRoute) and route.path.count("/") == 1]
    found += [route for route in served.routes if isinstance(route, APIRoute) and route.path.startswith("/api/")]
    routes = {f"{method} {route.path_format}" for route in found for method in route.methods or ()}
    routes |= {"POST /-/reload", f"GET {served.openapi_url}"}
    named = {text for text in code(but=OF_PROFILES) if re.fullmatch(r"(GET|POST|PUT) /\S*", text)} - {EXAMPLE}

    assert named == routes


@pytest.mark.parametrize("page", OF_PROFILES)
def test_every_call_of_another_simulator_is_on_its_page(page: str) -> None:
    """By its path, and by one of its methods."""
    served = app_of(Shown())
    own = {id(route) for route in served.routes}
    add_profile(served, api_of(Shown()), OF_PROFILES[page])
    added = [route for route in served.routes if isinstance(route, APIRoute) and id(route) not in own]
    text = TEXTS[page].replace("{id}", "{machine_id}")

    assert len(added) > 3
    assert [each.path_format for each in added if f"{each.path_format}`" not in text] == []


def test_the_statistics_are_shown_as_they_are_printed() -> None:
    """The blocks in the documents have the lines that the log has, in their order."""
    ledger, facts = Ledger(), ConnectionStatus(connected=True, connects=1)
    printed = statistics_block(120, ledger, facts, recent_rate=3.7).splitlines()
    shown = [block.splitlines() for block in blocks("text") if block.startswith("📊")]

    assert len(shown) == 2
    assert {tuple(map(shape, block)) for block in shown} == {tuple(map(shape, printed))}


def test_every_log_line_in_the_troubleshooting_is_one_of_the_code() -> None:
    """The log lines that docs/troubleshooting.md explains are lines that the code writes."""
    table = TEXTS["docs/troubleshooting.md"].partition("## Look up a log line")[2].partition("##")[0]
    lines = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    texts = "\n".join(sources())

    assert len(lines) > 15
    assert [line for line in lines if not all(part.strip() in texts for part in line.split("…"))] == []


def test_exit_codes_are_those_of_the_program() -> None:
    """Both tables of exit codes list what app.py ends with."""
    pages = ("docs/configuration.md", "docs/delivery.md")
    tables = [re.findall(r"^\| (\d) \| ", TEXTS[page], re.MULTILINE) for page in pages]

    assert tables == [[str(code) for code in (app.OK, app.DIED, app.CONFIGURATION, app.REFUSED)]] * 2


def test_example_rows_are_rows_of_the_plant() -> None:
    """Each example has the keys of a kind, in its order, and the form it is written in."""
    plant = FactoryMessageGenerator(ROOT / "message_structure.yaml", seed=1)
    known = {tuple(orjson.loads(message.payload)) for message in plant.advance(START + 8 * 3600)}
    rows = [line for block in blocks("json", but=OF_OTHER_PLANTS) for line in block.splitlines()]

    assert len(rows) > 10
    assert {tuple(json.loads(row)) for row in rows} == known
    assert [row for row in rows if orjson.dumps(orjson.loads(row)).decode() != row] == []


@pytest.mark.parametrize("block", [block for block in blocks("yaml", but=OF_OTHER_PLANTS) if "apiVersion" not in block])
def test_pieces_of_plants_are_taken(block: str) -> None:
    """Each piece of YAML, put over the default plant, makes a plant."""
    default = yamlread.value((ROOT / "message_structure.yaml").read_text("utf-8"))

    assert plant_config.parse(merged(default, yamlread.value(block))).machines()


def test_the_forecast_is_shown_as_it_is_printed() -> None:
    """docs/plant.md shows what `check` says of the default plant, and what the quicker one makes."""
    _, text = check(ROOT / "message_structure.yaml")
    default = yamlread.value((ROOT / "message_structure.yaml").read_text("utf-8"))
    quicker = next(block for block in blocks("yaml") if "base_interval: 0.5\n  machine_counts" in block)

    assert f"{text}\n" in blocks("text")
    assert round(forecast(plant_config.parse(merged(default, yamlread.value(quicker)))).per_second, 1) == 25.4


def test_mistakes_are_shown_as_they_are_printed(tmp_path: Path) -> None:
    """docs/plant.md shows what `check` says of two slips in the default plant."""
    slips = (ROOT / "message_structure.yaml").read_text("utf-8")
    slips = slips.replace("frequency_weight: 2 ", "frequency_wieght: 2 ", 1)
    path = tmp_path / "my-factory.yaml"
    path.write_text(slips.replace("good: 0.92", "good: -1"), "utf-8")
    _, text = check(path)

    said = [line.replace(f"{tmp_path}/", "") for line in text.splitlines()[:-1]]
    assert "\n".join(said) + "\n" in blocks("text")


def test_default_stays_are_those_of_the_code() -> None:
    """The table of stays in docs/plant.md is the code's."""
    rows = re.findall(r"^\| ([a-z_, ]+) \| (\d+) \| ([a-z_, ]+) \| (\d+) \|$", TEXTS["docs/plant.md"], re.MULTILINE)
    pairs = [(states, seconds) for row in rows for states, seconds in (row[:2], row[2:])]
    table = {state: float(seconds) for states, seconds in pairs for state in states.split(", ")}

    assert table.pop("any other") == spellings.OTHER_DWELL_SECONDS
    assert table == spellings.usual_dwells()


def test_python_examples_run_where_it_is_installed_or_say_that_they_do_not() -> None:
    """They import `edgemqttsim` alone, or the paragraph before names the checkout."""
    modules = "|".join(path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py")
    ours = re.compile(rf"^(?:from|import) (?!edgemqttsim\b)(?:{modules})\b", re.MULTILINE)
    pieces = [pair for text in TEXTS.values() for pair in pairwise(text.split("\n```python\n"))]
    paragraphs = [
        before.rstrip().rpartition("\n\n")[2] for before, after in pieces if ours.search(after.partition("\n```")[0])
    ]

    assert len(pieces) == len(blocks("python"))
    assert [paragraph for paragraph in paragraphs if "checkout" not in paragraph] == []


def printed(block: str) -> str:
    """What a piece of Python prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "example", "exec"), {})  # noqa: S102 - our own example
    return out.getvalue()


def test_the_python_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown of embedding, of shards put together, and of schemas, runs as it stands."""
    monkeypatch.chdir(ROOT)
    elsewhere = ("rows.jsonl", "pandas", "urllib", "websockets")  # these have tests of their own
    examples = [printed(block) for block in blocks("python") if not any(word in block for word in elsewhere)]

    assert "messages, the first: {" in examples[0]
    assert {*examples[1:]} == {"True\n"}


def test_the_hour_in_the_documents_is_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of docs/oee.md makes the hour that it tells of; right and wrong consumers say what it shows."""
    plant = "scenarios/two-shifts.yaml"
    run = next(each for each in commands() if {plant, "truth.jsonl"} <= {*each})
    verify = next(each for each in commands() if {"verify", "CNC-03"} <= {*each})
    call = [sys.executable, str(ROOT / "app.py"), *run[run.index("app.py") + 1 :]]
    call[call.index(plant)] = str(ROOT / plant)
    with (tmp_path / "rows.jsonl").open("wb") as rows:
        subprocess.run(call, cwd=tmp_path, stdout=rows, stderr=subprocess.DEVNULL, check=True)
    call[2:] = verify[verify.index("app.py") + 1 :]
    report = subprocess.run(call, cwd=tmp_path, capture_output=True, check=True).stdout.decode()
    monkeypatch.chdir(tmp_path)
    wrong = printed(next(block for block in blocks("python") if "rows.jsonl" in block))

    assert report in blocks("text")
    assert wrong in blocks("text")


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "pictures").rglob("*.svg")), ids=lambda path: path.name)
def test_pictures_are_shown_and_well_formed(path: Path) -> None:
    """Every picture is an SVG that a document shows."""
    assert ElementTree.parse(path).getroot().tag.endswith("svg")  # noqa: S314 - our own file
    assert f"{path.relative_to(ROOT / 'docs')})" in ALL


def test_the_client_pod_has_the_login_of_the_manifest() -> None:
    """The pod to look with mounts the same token and CA as the simulator."""
    manifest = list(yamlread.every((ROOT / "deployment.yaml").read_text("utf-8")))
    simulator = next(each for each in manifest if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    _, pod = yamlread.every((ROOT / "docs" / "mqtt-client.yaml").read_text("utf-8"))
    client = pod["spec"]
    token = next(volume for volume in simulator["volumes"] if volume["name"] == "broker-sat")

    assert token in client["volumes"]
    assert all(mount in simulator["containers"][0]["volumeMounts"] for mount in client["containers"][0]["volumeMounts"])
