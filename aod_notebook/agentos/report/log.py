"""Where this process keeps its records until they are sent: a spool, or memory where there is no disk."""

from __future__ import annotations

import uuid
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from aod_notebook.agentos.report.reader import SpoolReader, Window
from aod_notebook.agentos.report.record import EVENT, START, Record, pack
from aod_notebook.agentos.report.spool import SpoolWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

SPOOL_LIMIT = 512 << 20
"""Bytes that may wait on disk."""
MEMORY_BYTES = 64 << 20
"""Bytes that may wait in memory when the disk does not take them."""

Start = tuple[bytes, bytes]
"""The external id of a run as JSON text, and the body of its start record."""


class RecordLog:
    """The unsent records of this process for one destination, in order.

    Not locked: the reporter calls `append` under its lock; `read` and `acknowledge` belong to
    the sender thread. A record is in the spool, or, while the disk refuses, in memory;
    those in memory are always the later ones.

    Args:
        folder: where spools are; None keeps everything in memory.
        memory_limit: records that memory may hold.
        starts: returns the start records of the open runs, which every segment repeats.
        trouble: called with a line on what failed on the disk and what is done instead.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        base_url: str,
        fingerprint: str,
        agent_id: str | None,
        family: str,
        memory_limit: int,
        starts: Callable[[], Iterable[Start]],
        trouble: Callable[[str], None],
    ) -> None:
        self.count = 0  # records appended
        self._starts = starts
        self._trouble = trouble
        self._memory: deque[Record] = deque()
        self._memory_in = self._memory_out = 0  # bytes, each counted by one thread
        self._memory_limit = memory_limit
        self._writer: SpoolWriter | None = None
        self._reader: SpoolReader | None = None
        self._written = self._sent = 0  # bytes
        self._from_memory = 0  # of the records in memory, how many have been read
        if folder is not None:
            try:
                self._writer = SpoolWriter(folder, base_url, fingerprint, agent_id, family)
                self._reader = SpoolReader(self._writer.folder)
            except OSError as error:
                self._say(f"no spool can be kept in {folder} ({error.strerror or error})")
        self.uid = self._writer.uid if self._writer else uuid.uuid4().hex

    @property
    def in_memory(self) -> int:
        """How many records are in memory only."""
        return len(self._memory)

    def append(self, kind: str, run: bytes, body: bytes) -> str | None:
        """Append a record; return None, or a short reason why it was dropped."""
        if self._writer is not None and not self._memory:
            try:
                return self._append_to_spool(self._writer, kind, run, body)
            except OSError as error:
                self._say(f"the spool cannot be written ({error.strerror or error})")
        return self._append_to_memory(kind, run, body)

    def read(self, limit: int) -> Window:
        """Return the next records, from the spool or from memory."""
        if self._reader is not None and self._writer is not None:
            window = self._reader.read(limit, self._writer.end)
            if window.records:
                return window
        start = self._from_memory
        found = list(islice(self._memory, start, start + limit))
        self._from_memory += len(found)
        return Window(found)

    def acknowledge(self, number: int, window: Window, *, is_whole: bool) -> None:
        """Note that the service has all records up to `number`, or all of the window."""
        while self._memory and self._memory[0].n <= number:
            self._memory_out += len(bytes(self._memory.popleft().b))
            self._from_memory -= 1
        if window.segment and self._reader is not None:
            self._sent += window.size if is_whole else 0
            self._reader.acknowledge(number, window.segment)

    def release(self) -> None:
        """Release the spool for the next process."""
        if self._reader is not None:
            self._reader.close()
        if self._writer is not None:
            self._writer.release()
        self._reader = self._writer = None

    def remove(self) -> None:
        """Delete the spool: everything has been delivered."""
        if self._reader is not None:
            self._reader.close()
        if self._writer is not None:
            self._writer.remove()
        self._reader = self._writer = None

    def _append_to_spool(
        self, writer: SpoolWriter, kind: str, run: bytes, body: bytes
    ) -> str | None:
        if writer.is_long:
            self._roll(writer)
        data = pack(kind, self.count + 1, run, body)
        if kind == EVENT and self._written - self._sent + len(data) > SPOOL_LIMIT:
            self._trouble(
                f"the spool is full: events are dropped until some of its {SPOOL_LIMIT >> 20} MB are sent"
            )
            return "spool full"
        writer.append(data)
        self.count += 1
        self._written += len(data)
        return None

    def _say(self, what: str) -> None:
        limit = self._memory_limit
        self._trouble(f"{what}: up to {limit} records are kept in memory instead")

    def _roll(self, writer: SpoolWriter) -> None:
        """Begin a segment, with the starts of the open runs: the old ones may be deleted."""
        writer.roll()
        for run, body in self._starts():
            data = pack(START, self.count + 1, run, body)
            writer.append(data)
            self.count += 1
            self._written += len(data)

    def _append_to_memory(self, kind: str, run: bytes, body: bytes) -> str | None:
        held = self._memory_in - self._memory_out
        is_full = self.in_memory >= self._memory_limit or held > MEMORY_BYTES
        if is_full and kind == EVENT:
            return "memory full"
        record = Record(kind, self.count + 1, msgspec.json.decode(run), msgspec.Raw(body))
        self._memory.append(record)
        self._memory_in += len(body)
        self.count += 1
        return None
