"""The options of the client commands: `pub`, `sub`, `observe`, `bad-actor` and `controller`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cli.arguments import count, period, some_period
from edge.redaction import shown
from edge.settings.types import number

VERSIONS: Final = ("5", "3.1.1")
CLEAN, PERSISTENT = "clean", "persistent"
PUB, SUB, BOTH = "pub", "sub", "both"
STANDARD_INPUT: Final = "-"

_MOST_BYTES: Final = 65_535
"""Bytes of the longest text in a packet (MQTT 5, 1.5.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Which broker, and how to connect to it; None where a variable or the default decides.

    websocket: path of the URL; None for plain TCP.  topic_prefix: first levels of the sandbox's topics.
    """

    client_id: str
    host: str | None = None
    port: int | None = None
    mqtt_version: str | None = None
    websocket: str | None = None
    username: str | None = None
    password_file: str | None = None
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keep_alive: int | None = None
    topic_prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PubOptions(ClientOptions):
    """The options of `pub`.

    message: the payload; `-` for each line of standard input.  json: whether payloads must be JSON.
    interval: seconds between two messages.
    """

    topic: str
    message: str
    qos: int = 0
    retain: bool = False
    json: bool = False
    repeat: int = 1
    interval: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubOptions(ClientOptions):
    """The options of `sub`.

    topic: filters of MQTT; None for everything below the prefix.  contains: text in topic or payload.
    only_retained: only retained messages, or only others; None for both.  only_qos: only messages of that QoS.
    count: ends after so many messages are shown.  seconds: ends after this time.  rate: shows rates, not messages.
    """

    topic: list[str] | None = None
    qos: int = 0
    contains: str | None = None
    only_retained: bool | None = None
    only_qos: int | None = None
    count: int | None = None
    seconds: float | None = None
    rate: bool = False
    session: str = CLEAN
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveOptions(SubOptions):
    """The options of `observe`: those of `sub`, with other defaults."""

    qos: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BadActorOptions(ClientOptions):
    """The options of `bad-actor`.

    seconds: how long to wait for a delivery that must not happen.  witness_*: how a client logs in that may publish and
    subscribe to what the intruder may not; None for no witness.
    """

    mode: str = BOTH
    seconds: float = 2.0
    witness_client_id: str | None = None
    witness_username: str | None = None
    witness_password_file: str | None = None
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerOptions(ClientOptions):
    """The options of `controller`.

    rules: the YAML file; None for the rules that come with the program.  seconds: ends after this time.
    """

    session: str = CLEAN
    rules: str | None = None
    seconds: float | None = None
    json: bool = False


def add_pub(parser: argparse.ArgumentParser) -> None:
    """Add the options of `pub` to the parser."""
    _set_up(parser, _PUB_HELP)
    these = parser.add_argument_group("What to publish")
    these.add_argument("--topic", type=topic_name, required=True, metavar="TOPIC", help="topic, without wildcards")
    text = "payload; - publishes each line of standard input"
    these.add_argument("--message", required=True, metavar="TEXT|-", help=text)
    _add_qos(these, 0)
    text = "have the broker keep it for later subscribers; an empty --message deletes what it keeps"
    these.add_argument("--retain", action="store_true", help=text)
    these.add_argument("--json", action="store_true", help="refuse a payload that is not JSON, with exit code 2")
    these.add_argument("--repeat", type=count, metavar="N", default=1, help="publish it N times [1]")
    text = "time between two messages: seconds, or 500ms [0]"
    these.add_argument("--interval", type=period, metavar="TIME", default=0.0, help=text)
    _add_connection(parser, "cli-pub")


def add_sub(parser: argparse.ArgumentParser) -> None:
    """Add the options of `sub` to the parser."""
    _set_up(parser, _SUB_HELP)
    these = parser.add_argument_group("What to receive")
    text = "topic filter, such as factory/telemetry/+/temperature; may be given several times"
    these.add_argument("--topic", type=topic_filter, action="append", required=True, metavar="FILTER", help=text)
    _add_receiving(these, 0)
    _add_connection(parser, "cli-sub")


def add_observe(parser: argparse.ArgumentParser) -> None:
    """Add the options of `observe` to the parser."""
    _set_up(parser, _SUB_HELP)
    these = parser.add_argument_group("What to receive")
    text = "topic filter [all below the topic prefix]; may be given several times"
    these.add_argument("--topic", type=topic_filter, action="append", metavar="FILTER", help=text)
    _add_receiving(these, 1)
    _add_connection(parser, "observer")


def add_bad_actor(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bad-actor` to the parser."""
    _set_up(parser, _BAD_ACTOR_HELP)
    these = parser.add_argument_group("What to try")
    text = "publish a command, subscribe to what is not for it, or both [both]"
    these.add_argument("--mode", choices=(PUB, SUB, BOTH), default=BOTH, help=text)
    text = "how long to wait for a delivery that must not happen [2]"
    these.add_argument("--seconds", type=some_period, default=2.0, metavar="TIME", help=text)
    these.add_argument("--json", action="store_true", help="print results as JSON lines")
    witness = parser.add_argument_group("A witness, for what an answer of the broker cannot show")
    text = "client id that may publish and subscribe to what the intruder may not"
    witness.add_argument("--witness-client-id", type=_some_text, metavar="ID", help=text)
    witness.add_argument("--witness-username", type=text_of_packet, metavar="NAME", help="its user name")
    witness.add_argument("--witness-password-file", metavar="FILE", help="file with its password")
    _add_connection(parser, "intruder")


def add_controller(parser: argparse.ArgumentParser) -> None:
    """Add the options of `controller` to the parser."""
    _set_up(parser, _CONTROLLER_HELP)
    these = parser.add_argument_group("Controller")
    text = "YAML with the rules [those of the reference controller]; docs/clients.md has its keys"
    these.add_argument("--rules", metavar="FILE", help=text)
    _add_session(these, "alarms")
    these.add_argument("--seconds", type=some_period, metavar="TIME", help="end after this time [never]")
    these.add_argument("--json", action="store_true", help="print JSON lines")
    _add_connection(parser, "controller")


def topic_name(text: str) -> str:
    """Return a topic to publish to (MQTT 5, 4.7.3)."""
    if "+" in text or "#" in text:
        raise argparse.ArgumentTypeError(f"must not contain the wildcards + and #, not {shown(text)}")
    return _some_text(text)


def topic_filter(text: str) -> str:
    """Return a topic filter (MQTT 5, 4.7.1)."""
    levels = _some_text(text).split("/")
    if any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]:
        raise argparse.ArgumentTypeError(f"must have # only alone in its last level, not {shown(text)}")
    if any("+" in level and level != "+" for level in levels):
        raise argparse.ArgumentTypeError(f"must have + only alone in a level, not {shown(text)}")
    return text


