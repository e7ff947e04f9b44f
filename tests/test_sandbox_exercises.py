"""docs/sandbox.md: its exercises are done at the embedded broker of `make sandbox`, and at mosquitto with its rules.

After each of them the facts by which the page's guide ticks it have happened, and none of them before.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import orjson
import pytest

from cli.demo_broker import read_demo_broker
from tests.conftest import require_mosquitto
from tests.edge.page.test_guide import facts_of
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.plugin import program, why_unavailable
from tests.support.brokers.scenes import Pod
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until
from tests.support.processes.walkthrough import Block, Walkthrough, not_in, python, sections

PAGE: Final = "docs/sandbox.md"
SECTIONS: Final = sections(PAGE)
BROKER: Final = ROOT / "scenarios" / "sandbox" / "broker.yaml"
EMBEDDED, MOSQUITTO = "embedded", "mosquitto"
AT_BOTH: Final = ("1 ", "2 ", "3 ", "4 ", "5 ", "8 ", "9 ", "10 ")
"""The beginnings of the headings of exercises that show the same at both brokers."""
WATCHING: Final = "# another terminal"
LOG: Final = "make sandbox"
PORT: Final = "--mqtt-port 1883"
LONG: Final = "--seconds 30s"
"""Long enough for a student to see that nothing comes."""
ALARM: Final = re.compile(
    r"^(?P<inject>python app\.py pub (?:.*\\\n)*.*inject.*\n)(?P<sub>python app\.py sub .*alarms.*)$", re.MULTILINE
)
EARLY: Final = r"""rm -f why
\g<sub> > alarm 2> why & waiting=$!
until grep -qs subscribed why; do kill -0 $waiting; sleep 0.1; done
\g<inject>wait $waiting
cat alarm why"""
"""Somebody who waits for the alarm of a fault subscribes before it: on a busy machine the alarm is soon over."""
ADDRESS: Final = re.compile(r"(localhost:|port=|MQTT_PORT=)\d+")

pytestmark = pytest.mark.timeout(240)


class Student(Walkthrough):
    """Does the exercises at a broker.  log: of the simulator so far.  before_log: called before that is looked at."""

    def __init__(self, folder: Path, port: int, log: Callable[[], str], before_log: Callable[[], object]) -> None:
        super().__init__(folder)
        self._setting = f"export MQTT_PORT={port}\n"
        self._port, self._log, self._before_log = port, log, before_log
        self._watchers: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._reads_log = False

    def _bash(self, commands: str) -> list[str]:
        self._reads_log = commands.startswith(LOG)
        if self._reads_log:
            self._before_log()
            return []
        if commands.startswith(WATCHING):
            self._watch(commands)
            return []
        commands = commands.replace(PORT, f"--mqtt-port {self._port}").replace(LONG, "--seconds 2s")
        if "export MQTT_PORT" in commands:
            return []
        return super()._bash(self._setting + ALARM.sub(EARLY, commands))

    def _text(self, shown: str) -> list[str]:
        shown = ADDRESS.sub(r"\1...", shown)
        if self._reads_log:
            wait_until(lambda: not not_in(self._log(), shown), 40, f"the log has {not_in(self._log(), shown)}")
            return []
        for process, output in self._watchers:
            process.wait(30)
            self.output += output.read_text()
        self._watchers.clear()
        return not_in(self.output, shown)

    def _watch(self, commands: str) -> None:
        """Begin what another terminal does, and wait until it is subscribed."""
        output = self.folder / f"watcher-{len(self._watchers)}.txt"
        with output.open("wb") as file:
            environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
            defined, descriptors = python()
            process = subprocess.Popen(
                ["bash", "-c", "set -e\n" + defined + self._setting + commands],
                cwd=self.folder,
                env=environ,
                pass_fds=descriptors,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._watchers.append((process, output))
        wait_until(lambda: "retain=1" in output.read_text(), 20, "the other terminal has the retained message")
        latest = max(re.findall(r'"ts":"([^"]+)"', output.read_text()))
        wait_until(
            lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > latest, 5, "the next second, so that times differ"
        )


class Done(NamedTuple):
    """The exercises at one broker.  wrong: what differs from the page.  outputs: of each command, by heading.

    log: of the simulator.  broker_log: of a broker that has its own.  facts: how often what had happened on the wire
    after each exercise, by heading.
    """

    wrong: Mapping[str, list[str]]
    outputs: Mapping[str, list[str]]
    log: str
    broker_log: str = ""
    facts: Mapping[str, Mapping[str, int]] = {}

    def of(self, number: int) -> str:
        """The outputs of an exercise."""
        (title,) = (each for each in self.outputs if each.startswith(f"{number} "))
        return "".join(self.outputs[title])

    def payloads(self, number: int, topic: str) -> list[list[dict[str, Any]]]:
        """What was received on a topic in an exercise, by command."""
        (title,) = (each for each in self.outputs if each.startswith(f"{number} "))
        lines = re.compile(rf" {re.escape(topic)} qos=\d retain=\d (.*)$", re.MULTILINE)
        found = [[orjson.loads(each) for each in lines.findall(output)] for output in self.outputs[title]]
        return [each for each in found if each]


def do(student: Student, titles: tuple[str, ...], log: Callable[[], str], http_port: int) -> Done:
    """Do the exercises with these headings in their order."""
    wrong: dict[str, list[str]] = {}
    outputs: dict[str, list[str]] = {}
    facts: dict[str, Mapping[str, int]] = {}
    for title, blocks in SECTIONS.items():
        if title.startswith(titles):
            wrong[title], outputs[title] = [], []
            for block in blocks:
                wrong[title] += student.follow([block])
                if block.language == "text":
                    outputs[title].append(student.output)
            facts[title] = happened(http_port)
    return Done(wrong, outputs, log(), facts=facts)


def happened(http_port: int) -> dict[str, int]:
    """How often each fact has happened on the wire."""
    seen = httpx.get(f"http://localhost:{http_port}/api/v1/wire", trust_env=False).json()
    return {name: fact["count"] for name, fact in seen["facts"].items()}


def make_line(folder: Path, http_port: int) -> list[str]:
    """What `make sandbox` runs, as arguments of app.py, with a plant that has no faults by chance."""
    shutil.copytree(ROOT / "scenarios", folder / "scenarios")
    plant = folder / "scenarios" / "sandbox.yaml"
    plant.write_text(plant.read_text().replace("&often 0.2", "&often 8760"))
    given = f"ARGS=--log-level debug --http-port {http_port} --seed 1 --reload-seconds 0.2"
    shown = subprocess.run(
        ["make", "-n", "--no-print-directory", "sandbox", given], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return shlex.split(shown.stdout.rpartition("app.py")[2].replace("\\\n", " "))


def at_the_embedded_broker(folder: Path) -> Done:
    """All exercises, with `make sandbox`."""
    http_port = free_port()
    with DaemonProcess(*make_line(folder, http_port), directory=folder) as simulator:
        port = int(simulator.says(r"MQTT +localhost:(\d+)", 30)[1])
        simulator.says("all machines are connected", 30)
        student = Student(folder, port, lambda: simulator.log, lambda: None)
        return do(student, ("Start", "6 ", "7 ", *AT_BOTH), lambda: simulator.log, http_port)


def at_mosquitto(folder: Path, credentials: Credentials) -> Done:
    """The exercises that show the same, with the rules as `acl_file`; the devices log in by K8S-SAT."""
    http_port = free_port()
    line = make_line(folder, http_port)
    own = line[line.index("--message-config-path") :]
    pod = Pod(credentials, folder)
    pod.rotate()
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker", credentials, options=rules_of(folder)))
        login = ["--mqtt-broker", "localhost", "--mqtt-port", str(broker.ports["sat"])]
        login += ["--mqtt-ca-file", str(pod.ca_file), "--sat-token-path", str(pod.token_file)]
        simulator = stack.enter_context(DaemonProcess("run", *login, *own, directory=folder))
        simulator.says("all machines are connected", 30)
        student = Student(folder, broker.ports["plain"], lambda: simulator.log, pod.rotate)
        done = do(student, AT_BOTH, lambda: simulator.log, http_port)
        witness = "bad-actor --witness-client-id w --witness-username dashboard --witness-password-file"
        command = f"python app.py {witness} scenarios/sandbox/dashboard.password"
        wrong = {"bad-actor": student.follow([Block("bash", command)])}
        log = folder / "broker" / "mosquitto.log"
        outputs = {**done.outputs, "6 at mosquitto": [student.output]}
        return done._replace(wrong={**done.wrong, **wrong}, outputs=outputs, broker_log=log.read_text())


def rules_of(folder: Path) -> dict[str, object]:
    """The options of mosquitto for the users and the rules of the sandbox; the devices may do what they do."""
    text = BROKER.read_text()
    (acl,) = re.findall(r"^acl: \|\n((?:  .*\n|\n)+)", text, re.MULTILINE)
    users = read_demo_broker(BROKER).clients.users
    rules, passwords = folder / "acl", folder / "passwords"
    devices = "user system:serviceaccount:azure-iot-operations:mqtt-client\ntopic readwrite #\n"
    rules.write_text("".join(f"{line.strip()}\n" for line in acl.splitlines()) + devices)
    passwords.write_text("".join(f"{name}:{word}\n" for name, word in users.items()))
    subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True)
    return {
        "acl_file": rules,
        "password_file": passwords,
        "max_queued_messages": 10_000,
        "max_inflight_messages": 5,
        "log_type": "all",
    }


@pytest.fixture(scope="module")
def all_done(tmp_path_factory: pytest.TempPathFactory, credentials: Credentials) -> Mapping[str, Future[Done]]:
    """The exercises at both brokers, at the same time: most of it is waiting."""
    with ThreadPoolExecutor() as pool:
        found = {EMBEDDED: pool.submit(at_the_embedded_broker, tmp_path_factory.mktemp("embedded"))}
        if why_unavailable() is None:
            found[MOSQUITTO] = pool.submit(at_mosquitto, tmp_path_factory.mktemp("mosquitto"), credentials)
    return found


@pytest.fixture(params=[EMBEDDED, MOSQUITTO])
def done(request: pytest.FixtureRequest, all_done: Mapping[str, Future[Done]]) -> Done:
    """The exercises at each broker."""
    if request.param == MOSQUITTO:
        require_mosquitto()
    return all_done[request.param].result()


def test_the_exercises_show_what_the_page_says(done: Done) -> None:
    """Each command of the page, in its order."""
    assert {title: lines for title, lines in done.wrong.items() if lines} == {}


def test_a_crash_has_the_will_published(done: Done) -> None:
    """It was made before the press was online, and has that time; the press is back after it."""
    crash, _ = done.payloads(4, "factory/status/press")

    assert [each["status"] for each in crash] == ["online", "offline", "online"]
    assert crash[1]["ts"] <= crash[0]["ts"] < crash[2]["ts"]


def test_a_clean_stop_announces_offline_and_publishes_no_will(done: Done) -> None:
    """`offline` comes once, with the time at which it left and not that of the connection's beginning."""
    _, stop = done.payloads(4, "factory/status/press")

    assert [each["status"] for each in stop] == ["online", "offline", "online"]
    assert stop[0]["ts"] < stop[1]["ts"] < stop[2]["ts"]


