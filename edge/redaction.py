"""Redaction of text before it is shown: no credentials, no control characters, and a limited length.

What comes from a peer is compared with the secrets that it was sent (`from_peer`); all text is searched for what looks
like a credential (`redact`).
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

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


_PART: Final = 8
"""Characters of a secret that must not be shown in a row."""

_HIDDEN: Final = "(not shown: it contains a part of our credentials)"
_in_use: deque[bytes] = deque(maxlen=4)
"""The secrets that were read last: a new token, and the one before, which is still valid for a while."""
_unchanging: set[bytes] = set()
"""Secrets that the process has from its start to its end."""


def protect(secret: bytes, *, for_good: bool = False) -> None:
    """Have `from_peer` hide every text with a part of this secret, which will be sent to a peer.

    for_good: until the process ends, and not only until others have taken its place.
    """
    if for_good:
        _unchanging.add(secret)
    elif secret not in _in_use:
        _in_use.append(secret)


def from_peer(text: str, most: int = _MOST_SHOWN) -> str:
    """Return a peer's text for use in a line: printable, cut, and as a whole hidden if it repeats one of our secrets.

    A peer that repeats them may have encoded or split them. Masking only what is found would confirm where a guess is
    right, and leave the rest.
    """
    line = printable(text, most)
    return _HIDDEN if _repeats_a_secret(text[: 4 * most]) or _repeats_a_secret(line) else line


def _repeats_a_secret(text: str) -> bool:
    exact, bare = text.casefold(), _bare(text)
    return any(
        _has_part_of(form, exact) or (len(bare_form) >= _PART and _has_part_of(bare_form, bare))
        for secret in [*_in_use, *_unchanging]
        for form, bare_form in _forms(secret)
    )


def _has_part_of(secret: str, text: str) -> bool:
    size = min(_PART, len(secret))
    return any(text[place : place + size] in secret for place in range(len(text) - size + 1))


@lru_cache(maxsize=32)
def _forms(secret: bytes) -> tuple[tuple[str, str], ...]:
    """Return what a secret looks like in text, in lower case: as it is, in base64, in hexadecimal, in a URL.

    Each with its letters and digits alone, which take long to find in a token.
    Parts of a token need no form of their own: in base64, all that matters is at which of three places they begin.
    """
    found = {secret.decode("utf-8", "replace"), secret.decode("latin-1"), secret.hex(), quote(secret), *_base64(secret)}
    return tuple((form, _bare(form)) for form in sorted(each.casefold() for each in found if each))


def _base64(secret: bytes) -> Iterator[str]:
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).rstrip(b"=").decode()
        # The first and last characters also depend on what is around the secret.
        inner = text[-(-8 * before // 6) : (len(secret) + before) * 8 // 6]
        if len(inner) >= _PART:
            yield from (inner, inner.translate(_URL_SAFE))


_URL_SAFE: Final = str.maketrans("+/", "-_")


def _bare(text: str) -> str:
    """Return letters and digits alone: separators, or a terminal's commands between them, make no secret harmless."""
    return "".join(filter(str.isalnum, _COMMAND.sub("", text))).casefold()


_COMMAND = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""A control sequence of terminals (ECMA-48, 5.4)."""


def escaped(text: str) -> str:
    """Return text of several lines in which a terminal finds no control characters: those are escaped."""
    return "".join(each if each.isprintable() or each in "\n\t" else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def without_credentials(url: str) -> str:
    """Return a URL without user name, password, and parameters that name a secret, for use in a line."""
    before, at, after = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    try:
        has_password = bool(at) and "@" in urlsplit(url).netloc
    except ValueError:
        has_password = bool(at)
    return printable(_SECRET_QUERY.sub(rf"\1{_MASK}", f"{scheme}{slashes}{_MASK}@{after}" if has_password else url))


_SECRET_QUERY = re.compile(r"([?&;][^=&;]*(?:token|pass|secret|key|sig|auth)[^=&;]*=)[^&;#]*", re.IGNORECASE)


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
