"""Suggestions for unknown variables and flags: names from other tools, and misspelled ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from typing import Final

_MEANT: Final = {
    "MQTT_BROKER": "BROKER HOST HOSTNAME SERVER URL URI ADDRESS ADDR BROKER_HOST BROKER_URL BROKER_ADDRESS SERVER_URL",
    "MQTT_PORT": "PORT BROKER_PORT SERVER_PORT TCP_PORT",
    "MQTT_USERNAME": "USER USERNAME LOGIN USER_NAME",
    "MQTT_PASSWORD_FILE": "PASS PASSWD PASSWORD PW PWD PASSWORD_PATH PASSWORDFILE",
    "MQTT_CLIENT_ID": "ID CLIENTID CLIENT CLIENT_NAME CLIENT_ID",
    "MQTT_VERSION": "VERSION PROTOCOL PROTOCOL_VERSION PROTO",
    "MQTT_KEEP_ALIVE": "KEEPALIVE KEEP_ALIVE PING_INTERVAL",
    "MQTT_CLEAN_START": "CLEAN CLEAN_SESSION CLEANSESSION",
    "MQTT_AUTH_METHOD": "AUTH AUTH_TYPE AUTHENTICATION LOGIN_METHOD",
    "SAT_TOKEN_PATH": "TOKEN TOKEN_FILE TOKEN_PATH SAT SAT_FILE SAT_TOKEN SAT_TOKEN_FILE JWT",
    "MQTT_TLS": "SSL USE_SSL USE_TLS TLS SECURE TLS_ENABLED SSL_ENABLED ENABLE_TLS",
    "MQTT_TLS_INSECURE": "INSECURE TLS_SKIP_VERIFY SKIP_VERIFY SSL_INSECURE INSECURE_SKIP_VERIFY",
    "MQTT_CA_FILE": "CA CAFILE CA_CERT CA_CERTS CACERT CACERTS CA_PATH CA_CRT ROOT_CA TLS_CA SSL_CA TLS_CA_CERT",
    "MQTT_CERT_FILE": "CERT CERTFILE CRT CLIENT_CERT CERTIFICATE TLS_CERT SSL_CERT CLIENT_CERT_FILE TLS_CERT_FILE",
    "MQTT_KEY_FILE": "KEY KEYFILE CLIENT_KEY PRIVATE_KEY TLS_KEY SSL_KEY CLIENT_KEY_FILE TLS_KEY_FILE",
    "MQTT_TLS_SERVER_NAME": "SNI SERVER_NAME SERVERNAME TLS_HOSTNAME",
    "MQTT_TOPIC_PREFIX": "TOPIC PREFIX BASE_TOPIC TOPIC_BASE ROOT_TOPIC TOPIC_ROOT BASETOPIC TOPICS TOPIC_PREFIX",
    "MQTT_QOS": "QOS QUALITY_OF_SERVICE",
    "MQTT_WINDOW": "INFLIGHT MAX_INFLIGHT RECEIVE_MAXIMUM MAX_INFLIGHT_MESSAGES",
    "MQTT_SESSION_EXPIRY": "SESSION_EXPIRY_INTERVAL EXPIRY SESSION",
    "MESSAGE_CONFIG_PATH": "CONFIG CONFIG_FILE CONFIG_PATH MESSAGE_CONFIG FILE PLANT",
    "STATS_INTERVAL": "STATS STATISTICS STATISTICS_INTERVAL",
}
"""Option -> its names in other tools and libraries, without a prefix such as `MQTT_`."""

_OPTION_OF: Final = {word: option for option, words in _MEANT.items() for word in words.split()}
_PREFIX = re.compile(r"(?:AIO_)?(?:MQTT|BROKER|MOSQUITTO|SAT)_")
_OURS = re.compile(r"(MQTT|AIO_MQTT|AIO_TLS|SAT)_")
_LONE: Final = frozenset(("BROKER", "BROKER_HOST", "BROKER_URL", "BROKER_PORT", "QOS", "TOPIC_PREFIX", "CA_FILE"))
"""Names without a prefix that are reported. HOST, USER and similar ones are in every environment."""

_LIKE_OURS, _LIKE_ANY = 0.75, 0.85


def meant(variable: str, known: Collection[str]) -> str | None:
    """Return the option that a variable may be meant for, or None where it may belong to another program.

    known: the variables of all options.  A variable with our prefix is always ours: "" if it is similar to none.
    """
    ours = _OURS.match(variable) is not None
    prefix = _PREFIX.match(variable)
    if (prefix or variable in _LONE) and (option := _by_word(variable, prefix)) in known:
        return option
    near = nearest(variable, known, _LIKE_OURS if ours else _LIKE_ANY)
    return near or ("" if ours else None)


def flag_meant(flag: str, flags: Sequence[str]) -> str | None:
    """Return the flag of a command that an unknown one may be meant for, or None."""
    name = flag.lstrip("-").upper().replace("-", "_")
    option = _by_word(name, _PREFIX.match(name)) or ""
    by_word = "--" + option.lower().replace("_", "-")
    if by_word in flags:
        return by_word
    begun = [each for each in flags if each.startswith(flag)]
    return begun[0] if len(begun) == 1 else nearest(flag, flags, _LIKE_OURS)


def nearest(name: str, known: Collection[str], likeness: float) -> str | None:
    """Return the most similar known name, or None.  likeness: the least similarity; 1 is the same name."""
    return next(iter(difflib.get_close_matches(name[:100], known, n=1, cutoff=likeness)), None)


def _by_word(name: str, prefix: re.Match[str] | None) -> str | None:
    return _OPTION_OF.get(name[prefix.end() :] if prefix else name) or _OPTION_OF.get(name)
