"""Calls that Schemathesis makes of the OpenAPI description, to a simulator that is publishing meanwhile.

Half of what it makes is valid and half is not; of the valid calls half have names that the plant knows, so that they do
something. No call may end in an error of ours, each answer has to be as OpenAPI has it, messages may not be late, and
each one is accounted for.
"""

from __future__ import annotations

import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random  # noqa: TID251 - makes the calls; no part of the plant
from typing import Any, Final, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fuzz.campaign import LONGEST_SECONDS, Finding, Log, Result, random_for
from sandbox.broker import EmbeddedBroker
from tests.support.factory.acted_on import content, press
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

RATE: Final = 1000
"""Messages a second."""

LATE_SECONDS: Final = 0.01
"""What 99 % of the turns of the run loop may be late at most."""

_MACHINES: Final = 100
_PAUSE_SECONDS: Final = 0.06
_KNOWN: Final[Mapping[str, Sequence[Any]]] = {
    "machine_id": [f"PRESS-{number:02}" for number in range(1, 9)],
    "message_type": ["press"],
    "machine_type": ["press"],
    "state": ["running", "idle", "maintenance", "faulted"],
    "anomaly_type": ["bearing_damage", "jam"],
    "fault": ["bearing_damage", "jam", "temperature.stuck"],
    "signal": ["feed"],
    "after": ["PRESS-01", "PRESS-50"],
}
_LESS: Final[Mapping[str, float]] = {"/-/reload": 0.2}
"""Calls of which there are fewer, as each stops the plant for a while."""
_ENDLESS: Final = {"/api/v1/stream"}
"""Calls that are left out, as their answers have no end: a caller that reads all of one would wait for ever."""

_CHECKS: Final = [status_code_conformance, content_type_conformance, response_schema_conformance]


def run(seed: int, cases: range, say: Log) -> Result:
    """Make calls; to make one again, all before it are made, too."""
    with daemon_that_publishes() as target:
        findings = [each for each in target.call_all(seed, cases.stop, say) if each.case in cases]
        findings += [Finding(cases[-1], what) for what in (*target.lateness_problems(say), *target.final_problems())]
        return Result(len(cases), dict(target.outcomes), target.slowest_seconds, findings)


def plant(count: int = _MACHINES, rate: float = RATE) -> str:
    """A plant with everything, that sends so many messages a second."""
    return content(press(count=count) | {"global": {"target_rate": rate}})


@contextmanager
def daemon_that_publishes(
    pause_seconds: float = _PAUSE_SECONDS, rate: float = RATE, compat: str = "none"
) -> Iterator[_Target]:
    """Run a simulator with a broker beside it. pause_seconds: from one call to the next.  rate: messages a second.

    compat: the simulator whose calls it answers as well.
    """
    with tempfile.TemporaryDirectory() as folder, running(EmbeddedBroker()) as broker:
        file = Path(folder) / "plant.yaml"
        file.write_text(plant(rate=rate))
        options = [*plain(broker), "--message-config-path", str(file), "--http-port", str(free_port())]
        options += ["--http-compat", compat]
        with DaemonProcess("run", *options, "--log-format", "json", "--queue-size", "20000") as daemon:
            daemon.says("first on")
            yield _Target(daemon, daemon.says(r"HTTP on (http://[^ ]+):").group(1), pause_seconds)