def test_status_and_state_are_retained_for_a_late_subscriber(done: Done) -> None:
    """Those of all four devices, and all online."""
    retained = re.findall(r" factory/(status|state)/(\w+) qos=1 retain=1 (.*)$", done.of(3), re.MULTILINE)
    status = {device: orjson.loads(payload)["status"] for kind, device, payload in retained if kind == "status"}

    assert status == dict.fromkeys(("conveyor", "robot_arm", "press", "env_station"), "online")
    assert {device for kind, device, _ in retained if kind == "state"} == status.keys()


def test_qos_1_is_kept_for_a_persistent_session_and_qos_0_is_not(done: Done) -> None:
    """The alarm comes first when the observer is back; the values between are missing."""
    before, after = done.payloads(2, "factory/telemetry/press/vibration")
    topics = re.findall(r" observer: (factory/\S+) qos=", done.of(2))

    assert topics[2] == "factory/alarms/press/vibration"
    # Three sensors are counted together.
    assert after[0]["seq"] - before[-1]["seq"] > 3


def test_only_a_session_keeps_alarms_for_a_controller_that_is_away(done: Done) -> None:
    """The jam, in a session's absence, is answered; the smoke, without a session, is not."""
    answered = re.findall(r"sent \w+ to (\w+) ", done.of(5))

    assert "conveyor" in answered
    assert "env_station" not in answered


