"""Act on a running simulator by its control API, and print what is then so."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO, cast
from urllib.parse import quote, urlencode

import orjson

from cli.ctl.client import Client, NoAnswer, Reply, default_url, problem_lines
from cli.ctl.tables import shown_answer
from cli.options.ctl import CtlOptions
from edge.runtime.run_options import UsageError

_COMMANDS, _PLANT = "/api/v1/commands", "/api/v1/plant"
_YAML: Final = "application/yaml"
_OK, _FAILED, _USAGE = 0, 1, 2


def run_ctl(
    options: CtlOptions, environ: Mapping[str, str], out: TextIO | None = None, err: TextIO | None = None
) -> int:
    """Do an action, print its answer, and return the exit code: 1 where it is refused or nothing answers."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        client = Client(options.url or default_url(environ), _token(options, environ))
        replies = _replies(client, options.action, options.flags)
        done = [_print(reply, options, out, err) for reply in replies]
    except UsageError as error:
        print(error, file=err)
        return _USAGE
    except NoAnswer as error:
        print(error, file=err)
        return _FAILED
    return _OK if all(done) else _FAILED


def _replies(client: Client, action: str, given: Mapping[str, object]) -> Iterator[Reply]:
    if action in ("stop", "start"):
        machines = cast("list[str]", given["machine_ids"])
        return (_execute(client, {"command": action, "machine_id": each}) for each in machines)
    if action in _COMMAND_OF:
        command = {**given, "command": _COMMAND_OF[action]}
        return iter([_execute(client, {key: value for key, value in command.items() if value is not None})])
    return iter([_call(client, action, given)])


def _execute(client: Client, command: Mapping[str, object]) -> Reply:
    return client.call("POST", _COMMANDS, orjson.dumps(command))


def _call(client: Client, action: str, given: Mapping[str, object]) -> Reply:
    if action in _FILES:
        method, path = _FILES[action]
        return client.call(method, path, _content(str(given["file"])), _YAML)
    if action == "machine":
        return client.call("GET", f"/api/v1/machines/{quote(str(given['machine_id']), safe='')}")
    method, path = _CALLS[action]
    asked = urlencode({key: value for key, value in given.items() if value is not None and key != "command"})
    return client.call(method, f"{path}?{asked}" if asked else path)


_COMMAND_OF: Final = {
    "state": "set_state",
    "inject": "inject",
    "clear": "clear",
    "set": "set_point",
    "crash": "crash",
    "disconnect": "disconnect",
    "reconnect": "reconnect",
    "scale": "scale",
    "rate": "rate",
    "enable": "enable",
    "disable": "disable",
}
_FILES: Final = {"put": ("PUT", _PLANT), "check": ("POST", f"{_PLANT}/check")}
_CALLS: Final = {
    "machines": ("GET", "/api/v1/machines"),
    "types": ("GET", "/api/v1/machine-types"),
    "plant": ("GET", _PLANT),
    "reload": ("POST", "/-/reload"),
    "settings": ("GET", "/api/v1/settings"),
    "journal": ("GET", "/api/v1/journal"),
}


def _print(reply: Reply, options: CtlOptions, out: TextIO, err: TextIO) -> bool:
    """Print an answer, and return whether it was done."""
    if not reply.ok:
        print(*_refusal(reply), sep="\n", file=err)
        return False
    if options.json or options.action in _AS_IT_IS or reply.document is None:
        print(reply.content.decode(errors="replace").rstrip("\n"), file=out)
    else:
        print(*shown_answer(options.action, reply.document), sep="\n", file=out)
    return True


def _refusal(reply: Reply) -> list[str]:
    lines = problem_lines(reply)
    is_problem = isinstance(reply.document, Mapping) and "title" in reply.document
    hint = None if reply.status == 404 and is_problem else _HINTS.get(reply.status)
    return [f"refused: {lines[0]}", *lines[1:], *([hint] if hint else [])]


_AS_IT_IS: Final = ("plant",)
"""Actions whose answer is a file."""

_HINTS: Final = {
    401: "--token-file FILE, or HTTP_TOKEN_FILE, names the file with the simulator's token",
    404: "does the address lead to a simulator of this version?",
}


def _token(options: CtlOptions, environ: Mapping[str, str]) -> str | None:
    path = options.token_file or environ.get("HTTP_TOKEN_FILE", "").strip()
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except UnicodeError:
        raise UsageError(f"--token-file: {path} contains no token: it must be ASCII text") from None
    except OSError as error:
        raise UsageError(f"--token-file: cannot read {path}: {error.strerror}") from None


def _content(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"FILE: cannot read {path}: {error.strerror}") from None
