"""Time as both APIs write it."""

from __future__ import annotations

from aod_notebook.core import clock


def now() -> str:
    """Return the current time as ISO 8601 with microseconds and `+00:00`."""
    return clock.now("+00:00")
