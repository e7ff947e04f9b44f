"""What the tests share: credentials, a real mosquitto, a guard against leaked processes, and an honest last word."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import edge.mqtt.backoff
import edge.mqtt.connection
from edge import redaction
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.plugin import NO_MOSQUITTO, why_unavailable
from tests.support.brokers.rig import Lines
from tests.support.brokers.scenes import Pod
from tests.support.browser.required import NO_CHROMIUM
from tests.support.examples import THOROUGH
from tests.support.exports.kustomize import NO_KUBECTL
from tests.support.neutral.ejabberd import NO_EJABBERD
from tests.support.neutral.readers import NO_MQTTJS
from tests.support.processes import daemon
from tests.support.processes.leaks import children, command_line
from tests.support.processes.starts import Forks, anew
from tests.support.processes.waiting import wait_until

StartMosquitto = Callable[..., Mosquitto]
# How long an example takes by the clock on the wall says more of what runs beside it than of the code.
# Examples of laws are the same in each ordinary run, so that it tells of a change and not of luck. Thorough runs find
# new ones.
settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not THOROUGH
)
settings.load_profile("shared")
_brokers = pytest.StashKey[list[Mosquitto]]()


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """A throw-away CA with its certificates and a token issuer, made once: RSA keys take their time."""
    return Credentials(tmp_path_factory.mktemp("credentials"))


@pytest.fixture
def start_mosquitto(
    request: pytest.FixtureRequest, tmp_path: Path, credentials: Credentials
) -> Iterator[StartMosquitto]:
    """Call it with the options of `Mosquitto` for one more running broker; all of them end with the test."""
    require_mosquitto()
    brokers: list[Mosquitto] = []
    request.node.stash[_brokers] = brokers
    with ExitStack() as running:

        def start(**options: object) -> Mosquitto:
            directory = tmp_path / f"mosquitto-{len(brokers)}"
            brokers.append(Mosquitto(directory, credentials, **options))  # type: ignore[arg-type]
            return running.enter_context(brokers[-1])

        yield start


def require_mosquitto() -> None:
    """Skip a test, or fail it where that is asked for, if there is no mosquitto."""
    missing = why_unavailable()
    if missing is None:
        return
    if os.environ.get("EDGEMQTTSIM_REQUIRE_MOSQUITTO") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def mosquitto(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A running mosquitto with a TLS listener for K8S-SAT (`ports["sat"]`) and an anonymous one (`ports["plain"]`)."""
    return start_mosquitto()


@pytest.fixture
def pod(credentials: Credentials, tmp_path: Path) -> Pod:
    """What a pod with a good token has, to log in to the embedded broker."""
    pod = Pod(credentials, tmp_path)
    pod.rotate()
    return pod


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged during the test."""
    with Lines() as lines:
        yield lines


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off goes from 20 to 80 ms instead of from 250 ms to a minute."""
    monkeypatch.setattr(edge.mqtt.backoff, "_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(edge.mqtt.backoff, "_MOST_SECONDS", 0.08)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token file and the connection are looked at twenty times a second instead of twice."""
    monkeypatch.setattr(edge.mqtt.connection, "_TICK_SECONDS", 0.05)


@pytest.fixture(scope="session", autouse=True)
def _forked_daemons() -> Iterator[None]:
    """Daemons are forked with everything imported."""
    forks = Forks()
    daemon.start = forks
    yield
    daemon.start = anew
    forks.close()


@pytest.fixture(autouse=True)
def _secrets_forgotten() -> Iterator[None]:
    """What a test protects from being shown is no secret in the next, whose text may happen to contain a part of it."""
    in_use, unchanging = [*redaction._in_use], {*redaction._unchanging}
    yield
    redaction._in_use.clear()
    redaction._in_use.extend(in_use)
    redaction._unchanging.intersection_update(unchanging)


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    """A test ends every process that it starts."""
    before = children()
    yield
    with suppress(TimeoutError):
        wait_until(lambda: children() <= before, 2.0, "the test's processes end")
    left = [command_line(pid) for pid in children() - before]
    assert not left, f"left running: {left}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Collect no garbage until all tests are known: what is imported and found stays to the end."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its brokers said."""
    report = yield
    if report.failed:
        report.sections.extend(("mosquitto", broker.log_tail()) for broker in item.stash.get(_brokers, []))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Right above pytest's closing line: how many tests went unrun for want of a program, and the remedy."""
    yield
    reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    for lacking in (NO_MOSQUITTO, NO_KUBECTL, NO_EJABBERD, NO_MQTTJS, NO_CHROMIUM):
        _say_unrun(terminalreporter, [reason.removeprefix("Skipped: ") for reason in reasons if lacking in reason])


def _say_unrun(terminalreporter: pytest.TerminalReporter, unrun: list[str]) -> None:
    if unrun:
        tests = "1 test" if len(unrun) == 1 else f"{len(unrun)} tests"
        terminalreporter.write_line(f"{tests} skipped: {unrun[0]}", yellow=True)
