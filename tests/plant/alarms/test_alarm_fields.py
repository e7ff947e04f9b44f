"""Facts about alarms whose messages have keys of their own, and about those of which only the raising is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from cli.exports.schemas.kql import kql
from edge.routing import TopicRouter
from edge.timestamps import rfc3339
from messages import topic_template
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, PlantConfigError
from tests.cli.verify.test_reloads import record
from tests.cli.verify.test_verify import answer_to
from tests.plant.alarms.plants import events, is_about_alarms, meters, payloads, sent
from tests.support.exports.schemas import checks, export_of, refused
from tests.test_odd_plants import lines

SAW: Final[dict[str, Any]] = {"level": {"base": 0, "ramp": {"per_hour": 3600, "resets": "job"}, "limits": [0, 99]}}
"""A level that grows by 1 a second in each job."""
ENTRY: Final[dict[str, Any]] = {
    "job": {"cycle_seconds": 20},
    "timestamp": "rfc3339_s",
    "properties": {"kind": "saw", "label": "M{number}"},
}
FIELDS: Final[list[Any]] = [
    {"id": "machine_id"},
    "kind",
    "label",
    {"sensor": "signal"},
    {"in": {"constant": "mm"}},
    "value",
    "limit",
    {"side": "alarm.side"},
    {"data": {"how": "severity", "n": "sequence"}},
    {"ts": "timestamp"},
]
RAISED: Final[dict[str, Any]] = {"high": 15, "low": 2, "clear_above": 4, "fields": FIELDS, "report_cleared": False}


def made(count: int = 1, **alarm: Any) -> PlantConfig:
    """Machines of which the level has alarms with keys of their own."""
    return meters(SAW, {"level": {**RAISED, **alarm}}, count, **ENTRY)


@pytest.mark.parametrize("count", [1, 300], ids=["row by row", "as columns"])
def test_messages_have_the_declared_keys_in_their_order(count: int) -> None:
    """Of the machine, of the alarm, constants, and objects, in whatever way messages are made."""
    messages = [each for each in sent(made(count), [60]) if is_about_alarms(each)]
    first = next(each for each in messages if b'"high"' in each.payload)
    row = orjson.loads(first.payload)

    assert first.payload == orjson.dumps(row)
    assert [*row] == ["id", "kind", "label", "sensor", "in", "value", "limit", "side", "data", "ts"]
    assert row == {
        "id": row["id"],
        "kind": "saw",
        "label": f"M{int(row['id'].removeprefix('METER-'))}",
        "sensor": "level",
        "in": "mm",
        "value": row["value"],
        "limit": 15.0,
        "side": "high",
        "data": {"how": "warning", "n": first.sequence},
        "ts": row["ts"],
    }
    assert row["value"] >= 15
    assert row["ts"] == f"{rfc3339(first.time_ms)[:19]}Z"


def test_only_raising_is_reported_where_nothing_more_is_wanted() -> None:
    """As often as it happens; the plant counts the clearing as well."""
    whole = meters(SAW, {"level": {"high": 15, "low": 2, "clear_above": 4}}, **ENTRY)
    raised = [(each.time_ms, each.alarm) for each in events(sent(whole, [200])) if each.event == "raised"]
    found = [each for each in sent(made(), [200]) if is_about_alarms(each)]

    assert [(each.time_ms, f"level.{row['side']}") for each, row in zip(found, payloads(found), strict=True)] == raised
    assert [each.sequence for each in found] == [*range(1, len(raised) + 1)]


def test_an_event_that_is_always_the_same_is_a_constant_in_the_schema() -> None:
    """So that nobody waits for the other one."""
    config = made(fields=["timestamp", "machine_id", "alarm", "event"])
    [kind] = [each for each in catalogue(config) if each.reports_alarms]

    assert {row["event"] for row in payloads(sent(config, [100]))} == {"raised"}
    assert next(field for field in kind.fields if field.name == "event").enum == ("raised",)


def test_messages_are_as_their_schemas_say() -> None:
    """With each key's type and values."""
    assert list(refused(checks(made()), sent(made(), [300]))) == []


def test_the_query_for_active_alarms_needs_raising_and_clearing() -> None:
    """Without the clearing nobody can tell from messages."""
    [_, queries] = kql(export_of(made()))
    [_, usual] = kql(export_of(meters(SAW, {"level": {"high": 15}}, **ENTRY)))

    assert "that are active" not in queries.text
    assert "that are active" in usual.text


@pytest.mark.parametrize(
    ("alarm", "rule"),
    [
        ({"fields": ["machine_id", "value"], "report_cleared": True}, r"fields: need the event, raised or cleared"),
        ({"fields": ["valeu"]}, r"fields\[0\]\.valeu: is no source of a field; did you mean value\?"),
        ({"fields": ["level"]}, r"fields\[0\]\.level: is no source of a field"),
        ({"fields": [{"n": "machine.sequence"}]}, r"fields\[0\]\.n\.\"machine\.sequence\": is no source of a field"),
        ({"fields": ["value", {"value": "limit"}]}, r"fields\[1\]: has the key \"value\""),
        ({"report_cleared": "no"}, r"report_cleared: must be true or false"),
    ],
)
def test_wrong_keys_are_errors_with_their_place(alarm: dict[str, Any], rule: str) -> None:
    """And with the rule that they break."""
    with pytest.raises(PlantConfigError, match=rf"message_types\.meter\.alarms\.level\.{rule}"):
        made(**alarm)


def recorded(tmp_path: Path) -> tuple[Path, list[bytes]]:
    """The ground truth of ten minutes, and its messages."""
    truth, config = tmp_path / "truth", meters(SAW, {"level": RAISED}, 3, **{**ENTRY, "timestamp": "rfc3339"})
    topics = TopicRouter(lambda kind: topic_template(config, kind), "factory").topic
    return truth, [*lines(record([(600, config)], truth), topics)]


def test_verify_accepts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And does not miss the clearing."""
    truth, rows = recorded(tmp_path)
    (tmp_path / "rows").write_bytes(b"\n".join(rows))
    answer = answer_to([str(tmp_path / "rows"), "--truth", str(truth), "--strict"], capsys)

    assert answer.code == 0, answer.text + answer.error
    assert "0 cleared" in answer.text
    assert "Alarm messages missing: 0." in answer.text


def test_verify_detects_a_false_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the limit in the message, under whatever key."""
    truth, rows = recorded(tmp_path)
    (tmp_path / "rows").write_bytes(b"\n".join(row.replace(b'"limit":15.0', b'"limit":98.0') for row in rows))
    answer = answer_to([str(tmp_path / "rows"), "--truth", str(truth)], capsys)

    assert answer.code == 1
    assert "level.high is raised at" in answer.text
