"""Authorization of HTTP calls that change anything.

They need the bearer token from a file. Where no file is configured, they have to come from this machine and not from a
web page.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from edge.blocking import read_small, run_aside

_MOST_TOKEN_BYTES, _TOKEN_SECONDS = 65_536, 5.0


async def authorize(token_file: Path | None, request: Request) -> None:
    """Raise HTTPException 401 or 403 unless the caller may change things."""
    if token_file is None:
        _require_local(request)
    else:
        await _require_token(token_file, request)


def caller(request: Request) -> str:
    """Return who calls, for the journal."""
    return f"http {request.client.host}" if request.client else "http"


async def _require_token(token_file: Path, request: Request) -> None:
    # An unreadable file counts as empty, and an empty one permits nobody: a failure must not unlock anything.
    token, why = b"", "is empty"
    try:
        async with asyncio.timeout(_TOKEN_SECONDS):
            token = (await run_aside(lambda: read_small(token_file, _MOST_TOKEN_BYTES))).strip()
    except OSError as error:
        why = f"cannot be read: {error.strerror or 'no answer in time'}"
    if not token:
        raise HTTPException(403, f"HTTP_TOKEN_FILE names a file that {why}: changes are not permitted")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token):
        raise HTTPException(
            401, "needs `Authorization: Bearer` with the content of HTTP_TOKEN_FILE", {"WWW-Authenticate": "Bearer"}
        )


def _require_local(request: Request) -> None:
    """Accept only a caller on this machine who addresses this machine.

    A web page elsewhere can make a local browser call this port, by a name that it has rebound to 127.0.0.1 (Host shows
    it) or across sites (Origin shows it); a proxy here can call for others (it names them).
    """
    headers = request.headers
    origin = headers.get("origin")
    local = (
        request.client is not None
        and is_loopback(request.client.host)
        and is_loopback(_host_of("//" + headers.get("host", "")))
        and (origin is None or is_loopback(_host_of(origin)))
        and not any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    )
    if not local:
        raise HTTPException(403, "only from this machine, by the name localhost; set HTTP_TOKEN_FILE for other callers")


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by name or address."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A socket for both protocols shows IPv4 callers as ::ffff:127.0.0.1.
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
