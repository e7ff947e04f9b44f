"""Facts about `app.py scenario` as its users run it: exit codes, reports, JUnit XML, signals and brokers."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

from cli.commands import parse
from cli.options.scenario import ScenarioOptions
from sandbox.broker import EmbeddedBroker
from tests.cli.scenario.scenes import PRESS
from tests.conftest import StartMosquitto
from tests.support.factory.plants import ROOT
from tests.support.processes.daemon import DaemonProcess, plain, running

SHIPPED = sorted((ROOT / "scenarios" / "tests").glob("*.yaml"))
SLOWER = {"reconnect-storm": ("--speed", "15")}
"""Twice the time of the clock to connect again, for a machine that is busy with other tests."""

MUST_FAIL = """\
steps:
  - name: It is hot
    at: 1m
    do: {command: inject, machine_id: PRESS-01, fault: overheating, severity: 1, seconds: 300}
  - name: Somebody warns
    within: 1m
    expect: {alarm: {machine_id: PRESS-01, alarm: temperature.high}}
  - name: It never gets as hot as that
    always: {}
    expect: {field: {topic: factory/press, machine_id: PRESS-01, path: temperature, value: {max: 80}}}
"""


def scenario(folder: Path, steps: str, head: str = "duration: 10m\n") -> Path:
    """A scenario file with two presses."""
    path = folder / "it.yaml"
    path.write_text(f"name: Two presses\n{head}{PRESS}{dedent(steps)}", encoding="utf-8")
    return path


def run(*arguments: str, environ: dict[str, str] | None = None, seconds: float = 60.0) -> tuple[int, str, str]:
    """The exit code of the command, its report, and what it logs."""
    with DaemonProcess("scenario", *arguments, environ=environ) as process:
        code = process.wait(seconds)
        return code, "".join(process.output), process.log


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_shipped_passes(path: Path) -> None:
    """Each with exit code 0, and each step passed."""
    code, output, log = run(str(path), *SLOWER.get(path.stem, ()))

    assert code == 0, output + log
    assert set(re.findall(r"^(PASS|FAIL|OPEN) ", output, re.MULTILINE)) == {"PASS"}
    assert output.splitlines()[-1].startswith("PASSED  ")


def test_a_scenario_that_must_fail_does_with_its_line(tmp_path: Path) -> None:
    """The report has the line of the step, what was expected, what was seen, and the message."""
    path = scenario(tmp_path, MUST_FAIL)
    line = path.read_text().splitlines().index("  - name: It never gets as hot as that") + 1

    code, output, _ = run(str(path))

    assert code == 1
    assert f"FAIL  it.yaml:{line}  00:01:0" in output
    assert "expected: messages on factory/press of PRESS-01: temperature at most 80, always from 00:00:00" in output
    assert re.search(r'seen: temperature 85\.0 at 2026-01-01T00:01:0.*\n +message: factory/press: {"timestamp"', output)
    assert output.splitlines()[-1] == "FAILED  Two presses: 3 steps: 2 passed, 1 failed; 242 messages"


def test_a_report_is_the_same_each_time(tmp_path: Path) -> None:
    """And --seed gives another one."""
    path = str(scenario(tmp_path, MUST_FAIL))
    first, second, other = (run(path, *flags)[1] for flags in ([], ["--speed", "6000"], ["--seed", "2"]))

    assert first == second
    assert first != other
    assert "seed 2;" in other


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["/nowhere/it.yaml"], "/nowhere/it.yaml: does not exist"),
        ([], "arguments are required: FILE"),
        (["IT", "--speed", "fast"], "must be a number above 0, or max"),
        (["IT", "--mqtt-broker", "localhost"], "--mqtt-broker: goes only with `broker: settings`"),
        (["IT", "--junit", "/nowhere/out.xml"], "--junit: cannot write /nowhere/out.xml"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: Sequence[str], text: str, tmp_path: Path) -> None:
    """One line says what is wrong."""
    path = str(scenario(tmp_path, MUST_FAIL))
    code, _, log = run(*(path if each == "IT" else each for each in arguments))

    assert code == 2
    assert text in log


def test_a_wrong_file_is_exit_code_2_and_nothing_is_run(tmp_path: Path) -> None:
    """Its errors are on standard error, and there is no report."""
    code, output, log = run(str(scenario(tmp_path, "steps: [{at: 1m}]\n")))

    assert (code, output) == (2, "")
    assert "steps[0]: must have either do or expect" in log


ALLOWED = {
    "testsuites": set[str](),
    "testsuite": {
        "name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package",
    },
    "properties": set[str](),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "skipped": {"message"},
    "system-out": set[str](),
    "system-err": set[str](),
}  # fmt: skip
"""Elements and attributes that both common schemas have: Jenkins' junit-10.xsd and the one of Ant's JUnit task, which
requires all of these but `skipped`, and in this order."""


def test_the_result_is_junit_xml(tmp_path: Path) -> None:
    """A case for each step, the failure with file and line, seed and plant as properties, and the log."""
    out, path = tmp_path / "out.xml", scenario(tmp_path, MUST_FAIL)
    run(str(path), "--junit", str(out))
    root = ET.fromstring(out.read_bytes())  # noqa: S314 - our own
    suite = root[0]

    assert {each.tag: set(each.attrib) for each in root.iter()} == {
        name: names for name, names in ALLOWED.items() if name != "skipped"
    }
    order = ["properties", *["testcase"] * 3, "system-out", "system-err"]
    assert ([each.tag for each in root], [each.tag for each in suite]) == (["testsuite"], order)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "3",
        "1",
        "0",
        "0",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    assert next(each.get("time") for each in suite.iter("testcase")) == "60.000"
    properties = {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")}
    assert (properties["seed"], properties["plant"]) == ("1", "in the file")
    (failure,) = suite.iter("failure")
    assert failure.attrib["message"].startswith(f"{path}:{len(path.read_text().splitlines()) - 2}: expected messages")
    assert "command executed command=inject at=2026-01-01T00:01:00.000Z" in (suite.findtext("system-out") or "")


def test_the_xml_is_there_where_nobody_reads_the_report(tmp_path: Path) -> None:
    """A pipe that has been closed, or a full disk, takes the report and not the result."""
    path = scenario(tmp_path, "steps:\n  - {at: 1s, do: {command: rate}}\n", "duration: 1m\n")
    out = tmp_path / "out.xml"
    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        DaemonProcess("scenario", str(path), "--junit", str(out), stdout=full.fileno()) as process,
    ):
        code = process.wait()

    assert code != 0
    assert ET.fromstring(out.read_text(encoding="utf-8")).find("testsuite") is not None  # noqa: S314 - our own


def test_a_signal_ends_it_with_what_is_decided_so_far(tmp_path: Path) -> None:
    """Exit code 1; the rest is reported as not decided, also in the XML."""
    out = tmp_path / "out.xml"
    text = "steps: [{at: 0s, do: {command: rate}}, {at: 9m, expect: {ledger: {balances: true}}}]\n"
    flags = ["--speed", "1", "--junit", str(out), "--log-level", "info"]
    with DaemonProcess("scenario", str(scenario(tmp_path, text)), *flags) as process:
        process.says("command executed command=rate")
        process.signal(signal.SIGINT)
        code = process.wait()
        output = "".join(process.output)

    assert code == 1
    assert re.findall(r"^(PASS|FAIL|OPEN) ", output, re.MULTILINE) == ["PASS", "OPEN"]
    assert re.search(r"1 passed, 0 failed, 1 not decided; \d+ messages; interrupted by a signal$", output.strip())
    assert len([*ET.fromstring(out.read_bytes()).iter("skipped")]) == 1  # noqa: S314 - our own


WITH_BROKER = """\
steps:
  - name: Messages are received
    within: 5m
    expect: {messages: {topic: factory/press, count: {min: 40}}}
  - name: A press stops
    at: 5m
    do: {command: stop, machine_id: PRESS-01}
  - name: Its messages report that, by their plant time
    always: {from: 5m}
    expect: {field: {topic: factory/press, machine_id: PRESS-01, path: status, value: stopped}}
  - name: None is too many or too few
    always: {}
    expect: {messages: {topic: factory/press, count: 240}}
  - at: 10m
    expect: {ledger: {balances: true, acknowledged: 240, pending: 0}}
  - at: 10m
    expect: {metric: {name: edgemqttsim_connected, value: 1}}
