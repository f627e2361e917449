"""The embedded service: both HTTP APIs over SQLite, and the runtimes that run agents here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aod_notebook.local.launcher import (
        ServiceInfo,
        ServiceStartError,
        ensure_service,
        find_service,
        stop_service,
        was_killed,
    )
    from aod_notebook.local.server import ServiceLockedError
    from aod_notebook.local.service import LocalService, serve

__all__ = [
    "LocalService",
    "ServiceInfo",
    "ServiceLockedError",
    "ServiceStartError",
    "ensure_service",
    "find_service",
    "serve",
    "stop_service",
    "was_killed",
]

_HOME = {
    "LocalService": "service",
    "serve": "service",
    "ServiceLockedError": "server",
    "ServiceInfo": "launcher",
    "ServiceStartError": "launcher",
    "ensure_service": "launcher",
    "find_service": "launcher",
    "stop_service": "launcher",
    "was_killed": "launcher",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use: finding a service needs no server libraries."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
