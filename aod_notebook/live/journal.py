"""The journal: which sessions this user's notebooks followed, in one SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["last_session", "remember"]

_SCHEMA = """
create table if not exists followed (
    session_id text not null,
    service    text not null,
    runtime    text,
    followed_at real not null,
    primary key (session_id, service)
) without rowid
"""


def remember(session_id: str, service: str, runtime: str | None) -> None:
    """Note that a session is followed from now on; `service` is its `Connection.key`."""
    with _journal() as rows:
        rows.execute(
            "insert or replace into followed values (?, ?, ?, ?)",
            (session_id, service, runtime, time.time()),
        )


def last_session(service: str) -> str | None:
    """Give the id of the session that was followed last on that service; None if none was."""
    with _journal() as rows:
        row = rows.execute(
            "select session_id from followed where service = ? order by followed_at desc limit 1",
            (service,),
        ).fetchone()
    return None if row is None else str(row[0])


@contextlib.contextmanager
def _journal() -> Iterator[sqlite3.Connection]:
    """Open the journal for one transaction; kernels share the file."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(folder / "journal.db", timeout=10)
    try:
        with connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute(_SCHEMA)
            yield connection
    finally:
        connection.close()
