"""Redaction of text before it is shown: no credentials, no control characters, and a limited length."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MASK = "[redacted]"
# A JSON Web Token: base64url of a JSON object, whose `{"` always becomes `eyJ`; a cut-off token counts as well.
_JWT = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,2}", re.ASCII)
# MQTT 5, 3.1.2.11.10, as paho prints it: `[AuthenticationMethod : K8S-SAT, AuthenticationData : b'...']`.
_AUTHENTICATION_DATA = re.compile(
    r"""(Authentication[_ ]?Data\W{0,3}?\s*[:=,]\s*)(b?'(?:[^'\\]|\\.)*'?|b?"(?:[^"\\]|\\.)*"?|[^\s,\])}]+)""",
    re.IGNORECASE | re.DOTALL,
)
_BEARER = re.compile(r"(\bBearer\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_SECRET_NAME = re.compile(r"(authentication_?data|password|secret|authorization|token)$", re.IGNORECASE)


def redact(text: str) -> str:
    """Replace what looks like a credential: tokens, MQTT authentication data, bearer headers."""
    text = _AUTHENTICATION_DATA.sub(rf"\1{_MASK}", text)
    return _BEARER.sub(rf"\1{_MASK}", _JWT.sub(_MASK, text))


_MOST_SHOWN = 160


def printable(text: str, most: int = _MOST_SHOWN) -> str:
    """Return foreign text for use in a line: without control characters, and with at most `most` others."""
    shown = "".join(each if each.isprintable() else "?" for each in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}..."


_LONGEST_SHOWN = 200


def shown(value: object) -> str:
    """Return an invalid value for use in a line: cut, and redacted. A URL may contain a password."""
    text = repr(value)
    return "the value given (not shown: it may contain a password)" if "@" in text else redact(text)[:_LONGEST_SHOWN]


_JSON_BITS = 53  # beyond that, readers of JSON differ (RFC 8259, 6)


def clean(value: object) -> object:
    """Redact all text inside a value, and everything under a key that names a secret."""
    if isinstance(value, str):
        # Bytes of the environment that are not UTF-8 arrive as lone surrogates, which JSON cannot contain.
        return redact(value).encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {clean(str(key)): _MASK if _SECRET_NAME.search(str(key)) else clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [clean(item) for item in value]
    return str(value) if isinstance(value, int) and value.bit_length() > _JSON_BITS else value
