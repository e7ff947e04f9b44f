"""The control API: its answers, its problems, and what OpenAPI says of both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema
import pytest

from edge.control.problems import Problem
from edge.http.api.openapi import EXAMPLES
from edge.http.routes import served
from edge.status import BadQuery, Busy, CheckOutcome, MachineFound, MachinesFound, PlantError, ReloadOutcome
from plant.definition.plant_config import load_content
from plant.interventions.commands import parse
from tests.edge.http.test_routes import Shown, app_of, served_of, serving
from tests.edge.http.test_routes import client as client  # noqa: PLC0414 - a fixture, as those below
from tests.edge.http.test_routes import running as running  # noqa: PLC0414
from tests.edge.http.test_routes import shown as shown  # noqa: PLC0414

API = "/api/v1"
STOP = {"command": "stop", "machine_id": "CNC-01"}
PROBLEM = "application/problem+json"
WRONG = (
    PlantError(3, "message_types.press.count", "must be at least 0, got -1"),
    PlantError(None, "(top level)", "no"),
)


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The problem details of an answer."""
    content: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == PROBLEM
    assert content["status"] == answer.status_code
    assert content["title"]
    return content


def test_machines_come_page_by_page(shown: Shown, client: httpx.Client) -> None:
    """With the address of the next page, also as a link."""
    shown.listed = MachinesFound(1_767_600_000.0, [((0, 1), "CNC-01", b'{"machine_id":"CNC-01"}')], more=True)
    answer = client.get(f"{API}/machines", params={"state": "running", "limit": 1, "machine_type": "cnc_machine"})

    following = "/api/v1/machines?machine_type=cnc_machine&state=running&after=CNC-01&limit=1"
    assert answer.json() == {
        "now": "2026-01-05T08:00:00.000Z",
        "machines": [{"machine_id": "CNC-01"}],
        "next": following,
    }
    assert answer.headers["link"] == f'<{following}>; rel="next"'


def test_machines_are_found_by_a_part_of_their_id(shown: Shown, client: httpx.Client) -> None:
    """The next page is asked for in the same way."""
    shown.listed = MachinesFound(1_767_600_000.0, [((0, 1), "CNC-01", b'{"machine_id":"CNC-01"}')], more=True)
    answer = client.get(f"{API}/machines", params={"text": "c&", "limit": 1})

    assert answer.json()["next"] == "/api/v1/machines?text=c%26&after=CNC-01&limit=1"


def test_a_machine_is_there_by_its_id_whatever_that_has(shown: Shown, client: httpx.Client) -> None:
    """Also a slash."""
    shown.detailed = MachineFound(b'{"machine_id":"A/1"}')

    assert client.get(f"{API}/machines/A%2F1").json() == {"machine_id": "A/1"}
    assert client.head(f"{API}/machines/A%2F1").status_code == 200


def test_a_machine_that_there_is_not_is_not_found(shown: Shown, client: httpx.Client) -> None:
    """404, with the one that may be meant; of another shard, with that reason."""
    shown.detailed = MachineFound(None, 'no machine has the id "CNC-1"; did you mean "CNC-01"?')
    unknown = problem_of(client.get(f"{API}/machines/CNC-1"))
    shown.detailed = MachineFound(None)
    elsewhere = problem_of(client.get(f"{API}/machines/CNC-02"))

    assert (unknown["status"], unknown["detail"]) == (404, 'no machine has the id "CNC-1"; did you mean "CNC-01"?')
    assert (elsewhere["status"], elsewhere["detail"]) == (404, "another part of the plant has this machine (SHARD)")


