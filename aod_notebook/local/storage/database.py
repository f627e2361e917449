"""The database: one thread writes and commits in groups, each other thread reads on its own.

A write is a function that gets the writer's connection. Jobs run one after another, each in a
savepoint, and a group of waiting jobs shares one commit; a job's future is resolved only after
that commit, so what was acknowledged survives a SIGKILL. Checks that decide a write (a version,
a limit, a state) belong into the job: nothing can come between them and the write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from aod_notebook.local.storage.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

T = TypeVar("T")
Job = tuple["Callable[[sqlite3.Connection], Any]", "Future[Any]"]

_GROUP = 512
_BUSY_S = 30.0
_QUIET_S = 0.5
_RETRY_S = 1.0
_MAPPED = 256 * 1024 * 1024  # a replay reads its blocks from the kernel's cache, without copies


_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY = 0xFF  # the rest of an error's code says more about the same kind


class DatabaseDamagedError(sqlite3.DatabaseError):
    """The file of the database is damaged; the message names it and the fix."""


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Name the file and a remedy where SQLite finds a page damaged.

    Raises:
        DatabaseDamagedError: it is.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY not in _DAMAGE:
            raise
        raise DatabaseDamagedError(
            f"{path}: {error}; put a backup in its place, or move it away to start with an empty one"
        ) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode with rows by name; WAL, waiting for other processes.

    Raises:
        sqlite3.DatabaseError: the file is not a database, or can't be read.
    """
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA page_size = 8192")  # of a new file: half the reads of a log block
    try:
        with naming_damage(path):
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


class Database:
    """One SQLite file with its writer thread.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     database = Database(pathlib.Path(folder) / "x.db")
        ...     job = database.submit(lambda c: c.execute("SELECT 1 + 1").fetchone()[0])
        ...     print(job.result())
        ...     database.close()
        2
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600, exist_ok=True)
        self._writer = connect(path)
        try:
            migrate(self._writer)
        except sqlite3.Error:
            self._writer.close()
            raise
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()  # guards _readers
        self._thread = threading.Thread(target=self._work, name="aod-local-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue a write; the future resolves after its commit, or raises what the job raised.

        Raises:
            sqlite3.ProgrammingError: the database is closed.
        """
        if self._closed:
            raise sqlite3.ProgrammingError("the service's database is closed")
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Queue a write and wait for its commit."""
        return await asyncio.wrap_future(self.submit(job))

    async def persist(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Queue a write again and again until the disk takes it.

        For what must not be lost: a full disk then delays the program that writes it.
        """
        is_logged = False
        while True:
            try:
                return await self.write(job)
            except sqlite3.OperationalError as error:
                if not is_logged:
                    logger.error("the database can't be written, trying again: %s", error)  # noqa: TRY400 - a full disk needs no traceback
                is_logged = True
            await asyncio.sleep(_RETRY_S)

    def read(self) -> sqlite3.Connection:
        """Return this thread's reading connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
            self._local.connection = connection
            with self._readers_lock:
                self._readers.append(connection)
        return connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Let several statements read one state; there must be no `await` between them."""
        connection = self.read()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Finish the waiting writes, then close every connection."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        with self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        self._writer.close()

    def _work(self) -> None:
        dirty = False
        while True:
            try:
                first = self._jobs.get(timeout=_QUIET_S if dirty else None)
            except queue.Empty:
                self._checkpoint()
                dirty = False
                continue
            if first is None:
                return
            group, closing = self._gather(first)
            self._commit(group)
            dirty = True
            if closing:
                return

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file: synced to disk, and faster to read."""
        with contextlib.suppress(sqlite3.OperationalError):  # another process holds the lock
            self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _gather(self, first: Job) -> tuple[list[Job], bool]:
        group = [first]
        while len(group) < _GROUP:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return group, True
            group.append(job)
        return group, False

    def _commit(self, group: list[Job]) -> None:
        group = [pair for pair in group if pair[1].set_running_or_notify_cancel()]
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job, future in group:
                self._attempt(job, future, done)
            self._writer.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - it is handed to the one who asked
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)

    def _attempt(
        self,
        job: Callable[[sqlite3.Connection], Any],
        future: Future[Any],
        done: list[tuple[Future[Any], Any]],
    ) -> None:
        self._writer.execute("SAVEPOINT job")
        try:
            with naming_damage(self._path):
                result = job(self._writer)
        except Exception as error:
            if not self._writer.in_transaction:
                raise  # a full disk: SQLite has taken the whole group back, not this job alone
            self._writer.execute("ROLLBACK TO job")
            self._writer.execute("RELEASE job")
            future.set_exception(error)
        else:
            self._writer.execute("RELEASE job")
            done.append((future, result))