def test_refusals_are_visible(done: Done) -> None:
    """At mosquitto, that of a subscription by what a witness receives and the intruder does not."""
    assert ": publish to factory/commands/controller/press: refused: PUBACK 0x87 Not authorized" in done.of(6)
    assert re.search(r"subscribe to factory/admin/#: (refused: SUBACK 0x87|withheld)", done.of(6))


def test_a_new_token_costs_no_connection(done: Done) -> None:
    """Each device has sent AUTH; only the press was away, by commands; no token is in the log."""
    answered = {*re.findall(r"received AUTH reason=0x00 client_id=(\S+)", done.log)}

    assert {"conveyor", "robot_arm", "press", "env_station"} <= answered
    assert not re.search(r"machine=(?!press)\S+: (?!.*reset by a command)", done.log)
    assert "eyJ" not in done.log


def test_mosquitto_logs_what_the_page_says_it_logs(all_done: Mapping[str, Future[Done]]) -> None:
    """AUTH both ways, and the refusal; the embedded broker's lines are in the log of the simulator."""
    require_mosquitto()
    (shown,) = (block.text for block in SECTIONS["The same at mosquitto"])

    assert not_in(all_done[MOSQUITTO].result().broker_log, shown) == []


def test_the_password_files_have_the_passwords_of_the_users() -> None:
    """One for each."""
    users = read_demo_broker(BROKER).clients.users
    files = {each.stem: each.read_text().strip() for each in BROKER.parent.glob("*.password")}

    assert files == users


