"""The options and exit codes of `preflight`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cli.arguments import period, some_period
from edge.settings.loader import add_flags, options_of

USED_SETTINGS: Final = (options_of("Broker", "Authentication", "TLS") - {"mqtt_clean_start"}) | {
    "mqtt_topic_prefix",
    "topic_layout",
    "mqtt_qos",
    "mqtt_window",
    "mqtt_commands",
    "mqtt_connections",
    "message_config_path",
}
"""The settings of the simulator that the steps depend on."""


class ExitCode(IntEnum):
    """Exit codes of `preflight`, by the first failure. 0, 2 and 3 have the same meaning as for `run`."""

    SUCCESS = 0
    INTERRUPTED = 1
    CONFIGURATION = 2
    REJECTED = 3
    NO_ADDRESS = 4
    UNREACHABLE = 5
    CA_FILE = 6
    TLS = 7
    CREDENTIALS = 8
    NO_SESSION = 9
    PUBLISH = 10
    SUBSCRIBE = 11


MEANINGS: Final = {
    ExitCode.SUCCESS: "every step succeeded; notes and warnings do not count",
    ExitCode.INTERRUPTED: "interrupted, or an error in preflight itself",
    ExitCode.CONFIGURATION: "settings, flags or the plant's YAML are invalid",
    ExitCode.REJECTED: "the broker rejects the connection permanently",
    ExitCode.NO_ADDRESS: "DNS: no address for the broker's name",
    ExitCode.UNREACHABLE: "TCP: no answer from the broker's address and port",
    ExitCode.CA_FILE: "the CA file is missing or contains no certificate",
    ExitCode.TLS: "TLS: certificate not trusted, for another name or expired, or no TLS on that port",
    ExitCode.CREDENTIALS: "token, password or certificate: missing, unreadable, expired, or for another audience",
    ExitCode.NO_SESSION: "no answer to CONNECT, or the broker asks to retry later",
    ExitCode.PUBLISH: "a topic is rejected, or its message is not acknowledged",
    ExitCode.SUBSCRIBE: "with MQTT_COMMANDS: the subscription to commands is rejected, or not answered",
}


@dataclass(frozen=True, slots=True)
class PreflightOptions:
    """The options of `preflight`.

    wait: seconds to keep retrying.  timeout: seconds to wait for each answer.  audience: expected in a token.
    publish: whether to send a test message to each topic.  flags: values of settings, as typed.
    """

    wait: float = 0.0
    timeout: float = 10.0
    audience: str = "aio-internal"
    publish: bool = True
    flags: Mapping[str, object] = field(default_factory=dict)


def add_preflight(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, the settings of the simulator, and the table of exit codes to the parser."""
    these = parser.add_argument_group("Preflight")
    these.add_argument("--wait", type=period, default=0.0, metavar="TIME", help="keep retrying for this long [0]")
    text = "longest wait for a single answer [10]"
    these.add_argument("--timeout", type=some_period, default=10.0, metavar="TIME", help=text)
    text = "audience that the broker expects in a token [aio-internal]"
    these.add_argument("--audience", default="aio-internal", metavar="NAME", help=text)
    text = "send no test messages; by default each topic gets an empty one, marked as a test"
    these.add_argument("--no-publish", dest="publish", action="store_false", help=text)
    add_flags(parser, USED_SETTINGS)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "exit codes, by the first failure:\n" + "\n".join(
        f"  {code.value:>2}  {meaning}" for code, meaning in MEANINGS.items()
    )
