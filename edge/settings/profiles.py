"""What HTTP_COMPAT changes of the options: other defaults, other names of variables, and variables that are not read.

An option that is set wins over the default of a profile, and the option's own variable over the other names for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from edge.settings.types import AuthMethod, HttpCompat


class Profile(NamedTuple):
    """What is another way for the users of another simulator.

    defaults: of options, by name.  aliases: further variables of options, by priority.
    not_read: patterns of variables, each with what does the same.
    dotenv: variables that a file `.env` in the working directory may have, beside those that are not read.
    """

    defaults: Mapping[str, object] = {}
    aliases: Mapping[str, tuple[str, ...]] = {}
    not_read: Mapping[str, str] = {}
    dotenv: Collection[str] = ()


_SHIFTS: Final = "calendar.shifts in the YAML has the shifts"
_CHANCE: Final = "global.fault_chance_per_day in the YAML sets it, and PUT /simulator/config changes it"

PROFILES: Final[Mapping[HttpCompat, Profile]] = {
    HttpCompat.ENMS: Profile(
        defaults={
            "mqtt_port": 1883,
            "mqtt_client_id": "enms-simulator",
            "mqtt_auth_method": AuthMethod.NONE,
            "mqtt_tls": False,
            "http_port": 8003,
        },
        aliases={"http_port": ("API_PORT", "SIMULATOR_PORT"), "auto_start": ("SIMULATOR_AUTO_START",)},
        not_read={
            r"SIMULATOR_FACTORIES": "the machine types in the YAML name their factories",
            r"SIMULATOR_ENABLE_ANOMALIES": f"{_CHANCE}; 0 is none",
            r"ANOMALY_PROBABILITY": _CHANCE,
            r"(?!OTEL_)[A-Z][A-Z0-9_]*_INTERVAL": "report_seconds of the machine type in the YAML sets it",
            r"SHIFT_[0-9]+_(START|END)": _SHIFTS,
            r"WEEKEND_PRODUCTION_FACTOR": (
                "calendar.weekend_factor in the YAML sets it, and PUT /simulator/config changes it"
            ),
            r"POSTGRES_[A-Z0-9_]+": "no database is needed",
        },
        # Its own alone: another program's `.env` might turn off what protects.
        dotenv=frozenset(
            [
                *("MQTT_HOST", "MQTT_PORT", "MQTT_USERNAME", "MQTT_PASSWORD", "MQTT_KEEPALIVE", "MQTT_QOS"),
                *("MQTT_CLIENT_ID", "API_PORT", "SIMULATOR_PORT", "SIMULATOR_AUTO_START", "LOG_LEVEL"),
            ]
        ),
    ),
    HttpCompat.VF: Profile(
        aliases={
            "mqtt_broker": ("VF_BROKER_HOST",),
            "mqtt_port": ("VF_BROKER_PORT",),
            "mqtt_keep_alive": ("VF_KEEPALIVE",),
            "mqtt_topic_prefix": ("VF_BASE_TOPIC",),
        },
    ),
}
"""The profiles that change options, by the value of HTTP_COMPAT."""

_NOTHING: Final = Profile()


def profile_of(http_compat: object) -> Profile:
    """Return the profile of a value of HTTP_COMPAT as it was given; the empty one if it is wrong, or has none."""
    text = str(http_compat).strip().lower()
    return PROFILES[HttpCompat(text)] if text in PROFILES else _NOTHING


def defaults_of(profile: Profile, given: Collection[str]) -> Mapping[str, object]:
    """Return the defaults of a profile. given: the options that are set; a user name is for a login by it."""
    if "mqtt_auth_method" in profile.defaults and "mqtt_username" in given:
        return {**profile.defaults, "mqtt_auth_method": AuthMethod.USERPASS}
    return profile.defaults


def may_be_in_dotenv(profile: Profile, variable: str) -> bool:
    """Return whether a file `.env` may have a variable: one that the other simulator reads, whether we do or not."""
    return variable in profile.dotenv or any(re.fullmatch(each, variable, re.ASCII) for each in profile.not_read)


def not_read(profile: Profile, environ: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """Yield a line for each variable that a profile does not read, with what does the same. known: those of options."""
    for variable in sorted(environ):
        for pattern, instead in profile.not_read.items():
            if variable not in known and environ[variable] and re.fullmatch(pattern, variable, re.ASCII):
                yield f"{variable} is not read: {instead}"
                break