@pytest.mark.parametrize("number", range(1, 11))
def test_an_exercise_is_ticked_once_it_is_done(all_done: Mapping[str, Future[Done]], number: int) -> None:
    """Each of its facts has happened after it."""
    facts = all_done[EMBEDDED].result().facts
    (after,) = (found for title, found in facts.items() if title.startswith(f"{number} "))

    assert [name for name in facts_of(number) if not after[name]] == []


@pytest.mark.parametrize("number", range(2, 11))
def test_no_exercise_is_ticked_by_those_before_it(all_done: Mapping[str, Future[Done]], number: int) -> None:
    """Except that of tokens, which the devices renew by themselves."""
    facts = all_done[EMBEDDED].result().facts
    (before,) = (found for title, found in facts.items() if title.startswith(f"{number - 1} "))
    open_facts = [name for name in facts_of(number) if not before[name]]

    assert bool(open_facts) is (number not in {7, 8})


def test_at_another_broker_only_the_own_connection_is_known(all_done: Mapping[str, Future[Done]]) -> None:
    """Its connects, acknowledgements, renewals and commands, and nothing of other clients."""
    require_mosquitto()
    facts = all_done[MOSQUITTO].result().facts

    last = facts[max(facts, key=[*facts].index)]
    assert last.keys() == {"connected", "qos_1", "auth_renewed", "command"}
    assert all(last.values())
