"""The limit of open files, of which each connection needs one."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

_OTHERS: Final = 100
"""Files that the process has open besides: logs, the HTTP port and its clients, libraries."""


def raise_limit(connections: int) -> str | None:
    """Allow this process as many connections as it may have; return what is wrong where that is too few."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHERS
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < needed:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == unlimited else min(needed, hard), hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == unlimited or soft >= needed:
        return None
    return (
        f"MQTT_CONNECTIONS=per_machine needs {connections:,} connections, and this process may open {soft:,} files: "
        "raise the hard limit (ulimit -Hn), or use WORKERS or SHARD"
    )