@pytest.mark.parametrize(
    ("path", "parameter", "detail"),
    [
        ("/machines?limit=0", "limit", 'must be at least 1, got "0"'),
        ("/machines?limit=x", "limit", 'must be a whole number, got "x"'),
        ("/machines?limit=99999", "limit", 'must be at most 10000, got "99999"'),
        ("/machines?stat=idle", "stat", "no such parameter; did you mean state?"),
        (f"/machines?state={'x' * 201}", "state", "must have at most 200 characters, got "),
        ("/journal?before=0", "before", 'must be at least 1, got "0"'),
    ],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, path: str, parameter: str, detail: str) -> None:
    """With its rule."""
    found = problem_of(client.get(API + path))

    assert (found["status"], found["errors"][0]["parameter"]) == (422, parameter)
    assert found["errors"][0]["detail"].startswith(detail)
    assert found["detail"].startswith(f"{parameter}: {detail}")


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [(BadQuery("state: no such state"), 422, None), (Busy(), 503, "2"), (TimeoutError(), 503, "2")],
)
@pytest.mark.parametrize("path", ["/machines", "/machines/CNC-01", "/machine-types", "/plant"])
def test_what_prevents_an_answer_is_a_problem(
    shown: Shown, client: httpx.Client, path: str, error: Exception, status: int, retry: str | None
) -> None:
    """With the time after which to try again, where that may help."""
    shown.error = error
    answer = client.get(API + path)

    assert problem_of(answer)["status"] == status
    assert answer.headers.get("retry-after") == retry
    if status == 422:
        assert answer.json()["errors"] == [{"parameter": "state", "detail": "no such state"}]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/api/v1/machine", 404, "no such call; did you mean"),
        ("GET", "/api", 404, "no such call; "),
        ("GET", "/api/v2/machines", 404, "no such call; did you mean"),
        ("DELETE", "/api/v1/plant", 405, "Method Not Allowed"),
        ("POST", "/api/v1/machines/CNC-01", 405, "Method Not Allowed"),
        ("PATCH", "/api/v1/commands", 405, "Method Not Allowed"),
    ],
)
def test_what_there_is_not_is_a_problem(client: httpx.Client, method: str, path: str, status: int, detail: str) -> None:
    """With the call that may be meant, or the methods that there are."""
    answer = client.request(method, path)

    assert problem_of(answer)["status"] == status
    assert answer.json()["detail"].startswith(detail)
    assert ("allow" in answer.headers) is (status == 405)


def test_paths_outside_the_api_stay_as_they_are(client: httpx.Client) -> None:
    """Their errors are what they were."""
    assert client.get("/machines").json() == {"detail": "Not Found"}
    assert client.delete("/oee").text == "Method Not Allowed\n"
    assert client.get("/oee?limit=0").json()["detail"][0]["loc"] == ["query", "limit"]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v1/machines?limit=0", "/oee?limit=0"])
def test_a_host_that_is_none_makes_no_error_of_ours(client: httpx.Client, path: str) -> None:
    """It is what the caller sends, and no part of what is answered."""
    assert client.get(path, headers={"Host": "[broken"}).status_code in (404, 422)


def test_a_host_that_is_none_prevents_no_change(shown: Shown, client: httpx.Client, tmp_path: Path) -> None:
    """Where the caller has the token."""
    shown.http_token_file = tmp_path / "token"
    shown.http_token_file.write_text("s3cret")
    headers = {"Host": "[broken", "Authorization": "Bearer s3cret", "Idempotency-Key": "k4"}

    assert client.post(f"{API}/commands", json=STOP, headers=headers).status_code == 200


def test_the_methods_of_a_call_are_listed(client: httpx.Client) -> None:
    """Also of a path with more than one, and of one with an id in it."""
    allowed = {
        path: client.options(API + path).headers["allow"] for path in ("/plant", "/machines/CNC-01", "/commands")
    }

    assert allowed == {
        "/plant": "GET, HEAD, OPTIONS, PUT",
        "/machines/CNC-01": "GET, HEAD, OPTIONS",
        "/commands": "OPTIONS, POST",
    }


def test_an_error_of_our_own_is_a_problem_too(shown: Shown, client: httpx.Client) -> None:
    """500, without what it was; the log has that."""
    shown.error = RuntimeError("secret")
    answer = client.get(f"{API}/machines")

    assert problem_of(answer)["detail"] == "Internal Server Error"
    assert client.get("/oee").text == "Internal Server Error\n"


