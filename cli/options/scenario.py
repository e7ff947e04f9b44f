"""The options of `scenario`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cli.arguments import speed
from edge.settings.loader import add_flags, options_of

USED_SETTINGS: Final = options_of("Broker", "Authentication", "TLS") | {"log_level", "log_format"}
"""The settings that have flags here; all others are options of the file."""

_EPILOG: Final = """\
exit codes:
   0  every step passed
   1  a step failed, a command was refused, the run failed, or a signal ended it before all was decided
   2  the file or the usage is wrong

docs/scenarios.md describes the file. It begins like this:
  name: A tool breaks
  plant: spaceship-faults.yaml
  steps:
    - at: 2m
      do: {command: inject, machine_id: CNC-03, fault: tool_breakage}
    - within: 5m
      expect: {state: {machine_id: CNC-03, state: faulted}}
"""


@dataclass(frozen=True, slots=True)
class ScenarioOptions:
    """The options of `scenario`.

    speed, seed: in place of those of the file; None leaves them.  junit: the file for JUnit XML.
    flags: values of settings, as typed.
    """

    file: str
    speed: float | None = None
    seed: str | None = None
    junit: str | None = None
    fail_fast: bool = False
    flags: Mapping[str, object] = field(default_factory=dict)


def add_scenario(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, and those settings that describe the broker."""
    parser.conflict_handler = "resolve"  # the seed is another one than that of `run`
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage, parser.epilog = "%(prog)s FILE [FLAG ...]", _EPILOG
    these = parser.add_argument_group("Scenario")
    these.add_argument("file", metavar="FILE", help="the scenario's YAML")
    text = "plant seconds per second, in place of that of the file"
    these.add_argument("--speed", type=speed, metavar="N|max", help=text)
    these.add_argument("--junit", metavar="OUT", help="also write the result as JUnit XML into this file")
    these.add_argument("--fail-fast", action="store_true", help="end at the first failure")
    add_flags(parser, USED_SETTINGS)
    these.add_argument("--seed", metavar="SEED", help="seed of all chance, in place of that of the file")
