"""The service's SQLite file: one writer thread, versioned migrations, the event log."""

from __future__ import annotations

from aod_notebook.local.storage.database import Database

__all__ = ["Database"]
