"""Writing a spool: a locked folder of append-only segments that only this process appends to."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import uuid
from typing import TYPE_CHECKING

import msgspec

from aod_notebook.agentos.report.reader import SpoolPosition, segment_path
from aod_notebook.agentos.report.snapshot import now
from aod_notebook.core.files import make_private, write_private
from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

try:
    import fcntl
except ImportError:  # no such system has locks that end with their process
    fcntl = None  # type: ignore[assignment]

SEGMENT_BYTES = 4 << 20
_FORMAT = 1


def spool_folder() -> Path:
    """Return the directory that holds the spools of all processes."""
    return home() / "agentos" / "spools"


class Header(msgspec.Struct, frozen=True):
    """Destination and owner of a spool, with the key's fingerprint, never the key."""

    base_url: str
    fingerprint: str
    agent_id: str | None = None
    pid: int = 0
    created_at: str = ""
    family: str = ""
    """Names the process that a fork came from, and all of its forks."""
    format: int = _FORMAT


def read_header(folder: Path) -> Header | None:
    """Read the header of a spool; None if it cannot be read."""
    try:
        header = msgspec.json.decode((folder / "header.json").read_bytes(), type=Header)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return header if header.format == _FORMAT else None


def lock(folder: Path) -> int | None:
    """Take the lock of a spool and return its descriptor; None if another owner is alive.

    Raises:
        OSError: this file system has no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOLCK, "this system has no file locks", str(folder))
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.fstat(fd)
        there = (folder / "lock").stat()
        if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass  # owned, or removed by its owner in this moment
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


class SpoolWriter:
    """The spool of this process for one destination.

    `end` is where the written records end; it moves after the write, so what lies before it
    is whole.

    Raises:
        OSError: the folder cannot be made, written or locked.
    """

    def __init__(
        self,
        root: Path,
        base_url: str,
        fingerprint: str,
        agent_id: str | None,
        family: str = "",
    ) -> None:
        self.uid = uuid.uuid4().hex
        pid = os.getpid()
        self.folder = root / f"{fingerprint}-{pid}-{self.uid}"
        header = Header(base_url, fingerprint, agent_id, pid, now(), family)
        draft = root / f".new-{self.uid}"
        make_private(draft)
        try:
            write_private(draft / "header.json", msgspec.json.encode(header))
            held = lock(draft)
            if held is None:
                raise OSError(errno.ENOLCK, "a new spool cannot be locked", str(draft))  # noqa: TRY301 - tidied up below
            self._lock_fd = held
            self._fd = _create(draft, 1)
            draft.rename(self.folder)  # only now can others see it, and then it is locked
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        self.end = SpoolPosition(1, 0)

    def append(self, data: bytes) -> None:
        """Append one record by one write, whole or not at all.

        Raises:
            OSError: the disk does not take it.
        """
        end = self.end
        try:
            written = write(self._fd, data)
        except OSError:
            raise
        except BaseException:  # an interrupt right after the write: keep what is there
            self.end = SpoolPosition(end.segment, os.fstat(self._fd).st_size)
            raise
        if written != len(data):
            os.ftruncate(self._fd, end.offset)
            raise OSError(errno.ENOSPC, "the disk is full", str(self.folder))
        self.end = SpoolPosition(end.segment, end.offset + written)

    @property
    def is_long(self) -> bool:
        """Whether it is time for the next segment."""
        return self.end.offset >= SEGMENT_BYTES

    def roll(self) -> None:
        """Begin the next segment."""
        fd = _create(self.folder, self.end.segment + 1)
        os.close(self._fd)
        self._fd = fd
        self.end = SpoolPosition(self.end.segment + 1, 0)

    def release(self) -> None:
        """Release the spool; the next process sends what is in it.

        In a forked child this leaves the parent's lock as it is: closing a copy of the
        descriptor unlocks nothing.
        """
        for fd in (self._fd, self._lock_fd):
            with contextlib.suppress(OSError):
                os.close(fd)

    def remove(self) -> None:
        """Delete and release the spool, after everything in it was delivered."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


def _quick_write() -> Callable[[int, bytes], int]:
    """Return a `write` that keeps the interpreter's lock.

    A write to the page cache takes about a microsecond. `os.write` lets go of the lock
    meanwhile, and the sender thread then has it for up to 5 ms: that, not the disk, is what
    an `emit` in a tight loop would wait for.
    """
    try:
        plain = ctypes.PyDLL(None).write
    except (OSError, AttributeError, TypeError):
        return os.write
    plain.restype = ctypes.c_ssize_t

    def quick(fd: int, data: bytes) -> int:
        written: int = plain(fd, data, len(data))
        return written if written >= 0 else os.write(fd, data)  # which raises what is wrong

    return quick


write = _quick_write()


def _create(folder: Path, number: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL
    return os.open(segment_path(folder, number), flags, 0o600)
