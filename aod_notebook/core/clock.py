"""Times: that of the clock as text, and text of others as a number."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CALENDAR = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""The years 1 to 9999, in microseconds since 1970: what `datetime` and pandas can show."""


def now(zone: str = "Z") -> str:
    """Return the time as ISO 8601 with microseconds, in UTC, however `zone` spells that.

    Example:
        >>> len(now()), now("+00:00")[-6:]
        (27, '+00:00')
    """
    digits = f"{time.time_ns():019d}"  # of nanoseconds: to cut text is quicker than to divide
    return f"{_second(digits[:-9])}{digits[-9:-3]}{zone}"


def time_of(text: object) -> datetime | None:
    """Return an ISO 8601 time, in UTC if it names no zone; None if it is not a time.

    Example:
        >>> time_of("2026-11-30"), time_of("soon")
        (datetime.datetime(2026, 11, 30, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def micros(time: object) -> int | None:
    """Return a time, or ISO 8601 text of one, as microseconds since 1970; without a zone it is UTC.

    None if it is not a time, or if UTC has no such year.

    Example:
        >>> micros("1970-01-01T00:00:01Z"), micros("soon")
        (1000000, None)
    """
    moment = time if isinstance(time, datetime) else time_of(time)
    if moment is None:
        return None
    since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - EPOCH
    at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return at if at in CALENDAR else None


@lru_cache(1)
def _second(number: str) -> str:
    """Return a second since 1970; thousands of events may come in the same one."""
    return datetime.fromtimestamp(int(number), UTC).strftime("%Y-%m-%dT%H:%M:%S.")