"""


def test_the_broker_of_the_settings_is_used_by_a_subscriber_of_its_own(tmp_path: Path) -> None:
    """As fast as the broker takes it, messages are judged as they are received."""
    path = scenario(tmp_path, WITH_BROKER, "duration: 10m\nbroker: settings\n")
    with running(EmbeddedBroker()) as broker:
        code, output, log = run(str(path), "--speed", "max", *plain(broker))
        clients = {each.client_id for each in broker.connects}

    assert code == 0, output + log
    assert len(clients) == 2


def test_the_plant_waits_for_a_subscriber_that_is_slower(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    """As fast as possible: mosquitto drops what it cannot queue for a subscriber, which would seem to be a gap."""
    mosquitto = start_mosquitto(listeners=["plain"], options={"max_queued_messages": 1000})
    text = """\
        steps:
          - {always: {}, expect: {messages: {topic: factory/cnc, count: 720}}}
          - {at: 12m, expect: {ledger: {balances: true, pending: 0}}}
        """
    path = tmp_path / "it.yaml"
    path.write_text(f"name: It\nbroker: settings\nspeed: max\nduration: 12m\n{dedent(text)}")
    environ = {"MQTT_BROKER": f"mqtt://127.0.0.1:{mosquitto.ports['plain']}", "MQTT_AUTH_METHOD": "NONE"}
    code, output, log = run(str(path), environ=environ)

    assert code == 0, output + log


def test_a_broker_that_is_not_there_fails(tmp_path: Path) -> None:
    """The expectations of a scenario are not met by a broker that nobody reaches."""
    path = scenario(tmp_path, WITH_BROKER, "duration: 10m\nbroker: settings\n")
    code, _, log = run(str(path), environ={"MQTT_BROKER": "mqtt://127.0.0.1:1", "MQTT_AUTH_METHOD": "NONE"})

    assert code == 1
    assert "cannot receive messages from the broker: cannot reach 127.0.0.1:1" in log


def test_messages_that_the_broker_refuses_are_seen_to_be_missing(tmp_path: Path) -> None:
    """The ledger has them, and the subscriber does not."""
    text = """\
        steps:
          - {at: 5m, do: {broker: puback, code: "0x87", times: 10}}
          - {always: {}, expect: {messages: {topic: factory/press, count: 230}}}
          - {at: 10m, expect: {ledger: {balances: true, refused: 10, acknowledged: 230}}}
        """
    code, output, log = run(
        str(scenario(tmp_path, text, "duration: 10m\nbroker: sandbox\nspeed: max\nsettings: {DRAIN_SECONDS: 40}\n"))
    )

    assert code == 0, output + log


def test_a_login_that_the_broker_rejects_permanently_ends_the_run(tmp_path: Path) -> None:
    """The summary has the reason; what was not decided is open."""
    text = """\
        steps:
          - {at: 0s, do: {broker: refuse, code: "0x84", times: 100}}
          - {within: 1m, expect: {messages: {topic: factory/press}}}
        """
    code, output, _ = run(str(scenario(tmp_path, text, "duration: 1m\nbroker: sandbox\nspeed: 1\n")))

    assert code == 1
    assert re.findall(r"^(PASS|FAIL|OPEN) ", output, re.MULTILINE) == ["PASS", "OPEN"]
    assert "; the run failed: the broker refused the connection: 0x84" in output.splitlines()[-1]


@pytest.mark.parametrize("environ", [{"WORKERS": "2"}, {"SHARD": "1/2", "SEED": "1"}])
def test_a_scenario_runs_the_whole_plant_in_one_process(environ: dict[str, str], tmp_path: Path) -> None:
    """Parts of a plant cannot be judged as the whole."""
    path = scenario(tmp_path, WITH_BROKER, "duration: 10m\nbroker: settings\n")
    code, output, log = run(str(path), environ={"MQTT_AUTH_METHOD": "NONE", **environ})

    assert (code, output) == (2, "")
    assert "WORKERS, SHARD: a scenario runs the whole plant in one process" in log


@pytest.mark.parametrize(
    ("faults", "ledger", "drain_seconds"),
    [
        ("[{broker: withhold, times: 3}]", "{acknowledged: 0, in_flight: 2, queued: 22}", 1),
        ("[{broker: withhold, times: 3, every: 2}, {broker: clear}]", "{acknowledged: 24, pending: 0}", 40),
        ("[{broker: stall, seconds: 0.5}]", "{acknowledged: 24, pending: 0}", 40),
        ("[{broker: stall, seconds: 3600}]", "{acknowledged: 0, queued: 24}", 1),
        ('[{broker: refuse, code: "0x88", times: 2}]', "{acknowledged: 24, pending: 0}", 40),
        ("[{broker: delay, seconds: 0.2, times: 5}]", "{acknowledged: 24, pending: 0}", 40),
        ("[{broker: restart, seconds: 0.2}, {broker: restart, seconds: 0.2}]", "{acknowledged: 24, pending: 0}", 40),
        ('[{broker: puback, code: "0x87", times: 2, every: 3}]', "{acknowledged: 22, refused: 2}", 40),
    ],
)
def test_faults_of_the_embedded_broker_do_as_they_say(
    faults: str, ledger: str, drain_seconds: int, tmp_path: Path
) -> None:
    """The ledger at the end has what they have done; a machine has one message in flight at most.

    Where not all is acknowledged, five more seconds go by, in which what is on its way would be received.
    """
    text = f"steps: [{{at: 0s, do: {faults}}}, {{at: 1m, expect: {{ledger: {ledger}}}}}]\n"
    head = f"duration: 1m\nbroker: sandbox\nspeed: max\nsettings: {{DRAIN_SECONDS: {drain_seconds}}}\n"
    code, output, log = run(str(scenario(tmp_path, text, head)))

    assert code == 0, output + log


def test_a_broker_that_stays_away_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A restart that is not over at the end is not waited for."""
    text = "steps: [{at: 0s, do: {broker: restart, seconds: 3600}}]\n"
    head = "duration: 1s\nbroker: sandbox\nsettings: {DRAIN_SECONDS: 1}\n"
    code, output, log = run(str(scenario(tmp_path, text, head)))

    assert code == 0, output + log


def test_options_of_the_environment_do_not_change_a_run_without_its_broker(tmp_path: Path) -> None:
    """A scenario is the same on every machine; its own options are those of its file."""
    text = "settings: {MQTT_TOPIC_PREFIX: mine}\nsteps: [{at: 1m, expect: {messages: {topic: mine/press}}}]\n"
    path = scenario(tmp_path, text, "duration: 1m\n")
    code, output, log = run(str(path), environ={"MQTT_TOPIC_PREFIX": "yours", "QUEUE_SIZE": "none"})

    assert code == 0, output + log


def test_its_options_are_typed() -> None:
    """As those of every command."""
    options = parse(["scenario", "it.yaml", "--speed", "max", "--junit", "o.xml", "--seed", "7", "--fail-fast"], "0")

    assert options == ScenarioOptions("it.yaml", float("inf"), "7", "o.xml", fail_fast=True, flags=options.flags)  # type: ignore[union-attr]