class _Target:
    """The simulator that is called. outcomes: of the calls.  slowest_seconds: the longest that one took."""

    def __init__(self, daemon: DaemonProcess, url: str, pause_seconds: float) -> None:
        self._daemon, self._url, self._session = daemon, url, requests.Session()
        self._pause_seconds = pause_seconds
        self.outcomes: Counter[str] = Counter()
        self.slowest_seconds = 0.0
        self._made = 0
        self._findings: list[Finding] = []
        self._before = self._turns()

    def call_all(self, seed: int, count: int, say: Log) -> list[Finding]:
        """Make so many calls, spread over all operations, and return what was wrong."""
        load_all_checks()
        schema = schemathesis.openapi.from_dict(self._session.get(f"{self._url}/openapi.json").json())
        operations = [cast("Any", each).ok() for each in schema.get_all_operations()]
        operations = [each for each in operations if each.path not in _ENDLESS]
        total = sum(_LESS.get(each.path, 1.0) for each in operations)
        for number, operation in enumerate(operations):
            before = self._turns()
            left = count if operation is operations[-1] else self._made + count * _LESS.get(operation.path, 1.0) / total
            self._call_often(operation, random_for(seed, number), min(count, round(left)))
            say(f"api: {self._made} calls, up to {operation.label}{self._since(before)}")
        return self._findings

    def _call_often(self, operation: Any, rng: Random, until: int) -> None:
        """Call one operation until so many calls have been made, in each mode as often."""
        may_be_wrong = any(True for _ in operation.query) or any(True for _ in operation.body)
        modes = [*[GenerationMode.NEGATIVE] * may_be_wrong, GenerationMode.POSITIVE]
        for number, mode in enumerate(modes):
            self._call_some(operation, mode, rng, (until - self._made) // (len(modes) - number))

    def _call_some(self, operation: Any, mode: GenerationMode, rng: Random, most: int) -> None:
        """Make so many calls, or the same again where there are fewer; of a mode there may be none."""
        until, last = self._made + most, list[Any]()

        @seeded(rng.getrandbits(32))
        @settings(
            max_examples=max(1, most),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            if mode is GenerationMode.POSITIVE and rng.random() < 0.5:
                _sensible(case, rng)
            last[:] = [case]
            self._call(case, rng)

        with suppress(Unsatisfiable):
            call()
        while last and self._made < until:
            self._call(last[0], rng)

    def _call(self, case: Any, rng: Random) -> None:
        _harmless(case, rng)
        began = time.monotonic()
        try:
            answer = case.call(base_url=self._url, session=self._session, timeout=5 * LONGEST_SECONDS)
        except requests.RequestException as error:
            self._note(f"{case.operation.label}: {error!r}")
            return
        took = time.monotonic() - began
        self.slowest_seconds = max(self.slowest_seconds, took)
        self._made += 1
        self.outcomes[f"answered {answer.status_code // 100}xx"] += 1
        for what in self._wrong(case, answer, took):
            self._note(f"{case.operation.label}: {what}")
        time.sleep(max(0.0, self._pause_seconds - (time.monotonic() - began)))

    def _wrong(self, case: Any, answer: Any, took: float) -> Iterator[str]:
        is_busy = answer.status_code == 503 and "retry-after" in answer.headers
        if answer.status_code >= 500 and not is_busy:
            yield f"answered {answer.status_code}: {answer.text[:200]} to {case.as_curl_command()[:2000]}"
        if took > LONGEST_SECONDS:
            yield f"took {took:.1f} s"
        try:
            case.validate_response(answer, checks=_CHECKS)
        except (Failure, FailureGroup) as error:
            yield str(error)[:2000]

    def _note(self, what: str) -> None:
        self._findings.append(Finding(self._made, what))

    # observations

    def lateness_problems(self, say: Log) -> Iterator[str]:
        """Yield how late the run loop was, if that was too much."""
        late = late_at(0.99, self._before, self._turns())
        say(f"api: 99 % of the turns of the run loop were at most {late:g} s late")
        if late > LATE_SECONDS:
            yield f"1 % of the turns of the run loop were more than {LATE_SECONDS:g} s late"

    def final_problems(self) -> Iterator[str]:
        """Yield what is wrong in the end: faults in the log, and the ledger."""
        yield from (line for line in self._daemon.errors if re.search(r'Traceback|"level":"critical"|"http"', line))
        ledger = self._ledger()
        self.outcomes["messages beside them"] = ledger["messages_generated"]
        accounted = sum(ledger[name] for name in ("messages_sent", "messages_failed", "queue_depth", "in_flight"))
        if accounted != ledger["messages_generated"] or ledger["messages_failed"]:
            yield f"the ledger does not balance: {ledger}"

    def _ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = self._session.get(f"{self._url}/healthz").json()["ledger"]
        return found

    def _since(self, before: Mapping[float, float]) -> str:
        """Return in words how late the run loop was since then."""
        after = self._turns()
        turns = after[math.inf] - before[math.inf]
        late = turns - after[LATE_SECONDS] + before[LATE_SECONDS]
        return f"; {late:.0f} of {turns:.0f} turns were more than {LATE_SECONDS:g} s late"

    def _turns(self) -> dict[float, float]:
        """Return how many turns of the run loop were at most so many seconds late."""
        text = self._session.get(f"{self._url}/metrics").text
        found = re.findall(r'edgemqttsim_lateness_seconds_bucket\{le="([^"]+)"\} (\S+)', text)
        return {math.inf if bound == "+Inf" else float(bound): float(count) for bound, count in found}


def late_at(share: float, before: Mapping[float, float], after: Mapping[float, float]) -> float:
    """Return the least bound within which this share of the turns between two readings was."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    return next(bound for bound, count in counts.items() if count >= share * counts[math.inf])


def _sensible(case: Any, rng: Random) -> None:
    """Put names that the plant knows into a call, or a YAML of a plant."""
    for part in (case.query, case.path_parameters, case.body):
        if isinstance(part, MutableMapping):
            part.update({name: rng.choice(_KNOWN[name]) for name in part if name in _KNOWN})
    if case.operation.path.startswith("/api/v1/plant") and case.method.upper() != "GET":
        case.body = plant(rng.randint(_MACHINES - 3, _MACHINES + 3))


def _harmless(case: Any, rng: Random) -> None:
    """Keep the plant's rate and size, by which the lateness is measured."""
    body = case.body
    if not isinstance(body, MutableMapping):
        return
    if isinstance(body.get("messages_per_second"), int | float):
        body["messages_per_second"] = rng.choice((RATE, RATE + 1))
    if body.get("command") == "rate":
        body["messages_per_second"] = RATE
    if body.get("message_type") in _KNOWN["message_type"]:
        body["message_type"] = "press"
        if body.get("command") == "scale":
            body["count"] = rng.randint(_MACHINES - 3, _MACHINES + 3)
        if body.get("command") == "disable":
            body["command"] = "enable"