def test_machine_types_have_what_may_be_asked_of_their_machines(client: httpx.Client) -> None:
    """As the plant has them."""
    (press,) = client.get(f"{API}/machine-types").json()["machine_types"]

    assert (press["machine_type"], press["count"]) == ("press", 4)
    assert press["commands"] == []
    assert press["signals"]["feed"]["set_point"] == 180.0


def test_the_yaml_in_force_can_be_sent_again(shown: Shown, client: httpx.Client) -> None:
    """It is YAML of a plant, and is applied as it is."""
    got = client.get(f"{API}/plant")
    answer = client.put(f"{API}/plant", content=got.content)

    assert got.headers["content-type"] == "application/yaml"
    assert load_content(got.content, "plant.yaml").count("press") == 4
    assert (answer.status_code, answer.json()) == (200, {"machines": {"cnc_machine": 5}})
    assert shown.contents == [got.content]


def test_a_wrong_yaml_is_refused_with_each_error(shown: Shown, client: httpx.Client) -> None:
    """Line, path and rule, whether it is to be applied or only checked."""
    shown.outcome = ReloadOutcome(errors=("a", "b"), places=WRONG)
    shown.checked = CheckOutcome(errors=WRONG)
    answers = [client.put(f"{API}/plant", content=b"x"), client.post(f"{API}/plant/check", content=b"x")]

    for found in map(problem_of, answers):
        assert (found["status"], found["detail"]) == (422, "2 errors in the YAML; nothing has changed")
        assert found["errors"] == [
            {
                "line": 3,
                "path": "message_types.press.count",
                "rule": "must be at least 0, got -1",
                "detail": "line 3: message_types.press.count: must be at least 0, got -1",
            },
            {"line": None, "path": "(top level)", "rule": "no", "detail": "(top level): no"},
        ]


def test_a_yaml_that_cannot_be_applied_now_may_be_sent_again(shown: Shown, client: httpx.Client) -> None:
    """503: nothing has changed."""
    shown.outcome = ReloadOutcome(errors=("plant.yaml: cannot be applied now: worker 1",), is_busy=True)
    answer = client.put(f"{API}/plant", content=b"x")

    assert problem_of(answer)["status"] == 503
    assert answer.headers["retry-after"] == "2"


def test_a_yaml_is_checked(shown: Shown, client: httpx.Client) -> None:
    """Without being applied."""
    answer = client.post(f"{API}/plant/check", content=b"message_types: {}")

    assert answer.json() == {"machines": {"press": 4}, "messages_per_second": 1.5, "notes": []}
    assert shown.contents == [b"message_types: {}"]


class Slow(Shown):
    """One that takes some time for a YAML."""

    async def put(self, content: bytes, by: str, *, save: bool = False) -> ReloadOutcome:
        """Take some time."""
        await asyncio.sleep(0.02)
        return await super().put(content, by, save=save)

    async def check(self, content: bytes) -> CheckOutcome:
        """Take some time."""
        await asyncio.sleep(0.02)
        return await super().check(content)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/plant"), ("POST", "/plant/check")])
def test_only_so_many_yamls_wait(method: str, path: str) -> None:
    """Each may have a mebibyte: the seventeenth is refused as busy, and may be sent again."""
    shown = Slow()

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(cast("Any", served_of(shown)), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = (client.request(method, API + path, content=b"%d" % number) for number in range(20))
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask())

    assert sorted(each.status_code for each in answers) == [200] * 16 + [503] * 4
    assert {each.headers["retry-after"] for each in answers if each.status_code == 503} == {"2"}
    assert len(shown.contents) == 16


