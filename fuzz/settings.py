"""Environments and command lines: sound, wrong, extreme, contradictory, binary; each is accepted, or rejected.

Most are parsed in this process; each tenth is a process of its own. A finding is a traceback, a wait, an exit code that
is neither success nor 2, a refusal that names no option, a line that is not one line, or a secret in any output.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant

from benchmarks.case import ROOT
from cli.commands import CheckOptions, Options, parse, plant_file
from cli.options.clients import ClientOptions
from cli.options.evaluate import EvaluateOptions
from cli.options.top import TopOptions
from edge.runtime.run_options import RunOptions, UsageError
from edge.settings.environment_warnings import warnings_about
from edge.settings.loader import Settings, SettingsError, describe, variables
from fuzz.campaign import LONGEST_SECONDS, Finding, Log, Result, random_for
from fuzz.values import HOSTS, NUMBERS, PATHS, POOLS, SECRET, SHARDS, TEXTS, TIMES, WORDS
from plant.default_plant import existing

_NOW = 1.8e9
_PROCESS_EACH = 10
_LAST_SECONDS = 20.0
_LONGEST_LINE = 1500
_SOUND = 0.6
"""Share of the options that are given as they are by default: a case with a single strange value gets further."""

_LIKELY = {
    "mqtt_broker": HOSTS,
    "http_host": HOSTS,
    "mqtt_tls_server_name": HOSTS,
    "shard": SHARDS,
    "seed": TEXTS,
    "message_config_path": PATHS,
    "mqtt_ca_file": PATHS,
    "mqtt_auth_method": WORDS,
    "queue_policy": WORDS,
}
"""Option -> the pool that most of its values are from; numbers by default."""

_RUN_FLAGS = {"--start": TIMES, "--duration": NUMBERS, "--speed": NUMBERS, "--count": NUMBERS}
_OTHER_FLAGS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "run": _RUN_FLAGS,
    "check": {"--message-config-path": PATHS, "--file": PATHS},
    "export": {"--namespace": TEXTS, "--topic-layout": WORDS, "--broker": HOSTS, "--file": PATHS},
    "preflight": {"--wait": NUMBERS, "--timeout": NUMBERS, "--audience": TEXTS},
    "verify": {"--duration": NUMBERS, "--oee-within": NUMBERS, "--machines": TEXTS},
}
_SWITCHES = (
    "--then-live",
    "--dry-run",
    "--demo",
    "--no-mqtt-tls",
    "--strict",
    "--no-publish",
    "--mqtt-pass",
    "--zz",
    "-x",
    "-h",
)
_TARGETS = ("schema", "schema welding", "schema weldin", "asyncapi", "all", "everything", "kql welding", "")
_STRANGE = (
    "MQTT_URL",
    "MQTT_PASSWD",
    "MQTT_\n",
    "MQTT_É",
    "MQTT_HOST",
    "MQTT_KEEPALIVE",
    "POD_NAME",
    "KUBERNETES_SERVICE_HOST",
)
_HIDING = (
    ("-P", SECRET),
    (f"-P{SECRET}",),
    ("--mqtt-password", SECRET),
    (f"--mqtt-password={SECRET}",),
    (f"--mqtt-pass={SECRET}",),
    ("--mqtt-passwd", SECRET),
    (f"--mqtt-broker=mqtt://u:{SECRET}@h",),
)
_NAMES = {
    "--start",
    "--duration",
    "--then-live",
    "--dry-run",
    "FILE",
    "POD_NAME",
    "HOSTNAME",
    "HTTP_HOST, HTTP_PORT",
    "export",
    "verify",
} | {name for option in Settings.model_fields for name in (*variables(option), "--" + option.replace("_", "-"))}
_OF_ARGPARSE = re.compile(r"app\.py( \w+)?: error: (argument|unrecognized arguments|the following arguments)")

_OF_A_FILE = re.compile(r"errors? in |cannot be read|does not exist")


@dataclass(slots=True)
class Case:
    """An environment and a command line."""

    environ: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """The outcome of a case: a word, the lines printed, and the duration."""

    word: str
    said: str
    seconds: float
    wrong: str = ""


def run(seed: int, cases: range, say: Log) -> Result:
    """Run the cases of these numbers."""
    outcomes: Counter[str] = Counter()
    findings: list[Finding] = []
    slowest, start_seconds = 0.0, _start_seconds()
    for number in cases:
        random = random_for(seed, number)
        alone = number % _PROCESS_EACH == 0
        case = make(random)
        outcome = _process(_bounded(case, random), start_seconds) if alone else _parsed(case)
        outcomes[f"{outcome.word} by {'a process' if alone else 'the parser'}"] += 1
        slowest = max(slowest, outcome.seconds)
        findings += [Finding(number, what) for what in _problems(outcome)]
        if number % 500 == 499:
            say(f"  {number + 1} cases")
    return Result(len(cases), dict(outcomes), slowest, findings)


def make(random: Random) -> Case:
    """Make a case: a few options, by variable or flag, and what goes with a command."""
    case = Case(arguments=[random.choice([*_OTHER_FLAGS, "run", "run"])])
    command = case.arguments[0]
    if command == "export":
        case.arguments += random.choice(_TARGETS).split()
    for name in random.sample([*Settings.model_fields], random.choice([0, 1, 1, 2, 3, 6])):
        _give(case, random, name)
    for flag, pool in _OTHER_FLAGS[command].items():
        if random.random() < 0.12:
            case.arguments += [flag, _value(random, pool)]
    if random.random() < 0.1:
        case.arguments.append(random.choice(_SWITCHES))
    if random.random() < 0.08:
        case.arguments += random.choice(_HIDING)
    if random.random() < 0.15:
        case.environ[random.choice(_STRANGE)] = _value(random, TEXTS)
    if random.random() < 0.1:
        case.environ["MQTT_PASSWORD"] = random.choice([SECRET, SECRET * 5000, f"{SECRET}\udcff", f" {SECRET}\n"])
    return case


def _give(case: Case, random: Random, name: str) -> None:
    default = Settings.model_fields[name].default
    sound = default is not None and random.random() < _SOUND
    value = str(default) if sound else _value(random, _LIKELY.get(name, NUMBERS))
    if name == "mqtt_password" or random.random() < 0.6:
        case.environ[random.choice(variables(name))] = SECRET if name == "mqtt_password" else value
    elif random.random() < 0.5:
        case.arguments.append(f"--{name.replace('_', '-')}={value}")
    else:
        case.arguments += [f"--{name.replace('_', '-')}", value]


def _value(random: Random, likely: Sequence[str]) -> str:
    return random.choice(likely if random.random() < 0.7 else random.choice(POOLS))


# in this process


def _parsed(case: Case) -> Outcome:
    """Parse and check a case in this process."""
    streams = io.StringIO()
    began = time.monotonic()
    word, wrong = "taken", ""
    try:
        with contextlib.redirect_stdout(streams), contextlib.redirect_stderr(streams):
            options = parse(case.arguments, "0")
            print(*_descriptions(case, options), sep="\n")
    except SystemExit as end:
        word = {0: "help"}.get(end.code if isinstance(end.code, int) else 1, "refused")
        wrong = "" if end.code in (0, 2) else f"exit code {end.code}"
    except SettingsError as error:
        print(*error.mistakes, sep="\n", file=streams)
        word = "refused"
    except UsageError as error:
        print(error, file=streams)
        word = "refused"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        wrong = f"{type(error).__name__}: {error!r:.200}"
    return Outcome(word, streams.getvalue(), time.monotonic() - began, wrong)


def _descriptions(case: Case, options: Options) -> Iterator[str]:
    if isinstance(options, CheckOptions):
        yield str(
            plant_file(options.file, options.message_config_path, case.environ.get("MESSAGE_CONFIG_PATH"), existing())
        )
        return
    if isinstance(options, EvaluateOptions | ClientOptions | TopOptions):  # they have no settings
        return
    settings = Settings.load(case.environ, options.flags, pid=1)
    if isinstance(options, RunOptions):
        options.timing(_NOW)
    yield describe(settings)
    yield from warnings_about(case.environ)
    for part in settings.of_workers()[:3]:
        assert SECRET not in repr(part)  # noqa: S101 - a finding where it does not hold


# a process of its own


def _bounded(case: Case, random: Random) -> Case:
    """Restrict a case to a process that ends at once by itself and listens on no port."""
    command, *others = case.arguments
    if command in ("preflight", "verify"):
        command = random.choice(["check", "run", "export"])
    arguments = [each for each in others if each not in ("--demo", "-h", "--then-live")]
    if command == "run":
        arguments += ["--dry-run", "--count", "3", "--speed", "max", "--duration", "1h"]
    # Neither variables nor arguments of a process can contain these.
    clean = {ord("\0"): None, 0xD800: None}
    environ = {name.translate(clean): value.translate(clean) for name, value in case.environ.items()}
    listening = {name: "0" for name in ("HTTP_PORT",) if environ.get(name, "").isdecimal() or name not in environ}
    return Case({**environ, **listening}, [each.translate(clean) for each in [command, *arguments]])


def _process(case: Case, start_seconds: float) -> Outcome:
    began = time.monotonic()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    try:
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, str(ROOT / "app.py"), *case.arguments],
            env={**inherited, **case.environ},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LAST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome("hung", "", _LAST_SECONDS, f"still there after {_LAST_SECONDS:g} s: {late.cmd!r:.300}")
    seconds = max(0.0, time.monotonic() - began - start_seconds)
    errors, output = (stream.decode(errors="backslashreplace") for stream in (ended.stderr, ended.stdout))
    wrong = "" if ended.returncode in (0, 2) else f"exit code {ended.returncode}: {errors[-300:]!r}"
    if "Traceback" in errors + output:
        wrong = f"traceback: {errors[-300:]!r}"
    if SECRET in output:
        wrong = "a secret in the output"
    # Errors of a plant and log lines have their own form: they are only searched for secrets.
    return Outcome("refused" if ended.returncode == 2 else "taken", errors, seconds, wrong)


def _start_seconds() -> float:
    """Return how long Python and the imports take on this machine."""
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "app.py"), "--version"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - our own program
    return time.monotonic() - began


# checks


def _problems(outcome: Outcome) -> Iterator[str]:
    if outcome.wrong:
        yield outcome.wrong
    if outcome.seconds > LONGEST_SECONDS:
        yield f"{outcome.seconds:.1f} s"
    if SECRET in outcome.said:
        yield f"a secret is printed: {outcome.said[:300]!r}"
    if outcome.word == "refused":
        yield from _unclear(outcome.said)


def _unclear(said: str) -> Iterator[str]:
    """Yield what is wrong with the error lines of a rejection."""
    lines = [line for line in said.split("\n") if line]
    named = any(line.partition(":")[0] in _NAMES or _OF_ARGPARSE.match(line) for line in lines)
    if not named and not _OF_A_FILE.search(said):
        yield f"no option is named: {said[-300:]!r}"
    for line in lines:
        if not line.isprintable() or len(line) > _LONGEST_LINE:
            yield f"not a line to read: {line[:200]!r}"
