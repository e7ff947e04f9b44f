"""Test the connection to the broker step by step, and print how to fix the first step that fails.

The output is made for `kubectl logs`: plain lines, and an exit code that names the first failure. Settings, login and
connection are the simulator's own code, used by a separate client that leaves no session and no message behind.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, NamedTuple, TextIO

from cli.options.preflight import ExitCode, PreflightOptions
from cli.preflight.findings import (
    CheckContext,
    Failure,
    Finding,
    PreflightInputs,
    Severity,
    abbreviated,
    ok,
    warn,
)
from cli.preflight.login import check_connect, check_credentials
from cli.preflight.network import check_dns, check_tcp
from cli.preflight.publish import check_publish
from cli.preflight.subscribe import check_subscribe
from cli.preflight.tls import check_ca_file, check_tls
from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.redaction import escaped
from edge.settings.loader import SettingsError, describe

__all__ = ["Failure", "PreflightInputs", "run_preflight"]

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 1.0, 15.0
_INDENT = " " * 17
_VANISHED_FIX = "It was readable a moment ago. Is its volume being updated? --wait retries."
_SETTINGS_FIX = "Correct each line above: a variable of the pod, or a flag. `python app.py run --help` lists them all."
_PLANT_FIX = "`python app.py check` reports the same errors. In the cluster, the file is in a ConfigMap:"
_EDIT_COMMAND = "kubectl edit -n azure-iot-operations configmap edgemqttsim"


class Step(NamedTuple):
    """A check and the name that its lines begin with."""

    name: str
    check: Callable[[CheckContext], Awaitable[list[Finding]]]


def run_preflight(
    options: PreflightOptions,
    prepare: Callable[[], PreflightInputs],
    wall_clock: Callable[[], float],
    *,
    out: TextIO | None = None,
) -> int:
    """Run all steps, retrying as the options say, print their findings, and return the exit code.

    prepare: returns what to check, called at each attempt; may raise SettingsError.  wall_clock: returns Unix seconds.
    """
    report = Report(out or sys.stdout)
    try:
        return asyncio.run(_retry_until_success(options, prepare, wall_clock, report))
    except (KeyboardInterrupt, asyncio.CancelledError):
        report.write("interrupted")
        return ExitCode.INTERRUPTED


class Report:
    """The output of a preflight, which does not repeat the lines of the previous attempt."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._previous: set[str] = set()
        self._current: set[str] = set()

    def start_attempt(self) -> None:
        """Begin the lines of another attempt."""
        self._previous, self._current = self._current, set()

    def write(self, text: str) -> None:
        """Write a text of one or more lines, unless the previous attempt wrote the same."""
        self._current.add(text)
        if text not in self._previous:
            print(escaped(text), file=self._out, flush=True)

    def write_finding(self, step: str, finding: Finding) -> None:
        """Write a finding of a step."""
        self.write(f"{finding.severity:<4}  {step:<9}  {finding.text}")

    def write_failure(self, step: str, failure: Failure, untested: Sequence[str]) -> None:
        """Write the failure that ends an attempt, and the steps that were not tested because of it."""
        fix = "".join(f"\n{_INDENT}{'fix:' if not place else '    '} {line}" for place, line in enumerate(failure.fix))
        problem = str(failure).replace("\n", f"\n{_INDENT}")
        self.write_finding(step, Finding(Severity.FAIL, problem + fix))
        skipped = f"; not tested: {abbreviated(untested)}" if untested else ""
        self.write(f"preflight failed at {step}, exit code {failure.code.value}{skipped}")


async def _retry_until_success(
    options: PreflightOptions, prepare: Callable[[], PreflightInputs], wall_clock: Callable[[], float], report: Report
) -> int:
    """Repeat the steps until they succeed or --wait has passed; an invalid configuration is not retried."""
    loop = asyncio.get_running_loop()
    # The kernel does not deliver an unhandled SIGTERM to the first process of a container.
    loop.add_signal_handler(signal.SIGTERM, _cancel, asyncio.current_task())
    deadline = loop.time() + options.wait
    for delay in _retry_delays():
        report.start_attempt()
        code = await _attempt(options, prepare, wall_clock, report)
        left = deadline - loop.time()
        if code in (ExitCode.SUCCESS, ExitCode.CONFIGURATION) or not options.wait:
            return code
        if left <= 0:
            report.write(f"still failing after {options.wait:g} s, exit code {code.value}")
            return code
        report.write(f"retrying for up to {options.wait:g} s; unchanged lines are not repeated")
        await asyncio.sleep(min(delay, left))
    raise AssertionError  # the delays never end


def _cancel(task: asyncio.Task[object] | None) -> None:
    if task is not None:
        task.cancel()


def _retry_delays() -> Iterator[float]:
    delay = _FIRST_DELAY_SECONDS
    while True:
        yield delay
        delay = min(2 * delay, _LONGEST_DELAY_SECONDS)


async def _attempt(
    options: PreflightOptions, prepare: Callable[[], PreflightInputs], wall_clock: Callable[[], float], report: Report
) -> ExitCode:
    """Run the steps in order up to the first that fails, and return its exit code."""
    names = [step.name for step in STEPS]
    name = names[0]
    try:
        inputs = prepare()
        context = CheckContext(inputs, wall_clock, options.timeout, options.audience, options.publish)
        steps = (*STEPS, _OF_COMMANDS) if inputs.commands else STEPS
        names = [step.name for step in steps]
        for name, check in steps:
            for finding in await check(context):
                report.write_finding(name, finding)
    except SettingsError as error:
        failure = Failure(ExitCode.CONFIGURATION, "\n".join(error.mistakes), _SETTINGS_FIX)
    except CredentialsUnavailable as error:
        failure = Failure(ExitCode.CREDENTIALS, str(error), _VANISHED_FIX)
    except Failure as found:
        failure = found
    else:
        report.write("preflight succeeded")
        return ExitCode.SUCCESS
    report.write_failure(name, failure, names[names.index(name) + 1 :])
    return failure.code


async def _check_settings(context: CheckContext) -> list[Finding]:
    """Report the settings, which are valid if they exist, and their warnings."""
    return [ok(describe(context.settings)), *map(warn, context.inputs.warnings)]


async def _check_plant(context: CheckContext) -> list[Finding]:
    """Report the topics of the plant; Failure if its YAML has errors or a topic is invalid."""
    path, inputs = context.settings.message_config_path, context.inputs
    if inputs.mistakes:
        raise Failure(ExitCode.CONFIGURATION, "\n".join(inputs.mistakes), _PLANT_FIX, _EDIT_COMMAND)
    topics = abbreviated(inputs.topics)
    return [ok(f"{path}: {topics}") if topics else warn(f"{path}: this plant publishes no messages")]


STEPS: Final = (
    Step("settings", _check_settings),
    Step("plant", _check_plant),
    Step("DNS", check_dns),
    Step("TCP", check_tcp),
    Step("CA file", check_ca_file),
    Step("TLS", check_tls),
    Step("login", check_credentials),
    Step("CONNECT", check_connect),
    Step("PUBLISH", check_publish),
)
"""In the order of execution: each step depends on those before it."""
_OF_COMMANDS: Final = Step("SUBSCRIBE", check_subscribe)