@pytest.mark.parametrize(("method", "path"), [("PUT", "/plant"), ("POST", "/plant/check"), ("POST", "/commands")])
def test_a_body_has_a_limit_and_its_sender_a_permission(
    shown: Shown, client: httpx.Client, tmp_path: Path, method: str, path: str
) -> None:
    """A megabyte, as the plant's file; and the token where there is one."""
    too_long = client.request(method, API + path, content=b"#" * 1_048_577)
    shown.http_token_file = tmp_path / "token"
    shown.http_token_file.write_text("s3cret")
    unknown = client.request(method, API + path, content=b"{}")

    assert problem_of(too_long)["status"] == 413
    assert problem_of(unknown)["status"] == 401
    assert unknown.headers["www-authenticate"] == "Bearer"
    assert (shown.contents, shown.commands) == ([], [])


def test_settings_are_shown(client: httpx.Client) -> None:
    """As the process has them."""
    assert client.get(f"{API}/settings").json() == {"settings": {"MQTT_QOS": 1}, "given": []}


def test_the_journal_says_what_was_done_by_whom() -> None:
    """The newest first, page by page, also what was refused; of another configuration only how long it is."""
    shown = Shown()
    with serving(shown) as client:
        client.post(f"{API}/commands", json=STOP)
        shown.refusal = Problem(422, "no such machine")
        client.post(f"{API}/commands", json=STOP | {"machine_id": "CNC-9"})
        shown.journal.executed({"command": "reload", "content": "x" * 5000}, "SIGHUP", 1_767_600_000_123)
        page = client.get(f"{API}/journal", params={"limit": 2})
        last = client.get(page.json()["next"])

    assert page.json()["entries"] == [
        {
            "number": 3,
            "time": "2026-01-05T08:00:00.000Z",
            "by": "SIGHUP",
            "command": {"command": "reload", "bytes": 5033},
            "at": "2026-01-05T08:00:00.123Z",
        },
        {
            "number": 2,
            "time": "2026-01-05T08:00:00.000Z",
            "by": "http 127.0.0.1",
            "command": {"command": "stop", "machine_id": "CNC-9"},
            "error": "no such machine",
        },
    ]
    assert page.headers["link"] == '</api/v1/journal?before=2&limit=2>; rel="next"'
    assert last.json()["entries"][0]["answer"] == {"machine_id": "CNC-01", "state": "stopped"}
    assert "next" not in last.json()


def test_the_journal_of_one_machine_comes_page_by_page() -> None:
    """The next page is of the same machine."""
    shown = Shown()
    with serving(shown) as client:
        for machine_id in ("CNC-01", "CNC-02", "CNC-01"):
            client.post(f"{API}/commands", json=STOP | {"machine_id": machine_id})
        page = client.get(f"{API}/journal", params={"machine_id": "CNC-01", "limit": 1}).json()
        last = client.get(page["next"]).json()

    assert page["next"] == "/api/v1/journal?before=3&machine_id=CNC-01&limit=1"
    assert [each["number"] for each in (*page["entries"], *last["entries"])] == [3, 1]


def test_a_request_with_a_key_is_executed_once(shown: Shown, client: httpx.Client) -> None:
    """The second has the answer of the first, and says so; the key may be in quotes, as the draft has it."""
    first, second = (
        client.post(f"{API}/commands", json=STOP, headers={"Idempotency-Key": key}) for key in ("k1", '"k1"')
    )

    assert (first.content, first.headers["content-type"]) == (second.content, second.headers["content-type"])
    assert [each.headers.get("idempotency-replayed") for each in (first, second)] == [None, "true"]
    assert shown.commands == [STOP]


def test_a_refusal_is_repeated_and_a_busy_plant_asked_again(shown: Shown, client: httpx.Client) -> None:
    """Where nothing was executed, a request with the same key is tried again."""
    codes = []
    for refusal in (Busy(), Problem(422, "no"), None):
        shown.refusal = refusal
        answer = client.post(f"{API}/commands", json=STOP, headers={"Idempotency-Key": "k3"})
        codes.append((answer.status_code, answer.headers.get("retry-after"), answer.headers["content-type"]))

    assert codes == [(503, "2", PROBLEM), (422, None, PROBLEM), (422, None, PROBLEM)]
    assert len(shown.commands) == 2


