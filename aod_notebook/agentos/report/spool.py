"""Writing a spool: a locked folder of append-only segments that only this process appends to."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from typing import TYPE_CHECKING

import msgspec

from aod_notebook.agentos.report.reader import SpoolPosition, segment_path
from aod_notebook.core import append_log
from aod_notebook.core.append_log import AppendLog
from aod_notebook.core.clock import now
from aod_notebook.core.files import make_private, write_private
from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from pathlib import Path

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
    path = folder / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if append_log.lock(fd):
            mine, there = os.fstat(fd), path.stat()
            if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
                return fd
    except FileNotFoundError:
        pass  # removed by its owner in this moment
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


class SpoolWriter:
    """The spool of this process for one destination.

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
            self._segment = 1, _segment(draft, 1)
            draft.rename(self.folder)  # only now can others see it, and then it is locked
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    @property
    def end(self) -> SpoolPosition:
        """Where the written records end: what lies before it is whole."""
        number, log = self._segment  # at once: another thread may begin the next one
        return SpoolPosition(number, log.end)

    def append(self, data: bytes) -> None:
        """Append one record by one write, whole or not at all.

        Raises:
            OSError: the disk does not take it.
        """
        self._segment[1].append(data)

    @property
    def is_long(self) -> bool:
        """Whether it is time for the next segment."""
        return self._segment[1].end >= SEGMENT_BYTES

    def roll(self) -> None:
        """Begin the next segment."""
        number, log = self._segment
        self._segment = number + 1, _segment(self.folder, number + 1)
        log.close()

    def release(self) -> None:
        """Release the spool; the next process sends what is in it.

        In a forked child this leaves the parent's lock as it is: closing a copy of the
        descriptor unlocks nothing.
        """
        with contextlib.suppress(OSError):
            self._segment[1].close()
        with contextlib.suppress(OSError):
            os.close(self._lock_fd)

    def remove(self) -> None:
        """Delete and release the spool, after everything in it was delivered."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


def _segment(folder: Path, number: int) -> AppendLog:
    return AppendLog.open(segment_path(folder, number), is_new=True)
