"""The time of the clock as text."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

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


@lru_cache(1)
def _second(number: str) -> str:
    """Return a second since 1970; thousands of events may come in the same one."""
    return datetime.fromtimestamp(int(number), UTC).strftime("%Y-%m-%dT%H:%M:%S.")