def text_of_packet(text: str) -> str:
    """Return a text that a packet may have (MQTT 5, 1.5.4)."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("must be UTF-8") from None
    if "\0" in text or size > _MOST_BYTES:
        raise argparse.ArgumentTypeError(f"must have at most {_MOST_BYTES:,} bytes, and no U+0000")
    return text


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a type of arguments: whole numbers within bounds."""

    def parse(text: str) -> int:
        found = number(text)
        if not (lowest <= found <= highest and found.is_integer()):
            raise argparse.ArgumentTypeError(f"must be a whole number from {lowest} to {highest:,}, not {shown(text)}")
        return int(found)

    return parse


PORT: Final = whole_number(1, 65_535)
KEEP_ALIVE: Final = whole_number(0, 65_535)


def _qos(text: str) -> int:
    if text.strip() not in ("0", "1"):
        rule = "must be 0 or 1 (QoS 2 is supported neither here nor by the simulator)"
        raise argparse.ArgumentTypeError(f"{rule}, not {shown(text)}")
    return int(text)


def _some_text(text: str) -> str:
    return _some(text_of_packet(text))


def _some(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _add_qos(group: argparse._ArgumentGroup, default: int) -> None:
    text = f"0: at most once; 1: at least once, acknowledged [{default}]"
    group.add_argument("--qos", type=_qos, metavar="0|1", default=default, help=text)


def _add_session(these: argparse._ArgumentGroup, what: str) -> None:
    text = f"whether the broker keeps {what} while this client is away, for an hour [clean]"
    these.add_argument("--session", choices=(CLEAN, PERSISTENT), default=CLEAN, help=text)


def _add_receiving(these: argparse._ArgumentGroup, qos: int) -> None:
    _add_qos(these, qos)
    these.add_argument("--contains", metavar="TEXT", help="only messages with this text in topic or payload")
    kept = these.add_mutually_exclusive_group()
    text = "only retained messages, which were published before the subscription"
    kept.add_argument("--retained", dest="only_retained", action="store_true", default=None, help=text)
    text = "no retained messages"
    kept.add_argument("--live", dest="only_retained", action="store_false", default=None, help=text)
    these.add_argument("--only-qos", type=_qos, metavar="0|1", help="only messages that are delivered at this QoS")
    these.add_argument("--count", type=count, metavar="N", help="end after N messages")
    text = "end after this time; exit code 1 if there were fewer than --count messages"
    these.add_argument("--seconds", type=some_period, metavar="TIME", help=text)
    text = "print messages per second of each topic, every second, and not the messages"
    these.add_argument("--rate", action="store_true", help=text)
    _add_session(these, "messages of QoS 1")
    these.add_argument("--json", action="store_true", help="print JSON lines")


def _add_connection(parser: argparse.ArgumentParser, client_id: str) -> None:
    these = parser.add_argument_group("Connection")
    text = f"client id; a second client with the same one ends the first [{client_id}]"
    these.add_argument("--client-id", type=_some_text, metavar="ID", default=client_id, help=text)
    these.add_argument("--host", metavar="HOST", help="broker [MQTT_BROKER, VF_BROKER_HOST, localhost]")
    text = "its port [MQTT_PORT, VF_BROKER_PORT, 1883; 8883 with TLS]"
    these.add_argument("--port", type=PORT, metavar="PORT", help=text)
    these.add_argument("--mqtt-version", choices=VERSIONS, help="version of MQTT [MQTT_VERSION, 5]")
    text = "connect over WebSocket; PATH is that of the URL [/mqtt]"
    these.add_argument("--websocket", nargs="?", const="/mqtt", metavar="PATH", help=text)
    these.add_argument("--username", type=text_of_packet, metavar="NAME", help="user name [MQTT_USERNAME]")
    text = "file with the password [MQTT_PASSWORD_FILE, or the password itself in MQTT_PASSWORD]"
    these.add_argument("--password-file", "--mqtt-password-file", metavar="FILE", help=text)
    text = "use TLS with the certificate authorities of this machine [MQTT_TLS; with --ca-file]"
    these.add_argument("--tls", action="store_true", help=text)
    text = "certificates of the authorities to trust, PEM [MQTT_CA_FILE]"
    these.add_argument("--ca-file", metavar="FILE", help=text)
    text = "certificate of this client, PEM [MQTT_CERT_FILE]"
    these.add_argument("--cert-file", metavar="FILE", help=text)
    these.add_argument("--key-file", metavar="FILE", help="its private key, PEM [MQTT_KEY_FILE]")
    text = "seconds of silence after which the connection is tested; 0: never [MQTT_KEEP_ALIVE, VF_KEEPALIVE, 30]"
    these.add_argument("--keep-alive", type=KEEP_ALIVE, metavar="SECONDS", help=text)
    text = "first levels of the topics [MQTT_TOPIC_PREFIX, VF_BASE_TOPIC, factory]"
    these.add_argument("--topic-prefix", type=topic_name, metavar="PREFIX", help=text)


def _set_up(parser: argparse.ArgumentParser, epilog: str) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = epilog


_PUB_HELP: Final = """\
exit codes:
   0  published; with --qos 1 the broker has acknowledged it
   1  refused, or no broker
   2  wrong usage

examples:
  %(prog)s --topic factory/commands/dashboard/press --message '{"command":"stop"}' --qos 1 --client-id dashboard
  seq 100 | %(prog)s --topic test --message - --interval 100ms
"""
_SUB_HELP: Final = """\
exit codes:
   0  ended by --count, --seconds or Ctrl-C
   1  the broker refuses the login or the subscription, or --seconds passed before --count
   2  wrong usage

A lost connection is opened again. Messages go to standard output, notes to standard error.
Colour is used on a terminal, unless NO_COLOR is set.
"""
_BAD_ACTOR_HELP: Final = """\
exit codes:
   0  the broker refuses all that was tried, or withholds it, as a witness shows
   1  the broker lets it do what it must not do, or there is no broker
   2  wrong usage
   3  not decidable: the line says why, and what would show it
"""
_CONTROLLER_HELP: Final = """\
exit codes:
   0  ended by --seconds or Ctrl-C
   1  the broker refuses the login, a subscription or a command
   2  wrong usage, or errors in the rules, all of which are printed
"""
