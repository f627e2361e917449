"""The journal: which sessions this user's notebooks worked with, in one SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import warnings
from typing import TYPE_CHECKING
from uuid import uuid4

from aod_notebook.core.files import make_private, make_private_file
from aod_notebook.core.settings import home
from aod_notebook.live.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator


_VERSION = 2
NEWER = "a newer version of aod-notebook wrote it, and its rows are kept: update this one"
_SCHEMA = """
create table if not exists followed (
    session_id  text not null,
    service     text not null,
    runtime     text,
    followed_at real not null,
    primary key (session_id, service)
) without rowid;

create table if not exists worked (
    session_id text not null,
    service    text not null,
    notebook   text not null,
    at         real not null,
    primary key (session_id, service, notebook)
) without rowid;

create table if not exists spent (
    session_id text not null,
    service    text not null,
    state      text not null,
    turns      text not null,
    primary key (session_id, service)
) without rowid;

create table if not exists batch (
    id          text primary key,
    service     text not null,
    fingerprint text not null,
    sessions    integer not null,
    about       text not null,
    owner       text not null,
    began_at    real not null,
    ended_at    real
) without rowid;

create table if not exists batch_session (
    batch_id   text not null,
    number     integer not null,
    attempt    integer not null,
    claimed_at real not null,
    session_id text,
    outcome    text,
    primary key (batch_id, number)
) without rowid;

create table if not exists reusable (
    key        text not null,
    service    text not null,
    session_id text not null,
    at         real not null,
    primary key (key, service)
) without rowid;
"""

_process = f"process {uuid4()}"


class JournalWarning(UserWarning):
    """The journal can't be written; `last` is known in this kernel only.

    Fix: Set AOD_NOTEBOOK_HOME to a folder that can be written.
    """


def remember(session_id: str, service: str, runtime: str | None, *, works: bool = True) -> None:
    """Note that a session was started or continued; `service` is its `Connection.key`.

    One that does not `works` was only looked at.

    A journal that can't be written causes a warning; the session continues.
    """
    registry.last[service] = session_id
    with _tolerant(), opened() as rows:
        rows.execute(
            "insert or replace into followed values (?, ?, ?, ?)",
            (session_id, service, runtime, time.time()),
        )
        if works:
            note_work(rows, session_id, service)


def forget(session_id: str, service: str) -> None:
    """Note that a session was deleted."""
    if registry.last.get(service) == session_id:
        del registry.last[service]
    with _tolerant(), opened() as rows:
        rows.execute(
            "delete from followed where session_id = ? and service = ?", (session_id, service)
        )


def last_followed(service: str) -> str | None:
    """Return the id of the session or run that was followed last on a service; None if none was.

    That of this process comes before those of others.
    """
    if service in registry.last:
        return registry.last[service]
    row = None
    with _tolerant(), opened() as rows:
        row = rows.execute(
            "select session_id from followed where service = ? order by followed_at desc limit 1",
            (service,),
        ).fetchone()
    return None if row is None else str(row[0])


def note_work(rows: sqlite3.Connection, session_id: str, service: str) -> None:
    """Record that this notebook used a session, to count its cost."""
    rows.execute(
        "insert or ignore into worked values (?, ?, ?, ?)",
        (session_id, service, notebook(), time.time()),
    )


def notebook() -> str:
    """Return the key of this notebook: its path where the server sets it, else this process."""
    return os.environ.get("JPY_SESSION_NAME") or _process


@contextlib.contextmanager
def _tolerant() -> Iterator[None]:
    """Warn about an unusable journal instead of failing: it is only a memory."""
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
def opened() -> Iterator[sqlite3.Connection]:
    """Open the journal for one transaction; kernels share the file."""
    # SQLite's own files beside it take its mode
    path = make_private_file(make_private(home()) / "journal.db")
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        # The lock comes first: of two that find no table, one makes it.
        connection.execute("begin immediate")
        with connection:
            (version,) = connection.execute("pragma user_version").fetchone()
            if version > _VERSION:
                raise sqlite3.DatabaseError(NEWER)
            if version < _VERSION:
                for statement in _SCHEMA.split(";"):  # a script would end the transaction
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {_VERSION}")
            yield connection
    finally:
        connection.close()
