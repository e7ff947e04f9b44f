"""`preflight`: all that must be right before the first row is delivered, step by step, with the fix for what is not.

It is made for `kubectl logs`: plain lines, and one exit code for what failed first. It works with the daemon's own
settings, login and connection, as a client beside it, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TextIO

from cli.arguments import period, some_period
from cli.preflight.findings import MEANINGS, Case, ExitCode, Failure, Finding, Plan, Severity, ok, some, warn
from cli.preflight.login import check_connect, check_credentials
from cli.preflight.network import check_name, check_port
from cli.preflight.publish import check_publish
from cli.preflight.tls import check_ca_file, check_tls
from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.settings.loader import SettingsError, add_flags, describe

__all__ = ["ExitCode", "Failure", "Plan", "add_preflight", "run_preflight"]

_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 1.0, 15.0
_INDENT = " " * 17
_WAS_THERE = "It was there a moment ago: is its volume being changed just now? --wait tries again."
_SEE_HELP = "Correct each line above: a variable of the pod, or a flag. `python app.py run --help` explains them all."
_SEE_CHECK = "`python app.py check` says the same. In the cluster, the file is in a ConfigMap:"
_EDIT = "kubectl edit -n azure-iot-operations configmap edgemqttsim"


class Step(NamedTuple):
    """One check and its name."""

    name: str
    check: Callable[[Case], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class PreflightOptions:
    """What `preflight` is asked for.

    wait: seconds for which it is tried again.  timeout: seconds that each answer may take.  audience: wanted in a
    token.  publish: whether each topic gets a test message.  flags: values of settings, as they were typed.
    """

    wait: float = 0.0
    timeout: float = 10.0
    audience: str = "aio-internal"
    publish: bool = True
    flags: Mapping[str, object] = field(default_factory=dict)


def add_preflight(parser: argparse.ArgumentParser) -> None:
    """Give the parser the options of the command, those of the daemon, and the table of exit codes."""
    these = parser.add_argument_group("Preflight")
    these.add_argument("--wait", type=period, default=0.0, metavar="TIME", help="try again for so long [0]")
    text = "how long each single answer may take [10]"
    these.add_argument("--timeout", type=some_period, default=10.0, metavar="TIME", help=text)
    text = "audience that the broker wants in a token [aio-internal]"
    these.add_argument("--audience", default="aio-internal", metavar="NAME", help=text)
    text = "publish nothing; else each topic gets one empty message, marked as a test"
    these.add_argument("--no-publish", dest="publish", action="store_false", help=text)
    add_flags(parser)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "exit codes, by what fails first:\n" + "\n".join(
        f"  {code.value:>2}  {meaning}" for code, meaning in MEANINGS.items()
    )


def run_preflight(
    options: PreflightOptions,
    prepare: Callable[[], Plan],
    wall_clock: Callable[[], float],
    *,
    out: TextIO | None = None,
) -> int:
    """Do what the options say, write what is found, give the exit code.

    prepare: asked at each attempt what there is to check; may raise SettingsError.  wall_clock: Unix seconds.
    """
    report = Report(out or sys.stdout)
    try:
        return asyncio.run(_until_well(options, prepare, wall_clock, report))
    except (KeyboardInterrupt, asyncio.CancelledError):
        report.say("interrupted")
        return ExitCode.INTERRUPTED


class Report:
    """Writes lines as they are found. With --wait a line that was written at the last attempt is not written again."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before: set[str] = set()
        self._now: set[str] = set()

    def begin(self) -> None:
        """Another attempt."""
        self._before, self._now = self._now, set()

    def say(self, text: str) -> None:
        """Write lines that belong together."""
        self._now.add(text)
        if text not in self._before:
            print(text, file=self._out, flush=True)

    def find(self, step: str, finding: Finding) -> None:
        """One finding of a step."""
        self.say(f"{finding.mark:<4}  {step:<9}  {finding.text}")

    def fail(self, step: str, failure: Failure, left: Sequence[str]) -> None:
        """The failure that ends an attempt; `left` are steps that it keeps from being tried."""
        fix = "".join(f"\n{_INDENT}{'fix:' if not place else '    '} {line}" for place, line in enumerate(failure.fix))
        what = str(failure).replace("\n", f"\n{_INDENT}")
        self.find(step, Finding(Severity.FAIL, what + fix))
        untried = f"; not tried: {some(left)}" if left else ""
        self.say(f"preflight has failed at {step}, exit code {failure.code.value}{untried}")


async def _until_well(
    options: PreflightOptions, prepare: Callable[[], Plan], wall_clock: Callable[[], float], report: Report
) -> int:
    """Attempt after attempt, for as long as --wait says. Mistakes in the configuration are not waited for."""
    loop = asyncio.get_running_loop()
    # As the first process of a container it would not be ended by a signal that it does not handle.
    loop.add_signal_handler(signal.SIGTERM, _end, asyncio.current_task())
    deadline = loop.time() + options.wait
    for pause in _pauses():
        report.begin()
        code = await _attempt(options, prepare, wall_clock, report)
        left = deadline - loop.time()
        if code in (ExitCode.WELL, ExitCode.CONFIGURATION) or not options.wait:
            return code
        if left <= 0:
            report.say(f"nothing better in {options.wait:g} s, exit code {code.value}")
            return code
        report.say(f"trying again for {options.wait:g} s in all; from here on only what is new is said")
        await asyncio.sleep(min(pause, left))
    raise AssertionError  # pauses never end


def _end(task: asyncio.Task[object] | None) -> None:
    if task is not None:
        task.cancel()


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, _MOST_PAUSE_SECONDS)


async def _attempt(
    options: PreflightOptions, prepare: Callable[[], Plan], wall_clock: Callable[[], float], report: Report
) -> ExitCode:
    """All steps in order, up to the first that fails."""
    names = [step.name for step in STEPS]
    name = names[0]
    try:
        plan = prepare()
        case = Case(plan, wall_clock, options.timeout, options.audience, options.publish)
        for name, check in STEPS:
            for finding in await check(case):
                report.find(name, finding)
    except SettingsError as error:
        failure = Failure(ExitCode.CONFIGURATION, "\n".join(error.mistakes), _SEE_HELP)
    except CredentialsUnavailable as error:
        failure = Failure(ExitCode.CREDENTIALS, str(error), _WAS_THERE)
    except Failure as found:
        failure = found
    else:
        report.say("preflight has found all well")
        return ExitCode.WELL
    report.fail(name, failure, names[names.index(name) + 1 :])
    return failure.code


async def _check_settings(case: Case) -> list[Finding]:
    """The settings as they are; that there are any means that all are valid."""
    return [ok(describe(case.settings)), *map(warn, case.plan.warnings)]


async def _check_plant(case: Case) -> list[Finding]:
    """The YAML: without mistakes, and all its topics such that a broker may take them."""
    path, plan = case.settings.message_config_path, case.plan
    if plan.mistakes:
        raise Failure(ExitCode.CONFIGURATION, "\n".join(plan.mistakes), _SEE_CHECK, _EDIT)
    said = some(plan.topics)
    return [ok(f"{path}: {said}") if said else warn(f"{path}: this plant says nothing")]


STEPS: Final = (
    Step("settings", _check_settings),
    Step("plant", _check_plant),
    Step("DNS", check_name),
    Step("TCP", check_port),
    Step("CA file", check_ca_file),
    Step("TLS", check_tls),
    Step("login", check_credentials),
    Step("CONNECT", check_connect),
    Step("PUBLISH", check_publish),
)
"""What is checked, in this order: each makes sense only where those before it are well."""
