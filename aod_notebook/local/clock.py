"""Time as both APIs write it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def now() -> str:
    """Return the current time as ISO 8601 with microseconds and `+00:00`."""
    seconds, micros = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}+00:00"


@lru_cache(1)
def _second(number: int) -> str:
    """Return a second since 1970; thousands of lines of output may come in the same one."""
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S")