@pytest.mark.parametrize(
    ("method", "path", "content"), [("POST", "/commands", b"{}"), ("PUT", "/plant", b"k2")], ids=["body", "call"]
)
def test_a_key_belongs_to_one_request(
    shown: Shown, client: httpx.Client, method: str, path: str, content: bytes
) -> None:
    """Another body, or another call, is another request."""
    headers = {"Idempotency-Key": "k2"}
    client.post(f"{API}/commands", json=STOP, headers=headers)
    answer = client.request(method, API + path, content=content, headers=headers)

    assert (problem_of(answer)["status"], shown.contents) == (422, [])


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, 'a"b'])
def test_a_key_has_a_form(shown: Shown, client: httpx.Client, key: str) -> None:
    """Nothing is executed otherwise."""
    answer = client.post(f"{API}/commands", json=STOP, headers={"Idempotency-Key": key})

    assert (problem_of(answer)["status"], shown.commands) == (400, [])


def described(client: httpx.Client) -> dict[str, Any]:
    """What OpenAPI says."""
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_openapi_has_an_example_of_each_call_that_fits_its_form(client: httpx.Client) -> None:
    """And a tag, the problems by one form, and no error of FastAPI's own."""
    found = described(client)
    calls = {
        (path, method): call
        for path, methods in found["paths"].items()
        for method, call in methods.items()
        if path.startswith("/api/")
    }
    for (path, method), call in calls.items():
        success = next(iter(call["responses"]["200"]["content"].values()))
        schema = success["schema"] | {"components": found["components"]}
        jsonschema.Draft202012Validator(schema).validate(success["example"])
        problems = {code: each for code, each in call["responses"].items() if code != "200"}
        forms = {each["content"][PROBLEM]["schema"]["$ref"] for each in problems.values()}
        assert forms == {"#/components/schemas/Problem"}, (path, method)
        assert "requestBody" in call or method == "get"

    assert len(calls) == 13
    assert len(EXAMPLES) == 11
    assert {"errors", "title", "status", "detail"} == found["components"]["schemas"]["Problem"]["properties"].keys()


def test_openapi_has_a_tag_and_an_example_of_each_call(client: httpx.Client) -> None:
    """Also of those outside the API; each tag is explained."""
    found = described(client)
    calls = [(path, call) for path, methods in found["paths"].items() for call in methods.values()]
    without = [
        path
        for path, call in calls
        if not any("example" in each for each in call["responses"]["200"]["content"].values())
    ]

    assert without == []
    assert {tag for _, call in calls for tag in call["tags"]} == {each["name"] for each in found["tags"]}


def test_the_examples_of_bodies_are_commands_and_a_plant(client: httpx.Client) -> None:
    """So that they can be tried out."""
    paths = described(client)["paths"]
    body = paths["/api/v1/commands"]["post"]["requestBody"]["content"]["application/json"]
    plant = paths["/api/v1/plant"]["put"]["requestBody"]["content"]["application/yaml"]["example"]

    assert [parse(each["value"]).model_dump()["command"] for each in body["examples"].values()] == [*body["examples"]]
    assert load_content(plant.encode(), "plant.yaml").count("press") == 4


def test_a_problem_has_the_form_that_openapi_says(shown: Shown, client: httpx.Client) -> None:
    """Whichever it is."""
    found = described(client)
    schema = {"$ref": "#/components/schemas/Problem", "components": found["components"]}
    shown.outcome = ReloadOutcome(errors=("a", "b"), places=WRONG)
    answers = [
        client.put(f"{API}/plant", content=b"x"),
        client.get(f"{API}/nothing"),
        client.get(f"{API}/machines?a=b"),
    ]

    for answer in answers:
        jsonschema.Draft202012Validator(schema).validate(problem_of(answer))


def test_the_application_knows_all_methods_of_a_path() -> None:
    """Those of two calls at one path do not hide each other."""
    outermost = served(app_of(Shown()))

    assert outermost._methods["/api/v1/plant"] == ["GET", "HEAD", "OPTIONS", "PUT"]
