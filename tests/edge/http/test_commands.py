"""Commands over HTTP: what is answered, and what is refused before the plant sees it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from edge.http.api.commands import PATH
from edge.status import Busy
from plant.interventions.commands import CommandRefused
from tests.edge.http.test_routes import Shown
from tests.edge.http.test_routes import client as client  # noqa: PLC0414 - a fixture, as those below
from tests.edge.http.test_routes import running as running  # noqa: PLC0414
from tests.edge.http.test_routes import shown as shown  # noqa: PLC0414

STOP = {"command": "stop", "machine_id": "CNC-01"}


def test_a_command_is_answered_with_what_is_now_so(shown: Shown, client: httpx.Client) -> None:
    """And since when, in plant time."""
    answer = client.post(PATH, json=STOP)

    assert (answer.status_code, shown.commands) == (200, [STOP])
    assert answer.json() == {
        "at": "2026-01-05T08:00:00.123Z",
        "answer": {"machine_id": "CNC-01", "state": "stopped"},
    }


def test_a_refused_command_names_the_field_and_the_rule(shown: Shown, client: httpx.Client) -> None:
    """As problem details, with a JSON pointer."""
    shown.refusal = CommandRefused("machine_id", 'no machine has the id "CNC-9"')
    answer = client.post(PATH, json=STOP)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json() == {
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": 'machine_id: no machine has the id "CNC-9"',
        "errors": [{"pointer": "/machine_id", "detail": 'no machine has the id "CNC-9"'}],
    }


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"{", 400, "is no JSON: "),
        (b"[]", 400, "must be a JSON object"),
        (b"\xff", 400, "is no JSON: "),
        (b'{"command":"' + b"x" * 70_000 + b'"}', 413, "at most 65,536 bytes are taken here"),
        (b'{"command":"reload","content":""}', 422, "command: another configuration comes by PUT /api/v1/plant"),
    ],
)
def test_what_is_no_command_is_refused(
    shown: Shown, client: httpx.Client, content: bytes, status: int, detail: str
) -> None:
    """Before the plant sees it."""
    answer = client.post(PATH, content=content)

    assert (answer.status_code, shown.commands) == (status, [])
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize("error", [Busy(), TimeoutError()])
def test_a_plant_that_does_not_answer_is_unavailable(shown: Shown, client: httpx.Client, error: Exception) -> None:
    """503, as for other calls; with too many waiting the caller is told when to try again."""
    shown.refusal = error
    answer = client.post(PATH, json=STOP)

    assert answer.status_code == answer.json()["status"] == 503
    assert answer.headers.get("retry-after") == ("2" if isinstance(error, Busy) else None)


def test_a_command_needs_the_token_where_there_is_one(shown: Shown, client: httpx.Client, tmp_path: Path) -> None:
    """Otherwise nothing is executed."""
    shown.http_token_file = tmp_path / "token"
    shown.http_token_file.write_text("s3cret")
    codes = [
        client.post(PATH, json=STOP, headers=headers).status_code
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer s3cret"})
    ]

    assert (codes, len(shown.commands)) == ([401, 401, 200], 1)


def test_a_command_comes_from_this_machine_where_there_is_no_token(shown: Shown, client: httpx.Client) -> None:
    """A web page elsewhere can do nothing."""
    answer = client.post(PATH, json=STOP, headers={"Origin": "https://example.com"})

    assert (answer.status_code, shown.commands) == (403, [])


def test_openapi_describes_each_command(client: httpx.Client) -> None:
    """With its fields, and examples of some; and those that types may have under other names."""
    call = client.get("/openapi.json").json()["paths"][PATH]["post"]
    body = call["requestBody"]["content"]["application/json"]
    *usual, own = (schema["properties"]["command"] for schema in body["schema"]["oneOf"])
    names = {name for each in usual for name in each.get("enum", [each.get("const")])}

    assert names == {
        "stop", "start", "set_state", "inject", "clear", "set_point", "scale", "rate", "enable", "disable",
        "crash", "disconnect", "reconnect",
    }  # fmt: skip
    assert {*own["not"]["enum"]} == {*names, "reload"}  # so that a command is of one kind
    assert {"200", "400", "401", "403", "413", "422", "503"} <= call["responses"].keys()
