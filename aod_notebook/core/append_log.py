"""Append-only files: each record by one write, whole or not at all, by the process that holds the lock."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

try:
    import fcntl
except ImportError:  # no such system has locks that end with their process
    fcntl = None  # type: ignore[assignment]


class AppendLog:
    r"""An open file that records are appended to.

    `end` is where the written records end; it moves after the write, so what lies before it is
    whole. Not locked against other threads.

    Args:
        descriptor: the file, opened for appending; `close` closes it.
        end: where the records end that are in it.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> log = AppendLog.open(Path(tempfile.mkdtemp()) / "log")
        >>> log.append(b"one\n")
        >>> log.end
        4
        >>> log.close()
    """

    __slots__ = ("_descriptor", "end")

    def __init__(self, descriptor: int, end: int = 0) -> None:
        self._descriptor = descriptor
        self.end = end

    @classmethod
    def open(cls, path: Path, *, is_new: bool = False) -> Self:
        """Open a file for its owner alone; create it if it is not there.

        Raises:
            OSError: it can't be opened, or it exists and should be new.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_EXCL if is_new else 0)
        return cls(os.open(path, flags, 0o600))

    def lock(self) -> bool:
        """Lock the file for this process (`lock`)."""
        return lock(self._descriptor)

    def append(self, record: bytes) -> None:
        """Append one record by one write, whole or not at all.

        Raises:
            OSError: the disk does not take it.
        """
        try:
            written = write(self._descriptor, record)
        except OSError:
            raise
        except BaseException:  # an interrupt right after the write: keep what is there
            self.end = os.fstat(self._descriptor).st_size
            raise
        if written != len(record):
            os.ftruncate(self._descriptor, self.end)
            raise OSError(errno.ENOSPC, "the disk is full")
        self.end += written

    def cut(self, end: int) -> None:
        """Cut off what follows `end`: the torn tail that a crash left.

        Raises:
            OSError: it can't be cut.
        """
        os.ftruncate(self._descriptor, end)
        self.end = end

    def close(self) -> None:
        """Close the file, which ends the lock.

        In a forked child this leaves the parent's lock as it is: closing a copy of the
        descriptor unlocks nothing.
        """
        os.close(self._descriptor)


def lock(descriptor: int) -> bool:
    """Lock an open file for this process, without waiting; the lock ends with the process.

    Returns:
        Whether it is locked now; False if another owner is alive.

    Raises:
        OSError: this system, or the file system, has no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOLCK, "this system has no file locks")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _quick_write() -> Callable[[int, bytes], int]:
    """Return a `write` that keeps the interpreter's lock.

    A write to the page cache takes about a microsecond. `os.write` lets go of the lock
    meanwhile, and another thread then has it for up to 5 ms: that, not the disk, is what
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
