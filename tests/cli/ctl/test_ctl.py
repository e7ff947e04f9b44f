"""`ctl`: each action of it on a running simulator, from a shell."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from app import VERSION, main
from cli.options.ctl import ACTIONS
from tests.support.factory.acted_on import PLANTS, content, press
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulator with four presses, which have faults and set points."""
    plant = tmp_path_factory.mktemp("plant") / "plant.yaml"
    plant.write_text(content(PLANTS["faults"]))
    flags = ["--dry-run", "--speed", "1", "--message-config-path", str(plant), "--http-port", str(free_port())]
    with DaemonProcess("run", *flags) as daemon:
        yield daemon.url()


def ctl(url: str, *arguments: str) -> int:
    """Run it; the exit code."""
    return main(["ctl", "--url", url, *arguments], {})


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("stop PRESS-01 PRESS-02", "machine_id=PRESS-01 state=stopped"),
        ("start PRESS-01", "machine_id=PRESS-01 state="),
        ("state PRESS-03 idle --for 10m", "machine_id=PRESS-03 state=idle"),
        ("inject PRESS-04 jam --severity 2 --for 10m", "machine_id=PRESS-04 faults=jam:2.0"),
        ("clear PRESS-04 jam", "machine_id=PRESS-04 faults="),
        ("clear PRESS-04", "machine_id=PRESS-04 faults=none"),
        ("set PRESS-04 feed 200", "machine_id=PRESS-04 signal=feed value=200.0"),
        ("crash PRESS-03 --for 10s", "machine_id=PRESS-03 connection=crashed"),
        ("disconnect PRESS-03", "machine_id=PRESS-03 connection=disconnected"),
        ("reconnect PRESS-03", "machine_id=PRESS-03 connection=reconnecting"),
        ("scale press 5", "message_type=press count=5"),
        ("rate 5", "messages_per_second=5.0"),
        ("rate default", "messages_per_second=-"),
        ("disable press", "message_type=press enabled=no"),
        ("enable press", "message_type=press enabled=yes"),
    ],
)
def test_an_action_is_answered_in_a_line_for_each_machine(
    url: str, capsys: Printed, arguments: str, answer: str
) -> None:
    """With the plant time at which it was done."""
    assert ctl(url, *arguments.split()) == 0

    lines = capsys.readouterr().out.splitlines()
    assert answer in lines[0]
    assert len(lines) == (2 if "PRESS-02" in arguments else 1)
    assert lines[0][:2] == "20"


