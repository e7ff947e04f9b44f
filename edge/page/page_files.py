"""The files of the page: read once, and sent from memory with rules that let nothing else in."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

FOLDER: Final = Path(__file__).parent / "files"
_INDEX: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class File(NamedTuple):
    """A file of the page. packed: the content by gzip.  etag: of its content (RFC 9110, 8.8.3)."""

    content: bytes
    packed: bytes
    media_type: str
    etag: str


def files_of(folder: Path = FOLDER) -> Mapping[str, File]:
    """Return the files of a folder by their names."""
    return {path.name: _file(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}


def add_files(app: FastAPI) -> None:
    """Add the files, and the page itself at `/` for those who accept HTML."""
    files = files_of()

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        found = files.get(name)
        if found is None:
            raise HTTPException(404, "no such file of the page")
        return _answer(found, request)

    async def page(request: Request) -> Response:
        return _answer(files[_INDEX], request, {"Vary": "Accept"})

    # Before all others: also where the calls of another simulator have one at this path.
    app.router.routes.insert(0, _ForBrowsers("/", page, include_in_schema=False))


class _ForBrowsers(Route):
    """A route for callers that accept HTML; for all others there is the next one of the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for this route."""
        found, child = super().matches(scope)
        return (found, child) if found is Match.NONE or accepts_html(scope) else (Match.NONE, {})


def accepts_html(scope: Scope) -> bool:
    """Return whether a caller names HTML among what it accepts (RFC 9110, 12.5.1), as browsers do."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1").lower()
    for each in accepted.split(","):
        media_type, *parameters = (part.strip() for part in each.split(";"))
        if media_type == "text/html":
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")


def _file(path: Path) -> File:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return File(content, gzip.compress(content, mtime=0), _TYPES[path.suffix], etag)


def _answer(file: File, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    """Return a file, or that the caller has it already (RFC 9110, 13.1.2)."""
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    sent = {**_SAFE, **(headers or {})}
    sent["Vary"] = ", ".join(filter(None, (sent.get("Vary"), "Accept-Encoding")))
    # The same mark for both forms: it is of what the file says, and compared weakly (RFC 9110, 8.8.3.2).
    sent["ETag"] = f"W/{file.etag}"
    if file.etag in known or "*" in known:
        return Response(None, 304, sent)
    if _accepts_gzip(request.headers.get("accept-encoding", "")):
        return Response(file.packed, 200, {**sent, "Content-Encoding": "gzip"}, file.media_type)
    return Response(file.content, 200, sent, file.media_type)


def _accepts_gzip(accepted: str) -> bool:
    """Return whether a caller takes gzip (RFC 9110, 12.5.3)."""
    for each in accepted.lower().split(","):
        coding, *parameters = (part.strip() for part in each.split(";"))
        if coding in ("gzip", "x-gzip"):
            return not any(_is_zero(parameter) for parameter in parameters)
    return False
