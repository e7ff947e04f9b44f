"""The statistics block of the log, and the same figures as the fields of a JSON event."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping

from edge.delivery.queue import Ledger
from edge.status import NO_ALARMS, NO_STEPS, AlarmStatus, ClockStatus, ConnectionStatus
from edge.status_source import StatusSource

log = logging.getLogger("statistics")

_LATE_SECONDS = 1.0


def statistics_block(
    uptime_seconds: float,
    ledger: Ledger,
    connection: ConnectionStatus,
    *,
    recent_rate: float | None = None,
    lateness_seconds: float = 0.0,
    clock: ClockStatus = NO_STEPS,
    active_faults: int | None = None,
    alarms: AlarmStatus = NO_ALARMS,
) -> str:
    """Return the statistics block: five lines in a form that others parse, then lines that depend on the situation.

    recent_rate: acknowledged messages per second since the block before.  lateness_seconds: the worst since then.
    active_faults: of machines; None if no type has faults.
    """
    lines = [
        f"📊 Statistics (Uptime: {uptime_seconds:.0f}s)",
        f"Messages Sent: {ledger.sent}",
        f"Messages Failed: {ledger.failed}",
        f"Queue Depth: {ledger.queued}",
        f"Message Rate: {_rate(ledger.sent, uptime_seconds):.2f} msg/sec",
        *_further_lines(ledger, connection, recent_rate, lateness_seconds, clock),
        *([] if active_faults is None else [f"Active faults: {active_faults}"]),
        *_alarm_lines(alarms),
    ]
    return "\n   ".join(lines)


def _further_lines(
    ledger: Ledger,
    connection: ConnectionStatus,
    recent_rate: float | None,
    lateness_seconds: float,
    clock: ClockStatus,
) -> Iterator[str]:
    if recent_rate is not None:
        yield f"Recent Rate: {recent_rate:.2f} msg/sec"
    yield f"In Flight: {ledger.in_flight}"
    if connection.clients:
        yield f"Connection: {_connection_text(connection)}"
    if ledger.refused.total():
        yield f"Refused: {_counts_text(refused_by_code(ledger.refused))}"
    if ledger.dropped.total():
        yield f"Dropped: {_counts_text(ledger.dropped)}"
    if lateness_seconds > _LATE_SECONDS:
        yield f"Lateness: {lateness_seconds:.1f} s"
    if clock.steps:
        yield f"Clock: steps={clock.steps} ahead={round(clock.ahead_seconds, 1) + 0.0:.1f}s"


def _alarm_lines(alarms: AlarmStatus) -> Iterator[str]:
    if alarms.declared:
        active = {severity: count for severity, count in alarms.active.items() if count}
        by_severity = f" ({_counts_text(active)})" if active else ""
        total = sum(active.values())
        yield f"Alarms: {total} active{by_severity}, {alarms.raised} raised, {alarms.cleared} cleared"


class Statistics:
    """Logs the statistics block, and keeps what the figures of an interval are measured from."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._before: tuple[float, int] | None = None

    def log(self, uptime_seconds: float) -> None:
        """Log one block; in JSON one event `statistics` with the figures as fields."""
        source = self._source
        ledger, connection, clock = source.ledger, source.connection(), source.clock()
        faults = source.active_faults()
        alarms = source.alarms()
        recent, worst = self._recent_rate(uptime_seconds), source.lateness.take_worst()
        block = statistics_block(
            uptime_seconds,
            ledger,
            connection,
            recent_rate=recent,
            lateness_seconds=worst,
            clock=clock,
            active_faults=faults,
            alarms=alarms,
        )
        fields = {
            "uptime_seconds": round(uptime_seconds, 3),
            **ledger_fields(ledger),
            "rate_per_second": round(_rate(ledger.sent, uptime_seconds), 3),
            "recent_rate_per_second": recent and round(recent, 3),
            **_connection_fields(connection),
            "worst_lateness_seconds": round(worst, 3),
            "clock_steps": clock.steps,
            "clock_ahead_seconds": round(clock.ahead_seconds, 3),
            **({} if faults is None else {"active_faults": faults}),
            **_alarm_fields(alarms),
        }
        log.info("statistics", extra={"block": block, **fields})

    def _recent_rate(self, uptime_seconds: float) -> float | None:
        # The first block has no interval before it; its rate would only repeat the line above.
        before, self._before = self._before, (uptime_seconds, self._source.ledger.sent)
        return _rate(self._source.ledger.sent - before[1], uptime_seconds - before[0]) if before else None


def ledger_fields(ledger: Ledger) -> dict[str, object]:
    """Return the ledger as plain values, for JSON."""
    return {
        "messages_generated": ledger.generated,
        "messages_sent": ledger.sent,
        "messages_failed": ledger.failed,
        "refused": dict(refused_by_code(ledger.refused)),
        "dropped": dict(ledger.dropped),
        "queue_depth": ledger.queued,
        "in_flight": ledger.in_flight,
    }


def refused_by_code(refused: Counter[int]) -> dict[str, int]:
    """Return refused messages by PUBACK reason code as text, such as `0x97`."""
    return {f"0x{code:02X}": count for code, count in sorted(refused.items())}


def _connection_fields(connection: ConnectionStatus) -> dict[str, object]:
    """Return nothing where there is no client, as in a dry run."""
    if not connection.clients:
        return {}
    return {
        "connected": connection.connected,
        "reconnects": connection.reconnects,
        "token_renewals": connection.token_renewals,
    }


def _alarm_fields(alarms: AlarmStatus) -> dict[str, object]:
    """Return nothing where the plant has no alarms."""
    if not alarms.declared:
        return {}
    return {
        "alarms_active": dict(alarms.active),
        "alarms_raised": alarms.raised,
        "alarms_cleared": alarms.cleared,
    }


def _connection_text(connection: ConnectionStatus) -> str:
    state = "connected" if connection.connected else f"not connected, {connection.last_reason}"
    if connection.devices is not None:
        state = f"{connection.devices.up:,} of {connection.devices.wanted:,} connections up"
    return f"{state} (reconnects: {connection.reconnects}, token renewals: {connection.token_renewals})"


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {key}" for key, count in counts.items())


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