def test_a_refusal_is_told_with_the_rule(url: str, capsys: Printed) -> None:
    """On standard error, and the exit code is 1; what else was asked for is done all the same."""
    assert ctl(url, "stop", "PRESS-99", "PRESS-02") == 1

    printed = capsys.readouterr()
    assert printed.err == 'refused: machine_id: no machine has the id "PRESS-99"\n'
    assert "machine_id=PRESS-02" in printed.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("machines --state stopped", "PRESS-02  press  stopped  2"),
        ("machine PRESS-02", "state          stopped"),
        ("types", "press  "),
        ("plant", "message_types"),
        ("settings", "MQTT_BROKER               localhost"),
        ("journal --limit 1", "command=stop machine_id=PRESS-02"),
        ("check PLANT", "messages_per_second"),
        ("put PLANT", "machines  press=3"),
    ],
)
def test_what_is_so_is_shown_in_lines(url: str, capsys: Printed, tmp_path: Path, arguments: str, line: str) -> None:
    """Each call of the control API that does not act on a machine."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(content(press(count=3)))
    assert ctl(url, "stop", "PRESS-02") == 0

    assert ctl(url, *arguments.replace("PLANT", str(plant)).split()) == 0
    assert line in capsys.readouterr().out


def test_a_machine_that_there_is_not_is_told_with_the_one_that_may_be_meant(url: str, capsys: Printed) -> None:
    """Without a doubt about the address."""
    assert ctl(url, "machine", "PRES-02") == 1

    assert capsys.readouterr().err == 'refused: no machine has the id "PRES-02"; did you mean "PRESS-02"?\n'


def test_an_answer_is_json_for_who_asks_for_it(url: str, capsys: Printed) -> None:
    """As it comes from the simulator."""
    assert ctl(url, "--json", "stop", "PRESS-02") == 0

    assert json.loads(capsys.readouterr().out)["answer"] == {"machine_id": "PRESS-02", "state": "stopped"}


def test_the_general_options_may_come_after_the_action(url: str, capsys: Printed) -> None:
    """As one adds them to a line that is there already."""
    assert main(["ctl", "machine", "PRESS-02", "--json", "--url", url], {}) == 0

    assert json.loads(capsys.readouterr().out)["machine_id"] == "PRESS-02"


def test_an_unknown_flag_of_an_action_is_told_with_the_one_of_that_action(capsys: Printed) -> None:
    """Not with those that all actions have."""
    with pytest.raises(SystemExit):
        main(["ctl", "machines", "--stat", "idle"], {})

    said = "app.py ctl machines: error: unrecognized arguments: --stat (did you mean --state?)"
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_yaml_with_several_errors_takes_one_row_of_the_journal(url: str, capsys: Printed, tmp_path: Path) -> None:
    """Its other errors are counted, and in the JSON."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(content(press(cuont=3, colour=1, weight=2)))
    assert ctl(url, "put", str(plant)) == 1
    capsys.readouterr()

    assert ctl(url, "journal", "--limit", "1") == 0

    (row,) = [line for line in capsys.readouterr().out.splitlines() if "command=reload" in line]
    assert row.endswith("(and 2 more: --json has all)")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:1", "does not answer: nothing listens there"),
        ("http://nowhere.invalid", "does not answer: Name or service not known"),
        ("ftp://127.0.0.1", "is no address of a simulator, such as http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "is no address of a simulator, such as http://127.0.0.1:8080"),
        ("http://[::1", "is no address of a simulator, such as http://127.0.0.1:8080"),
        ("http://a..b", "is no address of a simulator, such as http://127.0.0.1:8080"),
        ("http://a b", "is no address of a simulator, such as http://127.0.0.1:8080"),
        ("http://127.0.0.1:http", "is no address of a simulator, such as http://127.0.0.1:8080"),
        ("http://me:s3cret@127.0.0.1:1", "http://[redacted]@127.0.0.1:1 does not answer: "),
    ],
)
def test_where_no_simulator_answers_that_is_said_in_one_line(capsys: Printed, address: str, why: str) -> None:
    """With exit code 1."""
    assert ctl(address, "stop", "CNC-01") == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_the_simulator_is_the_one_that_the_variables_describe(url: str, capsys: Printed) -> None:
    """So that it needs no address in the simulator's own pod."""
    port = url.rpartition(":")[2]

    assert main(["ctl", "stop", "PRESS-02"], {"HTTP_HOST": "0.0.0.0", "HTTP_PORT": port}) == 0
    assert "state=stopped" in capsys.readouterr().out


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_has_help(action: str, capsys: Printed) -> None:
    """With its arguments."""
    with pytest.raises(SystemExit) as end:
        main(["ctl", action, "--help"], {})

    assert (end.value.code, VERSION) == (0, "0.1.0")
    assert f"ctl {action}" in capsys.readouterr().out


