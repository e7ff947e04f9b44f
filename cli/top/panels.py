"""The upper part of the overview: what the simulator is at, a line for each matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from cli.top import words
from cli.top.document import Node, clean
from cli.top.marks import Samples
from cli.top.spans import Line, Role, Span, fitted, plain, width

_LABEL_COLUMNS: Final = 9
_GAP: Final = Span("   ")
_SOON_SECONDS: Final = 300.0
_KEEPS_UP: Final = 0.9
"""Share of the generated messages that are delivered, one fewer at most, while the broker keeps up."""

_SPARKLINE_COLUMNS: Final = (16, 60)
"""Columns of the sparkline from which on its span of time is named, and the most that it takes."""
_STATUS: Final[dict[str, tuple[str, Role]]] = {
    "ok": ("OK", "good"),
    "degraded": ("DEGRADED", "warn"),
    "failing": ("FAILING", "bad"),
}


def upper_lines(overview: Node, rates: Samples, columns: int) -> list[Line]:
    """Return the lines above the lists, each of at most so many columns."""
    lines = [
        _head(overview),
        *_reason(overview),
        _plant(overview),
        _broker(overview),
        *_token(overview),
        _rate(overview.at("rate"), rates, columns),
        _lateness(overview.at("lateness")),
        _queue(overview.at("queue"), overview.at("ledger")),
        _ledger(overview.at("ledger")),
        *_oee(overview.at("oee")),
        _faults(overview.at("faults"), overview.at("at").text),
        _alarms(overview.at("alarms")),
    ]
    return [fitted(each, columns) for each in lines]


def zone_of(overview: Node) -> tzinfo:
    """Return the time zone of the plant."""
    return words.zone(overview.at("process", "time_zone").text)


def _head(overview: Node) -> list[Span]:
    process = overview.at("process")
    status, role = _STATUS.get(process.at("status").text, (process.at("status").text.upper() or words.UNKNOWN, "warn"))
    at = words.clock(overview.at("at").text, zone_of(overview), "%Y-%m-%d %H:%M:%S")
    return [
        Span(f"edgemqttsim {process.at('version').text}", "title"),
        _GAP,
        Span(status, role),
        _GAP,
        Span(f"plant time {at} {process.at('time_zone').text}".rstrip()),
    ]


def _reason(overview: Node) -> Iterator[list[Span]]:
    reason, status = overview.at("process", "reason").text, overview.at("process", "status").text
    if reason:
        yield [_label("Reason"), Span(reason, "bad" if status == "failing" else "warn")]


def _plant(overview: Node) -> list[Span]:
    process = overview.at("process")
    kinds = len(overview.at("types").entries())
    shown = [f"{words.plural(overview.at('machines').count, 'machine')} of {words.plural(kinds, 'type')}"]
    shown += [f"up {words.duration(process.at('uptime_seconds').number)}"]
    shown += [f"seed {process.at('seed')}"] if process.at("seed").is_there else []
    shown += [f"{process.at('workers').count} workers"] if process.at("workers").count > 1 else []
    shown += [f"shard {process.at('shard').text}"] if process.at("shard").text else []
    return [_label("Plant"), *_apart(Span(each) for each in shown)]


def _broker(overview: Node) -> list[Span]:
    if overview.at("process").at("dry_run").is_true:
        return [_label("Broker"), Span("none: a dry run, messages go to standard output")]
    broker = overview.at("broker")
    host, port = broker.at("host").text, broker.at("port")
    where = f"{host}:{port}" if host else ""
    version = broker.at("version").text
    how = [
        f"MQTT {version}" if version else "",
        "TLS" if broker.at("tls").is_true else "no TLS",
        broker.at("auth").text,
    ]
    about = f"{where} ({', '.join(filter(None, how))})" if where else ""
    spans = [_label("Broker"), *_connection(broker, f" to {about}" if about else "")]
    devices = broker.at("devices")
    if devices.is_there:
        spans += [_GAP, Span(f"machines connected {devices.at('up')} of {devices.at('wanted')}")]
    if again := broker.at("connects").count - max(1, broker.at("clients").count):
        spans += [_GAP, Span(f"reconnects {again}")] if again > 0 else []
    return spans


def _connection(broker: Node, where: str) -> list[Span]:
    blocked, reason = broker.at("blocked").text, broker.at("last_reason").text
    if not broker.at("connected").is_true:
        return [Span("not connected", "bad"), Span(f"{where}: {reason}" if reason else where)]
    if blocked:
        return [Span("blocked", "warn"), Span(f", connected{where}: {blocked}")]
    return [Span("connected", "good"), Span(where)]


def _token(overview: Node) -> Iterator[list[Span]]:
    broker, wall = overview.at("broker"), words.moment(overview.at("wall").text)
    expiry, renewals = broker.at("token_expiry").number, broker.at("token_renewals").count
    if expiry is None or wall is None:
        return
    left = expiry - wall.timestamp()
    role: Role = "bad" if left <= 0 else "warn" if left < _SOON_SECONDS else "plain"
    text = f"expires in {words.duration(left)}" if left > 0 else f"expired {words.duration(-left)} ago"
    yield [_label("Token"), Span(text, role), _GAP, Span(f"renewed {words.plural(renewals, 'time')}")]


def _rate(rate: Node, rates: Samples, columns: int) -> list[Span]:
    asked, generated, delivered = (rate.at(each).number for each in ("asked", "generated", "delivered"))
    behind = generated is not None and delivered is not None and delivered < _KEEPS_UP * generated - 1
    spans = [
        _label("Rate"),
        Span(f"asked {words.figure(asked)}"),
        _GAP,
        Span(f"generated {words.figure(generated)}"),
        _GAP,
        Span(f"delivered {words.figure(delivered)}", "warn" if behind else "plain"),
        Span(" msg/s"),
    ]
    left = columns - width(plain(spans)) - len(_GAP.text)
    span = f" over {words.duration(rates.seconds)}"
    span = span if left - len(span) >= _SPARKLINE_COLUMNS[0] else ""
    drawn = rates.sparkline(min(left - len(span), _SPARKLINE_COLUMNS[1]))
    return [*spans, _GAP, Span(drawn, "accent"), Span(span, "muted")] if drawn else spans


def _lateness(lateness: Node) -> list[Span]:
    figures = (f"{name} {words.milliseconds(lateness.at(f'{name}_ms').number)}" for name in ("p50", "p99", "max"))
    return [_label("Lateness"), *_apart(map(Span, figures))]


def _queue(queue: Node, ledger: Node) -> list[Span]:
    depth, size = queue.at("depth").number, queue.at("size").number
    in_flight = queue.at("in_flight").number
    full = depth is not None and size is not None and depth > 0.5 * size
    policy = f" ({queue.at('policy').text})" if queue.at("policy").text else ""
    dropped = sum(each.count for _, each in ledger.at("dropped").entries())
    return [
        _label("Queue"),
        Span(f"{words.number(depth)} of {words.number(size)}{policy}", "warn" if full else "plain"),
        _GAP,
        Span(f"in flight {words.number(in_flight)}"),
        _GAP,
        Span(f"dropped {dropped:,}", "bad" if dropped else "plain"),
    ]


def _ledger(ledger: Node) -> list[Span]:
    refused = sum(each.count for _, each in ledger.at("refused").entries())
    return [
        _label("Ledger"),
        Span(f"generated {words.number(ledger.at('messages_generated').number)}"),
        _GAP,
        Span(f"acknowledged {words.number(ledger.at('messages_sent').number)}"),
        _GAP,
        Span(f"refused {refused:,}", "bad" if refused else "plain"),
    ]


def _oee(oee: Node) -> Iterator[list[Span]]:
    both = oee.at("truth_meanwhile")  # of the time that `reported` is of, or the two could not be compared
    is_both = both.is_there and oee.at("reported").at("oee").number is not None
    yield [_label("True OEE"), *_factors(both if is_both else oee.at("truth"))]
    if oee.at("reported").is_there:
        yield [_label("Reported"), *_factors(oee.at("reported"))]


def _factors(oee: Node) -> list[Span]:
    parts = (f"{name} {words.percent(oee.at(name).number)}" for name in ("availability", "performance", "quality"))
    return [Span(words.percent(oee.at("oee").number), "title"), Span(" = "), Span(" × ".join(parts))]  # noqa: RUF001


def _faults(faults: Node, now: str) -> list[Span]:
    active = faults.at("active").number
    if not active:
        return [_label("Faults"), Span(words.UNKNOWN) if active is None else Span("none", "good")]
    newest = [
        f"{each.at('machine_id').text} {each.at('fault').text} "
        f"{words.duration(words.since(each.at('since').text, now))}"
        for each in faults.at("list").items()
    ]
    return [_label("Faults"), Span(f"{active:,.0f} active", "bad"), Span(f": {', '.join(newest)}" if newest else "")]


def _alarms(alarms: Node) -> list[Span]:
    if not alarms.at("declared").is_true:
        return [_label("Alarms"), Span("the plant declares none", "muted")]
    active = [f"{each.count:,} {clean(severity)}" for severity, each in alarms.at("active").entries() if each.count]
    now = Span(f"{', '.join(active)} active", "bad") if active else Span("none active", "good")
    counts = f"raised {alarms.at('raised').count:,}", f"cleared {alarms.at('cleared').count:,}"
    return [_label("Alarms"), *_apart([now, *map(Span, counts)])]


def _label(name: str) -> Span:
    return Span(name.ljust(_LABEL_COLUMNS), "label")


def _apart(spans: Iterator[Span] | list[Span]) -> list[Span]:
    """Return spans with a gap between each two."""
    found = [each for span in spans for each in (_GAP, span)]
    return found[1:]
