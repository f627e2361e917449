"""Maintenance of a data directory: size, backup, compaction, retention.

All of it works on the files, beside a running service or without one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.contract import SESSION_ENDED
from aod_notebook.local.config import Config
from aod_notebook.local.launcher import ServiceInfo, find_service
from aod_notebook.local.storage.database import connect, naming_damage

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINAL = str(SESSION_ENDED)  # a tuple of strings reads the same in SQL


@dataclass(frozen=True, slots=True)
class Status:
    """A data directory at a glance; sizes are bytes, `service` is None if none runs."""

    service: ServiceInfo | None
    sessions: dict[str, int]
    runs: dict[str, int]
    database_bytes: int
    workspace_bytes: int


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What `clean` removed."""

    sessions: int
    runs: int


def status(data_dir: Path) -> Status:
    """Count sessions and runs by status, and measure the files.

    Raises:
        FileNotFoundError: no service has ever run on the directory.
    """
    config = _config(data_dir)
    with _opened(config) as connection:
        sessions, runs = (_counts(connection, table) for table in ("session", "run"))
    files = (config.database.with_name(config.database.name + end) for end in ("", "-wal"))
    return Status(
        service=find_service(config.data_dir),
        sessions=sessions,
        runs=runs,
        database_bytes=sum(path.stat().st_size for path in files if path.exists()),
        workspace_bytes=_size(config.sessions_dir),
    )


def backup(data_dir: Path, target: Path) -> None:
    """Copy the database into the file `target`, consistent even while a service writes.

    The keys of the vault are not in it: secrets in a backup can't be read without the directory.

    Raises:
        FileNotFoundError: no service has ever run on the directory.
        FileExistsError: there is a file `target` already.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists already: choose another file")
    with _opened(_config(data_dir)) as source:
        target.touch(mode=0o600, exist_ok=False)  # no file or link that is put there meanwhile
        with contextlib.closing(sqlite3.connect(target)) as copy:
            source.backup(copy)


def vacuum(data_dir: Path) -> int:
    """Free unused space of the database; return the number of bytes freed.

    Raises:
        FileNotFoundError: no service has ever run on the directory.
        sqlite3.OperationalError: a running service was busy for 30 seconds.
    """
    config = _config(data_dir)
    with _opened(config) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = config.database.stat().st_size
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before - config.database.stat().st_size


def clean(data_dir: Path, older_than: timedelta) -> Cleaned:
    """Delete finished sessions and ended runs that did not change within the given time.

    Sessions go with their log and directory, runs with their events, tasks and questions.

    Raises:
        FileNotFoundError: no service has ever run on the directory.
    """
    config = _config(data_dir)
    before = (datetime.now(UTC) - older_than).isoformat(timespec="microseconds")
    with _opened(config) as connection:
        connection.execute("BEGIN IMMEDIATE")
        sessions = _clean_sessions(connection, before)
        runs = _clean_runs(connection, before)
        connection.execute("COMMIT")
    for session_id in sessions:
        shutil.rmtree(config.sessions_dir / session_id, ignore_errors=True)
    return Cleaned(len(sessions), runs)


def _config(data_dir: Path) -> Config:
    return Config(data_dir=Path(data_dir).expanduser().resolve())


@contextlib.contextmanager
def _opened(config: Config) -> Iterator[sqlite3.Connection]:
    if not config.database.exists():
        raise FileNotFoundError(f"no service has run on {config.data_dir} yet")
    with (
        naming_damage(config.database),
        contextlib.closing(connect(config.database)) as connection,
    ):
        yield connection


def _counts(connection: sqlite3.Connection, table: str) -> dict[str, int]:
    rows = connection.execute(f"SELECT status, count(*) FROM {table} GROUP BY status")  # noqa: S608 - our own table names
    return {str(name): int(count) for name, count in rows}


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # a session may remove it meanwhile
                size += Path(parent, name).lstat().st_size
    return size


def _clean_sessions(connection: sqlite3.Connection, before: str) -> list[str]:
    rows = connection.execute(
        f"SELECT id FROM session WHERE status IN {_FINAL} AND updated_at < ?",  # noqa: S608 - our own constant
        (before,),
    )
    ids = [str(row["id"]) for row in rows]
    for table, column in (("log_block", "session_id"), ("turn", "session_id"), ("session", "id")):
        connection.executemany(
            f"DELETE FROM {table} WHERE {column} = ?",  # noqa: S608 - our own table names
            [(session_id,) for session_id in ids],
        )
    return ids


def _clean_runs(connection: sqlite3.Connection, before: str) -> int:
    rows = connection.execute("SELECT seq, id FROM run WHERE ended_at < ?", (before,)).fetchall()
    for table in ("task", "question", "approval"):
        connection.executemany(
            f"DELETE FROM {table} WHERE run_id = ?",  # noqa: S608 - our own table names
            [(row["id"],) for row in rows],
        )
    connection.executemany("DELETE FROM run_event WHERE run = ?", [(row["seq"],) for row in rows])
    connection.executemany("DELETE FROM run WHERE seq = ?", [(row["seq"],) for row in rows])
    return len(rows)
