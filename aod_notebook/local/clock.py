"""Time as both APIs write it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the current time as ISO 8601 with microseconds and `+00:00`."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
