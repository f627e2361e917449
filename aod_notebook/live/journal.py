"""The journal: which sessions this user's notebooks worked with, in one SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import warnings
from typing import TYPE_CHECKING

from aod_notebook.core.files import make_private, narrow
from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JournalWarning", "forget", "last_session", "remember"]

_VERSION = 1
NEWER = "a newer version of aod-notebook wrote it, and its rows are kept: update this one"
_SCHEMA = """
create table if not exists followed (
    session_id  text not null,
    service     text not null,
    runtime     text,
    followed_at real not null,
    primary key (session_id, service)
) without rowid
"""

_last: dict[str, str] = {}
"""The last session of this process, by service: another kernel's is not ours."""


class JournalWarning(UserWarning):
    """The journal can't be written; `last` is known in this kernel only."""


def remember(session_id: str, service: str, runtime: str | None) -> None:
    """Note that a session was started or continued; `service` is its `Connection.key`.

    A journal that can't be written is warned of; the session goes on.
    """
    _last[service] = session_id
    with _tolerant(), _journal() as rows:
        rows.execute(
            "insert or replace into followed values (?, ?, ?, ?)",
            (session_id, service, runtime, time.time()),
        )


def forget(session_id: str, service: str) -> None:
    """Note that a session was deleted."""
    if _last.get(service) == session_id:
        del _last[service]
    with _tolerant(), _journal() as rows:
        rows.execute(
            "delete from followed where session_id = ? and service = ?", (session_id, service)
        )


def last_session(service: str) -> str | None:
    """Return the id of this process's last session on a service, else of any; None if none was."""
    if service in _last:
        return _last[service]
    row = None
    with _tolerant(), _journal() as rows:
        row = rows.execute(
            "select session_id from followed where service = ? order by followed_at desc limit 1",
            (service,),
        ).fetchone()
    return None if row is None else str(row[0])


@contextlib.contextmanager
def _tolerant() -> Iterator[None]:
    """Warn of a journal that can't be used, instead of failing what it is only the memory of."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warnings.warn(
            f"The journal in AOD_NOTEBOOK_HOME can't be used ({reason}); `last` will not be "
            "known after a restart of the kernel.",
            JournalWarning,
            stacklevel=4,
        )


@contextlib.contextmanager
def _journal() -> Iterator[sqlite3.Connection]:
    """Open the journal for one transaction; kernels share the file."""
    path = make_private(home()) / "journal.db"
    path.touch(mode=0o600)  # SQLite's own files beside it take its mode
    narrow(path)
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        # The lock comes first: of two that find no table, one makes it.
        connection.execute("begin immediate")
        with connection:
            (version,) = connection.execute("pragma user_version").fetchone()
            if version > _VERSION:
                raise sqlite3.DatabaseError(NEWER)
            if version < _VERSION:
                connection.execute(_SCHEMA)
                connection.execute(f"pragma user_version = {_VERSION}")
            yield connection
    finally:
        connection.close()
