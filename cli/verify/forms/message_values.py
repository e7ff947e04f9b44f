"""Values in messages: times, texts and numbers at a place; a wrong one makes the line unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cli.verify.forms.message_keys import ClassInfo
from cli.verify.forms.message_lines import NotAMessage


def milliseconds(timestamp: str) -> int:
    """Return milliseconds since 1970 of an RFC 3339 text. Raise ValueError if it is none or has no time zone."""
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {timestamp!r:.40}")
    return round(moment.timestamp() * 1_000_000) // 1000


def time_of(message: Mapping[str, Any], info: ClassInfo) -> int:
    """Return the time of a message of a class, whatever its form, in milliseconds since 1970.

    Of a time without its last digits it is the middle of those that it may be.
    """
    if not info.ms_per_unit:
        return milliseconds(text_at(message, info.timestamp)) + info.resolution_ms // 2
    number = number_at(message, info.timestamp)
    if number is None:
        raise NotAMessage(f"no time in {info.timestamp}")
    return round(number * info.ms_per_unit)


def text_at(message: Mapping[str, Any], key: str) -> str:
    """Return the text at a place. Raise NotAMessage if there is none."""
    text = message.get(key)
    if not isinstance(text, str):
        raise NotAMessage(f"no text in {key}")
    return text


def number_at(message: Mapping[str, Any], key: str) -> float | None:
    """Return the number at a place, None if there is none. Raise NotAMessage if it is something else."""
    number = message.get(key)
    if number is not None and not isinstance(number, int | float):
        raise NotAMessage(f"no number in {key}")
    return number
