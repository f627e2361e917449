"""Where an output came from: what is kept in its metadata, so that a saved notebook tells it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aod_notebook._version import __version__

__all__ = ["iso", "provenance"]


def provenance(own: dict[str, Any]) -> dict[str, Any]:
    """Return what an output's metadata say: the facts given, and the versions that made it.

    Example:
        >>> provenance({"status": "completed"})["aod_notebook"]["status"]
        'completed'
    """
    return {"aod_notebook": {**own, "versions": dict(_versions())}}


def iso(at: datetime | float | None) -> str | None:
    """Return a time, or seconds since 1970, as ISO 8601 text in UTC."""
    if at is None:
        return None
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


@cache
def _versions() -> dict[str, str]:
    found = {"aod-notebook": __version__, "python": platform.python_version()}
    for package in ("ipython", "ipykernel"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
