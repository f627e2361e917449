"""Spools of ended processes: found by destination, locked, sent, and deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

import msgspec

from aod_notebook.agentos.report.reader import SpoolReader, segment_path, segments
from aod_notebook.agentos.report.record import END, START, VOID, Record
from aod_notebook.agentos.report.runs import RunState, RunStatus
from aod_notebook.agentos.report.spool import lock, read_header
from aod_notebook.agentos.report.steps import DeliveryStep, StartBody, end_body, start_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aod_notebook.agentos.report.pipe import Pipe
    from aod_notebook.agentos.report.reader import Window
    from aod_notebook.agentos.report.spool import Header

_AT_ONCE = 1000
EXPIRES_S = 30 * 24 * 3600.0
"""Age of the last write after which a spool that no key asks for is deleted."""


def process_ended() -> bytes:
    """Make the body that ends a run after its process died."""
    return end_body("fail", b'{"error_message":"process ended"}')


class OrphanLog:
    """The records in the spool of a process that has ended.

    Attributes:
        runs: the runs found so far, by their external ids.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.uid = folder.name.rpartition("-")[2]
        self.runs: dict[str, RunState] = {}
        self._header = header
        self._ended: set[str] = set()
        self._taken_back: set[str] = set()
        self._reader = SpoolReader(folder)
        self._before = self._reader.acknowledged

    def read(self, limit: int) -> Window:
        """Return the next records that the service does not have."""
        while (window := self._reader.read(limit)).records:
            for record in window.records:
                self._note(record)
            new = [record for record in window.records if record.n > self._before]
            if new:
                return window._replace(records=new)
        return window

    def acknowledge(self, number: int, window: Window, *, is_whole: bool) -> None:
        """Move the cursor."""
        del is_whole
        self._reader.acknowledge(number, window.segment)

    def unended(self) -> Iterator[RunState]:
        """Return the runs that the dead process should have ended."""
        for name, run in self.runs.items():
            if run.is_owner and name not in self._ended and run.status is not RunStatus.REFUSED:
                yield run

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def _note(self, record: Record) -> None:
        name = record.r
        known = self.runs.get(name)
        if record.k == START:
            run = self._started(record)
            if known is None or name in self._taken_back:
                self.runs[name] = run
                self._taken_back.discard(name)
            elif run.is_owner:
                known.is_owner = True
        elif known is None:
            # The start is lost; the service knows the run by its external id.
            known = self.runs[name] = self._run(name, self._request(name), owner=False)
        if record.k == END:
            self._ended.add(name)
        elif record.k == VOID and known is not None:
            known.status = RunStatus.REFUSED
            self._taken_back.add(name)

    def _started(self, record: Record) -> RunState:
        try:
            body = msgspec.json.decode(record.b, type=StartBody)
        except msgspec.MsgspecError:
            return self._run(record.r, self._request(record.r), owner=True)
        return self._run(record.r, bytes(body.request), owner=body.owner)

    def _run(self, name: str, request: bytes, *, owner: bool) -> RunState:
        return RunState(name, request, is_owner=owner)

    def _request(self, name: str) -> bytes:
        return msgspec.json.encode(
            {
                "agent_id": self._header.agent_id or "",
                "trigger_type": "sdk",
                "input": {},
                "external_run_id": name,
            }
        )


class Orphan:
    """One adopted spool that is being sent."""

    def __init__(
        self, folder: Path, header: Header, lock_fd: int, pipe_of: Callable[[OrphanLog], Pipe]
    ) -> None:
        self.folder = folder
        self.family = header.family
        self.is_done = False
        self._lock_fd = lock_fd
        self._log = OrphanLog(folder, header)
        self.pipe = pipe_of(self._log)
        self._ends_added = False

    def work(self) -> bool:
        """Send at most one request; once nothing is left, delete the spool."""
        if self.is_done:
            return False
        if self.pipe.work():
            return True
        if self.pipe.has_steps:
            return False
        if not self._ends_added:
            self._ends_added = True
            for run in self._log.unended():
                record = Record(END, 0, run.external_run_id, msgspec.Raw(process_ended()))
                self.pipe.add(DeliveryStep(run, END, [record]))
            return True
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()
        return False

    def release(self) -> None:
        """Release the spool."""
        self.is_done = True
        self._log.close()
        with contextlib.suppress(OSError):
            os.close(self._lock_fd)


def adopt_all(
    root: Path, base_url: str, fingerprint: str, pipe_of: Callable[[OrphanLog], Pipe]
) -> list[Orphan]:
    """Adopt the spools of ended processes for a destination; delete long forgotten ones."""
    found = []
    try:
        folders = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
    for folder in folders:
        header = read_header(folder)
        if header is None or (header.base_url, header.fingerprint) != (base_url, fingerprint):
            _expire(folder)
            continue
        with contextlib.suppress(OSError):
            held = lock(folder)
            if held is not None:
                found.append(Orphan(folder, header, held, pipe_of))
    return found


def left_by_children(root: Path, family: str, own: str) -> int:
    """Count the undelivered records of other processes of a family."""
    count = 0
    for folder in root.glob("[!.]*"):
        header = read_header(folder)
        if header is None or header.family != family or folder.name.endswith(f"-{own}"):
            continue
        with contextlib.suppress(OSError), contextlib.closing(SpoolReader(folder)) as reader:
            while records := reader.read(_AT_ONCE).records:
                count += sum(
                    record.n > reader.acknowledged and record.k not in (START, VOID)
                    for record in records
                )
    return count


def agents_in(folder: Path) -> tuple[str, ...]:
    """List the agents that the runs of a spool name."""
    found: dict[str, None] = {}
    with contextlib.suppress(OSError), contextlib.closing(SpoolReader(folder)) as reader:
        while records := reader.read(_AT_ONCE).records:
            for record in records:
                if record.k == START:
                    with contextlib.suppress(msgspec.MsgspecError):
                        request = msgspec.json.decode(record.b, type=StartBody).request
                        found[msgspec.json.decode(request, type=_StartRequest).agent_id] = None
    return tuple(name for name in found if name)


def offered(root: Path, base_url: str, fingerprint: str, agent_id: str) -> bool:
    """Check whether an ended process left records of an agent under another key."""
    for folder in root.glob("[!.]*"):
        header = read_header(folder)
        if header is None or header.base_url != base_url or header.fingerprint == fingerprint:
            continue
        if agent_id != header.agent_id and agent_id not in agents_in(folder):
            continue
        with contextlib.suppress(OSError):
            held = lock(folder)
            if held is not None:
                os.close(held)
                return True
    return False


class _StartRequest(msgspec.Struct):
    agent_id: str = ""


def _expire(folder: Path) -> None:
    """Delete a spool that was not written for long and has a key that nobody used since."""
    try:
        paths = [segment_path(folder, number) for number in segments(folder)] or [folder]
        if time.time() - max(path.stat().st_mtime for path in paths) < EXPIRES_S:
            return
        held = lock(folder)
    except OSError:
        return
    if held is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def repeated_start(run: RunState) -> bytes:
    """Make the body with which a later segment, or a child's spool, repeats a start."""
    return start_body(run.request, owner=run.is_owner)