class Flaky(BaseHTTPRequestHandler):
    """Breaks the first connection, is busy at the next, then answers; notes the headers of each call."""

    calls: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        """Answer."""
        self.calls.append(dict(self.headers))
        self.rfile.read(int(self.headers["Content-Length"]))
        if len(self.calls) == 1:
            self.connection.close()
        elif len(self.calls) == 2:
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"at":"2026-01-05T08:00:00.000Z","answer":{"machine_id":"CNC-01"}}')

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def test_a_command_is_repeated_with_its_key_where_it_may_not_have_arrived(capsys: Printed, tmp_path: Path) -> None:
    """Or where the simulator was busy; it has the same key each time, so it is done once."""
    (tmp_path / "token").write_text("s3cret\n")
    Flaky.calls.clear()
    with HTTPServer(("127.0.0.1", 0), Flaky) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = ctl(f"http://127.0.0.1:{server.server_port}", "--token-file", str(tmp_path / "token"), "stop", "CNC-01")
        server.shutdown()

    assert (code, capsys.readouterr().out) == (0, "2026-01-05T08:00:00.000Z  machine_id=CNC-01\n")
    assert len(Flaky.calls) == 3
    assert len({call["Idempotency-Key"] for call in Flaky.calls}) == 1
    assert {call["Authorization"] for call in Flaky.calls} == {"Bearer s3cret"}


def test_machines_are_a_table(url: str, capsys: Printed) -> None:
    """One row each; those of a state or with a fault alone, if they are asked for."""
    for arguments in ("enable press", "stop PRESS-01", "inject PRESS-02 jam --for 10m"):
        ctl(url, *arguments.split())
    capsys.readouterr()
    codes = [ctl(url, "machines"), ctl(url, "machines", "--state", "stopped"), ctl(url, "machines", "--fault", "jam")]
    codes.append(ctl(url, "machines", "--limit", "1"))
    lines = capsys.readouterr().out.splitlines()

    assert codes == [0, 0, 0, 0]
    assert lines[0].split() == ["MACHINE", "TYPE", "STATE", "SINCE", "JOB", "FAULTS", "ALARMS"]
    assert lines[1].split()[:3] == ["PRESS-01", "press", "stopped"]
    assert any(line.startswith("PRESS-02") and "jam" in line for line in lines)
    assert lines[-1] == "... and more: with --limit N, N of them are listed"


def test_a_machine_is_shown_with_its_signals(url: str, capsys: Printed) -> None:
    """In a table, with limits and set points."""
    assert ctl(url, "machine", "PRESS-02") == 0

    out = capsys.readouterr().out
    assert re.search(r"^machine_type +press$", out, re.MULTILINE)
    assert re.search(r"^signals:\n +NAME +VALUE .*SET_POINT", out, re.MULTILINE)
    assert re.search(r"^ +feed +\d", out, re.MULTILINE)


def test_the_yaml_in_force_can_be_saved_checked_and_put(url: str, capsys: Printed, tmp_path: Path) -> None:
    """What is wrong is told with its line."""
    file = tmp_path / "plant.yaml"
    assert ctl(url, "plant") == 0
    file.write_text(capsys.readouterr().out)
    assert [ctl(url, "check", str(file)), ctl(url, "put", str(file)), ctl(url, "reload")] == [0, 0, 0]
    assert "press=" in capsys.readouterr().out
    file.write_text(file.read_text().replace("dwell_seconds", "dwel_seconds"))
    assert ctl(url, "put", str(file)) == 1

    refused = capsys.readouterr().err.splitlines()
    assert len(refused) > 2
    assert "dwel_seconds: is an unknown key" in refused[0]
    assert ctl(url, "put", str(tmp_path / "none")) == 2
    assert capsys.readouterr().err == f"FILE: cannot read {tmp_path / 'none'}: No such file or directory\n"


def test_settings_types_and_the_journal_are_shown(url: str, capsys: Printed) -> None:
    """What was done is there with who did it."""
    ctl(url, "stop", "PRESS-99")
    capsys.readouterr()
    assert [ctl(url, action) for action in ("settings", "types", "journal")] == [0, 0, 0]

    out = capsys.readouterr().out
    assert re.search(r"^ +QUEUE_SIZE +1000$", out, re.MULTILINE)
    assert re.search(r"^press +\d .*bearing_damage", out, re.MULTILINE)
    assert re.search(r"http 127.0.0.1 +command=stop machine_id=PRESS-99 +machine_id: no machine", out)
