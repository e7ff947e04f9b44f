"""`/docs` and `/redoc`: all calls, to try out, in a browser that reaches this port and nothing else.

FastAPI's own pages load their scripts from the Internet, which a factory does not have. The scripts here are those in
the package fastapi-offline; nothing else of it is used.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from edge.http.asgi import ChunkedResponse

_PIECE_BYTES: Final = 64 * 1024
_SWAGGER: Final = """
window.ui = SwaggerUIBundle({
  url: "openapi.json", dom_id: "#shown", deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
})
"""
_REDOC: Final = 'Redoc.init("openapi.json", {disableSearch: true}, document.getElementById("shown"))\n'
_PAGES: Final = {
    "docs": ("swagger-ui-bundle.js", "swagger-ui.css", _SWAGGER),
    "redoc": ("redoc.standalone.js", None, _REDOC),
}
"""Path of a page: the script it loads, its style, and the script that starts it."""
_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
_SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_docs(app: FastAPI) -> None:
    """Add the pages, and their files below their own paths."""
    for name, (script, style, begin) in _PAGES.items():
        _add(app, f"/{name}", HTMLResponse(_page(app.title, name, script, style), headers=_SAFE))
        _add(app, f"/{name}/begin.js", Response(begin, media_type=_TYPES[".js"], headers=_SAFE))
        for file in filter(None, (script, style)):
            _add_file(app, f"/{name}/{file}", file)


def _add(app: FastAPI, path: str, response: Response) -> None:
    @app.get(path, include_in_schema=False)
    async def answer() -> Response:
        return response


def _add_file(app: FastAPI, path: str, name: str) -> None:
    @app.get(path, include_in_schema=False)
    async def answer() -> Response:
        file = _folder() / name
        return ChunkedResponse(_pieces(file), file.stat().st_size, _TYPES[file.suffix], _SAFE)


def _page(title: str, name: str, script: str, style: str | None) -> str:
    styles = f'<link rel="stylesheet" href="{name}/{style}">' if style else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">{styles}'
        f'</head><body><div id="shown"></div><script src="{name}/{script}"></script>'
        f'<script src="{name}/begin.js"></script></body></html>\n'
    )


@cache
def _folder() -> Path:
    """Return the folder of the scripts, without importing the package."""
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("fastapi_offline, see requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "static"


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            yield piece
