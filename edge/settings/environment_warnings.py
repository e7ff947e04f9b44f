"""Warnings about an environment: variables that are not read, and secrets. Values are not shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from edge.settings.loader import Settings, names_of, profile_in, variables
from edge.settings.profiles import not_read
from edge.settings.suggestions import meant

# Kubernetes sets these in every pod for a service whose name begins like that.
_SERVICE_LINK: Final = re.compile(
    r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)


def warnings_about(environ: Mapping[str, str], flags: Mapping[str, object] = MappingProxyType({})) -> list[str]:
    """Return warnings about variables that are not read, and about secrets. Values are not shown.

    Not read are unknown ones that look like options, and those for which HTTP_COMPAT has something else.
    """
    secrets = [variable for name in names_of(secret=True) for variable in variables(name) if environ.get(variable)]
    return [
        *unknown_variables(environ),
        *not_read(profile_in(environ, flags), environ, _known_variables()),
        *(
            f"{secret}: other users may see it in the environment of this process; {secret}_FILE is safer"
            for secret in secrets
        ),
    ]


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return warnings about unknown variables that look like options, with the option that each may be meant for."""
    known = _known_variables()
    suspects = sorted(variable for variable in environ if variable not in known and not _SERVICE_LINK.search(variable))
    return [
        f"{_printable(variable)}: no such option" + (f"; did you mean {option}?" if option else "")
        for variable in suspects
        if (option := meant(variable, known)) is not None
    ]


def _known_variables() -> list[str]:
    return [variable for name in Settings.model_fields for variable in variables(name)]


def _printable(variable: str) -> str:
    return variable[:100] if variable.isprintable() else repr(variable[:100])
