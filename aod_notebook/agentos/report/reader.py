"""Reading a spool: its segments in order, whole records only, from a durable cursor on."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from aod_notebook.agentos.report.record import scan

if TYPE_CHECKING:
    from pathlib import Path

    from aod_notebook.agentos.report.record import Record

_CHUNK = 1 << 20
_CURSOR = struct.Struct("<QQ")
_CHECK = struct.Struct("<I")
_MOST_RECORDS = 1 << 28


class SpoolPosition(msgspec.Struct, frozen=True, gc=False):
    """A place in a spool: number of a segment, offset in bytes."""

    segment: int
    offset: int


class Window(NamedTuple):
    """Records that were read at once from one segment, `size` bytes long."""

    records: list[Record]
    segment: int = 0
    size: int = 0


def segment_path(folder: Path, number: int) -> Path:
    """Path of a segment."""
    return folder / f"{number:08d}.log"


def segments(folder: Path) -> list[int]:
    """Numbers of the segments that are there, in order."""
    return sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit())


def read_cursor(folder: Path) -> int:
    """Number of the last delivered record; 0 if the cursor cannot be read."""
    try:
        data = (folder / "cursor").read_bytes()
    except OSError:
        return 0
    if len(data) != _CURSOR.size + _CHECK.size:
        return 0
    number, _ = _CURSOR.unpack_from(data)
    (check,) = _CHECK.unpack_from(data, _CURSOR.size)
    return number if check == zlib.crc32(data[: _CURSOR.size]) else 0


class SpoolReader:
    """Reads one spool front to back, and keeps its cursor.

    `acknowledged` is the number of the last record that the service has. Records are known
    by their numbers, so one that is there twice is given once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged = read_cursor(folder)
        self._segment = 0
        self._offset = 0
        self._fd: int | None = None
        self._cursor_fd: int | None = None
        self._kept_from = 0  # number of the first segment that is still needed
        self._seen = _Seen()

    def read(self, limit: int, end: SpoolPosition | None = None) -> Window:
        """Return the next records, at most `limit`, up to `end` (else to the end of the files).

        They are of one segment; a window without records means that there are no more.
        """
        while True:
            stop = self._stop(end)
            if self._fd is not None and self._offset < stop:
                window = self._take(self._fd, stop, limit)
                if window.records:
                    return window
            elif not self._next(end):
                return Window([])

    def acknowledge(self, number: int, segment: int) -> None:
        """Note that the service has all records up to `number`, the next is in `segment`."""
        self.acknowledged = number
        with contextlib.suppress(OSError):  # without a cursor, records come twice: not lost
            self._write_cursor(_CURSOR.pack(number, segment))
        if segment == self._kept_from:
            return
        self._kept_from = segment
        for old in segments(self.folder):
            if old < segment:
                with contextlib.suppress(OSError):
                    segment_path(self.folder, old).unlink()

    def close(self) -> None:
        """Close the files."""
        for fd in (self._fd, self._cursor_fd):
            if fd is not None:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._fd = self._cursor_fd = None

    def _write_cursor(self, data: bytes) -> None:
        if self._cursor_fd is None:
            self._cursor_fd = os.open(self.folder / "cursor", os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(self._cursor_fd, data + _CHECK.pack(zlib.crc32(data)), 0)

    def _stop(self, end: SpoolPosition | None) -> int:
        if end is not None and self._segment == end.segment:
            return end.offset
        return os.fstat(self._fd).st_size if self._fd is not None else 0

    def _next(self, end: SpoolPosition | None) -> bool:
        """Open the next segment; return False if there is none."""
        last = self._segment if end is None else min(self._segment, end.segment)
        later = [number for number in segments(self.folder) if number > last]
        if not later or (end is not None and later[0] > end.segment):
            return False
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._segment, self._offset = later[0], 0
        with contextlib.suppress(OSError):
            self._fd = os.open(segment_path(self.folder, self._segment), os.O_RDONLY)
        return True

    def _take(self, fd: int, stop: int, limit: int) -> Window:
        left = stop - self._offset
        for size in (min(left, _CHUNK), left):
            data = os.pread(fd, size, self._offset)
            records, used = self._parse(data, limit)
            if used:
                self._offset += used
                return Window(records, self._segment, used)
        self._offset = stop  # nothing whole is left: a torn tail
        return Window([])

    def _parse(self, data: bytes, limit: int) -> tuple[list[Record], int]:
        found = scan(data, limit)
        is_new = self._seen.add
        used = found[-1][1] if found else 0
        return [record for record, _ in found if is_new(record.n)], used


class _Seen:
    """Which record numbers have come; in an undamaged spool they simply count up."""

    def __init__(self) -> None:
        self._last = 0
        self._gaps: bytearray | None = None  # a byte per number, once the order was broken

    def add(self, number: int) -> bool:
        """Check whether the number is new, and note it."""
        if self._gaps is None:
            if self._last == 0 or number == self._last + 1:
                if self._last == 0 and 1 < number < _MOST_RECORDS:
                    self._gaps = bytearray(number + 1)
                    self._gaps[number] = 1
                self._last = number
                return True
            if max(number, self._last) >= _MOST_RECORDS:
                is_new = number > self._last
                self._last = max(number, self._last)
                return is_new
            self._gaps = bytearray(b"\1") * (self._last + 1)
        if number >= len(self._gaps):
            self._gaps.extend(bytes(number + 1 - len(self._gaps)))
        if self._gaps[number]:
            return False
        self._gaps[number] = 1
        return True
